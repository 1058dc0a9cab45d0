//! An index may cost time and never hides a row.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::erase::{Grounds, Request};
use crate::paths::moment;
use crate::query::{Query, search};
use crate::testing::{new_store, rows_of, settings, stop, store, wait_until};
use crate::{EventId, Kind, Record, Recorder, RecorderSettings, Verdict};

const DAY: i64 = 86_400_000_000;
const BEGIN: i64 = 1_790_035_200_000_000;
const PATIENCE: Duration = Duration::from_secs(60);

fn own(directory: &Path) -> RecorderSettings {
    RecorderSettings {
        segment_rows: 10,
        retain: Duration::from_secs(100_000 * 86_400),
        ..settings(directory)
    }
}

/// A request; blocked, with a path, when it is every fourth.
fn row(user: &str, number: u64, time: i64) -> Record {
    let mut record = Record::new(Kind::Request, EventId(0x7000 + number), time);
    record.user = Some(user.into());
    record.host = Some(format!("www.of-{}-{}.example", user.to_lowercase(), number / 10).into());
    record.bytes_up = number;
    if number.is_multiple_of(4) {
        record.verdict = Verdict::Block;
        record.path = Some(format!("/Path/of/{user}/{number}").into());
    }
    record
}

/// Records rows of `days` days, ten to a segment and four segments a day.
fn record(directory: &Path, days: i64) {
    let recorder = Recorder::start(own(directory)).unwrap();
    let mut lane = recorder.lane();
    for number in 0..days as u64 * 40 {
        let user = ["Ann", "bob", "cal"][(number / 7) as usize % 3];
        lane.push(row(user, number, BEGIN + number as i64 * DAY / 40));
        if number % 10 == 9 {
            lane.flush();
            wait_until(&recorder, "written", |health| health.queued == 0);
        }
    }
    drop(lane);
    stop(&recorder);
}

fn day(at: i64) -> Period {
    Period::of(BEGIN + at * DAY)
}

fn queries() -> Vec<Query> {
    let text = |text: &str| Query {
        text: Some(text.to_owned()),
        ..Query::default()
    };
    let host = |host: &str, exact_host| Query {
        host: Some(host.to_owned()),
        exact_host,
        ..Query::default()
    };
    let mut queries = vec![
        Query::default(),
        Query {
            user: Some("ANN".to_owned()),
            ..Query::default()
        },
        Query {
            user: Some("bob".to_owned()),
            from: Some(moment(BEGIN + DAY)),
            to: Some(moment(BEGIN + 2 * DAY)),
            ..Query::default()
        },
        Query {
            kinds: vec![Kind::Stop],
            ..Query::default()
        },
        Query {
            to: Some(moment(BEGIN + DAY / 2)),
            ..Query::default()
        },
        host("of-bob-1.example", false),
        host("www.of-ann-0.example", true),
    ];
    queries.extend(["OF-cal-2", "/path/of/b", "/16", "zzz", ""].map(text));
    queries
}

fn answers(directory: &Path) -> Vec<Vec<crate::testing::Row>> {
    queries()
        .iter()
        .map(|query| rows_of(directory, query))
        .collect()
}

fn opened(directory: &Path, query: &Query) -> usize {
    let searched = search(&store(directory), query, &mut |_| ControlFlow::Continue(()));
    searched.unwrap().files.len()
}

fn index_files(directory: &Path) -> Vec<PathBuf> {
    let opened = store(directory);
    let mut files = vec![opened.layout().segments().join("periods")];
    for (period, _) in opened.layout().list_periods().unwrap() {
        files.extend(
            paths(&opened, period)
                .into_iter()
                .filter(|path| path.exists()),
        );
    }
    files
}

