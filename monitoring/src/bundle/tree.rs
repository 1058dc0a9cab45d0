//! From leaves to subtrees: the hashes that several leaves of one subtree need together to give its hash, and the check of that.
//!
//! Each checkpoint's subtrees are signed, because its root comes of them. So a row is proved by the subtree in which its leaf
//! lies, at most some eighteen hashes away, and many rows of one subtree share what they need.

use std::collections::{BTreeMap, BTreeSet};

use weir_evidence::{Hash, node_hash};

/// A node of the tree: level from the leaves up, and place in its level.
pub type At = (u32, u64);

/// A whole subtree: its first leaf, how many it has, and its hash.
pub type Part = (u64, u64, Hash);

/// The nodes that the leaves at `wanted` need, out of all `leaves` of a part that begins at leaf `first`.
pub(super) fn nodes(first: u64, leaves: &[Hash], wanted: &BTreeSet<u64>) -> BTreeMap<At, Hash> {
    let mut found = BTreeMap::new();
    let (mut level, mut begin) = (0, first);
    let mut row = leaves.to_vec();
    let mut known = wanted.clone();
    while row.len() > 1 {
        for place in &known {
            let beside = place ^ 1;
            let hash = beside
                .checked_sub(begin)
                .and_then(|at| row.get(usize::try_from(at).ok()?));
            if let Some(hash) = hash.filter(|_| !known.contains(&beside)) {
                found.insert((level, beside), *hash);
            }
        }
        let pairs = row.chunks(2).filter_map(|pair| match pair {
            [left, right] => Some(node_hash(left, right)),
            _ => None,
        });
        row = pairs.collect();
        known = known.into_iter().map(|place| place / 2).collect();
        (level, begin) = (level + 1, begin / 2);
    }
    found
}

/// Whether the leaves at these places, with the nodes, give the part; the nodes that were used are counted in `used`.
pub fn holds(
    part: Part,
    leaves: &BTreeMap<u64, Hash>,
    nodes: &BTreeMap<At, Hash>,
    used: &mut BTreeSet<At>,
) -> bool {
    let (first, size, expected) = part;
    if !size.is_power_of_two() || !first.is_multiple_of(size) {
        return false;
    }
    let mut known = leaves.clone();
    for level in 0..size.trailing_zeros() {
        let mut up = BTreeMap::new();
        for (place, hash) in &known {
            if up.contains_key(&(place / 2)) {
                continue;
            }
            let beside = known.get(&(place ^ 1)).or_else(|| {
                let at = (level, place ^ 1);
                used.insert(at);
                nodes.get(&at)
            });
            let Some(beside) = beside else {
                return false;
            };
            let parent = match place & 1 {
                0 => node_hash(hash, beside),
                _ => node_hash(beside, hash),
            };
            up.insert(place / 2, parent);
        }
        known = up;
    }
    known.len() == 1 && known.get(&(first / size)) == Some(&expected)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use weir_evidence::{Span, leaf_hash};

    use super::*;

    proptest! {
        #[test]
        fn any_leaves_of_a_subtree_give_its_hash_and_no_others_do_lm_36(
            level in 0_u32..7,
            place in 0_u64..5,
            chosen in proptest::collection::vec(any::<prop::sample::Index>(), 1..9),
            other in any::<prop::sample::Index>(),
        ) {
            let size = 1_u64 << level;
            let first = place * size;
            let all: Vec<Hash> = (first..first + size).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            let mut span = Span::new(first);
            all.iter().for_each(|leaf| span.push(*leaf));
            let part = span.parts().next().unwrap();
            let at = |index: &prop::sample::Index| index.index(all.len()) as u64;
            let wanted: BTreeSet<u64> = chosen.iter().map(|index| first + at(index)).collect();
            let needed = nodes(first, &all, &wanted);
            let leaves: BTreeMap<u64, Hash> =
                wanted.iter().map(|index| (*index, all[(index - first) as usize])).collect();
            let mut used = BTreeSet::new();
            prop_assert!(holds(part, &leaves, &needed, &mut used));
            prop_assert_eq!(used, needed.keys().copied().collect::<BTreeSet<_>>());
            let victim = *wanted.iter().nth(other.index(wanted.len())).unwrap();
            let mut altered = leaves.clone();
            altered.insert(victim, Hash::of(b"other"));
            prop_assert!(!holds(part, &altered, &needed, &mut BTreeSet::new()));
            let mut fewer = leaves.clone();
            fewer.remove(&victim);
            // Without a leaf something is missing, unless what is given beside it stands for it.
            prop_assert!(!holds(part, &fewer, &needed, &mut BTreeSet::new()));
            let moved = (part.0 + size, size, part.2);
            prop_assert!(!holds(moved, &leaves, &needed, &mut BTreeSet::new()));
        }
    }
}
