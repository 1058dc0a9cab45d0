//! Decides what each line of a list of someone else's making means to Weir. One small reader a format, one seam.
//!
//! A [`Format`] gives a `Reader`; the reader gets a line at a time, bounded and without its newline, puts what the line
//! lists into a `Sink`, in normal form, and says what the line was: entries, nothing to read (`Line::Blank`), something
//! that has no meaning here (`Line::Skipped` with its class), or a fault. Exactly one of these is counted for every line
//! ([`tally::Tally`]), so the numbers of a file add up to its lines.
//!
//! Two rules hold for all readers. A line is never half applied: a rule that holds only for some requests to a host (an
//! AdBlock rule for third parties, an answer rewritten in a hosts file) is skipped, not widened into a rule for the host.
//! And a name means itself and everything below it, as everywhere in Weir, also where a format by itself means the one name
//! (hosts files, RPZ without `*.`, v2fly's `full:`): makers of such lists write `example.com` and mean the site, and a school
//! that blocks a site does not want `www2.example.com` of it open.
//!
//! Which format a file has is [`detect`]'s. What is wrong with a good name (a public suffix, a site that everybody needs)
//! is not decided here.

mod adblock;
mod detect;
mod dnsmasq;
mod hosts;
pub(crate) mod lines;
mod names;
mod options;
mod pattern;
mod rpz;
mod sink;
pub mod tally;
mod urls;
pub(crate) mod v2fly;

use std::fmt;
use std::io::{self, BufRead};
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::detect::{Detected, ENOUGH, Unknown, detect};
pub(crate) use self::sink::Sink;
pub use self::tally::{Skip, Tally};
use crate::entry::{self, Domain, EntryError, MatchKind};
use crate::history::lines::written;
use crate::report::Faults;

/// A format of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Directories or archives of `<category>/{domains,urls,expressions}`.
    SquidGuard,
    /// One name, `*.name`, address or network a line.
    Domains,
    /// `0.0.0.0 name name …`.
    Hosts,
    /// `||name^` and `@@||name^`.
    AdBlock,
    /// `address=/name/`, `server=/name/`, `local=/name/`.
    Dnsmasq,
    /// A response policy zone: `name CNAME .`.
    Rpz,
    /// `http://name/path` or `name/path`.
    Urls,
    /// `full:`, `domain:`, `regexp:`, `keyword:`, `include:` and bare names.
    V2fly,
    /// Addresses and networks.
    Cidr,
    /// Names, URLs, `address:port` and bare paths.
    Maltrail,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 10] = [
        Format::SquidGuard,
        Format::Domains,
        Format::Hosts,
        Format::AdBlock,
        Format::Dnsmasq,
        Format::Rpz,
        Format::Urls,
        Format::V2fly,
        Format::Cidr,
        Format::Maltrail,
    ];

    /// The name for commands and manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::SquidGuard => "squidguard",
            Format::Domains => "domains",
            Format::Hosts => "hosts",
            Format::AdBlock => "adblock",
            Format::Dnsmasq => "dnsmasq",
            Format::Rpz => "rpz",
            Format::Urls => "urls",
            Format::V2fly => "v2fly",
            Format::Cidr => "cidr",
            Format::Maltrail => "maltrail",
        }
    }

    /// A reader for one file of this format. Of squidGuard's files this is `domains`; see [`Reader::of_kind`].
    pub(crate) fn reader(self) -> Reader {
        match self {
            Format::SquidGuard => Reader::SquidGuard(MatchKind::Domain),
            Format::Domains => Reader::Names,
            Format::Hosts => Reader::Hosts,
            Format::AdBlock => Reader::AdBlock(adblock::AdBlock::default()),
            Format::Dnsmasq => Reader::Dnsmasq,
            Format::Rpz => Reader::Rpz(rpz::Zone::default()),
            Format::Urls => Reader::Urls,
            Format::V2fly => Reader::V2fly,
            Format::Cidr => Reader::Cidr,
            Format::Maltrail => Reader::Maltrail,
        }
    }
}

/// The name.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// No format has this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no format; formats are {names}", names = Format::ALL.map(Format::as_str).join(", "))]
pub struct NoFormat(pub String);

/// Reads a name, also the names that people use for the same thing.
impl FromStr for Format {
    type Err = NoFormat;

    fn from_str(text: &str) -> Result<Format, NoFormat> {
        let lower = text.to_ascii_lowercase();
        let known = match &*lower {
            "ut1" => "squidguard",
            "plain" | "wildcard" | "names" => "domains",
            "adguard" | "abp" | "ubo" | "easylist" => "adblock",
            "ip" | "ips" => "cidr",
            other => other,
        };
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == known)
            .ok_or_else(|| NoFormat(text.to_owned()))
    }
}

