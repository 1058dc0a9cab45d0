//! Entries of `urls` as they lie in memory and in the compiled file; the one place that knows their bytes.
//!
//! It does not decide what an address falls under ([`super::Urls`]).

use std::cmp::Ordering;

use weir_host::Host;

use crate::bytes::{Bytes, u16_at, u32_at, u64_at};
use crate::entry::Url;
use crate::hash;

/// An entry on its way into the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    hash: u64,
    url: Url,
    text: String,
    tag: u16,
}

impl Row {
    pub(crate) fn new(url: Url, tag: u16) -> Row {
        let text = url.to_string();
        Row {
            hash: host_hash(&url.host),
            url,
            text,
            tag,
        }
    }

    /// The host is a whole top-level domain.
    pub(crate) fn is_top_level(&self) -> bool {
        self.url
            .host
            .as_name()
            .is_some_and(|name| !name.as_str().contains('.'))
    }

    fn order(&self, other: &Row) -> Ordering {
        self.hash
            .cmp(&other.hash)
            .then_with(|| caseless(self.url.path.as_bytes(), &other.url.path))
            .then_with(|| self.text.cmp(&other.text))
            .then_with(|| self.tag.cmp(&other.tag))
    }
}

/// Groups, entries and text, as a file has them.
#[derive(Debug, Default)]
pub(crate) struct Laid {
    pub(crate) groups: Bytes,
    pub(crate) entries: Bytes,
    pub(crate) text: Bytes,
}

impl Laid {
    /// Lays out rows that are in order and do not repeat: see [`sort`].
    pub(super) fn of(rows: &[Row]) -> Laid {
        let (mut groups, mut entries, mut text) = (Vec::new(), Vec::new(), Vec::new());
        for group in rows.chunk_by(|a, b| a.hash == b.hash) {
            let first = entries.len() / Entry::BYTES;
            // An entry that does not fit the offsets cannot come from the reader, which bounds its length.
            for entry in group.iter().filter_map(|row| entry(row, &mut text)) {
                entry.write(&mut entries);
            }
            let count = entries.len() / Entry::BYTES - first;
            let longest = group.iter().map(|row| row.url.path.len()).max();
            if let (Some(row), Ok(first), Ok(count), Ok(longest)) = (
                group.first(),
                u32::try_from(first),
                u32::try_from(count),
                u32::try_from(longest.unwrap_or(0)),
            ) {
                let group = Group {
                    hash: row.hash,
                    first,
                    count,
                    longest,
                };
                group.write(&mut groups);
            }
        }
        Laid {
            groups: groups.into(),
            entries: entries.into(),
            text: text.into(),
        }
    }
}

/// The entries of one host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) hash: u64,
    pub(super) first: u32,
    pub(super) count: u32,
    /// Bytes of the longest path.
    pub(super) longest: u32,
}

impl Group {
    pub(super) const BYTES: usize = 20;

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.hash.to_le_bytes());
        for number in [self.first, self.count, self.longest] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    pub(super) fn read(bytes: &[u8], number: usize) -> Option<Group> {
        let at = number.checked_mul(Group::BYTES)?;
        Some(Group {
            hash: u64_at(bytes, at)?,
            first: u32_at(bytes, at + 8)?,
            count: u32_at(bytes, at + 12)?,
            longest: u32_at(bytes, at + 16)?,
        })
    }
}

/// Offsets into the whole text, then within this entry's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) start: u32,
    pub(super) length: u16,
    pub(super) host_end: u16,
    pub(super) path_start: u16,
    pub(super) path_end: u16,
    /// 0: any.
    pub(super) port: u16,
    pub(super) tag: u16,
}

impl Entry {
    pub(super) const BYTES: usize = 16;

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.start.to_le_bytes());
        for number in [
            self.length,
            self.host_end,
            self.path_start,
            self.path_end,
            self.port,
            self.tag,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Entry> {
        Some(Entry {
            start: u32_at(bytes, 0)?,
            length: u16_at(bytes, 4)?,
            host_end: u16_at(bytes, 6)?,
            path_start: u16_at(bytes, 8)?,
            path_end: u16_at(bytes, 10)?,
            port: u16_at(bytes, 12)?,
            tag: u16_at(bytes, 14)?,
        })
    }
}

/// Puts rows in the order that [`Urls::new`] needs and gives `repeated` the tag of each that goes because it was there.
pub(crate) fn sort(rows: &mut Vec<Row>, repeated: &mut impl FnMut(u16)) {
    rows.sort_unstable_by(Row::order);
    rows.dedup_by(|later, kept| {
        let same = later == kept;
        if same {
            repeated(later.tag);
        }
        same
    });
}

fn entry(row: &Row, text: &mut Vec<u8>) -> Option<Entry> {
    let host = row.url.host.bracketed().to_string().len();
    let query = row.url.query.as_ref().map_or(0, |query| query.len() + 1);
    let path_end = row.text.len() - query;
    let short = |n: usize| u16::try_from(n).ok();
    let entry = Entry {
        start: u32::try_from(text.len()).ok()?,
        length: short(row.text.len())?,
        host_end: short(host)?,
        path_start: short(path_end - row.url.path.len())?,
        path_end: short(path_end)?,
        port: row.url.port.unwrap_or(0),
        tag: row.tag,
    };
    text.extend_from_slice(row.text.as_bytes());
    Some(entry)
}

fn host_hash(host: &Host) -> u64 {
    match host {
        Host::Name(name) => hash::of(name.as_str()),
        host => hash::of(&host.bracketed().to_string()),
    }
}

pub(super) fn caseless(a: &[u8], b: impl AsRef<[u8]>) -> Ordering {
    let lower = |byte: &u8| byte.to_ascii_lowercase();
    a.iter().map(lower).cmp(b.as_ref().iter().map(lower))
}
