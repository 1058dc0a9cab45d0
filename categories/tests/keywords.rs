//! Keywords at the scale that Weir is made for, measured: the figures of docs/catalogue.md.

#![allow(clippy::unwrap_used)]

#[path = "../../benches/src/keywords.rs"]
#[expect(
    unreachable_pub,
    reason = "the benches are the other user of this file"
)]
mod made_up;

use std::hint::black_box;
use std::time::{Duration, Instant};

use weir_categories::manifest::{FILE_NAME, Manifest, Written};
use weir_categories::{Source, build, file, open};
use weir_host::Host;

/// The binary's allocator: the figures of memory are about it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const COUNT: usize = 100_000;

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("RssAnon"))
        .unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}

/// Processor time of this process so far, threads that have ended included; in steps of the kernel's 10 ms.
fn processor() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = text.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2);
    Duration::from_millis(
        ticks
            .map(|ticks| ticks.parse::<u64>().unwrap())
            .sum::<u64>()
            * 10,
    )
}

/// What an act takes on the clock, the middle one of several, and of a processor, which the load of a machine changes less.
fn timed<T>(times: u32, mut act: impl FnMut() -> T) -> (Duration, Duration) {
    let before = processor();
    let one = |_| {
        let begin = Instant::now();
        black_box(act());
        begin.elapsed()
    };
    let mut all: Vec<Duration> = (0..times).map(one).collect();
    all.sort_unstable();
    (all[all.len() / 2], (processor() - before) / times)
}

#[test]
#[ignore = "measures"]
fn measure() {
    let root = tempfile::tempdir().unwrap();
    let texts = made_up::keywords(COUNT);
    let mut opened = Vec::new();
    for (name, list) in [("none", ""), ("all", &*format!("{}\n", texts.join("\n")))] {
        let directory = root.path().join(name);
        let place = root.path().join(format!("{name}-index"));
        std::fs::create_dir_all(directory.join("weapons")).unwrap();
        let mut manifest = Manifest::new(name, "made up", 0);
        for (file, text) in [
            ("weapons/domains", "listed.example\n"),
            ("weapons/keywords", list),
        ] {
            std::fs::write(directory.join(file), text).unwrap();
            manifest
                .files
                .insert(file.to_owned(), Written::of(text.as_bytes()));
        }
        let local = Source::directory(name, &directory);
        let (compiled, compiled_cpu) = timed(3, || {
            build(std::slice::from_ref(&local), &mut |_| {}).unwrap()
        });
        std::fs::write(directory.join(FILE_NAME), manifest.to_json().unwrap()).unwrap();
        open(&place, std::slice::from_ref(&local), None, &mut |_| {}).unwrap();
        let base = place.join("base");
        let (open, open_cpu) = timed(9, || file::open_alone(&base).unwrap());
        let before = resident();
        let index = file::open_alone(&base).unwrap();
        println!(
            "{name}: {} keywords, {} faults; compiled as an edit in {compiled:.0?} (processor {compiled_cpu:.0?}); opened in {open:.1?} (processor {open_cpu:.1?}); file {:.2} MB; {:.2} MB held, {:.1} MB resident",
            index.counts().keywords,
            build(&[local], &mut |_| {}).unwrap().report.faults.count(),
            std::fs::metadata(&base).unwrap().len() as f64 / 1e6,
            index.bytes() as f64 / 1e6,
            resident() - before,
        );
        opened.push((name, index));
    }
    for (kind, pages) in made_up::PAGES {
        let pages: Vec<(Host, &str, Option<&str>)> = pages
            .iter()
            .map(|(host, path, query)| (Host::parse(host).unwrap(), *path, *query))
            .collect();
        let bytes: usize = pages
            .iter()
            .map(|(_, path, query)| path.len() + query.map_or(0, str::len))
            .sum();
        for (name, index) in &opened {
            let rounds = 20_000 / pages.len();
            let (clock, took) = timed(25, || {
                for _ in 0..rounds {
                    for (host, path, query) in &pages {
                        black_box(index.url_categories(black_box(host), 80, path, *query));
                    }
                }
            });
            let one = |took: Duration| took.as_secs_f64() * 1e9 / (rounds * pages.len()) as f64;
            println!(
                "{kind} ({} bytes on average), {name}: {:.0} ns a question (processor {:.0} ns)",
                bytes / pages.len(),
                one(clock),
                one(took)
            );
        }
    }
    // What an attacker would send.
    let host = Host::parse("www.google.com").unwrap();
    for unit in ["a", "a!", "%D0%B0a", "ba", "%E6%AD%A6"] {
        let query = format!("q={}", unit.repeat(8192 / unit.len()));
        for (name, index) in &opened {
            let (clock, took) = timed(2000, || {
                index.url_categories(&host, 80, "/search", Some(&query))
            });
            println!("8 KiB of {unit:?}, {name}: {clock:.0?} a question (processor {took:.0?})");
        }
    }
}

#[test]
fn made_up_keywords_are_without_fault_and_each_is_found_af_11() {
    let root = tempfile::tempdir().unwrap();
    let texts = made_up::keywords(500);
    std::fs::create_dir_all(root.path().join("weapons")).unwrap();
    std::fs::write(root.path().join("weapons/keywords"), texts.join("\n")).unwrap();
    let built = build(&[Source::directory("l", root.path())], &mut |_| {}).unwrap();
    assert_eq!(built.report.faults.count(), 0);
    let host = Host::parse("www.google.com").unwrap();
    for text in &texts {
        let term: String = text
            .trim_end_matches('*')
            .bytes()
            .map(|b| format!("%{b:02x}"))
            .collect();
        let query = format!("q={}", weir_host::normal_query(&term));
        let found = built.index.all(&host, 80, Some("/search"), Some(&query));
        assert!(
            found.iter().any(|found| found.entry == *text),
            "{text}: {found:?}"
        );
    }
}
