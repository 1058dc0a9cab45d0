//! Decides what is in force of what lies in the directory of mandatory lists: the newest file that is whole, what a running
//! Weir has in memory before an older one, and nothing is ever let go because a file is missing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::file::{FileError, Generation, SIZE_MAX};
use super::key::{self, Key};
use super::ledger::{Ledger, Line, Stamp};
use super::{Held, InForce, List, SLOTS_MAX, Sealed, Slot, State};

/// Ends the names of files in force.
pub(super) const ENDING: &str = ".sealed";
/// Ends the names of the files before them.
const PREVIOUS: &str = ".previous";
/// Age of a list whose slot the configuration does not name any more.
const STALE_AFTER: Duration = Duration::from_secs(7 * 86_400);

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub(super) enum Unreadable {
    #[error("it is missing")]
    Missing,
    #[error("{0}")]
    File(#[from] FileError),
    #[error("it cannot be read: {0}")]
    Io(io::Error),
}

pub(super) fn read(
    directory: &Path,
    name: &str,
    slot: &str,
    key: &Key,
) -> Result<Generation, Unreadable> {
    let file = File::open(directory.join(name)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unreadable::Missing,
        _ => Unreadable::Io(error),
    })?;
    let mut bytes = Vec::new();
    file.take(SIZE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(Unreadable::Io)?;
    if bytes.len() as u64 > SIZE_MAX {
        return Err(FileError::Shape.into());
    }
    Ok(Generation::read(&bytes, slot, key)?)
}

/// What every file of the directory looks like: changes when any of them does, and costs no reading.
#[must_use]
pub fn stamps(directory: &Path) -> BTreeMap<String, Stamp> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_used = name.ends_with(ENDING)
                || name.ends_with(PREVIOUS)
                || name.ends_with(".json")
                || name == key::FILE;
            let stamp = is_used.then(|| Stamp::of(&entry.path()))??;
            Some((name, stamp))
        })
        .collect()
}

/// Reads the slots of a directory: those of `wanted`, and every other one that was filled. `last` is what is in force now:
/// of a slot whose file is damaged, missing or older, what it has stays.
///
/// There is no error: what is wrong is in the slots' states.
#[must_use]
pub fn load(directory: &Path, wanted: &[Slot], last: Option<&Sealed>) -> Sealed {
    let ledger = Ledger::read(directory);
    let (key, key_fault) = match Key::open(directory) {
        Ok(Some(key)) => (Some(Arc::new(key)), None),
        Ok(None) => (None, Some("the key is missing".to_owned())),
        Err(error) => (None, Some(format!("the key cannot be read: {error}"))),
    };
    let kept = |slot: &str| {
        let slots = last?.slots.iter();
        let mut of_name = slots.filter(|known| *known.state.slot.name == *slot);
        of_name.find_map(|known| Some((known.list.clone()?, known.state.held.clone()?)))
    };
    let in_memory = last.into_iter().flat_map(Sealed::slots);
    let in_memory = in_memory.filter(|state| state.held.is_some());
    let in_memory: Vec<&Slot> = in_memory.map(|state| &state.slot).collect();
    let slots: Vec<InForce> = all(directory, wanted, &ledger, &in_memory)
        .into_iter()
        .map(|slot| {
            let line = ledger.slots.get(&*slot.name);
            let found = match &key {
                Some(key) => from_files(directory, &slot.name, key, line),
                None => Found {
                    list: None,
                    fault: (was_filled(line) || has_files(directory, &slot.name))
                        .then(|| key_fault.clone())
                        .flatten(),
                },
            };
            let kept = kept(&slot.name);
            in_force(slot, found, kept, line)
        })
        .collect();
    Sealed::new(slots)
}

