//! What stands in the place of rows that were erased (LM-15), or removed from around rows under a hold (LM-14).
//!
//! ```text
//! weir-tombstones-2
//! <first>-<last> <erasure or retention> <event id of the row that tells of it>
//! <leaf> <tag>                   one line a row, SHA-256 in base64 and the blinded tag
//! ```
//! With the leaves the tree is still what was signed, with the tags so are the users of the segment: a bundle of somebody can say
//! how many rows of theirs are gone. What the leaves were made of is gone, and so are the salts without which no
//! guess can be tried on them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use weir_evidence::{Hash, Tag};

use crate::event::EventId;

const MAGIC: &str = "weir-tombstones-2";

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
    /// Whose it was, blinded.
    pub tag: Tag,
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
    let mut rest = stones.iter().peekable();
    while let Some((first, stone)) = rest.next() {
        let mut lines = String::new();
        let mut last = *first;
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{} {}", stone.leaf, stone.tag);
        while let Some((seq, next)) = rest.next_if(|(seq, next)| {
            last.checked_add(1) == Some(**seq) && (next.why, next.id) == (stone.why, stone.id)
        }) {
            last = *seq;
            let _ = writeln!(lines, "{} {}", next.leaf, next.tag);
        }
        let _ = writeln!(text, "{first}-{last} {} {}", stone.why.as_str(), stone.id);
        text.push_str(&lines);
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
            let (leaf, tag) = lines.next()?.split_once(' ')?;
            let (leaf, tag) = (leaf.parse().ok()?, tag.parse().ok()?);
            stones.insert(seq, Tombstone { why, id, leaf, tag });
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
            tag: Tag([7; 16]),
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

    #[test]
    fn a_quarter_of_a_million_tombstones_in_a_row_are_written_and_read_in_moments_lm_15() {
        let stone = |seq: u64| Tombstone {
            why: Why::Retention,
            id: EventId(9),
            leaf: Hash::of(&seq.to_be_bytes()),
            tag: Tag::NONE,
        };
        let stones: BTreeMap<u64, Tombstone> = (1..=250_000).map(|seq| (seq, stone(seq))).collect();
        let begun = std::time::Instant::now();
        assert_eq!(parse(&to_text(&stones)).unwrap(), stones);
        // Copying what is there for each row, as was done once, takes a terabyte of it.
        assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    }
}
