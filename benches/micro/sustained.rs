//! Records at a sustained rate, everything on: what one costs in processor time, what it takes at rest, and the same rows written as
//! others write them.
//!
//! A thread makes rows of [`Traffic`] at 50,000 a second and pushes them as the proxy's threads do. Processor time is that of the
//! whole process, push, journal, encryption, commitments, tree, sealing and sync included, without the making of the rows, which is measured
//! alone first. `text` writes lines in the manner of Squid's access log, `gzip` the same through gzip at its usual level.
//!
//!     cargo bench -p weir-benches --bench sustained            (WEIR_RATE, WEIR_SECONDS: 50000, 30)

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use weir_benches::{Traffic, bytes_at_rest, is_smoke, shared, top_sites};
use weir_monitoring::{Kind, Record, Recorder, RecorderSettings, Verdict};

/// The product's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Between two pushes of a thread at work.
const STEP: Duration = Duration::from_millis(10);
const FLUSH: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    let number = |name: &str, usual: u64| {
        let text = std::env::var(name).ok();
        text.and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let (rate, seconds) = match is_smoke() {
        true => (20_000, 1),
        false => (number("WEIR_RATE", 50_000), number("WEIR_SECONDS", 30)),
    };
    // As the product does.
    _ = rustix::thread::disable_transparent_huge_pages(true);
    let count = rate * seconds;
    let hosts = hosts();
    println!("{count} rows at {rate} a second, {} hosts", hosts.len());
    let making = making(&hosts, count);
    println!("making a row: {making:.0} ns (not counted below)\n");
    println!("|  | ns a record | bytes a record | dropped | longest queue |");
    println!("|---|---|---|---|---|");
    weir(&hosts, rate, seconds, making);
    others(&hosts, count, making);
}

fn hosts() -> Vec<Arc<str>> {
    let found = shared().and_then(|shared| top_sites(&shared, 50_000).ok());
    let found = found.unwrap_or_default();
    found.iter().map(weir_host::Host::shared).collect()
}

/// Processor time of this process so far.
fn processor() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Nanoseconds of processor time for each of `count`.
fn each(since: Duration, count: u64) -> f64 {
    (processor() - since).as_nanos() as f64 / count as f64
}

fn making(hosts: &[Arc<str>], count: u64) -> f64 {
    let mut traffic = Traffic::new(1, hosts.to_vec());
    let before = processor();
    let mut sum = 0;
    for _ in 0..count {
        sum += std::hint::black_box(traffic.record()).bytes_down;
    }
    std::hint::black_box(sum);
    each(before, count)
}

fn weir(hosts: &[Arc<str>], rate: u64, seconds: u64, making: f64) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let records = directory.path().join("records");
    let mut traffic = Traffic::new(1, hosts.to_vec());
    let before = processor();
    let recorder = Recorder::start(RecorderSettings::new(&records)).expect("the recorder starts");
    let mut lane = recorder.lane();
    let begun = Instant::now();
    let (mut made, mut flushed, mut longest) = (0, begun, 0);
    while made < rate * seconds {
        let due = (begun.elapsed().as_secs_f64() * rate as f64) as u64;
        while made < due.min(rate * seconds) {
            lane.push(traffic.record());
            made += 1;
        }
        if flushed.elapsed() >= FLUSH {
            lane.flush();
            flushed = Instant::now();
        }
        longest = longest.max(recorder.health().queued);
        std::thread::sleep(STEP);
    }
    lane.flush();
    drop(lane);
    let dropped = recorder.health().dropped;
    let threads = threads();
    recorder.stop(PATIENCE).expect("everything is written");
    let cost = each(before, made) - making;
    let kinds = bytes_at_rest(&records);
    let total: u64 = kinds.values().sum();
    row("weir", cost, total, made, &format!("{dropped} | {longest}"));
    for (name, time) in threads {
        println!(
            "| of that thread {name} | {:.0} | | | |",
            time / made as f64
        );
    }
    for (kind, bytes) in kinds {
        println!(
            "| of that {kind} | | {:.2} | | |",
            bytes as f64 / made as f64
        );
    }
}

/// Nanoseconds of processor time that each thread of the recorder has had: the rest is push, wake-ups and what ended with them.
fn threads() -> Vec<(String, f64)> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let of = |task: std::fs::DirEntry| {
        let name = read(task.path().join("comm")).trim().to_owned();
        let times = read(task.path().join("schedstat"));
        let time: f64 = times.split(' ').next()?.parse().ok()?;
        name.starts_with("record").then_some((name, time))
    };
    tasks.flatten().filter_map(of).collect()
}

fn row(name: &str, cost: f64, bytes: u64, count: u64, rest: &str) {
    let bytes = bytes as f64 / count as f64;
    println!("| {name} | {cost:.0} | {bytes:.1} | {rest} |");
}

fn others(hosts: &[Arc<str>], count: u64, making: f64) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("access.log");
    let create = || BufWriter::with_capacity(65_536, File::create(&path).expect("a file"));
    let size = || path.metadata().map_or(0, |metadata| metadata.len());

    let before = processor();
    let mut file = create();
    lines(hosts, count, &mut file);
    drop(file);
    row("text", each(before, count) - making, size(), count, "| ");

    let before = processor();
    let mut file = flate2::write::GzEncoder::new(create(), flate2::Compression::default());
    lines(hosts, count, &mut file);
    file.finish()
        .and_then(|mut file| file.flush())
        .expect("written");
    row("gzip", each(before, count) - making, size(), count, "| ");
}

fn lines(hosts: &[Arc<str>], count: u64, out: &mut dyn Write) {
    let mut traffic = Traffic::new(1, hosts.to_vec());
    let mut line = String::new();
    for _ in 0..count {
        put_line(&traffic.record(), &mut line);
        out.write_all(line.as_bytes()).expect("written");
    }
}

/// One row in the manner of Squid's own format, with the fields that a school would add.
fn put_line(record: &Record, line: &mut String) {
    let text = |text: &Option<Arc<str>>| text.as_deref().unwrap_or("-").to_owned();
    let end = record.time + record.duration as i64;
    let (code, url) = match (record.kind, record.verdict) {
        (Kind::TunnelClose, _) => ("TCP_TUNNEL", format!("{}:443", text(&record.host))),
        (_, Verdict::Block) => ("TCP_DENIED", address(record)),
        _ => ("TCP_MISS", address(record)),
    };
    line.clear();
    // Writing to a string cannot fail.
    let _ = writeln!(
        line,
        "{}.{:03} {:6} {} {code}/{:03} {} {} {url} {} HIER_DIRECT/{} {} {} {} {} {} {}",
        end / 1_000_000,
        end / 1000 % 1000,
        record.duration / 1000,
        record
            .client
            .map_or_else(String::new, |client| client.to_string()),
        record.status,
        record.bytes_down,
        text(&record.method),
        text(&record.user),
        record
            .origin
            .map_or_else(String::new, |origin| origin.to_string()),
        text(&record.groups),
        text(&record.category),
        text(&record.rule),
        record.bytes_up,
        record.event,
        record.client_port,
    );
}

fn address(record: &Record) -> String {
    let host = record.host.as_deref().unwrap_or("-");
    format!("http://{host}{}", record.path.as_deref().unwrap_or("/"))
}
