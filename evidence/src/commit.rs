//! From a record to its leaf: salted commitments to small groups of fields, so that one group can be withheld and the rest
//! still proves (LM-38).
//!
//! ```text
//! block key   = SHA-256(0x03 ‖ secret[32] ‖ (seq / 16)[8])
//! salts 2k, 2k+1 = the halves of SHA-256(0x04 ‖ block key[32] ‖ seq[8] ‖ k)      k = 0, 1
//! field       = id[1] ‖ length[2] ‖ value[length]
//! commitment  = SHA-256(0x02 ‖ group[1] ‖ salt[16] ‖ field ‖ field …)     32 zero bytes for a group without a field
//! leaf        = SHA-256(0x00 ‖ version 0x02 ‖ seq[8] ‖ time[8] ‖ tag[16] ‖ commitment 0 … commitment 3)
//! ```
//! Numbers are big-endian. Number, time and blinded tag stand openly in the leaf: of a row of which everything else is withheld
//! it can still be shown whose it is and that it lies outside a period. Two steps lie between secret and salts so that rows can be erased one by one: in place of the secret
//! the keys of all other blocks, and the salts of the other rows of their blocks, can be kept (LM-15). Which field is in which group is
//! decided by whoever calls.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};

use crate::hash::{BLOCK as HASHED, Hash, padded};
use crate::tag::Tag;

/// Disclosure groups of a record.
pub const GROUPS: usize = 4;
/// Pairs of salts.
pub(crate) const PAIRS: usize = GROUPS.div_ceil(2);
/// Rows that share a block key.
pub(crate) const BLOCK: u64 = 16;
pub(crate) const SALT: usize = 16;
/// Prefix, version, `seq`, time and tag of a leaf.
pub(crate) const LEAF_HEAD: usize = 2 + 8 + 8 + 16;
pub(crate) const LEAF_LENGTH: usize = LEAF_HEAD + GROUPS * 32;
pub(crate) const LEAF_BLOCKS: usize = 3;
/// What the text form of a secret begins with.
const MAGIC: &str = "weir-secret-1 ";

/// The random value from which the salts of one journal, and of the segment it becomes, derive. Who has it can test guesses of
/// withheld fields; without it nobody can.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

/// Why there is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The system gives no random bytes.
    #[error("the system has no randomness")]
    NoRandomness,
    /// The text is no secret.
    #[error("a secret is \"{MAGIC}\" and 32 bytes in base64 on one line")]
    Form,
}

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn random() -> Result<Secret, SecretError> {
        let mut bytes = [0; 32];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| SecretError::NoRandomness)?;
        Ok(Secret(bytes))
    }

    /// The text form, one line.
    pub fn to_text(&self) -> String {
        format!("{MAGIC}{}\n", STANDARD.encode(self.0))
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_text(text: &str) -> Result<Secret, SecretError> {
        let encoded = text
            .strip_prefix(MAGIC)
            .and_then(|rest| rest.strip_suffix('\n'));
        let bytes = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Secret).ok_or(SecretError::Form)
    }
}

impl Secret {
    pub(crate) fn block_key(&self, number: u64) -> Hash {
        Hash::of_blocks(&keyed::<41, _>(0x03, &Hash(self.0), &number.to_be_bytes()))
    }
}

/// Shows nothing of it.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The salt of one group of one record: shown with the fields, it opens the group's commitment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; SALT]);

/// Shows nothing of it.
impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt")
    }
}

/// A group without a field.
pub const NO_FIELDS: Hash = Hash([0; 32]);

/// The commitment to one group that is shown: its fields, and the salt that was shown with them.
#[derive(Debug)]
pub struct Opening(Vec<u8>);

impl Opening {
    /// No field yet.
    pub fn new(group: u8, salt: Salt) -> Opening {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&[0x02, group]);
        bytes.extend_from_slice(&salt.0);
        Opening(bytes)
    }

    /// The next field, in ascending order of id.
    ///
    /// # Errors
    /// When the value is longer than 65,535 bytes.
    pub fn field(&mut self, id: u8, value: &[u8]) -> Result<(), TooLong> {
        put_field(&mut self.0, id, value)
    }

    /// The commitment.
    pub fn finish(&self) -> Hash {
        Hash::of(&self.0)
    }
}

