//! Decides which listed addresses and networks contain an address. An address that carries an IPv4 address inside IPv6 is
//! compared as that (threats §2, IP literals).
//!
//! Networks of one prefix length form one sorted level, so that a question is one binary search for each prefix length that
//! the lists use. It does not know what a set means.

use std::net::IpAddr;

use weir_host::address::{Network, unwrapped};

/// Networks with the number of a set each.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    /// Longest prefix first, so that the most exact entry is found first.
    v4: Vec<Level<u32>>,
    v6: Vec<Level<u128>>,
}

#[derive(Debug)]
struct Level<T> {
    prefix: u8,
    /// First addresses, ascending.
    firsts: Box<[T]>,
    sets: Box<[u16]>,
}

impl<T: Ord> Level<T> {
    fn get(&self, first: &T) -> Option<u16> {
        let at = self.firsts.binary_search(first).ok()?;
        self.sets.get(at).copied()
    }
}

impl Addresses {
    /// Lays out networks; the same network must not repeat.
    pub(crate) fn new(mut networks: Vec<(Network, u16)>) -> Addresses {
        networks.sort_unstable_by_key(|(network, _)| (u8::MAX - network.prefix(), *network));
        let mut found = Addresses::default();
        for level in networks.chunk_by(|a, b| a.0.prefix() == b.0.prefix()) {
            found.v4.extend(level_of(level, |address| match address {
                IpAddr::V4(v4) => Some(v4.to_bits()),
                IpAddr::V6(_) => None,
            }));
            found.v6.extend(level_of(level, |address| match address {
                IpAddr::V4(_) => None,
                IpAddr::V6(v6) => Some(v6.to_bits()),
            }));
        }
        found
    }

    /// Every listed network that contains `address` with its set, longest prefix first.
    pub(crate) fn containing(&self, address: IpAddr) -> impl Iterator<Item = (Network, u16)> {
        let address = unwrapped(address);
        let (v4, v6) = match address {
            IpAddr::V4(v4) => (Some(v4.to_bits()), None),
            IpAddr::V6(v6) => (None, Some(v6.to_bits())),
        };
        let v4 = v4.into_iter().flat_map(|bits| {
            self.v4.iter().filter_map(move |level| {
                let set = level.get(&(bits & mask_v4(level.prefix)))?;
                Some((level.prefix, set))
            })
        });
        let v6 = v6.into_iter().flat_map(|bits| {
            self.v6.iter().filter_map(move |level| {
                let set = level.get(&(bits & mask_v6(level.prefix)))?;
                Some((level.prefix, set))
            })
        });
        v4.chain(v6)
            .map(move |(prefix, set)| (Network::around(address, prefix), set))
    }

    /// How many networks there are, single addresses included.
    pub(crate) fn len(&self) -> usize {
        let v4: usize = self.v4.iter().map(|level| level.firsts.len()).sum();
        let v6: usize = self.v6.iter().map(|level| level.firsts.len()).sum();
        v4 + v6
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let v4: usize = self.v4.iter().map(|level| level.firsts.len() * 6).sum();
        let v6: usize = self.v6.iter().map(|level| level.firsts.len() * 18).sum();
        v4 + v6
    }
}

fn level_of<T>(
    networks: &[(Network, u16)],
    bits: impl Fn(IpAddr) -> Option<T>,
) -> Option<Level<T>> {
    let prefix = networks.first()?.0.prefix();
    let (firsts, sets): (Vec<T>, Vec<u16>) = networks
        .iter()
        .filter_map(|(network, set)| Some((bits(network.address())?, *set)))
        .unzip();
    (!firsts.is_empty()).then(|| Level {
        prefix,
        firsts: firsts.into_boxed_slice(),
        sets: sets.into_boxed_slice(),
    })
}

fn mask_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn addresses(networks: &[&str]) -> Addresses {
        let numbered = (0..).zip(networks);
        Addresses::new(numbered.map(|(set, n)| (n.parse().unwrap(), set)).collect())
    }

    fn found(addresses: &Addresses, address: &str) -> Vec<String> {
        addresses
            .containing(address.parse().unwrap())
            .map(|(network, _)| network.to_string())
            .collect()
    }

    #[test]
    fn every_network_around_an_address_is_found_the_most_exact_first() {
        let listed = addresses(&[
            "10.0.0.0/8",
            "10.1.2.3",
            "10.1.0.0/16",
            "0.0.0.0/0",
            "11.0.0.0/8",
        ]);
        assert_eq!(
            found(&listed, "10.1.2.3"),
            ["10.1.2.3", "10.1.0.0/16", "10.0.0.0/8", "0.0.0.0/0"]
        );
        assert_eq!(found(&listed, "10.2.0.0"), ["10.0.0.0/8", "0.0.0.0/0"]);
        assert_eq!(
            found(&listed, "11.255.255.255"),
            ["11.0.0.0/8", "0.0.0.0/0"]
        );
        assert_eq!(listed.len(), 5);
    }

    #[test]
    fn ipv4_inside_ipv6_is_the_ipv4_address() {
        let listed = addresses(&["192.0.2.7"]);
        for spelling in [
            "192.0.2.7",
            "::ffff:192.0.2.7",
            "64:ff9b::192.0.2.7",
            "2002:c000:207::1",
        ] {
            assert_eq!(found(&listed, spelling), ["192.0.2.7"], "{spelling}");
        }
        assert!(found(&listed, "192.0.2.8").is_empty());
    }

    #[test]
    fn ipv6_networks_hold_only_their_own() {
        let listed = addresses(&["2001:db8::/32", "2001:db8::1", "::/0"]);
        assert_eq!(
            found(&listed, "2001:db8::1"),
            ["2001:db8::1", "2001:db8::/32", "::/0"]
        );
        assert_eq!(found(&listed, "2001:db9::1"), ["::/0"]);
        assert!(found(&listed, "192.0.2.1").is_empty());
    }
}
