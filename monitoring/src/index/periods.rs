//! What is known of whole periods: which need not be looked into for rows before some moment.
//!
//! No row of a period began after its day, but a long tunnel, or a clock that was set, leaves rows in it that began before. What is said
//! of a period holds for exactly the segments whose names it was made of, so it goes stale by itself.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::paths::{FileName, Layout, Period};
use crate::store::Store;

/// What the file is called in its associated data.
pub(crate) const WHAT: &str = "index periods";

/// Where it lies.
pub(crate) fn path(layout: &Layout) -> PathBuf {
    layout.segments().join("periods")
}

/// By day.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Periods(BTreeMap<String, Known>);

#[derive(Debug, Serialize, Deserialize)]
struct Known {
    names: String,
    earliest: i64,
}

impl Periods {
    /// What the file says; nothing where it cannot be used.
    pub(crate) fn read(store: &Store) -> Periods {
        let path = path(store.layout());
        let bytes = store
            .keys()
            .and_then(|keys| keys.kek().unwrap_file(&path, WHAT));
        let bytes = bytes.ok().flatten();
        bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// When the earliest row of a period that has exactly these segments began, if it is known.
    pub(crate) fn earliest(&self, period: Period, listed: &[(FileName, PathBuf)]) -> Option<i64> {
        let known = self.0.get(&period.to_string())?;
        (known.names == digest(listed)).then_some(known.earliest)
    }

    fn write(&self, store: &Store) -> io::Result<()> {
        let path = path(store.layout());
        let text = store.keys()?.kek().wrap(WHAT, &serde_json::to_vec(self)?)?;
        super::put(&path, text.as_bytes())
    }
}

/// Stands for the segments of a period.
fn digest(listed: &[(FileName, PathBuf)]) -> String {
    let mut hash = Sha256::new();
    for (_, path) in listed {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        hash.update(name);
        hash.update(b"\n");
    }
    let hash = hash.finalize();
    hash.iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Remembers of a period what it was found to hold.
///
/// # Errors
/// When it cannot be written.
pub(super) fn put(
    store: &Store,
    period: Period,
    listed: &[(FileName, PathBuf)],
    earliest: i64,
) -> io::Result<()> {
    let mut known = Periods::read(store);
    if known.earliest(period, listed) == Some(earliest) {
        return Ok(());
    }
    let names = digest(listed);
    known
        .0
        .insert(period.to_string(), Known { names, earliest });
    known.write(store)
}

/// Forgets a period that is gone.
///
/// # Errors
/// When it cannot be written.
pub(super) fn forget(store: &Store, period: Period) -> io::Result<()> {
    let mut known = Periods::read(store);
    match known.0.remove(&period.to_string()) {
        Some(_) => known.write(store),
        None => Ok(()),
    }
}
