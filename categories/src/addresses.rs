//! Decides which listed addresses and networks contain an address. An address that carries an IPv4 address inside IPv6 is
//! compared as that (threats §2, IP literals).
//!
//! Networks of one prefix length form one sorted level, so that a question is one binary search for each prefix length that
//! the lists use. It does not know what a set means.

use std::net::IpAddr;

use weir_host::address::{Network, unwrapped};

use crate::bytes::{array, u16_at, u32_at, u64_at};

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

    /// Writes every network with its set: prefix, set, first address; IPv4 first, counted.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let count: usize = self.v4.iter().map(|level| level.firsts.len()).sum();
        out.extend_from_slice(&(count as u64).to_le_bytes());
        for level in &self.v4 {
            for (first, set) in level.firsts.iter().zip(&level.sets) {
                out.push(level.prefix);
                out.extend_from_slice(&set.to_le_bytes());
                out.extend_from_slice(&first.to_le_bytes());
            }
        }
        for level in &self.v6 {
            for (first, set) in level.firsts.iter().zip(&level.sets) {
                out.push(level.prefix);
                out.extend_from_slice(&set.to_le_bytes());
                out.extend_from_slice(&first.to_le_bytes());
            }
        }
    }

    /// Reads what [`Addresses::write`] wrote. `None` for anything that it cannot have written.
    pub(crate) fn read(bytes: &[u8]) -> Option<Addresses> {
        const V4: usize = 7;
        const V6: usize = 19;
        let count = usize::try_from(u64_at(bytes, 0)?).ok()?;
        let (v4, v6) = bytes.get(8..)?.split_at_checked(count.checked_mul(V4)?)?;
        let ((v4, []), (v6, [])) = (v4.as_chunks::<V4>(), v6.as_chunks::<V6>()) else {
            return None;
        };
        let v4 = v4
            .iter()
            .map(|item| Some((item[0], u16_at(item, 1)?, u32_at(item, 3)?)));
        let wide = |item: &[u8; V6]| {
            let first = u128::from_le_bytes(array(item, 3)?);
            Some((item[0], u16_at(item, 1)?, first))
        };
        Some(Addresses {
            v4: levels(v4, 32, mask_v4)?,
            v6: levels(v6.iter().map(wide), 128, mask_v6)?,
        })
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

/// Levels of items in their order: longest prefix first, then ascending without repetition. `None` in any other.
fn levels<T: Ord + Copy + std::ops::BitAnd<Output = T>>(
    items: impl Iterator<Item = Option<(u8, u16, T)>>,
    most: u8,
    mask: impl Fn(u8) -> T,
) -> Option<Vec<Level<T>>> {
    let mut levels: Vec<Level<T>> = Vec::new();
    let items: Vec<(u8, u16, T)> = items.collect::<Option<_>>()?;
    for level in items.chunk_by(|a, b| a.0 == b.0) {
        let prefix = level.first()?.0;
        let ordered = level.is_sorted_by(|a, b| a.2 < b.2);
        let aligned = prefix <= most && level.iter().all(|item| item.2 & mask(prefix) == item.2);
        let longer = levels.last().is_none_or(|last| last.prefix > prefix);
        if !(ordered && aligned && longer) {
            return None;
        }
        levels.push(Level {
            prefix,
            firsts: level.iter().map(|item| item.2).collect(),
            sets: level.iter().map(|item| item.1).collect(),
        });
    }
    Some(levels)
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
    fn networks_are_read_back_as_they_were_written_and_nothing_else_is() {
        let listed = addresses(&[
            "10.0.0.0/8",
            "10.1.2.3",
            "10.1.2.4",
            "2001:db8::/32",
            "::/0",
        ]);
        let mut file = Vec::new();
        listed.write(&mut file);
        let again = Addresses::read(&file).unwrap();
        assert_eq!(format!("{again:?}"), format!("{listed:?}"));
        for length in 0..file.len() {
            let cut = Addresses::read(&file[..length]);
            assert!(
                cut.is_none_or(|cut| cut.len() < listed.len()),
                "{length} bytes"
            );
        }
        let mut unsorted = file.clone();
        unsorted.swap(8 + 6, 8 + 7 + 6);
        unsorted.swap(8 + 3, 8 + 7 + 3);
        assert!(Addresses::read(&unsorted).is_none());
        let none = Addresses::default();
        file.clear();
        none.write(&mut file);
        assert_eq!(Addresses::read(&file).unwrap().len(), 0);
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
