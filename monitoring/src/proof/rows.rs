//! The files of a records directory as a check reads them: every row in order of `seq`, with its leaf.
//!
//! Only reads, and takes nothing for granted: whatever is in a file, the answer is rows or an error.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use arrow::array::{Array, RecordBatch};
use parquet::file::metadata::PageIndexPolicy;
use weir_evidence::{Hash, Salts, Secret, Tag, TagKey, UserDigest, UserEntry};

use super::names::{Slot, Source, Tally};
use super::tombstones::{self, Tombstone};
use super::{Leaf, Leaves, sidecar, tag_key};
use crate::adapt::{Cells, adapt};
use crate::column::Grade;
use crate::event::EventId;
use crate::hosts;
use crate::notes;
use crate::paths::FileName;
use crate::record::{Col, columns};
use crate::replay::Replay;
use crate::segment;
use crate::store::Store;
use crate::words::{End, Kind};

/// A journal or segment.
#[derive(Clone, Debug)]
pub struct RowFile {
    /// The node that its name says.
    pub node: String,
    /// The first row that its name says.
    pub first: u64,
    /// The last one; None for a journal.
    pub last: Option<u64>,
    /// Where it lies.
    pub path: PathBuf,
    /// The same, under the records directory.
    pub shown: String,
    /// The key of its log's tags, when it is there and one.
    tags: Option<TagKey>,
}

/// What a row tells of recording itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Recording began.
    Start,
    /// Recording ended in good order.
    Stop,
    /// Something may be missing.
    Gap {
        /// Whether the run before ended without a stop row.
        is_crash: bool,
        /// Numbers of rows that were handed over but may not have reached the disk.
        unsure: Option<(u64, u64)>,
        /// Whether rows were left out because their bytes were damaged.
        is_damage: bool,
    },
    /// The wall clock was stepped.
    Clock,
    /// Something of a period was removed because its time was over.
    Retention {
        /// Which day.
        period: String,
        /// What of it.
        gone: Gone,
    },
    /// Rows were erased.
    Erasure {
        /// How many, as the row says.
        rows: Option<u64>,
    },
}

/// What of a period was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// All of it.
    Whole,
    /// All but what cases hold: segments, and so many rows of segments that stay.
    Partly {
        /// Rows of segments that stay.
        rows: Option<u64>,
    },
    /// The content of its rows.
    Content,
}

/// One row of a file.
#[derive(Clone, Debug)]
pub struct ProvenRow {
    /// Its number.
    pub seq: u64,
    /// When it began, µs since the epoch.
    pub time: i64,
    /// Its leaf; None when the file has no secret, or whose row it is cannot be told without the tag key.
    pub leaf: Option<Hash>,
    /// Id of its event.
    pub event: EventId,
    /// For rows about recording itself: what, and the moment they were written, µs since the epoch.
    pub happening: Option<(Happening, i64)>,
    /// Whose it is, blinded; None when that cannot be told without the tag key.
    pub tag: Option<Tag>,
    /// What is left of a row that was erased; then time and what happened are not known.
    pub tombstone: Option<Tombstone>,
}

/// The rows of a file.
#[derive(Clone, Debug, Default)]
pub struct FileRows {
    /// By number.
    pub rows: Vec<ProvenRow>,
    /// What it has of each tag, made from the rows that have a leaf and from what is left of erased ones; by ascending tag.
    pub users: Vec<UserEntry>,
    /// Whether it has a secret, without which its rows prove nothing.
    pub has_secret: bool,
    /// Rows that were erased, and rows whose content has expired.
    pub erased: u64,
    /// Of the rows that are there.
    pub expired: u64,
    /// Whether the commitments to content beside a segment are not those of its rows.
    pub is_content_altered: bool,
    /// Whether the filter of hosts beside a segment is not what was written.
    pub is_filter_damaged: bool,
    /// Rows whose person cannot be told without the tag key.
    pub untagged: u64,
    /// Bytes of a journal that hold no rows because they are damaged.
    pub damaged: u64,
    /// Bytes at the end of a journal that are no whole write.
    pub torn: u64,
}

