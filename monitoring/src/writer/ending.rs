//! How the writer ends: what is still in memory is written, and the log gets the checkpoint after which no row follows.
//!
//! The last segment is sealed by the keeper, so it is the keeper that signs last.

use std::sync::atomic::Ordering;
use std::time::Instant;

use weir_evidence::Why;

use super::Writer;
use crate::keeper::Task;
use crate::notes;

impl Writer {
    pub(super) fn finish(mut self) {
        let Some((in_order, done)) = self.end.take() else {
            return;
        };
        while let Ok(message) = self.inbox.try_recv() {
            self.take(message);
        }
        self.write_held();
        if self.trouble.is_some() {
            // It may have been the last moment of it.
            self.write_held();
        }
        if self.trouble.is_none() {
            self.tell_dropped(self.clock.steady());
            if in_order {
                self.hold_own(notes::stop(&self.ids, self.clock.wall()), None);
            }
            self.write_held();
        }
        if in_order {
            self.retire();
        } else {
            // The next start finds it, and with it what was open.
            self.sync();
        }
        for held in self.held.drain(..).filter(|held| held.admitted) {
            self.shared.release(held.rows.len());
            self.shared.drop_rows(&held.rows);
        }
        self.answer_asks();
        self.report();
        let is_written = self.trouble.is_none();
        self.shared.has_ended.store(true, Ordering::Release);
        // The keeper ends only here, so it is there to be told.
        let why = if in_order { Why::Stop } else { Why::Interval };
        let at = (Instant::now(), self.clock.wall());
        let log = self.chain.take().map(|chain| (Box::new(chain), why, at));
        let _ = self.keeper.send(Task::End {
            is_written,
            done,
            log,
        });
    }
}
