//! Decides how `host[:port]` splits. No user information, no empty or odd port.

use crate::{Host, TargetError};

/// Reads an authority: CONNECT's authority-form (RFC 9112 §3.2.3) and the `Host` field (RFC 9110 §7.2).
///
/// # Errors
/// [`TargetError`] for a bad host, a port that is no plain decimal from 1 to 65535 (an empty one and leading zeros
/// included), and user information.
pub fn parse_authority(text: &str) -> Result<(Host, Option<u16>), TargetError> {
    if text.contains('@') {
        return Err(TargetError::UserInfo);
    }
    let (host, port) = split(text);
    let host = Host::parse(host)?;
    let port = port.map(parse_port).transpose()?;
    Ok((host, port))
}

/// Splits at the colon that ends the host: after the bracket for IPv6, the first one otherwise.
fn split(text: &str) -> (&str, Option<&str>) {
    let end = if text.starts_with('[') {
        text.find(']').map_or(text.len(), |bracket| bracket + 1)
    } else {
        text.find(':').unwrap_or(text.len())
    };
    let (host, rest) = text.split_at(end);
    match rest.strip_prefix(':') {
        Some(port) => (host, Some(port)),
        // Anything after the bracket that is no port belongs to the host, which then is no host.
        None if rest.is_empty() => (host, None),
        None => (text, None),
    }
}

fn parse_port(text: &str) -> Result<u16, TargetError> {
    // `u16::from_str` takes a plus sign and leading zeros; a port has one spelling here.
    let plain = text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
    if !plain || text.starts_with('0') {
        return Err(TargetError::Port);
    }
    text.parse().map_err(|_| TargetError::Port)
}
