//! What goes because its time is over.
//!
//! Decides by which time, whether the clock is believed, and in which order; which periods are due by a time is decided in
//! `retain`, what a case holds in `erase`.

use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use weir_evidence::Retention;

use super::{Keeper, PATIENCE};
use crate::belief::Belief;
use crate::clock::{self, micros};
use crate::erase::{self, Held};
use crate::lane::Message;
use crate::notes;
use crate::paths::Period;
use crate::proof;
use crate::retain::{self, Due};

impl Keeper {
    /// How long records are kept, and their content. A shorter time than was promised counts once a checkpoint has said so: until
    /// then nothing goes, or, where the disk takes nothing and going gives it room, only what was not promised longer.
    fn promised(&self) -> Option<(Duration, Duration)> {
        if let Some(promised) = self.shared.promised() {
            return Some(promised);
        }
        if self.shared.writable.load(Ordering::Relaxed) {
            return None;
        }
        let (before, _) = self.said();
        let (rows, content) = before.map_or((0, 0), |it| (it.rows, it.content));
        let (retain, retain_content) = self.shared.retention();
        Some((
            retain.max(Duration::from_secs(rows)),
            retain_content.max(Duration::from_secs(content)),
        ))
    }

    /// What the log says while it cannot be opened.
    fn said(&self) -> (Option<Retention>, Belief) {
        let settle = self.shared.belief().settle();
        proof::entries::said(&self.store, &self.node, settle)
    }

    /// What is believed of the clock. While the log cannot be opened the shared belief knows the newest row only, which a clock that
    /// was wrong then may have dated.
    fn belief(&self) -> Belief {
        if !self.shared.log_is_open.load(Ordering::Acquire) {
            let (_, belief) = self.said();
            if belief.is_founded() {
                return belief;
            }
        }
        self.shared.belief()
    }

    /// Whether the time of a period is over by what is promised now: removals take long, and the time may have been changed meanwhile.
    fn is_over(&self, period: Period, which: fn((Duration, Duration)) -> Duration) -> bool {
        let over = |kept| period.end().saturating_add(micros(which(kept))) <= self.time_passed();
        self.promised().is_some_and(over)
    }

    /// A period is removed by time that passed, not by a clock that was stepped forward.
    fn time_passed(&self) -> i64 {
        let (steady, wall) = self.began;
        clock::now().min(wall.saturating_add(micros(steady.elapsed())))
    }

    /// Removes what is due; answers whether it was looked at. While the log is not open yet, for example because the disk is
    /// full, only what nobody holds goes, and as a whole.
    pub(super) fn remove_due(&self, is_ready: bool) -> bool {
        let Some((retain, retain_content)) = self.promised() else {
            return false;
        };
        let now = self.time_passed();
        let held = match Held::load(&self.store) {
            Ok(held) => held,
            Err(error) => {
                self.note(format!(
                    "holds cannot be read, so nothing is removed: {error}"
                ));
                return true;
            }
        };
        if !is_ready && !held.is_empty() {
            return false;
        }
        let due = retain::due(&self.store, retain, now);
        let doubt = self.belief().doubt(now).filter(|_| {
            let contents = || retain::due_content(&self.store, retain_content, now);
            due.as_ref().is_ok_and(|due| !due.is_empty())
                || contents().is_ok_and(|due| !due.is_empty())
        });
        self.shared
            .update_health(|health| health.held_back.clone_from(&doubt));
        if doubt.is_some() {
            return true;
        }
        match due {
            Ok(periods) => periods.iter().for_each(|due| self.expire(due, &held)),
            Err(error) => self.note(format!("cannot look for periods to remove: {error}")),
        }
        if !is_ready {
            return false;
        }
        match retain::due_content(&self.store, retain_content, now) {
            Ok(periods) => periods
                .iter()
                .for_each(|period| self.expire_content(*period, &held)),
            Err(error) => self.note(format!("cannot look for content to remove: {error}")),
        }
        true
    }

    /// Lets a period go, but for what cases hold.
    fn expire(&self, due: &Due, held: &Held) {
        if !self.is_over(due.period, |(rows, _)| rows) {
            return;
        }
        let as_a_whole = match held.is_empty() {
            true => Ok(true),
            false => erase::expire(&self.store, &self.node, self, due.period, held),
        };
        match as_a_whole {
            Ok(true) => self.remove(due),
            Ok(false) => {}
            Err(error) => self.note(format!("cannot remove period {}: {error}", due.period)),
        }
    }

    fn expire_content(&self, period: Period, held: &Held) {
        if !self.is_over(period, |(_, content)| content) {
            return;
        }
        let gone = erase::expire_content(&self.store, &self.node, self, period, held);
        if let Err(error) = gone {
            self.note(format!(
                "cannot remove the content of period {period}: {error}"
            ));
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
        self.shared.add_removed_whole(due.period.to_string());
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