/// The journals and segments of a directory, by node and first row. A journal whose segment is there as well, which an
/// interrupted sealing leaves, is left out.
///
/// # Errors
/// When a directory cannot be listed.
pub fn row_files(store: &Store) -> io::Result<Vec<RowFile>> {
    let layout = store.layout();
    // Journals first: one that is sealed meanwhile is then among both, and not among neither.
    let journals = layout.list_journals()?;
    let mut found = Vec::new();
    for (_, period) in layout.list_periods()? {
        found.extend(layout.list_segments(&period)?);
    }
    let journals = journals.into_iter().filter(|(journal, _)| {
        let is_same = |(segment, _): &(FileName, PathBuf)| {
            segment.node == journal.node && segment.first == journal.first
        };
        !found.iter().any(is_same)
    });
    let journals: Vec<_> = journals.collect();
    found.extend(journals);
    found.sort();
    let mut keys = BTreeMap::new();
    for (name, _) in &found {
        if !keys.contains_key(&name.node) {
            // Who needs it says what is wrong with it.
            let key = tag_key(store, &name.node).unwrap_or_default();
            keys.insert(name.node.clone(), key);
        }
    }
    let as_file = |(name, path): (FileName, PathBuf)| RowFile {
        shown: layout.shown(&path),
        tags: keys.get(&name.node).cloned().flatten(),
        node: name.node,
        first: name.first,
        last: name.last,
        path,
    };
    Ok(found.into_iter().map(as_file).collect())
}

impl RowFile {
    /// Every row with its leaf.
    ///
    /// # Errors
    /// When the file or its secret cannot be read, or holds something that no row of Weir is.
    pub fn rows(&self, store: &Store) -> io::Result<FileRows> {
        let mut found = FileRows::default();
        let mut places: Vec<(u64, Slot, Tag)> = Vec::new();
        let is_sealed = self.last.is_some();
        let contents = match is_sealed {
            true => sidecar::read_contents(&self.path)?,
            false => BTreeMap::new(),
        };
        let mut committed = 0;
        let read = self.each(store, &mut |batch, leaf| {
            found.untagged += u64::from(leaf.of.is_none());
            if let Some((seq, commitment)) = leaf.content() {
                let is_there = keeps_content(batch, leaf.row);
                found.expired += u64::from(!is_there);
                committed += u64::from(contents.get(&seq) == Some(&commitment));
                found.is_content_altered |= is_sealed && contents.get(&seq) != Some(&commitment);
            }
            if let Some((slot, tag)) = leaf.of {
                places.push((leaf.seq, slot, tag));
            }
            found.rows.push(ProvenRow {
                seq: leaf.seq,
                time: leaf.time,
                leaf: leaf.hash,
                event: EventId(Cells::new(batch).u64_at(Col::event, leaf.row)),
                happening: happening(Cells::new(batch), leaf.row),
                tag: leaf.of.map(|(_, tag)| tag),
                tombstone: None,
            });
        })?;
        (found.has_secret, found.damaged, found.torn) = (read.has_secret, read.damaged, read.torn);
        found.rows.sort_by_key(|row| row.seq);
        places.sort_unstable_by_key(|(seq, ..)| *seq);
        let mut tally = Tally::default();
        let tagged = found.rows.iter().filter(|row| row.leaf.is_some());
        for (row, (seq, slot, tag)) in tagged.zip(places) {
            if let Some(leaf) = row.leaf.filter(|_| row.seq == seq) {
                tally.push((slot, tag), seq, &leaf);
            }
        }
        found.users = tally.finish();
        if is_sealed {
            let stones = tombstones::read(&self.path)?;
            // Those of rows that were just erased may still be there.
            let own = contents.keys().filter(|seq| !stones.contains_key(seq));
            found.is_content_altered |= own.count() as u64 > committed;
            found.bury(stones);
        }
        found.is_filter_damaged = self.last.is_some() && !hosts::is_whole(store, &self.path);
        Ok(found)
    }

    /// The secret from which the salts of its rows derive; None when it has none. For checks with other tools.
    ///
    /// # Errors
    /// When it cannot be read or decrypted.
    pub fn secret(&self, store: &Store) -> io::Result<Option<Secret>> {
        sidecar::read_secret(store, &self.path)
    }

