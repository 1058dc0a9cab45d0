//! Decides what a host, an authority, a target and a path *are*: the one normaliser of Weir.
//!
//! Lists, rules, TLS server names and requests all pass through here, so that two parts of Weir can never disagree on
//! whether two spellings mean the same thing. Every type holds normal form only and cannot be built otherwise.
//!
//! It does not decide what is allowed (`weir-policy`), what is listed (`weir-categories`), and it never resolves a name.

pub mod address;
mod authority;
mod error;
mod name;
mod path;
mod search;
mod target;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

pub use authority::parse_authority;
pub use error::{HostError, TargetError};
pub use name::{Name, parents};
pub use path::{normal_path, normal_query};
pub use search::{SearchPage, SearchTerm, decoded_term, percent_decode, search_terms};
pub use target::{Scheme, Target};

/// What a request, a TLS server name, a list line or a rule may name, in normal form.
///
/// An IPv6 address that carries an IPv4 address stays IPv6 here; [`address::unwrapped`] tells what it reaches.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A domain name.
    Name(Name),
    /// An IPv4 address, written as a dotted quad.
    V4(Ipv4Addr),
    /// An IPv6 address, written in brackets on the wire.
    V6(Ipv6Addr),
}

impl Host {
    /// Reads the wire form: request target, `Host` field, CONNECT authority, TLS server name.
    ///
    /// ASCII only. Lower-cases, removes one root dot, and refuses everything else that would need a guess (threats §1
    /// rule 2): percent-encoding, empty and overlong labels, any IPv4 spelling but the dotted quad of RFC 3986 §3.2.2,
    /// IPv6 without brackets, zone identifiers, and `xn--` labels that UTS 46 does not produce (masked punycode).
    ///
    /// # Errors
    /// [`HostError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Host, HostError> {
        if text.starts_with('[') {
            return bracketed(text);
        }
        name::wire(text)
    }

    /// Reads the form of people and lists: what [`Host::parse`] reads, Unicode names (UTS 46, non-transitional, as
    /// browsers do) and IPv6 addresses without brackets. Surrounding blanks are refused, not trimmed.
    ///
    /// # Errors
    /// [`HostError`] says which rule the text breaks.
    pub fn parse_text(text: &str) -> Result<Host, HostError> {
        if text.starts_with('[') {
            return bracketed(text);
        }
        if let Ok(address) = Ipv6Addr::from_str(text) {
            return Ok(Host::V6(address));
        }
        name::text(text)
    }

    /// The name, when this is one.
    pub fn as_name(&self) -> Option<&Name> {
        match self {
            Host::Name(name) => Some(name),
            Host::V4(_) | Host::V6(_) => None,
        }
    }

    /// The address literal, when this is one.
    pub fn as_address(&self) -> Option<IpAddr> {
        match self {
            Host::Name(_) => None,
            Host::V4(address) => Some(IpAddr::V4(*address)),
            Host::V6(address) => Some(IpAddr::V6(*address)),
        }
    }

    /// The text of [`Display`](fmt::Display) for sharing: a name is not copied.
    pub fn shared(&self) -> Arc<str> {
        match self {
            Host::Name(name) => Arc::clone(name.as_arc()),
            Host::V4(address) => address.to_string().into(),
            Host::V6(address) => address.to_string().into(),
        }
    }

    /// The form for an authority or a URL: IPv6 in brackets (RFC 3986 §3.2.2).
    pub fn bracketed(&self) -> impl fmt::Display + '_ {
        Bracketed(self)
    }
}

/// Without brackets; a name as its A-labels.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => name.fmt(f),
            Host::V4(address) => address.fmt(f),
            Host::V6(address) => address.fmt(f),
        }
    }
}

impl From<Name> for Host {
    fn from(name: Name) -> Host {
        Host::Name(name)
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Host {
        match address {
            IpAddr::V4(address) => Host::V4(address),
            IpAddr::V6(address) => Host::V6(address),
        }
    }
}

struct Bracketed<'a>(&'a Host);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Host::V6(address) => write!(f, "[{address}]"),
            host => host.fmt(f),
        }
    }
}

fn bracketed(text: &str) -> Result<Host, HostError> {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or(HostError::Ipv6)?;
    if inner.contains('%') {
        return Err(HostError::ZoneId);
    }
    inner.parse().map(Host::V6).map_err(|_| HostError::Ipv6)
}

#[cfg(test)]
mod tests;
