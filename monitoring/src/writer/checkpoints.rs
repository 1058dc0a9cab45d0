//! When a checkpoint of the log is due, and that every row it covers has been synced before (LM-29).
//!
//! Decides: one as soon as the first rows of a start are written, one each interval whether rows come or not, one when a
//! segment was sealed or a period removed (at most one a second), one when somebody asks, one at the stop. While the disk takes
//! nothing there is none; the interval that passed shows in the next one.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use weir_evidence::Why;

use crate::keeper::Task;
use crate::notes;
use crate::proof;
use crate::proof::Asked;
use crate::proof::ask;

use super::Writer;

/// Pause between two checkpoints that nobody asked for, between two attempts, and between two looks for a question.
const PAUSE: Duration = Duration::from_secs(1);

/// When the next checkpoint is due, by the steady clock.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// None before the first one of this run.
    last: Option<Duration>,
    /// Not before this moment, after an attempt that failed.
    retry: Duration,
    looked: Duration,
    asked: Option<Asked>,
}

impl Due {
    fn why(&self, now: Duration, every: Duration, has_unnamed: bool) -> Option<Why> {
        if now < self.retry {
            return None;
        }
        let Some(last) = self.last else {
            return Some(Why::Start);
        };
        match self.asked {
            Some(Asked::Checkpoint) => Some(Why::Asked),
            Some(Asked::Rotation) => Some(Why::Rotation),
            // What is sealed because somebody asked brings one about as any segment does.
            _ if now >= last + every => Some(Why::Interval),
            _ if has_unnamed && now >= last + PAUSE => Some(Why::Seal),
            _ => None,
        }
    }
}

impl Writer {
    /// Signs a checkpoint when one is due.
    pub(super) fn checkpoint_when_due(&mut self) {
        let now = self.clock.steady();
        // A time that records are kept for and that no checkpoint says yet is due as soon as what was sealed.
        let has_unnamed =
            self.shared.has_unnamed() || !self.shared.is_promised.load(Ordering::Acquire);
        let Some(chain) = &mut self.chain else {
            return;
        };
        if now >= self.due.looked + PAUSE {
            self.due.looked = now;
            match ask::take(&self.store.layout().log(&self.settings.node)) {
                Some(Asked::Seal) => return self.seal_now(),
                asked => self.due.asked = asked.or(self.due.asked),
            }
        }
        let every = self.settings.checkpoint;
        let Some(why) = self.due.why(now, every, has_unnamed) else {
            return;
        };
        // The rows of the start belong to its checkpoint.
        if self.trouble.is_some() || (why == Why::Start && chain.is_at_start()) {
            return;
        }
        if self.dirty.is_some() {
            self.sync();
        }
        let (None, Some(chain)) = (&self.trouble, &mut self.chain) else {
            return;
        };
        let is_signed = chain.sign(why, self.clock.wall(), &self.shared);
        if is_signed && why == Why::Rotation {
            // The new key shows at once that it is in force.
            chain.sign(Why::Asked, self.clock.wall(), &self.shared);
        }
        if is_signed {
            self.due.last = Some(now);
            self.due.asked = None;
        } else {
            self.due.retry = now + PAUSE;
        }
    }

    /// Lets the rows so far become a segment, when there are any and the disk takes them.
    fn seal_now(&mut self) {
        let has_rows = self
            .journal
            .as_ref()
            .is_some_and(|journal| journal.rows() > 0);
        if has_rows && self.trouble.is_none() {
            self.exchange();
        }
    }

    /// Opens the log, which says where numbering goes on and what there is to tell.
    pub(super) fn ensure_chain(&mut self) -> io::Result<()> {
        if self.chain.is_some() {
            return Ok(());
        }
        let (mut chain, told) = proof::open::open(&self.store, &self.settings, self.next)
            .map_err(|error| io::Error::new(error.kind(), format!("the log: {error}")))?;
        self.next = told.next;
        let now = self.clock.wall();
        for note in told.notes {
            self.hold_own(notes::log(&self.ids, now, note), None);
        }
        // A log that just began has no moments yet: then the newest row says what time it was.
        match chain.belief.is_founded() {
            true => self.shared.believe(chain.belief.clone()),
            false => chain.belief = self.shared.belief(),
        }
        self.shared.note_promised(chain.promised());
        self.chain = Some(chain);
        self.shared.log_is_open.store(true, Ordering::Release);
        // When its channel is full it is about to look anyway.
        let _ = self.keeper.try_send(Task::Look);
        Ok(())
    }
}
