//! Decides what a network in CIDR notation is and which addresses it contains.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

use super::unwrapped;

/// A range of addresses in CIDR notation (RFC 4632 §3.1), host bits zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// The part before the slash is no address.
    #[error("not an address or a network such as 10.0.0.0/8 or 2001:db8::/32")]
    Address,
    /// The part after the slash is no number of bits.
    #[error("the prefix is not a number from 0 to {0}")]
    Prefix(u8),
    /// Bits beyond the prefix are set, so that the writer may have meant something else.
    #[error("bits beyond the prefix are set: write {0}, or the single address without a prefix")]
    HostBits(Network),
    /// An IPv6 network all of whose addresses carry an IPv4 address, which alone is compared.
    #[error(
        "addresses of this network carry IPv4 addresses and are compared as those: write the IPv4 network"
    )]
    CarriesV4,
}

impl Network {
    /// The network of `prefix` bits (at most 32 or 128; more is taken as that) around `address`.
    pub fn around(address: IpAddr, prefix: u8) -> Network {
        match address {
            IpAddr::V4(v4) => {
                let prefix = prefix.min(32);
                let bits = v4.to_bits() & mask_v4(prefix);
                Network {
                    address: IpAddr::V4(Ipv4Addr::from_bits(bits)),
                    prefix,
                }
            }
            IpAddr::V6(v6) => {
                let prefix = prefix.min(128);
                let bits = v6.to_bits() & mask_v6(prefix);
                Network {
                    address: IpAddr::V6(Ipv6Addr::from_bits(bits)),
                    prefix,
                }
            }
        }
    }

    /// The first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits all its addresses share: 0 to 32, or to 128.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// True when `address`, after [`unwrapped`], lies in this network. An address that carries an IPv4 address is in IPv4
    /// networks only, so that no IPv6 network lets one through that an IPv4 network would have caught.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.holds(unwrapped(address))
    }

    /// True when the two share an address.
    pub fn overlaps(&self, other: &Network) -> bool {
        self.holds(other.address) || other.holds(self.address)
    }

    fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()) & mask_v4(self.prefix) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()) & mask_v6(self.prefix) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// `10.0.0.0/8`, `2001:db8::/32`, or one address, brackets or not.
    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address = parse_address(address).ok_or(NetworkError::Address)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(text) => parse_prefix(text, most).ok_or(NetworkError::Prefix(most))?,
            None => most,
        };
        let network = Network::around(address, prefix);
        if network.address != address {
            return Err(NetworkError::HostBits(network));
        }
        if network.carries_v4() {
            return Err(NetworkError::CarriesV4);
        }
        Ok(network)
    }
}

impl Network {
    /// True when every address of an IPv6 network carries an IPv4 one, judged by its first and last.
    fn carries_v4(&self) -> bool {
        let IpAddr::V6(first) = self.address else {
            return false;
        };
        let last = Ipv6Addr::from_bits(first.to_bits() | !mask_v6(self.prefix));
        let carries = |address: Ipv6Addr| unwrapped(IpAddr::V6(address)).is_ipv4();
        carries(first) && carries(last)
    }
}

impl fmt::Display for Network {
    /// One address is shown without its prefix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = if self.address.is_ipv4() { 32 } else { 128 };
        if self.prefix == most {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match bare {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

fn parse_prefix(text: &str, most: u8) -> Option<u8> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let prefix = plain.then(|| text.parse::<u8>().ok())??;
    (prefix <= most).then_some(prefix)
}

fn mask_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}
