//! `weir lists history`, `weir lists diff` and `weir lists rollback`

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};
use weir_categories::MatchKind;
use weir_categories::history::{Change, Difference, History as Store, How, Place, Version};
use weir_config::Loaded;

use super::super::{Answer, Failure, output, when, will_be_noticed};
use super::acting::{Acting, moment, told};
use super::place;
use crate::versions;

/// Arguments of `weir lists history`.
#[derive(Debug, clap::Args)]
pub(crate) struct History {
    /// A list by its name, as `weir lists stats` shows it; all lists without one.
    source: Option<String>,
    /// As JSON, one object a line.
    #[arg(long)]
    json: bool,
}

/// Arguments of `weir lists diff`.
#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    /// The list's name.
    source: String,
    /// Version to begin with, as `weir lists history` numbers them.
    #[arg(value_name = "FROM")]
    a: u64,
    /// Version to end with; the last one without it.
    #[arg(value_name = "TO")]
    b: Option<u64>,
    /// Counts only.
    #[arg(long)]
    counts: bool,
    /// As JSON, one object a line.
    #[arg(long)]
    json: bool,
}

/// Arguments of `weir lists rollback`.
#[derive(Debug, clap::Args)]
pub(crate) struct Rollback {
    /// The list's name.
    source: String,
    /// The version to bring back, as `weir lists history` numbers them.
    version: u64,
    #[command(flatten)]
    acting: Acting,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl History {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let history = versions::history(&loaded.settings);
        let found = history.versions(self.source.as_deref());
        let found = found.map_err(Failure::refused)?;
        for line in &found.damaged {
            eprintln!("weir: line {line} of the history is cut off; what it said is lost");
        }
        if self.json {
            for version in &found.versions {
                output::json(out, &as_json(version))?;
            }
        } else if found.versions.is_empty() {
            let all = history.versions(None).map_err(Failure::refused)?.versions;
            let known = all.iter().map(|version| &*version.source);
            let name = self.source.as_deref().unwrap_or_default();
            let guess = weir_config::did_you_mean(name, known);
            let end = if guess.is_empty() { "." } else { &guess };
            writeln!(out, "No version of any such list is known yet{end}")?;
        } else {
            let zone = when::zone(&loaded.policy)?;
            let rows = found.versions.iter().rev().map(|version| {
                let change = version.change();
                let mut how = version.how.words().to_owned();
                if let Some(back_to) = version.back_to {
                    how = format!("{how} to {back_to}");
                }
                vec![
                    version.source.clone(),
                    version.number.to_string(),
                    moment(version.when, &zone),
                    output::safe(&version.who),
                    how,
                    format!("+{}", output::count(change.added)),
                    format!("-{}", output::count(change.removed)),
                    output::safe(&version.why),
                ]
            });
            let head = [
                "LIST", "VERSION", "WHEN", "WHO", "HOW", "CAME", "WENT", "WHY",
            ];
            output::table(out, &head, &rows.collect::<Vec<_>>())?;
        }
        Ok(if found.versions.is_empty() {
            Answer::No
        } else {
            Answer::Yes
        })
    }
}

impl Diff {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let history = versions::history(&loaded.settings);
        let from = history
            .version(&self.source, self.a)
            .map_err(Failure::refused)?;
        let to = match self.b {
            Some(number) => history.version(&self.source, number),
            None => last(&history, &self.source),
        };
        let to = to.map_err(Failure::refused)?;
        let mut counts: BTreeMap<(String, MatchKind), Change> = BTreeMap::new();
        let compared = history.diff(&from, &to, |difference| {
            let key = (difference.category.to_owned(), difference.kind);
            let count = counts.entry(key).or_default();
            match difference.added {
                true => count.added += 1,
                false => count.removed += 1,
            }
            match self.counts {
                true => Ok(()),
                false => self.tell(difference, out),
            }
        });
        match compared {
            Err(weir_categories::history::HistoryError::Io { cause, .. })
                if cause.kind() == std::io::ErrorKind::BrokenPipe =>
            {
                return Err(cause.into());
            }
            other => other.map_err(Failure::refused)?,
        }
        if self.json {
            for ((category, kind), change) in &counts {
                let value = json!({
                    "category": category,
                    "kind": kind.file_name(),
                    "added": change.added,
                    "removed": change.removed,
                });
                output::json(out, &value)?;
            }
        } else if counts.is_empty() {
            writeln!(
                out,
                "Versions {} and {} are the same.",
                from.number, to.number
            )?;
        } else {
            let rows = counts.iter().map(|((category, kind), change)| {
                vec![
                    category.clone(),
                    kind.to_string(),
                    format!("+{}", output::count(change.added)),
                    format!("-{}", output::count(change.removed)),
                ]
            });
            let rows: Vec<_> = rows.collect();
            output::table(out, &["CATEGORY", "FILE", "CAME", "WENT"], &rows)?;
        }
        Ok(Answer::Yes)
    }

    fn tell(&self, difference: &Difference<'_>, out: &mut dyn Write) -> std::io::Result<()> {
        let Difference {
            category,
            kind,
            added,
            entry,
        } = difference;
        if self.json {
            let change = if *added { "added" } else { "removed" };
            let kind = kind.file_name();
            return output::json(
                out,
                &json!({ "change": change, "category": category, "kind": kind, "entry": entry }),
            );
        }
        let sign = if *added { '+' } else { '-' };
        writeln!(out, "{sign} {category}/{kind} {}", output::safe(entry))
    }
}

fn last(history: &Store, source: &str) -> Result<Version, weir_categories::history::HistoryError> {
    let mut versions = history.versions(Some(source))?.versions;
    versions
        .pop()
        .ok_or_else(|| weir_categories::history::HistoryError::NoSource(source.to_owned()))
}

impl Rollback {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let about = json!({ "source": self.source, "version": self.version });
        let make = || {
            let history = versions::history(&loaded.settings);
            let place: Place = place(&loaded.settings, &self.source)?;
            let who = self.acting.who();
            let act = self.acting.act(&who, How::Rollback);
            let made = history.rollback(&place, self.version, &act);
            made.map_err(Failure::refused)
        };
        let made =
            self.acting
                .audited(&loaded.settings, "lists rollback", about, make, |made| {
                    let change = made.change();
                    json!({
                        "source": self.source,
                        "back_to": self.version,
                        "added": change.added,
                        "removed": change.removed,
                        "version": made.number,
                    })
                })?;
        if self.json {
            output::json(out, &as_json(&made))?;
            return Ok(Answer::Yes);
        }
        let zone = when::zone(&loaded.policy)?;
        let change = made.change();
        writeln!(
            out,
            "{} is again what it was in version {}: {} came, {} went. This is {}.",
            output::safe(&self.source),
            self.version,
            output::counted(change.added, "entry", "entries"),
            output::count(change.removed),
            told(&made, &zone),
        )?;
        super::tell_missing(&super::missing(loaded)?, out)?;
        will_be_noticed(out)?;
        Ok(Answer::Yes)
    }
}

/// A version as `--json` has it.
pub(super) fn as_json(version: &Version) -> Value {
    let change = version.change();
    json!({
        "list": version.source,
        "version": version.number,
        "when": jiff::Timestamp::from_second(version.when).map(|when| when.to_string()).ok(),
        "who": version.who,
        "why": version.why,
        "how": version.how,
        "back_to": version.back_to,
        "added": change.added,
        "removed": change.removed,
        "changes": version.changes,
    })
}
