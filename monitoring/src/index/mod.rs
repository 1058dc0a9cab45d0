//! What each segment of a period holds, in one file a period, so that a search over a year opens the segments that can match and
//! no others.
//!
//! ```text
//! segments/<day>/index      of each segment: name, rows, times, kinds of rows; each text of the day once, with the segments that
//!                           have it; sealed under the event key of the day
//! segments/<day>/contents   which short runs of letters the paths and search terms of a segment have; under the content key
//! segments/periods          of each day: a digest of its segments' names, and its earliest row; under the key-encryption key
//! ```
//! Decides what is kept and that it only helps: the directories say which segments there are, and one that the index does not know is
//! read by its own footer. A file that was altered, cut, taken from another day or is missing does not open, so it costs time and hides no
//! row. An older one knows fewer segments, and of a segment it knows never less than is there: rows of a segment only become fewer.
//! It proves nothing: a check of the log never looks at it. What the files look like: `packed`; where the texts come from: `gather`.

mod gather;
mod grams;
mod packed;
mod periods;
#[cfg(test)]
mod tests;
mod texts;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::keys::{DataKey, destroy_file};
use crate::paths::{FileName, Period};
use crate::record::Col;
use crate::segment::Facts;
use crate::store::Store;
pub(crate) use grams::Grams;
pub(crate) use packed::{Index, read_contents};
pub(crate) use periods::{Periods, WHAT as PERIODS_WHAT, path as periods_path};
use texts::Texts;
pub(crate) use texts::Wanted;

/// Columns whose texts the index has. None is of content grade.
pub(crate) const COLUMNS: [Col; 9] = [
    Col::user,
    Col::device,
    Col::host,
    Col::sni,
    Col::rule,
    Col::category,
    Col::list,
    Col::entry,
    Col::note,
];

/// The columns of content grade that a text is looked for in.
const CONTENTS: [Col; 2] = [Col::path, Col::term];

/// What was made of the day's texts of event grade, and of its content.
const FILES: [&str; 2] = ["index", "contents"];

/// A segment in the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) name: String,
    rows: u64,
    earliest: i64,
    latest: i64,
    kinds: BTreeSet<String>,
    /// A bit for each column whose texts are not known: too many, or no line each.
    open: u16,
    /// Whether a row has a path or a term.
    pub(crate) has_content: bool,
}

impl Entry {
    /// What a footer would say, as far as searches ask.
    pub(crate) fn facts(&self) -> Facts {
        Facts {
            rows: self.rows,
            earliest: self.earliest,
            latest: self.latest,
            kinds: self.kinds.clone(),
            ..Facts::default()
        }
    }
}

fn paths(store: &Store, period: Period) -> [PathBuf; 2] {
    let directory = store.layout().period(period);
    FILES.map(|file| directory.join(file))
}

/// What a file of the index is called in its associated data, so that none can be put in the place of another day's.
fn what(period: Period, file: &str) -> String {
    format!("{file} of {period}")
}

/// Puts a file in the place of another. It is not waited for until the disk has it: one that a crash tore does not open.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let beside = path.with_extension("tmp");
    let mut options = std::fs::File::options();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    options.open(&beside)?.write_all(bytes)?;
    std::fs::rename(&beside, path)
}

/// Brings the index of a period up to date with the segments that are there. With `keys` it is made anew under them, and nothing of the old one
/// is looked at: so what was erased is not in it. A segment that cannot be read is left out, and searched.
///
/// # Errors
/// When the period cannot be listed or a file not be written.
pub(crate) fn update(
    store: &Store,
    period: Period,
    keys: Option<&[Arc<DataKey>; 2]>,
) -> io::Result<()> {
    let listed = store
        .layout()
        .list_segments(&store.layout().period(period))?;
    if listed.is_empty() {
        remove(store, period)?;
        return Ok(());
    }
    let mut building = match keys {
        None => Building::read(store, period, &listed).unwrap_or_default(),
        Some(_) => Building::default(),
    };
    let known: BTreeSet<String> = building.names().map(str::to_owned).collect();
    let mut is_changed = keys.is_some();
    for (name, path) in &listed {
        let name = name.to_string();
        if known.contains(&name) {
            continue;
        }
        if let Ok(gathered) = gather::gather(store, path) {
            building.push(name, gathered);
            is_changed = true;
        }
    }
    if is_changed {
        building.write(store, period, keys)?;
    }
    if building.entries.len() == listed.len() {
        let earliest = building.entries.iter().map(|entry| entry.earliest).min();
        periods::put(store, period, &listed, earliest.unwrap_or(i64::MIN))?;
    }
    Ok(())
}

/// Removes the index of a period.
///
/// # Errors
/// When a file cannot be removed.
pub(crate) fn remove(store: &Store, period: Period) -> io::Result<()> {
    paths(store, period)
        .iter()
        .try_for_each(|path| destroy_file(path))
}

