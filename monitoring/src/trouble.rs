//! What is known of a time in which nothing could be written.
//!
//! Decides nothing: the writer notes it here, and a gap row tells of it afterwards.

use std::time::Duration;

/// A time in which nothing could be written.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// Since when, µs since the epoch.
    pub(crate) since: i64,
    pub(crate) error: String,
    /// Rows that were handed over but whose sync failed.
    pub(crate) unsure: Option<(u64, u64)>,
    /// When to try again, by the steady clock.
    pub(crate) retry: Duration,
}

/// What failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Create,
    Write,
    Sync,
}

impl Doing {
    /// After "cannot".
    pub(crate) fn words(self) -> &'static str {
        match self {
            Doing::Create => "create a journal",
            Doing::Write => "write to the journal",
            Doing::Sync => "sync the journal",
        }
    }
}
