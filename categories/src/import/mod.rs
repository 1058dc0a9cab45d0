//! Decides what an import is: an archive, a directory or a file of lists becomes a source of Weir, whole or not at all.
//!
//! An import reads line by line, keeps entries in normal form, sorted and without repetition, under the school's categories
//! ([`CategoryMap`]), and reports the lines that it could not use. It writes beside and renames: a failed, cut-off or
//! hostile archive leaves the old lists in force, and so does a second import at the same time.
//!
//! What an archive may hold in the squidGuard layout: `[top/]<category>/{domains,urls,expressions}`. Other files are ignored, among them UT1's
//! `usage` and `very_restrictive_expression`. A link to a directory is another name for a category (UT1: `porn` is
//! `adult`) and brings nothing of its own; a link to a list file brings that list. Anything that leads out of the archive
//! refuses the import, and so do more entries or bytes than [`Limits`] allow.
//!
//! A file alone is a list of one category, which the caller names. An archive or directory that is not in the squidGuard
//! layout has a category a file, named after it; v2fly's is known by its files, of others [`Options`] must name the format.

mod archive;
mod error;
mod flat;
mod forget;
mod map;
mod meter;
mod place;
mod stage;
mod tree;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use self::archive::Opened;
pub use self::error::ImportError;
use self::flat::{Flat, Look};
pub use self::forget::{ForgetError, Forgotten, forget};
pub use self::map::{CategoryMap, MapError};
use self::meter::Meter;
use self::stage::Stage;
pub use self::trial::Beside;
use crate::category::{CATEGORIES_MAX, check_name};
use crate::entry::MatchKind;
use crate::formats::{Detected, ENOUGH, Format, detect};
use crate::hygiene::{Review, Rules};
use crate::lock::Lock;
use crate::manifest::{Manifest, Origin};
use crate::report::{Faults, Progress};
pub use crate::swap::recover_all;

/// So many entries may go at once from any import, however small.
const MAY_GO: u64 = 20;

/// How much one import may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries of the archive, of any kind.
    pub entries: u64,
    /// Bytes after decompression.
    pub bytes: u64,
    /// Lines of all lists together: each costs memory beside its bytes, however short it is.
    pub lines: u64,
    /// Fewest entries of the result: fewer refuse it.
    pub least: u64,
}

/// Ten times what the largest public lists have.
impl Default for Limits {
    fn default() -> Limits {
        Limits {
            entries: 100_000,
            bytes: 1 << 30,
            lines: 30_000_000,
            least: 0,
        }
    }
}

/// What the caller knows about what is imported.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How much it may hold.
    pub limits: Limits,
    /// The school's category for a list that is one file, or for every file of a directory or archive. The map has no say
    /// then.
    pub category: Option<String>,
    /// The format, when it is not to be told by the first lines.
    pub format: Option<Format>,
    /// Go on, also when most of the earlier import of that name goes.
    pub may_shrink: bool,
    /// Only what these do not doubt goes live.
    pub rules: Option<Rules>,
    /// Only what makes an index with these goes live.
    pub beside: Option<Beside>,
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
    /// Keywords.
    pub keywords: u64,
    /// Entries of `exceptions`: where the category does not hold.
    pub exceptions: u64,
    /// The imported categories that make it.
    pub from: BTreeSet<String>,
}