#[test]
fn a_search_finds_the_same_whatever_is_done_to_the_index_lm_16() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 3);
    let found = answers(directory.path());
    assert!(found[..7].iter().all(|rows| !rows.is_empty()));
    let opened_store = store(directory.path());
    let files = index_files(directory.path());
    assert!(files.len() >= 7, "{files:?}");
    let whole: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    let put_back = || {
        for (path, bytes) in files.iter().zip(&whole) {
            fs::write(path, bytes).unwrap();
        }
    };
    // Any byte flipped, a cut, and nothing.
    for (path, bytes) in files.iter().zip(&whole) {
        for at in (0..bytes.len()).step_by(bytes.len() / 5 + 1) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(path, flipped).unwrap();
            assert_eq!(answers(directory.path()), found, "byte {at} of {path:?}");
        }
        for end in [0, bytes.len() / 2, bytes.len() - 1] {
            fs::write(path, &bytes[..end]).unwrap();
            assert_eq!(answers(directory.path()), found);
        }
        fs::remove_file(path).unwrap();
        assert_eq!(answers(directory.path()), found);
        fs::write(path, bytes).unwrap();
    }
    // Every file in the place of every other one.
    for (to, path) in files.iter().enumerate() {
        for step in 1..=3 {
            let from = (to + step) % whole.len();
            let bytes = &whole[from];
            fs::write(path, bytes).unwrap();
            assert_eq!(answers(directory.path()), found, "{from} to {to}");
        }
        put_back();
    }
    // One that was made when fewer segments were there, and what a stranger wrote under a key of their own.
    let period = day(1);
    let listed = opened_store.layout().period(period);
    let hidden = opened_store
        .layout()
        .list_segments(&listed)
        .unwrap()
        .pop()
        .unwrap()
        .1;
    let aside = hidden.with_extension("aside");
    fs::rename(&hidden, &aside).unwrap();
    update(&opened_store, period, None).unwrap();
    let older: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    fs::rename(&aside, &hidden).unwrap();
    assert_eq!(answers(directory.path()), found);
    put_back();
    for (path, bytes) in files.iter().zip(&older) {
        fs::write(path, bytes).unwrap();
        assert_eq!(answers(directory.path()), found);
    }
    put_back();
    let other = tempfile::tempdir().unwrap();
    record(other.path(), 3);
    let [ours, theirs] = [&opened_store, &store(other.path())].map(|store| paths(store, period));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        fs::copy(theirs, ours).unwrap();
        assert_eq!(answers(directory.path()), found);
    }
    drop(new_store(other.path()));
}

#[test]
fn only_segments_that_can_match_are_opened() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 3);
    let all = opened(directory.path(), &Query::default());
    assert!(all >= 12, "{all}");
    let of = |text: &str| {
        let query = Query {
            text: Some(text.to_owned()),
            ..Query::default()
        };
        opened(directory.path(), &query)
    };
    assert_eq!(of("nobody-has-this"), 0);
    assert!((1..=2).contains(&of("of-bob-1.example")));
    assert!((1..=2).contains(&of("/path/of/ann/20")));
    let host = Query {
        host: Some("of-ann-0.example".to_owned()),
        ..Query::default()
    };
    assert!((1..=2).contains(&opened(directory.path(), &host)));
}

#[test]
fn rows_from_before_the_day_of_their_file_are_found_and_days_that_cannot_match_are_not_looked_into()
{
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 2);
    // A tunnel that began two days before its file's day, as after a long connection or a clock that was set.
    let recorder = Recorder::start(own(directory.path())).unwrap();
    let mut lane = recorder.lane();
    lane.push(row("dan", 900, BEGIN + DAY / 3));
    lane.push(row("dan", 901, BEGIN + 4 * DAY));
    drop(lane);
    stop(&recorder);
    let of_day = |at: i64| Query {
        from: Some(moment(BEGIN + at * DAY)),
        to: Some(moment(BEGIN + (at + 1) * DAY)),
        ..Query::default()
    };
    let first = rows_of(directory.path(), &of_day(0));
    assert_eq!(first.len(), 41);
    assert!(first.iter().any(|row| row.user.as_deref() == Some("dan")));
    let opened_store = store(directory.path());
    let second = opened_store.layout().period(day(1));
    let listed = opened_store.layout().list_segments(&second).unwrap();
    let known = Periods::read(&opened_store);
    assert!(known.earliest(day(1), &listed).unwrap() >= BEGIN + DAY - DAY / 4);
    // Neither the index of a later day nor its segments are opened.
    for (_, path) in &listed {
        fs::write(path, b"no segment").unwrap();
    }
    remove(&opened_store, day(1)).unwrap();
    let early = Query {
        to: Some(moment(BEGIN + DAY / 2)),
        ..Query::default()
    };
    assert_eq!(rows_of(directory.path(), &early).len(), 21);
    let searched = search(
        &opened_store,
        &of_day(1),
        &mut |_| ControlFlow::Continue(()),
    )
    .unwrap();
    assert!(!searched.unreadable.is_empty());
}

