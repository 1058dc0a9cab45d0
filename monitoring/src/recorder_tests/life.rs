use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock::tests::SteppedClock;
use crate::journal::create_file;
use crate::paths::{Layout, Period};
use crate::query::Query;
use crate::testing::{
    Traffic, all_rows, numbered, of_kind, rows_of, settings, stop, store, wait_until,
};
use crate::{Cells, Col, Kind, Record, Recorder, RecorderError, StopError};

#[test]
fn numbers_go_on_over_restarts_lm_33() {
    let directory = tempfile::tempdir().unwrap();
    for round in 1..=3_u64 {
        let recorder = Recorder::start(settings(directory.path())).unwrap();
        let mut lane = recorder.lane();
        (0..10).for_each(|number| lane.push(numbered("ann", number)));
        drop(lane);
        stop(&recorder);
        let rows = all_rows(directory.path());
        assert_eq!(rows.len() as u64, round * 12);
        assert_eq!(rows.last().unwrap().kind, Kind::Stop);
    }
    let rows = all_rows(directory.path());
    assert_eq!(of_kind(&rows, Kind::Gap), [] as [&crate::testing::Row; 0]);
    assert_eq!(of_kind(&rows, Kind::Start).len(), 3);
}

#[test]
fn a_directory_has_one_writer() {
    let directory = tempfile::tempdir().unwrap();
    let first = Recorder::start(settings(directory.path())).unwrap();
    let second = Recorder::start(settings(directory.path()));
    assert!(
        matches!(second, Err(RecorderError::Locked { .. })),
        "{second:?}"
    );
    stop(&first);
    stop(&Recorder::start(settings(directory.path())).unwrap());
}

#[test]
fn a_recorder_dropped_without_a_stop_leaves_a_gap_lm_33() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(settings(directory.path())).unwrap();
    let mut lane = recorder.lane();
    lane.push(numbered("ann", 1));
    lane.flush();
    drop(recorder);
    lane.push(numbered("ann", 2));
    drop(lane);
    let recorder = Recorder::start(settings(directory.path())).unwrap();
    stop(&recorder);
    let rows = all_rows(directory.path());
    let kinds: Vec<Kind> = rows.iter().map(|row| row.kind).collect();
    assert_eq!(
        kinds,
        [
            Kind::Start,
            Kind::Request,
            Kind::Gap,
            Kind::Start,
            Kind::Stop
        ]
    );
    let gap = of_kind(&rows, Kind::Gap)[0];
    assert_eq!(gap.end, "crash");
    assert!(gap.note.contains("the last row is 2"), "{}", gap.note);
}

#[test]
fn what_ran_when_weir_died_is_named_in_the_gap_even_when_its_opening_row_was_sealed_lm_33() {
    let directory = tempfile::tempdir().unwrap();
    let mut own = settings(directory.path());
    own.segment_rows = 10;
    let recorder = Recorder::start(own.clone()).unwrap();
    let mut lane = recorder.lane();
    let open = [
        (Kind::TunnelOpen, 0xaaa1),
        (Kind::TunnelOpen, 0xaaa2),
        (Kind::RequestOpen, 0xbbb1),
    ];
    for (kind, event) in open {
        lane.push(Record::new(
            kind,
            crate::EventId(event),
            1_790_000_000_000_000,
        ));
    }
    lane.push(Record::new(
        Kind::TunnelClose,
        crate::EventId(0xaaa2),
        1_790_000_000_000_000,
    ));
    lane.flush();
    (0..100).for_each(|number| lane.push(numbered("ann", number)));
    lane.flush();
    wait_until(&recorder, "sealed", |health| {
        health.written == 105 && health.sealed > 0
    });
    drop(lane);
    drop(recorder);
    stop(&Recorder::start(own).unwrap());
    let rows = all_rows(directory.path());
    let gap = of_kind(&rows, Kind::Gap)[0];
    assert!(
        gap.note
            .contains("still open were 1 requests and 1 tunnels"),
        "{}",
        gap.note
    );
    assert!(gap.note.contains("(rows 2 to 4)"), "{}", gap.note);
    assert!(
        gap.note.contains("000000000000bbb1 000000000000aaa1"),
        "{}",
        gap.note
    );
}

#[test]
fn records_beyond_the_queue_are_dropped_counted_and_told_lm_33() {
    let directory = tempfile::tempdir().unwrap();
    let mut own = settings(directory.path());
    own.queue = 500;
    let recorder = Recorder::start(own).unwrap();
    let mut lane = recorder.lane();
    (0..50_000).for_each(|number| lane.push(numbered("ann", number)));
    drop(lane);
    let health = wait_until(&recorder, "drained", |health| health.queued == 0);
    assert!(health.dropped > 0 && health.writable, "{health:?}");
    stop(&recorder);
    let rows = all_rows(directory.path());
    let told: u64 = of_kind(&rows, Kind::Gap)
        .iter()
        .map(|gap| {
            assert!(
                gap.note.contains("because the queue was full"),
                "{}",
                gap.note
            );
            gap.note.split(' ').next().unwrap().parse::<u64>().unwrap()
        })
        .sum();
    assert_eq!(told, health.dropped);
    let written = of_kind(&rows, Kind::Request).len() as u64;
    assert_eq!(written + told, 50_000);
}

