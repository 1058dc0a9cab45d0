//! The files of a search: which there are, and which of them a window needs.
//!
//! Journals are opened before segments are listed, and a segment whose journal is among them is left out: a journal that is
//! sealed meanwhile is then read from the open file, and no row is seen twice or missed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use parquet::errors::ParquetError;

use super::window::Window;
use super::{FileRead, Matcher, Order, SearchError, Searched, Unreadable, scan};
use crate::index::Index;
use crate::paths::{FileName, Layout, Period};
use crate::record::Col;
use crate::replay::Replay;
use crate::segment::Facts;

/// A sealed segment.
struct Segment {
    path: PathBuf,
    /// Read once, when first needed.
    facts: Option<Facts>,
}

pub(super) struct Sources {
    layout: Layout,
    journals: Vec<(String, Replay)>,
    /// By period, oldest first.
    segments: BTreeMap<Period, Vec<Segment>>,
    files: Vec<FileRead>,
    /// Place of each name in `files`.
    known: BTreeMap<String, u32>,
    unreadable: BTreeMap<String, String>,
    index: Index,
}

impl Sources {
    pub(super) fn open(directory: &Path, matcher: &Matcher) -> io::Result<Sources> {
        let layout = Layout::new(directory);
        let mut sources = Sources {
            layout,
            journals: Vec::new(),
            segments: BTreeMap::new(),
            files: Vec::new(),
            known: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            index: Index::default(),
        };
        let mut unsealed = BTreeSet::new();
        for (name, path) in sources.layout.list_journals()? {
            let shown = sources.layout.shown(&path);
            match Replay::open(&path) {
                Ok(replay) => {
                    unsealed.insert((name.node, name.first));
                    sources.journals.push((shown, replay));
                }
                // Sealed since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => drop(sources.unreadable.insert(shown, error.to_string())),
            }
        }
        sources.index = Index::read(&sources.layout);
        for (period, path) in sources.layout.list_periods()? {
            // No row of a period began after it.
            if period.end() > matcher.from {
                let segments = sources.layout.list_segments(&path)?;
                let sealed = |(name, path): (FileName, PathBuf)| {
                    (!unsealed.contains(&(name.node, name.first)))
                        .then_some(Segment { path, facts: None })
                };
                sources
                    .segments
                    .insert(period, segments.into_iter().filter_map(sealed).collect());
            }
        }
        Ok(sources)
    }

    /// Gathers the rows of one window.
    pub(super) fn fill(
        &mut self,
        matcher: &Matcher,
        window: &mut Window,
    ) -> Result<(), SearchError> {
        self.fill_from_journals(matcher, window)?;
        let mut segments = std::mem::take(&mut self.segments);
        let mut periods: Vec<(&Period, &mut Vec<Segment>)> = segments.iter_mut().collect();
        if window.order() == Order::Newest {
            periods.reverse();
        }
        let mut result = Ok(());
        for (period, files) in periods {
            // Newest first, a full window is complete once every older period ended before it.
            if result.is_err() || period.end() <= window.times().0 {
                break;
            }
            result = self.fill_from_period(matcher, window, files);
        }
        self.segments = segments;
        result?;
        Ok(window.close()?)
    }

    fn fill_from_journals(
        &mut self,
        matcher: &Matcher,
        window: &mut Window,
    ) -> Result<(), SearchError> {
        for (name, mut replay) in std::mem::take(&mut self.journals) {
            let file = self.number_of(&name, true);
            replay.rewind();
            loop {
                match replay.next() {
                    Ok(Some(batch)) => {
                        window.offer(filter_record_batch(&batch, &matcher.mask(&batch))?, file)?
                    }
                    Ok(None) => break,
                    Err(error) => {
                        self.unreadable.insert(name.clone(), error.to_string());
                        break;
                    }
                }
            }
            if let Some(read) = self.files.get_mut(file as usize) {
                read.damaged = replay.damaged();
            }
            self.journals.push((name, replay));
        }
        Ok(())
    }

    fn fill_from_period(
        &mut self,
        matcher: &Matcher,
        window: &mut Window,
        period: &mut Vec<Segment>,
    ) -> Result<(), SearchError> {
        for segment in period.iter_mut().filter(|segment| segment.facts.is_none()) {
            match self.facts(&segment.path) {
                Ok(facts) => segment.facts = Some(facts),
                Err(error) => self.note_unreadable(&segment.path, &error.to_string()),
            }
        }
        period.retain(|segment| segment.facts.is_some());
        let order = window.order();
        period.sort_by_key(|segment| match (&segment.facts, order) {
            (Some(facts), Order::Oldest) => facts.earliest,
            (Some(facts), Order::Newest) => facts.latest.saturating_neg(),
            (None, _) => i64::MAX,
        });
        for segment in period.iter() {
            let (first, last) = window.times();
            let Some(facts) = &segment.facts else {
                continue;
            };
            let is_asked = facts.latest >= matcher.from
                && facts.earliest < matcher.to
                && facts.may_have(matcher.kinds());
            if is_asked && facts.latest >= first && facts.earliest <= last {
                self.fill_from_segment(matcher, window, &segment.path)?;
            }
        }
        Ok(())
    }

