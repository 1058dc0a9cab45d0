//! The maker of leaves: fields in, one hash out.
//!
//! What a leaf is made of is said in `commit`. Here it is put together with as few copies as there can be, since it is done for
//! every record, and two at a time, since that costs little more than one.

use std::sync::Arc;

use crate::buffer::Buffer;
use crate::commit::{
    BLOCK, GROUPS, LEAF_BLOCKS, LEAF_HEAD, LEAF_LENGTH, NO_FIELDS, PAIRS, SALT, Salt, Secret,
    TooLong, half, leaf_head, pair_input,
};
use crate::hash::{BLOCK as HASHED, Hash, padded};
use crate::salts::Salts;
use crate::tag::Tag;

/// Makes the leaves of the records of one secret; keeps its buffers.
///
/// For each record: [`LeafMaker::begin`], then for each group in ascending order [`LeafMaker::group`] and its fields in
/// ascending order of id, then [`LeafMaker::finish`], or [`LeafMaker::finish_two`] with the maker of another record.
#[derive(Debug)]
pub struct LeafMaker {
    salts: Arc<Salts>,
    block: Option<(u64, Hash)>,
    seq: u64,
    /// Made for groups that have a field: most rows have no content.
    pairs: [Option<Hash>; PAIRS],
    open: u8,
    /// What is hashed for each group, its salt still to be put in; empty for a group without a field.
    groups: [Buffer; GROUPS],
    leaf: [[u8; HASHED]; LEAF_BLOCKS],
}

impl LeafMaker {
    /// Leaves under this secret.
    pub fn new(secret: Secret) -> LeafMaker {
        LeafMaker::with(Arc::new(Salts::Secret(secret)))
    }

    /// Leaves under what is left of a secret.
    pub fn with(salts: Arc<Salts>) -> LeafMaker {
        LeafMaker {
            salts,
            block: None,
            seq: 0,
            pairs: [None; PAIRS],
            open: 0,
            groups: Default::default(),
            leaf: padded::<LEAF_BLOCKS, LEAF_LENGTH>(),
        }
    }

    /// A record begins: its number, when it began (µs since the epoch) and whose it is.
    pub fn begin(&mut self, seq: u64, time: i64, tag: Tag) {
        self.seq = seq;
        self.pairs = [None; PAIRS];
        self.open = 0;
        self.groups.iter_mut().for_each(Buffer::clear);
        self.leaf = padded::<LEAF_BLOCKS, LEAF_LENGTH>();
        let (head, _) = self.leaf.as_flattened_mut().split_at_mut(LEAF_HEAD);
        head.copy_from_slice(&leaf_head(seq, time, tag));
    }

    /// The fields that follow belong to this group, 0 to 3.
    pub fn group(&mut self, number: u8) {
        self.open = number;
    }

    /// A field of the group that was begun last.
    ///
    /// # Errors
    /// When the value is longer than 65,535 bytes.
    #[inline]
    pub fn field(&mut self, id: u8, value: &[u8]) -> Result<(), TooLong> {
        let length = u16::try_from(value.len()).map_err(|_| TooLong)?;
        let [high, low] = length.to_be_bytes();
        let number = self.open;
        if let Some(group) = self.groups.get_mut(usize::from(number)) {
            begin_group(group, number);
            group.put(&[id, high, low]);
            group.put(value);
        }
        Ok(())
    }

    /// Fields of the group that was begun last, as [`put_field`](crate::put_field) made them: for values that many records have.
    #[inline]
    pub fn fields(&mut self, fields: &[u8]) {
        let number = self.open;
        if !fields.is_empty()
            && let Some(group) = self.groups.get_mut(usize::from(number))
        {
            begin_group(group, number);
            group.put(fields);
        }
    }

    /// The commitment of a group whose fields are gone and of which only that is left. A group that has fields, and a salt,
    /// gets its own.
    pub fn put(&mut self, group: u8, commitment: &Hash) {
        let at = LEAF_HEAD + usize::from(group) * 32;
        if let Some(place) = self.leaf.as_flattened_mut().get_mut(at..at + 32) {
            place.copy_from_slice(&commitment.0);
        }
    }

    /// The leaf hash of the record.
    pub fn finish(&mut self) -> Hash {
        for (k, input) in self.salts_wanted().into_iter().enumerate() {
            self.put_pair(k, input.map(|block| Hash::of_blocks(&block)));
        }
        for number in 0..GROUPS {
            let made = self
                .groups
                .get_mut(number)
                .filter(|group| !group.is_empty());
            if let Some(commitment) = made.map(|group| Hash::of_blocks(group.padded())) {
                self.put(number as u8, &commitment);
            }
        }
        Hash::of_blocks(&self.leaf)
    }

    /// The leaf hashes of the records of two makers, in little more time than that of one: [`LeafMaker::finish`] of both.
    pub fn finish_two(one: &mut LeafMaker, other: &mut LeafMaker) -> [Hash; 2] {
        let wanted = one.salts_wanted().into_iter().zip(other.salts_wanted());
        for (k, (first, second)) in wanted.enumerate() {
            let hash = |block: [[u8; HASHED]; 1]| Hash::of_blocks(&block);
            let [first, second] = match (first, second) {
                (Some(first), Some(second)) => Hash::of_two(&first, &second).map(Some),
                (first, second) => [first.map(hash), second.map(hash)],
            };
            one.put_pair(k, first);
            other.put_pair(k, second);
        }
        for number in 0..GROUPS {
            let (Some(first), Some(second)) =
                (one.groups.get_mut(number), other.groups.get_mut(number))
            else {
                continue;
            };
            let made = match (first.is_empty(), second.is_empty()) {
                (false, false) => Hash::of_two(first.padded(), second.padded()).map(Some),
                (false, true) => [Some(Hash::of_blocks(first.padded())), None],
                (true, false) => [None, Some(Hash::of_blocks(second.padded()))],
                (true, true) => [None, None],
            };
            for (maker, commitment) in [&mut *one, &mut *other].into_iter().zip(made) {
                commitment
                    .iter()
                    .for_each(|made| maker.put(number as u8, made));
            }
        }
        Hash::of_two(&one.leaf, &other.leaf)
    }

