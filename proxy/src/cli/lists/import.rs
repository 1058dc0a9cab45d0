//! `weir lists import`

use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};
use weir_categories::history::{History, How, Keep, Place};
use weir_categories::hygiene::Rules;
use weir_categories::import::{self, CategoryMap, ImportReport, Limits};
use weir_config::Loaded;

use super::super::progress::Bar;
use super::super::{Answer, Failure, audit, output, will_be_noticed};
use super::acting::Acting;
use super::held::{review_json, tell_review};
use super::{is_edited, sources};
use crate::versions;

/// Faults that are printed one by one; the rest are counted.
const FAULTS_SHOWN: usize = 20;

/// Arguments of `weir lists import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// A .tar, .tar.gz or .tar.zst archive, or a directory.
    path: PathBuf,
    /// What the list is called in records and on pages; an earlier import of this name is
    /// replaced.
    #[arg(long)]
    name: String,
    /// A TOML file of lines `theirs = "ours"`, before the map that is built in; `""` leaves
    /// a category out.
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// A file of names by rank, `rank,name` a line such as Tranco's: of its first thousand
    /// none goes into force unseen.
    #[arg(long, value_name = "FILE")]
    top_sites: Option<PathBuf>,
    /// Take whatever categories gain or lose as wanted.
    #[arg(long)]
    any_size: bool,
    #[command(flatten)]
    acting: Acting,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Import {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let map = match &self.map {
            Some(file) => CategoryMap::read(file),
            None => Ok(CategoryMap::default()),
        };
        let map = map.map_err(|error| Failure::Arguments(error.to_string()))?;
        let about = json!({ "path": self.path.display().to_string(), "name": self.name });
        audit::note(&loaded.settings.state, "lists import", about)?;
        let lists = weir_config::lists::imported(&loaded.settings);
        let rules = self.rules(loaded)?;
        let history = versions::history(&loaded.settings);
        let place = Place {
            name: self.name.clone(),
            directory: lists.join(&self.name),
        };
        // What an earlier import left is a version before it is replaced.
        if place.directory.is_dir() {
            let turn = history.turn().map_err(Failure::refused)?;
            versions::found(&turn, &history, &place).map_err(Failure::refused)?;
        }
        let mut bar = Bar::new();
        let report = import::run_reviewed(
            &Limits::default(),
            &self.path,
            &self.name,
            &lists,
            &map,
            Some(&rules),
            &mut |progress| bar.show(progress),
        );
        drop(bar);
        let report = report.map_err(|error| {
            let path = self.path.display();
            Failure::Refused(format!("{path}: {error}; the lists in force stay in force"))
        })?;
        self.record(&history, &place)?;
        if self.json {
            output::json(out, &as_json(&report))?;
        } else {
            tell(&report, out)?;
        }
        Ok(Answer::Yes)
    }

    /// What holds entries back: the school's own lists, the sites it relies on, and bounds.
    fn rules(&self, loaded: &Loaded) -> Result<Rules, Failure> {
        let mut own: Vec<_> = sources(&loaded.settings)?
            .into_iter()
            .filter(is_edited)
            .collect();
        own.push(weir_categories::embedded());
        let mut rules = Rules::new().with_lists(&own).map_err(Failure::refused)?;
        if let Some(file) = &self.top_sites {
            rules
                .add_ranked(file)
                .map_err(|error| Failure::Arguments(format!("{}: {error}", file.display())))?;
        }
        if self.any_size {
            rules.bounds = None;
        }
        Ok(rules)
    }

    fn record(&self, history: &History, place: &Place) -> Result<(), Failure> {
        let who = self.acting.who();
        let act = self.acting.act(&who, How::Import);
        let recorded = history.turn().and_then(|turn| {
            turn.record(place, &act)?;
            turn.prune(&Keep::default(), act.when)
        });
        recorded.map(|_| ()).map_err(|error| {
            Failure::Refused(format!(
                "the lists are in force, but have no version: {error}"
            ))
        })
    }
}

fn tell(report: &ImportReport, out: &mut dyn Write) -> Result<(), Failure> {
    let rows = report.categories.iter().map(|(category, imported)| {
        let from: Vec<&str> = imported.from.iter().map(String::as_str).collect();
        let counts = [imported.domains, imported.urls, imported.expressions].map(output::count);
        let mut row = vec![category.clone()];
        row.extend(counts);
        row.push(from.join(", "));
        row
    });
    let head = ["CATEGORY", "NAMES", "URLS", "EXPRESSIONS", "FROM"];
    output::table(out, &head, &rows.collect::<Vec<_>>())?;
    let entries: u64 = report
        .categories
        .values()
        .map(|imported| imported.entries())
        .sum();
    writeln!(
        out,
        "{} {}: {} in {}; {} left out.",
        if report.replaced {
            "Replaced"
        } else {
            "Imported"
        },
        report.source,
        output::counted(entries, "entry", "entries"),
        output::counted(report.categories.len() as u64, "category", "categories"),
        output::counted(report.duplicates, "duplicate", "duplicates"),
    )?;
    if !report.left_out.is_empty() {
        let left: Vec<&str> = report.left_out.keys().map(String::as_str).collect();
        writeln!(out, "Left out by the map: {}.", left.join(", "))?;
    }
    for fault in report.faults.iter().take(FAULTS_SHOWN) {
        writeln!(out, "not used: {}", output::safe(&fault.to_string()))?;
    }
    let more = report.faults.count().saturating_sub(FAULTS_SHOWN as u64);
    if more > 0 {
        writeln!(
            out,
            "not used: {}",
            output::counted(more, "more line", "more lines")
        )?;
    }
    tell_review(&report.source, &report.review, out)?;
    Ok(will_be_noticed(out)?)
}

fn as_json(report: &ImportReport) -> Value {
    let categories = report.categories.iter().map(|(category, imported)| {
        let counts = json!({
            "domains": imported.domains,
            "urls": imported.urls,
            "expressions": imported.expressions,
            "from": imported.from,
        });
        (category.clone(), counts)
    });
    let faults = report.faults.iter().map(|fault| {
        json!({
            "file": fault.file.display().to_string(),
            "line": fault.line,
            "entry": fault.entry,
            "reason": fault.reason,
        })
    });
    json!({
        "source": report.source,
        "directory": report.directory.display().to_string(),
        "replaced": report.replaced,
        "categories": categories.collect::<serde_json::Map<_, _>>(),
        "left_out": report.left_out,
        "aliases": report.aliases,
        "duplicates": report.duplicates,
        "faults": faults.collect::<Vec<_>>(),
        "fault_count": report.faults.count(),
        "review": review_json(&report.review),
    })
}
