//! Holds: which rows a case keeps from expiry and erasure, and nothing else (LM-15).

use std::io;
use std::path::PathBuf;

use arrow::array::{BooleanArray, RecordBatch};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Grounds;
use crate::keys::{KeyError, destroy_file};
use crate::paths::{entries, sync_directory};
use crate::proof::sidecar;
use crate::query::{Matcher, Query};
use crate::store::Store;

/// A hold that is in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    /// Event id of the row that told of it.
    pub event: String,
    /// On what grounds.
    pub grounds: Grounds,
    /// Which rows.
    pub query: Query,
    /// Since when.
    pub since: Timestamp,
}

/// Every hold in force, the oldest first.
///
/// # Errors
/// When they cannot be read or decrypted: then nothing may expire.
pub fn holds(store: &Store) -> Result<Vec<Hold>, KeyError> {
    let directory = store.layout().holds();
    let listed = entries(&directory).map_err(|error| KeyError::file(&directory, error))?;
    let mut found = Vec::new();
    for path in listed {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|name| !name.ends_with(".tmp")) else {
            continue;
        };
        let what = what(name);
        if let Some(bytes) = store.keys()?.kek().unwrap_file(&path, &what)? {
            let hold = serde_json::from_slice(&bytes).map_err(|_| KeyError::Altered { what })?;
            found.push(hold);
        }
    }
    found.sort_by_key(|hold: &Hold| (hold.since, hold.event.clone()));
    Ok(found)
}

pub(crate) fn what(name: &str) -> String {
    format!("hold {name}")
}

fn path(store: &Store, event: &str) -> PathBuf {
    store.layout().holds().join(event)
}

/// Puts a hold in force.
pub(super) fn begin(store: &Store, hold: &Hold) -> io::Result<()> {
    super::intent::make(&store.layout().holds())?;
    let json = zeroize::Zeroizing::new(serde_json::to_vec(hold)?);
    let text = store.keys()?.kek().wrap(&what(&hold.event), &json)?;
    sidecar::replace(&path(store, &hold.event), text.as_bytes())
}

/// Ends a hold.
pub(super) fn end(store: &Store, hold: &Hold) -> io::Result<()> {
    destroy_file(&path(store, &hold.event))?;
    sync_directory(&store.layout().holds())
}

/// The holds in force, ready to be asked of rows.
pub(crate) struct Held(Vec<(String, Matcher)>);

impl Held {
    pub(crate) fn load(store: &Store) -> Result<Held, KeyError> {
        let all = holds(store)?;
        let ready = |hold: &Hold| (hold.grounds.case.clone(), Matcher::new(&hold.query));
        Ok(Held(all.iter().map(ready).collect()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Which rows of a batch of [`crate::schema`] some case holds.
    pub(crate) fn mask(&self, batch: &RecordBatch) -> Vec<bool> {
        let mut held = vec![false; batch.num_rows()];
        for (_, matcher) in &self.0 {
            merge(&mut held, &matcher.mask(batch));
        }
        held
    }

    /// The cases that hold a row of the batch.
    pub(crate) fn cases(&self, batch: &RecordBatch) -> impl Iterator<Item = &str> {
        let holding = self
            .0
            .iter()
            .filter(|(_, matcher)| matcher.mask(batch).true_count() > 0);
        holding.map(|(case, _)| case.as_str())
    }
}

fn merge(held: &mut [bool], mask: &BooleanArray) {
    for (held, own) in held.iter_mut().zip(mask.values().iter()) {
        *held |= own;
    }
}
