//! Rows that commands ask for: written and synced before anybody goes on, or nothing happens (LM-18).

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::asks::{self, AskError, OwnRow};
use crate::testing::{all_rows, holds, of_kind, settings, stop};
use crate::{End, EventId, Kind, Recorder, RecorderSettings};

const PATIENCE: Duration = Duration::from_secs(10);

fn read(event: u64) -> OwnRow {
    OwnRow {
        kind: Kind::Read,
        event: EventId(event),
        time: None,
        end: End::Open,
        user: Some("head".to_owned()),
        note: asks::note(
            &serde_json::json!({ "command": "records search", "reason": "it's \u{202e}\"é\"\n\\u{1}" }),
        ),
        about: None,
    }
}

/// One look of a writer that has just begun.
fn take(directory: &Path) -> std::io::Result<Vec<asks::Taken>> {
    asks::take(directory, &mut asks::Left::default(), Duration::ZERO)
}

/// The text of a question's file.
fn asked(row: &OwnRow) -> String {
    format!(
        "{{\"asked\":null,\"row\":{}}}",
        serde_json::to_string(row).unwrap()
    )
}

fn place(settings: &RecorderSettings) -> std::path::PathBuf {
    asks::place(&settings.directory, &settings.node)
}

/// A directory that a recorder used before, so that there is a log.
fn used(directory: &Path) -> RecorderSettings {
    let settings = settings(directory);
    stop(&Recorder::start(settings.clone()).unwrap());
    settings
}

#[test]
fn lm_18_without_a_running_weir_the_command_writes_the_row_itself_and_stops_in_good_order() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    asks::write(&settings, &read(7), PATIENCE).unwrap();
    asks::write(&settings, &read(8), PATIENCE).unwrap();
    let rows = all_rows(directory.path());
    let kinds: Vec<Kind> = rows.iter().map(|row| row.kind).collect();
    assert_eq!(
        kinds,
        [
            Kind::Start,
            Kind::Read,
            Kind::Stop,
            Kind::Start,
            Kind::Read,
            Kind::Stop
        ]
    );
    let note: serde_json::Value = serde_json::from_str(&rows[1].note).unwrap();
    assert_eq!(note["command"], "records search");
    assert!(
        note["reason"]
            .as_str()
            .unwrap()
            .starts_with("it's \u{202e}\"é\"\n"),
        "{note}"
    );
    assert_eq!((rows[1].event, rows[1].user.as_deref()), (7, Some("head")));
    holds(directory.path());
}

#[test]
fn lm_18_a_running_weir_writes_the_row_and_answers_once_it_is_synced_however_rarely_it_syncs() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path());
    settings.sync = Duration::from_secs(600);
    let recorder = Recorder::start(settings.clone()).unwrap();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for event in 1..=20 {
            let settings = &settings;
            scope.spawn(move || asks::write(settings, &read(event), PATIENCE).unwrap());
        }
    });
    assert!(begun.elapsed() < PATIENCE);
    let health = recorder.health();
    assert!(health.synced >= 21, "start and twenty reads: {health:?}");
    assert_eq!(
        fs::read_dir(place(&settings)).unwrap().count(),
        0,
        "nothing is left behind"
    );
    let mode = fs::metadata(place(&settings)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "only Weir's account may ask");
    stop(&recorder);
    let rows = all_rows(directory.path());
    let mut events: Vec<u64> = of_kind(&rows, Kind::Read)
        .iter()
        .map(|row| row.event)
        .collect();
    events.sort_unstable();
    assert_eq!(events, (1..=20).collect::<Vec<_>>());
    holds(directory.path());
}

#[test]
fn lm_18_when_the_disk_takes_nothing_the_read_is_refused_and_no_row_tells_of_it_later() {
    use crate::clock::tests::SteppedClock;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let create = move |path: &Path| {
        if is_broken.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("no space"));
        }
        crate::journal::create_file(path)
    };
    let recorder = Recorder::start_with(
        settings.clone(),
        Box::new(SteppedClock::new()),
        Box::new(create),
    )
    .unwrap();
    crate::testing::wait_until(&recorder, "unwritable", |health| !health.writable);
    fs::create_dir_all(directory.path().join("log/weir")).unwrap();
    let refused = asks::write(&settings, &read(7), PATIENCE).unwrap_err();
    assert!(
        matches!(&refused, AskError::Unwritten(why) if why.contains("no space")),
        "{refused}"
    );
    broken.store(false, Ordering::Relaxed);
    crate::testing::wait_until(&recorder, "writable", |health| health.writable);
    stop(&recorder);
    assert_eq!(
        of_kind(&all_rows(directory.path()), Kind::Read),
        Vec::<&crate::testing::Row>::new()
    );
}

