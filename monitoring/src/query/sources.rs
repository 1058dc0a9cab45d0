//! The files of a search: which there are, and which of them a window needs.
//!
//! Journals are opened before segments are listed, and a segment whose journal is among them is left out: a journal that is
//! sealed meanwhile is then read from the open file, and no row is seen twice or missed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;

use super::narrow::{Day, Narrowing, Segment};
use super::window::Window;
use super::{FileRead, Matcher, Order, SearchError, Searched, Unreadable, parallel, scan};
use crate::paths::Layout;
use crate::record::Col;
use crate::replay::Replay;
use crate::store::Store;

/// Segments that are read at a time: of somebody's day most of it is waiting for small parts of them.
const SCANNERS: usize = 12;
/// Periods that are looked into at a time, at most: a search for few rows needs few.
const AHEAD: usize = 64;

/// A segment that is to be scanned, with the number of its file and the times that still belong to the window.
type Job<'a> = (u32, &'a Path, (i64, i64));

/// What a scanner tells.
enum Told<'a> {
    Rows(u32, RecordBatch),
    Done(&'a Path, Result<(), scan::ScanError>),
}

pub(super) struct Sources {
    store: Store,
    layout: Layout,
    journals: Vec<(String, Replay)>,
    /// Oldest first.
    days: Vec<Day>,
    narrowing: Narrowing,
    files: Vec<FileRead>,
    /// Place of each name in `files`.
    known: BTreeMap<String, u32>,
    unreadable: BTreeMap<String, String>,
}