impl Imported {
    /// Entries of every kind.
    pub fn entries(&self) -> u64 {
        self.domains + self.urls + self.expressions + self.keywords + self.exceptions
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
            MatchKind::Keyword => imported.keywords += lines,
            MatchKind::Exception => imported.exceptions += lines,
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
    /// What was read.
    pub format: Format,
    /// By which lines the format was told; nothing when it was named, or is a matter of the layout.
    pub detected: Option<Detected>,
    /// What became of the lines of every file that was read.
    pub origins: Vec<Origin>,
    /// What was held back, or would be but for a person's decision.
    pub review: Review,
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
    let options = Options {
        limits: *limits,
        ..Options::default()
    };
    run_with(&options, archive_or_directory, name, lists, map, progress)
}

/// [`run`] for any format: an archive or directory, or one list as a file, plain or compressed.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    options: &Options,
    path: &Path,
    name: &str,
    lists: &Path,
    map: &CategoryMap,
    progress: &mut dyn FnMut(Progress),
) -> Result<ImportReport, ImportError> {
    check_name(name)?;
    if let Some(category) = &options.category {
        check_name(category).map_err(ImportError::Category)?;
    }
    let _lock = Lock::take(lists)?;
    let mut stage = Stage::new(lists, name, options.limits.lines)?;
    let (format, detected) =
        read(path, options, &mut stage, progress).map_err(archive::tell_bombs)?;
    stage.resolve_links();
    let origin = path.file_name().unwrap_or_default();
    let mut manifest = Manifest::new(name, &origin.to_string_lossy(), now());
    manifest.list_format = Some(format);
    let targets = |category: &str| match options.category {
        Some(_) => Ok(vec![category.to_owned()]),
        None => map.targets_of(format, category),
    };
    let mut brought = stage.merge(&targets, &mut manifest, progress)?;
    brought
        .categories
        .retain(|_, imported| imported.entries() > 0);
    match brought.categories.len() {
        0 if format == Format::SquidGuard => return Err(ImportError::Empty),
        0 => return Err(ImportError::EmptyOf(format)),
        count if count > CATEGORIES_MAX - 2 => return Err(ImportError::TooManyCategories(count)),
        _ => {}
    }
    let found = brought.categories.values().map(Imported::entries).sum();
    if found < options.limits.least {
        let least = options.limits.least;
        return Err(ImportError::TooFew { found, least });
    }
    if !options.may_shrink {
        check_size(&lists.join(name), &brought)?;
    }
    stage.seal(&manifest)?;
    let faults = std::mem::take(&mut stage.faults);
    let aliases = std::mem::take(&mut stage.aliases);
    let review = stage.review(options.rules.as_ref())?;
    if let Some(beside) = &options.beside {
        let tried = trial::compile(beside, (lists, name), stage.candidate(), progress);
        tried.map_err(ImportError::Unusable)?;
    }
    Ok(ImportReport {
        source: name.to_owned(),
        directory: lists.join(name),
        replaced: stage.put_in_force()?,
        categories: brought.categories,
        left_out: brought.left_out,
        aliases,
        duplicates: brought.duplicates,
        faults,
        format,
        detected,
        origins: manifest.origins,
        review,
    })
}

/// An earlier import that cannot be read is no measure.
fn check_size(earlier: &Path, brought: &Brought) -> Result<(), ImportError> {
    let Ok(Some(earlier)) = Manifest::read(earlier) else {
        return Ok(());
    };
    let before: u64 = earlier.files.values().map(|written| written.lines).sum();
    let now: u64 = brought.categories.values().map(Imported::entries).sum();
    let gone = before.saturating_sub(now);
    if gone > MAY_GO && gone > before / 2 {
        return Err(ImportError::Shrunk { before, now });
    }
    Ok(())
}
/// What was read, and by which lines it was told.
type Told = (Format, Option<Detected>);

fn read(
    path: &Path,
    options: &Options,
    stage: &mut Stage,
    progress: &mut dyn FnMut(Progress),
) -> Result<Told, ImportError> {
    if path.is_dir() {
        return read_directory(path, options, stage, progress);
    }
    let mut meter = Meter::new(std::fs::metadata(path)?.len(), progress);
    let opened = Opened::new(path, &meter)?;
    let told = if opened.is_tar() {
        (
            read_archive(path, opened, options, stage, &mut meter)?,
            None,
        )
    } else {
        read_single(path, opened, options, stage, &mut meter)?
    };
    meter.finish();
    Ok(told)
}