    /// After [`LeafMaker::finish`]: the commitment to a group of the record, [`NO_FIELDS`] when it has none.
    pub fn commitment(&self, group: u8) -> Hash {
        let at = LEAF_HEAD + usize::from(group) * 32;
        let bytes = self.leaf.as_flattened().get(at..at + 32);
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(NO_FIELDS, Hash)
    }

    /// After [`LeafMaker::finish`]: the salt that opens a group of the record; None when it has no field.
    pub fn opened(&self, group: u8) -> Option<Salt> {
        let pair = self.pairs.get(usize::from(group / 2)).copied().flatten()?;
        (self.commitment(group) != NO_FIELDS).then(|| half(&pair, group))
    }

    /// For each pair of salts that the record needs and whose block has a key, what is hashed to it.
    fn salts_wanted(&mut self) -> [Option<[[u8; HASHED]; 1]>; PAIRS] {
        let (seq, key) = (self.seq, self.block_key(self.seq / BLOCK));
        std::array::from_fn(|k| {
            let is_wanted = self.has_fields(k);
            key.filter(|_| is_wanted)
                .map(|key| pair_input(&key, seq, k as u8))
        })
    }

    fn has_fields(&self, pair: usize) -> bool {
        let groups = self.groups.iter().skip(2 * pair).take(2);
        groups.into_iter().any(|group| !group.is_empty())
    }

    fn block_key(&mut self, number: u64) -> Option<Hash> {
        match self.block {
            Some((of, key)) if of == number => Some(key),
            _ => {
                let key = self.salts.block_key(number)?;
                self.block = Some((number, key));
                Some(key)
            }
        }
    }

    /// Puts the salts of a pair before the fields of its groups. A group whose salt is gone loses its fields: what is left of it
    /// is its commitment, if anything.
    fn put_pair(&mut self, k: usize, made: Option<Hash>) {
        if !self.has_fields(k) {
            return;
        }
        let pair = made
            .or_else(|| self.salts.pair(self.seq, k as u8))
            .unwrap_or(NO_FIELDS);
        if let Some(place) = self.pairs.get_mut(k) {
            *place = Some(pair);
        }
        for (number, group) in self.groups.iter_mut().enumerate().skip(2 * k).take(2) {
            let salt = half(&pair, number as u8);
            match group.get_mut(2..2 + SALT) {
                Some(_) if salt.0 == [0; SALT] => group.clear(),
                Some(place) => place.copy_from_slice(&salt.0),
                None => {}
            }
        }
    }
}

/// What stands before the fields of a group, with room for its salt.
#[inline]
fn begin_group(group: &mut Buffer, number: u8) {
    if group.is_empty() {
        let mut head = [0; 2 + SALT];
        let (prefix, _) = head.split_at_mut(2);
        prefix.copy_from_slice(&[0x02, number]);
        group.put(&head);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::commit::put_field;
    use proptest::prelude::*;

    /// Fields of each group of a record.
    type Given = [Vec<(u8, Vec<u8>)>; GROUPS];

    fn fill(maker: &mut LeafMaker, seq: u64, groups: &Given, content: Option<Hash>) {
        maker.begin(seq, seq as i64 * 7, Tag([seq as u8; 16]));
        content.iter().for_each(|content| maker.put(3, content));
        for (number, fields) in groups.iter().enumerate() {
            maker.group(number as u8);
            for (id, value) in fields {
                if id % 2 == 0 {
                    maker.field(*id, value).unwrap();
                } else {
                    let mut made = Vec::new();
                    put_field(&mut made, *id, value).unwrap();
                    maker.fields(&made);
                }
            }
        }
    }

    fn given() -> impl Strategy<Value = Given> {
        let value = prop::collection::vec(any::<u8>(), 0..90);
        let fields = prop::collection::vec((any::<u8>(), value), 0..6);
        prop::array::uniform4(fields)
    }

    proptest! {
        #[test]
        fn two_records_that_are_made_at_once_have_the_leaves_salts_and_commitments_that_each_has_alone_lm_29(
            first in given(), second in given(), seqs in any::<[u16; 2]>(),
            content in prop::option::of(any::<[u8; 32]>().prop_map(Hash)), is_erased in any::<bool>(),
        ) {
            let secret = Salts::Secret(Secret::random().unwrap());
            let [one, other] = seqs.map(u64::from);
            let salts = match is_erased {
                // Of the second record nothing is left that could be opened.
                true => secret.without((0, 70_000), &[other].into(), &[one].into()),
                false => secret,
            };
            let salts = Arc::new(salts);
            let [mut a, mut b, mut alone] = [0; 3].map(|_| LeafMaker::with(Arc::clone(&salts)));
            fill(&mut a, one, &first, content);
            fill(&mut b, other, &second, None);
            let hashes = LeafMaker::finish_two(&mut a, &mut b);
            for (seq, fields, content, maker, hash) in [
                (one, &first, content, &a, hashes[0]),
                (other, &second, None, &b, hashes[1]),
            ] {
                fill(&mut alone, seq, fields, content);
                prop_assert_eq!(alone.finish(), hash);
                for group in 0..GROUPS as u8 {
                    prop_assert_eq!(alone.commitment(group), maker.commitment(group));
                    prop_assert!(alone.opened(group) == maker.opened(group));
                }
            }
        }
    }
}
