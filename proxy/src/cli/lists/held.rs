//! `weir lists held`, `weir lists accept` and `weir lists drop`

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::json;
use weir_categories::history::How;
use weir_categories::hygiene::{self, DecideError, Decision, Filter, Review, Verdict};
use weir_config::Loaded;

use super::super::{Answer, Failure, output, will_be_noticed};
use super::acting::Acting;
use super::history::as_json;

/// Entries shown of one category for one reason; the rest are counted.
const SHOWN: u64 = 20;

/// Arguments of `weir lists held`.
#[derive(Debug, clap::Args)]
pub(crate) struct Held {
    /// An imported list by its name; all without one.
    source: Option<String>,
    /// As JSON, one object a line: every entry.
    #[arg(long)]
    json: bool,
}

/// Arguments of `weir lists accept` and `weir lists drop`.
#[derive(Debug, clap::Args)]
pub(crate) struct Decide {
    /// The imported list.
    source: String,
    /// Entries as `weir lists held` shows them, unless --all is given.
    entries: Vec<String>,
    /// Everything that is held back, of the category if one is given.
    #[arg(long, conflicts_with = "entries")]
    all: bool,
    /// Only what is held back of this category.
    #[arg(long)]
    category: Option<String>,
    #[command(flatten)]
    acting: Acting,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Held {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let lists = weir_config::lists::imported(&loaded.settings);
        let unreadable = |error| Failure::Refused(format!("{}: {error}", lists.display()));
        let mut sources = hygiene::sources_with_held(&lists).map_err(unreadable)?;
        if let Some(wanted) = &self.source {
            sources.retain(|source| source == wanted);
        }
        for source in &sources {
            if self.json {
                self.all(&lists, source, out)?;
            } else {
                tell(&lists, source, out)?;
            }
        }
        if sources.is_empty() {
            if !self.json {
                writeln!(out, "Nothing is held back.")?;
            }
            return Ok(Answer::Yes);
        }
        Ok(Answer::No)
    }

    fn all(
        &self,
        lists: &std::path::Path,
        source: &str,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let each = hygiene::each_held(lists, source, |held| {
            let value = json!({
                "list": source,
                "category": held.category,
                "kind": held.kind.file_name(),
                "would": if held.comes { "come" } else { "go" },
                "entry": held.entry,
                "reason": held.reason.word(),
                "about": held.reason.words(),
            });
            output::json(out, &value)
        });
        Ok(each?)
    }
}

fn tell(lists: &std::path::Path, source: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let mut seen: BTreeMap<(String, &str), u64> = BTreeMap::new();
    hygiene::each_held(lists, source, |held| {
        let key = (held.category.clone(), held.reason.word());
        let count = seen.entry(key).or_default();
        *count += 1;
        if *count > SHOWN {
            return Ok(());
        }
        let entry = output::safe(held.entry.strip_prefix('.').unwrap_or(&held.entry));
        let would = if held.comes { "would come" } else { "would go" };
        let (category, words) = (&held.category, output::safe(&held.reason.words()));
        writeln!(out, "{source}  {category}  {entry}  {would}; held: {words}")
    })?;
    for ((category, word), count) in &seen {
        if *count > SHOWN {
            let more = output::count(count - SHOWN);
            writeln!(
                out,
                "{source}  {category}  and {more} more ({word}); --json shows all"
            )?;
        }
    }
    let held = output::counted(seen.values().sum(), "entry is", "entries are");
    writeln!(
        out,
        "{held} held back of {source}: `weir lists accept {source} …` lets them have their way, `weir lists drop {source} …` keeps things as they are."
    )?;
    Ok(())
}