/// Appends a field as it stands in a commitment.
///
/// # Errors
/// When the value is longer than 65,535 bytes.
#[inline]
pub fn put_field(bytes: &mut Vec<u8>, id: u8, value: &[u8]) -> Result<(), TooLong> {
    let length = u16::try_from(value.len()).map_err(|_| TooLong)?;
    let [high, low] = length.to_be_bytes();
    bytes.reserve(3 + value.len());
    bytes.extend_from_slice(&[id, high, low]);
    bytes.extend_from_slice(value);
    Ok(())
}

/// The leaf of a record whose commitments are known: [`NO_FIELDS`] for a group without a field.
pub fn leaf_of(seq: u64, time: i64, tag: Tag, commitments: &[Hash; GROUPS]) -> Hash {
    let mut leaf = [0; LEAF_LENGTH];
    let (head, rest) = leaf.split_at_mut(LEAF_HEAD);
    head.copy_from_slice(&leaf_head(seq, time, tag));
    for (place, commitment) in rest.chunks_mut(32).zip(commitments) {
        place.copy_from_slice(&commitment.0);
    }
    Hash::of(&leaf)
}

/// A field longer than its length can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a field of a record has at most 65,535 bytes")]
pub struct TooLong;

/// The salts of two groups of a row.
pub(crate) fn pair_of(block: &Hash, seq: u64, k: u8) -> Hash {
    Hash::of_blocks(&pair_input(block, seq, k))
}

pub(crate) fn pair_input(block: &Hash, seq: u64, k: u8) -> [[u8; HASHED]; 1] {
    let [a, b, c, d, e, f, g, h] = seq.to_be_bytes();
    keyed::<42, _>(0x04, block, &[a, b, c, d, e, f, g, h, k])
}

pub(crate) fn leaf_head(seq: u64, time: i64, tag: Tag) -> [u8; LEAF_HEAD] {
    let mut bytes = [0x00; LEAF_HEAD];
    let (prefix, rest) = bytes.split_at_mut(2);
    prefix.copy_from_slice(&[0x00, 0x02]);
    let (place, rest) = rest.split_at_mut(8);
    place.copy_from_slice(&seq.to_be_bytes());
    let (place, rest) = rest.split_at_mut(8);
    place.copy_from_slice(&time.to_be_bytes());
    rest.copy_from_slice(&tag.0);
    bytes
}

/// The salt of a group out of the pair that it shares with its neighbour: one half tells nothing of the other.
pub(crate) fn half(pair: &Hash, group: u8) -> Salt {
    let (first, second) = pair.0.split_at(SALT);
    let mut salt = [0; SALT];
    salt.copy_from_slice(if group.is_multiple_of(2) {
        first
    } else {
        second
    });
    Salt(salt)
}

