//! Decides which entries of `urls` an address falls under; [`crate::entry`] documents what they mean.
//!
//! Entries are grouped by the hash of their host and sorted by path within. A question costs one look-up for each parent of
//! the host, and only where that has entries a binary search for each segment limit of the path, no longer than the longest
//! path listed there: a long path cannot stall a request.
//!
//! Groups, entries and text are bytes as a file has them, decoded with bounds checked as they are met. A file with wrong
//! ones, which its check sum let pass, makes entries miss and nothing worse.

use std::borrow::Cow;
use std::cmp::Ordering;

use weir_host::Host;

use crate::bytes::{Bytes, u16_at, u32_at, u64_at};
use crate::entry::Url;
use crate::hash;

/// A request's address in normal form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address<'a> {
    pub(crate) host: &'a Host,
    pub(crate) port: u16,
    /// Output of `normal_path`.
    pub(crate) path: &'a str,
    /// Output of `normal_query`.
    pub(crate) query: Option<&'a str>,
}

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

/// Entries of `urls` with a tag each.
#[derive(Debug, Default)]
pub(crate) struct Urls {
    /// Where the group of a host is: the high half of its hash above its number and 1, at a place that the low half tells
    /// or soon after; 0 where there is none. At most half full.
    slots: Box<[u64]>,
    laid: Laid,
}

/// Groups, entries and text, as a file has them.
#[derive(Debug, Default)]
pub(crate) struct Laid {
    pub(crate) groups: Bytes,
    pub(crate) entries: Bytes,
    pub(crate) text: Bytes,
}

/// The entries of one host.
#[derive(Clone, Copy, Debug)]
struct Group {
    hash: u64,
    first: u32,
    count: u32,
    /// Bytes of the longest path.
    longest: u32,
}

impl Group {
    const BYTES: usize = 20;

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.hash.to_le_bytes());
        for number in [self.first, self.count, self.longest] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn read(bytes: &[u8], number: usize) -> Option<Group> {
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
struct Entry {
    start: u32,
    length: u16,
    host_end: u16,
    path_start: u16,
    path_end: u16,
    /// 0: any.
    port: u16,
    tag: u16,
}

impl Entry {
    const BYTES: usize = 16;

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

    fn read(bytes: &[u8]) -> Option<Entry> {
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

/// An entry that an address falls under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit<'a> {
    pub(crate) tag: u16,
    text: &'a [u8],
    host_end: u16,
    path_start: u16,
}

impl<'a> Hit<'a> {
    /// The entry in normal form.
    pub(crate) fn text(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.text)
    }

    /// Bytes of its host, then of its path and query.
    pub(crate) fn lengths(&self) -> (u16, u16) {
        let path = self.text.len().saturating_sub(usize::from(self.path_start));
        (self.host_end, u16::try_from(path).unwrap_or(u16::MAX))
    }
}

impl Urls {
    /// Lays out entries. Those with the same tag must not repeat: see [`sort`].
    pub(crate) fn new(rows: &[Row]) -> Urls {
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
        Urls::with(Laid {
            groups: groups.into(),
            entries: entries.into(),
            text: text.into(),
        })
    }

    /// Entries that are laid out already.
    pub(crate) fn with(laid: Laid) -> Urls {
        let count = laid.groups.all().len() / Group::BYTES;
        let size = match count {
            0 => 0,
            count => (count * 2).next_power_of_two(),
        };
        let mut slots = vec![0; size].into_boxed_slice();
        for number in 0..count.min(u32::MAX as usize - 1) {
            let Some(group) = Group::read(laid.groups.all(), number) else {
                break;
            };
            let mut at = group.hash as usize & (size - 1);
            while slots[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            slots[at] = group.hash & !0xffff_ffff | (number as u64 + 1);
        }
        Urls { slots, laid }
    }

    /// Groups, entries and text, to be written.
    pub(crate) fn laid(&self) -> &Laid {
        &self.laid
    }

    /// Gives `found` every entry that `address` falls under.
    pub(crate) fn matching<'a>(&'a self, address: &Address<'_>, found: &mut impl FnMut(Hit<'a>)) {
        if self.slots.is_empty() {
            return;
        }
        match address.host {
            Host::Name(name) => {
                for (hash, suffix) in hash::Suffixes::new(name.as_str()) {
                    self.of_host(hash, suffix, address, found);
                }
            }
            host => {
                let text = host.bracketed().to_string();
                self.of_host(hash::of(&text), &text, address, found);
            }
        }
    }

    /// [`Urls::matching`] for the entries of one host, whose hash is `hash`: that of the address or one of its parents.
    #[inline]
    pub(crate) fn of_host<'a>(
        &'a self,
        hash: u64,
        host: &str,
        address: &Address<'_>,
        found: &mut impl FnMut(Hit<'a>),
    ) {
        let Some(mask) = self.slots.len().checked_sub(1) else {
            return;
        };
        let mut at = hash as usize & mask;
        // Half of the slots are empty, so this ends.
        while let Some(slot) = self.slots.get(at).filter(|slot| **slot != 0) {
            if slot >> 32 == hash >> 32 {
                let number = (*slot as u32 as usize).wrapping_sub(1);
                let group = Group::read(self.laid.groups.all(), number);
                if let Some(group) = group.filter(|group| group.hash == hash) {
                    return self.of_group(&group, host, address, found);
                }
            }
            at = (at + 1) & mask;
        }
    }

    fn of_group<'a>(
        &'a self,
        group: &Group,
        host: &str,
        address: &Address<'_>,
        found: &mut impl FnMut(Hit<'a>),
    ) {
        let (all, _) = self.laid.entries.all().as_chunks::<{ Entry::BYTES }>();
        let first = group.first as usize;
        let Some(entries) = all.get(first..first.saturating_add(group.count as usize)) else {
            return;
        };
        for (path, whole) in prefixes(address.path, group.longest as usize) {
            let from = entries.partition_point(|e| caseless(self.read(e).path(), path).is_lt());
            for bytes in entries.get(from..).unwrap_or_default() {
                let entry = self.read(bytes);
                if !entry.path().eq_ignore_ascii_case(path.as_bytes()) {
                    break;
                }
                if entry.fits(host, address, whole) {
                    found(Hit {
                        tag: entry.entry.tag,
                        text: entry.text,
                        host_end: entry.entry.host_end,
                        path_start: entry.entry.path_start,
                    });
                }
            }
        }
    }

    fn read(&self, bytes: &[u8; Entry::BYTES]) -> Read<'_> {
        // Of sixteen bytes every field is there.
        let entry = Entry::read(bytes).unwrap_or(Entry {
            start: u32::MAX,
            length: 0,
            host_end: 0,
            path_start: 0,
            path_end: 0,
            port: 0,
            tag: u16::MAX,
        });
        let start = entry.start as usize;
        let text = self.laid.text.all();
        let text = text.get(start..start.saturating_add(usize::from(entry.length)));
        Read {
            entry,
            text: text.unwrap_or_default(),
        }
    }

    /// How many entries there are; the same in two lists counts twice.
    pub(crate) fn len(&self) -> usize {
        self.laid.entries.all().len() / Entry::BYTES
    }

    /// Bytes of memory held.
    pub(crate) fn bytes(&self) -> usize {
        let laid = [&self.laid.groups, &self.laid.entries, &self.laid.text];
        size_of_val(&*self.slots) + laid.iter().map(|bytes| bytes.held()).sum::<usize>()
    }
}

