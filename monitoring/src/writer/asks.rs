//! Rows that commands ask for, in the writer's turn: taken a few times a second, synced at once, answered after that (LM-18).

use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use super::{Writer, told};
use crate::asks;

/// Pause between two looks for questions, and so the longest sleep of the writer.
pub(super) const PAUSE: Duration = Duration::from_millis(250);

/// Questions that were taken and not answered yet.
#[derive(Debug, Default)]
pub(super) struct Asks {
    looked: Option<Duration>,
    left: asks::Left,
    waiting: Vec<(String, Receiver<()>)>,
}

impl Writer {
    /// Takes the questions that wait. While nothing can be written they are refused at once: a row that is written later would
    /// tell of a read that did not happen.
    pub(super) fn take_asks(&mut self) {
        let now = self.clock.steady();
        if self.asks.looked.is_some_and(|looked| now < looked + PAUSE) {
            return;
        }
        self.asks.looked = Some(now);
        let directory = asks::place(self.layout.root(), &self.settings.node);
        let taken = match asks::take(&directory, &mut self.asks.left, now) {
            Ok(taken) => taken,
            Err(error) => {
                let error = error.to_string();
                return self
                    .shared
                    .update_health(|health| health.last_error = Some(error));
            }
        };
        for (id, row) in taken {
            let refused = match (row, &self.trouble) {
                (Ok(_), Some(trouble)) => Some(trouble.error.clone()),
                (Err(why), _) => Some(why),
                (Ok(row), None) => {
                    let (done, synced) = sync_channel(1);
                    self.hold_own(row.record(self.clock.wall()), Some(told(done)));
                    self.asks.waiting.push((id.clone(), synced));
                    None
                }
            };
            if refused.is_some() {
                asks::answer(&directory, &id, refused);
            }
        }
    }

    /// Syncs what was asked for and answers.
    pub(super) fn answer_asks(&mut self) {
        if self.asks.waiting.is_empty() {
            return;
        }
        if self.dirty.is_some() {
            self.sync();
        }
        let directory = asks::place(self.layout.root(), &self.settings.node);
        self.asks
            .waiting
            .retain(|(id, synced)| match synced.try_recv() {
                Ok(()) => {
                    asks::answer(&directory, id, None);
                    false
                }
                Err(TryRecvError::Disconnected) => {
                    let why = "the disk did not take the row".to_owned();
                    asks::answer(&directory, id, Some(why));
                    false
                }
                Err(TryRecvError::Empty) => true,
            });
    }
}
