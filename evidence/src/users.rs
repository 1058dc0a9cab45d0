//! The users tree of a segment: how many rows each blinded tag has in it, and which, so that it can be shown that none of a
//! person's rows was left out, or that a person has none.
//!
//! ```text
//! digest = SHA-256(leaf[32] ‖ leaf[32] ‖ …)      the rows of one tag in order of seq
//! entry  = tag[16] ‖ rows[8] ‖ first seq[8] ‖ last seq[8] ‖ digest[32]
//! leaf   = SHA-256(0x05 ‖ entry)
//! node   = SHA-256(0x06 ‖ rows below[8] ‖ left[32] ‖ right[32])
//! ```
//! One entry for each tag that occurs, the one of rows without a person included, by ascending tag; the shape is that of RFC
//! 6962. Since a node commits to the rows below it, whoever is shown one entry learns how many rows all entries have.

use sha2::{Digest, Sha256};

use crate::hash::Hash;
use crate::tag::Tag;

/// Bytes of an entry.
const LENGTH: usize = 16 + 8 + 8 + 8 + 32;

/// What a segment has of one tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserEntry {
    /// Whose.
    pub tag: Tag,
    /// Rows.
    pub rows: u64,
    /// Number of the first.
    pub first: u64,
    /// Number of the last.
    pub last: u64,
    /// SHA-256 over their leaf hashes in order.
    pub digest: Hash,
}

impl UserEntry {
    /// The bytes at rest and in the hash.
    pub fn to_bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let parts: [&[u8]; 5] = [
            &self.tag.0,
            &self.rows.to_be_bytes(),
            &self.first.to_be_bytes(),
            &self.last.to_be_bytes(),
            &self.digest.0,
        ];
        let mut rest = bytes.as_mut_slice();
        for part in parts {
            let (place, after) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = after;
        }
        bytes
    }

    /// Reads the bytes of one entry; None when they are not as many.
    pub fn from_bytes(bytes: &[u8]) -> Option<UserEntry> {
        let (tag, rest) = bytes.split_first_chunk::<16>()?;
        let (rows, rest) = rest.split_first_chunk::<8>()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (last, digest) = rest.split_first_chunk::<8>()?;
        Some(UserEntry {
            tag: Tag(*tag),
            rows: u64::from_be_bytes(*rows),
            first: u64::from_be_bytes(*first),
            last: u64::from_be_bytes(*last),
            digest: Hash(digest.try_into().ok()?),
        })
    }

    fn leaf(&self) -> Hash {
        let mut bytes = [5; LENGTH + 1];
        let (_, rest) = bytes.split_at_mut(1);
        rest.copy_from_slice(&self.to_bytes());
        Hash::of(&bytes)
    }
}

/// Entries one after the other, as they lie beside a segment.
pub fn users_to_bytes(entries: &[UserEntry]) -> Vec<u8> {
    entries.iter().flat_map(UserEntry::to_bytes).collect()
}

/// The same read; None when the bytes are no whole entries by ascending tag, or there are none.
pub fn users_from_bytes(bytes: &[u8]) -> Option<Vec<UserEntry>> {
    let entries: Vec<UserEntry> = bytes
        .chunks(LENGTH)
        .map(UserEntry::from_bytes)
        .collect::<Option<_>>()?;
    let is_ascending = entries.is_sorted_by(|one, next| one.tag < next.tag);
    (is_ascending && !entries.is_empty()).then_some(entries)
}

/// A node: its hash and the rows below it.
type Node = (u64, Hash);

fn node((left_rows, left): Node, (right_rows, right): Node) -> Node {
    let rows = left_rows.saturating_add(right_rows);
    let mut bytes = [6; 1 + 8 + 64];
    let (_, rest) = bytes.split_at_mut(1);
    let (place, rest) = rest.split_at_mut(8);
    place.copy_from_slice(&rows.to_be_bytes());
    let (place, rest) = rest.split_at_mut(32);
    place.copy_from_slice(&left.0);
    rest.copy_from_slice(&right.0);
    (rows, Hash::of(&bytes))
}

/// The levels of the tree from the entries up; an odd last node moves up as it is.
fn levels(entries: &[UserEntry]) -> Vec<Vec<Node>> {
    let leaves = entries.iter().map(|entry| (entry.rows, entry.leaf()));
    let mut levels = vec![leaves.collect::<Vec<Node>>()];
    while let Some(level) = levels.last().filter(|level| level.len() > 1) {
        let next = level.chunks(2).filter_map(|pair| match pair {
            [left, right] => Some(node(*left, *right)),
            [last] => Some(*last),
            _ => None,
        });
        levels.push(next.collect());
    }
    levels
}

/// The root of the tree of these entries; of none, the hash of nothing.
pub fn users_root(entries: &[UserEntry]) -> Hash {
    let levels = levels(entries);
    let root = levels.last().and_then(|level| level.first());
    root.map_or_else(|| Hash::of(b""), |(_, hash)| *hash)
}

/// The nodes that lead from an entry to the root, from below, each with the rows below it; None when there is no such entry.
pub fn users_proof(entries: &[UserEntry], index: usize) -> Option<Vec<(u64, Hash)>> {
    entries.get(index)?;
    let mut at = index;
    let mut found = Vec::new();
    for level in levels(entries) {
        found.extend(level.get(at ^ 1).filter(|_| level.len() > 1));
        at /= 2;
    }
    Some(found)
}

