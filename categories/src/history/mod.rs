//! Decides what is remembered of every change of every list: each is a version with who, when, why, how, and what came and
//! went; any two can be compared, any one brought back.
//!
//! # Where it lies
//!
//! In `<state>/lists/.history`: `versions.jsonl` has a line of JSON for each version, only ever added to but for
//! [`Turn::prune`]; `contents/` has the files of all versions under their SHA-256, each once (`store`). A version names a
//! content that lists its files with theirs.
//!
//! # What a crash leaves
//!
//! Contents come first, the line last. A line that was cut off is passed over and told ([`Versions::damaged`]); the lists
//! themselves are in force or not by a rename, whatever the history says, and [`Turn::record`] finds at its next call what
//! has no version yet.

pub(crate) mod lines;
mod prune;
mod record;
mod rollback;
mod store;
mod tree;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::lines::{Lines, Nothing, Side, compare, damaged, written};
pub use self::store::Change;
use self::store::Store;
use self::tree::Tree;
use crate::entry::MatchKind;
use crate::lock::{Lock, LockError};

/// The directory's name beside the imported sources.
pub const DIRECTORY: &str = ".history";
const VERSIONS: &str = "versions.jsonl";
const CONTENTS: &str = "contents";
/// Longest line of the index of versions: a version of 256 categories has far less.
const LINE_MAX: u64 = 1 << 20;

/// Why the history cannot tell or do what was asked.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// Someone else is at it.
    #[error("{0}")]
    Lock(#[from] LockError),
    /// Reading or writing failed, or something is not what it was.
    #[error("the history of the lists in {}: {cause}", place.display())]
    Io {
        /// Where.
        place: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// Nothing is known of the source.
    #[error("the history knows no list {0:?}; `weir lists history` shows all")]
    NoSource(String),
    /// The source has no version of that number, or no longer.
    #[error("{name} has no version {number}; `weir lists history {name}` shows those it has")]
    NoVersion {
        /// The source.
        name: String,
        /// The number that was asked for.
        number: u64,
    },
    /// A version without any list cannot be brought back.
    #[error("version {0} has no lists: there is nothing to bring back")]
    NoLists(u64),
}

/// How a version came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// `weir lists import`.
    Import,
    /// An update from where the source is published.
    Update,
    /// `weir lists add` or `weir lists remove`.
    Command,
    /// The files were edited.
    Hand,
    /// An earlier version was brought back.
    Rollback,
    /// Entries held back were accepted.
    Accept,
    /// Entries held back were dropped.
    Drop,
    /// An imported source was removed.
    Forget,
    /// The lists were there before the history was, or changed while nobody looked.
    Found,
}

impl How {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            How::Import => "import",
            How::Update => "update",
            How::Command => "command",
            How::Hand => "edited by hand",
            How::Rollback => "rollback",
            How::Accept => "held entries accepted",
            How::Drop => "held entries dropped",
            How::Forget => "forgotten",
            How::Found => "found",
        }
    }
}

/// Who changes a list, when, why and how.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// A person, or what stands in for one.
    pub who: &'a str,
    /// May be empty.
    pub why: &'a str,
    /// Seconds since 1970-01-01 UTC.
    pub when: i64,
    /// By what.
    pub how: How,
}

/// A source and its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The source's name.
    pub name: String,
    /// Where its lists are now.
    pub directory: PathBuf,
}

/// One state of a source's lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The source's name.
    pub source: String,
    /// Counted from 1 for each source.
    pub number: u64,
    /// Seconds since 1970-01-01 UTC.
    pub when: i64,
    /// A person, or what stands in for one.
    pub who: String,
    /// May be empty.
    pub why: String,
    /// By what.
    pub how: How,
    /// The version that was brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_to: Option<u64>,
    /// What came and went since the version before, by file: `adult/domains`.
    #[serde(default)]
    pub changes: BTreeMap<String, Change>,
    /// SHA-256 of the content that names its files.
    files: String,
}

impl Version {
    /// What came and went in all files.
    pub fn change(&self) -> Change {
        self.changes
            .values()
            .fold(Change::default(), |sum, one| Change {
                added: sum.added + one.added,
                removed: sum.removed + one.removed,
            })
    }
}

