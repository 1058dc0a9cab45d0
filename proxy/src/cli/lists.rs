//! `weir lists`: category lists as people see them.
//!
//! What an entry may be and how files change is `weir-categories`'.

mod edit;
mod import;
mod lines;
mod look;
mod stats;

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
    /// Take in an archive, directory or file of lists in any of the known formats, in place
    /// of an earlier import of the same name.
    Import(import::Import),
    /// Remove what was imported under a name.
    Forget(import::Forget),
    /// Add entries to a category: names with everything below them, addresses, networks,
    /// URLs.
    Add(edit::Edit),
    /// Remove entries from a category.
    Remove(edit::Edit),
    /// Print every entry of a category.
    Show(look::Show),
    /// Find what covers a host, and entries that contain a text.
    Search(look::Search),
    /// Count what each category holds and from where, and what became of the lines of each
    /// source.
    Stats(stats::Stats),
}

impl Lists {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        match self {
            Lists::Import(import) => import.run(loaded, out),
            Lists::Forget(forget) => forget.run(loaded, out),
            Lists::Add(edit) => edit.add(loaded, out),
            Lists::Remove(edit) => edit.remove(loaded, out),
            Lists::Show(show) => show.run(loaded, out),
            Lists::Search(search) => search.run(loaded, out),
            Lists::Stats(stats) => stats.run(loaded, out),
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

/// A source that is imported must not take the name of another one: the two could not be told apart, and Weir would not
/// start any more; and under the name of people's own entries it would replace those.
fn check_source_name(settings: &Settings, name: &str) -> Result<(), Failure> {
    let directory = settings
        .lists
        .directories
        .iter()
        .find(|directory| snapshot::source_name(directory) == name);
    let taken = match directory {
        Some(directory) => format!("the lists in {}", shown(directory)),
        None if name == LOCAL => "the entries that people add".to_owned(),
        None if name == weir_categories::embedded().name => "the starter lists".to_owned(),
        None => return Ok(()),
    };
    Err(Failure::Arguments(format!(
        "{name:?} is the name of {taken}: choose another --name, such as the publisher's"
    )))
}

fn shown(path: &Path) -> String {
    super::output::safe(&path.display().to_string())
}

#[cfg(test)]
mod tests;
