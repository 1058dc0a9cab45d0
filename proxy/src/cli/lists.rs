//! `weir lists`: category lists as people see them.
//!
//! What an entry may be and how files change is `weir-categories`'.

mod acting;
mod edit;
mod forget;
mod held;
mod history;
mod import;
mod lines;
mod look;
mod seal;
mod sources;
mod stats;
mod unlisted;
mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use weir_categories::history::Place;
use weir_categories::hygiene::Verdict;
use weir_categories::{Built, Root, Source};
use weir_config::{Loaded, Settings};

use super::progress::Bar;
use super::{Answer, Failure, output};
use crate::snapshot;

/// Where entries go that people add while no directory of lists is configured.
const LOCAL: &str = "local";

/// What to do with category lists.
#[derive(Debug, Subcommand)]
pub(crate) enum Lists {
    /// Take in an archive, directory or file of lists in any of the known formats, in place
    /// of an earlier import of the same name.
    Import(import::Import),
    /// Remove what was imported under a name. Its versions stay: a rollback brings it back.
    Forget(forget::Forget),
    /// Add entries to a category: names with everything below them, addresses, networks,
    /// URLs. An exception for the same entry goes.
    Add(edit::Edit),
    /// Remove entries from a category. What imported lists put there is taken out by an
    /// exception.
    Remove(edit::Edit),
    /// Show every change of every list: when, who, how, what came and went, and why.
    History(history::History),
    /// Show in which entries two versions of a list differ.
    Diff(history::Diff),
    /// Bring back an earlier version of a list, whole.
    Rollback(history::Rollback),
    /// Show what was held back of imported lists until a person decides.
    Held(held::Held),
    /// Let entries held back have their way: those that would come come, those that would
    /// go go.
    Accept(held::Decide),
    /// Keep things as they are about entries held back, now and at later imports.
    Drop(held::Decide),
    /// Print every entry of a category.
    Show(look::Show),
    /// Find what covers a host, since when, and what decides; and entries that contain a
    /// text.
    Search(look::Search),
    /// Take the plain text of a mandatory list (iwf, ctiru) in place of the one in force.
    /// Only hashes are kept; nothing lists, lifts or shrinks them.
    Seal(seal::Seal),
    /// Count what each category holds and from where, and what became of the lines of each
    /// source.
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
            Lists::Forget(forget) => forget.run(loaded, out),
            Lists::Add(edit) => edit.add(loaded, out),
            Lists::Remove(edit) => edit.remove(loaded, out),
            Lists::History(history) => history.run(loaded, out),
            Lists::Diff(diff) => diff.run(loaded, out),
            Lists::Rollback(rollback) => rollback.run(loaded, out),
            Lists::Held(held) => held.run(loaded, out),
            Lists::Accept(decide) => decide.run(Verdict::Accept, loaded, out),
            Lists::Drop(decide) => decide.run(Verdict::Drop, loaded, out),
            Lists::Show(show) => show.run(loaded, out),
            Lists::Search(search) => search.run(loaded, out),
            Lists::Seal(seal) => seal.run(loaded, out),
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

/// The index of all sources, with a bar while it is made. What a running Weir has compiled is
/// used; nothing is written, since who asks may be somebody else.
pub(super) fn build(settings: &Settings) -> Result<Built, Failure> {
    let sources = sources(settings)?;
    let mut bar = Bar::new();
    let place = weir_config::lists::compiled(settings);
    weir_categories::look(&place, &sources, &mut |progress| bar.show(progress))
        .map_err(Failure::refused)
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
        None if settings.mandatory.iter().any(|list| *list.name == *name) => {
            "a mandatory list".to_owned()
        }
        None => {
            return weir_categories::category::check_name(name).map_err(|_| {
                let name = output::safe(name);
                let told = "lower-case letters, digits, \"-\" and \"_\", such as ut1 or our-county";
                Failure::Arguments(format!("{name:?} cannot be a --name: it has {told}"))
            });
        }
    };
    Err(Failure::Arguments(format!(
        "{name:?} is the name of {taken}: choose another --name, such as the publisher's"
    )))
}

/// What to say of a category that an entry was put into and that no rule names: most likely a slip. Nothing where one does.
fn unruled(loaded: &Loaded, category: &str) -> Option<String> {
    let rules = loaded.policy.rules.iter();
    let ruled: BTreeSet<&str> = rules
        .flat_map(|rule| rule.categories.iter().map(|name| &**name))
        .collect();
    (!ruled.contains(category)).then(|| {
        let guess = weir_config::did_you_mean(category, ruled.into_iter());
        format!("no rule of the policy names {category}, so its sites count as unlisted{guess}")
    })
}

/// Where a source is, by its name; one that is not there any more is where imports are.
fn place(settings: &Settings, name: &str) -> Result<Place, Failure> {
    let found = sources(settings)?
        .into_iter()
        .find(|source| source.name == name);
    let directory = match found.map(|source| source.root) {
        Some(Root::Directory(directory)) => directory,
        Some(Root::Embedded) => {
            let told = format!("{name} is inside the program and has no versions");
            return Err(Failure::Arguments(told));
        }
        None => {
            weir_categories::category::check_name(name)
                .map_err(|error| Failure::Arguments(error.to_string()))?;
            weir_config::lists::imported(settings).join(name)
        }
    };
    Ok(Place {
        name: name.to_owned(),
        directory,
    })
}

/// The categories that the policy names and no list has, with the rules that name them; empty when all is there.
fn missing(loaded: &Loaded) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let mut listed = BTreeSet::new();
    for source in sources(&loaded.settings)? {
        listed.extend(source.categories().map_err(Failure::refused)?);
    }
    let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let is_missing =
        |name: &str| !listed.contains(name) && !weir_categories::category::is_built_in(name);
    for rule in &loaded.policy.rules {
        for name in rule.categories.iter().filter(|name| is_missing(name)) {
            let rules = missing.entry(name.to_string()).or_default();
            rules.push(rule.id.to_string());
        }
    }
    Ok(missing)
}

/// Says what a change of lists took from the policy.
fn tell_missing(
    missing: &BTreeMap<String, Vec<String>>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    for (category, rules) in missing {
        let rules = output::safe(&rules.join(", "));
        writeln!(
            out,
            "No list has the category {category} any more: the policy's {rules} decides nothing by it, and its sites \
             count as unlisted."
        )?;
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    super::output::safe(&path.display().to_string())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_versions;