#[test]
fn a_record_pushed_after_the_stop_is_counted_not_lost_silently() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(settings(directory.path())).unwrap();
    let mut lane = recorder.lane();
    stop(&recorder);
    lane.push(numbered("ann", 1));
    lane.flush();
    assert_eq!(recorder.health().dropped, 1);
}

#[test]
fn a_stepped_clock_is_a_row_lm_32() {
    let directory = tempfile::tempdir().unwrap();
    let clock = SteppedClock::new();
    let step = clock.step.clone();
    let recorder = Recorder::start_with(
        settings(directory.path()),
        Box::new(clock),
        Box::new(create_file),
    )
    .unwrap();
    wait_until(&recorder, "started", |health| health.written == 1);
    for (seconds, written) in [(-3_600, 2), (10, 3), (11, 3)] {
        step.store(seconds * 1_000_000, Ordering::Relaxed);
        if seconds == 11 {
            std::thread::sleep(Duration::from_millis(1_200));
        }
        wait_until(&recorder, "noticed", |health| health.written == written);
    }
    stop(&recorder);
    let rows = all_rows(directory.path());
    let notes: Vec<&str> = of_kind(&rows, Kind::Clock)
        .iter()
        .map(|row| row.note.as_str())
        .collect();
    assert_eq!(notes.len(), 2);
    assert!(
        notes[0].starts_with("the clock went back by 3"),
        "{}",
        notes[0]
    );
    assert!(
        notes[1].starts_with("the clock went forward by 36"),
        "{}",
        notes[1]
    );
}

#[test]
fn a_start_before_the_latest_row_says_so_lm_32() {
    let directory = tempfile::tempdir().unwrap();
    let clock = SteppedClock::new();
    clock.step.store(86_400_000_000, Ordering::Relaxed);
    let tomorrow = Recorder::start_with(
        settings(directory.path()),
        Box::new(clock),
        Box::new(create_file),
    );
    stop(&tomorrow.unwrap());
    stop(&Recorder::start(settings(directory.path())).unwrap());
    let rows = all_rows(directory.path());
    let clocks = of_kind(&rows, Kind::Clock);
    assert_eq!(clocks.len(), 1);
    assert!(
        clocks[0]
            .note
            .starts_with("the clock is behind the latest row")
    );
}

#[test]
fn a_segment_is_sorted_by_user_and_time_and_holds_exactly_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(settings(directory.path())).unwrap();
    let mut lane = recorder.lane();
    let mut traffic = Traffic::new(2, 7, 50);
    (0..5_000).for_each(|_| lane.push(traffic.record()));
    lane.flush();
    wait_until(&recorder, "written", |health| health.written == 5_001);
    let before = all_rows(directory.path());
    drop(lane);
    stop(&recorder);
    let after = all_rows(directory.path());
    assert_eq!(after[..5_001], before);
    let layout = Layout::new(directory.path());
    assert_eq!(layout.list_journals().unwrap(), []);
    let (_, period) = layout.list_periods().unwrap().pop().unwrap();
    let (name, path) = layout.list_segments(&period).unwrap().pop().unwrap();
    assert_eq!(name.to_string(), "weir-000000000001-000000005002.parquet");
    let keys = keys_of(directory.path(), &path);
    assert_eq!(keys.len(), 5_002);
    assert!(keys.is_sorted());
}

/// User, time and number of each row as they lie in the file.
fn keys_of(
    directory: &std::path::Path,
    segment: &std::path::Path,
) -> Vec<(Option<String>, i64, u64)> {
    let file = std::fs::File::open(segment).unwrap();
    let pages = parquet::file::metadata::PageIndexPolicy::Skip;
    let reader = crate::segment::reader(&store(directory), file, pages).unwrap();
    let reader = reader.build();
    let mut keys = Vec::new();
    for batch in reader.unwrap() {
        let batch = batch.unwrap();
        let cells = Cells::new(&batch);
        keys.extend((0..batch.num_rows()).map(|row| {
            let user = cells.str_at(Col::user, row).map(str::to_owned);
            (user, cells.time_at(row), cells.u64_at(Col::seq, row))
        }));
    }
    keys
}

