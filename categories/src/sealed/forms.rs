//! Decides what of an entry and of a request is hashed: the same in one place, so that the two cannot disagree.
//!
//! - A host is the tag of its normal form. A request asks for its host and every parent with a dot in it.
//! - A host with a port is the tag of both; 80 and 443 count as none.
//! - A page is the tag of host, port (0: any), path and query. The path is [`weir_host::normal_path`] in lower case without its
//!   final slash; a request asks for each prefix on segment limits. With a query the path must be whole, and a request asks for
//!   each prefix of its query on parameter limits, as in [`crate::entry`].
//!
//! A host with a port or a page has a mark, the tag of the host alone: only where that is met are ports and pages asked for.
//! A mark blocks nothing.

use std::io::Write;
use std::net::IpAddr;

use weir_host::Host;
use weir_host::address::unwrapped;

use super::SlotId;
use super::key::{Key, Tag, Tagging};
use super::table::{DETAIL, EXACT, Table, WHOLE};

/// Longest path and query that an entry can have.
const LONGEST: usize = crate::entry::URL_MAX;

/// What a row of a list is. The numbers stand in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A host with everything below it.
    Host = 1,
    /// A host at one port, with everything below it.
    Port = 2,
    /// A page and everything below it.
    Page = 3,
    /// A host that has entries of the two kinds above.
    Mark = 4,
}

impl Kind {
    pub(super) const ALL: [Kind; 4] = [Kind::Host, Kind::Port, Kind::Page, Kind::Mark];

    /// What a table says of a row of this kind.
    pub(super) fn flags(self) -> u8 {
        match self {
            Kind::Host => WHOLE,
            Kind::Port | Kind::Page => EXACT,
            Kind::Mark => DETAIL,
        }
    }
}

/// First bytes of what is hashed, so that a host cannot be taken for a page.
const HOST: u8 = b'h';
const PORT: u8 = b'p';
const PAGE: u8 = b'u';

/// An entry in normal form.
pub(super) struct Entry {
    /// As [`Host`] is shown.
    pub(super) host: String,
    /// Neither 80 nor 443.
    pub(super) port: Option<u16>,
    /// Path without its final slash, with query; none for the whole host.
    pub(super) page: Option<Page>,
}

/// What an entry names of a host.
pub(super) struct Page {
    pub(super) path: String,
    pub(super) query: Option<String>,
}

impl Entry {
    /// The entry's own tag, and the mark that it needs.
    pub(super) fn tags(&self, key: &Key) -> ((Tag, Kind), Option<(Tag, Kind)>) {
        let host = (of_host(key, &self.host), Kind::Mark);
        match (&self.page, self.port) {
            (None, None) => ((host.0, Kind::Host), None),
            (None, Some(port)) => ((of_port(key, &self.host, port), Kind::Port), Some(host)),
            (Some(page), port) => {
                let mut tagging = page_begins(key, &self.host, port.unwrap_or(0));
                tagging.add_caseless(page.path.as_bytes());
                if let Some(query) = &page.query {
                    tagging.add(b"?");
                    tagging.add_caseless(query.as_bytes());
                }
                ((tagging.tag(), Kind::Page), Some(host))
            }
        }
    }

    /// Segments of the path and limits in the query: how far a request must be looked at.
    pub(super) fn depth(&self) -> (u32, u32) {
        let Some(page) = &self.page else {
            return (0, 0);
        };
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let segments = page.path.bytes().filter(|byte| *byte == b'/').count();
        let query = page.query.as_deref().unwrap_or_default();
        (count(segments), count(limits(query.as_bytes()).count()))
    }
}

fn of_host(key: &Key, host: &str) -> Tag {
    let mut tagging = key.tag(HOST);
    tagging.add(host.as_bytes());
    tagging.tag()
}

fn of_port(key: &Key, host: &str, port: u16) -> Tag {
    let mut tagging = key.tag(PORT);
    tagging.add(host.as_bytes());
    tagging.add(&[0]);
    tagging.add(&port.to_le_bytes());
    tagging.tag()
}

