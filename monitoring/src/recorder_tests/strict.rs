//! What waits for the disk: an answer comes only once the row is synced, and none where that cannot be said.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::disk::{Faults, start_faulty};
use crate::testing::{holds, numbered, settings, stop, wait_until};
use crate::{Lane, Recorder};

const LONG: Duration = Duration::from_secs(10);

/// Asks for what the lane holds to be secured; answered, or closed without an answer.
fn secure(lane: &mut Lane) -> Receiver<()> {
    let (done, answer) = sync_channel(1);
    lane.secure(move || done.send(()).unwrap());
    answer
}

#[test]
fn who_waits_for_the_disk_is_answered_at_once_and_only_after_the_sync() {
    let directory = tempfile::tempdir().unwrap();
    let mut own = settings(directory.path());
    own.sync = Duration::from_secs(600);
    let recorder = Recorder::start(own).unwrap();
    let mut other = recorder.lane();
    let mut lane = recorder.lane();
    for number in 0..50 {
        other.push(numbered("bob", number));
        other.flush();
        lane.push(numbered("ann", number));
        secure(&mut lane).recv_timeout(LONG).unwrap();
        // The start, and one row of each lane a round.
        wait_until(&recorder, "synced", |health| {
            health.synced >= 3 + 2 * number
        });
    }
    // Nothing is held: all of it is on the disk already.
    secure(&mut lane).recv_timeout(LONG).unwrap();
    drop((lane, other));
    stop(&recorder);
    assert_eq!(holds(directory.path()).proved, 102);
}

#[test]
fn nobody_is_told_that_a_row_is_on_a_disk_that_takes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let recorder = start_faulty(directory.path(), &faults);
    let mut lane = recorder.lane();
    wait_until(&recorder, "synced", |health| health.synced == 1);
    faults.sync.store(true, Ordering::Relaxed);
    lane.push(numbered("ann", 1));
    let answer = secure(&mut lane).recv_timeout(LONG);
    assert_eq!(answer, Err(RecvTimeoutError::Disconnected));
    // While nothing is taken the answer comes at once, and nothing piles up.
    faults.create.store(true, Ordering::Relaxed);
    wait_until(&recorder, "in trouble", |health| !health.writable);
    lane.push(numbered("ann", 2));
    let answer = secure(&mut lane).try_recv();
    assert!(answer.is_err(), "{answer:?}");
    faults.sync.store(false, Ordering::Relaxed);
    faults.create.store(false, Ordering::Relaxed);
    wait_until(&recorder, "overcome", |health| health.writable);
    secure(&mut lane).recv_timeout(LONG).unwrap();
    drop(lane);
    stop(&recorder);
    holds(directory.path());
}

#[test]
fn nobody_is_told_that_a_row_is_kept_that_the_queue_did_not_take() {
    let directory = tempfile::tempdir().unwrap();
    let mut own = settings(directory.path());
    own.queue = 0;
    let recorder = Recorder::start(own).unwrap();
    let mut lane = recorder.lane();
    lane.push(numbered("ann", 1));
    assert!(secure(&mut lane).recv_timeout(LONG).is_err());
    assert_eq!(recorder.health().dropped, 1);
    drop(lane);
    stop(&recorder);
}

#[test]
fn a_row_that_was_dropped_as_the_last_of_a_full_vector_is_not_told_to_be_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut own = settings(directory.path());
    own.queue = 0;
    let recorder = Recorder::start(own).unwrap();
    let mut lane = recorder.lane();
    // As many as a thread holds: the last hands all of them over by itself, and nothing is held when it is asked about.
    for number in 0..1024 {
        lane.push(numbered("ann", number));
    }
    assert_eq!(recorder.health().dropped, 1024);
    let answer = secure(&mut lane).recv_timeout(LONG);
    assert_eq!(answer, Err(RecvTimeoutError::Disconnected));
    drop(lane);
    stop(&recorder);
}
