//! The keeper: one thread that seals journals and removes periods, so that the writer never waits for either.
//!
//! Decides when to try again. How a journal is sealed is decided in `seal`, what goes because its time is over in `expiry`.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use weir_evidence::{SealedFile, Why};

use crate::clock::{self, micros};
use crate::erase::{self, Done, Request};
use crate::event::{EventId, EventIds};
use crate::index;
use crate::lane::{Complete, Message, Shared};
use crate::notes;
use crate::paths::Period;
use crate::proof::chain::{self, Chain};
use crate::seal::{self, Segment};
use crate::store::Store;

mod expiry;

/// Pause before a journal that could not be sealed is tried again.
const RETRY: Duration = Duration::from_secs(15);
/// Time between two looks for periods that are due.
const RETENTION: Duration = Duration::from_secs(3600);
/// Time between two looks for what commands ask.
const TICK: Duration = Duration::from_secs(1);
/// How long a removal waits for its row to be durable, and an erasure for that, for sealing and for a checkpoint, while the disk
/// takes nothing.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same for an erasure while the disk takes rows, slow as it may be: giving up would leave it half done, or refuse it.
const LONG_PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks whether a checkpoint was signed.
const PAUSE: Duration = Duration::from_millis(10);

/// What the keeper is told.
pub(crate) enum Task {
    /// A journal is complete.
    Look,
    /// Look for periods that are due now; answered when that is done.
    Retain(SyncSender<()>),
    /// Hold, release or erase rows.
    Serve(Box<Request>, SyncSender<Result<Done, String>>),
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
    pub(crate) node: String,
    pub(crate) shared: Arc<Shared>,
    pub(crate) tasks: Receiver<Task>,
    pub(crate) writer: SyncSender<Message>,
    pub(crate) ids: Arc<EventIds>,
    /// When the keeper began, by the clock that never steps and by the wall clock.
    pub(crate) began: (Instant, i64),
}

