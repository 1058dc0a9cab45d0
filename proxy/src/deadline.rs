//! Coarse deadlines of client connections: one watch a connection, one sweep a thread.
//!
//! Decides when a silent or too slow client connection ends. It does not decide how
//! long an origin may take: those waits carry their own timers.
//!
//! A timer for every read and write would cost more than the reads and writes, so each
//! connection only stores the moment it must be gone by, and the thread's sweep looks
//! at all of them twice a second. Deadlines are therefore up to half a second late.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// How often the sweep looks.
pub(crate) const SWEEP: Duration = Duration::from_millis(500);

/// What a connection is doing, as far as its deadline is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Between requests.
    Idle,
    /// A request head has begun to arrive; further bytes do not extend its deadline.
    Head,
    /// The proxy itself is at work (login, resolving, dialling, waiting for an origin).
    Working,
    /// A body moves in at least one direction.
    Body,
    /// The response is whole and on its way out, or the rest of a request that was answered
    /// early is on its way in.
    Leaving,
}

impl Phase {
    /// Whether the client must keep moving bytes.
    fn moves(self) -> bool {
        matches!(self, Phase::Body | Phase::Leaving)
    }
}

/// The deadline of one client connection.
#[derive(Debug)]
pub(crate) struct Watch {
    phase: Cell<Phase>,
    until: Cell<Option<Instant>>,
    expired: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    limits: WatchLimits,
    now: Rc<Cell<Instant>>,
}

/// The configured durations a watch works with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WatchLimits {
    /// Longest wait between requests.
    pub(crate) idle: Duration,
    /// Longest time for a whole request head.
    pub(crate) head: Duration,
    /// Longest pause inside a body.
    pub(crate) body: Duration,
    /// Bytes a second below which a client is cut off, averaged over `body`.
    pub(crate) minimum_rate: u64,
}

