//! The keeper: one thread that seals journals and removes periods, so that the writer never waits for either.
//!
//! Decides when to try again. How a journal is sealed is decided in `seal`, which periods are due in `retain`.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::clock::{self, micros};
use crate::event::EventIds;
use crate::lane::{Message, Shared};
use crate::notes;
use crate::paths::Layout;
use crate::retain::{self, Due};
use crate::seal;

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
    /// Look for periods that are due now.
    Retain,
    /// Seal what waits and end; answered with whether all of it was sealed.
    End(SyncSender<bool>),
}

pub(crate) struct Keeper {
    pub(crate) layout: Layout,
    pub(crate) shared: Arc<Shared>,
    pub(crate) tasks: Receiver<Task>,
    pub(crate) writer: SyncSender<Message>,
    pub(crate) ids: Arc<EventIds>,
    pub(crate) retain: Duration,
}

impl Keeper {
    /// Runs until it is told to end.
    pub(crate) fn run(self) {
        let began = (Instant::now(), clock::now());
        let mut looked: Option<Instant> = None;
        loop {
            // A period is removed by time that passed, not by a clock that was stepped forward.
            let now = clock::now().min(began.1.saturating_add(micros(began.0.elapsed())));
            if looked.is_none_or(|looked| looked.elapsed() >= RETENTION) {
                self.remove_due(now);
                looked = Some(Instant::now());
            }
            let pause = if self.seal_complete() {
                RETENTION
            } else {
                RETRY
            };
            match self.tasks.recv_timeout(pause) {
                Ok(Task::Retain) => looked = None,
                Ok(Task::End(done)) => {
                    let _ = done.try_send(self.seal_complete());
                    return;
                }
                Ok(Task::Look) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Seals what is complete; answers whether nothing is left.
    fn seal_complete(&self) -> bool {
        let mut is_all = true;
        for journal in self.shared.take_complete() {
            match seal::seal(&self.layout, &journal) {
                Ok(segment) => {
                    let sealed = u64::from(segment.is_some());
                    self.shared.update_health(|health| health.sealed += sealed);
                }
                Err(error) => {
                    let error = format!("cannot seal {}: {error}", self.layout.shown(&journal));
                    self.shared
                        .update_health(|health| health.last_error = Some(error));
                    self.shared.add_complete(journal);
                    is_all = false;
                }
            }
        }
        is_all
    }

    fn remove_due(&self, now: i64) {
        match retain::due(self.layout.root(), self.retain, now) {
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
        if self
            .writer
            .try_send(Message::Own(Box::new(row), done))
            .is_ok()
        {
            // While the disk takes nothing, removing is what helps: the row waits in memory.
            let _ = told.recv_timeout(PATIENCE);
        }
        match retain::remove(&self.layout, due) {
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
