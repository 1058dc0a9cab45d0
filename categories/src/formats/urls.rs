//! Decides what the lines of URL lists and of maltrail's trails are.
//!
//! `http://`, `https://`, `ws://` and `wss://` all reach a proxy as requests for the same host and path. A URL of nothing but
//! a host is that host. maltrail has names, `address:port` and bare paths as well; a path on any host is skipped: `/gate.php`
//! of a harmless site would be blocked with it.

use super::{Line, LineFault, Sink, Skip, without_comment};
use crate::entry::{self, EntryError, MatchKind};

/// A URL with or without its scheme, or a host.
pub(super) fn line(line: &str, sink: &mut Sink) -> Result<Line, LineFault> {
    let text = without_comment(line, '#');
    if text.is_empty() {
        return Ok(Line::Blank);
    }
    one(text, sink)
}

/// A line of a trail of maltrail's.
pub(super) fn maltrail(line: &str, sink: &mut Sink) -> Result<Line, LineFault> {
    let text = without_comment(line, '#');
    if text.is_empty() {
        return Ok(Line::Blank);
    }
    if text.starts_with('/') {
        return Ok(Line::Skipped(Skip::Path));
    }
    one(text, sink)
}

fn one(text: &str, sink: &mut Sink) -> Result<Line, LineFault> {
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => {
            if !["http", "https", "ws", "wss"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known))
            {
                return Ok(Line::Skipped(Skip::Scheme));
            }
            rest
        }
        _ => match entry::domain(text) {
            Ok(domain) => {
                sink.domain(MatchKind::Domain, &domain);
                return Ok(Line::Entries);
            }
            Err(EntryError::NotADomain) => text,
            Err(error) => return Err(error.into()),
        },
    };
    sink.url(false, rest)?;
    Ok(Line::Entries)
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}
