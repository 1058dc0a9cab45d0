//! Decides where a name lies in the table: one hash for every name and, in the same pass, for each of its parents.
//!
//! The hash of a name is made label by label from the right, so that the hash of `b.c` is a step on the way to the hash of
//! `a.b.c`. It is a fixed function of the bytes: a table can be written by one process and read by another. It need not
//! withstand crafted collisions, because every hit is compared with the stored name.

const SEED: u64 = 0x243f_6a88_85a3_08d3;
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Multiplies to 128 bits and folds the halves, so that every input bit reaches high and low output bits.
fn fold(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word).wrapping_mul(u128::from(MULTIPLIER));
    (product as u64) ^ (product >> 64) as u64
}

/// The state after one more label to the left.
fn with_label(state: u64, label: &[u8]) -> u64 {
    let (words, rest) = label.as_chunks::<8>();
    let state = words
        .iter()
        .fold(state, |state, word| fold(state, u64::from_le_bytes(*word)));
    // The length in the top byte keeps "a" and "a\0" apart, and says where one label ends and the next begins.
    fold(state, tail(rest) | (label.len() as u64 + 1) << 56)
}

/// Up to seven bytes as a number.
fn tail(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let shift = (bytes.len() - 4) * 8;
        return u64::from(u32::from_le_bytes(*first))
            | u64::from(u32::from_le_bytes(*last)) << shift;
    }
    bytes
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Every suffix of a name on label limits with its hash, shortest first: `a.b.c` gives `c`, `b.c`, `a.b.c`.
pub(crate) struct Suffixes<'a> {
    name: &'a str,
    /// Start of the last label that was given; one past the end before the first.
    end: usize,
    state: u64,
}

impl<'a> Suffixes<'a> {
    /// Takes a name in normal form, at least one label.
    pub(crate) fn new(name: &'a str) -> Suffixes<'a> {
        Suffixes {
            name,
            end: name.len() + 1,
            state: SEED,
        }
    }
}

impl<'a> Iterator for Suffixes<'a> {
    type Item = (u64, &'a str);

    fn next(&mut self) -> Option<(u64, &'a str)> {
        let end = self.end.checked_sub(1)?;
        let rest = self.name.as_bytes().get(..end)?;
        let start = rest.iter().rposition(|b| *b == b'.').map_or(0, |at| at + 1);
        self.state = with_label(self.state, rest.get(start..)?);
        self.end = start;
        Some((self.state, self.name.get(start..)?))
    }
}

/// The hash of a whole name: the last one of [`Suffixes`].
pub(crate) fn of(name: &str) -> u64 {
    Suffixes::new(name).last().map_or(SEED, |(hash, _)| hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn suffixes_are_the_parents_shortest_first() {
        let found: Vec<&str> = Suffixes::new("www.example.co.uk").map(|(_, s)| s).collect();
        assert_eq!(found, ["uk", "co.uk", "example.co.uk", "www.example.co.uk"]);
        let one: Vec<&str> = Suffixes::new("localhost").map(|(_, s)| s).collect();
        assert_eq!(one, ["localhost"]);
    }

    #[test]
    fn a_suffix_hashes_as_the_name_alone() {
        let name = "a-rather-long-label.of-a-name.with_many.labels.example";
        for (hash, suffix) in Suffixes::new(name) {
            assert_eq!(hash, of(suffix), "{suffix}");
        }
    }

    #[test]
    fn names_that_differ_by_a_dot_or_a_length_hash_apart() {
        let names = [
            "ab.c",
            "a.bc",
            "abc",
            "a.b.c",
            "cab",
            "bc",
            "c.ab",
            "aaaaaaaa",
            "aaaaaaa",
            "aaaaaaaaa",
            "aaaaaaaa.a",
            "a.aaaaaaaa",
        ];
        let hashes: HashSet<u64> = names.iter().map(|name| of(name)).collect();
        assert_eq!(hashes.len(), names.len());
    }

    /// A stored table is unreadable once this changes: then its format needs a new version.
    #[test]
    fn the_hash_is_the_same_in_every_process() {
        assert_eq!(format!("{:016x}", of("example.com")), "ded4d34fdb9573be");
        assert_eq!(
            format!("{:016x}", of("a.sixteen-or-more-bytes.example")),
            "b93f44545237d623"
        );
    }

    #[test]
    fn hashes_spread_evenly_over_high_bits() {
        let mut buckets = [0_u32; 64];
        for n in 0..64_000 {
            let hash = of(&format!("site{n}.example"));
            buckets[(hash >> 58) as usize] += 1;
        }
        for (at, count) in buckets.iter().enumerate() {
            assert!(
                (850..1150).contains(count),
                "bucket {at} has {count} of about 1000"
            );
        }
    }
}