#[test]
fn a_journal_is_sealed_when_it_is_full_or_old() {
    let directory = tempfile::tempdir().unwrap();
    let mut own = settings(directory.path());
    own.segment_rows = 100;
    own.seal_after = Duration::from_secs(1);
    let recorder = Recorder::start(own).unwrap();
    let mut lane = recorder.lane();
    for number in 0..350 {
        lane.push(numbered("ann", number));
        if number % 50 == 0 {
            lane.flush();
            wait_until(&recorder, "drained", |health| health.queued == 0);
        }
    }
    lane.flush();
    let health = wait_until(&recorder, "full and sealed", |health| health.sealed >= 3);
    assert!(health.journal_rows < 100, "{health:?}");
    wait_until(&recorder, "old and sealed", |health| {
        health.journal_rows == 0 && health.unsealed == 0
    });
    assert_eq!(rows_of(directory.path(), &Query::default()).len(), 351);
    stop(&recorder);
    all_rows(directory.path());
}

#[test]
fn a_stop_that_takes_too_long_says_so_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(settings(directory.path())).unwrap();
    let mut lane = recorder.lane();
    (0..60_000).for_each(|number| lane.push(numbered("ann", number)));
    drop(lane);
    let stopped = recorder.stop(Duration::ZERO);
    assert!(matches!(stopped, Err(StopError::Deadline)), "{stopped:?}");
    // The threads go on and hold the lock until they are done.
    let next = (0..1_000).find_map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        Recorder::start(settings(directory.path())).ok()
    });
    stop(&next.unwrap());
    let rows = all_rows(directory.path());
    assert_eq!(of_kind(&rows, Kind::Request).len(), 60_000);
}

#[test]
fn records_are_readable_by_their_own_account_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("records");
    let recorder = Recorder::start(settings(&root)).unwrap();
    wait_until(&recorder, "started", |health| health.written == 1);
    let layout = Layout::new(&root);
    let journal = layout.list_journals().unwrap().pop().unwrap().1;
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&journal), 0o600);
    stop(&recorder);
    let period = layout.list_periods().unwrap().pop().unwrap().1;
    let segment = layout.list_segments(&period).unwrap().pop().unwrap().1;
    assert_eq!(mode(&segment), 0o600);
    for directory in [&root, &layout.journals(), &layout.segments(), &period] {
        assert_eq!(mode(directory), 0o700, "{}", directory.display());
    }
}

#[test]
fn a_thousand_allowed_loads_leave_no_content_on_the_disk_lm_04() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(settings(directory.path())).unwrap();
    let mut lane = recorder.lane();
    for number in 0..1_000 {
        let mut record = numbered("ann", number);
        record.verdict = crate::Verdict::Allow;
        record.path = Some("/what-nobody-needs-to-know".into());
        lane.push(record);
    }
    lane.flush();
    wait_until(&recorder, "written", |health| health.written == 1_001);
    let journal = Layout::new(directory.path())
        .list_journals()
        .unwrap()
        .pop()
        .unwrap()
        .1;
    let mut replay = crate::replay::Replay::open(&store(directory.path()), &journal).unwrap();
    let mut rows = 0;
    while let Some(batch) = replay.next().unwrap() {
        rows += batch.num_rows();
        assert_eq!(
            batch.column(Col::path.index()).null_count(),
            batch.num_rows()
        );
    }
    assert_eq!(rows, 1_001);
    drop(lane);
    stop(&recorder);
    let query = Query {
        text: Some("nobody-needs".to_owned()),
        ..Query::default()
    };
    assert_eq!(rows_of(directory.path(), &query), []);
}

#[test]
fn a_day_begins_with_a_journal_of_its_own_lm_14() {
    let directory = tempfile::tempdir().unwrap();
    let clock = SteppedClock::new();
    let step = clock.step.clone();
    let now = crate::clock::now();
    let to_midnight = Period::of(now).end() - now;
    step.store(to_midnight - 60_000_000, Ordering::Relaxed);
    let recorder = Recorder::start_with(
        settings(directory.path()),
        Box::new(clock),
        Box::new(create_file),
    )
    .unwrap();
    let mut lane = recorder.lane();
    let at = |time: i64| {
        let mut record = numbered("ann", 1);
        record.time = time;
        record
    };
    lane.push(at(now + to_midnight - 1));
    lane.flush();
    wait_until(&recorder, "written", |health| health.written == 2);
    step.store(to_midnight, Ordering::Relaxed);
    lane.push(at(now + to_midnight + 1));
    lane.flush();
    drop(lane);
    wait_until(&recorder, "sealed", |health| health.sealed == 1);
    stop(&recorder);
    let periods = Layout::new(directory.path()).list_periods().unwrap();
    let periods: Vec<Period> = periods.into_iter().map(|(period, _)| period).collect();
    assert_eq!(periods, [Period::of(now), Period::of(now + to_midnight)]);
}