/// What the index of versions holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// In the order in which they came.
    pub versions: Vec<Version>,
    /// Lines of `versions.jsonl` that cannot be read: a crash cut them off.
    pub damaged: Vec<u64>,
}

/// How long versions are kept. The last one of a source always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// At least so many of each source.
    pub versions: usize,
    /// And those younger than so many seconds.
    pub seconds: i64,
    /// But never more than so many of each source.
    pub at_most: usize,
}

/// A hundred, and thirteen months, so that this term can be compared with the same of last year; 5,000 bounds what hourly
/// updates leave.
impl Default for Keep {
    fn default() -> Keep {
        Keep {
            versions: 100,
            seconds: 400 * 24 * 60 * 60,
            at_most: 5000,
        }
    }
}

/// A difference between two versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference<'a> {
    /// The category.
    pub category: &'a str,
    /// Which of its files.
    pub kind: MatchKind,
    /// True when the later version has it, false when the earlier one has.
    pub added: bool,
    /// The entry, in normal form.
    pub entry: &'a str,
}

/// Since when an entry is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// The version with which it last came.
    pub version: Version,
    /// It may be older: earlier versions are no longer kept, or the history began here.
    pub or_before: bool,
}

/// The versions of all sources of one state directory. Reading needs no right; changes need a [`Turn`].
#[derive(Clone, Debug)]
pub struct History {
    lists: PathBuf,
    root: PathBuf,
    store: Store,
}

/// The right to add to the history, until it is dropped. Take it before a change of lists is made and record the change
/// before it is dropped: then nobody else takes the change for an edit by hand.
#[derive(Debug)]
pub struct Turn<'a> {
    history: &'a History,
    _lock: Lock,
}

impl History {
    /// The history beside the imported sources in `lists`; nothing needs to be there.
    pub fn at(lists: &Path) -> History {
        let root = lists.join(DIRECTORY);
        History {
            lists: lists.to_owned(),
            store: Store::at(root.join(CONTENTS)),
            root,
        }
    }

    fn told<T>(&self, result: io::Result<T>) -> Result<T, HistoryError> {
        result.map_err(|cause| HistoryError::Io {
            place: self.root.clone(),
            cause,
        })
    }