/// Wanted slots, then those that are in force or were filled and that nobody names any more.
fn all(directory: &Path, wanted: &[Slot], ledger: &Ledger, in_memory: &[&Slot]) -> Vec<Slot> {
    let mut slots = wanted.to_vec();
    for slot in in_memory {
        if slots.iter().all(|known| known.name != slot.name) {
            slots.push(Slot::clone(slot));
        }
    }
    let names = fs::read_dir(directory).into_iter().flatten().flatten();
    let of_files = names.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let slot = name.strip_suffix(ENDING).or(name.strip_suffix(PREVIOUS))?;
        Some(slot.to_owned())
    });
    let filled = ledger.slots.iter().filter(|(_, line)| line.entries > 0);
    let mut others: Vec<String> = of_files
        .chain(filled.map(|(name, _)| name.clone()))
        .collect();
    others.sort_unstable();
    others.dedup();
    others.retain(|name| is_name(name));
    for name in others {
        if slots.iter().any(|slot| *slot.name == *name) {
            continue;
        }
        let title = ledger.slots.get(&name).map_or("", |line| &line.title);
        let title = if title.is_empty() { &name } else { title };
        slots.push(Slot {
            title: title.into(),
            name: name.as_str().into(),
            stale_after: STALE_AFTER,
        });
    }
    slots.truncate(SLOTS_MAX);
    slots
}

/// A name that the configuration could give a slot.
fn is_name(name: &str) -> bool {
    let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

fn has_files(directory: &Path, slot: &str) -> bool {
    [super::current(slot), super::previous(slot)]
        .iter()
        .any(|name| directory.join(name).exists())
}

/// What the files of a slot give.
struct Found {
    list: Option<List>,
    fault: Option<String>,
}

fn from_files(directory: &Path, slot: &str, key: &Arc<Key>, line: Option<&Line>) -> Found {
    let under_key = |list| List {
        generation: Arc::new(list),
        key: Arc::clone(key),
    };
    let (current, previous) = (super::current(slot), super::previous(slot));
    let fault = match read(directory, &current, slot, key) {
        Ok(list) => {
            let is_old = line.is_some_and(|line| line.made > list.made);
            let fault = is_old
                .then(|| format!("{current}: it is older than the list that was sealed last"));
            return Found {
                list: Some(under_key(list)),
                fault,
            };
        }
        Err(Unreadable::Missing) if !was_filled(line) && !directory.join(&previous).exists() => {
            None
        }
        Err(error) => Some(format!("{current}: {error}")),
    };
    if fault.is_none() {
        return Found { list: None, fault };
    }
    match read(directory, &previous, slot, key) {
        Ok(list) => Found {
            list: Some(under_key(list)),
            fault: fault.map(|fault| format!("{fault}; the list before it is in force")),
        },
        Err(_) => Found { list: None, fault },
    }
}

fn was_filled(line: Option<&Line>) -> bool {
    line.is_some_and(|line| line.entries > 0)
}

/// Chooses between what files give and what is in memory.
fn in_force(slot: Slot, found: Found, kept: Option<(List, Held)>, line: Option<&Line>) -> InForce {
    let made = |list: &List| list.generation.made;
    let is_newer = |list: &List| {
        kept.as_ref()
            .is_none_or(|(kept, _)| made(list) >= made(kept))
    };
    let Found { list, mut fault } = found;
    let chosen = if let Some(list) = list.filter(is_newer) {
        let held = Held {
            entries: list.generation.entries(),
            pages: list.generation.pages(),
            made: list.generation.made,
            digest: list.generation.digest(&list.key),
        };
        Some((list, held))
    } else {
        if kept.is_some() {
            let why = fault.take();
            let why = why.unwrap_or_else(|| "its file is missing or older".to_owned());
            fault = Some(format!("{why}; the list in memory stays in force"));
        }
        kept
    };
    let (list, held) = chosen.unzip();
    InForce {
        state: State {
            was_filled: was_filled(line) || held.is_some(),
            refused: line.and_then(|line| line.refused.clone()),
            held,
            fault,
            slot,
        },
        list,
    }
}
