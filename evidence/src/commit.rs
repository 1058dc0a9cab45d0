//! From a record to its leaf: salted commitments to small groups of fields, so that one group can be withheld and the rest
//! still proves (LM-38).
//!
//! ```text
//! block key   = SHA-256(0x03 ‖ secret[32] ‖ (seq / 16)[8])
//! salts 2k, 2k+1 = the halves of SHA-256(0x04 ‖ block key[32] ‖ seq[8] ‖ k)      k = 0, 1, 2 (the last half is not used)
//! field       = id[1] ‖ length[2] ‖ value[length]
//! commitment  = SHA-256(0x02 ‖ group[1] ‖ salt[16] ‖ field ‖ field …)     32 zero bytes for a group without a field
//! leaf        = SHA-256(0x00 ‖ version 0x01 ‖ seq[8] ‖ commitment 0 … commitment 4)
//! ```
//! Numbers are big-endian. Two steps lie between secret and salts so that rows can be erased one by one: in place of the secret
//! the keys of all other blocks, and the salts of the other rows of their blocks, can be kept (LM-15). Which field is in which group is
//! decided by whoever calls.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};

use crate::hash::Hash;

/// Disclosure groups of a record.
pub const GROUPS: usize = 5;
/// Pairs of salts.
const PAIRS: usize = GROUPS.div_ceil(2);
/// Rows that share a block key.
const BLOCK: u64 = 16;
const SALT: usize = 16;
/// Prefix, version and `seq` of a leaf.
const LEAF_HEAD: usize = 2 + 8;
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

/// Shows nothing of it.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A field longer than its length can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a field of a record has at most 65,535 bytes")]
pub struct TooLong;

/// Makes the leaves of the records of one secret; keeps its buffers.
///
/// For each record: [`LeafMaker::begin`], then for each group in ascending order [`LeafMaker::group`] and its fields in
/// ascending order of id, then [`LeafMaker::finish`].
#[derive(Debug)]
pub struct LeafMaker {
    secret: Secret,
    block: Option<(u64, Hash)>,
    seq: u64,
    /// Made when the first field of one of their groups comes: most rows have no content.
    pairs: [Option<Hash>; PAIRS],
    open: Option<u8>,
    group: Vec<u8>,
    leaf: [u8; LEAF_HEAD + GROUPS * 32],
}

impl LeafMaker {
    /// Leaves under this secret.
    pub fn new(secret: Secret) -> LeafMaker {
        LeafMaker {
            secret,
            block: None,
            seq: 0,
            pairs: [None; PAIRS],
            open: None,
            group: Vec::with_capacity(1024),
            leaf: [0; LEAF_HEAD + GROUPS * 32],
        }
    }

    /// A record begins.
    pub fn begin(&mut self, seq: u64) {
        self.seq = seq;
        self.pairs = [None; PAIRS];
        self.open = None;
        self.group.clear();
        self.leaf = [0; LEAF_HEAD + GROUPS * 32];
        let (head, _) = self.leaf.split_at_mut(LEAF_HEAD);
        head.copy_from_slice(&prefixed([0x00, 0x01], seq.to_be_bytes()));
    }

    fn block_key(&mut self, number: u64) -> Hash {
        match self.block {
            Some((of, key)) if of == number => key,
            _ => {
                let key = keyed(0x03, &Hash(self.secret.0), &number.to_be_bytes());
                self.block = Some((number, key));
                key
            }
        }
    }

    fn salt(&mut self, group: u8) -> [u8; SALT] {
        let key = self.block_key(self.seq / BLOCK);
        let [a, b, c, d, e, f, g, h] = self.seq.to_be_bytes();
        let k = group / 2;
        let make = || keyed(0x04, &key, &[a, b, c, d, e, f, g, h, k]);
        let pair = match self.pairs.get_mut(usize::from(k)) {
            Some(pair) => pair.get_or_insert_with(make).0,
            None => make().0,
        };
        let (first, second) = pair.split_at(SALT);
        let mut salt = [0; SALT];
        salt.copy_from_slice(if group.is_multiple_of(2) {
            first
        } else {
            second
        });
        salt
    }

