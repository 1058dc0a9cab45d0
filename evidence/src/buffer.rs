//! Bytes that are gathered to be hashed, many short ones after the other.
//!
//! A record has some forty fields of a few bytes. Copying each through `memcpy` costs more in calls than in bytes, so lengths up to
//! 32 are copied as two pieces of fixed size that may overlap.

use std::ops::Range;

use crate::hash::BLOCK;

/// Bytes so far, with room behind them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffer {
    /// Longer than what is filled; what stands behind that means nothing.
    bytes: Vec<u8>,
    filled: usize,
}

impl Buffer {
    pub(crate) fn clear(&mut self) {
        self.filled = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Appends bytes.
    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let end = self.filled + bytes.len();
        if end > self.bytes.len() {
            self.grow(end);
        }
        if let Some(place) = self.bytes.get_mut(self.filled..end) {
            copy(place, bytes);
        }
        self.filled = end;
    }

    #[cold]
    fn grow(&mut self, end: usize) {
        self.bytes.resize(end.next_power_of_two().max(4 * BLOCK), 0);
    }

    /// Bytes that were put before; None when there are not so many.
    pub(crate) fn get_mut(&mut self, range: Range<usize>) -> Option<&mut [u8]> {
        self.bytes.get_mut(..self.filled)?.get_mut(range)
    }

    /// What is hashed when this is: whole blocks, padded as SHA-256 wants it (FIPS 180-4, 5.1.1). Nothing may be put behind it.
    pub(crate) fn padded(&mut self) -> &[[u8; BLOCK]] {
        let bits = (self.filled as u64).wrapping_mul(8).to_be_bytes();
        let length = (self.filled + 1 + bits.len()).next_multiple_of(BLOCK);
        if length > self.bytes.len() {
            self.grow(length);
        }
        let filled = self.filled;
        if let Some((mark, zeros)) = self
            .bytes
            .get_mut(filled..length)
            .and_then(<[u8]>::split_first_mut)
        {
            *mark = 0x80;
            zeros.fill(0);
            if let Some(place) = zeros.last_chunk_mut() {
                *place = bits;
            }
        }
        let padded = self.bytes.get(..length).unwrap_or_default();
        padded.as_chunks().0
    }
}

/// Copies `from` to a place of the same length.
#[inline]
fn copy(to: &mut [u8], from: &[u8]) {
    match from.len() {
        16..=32 => copy_ends::<16>(to, from),
        8..=15 => copy_ends::<8>(to, from),
        4..=7 => copy_ends::<4>(to, from),
        _ => to.copy_from_slice(from),
    }
}

/// Copies `N` to 2`N` bytes.
#[inline]
fn copy_ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let (Some(place), Some(first)) = (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) {
        *place = *first;
    }
    if let (Some(place), Some(last)) = (to.last_chunk_mut::<N>(), from.last_chunk::<N>()) {
        *place = *last;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::hash::Hash;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_piece_by_piece_has_the_hash_of_the_whole(
            rounds in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70), 0..12), 1..4),
        ) {
            let mut buffer = Buffer::default();
            for pieces in rounds {
                buffer.clear();
                prop_assert!(buffer.is_empty());
                pieces.iter().for_each(|piece| buffer.put(piece));
                let whole = pieces.concat();
                prop_assert_eq!(buffer.get_mut(0..whole.len()).unwrap(), &whole[..]);
                prop_assert!(buffer.get_mut(0..whole.len() + 1).is_none());
                prop_assert_eq!(Hash::of_blocks(buffer.padded()), Hash::of(&whole));
            }
        }
    }

    #[test]
    fn pieces_of_every_length_are_copied_whole_and_padded_in_place() {
        for length in 0..300_usize {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8 | 1).collect();
            let mut buffer = Buffer::default();
            buffer.put(b"a");
            buffer.put(&bytes);
            assert_eq!(buffer.get_mut(1..length + 1).unwrap(), &bytes[..]);
            let whole = [b"a", &bytes[..]].concat();
            assert_eq!(
                Hash::of_blocks(buffer.padded()),
                Hash::of(&whole),
                "{length}"
            );
        }
    }
}
