//! Searching the records: segments and journals of one directory, also while a recorder appends to it.
//!
//! Decides what a filter means and in which order rows come. Whether the searcher may search, and that the search itself is
//! recorded, is decided by the caller (LM-12, LM-18). Memory is bounded whatever matches: rows come in windows, each the next
//! so many in order of time, and a window is gathered by reading only what can belong to it.

mod aggregate;
mod ahead;
mod every;
mod matcher;
mod narrow;
mod parallel;
mod person;
mod scan;
mod sources;
mod term;
mod visits;
mod window;
mod withheld;

use std::io;
use std::net::IpAddr;
use std::ops::ControlFlow;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use aggregate::{By, Ranked, Sum, Summary, rank, summarise};
pub(crate) use every::every;
pub(crate) use matcher::Matcher;
pub(crate) use scan::coded;
use sources::Sources;
pub(crate) use term::{is_coded, is_empty};
pub use visits::{Counted, Visits, visits};
use window::Window;
pub use withheld::WITHHELD;

use crate::event::EventId;
use crate::store::Store;
use crate::words::{Kind, Verdict};

/// Rows of one window: what a search holds at most, twice, beside one batch of its reader.
pub(crate) const WINDOW: usize = 65_536;

/// In which order of time rows come; rows of one moment by their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The earliest first.
    #[default]
    Oldest,
    /// The latest first.
    Newest,
}

/// Which rows. Every filter that is set must hold; none set means all rows. Names are compared as they are stored, so they are
/// scrubbed in the same way first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Query {
    /// Name of the person, in whatever case: signing in ignores it too, so two spellings are one person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// One of the row's groups, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Name of the device, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Name of the network, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Address of the client; an IPv4 address inside IPv6 is that IPv4 address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// Host or SNI in normal form, with everything below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The host itself only, not what is below it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exact_host: bool,
    /// One of the target's categories, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Rule that decided, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What the policy answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Any of these kinds; empty: every kind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<Kind>,
    /// Rows of one event: the id on the block page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// Rows that began at this moment or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Rows that began before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Occurs in user, device, host, SNI, path, rule, category, list, entry or note; letter case is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Rows that name this case: reads, disputes, holds and the like. No traffic names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// Rows come without what leads to one person, for who looks at many people at once: [`WITHHELD`], and the notes of rows
    /// that may name somebody.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withhold_people: bool,
    /// At most so many rows: the first in `order`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Order of the rows.
    pub order: Order,
}

/// One file that was looked into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRead {
    /// Name, relative to the records directory.
    pub name: String,
    /// Rows of it in the result.
    pub rows: u64,
    /// Whether it is a journal that was not sealed yet.
    pub is_journal: bool,
    /// Bytes in the middle of it that could not be read as rows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub damaged: u64,
}

/// One file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// Name, relative to the records directory.
    pub name: String,
    /// Why.
    pub error: String,
}

/// What a search looked at. A file that could not be read does not end it: it is named here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Searched {
    /// Rows handed over.
    pub rows: u64,
    /// Files that may have held matching rows.
    pub files: Vec<FileRead>,
    /// Files that may have held matching rows and could not be read.
    pub unreadable: Vec<Unreadable>,
}

/// Why a search could not be done at all.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The records directory cannot be listed.
    #[error("cannot list the records: {0}")]
    List(#[from] io::Error),
    /// Rows that were read could not be put in order.
    #[error("cannot order the rows: {0}")]
    Arrow(#[from] ArrowError),
}

/// Hands every matching row to `each`, in batches of [`crate::schema`], until there are no more or `each` breaks.
///
/// What is being written meanwhile may or may not be seen; what was in the journal when the search began is. Torn tails are left
/// out. A directory without records has no rows.
///
/// # Errors
/// When the directory cannot be listed; a single file that cannot be read is named in [`Searched`] instead.
pub fn search(
    store: &Store,
    query: &Query,
    each: &mut dyn FnMut(&RecordBatch) -> ControlFlow<()>,
) -> Result<Searched, SearchError> {
    run(store, &Matcher::new(query), query, WINDOW, each)
}

pub(crate) fn run(
    store: &Store,
    matcher: &Matcher,
    query: &Query,
    window: usize,
    each: &mut dyn FnMut(&RecordBatch) -> ControlFlow<()>,
) -> Result<Searched, SearchError> {
    let mut sources = Sources::open(store, matcher)?;
    let mut left = query.limit.unwrap_or(u64::MAX);
    let mut after = None;
    while left > 0 {
        let size = usize::try_from(left).unwrap_or(window).min(window);
        let mut gathered = Window::new(query.order, size, after);
        sources.fill(matcher, &mut gathered)?;
        let is_last = !gathered.is_cut();
        after = gathered.last_key();
        left = left.saturating_sub(gathered.len() as u64);
        let mut failed = None;
        let mut give = |batch: &RecordBatch| {
            if !query.withhold_people {
                return each(batch);
            }
            match withheld::without_people(batch) {
                Ok(batch) => each(&batch),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        let handed =
            gathered.hand_over(&mut |batch, rows_of| sources.count(batch, rows_of, &mut give))?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        if handed.is_break() || is_last {
            break;
        }
    }
    Ok(sources.finish())
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod speed_tests;
#[cfg(test)]
mod tests;