    fn fill_from_segment(
        &mut self,
        matcher: &Matcher,
        window: &mut Window,
        path: &Path,
    ) -> Result<(), ArrowError> {
        let name = self.layout.shown(path);
        let file = self.number_of(&name, false);
        let times = window.times();
        let asked = scan::Asked {
            matcher,
            times,
            columns: None,
        };
        let scanned = scan::scan(path, &asked, &mut |batch| window.offer(batch, file));
        match scanned {
            Ok(()) => Ok(()),
            Err(scan::ScanError::Rows(error)) => Err(error),
            Err(scan::ScanError::File(error)) => {
                self.note_unreadable(path, &error);
                Ok(())
            }
        }
    }

    /// Hands over columns of every matching row, in no order and each file once.
    pub(super) fn walk(
        &mut self,
        matcher: &Matcher,
        columns: &[Col],
        each: &mut dyn FnMut(&RecordBatch),
    ) -> Result<(), SearchError> {
        let indices: Vec<usize> = columns.iter().map(|col| col.index()).collect();
        for (name, mut replay) in std::mem::take(&mut self.journals) {
            let file = self.number_of(&name, true) as usize;
            loop {
                match replay.next() {
                    Ok(Some(batch)) => {
                        let found = filter_record_batch(&batch, &matcher.mask(&batch))?;
                        self.add_rows(file, found.num_rows());
                        each(&found.project(&indices)?);
                    }
                    Ok(None) => break,
                    Err(error) => {
                        self.unreadable.insert(name, error.to_string());
                        break;
                    }
                }
            }
        }
        for segment in std::mem::take(&mut self.segments).into_values().flatten() {
            let facts = match self.facts(&segment.path) {
                Ok(facts) => facts,
                Err(error) => {
                    self.note_unreadable(&segment.path, &error.to_string());
                    continue;
                }
            };
            if facts.latest < matcher.from
                || facts.earliest >= matcher.to
                || !facts.may_have(matcher.kinds())
            {
                continue;
            }
            let name = self.layout.shown(&segment.path);
            let file = self.number_of(&name, false) as usize;
            let asked = scan::Asked {
                matcher,
                times: (i64::MIN, i64::MAX),
                columns: Some(columns),
            };
            let mut rows = 0;
            let scanned = scan::scan(&segment.path, &asked, &mut |batch| {
                rows += batch.num_rows();
                each(&batch);
                Ok(())
            });
            self.add_rows(file, rows);
            match scanned {
                Ok(()) => {}
                Err(scan::ScanError::Rows(error)) => return Err(error.into()),
                Err(scan::ScanError::File(error)) => self.note_unreadable(&segment.path, &error),
            }
        }
        Ok(())
    }

    /// From the index, else from the segment itself.
    fn facts(&mut self, segment: &Path) -> Result<Facts, ParquetError> {
        match self.index.take(&self.layout, segment) {
            Some(facts) => Ok(facts),
            None => Facts::read(segment),
        }
    }

    fn add_rows(&mut self, file: usize, rows: usize) {
        if let Some(read) = self.files.get_mut(file) {
            read.rows += rows as u64;
        }
    }

    fn note_unreadable(&mut self, path: &Path, error: &str) {
        // A period that retention removed meanwhile is not damage; a row of the log tells of it.
        if path.exists() {
            self.unreadable
                .insert(self.layout.shown(path), error.to_owned());
        }
    }

    fn number_of(&mut self, name: &str, is_journal: bool) -> u32 {
        if let Some(number) = self.known.get(name) {
            return *number;
        }
        let number = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.known.insert(name.to_owned(), number);
        self.files.push(FileRead {
            name: name.to_owned(),
            rows: 0,
            is_journal,
            damaged: 0,
        });
        number
    }

    /// Hands over a batch and counts whose rows they were.
    pub(super) fn count(
        &mut self,
        batch: &RecordBatch,
        files: &[u32],
        each: &mut dyn FnMut(&RecordBatch) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for file in files {
            if let Some(read) = self.files.get_mut(*file as usize) {
                read.rows += 1;
            }
        }
        each(batch)
    }

    pub(super) fn finish(self) -> Searched {
        let unreadable = self
            .unreadable
            .into_iter()
            .map(|(name, error)| Unreadable { name, error });
        Searched {
            rows: self.files.iter().map(|file| file.rows).sum(),
            files: self.files,
            unreadable: unreadable.collect(),
        }
    }
}
