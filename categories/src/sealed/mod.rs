//! Mandatory lists: entries that come by membership only, and that nobody can list, lift or shrink (AF-01, AF-02, AF-03).
//!
//! Decides whether a target is on such a list. Apart from the compiled index on purpose: no category, exception, edit,
//! history, review, search or export reaches what is here. Entries are kept as keyed hashes ([`mod@file`], [`Key`]); there is
//! no function that gives one back, and no `Debug` that shows one.
//!
//! - [`load`] reads the slots of a directory; [`Sealed::of_host`] and [`Sealed::of_url`] are what each request asks.
//! - [`Fill`] takes a new list; which list is taken is decided in `fill`, what a line means in `list` and `forms`.
//! - A slot that was filled once stays enforced, whether or not anybody names it.
//!
//! It does not decide what becomes of a hit (`weir-policy`) nor what is recorded of it (`weir-monitoring`).

pub mod file;
mod fill;
mod forms;
mod key;
mod ledger;
mod list;
mod load;
mod place;
mod spelling;
mod table;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use weir_host::{Host, normal_query};

pub use file::FileError;
pub use fill::{Fill, FillError, Filled, last_offered};
pub use key::{BYTES as KEY_BYTES, Key};
pub use ledger::{Refused, Stamp};
pub use list::{FAULTS_SHOWN, ListError, SIZE_MAX};
pub use load::{load, stamps};

use file::Generation;
use table::Table;

/// A slot of one [`Sealed`], numbered in the order of [`Sealed::slots`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(pub u8);

/// Most slots there can be.
pub const SLOTS_MAX: usize = 255;

/// A place for a list, as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Short: part of file names, records and rule names.
    pub name: Arc<str>,
    /// In words.
    pub title: Arc<str>,
    /// Age of the list at which it no longer counts as protection.
    pub stale_after: Duration,
}

/// A list in force, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Distinct entries.
    pub entries: u64,
    /// Of them those with a path, which cannot be enforced where only a host can be seen (AF-15).
    pub pages: u64,
    /// When it was sealed, in seconds since 1970.
    pub made: u64,
    /// 32 hexadecimal digits that change when the list does; they say nothing of it without the key.
    pub digest: String,
}

/// A slot and how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What the configuration says of it.
    pub slot: Slot,
    /// The list in force.
    pub held: Option<Held>,
    /// What is wrong with its file.
    pub fault: Option<String>,
    /// The last list that was not taken, if none was since.
    pub refused: Option<Refused>,
    /// It was filled at some time.
    pub was_filled: bool,
}

/// How well a slot protects, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// A fresh list is in force.
    Protected,
    /// A list is in force, and something is wrong: a newer one was refused, or its file is damaged.
    Alarmed,
    /// A list is in force, and it is too old.
    Stale,
    /// No list was ever taken.
    Empty,
    /// A list was there, and nothing of it can be used.
    Lost,
}

impl State {
    /// How well the slot protects at `now`, in seconds since 1970.
    #[must_use]
    pub fn protection(&self, now: u64) -> Protection {
        match &self.held {
            None if self.was_filled || self.fault.is_some() => Protection::Lost,
            None => Protection::Empty,
            Some(held) if self.age(held, now) >= self.slot.stale_after.as_secs() => {
                Protection::Stale
            }
            Some(_) if self.fault.is_some() || self.refused.is_some() => Protection::Alarmed,
            Some(_) => Protection::Protected,
        }
    }

    /// True unless the slot must be called "not protected" (AF-02).
    #[must_use]
    pub fn is_protected(&self, now: u64) -> bool {
        self.protection(now) <= Protection::Alarmed
    }

    /// Seconds since the list in force was sealed.
    #[must_use]
    pub fn age_seconds(&self, now: u64) -> Option<u64> {
        self.held.as_ref().map(|held| self.age(held, now))
    }

    fn age(&self, held: &Held, now: u64) -> u64 {
        now.saturating_sub(held.made)
    }
}

/// A slot in force.
struct InForce {
    state: State,
    list: Option<List>,
}

/// A list with the key that its tags were made with: one that stays in memory keeps its own.
#[derive(Clone)]
struct List {
    generation: Arc<Generation>,
    key: Arc<Key>,
}

/// Every mandatory list in force. Immutable: a newly sealed list is a new one of these.
#[derive(Default)]
pub struct Sealed {
    /// One for each key: hardly ever more than one.
    tables: Box<[(Arc<Key>, Table)]>,
    slots: Box<[InForce]>,
}

