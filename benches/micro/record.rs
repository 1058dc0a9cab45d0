//! What a record costs: on the thread that carries traffic (`push`), and in all until it lies in a sealed segment (`seal`).
//!
//! `push` is the time of one record made, pushed and handed over in batches of 1,024 as the lane does it; the writer drains
//! outside the time that is counted. `seal` is rows a second from the first push to a stopped recorder: journal, sync,
//! Parquet, log. `leaf` and `tree` are what the log costs of that: one record's commitments and leaf from bytes that are at
//! hand, and one leaf into the tree. `verify` is rows a second of a check. Before `seal` the processor time of one record, of all
//! threads, is printed, and after it the bytes at rest.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weir_benches::{bytes_at_rest, is_smoke};
use weir_evidence::{LeafMaker, Secret, Span, Tag};
use weir_monitoring::{
    End, EventIds, Identity, Initiator, KekSource, Kind, Lane, Record, Recorder, RecorderSettings,
    Store, Verdict,
};

/// Records between two looks at the writer: well below what it queues.
const BATCH: u64 = 16_384;
/// Patience with a disk.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes records as the proxy does: texts are shared, numbers differ.
struct Maker {
    ids: EventIds,
    texts: [Arc<str>; 8],
    hosts: Vec<Arc<str>>,
    users: Vec<Arc<str>>,
    count: u64,
}

impl Maker {
    fn new() -> Maker {
        let texts = [
            "pupils",
            "classrooms",
            "pupil",
            "main",
            "GET",
            "unlisted",
            "0123456789abcdef",
            "fedcba9876543210",
        ];
        let many = |prefix: &str, count: u32| {
            (0..count)
                .map(|n| Arc::from(format!("{prefix}{n}")))
                .collect()
        };
        Maker {
            ids: EventIds::new(),
            texts: texts.map(Arc::from),
            hosts: many("www.a-site-of-usual-length.example", 5_000),
            users: many("pupil", 1_000),
            count: 0,
        }
    }

    fn one_of(texts: &[Arc<str>], number: u64) -> Option<Arc<str>> {
        let at = usize::try_from(number)
            .unwrap_or(0)
            .checked_rem(texts.len())?;
        texts.get(at).cloned()
    }

    fn make(&mut self) -> Record {
        self.count += 1;
        let [
            groups,
            network,
            profile,
            listener,
            method,
            rule,
            policy,
            lists,
        ] = self.texts.each_ref().map(Arc::clone);
        // Coprime strides, so that neighbours differ.
        let (user, host) = (self.count * 7, self.count * 31);
        Record {
            duration: 20_000 + self.count % 977,
            user: Self::one_of(&self.users, user),
            groups: Some(groups),
            network: Some(network),
            profile: Some(profile),
            identity: Identity::Password,
            identity_age: Some(60),
            client: Some([10, 20, 1, (self.count % 250) as u8].into()),
            client_port: 40_000,
            listener: Some(listener),
            method: Some(method),
            scheme: Some("http"),
            host: Self::one_of(&self.hosts, host),
            port: 80,
            origin: Some([192, 0, 2, 7].into()),
            verdict: Verdict::Allow,
            rule: Some(Arc::clone(&rule)),
            category: Some(Arc::clone(&rule)),
            categories: Some(rule),
            policy_version: Some(policy),
            lists_version: Some(lists),
            status: 200,
            end: End::Complete,
            bytes_up: 0,
            bytes_down: 1024 + self.count % 4096,
            initiator: Initiator::SubResource,
            inspected: true,
            ..Record::new(
                Kind::Request,
                self.ids.next(),
                1_795_000_000_000_000 + self.count as i64 * 500,
            )
        }
    }
}

/// A recorder over a directory of its own.
struct Running {
    recorder: Recorder,
    lane: Lane,
    maker: Maker,
    _directory: tempfile::TempDir,
}

impl Running {
    fn start() -> Running {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let settings = RecorderSettings::new(directory.path().join("records"));
        let recorder = Recorder::start(settings).expect("the recorder starts");
        Running {
            lane: recorder.lane(),
            recorder,
            maker: Maker::new(),
            _directory: directory,
        }
    }

    /// The time it takes to make and push so many records.
    fn push(&mut self, count: u64) -> Duration {
        let begin = Instant::now();
        for _ in 0..count {
            self.lane.push(self.maker.make());
        }
        self.lane.flush();
        begin.elapsed()
    }

