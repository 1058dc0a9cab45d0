//! `weir lists add` and `weir lists remove`

use std::io::Write;
use std::path::Path;

use serde_json::json;
use weir_categories::edit::{self, EditError, EditReport, Listed};
use weir_categories::history::{How, Place, Version};
use weir_categories::{MatchKind, Source};
use weir_config::Loaded;

use super::super::{Answer, Failure, output, will_be_noticed};
use super::acting::Acting;
use super::{edited, shown, sources};
use crate::versions::{self, is_edited};

/// Arguments of `weir lists add` and `weir lists remove`.
#[derive(Debug, clap::Args)]
pub(crate) struct Edit {
    /// Category; adding to one that is not there makes it.
    category: String,
    /// Names, addresses, networks or URLs; a name means everything below it too.
    #[arg(required = true)]
    entries: Vec<String>,
    /// The entries are keywords: words or phrases to look for in search terms, paths and
    /// queries.
    #[arg(long)]
    keyword: bool,
    #[command(flatten)]
    acting: Acting,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Edit {
    pub(super) fn add(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let report = self.change(loaded, "lists add", |directory| match self.keyword {
            true => edit::add_keywords(directory, &self.category, &self.texts()),
            false => edit::add(directory, &self.category, &self.texts()),
        })?;
        let told = self.tell(loaded, &report, ["Added", "Already there"], &[], out)?;
        if let Some(slip) = super::unruled(loaded, &self.category) {
            eprintln!("weir: {slip}");
        }
        Ok(told)
    }

    pub(super) fn remove(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let all = sources(&loaded.settings)?;
        let mut known = Vec::new();
        for source in &all {
            known.extend(source.categories().map_err(Failure::refused)?);
        }
        let (edited, others): (Vec<Source>, Vec<Source>) = all.into_iter().partition(is_edited);
        let report = self.change(loaded, "lists remove", |directory| {
            let remove = match self.keyword {
                true => edit::remove_keywords,
                false => edit::remove,
            };
            match remove(directory, &self.category, &self.texts(), &others) {
                // Nobody has the category: there is nothing to remove.
                Err(EditError::Unknown { .. }) => Ok(EditReport {
                    unchanged: self.entries.clone(),
                    ..EditReport::default()
                }),
                report => report,
            }
        })?;
        if !known.contains(&self.category) {
            let known = known.iter().map(|name| &**name);
            let guess = weir_config::did_you_mean(&self.category, known);
            eprintln!("weir: no list has a category {}{guess}", self.category);
        }
        let mut elsewhere = self.elsewhere(&edited, &report)?;
        if self.keyword {
            // No exception was written for those.
            elsewhere.extend(self.elsewhere(&others, &report)?);
        }
        let told = self.tell(loaded, &report, ["Removed", "Not there"], &elsewhere, out)?;
        Ok(if report.changed.is_empty() && report.excepted.is_empty() {
            Answer::No
        } else {
            told
        })
    }

    /// Makes the change and its version. What was there without a version becomes one first.
    fn change(
        &self,
        loaded: &Loaded,
        command: &str,
        make: impl FnOnce(&Path) -> Result<EditReport, EditError>,
    ) -> Result<EditReport, Failure> {
        let about =
            json!({ "category": self.category, "entries": self.entries, "keyword": self.keyword });
        let make = || self.made(loaded, make);
        let made = self
            .acting
            .audited(&loaded.settings, command, about, make, |made| {
                let (report, version) = made;
                let refused = report.refused.iter().map(|(entry, _)| entry);
                let excepted = report.excepted.iter().map(|(entry, _)| entry);
                json!({
                    "category": self.category,
                    "changed": report.changed,
                    "unchanged": report.unchanged,
                    "refused": refused.collect::<Vec<_>>(),
                    "excepted": excepted.collect::<Vec<_>>(),
                    "no_longer_excepted": report.no_longer_excepted,
                    "version": version.as_ref().map(|version| version.number),
                })
            })?;
        Ok(made.0)
    }

    fn made(
        &self,
        loaded: &Loaded,
        make: impl FnOnce(&Path) -> Result<EditReport, EditError>,
    ) -> Result<(EditReport, Option<Version>), Failure> {
        let place = edited_place(&loaded.settings);
        let history = versions::history(&loaded.settings);
        // Held until the version is made: a running Weir would take the change for one by hand.
        let turn = history.turn().map_err(Failure::refused)?;
        versions::found(&turn, &history, &place).map_err(Failure::refused)?;
        let report = make(&place.directory).map_err(failure)?;
        let who = self.acting.who();
        let act = self.acting.act(&who, How::Command);
        let recorded = turn.record(&place, &act);
        let version = recorded.map_err(|error| {
            Failure::Refused(format!("the list was changed, but has no version: {error}"))
        })?;
        Ok((report, version))
    }

    fn texts(&self) -> Vec<&str> {
        self.entries.iter().map(String::as_str).collect()
    }

    /// Where else the entries still stand in this category: other directories that people
    /// edit, which a removal here does not touch.
    fn elsewhere(&self, edited: &[Source], report: &EditReport) -> Result<Vec<Listed>, Failure> {
        let mut found = Vec::new();
        for entry in report.changed.iter().chain(&report.unchanged) {
            let listed = edit::search(edited, entry).map_err(failure)?;
            found.extend(listed.into_iter().filter(|listed| {
                listed.category == self.category
                    && listed.kind != MatchKind::Exception
                    && (listed.kind == MatchKind::Keyword) == self.keyword
                    && listed.entry == *entry
            }));
        }
        Ok(found)
    }

    fn tell(
        &self,
        loaded: &Loaded,
        report: &EditReport,
        [changed, unchanged]: [&str; 2],
        elsewhere: &[Listed],
        out: &mut dyn Write,
    ) -> Result<Answer, Failure> {
        let refused = report.refused.iter();
        let answer = if report.refused.is_empty() {
            Answer::Yes
        } else {
            Answer::No
        };
        if self.json {
            let place = |listed: &Listed| json!({ "list": listed.list, "entry": listed.entry });
            let refused =
                refused.map(|(entry, why)| json!({ "entry": entry, "reason": why.to_string() }));
            let value = json!({
                "category": self.category,
                "changed": report.changed,
                "unchanged": report.unchanged,
                "refused": refused.collect::<Vec<_>>(),
                "excepted": report.excepted.iter().map(|(entry, listed)| {
                    json!({ "entry": entry, "listed": listed.iter().map(place).collect::<Vec<_>>() })
                }).collect::<Vec<_>>(),
                "no_longer_excepted": report.no_longer_excepted,
                "still_listed": elsewhere.iter().map(place).collect::<Vec<_>>(),
            });
            output::json(out, &value)?;
            return Ok(answer);
        }
        for (word, entries) in [(changed, &report.changed), (unchanged, &report.unchanged)] {
            if !entries.is_empty() {
                writeln!(out, "{word}: {}", entries.join(", "))?;
            }
        }
        for (entry, listed) in &report.excepted {
            for listed in listed {
                let (other, list, file) = (&listed.entry, &listed.list, shown(&listed.file));
                writeln!(
                    out,
                    "{entry} is listed by {list} as {other} ({file}:{}).",
                    listed.line
                )?;
            }
            writeln!(
                out,
                "Excepted: {entry} is not {} any more, whatever imported lists say.",
                self.category
            )?;
        }
        for entry in &report.no_longer_excepted {
            writeln!(out, "No longer excepted: {entry}")?;
        }
        for (entry, why) in refused {
            writeln!(out, "Refused: {}: {why}", output::safe(entry))?;
        }
        for listed in elsewhere {
            let (entry, list, file) = (&listed.entry, &listed.list, shown(&listed.file));
            writeln!(
                out,
                "{entry} is still listed by {list} ({file}:{}).",
                listed.line
            )?;
        }
        let changed = [
            report.changed.len(),
            report.excepted.len(),
            report.no_longer_excepted.len(),
        ];
        if changed.iter().any(|count| *count > 0) {
            writeln!(out, "The list is in {}.", shown(&edited(&loaded.settings)))?;
            will_be_noticed(out)?;
        }
        Ok(answer)
    }
}

/// The directory that edits go to, with the name that a running Weir gives its source.
fn edited_place(settings: &weir_config::Settings) -> Place {
    let directory = edited(settings);
    Place {
        name: crate::snapshot::source_name(&directory),
        directory,
    }
}

fn failure(error: EditError) -> Failure {
    match error {
        EditError::Name(_) => Failure::Arguments(error.to_string()),
        other => Failure::refused(other),
    }
}
