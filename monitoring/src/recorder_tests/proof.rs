//! What the recorder promises of its log: when checkpoints are signed, and how it goes on after whatever happened.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use weir_evidence::{Checkpoint, Note};

use crate::clock::tests::SteppedClock;
use crate::journal::create_file;
use crate::paths::Layout;
use crate::proof::{self, Asked};
use crate::testing::{
    Traffic, all_rows, check, holds, numbered, of_kind, settings, stop, store, verified, wait_until,
};
use crate::{Kind, Recorder};

fn record(directory: &Path, rows: u64) {
    let recorder = Recorder::start(settings(directory)).unwrap();
    let mut lane = recorder.lane();
    (0..rows).for_each(|number| lane.push(numbered("ann", number)));
    drop(lane);
    stop(&recorder);
}

fn log_file(directory: &Path, name: &str) -> std::path::PathBuf {
    proof::log_directory(directory, "weir").join(name)
}

fn signing_key(directory: &Path) -> String {
    let key = proof::signing_key(&store(directory), "weir").unwrap();
    key.unwrap().to_text()
}

fn latest(directory: &Path) -> Checkpoint {
    let text = std::fs::read_to_string(log_file(directory, "latest")).unwrap();
    Checkpoint::parse(Note::parse(&text).unwrap().text()).unwrap()
}

#[test]
fn a_checkpoint_is_signed_at_start_seal_stop_and_each_interval_also_when_idle_lm_29() {
    let directory = tempfile::tempdir().unwrap();
    let mut own = settings(directory.path());
    own.checkpoint = Duration::from_secs(1);
    let recorder = Recorder::start(own).unwrap();
    wait_until(&recorder, "signed", |health| health.checkpoint == 1);
    assert_eq!(latest(directory.path()).why.as_str(), "start");
    // Nothing happens, and it is said.
    let health = wait_until(&recorder, "signed again", |health| health.checkpoint >= 3);
    assert_eq!((health.checkpoint_rows, health.checkpoint_error), (1, None));
    assert_eq!(latest(directory.path()).why.as_str(), "interval");
    let mut lane = recorder.lane();
    (0..100).for_each(|number| lane.push(numbered("ann", number)));
    drop(lane);
    stop(&recorder);
    let last = latest(directory.path());
    assert_eq!(
        (last.why.as_str(), last.size, last.last),
        ("stop", 102, 102)
    );
    assert_eq!(last.sealed.len(), 1);
    assert_eq!(holds(directory.path()).proved, 102);
}

#[test]
fn a_sealed_segment_is_named_with_its_digest_soon_lm_29() {
    let directory = tempfile::tempdir().unwrap();
    let mut own = settings(directory.path());
    own.segment_rows = 50;
    let recorder = Recorder::start(own).unwrap();
    let mut lane = recorder.lane();
    (0..60).for_each(|number| lane.push(numbered("ann", number)));
    lane.flush();
    wait_until(&recorder, "sealed and signed", |health| {
        health.sealed == 1 && health.checkpoint >= 2
    });
    let named = latest(directory.path());
    assert_eq!((named.why.as_str(), named.sealed.len()), ("seal", 1));
    drop(lane);
    stop(&recorder);
    assert_eq!(holds(directory.path()).proved, 62);
}

#[test]
fn numbers_of_the_log_go_on_over_restarts_and_a_question_is_answered_lm_29() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 10);
    record(directory.path(), 10);
    let recorder = Recorder::start(settings(directory.path())).unwrap();
    let before = wait_until(&recorder, "signed", |health| health.checkpoint_rows == 25);
    proof::ask(directory.path(), "weir", Asked::Checkpoint).unwrap();
    wait_until(&recorder, "answered", |health| {
        health.checkpoint == before.checkpoint + 1
    });
    assert_eq!(latest(directory.path()).why.as_str(), "asked");
    stop(&recorder);
    let log = holds(directory.path());
    assert_eq!((log.proved, log.starts, log.stops), (26, 3, 3));
}

