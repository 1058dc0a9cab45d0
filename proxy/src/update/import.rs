//! Hands what came to the import of `weir-categories`: the one place that does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use weir_categories::Progress;
use weir_categories::history::{Act, How, Keep, Place};
use weir_categories::import::{self, CategoryMap, ImportError, ImportReport, Limits, Options};
use weir_categories::lock::LockError;
use weir_categories::manifest::Manifest;
use weir_config::{CategoryChoice, ListFormat, ListSource, Settings};

use super::fault::Fault;
use crate::versions;

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

/// Imports the candidate as the source of its name, holds back what a person should see first, and makes a version of what
/// goes live; gives the entries that are now in force.
pub(super) fn run(
    candidate: &Candidate<'_>,
    settings: &Settings,
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, Fault> {
    let said = |error: &dyn std::fmt::Display| Fault::Import(error.to_string());
    let lists = weir_config::lists::imported(settings);
    let source = candidate.source;
    let name = &*source.name;
    let map = map(candidate)?;
    let format = match source.format {
        ListFormat::Auto => None,
        named => Some(named.as_str().parse().map_err(|error| said(&error))?),
    };
    let options = Options {
        limits: Limits {
            least: candidate.least,
            ..Limits::default()
        },
        category: source.category.as_deref().map(str::to_owned),
        format,
        // How much may go at once is `shrink_max`, by category what the rules hold back.
        may_shrink: true,
        rules: Some(versions::rules(settings).map_err(|error| said(&error))?),
        beside: Some(versions::beside(settings).map_err(|error| said(&error))?),
    };
    let history = versions::history(settings);
    let place = Place {
        name: name.to_owned(),
        directory: lists.join(name),
    };
    if place.directory.is_dir() {
        let turn = history.turn().map_err(|error| said(&error))?;
        versions::found(&turn, &history, &place).map_err(|error| said(&error))?;
    }
    let mut turn = 0;
    let report = loop {
        match import::run_with(&options, candidate.path, name, &lists, &map, progress) {
            Ok(report) => break report,
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
    };
    let act = Act {
        who: "weir",
        why: "update",
        when: Timestamp::now().as_second(),
        how: How::Update,
    };
    let recorded = history.turn().and_then(|turn| {
        turn.record(&place, &act)?;
        turn.prune(&Keep::default(), act.when)
    });
    if let Err(error) = recorded {
        // The lists are in force whatever the history can say.
        tracing::warn!(%error, list = name, "an update has no version in the history");
    }
    Ok(in_force(&lists, name).unwrap_or_else(|| entries(&report)))
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
