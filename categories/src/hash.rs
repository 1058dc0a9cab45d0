//! Decides where a name lies in the table: one hash for every name and, in the same pass, for each of its parents.
//!
//! The hash of a name is made label by label from the right, so that the hash of `b.c` is a step on the way to the hash of
//! `a.b.c`. It is a fixed function of the bytes: a table can be written by one process and read by another. It need not
//! withstand crafted collisions, because every hit is compared with the stored name.
//!
//! One multiplication takes in up to sixteen bytes of a label, and where the dots are is found eight bytes at a time: names
//! differ in length at random, and a branch for each byte or word would be foreseen wrongly most of the time.

const SEED: u64 = 0x243f_6a88_85a3_08d3;
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
const LENGTH: u64 = 0xd6e8_feb8_6659_fd93;
/// Longest name in bytes; `Host` allows 253.
const NAME_MAX: usize = 255;
/// Zeros in front of the name, so that a read that ends with a label's last byte never begins before the buffer.
const FRONT: usize = 16;
const DOTS: u64 = u64::from_le_bytes([b'.'; 8]);
const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
/// Multiplying by it gathers the low bit of each byte in the top byte.
const GATHER: u64 = 0x0102_0408_1020_4080;

/// Multiplies to 128 bits and folds the halves, so that every input bit reaches high and low output bits.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    (product as u64) ^ (product >> 64) as u64
}

/// Every suffix of a name on label limits with its hash, shortest first: `a.b.c` gives `c`, `b.c`, `a.b.c`.
pub(crate) struct Suffixes<'a> {
    name: &'a str,
    padded: [u8; FRONT + NAME_MAX + 1],
    /// A bit for each byte of the name that is a dot.
    dots: [u64; 4],
    /// Start of the last label that was given; one past the end before the first.
    end: usize,
    state: u64,
}

impl<'a> Suffixes<'a> {
    /// Takes a name in normal form, at least one label. A text longer than any name has no suffix.
    #[inline]
    pub(crate) fn new(name: &'a str) -> Suffixes<'a> {
        let mut padded = [0; FRONT + NAME_MAX + 1];
        let mut end = 0;
        if let Some(room) = padded.get_mut(FRONT..FRONT + name.len())
            && name.len() <= NAME_MAX
        {
            room.copy_from_slice(name.as_bytes());
            end = name.len() + 1;
        }
        let mut dots = [0; 4];
        let (words, _) = padded[FRONT..].as_chunks::<8>();
        for (at, word) in words.iter().enumerate().take(end.div_ceil(8)) {
            let differing = u64::from_le_bytes(*word) ^ DOTS;
            let equal = !(((differing & LOW) + LOW) | differing | LOW);
            dots[at / 8] |= ((equal >> 7).wrapping_mul(GATHER) >> 56) << (8 * (at % 8));
        }
        Suffixes {
            name,
            padded,
            dots,
            end,
            state: SEED,
        }
    }

    /// Start of the label that ends before `end`.
    fn start(&self, end: usize) -> usize {
        let mut at = (end / 64).min(3);
        let mut bits = self.dots[at] & !(u64::MAX << (end % 64));
        loop {
            if bits != 0 {
                return 64 * at + 64 - bits.leading_zeros() as usize;
            }
            if at == 0 {
                return 0;
            }
            at -= 1;
            bits = self.dots[at];
        }
    }

    /// The last `count` of the eight bytes before `end`, as a number.
    fn bytes_before(&self, end: usize, count: usize) -> u64 {
        let window = self
            .padded
            .get(FRONT + end - 8..)
            .and_then(<[u8]>::first_chunk);
        let word = u64::from_le_bytes(window.copied().unwrap_or_default());
        word.checked_shr(64 - 8 * count.min(8) as u32).unwrap_or(0)
    }
}

impl<'a> Iterator for Suffixes<'a> {
    type Item = (u64, &'a str);

    #[inline]
    fn next(&mut self) -> Option<(u64, &'a str)> {
        let mut end = self.end.checked_sub(1)?;
        let start = self.start(end);
        // The length keeps labels apart from parts of longer ones.
        let mut left = end - start;
        let mut state = self
            .state
            .wrapping_add((left as u64 + 1).wrapping_mul(LENGTH));
        loop {
            let low = self.bytes_before(end, left);
            let high = match left.checked_sub(8) {
                Some(count) => self.bytes_before(end - 8, count),
                None => 0,
            };
            state = fold(state ^ low, high ^ MULTIPLIER);
            if left <= 16 {
                break;
            }
            left -= 16;
            end -= 16;
        }
        self.state = state;
        self.end = start;
        Some((state, self.name.get(start..)?))
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
        assert_eq!(format!("{:016x}", of("example.com")), "ebddb398ac77a200");
        assert_eq!(
            format!("{:016x}", of("a.sixteen-or-more-bytes.example")),
            "532cd1f7ec9f5825"
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
