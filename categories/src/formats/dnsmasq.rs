//! Decides what the lines of a dnsmasq configuration are.
//!
//! `address=/name/…/`, `server=/name/…/` and `local=/name/…/` list their names when nothing, `#` or an address that leads
//! nowhere follows: those names do not resolve then. A real address or resolver behind the names is no block. Everything
//! else is a setting of dnsmasq's.

use super::{Line, LineFault, Sink, Skip, domain_or_top_level, hosts, is_nowhere, without_comment};
use crate::entry::MatchKind;

/// Reads a line.
pub(super) fn line(line: &str, sink: &mut Sink) -> Result<Line, LineFault> {
    let text = without_comment(line, '#');
    if text.is_empty() {
        return Ok(Line::Blank);
    }
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let key = key.trim_end();
    if !key
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    {
        return Err(LineFault::Form(
            "no setting of dnsmasq: it has no key and \"=\"",
        ));
    }
    let answers = match key {
        "address" => true,
        "server" | "local" => false,
        _ if text.contains('=') => return Ok(Line::Skipped(Skip::Setting)),
        _ => return setting(key),
    };
    let value = value.trim_start();
    let Some(rest) = value.strip_prefix('/') else {
        // `server=1.1.1.1` says which resolver to ask.
        return Ok(Line::Skipped(Skip::Setting));
    };
    let Some((names, target)) = rest.rsplit_once('/') else {
        return Err(LineFault::Form("no \"/\" ends the name"));
    };
    let blocks = match target {
        "" => true,
        "#" => answers,
        address => answers && hosts::address(address).is_some_and(is_nowhere),
    };
    if !blocks {
        return Ok(Line::Skipped(if answers {
            Skip::Rewrite
        } else {
            Skip::Forward
        }));
    }
    all(names, sink)
}

/// A word alone is a switch such as `bogus-priv`; a name is none.
fn setting(key: &str) -> Result<Line, LineFault> {
    const SWITCHES: [&str; 8] = [
        "all-servers",
        "bogus-priv",
        "domain-needed",
        "expand-hosts",
        "filter-aaaa",
        "no-hosts",
        "no-resolv",
        "strict-order",
    ];
    if SWITCHES.contains(&key) {
        Ok(Line::Skipped(Skip::Setting))
    } else {
        Err(LineFault::Form(
            "no setting of dnsmasq: it has no key and \"=\"",
        ))
    }
}

fn all(names: &str, sink: &mut Sink) -> Result<Line, LineFault> {
    let mut skipped = None;
    let mut fault = None;
    let mut listed = false;
    for name in names.split('/') {
        if matches!(name, "#" | "" | ".") {
            skipped = Some(Skip::Everything);
            continue;
        }
        if name.contains('*') && !name.starts_with("*.") {
            skipped = skipped.or(Some(Skip::Pattern));
            continue;
        }
        match domain_or_top_level(name.strip_prefix("*.").unwrap_or(name)) {
            Ok(domain) => {
                sink.domain(MatchKind::Domain, &domain);
                listed = true;
            }
            Err(error) => fault = fault.or(Some(LineFault::from(error))),
        }
    }
    match (fault, skipped) {
        (Some(fault), _) if !listed => Err(fault),
        (Some(fault), _) => {
            sink.partly(fault);
            Ok(Line::Entries)
        }
        (None, Some(skip)) if !listed => Ok(Line::Skipped(skip)),
        (None, _) => Ok(Line::Entries),
    }
}