/// Removes what the index of a period says of content.
///
/// # Errors
/// When the file cannot be removed.
pub(crate) fn forget_contents(store: &Store, period: Period) -> io::Result<()> {
    let [_, contents] = paths(store, period);
    destroy_file(&contents)
}

/// The period is gone; best effort, since what is said of it does no harm.
pub(crate) fn forget(store: &Store, period: Period) {
    let _ = periods::forget(store, period);
}

/// Periods whose index may not be up to date: after a crash, an update of Weir, a new key-encryption key, or somebody's hand.
///
/// # Errors
/// When the directory cannot be listed.
pub(crate) fn stale(store: &Store) -> io::Result<Vec<Period>> {
    let layout = store.layout();
    // What earlier versions had instead; it was not encrypted.
    let _ = std::fs::remove_file(layout.segments().join("facts"));
    let known = Periods::read(store);
    let mut stale = Vec::new();
    for (period, directory) in layout.list_periods()? {
        let listed = layout.list_segments(&directory)?;
        let is_known = known.earliest(period, &listed).is_some();
        let is_there = std::fs::metadata(&paths(store, period)[0]).is_ok_and(|file| file.len() > 0);
        let is_whole = is_known && is_there;
        if !(listed.is_empty() || is_whole) {
            stale.push(period);
        }
    }
    Ok(stale)
}

/// An index that is being made.
#[derive(Default)]
struct Building {
    entries: Vec<Entry>,
    /// Segments that share a lane, as a power of two.
    shift: u32,
    columns: [Texts; COLUMNS.len()],
    contents: BTreeMap<String, Grams>,
}

impl Building {
    /// The index as it lies there; None when it is not whole or knows a segment that is gone.
    fn read(store: &Store, period: Period, listed: &[(FileName, PathBuf)]) -> Option<Building> {
        let index = Index::read(store, period)?;
        let names: BTreeSet<String> = listed.iter().map(|(name, _)| name.to_string()).collect();
        if !index
            .entries()
            .iter()
            .all(|entry| names.contains(&entry.name))
        {
            return None;
        }
        let mut building = Building {
            entries: index.entries().to_vec(),
            shift: index.shift(),
            ..Building::default()
        };
        for (place, texts) in building.columns.iter_mut().enumerate() {
            *texts = index.texts(place)?;
        }
        let is_kept = store.keys().ok()?.list(period, true).ok()?;
        if !is_kept.is_empty() {
            building.contents = read_contents(store, period).unwrap_or_default();
            let is_whole =
                |entry: &Entry| !entry.has_content || building.contents.contains_key(&entry.name);
            if !building.entries.iter().all(is_whole) {
                return None;
            }
        }
        Some(building)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    fn push(&mut self, name: String, gathered: gather::Gathered) {
        let ordinal = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        while ordinal >> self.shift >= texts::LANES {
            self.columns.iter_mut().for_each(Texts::fold);
            self.shift += 1;
        }
        let lane = 1 << (ordinal >> self.shift);
        let mut open = 0;
        for (place, (own, new)) in self.columns.iter_mut().zip(&gathered.columns).enumerate() {
            let is_known = new.as_ref().is_some_and(|new| own.add(new, lane));
            open |= u16::from(!is_known) << place;
        }
        let facts = gathered.facts;
        self.entries.push(Entry {
            name: name.clone(),
            rows: facts.rows,
            earliest: facts.earliest,
            latest: facts.latest,
            kinds: facts.kinds,
            open,
            has_content: gathered.content.is_some(),
        });
        if let Some(grams) = gathered.content {
            self.contents.insert(name, grams);
        }
    }

    fn write(
        &self,
        store: &Store,
        period: Period,
        keys: Option<&[Arc<DataKey>; 2]>,
    ) -> io::Result<()> {
        let [index, contents] = paths(store, period);
        let key = |is_content: bool| -> io::Result<Option<Arc<DataKey>>> {
            if let Some(keys) = keys {
                return Ok(Some(Arc::clone(&keys[usize::from(is_content)])));
            }
            // One that is there: a new one of content would be due again, and there is nothing for it.
            let there = store.keys()?.list(period, is_content)?;
            let name = there.first().map(ToString::to_string);
            Ok(name.map(|name| store.keys()?.open(&name)).transpose()?)
        };
        if let Some(key) = key(false)? {
            let plain = packed::to_bytes(&self.entries, self.shift, &self.columns)?;
            let sealed = store.seal_as(&key, &what(period, FILES[0]), &plain)?;
            put(&index, &sealed)?;
        }
        match key(true)? {
            Some(key) if !self.contents.is_empty() => {
                let plain = packed::contents_to_bytes(&self.contents)?;
                let sealed = store.seal_as(&key, &what(period, FILES[1]), &plain)?;
                put(&contents, &sealed)
            }
            _ => destroy_file(&contents),
        }
    }
}
