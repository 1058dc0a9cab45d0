//! The two clocks of the recorder: the wall clock that stamps rows, and one that never steps, against which it is watched (LM-32).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the recorder reads time; tests put their own here.
pub(crate) trait Clock: Send {
    /// µs since the epoch, UTC.
    fn wall(&self) -> i64;
    /// Time that only moves forward, from an arbitrary beginning.
    fn steady(&self) -> Duration;
}

/// The machine's own clocks.
#[derive(Debug)]
pub(crate) struct SystemClock(Instant);

impl SystemClock {
    pub(crate) fn new() -> SystemClock {
        SystemClock(Instant::now())
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> i64 {
        now()
    }

    fn steady(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The wall clock, µs since the epoch; a clock before the epoch is the epoch.
pub(crate) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, micros)
}

/// A duration in µs, as far as an `i64` goes (292,000 years).
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Notices when the wall clock moves otherwise than time does.
#[derive(Debug)]
pub(crate) struct StepWatch {
    offset: i64,
}

/// Smaller differences are the clock being disciplined, not stepped.
const TOLERANCE: i64 = 2_000_000;

impl StepWatch {
    pub(crate) fn new(clock: &dyn Clock) -> StepWatch {
        StepWatch {
            offset: offset(clock),
        }
    }

    /// By how many µs the wall clock was stepped since the last call, when it was more than two seconds. A machine that
    /// slept shows as a step forward.
    pub(crate) fn step(&mut self, clock: &dyn Clock) -> Option<i64> {
        let offset = offset(clock);
        let step = offset.saturating_sub(self.offset);
        // Slow discipline must not add up to a step, so the reference follows it.
        self.offset = offset;
        (step.saturating_abs() > TOLERANCE).then_some(step)
    }
}

fn offset(clock: &dyn Clock) -> i64 {
    clock.wall().saturating_sub(micros(clock.steady()))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// A system clock whose wall can be stepped.
    #[derive(Clone, Debug)]
    pub(crate) struct SteppedClock {
        pub(crate) step: Arc<AtomicI64>,
        began: Instant,
    }

    impl SteppedClock {
        pub(crate) fn new() -> SteppedClock {
            SteppedClock {
                step: Arc::new(AtomicI64::new(0)),
                began: Instant::now(),
            }
        }
    }

    impl Clock for SteppedClock {
        fn wall(&self) -> i64 {
            now() + self.step.load(Ordering::Relaxed)
        }

        fn steady(&self) -> Duration {
            self.began.elapsed()
        }
    }

    #[test]
    fn a_step_of_more_than_two_seconds_is_noticed_once_lm_32() {
        let clock = SteppedClock::new();
        let mut watch = StepWatch::new(&clock);
        assert_eq!(watch.step(&clock), None);
        clock.step.store(1_500_000, Ordering::Relaxed);
        assert_eq!(watch.step(&clock), None);
        clock.step.store(-3_000_000, Ordering::Relaxed);
        let step = watch.step(&clock).unwrap_or_default();
        assert!((-4_600_000..-4_400_000).contains(&step), "{step}");
        assert_eq!(watch.step(&clock), None);
    }
}
