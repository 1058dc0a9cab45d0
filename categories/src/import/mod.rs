//! Decides what an import is: an archive or a directory of lists in the squidGuard layout becomes a source of Weir,
//! whole or not at all.
//!
//! An import reads line by line, keeps entries in normal form, sorted and without repetition, under the school's categories
//! ([`CategoryMap`]), and reports the lines that it could not use. It writes beside and renames: a failed, cut-off or
//! hostile archive leaves the old lists in force, and so does a second import at the same time.
//!
//! What an archive may hold: `[top/]<category>/{domains,urls,expressions}`. Other files are ignored, among them UT1's
//! `usage` and `very_restrictive_expression`. A link to a directory is another name for a category (UT1: `porn` is
//! `adult`) and brings nothing of its own; a link to a list file brings that list. Anything that leads out of the archive
//! refuses the import, and so do more entries or bytes than [`Limits`] allow.

mod archive;
mod map;
mod meter;
mod place;
mod stage;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use thiserror::Error;

pub use self::map::{CategoryMap, MapError};
use self::meter::Meter;
use self::stage::Stage;
use crate::category::{CATEGORIES_MAX, NameError, check_name};
use crate::entry::MatchKind;
use crate::lock::{Lock, LockError};
use crate::manifest::{Manifest, ManifestError};
use crate::report::{Faults, Progress};

/// How much one import may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries of the archive, of any kind.
    pub entries: u64,
    /// Bytes after decompression.
    pub bytes: u64,
    /// Fewest entries of the result: fewer refuse it.
    pub least: u64,
}

/// Ten times what the largest public lists have.
impl Default for Limits {
    fn default() -> Limits {
        Limits {
            entries: 100_000,
            bytes: 2 << 30,
            least: 0,
        }
    }
}

/// Why nothing was imported. The lists in force stay in force.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The source's name cannot be a directory's.
    #[error("the name of the source: {0}")]
    Name(#[from] NameError),
    /// Another import or edit is at work.
    #[error("{0}")]
    Lock(#[from] LockError),
    /// Reading the archive or writing the lists failed; a cut-off compressed archive reads so too.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The manifest cannot be written.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// A path or link leads out of the archive.
    #[error("{} leads out of the archive", .0.display())]
    Unsafe(PathBuf),
    /// The archive has no end.
    #[error("the archive is cut off")]
    CutOff,
    /// A list has a NUL byte.
    #[error("{} is half-written: it has a NUL byte", .0.display())]
    HalfWritten(PathBuf),
    /// More entries than [`Limits`] allow.
    #[error("more than {0} entries")]
    TooManyEntries(u64),
    /// More bytes than [`Limits`] allow.
    #[error("more bytes than an import may have")]
    TooManyBytes,
    /// More categories than an index can have beside the two built-in ones: no index could be made any more.
    #[error("{0} categories; {max} are the most", max = CATEGORIES_MAX - 2)]
    TooManyCategories(usize),
    /// Fewer entries than [`Limits`] ask for.
    #[error("{found} entries, which is fewer than the {least} that it must have")]
    TooFew {
        /// What there were.
        found: u64,
        /// What there must be.
        least: u64,
    },
    /// No list with a usable entry.
    #[error("no entry in any <category>/{{domains,urls,expressions}}")]
    Empty,
}

/// A category of the school's after an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Names, addresses and networks.
    pub domains: u64,
    /// Entries of `urls`.
    pub urls: u64,
    /// Expressions.
    pub expressions: u64,
    /// The imported categories that make it.
    pub from: BTreeSet<String>,
}

impl Imported {
    /// Entries of every kind.
    pub fn entries(&self) -> u64 {
        self.domains + self.urls + self.expressions
    }
}

/// What came out of merging.
#[derive(Debug, Default)]
struct Brought {
    categories: BTreeMap<String, Imported>,
    left_out: BTreeMap<String, u64>,
    duplicates: u64,
}

impl Brought {
    fn count(&mut self, category: &str, kind: MatchKind, lines: u64) {
        let Some(imported) = self.categories.get_mut(category) else {
            return;
        };
        match kind {
            MatchKind::Domain => imported.domains += lines,
            MatchKind::Url => imported.urls += lines,
            MatchKind::Expression => imported.expressions += lines,
        }
    }
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportReport {
    /// The source's name.
    pub source: String,
    /// Where it lies now.
    pub directory: PathBuf,
    /// True when it replaced an earlier import.
    pub replaced: bool,
    /// The school's categories that it has.
    pub categories: BTreeMap<String, Imported>,
    /// Imported categories that the map leaves out, with their entries.
    pub left_out: BTreeMap<String, u64>,
    /// Links between categories: other name to name.
    pub aliases: BTreeMap<String, String>,
    /// Entries that were there already in the same category of ours.
    pub duplicates: u64,
    /// Lines that could not be used.
    pub faults: Faults,
}

/// Imports an archive (`.tar`, `.tar.gz`, `.tar.zst`) or a directory as source `name` into `lists`, within the default
/// [`Limits`]. `progress` counts bytes of the archive, then bytes written.
///
/// # Errors
/// [`ImportError`]; the earlier import of that name is still in force then.
pub fn run(
    archive_or_directory: &Path,
    name: &str,
    lists: &Path,
    map: &CategoryMap,
    progress: &mut dyn FnMut(Progress),
) -> Result<ImportReport, ImportError> {
    run_within(
        &Limits::default(),
        archive_or_directory,
        name,
        lists,
        map,
        progress,
    )
}

/// [`run`] within other limits.
///
/// # Errors
/// As [`run`].
pub fn run_within(
    limits: &Limits,
    archive_or_directory: &Path,
    name: &str,
    lists: &Path,
    map: &CategoryMap,
    progress: &mut dyn FnMut(Progress),
) -> Result<ImportReport, ImportError> {
    check_name(name)?;
    let _lock = Lock::take(lists)?;
    let mut stage = Stage::new(lists, name)?;
    read(archive_or_directory, limits, &mut stage, progress).map_err(archive::tell_bombs)?;
    stage.resolve_links();
    let origin = archive_or_directory.file_name().unwrap_or_default();
    let manifest = Manifest::new(name, &origin.to_string_lossy(), now());
    let mut brought = stage.merge(map, manifest, progress)?;
    brought
        .categories
        .retain(|_, imported| imported.entries() > 0);
    match brought.categories.len() {
        0 => return Err(ImportError::Empty),
        count if count > CATEGORIES_MAX - 2 => return Err(ImportError::TooManyCategories(count)),
        _ => {}
    }
    let found = brought.categories.values().map(Imported::entries).sum();
    if found < limits.least {
        let least = limits.least;
        return Err(ImportError::TooFew { found, least });
    }
    let faults = std::mem::take(&mut stage.faults);
    let aliases = std::mem::take(&mut stage.aliases);
    Ok(ImportReport {
        source: name.to_owned(),
        directory: lists.join(name),
        replaced: stage.put_in_force()?,
        categories: brought.categories,
        left_out: brought.left_out,
        aliases,
        duplicates: brought.duplicates,
        faults,
    })
}

fn read(
    path: &Path,
    limits: &Limits,
    stage: &mut Stage,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), ImportError> {
    if path.is_dir() {
        let (found, bytes) = tree::look(path, limits)?;
        let mut meter = Meter::new(bytes, progress);
        tree::read(found, limits, stage, &mut meter)?;
        meter.finish();
    } else {
        let mut meter = Meter::new(std::fs::metadata(path)?.len(), progress);
        archive::read(path, limits, stage, &mut meter)?;
        meter.finish();
    }
    Ok(())
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
