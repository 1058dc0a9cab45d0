//! What is to go and is not gone yet: written before anything goes, removed when a checkpoint has named what is left.
//!
//! It says numbers of rows and names of keys, never whose rows they are. A start that finds one finishes it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::event::EventId;
use crate::keys::{KeyError, destroy_file, is_wrapped};
use crate::paths::{Period, entries};
use crate::proof::{Why, sidecar};
use crate::store::Store;

/// A period that is written anew under these keys; the old ones are destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Anew {
    pub(crate) period: String,
    pub(crate) event_key: String,
    pub(crate) content_key: String,
}

/// What is to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    /// Event id of the row that tells of it.
    pub(crate) event: EventId,
    /// When it was decided, µs since the epoch.
    pub(crate) time: i64,
    /// The words of that row.
    pub(crate) note: String,
    /// Whether somebody asked for it; else its time is over.
    pub(crate) is_asked: bool,
    pub(crate) node: String,
    pub(crate) anew: Vec<Anew>,
    /// Rows that go, as runs of numbers.
    pub(crate) rows: Vec<(u64, u64)>,
    /// Rows whose content goes.
    pub(crate) contents: Vec<(u64, u64)>,
    /// Segments that go as a whole, as checkpoints name them.
    pub(crate) segments: Vec<String>,
    /// The period that is named as removed.
    pub(crate) removed: Option<String>,
}

impl Intent {
    pub(crate) fn why(&self) -> Why {
        match self.is_asked {
            true => Why::Erasure,
            false => Why::Retention,
        }
    }

    pub(crate) fn periods(&self) -> impl Iterator<Item = (Period, &Anew)> {
        self.anew
            .iter()
            .filter_map(|anew| Some((anew.period.parse().ok()?, anew)))
    }

    fn path(&self, store: &Store) -> PathBuf {
        store.layout().erasures().join(self.event.to_string())
    }

    /// Makes it durable.
    pub(crate) fn write(&self, store: &Store) -> io::Result<()> {
        make(&store.layout().erasures())?;
        let json = serde_json::to_vec(self)?;
        let what = what(&self.event.to_string());
        let text = store.keys()?.kek().wrap(&what, &json)?;
        sidecar::replace(&self.path(store), text.as_bytes())
    }

    /// It is done.
    pub(crate) fn remove(&self, store: &Store) -> io::Result<()> {
        destroy_file(&self.path(store))
    }

    /// Whether one waits to be finished. What is no intent of Weir's is none, whatever its name: it would excuse a file that was
    /// put in the place of another. Without keys its form alone can be seen.
    pub(crate) fn is_waiting(store: &Store) -> bool {
        let is_own = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.filter(|name| name.parse::<EventId>().is_ok()) else {
                return false;
            };
            let Ok(keys) = store.keys() else {
                return fs::read_to_string(path).is_ok_and(|text| is_wrapped(&text));
            };
            let text = keys.kek().unwrap_file(path, &what(name));
            let intent = text.ok().flatten();
            let intent = intent.and_then(|text| serde_json::from_slice::<Intent>(&text).ok());
            intent.is_some_and(|intent| intent.event.to_string() == name)
        };
        entries(&store.layout().erasures()).is_ok_and(|listed| listed.iter().any(is_own))
    }

    /// Those that wait to be finished.
    pub(crate) fn all(store: &Store) -> Result<Vec<Intent>, KeyError> {
        let directory = store.layout().erasures();
        let listed = entries(&directory).map_err(|error| KeyError::file(&directory, error))?;
        let mut found = Vec::new();
        for path in listed {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.filter(|name| name.parse::<EventId>().is_ok()) else {
                continue;
            };
            let what = what(name);
            if let Some(bytes) = store.keys()?.kek().unwrap_file(&path, &what)? {
                let intent =
                    serde_json::from_slice(&bytes).map_err(|_| KeyError::Altered { what })?;
                found.push(intent);
            }
        }
        Ok(found)
    }
}

pub(crate) fn what(name: &str) -> String {
    format!("erasure {name}")
}

/// A directory that only Weir's account may look into.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(directory)
}

/// Numbers as runs.
pub(super) fn runs(numbers: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    runs
}

/// Those of the runs that lie between two numbers, one by one.
pub(super) fn between(runs: &[(u64, u64)], first: u64, last: u64) -> BTreeSet<u64> {
    let within = runs
        .iter()
        .filter(|(from, to)| *from <= last && *to >= first);
    within
        .flat_map(|(from, to)| *from.max(&first)..=*to.min(&last))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{settings, stop, store};
    use crate::{EventIds, Recorder};

    #[test]
    fn only_what_weir_wrote_down_itself_counts_as_an_erasure_under_way_lm_31() {
        let directory = tempfile::tempdir().unwrap();
        stop(&Recorder::start(settings(directory.path())).unwrap());
        let store = store(directory.path());
        let place = store.layout().erasures();
        make(&place).unwrap();
        let ids = EventIds::new();
        let intent = Intent {
            event: ids.next(),
            time: 0,
            note: "erased".to_owned(),
            is_asked: true,
            node: "weir".to_owned(),
            anew: Vec::new(),
            rows: Vec::new(),
            contents: Vec::new(),
            segments: Vec::new(),
            removed: None,
        };
        intent.write(&store).unwrap();
        let own = place.join(intent.event.to_string());
        assert!(Intent::is_waiting(&store) && crate::erase::is_pending(&store));
        assert!(crate::erase::is_pending(&Store::without_keys(
            directory.path()
        )));
        // Under the name of another, and whatever else somebody may put there.
        let other = place.join(ids.next().to_string());
        fs::rename(&own, &other).unwrap();
        assert!(!Intent::is_waiting(&store), "an intent of another event");
        for (name, text) in [
            (ids.next().to_string(), ""),
            (ids.next().to_string(), "weir-wrapped-1 0 x\n"),
            ("README".to_owned(), "weir-wrapped-1 0 x\n"),
            ("core".to_owned(), "x"),
        ] {
            fs::write(&other, text).unwrap();
            fs::rename(&other, place.join(&name)).unwrap();
            for store in [&store, &Store::without_keys(directory.path())] {
                assert!(!Intent::is_waiting(store), "{name} {text:?}");
            }
            fs::rename(place.join(&name), &other).unwrap();
        }
    }
}
