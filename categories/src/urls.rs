//! Decides which entries of `urls` an address falls under; [`crate::entry`] documents what they mean.
//!
//! Entries are grouped by the hash of their host and sorted by path within. A question costs one look-up for each parent of
//! the host, and only where that has entries a binary search for each segment limit of the path, no longer than the longest
//! path listed there: a long path cannot stall a request.
//!
//! Groups, entries and text are bytes as a file has them, decoded with bounds checked as they are met. A file with wrong
//! ones, which its check sum let pass, makes entries miss and nothing worse.

mod laid;

use std::borrow::Cow;

use weir_host::Host;

use crate::hash;

use self::laid::{Entry, Group, caseless};
pub(crate) use self::laid::{Laid, Row, sort};

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

/// Entries of `urls` with a tag each.
#[derive(Debug, Default)]
pub(crate) struct Urls {
    /// Where the group of a host is: the high half of its hash above its number and 1, at a place that the low half tells
    /// or soon after; 0 where there is none. At most half full.
    slots: Box<[u64]>,
    laid: Laid,
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
        Urls::with(Laid::of(rows))
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

#[cfg(test)]
mod tests;
