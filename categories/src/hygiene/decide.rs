//! Decides what becomes of entries held back when a person has looked: they go live or stay out, at once, and are not asked
//! about again.
//!
//! The decision is written down first, then the lists take effect, then the entries leave what is held: a crash in between
//! leaves entries that are held although they are decided, and deciding them again finishes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::held::{self, Decided, Writing, each_held};
use super::{DIRECTORIES, Held, Rewriting, Verdict, open, replace};
use crate::entry::MatchKind;
use crate::history::lines::{Side, Sorted, compare};
use crate::history::{Act, History, HistoryError, How, Place, Version};
use crate::lock::{Lock, LockError, sync_directory};
use crate::manifest::{self, Manifest};
use crate::swap;

/// Which of the entries held back are meant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Only of this category.
    pub category: Option<&'a str>,
    /// Only these, however they are spelled; all when there is none.
    pub entries: &'a [&'a str],
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// How many entries, by category.
    pub categories: BTreeMap<String, u64>,
    /// Entries that were named and are not held back.
    pub unknown: Vec<String>,
    /// What it is in the history; `None` when nothing was decided.
    pub version: Option<Version>,
}

/// Why nothing was decided.
#[derive(Debug, Error)]
pub enum DecideError {
    /// Someone else changes lists.
    #[error("{0}")]
    Lock(#[from] LockError),
    /// The history cannot be written.
    #[error("{0}")]
    History(#[from] HistoryError),
    /// Nothing of this name was imported.
    #[error("{0:?} is no imported list; `weir lists held` shows what waits")]
    NoSource(String),
    /// Reading or writing failed.
    #[error("{}: {cause}", place.display())]
    Io {
        /// Where.
        place: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

/// Changes of one list file: the entry with its newline, and whether it would come.
type Chosen = BTreeMap<(String, MatchKind), BTreeSet<(Vec<u8>, bool)>>;

/// Accepts or drops entries held back of the imported `source` in `lists`. What is accepted is in force when this returns.
///
/// # Errors
/// [`DecideError`]; the lists in force stay as they are then.
pub fn decide(
    lists: &Path,
    source: &str,
    verdict: Verdict,
    filter: &Filter<'_>,
    act: &Act<'_>,
) -> Result<Decision, DecideError> {
    let place = Place {
        name: source.to_owned(),
        directory: lists.join(source),
    };
    if crate::category::check_name(source).is_err()
        || !place.directory.join(manifest::FILE_NAME).is_file()
    {
        return Err(DecideError::NoSource(source.to_owned()));
    }
    let _lock = Lock::take(lists)?;
    let history = History::at(lists);
    let turn = history.turn()?;
    let failed = |cause| DecideError::Io {
        place: place.directory.clone(),
        cause,
    };
    let (chosen, unknown) = choose(lists, source, filter).map_err(failed)?;
    let mut decision = Decision {
        categories: BTreeMap::new(),
        unknown,
        version: None,
    };
    for ((category, _), entries) in &chosen {
        *decision.categories.entry(category.clone()).or_default() += entries.len() as u64;
    }
    if chosen.is_empty() {
        return Ok(decision);
    }
    let found = Act {
        who: "",
        why: "",
        when: act.when,
        how: How::Found,
    };
    turn.record(&place, &found)?;
    remember(lists, source, verdict, &chosen).map_err(failed)?;
    if verdict == Verdict::Accept {
        make_live(lists, &place, &chosen).map_err(failed)?;
    }
    no_longer_held(lists, source, &chosen).map_err(failed)?;
    let how = match verdict {
        Verdict::Accept => How::Accept,
        Verdict::Drop => How::Drop,
    };
    decision.version = turn.record(&place, &Act { how, ..*act })?;
    Ok(decision)
}

/// The entries that are meant, and those named that are not held.
fn choose(lists: &Path, source: &str, filter: &Filter<'_>) -> io::Result<(Chosen, Vec<String>)> {
    let plain = |text: &str| text.trim().trim_start_matches('.').to_lowercase();
    let mut wanted: BTreeMap<String, bool> = BTreeMap::new();
    for entry in filter.entries {
        wanted.insert(plain(entry), false);
    }
    let mut chosen = Chosen::new();
    each_held(lists, source, |held| {
        let Held {
            category,
            kind,
            comes,
            entry,
            ..
        } = held;
        if filter.category.is_some_and(|only| only != category) {
            return Ok(());
        }
        if !wanted.is_empty() {
            match wanted.get_mut(&plain(&entry)) {
                Some(found) => *found = true,
                None => return Ok(()),
            }
        }
        let mut line = entry.into_bytes();
        line.push(b'\n');
        chosen
            .entry((category, kind))
            .or_default()
            .insert((line, comes));
        Ok(())
    })?;
    let unknown = wanted.into_iter().filter(|(_, found)| !found);
    Ok((chosen, unknown.map(|(entry, _)| entry).collect()))
}

/// Adds to what was decided. That an entry may go needs no memory: it is gone.
fn remember(lists: &Path, source: &str, verdict: Verdict, chosen: &Chosen) -> io::Result<()> {
    let [_, hidden] = DIRECTORIES;
    let writing = Writing::begin(lists, hidden, source)?;
    let mut files: BTreeSet<(String, MatchKind)> = chosen.keys().cloned().collect();
    for category in held::categories(&lists.join(hidden).join(source))? {
        files.extend(MatchKind::ALL.map(|kind| (category.clone(), kind)));
    }
    for (category, kind) in files {
        let mut all: Decided = held::decided(lists, source, &category, kind)?;
        for (line, comes) in chosen.get(&(category.clone(), kind)).into_iter().flatten() {
            if *comes || verdict == Verdict::Drop {
                all.insert((line.clone(), *comes), verdict);
            }
        }
        let mut out = writing.file(&category, kind);
        for ((line, comes), verdict) in &all {
            out.line(*comes, verdict.word(), line)?;
        }
        out.finish()?;
    }
    writing.finish()
}

/// Writes the source anew with what was chosen and puts it in force in one step. Files that do not change are linked.
fn make_live(lists: &Path, place: &Place, chosen: &Chosen) -> io::Result<()> {
    let ready = lists.join(format!(".importing-{}", place.name));
    swap::remove_if_there(&ready)?;
    let mut manifest = Manifest::read(&place.directory)
        .map_err(io::Error::other)?
        .ok_or_else(|| io::Error::other("no manifest"))?;
    fs::create_dir_all(&ready)?;
    for name in manifest.files.keys() {
        let (from, to) = (place.directory.join(name), ready.join(name));
        fs::create_dir_all(to.parent().unwrap_or(&ready))?;
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to)?;
        }
    }
    for ((category, kind), entries) in chosen {
        let name = format!("{category}/{kind}");
        let path = ready.join(&name);
        let mut live = Rewriting::begin(&path)?;
        let mut changes = Sorted::lines(entries.iter().map(|(line, _)| line.clone()));
        compare(&mut *open(&path)?, &mut changes, |side, line| {
            // An entry may come although it is there, when a crash came between.
            let goes = || entries.contains(&(line.to_owned(), false));
            match side {
                Side::Old => live.line(line),
                _ if goes() => Ok(()),
                _ => live.line(line),
            }
        })?;
        match live.finish()? {
            Some(written) => _ = manifest.files.insert(name, written),
            None => _ = manifest.files.remove(&name),
        }
        _ = fs::remove_dir(ready.join(category));
    }
    let text = manifest.to_json().map_err(io::Error::other)?;
    replace(&ready.join(manifest::FILE_NAME), &text)?;
    for category in held::categories(&ready)? {
        sync_directory(&ready.join(category))?;
    }
    sync_directory(&ready)?;
    swap::put_in_force(&ready, &place.directory)?;
    // Nothing depends on it, and the next import removes it first.
    _ = swap::remove_if_there(&ready);
    Ok(())
}

fn no_longer_held(lists: &Path, source: &str, chosen: &Chosen) -> io::Result<()> {
    let [hidden, _] = DIRECTORIES;
    let writing = Writing::begin(lists, hidden, source)?;
    let mut out: Option<((String, MatchKind), held::Out)> = None;
    each_held(lists, source, |held| {
        let key = (held.category, held.kind);
        let mut line = held.entry.into_bytes();
        line.push(b'\n');
        let decided = chosen.get(&key);
        let item = (line, held.comes);
        if decided.is_some_and(|entries| entries.contains(&item)) {
            return Ok(());
        }
        match &mut out {
            Some((last, out)) if *last == key => {
                out.line(item.1, &held.reason.to_string(), &item.0)
            }
            other => {
                let mut new = writing.file(&key.0, key.1);
                new.line(item.1, &held.reason.to_string(), &item.0)?;
                match other.replace((key, new)) {
                    Some((_, old)) => old.finish(),
                    None => Ok(()),
                }
            }
        }
    })?;
    if let Some((_, out)) = out {
        out.finish()?;
    }
    writing.finish()
}
