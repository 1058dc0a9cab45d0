//! Decides which entries of `urls` an address falls under; [`crate::entry`] documents what they mean.
//!
//! Entries are grouped by the hash of their host and sorted by path within. A question costs one look-up for each parent of
//! the host, and only where that has entries a binary search for each segment limit of the path, no longer than the longest
//! path listed there: a long path cannot stall a request.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use weir_host::Host;

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

    fn order(&self, other: &Row) -> Ordering {
        self.hash
            .cmp(&other.hash)
            .then_with(|| caseless(&self.url.path, &other.url.path))
            .then_with(|| self.text.cmp(&other.text))
            .then_with(|| self.tag.cmp(&other.tag))
    }
}

/// Entries of `urls` with a tag each.
#[derive(Debug, Default)]
pub(crate) struct Urls {
    groups: HashMap<u64, Group, BuildHasherDefault<Hashed>>,
    entries: Box<[Entry]>,
    text: Box<str>,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first: u32,
    count: u32,
    /// Bytes of the longest path.
    longest: u16,
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

impl Urls {
    /// Lays out entries. Those with the same tag must not repeat: see [`sort`].
    pub(crate) fn new(rows: &[Row]) -> Urls {
        let mut urls = Urls::default();
        let mut entries = Vec::with_capacity(rows.len());
        let mut text = String::with_capacity(rows.iter().map(|row| row.text.len()).sum());
        for group in rows.chunk_by(|a, b| a.hash == b.hash) {
            let first = entries.len();
            // An entry that does not fit the offsets cannot come from the reader, which bounds its length.
            entries.extend(group.iter().filter_map(|row| entry(row, &mut text)));
            let longest = group.iter().map(|row| row.url.path.len()).max();
            if let (Some(row), Ok(first), Ok(count), Ok(longest)) = (
                group.first(),
                u32::try_from(first),
                u32::try_from(entries.len() - first),
                u16::try_from(longest.unwrap_or(0)),
            ) {
                let group = Group {
                    first,
                    count,
                    longest,
                };
                urls.groups.insert(row.hash, group);
            }
        }
        urls.entries = entries.into_boxed_slice();
        urls.text = text.into_boxed_str();
        urls
    }

    /// Gives `found` the tag and the text of every entry that `address` falls under.
    pub(crate) fn matching<'a>(
        &'a self,
        address: &Address<'_>,
        found: &mut impl FnMut(u16, &'a str),
    ) {
        if self.entries.is_empty() {
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

    fn of_host<'a>(
        &'a self,
        hash: u64,
        host: &str,
        address: &Address<'_>,
        found: &mut impl FnMut(u16, &'a str),
    ) {
        let Some(group) = self.groups.get(&hash) else {
            return;
        };
        let first = group.first as usize;
        let Some(entries) = self.entries.get(first..first + group.count as usize) else {
            return;
        };
        for (path, whole) in prefixes(address.path, usize::from(group.longest)) {
            let from = entries.partition_point(|e| caseless(self.path(e), path).is_lt());
            let rest = entries.get(from..).unwrap_or_default();
            for entry in rest {
                if !self.path(entry).eq_ignore_ascii_case(path) {
                    break;
                }
                if self.fits(entry, host, address, whole) {
                    found(entry.tag, self.entry_text(entry));
                }
            }
        }
    }

    fn fits(&self, entry: &Entry, host: &str, address: &Address<'_>, whole: bool) -> bool {
        let text = self.entry_text(entry);
        let query = text.get(usize::from(entry.path_end) + 1..);
        text.get(..usize::from(entry.host_end)) == Some(host)
            && (entry.port == 0 || entry.port == address.port)
            && match query {
                None => true,
                Some(query) => whole && address.query.is_some_and(|sent| begins(sent, query)),
            }
    }

    fn entry_text(&self, entry: &Entry) -> &str {
        let start = entry.start as usize;
        let text = self.text.get(start..start + usize::from(entry.length));
        text.unwrap_or_default()
    }

    fn path(&self, entry: &Entry) -> &str {
        let range = usize::from(entry.path_start)..usize::from(entry.path_end);
        self.entry_text(entry).get(range).unwrap_or_default()
    }

    /// How many entries there are; the same in two lists counts twice.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes held, about.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.entries) + self.text.len() + self.groups.capacity() * 25
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

fn entry(row: &Row, text: &mut String) -> Option<Entry> {
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
    text.push_str(&row.text);
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
fn begins(sent: &str, listed: &str) -> bool {
    let Some((start, rest)) = sent.as_bytes().split_at_checked(listed.len()) else {
        return false;
    };
    start.eq_ignore_ascii_case(listed.as_bytes())
        && (rest.is_empty()
            || rest.starts_with(b"&")
            || rest.starts_with(b";")
            || listed.ends_with(['=', '&', ';']))
}

fn caseless(a: &str, b: &str) -> Ordering {
    let lower = |byte: u8| byte.to_ascii_lowercase();
    a.bytes().map(lower).cmp(b.bytes().map(lower))
}

/// Keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes
            .iter()
            .fold(self.0, |h, b| h.rotate_left(8) ^ u64::from(*b));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
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
        urls.matching(&address, &mut |_, text| found.push(text.to_owned()));
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
