use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock::tests::SteppedClock;
use crate::journal::create_file;
use crate::paths::{Layout, Period};
use crate::query::Query;
use crate::testing::{holds, numbered, of_kind, rows_of, settings, stop, store, wait_until};
use crate::{Kind, Recorder, RecorderError, RecorderSettings, clock, retain};

const DAY: i64 = 86_400_000_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// Records three rows as if `days` ago, under a clock of that day.
fn record_days_ago(directory: &Path, days: i64) {
    let clock = SteppedClock::new();
    clock.step.store(-days * DAY, Ordering::Relaxed);
    let recorder =
        Recorder::start_with(settings(directory), Box::new(clock), Box::new(create_file)).unwrap();
    let mut lane = recorder.lane();
    for number in 0..3 {
        let mut record = numbered(&format!("day{days}"), number);
        record.time = clock::now() - days * DAY;
        lane.push(record);
    }
    drop(lane);
    stop(&recorder);
}

/// Three months, as the configuration has it.
fn ninety_days(directory: &Path) -> RecorderSettings {
    RecorderSettings {
        retain: Duration::from_secs(90 * 86_400),
        ..settings(directory)
    }
}

fn periods(directory: &Path) -> Vec<Period> {
    let found = Layout::new(directory).list_periods().unwrap();
    found.into_iter().map(|(period, _)| period).collect()
}

#[test]
fn whole_periods_go_when_their_time_is_over_and_a_row_says_so_lm_14() {
    let directory = tempfile::tempdir().unwrap();
    for days in [100, 99, 92, 50, 1] {
        record_days_ago(directory.path(), days);
    }
    assert_eq!(periods(directory.path()).len(), 5);
    let ninety = Duration::from_secs(90 * 86_400);
    let due = retain::due(&store(directory.path()), ninety, clock::now()).unwrap();
    assert_eq!(due.len(), 3);
    assert!(due.iter().all(|due| due.segments == 1 && due.rows == 5));
    let recorder = Recorder::start(ninety_days(directory.path())).unwrap();
    wait_until(&recorder, "removed", |health| health.removed_periods == 3);
    stop(&recorder);
    let rows = rows_of(directory.path(), &Query::default());
    let told = of_kind(&rows, Kind::Retention);
    assert_eq!(told.len(), 3);
    for (row, due) in told.iter().zip(&due) {
        let expected = format!("period {} is removed", due.period);
        assert!(row.note.starts_with(&expected), "{}", row.note);
        assert!(row.note.ends_with("1 segments with 5 rows"), "{}", row.note);
    }
    let users: Vec<&str> = rows.iter().filter_map(|row| row.user.as_deref()).collect();
    assert_eq!(users, ["day50", "day50", "day50", "day1", "day1", "day1"]);
    // Numbers go on although the first rows are gone.
    assert!(told[0].seq > 25);
    // The tree goes on over the hashes of what was removed.
    let log = holds(directory.path());
    assert_eq!((log.removed, log.proved), (15, rows.len() as u64));
}

/// As a machine is set up: a leap of the clock is doubted for a day.
fn doubting(directory: &Path) -> RecorderSettings {
    RecorderSettings {
        settle: Duration::from_secs(86_400),
        ..ninety_days(directory)
    }
}

#[test]
fn a_start_with_a_clock_far_ahead_removes_nothing_until_it_has_run_on_and_says_so_lm_14() {
    let directory = tempfile::tempdir().unwrap();
    record_days_ago(directory.path(), 200);
    // Starting once more makes it no better: what was recorded under that clock proves nothing.
    for _ in 0..2 {
        let recorder = Recorder::start(doubting(directory.path())).unwrap();
        assert!(recorder.retain(PATIENCE));
        let health = recorder.health();
        assert_eq!(health.removed_periods, 0);
        let why = health.held_back.unwrap();
        assert!(why.contains("200 days after"), "{why}");
        stop(&recorder);
    }
    assert_eq!(periods(directory.path()).len(), 2);
    let rows = rows_of(directory.path(), &Query::default());
    let told = of_kind(&rows, Kind::Clock);
    let told: Vec<_> = told
        .iter()
        .filter(|row| row.note.contains("Nothing is removed for its age"))
        .collect();
    assert_eq!(told.len(), 1);
    let by_command = retain::run(doubting(directory.path()), PATIENCE).unwrap();
    assert_eq!(by_command.due, []);
    assert!(by_command.held_back.is_some());
    // It has run on for as long as it must, which is short here.
    let recorder = Recorder::start(RecorderSettings {
        settle: Duration::from_millis(300),
        checkpoint: Duration::from_millis(50),
        ..doubting(directory.path())
    });
    let recorder = recorder.unwrap();
    wait_until(&recorder, "removed", |health| {
        recorder.retain(PATIENCE);
        health.removed_periods == 1
    });
    assert_eq!(recorder.health().held_back, None);
    stop(&recorder);
    assert_eq!(periods(directory.path()), [Period::of(clock::now())]);
    holds(directory.path());
}