impl Keeper {
    /// Runs until it is told to end.
    pub(crate) fn run(self) {
        let (mut looked, mut failed): (Option<Instant>, Option<Instant>) = (None, None);
        let (mut is_resumed, mut tried) = (false, None);
        // Whatever a crash, an older Weir or somebody's hand left of the index.
        let mut stale = index::stale(&self.store).unwrap_or_default();
        loop {
            let is_open = self.shared.log_is_open.load(Ordering::Acquire);
            let is_waiting = !is_resumed || erase::is_pending(&self.store);
            if is_open && is_waiting && tried.is_none_or(|tried: Instant| tried.elapsed() >= RETRY)
            {
                is_resumed = self.resume();
                tried = Some(Instant::now());
            }
            // Before anything goes: a segment whose journal still lingers must not lose rows that sealing would bring back.
            if is_open && failed.is_none_or(|failed| failed.elapsed() >= RETRY) {
                failed = (!self.seal_complete()).then(Instant::now);
            }
            if looked.is_none_or(|looked| looked.elapsed() >= RETENTION)
                && self.remove_due(is_resumed)
            {
                looked = Some(Instant::now());
            }
            if is_resumed {
                self.serve_asked();
            }
            let pause = match stale.pop() {
                Some(period) if is_open => {
                    self.index(period);
                    Duration::ZERO
                }
                Some(period) => {
                    stale.push(period);
                    TICK
                }
                None => TICK,
            };
            match self.tasks.recv_timeout(pause) {
                Ok(Task::Retain(done)) => {
                    self.wait_for_log();
                    self.wait_for(&self.shared.is_promised);
                    is_resumed = is_resumed || self.resume();
                    if self.remove_due(is_resumed) {
                        looked = Some(Instant::now());
                    }
                    let _ = done.try_send(());
                }
                Ok(Task::Serve(request, done)) => {
                    self.wait_for_log();
                    is_resumed = is_resumed || self.resume();
                    let answer = match is_resumed {
                        true => erase::serve(&self.store, &self.node, &self, &request),
                        false => Err(self.shared.health().last_error.unwrap_or_default()),
                    };
                    let _ = done.try_send(answer);
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
                // A journal that is complete now has not failed yet.
                Ok(Task::Look) => {
                    if self.shared.complete().len() == 1 {
                        failed = None;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Nothing can be told or named before the log is open.
    fn wait_for_log(&self) {
        self.wait_for(&self.shared.log_is_open);
    }

    /// Waits for something that the writer does; false when it was not done in time, or will not be. What is asked says nothing while
    /// it is open.
    fn wait_while_writable(&self, is_done: impl Fn() -> Option<bool>) -> bool {
        let begun = Instant::now();
        loop {
            // Before the look: what was done until then is seen.
            let has_ended = self.shared.has_ended.load(Ordering::Acquire);
            if let Some(is_done) = is_done() {
                return is_done;
            }
            let health = self.shared.health();
            let patience = match health.writable && health.checkpoint_error.is_none() {
                true => LONG_PATIENCE,
                false => PATIENCE,
            };
            if has_ended || begun.elapsed() >= patience {
                return false;
            }
        }
    }

    fn wait_for(&self, what: &AtomicBool) {
        let begun = Instant::now();
        while !what.load(Ordering::Acquire) && begun.elapsed() < PATIENCE {
            std::thread::sleep(PAUSE);
        }
    }

    fn note(&self, error: String) {
        self.shared
            .update_health(|health| health.last_error = Some(error));
    }

    /// Finishes erasures that an earlier run began; answers whether none is left.
    fn resume(&self) -> bool {
        let finished = erase::resume(&self.store, self);
        if let Err(error) = &finished {
            self.note(format!("cannot finish an erasure that was begun: {error}"));
        }
        finished.is_ok()
    }

    /// Carries out what commands ask, one after the other.
    fn serve_asked(&self) {
        loop {
            let asked = erase::asked(&self.store);
            let (request, place) = match asked {
                Ok(Some(asked)) => asked,
                Ok(None) => return,
                Err(error) => return self.note(format!("cannot look for requests: {error}")),
            };
            let done = erase::serve(&self.store, &self.node, self, &request);
            if let Err(error) = erase::answer(&self.store, &place, &done) {
                self.note(format!("cannot answer a request: {error}"));
            }
        }
    }

    /// Seals what is complete; answers whether nothing is left.
    fn seal_complete(&self) -> bool {
        let (mut is_all, mut periods) = (true, BTreeSet::new());
        for Complete { journal, gathered } in self.shared.complete() {
            match seal::seal(&self.store, &journal, gathered.as_deref()) {
                Ok(segment) => {
                    let sealed = u64::from(segment.is_some());
                    periods.extend(segment.iter().map(|segment| segment.period));
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
        // Once for all that was sealed; what is not in it yet is read by its footer.
        periods.into_iter().for_each(|period| self.index(period));
        is_all
    }

    /// Makes the index of a period whole again; without it a search takes longer.
    fn index(&self, period: Period) {
        // An erasure that waits to go on makes it anew under keys of its own; until then it must not name what goes.
        if erase::is_pending(&self.store) {
            return;
        }
        if let Err(error) = index::update(&self.store, period, None) {
            self.note(format!(
                "cannot write the index of period {period}: {error}"
            ));
        }
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
}

impl erase::Clerk for Keeper {
    fn event(&self) -> EventId {
        self.ids.next()
    }

    fn now(&self) -> i64 {
        clock::now()
    }

    fn tell(&self, row: erase::Row) -> io::Result<()> {
        let (done, told) = sync_channel(1);
        let row = Box::new(notes::told(row, clock::now()));
        if self.writer.try_send(Message::Own(row, done)).is_err() {
            return Err(io::Error::other(
                "the row that tells of it cannot be made durable at present, so nothing is done",
            ));
        }
        self.wait_while_writable(|| is_answered(&told))
            .then_some(())
            .ok_or_else(|| {
                let error = "the row that tells of it waits for the disk; it is done once the disk takes rows again";
                io::Error::new(io::ErrorKind::TimedOut, error)
            })
    }

    fn seal(&self) -> io::Result<()> {
        let (done, exchanged) = sync_channel(1);
        let asked = self.writer.try_send(Message::Exchange(done)).is_ok();
        let is_sealed =
            asked && self.wait_while_writable(|| is_answered(&exchanged)) && self.seal_complete();
        match is_sealed {
            true => Ok(()),
            false => Err(io::Error::other(
                "what was recorded until now cannot be sealed at present, so nothing is done",
            )),
        }
    }

    fn name(&self, sealed: SealedFile) {
        self.shared.add_sealed(sealed);
    }

    fn name_removed(&self, period: String) {
        self.shared.add_removed(period);
    }

    fn sign(&self) -> io::Result<()> {
        let is_signed = self.wait_while_writable(|| {
            let is_signed = !self.shared.is_unsigned();
            if !is_signed {
                std::thread::sleep(PAUSE);
            }
            is_signed.then_some(true)
        });
        let error = "no checkpoint can be signed at present; the next start finishes this";
        is_signed
            .then_some(())
            .ok_or_else(|| io::Error::other(error))
    }
}

/// Whether the writer has answered, after a moment in which it may. It lets go of who asks when it cannot do it.
fn is_answered(answer: &Receiver<()>) -> Option<bool> {
    match answer.recv_timeout(PAUSE) {
        Ok(()) => Some(true),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some(false),
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
