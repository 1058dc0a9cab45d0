//! Which runs of four bytes the texts of a segment have: so that a text is not looked for where one of its runs is missing.
//!
//! A path is often seen once, so a list of all of them would repeat the rows. This is a set of bits instead, a bit for each run, at most
//! 64 KiB: where a segment has more different texts than that tells apart, it only says "may" more often.

/// Bits of the largest set, as a power of two.
const LARGEST: u32 = 19;
/// Bytes of a run.
const RUN: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grams(Vec<u64>);

impl Grams {
    pub(super) fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Grams {
        let mut words = vec![0_u64; 1 << (LARGEST - 6)];
        for text in texts {
            for run in text.as_bytes().windows(RUN) {
                let bit = bit(run);
                if let Some(word) = words.get_mut(bit / 64) {
                    *word |= 1 << (bit % 64);
                }
            }
        }
        // Half as large while seven of eight bits stay unset.
        loop {
            let ones: usize = words.iter().map(|word| word.count_ones() as usize).sum();
            if words.len() == 1 || ones * 8 > words.len() * 32 {
                return Grams(words);
            }
            let upper = words.split_off(words.len() / 2);
            words
                .iter_mut()
                .zip(upper)
                .for_each(|(word, upper)| *word |= upper);
        }
    }

    /// Of what is not known.
    pub(super) fn any() -> Grams {
        Grams(vec![u64::MAX])
    }

    /// Whether a text in lower case may occur. One that is shorter than a run may occur anywhere.
    pub(crate) fn may_have(&self, lower: &str) -> bool {
        let bits = self.0.len() * 64;
        lower.as_bytes().windows(RUN).all(|run| {
            let bit = bit(run) & bits.wrapping_sub(1);
            self.0
                .get(bit / 64)
                .is_none_or(|word| word >> (bit % 64) & 1 == 1)
        })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Grams> {
        let (words, rest) = bytes.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        (rest.is_empty() && words.len().is_power_of_two()).then_some(Grams(words))
    }
}

fn bit(run: &[u8]) -> usize {
    let run = run.first_chunk::<RUN>().copied().unwrap_or_default();
    (u32::from_le_bytes(run).wrapping_mul(0x9e37_79b1) >> (32 - LARGEST)) as usize
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_occurs_may_occur(texts in prop::collection::vec("[a-zé/]{0,12}", 0..40), from in 0_usize..12, to in 0_usize..12) {
            let grams = Grams::of(texts.iter().map(String::as_str));
            let grams = Grams::from_bytes(&grams.to_bytes()).unwrap();
            for text in &texts {
                let part: String = text.chars().skip(from).take(to).collect();
                prop_assert!(grams.may_have(&part));
            }
        }
    }

    #[test]
    fn most_texts_that_do_not_occur_are_ruled_out_and_a_small_set_is_small() {
        let texts: Vec<String> = (0..5_000)
            .map(|at| format!("/page/{}", at * 7_919))
            .collect();
        let grams = Grams::of(texts.iter().map(String::as_str));
        let wrong = (0..1_000).filter(|at| grams.may_have(&format!("x{at}yz")));
        assert!(wrong.count() < 20);
        assert!(Grams::of(["/a/path"].into_iter()).to_bytes().len() <= 16);
        assert!(Grams::any().may_have("anything"));
    }
}
