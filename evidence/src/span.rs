//! A stretch of leaves as the fewest hashes that stand for it: of each largest whole subtree that lies inside.
//!
//! A span that begins at 0 is the frontier of the tree and gives its root. Spans of neighbouring stretches join to what one
//! pass over all leaves would give, so a tree can be followed on where the leaves themselves are gone (LM-14, LM-15). At most
//! 126 hashes, 64 when it begins at 0.

use std::borrow::Cow;

use crate::hash::{Hash, node_hash, nodes_above};

/// Leaves `start` to `end` - 1 of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    start: u64,
    end: u64,
    /// One hash for each subtree of the decomposition, from left to right.
    nodes: Vec<Hash>,
}

/// Hashes that do not fit the stretch they are said to stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// Their number is another than that of the subtrees.
    #[error("leaves {start} to {end} have {expected} subtrees, not {found}")]
    Count {
        /// First leaf.
        start: u64,
        /// The one after the last.
        end: u64,
        /// Subtrees there are.
        expected: usize,
        /// Hashes given.
        found: usize,
    },
    /// The stretch does not begin where the other ends, or ends before it begins.
    #[error("leaves {start} to {end} do not follow {after}")]
    Order {
        /// First leaf.
        start: u64,
        /// The one after the last.
        end: u64,
        /// Where it should begin.
        after: u64,
    },
}

impl Span {
    /// No leaves, before leaf `start`.
    pub fn new(start: u64) -> Span {
        Span {
            start,
            end: start,
            nodes: Vec::new(),
        }
    }

    /// The stretch from `start` to `end` - 1 with the hashes of its subtrees.
    ///
    /// # Errors
    /// When the number of hashes is not that of the subtrees, or the stretch ends before it begins.
    pub fn from_nodes(start: u64, end: u64, nodes: Vec<Hash>) -> Result<Span, SpanError> {
        if end < start {
            return Err(SpanError::Order {
                start,
                end,
                after: start,
            });
        }
        let expected = subtrees(start, end).count();
        if expected != nodes.len() {
            return Err(SpanError::Count {
                start,
                end,
                expected,
                found: nodes.len(),
            });
        }
        Ok(Span { start, end, nodes })
    }

    /// The first leaf.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The leaf after the last.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The hashes of the subtrees, from left to right.
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// First leaf, number of leaves and hash of each subtree, from left to right.
    pub fn parts(&self) -> impl Iterator<Item = (u64, u64, Hash)> + '_ {
        subtrees(self.start, self.end)
            .zip(&self.nodes)
            .map(|((first, level), hash)| (first, 1 << level, *hash))
    }

    /// Adds the next leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        self.push_subtree(leaf, 0);
    }

    /// Adds the next leaves by their hashes, which takes less than adding one after the other.
    pub fn extend(&mut self, mut leaves: &[Hash]) {
        while let Some(most) = leaves.len().checked_ilog2() {
            // The largest whole subtree that begins here.
            let level = self.end.trailing_zeros().min(most);
            let (now, rest) = leaves.split_at(1 << level);
            leaves = rest;
            let mut nodes = Cow::Borrowed(now);
            while nodes.len() > 1 {
                nodes = Cow::Owned(nodes_above(&nodes));
            }
            nodes
                .iter()
                .for_each(|node| self.push_subtree(*node, level));
        }
    }

    fn push_subtree(&mut self, mut hash: Hash, mut level: u32) {
        let mut begin = self.end;
        self.end += 1 << level;
        // A right child whose left sibling is inside becomes their parent; the sibling is then the last node.
        while let Some(size) = 1_u64.checked_shl(level)
            && begin & size != 0
            && begin - size >= self.start
            && let Some(left) = self.nodes.pop()
        {
            hash = node_hash(&left, &hash);
            begin -= size;
            level += 1;
        }
        self.nodes.push(hash);
    }

    /// Adds the leaves of a span that begins where this one ends.
    ///
    /// # Errors
    /// When it begins elsewhere.
    pub fn join(&mut self, next: &Span) -> Result<(), SpanError> {
        if next.start != self.end {
            return Err(SpanError::Order {
                start: next.start,
                end: next.end,
                after: self.end,
            });
        }
        for ((_, level), hash) in subtrees(next.start, next.end).zip(&next.nodes) {
            self.push_subtree(*hash, level);
        }
        Ok(())
    }

    /// The root of the tree that has exactly these leaves, when the span begins at 0: RFC 6962's MTH. The root of no leaves is
    /// the hash of nothing.
    pub fn root(&self) -> Option<Hash> {
        if self.start != 0 {
            return None;
        }
        let mut nodes = self.nodes.iter().rev();
        let Some(last) = nodes.next() else {
            return Some(Hash::of(b""));
        };
        Some(nodes.fold(*last, |right, left| node_hash(left, &right)))
    }
}

/// First leaf and level of each largest whole subtree in `start` to `end` - 1.
fn subtrees(start: u64, end: u64) -> impl Iterator<Item = (u64, u32)> {
    let mut at = start;
    std::iter::from_fn(move || {
        let left = end.checked_sub(at).filter(|left| *left > 0)?;
        let level = at.trailing_zeros().min(left.ilog2());
        let first = at;
        at += 1 << level;
        Some((first, level))
    })
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
