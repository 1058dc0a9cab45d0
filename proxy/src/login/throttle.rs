//! How often an address may be wrong.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use dashmap::DashMap;
use weir_host::address::client_network;

/// Addresses remembered at once; an IPv6 client counts by its /64, which one machine owns.
const MAX_ADDRESSES: usize = 65_536;

/// Counts failures per address in windows that begin with the first failure. A right
/// password does not clear the count: one known account would buy endless guesses at others.
#[derive(Debug)]
pub(super) struct Throttle {
    failures: DashMap<IpAddr, Failures>,
    attempts: usize,
    window: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    since: Instant,
    count: usize,
}

impl Throttle {
    pub(super) fn new(attempts: usize, window: Duration) -> Throttle {
        Throttle {
            failures: DashMap::new(),
            attempts,
            window,
        }
    }

    /// How long `client` must wait, `None` when it may try.
    pub(super) fn retry_after(&self, client: IpAddr, now: Instant) -> Option<Duration> {
        let failures = *self.failures.get(&client_network(client))?;
        let left = self
            .window
            .checked_sub(now.saturating_duration_since(failures.since))?;
        (failures.count >= self.attempts && !left.is_zero()).then_some(left)
    }

    /// Counts one failure.
    pub(super) fn count(&self, client: IpAddr, now: Instant) {
        if self.failures.len() >= MAX_ADDRESSES {
            self.make_room(now);
        }
        let fresh = Failures {
            since: now,
            count: 0,
        };
        let mut failures = self.failures.entry(client_network(client)).or_insert(fresh);
        if now.saturating_duration_since(failures.since) >= self.window {
            *failures = fresh;
        }
        failures.count = failures.count.saturating_add(1);
    }

    fn make_room(&self, now: Instant) {
        self.failures
            .retain(|_, f| now.saturating_duration_since(f.since) < self.window);
        if self.failures.len() < MAX_ADDRESSES {
            return;
        }
        let oldest = self
            .failures
            .iter()
            .min_by_key(|entry| entry.since)
            .map(|e| *e.key());
        if let Some(oldest) = oldest {
            self.failures.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const WINDOW: Duration = Duration::from_secs(300);

    fn after_failures(count: u32, client: &str) -> (Throttle, Instant) {
        let throttle = Throttle::new(3, WINDOW);
        let start = Instant::now();
        for _ in 0..count {
            throttle.count(client.parse().unwrap(), start);
        }
        (throttle, start)
    }

    fn waits(throttle: &Throttle, client: &str, now: Instant) -> Option<Duration> {
        throttle.retry_after(client.parse().unwrap(), now)
    }

    #[test]
    fn an_address_waits_after_its_attempts_until_the_window_ends() {
        let (throttle, start) = after_failures(2, "192.0.2.1");
        assert_eq!(waits(&throttle, "192.0.2.1", start), None);
        throttle.count("192.0.2.1".parse().unwrap(), start);
        let later = start + Duration::from_secs(100);
        assert_eq!(
            waits(&throttle, "192.0.2.1", later),
            Some(Duration::from_secs(200))
        );
        assert_eq!(waits(&throttle, "192.0.2.1", start + WINDOW), None);
    }

    #[test]
    fn a_new_window_begins_with_a_clean_count() {
        let (throttle, start) = after_failures(3, "192.0.2.1");
        let later = start + WINDOW;
        throttle.count("192.0.2.1".parse().unwrap(), later);
        assert_eq!(waits(&throttle, "192.0.2.1", later), None);
    }

    #[test]
    fn other_addresses_are_not_held_up() {
        let (throttle, start) = after_failures(9, "192.0.2.1");
        assert_eq!(waits(&throttle, "192.0.2.2", start), None);
    }

    #[test]
    fn one_machine_cannot_hide_in_its_ipv6_network_or_in_a_mapped_address() {
        let (throttle, start) = after_failures(3, "2001:db8:1:2::1");
        assert!(waits(&throttle, "2001:db8:1:2:ffff::9", start).is_some());
        assert!(waits(&throttle, "2001:db8:1:3::1", start).is_none());
        let (throttle, start) = after_failures(3, "::ffff:192.0.2.1");
        assert!(waits(&throttle, "192.0.2.1", start).is_some());
    }

    #[test]
    fn the_number_of_addresses_is_bounded() {
        let throttle = Throttle::new(3, WINDOW);
        let start = Instant::now();
        for address in 0..65_600_u32 {
            let now = start + Duration::from_micros(address.into());
            throttle.count(IpAddr::V4(address.into()), now);
        }
        assert!(throttle.failures.len() <= MAX_ADDRESSES);
        assert!(throttle.failures.contains_key(&IpAddr::V4(65_599.into())));
    }
}