#[test]
fn a_clock_far_ahead_destroys_no_key_of_content_either_lm_14() {
    let directory = tempfile::tempdir().unwrap();
    record_days_ago(directory.path(), 60);
    let own = |settle: u64| RecorderSettings {
        retain_content: Duration::from_secs(30 * 86_400),
        settle: Duration::from_secs(settle),
        ..settings(directory.path())
    };
    let period = periods(directory.path())[0];
    let keys = || {
        let store = store(directory.path());
        store.keys().unwrap().list(period, true).unwrap().len()
    };
    for (settle, left) in [(86_400, 1), (0, 0)] {
        let recorder = Recorder::start(own(settle)).unwrap();
        assert!(recorder.retain(PATIENCE));
        assert_eq!(recorder.health().held_back.is_some(), left == 1);
        stop(&recorder);
        assert_eq!(keys(), left);
    }
    holds(directory.path());
}

#[test]
fn a_pause_of_a_long_weekend_is_no_leap_lm_14() {
    let directory = tempfile::tempdir().unwrap();
    record_days_ago(directory.path(), 3);
    let recorder = Recorder::start(RecorderSettings {
        retain: Duration::from_secs(86_400),
        ..doubting(directory.path())
    });
    let recorder = recorder.unwrap();
    assert!(recorder.retain(PATIENCE));
    let health = recorder.health();
    assert_eq!((health.removed_periods, health.held_back), (1, None));
    stop(&recorder);
    let rows = rows_of(directory.path(), &Query::default());
    assert_eq!(of_kind(&rows, Kind::Clock).len(), 0);
}

#[test]
fn retention_runs_by_command_on_a_directory_that_nobody_writes_to_lm_14() {
    let directory = tempfile::tempdir().unwrap();
    record_days_ago(directory.path(), 200);
    let held = Recorder::start(settings(&directory.path().join("other"))).unwrap();
    let locked = retain::run(
        settings(&directory.path().join("other")),
        Duration::from_secs(9),
    );
    assert!(matches!(
        locked,
        Err(retain::RetainError::Start(RecorderError::Locked { .. }))
    ));
    stop(&held);
    let removed = retain::run(ninety_days(directory.path()), Duration::from_secs(20)).unwrap();
    assert_eq!((removed.due.len(), removed.held_back), (1, None));
    assert_eq!(periods(directory.path()), [Period::of(clock::now())]);
    let rows = rows_of(directory.path(), &Query::default());
    assert_eq!(of_kind(&rows, Kind::Retention).len(), 1);
}

#[test]
fn an_interrupted_removal_or_sealing_is_cleared_away_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    record_days_ago(directory.path(), 1);
    let layout = Layout::new(directory.path());
    let period = layout.list_periods().unwrap().pop().unwrap().1;
    let aside = layout.segments().join(".removed-2020-01-01");
    std::fs::create_dir(&aside).unwrap();
    std::fs::write(aside.join("weir-1-2.parquet"), b"x").unwrap();
    let unfinished = period.join("weir-000000000009-000000000010.parquet.tmp");
    std::fs::write(&unfinished, b"x").unwrap();
    stop(&Recorder::start(settings(directory.path())).unwrap());
    assert!(!aside.exists() && !unfinished.exists());
    assert_eq!(rows_of(directory.path(), &Query::default()).len(), 7);
}

#[test]
fn a_row_never_lies_in_a_period_that_ends_before_it_began() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(settings(directory.path())).unwrap();
    let mut lane = recorder.lane();
    let mut late = numbered("ann", 1);
    late.time = clock::now() + 5 * DAY;
    lane.push(late.clone());
    drop(lane);
    stop(&recorder);
    assert_eq!(periods(directory.path()), [Period::of(late.time)]);
    let query = Query {
        from: Some(crate::paths::moment(late.time)),
        ..Query::default()
    };
    assert_eq!(rows_of(directory.path(), &query).len(), 1);
}

#[test]
fn a_shorter_period_that_is_configured_while_weir_runs_holds_without_a_restart_lm_14() {
    let directory = tempfile::tempdir().unwrap();
    record_days_ago(directory.path(), 50);
    let recorder = Recorder::start(settings(directory.path())).unwrap();
    assert!(recorder.retain(Duration::from_secs(30)));
    assert_eq!(recorder.health().removed_periods, 0);
    let thirty = Duration::from_secs(30 * 86_400);
    recorder.set_retention(thirty, thirty);
    assert!(recorder.retain(Duration::from_secs(30)));
    assert_eq!(recorder.health().removed_periods, 1);
    stop(&recorder);
    let rows = rows_of(directory.path(), &Query::default());
    assert_eq!(of_kind(&rows, Kind::Retention).len(), 1);
    // The log said so before anything went, or a check would call it early.
    let log = Layout::new(directory.path())
        .log("weir")
        .join("checkpoints");
    let log = std::fs::read_to_string(log).unwrap();
    let (said, removed) = (
        log.find("\nretain 2592000 2592000\n"),
        log.find("\nremoved "),
    );
    assert!(said.is_some() && said < removed, "{log}");
    holds(directory.path());
}