impl Watch {
    /// The current phase.
    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Enters a phase and sets its deadline.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        let limit = match phase {
            Phase::Idle => Some(self.limits.idle),
            Phase::Head => Some(self.limits.head),
            Phase::Working => None,
            Phase::Body | Phase::Leaving => Some(self.limits.body),
        };
        self.until.set(limit.map(|limit| self.now.get() + limit));
    }

    /// The far side made progress: the client gets the whole body pause again.
    pub(crate) fn renew(&self) {
        if self.phase.get().moves() {
            self.until.set(Some(self.now.get() + self.limits.body));
        }
    }

    /// The client moved `bytes`: each byte buys its share of a second at the minimum
    /// rate, so that one byte a minute does not hold a connection (threats §5).
    pub(crate) fn paid(&self, bytes: usize) {
        if !self.phase.get().moves() {
            return;
        }
        let Some(until) = self.until.get() else {
            return;
        };
        let now = self.now.get();
        let rate = self.limits.minimum_rate.max(1);
        let micros = (bytes as u64).saturating_mul(1_000_000) / rate;
        let longest = now + self.limits.body;
        // A huge read would overflow the clock; it can never buy more than the whole pause.
        let bought = Duration::from_micros(micros.min(self.limits.body.as_micros() as u64));
        self.until.set(Some((until + bought).min(longest)));
    }

    /// Resolves when the deadline has passed. At most one task waits on a watch.
    pub(crate) async fn expired(&self) {
        poll_fn(|cx| {
            if self.expired.get() {
                return Poll::Ready(());
            }
            let mut waker = self.waker.borrow_mut();
            if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    fn check(&self, now: Instant) {
        let due = self.until.get().is_some_and(|until| until <= now);
        if due
            && !self.expired.replace(true)
            && let Some(waker) = self.waker.borrow_mut().take()
        {
            waker.wake();
        }
    }
}

/// All watches of a thread, and the thread's coarse clock.
#[derive(Debug)]
pub(crate) struct Sweep {
    watches: RefCell<Vec<Weak<Watch>>>,
    now: Rc<Cell<Instant>>,
}

impl Sweep {
    /// A sweep without watches.
    pub(crate) fn new() -> Sweep {
        Sweep {
            watches: RefCell::new(Vec::new()),
            now: Rc::new(Cell::new(Instant::now())),
        }
    }

    /// The moment of the last tick: right to [`SWEEP`], and free.
    pub(crate) fn coarse_now(&self) -> Instant {
        self.now.get()
    }

    /// A new watch in [`Phase::Head`]: a fresh connection owes a request head.
    pub(crate) fn watch(&self, limits: WatchLimits) -> Rc<Watch> {
        let watch = Rc::new(Watch {
            phase: Cell::new(Phase::Head),
            until: Cell::new(None),
            expired: Cell::new(false),
            waker: RefCell::new(None),
            limits,
            now: Rc::clone(&self.now),
        });
        watch.enter(Phase::Head);
        self.watches.borrow_mut().push(Rc::downgrade(&watch));
        watch
    }

    /// Moves the coarse clock and wakes every connection whose deadline has passed.
    pub(crate) fn tick(&self, now: Instant) {
        self.now.set(now);
        // Taken out for the walk: a woken task may not run inside it, but must be able to.
        let mut watches = self.watches.take();
        watches.retain(|weak| match weak.upgrade() {
            Some(watch) => {
                watch.check(now);
                true
            }
            None => false,
        });
        let added = self.watches.replace(watches);
        self.watches.borrow_mut().extend(added);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> WatchLimits {
        WatchLimits {
            idle: Duration::from_secs(60),
            head: Duration::from_secs(15),
            body: Duration::from_secs(30),
            minimum_rate: 100,
        }
    }

    fn is_expired(watch: &Watch) -> bool {
        watch.expired.get()
    }

    #[test]
    fn a_head_that_does_not_arrive_in_time_ends_the_connection() {
        let sweep = Sweep::new();
        let start = sweep.coarse_now();
        let watch = sweep.watch(limits());
        sweep.tick(start + Duration::from_secs(14));
        assert!(!is_expired(&watch));
        sweep.tick(start + Duration::from_secs(15));
        assert!(is_expired(&watch));
    }

    #[test]
    fn the_proxys_own_work_is_not_charged_to_the_client() {
        let sweep = Sweep::new();
        let start = sweep.coarse_now();
        let watch = sweep.watch(limits());
        watch.enter(Phase::Working);
        sweep.tick(start + Duration::from_secs(3600));
        assert!(!is_expired(&watch));
    }

    #[test]
    fn a_trickle_below_the_minimum_rate_does_not_hold_a_connection() {
        let sweep = Sweep::new();
        let start = sweep.coarse_now();
        let watch = sweep.watch(limits());
        watch.enter(Phase::Body);
        for second in 1..=31 {
            sweep.tick(start + Duration::from_secs(second));
            watch.paid(1);
        }
        assert!(is_expired(&watch));
    }

    #[test]
    fn a_slow_client_above_the_minimum_rate_is_kept() {
        let sweep = Sweep::new();
        let start = sweep.coarse_now();
        let watch = sweep.watch(limits());
        watch.enter(Phase::Body);
        for second in 1..=300 {
            sweep.tick(start + Duration::from_secs(second));
            watch.paid(101);
        }
        assert!(!is_expired(&watch));
    }

    #[test]
    fn bytes_never_buy_more_than_one_whole_pause() {
        let sweep = Sweep::new();
        let start = sweep.coarse_now();
        let watch = sweep.watch(limits());
        watch.enter(Phase::Body);
        watch.paid(usize::MAX);
        sweep.tick(start + Duration::from_secs(31));
        assert!(is_expired(&watch));
    }

    #[test]
    fn a_closed_connection_leaves_the_sweep() {
        let sweep = Sweep::new();
        drop(sweep.watch(limits()));
        sweep.tick(Instant::now());
        assert!(sweep.watches.borrow().is_empty());
    }
}
