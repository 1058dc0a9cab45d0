//! What the salts of a file's rows derive from: its secret or, once rows of it were erased, only what the others need (LM-15).
//!
//! ```text
//! "weir-salts-1\n" ‖ blocks[8] ‖ (number[8] ‖ block key[32]) … ‖ rows[8] ‖ (seq[8] ‖ salts 0, 1[32] ‖ salts 2, 3[32]) …
//! ```
//! Numbers are big-endian. A block all of whose rows are left keeps its key; of any other block the salts of the rows that are
//! left are kept one by one. Of a row whose content has expired the salt of the content is 16 zero bytes: its commitment stays,
//! and no guess of the content can be tried on it (LM-14).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::commit::{BLOCK, PAIRS, Secret, SecretError, pair_of};
use crate::hash::Hash;

const MAGIC: &[u8] = b"weir-salts-1\n";

/// Where salts come from.
#[derive(Clone, PartialEq, Eq)]
pub enum Salts {
    /// Every row is there.
    Secret(Secret),
    /// Some rows, or the content of some, are gone.
    Kept {
        /// Keys of whole blocks.
        blocks: BTreeMap<u64, Hash>,
        /// Pairs of salts of single rows.
        rows: BTreeMap<u64, [Hash; PAIRS]>,
    },
}

/// Shows nothing of them.
impl fmt::Debug for Salts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salts")
    }
}

impl Salts {
    pub(crate) fn block_key(&self, number: u64) -> Option<Hash> {
        match self {
            Salts::Secret(secret) => Some(secret.block_key(number)),
            Salts::Kept { blocks, .. } => blocks.get(&number).copied(),
        }
    }

    /// The pair of a row whose block has no key any more.
    pub(crate) fn pair(&self, seq: u64, k: u8) -> Option<Hash> {
        match self {
            Salts::Secret(_) => None,
            Salts::Kept { rows, .. } => rows.get(&seq)?.get(usize::from(k)).copied(),
        }
    }

    fn pairs(&self, seq: u64) -> Option<[Hash; PAIRS]> {
        match self.block_key(seq / BLOCK) {
            Some(key) => Some([pair_of(&key, seq, 0), pair_of(&key, seq, 1)]),
            None => match self {
                Salts::Secret(_) => None,
                Salts::Kept { rows, .. } => rows.get(&seq).copied(),
            },
        }
    }

    /// What the rows `first` to `last` need when some are erased and the content of others is gone; from it nothing of those
    /// can be derived.
    pub fn without(
        &self,
        (first, last): (u64, u64),
        erased: &BTreeSet<u64>,
        contents: &BTreeSet<u64>,
    ) -> Salts {
        let (mut blocks, mut rows) = (BTreeMap::new(), BTreeMap::new());
        for number in first / BLOCK..=last / BLOCK {
            let begin = number.saturating_mul(BLOCK);
            let seqs = begin..begin.saturating_add(BLOCK);
            let is_whole = erased.range(seqs.clone()).next().is_none()
                && contents.range(seqs.clone()).next().is_none();
            if let Some(key) = self.block_key(number).filter(|_| is_whole) {
                blocks.insert(number, key);
                continue;
            }
            let left = seqs.filter(|seq| (first..=last).contains(seq) && !erased.contains(seq));
            for seq in left {
                let Some([zero, mut one]) = self.pairs(seq) else {
                    continue;
                };
                if contents.contains(&seq) {
                    let (_, content) = one.0.split_at_mut(16);
                    content.fill(0);
                }
                rows.insert(seq, [zero, one]);
            }
        }
        Salts::Kept { blocks, rows }
    }

    /// The bytes at rest.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (blocks, rows) = match self {
            Salts::Secret(secret) => return secret.to_text().into_bytes(),
            Salts::Kept { blocks, rows } => (blocks, rows),
        };
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&(blocks.len() as u64).to_be_bytes());
        for (number, key) in blocks {
            bytes.extend_from_slice(&number.to_be_bytes());
            bytes.extend_from_slice(&key.0);
        }
        bytes.extend_from_slice(&(rows.len() as u64).to_be_bytes());
        for (seq, pairs) in rows {
            bytes.extend_from_slice(&seq.to_be_bytes());
            pairs
                .iter()
                .for_each(|pair| bytes.extend_from_slice(&pair.0));
        }
        bytes
    }

    /// Reads the bytes at rest.
    ///
    /// # Errors
    /// When they are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Salts, SecretError> {
        match bytes.strip_prefix(MAGIC) {
            Some(rest) => kept(rest).ok_or(SecretError::Form),
            None => {
                let text = std::str::from_utf8(bytes).map_err(|_| SecretError::Form)?;
                Secret::from_text(text).map(Salts::Secret)
            }
        }
    }
}

fn kept(mut rest: &[u8]) -> Option<Salts> {
    let (mut blocks, mut rows) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..number(&mut rest)? {
        let at = number(&mut rest)?;
        blocks.insert(at, hash(&mut rest)?);
    }
    for _ in 0..number(&mut rest)? {
        let seq = number(&mut rest)?;
        rows.insert(seq, [hash(&mut rest)?, hash(&mut rest)?]);
    }
    rest.is_empty().then_some(Salts::Kept { blocks, rows })
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let (bytes, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(u64::from_be_bytes(*bytes))
}

fn hash(rest: &mut &[u8]) -> Option<Hash> {
    let (bytes, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(Hash(*bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{LeafMaker, Tag};
    use proptest::prelude::*;

    fn commitments(maker: &mut LeafMaker, seq: u64) -> [Hash; 4] {
        maker.begin(seq, 5, Tag::NONE);
        for group in 0..4 {
            maker.group(group);
            maker.field(1, b"value").unwrap();
        }
        maker.finish();
        [0, 1, 2, 3].map(|group| maker.commitment(group))
    }

    proptest! {
        #[test]
        fn what_is_left_of_a_secret_opens_the_rows_that_are_left_and_no_other_lm_15(
            erased in prop::collection::btree_set(20_u64..120, 0..40),
            contents in prop::collection::btree_set(20_u64..120, 0..20),
            later in prop::collection::btree_set(20_u64..120, 0..20),
        ) {
            let secret = Secret::random().unwrap();
            let mut whole = LeafMaker::new(secret.clone());
            let left = Salts::Secret(secret).without((20, 119), &erased, &contents);
            // Once more, from what was left.
            let left = left.without((20, 119), &later, &BTreeSet::new());
            let read = Salts::from_bytes(&left.to_bytes()).unwrap();
            prop_assert_eq!(&read, &left);
            let mut maker = LeafMaker::with(std::sync::Arc::new(read));
            for seq in 20..120 {
                let before = commitments(&mut whole, seq);
                let after = commitments(&mut maker, seq);
                let is_erased = erased.contains(&seq) || later.contains(&seq);
                for group in 0..4 {
                    let is_open = !is_erased && (group < 3 || !contents.contains(&seq));
                    prop_assert_eq!(before[group] == after[group], is_open, "{} {}", seq, group);
                }
            }
        }
    }

    #[test]
    fn nothing_else_is_read_as_salts() {
        for bad in [
            &b""[..],
            b"weir-salts-1\n",
            b"weir-salts-1\n\0\0\0\0\0\0\0\x01",
            &[0xff; 40],
        ] {
            assert!(Salts::from_bytes(bad).is_err(), "{bad:?}");
        }
        let secret = Salts::Secret(Secret::random().unwrap());
        assert_eq!(Salts::from_bytes(&secret.to_bytes()).unwrap(), secret);
        assert_eq!(format!("{secret:?}"), "Salts");
    }
}
