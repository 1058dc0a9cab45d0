//! One flow's handle: free without a lock while nothing limits it, else a place in its direction's queues.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use crate::fair::FlowId;
use crate::shaper::{Shaper, positive};
use crate::side::SharedRate;
use crate::{Cap, Direction, FlowSpec};

/// A flow's right to move bytes. Dropping it leaves, giving back what was granted and never collected.
///
/// One task at a time may take in one direction; the two directions are independent.
pub struct Flow {
    shaper: Arc<Shaper>,
    user: Arc<str>,
    legs: [Leg; 2],
}

/// One direction of a flow. A flow without caps is entered only when it first meets a limited line.
struct Leg {
    entered: OnceLock<FlowId>,
    rates: Box<[SharedRate]>,
}

impl Flow {
    pub(crate) fn new(shaper: Arc<Shaper>, spec: FlowSpec<'_>, now: Instant) -> Self {
        let caps = if spec.exempt { &[] } else { spec.caps };
        let legs = Direction::BOTH.map(|dir| Leg::new(&shaper, dir, spec.user, caps, now));
        Self {
            shaper,
            user: Arc::clone(spec.user),
            legs,
        }
    }

    /// Asks to move up to `want` bytes; ready with how many may move now (`1..=want`, 0 only when `want` is 0), already
    /// charged. Pending means that the context's waker will be called; the place in the queue is kept, also when the
    /// caller gives up waiting and asks again later.
    pub fn poll_take(
        &self,
        dir: Direction,
        want: usize,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<usize> {
        if want == 0 || self.is_free(dir) {
            return Poll::Ready(want);
        }
        let taken = self.shaper.with(dir, |side, woken| {
            let id = *self
                .leg(dir)
                .entered
                .get_or_init(|| side.join(&self.user, &[], now).0);
            side.take(id, want, now, cx.waker(), woken)
        });
        taken.map_or(Poll::Pending, Poll::Ready)
    }

    /// Gives back bytes of the last grant that were not moved after all. More than was granted is ignored.
    pub fn refund(&self, dir: Direction, unused: usize) {
        if unused == 0 {
            return;
        }
        if let Some(&id) = self.leg(dir).entered.get() {
            self.shaper.with(dir, |side, _| side.refund(id, unused));
        }
    }

    /// Does nothing limit this flow at the moment? Reads a few numbers, takes no lock.
    #[must_use]
    pub fn is_free(&self, dir: Direction) -> bool {
        let unlimited = |rate: &SharedRate| rate.load(Ordering::Relaxed) == 0;
        self.shaper.line_is_free(dir) && self.leg(dir).rates.iter().all(unlimited)
    }

    fn leg(&self, dir: Direction) -> &Leg {
        let [down, up] = &self.legs;
        match dir {
            Direction::Down => down,
            Direction::Up => up,
        }
    }
}

impl Leg {
    fn new(shaper: &Shaper, dir: Direction, user: &Arc<str>, caps: &[Cap], now: Instant) -> Self {
        if caps.is_empty() {
            return Self {
                entered: OnceLock::new(),
                rates: Box::default(),
            };
        }
        let rate = |cap: &Cap| match dir {
            Direction::Down => cap.down,
            Direction::Up => cap.up,
        };
        let caps: Vec<_> = caps
            .iter()
            .map(|cap| (Arc::clone(&cap.key), positive(rate(cap))))
            .collect();
        let (id, rates) = shaper.with(dir, |side, _| side.join(user, &caps, now));
        Self {
            entered: OnceLock::from(id),
            rates,
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        for dir in Direction::BOTH {
            if let Some(&id) = self.leg(dir).entered.get() {
                let _waker = self.shaper.with(dir, |side, _| side.leave(id));
            }
        }
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flow")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
