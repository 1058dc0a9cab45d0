//! `weir lists stats`

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Map, Value, json};
use weir_categories::{Built, MatchKind};
use weir_config::Loaded;

use super::super::{Answer, Failure, output};
use super::{build, lines};
use crate::sealed;

/// Arguments of `weir lists stats`.
#[derive(Debug, clap::Args)]
pub(crate) struct Stats {
    /// One source in full: every file that was imported and what became of its lines.
    source: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Entries of one category in one list.
#[derive(Clone, Copy, Debug, Default)]
struct Entries {
    names: u64,
    urls: u64,
    expressions: u64,
    keywords: u64,
    faulty: u64,
}

impl Stats {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        if let Some(source) = &self.source {
            return lines::one(source, &loaded.settings, self.json, out);
        }
        let built = build(&loaded.settings)?;
        let entries = entries(&built);
        let sources = lines::sources(&built, &loaded.settings)?;
        if self.json {
            let mut all = as_json(&built, &entries);
            all["sources"] = lines::as_json(&sources);
            let now = sealed::now();
            let mandatory = sealed::load(&loaded.settings, None);
            let mandatory = mandatory.slots().map(|state| sealed::as_json(state, now));
            all["mandatory"] = mandatory.collect();
            output::json(out, &all)?;
            return Ok(Answer::Yes);
        }
        let rows = entries.iter().map(|((category, list), entries)| {
            let counts = [
                entries.names,
                entries.urls,
                entries.expressions,
                entries.keywords,
                entries.faulty,
            ];
            let mut row = vec![category.clone(), list.clone()];
            row.extend(counts.map(output::count));
            row
        });
        let head = [
            "CATEGORY",
            "LIST",
            "NAMES",
            "URLS",
            "EXPRESSIONS",
            "KEYWORDS",
            "NOT USED",
        ];
        output::table(out, &head, &rows.collect::<Vec<_>>())?;
        let counts = built.index.counts();
        writeln!(
            out,
            "{}, {}, {}, {} and {} in {} of {}; version {}.",
            output::counted(counts.domains as u64, "distinct name", "distinct names"),
            output::counted(counts.addresses as u64, "address", "addresses and networks"),
            output::counted(counts.urls as u64, "URL", "URLs"),
            output::counted(counts.expressions as u64, "expression", "expressions"),
            output::counted(counts.keywords as u64, "keyword", "keywords"),
            output::counted(counts.categories as u64, "category", "categories"),
            output::counted(counts.lists as u64, "list", "lists"),
            built.index.version(),
        )?;
        writeln!(out)?;
        lines::tell(&sources, out)?;
        let now = sealed::now();
        for state in sealed::load(&loaded.settings, None).slots() {
            writeln!(
                out,
                "Mandatory list {}.",
                output::safe(&sealed::told(state, now))
            )?;
        }
        Ok(Answer::Yes)
    }
}

fn entries(built: &Built) -> BTreeMap<(String, String), Entries> {
    let mut all: BTreeMap<(String, String), Entries> = BTreeMap::new();
    for file in &built.report.files {
        let entries = all
            .entry((file.category.clone(), file.list.clone()))
            .or_default();
        let counted = match file.kind {
            MatchKind::Domain => &mut entries.names,
            MatchKind::Url => &mut entries.urls,
            MatchKind::Expression => &mut entries.expressions,
            MatchKind::Keyword => &mut entries.keywords,
            MatchKind::Exception => continue,
        };
        *counted += file.entries;
        entries.faulty += file.faulty;
    }
    all
}

fn as_json(built: &Built, entries: &BTreeMap<(String, String), Entries>) -> Value {
    let mut categories: Map<String, Value> = Map::new();
    for ((category, list), entries) in entries {
        let lists = categories
            .entry(category.clone())
            .or_insert_with(|| json!({}));
        lists[list] = json!({
            "names": entries.names,
            "urls": entries.urls,
            "expressions": entries.expressions,
            "keywords": entries.keywords,
            "not_used": entries.faulty,
        });
    }
    let counts = built.index.counts();
    json!({
        "version": built.index.version(),
        "domains": counts.domains,
        "addresses": counts.addresses,
        "urls": counts.urls,
        "expressions": counts.expressions,
        "keywords": counts.keywords,
        "lists": counts.lists,
        "categories": categories,
    })
}
