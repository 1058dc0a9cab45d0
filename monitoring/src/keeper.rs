//! The keeper: one thread that seals journals and removes periods, so that the writer never waits for either.
//!
//! Decides when to try again. How a journal is sealed is decided in `seal`, which periods are due in `retain`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use weir_evidence::Why;

use crate::clock::{self, micros};
use crate::event::EventIds;
use crate::lane::{Complete, Message, Shared};
use crate::notes;
use crate::proof::chain::{self, Chain};
use crate::retain::{self, Due};
use crate::seal::{self, Segment};
use crate::store::Store;

/// Pause before a journal that could not be sealed is tried again.
const RETRY: Duration = Duration::from_secs(15);
/// Time between two looks for periods that are due.
const RETENTION: Duration = Duration::from_secs(3600);
/// How long a removal waits for its row to be durable.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the keeper is told.
pub(crate) enum Task {
    /// A journal is complete.
    Look,
    /// Look for periods that are due now; answered when that is done.
    Retain(SyncSender<()>),
    /// Seal what waits and end; answered with whether all of it was written and sealed.
    End {
        is_written: bool,
        done: SyncSender<bool>,
        /// The log, for the last checkpoint; what that one is for, and the time: µs since the epoch at an instant.
        log: Option<(Box<Chain>, Why, (Instant, i64))>,
    },
}

pub(crate) struct Keeper {
    pub(crate) store: Store,
    pub(crate) shared: Arc<Shared>,
    pub(crate) tasks: Receiver<Task>,
    pub(crate) writer: SyncSender<Message>,
    pub(crate) ids: Arc<EventIds>,
    pub(crate) retain: Duration,
    /// When the keeper began, by the clock that never steps and by the wall clock.
    pub(crate) began: (Instant, i64),
}

impl Keeper {
    /// Runs until it is told to end.
    pub(crate) fn run(self) {
        let mut looked: Option<Instant> = None;
        loop {
            if looked.is_none_or(|looked| looked.elapsed() >= RETENTION) {
                self.remove_due(self.time_passed());
                looked = Some(Instant::now());
            }
            let pause = if self.shared.log_is_open.load(Ordering::Acquire) && self.seal_complete() {
                RETENTION
            } else {
                RETRY
            };
            match self.tasks.recv_timeout(pause) {
                Ok(Task::Retain(done)) => {
                    self.remove_due(self.time_passed());
                    let _ = done.try_send(());
                }
                Ok(Task::End {
                    is_written,
                    done,
                    log,
                }) => {
                    let is_sealed = self.seal_complete();
                    let is_signed = !is_written || log.is_none_or(|log| self.sign_last(log));
                    // Whoever asked may have stopped waiting.
                    let _ = done.try_send(is_written && is_sealed && is_signed);
                    return;
                }
                Ok(Task::Look) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// A period is removed by time that passed, not by a clock that was stepped forward.
    fn time_passed(&self) -> i64 {
        let (steady, wall) = self.began;
        clock::now().min(wall.saturating_add(micros(steady.elapsed())))
    }

    /// Seals what is complete; answers whether nothing is left.
    fn seal_complete(&self) -> bool {
        let mut is_all = true;
        for Complete { journal, gathered } in self.shared.complete() {
            match seal::seal(&self.store, &journal, gathered.as_deref()) {
                Ok(segment) => {
                    let sealed = u64::from(segment.is_some());
                    segment.iter().for_each(|segment| self.name(segment));
                    self.shared.remove_complete(&journal);
                    self.shared.update_health(|health| health.sealed += sealed);
                }
                Err(error) => {
                    let error = format!(
                        "cannot seal {}: {error}",
                        self.store.layout().shown(&journal)
                    );
                    self.shared
                        .update_health(|health| health.last_error = Some(error));
                    is_all = false;
                }
            }
        }
        is_all
    }

    /// Lets the next checkpoint name the segment.
    fn name(&self, segment: &Segment) {
        if !segment.is_proven {
            return;
        }
        match chain::name_sealed(&self.store, &segment.path) {
            Ok(sealed) => self.shared.add_sealed(sealed),
            // The next start does.
            Err(error) => {
                let error = format!(
                    "cannot read {}: {error}",
                    self.store.layout().shown(&segment.path)
                );
                self.shared
                    .update_health(|health| health.last_error = Some(error));
            }
        }
    }

    /// The checkpoint after which no row follows.
    fn sign_last(&self, (mut chain, why, at): (Box<Chain>, Why, (Instant, i64))) -> bool {
        let now = at.1.saturating_add(micros(at.0.elapsed()));
        chain.sign(why, now, &self.shared)
    }

    fn remove_due(&self, now: i64) {
        match retain::due(&self.store, self.retain, now) {
            Ok(periods) => periods.iter().for_each(|due| self.remove(due)),
            Err(error) => {
                let error = format!("cannot look for periods to remove: {error}");
                self.shared
                    .update_health(|health| health.last_error = Some(error));
            }
        }
    }

    fn remove(&self, due: &Due) {
        let (done, told) = sync_channel(1);
        let row = notes::retention(&self.ids, clock::now(), due.period, due.segments, due.rows);
        let asked = self
            .writer
            .try_send(Message::Own(Box::new(row), done))
            .is_ok();
        let is_durable = asked && told.recv_timeout(PATIENCE).is_ok();
        // While the disk takes nothing, removing is what helps: the row waits in memory. Without either, the next look is soon
        // enough.
        let is_held = asked && !self.shared.writable.load(Ordering::Relaxed);
        if !is_durable && !is_held {
            return;
        }
        self.shared.add_removed(due.period.to_string());
        match retain::remove(&self.store, due) {
            Ok(()) => self
                .shared
                .update_health(|health| health.removed_periods += 1),
            Err(error) => {
                let error = format!("cannot remove period {}: {error}", due.period);
                self.shared
                    .update_health(|health| health.last_error = Some(error));
            }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let error = "the keeper ended by a fault of its own; nothing is sealed or removed until a restart".to_owned();
            self.shared
                .update_health(|health| health.last_error = Some(error));
        }
    }
}
