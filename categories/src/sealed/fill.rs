//! Decides which list takes the place of the one in force.
//!
//! A list is taken when it has at least four fifths of the entries that the slot had at most within the last week, and when
//! no more than a fifth of what is there goes, and a tenth more for each day since the last list. What went within the last
//! day counts as there. The same share must stay of what has been there for a day, by itself, and of what has been there for a
//! week, by itself; what a slot began with counts as there for a week at once. So neither many small steps in one hour nor a
//! great deal of padding opens what is listed.
//!
//! How much of what is there an offered list has is told to nobody, not even in numbers: whoever offers guesses and reads how
//! many were there would learn what is listed.
//!
//! There is no way around that at once, for anybody. A list that is refused for it is remembered by its number of entries;
//! when it has been so for a week, with an alarm all the while and no larger list taken in between, the next list of about
//! that size is taken. One command, or any number in one week, cannot do it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::lock::{Lock, LockError};

use super::file::{Generation, Row};
use super::forms::Kind;
use super::key::{Key, Tag};
use super::ledger::{Ledger, Refused, Stamp, Waiting};
use super::list::{self, ListError};
use super::{Slot, place, read_slot};

/// Seconds of a day.
const DAY: u64 = 86_400;
/// How long a smaller list waits, and how far back the largest one counts.
const WEEK: u64 = 7 * DAY;
/// What may go at once, in per cent of what is there.
const LOSS: u64 = 20;
/// What may go beside that for each day since the last list.
const LOSS_A_DAY: u64 = 10;

/// Why a list was not taken. Nothing of it is told but numbers.
#[derive(Debug, Error)]
pub enum FillError {
    /// It is none.
    #[error("{0}; the list in force stays")]
    List(#[from] ListError),
    /// It lacks too much.
    #[error(
        "it has {entries} entries, and too much of what is there would go at once; the list in force stays. Get the list again. If it really became this small: the alarm stands for a week, and a list of about this size \
         that is offered after {} is taken",
        moment(*.from)
    )]
    Shrunk {
        /// Of the list offered.
        entries: u64,
        /// Seconds since 1970.
        from: u64,
    },
    /// Somebody else is at it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The key cannot be read although there is one.
    #[error("the key of the mandatory lists cannot be read: {0}")]
    Key(io::Error),
    /// The file cannot be written.
    #[error("the list cannot be kept: {0}")]
    Io(#[from] io::Error),
}

