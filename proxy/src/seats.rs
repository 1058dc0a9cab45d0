//! Places for client connections.
//!
//! Decides whether another connection is taken (threats §5): in all, from one address, and
//! from one IPv6 network, where a machine takes as many addresses as it likes.

use dashmap::DashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use weir_host::address::client_network;

/// How many connections there may be at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seats {
    pub(crate) all: usize,
    /// From one address.
    pub(crate) per_address: usize,
    /// From one IPv6 /64. A machine can have any number of addresses there, yet a whole
    /// classroom may share it: it gets more than one address, and never all.
    pub(crate) per_network: usize,
}

impl Seats {
    /// So many in all and from one address.
    pub(crate) fn new((all, per_address): (usize, usize)) -> Seats {
        Seats {
            all,
            per_address,
            per_network: per_address.max(all.div_ceil(2)),
        }
    }
}

/// The places that are taken.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    all: AtomicUsize,
    per_address: DashMap<IpAddr, usize>,
    per_network: DashMap<IpAddr, usize>,
}

impl Taken {
    /// Whether another connection may be accepted at all.
    pub(crate) fn has_room(&self, seats: Seats) -> bool {
        self.all.load(Ordering::Relaxed) < seats.all
    }

    /// Takes a place, unless the client has all that it may have.
    pub(crate) fn take(&self, address: IpAddr, seats: Seats) -> bool {
        if !count(&self.per_address, address, seats.per_address) {
            return false;
        }
        if address.is_ipv6()
            && !count(
                &self.per_network,
                client_network(address),
                seats.per_network,
            )
        {
            uncount(&self.per_address, address);
            return false;
        }
        self.all.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Gives a taken place back.
    pub(crate) fn give_back(&self, address: IpAddr) {
        self.all.fetch_sub(1, Ordering::Relaxed);
        uncount(&self.per_address, address);
        if address.is_ipv6() {
            uncount(&self.per_network, client_network(address));
        }
    }
}

/// Counts one more, unless there are `most` already.
fn count(counts: &DashMap<IpAddr, usize>, whose: IpAddr, most: usize) -> bool {
    let mut count = counts.entry(whose).or_insert(0);
    let free = *count < most;
    *count += usize::from(free);
    free
}

fn uncount(counts: &DashMap<IpAddr, usize>, whose: IpAddr) {
    if let Some(mut count) = counts.get_mut(&whose) {
        *count = count.saturating_sub(1);
    }
    counts.remove_if(&whose, |_, count| *count == 0);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_ipv6_network_never_takes_every_place_and_a_classroom_fits_into_it() {
        let (taken, seats) = (Taken::default(), Seats::new((100, 10)));
        let machine = |number: u128| IpAddr::V6((0x2001_0db8_u128 << 96 | number).into());
        let got = (0..100).filter(|n| taken.take(machine(*n), seats)).count();
        assert_eq!(got, 50, "five machines' worth, and half of all");
        assert!(taken.take("2001:db8:0:1::1".parse().unwrap(), seats));
        assert!(taken.take("192.0.2.1".parse().unwrap(), seats));
    }

    #[test]
    fn one_address_has_its_bound_and_what_is_given_back_is_free_again() {
        let (taken, seats) = (Taken::default(), Seats::new((20, 2)));
        for address in ["192.0.2.1", "2001:db8::1"].map(|text| text.parse().unwrap()) {
            assert!(taken.take(address, seats) && taken.take(address, seats));
            assert!(!taken.take(address, seats));
            taken.give_back(address);
            assert!(taken.take(address, seats));
            taken.give_back(address);
            taken.give_back(address);
        }
        assert!(taken.per_address.is_empty() && taken.per_network.is_empty());
        assert!(taken.has_room(Seats::new((1, 1))) && !taken.has_room(Seats::new((0, 0))));
    }
}
