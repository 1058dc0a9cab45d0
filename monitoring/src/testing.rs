//! What the tests of this crate share: plausible traffic, a directory to record to, and a plain way to read it back.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::query::{Query, search};
use crate::{
    Cells, Col, End, EventId, Identity, Initiator, KekSource, Kind, Record, Recorder,
    RecorderHealth, RecorderSettings, Store, Verdict,
};

/// A small generator of repeatable numbers (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `below` - 1.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.roll() % below
    }

    /// 0 to `below` - 1, the small ones far more often.
    fn skewed(&mut self, below: u64) -> u64 {
        let range = self.below(below) + 1;
        self.below(range)
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// Plausible school traffic: shared texts as the proxy shares them.
pub(crate) struct Traffic {
    pub(crate) dice: Dice,
    users: Vec<Arc<str>>,
    hosts: Vec<Arc<str>>,
    groups: Vec<Arc<str>>,
    categories: Vec<Arc<str>>,
    methods: Vec<Arc<str>>,
    versions: [Arc<str>; 2],
    time: i64,
    event: u64,
}

impl Traffic {
    pub(crate) fn new(seed: u64, users: usize, hosts: usize) -> Traffic {
        let texts = |count: usize, text: &dyn Fn(usize) -> String| {
            (0..count).map(|at| text(at).into()).collect::<Vec<_>>()
        };
        Traffic {
            dice: Dice::new(seed),
            users: texts(users, &|at| format!("pupil{at:04}")),
            hosts: texts(hosts, &|at| {
                format!("{}.site{}.example", ["www", "cdn", "api"][at % 3], at / 3)
            }),
            groups: texts(4, &|at| format!("pupils,year-{}", at + 7)),
            categories: texts(20, &|at| format!("category-{at}")),
            methods: texts(3, &|at| ["GET", "POST", "HEAD"][at].to_owned()),
            versions: ["3f2a9c0d1b4e5f60".into(), "a1b2c3d4e5f60718".into()],
            time: 1_790_000_000_000_000,
            event: 0x1234_5678_0000_0000,
        }
    }

    /// One closing row.
    pub(crate) fn record(&mut self) -> Record {
        let is_tunnel = self.dice.chance(37);
        self.time += self.dice.below(400) as i64;
        self.event += 1;
        let kind = if is_tunnel {
            Kind::TunnelClose
        } else {
            Kind::Request
        };
        let mut record = Record::new(
            kind,
            EventId(self.event),
            self.time - self.dice.skewed(2_000_000) as i64,
        );
        record.duration = 1_000 + self.dice.skewed(400_000);
        self.put_person(&mut record);
        self.put_target(&mut record, is_tunnel);
        self.put_verdict(&mut record);
        record.bytes_up = 300 + self.dice.skewed(2_000);
        record.bytes_down = self.dice.skewed(200_000);
        record
    }

    fn put_person(&mut self, record: &mut Record) {
        let user = self.dice.below(self.users.len() as u64) as usize;
        record.user = self.users.get(user).cloned();
        record.groups = self.groups.get(user % self.groups.len()).cloned();
        record.network = Some("classrooms".into()).filter(|_| user.is_multiple_of(2));
        record.profile = Some("pupil".into());
        record.identity = Identity::Password;
        record.identity_age = Some((user % 900) as u32);
        record.client = Some(IpAddr::V4(Ipv4Addr::from(
            0x0a00_0000 | (user as u32 * 7 % 60_000),
        )));
        record.client_port = 1024 + self.dice.below(60_000) as u16;
        record.listener = Some("main".into());
        record.policy_version = Some(Arc::clone(&self.versions[0]));
        record.lists_version = Some(Arc::clone(&self.versions[1]));
    }

    fn put_target(&mut self, record: &mut Record, is_tunnel: bool) {
        let host = self.dice.skewed(self.hosts.len() as u64);
        record.host = self.hosts.get(host as usize).cloned();
        record.port = if is_tunnel { 443 } else { 80 };
        record.scheme = Some(if is_tunnel { "connect" } else { "http" });
        let method = self.dice.skewed(3) as usize;
        record.method = self.methods.get(method).cloned().filter(|_| !is_tunnel);
        record.origin = Some(IpAddr::V4(Ipv4Addr::from(0xc633_6400 | host as u32)));
        record.initiator = if is_tunnel {
            Initiator::Unknown
        } else {
            Initiator::SubResource
        };
        record.inspected = !is_tunnel;
        let category = self.categories.get(host as usize % 20).cloned();
        record.categories = category.clone();
        record.category = category;
    }

    fn put_verdict(&mut self, record: &mut Record) {
        let is_blocked = self.dice.chance(4);
        record.verdict = if is_blocked {
            Verdict::Block
        } else {
            Verdict::Allow
        };
        record.rule = Some(
            if is_blocked {
                "no-gambling"
            } else {
                "everything-else"
            }
            .into(),
        );
        record.status = if is_blocked { 403 } else { 200 };
        record.end = if is_blocked {
            End::Refused
        } else {
            End::Complete
        };
        if is_blocked {
            record.list = Some("starter".into());
            record.entry = record.host.clone();
            record.path = Some(format!("/page/{}", self.dice.skewed(5_000)).into());
        }
    }
}

/// Settings that make things happen soon.
pub(crate) fn settings(directory: &Path) -> RecorderSettings {
    RecorderSettings {
        // In the directory itself, so that it goes away with it.
        kek: kek(directory),
        // The rows of most tests are of a day long ago.
        retain: Duration::from_secs(10_000 * 86_400),
        retain_content: Duration::from_secs(10_000 * 86_400),
        // The clock of most tests that remove anything leaps.
        settle: Duration::ZERO,
        flush: Duration::from_millis(5),
        sync: Duration::from_millis(10),
        ..RecorderSettings::new(directory)
    }
}

/// The key of a test's records.
pub(crate) fn kek(directory: &Path) -> KekSource {
    KekSource::Own(directory.join("test.kek"))
}

/// A test's records, opened with their key.
pub(crate) fn store(directory: &Path) -> Store {
    Store::open(directory, &kek(directory), "default").unwrap()
}

/// A test's records before anything was recorded, with a key.
pub(crate) fn new_store(directory: &Path) -> Store {
    std::fs::create_dir_all(directory).unwrap();
    Store::create(directory, &kek(directory), "default").unwrap()
}

/// One row, as far as most tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) seq: u64,
    pub(crate) kind: Kind,
    pub(crate) event: u64,
    pub(crate) time: i64,
    pub(crate) duration: u64,
    pub(crate) user: Option<String>,
    pub(crate) bytes_up: u64,
    pub(crate) end: String,
    pub(crate) note: String,
}

