//! When a journal is exchanged for a new one, and what becomes of the old.
//!
//! Decides that a journal ends when it is full, old, of another day, or when somebody waits for what is in it to be sealed.

use crate::journal::Journal;
use crate::keeper::Task;
use crate::paths::Period;
use crate::proof::chain::Chain;
use crate::proof::sidecar::Gathered;
use crate::trouble::Doing;

use super::Writer;

impl Writer {
    pub(super) fn exchange_when_due(&mut self) {
        let is_asked = !self.exchange_asked.is_empty() && self.trouble.is_none();
        let has_rows = self
            .journal
            .as_ref()
            .is_some_and(|journal| journal.rows() > 0);
        if self.is_exchange_due() || (is_asked && has_rows) {
            self.exchange();
        }
        if is_asked && self.trouble.is_none() {
            for done in self.exchange_asked.drain(..) {
                // Whoever asked may have stopped waiting.
                let _ = done.try_send(());
            }
        }
    }

    pub(super) fn is_exchange_due(&self) -> bool {
        let (Some(journal), Some((began, day))) = (&self.journal, self.began) else {
            return false;
        };
        journal.rows() >= self.settings.segment_rows as u64
            || self.clock.steady().saturating_sub(began) >= self.settings.seal_after
            || Period::of(self.clock.wall()) != day
    }

    /// Exchanges the journal for a new one. That is begun first: its header says what is open, so there is no moment at which a
    /// crash would leave that unknown.
    pub(super) fn exchange(&mut self) {
        self.sync();
        let Some(old) = self.journal.take() else {
            return;
        };
        let gathered = self.chain.as_mut().map(Chain::take_gathered);
        let begun = self.ensure_journal();
        self.give_to_keeper(&old, gathered);
        if let Err(error) = begun {
            self.fail(Doing::Create, &error);
        }
    }

    /// Closes the journal for good.
    pub(super) fn retire(&mut self) {
        self.sync();
        if let Some(journal) = self.journal.take() {
            let gathered = self.chain.as_mut().map(Chain::take_gathered);
            self.give_to_keeper(&journal, gathered);
        }
    }

    pub(super) fn give_to_keeper(&self, journal: &Journal, gathered: Option<Gathered>) {
        self.shared
            .add_complete(journal.path().to_owned(), gathered);
        // When its channel is full it is about to look anyway.
        let _ = self.keeper.try_send(Task::Look);
    }
}
