//! The shared face of the scheduler: one lock a direction, wakers called outside it, the timer task kept informed.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::bucket::Rate;
use crate::flow::Flow;
use crate::side::{SharedRate, Side};
use crate::{Direction, FlowSpec};

/// Shares one line, in both directions, among all flows of a process.
#[derive(Debug)]
pub struct Shaper {
    sides: [Mutex<Side>; 2],
    lines: [SharedRate; 2],
    timer: Mutex<Option<Waker>>,
}

/// What one direction of a [`Shaper`] holds at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Flows that have met a limit.
    pub flows: usize,
    /// Flows that wait for their turn.
    pub waiting: usize,
    /// Caps in use, or not yet paid back.
    pub caps: usize,
    /// Places of users at the line and at caps, in use or not yet paid back.
    pub seats: usize,
}

impl Shaper {
    /// A shaper for a line of these rates in bytes a second; `None` is unlimited, 0 counts as 1.
    #[must_use]
    pub fn new(line_down: Option<u64>, line_up: Option<u64>) -> Self {
        let sides = [Side::new(positive(line_down)), Side::new(positive(line_up))];
        let lines = sides.each_ref().map(Side::line);
        Self {
            sides: sides.map(Mutex::new),
            lines,
            timer: Mutex::new(None),
        }
    }

    /// Changes the line's rates for live flows as well. Whoever waits is looked at when the timer task next pumps,
    /// which it is woken for.
    pub fn set_line(&self, down: Option<u64>, up: Option<u64>) {
        for (dir, rate) in [(Direction::Down, down), (Direction::Up, up)] {
            self.with(dir, |side, _| side.set_line(positive(rate)));
        }
    }

    /// Enters a flow. It leaves when the [`Flow`] is dropped.
    #[must_use]
    pub fn flow(self: &Arc<Self>, spec: FlowSpec<'_>, now: Instant) -> Flow {
        Flow::new(Arc::clone(self), spec, now)
    }

    /// Serves those whose time has come and answers how long the timer task may sleep; none while nobody waits. The
    /// task must also run when its waker ([`Shaper::set_pump_waker`]) is called. A late call loses no rate up to the
    /// burst of 40 ms.
    pub fn pump(&self, now: Instant) -> Option<Duration> {
        let next = Direction::BOTH
            .into_iter()
            .filter_map(|dir| self.with(dir, |side, woken| side.pump(now, woken)));
        next.min().map(|at| at.saturating_duration_since(now))
    }

    /// Whom to wake when a flow begins to wait for something earlier than what [`Shaper::pump`] last answered. To be
    /// set before the first call of `pump`.
    pub fn set_pump_waker(&self, waker: Waker) {
        *self.timer.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
    }

    /// What this direction holds, for metrics.
    #[must_use]
    pub fn gauges(&self, dir: Direction) -> Gauges {
        let found = self.with(dir, |side, _| side.gauges());
        Gauges {
            flows: found.flows,
            waiting: found.waiting,
            caps: found.caps,
            seats: found.seats,
        }
    }

    pub(crate) fn line_is_free(&self, dir: Direction) -> bool {
        self.line(dir).load(Ordering::Relaxed) == 0
    }

    /// Runs `act` under the direction's lock and calls the wakers after it.
    pub(crate) fn with<T>(
        &self,
        dir: Direction,
        act: impl FnOnce(&mut Side, &mut Vec<Waker>) -> T,
    ) -> T {
        let mut woken = Vec::new();
        let (result, hurries) = {
            let mut side = self
                .side(dir)
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let result = act(&mut side, &mut woken);
            (result, side.hurries())
        };
        for waker in woken {
            waker.wake();
        }
        if hurries {
            self.wake_timer();
        }
        result
    }

    fn wake_timer(&self) {
        let waker = self
            .timer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn side(&self, dir: Direction) -> &Mutex<Side> {
        let [down, up] = &self.sides;
        match dir {
            Direction::Down => down,
            Direction::Up => up,
        }
    }

    fn line(&self, dir: Direction) -> &SharedRate {
        let [down, up] = &self.lines;
        match dir {
            Direction::Down => down,
            Direction::Up => up,
        }
    }
}

/// A rate of nothing would never pay a chunk back.
pub(crate) fn positive(rate: Rate) -> Rate {
    rate.map(|rate| rate.max(1))
}
