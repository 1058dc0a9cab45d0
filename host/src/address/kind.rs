//! Decides which kind of network an address belongs to, after the IANA special-purpose registries (RFC 6890 and updates).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::unwrapped;

/// What an address belongs to. Only [`Kind::Global`] is the public Internet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// The public Internet.
    Global,
    /// This machine.
    Loopback,
    /// A site's own network: RFC 1918, RFC 4193, deprecated site-local, and local NAT64 (RFC 8215).
    Private,
    /// This link only: RFC 3927, RFC 4291 §2.5.6.
    LinkLocal,
    /// A provider's network, `100.64.0.0/10` (RFC 6598).
    CarrierNat,
    /// Many receivers.
    Multicast,
    /// A cloud provider's service that hands credentials to whoever asks from the machine.
    Metadata,
    /// No address: `0.0.0.0/8` and `::`, which Linux connects to itself.
    Unspecified,
    /// For examples in texts.
    Documentation,
    /// Anything else that the registries keep from the public Internet.
    Reserved,
}

impl Kind {
    /// Lower-case label for messages, records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Global => "global",
            Kind::Loopback => "loopback",
            Kind::Private => "private",
            Kind::LinkLocal => "link-local",
            Kind::CarrierNat => "carrier-nat",
            Kind::Multicast => "multicast",
            Kind::Metadata => "metadata",
            Kind::Unspecified => "unspecified",
            Kind::Documentation => "documentation",
            Kind::Reserved => "reserved",
        }
    }
}

/// The kind of `address`, after [`unwrapped`].
pub fn kind(address: IpAddr) -> Kind {
    match unwrapped(address) {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    }
}

/// Instance metadata and its kin: AWS, Azure, GCP and most others; AWS containers (ECS, EKS); Oracle; Alibaba; Azure's
/// platform address, which is the one of them outside the special-purpose ranges.
const METADATA_V4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// AWS (metadata, EKS), GCP, Scaleway.
const METADATA_V6: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

fn kind_v4(address: Ipv4Addr) -> Kind {
    if METADATA_V4.contains(&address) {
        return Kind::Metadata;
    }
    match address.octets() {
        [0, ..] => Kind::Unspecified,
        [127, ..] => Kind::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Kind::Private,
        [169, 254, ..] => Kind::LinkLocal,
        [100, 64..=127, ..] => Kind::CarrierNat,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Kind::Documentation,
        // Protocol assignments, the 6to4 relay, benchmarking.
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] => Kind::Reserved,
        [224..=239, ..] => Kind::Multicast,
        [240..=255, ..] => Kind::Reserved,
        _ => Kind::Global,
    }
}

fn kind_v6(address: Ipv6Addr) -> Kind {
    if METADATA_V6.contains(&address) {
        return Kind::Metadata;
    }
    if address.is_unspecified() {
        return Kind::Unspecified;
    }
    if address.is_loopback() {
        return Kind::Loopback;
    }
    match address.segments() {
        [0x64, 0xff9b, 1, ..] => Kind::Private,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Kind::Private,
        [0xfe80..=0xfebf, ..] => Kind::LinkLocal,
        [0xff00..=0xffff, ..] => Kind::Multicast,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Kind::Documentation,
        // IETF protocol assignments (RFC 2928): benchmarking, ORCHID and the like.
        [0x2001, 0..=0x01ff, ..] => Kind::Reserved,
        [0x2000..=0x3fff, ..] => Kind::Global,
        // Outside 2000::/3 nothing is assigned for use on the Internet (RFC 4291 §2.4).
        _ => Kind::Reserved,
    }
}
