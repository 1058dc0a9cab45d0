//! SHA-256 of two texts at once: a step of SHA-256 waits for the step before, so a processor with instructions for it does two
//! that have nothing to do with each other in little more than the time of one. Hashing is the largest part of what a record
//! costs, and rows come in numbers.
//!
//! Decides nothing: what comes out is what one after the other would give, which the tests show against `sha2`. A processor without
//! the instructions does the one and then the other by `sha2` itself.
//!
//! # The one line of `unsafe`
//!
//! A function that was compiled for instructions beyond the common ones may be called only where the processor has them, which
//! is asked in the line before (the standard library remembers the answer). Nothing else in here is unsafe: values go into
//! registers and out of them through integers, never through pointers.

use sha2::block_api::compress256;

use crate::hash::BLOCK;

/// A state of SHA-256 (FIPS 180-4 section 6.2).
type State = [u32; 8];

/// One state after each of two texts of whole blocks.
pub(crate) fn compress_two(states: &mut [State; 2], first: &[[u8; BLOCK]], second: &[[u8; BLOCK]]) {
    let both = first.len().min(second.len());
    let (first, first_rest) = first.split_at(both);
    let (second, second_rest) = second.split_at(both);
    if !together(states, first, second) {
        let [one, other] = states;
        compress256(one, first);
        compress256(other, second);
    }
    let [one, other] = states;
    compress256(one, first_rest);
    compress256(other, second_rest);
}

/// Whether it was done: not every processor can.
#[cfg(not(target_arch = "x86_64"))]
fn together(_: &mut [State; 2], _: &[[u8; BLOCK]], _: &[[u8; BLOCK]]) -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
use x86_64::together;

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x,
        _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8,
        _mm_shuffle_epi32,
    };

    use super::{BLOCK, State};

    /// FIPS 180-4 section 4.2.2.
    const K: [[u32; 4]; 16] = [
        [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
        [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
        [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
        [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
        [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
        [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
        [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
        [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
        [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
        [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
        [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
        [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
        [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
        [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
        [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
        [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
    ];

    #[allow(unsafe_code)]
    pub(super) fn together(
        states: &mut [State; 2],
        first: &[[u8; BLOCK]],
        second: &[[u8; BLOCK]],
    ) -> bool {
        let can = is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("sse4.1")
            && is_x86_feature_detected!("ssse3");
        if can {
            // SAFETY: the processor has the instructions that the function was compiled for, as was just asked.
            unsafe { interleaved(states, first, second) }
        }
        can
    }

    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn interleaved(states: &mut [State; 2], first: &[[u8; BLOCK]], second: &[[u8; BLOCK]]) {
        let [one, other] = states;
        let (mut a, mut b) = (load_state(one), load_state(other));
        for (first, second) in first.iter().zip(second) {
            let (begun_a, begun_b) = (a, b);
            let (mut wa, mut wb) = (load(first), load(second));
            for (step, k) in K.into_iter().enumerate() {
                if step >= 4 {
                    wa = schedule(wa);
                    wb = schedule(wb);
                }
                // The newest four words are the last; before the schedule begins, words are taken in turn.
                let (word_a, word_b) = match step {
                    0 => (wa[0], wb[0]),
                    1 => (wa[1], wb[1]),
                    2 => (wa[2], wb[2]),
                    _ => (wa[3], wb[3]),
                };
                let k = _mm_set_epi32(k[3] as i32, k[2] as i32, k[1] as i32, k[0] as i32);
                let (ka, kb) = (_mm_add_epi32(word_a, k), _mm_add_epi32(word_b, k));
                a.1 = _mm_sha256rnds2_epu32(a.1, a.0, ka);
                b.1 = _mm_sha256rnds2_epu32(b.1, b.0, kb);
                a.0 = _mm_sha256rnds2_epu32(a.0, a.1, _mm_shuffle_epi32(ka, 0x0e));
                b.0 = _mm_sha256rnds2_epu32(b.0, b.1, _mm_shuffle_epi32(kb, 0x0e));
            }
            a = (_mm_add_epi32(a.0, begun_a.0), _mm_add_epi32(a.1, begun_a.1));
            b = (_mm_add_epi32(b.0, begun_b.0), _mm_add_epi32(b.1, begun_b.1));
        }
        *one = store_state(a);
        *other = store_state(b);
    }

    /// The next four words of the message schedule, behind the last twelve.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn schedule([w0, w1, w2, w3]: [__m128i; 4]) -> [__m128i; 4] {
        let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
        [w1, w2, w3, _mm_sha256msg2_epu32(sum, w3)]
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn load(block: &[u8; BLOCK]) -> [__m128i; 4] {
        let big_endian = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        let (halves, _) = block.as_chunks::<16>();
        let mut words = [big_endian; 4];
        for (word, half) in words.iter_mut().zip(halves) {
            let bits = u128::from_le_bytes(*half);
            let loaded = _mm_set_epi64x((bits >> 64) as i64, bits as i64);
            *word = _mm_shuffle_epi8(loaded, big_endian);
        }
        words
    }

    /// In the order that the instructions want: a, b, e, f and c, d, g, h, the first highest.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn load_state(state: &State) -> (__m128i, __m128i) {
        let [a, b, c, d, e, f, g, h] = state.map(|word| word as i32);
        (_mm_set_epi32(a, b, e, f), _mm_set_epi32(c, d, g, h))
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn store_state((abef, cdgh): (__m128i, __m128i)) -> State {
        [
            _mm_extract_epi32(abef, 3) as u32,
            _mm_extract_epi32(abef, 2) as u32,
            _mm_extract_epi32(cdgh, 3) as u32,
            _mm_extract_epi32(cdgh, 2) as u32,
            _mm_extract_epi32(abef, 1) as u32,
            _mm_extract_epi32(abef, 0) as u32,
            _mm_extract_epi32(cdgh, 1) as u32,
            _mm_extract_epi32(cdgh, 0) as u32,
        ]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::buffer::Buffer;
    use crate::hash::Hash;
    use proptest::prelude::*;

    #[test]
    fn two_texts_of_every_length_have_the_hashes_that_each_has_alone() {
        for first in 0..200_usize {
            for second in [0, 1, 55, 56, 63, 64, 119, 120, 199, first] {
                let texts: [Vec<u8>; 2] = [first, second]
                    .map(|length| (0..length).map(|at| (at * 7 + first) as u8).collect());
                let [mut one, mut other] = [0, 1].map(|_| Buffer::default());
                one.put(&texts[0]);
                other.put(&texts[1]);
                let hashes = Hash::of_two(one.padded(), other.padded());
                assert_eq!(
                    hashes,
                    texts.map(|text| Hash::of(&text)),
                    "{first} {second}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn any_blocks_from_any_states_come_out_as_one_after_the_other(
            states in any::<[State; 2]>(),
            first in prop::collection::vec(prop::array::uniform32(any::<u16>()), 0..5),
            second in prop::collection::vec(prop::array::uniform32(any::<u16>()), 0..5),
        ) {
            let blocks = |words: Vec<[u16; 32]>| -> Vec<[u8; BLOCK]> {
                words.iter().map(|words| {
                    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                    bytes.try_into().unwrap()
                }).collect()
            };
            let (first, second) = (blocks(first), blocks(second));
            let mut expected = states;
            compress256(&mut expected[0], &first);
            compress256(&mut expected[1], &second);
            let mut both = states;
            compress_two(&mut both, &first, &second);
            prop_assert_eq!(both, expected);
        }
    }
}
