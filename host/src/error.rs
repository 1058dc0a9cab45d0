//! Why a text is no host or no target. Decides nothing; the messages are shown to people who typed the text.

use thiserror::Error;

/// Why a text is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HostError {
    /// Nothing is left without the root dot.
    #[error("the host is empty")]
    Empty,
    /// More than 253 octets without the root dot (RFC 1035 §2.3.4).
    #[error("the name is longer than 253 characters")]
    TooLong,
    /// Two dots in a row, a leading dot, or more than one root dot.
    #[error("the name has an empty label")]
    EmptyLabel,
    /// A label of more than 63 octets (RFC 1035 §2.3.4).
    #[error("a label of the name is longer than 63 characters")]
    LabelTooLong,
    /// Something other than letters, digits, hyphen and underscore.
    #[error("{0:?} cannot stand in a host name")]
    Character(char),
    /// The last label is a number, so that the name reads as an address, but it is no dotted quad.
    #[error("an IPv4 address is written as four decimal numbers without leading zeros")]
    OddAddress,
    /// Not an IPv6 address in brackets.
    #[error("not an IPv6 address in brackets")]
    Ipv6,
    /// An IPv6 zone identifier (RFC 6874), which has a meaning on one machine only.
    #[error("an IPv6 address with a zone cannot be named")]
    ZoneId,
    /// A label that UTS 46 does not allow, or an `xn--` label that it would not produce.
    #[error("not a valid internationalised name (UTS 46)")]
    Idna,
    /// An address where only a name may stand.
    #[error("an address where a name is needed")]
    NotAName,
}

/// Why a text is no target or no authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// The host part is none.
    #[error("host: {0}")]
    Host(#[from] HostError),
    /// Neither `http://` nor `https://`.
    #[error("the target does not start with http:// or https://")]
    Scheme,
    /// `user@` before the host: a favourite way to make one host look like another.
    #[error("a target must not carry user information")]
    UserInfo,
    /// `#…`, which never leaves a browser (RFC 9112 §3.2).
    #[error("a target must not carry a fragment")]
    Fragment,
    /// Not a decimal number from 1 to 65535 without leading zeros.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// Not a path that starts with `/`.
    #[error("the path does not start with \"/\"")]
    Path,
    /// A character that must be percent-encoded in a target.
    #[error("{0:?} cannot stand in a target")]
    Character(char),
}
