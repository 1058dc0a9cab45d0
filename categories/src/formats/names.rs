//! Decides what the lines of plain lists are: names, `*.name`, addresses and networks; and of lists of addresses alone.

use super::{Line, LineFault, Sink, domain_or_top_level, trimmed, without_comment};
use crate::entry::{self, Domain, MatchKind};

/// `name`, `.name`, `*.name`, an address or a network. `*.name` means the name as well: the makers of such lists have the
/// same names in the list with `*.` and in the one without.
pub(super) fn line(line: &str, sink: &mut Sink) -> Result<Line, LineFault> {
    let text = without_comment(line, '#');
    // `!` and `;` begin no name; some lists have the comments of the format that they are made from.
    if text.is_empty() || text.starts_with(['!', ';']) {
        return Ok(Line::Blank);
    }
    let domain = match text.strip_prefix("*.") {
        Some(name) => domain_or_top_level(name)?,
        None => entry::domain(text)?,
    };
    sink.domain(MatchKind::Domain, &domain);
    Ok(Line::Entries)
}

/// An address or a network, with `#` or `;` before a comment.
pub(super) fn cidr(line: &str, sink: &mut Sink) -> Result<Line, LineFault> {
    let text = trimmed(line.split(['#', ';']).next().unwrap_or_default());
    if text.is_empty() {
        return Ok(Line::Blank);
    }
    match entry::domain(text)? {
        Domain::Name(_) => Err(LineFault::Form("a name in a list of addresses")),
        network @ Domain::Network(_) => {
            sink.domain(MatchKind::Domain, &network);
            Ok(Line::Entries)
        }
    }
}
