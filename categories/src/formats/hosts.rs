//! Decides what the lines of a hosts file are.
//!
//! `0.0.0.0 name name …` (or any other address that leads nowhere) lists each name. A line with a real address answers with
//! it instead of blocking, as lists for "safe search" do: it is skipped. The lines that every hosts file has for the machine
//! itself are skipped too.

use std::net::{IpAddr, Ipv4Addr};

use super::{Line, LineFault, Sink, Skip, is_nowhere, trimmed};
use crate::entry::{self, MatchKind};

const LOCAL: [&str; 12] = [
    "localhost",
    "localhost.localdomain",
    "localhost4",
    "localhost6",
    "local",
    "broadcasthost",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-localnet",
    "ip6-mcastprefix",
    "ip6-allnodes",
    "ip6-allrouters",
];

/// Reads a line; in hosts files `#` begins a comment wherever it stands.
pub(super) fn line(line: &str, sink: &mut Sink) -> Result<Line, LineFault> {
    let text = trimmed(line.split('#').next().unwrap_or_default());
    let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    let Some(first) = words.next() else {
        return Ok(Line::Blank);
    };
    let address = address(first).ok_or(LineFault::Form("no address stands first"))?;
    let mut local = false;
    let mut rewritten = false;
    let mut fault = None;
    let mut listed = false;
    let mut named = false;
    for word in words {
        named = true;
        if is_local(word) {
            local = true;
        } else if !is_nowhere(address) {
            rewritten = true;
        } else {
            match entry::domain(word) {
                Ok(domain) => {
                    sink.domain(MatchKind::Domain, &domain);
                    listed = true;
                }
                Err(error) => fault = fault.or(Some(LineFault::from(error))),
            }
        }
    }
    match fault {
        Some(fault) if !listed => return Err(fault),
        Some(fault) => sink.partly(fault),
        None => {}
    }
    if listed {
        Ok(Line::Entries)
    } else if rewritten {
        Ok(Line::Skipped(Skip::Rewrite))
    } else if local {
        Ok(Line::Skipped(Skip::Local))
    } else if named {
        Ok(Line::Blank)
    } else {
        Err(LineFault::Form("an address without a name"))
    }
}

/// An address, without the zone that `fe80::1%lo0` has.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let text = text.split('%').next().unwrap_or_default();
    text.parse().ok()
}

fn is_local(word: &str) -> bool {
    word.eq_ignore_ascii_case("ip6-allhosts")
        || LOCAL.iter().any(|name| word.eq_ignore_ascii_case(name))
        || word
            .parse::<Ipv4Addr>()
            .is_ok_and(|address| address.is_unspecified())
}
