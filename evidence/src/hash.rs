//! SHA-256 as RFC 6962 uses it: a leaf and an inner node can never be taken for each other.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

use crate::lanes::compress_two;

/// Bytes of one step of SHA-256 (FIPS 180-4).
pub(crate) const BLOCK: usize = 64;
/// What SHA-256 begins with (FIPS 180-4 section 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A SHA-256 value; written as padded standard base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

/// A text that is not 32 bytes in padded standard base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 32 bytes in standard base64, 44 characters")]
pub struct HashError;

impl Hash {
    /// SHA-256 of some bytes.
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(Sha256::digest(bytes).into())
    }

    /// SHA-256 of two texts that are padded already.
    pub(crate) fn of_two(first: &[[u8; BLOCK]], second: &[[u8; BLOCK]]) -> [Hash; 2] {
        let mut states = [INITIAL; 2];
        compress_two(&mut states, first, second);
        states.map(Hash::of_state)
    }

    /// SHA-256 of what is padded already.
    pub(crate) fn of_blocks(blocks: &[[u8; BLOCK]]) -> Hash {
        let mut state = INITIAL;
        compress256(&mut state, blocks);
        Hash::of_state(state)
    }

    fn of_state(state: [u32; 8]) -> Hash {
        let mut hash = [0; 32];
        for (place, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
            *place = word.to_be_bytes();
        }
        Hash(hash)
    }

    /// SHA-256 of everything that can be read.
    ///
    /// # Errors
    /// When reading fails.
    pub fn of_reader(mut reader: impl std::io::Read) -> std::io::Result<Hash> {
        let mut context = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                return Ok(Hash(context.finalize().into()));
            }
            context.update(buffer.get(..count).unwrap_or_default());
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Hash, HashError> {
        let bytes = STANDARD.decode(text).map_err(|_| HashError)?;
        bytes.try_into().map(Hash).map_err(|_| HashError)
    }
}

/// The hash of a leaf: SHA-256(0x00 ‖ data), RFC 6962 section 2.1.
pub fn leaf_hash(data: &[u8]) -> Hash {
    let mut bytes = Vec::with_capacity(data.len() + 1);
    bytes.push(0);
    bytes.extend_from_slice(data);
    Hash::of(&bytes)
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right), RFC 6962 section 2.1.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash::of_blocks(&node_input(left, right))
}

/// The nodes above some of one level, of which there are an even number.
pub(crate) fn nodes_above(level: &[Hash]) -> Vec<Hash> {
    let (fours, rest) = level.as_chunks::<4>();
    let mut above = Vec::with_capacity(level.len() / 2);
    for [a, b, c, d] in fours {
        above.extend(Hash::of_two(&node_input(a, b), &node_input(c, d)));
    }
    if let [left, right] = rest {
        above.push(node_hash(left, right));
    }
    above
}

fn node_input(left: &Hash, right: &Hash) -> [[u8; BLOCK]; 2] {
    let mut bytes = padded::<2, 65>();
    let (prefix, rest) = bytes.as_flattened_mut().split_at_mut(1);
    prefix.fill(1);
    let (first, rest) = rest.split_at_mut(32);
    first.copy_from_slice(&left.0);
    let (second, _) = rest.split_at_mut(32);
    second.copy_from_slice(&right.0);
    bytes
}

/// Blocks of which the first `LENGTH` bytes are still to be written, with the padding that follows them.
pub(crate) fn padded<const BLOCKS: usize, const LENGTH: usize>() -> [[u8; BLOCK]; BLOCKS] {
    const { assert!(LENGTH + 9 <= BLOCKS * BLOCK && LENGTH + 9 > (BLOCKS - 1) * BLOCK) };
    let mut blocks = [[0; BLOCK]; BLOCKS];
    let (_, padding) = blocks.as_flattened_mut().split_at_mut(LENGTH);
    if let Some(end) = padding.first_mut() {
        *end = 0x80;
    }
    if let Some(bits) = padding.last_chunk_mut() {
        *bits = (LENGTH as u64 * 8).to_be_bytes();
    }
    blocks
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_node_is_hashed_as_rfc_6962_says_alone_and_with_others_of_its_level() {
        let (left, right) = (Hash::of(b"left"), Hash::of(b"right"));
        let node = [&[1][..], &left.0, &right.0].concat();
        assert_eq!(node_hash(&left, &right), Hash::of(&node));
        let level: Vec<Hash> = (0..14_u8).map(|at| Hash::of(&[at])).collect();
        for count in [0, 2, 4, 6, 14] {
            let level = &level[..count];
            let above: Vec<Hash> = level
                .chunks(2)
                .map(|two| node_hash(&two[0], &two[1]))
                .collect();
            assert_eq!(nodes_above(level), above, "{count}");
        }
    }

    #[test]
    fn hashes_are_those_of_rfc_6962_and_read_back_lm_29() {
        // The empty leaf of RFC 6962's test vectors, as every CT implementation has it.
        let empty = leaf_hash(b"");
        assert_eq!(
            empty.to_string(),
            "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="
        );
        assert_eq!(empty.to_string().parse::<Hash>().unwrap(), empty);
        for bad in [
            "",
            "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0",
            "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB1=",
            "bjQLnP-zepicpUTmu3gKLHiQHT-zNzh2hRGjBhevoB0=",
        ] {
            assert_eq!(bad.parse::<Hash>(), Err(HashError), "{bad}");
        }
        assert_eq!(
            Hash::of_reader(&b"abc"[..]).unwrap(),
            Hash::of(b"abc"),
            "read in parts or at once"
        );
    }
}