fn moment(seconds: u64) -> String {
    // The civil date of a day since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms").
    let days = seconds / DAY + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (seconds % DAY / 3600, seconds % 3600 / 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// What was taken, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Distinct entries.
    pub entries: u64,
    /// Of them those with a path.
    pub pages: u64,
    /// Lines that are no entries.
    pub faults: u64,
    /// Numbers of the first of them.
    pub faulty_lines: Vec<u64>,
    /// Lines that are neither blank nor comments.
    pub lines: u64,
    /// See `digest` of [`super::Held`].
    pub digest: String,
    /// When, in seconds since 1970.
    pub made: u64,
}

/// A list that may take its place.
#[derive(Debug)]
pub struct Fill {
    _lock: Lock,
    directory: PathBuf,
    slot: Slot,
    key: Key,
    generation: Generation,
    /// The file in force is whole, so that it is worth keeping.
    keeps: bool,
    ledger: Ledger,
    filled: Filled,
}

/// What the plain text at the configured place looked like when it was last offered, taken or not.
#[must_use]
pub fn last_offered(directory: &Path, slot: &str) -> Option<Stamp> {
    Ledger::read(directory).source(slot)
}

impl Fill {
    /// Reads a list for a slot and compares it with what is there; nothing is changed until [`Fill::commit`]. `now` is in
    /// seconds since 1970. `source` is what its file looked like, where it came from the configured place.
    ///
    /// # Errors
    /// [`FillError`]; a list that was refused leaves an alarm that stands until one is taken.
    pub fn prepare(
        directory: &Path,
        slot: &Slot,
        text: &[u8],
        source: Option<Stamp>,
        now: u64,
    ) -> Result<Fill, FillError> {
        place::make(directory)?;
        let lock = Lock::wait(directory)?;
        let mut ledger = Ledger::read(directory);
        if source.is_some() {
            ledger
                .slots
                .entry(slot.name.to_string())
                .or_default()
                .source = source;
        }
        match prepare(directory, slot, text, now, &mut ledger) {
            Ok((key, generation, keeps, filled)) => Ok(Fill {
                _lock: lock,
                directory: directory.to_owned(),
                slot: slot.clone(),
                key,
                generation,
                keeps,
                ledger,
                filled,
            }),
            Err(error) => {
                let line = ledger.slots.entry(slot.name.to_string()).or_default();
                line.title = slot.title.to_string();
                line.refused = Some(Refused {
                    at: now,
                    why: error.to_string(),
                });
                // The list in force stays in any case; the error says why.
                let _ = ledger.write(directory);
                Err(error)
            }
        }
    }

    /// What it would be, in numbers.
    #[must_use]
    pub fn filled(&self) -> &Filled {
        &self.filled
    }

    /// Puts it into force.
    ///
    /// # Errors
    /// When it cannot be written: the list before stays.
    pub fn commit(mut self) -> Result<Filled, FillError> {
        let name = &*self.slot.name;
        let (current, previous) = (super::current(name), super::previous(name));
        if self.keeps {
            place::keep(&self.directory, &current, &previous)?;
        }
        let bytes = self.generation.write(name, &self.key);
        place::replace(&self.directory, &current, &bytes)?;
        let line = self.ledger.slots.entry(name.to_owned()).or_default();
        line.title = self.slot.title.to_string();
        (line.entries, line.made) = (self.filled.entries, self.filled.made);
        (line.refused, line.waiting) = (None, None);
        self.ledger.write(&self.directory)?;
        Ok(self.filled)
    }
}

type Prepared = (Key, Generation, bool, Filled);

fn prepare(
    directory: &Path,
    slot: &Slot,
    text: &[u8],
    now: u64,
    ledger: &mut Ledger,
) -> Result<Prepared, FillError> {
    let read = list::read(text)?;
    let (key, is_new) = match Key::open(directory) {
        Ok(Some(key)) => (key, false),
        Ok(None) => (Key::make(directory)?, true),
        // What was sealed under it cannot be used any more either.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            (Key::make(directory)?, true)
        }
        Err(error) => return Err(FillError::Key(error)),
    };
    let mut rows: BTreeMap<(Tag, Kind), (u64, u64)> = BTreeMap::new();
    let (mut segments, mut parameters) = (0, 0);
    for entry in &read.entries {
        let (own, marks) = entry.tags(&key);
        rows.insert(own, (now, 0));
        rows.extend(marks.into_iter().map(|mark| (mark, (now, 0))));
        let depth = entry.depth();
        (segments, parameters) = (depth.0.max(segments), depth.1.max(parameters));
    }
    let entries = rows.keys().filter(|(_, kind)| *kind != Kind::Mark).count() as u64;
    let current = match is_new {
        true => None,
        false => read_slot(directory, &super::current(&slot.name), &slot.name, &key).ok(),
    };
    let keeps = current.is_some();
    let old = current.or_else(|| {
        let previous = super::previous(&slot.name);
        read_slot(directory, &previous, &slot.name, &key).ok()
    });
    let line = ledger.slots.entry(slot.name.to_string()).or_default();
    let mut change = match &old {
        Some(old) => Change::between(old, &rows, entries, now),
        // Nothing is left to compare with but how many there were.
        None => Change::of_number(line.entries, entries, now),
    };
    if change.is_too_much {
        judge_again(entries, &mut line.waiting, now)?;
        // From here on it is measured by itself.
        change.most = (entries, now);
    }
    if old.is_none() || change.is_too_much {
        // What a slot begins with is not to wait for a week until it counts by itself.
        for (since, _) in rows.values_mut() {
            *since = 0;
        }
    }
    if let Some(old) = &old {
        carry(old, &mut rows, now, !change.is_too_much);
    }
    let generation = Generation {
        made: now,
        most: change.most,
        segments,
        parameters,
        rows: rows
            .into_iter()
            .map(|((tag, kind), (since, gone))| Row {
                tag,
                kind,
                since,
                gone,
            })
            .collect(),
    };
    let filled = Filled {
        entries,
        pages: generation.pages(),
        faults: read.faults,
        faulty_lines: read.first,
        lines: read.lines,
        digest: generation.digest(&key),
        made: now,
    };
    Ok((key, generation, keeps, filled))
}

