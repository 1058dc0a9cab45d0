//! Decides what the plain text of a mandatory list says, and when it is no list at all.
//!
//! Faults are told by the number of their line. The text of a line is in no error, log or output: it may be the most harmful
//! address there is.

use std::collections::HashSet;

use thiserror::Error;
use weir_host::Host;
use weir_host::address::Network;

use crate::entry::{self, Domain, MatchKind};

use super::forms::{Entry, Page};

/// Bytes of a larger list are not read.
pub const SIZE_MAX: u64 = 256 << 20;
/// Numbers of faulty lines that are kept.
pub const FAULTS_SHOWN: usize = 20;
/// One faulty line in so many is borne.
const FAULTS_SHARE: u64 = 20;
/// Bytes at the beginning by which a page of HTML is known.
const BEGINNING: usize = 512;
/// Sites that a whole-host entry names by accident only, one a line.
const TOP_SITES: &str = include_str!("../hygiene/top-sites.txt");

/// Why a text is not taken for a list.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListError {
    /// Nothing but comments and blanks.
    #[error("it has no entry")]
    Empty,
    /// More than [`SIZE_MAX`].
    #[error("it is larger than {} MiB", SIZE_MAX >> 20)]
    TooLarge,
    /// The hole that a crash leaves.
    #[error("it has a NUL byte: it was written by halves")]
    Nul,
    /// Most often a page that asks to sign in.
    #[error("it is an HTML page, not a list")]
    Html,
    /// Perhaps in the middle of an address, which would then be another one.
    #[error(
        "its last line does not end with a newline, so it may be cut off: get it again, or end the line"
    )]
    CutOff,
    /// Too many lines are no entries.
    #[error("{count} of {lines} lines are no entries, more than one in {FAULTS_SHARE}: {}", told(.first))]
    Faulty {
        /// Lines that are no entries.
        count: u64,
        /// Lines that are neither blank nor comments.
        lines: u64,
        /// Numbers of the first of them.
        first: Vec<u64>,
    },
    /// A list that can never be lifted must not close what every school needs.
    #[error("it names whole sites that schools rely on, or whole public suffixes: {}", told(.0))]
    TooBroad(Vec<u64>),
}

fn told(numbers: &[u64]) -> String {
    let told: Vec<String> = numbers.iter().map(u64::to_string).collect();
    let word = if told.len() == 1 { "line" } else { "lines" };
    format!("{word} {}", told.join(", "))
}

/// A list that was read.
pub(super) struct Read {
    pub(super) entries: Vec<Entry>,
    /// Neither blank nor a comment.
    pub(super) lines: u64,
    pub(super) faults: u64,
    /// Numbers of the first faulty lines.
    pub(super) first: Vec<u64>,
}

/// What is wrong with a line.
enum Wrong {
    Fault,
    TooBroad,
}

/// Reads a list: one host or URL a line, blanks and comments as in [`crate::entry`].
pub(super) fn read(text: &[u8]) -> Result<Read, ListError> {
    if text.len() as u64 > SIZE_MAX {
        return Err(ListError::TooLarge);
    }
    if memchr::memchr(0, text).is_some() {
        return Err(ListError::Nul);
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if is_html(text) {
        return Err(ListError::Html);
    }
    // With what they are below: a parent closes them too.
    let top: HashSet<&str> = TOP_SITES
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .flat_map(weir_host::parents)
        .collect();
    let mut read = Read {
        entries: Vec::new(),
        lines: 0,
        faults: 0,
        first: Vec::new(),
    };
    let mut broad = Vec::new();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let Ok(line) = std::str::from_utf8(line) else {
            read.lines += 1;
            read.fault(number);
            continue;
        };
        let Some(content) = entry::content(line, MatchKind::Url) else {
            continue;
        };
        read.lines += 1;
        match line_of(content, &top) {
            Ok(entry) => read.entries.push(entry),
            Err(Wrong::Fault) => read.fault(number),
            Err(Wrong::TooBroad) if broad.len() < FAULTS_SHOWN => broad.push(number),
            Err(Wrong::TooBroad) => {}
        }
    }
    if !broad.is_empty() {
        return Err(ListError::TooBroad(broad));
    }
    if read.faults * FAULTS_SHARE > read.lines {
        return Err(ListError::Faulty {
            count: read.faults,
            lines: read.lines,
            first: read.first,
        });
    }
    if read.entries.is_empty() {
        return Err(ListError::Empty);
    }
    if !text.ends_with(b"\n") {
        return Err(ListError::CutOff);
    }
    Ok(read)
}

impl Read {
    fn fault(&mut self, number: u64) {
        self.faults += 1;
        if self.first.len() < FAULTS_SHOWN {
            self.first.push(number);
        }
    }
}

fn is_html(text: &[u8]) -> bool {
    let beginning = text.get(..BEGINNING.min(text.len())).unwrap_or_default();
    let beginning = beginning.trim_ascii_start().to_ascii_lowercase();
    ["<!doctype", "<html", "<?xml", "<head", "<body"]
        .iter()
        .any(|tag| beginning.starts_with(tag.as_bytes()))
}

fn line_of(text: &str, top: &HashSet<&str>) -> Result<Entry, Wrong> {
    let found = match entry::domain(text) {
        Ok(Domain::Name(name)) => Entry {
            host: name.as_str().to_owned(),
            port: None,
            page: None,
        },
        Ok(Domain::Network(network)) => Entry {
            host: one_address(&network).ok_or(Wrong::Fault)?,
            port: None,
            page: None,
        },
        Err(_) => page_of(text)?,
    };
    if found.page.is_none() && found.port.is_none() && is_too_broad(&found.host, top) {
        return Err(Wrong::TooBroad);
    }
    Ok(found)
}

/// A network of one address: of a larger one no hash could be kept.
fn one_address(network: &Network) -> Option<String> {
    let whole = if network.address().is_ipv4() { 32 } else { 128 };
    (network.prefix() == whole).then(|| network.address().to_string())
}

fn page_of(text: &str) -> Result<Entry, Wrong> {
    // `10.0.0.0/8` is a network written wrongly, or one that is too large; as an address with a path it would miss.
    if text.parse::<Network>().is_ok() {
        return Err(Wrong::Fault);
    }
    let url = entry::url(text).map_err(|_| Wrong::Fault)?;
    let is_name_alone = matches!(&url.host, Host::Name(name) if !name.as_str().contains('.'));
    let whole = url.query.is_none() && url.path == "/";
    // A fragment is never sent: `site.example/#part` means a part of a page, and must not close the whole site.
    if is_name_alone || (whole && text.contains('#')) {
        return Err(Wrong::Fault);
    }
    Ok(Entry {
        host: url.host.to_string(),
        port: url.port.filter(|port| !matches!(port, 80 | 443)),
        page: Page::of(&url.path, url.query.as_deref()),
    })
}

fn is_too_broad(host: &str, top: &HashSet<&str>) -> bool {
    top.contains(host) || is_public_suffix(host)
}

/// Where anyone can register: `co.uk`.
fn is_public_suffix(host: &str) -> bool {
    let suffix = psl::suffix(host.as_bytes());
    suffix.is_some_and(|suffix| {
        suffix.as_bytes() == host.as_bytes() && suffix.typ() == Some(psl::Type::Icann)
    })
}
