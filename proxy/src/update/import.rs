//! Hands what came to the import of `weir-categories`: the one place that does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use weir_categories::Progress;
use weir_categories::import::{self, CategoryMap, ImportError, ImportReport, Limits};
use weir_categories::lock::LockError;
use weir_categories::manifest::Manifest;
use weir_config::{CategoryChoice, ListFormat, ListSource};

use super::fault::Fault;

/// How often and how long to wait for a command that is changing the lists at this moment.
const TURNS: u32 = 40;
const TURN: Duration = Duration::from_millis(250);

/// What is to be imported.
pub(super) struct Candidate<'a> {
    pub(super) source: &'a ListSource,
    /// The file or directory.
    pub(super) path: &'a Path,
    /// Directory of work in progress.
    pub(super) work: &'a Path,
    /// Fewest entries that are taken.
    pub(super) least: u64,
    /// Entries of the version in force.
    pub(super) before: u64,
}

/// Imports the candidate as the source of its name into `lists`; gives the entries that are now in force.
pub(super) fn run(
    candidate: &Candidate<'_>,
    lists: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, Fault> {
    let said = |error: &dyn std::fmt::Display| Fault::Import(error.to_string());
    let map = map(candidate)?;
    let path = single(candidate)?;
    let limits = Limits {
        least: candidate.least,
        ..Limits::default()
    };
    let mut turn = 0;
    loop {
        let name = &candidate.source.name;
        match import::run_within(&limits, &path, name, lists, &map, progress) {
            Ok(report) => return Ok(entries(&report)),
            Err(ImportError::Lock(LockError::Busy)) if turn < TURNS => {
                turn += 1;
                std::thread::sleep(TURN);
            }
            Err(ImportError::TooFew { found, .. }) => {
                let before = candidate.before;
                return Err(Fault::Shrunken { found, before });
            }
            Err(error) => return Err(said(&error)),
        }
    }
}

fn entries(report: &ImportReport) -> u64 {
    let categories = report.categories.values();
    categories.map(import::Imported::entries).sum()
}

/// Entries of the version in force; none when there is no import of that name.
pub(super) fn in_force(lists: &Path, name: &str) -> Option<u64> {
    let manifest = Manifest::read(&lists.join(name)).ok()??;
    Some(manifest.files.values().map(|file| file.lines).sum())
}

/// The map that is configured before the one that is built in.
fn map(candidate: &Candidate<'_>) -> Result<CategoryMap, Fault> {
    let file = match &candidate.source.categories {
        None => return Ok(CategoryMap::default()),
        Some(CategoryChoice::File(file)) => file.clone(),
        Some(CategoryChoice::Map(lines)) => write_map(candidate.work, lines)?,
    };
    CategoryMap::read(&file).map_err(|error| Fault::Import(error.to_string()))
}

fn write_map(work: &Path, lines: &BTreeMap<String, Vec<String>>) -> Result<PathBuf, Fault> {
    let text = toml::to_string(lines).map_err(|error| Fault::Import(error.to_string()))?;
    let file = work.join("map.toml");
    fs::write(&file, text)?;
    Ok(file)
}

/// A list that is one file, as a directory of one category; anything else as it is.
fn single(candidate: &Candidate<'_>) -> Result<PathBuf, Fault> {
    let source = candidate.source;
    let plain = matches!(
        source.format,
        ListFormat::Auto | ListFormat::Plain | ListFormat::Wildcard
    );
    match (&source.category, source.format) {
        (Some(category), _) if plain => {
            let root = candidate.work.join("single");
            let directory = root.join(&**category);
            fs::create_dir_all(&directory)?;
            let file = directory.join("domains");
            fs::copy(candidate.path, file)?;
            Ok(root)
        }
        (None, ListFormat::Auto | ListFormat::SquidGuard) => Ok(candidate.path.to_owned()),
        (category, format) => Err(Fault::Import(match category {
            None => format!("the format {format} has one category: give the key category"),
            Some(_) => format!("lists in the format {format} cannot be read with a category"),
        })),
    }
}
