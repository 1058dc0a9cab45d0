//! `weir lists import`

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};
use weir_categories::formats::{Format, Tally};
use weir_categories::history::{History, How, Keep, Place, Version};
use weir_categories::hygiene::Rules;
use weir_categories::import::{self, CategoryMap, ImportReport, Options};
use weir_config::Loaded;

use super::super::progress::Bar;
use super::super::{Answer, Failure, output, will_be_noticed};
use super::acting::Acting;
use super::held::{review_json, tell_review};
use crate::versions;

/// Categories that the map leaves out of which the names are printed.
const LEFT_OUT_SHOWN: usize = 20;
/// Faults that are printed one by one; the rest are counted.
const FAULTS_SHOWN: usize = 20;

/// Arguments of `weir lists import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// A .tar, .tar.gz or .tar.zst archive, a directory, or one list as a file (also as .gz
    /// or .zst).
    path: PathBuf,
    /// What the list is called in records and on pages; an earlier import of this name is
    /// replaced.
    #[arg(long)]
    name: String,
    /// A TOML file of lines `theirs = "ours"`, before the map that is built in; `""` leaves
    /// a category out, and the name `"*"` stands for all others.
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Take it even when it has less than half of the entries of the earlier import.
    #[arg(long)]
    force: bool,
    /// The category of a list that is one file, or of every file of a directory or archive
    /// of one format.
    #[arg(long)]
    category: Option<String>,
    /// squidguard, domains, hosts, adblock, dnsmasq, rpz, urls, v2fly, cidr or maltrail;
    /// told by the first lines when it is not given.
    #[arg(long)]
    format: Option<Format>,
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
        super::check_source_name(&loaded.settings, &self.name)?;
        let map = match &self.map {
            Some(file) => CategoryMap::read(file),
            None => Ok(CategoryMap::default()),
        };
        let map = map.map_err(|error| Failure::Arguments(error.to_string()))?;
        let about = json!({
            "path": self.path.display().to_string(),
            "name": self.name,
            "category": self.category,
            "format": self.format.map(Format::as_str),
        });
        let make = || self.made(loaded, &map);
        let made = self
            .acting
            .audited(&loaded.settings, "lists import", about, make, |made| {
                let (report, version) = made;
                let categories = report.categories.values();
                json!({
                    "name": self.name,
                    "entries": categories.map(import::Imported::entries).sum::<u64>(),
                    "categories": report.categories.len(),
                    "held": report.review.held(),
                    "version": version.as_ref().map(|version| version.number),
                })
            })?;
        let report = made.0;
        let unruled = unruled(&report, loaded);
        let missing = super::missing(loaded)?;
        if self.json {
            let mut told = as_json(&report);
            told["categories_without_a_rule"] = json!(unruled);
            told["categories_without_a_list"] = json!(missing);
            output::json(out, &told)?;
        } else {
            tell(&report, &unruled, out)?;
            super::tell_missing(&missing, out)?;
            let given = self.category.as_deref();
            if let Some(slip) = given.and_then(|category| super::unruled(loaded, category)) {
                eprintln!("weir: {slip}");
            }
            will_be_noticed(out)?;
        }
        Ok(Answer::Yes)
    }

    fn made(
        &self,
        loaded: &Loaded,
        map: &CategoryMap,
    ) -> Result<(ImportReport, Option<Version>), Failure> {
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
        let options = Options {
            category: self.category.clone(),
            format: self.format,
            may_shrink: self.force || self.any_size,
            rules: Some(rules),
            beside: Some(versions::beside(&loaded.settings).map_err(Failure::refused)?),
            ..Options::default()
        };
        let mut show = |progress| bar.show(progress);
        let report = import::run_with(&options, &self.path, &self.name, &lists, map, &mut show);
        drop(bar);
        let report = report.map_err(|error| {
            let path = self.path.display();
            Failure::Refused(format!("{path}: {error}; the lists in force stay in force"))
        })?;
        let version = self.record(&history, &place)?;
        Ok((report, version))
    }

    /// What holds entries back: the school's own lists, the sites it relies on, and bounds.
    fn rules(&self, loaded: &Loaded) -> Result<Rules, Failure> {
        let mut rules = versions::rules(&loaded.settings).map_err(Failure::refused)?;
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

    fn record(&self, history: &History, place: &Place) -> Result<Option<Version>, Failure> {
        let who = self.acting.who();
        let act = self.acting.act(&who, How::Import);
        let recorded = history.turn().and_then(|turn| {
            let version = turn.record(place, &act)?;
            turn.prune(&Keep::default(), act.when)?;
            Ok(version)
        });
        recorded.map_err(|error| {
            Failure::Refused(format!(
                "the lists are in force, but have no version: {error}"
            ))
        })
    }
}