    /// Hands over every row with its leaf, batch by batch, in the order of the file. The rows of a file without a secret come
    /// without one.
    pub(crate) fn each(
        &self,
        store: &Store,
        take: &mut dyn FnMut(&RecordBatch, Leaf<'_>),
    ) -> io::Result<Read> {
        let salts = sidecar::read_salts(store, &self.path).map_err(|error| {
            io::Error::new(error.kind(), format!("its secret cannot be used: {error}"))
        })?;
        let has_secret = salts.is_some();
        // Without one the leaves are made for their commitments' sake alone, which nobody takes.
        let salts = salts.map_or_else(|| Secret::random().map(Salts::Secret), Ok);
        let contents = match self.last {
            Some(_) => sidecar::read_contents(&self.path)?,
            None => BTreeMap::new(),
        };
        let names = self.names(store)?;
        let mut leaves = Leaves::with(salts.map_err(io::Error::other)?, names, contents);
        let read = self.batches(store, &mut |batch| {
            let mut hand_over = |mut leaf: Leaf<'_>| {
                leaf.hash = leaf.hash.filter(|_| has_secret);
                take(batch, leaf);
            };
            let made = leaves.of(batch, &mut hand_over);
            made.map_err(io::Error::other)
        })?;
        Ok(Read { has_secret, ..read })
    }

    /// Where the tags of its names come from. Without the key a segment still says them: each person's first row is that of the
    /// entry.
    fn names(&self, store: &Store) -> io::Result<Source> {
        if let Some(key) = &self.tags {
            return Ok(Source::Key(key.clone()));
        }
        let users = sidecar::read_users(&self.path).unwrap_or_default();
        let Some(users) = users.filter(|_| self.last.is_some()) else {
            return Ok(Source::Table(HashMap::new()));
        };
        let mut firsts: HashMap<String, u64> = HashMap::new();
        self.batches(store, &mut |batch| {
            let cells = Cells::new(batch);
            for row in 0..batch.num_rows() {
                if let Some(user) = cells.str_at(Col::user, row) {
                    let seq = cells.u64_at(Col::seq, row);
                    let first = firsts.entry(user.to_lowercase()).or_insert(seq);
                    *first = seq.min(*first);
                }
            }
            Ok(())
        })?;
        let tags: HashMap<u64, Tag> = users.iter().map(|entry| (entry.first, entry.tag)).collect();
        let tag = |(user, first)| Some((user, *tags.get(&first)?));
        Ok(Source::Table(firsts.into_iter().filter_map(tag).collect()))
    }

    /// Hands over every batch, in today's columns.
    pub(crate) fn batches(
        &self,
        store: &Store,
        take: &mut dyn FnMut(&RecordBatch) -> io::Result<()>,
    ) -> io::Result<Read> {
        if self.last.is_some() {
            read_segment(store, &self.path, take)?;
            return Ok(Read::default());
        }
        let mut replay = Replay::open(store, &self.path)?;
        let mut has_rows = false;
        while let Some(batch) = replay.next()? {
            has_rows = true;
            take(&batch)?;
        }
        // A journal that is just being made is empty for a moment, and a kill may leave the half of its header. It has no rows then;
        // whether there should be some is told by the checkpoints.
        let is_just_begun = !has_rows && replay.damaged() == 0;
        let lacks_header = !replay.has_header() && !is_just_begun;
        Ok(Read {
            has_secret: false,
            damaged: replay.damaged() + u64::from(lacks_header),
            torn: replay.torn(),
        })
    }

    /// The users of a segment, as they lie beside it; None when it has none.
    ///
    /// # Errors
    /// When they cannot be read, or are none.
    pub fn users(&self) -> io::Result<Option<Vec<UserEntry>>> {
        sidecar::read_users(&self.path)
    }

    /// The hints of a segment: one byte a row; None when it has none.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn hints(&self) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(sidecar::hints_path(&self.path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// What is left of the rows that were erased, by number.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub(crate) fn tombstones(&self) -> io::Result<BTreeMap<u64, Tombstone>> {
        match self.last {
            Some(_) => tombstones::read(&self.path),
            None => Ok(BTreeMap::new()),
        }
    }

    /// SHA-256 of its bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn digest(&self) -> io::Result<Hash> {
        Hash::of_reader(File::open(&self.path)?)
    }

    /// Path of a segment as checkpoints name it.
    pub fn sealed_name(&self) -> &str {
        self.shown.strip_prefix("segments/").unwrap_or(&self.shown)
    }
}