/// What a line was that has no fault. A line that put entries into the sink is a line of entries, whatever this says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Entries went into the sink.
    Entries,
    /// Nothing but blanks or a comment.
    Blank,
    /// Something that a proxy's list cannot say, or must not.
    Skipped(Skip),
}

/// Why a line cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LineFault {
    /// What should be an entry is none.
    #[error("{0}")]
    Entry(#[from] EntryError),
    /// The line has not the form of its format.
    #[error("{0}")]
    Form(&'static str),
}

/// Reads the lines of one file, in their order.
#[derive(Debug)]
pub(crate) enum Reader {
    SquidGuard(MatchKind),
    Names,
    Hosts,
    AdBlock(adblock::AdBlock),
    Dnsmasq,
    Rpz(rpz::Zone),
    Urls,
    V2fly,
    Cidr,
    Maltrail,
}

impl Reader {
    /// A reader of a squidGuard file.
    pub(crate) fn of_kind(kind: MatchKind) -> Reader {
        Reader::SquidGuard(kind)
    }

    /// Reads one line without its newline.
    pub(crate) fn line(&mut self, text: &str, sink: &mut Sink) -> Result<Line, LineFault> {
        match self {
            Reader::SquidGuard(kind) => own(*kind, text, sink),
            Reader::Names => names::line(text, sink),
            Reader::Hosts => hosts::line(text, sink),
            Reader::AdBlock(reader) => reader.line(text, sink),
            Reader::Dnsmasq => dnsmasq::line(text, sink),
            Reader::Rpz(zone) => zone.line(text, sink),
            Reader::Urls => urls::line(text, sink),
            Reader::V2fly => v2fly::line(text, sink),
            Reader::Cidr => names::cidr(text, sink),
            Reader::Maltrail => urls::maltrail(text, sink),
        }
    }
}

/// What the lines of a list come to, without importing it; of a squidGuard tree, its `domains`. Reads `content` to its end in
/// bounded memory but for the distinct entries.
///
/// # Errors
/// When it cannot be read, or has a NUL byte ([`io::ErrorKind::InvalidData`]).
pub fn count(format: Format, content: impl BufRead) -> io::Result<(Tally, Faults)> {
    let mut faults = Faults::default();
    let mut sink = Sink::default();
    let mut told = lines::Told {
        list: "",
        file: Path::new(""),
        faults: &mut faults,
        most: u64::MAX,
        tick: &mut || {},
    };
    let read = lines::read(content, &mut format.reader(), &mut sink, &mut told);
    let mut tally = read.map_err(|error| match error {
        lines::LinesError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    })?;
    sink.finish(&mut tally, &mut |_, _, _| Ok(()))?;
    Ok((tally, faults))
}

/// Weir's own form, which is squidGuard's: [`crate::entry`] reads it.
fn own(kind: MatchKind, line: &str, sink: &mut Sink) -> Result<Line, LineFault> {
    let Some(text) = entry::content(line, kind) else {
        return Ok(Line::Blank);
    };
    if kind == MatchKind::Domain {
        sink.domain(kind, &entry::domain(text)?);
    } else {
        let normal = entry::normal(kind, text)?;
        sink.normal(kind, &written(&normal, kind));
    }
    Ok(Line::Entries)
}

/// A name, address or network in a place of a format where a whole top-level domain is meant when it stands there.
fn domain_or_top_level(text: &str) -> Result<Domain, EntryError> {
    match entry::domain(text) {
        Err(EntryError::TopLevel(name)) => entry::domain(&format!(".{name}")),
        read => read,
    }
}

/// True for addresses that a host list answers with to say "nowhere".
fn is_nowhere(address: IpAddr) -> bool {
    address.is_unspecified() || address.is_loopback()
}

/// The text before a comment that begins with `mark` at the start or after a blank, without surrounding blanks.
fn without_comment(line: &str, mark: char) -> &str {
    let comment = line.match_indices(mark).find(|(at, _)| {
        let before = line.get(..*at).unwrap_or_default();
        before.is_empty() || before.ends_with([' ', '\t'])
    });
    let text = comment.map_or(line, |(at, _)| line.get(..at).unwrap_or_default());
    trimmed(text)
}

/// Without the blanks of ASCII around it.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\u{b}', '\u{c}'])
}

#[cfg(test)]
mod tests;
