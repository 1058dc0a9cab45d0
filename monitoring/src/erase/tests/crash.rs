//! A crash between any two steps of an erasure or expiry: the next start finishes it, and until then nothing is lost.

use std::path::Path;
use std::time::Duration;

use super::super::steps::{fail_after, has_failed};
use super::*;

/// Runs something that stops at its n-th step, for every n, and lets the next start finish it.
fn at_every_step(
    prepare: &dyn Fn(&Path),
    act: &dyn Fn(&Path),
    check: &dyn Fn(&Path, bool),
) -> usize {
    for step in 1.. {
        let directory = tempfile::tempdir().unwrap();
        prepare(directory.path());
        fail_after(directory.path(), step);
        act(directory.path());
        let is_through = !has_failed(directory.path());
        // As it lies there, every row that was not to go is found.
        check(directory.path(), false);
        let recorder = Recorder::start(own(directory.path())).unwrap();
        let began = std::time::Instant::now();
        while is_pending(&store(directory.path())) && began.elapsed() < PATIENCE / 3 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let health = recorder.health();
        assert!(
            !is_pending(&store(directory.path())),
            "step {step}: {health:?}"
        );
        recorder.retain(PATIENCE);
        stop(&recorder);
        check(directory.path(), true);
        if is_through {
            return step;
        }
        assert!(step < 200);
    }
    0
}

/// Serves and leaves without good order, as after a crash.
fn serve_and_crash(directory: &Path, request: &Request, settings: RecorderSettings) {
    let recorder = Recorder::start(settings).unwrap();
    let _ = recorder.serve(request, PATIENCE);
    drop(recorder);
    let _ = directory;
}

#[test]
fn an_erasure_that_stops_at_any_step_is_finished_by_the_next_start_lm_15() {
    let steps = at_every_step(
        &|directory| record(directory, 0, 60),
        &|directory| serve_and_crash(directory, &erase("ann"), own(directory)),
        &|directory, is_finished| {
            assert_eq!((count(directory, "bob"), count(directory, "cal")), (20, 20));
            let left = count(directory, "ann");
            let rows = rows_of(directory, &Query::default());
            let told = of_kind(&rows, Kind::Erasure).len();
            if is_finished {
                assert_eq!((left, told), (0, 1));
                assert_eq!(log_holds(directory).erased, 20);
                assert!(!is_pending(&store(directory)));
                assert!(!says(&everything(directory), "of-ann.example"));
                let keys = store(directory).keys().unwrap().all().unwrap();
                assert_eq!(keys.len(), 2, "{keys:?}");
            } else {
                let report = check(directory);
                assert!(report.holds(), "{}", report.to_text());
            }
        },
    );
    assert!(steps > 8, "{steps}");
}

#[test]
fn an_expiry_around_a_hold_that_stops_at_any_step_is_finished_by_the_next_start_lm_15() {
    let steps = at_every_step(
        &|directory| {
            record(directory, 100, 60);
            serve_without_retention(directory, &hold("ann", "H-1"));
        },
        &|directory| {
            let recorder = Recorder::start(own(directory)).unwrap();
            recorder.retain(PATIENCE);
            drop(recorder);
        },
        &|directory, is_finished| {
            assert_eq!(count(directory, "ann"), 20);
            if is_finished {
                assert_eq!(count(directory, "bob"), 0);
                log_holds(directory);
                assert!(!is_pending(&store(directory)));
                assert!(!says(&everything(directory), "of-bob.example"));
            }
        },
    );
    assert!(steps > 8, "{steps}");
}

#[test]
fn content_that_expires_and_stops_at_any_step_is_finished_by_the_next_look_lm_14() {
    let content = |directory: &Path| RecorderSettings {
        retain_content: Duration::from_secs(30 * 86_400),
        ..own(directory)
    };
    for step in 1..40 {
        let directory = tempfile::tempdir().unwrap();
        record(directory.path(), 40, 60);
        fail_after(directory.path(), step);
        let recorder = Recorder::start(content(directory.path())).unwrap();
        recorder.retain(PATIENCE);
        drop(recorder);
        let is_through = !has_failed(directory.path());
        assert_eq!(count(directory.path(), "ann"), 20);
        let report = check(directory.path());
        assert!(report.holds(), "{}", report.to_text());
        expire_content(directory.path());
        assert_eq!(paths_of(directory.path(), "ann"), 0);
        assert_eq!(log_holds(directory.path()).expired, 21);
        if is_through {
            assert!(step > 3);
            return;
        }
    }
    panic!("it never came to its end");
}
