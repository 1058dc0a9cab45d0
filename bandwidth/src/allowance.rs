//! Bytes moved today, per user. Decides nothing: policy says how much a day allows, the caller when a day begins.
//!
//! Counting is one atomic addition; the lock is taken when a flow begins and when a day ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What every user has moved on the current local day, both ways together.
#[derive(Debug)]
pub struct Allowances {
    state: Mutex<State>,
    most_users: usize,
}

#[derive(Debug)]
struct State {
    day: i64,
    used: HashMap<Arc<str>, Arc<AtomicU64>>,
}

/// One user's counter: cheap to clone and to charge, from any thread.
#[derive(Clone, Debug)]
pub struct Meter(Arc<AtomicU64>);

/// A copy of all counters, to be kept over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The local day, numbered as the caller numbers days (e.g. days since 1970-01-01).
    pub day: i64,
    /// User and bytes, sorted by user, users with nothing left out.
    pub used: Vec<(Arc<str>, u64)>,
}

impl Meter {
    /// Counts bytes; answers the day's total so far, these included.
    #[must_use = "the total says whether the allowance is used up"]
    pub fn charge(&self, bytes: u64) -> u64 {
        self.0
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes)
    }

    /// Bytes so far today.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Allowances {
    /// Empty counters for `day`, for at most `most_users` users (at least 1). Beyond that number those who used least
    /// and have no flow are forgotten: the memory is bounded even if somebody walks through addresses.
    #[must_use]
    pub fn new(day: i64, most_users: usize) -> Self {
        Self {
            state: Mutex::new(State {
                day,
                used: HashMap::new(),
            }),
            most_users: most_users.max(1),
        }
    }

    /// The user's counter, to be kept for as long as the flow lives.
    #[must_use]
    pub fn meter(&self, user: &Arc<str>) -> Meter {
        let mut state = self.lock();
        if let Some(found) = state.used.get(user) {
            return Meter(Arc::clone(found));
        }
        if state.used.len() >= self.most_users {
            forget_least(&mut state.used, self.most_users / 2);
        }
        Meter(Arc::clone(state.used.entry(Arc::clone(user)).or_default()))
    }

    /// Counts bytes without a kept meter; answers the day's total so far.
    #[must_use = "the total says whether the allowance is used up"]
    pub fn charge(&self, user: &Arc<str>, bytes: u64) -> u64 {
        self.meter(user).charge(bytes)
    }

    /// Bytes of this user so far today.
    #[must_use]
    pub fn used(&self, user: &str) -> u64 {
        self.lock()
            .used
            .get(user)
            .map_or(0, |used| used.load(Ordering::Relaxed))
    }

    /// Starts a new day: every counter begins again at 0, also those that live flows hold. The same day again changes
    /// nothing, nor does the day before: a clock set back a little gives nobody a second allowance. A day further back
    /// is a clock put right, and taken.
    pub fn roll(&self, day: i64) {
        let mut state = self.lock();
        if day == state.day || day.saturating_add(1) == state.day {
            return;
        }
        state.day = day;
        state.used.retain(|_, used| Arc::strong_count(used) > 1);
        for used in state.used.values() {
            used.store(0, Ordering::Relaxed);
        }
    }

    /// The counters as plain data.
    #[must_use]
    pub fn snapshot(&self) -> Usage {
        let state = self.lock();
        let all = state
            .used
            .iter()
            .map(|(user, used)| (Arc::clone(user), used.load(Ordering::Relaxed)));
        let mut used: Vec<_> = all.filter(|(_, bytes)| *bytes > 0).collect();
        used.sort();
        Usage {
            day: state.day,
            used,
        }
    }

    /// Takes up what an earlier run counted, if it was the same day; adds to what has been counted since.
    pub fn restore(&self, usage: &Usage) {
        if self.lock().day != usage.day {
            return;
        }
        for (user, bytes) in &usage.used {
            let _total = self.charge(user, *bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops counters that no flow holds, least used first, until `keep` are left.
fn forget_least(used: &mut HashMap<Arc<str>, Arc<AtomicU64>>, keep: usize) {
    let free = used.values().filter(|count| Arc::strong_count(count) == 1);
    let mut counts: Vec<u64> = free.map(|count| count.load(Ordering::Relaxed)).collect();
    counts.sort_unstable();
    let mut surplus = used.len().saturating_sub(keep).min(counts.len());
    let Some(limit) = surplus
        .checked_sub(1)
        .and_then(|last| counts.get(last).copied())
    else {
        return;
    };
    used.retain(|_, count| {
        let goes =
            surplus > 0 && Arc::strong_count(count) == 1 && count.load(Ordering::Relaxed) <= limit;
        surplus -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Arc<str> {
        name.into()
    }

    #[test]
    fn all_flows_of_a_user_count_together_and_a_new_day_clears_them() {
        let allowances = Allowances::new(20_000, 100);
        let (first, second) = (
            allowances.meter(&user("ada")),
            allowances.meter(&user("ada")),
        );
        assert_eq!(first.charge(100), 100);
        assert_eq!(second.charge(50), 150);
        assert_eq!(allowances.used("ada"), 150);
        assert_eq!(allowances.used("grace"), 0);
        allowances.roll(20_000);
        assert_eq!(allowances.used("ada"), 150, "the same day");
        allowances.roll(20_001);
        assert_eq!(
            first.charge(7),
            7,
            "a running transfer counts for the new day"
        );
        assert_eq!(allowances.used("ada"), 7);
    }

    #[test]
    fn a_clock_set_back_gives_no_second_allowance() {
        let allowances = Allowances::new(20_000, 100);
        assert_eq!(allowances.charge(&user("ada"), 100), 100);
        allowances.roll(19_999);
        allowances.roll(20_000);
        assert_eq!(allowances.used("ada"), 100);
    }

    #[test]
    fn a_clock_that_was_years_ahead_does_not_freeze_the_days() {
        let allowances = Allowances::new(40_000, 100);
        assert_eq!(allowances.charge(&user("ada"), 100), 100);
        allowances.roll(20_000);
        assert_eq!(allowances.used("ada"), 0);
        assert_eq!(allowances.snapshot().day, 20_000);
    }

    #[test]
    fn counts_survive_a_restart_of_the_same_day_only() {
        let before = Allowances::new(20_000, 100);
        for (name, bytes) in [("ada", 5), ("grace", 9), ("idle", 0)] {
            let _total = before.charge(&user(name), bytes);
        }
        let saved = before.snapshot();
        assert_eq!(saved.used, [(user("ada"), 5), (user("grace"), 9)]);
        let after = Allowances::new(20_000, 100);
        assert_eq!(after.charge(&user("ada"), 1), 1);
        after.restore(&saved);
        assert_eq!(after.used("ada"), 6);
        let later = Allowances::new(20_001, 100);
        later.restore(&saved);
        assert_eq!(later.used("ada"), 0);
    }

    #[test]
    fn memory_is_bounded_and_the_heaviest_and_the_active_are_kept() {
        let allowances = Allowances::new(1, 10);
        let active = allowances.meter(&user("active"));
        let _total = allowances.charge(&user("heavy"), 1_000_000);
        for number in 0..10_000 {
            let _total = allowances.charge(&user(&format!("address-{number}")), 1);
        }
        assert!(allowances.snapshot().used.len() <= 10);
        assert_eq!(allowances.used("heavy"), 1_000_000);
        assert_eq!(active.charge(3), 3);
        assert_eq!(allowances.used("active"), 3);
    }

    #[test]
    fn threads_lose_no_byte() {
        let allowances = Allowances::new(1, 10);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let meter = allowances.meter(&user("ada"));
                    for _ in 0..10_000 {
                        let _total = meter.charge(3);
                    }
                });
            }
        });
        assert_eq!(allowances.used("ada"), 120_000);
    }
}
