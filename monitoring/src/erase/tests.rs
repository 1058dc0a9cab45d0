//! What goes and what stays (LM-14, LM-15).

#![allow(clippy::unwrap_used)]

mod crash;

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
fn a_held_row_is_not_erased_by_whoever_asks_and_the_case_is_named_lm_15() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 0, 60);
    serve(directory.path(), &hold("ann", "H-7")).unwrap();
    let held = holds(&store(directory.path())).unwrap();
    assert_eq!((held.len(), held[0].grounds.case.as_str()), (1, "H-7"));
    let refused = serve(directory.path(), &erase("ann")).unwrap_err();
    assert!(refused.contains("held by case H-7"), "{refused}");
    assert_eq!(count(directory.path(), "ann"), 20);
    assert_eq!(serve(directory.path(), &erase("bob")).unwrap().count, 20);
    assert!(
        serve(directory.path(), &release("H-8"))
            .unwrap_err()
            .contains("no hold of case H-8")
    );
    assert_eq!(serve(directory.path(), &release("H-7")).unwrap().count, 1);
    assert_eq!(serve(directory.path(), &erase("ann")).unwrap().count, 20);
    let rows = rows_of(directory.path(), &Query::default());
    for (kind, words) in [
        (Kind::Hold, "case H-7 holds"),
        (Kind::Release, "case H-7 holds nothing"),
    ] {
        let told = of_kind(&rows, kind);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].note.starts_with(words) && told[0].note.contains("role DPO"),
            "{}",
            told[0].note
        );
    }
    assert_eq!(log_holds(directory.path()).erased, 40);
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
fn what_is_held_survives_the_end_of_its_time_and_nothing_else_does_lm_15() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 100, 130);
    record(directory.path(), 1, 30);
    serve_without_retention(directory.path(), &hold("ann", "H-1"));
    let before = count(directory.path(), "ann");
    // Ninety days are over for the first.
    let recorder = Recorder::start(own(directory.path())).unwrap();
    assert!(recorder.retain(PATIENCE));
    stop(&recorder);
    assert_eq!(count(directory.path(), "ann"), before);
    assert_eq!(count(directory.path(), "bob"), 10, "those of yesterday");
    let all = everything(directory.path());
    assert!(says(&all, "of-ann.example"));
    let log = log_holds(directory.path());
    assert!(log.erased > 80, "{log:?}");
    // Looking again changes nothing and tells nothing.
    let told = rows_of(directory.path(), &Query::default());
    let told = of_kind(&told, Kind::Retention).len();
    let recorder = Recorder::start(own(directory.path())).unwrap();
    assert!(recorder.retain(PATIENCE));
    stop(&recorder);
    let rows = rows_of(directory.path(), &Query::default());
    assert_eq!(of_kind(&rows, Kind::Retention).len(), told);
    // Once it is released it goes as a whole.
    assert_eq!(serve(directory.path(), &release("H-1")).unwrap().count, 1);
    let recorder = Recorder::start(own(directory.path())).unwrap();
    assert!(recorder.retain(PATIENCE));
    stop(&recorder);
    assert_eq!(count(directory.path(), "ann"), 10);
    log_holds(directory.path());
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
fn content_goes_after_its_own_time_events_stay_and_the_log_holds_lm_14() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 40, 90);
    record(directory.path(), 1, 30);
    assert_eq!(
        (
            count(directory.path(), "ann"),
            paths_of(directory.path(), "ann")
        ),
        (40, 14)
    );
    expire_content(directory.path());
    assert_eq!(
        (
            count(directory.path(), "ann"),
            paths_of(directory.path(), "ann")
        ),
        (40, 4)
    );
    let log = log_holds(directory.path());
    assert_eq!(log.expired, 30);
    let rows = rows_of(directory.path(), &Query::default());
    let told = of_kind(&rows, Kind::Retention);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].note.contains("30 rows had some"),
        "{}",
        told[0].note
    );
    // A search for words in a path finds what is left, and names nothing as unreadable.
    let query = Query {
        text: Some("/path/of/ann".to_owned()),
        ..Query::default()
    };
    assert_eq!(rows_of(directory.path(), &query).len(), 4);
    // And once more changes nothing.
    expire_content(directory.path());
    assert_eq!(log_holds(directory.path()).expired, 30);
    // Erasing around it holds too.
    assert_eq!(serve(directory.path(), &erase("bob")).unwrap().count, 40);
    assert_eq!(log_holds(directory.path()).erased, 40);
}

