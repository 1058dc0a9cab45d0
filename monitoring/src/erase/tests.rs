//! What goes and what stays (LM-14, LM-15).

#![allow(clippy::unwrap_used)]

mod crash;
mod holds;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::clock::tests::SteppedClock;
use crate::journal::create_file;
use crate::keys::KeyName;
use crate::query::search;
use crate::testing::{
    Dice, check, holds as log_holds, kek, of_kind, rows_of, settings, stop, store, wait_until,
};
use crate::{Cells, Col, EventId, Kind, Record, Recorder, RecorderSettings, Verdict, clock, proof};

const DAY: i64 = 86_400_000_000;
const PATIENCE: Duration = Duration::from_secs(60);

fn grounds(case: &str) -> Grounds {
    Grounds::new(case, "DPO", "art 17").unwrap()
}

fn by_user(user: &str) -> Box<Query> {
    Box::new(Query {
        user: Some(user.to_owned()),
        ..Query::default()
    })
}

fn erase(user: &str) -> Request {
    Request::Erase {
        query: by_user(user),
        grounds: grounds("E-1"),
    }
}

fn hold(user: &str, case: &str) -> Request {
    Request::Hold {
        query: by_user(user),
        grounds: grounds(case),
    }
}

fn release(case: &str) -> Request {
    Request::Release {
        grounds: grounds(case),
    }
}

/// A request of a user; blocked, with a path of its own, when it is every third.
fn row(user: &str, number: u64, time: i64) -> Record {
    let mut record = Record::new(Kind::Request, EventId(0x5000 + number), time);
    record.user = Some(user.into());
    record.host = Some(format!("of-{user}.example").into());
    record.bytes_up = number;
    if number.is_multiple_of(3) {
        record.verdict = Verdict::Block;
        record.path = Some(format!("/path/of/{user}/{number}").into());
    }
    record
}

fn own(directory: &Path) -> RecorderSettings {
    RecorderSettings {
        segment_rows: 40,
        retain: Duration::from_secs(90 * 86_400),
        ..settings(directory)
    }
}

/// Records rows of three people, now or so many days ago, and stops.
fn record(directory: &Path, days: i64, count: u64) {
    let clock = SteppedClock::new();
    clock.step.store(-days * DAY, Ordering::Relaxed);
    let settings = RecorderSettings {
        retain: Duration::from_secs(10_000 * 86_400),
        ..own(directory)
    };
    let recorder = Recorder::start_with(settings, Box::new(clock), Box::new(create_file)).unwrap();
    let mut lane = recorder.lane();
    for number in 0..count {
        let user = ["ann", "bob", "cal"][number as usize % 3];
        // Every user has rows with content.
        lane.push(row(user, number / 3, clock::now() - days * DAY));
        if number % 20 == 19 {
            lane.flush();
            wait_until(&recorder, "written", |health| health.queued == 0);
        }
    }
    drop(lane);
    stop(&recorder);
}

fn serve(directory: &Path, request: &Request) -> Result<Done, String> {
    let recorder = Recorder::start(own(directory)).unwrap();
    let done = recorder.serve(request, PATIENCE);
    stop(&recorder);
    done
}

fn count(directory: &Path, user: &str) -> usize {
    rows_of(directory, &by_user(user)).len()
}

fn paths_of(directory: &Path, user: &str) -> usize {
    let mut found = 0;
    search(&store(directory), &by_user(user), &mut |batch| {
        let cells = Cells::new(batch);
        found += (0..batch.num_rows())
            .filter(|row| cells.str_at(Col::path, *row).is_some())
            .count();
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

/// Everything that the keys that are left can open, and every file as it is: for a search of texts that must be gone.
fn everything(directory: &Path) -> Vec<u8> {
    let store = store(directory);
    let mut all = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            all.extend(std::fs::read(&path).unwrap());
            all.extend(path.display().to_string().into_bytes());
            if let Ok(Some(opened)) = store.read_sealed(&path) {
                all.extend(opened.iter());
            }
        }
    }
    for file in proof::row_files(&store).unwrap() {
        file.batches(&store, &mut |batch| {
            for column in batch.columns() {
                let texts = column.as_any().downcast_ref::<arrow::array::StringArray>();
                for text in texts.into_iter().flatten().flatten() {
                    all.extend(text.as_bytes());
                    all.push(b'\n');
                }
            }
            Ok(())
        })
        .unwrap();
    }
    all
}

fn says(all: &[u8], text: &str) -> bool {
    all.windows(text.len())
        .any(|window| window == text.as_bytes())
}

fn serve_without_retention(directory: &Path, request: &Request) {
    let settings = RecorderSettings {
        retain: Duration::from_secs(10_000 * 86_400),
        ..own(directory)
    };
    let recorder = Recorder::start(settings).unwrap();
    recorder.serve(request, PATIENCE).unwrap();
    stop(&recorder);
}

fn expire_content(directory: &Path) {
    let settings = RecorderSettings {
        retain_content: Duration::from_secs(30 * 86_400),
        ..own(directory)
    };
    let recorder = Recorder::start(settings).unwrap();
    assert!(recorder.retain(PATIENCE));
    stop(&recorder);
}

#[test]
fn an_erasure_looks_into_every_segment_whatever_the_index_says_of_it_lm_15() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 0, 45);
    // Whoever wants to keep a person's rows puts back an index from before they were sealed, or one of no day at all.
    let periods = std::fs::read_dir(directory.path().join("segments")).unwrap();
    let file = periods
        .map(|period| period.unwrap().path().join("index"))
        .find(|index| index.exists())
        .unwrap();
    let older = std::fs::read(&file).unwrap();
    record(directory.path(), 0, 45);
    assert_ne!(std::fs::read(&file).unwrap(), older);
    std::fs::write(&file, older).unwrap();
    std::fs::write(directory.path().join("segments/periods"), "none").unwrap();
    let mut query = by_user("ann");
    query.from = Some("2020-01-01T00:00:00Z".parse().unwrap());
    let request = Request::Erase {
        query,
        grounds: grounds("E-2"),
    };
    assert_eq!(serve(directory.path(), &request).unwrap().count, 30);
    assert_eq!(count(directory.path(), "ann"), 0);
    assert_eq!(log_holds(directory.path()).erased, 30);
}

