//! What one transfer may move: its share of the line, its caps, its size limits, the
//! user's daily allowance.
//!
//! Decides nothing itself: shares and caps are `weir-bandwidth`'s, sizes the verdict's.

use crate::task::Task;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use weir_bandwidth::{Direction, Flow, Meter};
use weir_monitoring::End;

/// A daily allowance in use: bytes so far today, both ways, and the most there may be.
#[derive(Clone, Debug)]
pub(crate) struct Daily {
    pub(crate) meter: Meter,
    pub(crate) allowed: u64,
}

impl Daily {
    /// Whether nothing is left.
    pub(crate) fn is_spent(&self) -> bool {
        self.meter.used() >= self.allowed
    }
}

/// The limits and counters of one request or tunnel.
pub(crate) struct Transfer {
    task: Rc<Task>,
    flow: Flow,
    daily: Option<Daily>,
    download_size: Option<u64>,
    upload_size: Option<u64>,
}

impl Transfer {
    /// Joins a task with its flow and limits. Sizes in bytes.
    pub(crate) fn new(
        task: Rc<Task>,
        flow: Flow,
        daily: Option<Daily>,
        download_size: Option<u64>,
        upload_size: Option<u64>,
    ) -> Rc<Transfer> {
        Rc::new(Transfer {
            task,
            flow,
            daily,
            download_size,
            upload_size,
        })
    }

    /// The task whose bytes these are.
    pub(crate) fn task(&self) -> &Rc<Task> {
        &self.task
    }

    /// Asks to move `want` bytes; grants 1 to `want` of them, when it is this user's turn.
    ///
    /// # Errors
    /// The end to record when the daily allowance is used up.
    pub(crate) fn poll_take(
        &self,
        direction: Direction,
        want: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, End>> {
        if self.daily.as_ref().is_some_and(Daily::is_spent) {
            return Poll::Ready(Err(End::Allowance));
        }
        // One byte beyond a limit is asked for, so that a transfer of just that size can end.
        let want = self
            .left(direction)
            .map_or(want, |left| want.min(left.max(1)));
        if self.flow.is_free(direction) {
            return Poll::Ready(Ok(want));
        }
        Poll::Ready(Ok(ready!(self.flow.poll_take(
            direction,
            want,
            Instant::now(),
            cx
        ))))
    }

    /// Whether nothing holds this direction back, so that no permission need be asked.
    pub(crate) fn is_free(&self, direction: Direction) -> bool {
        self.flow.is_free(direction)
    }

    /// Gives back permission that was not used.
    pub(crate) fn refund(&self, direction: Direction, unused: usize) {
        if unused > 0 && !self.flow.is_free(direction) {
            self.flow.refund(direction, unused);
        }
    }

    /// Counts bytes that are about to be handed on.
    ///
    /// # Errors
    /// The end to record when they would pass a size limit: then nothing is counted, and
    /// nothing may be handed on.
    pub(crate) fn moved(&self, direction: Direction, bytes: usize) -> Result<(), End> {
        if self.left(direction).is_some_and(|left| bytes > left) {
            return Err(End::SizeLimit);
        }
        let bytes = bytes as u64;
        if let Some(daily) = &self.daily {
            // The sum is asked before the next chunk.
            let _ = daily.meter.charge(bytes);
        }
        match direction {
            Direction::Down => self.task.moved_down(bytes),
            Direction::Up => self.task.moved_up(bytes),
        }
        Ok(())
    }

    /// Bytes that the size limit leaves; none without a limit.
    fn left(&self, direction: Direction) -> Option<usize> {
        let (moved, limit) = match direction {
            Direction::Down => (self.task.down(), self.download_size),
            Direction::Up => (self.task.up(), self.upload_size),
        };
        limit.map(|limit| usize::try_from(limit.saturating_sub(moved)).unwrap_or(usize::MAX))
    }

    /// Says how the transfer ended.
    pub(crate) fn ended(&self, end: End) {
        self.task.ended(end);
    }
}
