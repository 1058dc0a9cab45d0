//! `weir lists`: category lists as people see them.
//!
//! What an entry may be and how files change is `weir-categories`'.

mod edit;
mod import;
mod look;
mod sources;
mod stats;
mod unlisted;
mod update;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use weir_categories::{Built, Source};
use weir_config::{Loaded, Settings};

use super::progress::Bar;
use super::{Answer, Failure};
use crate::snapshot;

/// Where entries go that people add while no directory of lists is configured.
const LOCAL: &str = "local";

/// What to do with category lists.
#[derive(Debug, Subcommand)]
pub(crate) enum Lists {
    /// Take in an archive or directory of lists in the squidGuard layout, in place of an
    /// earlier import of the same name.
    Import(import::Import),
    /// Add entries to a category: names with everything below them, addresses, networks,
    /// URLs.
    Add(edit::Edit),
    /// Remove entries from a category.
    Remove(edit::Edit),
    /// Print every entry of a category.
    Show(look::Show),
    /// Find what covers a host, and entries that contain a text.
    Search(look::Search),
    /// Count what each category holds, and from where.
    Stats(stats::Stats),
    /// Look for newer versions of the lists that the configuration names, now.
    Update(update::Update),
    /// Say of each list that the configuration names where it comes from, how old it is and
    /// what went wrong last.
    Sources(sources::Sources),
    /// Count the most visited names that no list knows, for review. A look at records.
    Unlisted(unlisted::Unlisted),
}

impl Lists {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        match self {
            Lists::Import(import) => import.run(loaded, out),
            Lists::Add(edit) => edit.add(loaded, out),
            Lists::Remove(edit) => edit.remove(loaded, out),
            Lists::Show(show) => show.run(loaded, out),
            Lists::Search(search) => search.run(loaded, out),
            Lists::Stats(stats) => stats.run(loaded, out),
            Lists::Update(update) => update.run(loaded, out),
            Lists::Sources(sources) => sources.run(loaded, out),
            Lists::Unlisted(unlisted) => unlisted.run(loaded, out),
        }
    }
}

/// Every source that a running Weir answers from.
fn sources(settings: &Settings) -> Result<Vec<Source>, Failure> {
    snapshot::sources(settings).map_err(Failure::Configuration)
}

/// The index of all sources, with a bar while it is made.
pub(super) fn build(settings: &Settings) -> Result<Built, Failure> {
    let sources = sources(settings)?;
    let mut bar = Bar::new();
    weir_categories::build(&sources, &mut |progress| bar.show(progress)).map_err(Failure::refused)
}

/// The directory that people's entries go to: the first one configured, else a source of
/// their own beside the imports.
fn edited(settings: &Settings) -> PathBuf {
    match settings.lists.directories.first() {
        Some(directory) => directory.clone(),
        None => weir_config::lists::imported(settings).join(LOCAL),
    }
}

fn shown(path: &Path) -> String {
    super::output::safe(&path.display().to_string())
}

#[cfg(test)]
mod tests;