#[test]
fn erased_rows_are_in_no_byte_the_others_stay_and_the_log_holds_lm_15() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 0, 150);
    let keys = store(directory.path()).keys().unwrap().all().unwrap();
    let done = serve(directory.path(), &erase("ANN")).unwrap();
    assert_eq!((done.count, done.periods.len()), (50, 1));
    assert_eq!(count(directory.path(), "ann"), 0);
    assert_eq!(
        (
            count(directory.path(), "bob"),
            count(directory.path(), "cal")
        ),
        (50, 50)
    );
    assert_eq!(paths_of(directory.path(), "bob"), 17);
    let all = everything(directory.path());
    assert!(!says(&all, "of-ann.example") && !says(&all, "/path/of/ann"));
    assert!(says(&all, "of-bob.example") && says(&all, "/path/of/bob"));
    let rows = rows_of(directory.path(), &Query::default());
    let told = of_kind(&rows, Kind::Erasure);
    assert_eq!(told.len(), 1);
    assert!(told[0].note.starts_with("50 rows of "), "{}", told[0].note);
    assert!(told[0].note.contains("case E-1, role DPO, reason: art 17"));
    assert!(!told[0].note.to_lowercase().contains("ann"));
    let log = log_holds(directory.path());
    assert_eq!(log.erased, 50);
    assert_eq!(log.proved as usize, rows.len());
    // The old keys are destroyed: a backup of the files is worth nothing without them.
    let now = store(directory.path()).keys().unwrap().all().unwrap();
    let left: Vec<&KeyName> = keys.iter().filter(|key| now.contains(key)).collect();
    assert!(left.is_empty(), "{left:?}");
    // Nothing is left to erase; and it goes on.
    assert_eq!(
        serve(directory.path(), &erase("ann")).unwrap(),
        Done::default()
    );
    record(directory.path(), 0, 30);
    assert_eq!(serve(directory.path(), &erase("bob")).unwrap().count, 60);
    assert_eq!(log_holds(directory.path()).erased, 110);
}

#[test]
fn a_running_weir_is_asked_and_answers_lm_15() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(own(directory.path())).unwrap();
    let mut lane = recorder.lane();
    (0..30).for_each(|number| lane.push(row("ann", number, clock::now())));
    lane.flush();
    wait_until(&recorder, "written", |health| {
        health.queued == 0 && health.written > 30
    });
    let done = ask(own(directory.path()), &erase("ann"), PATIENCE).unwrap();
    assert_eq!(done.count, 30);
    let refused = ask(own(directory.path()), &release("none"), PATIENCE).unwrap_err();
    assert!(matches!(refused, AskError::Refused(_)), "{refused}");
    (30..40).for_each(|number| lane.push(row("ann", number, clock::now())));
    drop(lane);
    stop(&recorder);
    assert_eq!(count(directory.path(), "ann"), 10);
    assert_eq!(log_holds(directory.path()).erased, 30);
    assert!(
        !directory.path().join("work").exists()
            || std::fs::read_dir(directory.path().join("work"))
                .unwrap()
                .count()
                == 0
    );
}

#[test]
fn rows_taken_out_without_a_row_that_tells_of_it_are_named_lm_15() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 0, 60);
    serve(directory.path(), &erase("ann")).unwrap();
    let store = store(directory.path());
    let files = proof::row_files(&store).unwrap();
    let file = files
        .iter()
        .find(|file| proof::tombstones::path(&file.path).exists())
        .unwrap();
    let path = proof::tombstones::path(&file.path);
    let text = std::fs::read_to_string(&path).unwrap();
    let id = text.lines().nth(1).unwrap().rsplit(' ').next().unwrap();
    std::fs::write(&path, text.replace(id, "00000000000000aa")).unwrap();
    let report = check(directory.path());
    assert!(
        report
            .faults
            .iter()
            .any(|fault| fault.what.contains("no row tells of it")),
        "{}",
        report.to_text()
    );
    std::fs::remove_file(&path).unwrap();
    let report = check(directory.path());
    assert!(
        report
            .faults
            .iter()
            .any(|fault| fault.what.contains("these rows are missing")),
        "{}",
        report.to_text()
    );
}

#[test]
fn grounds_are_needed_and_bounded_lm_15() {
    assert!(Grounds::new("", "DPO", "x").unwrap_err().contains("case"));
    assert!(Grounds::new("1", " ", "x").unwrap_err().contains("role"));
    assert!(Grounds::new("1", "DPO", "").unwrap_err().contains("reason"));
    assert!(Grounds::new("1", "DPO", &"x".repeat(501)).is_err());
    assert_eq!(Grounds::new("1", "DPO", "a\nb").unwrap().reason, "a\\u{a}b");
}
