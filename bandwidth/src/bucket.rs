//! The token bucket: how much a limit has left, and when it has some again. Knows neither users nor queues.

use std::time::{Duration, Instant};

const NANOS: u128 = 1_000_000_000;

/// Bytes a second, or no limit.
pub(crate) type Rate = Option<u64>;

/// A bucket that refills at its rate up to a burst of 40 ms, and may be overdrawn by one chunk.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    level: i64,
    /// When `level` was right; none until the first look at the clock.
    last: Option<Instant>,
}

impl Bucket {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            level: rate.map_or(0, burst),
            last: None,
        }
    }

    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// Changes the rate from now on. An old debt is kept only as far as the new rate could have made it, so that a line
    /// turned down is not silent for seconds.
    pub(crate) fn set_rate(&mut self, rate: Rate) {
        if let Some(new) = rate {
            self.level = match self.rate {
                Some(_) => self.level.clamp(-as_level(chunk(new)), burst(new)),
                None => burst(new),
            };
        }
        self.rate = rate;
    }

    /// Adds what has come in since the last look. A time before the last one changes nothing.
    pub(crate) fn refill(&mut self, now: Instant) {
        let last = *self.last.get_or_insert(now);
        let Some(rate) = self.rate else {
            self.last = Some(last.max(now));
            return;
        };
        let elapsed = now.saturating_duration_since(last);
        let gained = u128::from(rate) * elapsed.as_nanos() / NANOS;
        let room = u128::try_from(burst(rate).saturating_sub(self.level)).unwrap_or(0);
        if gained >= room {
            self.level = burst(rate).max(self.level);
            self.last = Some(last.max(now));
        } else if gained > 0 {
            self.level +=
                i64::try_from(gained).expect("invariant: less than the room below the burst");
            self.last = Some(last + time_for(gained, rate));
        }
    }

    /// May a chunk start now?
    pub(crate) fn is_open(&self) -> bool {
        self.rate.is_none() || self.level > 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rate.is_none_or(|rate| self.level >= burst(rate))
    }

    pub(crate) fn charge(&mut self, bytes: usize) {
        if self.rate.is_some() {
            self.level = self.level.saturating_sub(as_level(bytes));
        }
    }

    pub(crate) fn give_back(&mut self, bytes: usize) {
        if let Some(rate) = self.rate {
            self.level = self.level.saturating_add(as_level(bytes)).min(burst(rate));
        }
    }

    /// The most that one grant takes; no bound without a limit.
    pub(crate) fn chunk(&self) -> usize {
        self.rate.map_or(usize::MAX, chunk)
    }

    /// When the bucket opens, given that nothing is taken: not later than the last look when it is open.
    pub(crate) fn opens_at(&self) -> Option<Instant> {
        self.reaches(1)
    }

    /// When all that was taken has been paid back.
    pub(crate) fn full_at(&self) -> Option<Instant> {
        self.reaches(self.rate.map_or(0, burst))
    }

    fn reaches(&self, level: i64) -> Option<Instant> {
        let last = self.last?;
        let Some(rate) = self.rate else {
            return Some(last);
        };
        let missing = u128::try_from(level.saturating_sub(self.level)).unwrap_or(0);
        Some(last + time_for(missing, rate))
    }
}

/// 40 ms of the rate, at least 16 KiB: enough to bridge a late timer, little enough not to be felt as a queue.
pub(crate) fn burst(rate: u64) -> i64 {
    i64::try_from(rate / 25)
        .unwrap_or(i64::MAX / 4)
        .clamp(16 << 10, i64::MAX / 4)
}

/// 5 ms of the rate within 2 KiB and 256 KiB: how long one user holds a limit before the next has their turn.
pub(crate) fn chunk(rate: u64) -> usize {
    usize::try_from(rate / 200)
        .unwrap_or(usize::MAX)
        .clamp(2 << 10, 256 << 10)
}

fn as_level(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Rounded up, so that the rate is never exceeded.
fn time_for(bytes: u128, rate: u64) -> Duration {
    let nanos = (bytes * NANOS).div_ceil(u128::from(rate.max(1)));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(Duration::from_secs(1 << 24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Some(1_000_000));
        bucket.refill(start);
        bucket.charge(40_000);
        assert!(!bucket.is_open(), "the burst is 40 ms");
        bucket.charge(10_000);
        let opens = bucket.opens_at().expect("was looked at");
        assert_eq!(
            opens,
            start + Duration::from_micros(10_001),
            "10 000 bytes of debt and one to spend"
        );
        bucket.refill(opens);
        assert!(bucket.is_open());
    }

    #[test]
    fn odd_looks_at_the_clock_lose_next_to_nothing_and_gain_nothing() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Some(2_500_000));
        bucket.refill(start);
        bucket.charge(100_000);
        let mut now = start;
        for step in 0..10_000_u64 {
            now += Duration::from_nanos(700 + step % 613);
            bucket.refill(now);
        }
        let earned = 2_500_000.0 * (now - start).as_secs_f64();
        assert!(
            bucket.level as f64 <= earned,
            "{} of {earned}",
            bucket.level
        );
        assert!(
            bucket.level as f64 > earned * 0.995,
            "{} of {earned}",
            bucket.level
        );
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing() {
        let start = Instant::now() + Duration::from_secs(60);
        let mut bucket = Bucket::new(Some(1_000));
        bucket.refill(start);
        bucket.charge(20_000);
        let level = bucket.level;
        bucket.refill(start - Duration::from_secs(30));
        bucket.refill(start);
        assert_eq!(bucket.level, level);
    }

    #[test]
    fn a_lower_rate_does_not_inherit_a_long_silence() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Some(125_000_000));
        bucket.refill(start);
        bucket.charge(5_000_000 + 250_000);
        bucket.set_rate(Some(10_000));
        let opens = bucket.opens_at().expect("was looked at");
        assert!(
            opens <= start + Duration::from_millis(210),
            "{:?}",
            opens - start
        );
    }

    #[test]
    fn the_smallest_and_the_largest_rates_do_not_overflow() {
        let start = Instant::now();
        for rate in [1, 2, u64::MAX] {
            let mut bucket = Bucket::new(Some(rate));
            bucket.refill(start);
            bucket.charge(usize::MAX);
            bucket.give_back(usize::MAX);
            bucket.refill(start + Duration::from_secs(3600));
            assert!(bucket.opens_at().is_some());
            assert!(bucket.full_at().is_some());
        }
    }
}