impl FileRows {
    /// Takes in what is left of rows that are not there.
    fn bury(&mut self, stones: BTreeMap<u64, Tombstone>) {
        let there: HashSet<u64> = self.rows.iter().map(|row| row.seq).collect();
        let gone = stones.into_iter().filter(|(seq, _)| !there.contains(seq));
        let before = self.rows.len();
        self.rows.extend(gone.map(|(seq, stone)| ProvenRow {
            tag: Some(stone.tag),
            seq,
            time: 0,
            leaf: Some(stone.leaf),
            event: stone.id,
            happening: None,
            tombstone: Some(stone),
        }));
        self.erased = (self.rows.len() - before) as u64;
        if self.erased > 0 {
            self.rows.sort_by_key(|row| row.seq);
            self.users = users_of(&self.rows);
        }
    }
}

/// What rows, some of which are gone, have of each tag.
fn users_of(rows: &[ProvenRow]) -> Vec<UserEntry> {
    let mut found: BTreeMap<Tag, (u64, u64, u64, UserDigest)> = BTreeMap::new();
    for row in rows {
        if let Some((tag, leaf)) = row.tag.zip(row.leaf) {
            let (count, _, last, digest) =
                found
                    .entry(tag)
                    .or_insert((0, row.seq, row.seq, UserDigest::default()));
            (*count, *last) = (*count + 1, row.seq);
            digest.push(&leaf);
        }
    }
    let entry =
        |(tag, (rows, first, last, digest)): (Tag, (u64, u64, u64, UserDigest))| UserEntry {
            tag,
            rows,
            first,
            last,
            digest: digest.finish(),
        };
    found.into_iter().map(entry).collect()
}

/// Whether a row has a value in a column of content grade.
pub(crate) fn keeps_content(batch: &RecordBatch, row: usize) -> bool {
    let columns = columns().iter().zip(batch.columns());
    let mut content = columns.filter(|(column, _)| column.grade == Grade::Content);
    content.any(|(_, values)| row < values.len() && values.is_valid(row))
}

/// What was met beside rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Read {
    pub(crate) has_secret: bool,
    pub(crate) damaged: u64,
    pub(crate) torn: u64,
}

fn read_segment(
    store: &Store,
    path: &Path,
    take: &mut dyn FnMut(&RecordBatch) -> io::Result<()>,
) -> io::Result<()> {
    let reader = segment::reader(store, File::open(path)?, PageIndexPolicy::Skip)
        .and_then(|builder| builder.with_batch_size(8192).build())
        .map_err(io::Error::other)?;
    for batch in reader {
        let batch = batch
            .and_then(|batch| adapt(&batch))
            .map_err(io::Error::other)?;
        take(&batch)?;
    }
    Ok(())
}

fn happening(cells: Cells<'_>, row: usize) -> Option<(Happening, i64)> {
    let kind = cells.str_at(Col::kind, row)?.parse::<Kind>().ok()?;
    let note = || cells.str_at(Col::note, row).unwrap_or_default();
    let what = match kind {
        Kind::Start => Happening::Start,
        Kind::Stop => Happening::Stop,
        Kind::Clock => Happening::Clock,
        Kind::Erasure => Happening::Erasure {
            rows: notes::erased_rows(note()),
        },
        Kind::Retention => {
            let (period, gone) = notes::removed(note())?;
            Happening::Retention {
                period: period.to_owned(),
                gone,
            }
        }
        Kind::Gap => Happening::Gap {
            is_crash: cells.str_at(Col::end, row) == Some(End::Crash.as_str()),
            unsure: notes::unsure_rows(note()),
            is_damage: notes::tells_damage(note()),
        },
        _ => return None,
    };
    let lasted = i64::try_from(cells.u64_at(Col::duration, row)).unwrap_or(i64::MAX);
    Some((what, cells.time_at(row).saturating_add(lasted)))
}