    fn drain(&self) {
        while self.recorder.health().queued > 0 {
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Pushes in batches that the queue takes; the time without the waits between.
    fn push_all(&mut self, mut count: u64) -> Duration {
        let mut took = Duration::ZERO;
        while count > 0 {
            let batch = count.min(BATCH);
            took += self.push(batch);
            self.drain();
            count -= batch;
        }
        took
    }

    fn stop(self) {
        drop(self.lane);
        assert_eq!(
            self.recorder.health().dropped,
            0,
            "a dropped record costs nothing"
        );
        self.recorder.stop(PATIENCE).expect("everything is written");
    }
}

fn record(criterion: &mut Criterion) {
    let mut running = Running::start();
    criterion.bench_function("record/push", |bencher| {
        bencher.iter_custom(|count| running.push_all(count));
    });
    running.stop();

    log(criterion);
    let rows = if is_smoke() { 2_000 } else { 262_144 };
    print_processor_time(rows);
    let mut group = criterion.benchmark_group("record");
    group.sample_size(10).throughput(Throughput::Elements(rows));
    group.bench_function("seal", |bencher| {
        bencher.iter(|| {
            let mut running = Running::start();
            running.push_all(rows);
            running.stop();
        });
    });
    let mut running = Running::start();
    running.push_all(rows);
    drop(running.lane);
    running
        .recorder
        .stop(PATIENCE)
        .expect("everything is written");
    let directory = running._directory.path().join("records");
    print_bytes(&directory, rows);
    let kek = KekSource::beside(&directory);
    let store = Store::open(&directory, &kek, "default").expect("its own key opens it");
    group.bench_function("verify", |bencher| {
        let outside = weir_verify::Outside::default();
        bencher.iter(|| {
            let report = weir_verify::check(&store, &outside, &mut |_, _, _| Ok(()));
            assert!(report.is_ok_and(|report| report.holds()));
        });
    });
    group.finish();
}

/// What the log itself costs.
fn log(criterion: &mut Criterion) {
    let mut maker = LeafMaker::new(Secret::random().expect("the system has randomness"));
    // The groups of an allowed request as the maker above makes it.
    let groups: [&[usize]; 3] = [
        &[4, 7, 8, 8, 2, 8, 8, 12, 1, 5, 16, 16],
        &[9, 6, 5, 8, 4, 10, 9, 2, 4],
        &[3, 4, 34, 2, 9, 8, 8, 8],
    ];
    let value = [0x61; 64];
    let mut seq = 0;
    let mut leaf = move || {
        seq += 1;
        maker.begin(seq, 1_790_000_000_000_000, Tag([7; 16]));
        for (number, fields) in (0..).zip(groups) {
            maker.group(number);
            for (id, length) in (1..).zip(fields) {
                let value = value.get(..*length).unwrap_or(&value);
                maker.field(id, value).expect("a short field");
            }
        }
        maker.finish()
    };
    let one = leaf();
    criterion.bench_function("record/leaf", |bencher| bencher.iter(&mut leaf));
    let mut tree = Span::new(0);
    criterion.bench_function("record/tree", |bencher| bencher.iter(|| tree.push(one)));
}

/// Processor time of this process so far, in ticks of 10 ms: user and system.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let mut times = fields.split_whitespace().skip(11);
    let mut next = || times.next().and_then(|time| time.parse::<u64>().ok());
    next().zip(next()).map_or(0, |(user, system)| user + system)
}

/// Processor time of a record from its making to its segment, over several passes; the first one warms up.
fn print_processor_time(rows: u64) {
    let mut passes = Vec::new();
    for _ in 0..if is_smoke() { 1 } else { 9 } {
        let before = ticks();
        let mut running = Running::start();
        running.push_all(rows);
        running.stop();
        passes.push((ticks() - before) * 10_000_000 / rows);
    }
    passes.sort_unstable();
    let median = passes.get(passes.len() / 2).copied().unwrap_or(0);
    println!("record: processor time of one, ns: median {median}, passes {passes:?}");
}

/// Bytes at rest by kind of file.
fn print_bytes(directory: &std::path::Path, rows: u64) {
    for (kind, bytes) in bytes_at_rest(directory) {
        println!(
            "record: {:.2} bytes a record in {kind}",
            bytes as f64 / rows as f64
        );
    }
}

criterion_group!(benches, record);
criterion_main!(benches);
