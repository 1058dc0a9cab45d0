//! What stands in the place of rows that were erased (LM-15), or removed from around rows under a hold (LM-14).
//!
//! ```text
//! weir-tombstones-1
//! <first>-<last> <erasure or retention> <event id of the row that tells of it>
//! <leaf>                         one line a row, SHA-256 in base64
//! ```
//! With the leaves the tree is still what was signed. What the leaves were made of is gone, and so are the salts without which no
//! guess can be tried on them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use weir_evidence::Hash;

use crate::event::EventId;

const MAGIC: &str = "weir-tombstones-1";

/// Why rows are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Somebody asked for it.
    Erasure,
    /// Their time was over.
    Retention,
}

impl Why {
    fn as_str(self) -> &'static str {
        match self {
            Why::Erasure => "erasure",
            Why::Retention => "retention",
        }
    }
}

/// What is left of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Why it is gone.
    pub why: Why,
    /// Event id of the row that tells of it.
    pub id: EventId,
    /// Its leaf.
    pub leaf: Hash,
}

/// Where the tombstones of a segment lie.
pub(crate) fn path(segment: &Path) -> PathBuf {
    segment.with_extension("tombstones")
}

/// The tombstones of a segment, by number of the row.
///
/// # Errors
/// When they cannot be read or understood.
pub(crate) fn read(segment: &Path) -> io::Result<BTreeMap<u64, Tombstone>> {
    match std::fs::read_to_string(path(segment)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
        Ok(text) => {
            let why = "these are no tombstones";
            parse(&text).ok_or_else(|| io::Error::other(why))
        }
    }
}

/// The text at rest.
pub(crate) fn to_text(stones: &BTreeMap<u64, Tombstone>) -> String {
    let mut text = format!("{MAGIC}\n");
    let mut rest: Vec<(u64, Tombstone)> =
        stones.iter().map(|(seq, stone)| (*seq, *stone)).collect();
    rest.reverse();
    while let Some((first, stone)) = rest.pop() {
        let mut leaves = vec![stone.leaf];
        let mut last = first;
        while let Some((seq, next)) = rest.last()
            && *seq == last + 1
            && (next.why, next.id) == (stone.why, stone.id)
        {
            (last, leaves) = (*seq, [leaves, vec![next.leaf]].concat());
            rest.pop();
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{first}-{last} {} {}", stone.why.as_str(), stone.id);
        leaves.iter().for_each(|leaf| {
            let _ = writeln!(text, "{leaf}");
        });
    }
    text
}

fn parse(text: &str) -> Option<BTreeMap<u64, Tombstone>> {
    let mut lines = text.strip_prefix(MAGIC)?.strip_prefix('\n')?.lines();
    let mut stones = BTreeMap::new();
    while let Some(line) = lines.next() {
        let mut words = line.split(' ');
        let (first, last) = words.next()?.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let word = words.next()?;
        let why = [Why::Erasure, Why::Retention];
        let why = why.into_iter().find(|why| why.as_str() == word)?;
        let id: EventId = words.next()?.parse().ok()?;
        for seq in first..=last {
            let leaf = lines.next()?.parse().ok()?;
            stones.insert(seq, Tombstone { why, id, leaf });
        }
    }
    (to_text(&stones) == text).then_some(stones)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tombstones_read_back_and_have_one_form_lm_15() {
        let stone = |why, id| Tombstone {
            why,
            id: EventId(id),
            leaf: Hash::of(b"leaf"),
        };
        let stones = BTreeMap::from([
            (3, stone(Why::Erasure, 9)),
            (4, stone(Why::Erasure, 9)),
            (5, stone(Why::Retention, 10)),
            (8, stone(Why::Retention, 10)),
        ]);
        let text = to_text(&stones);
        assert!(text.contains("\n3-4 erasure 0000000000000009\n"), "{text}");
        assert_eq!(parse(&text).unwrap(), stones);
        for bad in [
            String::new(),
            text.replace("3-4", "3-5"),
            text.replace("erasure", "whim"),
            text.replace("\n8-8", "\n08-8"),
            format!("{text}\n"),
        ] {
            assert!(parse(&bad).is_none(), "{bad}");
        }
    }
}
