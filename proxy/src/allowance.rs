//! The daily allowance over restarts: a small file, written every few seconds while it
//! changes and at the end.
//!
//! Decides when a day begins (at local midnight of the policy's time zone); counting is
//! `weir-bandwidth`'s, how much a day allows the policy's.

use crate::transfer::Daily;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use weir_bandwidth::{Allowances, Usage};

/// Most people and addresses that are counted at once.
const MOST_USERS: usize = 200_000;

/// The allowances in use and where they are kept.
pub(crate) struct Allowance {
    counters: Allowances,
    file: PathBuf,
    saved: Mutex<Usage>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    /// The local day, as the policy numbers days.
    day: i64,
    used: Vec<(String, u64)>,
}

impl Allowance {
    /// Takes up what an earlier run of the same day counted. A file that cannot be read is
    /// reported and begins the day again: nobody is refused because of it.
    pub(crate) fn open(state: &Path, today: i64) -> Allowance {
        let file = state.join("allowance.json");
        let counters = Allowances::new(today, MOST_USERS);
        match std::fs::read(&file).map(|bytes| serde_json::from_slice::<Kept>(&bytes)) {
            Ok(Ok(kept)) => counters.restore(&Usage {
                day: kept.day,
                used: kept
                    .used
                    .into_iter()
                    .map(|(user, bytes)| (user.into(), bytes))
                    .collect(),
            }),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the daily allowances cannot be read; today's begin again")
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, "the daily allowances cannot be read; today's begin again")
            }
        }
        Allowance {
            counters,
            file,
            saved: Mutex::new(Usage::default()),
        }
    }

    /// The allowance of one person, device or address.
    pub(crate) fn of(&self, who: &Arc<str>, allowed: u64) -> Daily {
        Daily {
            meter: self.counters.meter(who),
            allowed,
        }
    }

    /// Begins a new day if one has begun.
    pub(crate) fn roll(&self, today: i64) {
        self.counters.roll(today);
    }

    /// Writes the counters, beside and renamed, if they changed.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn save(&self) -> io::Result<()> {
        let usage = self.counters.snapshot();
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        if *saved == usage {
            return Ok(());
        }
        let kept = Kept {
            day: usage.day,
            used: usage
                .used
                .iter()
                .map(|(user, bytes)| (user.to_string(), *bytes))
                .collect(),
        };
        // Who moved how much is nobody else's to read.
        let beside = self.file.with_extension("json.new");
        // One that an earlier version or a crash left behind keeps its mode when it is written to.
        let _ = std::fs::remove_file(&beside);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(&serde_json::to_vec(&kept)?)?;
        std::fs::rename(&beside, &self.file)?;
        *saved = usage;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_used_today_survives_a_restart() {
        let state = tempfile::tempdir().unwrap();
        let anna: Arc<str> = "user:anna".into();
        let before = Allowance::open(state.path(), 20_000);
        let _ = before.of(&anna, 100).meter.charge(60);
        before.save().unwrap();
        let after = Allowance::open(state.path(), 20_000);
        assert!(!after.of(&anna, 61).is_spent());
        assert!(after.of(&anna, 60).is_spent());
    }

    #[test]
    fn what_people_used_is_readable_by_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("allowance.json.new"), "left over").unwrap();
        let allowance = Allowance::open(state.path(), 20_000);
        let _ = allowance.of(&"user:anna".into(), 100).meter.charge(60);
        allowance.save().unwrap();
        let about = std::fs::metadata(state.path().join("allowance.json")).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_begins_the_day_again_and_refuses_nobody() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("allowance.json"), b"{\"day\":").unwrap();
        let after = Allowance::open(state.path(), 20_000);
        assert!(!after.of(&"user:anna".into(), 1).is_spent());
    }
}