impl Decide {
    pub(super) fn run(
        self,
        verdict: Verdict,
        loaded: &Loaded,
        out: &mut dyn Write,
    ) -> Result<Answer, Failure> {
        if self.entries.is_empty() && !self.all {
            let source = output::safe(&self.source);
            return Err(Failure::Arguments(format!(
                "say which entries are meant, as `weir lists held {source}` shows them, or --all"
            )));
        }
        let about = json!({
            "source": self.source,
            "category": self.category,
            "entries": self.entries,
            "all": self.all,
        });
        let command = format!("lists {}", verdict.word());
        let make = || self.decide(verdict, loaded);
        let decided = self
            .acting
            .audited(&loaded.settings, &command, about, make, |decided| {
                json!({
                    "source": self.source,
                    "decided": decided.categories,
                    "not_held": decided.unknown,
                    "version": decided.version.as_ref().map(|version| version.number),
                })
            })?;
        let answer = match decided.unknown.is_empty() && decided.version.is_some() {
            true => Answer::Yes,
            false => Answer::No,
        };
        if self.json {
            let value = json!({
                "decided": decided.categories,
                "not_held": decided.unknown,
                "version": decided.version.as_ref().map(as_json),
            });
            output::json(out, &value)?;
            return Ok(answer);
        }
        self.tell(verdict, &decided, out)?;
        Ok(answer)
    }

    fn decide(&self, verdict: Verdict, loaded: &Loaded) -> Result<Decision, Failure> {
        let lists = weir_config::lists::imported(&loaded.settings);
        let who = self.acting.who();
        let entries: Vec<&str> = self.entries.iter().map(String::as_str).collect();
        let filter = Filter {
            category: self.category.as_deref(),
            entries: &entries,
        };
        let how = match verdict {
            Verdict::Accept => How::Accept,
            Verdict::Drop => How::Drop,
        };
        let act = self.acting.act(&who, how);
        let decided = hygiene::decide(&lists, &self.source, verdict, &filter, &act);
        decided.map_err(|error| match error {
            DecideError::NoSource(_) => Failure::Arguments(error.to_string()),
            other => Failure::refused(other),
        })
    }

    fn tell(
        &self,
        verdict: Verdict,
        decided: &Decision,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let done = match verdict {
            Verdict::Accept => "Accepted",
            Verdict::Drop => "Dropped",
        };
        for (category, count) in &decided.categories {
            let count = output::counted(*count, "entry", "entries");
            writeln!(out, "{done}: {count} of {category}")?;
        }
        for entry in &decided.unknown {
            writeln!(out, "Not held back: {}", output::safe(entry))?;
        }
        match &decided.version {
            Some(version) if version.change() != Default::default() => will_be_noticed(out)?,
            Some(_) => {}
            None => writeln!(out, "Nothing was decided.")?,
        }
        Ok(())
    }
}

/// What an import says about what it held back.
pub(super) fn tell_review(
    source: &str,
    review: &Review,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    for (category, reviewed) in &review.categories {
        if reviewed.held() == 0 {
            continue;
        }
        let mut reasons: Vec<String> = reviewed
            .coming
            .iter()
            .map(|(word, count)| format!("{} {word}", output::count(*count)))
            .collect();
        if reviewed.going > 0 {
            reasons.push(format!("{} loss", output::count(reviewed.going)));
        }
        writeln!(out, "held back in {category}: {}", reasons.join(", "))?;
    }
    if review.dropped() > 0 {
        let dropped = output::counted(review.dropped(), "entry", "entries");
        writeln!(out, "Left out as dropped before: {dropped}.")?;
    }
    if review.held() > 0 {
        let held = output::counted(review.held(), "entry waits", "entries wait");
        writeln!(
            out,
            "{held} for a person; everything else is in force. `weir lists held {source}` shows them."
        )?;
    }
    Ok(())
}

/// What `--json` of an import says about it.
pub(super) fn review_json(review: &Review) -> serde_json::Value {
    let categories = review.categories.iter().map(|(category, reviewed)| {
        let counts = json!({
            "before": reviewed.before,
            "live": reviewed.live,
            "held_coming": reviewed.coming,
            "held_going": reviewed.going,
            "dropped": reviewed.dropped,
            "kept": reviewed.kept,
        });
        (category.clone(), counts)
    });
    let categories: serde_json::Map<_, _> = categories.collect();
    json!({ "held": review.held(), "dropped": review.dropped(), "categories": categories })
}
