//! The log of one node as a bundle needs it: its checkpoints as they are, what they seal, and the key that signs.

use std::collections::{BTreeMap, BTreeSet};

use weir_evidence::{
    Checkpoint, Entry, Hash, Log, SealedFile, SigningKey, Span, Tag, TagKey, entries,
};

use super::BundleError;
use super::collect::Proof;
use super::tree::{self, At};
use crate::proof::{self, CHECKPOINTS, ProvenRow, RowFile, log_directory};
use crate::store::Store;

/// A checkpoint with the leaves since the one before.
struct Point {
    checkpoint: Checkpoint,
    stretch: Span,
    /// The last row of the one before.
    after: u64,
}

/// The log of a node.
pub(super) struct NodeLog {
    pub(super) node: String,
    /// The file of checkpoints, up to the end of the last whole one.
    pub(super) text: Vec<u8>,
    points: Vec<Point>,
    pub(super) log: Log,
    /// Every public key, in order.
    pub(super) keys: Vec<String>,
    /// What is sealed and was not removed, by its path.
    pub(super) sealed: BTreeMap<String, SealedFile>,
    /// Periods that were removed.
    pub(super) removed: BTreeSet<String>,
    pub(super) tags: Option<TagKey>,
    /// The private key in force, where it can be read.
    pub(super) key: Option<SigningKey>,
}

fn refused(node: &str, why: impl std::fmt::Display) -> BundleError {
    BundleError::Refused(format!(
        "the log of {node}: {why}; `weir records verify` says what else is wrong"
    ))
}

impl NodeLog {
    /// Reads it; every checkpoint must hold.
    pub(super) fn read(store: &Store, node: &str) -> Result<NodeLog, BundleError> {
        let place = log_directory(store.directory(), node);
        let text = std::fs::read(place.join(CHECKPOINTS)).map_err(|error| refused(node, error))?;
        let mut found = NodeLog {
            node: node.to_owned(),
            text: Vec::new(),
            points: Vec::new(),
            log: Log::default(),
            keys: Vec::new(),
            sealed: BTreeMap::new(),
            removed: BTreeSet::new(),
            tags: proof::tag_key(store, node).map_err(|error| refused(node, error))?,
            key: None,
        };
        let mut fault = None;
        entries(&mut text.as_slice(), &mut |at, bytes| {
            if fault.is_none() {
                fault = found.take(at, bytes).err();
            }
            Ok(())
        })?;
        // A running Weir may just be writing the last one.
        if let Some((at, why)) = fault
            && (found.points.is_empty()
                || text.get(at..).is_none_or(|rest| rest.ends_with(b"\n\n")))
        {
            return Err(refused(node, why));
        }
        let private = proof::signing_key(store, node).ok().flatten();
        found.key = private.filter(|key| found.log.key.as_ref() == Some(key.verifier()));
        let fits = |key: &TagKey| found.log.tag_key == Some(key.fingerprint());
        if found.tags.as_ref().is_some_and(|key| !fits(key)) {
            return Err(refused(node, "its tag key is that of another log"));
        }
        Ok(found)
    }

    fn take(&mut self, at: u64, bytes: &[u8]) -> Result<(), (usize, String)> {
        let wrong = |why: String| (usize::try_from(at).unwrap_or(usize::MAX), why);
        let text = std::str::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
        let entry = Entry::parse(text).map_err(|error| wrong(error.to_string()))?;
        let after = self.log.last.as_ref().map(|last| last.last);
        let stretch = self.log.follow(&entry);
        let stretch = stretch.map_err(|error| wrong(error.to_string()))?;
        let checkpoint = entry.checkpoint;
        let keys = [&checkpoint.key, &checkpoint.next_key];
        self.keys
            .extend(keys.into_iter().flatten().map(ToString::to_string));
        let removed = checkpoint.removed.iter().cloned();
        self.removed.extend(removed);
        if !checkpoint.removed.is_empty() {
            let removed = &checkpoint.removed;
            self.sealed
                .retain(|path, _| !removed.iter().any(|it| it == period_of(path)));
        }
        // After it: what is named with the removal of its period is what a hold left there.
        for sealed in &checkpoint.sealed {
            self.sealed.insert(sealed.path.clone(), sealed.clone());
        }
        self.text.extend_from_slice(bytes);
        self.points.push(Point {
            after: after.unwrap_or(checkpoint.first.saturating_sub(1)),
            checkpoint,
            stretch,
        });
        Ok(())
    }