#[test]
fn rows_become_a_segment_when_somebody_asks_and_recording_goes_on_lm_36() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(settings(directory.path())).unwrap();
    let mut lane = recorder.lane();
    for round in 1..=2 {
        (0..10).for_each(|number| lane.push(numbered("ann", number)));
        lane.flush();
        wait_until(&recorder, "written", |health| health.synced > 10 * round);
        let is_sealed =
            crate::bundle::seal(&store(directory.path()), "weir", Duration::from_secs(20));
        assert!(is_sealed.unwrap());
        let health = wait_until(&recorder, "sealed", |health| health.sealed == round);
        assert_eq!(health.journal_rows, 0);
        assert_eq!(latest(directory.path()).sealed.len(), 1);
    }
    // Nothing is there to seal.
    let is_sealed = crate::bundle::seal(&store(directory.path()), "weir", Duration::from_secs(20));
    assert!(is_sealed.unwrap());
    assert_eq!(recorder.health().sealed, 2);
    drop(lane);
    stop(&recorder);
    assert_eq!(holds(directory.path()).proved, 22);
}

#[test]
fn a_bundle_of_a_running_recorder_reaches_up_to_what_was_sealed_and_names_the_rest_lm_36() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(settings(directory.path())).unwrap();
    let mut lane = recorder.lane();
    (0..10).for_each(|number| lane.push(numbered("ann", number)));
    lane.flush();
    wait_until(&recorder, "written", |health| health.synced == 11);
    assert!(
        crate::bundle::seal(&store(directory.path()), "weir", Duration::from_secs(20)).unwrap()
    );
    (10..13).for_each(|number| lane.push(numbered("ann", number)));
    lane.flush();
    wait_until(&recorder, "written", |health| health.synced == 14);
    let request = crate::bundle::Request {
        query: crate::query::Query {
            user: Some("ann".to_owned()),
            ..crate::query::Query::default()
        },
        purpose: "effective-operation".to_owned(),
        ..crate::bundle::Request::default()
    };
    let to = directory.path().join("bundle");
    let made =
        crate::bundle::make(&store(directory.path()), &request, &to, &mut |_, _| ()).unwrap();
    let counts = made.asked.counts;
    assert_eq!((counts.rows, counts.unproved, counts.context), (10, 3, 1));
    let outside = weir_verify::Outside::default();
    let report = weir_verify::check_bundle(&to, &outside, None).unwrap();
    assert!(report.holds(), "{}", report.to_text());
    assert!(report.to_text().contains("3 rows in unproved.jsonl"));
    drop(lane);
    stop(&recorder);
}

#[test]
fn a_newer_key_is_introduced_by_the_older_and_the_log_goes_on_lm_31() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 10);
    let old = signing_key(directory.path());
    let recorder = Recorder::start(settings(directory.path())).unwrap();
    wait_until(&recorder, "signed", |health| health.checkpoint >= 3);
    proof::ask(directory.path(), "weir", Asked::Rotation).unwrap();
    wait_until(&recorder, "rotated", |health| health.checkpoint >= 5);
    let new = signing_key(directory.path());
    assert_ne!(old, new);
    stop(&recorder);
    record(directory.path(), 10);
    let log = holds(directory.path());
    assert_eq!((log.keys.len(), log.proved), (2, 26));
}

#[test]
fn a_change_of_keys_that_a_crash_interrupted_is_finished_lm_31() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(settings(directory.path())).unwrap();
    wait_until(&recorder, "signed", |health| health.checkpoint == 1);
    let old = std::fs::read(log_file(directory.path(), "key")).unwrap();
    proof::ask(directory.path(), "weir", Asked::Rotation).unwrap();
    wait_until(&recorder, "rotated", |health| health.checkpoint == 3);
    stop(&recorder);
    // As if the crash had come before the new key got its name. What it signed later is real.
    let new = std::fs::read(log_file(directory.path(), "key")).unwrap();
    std::fs::write(log_file(directory.path(), "key.next"), new).unwrap();
    std::fs::write(log_file(directory.path(), "key"), old).unwrap();
    record(directory.path(), 3);
    let log = holds(directory.path());
    assert_eq!((log.keys.len(), log.proved), (2, 7));
}

#[test]
fn a_torn_checkpoint_is_cut_off_and_a_lost_latest_is_written_again() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 10);
    let path = log_file(directory.path(), "checkpoints");
    let whole = std::fs::read(&path).unwrap();
    let torn = [whole.as_slice(), &whole[..whole.len() / 3]].concat();
    std::fs::write(&path, torn).unwrap();
    let report = check(directory.path());
    assert!(report.holds(), "{}", report.to_text());
    assert!(report.to_text().contains("ends in a torn write"));
    record(directory.path(), 1);
    assert_eq!(holds(directory.path()).proved, 15);
    std::fs::remove_file(log_file(directory.path(), "latest")).unwrap();
    assert!(!check(directory.path()).holds());
    record(directory.path(), 1);
    assert_eq!(holds(directory.path()).proved, 18);
}

