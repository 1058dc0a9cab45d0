//! Retention: whole periods are removed when their time is over, and a row says so (LM-14).
//!
//! Decides which periods are due. A running recorder removes them when it starts, every hour, and when it is asked; [`run`] is
//! for a directory that nobody writes to. The row is made durable before the period goes, unless the disk takes nothing: then
//! the space is given back first and the row follows when it can.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::clock::{self, micros};
use crate::paths::{Period, sync_directory};
use crate::seal::REMOVED_PREFIX;
use crate::segment::Facts;
use crate::settings::{RecorderError, RecorderSettings, StopError};
use crate::store::Store;

/// A period whose time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which day.
    pub period: Period,
    /// Segments in it.
    pub segments: usize,
    /// Rows in them, as far as their footers can be read.
    pub rows: u64,
    directory: PathBuf,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Periods that are gone.
    pub due: Vec<Due>,
    /// Why what is due was not removed: the clock is doubted.
    pub held_back: Option<String>,
}

/// Why a directory could not be cleared of what is due.
#[derive(Debug, thiserror::Error)]
pub enum RetainError {
    /// The recorder could not be started; locked means that a running Weir does it.
    #[error(transparent)]
    Start(#[from] RecorderError),
    /// It was not ended in good order.
    #[error(transparent)]
    Stop(#[from] StopError),
}

/// Periods that ended more than `retain` before `now` (µs since the epoch), oldest first. Changes nothing.
///
/// # Errors
/// When the directory cannot be listed.
pub fn due(store: &Store, retain: Duration, now: i64) -> io::Result<Vec<Due>> {
    let layout = store.layout();
    let over = |period: &Period| period.end().saturating_add(micros(retain)) <= now;
    let periods = layout
        .list_periods()?
        .into_iter()
        .filter(|(period, _)| over(period));
    periods
        .map(|(period, directory)| describe(store, period, directory))
        .collect()
}

/// Periods whose content is due: those that ended more than `retain` before `now` and whose content keys are still there.
pub(crate) fn due_content(store: &Store, retain: Duration, now: i64) -> io::Result<Vec<Period>> {
    let mut due = Vec::new();
    for (period, _) in store.layout().list_periods()? {
        let is_over = period.end().saturating_add(micros(retain)) <= now;
        if is_over && !store.keys()?.list(period, true)?.is_empty() {
            due.push(period);
        }
    }
    Ok(due)
}

/// Removes what is due now from a directory that nobody writes to, by starting and stopping a recorder there. What it removed.
///
/// # Errors
/// [`RecorderError::Locked`] when a running Weir holds the directory: it removes what is due itself every hour.
pub fn run(settings: RecorderSettings, deadline: Duration) -> Result<Removed, RetainError> {
    let store = Store::open(&settings.directory, &settings.kek, &settings.tenant);
    let store = store.map_err(RecorderError::from)?;
    let found = due(&store, settings.retain, clock::now()).unwrap_or_default();
    let until = Instant::now() + deadline;
    let recorder = crate::Recorder::start(settings)?;
    recorder.retain(deadline);
    let held_back = recorder.health().held_back;
    recorder.stop(until.saturating_duration_since(Instant::now()))?;
    let is_gone = |due: &Due| !due.directory.exists();
    Ok(Removed {
        due: found.into_iter().filter(is_gone).collect(),
        held_back,
    })
}

/// Removes one period. Readers see all of it or nothing; its keys are destroyed before its files go, so that no copy of the
/// records has it either. Interrupted anywhere, the next start finishes it.
pub(crate) fn remove(store: &Store, due: &Due) -> io::Result<()> {
    let layout = store.layout();
    let aside = layout
        .segments()
        .join(format!("{REMOVED_PREFIX}{}", due.period));
    std::fs::rename(&due.directory, &aside)?;
    finish_removal(store, due.period, &aside)
}

/// The rest of a removal: the keys of the period, then what was put aside.
pub(crate) fn finish_removal(store: &Store, period: Period, aside: &Path) -> io::Result<()> {
    let layout = store.layout();
    let keys = store.keys()?;
    for key in keys.all()?.into_iter().filter(|key| key.period == period) {
        keys.destroy(&key)?;
    }
    std::fs::remove_dir_all(aside)?;
    crate::index::forget(store, period);
    sync_directory(&layout.segments())
}

fn describe(store: &Store, period: Period, directory: PathBuf) -> io::Result<Due> {
    let segments = store.layout().list_segments(&directory)?;
    let rows = segments
        .iter()
        .filter_map(|(_, path)| Facts::read(store, path).ok())
        .map(|facts| facts.rows)
        .sum();
    Ok(Due {
        period,
        segments: segments.len(),
        rows,
        directory,
    })
}
