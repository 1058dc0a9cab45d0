//! Whether the clock is believed when it says that the time of records is over (LM-14, LM-32).
//!
//! A machine that starts with a date far ahead would else destroy a year of records at once. Decides: a moment that leaps far ahead of
//! the last one that was believed is doubted until Weir has run on with that clock for a while, or until the clock is back. The
//! moments are those of checkpoints, which are signed at least each interval and lie in the log: so a restart doubts what the run
//! before doubted, and nothing else is kept.

use std::time::Duration;

use crate::clock::micros;
use crate::paths::moment;

/// Further than this from one moment to the next is a leap, µs: longer than a long weekend in which nothing ran.
const LEAP: i64 = 4 * 86_400_000_000;
/// Two checkpoints that are this much further apart than promised were signed in one run, or nearly.
const SLACK: i64 = 60_000_000;

/// What is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Belief {
    /// For how long Weir must have run on after a leap, µs; 0 believes every clock.
    settle: i64,
    /// The latest moment that is believed, µs since the epoch; None before the first.
    believed: Option<i64>,
    leap: Option<Leap>,
}

/// A leap that is not believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leap {
    /// The last moment seen.
    last: i64,
    /// For how long Weir ran since, µs.
    ran: i64,
}

impl Belief {
    /// Nothing was seen.
    pub(crate) fn new(settle: Duration) -> Belief {
        Belief {
            settle: micros(settle),
            believed: None,
            leap: None,
        }
    }

    /// What the newest row says, which stands in for a checkpoint where there is none; 0 when there is no row.
    pub(crate) fn of_row(settle: Duration, latest: i64) -> Belief {
        Belief {
            believed: (latest > 0).then_some(latest),
            ..Belief::new(settle)
        }
    }

    /// How long a clock that leapt must run on before it is believed; zero: it always is.
    pub(crate) fn settle(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.settle).unwrap_or(0))
    }

    /// Whether it rests on anything.
    pub(crate) fn is_founded(&self) -> bool {
        self.believed.is_some()
    }

    /// A checkpoint was signed at this moment, µs since the epoch, and promises the next after `every` seconds.
    pub(crate) fn see(&mut self, now: i64, every: u64) {
        let Some(believed) = self.believed else {
            self.believed = Some(now);
            return;
        };
        if now <= believed.saturating_add(LEAP) {
            self.believed = Some(believed.max(now));
            self.leap = None;
            return;
        }
        let every = i64::try_from(every).unwrap_or(i64::MAX);
        let in_one_run = every.saturating_mul(2_000_000).saturating_add(SLACK);
        let ran = self.leap.as_ref().map_or(0, |leap| {
            let passed = now.saturating_sub(leap.last);
            match passed {
                // While Weir did not run the clock was not watched: that counts for nothing, and leaps anew begin anew.
                passed if (0..=in_one_run).contains(&passed) => leap.ran.saturating_add(passed),
                passed if (0..=LEAP).contains(&passed) => leap.ran,
                _ => 0,
            }
        });
        if ran >= self.settle {
            self.believed = Some(now);
            self.leap = None;
        } else {
            self.leap = Some(Leap { last: now, ran });
        }
    }

    /// Why nothing may be removed at this moment, µs since the epoch; None when it is believed.
    pub(crate) fn doubt(&self, now: i64) -> Option<String> {
        let believed = self.believed.filter(|_| self.settle > 0)?;
        let ahead = now.saturating_sub(believed);
        if ahead <= LEAP {
            return None;
        }
        let ran = self.leap.as_ref().map_or(0, |leap| leap.ran);
        let hours = |micros: i64| micros / 3_600_000_000;
        Some(format!(
            "the clock says {:.0}, {} days after the last moment that is believed, {:.0}: either nothing ran in between, or it is wrong. \
             Nothing is removed for its age until Weir has run with this clock for {} h (so far {} h)",
            moment(now),
            ahead / 86_400_000_000,
            moment(believed),
            hours(self.settle),
            hours(ran),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const DAY: i64 = 24 * HOUR;
    const BEGAN: i64 = 1_790_000_000_000_000;

    fn day() -> Belief {
        let mut belief = Belief::new(Duration::from_secs(86_400));
        belief.see(BEGAN, 600);
        belief
    }

    #[test]
    fn a_clock_that_goes_on_or_pauses_for_a_long_weekend_is_believed_lm_14() {
        let mut belief = day();
        for hours in [1, 20, 60, 150, 246] {
            let now = BEGAN + hours * HOUR;
            assert_eq!(belief.doubt(now), None, "{hours}");
            belief.see(now, 600);
        }
        assert_eq!(belief.doubt(BEGAN - 400 * DAY), None, "set back");
        assert_eq!(Belief::new(Duration::from_secs(9)).doubt(BEGAN), None);
    }

    #[test]
    fn a_leap_is_doubted_until_weir_ran_on_for_a_day_over_restarts_lm_14() {
        let mut belief = day();
        let wrong = BEGAN + 400 * DAY;
        let told = belief.doubt(wrong).unwrap_or_default();
        assert!(told.contains("400 days after"), "{told}");
        belief.see(wrong, 600);
        // Runs of eight hours, with nights between them that count for nothing.
        let mut now = wrong;
        for run in 0..3 {
            for _ in 0..8 * 6 {
                assert!(belief.doubt(now).is_some(), "{run}");
                now += HOUR / 6;
                belief.see(now, 600);
            }
            assert_eq!(belief.doubt(now).is_none(), run == 2);
            now += 16 * HOUR;
            belief.see(now, 600);
        }
        assert_eq!(belief.doubt(now + DAY), None);
    }

    #[test]
    fn a_clock_that_was_put_right_is_believed_at_once_and_the_leap_is_forgotten_lm_32() {
        let mut belief = day();
        belief.see(BEGAN + 400 * DAY, 600);
        belief.see(BEGAN + HOUR, 600);
        assert_eq!(belief.doubt(BEGAN + DAY), None);
        assert!(belief.doubt(BEGAN + 400 * DAY).is_some());
        // A battery that is empty: far back, then right again.
        belief.see(0, 600);
        assert_eq!(belief.doubt(BEGAN + DAY), None);
    }

    #[test]
    fn a_second_leap_begins_anew_lm_14() {
        let mut belief = day();
        let mut now = BEGAN + 100 * DAY;
        belief.see(now, 600);
        for _ in 0..23 * 6 {
            now += HOUR / 6;
            belief.see(now, 600);
        }
        now += 300 * DAY;
        belief.see(now, 600);
        for _ in 0..23 * 6 {
            now += HOUR / 6;
            belief.see(now, 600);
            assert!(belief.doubt(now).is_some());
        }
    }
}