#[test]
fn lm_18_a_weir_that_was_stopped_hard_or_does_not_answer_means_no_read() {
    let directory = tempfile::tempdir().unwrap();
    let settings = used(directory.path());
    // Somebody holds the lock and never looks: a Weir that hangs.
    let lock = fs::File::options()
        .write(true)
        .open(directory.path().join("lock"))
        .unwrap();
    lock.lock().unwrap();
    let begun = Instant::now();
    let refused = asks::write(&settings, &read(7), Duration::from_millis(600)).unwrap_err();
    assert!(matches!(refused, AskError::Silent), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(
        fs::read_dir(place(&settings)).unwrap().count(),
        0,
        "the question is taken back"
    );
    // It is killed while the question waits: then the command is alone and writes the row itself.
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| asks::write(&settings, &read(8), PATIENCE));
        let begun = Instant::now();
        while fs::read_dir(place(&settings)).unwrap().count() == 0 {
            assert!(begun.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(lock);
        asking.join().unwrap().unwrap();
    });
    assert_eq!(of_kind(&all_rows(directory.path()), Kind::Read).len(), 1);
}

#[test]
fn lm_18_full_asks_and_other_hands_mean_no_read() {
    let directory = tempfile::tempdir().unwrap();
    let settings = used(directory.path());
    let asks_directory = place(&settings);
    fs::create_dir(&asks_directory).unwrap();
    for number in 0..300 {
        fs::write(asks_directory.join(format!("{number}.ask")), "x").unwrap();
    }
    let lock = fs::File::options()
        .write(true)
        .open(directory.path().join("lock"))
        .unwrap();
    lock.lock().unwrap();
    let refused = asks::write(&settings, &read(7), PATIENCE).unwrap_err();
    assert!(matches!(refused, AskError::Full(_)), "{refused}");
    drop(lock);
    // Whoever may not write there is not heard: a directory open to others, a file of another account.
    for number in 0..300 {
        fs::remove_file(asks_directory.join(format!("{number}.ask"))).unwrap();
    }
    let question = |name: &str| {
        let path = asks_directory.join(name);
        fs::write(&path, asked(&read(9))).unwrap();
        path
    };
    let path = question("a.ask");
    fs::set_permissions(&asks_directory, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(take(&asks_directory).is_err());
    fs::set_permissions(&asks_directory, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(&take(&asks_directory).unwrap()[..], [(id, Ok(_))] if id == "a"));
    assert!(!path.exists(), "what is taken is gone before it is written");
    let path = question("b.ask");
    if fs::metadata(&path).unwrap().uid() == 0
        && std::os::unix::fs::chown(&asks_directory, Some(4321), None).is_ok()
    {
        std::os::unix::fs::chown(&path, Some(1234), None).unwrap();
        assert!(matches!(&take(&asks_directory).unwrap()[..], [(_, Err(_))]));
    }
}

#[test]
fn a_question_is_bounded_in_size_kind_and_time() {
    let directory = tempfile::tempdir().unwrap();
    let settings = used(directory.path());
    let asks_directory = place(&settings);
    fs::create_dir(&asks_directory).unwrap();
    let mut start = read(1);
    start.kind = Kind::Start;
    assert!(matches!(
        asks::write(&settings, &start, PATIENCE),
        Err(AskError::Kind(Kind::Start))
    ));
    let mut long = read(1);
    long.note = "x".repeat(4097);
    assert!(matches!(
        asks::write(&settings, &long, PATIENCE),
        Err(AskError::Note(4097))
    ));
    let large = format!("{}{}", asked(&read(1)), " ".repeat(40_000));
    for (name, text) in [
        ("a.ask", large.as_str()),
        ("b.ask", "{}"),
        ("c.ask", &asked(&start)),
    ] {
        fs::write(asks_directory.join(name), text).unwrap();
    }
    let taken = take(&asks_directory).unwrap();
    assert_eq!(taken.len(), 3);
    assert!(taken.iter().all(|(_, row)| row.is_err()), "{taken:?}");
    // What nobody waits for any more is cleared away, and not written.
    let expired = format!(
        "{{\"asked\":{},\"row\":{}}}",
        u64::MAX,
        serde_json::to_string(&read(2)).unwrap()
    );
    for (name, text) in [
        ("old.ask", &*expired),
        ("old.answer", "x"),
        ("old.part", "x"),
    ] {
        fs::write(asks_directory.join(name), text).unwrap();
    }
    let mut left = asks::Left::default();
    let mut look = |second| {
        let taken = asks::take(&asks_directory, &mut left, Duration::from_secs(second)).unwrap();
        assert_eq!(taken, []);
        fs::read_dir(&asks_directory).unwrap().count()
    };
    assert_eq!((look(0), look(30), look(90)), (2, 2, 0));
}