    /// The fields that follow belong to this group, 0 to 4.
    pub fn group(&mut self, number: u8) {
        self.close();
        self.open = Some(number);
    }

    /// A field of the group that was begun last.
    ///
    /// # Errors
    /// When the value is longer than 65,535 bytes.
    pub fn field(&mut self, id: u8, value: &[u8]) -> Result<(), TooLong> {
        let length = u16::try_from(value.len()).map_err(|_| TooLong)?;
        let Some(number) = self.open else {
            return Ok(());
        };
        if self.group.is_empty() {
            let salt = self.salt(number);
            self.group.extend_from_slice(&[0x02, number]);
            self.group.extend_from_slice(&salt);
        }
        let [high, low] = length.to_be_bytes();
        self.group.extend_from_slice(&[id, high, low]);
        self.group.extend_from_slice(value);
        Ok(())
    }

    /// The leaf hash of the record.
    pub fn finish(&mut self) -> Hash {
        self.close();
        Hash::of(&self.leaf)
    }

    fn close(&mut self) {
        if let Some(number) = self.open.take()
            && !self.group.is_empty()
        {
            let at = LEAF_HEAD + usize::from(number) * 32;
            if let Some(place) = self.leaf.get_mut(at..at + 32) {
                place.copy_from_slice(&Hash::of(&self.group).0);
            }
            self.group.clear();
        }
    }
}

fn prefixed(head: [u8; 2], seq: [u8; 8]) -> [u8; LEAF_HEAD] {
    let mut bytes = [0; LEAF_HEAD];
    let (first, rest) = bytes.split_at_mut(2);
    first.copy_from_slice(&head);
    rest.copy_from_slice(&seq);
    bytes
}

/// SHA-256(prefix ‖ key ‖ of): one block, always of the same length for one prefix, so nothing can be appended.
fn keyed<const N: usize>(prefix: u8, key: &Hash, of: &[u8; N]) -> Hash {
    let mut bytes = [prefix; 64];
    let (_, rest) = bytes.split_at_mut(1);
    let (place, rest) = rest.split_at_mut(32);
    place.copy_from_slice(&key.0);
    let (place, _) = rest.split_at_mut(N);
    place.copy_from_slice(of);
    Hash::of(bytes.get(..33 + N).unwrap_or(&bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::leaf_hash;

    fn sha(parts: &[&[u8]]) -> Vec<u8> {
        Hash::of(&parts.concat()).0.to_vec()
    }

    fn sample(seq: u64, user: &[u8]) -> Hash {
        let mut maker = LeafMaker::new(Secret([7; 32]));
        // What came before leaves nothing behind.
        maker.begin(1);
        maker.group(4);
        maker.field(1, b"x").unwrap();
        maker.finish();
        maker.begin(seq);
        maker.group(0);
        maker.field(3, b"request").unwrap();
        maker.field(5, &9_u64.to_be_bytes()).unwrap();
        maker.group(1);
        maker.field(10, user).unwrap();
        maker.group(4);
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
        let data = [&[1][..], &seq, &first, &second, &[0; 3 * 32]].concat();
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
            maker.begin(seq);
            maker.group(1);
            maker.field(10, b"ann").unwrap();
            maker.finish();
            maker.leaf[LEAF_HEAD + 32..LEAF_HEAD + 64].to_vec()
        };
        let many: std::collections::HashSet<_> = (1..200).map(commitment).collect();
        assert_eq!(many.len(), 199);
        assert!(!many.contains(&sha(&[&[2, 1], b"\x0a\x00\x03ann"])));
        assert!(!many.contains(&sha(&[&[2, 1], &[0; 16], b"\x0a\x00\x03ann"])));
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
        maker.begin(1);
        maker.group(0);
        assert_eq!(maker.field(1, &[0; 65_535]), Ok(()));
        assert_eq!(maker.field(1, &[0; 65_536]), Err(TooLong));
    }
}
