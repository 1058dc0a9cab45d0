//! Decides what an IP address reaches: the IPv4 address inside an IPv6 one, the kind of network it belongs to, and whether a
//! network contains it. It does not decide what may be dialled (`weir-policy`).

mod kind;
mod network;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use kind::{Kind, kind};
pub use network::{Network, NetworkError};

/// The address that packets to `address` end up at: an IPv4 address carried in IPv6 is taken out.
///
/// IPv4-mapped and -compatible (RFC 4291 §2.5.5), IPv4-translated (RFC 2765 §2.1), 6to4 (RFC 3056), the well-known NAT64
/// prefix `64:ff9b::/96` (RFC 6052), and the client of Teredo (RFC 4380 §4). `::` and `::1` are themselves.
pub fn unwrapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => carried(v6).map_or(address, IpAddr::V4),
    }
}

/// Who counts as one client where no name is known: the address, an IPv4 address carried as IPv4-mapped being IPv4, and of
/// an IPv6 address its /64. Any machine may take as many addresses of its /64 as it likes (RFC 4291 §2.5.1, RFC 8981), so
/// that a limit by single addresses would be no limit.
pub fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = address.segments();
    let last = join(s6, s7);
    match [s0, s1, s2, s3, s4, s5] {
        [0, 0, 0, 0, 0, 0] if s6 == 0 && s7 <= 1 => None,
        [0, 0, 0, 0, 0, 0] | [0, 0, 0, 0, 0, 0xffff] | [0, 0, 0, 0, 0xffff, 0] => Some(last),
        [0x64, 0xff9b, 0, 0, 0, 0] => Some(last),
        [0x2002, high, low, ..] => Some(join(high, low)),
        // Teredo sends the client's address with every bit inverted.
        [0x2001, 0, ..] => Some(join(!s6, !s7)),
        _ => None,
    }
}

fn join(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests;