/// What a list changes.
struct Change {
    most: (u64, u64),
    is_too_much: bool,
}

impl Change {
    fn between(
        old: &Generation,
        new: &BTreeMap<(Tag, Kind), (u64, u64)>,
        entries: u64,
        now: u64,
    ) -> Change {
        let days = now.saturating_sub(old.made) / DAY;
        let allowed = (LOSS + LOSS_A_DAY.saturating_mul(days)).min(100);
        // Of what is there at all, for a day, and for a week: what came lately never makes room for what was there before.
        let is_beyond = [0, DAY, WEEK].into_iter().any(|age| {
            let (mut there, mut lost) = (0_u64, 0_u64);
            for row in old.rows.iter().filter(|row| row.kind != Kind::Mark) {
                let counts = row.is_listed() || now.saturating_sub(row.gone) < DAY;
                if counts && row.since.saturating_add(age) <= now.max(row.since) {
                    there += 1;
                    lost += u64::from(!new.contains_key(&(row.tag, row.kind)));
                }
            }
            lost * 100 > there * allowed
        });
        let most = most(old, entries, now);
        Change {
            most: most.1,
            is_too_much: is_beyond || is_small(entries, most.0),
        }
    }

    fn of_number(before: u64, entries: u64, now: u64) -> Change {
        Change {
            most: (entries, now),
            is_too_much: is_small(entries, before),
        }
    }
}

/// Less than four fifths.
fn is_small(entries: u64, most: u64) -> bool {
    entries * 100 < most * (100 - LOSS)
}

/// The number that a new list is measured by, and the one to remember with it.
fn most(old: &Generation, entries: u64, now: u64) -> (u64, (u64, u64)) {
    let (number, at) = old.most;
    let measure = match now.saturating_sub(at) < WEEK {
        true => number.max(old.entries()),
        false => old.entries(),
    };
    let is_old = now.saturating_sub(at) >= WEEK;
    let most = match is_old || entries >= measure {
        true => (entries, now),
        false => (number, at),
    };
    (measure, most)
}

/// A list that lacks too much: taken when one of about its size has waited for a week.
fn judge_again(entries: u64, waiting: &mut Option<Waiting>, now: u64) -> Result<(), FillError> {
    let agreed = waiting.filter(|waiting| !is_small(entries, waiting.entries));
    if agreed.is_some_and(|waiting| waiting.since.saturating_add(WEEK) <= now) {
        return Ok(());
    }
    let first = agreed.unwrap_or(Waiting {
        since: now,
        entries,
    });
    *waiting = Some(first);
    Err(FillError::Shrunk {
        entries,
        from: first.since.saturating_add(WEEK),
    })
}

/// Takes over since when entries are there, and with `gone` keeps what went within a day.
fn carry(old: &Generation, rows: &mut BTreeMap<(Tag, Kind), (u64, u64)>, now: u64, gone: bool) {
    for row in &old.rows {
        match rows.get_mut(&(row.tag, row.kind)) {
            Some(there) if row.gone == 0 => there.0 = row.since.min(now),
            None if gone => {
                let gone = if row.gone == 0 { now } else { row.gone };
                if now.saturating_sub(gone) < DAY {
                    rows.insert((row.tag, row.kind), (row.since, gone.max(1)));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn moments_are_told_in_universal_time() {
        assert_eq!(moment(0), "1970-01-01 00:00 UTC");
        assert_eq!(moment(951_782_399), "2000-02-28 23:59 UTC");
        assert_eq!(moment(951_868_800), "2000-03-01 00:00 UTC");
        assert_eq!(moment(1_798_761_599), "2026-12-31 23:59 UTC");
    }
}
