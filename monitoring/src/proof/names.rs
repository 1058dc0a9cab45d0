//! From the name in a row to its blinded tag, and what a journal has of each tag so far.
//!
//! Decides nothing about tags themselves, which `weir-evidence` makes; only that a name costs one HMAC for each journal in which
//! it occurs, not one for each row. Both tables have at most one entry for each row of the journal.

use foldhash::{HashMap, HashMapExt};
use weir_evidence::{Hash, Tag, TagKey, UserDigest, UserEntry};

/// Place of a tag in [`Names`] and [`Tally`].
pub(crate) type Slot = u32;

/// Where tags come from.
#[derive(Debug)]
pub(crate) enum Source {
    Key(TagKey),
    /// Names in lower case with their tags, for a check without the key.
    Table(std::collections::HashMap<String, Tag>),
}

/// The tags of the names of one file.
#[derive(Debug)]
pub(crate) struct Names {
    source: Source,
    /// As they are spelled in rows.
    spelled: HashMap<Box<str>, Slot>,
    slots: HashMap<Tag, Slot>,
    tags: Vec<Tag>,
}

impl Names {
    pub(crate) fn new(source: Source) -> Names {
        Names {
            source,
            spelled: HashMap::new(),
            slots: HashMap::from_iter([(Tag::NONE, 0)]),
            tags: vec![Tag::NONE],
        }
    }

    /// Whose a row is that has this name; None when the table does not have it.
    pub(crate) fn find(&mut self, user: Option<&str>) -> Option<(Slot, Tag)> {
        let Some(user) = user else {
            return Some((0, Tag::NONE));
        };
        if let Some(slot) = self.spelled.get(user) {
            return Some((*slot, *self.tags.get(*slot as usize)?));
        }
        let tag = match &self.source {
            Source::Key(key) => key.tag(user),
            Source::Table(table) => *table.get(&user.to_lowercase())?,
        };
        let next = Slot::try_from(self.tags.len()).ok()?;
        let slot = *self.slots.entry(tag).or_insert(next);
        if slot == next {
            self.tags.push(tag);
        }
        self.spelled.insert(user.into(), slot);
        Some((slot, tag))
    }
}

#[derive(Debug)]
struct Running {
    tag: Tag,
    rows: u64,
    first: u64,
    last: u64,
    digest: UserDigest,
}

/// What a file has of each tag, while its rows come in order of their numbers.
#[derive(Debug, Default)]
pub(crate) struct Tally(Vec<Option<Running>>);

impl Tally {
    /// The next row.
    pub(crate) fn push(&mut self, (slot, tag): (Slot, Tag), seq: u64, leaf: &Hash) {
        let slot = slot as usize;
        if slot >= self.0.len() {
            self.0.resize_with(slot + 1, || None);
        }
        let Some(place) = self.0.get_mut(slot) else {
            return;
        };
        let running = place.get_or_insert_with(|| Running {
            tag,
            rows: 0,
            first: seq,
            last: seq,
            digest: UserDigest::default(),
        });
        running.rows += 1;
        running.last = seq;
        running.digest.push(leaf);
    }

    /// The entries of the users tree, by ascending tag.
    pub(crate) fn finish(self) -> Vec<UserEntry> {
        let entry = |running: Running| UserEntry {
            tag: running.tag,
            rows: running.rows,
            first: running.first,
            last: running.last,
            digest: running.digest.finish(),
        };
        let mut entries: Vec<UserEntry> = self.0.into_iter().flatten().map(entry).collect();
        entries.sort_by_key(|entry| entry.tag);
        entries
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn spellings_of_one_name_are_one_person_and_rows_without_a_name_are_of_nobody_lm_36() {
        let key = TagKey::new([1; 32]);
        let mut names = Names::new(Source::Key(key.clone()));
        let mut tally = Tally::default();
        let leaf = |seq: u64| Hash::of(&seq.to_be_bytes());
        for (seq, user) in (1..).zip([Some("Ann"), None, Some("bob"), Some("ANN"), Some("ann")]) {
            tally.push(names.find(user).unwrap(), seq, &leaf(seq));
        }
        let entries = tally.finish();
        assert_eq!(entries.len(), 3);
        assert_eq!((entries[0].tag, entries[0].rows), (Tag::NONE, 1));
        let of = |name: &str| entries.iter().find(|entry| entry.tag == key.tag(name));
        let ann = of("ann").unwrap();
        assert_eq!((ann.rows, ann.first, ann.last), (3, 1, 5));
        let bytes = [leaf(1).0, leaf(4).0, leaf(5).0].concat();
        assert_eq!(ann.digest, Hash::of(&bytes));
        assert!(entries.is_sorted_by_key(|entry| entry.tag));
        let mut table = Names::new(Source::Table(std::collections::HashMap::new()));
        assert_eq!(table.find(Some("ann")), None);
    }
}