/// Categories that no rule of the policy names: nothing is decided by them.
fn unruled<'a>(report: &'a ImportReport, loaded: &Loaded) -> Vec<&'a str> {
    let mut rules = loaded.policy.rules.iter();
    let ruled: BTreeSet<&str> = rules
        .by_ref()
        .flat_map(|rule| rule.categories.iter().map(|name| &**name))
        .collect();
    let names = report.categories.keys().map(String::as_str);
    names.filter(|name| !ruled.contains(name)).collect()
}

fn tell(report: &ImportReport, unruled: &[&str], out: &mut dyn Write) -> Result<(), Failure> {
    match report.detected {
        Some(detected) => writeln!(
            out,
            "Format: {}, as {} of the first {} show.",
            report.format,
            output::count(detected.fitting as u64),
            output::counted(detected.lines as u64, "line", "lines"),
        )?,
        None => writeln!(out, "Format: {}.", report.format)?,
    }
    let rows = report.categories.iter().map(|(category, imported)| {
        let from: Vec<&str> = imported.from.iter().map(String::as_str).collect();
        let counts = [
            imported.domains,
            imported.urls,
            imported.expressions,
            imported.keywords,
            imported.exceptions,
        ];
        let counts = counts.map(output::count);
        let mut row = vec![category.clone()];
        row.extend(counts);
        row.push(from.join(", "));
        row
    });
    let head = [
        "CATEGORY",
        "NAMES",
        "URLS",
        "EXPRESSIONS",
        "KEYWORDS",
        "EXCEPTIONS",
        "FROM",
    ];
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
        let shown = left.get(..LEFT_OUT_SHOWN).unwrap_or(&left);
        let more = match left.len() - shown.len() {
            0 => String::new(),
            more => format!(" and {} more", output::count(more as u64)),
        };
        writeln!(out, "Left out by the map: {}{more}.", shown.join(", "))?;
    }
    let mut all = Tally::default();
    report
        .origins
        .iter()
        .for_each(|origin| all.add(&origin.tally));
    writeln!(out, "{}", sum(&all))?;
    for (reason, count) in &all.skipped {
        let lines = output::counted(*count, "line", "lines");
        writeln!(out, "skipped: {lines} that {} ({reason})", reason.reason())?;
    }
    if !unruled.is_empty() {
        writeln!(
            out,
            "No rule of the policy names these categories, so their sites count as unlisted: {}.",
            unruled.join(", ")
        )?;
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
    tell_review(&report.source, &report.review, out)
}

/// What became of the lines, as a sum.
pub(super) fn sum(tally: &Tally) -> String {
    let names = if tally.partly > 0 {
        let lines = output::counted(tally.partly, "line", "lines");
        format!("; of {lines} one name was not used")
    } else {
        String::new()
    };
    format!(
        "{} = {} with entries + {} + {} blank + {} skipped + {} not used{names}.",
        output::counted(tally.lines, "line", "lines"),
        output::count(tally.entries),
        output::counted(tally.duplicates, "duplicate", "duplicates"),
        output::count(tally.blank),
        output::count(tally.skipped()),
        output::count(tally.faulty),
    )
}

fn as_json(report: &ImportReport) -> Value {
    let categories = report.categories.iter().map(|(category, imported)| {
        let counts = json!({
            "domains": imported.domains,
            "urls": imported.urls,
            "expressions": imported.expressions,
            "keywords": imported.keywords,
            "exceptions": imported.exceptions,
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
        "format": report.format.as_str(),
        "detected": report.detected.is_some(),
        "files": report.origins,
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