impl Sources {
    pub(super) fn open(store: &Store, matcher: &Matcher) -> io::Result<Sources> {
        let layout = store.layout().clone();
        let mut sources = Sources {
            store: store.clone(),
            layout,
            journals: Vec::new(),
            days: Vec::new(),
            narrowing: Narrowing::new(store, matcher),
            files: Vec::new(),
            known: BTreeMap::new(),
            unreadable: BTreeMap::new(),
        };
        let mut unsealed = BTreeSet::new();
        for (name, path) in sources.layout.list_journals()? {
            let shown = sources.layout.shown(&path);
            match Replay::open(store, &path) {
                Ok(replay) => {
                    unsealed.insert((name.node, name.first));
                    sources.journals.push((shown, replay));
                }
                // Sealed since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => drop(sources.unreadable.insert(shown, error.to_string())),
            }
        }
        let mut periods = sources.layout.list_periods()?;
        // No row of a period began after it.
        periods.retain(|(period, _)| period.end() > matcher.from);
        let layout = &sources.layout;
        let listed = parallel::each_of(&periods, |(_, path)| layout.list_segments(path));
        for ((period, _), listed) in periods.into_iter().zip(listed) {
            let mut listed = listed?;
            listed.retain(|(name, _)| !unsealed.contains(&(name.node.clone(), name.first)));
            let segments = None;
            sources.days.push(Day {
                period,
                listed,
                segments,
            });
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
        let mut days = std::mem::take(&mut self.days);
        let mut order: Vec<usize> = (0..days.len()).collect();
        if window.order() == Order::Newest {
            order.reverse();
        }
        let (mut result, mut ahead) = (Ok(()), 1);
        for (at, place) in order.iter().enumerate() {
            // Newest first, a full window is complete once every older period ended before it.
            let is_over = |day: &Day| day.period.end() <= window.times().0;
            if result.is_err() || days.get(*place).is_none_or(is_over) {
                break;
            }
            if days.get(*place).is_some_and(|day| day.segments.is_none()) {
                let next = order.get(at..).unwrap_or_default();
                self.narrow(&mut days, next.get(..ahead).unwrap_or(next));
                ahead = (ahead * 4).min(AHEAD);
            }
            if let Some(segments) = days.get_mut(*place).and_then(|day| day.segments.as_mut()) {
                result = self.fill_from_segments(matcher, window, segments);
            }
        }
        self.days = days;
        result?;
        Ok(window.close()?)
    }

    /// Finds of each of these days which segments a search opens.
    fn narrow(&mut self, days: &mut [Day], places: &[usize]) {
        let asked: Vec<&Day> = places.iter().filter_map(|place| days.get(*place)).collect();
        let narrowing = &self.narrowing;
        let narrowed = parallel::each_of(&asked, |day| match day.segments {
            None => Some(narrowing.narrow(day)),
            Some(_) => None,
        });
        for (place, narrowed) in places.iter().zip(narrowed) {
            if let (Some(day), Some(narrowed)) = (days.get_mut(*place), narrowed) {
                day.segments = Some(narrowed.segments);
                for (path, error) in narrowed.unreadable {
                    self.note_unreadable(&path, &error);
                }
            }
        }
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

    /// Scans segments, several at a time: a cold disk is waited for by all of them together.
    fn fill_from_segments(
        &mut self,
        matcher: &Matcher,
        window: &mut Window,
        segments: &mut [Segment],
    ) -> Result<(), SearchError> {
        let order = window.order();
        segments.sort_by_key(|segment| match order {
            Order::Oldest => segment.facts.earliest,
            Order::Newest => segment.facts.latest.saturating_neg(),
        });
        let store = self.store.clone();
        let mut waiting = segments.iter();
        // Never full: a job is given to one that is idle.
        let (give, jobs) = sync_channel::<Job<'_>>(SCANNERS);
        let (tell, told) = sync_channel(2 * SCANNERS);
        let jobs = Mutex::new(jobs);
        std::thread::scope(|scope| {
            let mut result = Ok(());
            let (mut idle, mut running) = (0, 0);
            // Where a thread cannot be had, one that is there does its work.
            for _ in 0..SCANNERS.min(waiting.len()) {
                let (tell, jobs, store) = (tell.clone(), &jobs, &store);
                let scanner = move || scan_given(store, matcher, jobs, &tell);
                match Builder::new().spawn_scoped(scope, scanner) {
                    Ok(_) => idle += 1,
                    Err(error) if idle == 0 => return Err(SearchError::List(error)),
                    Err(_) => break,
                }
            }
            loop {
                while idle > 0 && result.is_ok() {
                    let (first, last) = window.times();
                    let is_of_window = |segment: &&Segment| {
                        segment.facts.latest >= first && segment.facts.earliest <= last
                    };
                    let Some(segment) = waiting.find(is_of_window) else {
                        break;
                    };
                    let file = self.number_of(&self.layout.shown(&segment.path), false);
                    if give.send((file, &segment.path, (first, last))).is_err() {
                        break;
                    }
                    (idle, running) = (idle - 1, running + 1);
                }
                if running == 0 {
                    break;
                }
                match told.recv() {
                    Ok(Told::Rows(file, batch)) if result.is_ok() => {
                        result = window.offer(batch, file).map_err(SearchError::from);
                    }
                    Ok(Told::Rows(..)) => {}
                    Ok(Told::Done(path, scanned)) => {
                        (idle, running) = (idle + 1, running - 1);
                        match scanned {
                            Ok(()) => {}
                            Err(scan::ScanError::File(error)) => self.note_unreadable(path, &error),
                            Err(scan::ScanError::Rows(error)) => {
                                result = result.and(Err(error.into()));
                            }
                        }
                    }
                    Err(_) => break,
                }
            }
            drop(give);
            result
        })
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
        let mut days = std::mem::take(&mut self.days);
        let places: Vec<usize> = (0..days.len()).collect();
        for places in places.chunks(AHEAD) {
            self.narrow(&mut days, places);
        }
        for segment in days.into_iter().filter_map(|day| day.segments).flatten() {
            let name = self.layout.shown(&segment.path);
            let file = self.number_of(&name, false) as usize;
            let asked = scan::Asked {
                matcher,
                times: (i64::MIN, i64::MAX),
                columns: Some(columns),
            };
            let mut rows = 0;
            let scanned = scan::scan(&self.store, &segment.path, &asked, &mut |batch| {
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

/// Scans what is given until nothing more is.
fn scan_given<'a>(
    store: &Store,
    matcher: &Matcher,
    jobs: &Mutex<Receiver<Job<'a>>>,
    tell: &SyncSender<Told<'a>>,
) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((file, path, times)) = job else {
            return;
        };
        let asked = scan::Asked {
            matcher,
            times,
            columns: None,
        };
        let scanned = scan::scan(store, path, &asked, &mut |batch| {
            let gone = |_| ArrowError::ComputeError("nobody takes the rows".to_owned());
            tell.send(Told::Rows(file, batch)).map_err(gone)
        });
        if tell.send(Told::Done(path, scanned)).is_err() {
            return;
        }
    }
}
