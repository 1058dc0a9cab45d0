//! How the recorder is, for the console, the metrics and whoever decides whether traffic may go on unrecorded.

use serde::Serialize;

/// A snapshot; every count is since the recorder started.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RecorderHealth {
    /// Whether records reach the disk at present.
    pub writable: bool,
    /// Since when they do not, µs since the epoch.
    pub since: Option<i64>,
    /// The latest error of writing, syncing or sealing, also after it was overcome.
    pub last_error: Option<String>,
    /// Records dropped because the queue was full, the disk did not take them, or they came after the stop.
    pub dropped: u64,
    /// Records in memory on their way to the disk.
    pub queued: usize,
    /// Number of the last row handed to the kernel: survives the death of the process.
    pub written: u64,
    /// Number of the last row synced: survives the loss of power.
    pub synced: u64,
    /// Rows in the current journal.
    pub journal_rows: u64,
    /// Bytes in the current journal.
    pub journal_bytes: u64,
    /// Journals waiting to be sealed.
    pub unsealed: usize,
    /// Segments sealed.
    pub sealed: u64,
    /// Why what is due by its age is not removed at present: the clock is doubted.
    pub held_back: Option<String>,
    /// Periods removed.
    pub removed_periods: u64,
    /// Number of the last signed checkpoint of the log; 0 before the first.
    pub checkpoint: u64,
    /// When it was signed, µs since the epoch.
    pub checkpoint_time: Option<i64>,
    /// Rows that it covers.
    pub checkpoint_rows: u64,
    /// Why no newer one can be signed at present.
    pub checkpoint_error: Option<String>,
}