/// How many rows the segment has, when `proof` shows that this is entry `index` of `size` under `root`; else None.
pub fn verify_users(
    entry: &UserEntry,
    index: u64,
    size: u64,
    proof: &[(u64, Hash)],
    root: &Hash,
) -> Option<u64> {
    if index >= size {
        return None;
    }
    let (mut at, mut last, mut own) = (index, size - 1, (entry.rows, entry.leaf()));
    for sibling in proof {
        // A last node without a sibling moves up as it is.
        while at & 1 == 0 && at == last && last > 0 {
            at >>= 1;
            last >>= 1;
        }
        if last == 0 {
            return None;
        }
        own = if at & 1 == 1 {
            node(*sibling, own)
        } else {
            node(own, *sibling)
        };
        at >>= 1;
        last >>= 1;
    }
    while at & 1 == 0 && at == last && last > 0 {
        at >>= 1;
        last >>= 1;
    }
    (last == 0 && own.1 == *root).then_some(own.0)
}

/// The digest of one tag while its rows come.
#[derive(Clone, Debug, Default)]
pub struct UserDigest(Sha256);

impl UserDigest {
    /// The next row's leaf.
    pub fn push(&mut self, leaf: &Hash) {
        self.0.update(leaf.0);
    }

    /// The digest of the rows so far.
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn entries(count: u8) -> Vec<UserEntry> {
        let entry = |number: u8| UserEntry {
            tag: Tag([number; 16]),
            rows: u64::from(number) + 1,
            first: u64::from(number),
            last: 1_000 + u64::from(number),
            digest: Hash::of(&[number]),
        };
        (0..count).map(entry).collect()
    }

    /// The tree as the documentation defines it, by the recursion of RFC 6962.
    fn defined(entries: &[UserEntry]) -> (u64, Hash) {
        if let [one] = entries {
            let bytes = [&[5][..], &one.to_bytes()].concat();
            return (one.rows, Hash::of(&bytes));
        }
        let (left, right) = entries.split_at(entries.len().next_power_of_two() / 2);
        let (left, right) = (defined(left), defined(right));
        let rows = left.0 + right.0;
        let bytes = [&[6][..], &rows.to_be_bytes(), &left.1.0, &right.1.0].concat();
        (rows, Hash::of(&bytes))
    }

    #[test]
    fn every_entry_of_small_trees_proves_itself_and_the_total_lm_36() {
        for count in 1..40 {
            let all = entries(count);
            let (rows, root) = defined(&all);
            assert_eq!(users_root(&all), root, "{count}");
            for (index, entry) in all.iter().enumerate() {
                let proof = users_proof(&all, index).unwrap();
                let size = all.len() as u64;
                let shown = verify_users(entry, index as u64, size, &proof, &root);
                assert_eq!(shown, Some(rows), "{index} of {count}");
            }
            assert_eq!(users_proof(&all, all.len()), None);
        }
    }

    #[test]
    fn entries_read_back_and_take_no_other_order() {
        let all = entries(9);
        let bytes = users_to_bytes(&all);
        assert_eq!(bytes.len(), 9 * 72);
        assert_eq!(users_from_bytes(&bytes), Some(all.clone()));
        assert_eq!(users_from_bytes(&bytes[..bytes.len() - 1]), None);
        assert_eq!(users_from_bytes(&[]), None);
        let turned: Vec<UserEntry> = all.iter().rev().copied().collect();
        assert_eq!(users_from_bytes(&users_to_bytes(&turned)), None);
        let twice = [all[0], all[0]];
        assert_eq!(users_from_bytes(&users_to_bytes(&twice)), None);
    }

    proptest! {
        #[test]
        fn another_entry_place_size_or_proof_does_not_verify_lm_36(
            count in 1_u8..60,
            index in any::<prop::sample::Index>(),
            other in any::<prop::sample::Index>(),
            bit in 0_usize..(72 * 8),
        ) {
            let all = entries(count);
            let index = index.index(all.len());
            let (root, proof) = (users_root(&all), users_proof(&all, index).unwrap());
            let (at, size) = (index as u64, all.len() as u64);
            let entry = all[index];
            prop_assert!(verify_users(&entry, at, size, &proof, &root).is_some());
            let mut bytes = entry.to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let altered = UserEntry::from_bytes(&bytes).unwrap();
            prop_assert_eq!(verify_users(&altered, at, size, &proof, &root), None);
            let elsewhere = other.index(all.len());
            prop_assert!(elsewhere == index || verify_users(&entry, elsewhere as u64, size, &proof, &root).is_none());
            prop_assert_eq!(verify_users(&entry, size, size, &proof, &root), None);
            let mut longer = proof.clone();
            longer.push((1, root));
            prop_assert_eq!(verify_users(&entry, at, size, &longer, &root), None);
            if !proof.is_empty() {
                let place = other.index(proof.len());
                let mut changed = proof.clone();
                changed[place].0 ^= 1;
                prop_assert_eq!(verify_users(&entry, at, size, &changed, &root), None);
                changed = proof.clone();
                changed[place].1 = Hash::of(b"other");
                prop_assert_eq!(verify_users(&entry, at, size, &changed, &root), None);
                changed.remove(place);
                prop_assert_eq!(verify_users(&entry, at, size, &changed, &root), None);
            }
        }
    }
}
