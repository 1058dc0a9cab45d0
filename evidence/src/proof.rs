//! Inclusion and consistency proofs of RFC 6962 sections 2.1.1 and 2.1.2, made from leaf hashes and verified without them.
//!
//! Making a proof hashes every leaf once; verifying one costs at most 64 hashes. The verifying algorithms are those of RFC 9162
//! sections 2.1.3.2 and 2.1.4.2.

use crate::hash::{Hash, node_hash};
use crate::span::Span;

/// The hashes that lead from leaf `index` to the root of the tree of `leaves`, from below; None when there is no such leaf.
pub fn inclusion_proof(leaves: &[Hash], index: u64) -> Option<Vec<Hash>> {
    let index = usize::try_from(index).ok()?;
    if index >= leaves.len() {
        return None;
    }
    let (mut found, mut tree, mut at) = (Vec::new(), leaves, index);
    while tree.len() > 1 {
        let (left, right) = tree.split_at(split(tree.len()));
        if at < left.len() {
            found.push(root(right));
            tree = left;
        } else {
            found.push(root(left));
            at -= left.len();
            tree = right;
        }
    }
    found.reverse();
    Some(found)
}

/// The hashes that show that the tree of the first `old` leaves is the beginning of the tree of all `leaves`; None when there
/// are not so many leaves. Of no leaves every tree is a continuation, which needs and has no proof.
pub fn consistency_proof(leaves: &[Hash], old: u64) -> Option<Vec<Hash>> {
    let mut old = usize::try_from(old).ok()?;
    if old > leaves.len() || old == 0 {
        return (old == 0).then(Vec::new);
    }
    let (mut found, mut tree, mut is_whole) = (Vec::new(), leaves, true);
    while old != tree.len() {
        let (left, right) = tree.split_at(split(tree.len()));
        if old <= left.len() {
            found.push(root(right));
            tree = left;
        } else {
            found.push(root(left));
            old -= left.len();
            tree = right;
            is_whole = false;
        }
    }
    if !is_whole {
        found.push(root(tree));
    }
    found.reverse();
    Some(found)
}

/// Whether `proof` shows that leaf `index` of the tree with `size` leaves and `root` has this hash.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree `old` (size and root) is the beginning of the tree `new`.
pub fn verify_consistency(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return proof.is_empty() && old_root == new_root;
    }
    if old_size == 0 {
        return proof.is_empty() && *old_root == Hash::of(b"");
    }
    // Where the old tree is whole, its root is the first hash of the way and is left out of the proof.
    let mut hashes = proof.iter();
    let first = if old_size.is_power_of_two() {
        Some(old_root)
    } else {
        hashes.next()
    };
    let Some(first) = first else {
        return false;
    };
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut from_old, mut from_new) = (*first, *first);
    for sibling in hashes {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            from_old = node_hash(sibling, &from_old);
            from_new = node_hash(sibling, &from_new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            from_new = node_hash(&from_new, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && from_old == *old_root && from_new == *new_root
}

/// The largest power of two smaller than `count`, which is at least 2.
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}

fn root(leaves: &[Hash]) -> Hash {
    let mut span = Span::new(0);
    leaves.iter().for_each(|leaf| span.push(*leaf));
    span.root().unwrap_or_else(|| Hash::of(b""))
}