/// What the index files of all days say, decrypted and unpacked.
fn told(directory: &Path) -> String {
    let store = store(directory);
    let mut told = String::new();
    for (period, _) in store.layout().list_periods().unwrap() {
        let [path, _] = paths(&store, period);
        let bytes = store
            .read_sealed_as(&path, &what(period, FILES[0]))
            .unwrap();
        told.push_str(&String::from_utf8_lossy(&bytes.unwrap()));
        let index = Index::read(&store, period).unwrap();
        for place in 0..COLUMNS.len() {
            told.push_str(&format!("{:?}", index.texts(place).unwrap().to_lines()));
        }
    }
    told
}

#[test]
fn an_erased_host_is_named_by_no_byte_of_the_index_lm_15() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 2);
    assert!(told(directory.path()).contains("of-ann-2.example"));
    let request = Request::Erase {
        query: Box::new(Query {
            user: Some("ann".to_owned()),
            ..Query::default()
        }),
        grounds: Grounds::new("E-1", "DPO", "art 17").unwrap(),
    };
    let before: Vec<_> = index_files(directory.path())
        .iter()
        .map(|path| fs::read(path).unwrap())
        .collect();
    let recorder = Recorder::start(own(directory.path())).unwrap();
    assert!(recorder.serve(&request, PATIENCE).unwrap().count > 20);
    stop(&recorder);
    let after = told(directory.path());
    assert!(
        after.contains("of-bob-1.example") && !after.contains("ann"),
        "{after}"
    );
    let opened_store = store(directory.path());
    for period in [day(0), day(1)] {
        let contents = read_contents(&opened_store, period).unwrap();
        assert!(
            !contents
                .values()
                .any(|grams| grams.may_have("/path/of/ann"))
        );
        assert!(
            contents
                .values()
                .any(|grams| grams.may_have("/path/of/bob"))
        );
        // What was there before cannot be opened by anything that is left.
        let [index, _] = paths(&opened_store, period);
        for bytes in &before {
            fs::write(&index, bytes).unwrap();
            assert!(Index::read(&opened_store, period).is_none());
        }
    }
}

#[test]
fn a_start_makes_a_missing_index_again_and_forgets_the_open_one_of_earlier_versions() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 2);
    let before = told(directory.path());
    let facts = directory.path().join("segments/facts");
    fs::write(
        &facts,
        "1 2026-09-01/weir-1-2.parquet 2 0 0 request 00000000",
    )
    .unwrap();
    let files = index_files(directory.path());
    fs::remove_file(&files[0]).unwrap();
    fs::remove_file(&files[1]).unwrap();
    fs::write(&files[3], b"torn").unwrap();
    let recorder = Recorder::start(own(directory.path())).unwrap();
    let begun = std::time::Instant::now();
    while !stale(&store(directory.path())).unwrap().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(5));
    }
    stop(&recorder);
    assert!(!facts.exists());
    let is_host = |text: &&str| text.starts_with("www.of-") && text.ends_with(".example");
    let hosts: BTreeSet<&str> = before.split('"').filter(is_host).collect();
    assert!(hosts.len() > 8, "{hosts:?}");
    for line in hosts {
        assert!(told(directory.path()).contains(line), "{line}");
    }
    let nobody = Query {
        text: Some("nobody-has-this".to_owned()),
        ..Query::default()
    };
    assert_eq!(opened(directory.path(), &nobody), 0);
}

#[test]
fn what_is_said_of_content_goes_with_it_and_the_rest_with_its_period_lm_14() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 2);
    let opened_store = store(directory.path());
    let [index, contents] = paths(&opened_store, day(0));
    assert!(index.exists() && contents.exists());
    let keep = |content: u64, all: u64| {
        let settings = RecorderSettings {
            retain_content: Duration::from_secs(content * 86_400),
            retain: Duration::from_secs(all * 86_400),
            ..own(directory.path())
        };
        let recorder = Recorder::start(settings).unwrap();
        assert!(recorder.retain(PATIENCE));
        stop(&recorder);
    };
    keep(1, 100_000);
    assert!(index.exists() && !contents.exists());
    let keys = store(directory.path());
    assert!(keys.keys().unwrap().list(day(0), true).unwrap().is_empty());
    let path = Query {
        text: Some("/path/of/".to_owned()),
        ..Query::default()
    };
    // The segment that has the row of the start is of today, and keeps its content.
    assert_eq!(opened(directory.path(), &path), 1);
    keep(1, 1);
    assert!(!index.exists());
    let listed = Vec::new();
    assert_eq!(
        Periods::read(&store(directory.path())).earliest(day(0), &listed),
        None
    );
    assert!(
        !format!("{:?}", Periods::read(&store(directory.path()))).contains(&day(0).to_string())
    );
}