#[test]
fn a_log_that_cannot_be_continued_is_set_aside_and_said_so_lm_31() {
    type Spoil = fn(&Path);
    let spoils: [(&str, Spoil); 8] = [
        (
            "is not encrypted, as in a log of a Weir from before",
            |log| {
                let key = weir_evidence::SigningKey::random("weir/weir").unwrap();
                std::fs::write(log.join("key"), key.to_text()).unwrap();
            },
        ),
        (
            "the private key that is in force cannot be used: it was altered",
            |log| {
                std::fs::copy(log.join("tag-key"), log.join("key")).unwrap();
            },
        ),
        (
            "the key of its tags cannot be used: it was altered",
            |log| {
                std::fs::copy(log.join("key"), log.join("tag-key")).unwrap();
            },
        ),
        ("damaged at byte", |log| {
            let path = log.join("checkpoints");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replacen("number 1\n", "number 2\n", 1)).unwrap();
        }),
        ("the private key that is in force is not there", |log| {
            std::fs::remove_file(log.join("key")).unwrap();
        }),
        ("the key of its tags is not there", |log| {
            std::fs::remove_file(log.join("tag-key")).unwrap();
        }),
        ("checkpoints is gone", |log| {
            std::fs::remove_file(log.join("checkpoints")).unwrap();
        }),
        ("latest is checkpoint 2, checkpoints ends at 1", |log| {
            let path = log.join("checkpoints");
            let text = std::fs::read_to_string(&path).unwrap();
            let second = text.rfind("weir/weir/").unwrap();
            let entry = text[..second].rfind("\n\nweir/weir/").unwrap() + 2;
            std::fs::write(&path, &text[..entry]).unwrap();
        }),
    ];
    for (why, spoil) in spoils {
        let directory = tempfile::tempdir().unwrap();
        record(directory.path(), 10);
        spoil(&proof::log_directory(directory.path(), "weir"));
        record(directory.path(), 10);
        let rows = all_rows(directory.path());
        let gap = &of_kind(&rows, Kind::Gap)[0].note;
        assert!(gap.contains(why), "{gap}");
        assert!(gap.contains("a new log begins with row 13"), "{gap}");
        let report = check(directory.path());
        assert!(!report.holds());
        assert!(report.faults[0].what.contains("was set aside"), "{why}");
        let aside = proof::aside(directory.path()).unwrap();
        assert_eq!(aside.len(), 1, "{why}");
        assert_eq!(aside[0].is_plain, why.contains("not encrypted"), "{why}");
        assert_eq!((report.logs[0].before, report.logs[0].proved), (12, 13));
    }
}

#[test]
fn rows_that_were_signed_and_are_gone_never_get_their_numbers_again_lm_31() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 10);
    record(directory.path(), 10);
    let layout = Layout::new(directory.path());
    let period = layout.list_periods().unwrap().pop().unwrap().1;
    let segment = layout.list_segments(&period).unwrap().pop().unwrap().1;
    std::fs::remove_file(segment).unwrap();
    record(directory.path(), 10);
    let report = check(directory.path());
    let fault = &report.faults[0];
    assert_eq!(
        (fault.place.first_row, fault.place.last_row),
        (Some(13), Some(24)),
        "{}",
        report.to_text()
    );
    assert_eq!(report.logs[0].last_row, Some(37));
    assert_eq!(report.logs[0].gaps, 1, "told by the recorder as well");
}

#[test]
fn records_of_a_weir_without_a_log_stay_and_the_log_begins_after_them() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 10);
    // As an older Weir leaves them.
    std::fs::remove_dir_all(directory.path().join("log")).unwrap();
    let layout = Layout::new(directory.path());
    let period = layout.list_periods().unwrap().pop().unwrap().1;
    for kind in ["secret", "hints", "users"] {
        let segment = layout.list_segments(&period).unwrap().pop().unwrap().1;
        std::fs::remove_file(segment.with_extension(kind)).unwrap();
    }
    assert!(!check(directory.path()).holds(), "nothing proves them");
    record(directory.path(), 10);
    let log = holds(directory.path());
    assert_eq!((log.before, log.proved, log.first_row), (12, 12, Some(13)));
    let text = check(directory.path()).to_text();
    assert!(text.contains("the log begins with row 13"), "{text}");
}