#[test]
fn held_content_outlives_its_time_and_unheld_goes_lm_15() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 40, 90);
    serve_without_retention(directory.path(), &hold("cal", "H-3"));
    expire_content(directory.path());
    assert_eq!(
        (
            paths_of(directory.path(), "cal"),
            paths_of(directory.path(), "ann")
        ),
        (10, 0)
    );
    assert_eq!(count(directory.path(), "ann"), 30);
    let all = everything(directory.path());
    assert!(says(&all, "/path/of/cal") && !says(&all, "/path/of/ann"));
    assert_eq!(log_holds(directory.path()).expired, 20);
    expire_content(directory.path());
    let rows = rows_of(directory.path(), &Query::default());
    assert_eq!(of_kind(&rows, Kind::Retention).len(), 1);
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
fn whatever_is_held_and_erased_held_rows_stay_erased_ones_are_gone_and_the_log_holds_lm_15() {
    let users = ["ann", "bob", "cal", "dan", "eva"];
    let mut dice = Dice::new(99);
    for _ in 0..6 {
        let directory = tempfile::tempdir().unwrap();
        let (mut held, mut erased) = (BTreeSet::new(), BTreeSet::new());
        let mut expected: Vec<usize> = vec![0; users.len()];
        let mut number = 0;
        let mut gone = 0;
        for _ in 0..4 {
            let recorder = Recorder::start(own(directory.path())).unwrap();
            let mut lane = recorder.lane();
            for _ in 0..20 + dice.below(60) {
                let user = dice.below(5) as usize;
                lane.push(row(users[user], number, clock::now()));
                (expected[user], number) = (expected[user] + 1, number + 1);
            }
            drop(lane);
            let user = dice.below(5) as usize;
            let case = format!("H-{user}");
            if dice.chance(40) {
                recorder.serve(&hold(users[user], &case), PATIENCE).unwrap();
                held.insert(user);
            } else if held.contains(&user) && dice.chance(50) {
                recorder.serve(&release(&case), PATIENCE).unwrap();
                held.remove(&user);
            }
            let user = dice.below(5) as usize;
            wait_until(&recorder, "written", |health| health.queued == 0);
            let done = recorder.serve(&erase(users[user]), PATIENCE);
            if held.contains(&user) && expected[user] > 0 {
                assert!(done.unwrap_err().contains(&format!("H-{user}")));
            } else {
                assert_eq!(done.unwrap().count as usize, expected[user]);
                gone += expected[user] as u64;
                expected[user] = 0;
                erased.insert(user);
            }
            stop(&recorder);
        }
        let all = everything(directory.path());
        for (user, count_of) in users.iter().zip(&expected) {
            assert_eq!(count(directory.path(), user), *count_of, "{user}");
            assert_eq!(
                says(&all, &format!("of-{user}.example")),
                *count_of > 0,
                "{user}"
            );
        }
        assert_eq!(log_holds(directory.path()).erased, gone);
        let rows = rows_of(directory.path(), &Query::default());
        let told: u64 = of_kind(&rows, Kind::Erasure)
            .iter()
            .map(|row| row.note.split(' ').next().unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!(told, gone);
    }
}

#[test]
fn holds_and_waiting_erasures_follow_a_new_key_encryption_key_lm_16() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 0, 30);
    serve(directory.path(), &hold("ann", "H-9")).unwrap();
    crate::rekey(directory.path(), &kek(directory.path()), None).unwrap();
    assert_eq!(holds(&store(directory.path())).unwrap().len(), 1);
    assert!(
        serve(directory.path(), &erase("ann"))
            .unwrap_err()
            .contains("H-9")
    );
    let all = std::fs::read_dir(directory.path().join("holds")).unwrap();
    for file in all {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!says(&bytes, "ann") && bytes.starts_with(b"weir-wrapped-1"));
    }
}

#[test]
fn grounds_are_needed_and_bounded_lm_15() {
    assert!(Grounds::new("", "DPO", "x").unwrap_err().contains("case"));
    assert!(Grounds::new("1", " ", "x").unwrap_err().contains("role"));
    assert!(Grounds::new("1", "DPO", "").unwrap_err().contains("reason"));
    assert!(Grounds::new("1", "DPO", &"x".repeat(501)).is_err());
    assert_eq!(Grounds::new("1", "DPO", "a\nb").unwrap().reason, "a\\u{a}b");
}
