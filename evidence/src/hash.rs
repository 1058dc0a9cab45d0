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

    /// SHA-256 of some bytes that are padded in place, which saves the copies that hashing them in parts would make. What is in
    /// the buffer afterwards is of no use.
    pub(crate) fn of_buffer(bytes: &mut Vec<u8>) -> Hash {
        pad(bytes);
        Hash::of_blocks(bytes.as_chunks().0)
    }

    /// The same of two.
    pub(crate) fn of_buffers(first: &mut Vec<u8>, second: &mut Vec<u8>) -> [Hash; 2] {
        pad(first);
        pad(second);
        Hash::of_two(first.as_chunks().0, second.as_chunks().0)
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
    let mut bytes = padded::<2, 65>();
    let (prefix, rest) = bytes.as_flattened_mut().split_at_mut(1);
    prefix.fill(1);
    let (first, rest) = rest.split_at_mut(32);
    first.copy_from_slice(&left.0);
    let (second, _) = rest.split_at_mut(32);
    second.copy_from_slice(&right.0);
    Hash::of_blocks(&bytes)
}

/// FIPS 180-4 section 5.1.1.
fn pad(bytes: &mut Vec<u8>) {
    let bits = (bytes.len() as u64).wrapping_mul(8);
    bytes.push(0x80);
    let length = (bytes.len() + 8).next_multiple_of(BLOCK);
    bytes.resize(length - 8, 0);
    bytes.extend_from_slice(&bits.to_be_bytes());
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
    fn what_is_padded_in_place_has_the_same_hash_as_what_is_not() {
        for length in 0..300_usize {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            assert_eq!(
                Hash::of_buffer(&mut bytes.clone()),
                Hash::of(&bytes),
                "{length}"
            );
        }
        let (left, right) = (Hash::of(b"left"), Hash::of(b"right"));
        let node = [&[1][..], &left.0, &right.0].concat();
        assert_eq!(node_hash(&left, &right), Hash::of(&node));
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