    /// Waits up to half a minute for whoever else changes lists.
    ///
    /// # Errors
    /// [`HistoryError::Lock`].
    pub fn turn(&self) -> Result<Turn<'_>, HistoryError> {
        Ok(Turn {
            history: self,
            _lock: Lock::wait(&self.root)?,
        })
    }

    /// All versions, or those of one source.
    ///
    /// # Errors
    /// [`HistoryError::Io`]; lines that are damaged are no error.
    pub fn versions(&self, source: Option<&str>) -> Result<Versions, HistoryError> {
        let mut found = self.told(self.read_versions())?;
        if let Some(source) = source {
            found.versions.retain(|version| version.source == source);
        }
        Ok(found)
    }

    fn read_versions(&self) -> io::Result<Versions> {
        let mut found = Versions::default();
        let file = match File::open(self.root.join(VERSIONS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            file => file?,
        };
        let mut file = BufReader::new(file);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if (&mut file).take(LINE_MAX).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            match serde_json::from_slice::<Version>(&line) {
                Ok(version) if store::is_digest(&version.files) => found.versions.push(version),
                _ if line.trim_ascii().is_empty() => {}
                _ => found.damaged.push(number),
            }
        }
        Ok(found)
    }

    /// A version of a source by its number.
    ///
    /// # Errors
    /// [`HistoryError::NoSource`], [`HistoryError::NoVersion`].
    pub fn version(&self, source: &str, number: u64) -> Result<Version, HistoryError> {
        let versions = self.versions(Some(source))?.versions;
        if versions.is_empty() {
            return Err(HistoryError::NoSource(source.to_owned()));
        }
        let mut versions = versions.into_iter();
        versions
            .find(|version| version.number == number)
            .ok_or_else(|| HistoryError::NoVersion {
                name: source.to_owned(),
                number,
            })
    }

    fn tree(&self, version: &Version) -> io::Result<Tree> {
        let text = self.store.content(&version.files)?;
        let tree: Tree = serde_json::from_slice(&text).map_err(io::Error::other)?;
        if tree.is_sound() {
            Ok(tree)
        } else {
            Err(damaged("a version names files that no list has"))
        }
    }

    fn entries(&self, tree: &Tree, path: &str, kind: MatchKind) -> io::Result<Box<dyn Lines>> {
        match tree.sha256(path) {
            Some(sha256) => self.store.entries(sha256, kind, tree.is_import()),
            None => Ok(Box::new(Nothing)),
        }
    }

    /// Gives `see` every entry in which two versions of a source differ, by category and kind, in order. Imported lists need
    /// no memory; text that people edit is read whole, a file at a time.
    ///
    /// # Errors
    /// [`HistoryError`]; `see` may end it with an error of its own.
    pub fn diff(
        &self,
        from: &Version,
        to: &Version,
        mut see: impl FnMut(&Difference<'_>) -> io::Result<()>,
    ) -> Result<(), HistoryError> {
        let one = self.told(self.tree(from))?;
        let two = self.told(self.tree(to))?;
        for (path, category, kind) in one.lists_of_both(&two) {
            if one.is_import() == two.is_import() && one.sha256(&path) == two.sha256(&path) {
                continue;
            }
            let mut compared = || -> io::Result<()> {
                let mut old = self.entries(&one, &path, kind)?;
                let mut new = self.entries(&two, &path, kind)?;
                compare(&mut *old, &mut *new, |side, line| {
                    let line = line.strip_suffix(b"\n").unwrap_or(line);
                    let difference = Difference {
                        category: &category,
                        kind,
                        added: side == Side::New,
                        entry: &String::from_utf8_lossy(line),
                    };
                    if side == Side::Both {
                        Ok(())
                    } else {
                        see(&difference)
                    }
                })
            };
            self.told(compared())?;
        }
        Ok(())
    }

    /// The version with which an entry that is listed now last came; `None` when the last version does not have it. The
    /// entry is in normal form.
    ///
    /// # Errors
    /// [`HistoryError::Io`].
    pub fn since_when(
        &self,
        source: &str,
        category: &str,
        kind: MatchKind,
        entry: &str,
    ) -> Result<Option<Since>, HistoryError> {
        let versions = self.versions(Some(source))?.versions;
        let path = format!("{category}/{kind}");
        let line = format!("{}\n", written(entry.trim_start_matches('.'), kind));
        let mut known: BTreeMap<String, bool> = BTreeMap::new();
        let mut since = None;
        for version in versions.iter().rev() {
            let tree = self.told(self.tree(version))?;
            let Some(sha256) = tree.sha256(&path) else {
                break;
            };
            let has = match known.get(sha256) {
                Some(has) => *has,
                None => self.told(self.has(sha256, kind, tree.is_import(), line.as_bytes()))?,
            };
            known.insert(sha256.to_owned(), has);
            if !has {
                break;
            }
            since = Some(version);
        }
        let first = versions.first();
        Ok(since.map(|version| Since {
            or_before: Some(version) == first && (version.number > 1 || version.how == How::Found),
            version: version.clone(),
        }))
    }

    fn has(&self, sha256: &str, kind: MatchKind, is_import: bool, line: &[u8]) -> io::Result<bool> {
        if is_import {
            return self.store.has_line(sha256, line);
        }
        let mut lines = self.store.entries(sha256, kind, false)?;
        let mut other = Vec::new();
        while lines.next(&mut other)? {
            if other == line {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Bytes that the history takes on disk, and how many contents it keeps.
    ///
    /// # Errors
    /// [`HistoryError::Io`].
    pub fn size(&self) -> Result<(u64, usize), HistoryError> {
        let all = self.told(self.store.all())?;
        let bytes = all
            .iter()
            .filter_map(|(_, path)| Some(fs::metadata(path).ok()?.len()));
        Ok((bytes.sum(), all.len()))
    }
}

#[cfg(test)]
mod tests;