#[test]
fn a_step_of_the_clock_is_told_and_holds_also_between_two_runs_lm_32() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 5);
    let clock = SteppedClock::new();
    let step = clock.step.clone();
    step.store(-3_600_000_000, Ordering::Relaxed);
    let mut own = settings(directory.path());
    own.checkpoint = Duration::from_secs(1);
    let recorder = Recorder::start_with(own, Box::new(clock), Box::new(create_file)).unwrap();
    wait_until(&recorder, "signed", |health| health.checkpoint_rows >= 9);
    step.store(-7_200_000_000, Ordering::Relaxed);
    wait_until(&recorder, "told", |health| health.checkpoint_rows >= 10);
    stop(&recorder);
    let log = holds(directory.path());
    assert_eq!(log.clock_steps, 2);
}

#[test]
fn plausible_traffic_proves_row_by_row_lm_29() {
    let directory = tempfile::tempdir().unwrap();
    let mut own = settings(directory.path());
    own.segment_rows = 1_000;
    let recorder = Recorder::start(own).unwrap();
    let mut lane = recorder.lane();
    let mut traffic = Traffic::new(5, 50, 200);
    (0..5_000).for_each(|_| lane.push(traffic.record()));
    drop(lane);
    stop(&recorder);
    let mut leaves = Vec::new();
    let outside = weir_verify::Outside::default();
    let report = weir_verify::check(
        &verified(directory.path()),
        &outside,
        &mut |_, seq, leaf| {
            leaves.push((seq, *leaf));
            Ok(())
        },
    )
    .unwrap();
    assert!(report.holds(), "{}", report.to_text());
    assert_eq!(report.logs[0].proved, 5_002);
    leaves.sort_unstable();
    let leaves: Vec<_> = leaves.into_iter().map(|(_, leaf)| leaf).collect();
    let last = latest(directory.path());
    for index in [0, 1, 999, 1_000, 2_500, 5_001] {
        let proof = weir_evidence::inclusion_proof(&leaves, index).unwrap();
        let leaf = &leaves[index as usize];
        assert!(weir_evidence::verify_inclusion(
            leaf, index, last.size, &proof, &last.root
        ));
    }
}

#[test]
fn a_check_while_weir_writes_and_seals_holds_at_every_moment_lm_37() {
    let directory = tempfile::tempdir().unwrap();
    let mut own = settings(directory.path());
    own.segment_rows = 300;
    own.checkpoint = Duration::from_secs(1);
    let recorder = Recorder::start(own).unwrap();
    wait_until(&recorder, "signed", |health| health.checkpoint >= 1);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut lane = recorder.lane();
            for number in 0.. {
                lane.push(numbered("ann", number));
                if number % 50 == 49 {
                    lane.flush();
                    std::thread::sleep(Duration::from_millis(4));
                }
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        // However fast a check is: some journals must be full and sealed meanwhile.
        let mut reports = Vec::new();
        while reports.len() < 40 || (recorder.health().written < 1_500 && reports.len() < 5_000) {
            reports.push(check(directory.path()));
        }
        // Before anything fails, or the writing would never end.
        is_over.store(true, Ordering::Relaxed);
        for report in reports {
            assert!(report.holds(), "{}", report.to_text());
        }
    });
    stop(&recorder);
    let log = holds(directory.path());
    assert!(log.proved > 600 && log.after == 0, "{log:?}");
}

#[test]
fn a_segment_whose_journal_outlived_a_kill_stays_as_it_was_signed_lm_33() {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(settings(directory.path())).unwrap();
    let mut lane = recorder.lane();
    (0..50).for_each(|number| lane.push(numbered("ann", number)));
    drop(lane);
    // Without good order: the journal is left.
    drop(recorder);
    let store = store(directory.path());
    let (_, journal) = store.layout().list_journals().unwrap().remove(0);
    let beside = ["arrows", "key", "secret"].map(|kind| journal.with_extension(kind));
    let bytes = beside.each_ref().map(|path| std::fs::read(path).unwrap());
    let sealed = crate::seal::seal(&store, &journal, None).unwrap().unwrap();
    let segment = std::fs::read(&sealed.path).unwrap();
    // A kill before the journal is gone.
    for (path, bytes) in beside.iter().zip(&bytes) {
        std::fs::write(path, bytes).unwrap();
    }
    let again = crate::seal::seal(&store, &journal, None).unwrap().unwrap();
    assert_eq!(again.path, sealed.path);
    assert!(std::fs::read(&sealed.path).unwrap() == segment);
    assert!(!journal.exists());
    stop(&Recorder::start(settings(directory.path())).unwrap());
    holds(directory.path());
}
