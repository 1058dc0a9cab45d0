//! Decides how the entries of one file are gathered while it is read, and what is a duplicate, redundant or excepted among
//! them when it has been.

use std::io::{self, Write as _};
use std::net::IpAddr;

use foldhash::{HashSet, HashSetExt};
use weir_host::address::Network;
use weir_host::{Host, parents};

use super::{LineFault, Tally};
use crate::entry::{self, Domain, EntryError, MatchKind};

/// Entries of one kind, each with its newline, and the line that gave it.
#[derive(Debug, Default)]
struct Gathered {
    text: Vec<u8>,
    lines: Vec<u32>,
}

/// Takes what there is of a kind: how many entries were given, and the distinct ones with their newlines, sorted.
pub(crate) type Write<'a> = dyn FnMut(MatchKind, u64, &[&[u8]]) -> io::Result<()> + 'a;

/// Entries in normal form, as the readers give them.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    kinds: [Gathered; MatchKind::ALL.len()],
    line: u32,
    /// Entries of the current line.
    given: u64,
    /// Lines that gave entries.
    giving: u64,
    /// Some line gave more than one.
    several: bool,
    marks: [(usize, usize); MatchKind::ALL.len()],
    fault: Option<LineFault>,
}

impl Sink {
    /// The next line begins.
    pub(super) fn begin(&mut self) {
        self.line = self.line.saturating_add(1);
        self.given = 0;
        self.fault = None;
        for (mark, gathered) in self.marks.iter_mut().zip(&self.kinds) {
            *mark = (gathered.text.len(), gathered.lines.len());
        }
    }

    /// The line has ended: how many entries it gave.
    pub(super) fn end(&mut self) -> u64 {
        let given = std::mem::take(&mut self.given);
        self.giving += u64::from(given > 0);
        self.several |= given > 1;
        given
    }

    /// Takes back what the line gave.
    pub(super) fn undo(&mut self) {
        for (mark, gathered) in self.marks.iter().zip(&mut self.kinds) {
            gathered.text.truncate(mark.0);
            gathered.lines.truncate(mark.1);
        }
        self.given = 0;
    }

    /// A name of the line could not be read; the others are used.
    pub(super) fn partly(&mut self, fault: LineFault) {
        self.fault.get_or_insert(fault);
    }

    /// What was given to [`Sink::partly`] first.
    pub(super) fn take_fault(&mut self) -> Option<LineFault> {
        self.fault.take()
    }

    /// Adds a name, address or network.
    pub(super) fn domain(&mut self, kind: MatchKind, domain: &Domain) {
        match domain {
            Domain::Name(name) => {
                let name = name.as_str();
                // Of a top-level domain the dot says that it is meant.
                let dot = if name.contains('.') { "" } else { "." };
                self.add(kind, |text| {
                    text.extend_from_slice(dot.as_bytes());
                    text.extend_from_slice(name.as_bytes());
                });
            }
            Domain::Network(network) => {
                // Writing into memory does not fail.
                self.add(kind, |text| _ = write!(text, "{network}"));
            }
        }
    }

    /// Adds an entry in the normal form of its kind.
    pub(super) fn normal(&mut self, kind: MatchKind, normal: &str) {
        self.add(kind, |text| text.extend_from_slice(normal.as_bytes()));
    }

    /// Adds an entry as [`Sink::take`] or a file of the stage has it.
    pub(crate) fn again(&mut self, kind: MatchKind, line: u32, normal: &str) {
        if line != self.line {
            _ = self.end();
            self.line = line;
        }
        self.normal(kind, normal);
    }

    /// Adds what `text` names as a URL does: a host alone as a domain, else a path below it.
    pub(super) fn url(&mut self, exception: bool, text: &str) -> Result<(), EntryError> {
        let url = entry::url(text)?;
        let kind = |kind| {
            if exception {
                MatchKind::Exception
            } else {
                kind
            }
        };
        if url.port.is_some() || url.query.is_some() || url.path != "/" {
            self.normal(kind(MatchKind::Url), &url.to_string());
        } else {
            let domain = match url.host {
                Host::Name(name) => Domain::Name(name),
                Host::V4(v4) => Domain::Network(Network::around(IpAddr::V4(v4), 32)),
                Host::V6(v6) => Domain::Network(Network::around(IpAddr::V6(v6), 128)),
            };
            if let Domain::Name(name) = &domain
                && !name.as_str().contains('.')
            {
                return Err(EntryError::TopLevel(name.as_str().to_owned()));
            }
            self.domain(kind(MatchKind::Domain), &domain);
        }
        Ok(())
    }

    fn add(&mut self, kind: MatchKind, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(gathered) = self.kinds.get_mut(kind as usize) else {
            return;
        };
        write(&mut gathered.text);
        gathered.text.push(b'\n');
        gathered.lines.push(self.line);
        self.given += 1;
    }

