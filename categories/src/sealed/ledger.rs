//! What is remembered of each slot beside its file: that it was filled, and what was refused since.
//!
//! Decides nothing. A ledger that is lost makes an alarm less telling and opens nothing: files speak for themselves.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::place;

/// Name of its file in the directory of mandatory lists.
const FILE: &str = "ledger.json";

/// All slots that were ever filled, or offered a list, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    #[serde(default)]
    pub(super) slots: BTreeMap<String, Line>,
}

/// What is remembered of one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Line {
    /// In words, for when the configuration does not name the slot any more.
    pub(super) title: String,
    /// Of the last list that was taken; 0: none ever was.
    pub(super) entries: u64,
    /// When, in seconds since 1970.
    pub(super) made: u64,
    /// The last list that was not taken, until one is.
    pub(super) refused: Option<Refused>,
    /// A list that lost too much, until one is taken.
    pub(super) waiting: Option<Waiting>,
    /// What the plain text at the configured place looked like when it was last read.
    pub(super) source: Option<Stamp>,
}

/// A list that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Seconds since 1970.
    pub at: u64,
    /// Why, without a word of the list.
    pub why: String,
}

/// A list that lost too much, offered first at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// Seconds since 1970.
    pub(super) since: u64,
    /// How many it had.
    pub(super) entries: u64,
}

/// What a file looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Nanoseconds of its last change since 1970.
    pub modified: u64,
    /// Bytes.
    pub size: u64,
}

impl Stamp {
    /// How a file looks now; none when there is none.
    #[must_use]
    pub fn of(path: &Path) -> Option<Stamp> {
        let about = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let modified = about.modified().ok()?;
        let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Stamp {
            modified: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            size: about.len(),
        })
    }
}

impl Ledger {
    /// The stamp of the plain text that a slot was last filled from, or of one that was refused.
    pub(super) fn source(&self, slot: &str) -> Option<Stamp> {
        self.slots.get(slot)?.source
    }

    /// The ledger of a directory; an empty one where it is missing or cannot be read.
    pub(super) fn read(directory: &Path) -> Ledger {
        let text = fs::read(directory.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        place::replace(directory, FILE, &text)
    }
}