    /// The tag of a person in this log.
    pub(super) fn tag(&self, user: &str) -> Result<Tag, BundleError> {
        let key = self.tags.as_ref();
        let key = key.ok_or_else(|| refused(&self.node, "the key of its tags is not there"))?;
        Ok(key.tag(user))
    }

    /// Gives each row its place in the tree, and the nodes that lead from all of them to subtrees of checkpoints.
    pub(super) fn prove(
        &self,
        store: &Store,
        files: &[RowFile],
        rows: &mut [Proof],
    ) -> Result<BTreeMap<At, Hash>, BundleError> {
        let mut found = BTreeMap::new();
        let mut leaves = LeavesOf::new(store, files);
        rows.sort_by_key(|row| row.seq);
        let mut rest = rows;
        for point in &self.points {
            let count = rest.partition_point(|row| row.seq <= point.checkpoint.last);
            let (own, later) = rest.split_at_mut(count);
            rest = later;
            if own.is_empty() {
                continue;
            }
            let all = leaves.between(point.after, point.checkpoint.last)?;
            let (start, end) = (point.stretch.start(), point.stretch.end());
            if all.len() as u64 != end - start {
                let (first, last) = (point.after + 1, point.checkpoint.last);
                let why = format!(
                    "of rows {first} to {last} there are {}, and checkpoint {} covers {}",
                    all.len(),
                    point.checkpoint.number,
                    end - start
                );
                return Err(refused(&self.node, why));
            }
            for row in own.iter_mut() {
                let place = all.binary_search_by_key(&row.seq, |(seq, _)| *seq);
                let place = place.map_err(|_| refused(&self.node, "a row has no leaf"))?;
                row.index = start + place as u64;
            }
            for (first, size, hash) in point.stretch.parts() {
                let of = |row: &&Proof| (first..first + size).contains(&row.index);
                let wanted: BTreeSet<u64> = own.iter().filter(of).map(|row| row.index).collect();
                if wanted.is_empty() {
                    continue;
                }
                let from = usize::try_from(first - start).unwrap_or(usize::MAX);
                let to = from.saturating_add(usize::try_from(size).unwrap_or(usize::MAX));
                let part = all.get(from..to).unwrap_or_default();
                let part: Vec<Hash> = part.iter().map(|(_, leaf)| *leaf).collect();
                let nodes = tree::nodes(first, &part, &wanted);
                let known = own.iter().filter(of).map(|row| (row.index, row.leaf));
                let known = known.collect();
                if !tree::holds((first, size, hash), &known, &nodes, &mut BTreeSet::new()) {
                    let seqs = own.iter().filter(of).map(|row| row.seq);
                    let (low, high) = (seqs.clone().min(), seqs.max());
                    let why = format!(
                        "rows {} to {} are not what was signed",
                        low.unwrap_or(0),
                        high.unwrap_or(0)
                    );
                    return Err(refused(&self.node, why));
                }
                found.extend(nodes);
            }
        }
        match rest.first() {
            Some(row) => Err(refused(
                &self.node,
                format!("no checkpoint covers row {} yet", row.seq),
            )),
            None => Ok(found),
        }
    }
}

/// The period that a segment's path says.
pub fn period_of(path: &str) -> &str {
    path.split('/').next().unwrap_or_default()
}

/// Numbers and leaves of rows, file by file; the last file that was read is kept.
struct LeavesOf<'a> {
    store: &'a Store,
    files: &'a [RowFile],
    last: Option<(usize, Vec<(u64, Hash)>)>,
}

impl LeavesOf<'_> {
    fn new<'a>(store: &'a Store, files: &'a [RowFile]) -> LeavesOf<'a> {
        LeavesOf {
            store,
            files,
            last: None,
        }
    }

    /// Of the rows after one number up to another.
    fn between(&mut self, after: u64, last: u64) -> Result<Vec<(u64, Hash)>, BundleError> {
        let mut found = Vec::new();
        for (number, file) in self.files.iter().enumerate() {
            if file.first > last || file.last.is_some_and(|own| own <= after) {
                continue;
            }
            if self.last.as_ref().is_none_or(|(kept, _)| *kept != number) {
                let rows = file
                    .rows(self.store)
                    .map_err(|error| super::unreadable(file, &error))?;
                let leaf = |row: ProvenRow| Some((row.seq, row.leaf?));
                self.last = Some((number, rows.rows.into_iter().filter_map(leaf).collect()));
            }
            let rows = self.last.iter().flat_map(|(_, rows)| rows);
            found.extend(rows.filter(|(seq, _)| *seq > after && *seq <= last));
        }
        Ok(found)
    }
}