fn page_begins(key: &Key, host: &str, port: u16) -> Tagging {
    let mut tagging = key.tag(PAGE);
    tagging.add(host.as_bytes());
    tagging.add(&[0]);
    tagging.add(&port.to_le_bytes());
    tagging
}

/// What somebody asks for.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) host: &'a Host,
    pub(super) port: u16,
    /// Normal path and query, where they can be seen.
    pub(super) page: Option<(&'a str, Option<&'a str>)>,
}

/// The list that has what is asked for. Allocates nothing.
pub(super) fn find(key: &Key, table: &Table, asked: &Asked<'_>) -> Option<SlotId> {
    let address = match asked.host {
        Host::Name(name) => {
            let mut rest = name.as_str();
            // A name without a dot is no entry.
            while let Some((_, above)) = rest.split_once('.') {
                if let Some(slot) = of_suffix(key, table, rest, asked) {
                    return Some(slot);
                }
                rest = above;
            }
            return None;
        }
        Host::V4(v4) => IpAddr::V4(*v4),
        Host::V6(v6) => unwrapped(IpAddr::V6(*v6)),
    };
    let mut buffer = [0_u8; 48];
    let size = buffer.len();
    let mut room = &mut buffer[..];
    // The longest address has 45 characters.
    let _ = write!(room, "{address}");
    let written = size - room.len();
    let text = buffer.get(..written).map(std::str::from_utf8);
    of_suffix(key, table, text?.ok()?, asked)
}

#[inline]
fn of_suffix(key: &Key, table: &Table, host: &str, asked: &Asked<'_>) -> Option<SlotId> {
    let (flags, slot) = table.get(of_host(key, host))?;
    if flags & WHOLE != 0 {
        return Some(slot);
    }
    if flags & DETAIL == 0 {
        return None;
    }
    let exact = |tag| table.get(tag).filter(|(flags, _)| flags & EXACT != 0);
    if let Some((_, slot)) = exact(of_port(key, host, asked.port)) {
        return Some(slot);
    }
    let (path, query) = asked.page?;
    [0, asked.port].into_iter().find_map(|port| {
        let begun = page_begins(key, host, port);
        of_page(table, begun, path, query)
    })
}

fn of_page(table: &Table, mut tagging: Tagging, path: &str, query: Option<&str>) -> Option<SlotId> {
    let exact = |tagging: &Tagging| {
        let found = table.get(tagging.tag());
        found.filter(|(flags, _)| flags & EXACT != 0)
    };
    // `*` of OPTIONS is no path.
    let inner = path.strip_prefix('/')?;
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let mut fed = 0;
    if !inner.is_empty() {
        for (number, segment) in inner.split('/').enumerate() {
            fed += 1 + segment.len();
            if number >= table.segments() || fed > LONGEST {
                return None;
            }
            tagging.add(b"/");
            tagging.add_caseless(segment.as_bytes());
            if let Some((_, slot)) = exact(&tagging) {
                return Some(slot);
            }
        }
    }
    let query = query.filter(|query| !query.is_empty())?.as_bytes();
    tagging.add(b"?");
    let mut from = 0;
    for limit in limits(query).take(table.parameters()) {
        if fed + limit > LONGEST {
            return None;
        }
        tagging.add_caseless(query.get(from..limit)?);
        from = limit;
        if let Some((_, slot)) = exact(&tagging) {
            return Some(slot);
        }
    }
    None
}

/// Where a query may end for an entry: before and after `&` and `;`, after `=`, and at its end.
fn limits(query: &[u8]) -> impl Iterator<Item = usize> + '_ {
    (1..=query.len()).filter(|at| {
        let before = query.get(at - 1);
        match query.get(*at) {
            None => true,
            Some(b'&' | b';') => true,
            Some(_) => matches!(before, Some(b'=' | b'&' | b';')),
        }
    })
}
