#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::{
    Hash, consistency_proof, inclusion_proof, leaf_hash, node_hash, verify_consistency,
    verify_inclusion,
};

/// The largest power of two smaller than `n`.
fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// MTH of RFC 6962 section 2.1, word for word.
fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of(b""),
        [one] => *one,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&mth(left), &mth(right))
        }
    }
}

/// PATH of RFC 6962 section 2.1.1, word for word.
fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut found, other) = if index < left.len() {
        (path(index, left), mth(right))
    } else {
        (path(index - left.len(), right), mth(left))
    };
    found.push(other);
    found
}

/// SUBPROOF of RFC 6962 section 2.1.2, word for word.
fn subproof(m: usize, leaves: &[Hash], is_whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if is_whole {
            Vec::new()
        } else {
            vec![mth(leaves)]
        };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut found, other) = if m <= left.len() {
        (subproof(m, left, is_whole), mth(right))
    } else {
        (subproof(m - left.len(), right, false), mth(left))
    };
    found.push(other);
    found
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count as u64)
        .map(|number| leaf_hash(&number.to_be_bytes()))
        .collect()
}

fn span(start: u64, leaves: &[Hash]) -> Span {
    let mut span = Span::new(start);
    leaves.iter().for_each(|leaf| span.push(*leaf));
    span
}

#[test]
fn the_frontier_gives_the_root_of_rfc_6962_for_every_size_lm_29() {
    let all = leaves(300);
    let mut frontier = Span::new(0);
    for (size, leaf) in all.iter().enumerate() {
        assert_eq!(frontier.root(), Some(mth(&all[..size])), "{size}");
        frontier.push(*leaf);
    }
    assert_eq!(span(1, &all[1..3]).root(), None);
}

#[test]
fn every_proof_of_small_trees_is_that_of_rfc_6962_and_verifies_lm_29() {
    let all = leaves(40);
    for size in 0..=all.len() {
        let tree = &all[..size];
        for (index, leaf) in tree.iter().enumerate() {
            let proof = inclusion_proof(tree, index as u64).unwrap();
            assert_eq!(proof, path(index, tree));
            assert!(verify_inclusion(
                leaf,
                index as u64,
                size as u64,
                &proof,
                &mth(tree)
            ));
        }
        for old in 1..=size {
            let proof = consistency_proof(tree, old as u64).unwrap();
            assert_eq!(proof, subproof(old, tree, true));
            let (first, second) = (mth(&all[..old]), mth(tree));
            assert!(
                verify_consistency((old as u64, &first), (size as u64, &second), &proof),
                "{old} {size}"
            );
        }
        assert_eq!(inclusion_proof(tree, size as u64), None);
        assert_eq!(consistency_proof(tree, size as u64 + 1), None);
    }
}

#[test]
fn hashes_that_do_not_fit_their_stretch_are_refused() {
    let all = leaves(20);
    let whole = span(3, &all[3..17]);
    let nodes = whole.nodes().to_vec();
    assert_eq!(Span::from_nodes(3, 17, nodes.clone()), Ok(whole.clone()));
    assert!(Span::from_nodes(3, 19, nodes.clone()).is_err());
    assert!(Span::from_nodes(17, 3, nodes).is_err());
    assert!(Span::new(4).join(&whole).is_err());
    assert!(Span::from_nodes(u64::MAX - 1, u64::MAX, vec![all[0]]).is_ok());
}

proptest! {
    #[test]
    fn stretches_joined_are_the_tree_of_all_their_leaves_lm_29(
        count in 0_usize..400,
        mut cuts in proptest::collection::vec(0_usize..400, 0..6),
    ) {
        let all = leaves(count);
        cuts.retain(|cut| *cut <= count);
        cuts.push(count);
        cuts.sort_unstable();
        let (mut joined, mut from) = (Span::new(0), 0);
        for cut in cuts {
            let stretch = span(from as u64, &all[from..cut]);
            let mut at_once = Span::new(from as u64);
            let (some, others) = all[from..cut].split_at((cut - from) / 3);
            at_once.extend(some);
            at_once.extend(others);
            prop_assert_eq!(&at_once, &stretch);
            for (first, size, hash) in stretch.parts() {
                let (first, size) = (first as usize, size as usize);
                prop_assert_eq!(hash, mth(&all[first..first + size]));
            }
            joined.join(&stretch).unwrap();
            from = cut;
        }
        prop_assert_eq!(joined.root(), Some(mth(&all)));
        prop_assert_eq!(joined, span(0, &all));
    }

    #[test]
    fn a_proof_of_something_else_does_not_verify_lm_29(
        size in 1_u64..200,
        index in any::<u64>(),
        old in any::<u64>(),
        at in any::<prop::sample::Index>(),
        bit in 0_usize..256,
    ) {
        let all = leaves(size as usize);
        let (index, old) = (index % size, old % size + 1);
        let root = mth(&all);
        let flip = |hash: &Hash| {
            let mut bytes = hash.0;
            bytes[bit / 8] ^= 1 << (bit % 8);
            Hash(bytes)
        };
        let proof = inclusion_proof(&all, index).unwrap();
        let leaf = all[index as usize];
        prop_assert!(!verify_inclusion(&flip(&leaf), index, size, &proof, &root));
        prop_assert!(!verify_inclusion(&leaf, index, size, &proof, &flip(&root)));
        prop_assert!(!verify_inclusion(&leaf, size, size, &proof, &root));
        prop_assert!(!verify_inclusion(&leaf, (index + 1) % size, size, &proof, &root) || size == 1);
        let first = mth(&all[..old as usize]);
        let consistency = consistency_proof(&all, old).unwrap();
        prop_assert!(!verify_consistency((old, &flip(&first)), (size, &root), &consistency));
        prop_assert!(!verify_consistency((old, &first), (size, &flip(&root)), &consistency));
        for (kept, is_inclusion) in [(proof, true), (consistency, false)] {
            let check = |changed: &[Hash]| if is_inclusion {
                verify_inclusion(&leaf, index, size, changed, &root)
            } else {
                verify_consistency((old, &first), (size, &root), changed)
            };
            prop_assert!(check(&kept));
            let mut longer = kept.clone();
            longer.push(root);
            prop_assert!(!check(&longer));
            if !kept.is_empty() {
                let at = at.index(kept.len());
                let mut changed = kept.clone();
                changed[at] = flip(&changed[at]);
                prop_assert!(!check(&changed));
                changed.remove(at);
                prop_assert!(!check(&changed));
            }
        }
    }
}