/// Shows how many slots there are and nothing else.
impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed")
            .field("slots", &self.slots.len())
            .finish_non_exhaustive()
    }
}

impl Sealed {
    /// Every slot and how it is.
    pub fn slots(&self) -> impl ExactSizeIterator<Item = &State> {
        self.slots.iter().map(|slot| &slot.state)
    }

    /// A slot of a hit.
    #[must_use]
    pub fn slot(&self, id: SlotId) -> Option<&State> {
        self.slots.get(usize::from(id.0)).map(|slot| &slot.state)
    }

    /// The list that has this host, or a parent of it, at this port, where no more can be seen. Allocates nothing.
    #[inline]
    #[must_use]
    pub fn of_host(&self, host: &Host, port: u16) -> Option<SlotId> {
        if self.tables.is_empty() {
            return None;
        }
        self.find(&forms::Asked {
            host,
            port,
            page: None,
        })
    }

    /// The list that has this address, in whatever spelling. `path` is in the form of [`weir_host::normal_path`], `query` without its `?`.
    #[inline]
    #[must_use]
    pub fn of_url(
        &self,
        host: &Host,
        port: u16,
        path: &str,
        query: Option<&str>,
    ) -> Option<SlotId> {
        if self.tables.is_empty() {
            return None;
        }
        let query = query.map(normal_query);
        self.find(&forms::Asked {
            host,
            port,
            page: Some((path, query.as_deref())),
        })
    }

    fn find(&self, asked: &forms::Asked<'_>) -> Option<SlotId> {
        let mut tables = self.tables.iter();
        tables.find_map(|(key, table)| forms::find(key, table, asked))
    }

    /// One of slots that were read.
    fn new(slots: Vec<InForce>) -> Sealed {
        let mut keys: Vec<Arc<Key>> = Vec::new();
        for list in slots.iter().filter_map(|slot| slot.list.as_ref()) {
            if !keys.contains(&list.key) {
                keys.push(Arc::clone(&list.key));
            }
        }
        let of_key = |key: Arc<Key>| {
            let numbered = (0..=u8::MAX).zip(&slots);
            let lists = numbered.filter_map(|(id, slot)| {
                let list = slot.list.as_ref().filter(|list| list.key == key)?;
                Some((SlotId(id), &*list.generation))
            });
            let table = table_of(&lists.collect::<Vec<_>>());
            (key, table)
        };
        Sealed {
            tables: keys.into_iter().map(of_key).collect(),
            slots: slots.into_boxed_slice(),
        }
    }
}

fn table_of(lists: &[(SlotId, &Generation)]) -> Table {
    let rows = lists.iter().map(|(_, list)| list.rows.len()).sum();
    let segments = lists.iter().map(|(_, list)| list.segments).max();
    let parameters = lists.iter().map(|(_, list)| list.parameters).max();
    let mut table = Table::with_room(rows, segments.unwrap_or(0), parameters.unwrap_or(0));
    for (id, list) in lists {
        for row in list.listed() {
            table.insert(row.tag, row.kind.flags(), *id);
        }
    }
    table
}

/// What a file of a slot says, alone: for checking readers.
///
/// # Errors
/// [`FileError`] for anything but the whole file of this slot under this key.
pub fn open_alone(bytes: &[u8], slot: &Slot, key: Key) -> Result<Sealed, FileError> {
    let generation = Generation::read(bytes, &slot.name, &key)?;
    let held = Held {
        entries: generation.entries(),
        pages: generation.pages(),
        made: generation.made,
        digest: generation.digest(&key),
    };
    Ok(Sealed::new(vec![InForce {
        state: State {
            slot: slot.clone(),
            held: Some(held),
            fault: None,
            refused: None,
            was_filled: true,
        },
        list: Some(List {
            generation: Arc::new(generation),
            key: Arc::new(key),
        }),
    }]))
}

/// The same bytes with the check sum that they would need: for checking readers.
#[must_use]
pub fn with_right_sum(bytes: &[u8], key: &Key) -> Vec<u8> {
    file::with_right_sum(bytes, key)
}

/// The name of the file in force of a slot.
fn current(slot: &str) -> String {
    format!("{slot}{}", load::ENDING)
}

/// The name of the one before it.
fn previous(slot: &str) -> String {
    format!("{slot}.previous")
}

/// Reads a file of a list.
fn read_slot(
    directory: &Path,
    name: &str,
    slot: &str,
    key: &Key,
) -> Result<Generation, load::Unreadable> {
    load::read(directory, name, slot, key)
}