/// What is hashed to SHA-256(prefix ‖ key ‖ of), `LENGTH` bytes: one block, always of the same length for one prefix, so nothing can be appended.
fn keyed<const LENGTH: usize, const N: usize>(
    prefix: u8,
    key: &Hash,
    of: &[u8; N],
) -> [[u8; HASHED]; 1] {
    const { assert!(LENGTH == 1 + 32 + N) };
    let mut block = padded::<1, LENGTH>();
    let (place, rest) = block.as_flattened_mut().split_at_mut(1);
    place.fill(prefix);
    let (place, rest) = rest.split_at_mut(32);
    place.copy_from_slice(&key.0);
    let (place, _) = rest.split_at_mut(N);
    place.copy_from_slice(of);
    block
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{LeafMaker, leaf_hash};

    fn sha(parts: &[&[u8]]) -> Vec<u8> {
        Hash::of(&parts.concat()).0.to_vec()
    }

    fn sample(seq: u64, user: &[u8]) -> Hash {
        let mut maker = LeafMaker::new(Secret([7; 32]));
        // What came before leaves nothing behind.
        maker.begin(1, 1, Tag([1; 16]));
        maker.group(3);
        maker.field(1, b"x").unwrap();
        maker.finish();
        maker.begin(seq, -5, Tag([9; 16]));
        maker.group(0);
        maker.field(3, b"request").unwrap();
        maker.field(5, &9_u64.to_be_bytes()).unwrap();
        maker.group(1);
        maker.field(10, user).unwrap();
        maker.group(3);
        maker.finish()
    }

    #[test]
    fn a_leaf_is_made_of_exactly_the_bytes_that_are_documented_lm_29() {
        let seq = 1_000_u64.to_be_bytes();
        let block = sha(&[&[3], &[7; 32], &62_u64.to_be_bytes()]);
        let salts = sha(&[&[4], &block, &seq, &[0]]);
        let fields = [
            &b"\x03\x00\x07request\x05\x00\x08"[..],
            &9_u64.to_be_bytes(),
        ]
        .concat();
        let first = sha(&[&[2, 0], &salts[..16], &fields]);
        let second = sha(&[&[2, 1], &salts[16..], b"\x0a\x00\x03ann"]);
        let time = (-5_i64).to_be_bytes();
        let data = [&[2][..], &seq, &time, &[9; 16], &first, &second, &[0; 64]].concat();
        assert_eq!(sample(1_000, b"ann"), leaf_hash(&data));
        assert_ne!(sample(1_000, b"bob"), leaf_hash(&data));
        assert_ne!(sample(1_001, b"ann"), leaf_hash(&data));
    }

    #[test]
    fn a_withheld_name_cannot_be_guessed_from_its_commitment_lm_38() {
        // The same name in the same place commits differently from row to row, so no table of guesses fits two of them, and
        // without the row's salt the name alone gives nothing that could be compared.
        let commitment = |seq: u64| {
            let mut maker = LeafMaker::new(Secret([7; 32]));
            maker.begin(seq, 0, Tag::NONE);
            maker.group(1);
            maker.field(10, b"ann").unwrap();
            maker.finish();
            maker.commitment(1).0.to_vec()
        };
        let many: std::collections::HashSet<_> = (1..200).map(commitment).collect();
        assert_eq!(many.len(), 199);
        assert!(!many.contains(&sha(&[&[2, 1], b"\x0a\x00\x03ann"])));
        assert!(!many.contains(&sha(&[&[2, 1], &[0; 16], b"\x0a\x00\x03ann"])));
    }

    #[test]
    fn a_record_whose_groups_are_shown_or_withheld_one_by_one_has_the_same_leaf_lm_38() {
        let mut maker = LeafMaker::new(Secret([7; 32]));
        let (seq, time, tag) = (33, 1_790_000_000_000_000, Tag([4; 16]));
        maker.begin(seq, time, tag);
        for group in [0, 2, 3] {
            maker.group(group);
            maker.field(7, &[group; 3]).unwrap();
            maker.field(9, b"more").unwrap();
        }
        let leaf = maker.finish();
        assert_eq!(maker.opened(1), None);
        assert_eq!(maker.commitment(1), NO_FIELDS);
        for shown in 0..16 {
            let commitment = |group: u8| match maker.opened(group) {
                Some(salt) if shown & (1 << group) != 0 => {
                    let mut opening = Opening::new(group, salt);
                    opening.field(7, &[group; 3]).unwrap();
                    opening.field(9, b"more").unwrap();
                    opening.finish()
                }
                _ => maker.commitment(group),
            };
            let commitments = [0, 1, 2, 3].map(commitment);
            assert_eq!(leaf_of(seq, time, tag, &commitments), leaf, "{shown:b}");
            assert_ne!(leaf_of(seq, time + 1, tag, &commitments), leaf);
            assert_ne!(leaf_of(seq, time, Tag::NONE, &commitments), leaf);
        }
    }

    #[test]
    fn a_secret_reads_back_shows_nothing_and_takes_no_other_form() {
        let secret = Secret::random().unwrap();
        assert_ne!(secret, Secret::random().unwrap());
        assert_eq!(Secret::from_text(&secret.to_text()), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "Secret");
        let text = secret.to_text();
        for bad in [text.trim_end(), &text[1..], "", "weir-secret-1 AAAA\n"] {
            assert_eq!(Secret::from_text(bad), Err(SecretError::Form));
        }
    }

    #[test]
    fn a_field_that_its_length_cannot_say_is_refused() {
        let mut maker = LeafMaker::new(Secret([0; 32]));
        maker.begin(1, 0, Tag::NONE);
        maker.group(0);
        assert_eq!(maker.field(1, &[0; 65_535]), Ok(()));
        assert_eq!(maker.field(1, &[0; 65_536]), Err(TooLong));
    }
}