    /// Sorts what was gathered, counts it into `tally`, and gives `write` what there is of each kind.
    pub(crate) fn finish(mut self, tally: &mut Tally, write: &mut Write<'_>) -> io::Result<()> {
        _ = self.end();
        let sorted: Vec<Sorted<'_>> = MatchKind::ALL
            .into_iter()
            .zip(&self.kinds)
            .filter(|(_, gathered)| !gathered.lines.is_empty())
            .map(|(kind, gathered)| Sorted::of(kind, gathered, self.several))
            .collect();
        let fresh = if self.several {
            let mut lines: Vec<u32> = sorted.iter().flat_map(|s| s.first.clone()).collect();
            lines.sort_unstable();
            lines.dedup();
            lines.len() as u64
        } else {
            sorted.iter().map(|s| s.entries.len() as u64).sum()
        };
        tally.entries = fresh;
        tally.duplicates = self.giving - fresh;
        tally.distinct = sorted.iter().map(|s| s.entries.len() as u64).sum();
        let of = |kind| {
            let found = sorted.iter().find(|s| s.kind == kind);
            found.map_or(&[] as &[&[u8]], |s| &s.entries)
        };
        let domains = of(MatchKind::Domain);
        let exceptions = of(MatchKind::Exception);
        tally.redundant = redundant(domains);
        tally.exceptions = exceptions.len() as u64;
        tally.excepted = excepted(domains, exceptions);
        sorted
            .iter()
            .try_for_each(|s| write(s.kind, s.given, &s.entries))
    }
}

/// The entries of a kind with their newlines, sorted, and the line that gave each first when that is asked for.
struct Sorted<'a> {
    kind: MatchKind,
    given: u64,
    entries: Vec<&'a [u8]>,
    first: Vec<u32>,
}

impl<'a> Sorted<'a> {
    fn of(kind: MatchKind, gathered: &'a Gathered, with_lines: bool) -> Sorted<'a> {
        let entries = gathered.text.split_inclusive(|byte| *byte == b'\n');
        let given = gathered.lines.len() as u64;
        if with_lines {
            let mut both: Vec<(&[u8], u32)> = entries.zip(gathered.lines.iter().copied()).collect();
            both.sort();
            both.dedup_by_key(|(entry, _)| *entry);
            let (entries, first) = both.into_iter().unzip();
            return Sorted {
                kind,
                given,
                entries,
                first,
            };
        }
        let mut entries: Vec<&[u8]> = Vec::with_capacity(gathered.lines.len());
        entries.extend(gathered.text.split_inclusive(|byte| *byte == b'\n'));
        if !entries.is_sorted() {
            entries.sort();
        }
        entries.dedup();
        Sorted {
            kind,
            given,
            entries,
            first: Vec::new(),
        }
    }
}

/// An entry without newline and the dot of a top-level domain; nothing for a network.
fn name(entry: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(entry).ok()?.trim_end_matches('\n');
    let text = text.strip_prefix('.').unwrap_or(text);
    (!text.contains([':', '/'])).then_some(text)
}

/// How many names have another of them above.
fn redundant(entries: &[&[u8]]) -> u64 {
    let mut names = HashSet::with_capacity(entries.len());
    let mut top_levels = false;
    for entry in entries {
        if let Some(name) = name(entry) {
            top_levels |= entry.starts_with(b".");
            names.insert(name);
        }
    }
    let above = |name: &&str| {
        parents(name)
            .skip(1)
            .any(|above| (top_levels || above.contains('.')) && names.contains(above))
    };
    let all = entries.iter().filter_map(|entry| name(entry));
    all.filter(above).count() as u64
}

/// How many names, addresses and networks an exception covers.
fn excepted(entries: &[&[u8]], exceptions: &[&[u8]]) -> u64 {
    if exceptions.is_empty() {
        return 0;
    }
    let mut names = HashSet::new();
    let mut networks: Vec<Network> = Vec::new();
    for exception in exceptions {
        let text = std::str::from_utf8(exception)
            .unwrap_or_default()
            .trim_end();
        match entry::domain(text) {
            Ok(Domain::Network(network)) => networks.push(network),
            Ok(Domain::Name(name)) => _ = names.insert(name.as_str().to_owned()),
            Err(_) => {}
        }
    }
    let covered = |entry: &&&[u8]| {
        let text = std::str::from_utf8(entry).unwrap_or_default().trim_end();
        match entry::domain(text) {
            Ok(Domain::Network(network)) => networks
                .iter()
                .any(|wide| wide.prefix() <= network.prefix() && wide.contains(network.address())),
            Ok(Domain::Name(name)) => parents(name.as_str()).any(|above| names.contains(above)),
            Err(_) => false,
        }
    };
    entries.iter().filter(covered).count() as u64
}