/// Matching rows in the order of the search.
pub(crate) fn rows_of(directory: &Path, query: &Query) -> Vec<Row> {
    let mut rows = Vec::new();
    let searched = search(&store(directory), query, &mut |batch| {
        let cells = Cells::new(batch);
        rows.extend((0..batch.num_rows()).map(|row| Row {
            seq: cells.u64_at(Col::seq, row),
            kind: cells.str_at(Col::kind, row).unwrap().parse().unwrap(),
            event: cells.u64_at(Col::event, row),
            time: cells.time_at(row),
            duration: cells.u64_at(Col::duration, row),
            user: cells.str_at(Col::user, row).map(str::to_owned),
            bytes_up: cells.u64_at(Col::bytes_up, row),
            end: cells.str_at(Col::end, row).unwrap().to_owned(),
            note: cells.str_at(Col::note, row).unwrap_or_default().to_owned(),
        }));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(searched.unreadable, []);
    assert_eq!(searched.rows, rows.len() as u64);
    rows
}

/// Every row by number, which must be 1, 2, 3 … without a hole.
pub(crate) fn all_rows(directory: &Path) -> Vec<Row> {
    let mut rows = rows_of(directory, &Query::default());
    rows.sort_by_key(|row| row.seq);
    let numbers: Vec<u64> = rows.iter().map(|row| row.seq).collect();
    assert_eq!(numbers, (1..=rows.len() as u64).collect::<Vec<_>>());
    rows
}

/// Rows of one kind, by number.
pub(crate) fn of_kind(rows: &[Row], kind: Kind) -> Vec<&Row> {
    rows.iter().filter(|row| row.kind == kind).collect()
}

/// Waits until the recorder is as asked; a minute is a failure, also on a machine that is busy with other tests.
pub(crate) fn wait_until(
    recorder: &Recorder,
    what: &str,
    is_so: impl Fn(&RecorderHealth) -> bool,
) -> RecorderHealth {
    let begun = Instant::now();
    loop {
        let health = recorder.health();
        if is_so(&health) {
            return health;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "not {what}: {health:?}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A request of `user` with a number that tells it from all others.
pub(crate) fn numbered(user: &str, number: u64) -> Record {
    let mut record = Record::new(
        Kind::Request,
        EventId(number),
        1_790_000_000_000_000 + number as i64,
    );
    record.user = Some(user.into());
    record.bytes_up = number;
    record
}

/// A test's records as the check opens them, which is built from this crate once more.
pub(crate) fn verified(directory: &Path) -> weir_verify::Store {
    let kek = weir_verify::KekSource::Own(directory.join("test.kek"));
    weir_verify::Store::open(directory, &kek, "default").unwrap()
}

/// Checks the log over all records of a directory; what is found besides.
pub(crate) fn check(directory: &Path) -> weir_verify::Report {
    let outside = weir_verify::Outside::default();
    weir_verify::check(&verified(directory), &outside, &mut |_, _, _| Ok(())).unwrap()
}

/// The log holds, and covers so many rows; what is found besides.
pub(crate) fn holds(directory: &Path) -> weir_verify::LogReport {
    let report = check(directory);
    assert!(report.holds(), "{}", report.to_text());
    assert_eq!(report.logs.len(), 1, "{}", report.to_text());
    report.logs.into_iter().next().unwrap()
}

/// Stops in good order.
pub(crate) fn stop(recorder: &Recorder) {
    recorder.stop(Duration::from_secs(60)).unwrap();
}