fn read_single(
    path: &Path,
    opened: Opened,
    options: &Options,
    stage: &mut Stage,
    meter: &mut Meter<'_>,
) -> Result<Told, ImportError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (format, detected) = match options.format {
        // Of squidGuard's files one alone is its `domains`.
        Some(Format::SquidGuard) => (Format::Domains, None),
        Some(format) => (format, None),
        None => {
            let detected = detect(&opened.head, &name)?;
            (detected.format, Some(detected))
        }
    };
    let category = options.category.as_deref();
    let category = category.ok_or(ImportError::NoCategory(format))?;
    flat::single(
        opened,
        path,
        (format, category),
        &options.limits,
        stage,
        meter,
    )?;
    Ok((format, detected))
}

/// How the files of a directory or archive are read, when the caller says so.
fn flat(options: &Options) -> Result<Option<Flat<'_>>, ImportError> {
    let category = options.category.as_deref();
    match options.format {
        None | Some(Format::SquidGuard) if category.is_none() => Ok(None),
        Some(Format::V2fly) if category.is_some() => Err(ImportError::OwnCategories(Format::V2fly)),
        None | Some(Format::SquidGuard) => Err(ImportError::OwnCategories(Format::SquidGuard)),
        Some(format) => Ok(Some(Flat { format, category })),
    }
}

/// The layout that is known without being named.
const V2FLY: Flat<'static> = Flat {
    format: Format::V2fly,
    category: None,
};

fn read_archive(
    path: &Path,
    opened: Opened,
    options: &Options,
    stage: &mut Stage,
    meter: &mut Meter<'_>,
) -> Result<Format, ImportError> {
    let limits = &options.limits;
    if let Some(flat) = flat(options)? {
        flat.archive(opened, limits, stage, meter)?;
        return Ok(flat.format);
    }
    archive::read(opened, limits, stage, meter)?;
    if stage.is_empty() && options.format.is_none() {
        let mut look = Look::default();
        let mut more = true;
        archive::members(Opened::new(path, meter)?, limits, &mut |entry| {
            let parts = place::parts(&entry.path()?).unwrap_or_default();
            if more {
                let mut first = Vec::new();
                entry.take(ENOUGH as u64).read_to_end(&mut first)?;
                more = look.at(&parts, &first);
            }
            Ok(())
        })?;
        if look.is_v2fly() {
            V2FLY.archive(Opened::new(path, meter)?, limits, stage, meter)?;
            return Ok(Format::V2fly);
        }
    }
    Ok(Format::SquidGuard)
}

fn read_directory(
    path: &Path,
    options: &Options,
    stage: &mut Stage,
    progress: &mut dyn FnMut(Progress),
) -> Result<Told, ImportError> {
    let limits = &options.limits;
    let mut flat = flat(options)?;
    if flat.is_none() {
        let (found, bytes) = tree::look(path, limits, &tree::is_squid_guard)?;
        let lists = found.iter().any(|found| found.file().is_some());
        if lists || options.format.is_some() || !is_v2fly(path, limits)? {
            let mut meter = Meter::new(bytes, progress);
            tree::read(found, limits, stage, &mut meter)?;
            meter.finish();
            return Ok((Format::SquidGuard, None));
        }
        flat = Some(V2FLY);
    }
    let flat = flat.unwrap_or(V2FLY);
    let wanted = |parts: &[String]| flat.category(parts).is_some();
    let (found, bytes) = tree::look(path, limits, &wanted)?;
    let mut meter = Meter::new(bytes, progress);
    flat.tree(found, limits, stage, &mut meter)?;
    meter.finish();
    Ok((flat.format, None))
}

fn is_v2fly(path: &Path, limits: &Limits) -> Result<bool, ImportError> {
    let (found, _) = tree::look(path, limits, &|parts| V2FLY.category(parts).is_some())?;
    let mut look = Look::default();
    for (parts, path) in found.iter().filter_map(tree::Found::file) {
        let mut first = Vec::new();
        let file = std::fs::File::open(path)?;
        file.take(ENOUGH as u64).read_to_end(&mut first)?;
        if !look.at(parts, &first) {
            break;
        }
    }
    Ok(look.is_v2fly())
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
