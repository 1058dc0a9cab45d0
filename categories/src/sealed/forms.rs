//! Decides what of an entry and of a request is hashed: the same in one place, so that the two cannot disagree.
//!
//! - A host is the tag of its normal form. A request asks for its host and every parent with a dot in it.
//! - A host with a port is the tag of both; 80 and 443 count as none.
//! - A page is the tag of host, port (0: any) and path in strict form ([`super::spelling`]), in lower case. A request asks for
//!   each prefix on segment limits, of every spelling of its path.
//! - A page with a query is a chain: the tag of its whole path, then for each of its parameters, sorted, the tag of the one
//!   before and the parameter. All but the last are marks. A request goes on from each mark with each of its parameters, in
//!   whatever order they come. A parameter that ends with `=` is open at its end.
//!
//! A host with a port or a page has a mark too, the tag of the host alone: only where that is met are ports and pages asked
//! for. A mark blocks nothing.

use std::io::Write;
use std::net::IpAddr;

use weir_host::Host;
use weir_host::address::unwrapped;

use super::SlotId;
use super::key::{Key, Tag, Tagging};
use super::spelling::{self, Extras};
use super::table::{DETAIL, EXACT, Table, WHOLE};

/// Longest path and query that an entry can have.
const LONGEST: usize = crate::entry::URL_MAX;
/// Parameters of an entry that count; further ones need not be in a request.
const PARAMETERS_MAX: usize = 32;
/// So many `=` of a parameter can end an entry that is open there.
const OPEN_MAX: usize = 4;
/// Questions about one query beyond the first parameter. A query that needs more is hit: no such one is honest.
const QUESTIONS_MAX: usize = 1 << 15;

/// What a row of a list is. The numbers stand in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A host with everything below it.
    Host = 1,
    /// A host at one port, with everything below it.
    Port = 2,
    /// A page and everything below it.
    Page = 3,
    /// A host that has entries of the two kinds above, or a page that entries with a query go on from.
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
const QUERY: u8 = b'q';

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
    /// In strict form.
    path: Vec<u8>,
    /// In strict form, sorted, without repetition.
    parameters: Vec<Vec<u8>>,
}

impl Page {
    /// A page of a normal path and query; none where they mean the whole host.
    pub(super) fn of(path: &str, query: Option<&str>) -> Option<Page> {
        let path = spelling::path(path, Extras::Kept);
        let mut parameters = spelling::parameters(query.unwrap_or_default());
        parameters.sort();
        parameters.dedup();
        parameters.truncate(PARAMETERS_MAX);
        let is_whole = path.is_empty() && parameters.is_empty();
        (!is_whole).then_some(Page { path, parameters })
    }
}

impl Entry {
    /// The entry's own tag, and then the marks that it needs.
    pub(super) fn tags(&self, key: &Key) -> ((Tag, Kind), Vec<(Tag, Kind)>) {
        let host = (of_host(key, &self.host), Kind::Mark);
        match (&self.page, self.port) {
            (None, None) => ((host.0, Kind::Host), Vec::new()),
            (None, Some(port)) => ((of_port(key, &self.host, port), Kind::Port), vec![host]),
            (Some(page), port) => {
                let mut tagging = page_begins(key, &self.host, port.unwrap_or(0));
                tagging.add_caseless(&page.path);
                let mut own = tagging.tag();
                let mut marks = vec![host];
                for parameter in &page.parameters {
                    marks.push((own, Kind::Mark));
                    own = of_parameter(key, own, parameter);
                }
                ((own, Kind::Page), marks)
            }
        }
    }

    /// Limits in the path and parameters of the query: how far a request must be looked at.
    pub(super) fn depth(&self) -> (u32, u32) {
        let Some(page) = &self.page else {
            return (0, 0);
        };
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        (
            count(limits(&page.path).count()),
            count(page.parameters.len()),
        )
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

/// A page whose query has this parameter beside those of the tag before.
fn of_parameter(key: &Key, before: Tag, parameter: &[u8]) -> Tag {
    let mut tagging = key.tag(QUERY);
    tagging.add(&before.to_le_bytes());
    tagging.add(parameter);
    tagging.tag()
}

/// What somebody asks for.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) host: &'a Host,
    pub(super) port: u16,
    /// Normal path and query, where they can be seen.
    pub(super) page: Option<(&'a str, Option<&'a str>)>,
}

/// The list that has what is asked for. Allocates nothing but for an odd spelling or a query of a host that has listed pages.
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
    // `*` of OPTIONS is no path.
    if !path.starts_with('/') {
        return None;
    }
    let spellings = spelling::asked(path);
    [0, asked.port].into_iter().find_map(|port| {
        let begun = page_begins(key, host, port);
        let mut spellings = spellings.iter().flatten();
        spellings.find_map(|path| of_page(key, table, begun, path, query))
    })
}

fn of_page(
    key: &Key,
    table: &Table,
    mut tagging: Tagging,
    path: &[u8],
    query: Option<&str>,
) -> Option<SlotId> {
    let mut from = 0;
    for (number, limit) in limits(path).enumerate() {
        if number >= table.segments() || limit > LONGEST {
            return None;
        }
        tagging.add_caseless(path.get(from..limit)?);
        from = limit;
        let found = table.get(tagging.tag());
        if let Some((_, slot)) = found.filter(|(flags, _)| flags & EXACT != 0) {
            return Some(slot);
        }
    }
    let whole = tagging.tag();
    table.get(whole).filter(|(flags, _)| flags & DETAIL != 0)?;
    let parameters = spelling::parameters(query?);
    let mut left = QUESTIONS_MAX;
    let depth = table.parameters().min(PARAMETERS_MAX);
    of_query(key, table, whole, &parameters, depth, &mut left)
}

/// Goes on from the mark `before` with each parameter. No deeper than [`PARAMETERS_MAX`].
fn of_query(
    key: &Key,
    table: &Table,
    before: Tag,
    parameters: &[Vec<u8>],
    depth: usize,
    left: &mut usize,
) -> Option<SlotId> {
    let further = depth.checked_sub(1)?;
    for text in parameters.iter().flat_map(|parameter| openings(parameter)) {
        let tag = of_parameter(key, before, text);
        let Some((flags, slot)) = table.get(tag) else {
            continue;
        };
        if flags & EXACT != 0 {
            return Some(slot);
        }
        let Some(rest) = left.checked_sub(parameters.len()) else {
            return Some(slot);
        };
        *left = rest;
        let found = of_query(key, table, tag, parameters, further, left);
        if found.is_some() {
            return found;
        }
    }
    None
}

/// What of a parameter an entry may have: all of it, or up to one of the first `=`.
fn openings(parameter: &[u8]) -> impl Iterator<Item = &[u8]> {
    let open = memchr::memchr_iter(b'=', parameter).take(OPEN_MAX);
    let open = open.filter_map(|at| parameter.get(..=at));
    std::iter::once(parameter).chain(open.filter(|open| open.len() < parameter.len()))
}

/// Where a path may end for an entry: before `/` and `;`, and at its end.
fn limits(path: &[u8]) -> impl Iterator<Item = usize> + '_ {
    (1..=path.len()).filter(|at| matches!(path.get(*at), None | Some(b'/' | b';')))
}
