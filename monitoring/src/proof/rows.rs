//! The files of a records directory as a check reads them: every row in order of `seq`, with its leaf.
//!
//! Only reads, and takes nothing for granted: whatever is in a file, the answer is rows or an error.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use parquet::file::metadata::PageIndexPolicy;
use weir_evidence::{Hash, LeafMaker, SealedFile, Secret};

use super::{leaves, sidecar};
use crate::adapt::{Cells, adapt};
use crate::hosts;
use crate::notes;
use crate::paths::{FileName, Layout};
use crate::record::Col;
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
    /// A period was removed because its time was over.
    Retention {
        /// Which day.
        period: String,
    },
}

/// One row of a file.
#[derive(Clone, Debug)]
pub struct ProvenRow {
    /// Its number.
    pub seq: u64,
    /// Its leaf; None when the file has no secret.
    pub leaf: Option<Hash>,
    /// For rows about recording itself: what, and the moment they were written, µs since the epoch.
    pub happening: Option<(Happening, i64)>,
}

/// The rows of a file.
#[derive(Clone, Debug, Default)]
pub struct FileRows {
    /// By number.
    pub rows: Vec<ProvenRow>,
    /// Whether it has a secret, without which its rows prove nothing.
    pub has_secret: bool,
    /// Whether the filter of hosts beside a segment is not what was written.
    pub is_filter_damaged: bool,
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
pub fn row_files(directory: &Path) -> io::Result<Vec<RowFile>> {
    let layout = Layout::new(directory);
    let mut found = Vec::new();
    for (_, period) in layout.list_periods()? {
        found.extend(layout.list_segments(&period)?);
    }
    let journals = layout.list_journals()?.into_iter().filter(|(journal, _)| {
        let is_same = |(segment, _): &(FileName, PathBuf)| {
            segment.node == journal.node && segment.first == journal.first
        };
        !found.iter().any(is_same)
    });
    let journals: Vec<_> = journals.collect();
    found.extend(journals);
    found.sort();
    let as_file = |(name, path): (FileName, PathBuf)| RowFile {
        shown: layout.shown(&path),
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
        let secret = sidecar::read_secret(store, &self.path).map_err(|error| {
            io::Error::new(error.kind(), format!("its secret cannot be used: {error}"))
        })?;
        let mut found = FileRows {
            has_secret: secret.is_some(),
            ..FileRows::default()
        };
        let mut maker = secret.map(LeafMaker::new);
        let mut take = |batch: &RecordBatch| add(batch, maker.as_mut(), &mut found.rows);
        let (mut damaged, mut torn, mut is_filter_damaged) = (0, 0, false);
        if self.last.is_some() {
            read_segment(store, &self.path, &mut take)?;
            is_filter_damaged = !hosts::is_whole(store, &self.path);
        } else {
            let mut replay = Replay::open(store, &self.path)?;
            while let Some(batch) = replay.next()? {
                take(&batch)?;
            }
            (damaged, torn) = (replay.damaged(), replay.torn());
            if !replay.has_header() {
                damaged += 1;
            }
        }
        (found.damaged, found.torn) = (damaged, torn);
        found.is_filter_damaged = is_filter_damaged;
        found.rows.sort_by_key(|row| row.seq);
        Ok(found)
    }

    /// The secret from which the salts of its rows derive; None when it has none. For checks with other tools.
    ///
    /// # Errors
    /// When it cannot be read or decrypted.
    pub fn secret(&self, store: &Store) -> io::Result<Option<Secret>> {
        sidecar::read_secret(store, &self.path)
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

    /// What a checkpoint says of the segment.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn sealed(&self) -> io::Result<SealedFile> {
        let path = self.shown.strip_prefix("segments/").unwrap_or(&self.shown);
        Ok(SealedFile {
            path: path.to_owned(),
            digest: Hash::of_reader(File::open(&self.path)?)?,
        })
    }
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

fn add(
    batch: &RecordBatch,
    maker: Option<&mut LeafMaker>,
    rows: &mut Vec<ProvenRow>,
) -> io::Result<()> {
    let cells = Cells::new(batch);
    let mut put = |row: usize, seq: u64, leaf: Option<Hash>| {
        rows.push(ProvenRow {
            seq,
            leaf,
            happening: happening(cells, row),
        });
    };
    match maker {
        Some(maker) => leaves(batch, maker, &mut |row, seq, leaf| {
            put(row, seq, Some(leaf))
        })
        .map_err(io::Error::other),
        None => {
            (0..batch.num_rows()).for_each(|row| put(row, cells.u64_at(Col::seq, row), None));
            Ok(())
        }
    }
}

fn happening(cells: Cells<'_>, row: usize) -> Option<(Happening, i64)> {
    let kind = cells.str_at(Col::kind, row)?.parse::<Kind>().ok()?;
    let note = || cells.str_at(Col::note, row).unwrap_or_default();
    let what = match kind {
        Kind::Start => Happening::Start,
        Kind::Stop => Happening::Stop,
        Kind::Clock => Happening::Clock,
        Kind::Retention => Happening::Retention {
            period: notes::removed_period(note())?.to_owned(),
        },
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