/// An entry with its text.
struct Read<'a> {
    entry: Entry,
    text: &'a [u8],
}

impl Read<'_> {
    fn path(&self) -> &[u8] {
        let range = usize::from(self.entry.path_start)..usize::from(self.entry.path_end);
        self.text.get(range).unwrap_or_default()
    }

    fn fits(&self, host: &str, address: &Address<'_>, whole: bool) -> bool {
        let query = self.text.get(usize::from(self.entry.path_end) + 1..);
        self.text.get(..usize::from(self.entry.host_end)) == Some(host.as_bytes())
            && (self.entry.port == 0 || self.entry.port == address.port)
            && match query {
                None => true,
                Some(query) => whole && address.query.is_some_and(|sent| begins(sent, query)),
            }
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

/// The prefixes of a normal path on segment limits, without their final slash, and the path itself; up to `longest` bytes.
/// With each, whether it is the whole path.
fn prefixes(path: &str, longest: usize) -> impl Iterator<Item = (&str, bool)> {
    let root = ("/", path == "/");
    let limits = path.bytes().enumerate().skip(1).take(longest);
    let inner = limits
        .filter(|(_, byte)| *byte == b'/')
        .filter_map(|(at, _)| Some((path.get(..at)?, false)));
    let whole = (path.len() > 1 && path.len() <= longest).then_some((path, true));
    std::iter::once(root).chain(inner).chain(whole)
}

/// True when `sent` begins with `listed` on parameter limits.
fn begins(sent: &str, listed: &[u8]) -> bool {
    let Some((start, rest)) = sent.as_bytes().split_at_checked(listed.len()) else {
        return false;
    };
    start.eq_ignore_ascii_case(listed)
        && (rest.is_empty()
            || matches!(rest.first(), Some(b'&' | b';'))
            || matches!(listed.last(), Some(b'=' | b'&' | b';')))
}

fn caseless(a: &[u8], b: impl AsRef<[u8]>) -> Ordering {
    let lower = |byte: &u8| byte.to_ascii_lowercase();
    a.iter().map(lower).cmp(b.as_ref().iter().map(lower))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::entry;
    use weir_host::{Target, normal_path, normal_query};

    fn urls(entries: &[&str]) -> Urls {
        let parsed = entries.iter().map(|text| entry::url(text).unwrap());
        let mut rows: Vec<Row> = parsed.map(|url| Row::new(url, 0)).collect();
        sort(&mut rows, &mut |_| {});
        Urls::new(&rows)
    }

    fn found(urls: &Urls, target: &str) -> Vec<String> {
        let target = Target::parse_absolute(target).unwrap();
        let path = normal_path(target.path());
        let query = target.query().map(normal_query);
        let address = Address {
            host: &target.host,
            port: target.port,
            path: &path,
            query: query.as_deref(),
        };
        let mut found = Vec::new();
        urls.matching(&address, &mut |hit| found.push(hit.text().into_owned()));
        found
    }

    fn table(entry: &str, cases: &[(&str, bool)]) {
        let urls = urls(&[entry, "other.example/unrelated", "x.example:99/nothing"]);
        for (target, expected) in cases {
            let hits = found(&urls, target);
            assert_eq!(!hits.is_empty(), *expected, "{entry} on {target}: {hits:?}");
        }
    }

    #[test]
    fn an_entry_means_its_path_and_everything_below_on_segment_limits() {
        for entry in [
            "x.example/a/b",
            "x.example/a/b/",
            "http://x.example/a//b#top",
        ] {
            table(
                entry,
                &[
                    ("http://x.example/a/b", true),
                    ("http://x.example/a/b/", true),
                    ("http://x.example/a/b/c/d?q=1", true),
                    ("http://x.example/a/b?q=1", true),
                    ("http://x.example/A/B", true),
                    ("http://x.example/a/%62", true),
                    ("http://x.example/a/./c/../b", true),
                    ("http://x.example//a//b", true),
                    ("http://x.example/a/bc", false),
                    ("http://x.example/a", false),
                    ("http://x.example/", false),
                    ("http://x.example/c/a/b", false),
                ],
            );
        }
    }

    #[test]
    fn an_entry_means_its_host_and_everything_below_on_label_limits() {
        table(
            "x.example/a",
            &[
                ("https://x.example/a", true),
                ("https://www.x.example/a", true),
                ("https://a.b.x.example:8443/a", true),
                ("https://notx.example/a", false),
                ("https://example/a", false),
            ],
        );
    }

    #[test]
    fn an_entry_without_a_path_means_the_whole_host() {
        for entry in ["x.example", "x.example/", "x.example/#start"] {
            table(
                entry,
                &[
                    ("http://x.example/", true),
                    ("http://x.example/any/where?x", true),
                    ("http://y.example/", false),
                ],
            );
        }
    }

    #[test]
    fn an_entry_with_a_query_means_that_path_and_queries_that_begin_so() {
        table(
            "x.example/p.php?f=25",
            &[
                ("http://x.example/p.php?f=25", true),
                ("http://x.example/p.php?f=25&page=2", true),
                ("http://x.example/p.php?F=25;x", true),
                ("http://x.example/p.php?%66=25", true),
                ("http://x.example/p.php?f=255", false),
                ("http://x.example/p.php?a&f=25", false),
                ("http://x.example/p.php", false),
                ("http://x.example/p.php/?f=25", false),
                ("http://x.example/p.php/x?f=25", false),
            ],
        );
        table(
            "x.example/d/?q=",
            &[
                ("http://x.example/d/?q=any", true),
                ("http://x.example/d/?q=", true),
                ("http://x.example/d?q=any", false),
                ("http://x.example/d/?r=", false),
            ],
        );
        table(
            "x.example/?a",
            &[
                ("http://x.example/?a", true),
                ("http://x.example?a", true),
                ("http://x.example/?ab", false),
                ("http://x.example/", false),
            ],
        );
    }

    #[test]
    fn a_port_in_an_entry_must_be_the_requests() {
        table(
            "x.example:8080/a",
            &[
                ("http://x.example:8080/a", true),
                ("http://x.example/a", false),
                ("https://x.example/a", false),
            ],
        );
        table(
            "x.example:80/a",
            &[("http://x.example/a", true), ("https://x.example/a", false)],
        );
    }

    #[test]
    fn addresses_are_hosts_and_have_no_parents() {
        table(
            "192.0.2.1/~user",
            &[
                ("http://192.0.2.1/~user/x", true),
                ("http://192.0.2.1/%7Euser", true),
                ("http://192.0.2.1/~users", false),
            ],
        );
        table(
            "[2001:db8::1]/a",
            &[
                ("http://[2001:db8::1]/a", true),
                ("http://[2001:db8::2]/a", false),
            ],
        );
    }

    #[test]
    fn every_entry_that_fits_is_told_once() {
        let urls = urls(&[
            "x.example/a",
            "x.example/A/",
            "www.x.example/a/b",
            "x.example/",
            "x.example/a",
        ]);
        assert_eq!(urls.len(), 4);
        assert_eq!(
            found(&urls, "http://www.x.example/a/b"),
            [
                "x.example/",
                "x.example/A",
                "x.example/a",
                "www.x.example/a/b"
            ]
        );
    }

    #[test]
    fn a_path_of_many_segments_is_asked_no_longer_than_the_longest_entry() {
        let long = format!("/{}", "a/".repeat(8_000));
        assert_eq!(prefixes(&long, 9).count(), 1 + 4);
    }
}
