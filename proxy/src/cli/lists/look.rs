//! `weir lists show` and `weir lists search`

use std::io::Write;

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use weir_categories::edit::{self, EditError, Listed};
use weir_categories::history::{History, Since};
use weir_categories::{Index, Match, MatchKind};
use weir_config::Loaded;
use weir_host::Host;

use super::super::{Answer, Failure, output, when};
use super::acting::told;
use super::history::as_json;
use super::{build, shown, sources};
use crate::versions;

/// Arguments of `weir lists show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// Category.
    category: String,
    /// As JSON, one object a line.
    #[arg(long)]
    json: bool,
}

/// Arguments of `weir lists search`.
#[derive(Debug, clap::Args)]
pub(crate) struct Search {
    /// A host, to see what covers it; any part of an entry, to see where it stands.
    name: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let all = sources(&loaded.settings)?;
        let mut known = false;
        for source in &all {
            known |= edit::show(source, &self.category, |listed| {
                if self.json {
                    output::json(out, &entry_json(listed))
                } else {
                    let kind = match listed.kind {
                        MatchKind::Exception => "except ",
                        _ => "",
                    };
                    writeln!(out, "{kind}{}", output::safe(&listed.entry))
                }
                .map_err(Failure::Output)
            })?;
        }
        if known {
            return Ok(Answer::Yes);
        }
        let mut categories = Vec::new();
        for source in &all {
            categories.extend(source.categories().map_err(Failure::refused)?);
        }
        let guess = weir_config::did_you_mean(&self.category, categories.iter().map(|c| &**c));
        let told = format!(
            "no list has a category {:?}{guess}; `weir lists stats` shows all",
            output::safe(&self.category)
        );
        Err(Failure::Refused(told))
    }
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Failure {
        Failure::refused(error)
    }
}

/// An entry that covers the host, and since when it is listed.
struct Covering {
    category: String,
    found: Match,
    since: Option<Since>,
}

/// All that is known of a text.
struct Answered {
    covering: Vec<Covering>,
    exceptions: Vec<Listed>,
    containing: Vec<Listed>,
    /// The categories that decide, when the text is a host.
    categories: Option<Vec<String>>,
}

impl Search {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let text = self.name.trim();
        let all = sources(&loaded.settings)?;
        let mut answered = Answered {
            covering: Vec::new(),
            exceptions: edit::exceptions(&all, text).map_err(Failure::refused)?,
            containing: edit::search(&all, text).map_err(Failure::refused)?,
            categories: None,
        };
        if let Ok(host) = Host::parse_text(text) {
            let index = build(&loaded.settings)?.index;
            answered.covering = covering(&index, &host, &versions::history(&loaded.settings))?;
            let names = index.names();
            let categories = index.host_categories(&host);
            let categories = categories.iter().map(|id| names.name(id).to_string());
            answered.categories = Some(categories.collect());
        }
        if self.json {
            output::json(out, &answered.as_json())?;
        } else {
            answered.tell(text, &when::zone(&loaded.policy)?, out)?;
        }
        let found = !(answered.covering.is_empty() && answered.containing.is_empty());
        Ok(if found { Answer::Yes } else { Answer::No })
    }
}

fn covering(index: &Index, host: &Host, history: &History) -> Result<Vec<Covering>, Failure> {
    let mut all = Vec::new();
    for found in index.all(host, 443, None, None) {
        let category = index.names().name(found.category).to_string();
        let since = history.since_when(&found.list, &category, found.kind, &found.entry);
        all.push(Covering {
            category,
            since: since.map_err(Failure::refused)?,
            found,
        });
    }
    Ok(all)
}

impl Answered {
    fn tell(&self, text: &str, zone: &TimeZone, out: &mut dyn Write) -> Result<(), Failure> {
        let text = output::safe(text);
        if self.covering.is_empty() && self.containing.is_empty() {
            writeln!(
                out,
                "No list knows {text}; mandatory lists are not asked here."
            )?;
        }
        for covering in &self.covering {
            let Covering {
                category,
                found,
                since,
            } = covering;
            let since = match since {
                Some(since) if since.or_before => {
                    format!(", since {} or before", told(&since.version, zone))
                }
                Some(since) => format!(", since {}", told(&since.version, zone)),
                None => String::new(),
            };
            writeln!(
                out,
                "{text} is in {category}: entry {} of {}{since}{}",
                found.entry,
                found.list,
                output::voided(found)
            )?;
        }
        for listed in &self.exceptions {
            let (entry, category, list) = (&listed.entry, &listed.category, &listed.list);
            writeln!(
                out,
                "{text} is excepted from {category}: exception {} of {list}",
                output::safe(entry)
            )?;
        }
        if let Some(categories) = &self.categories {
            writeln!(out, "What decides: {}.", categories.join(", "))?;
        }
        for listed in &self.containing {
            let (entry, file) = (output::safe(&listed.entry), shown(&listed.file));
            let (category, line, list) = (&listed.category, listed.line, &listed.list);
            let kind = match listed.kind {
                MatchKind::Exception => "exception in ",
                MatchKind::Keyword => "keyword in ",
                _ => "",
            };
            writeln!(out, "{file}:{line}: {entry} ({kind}{category} of {list})")?;
        }
        if self.containing.len() >= edit::SEARCH_MAX {
            writeln!(
                out,
                "These are the first {}; a longer text finds fewer.",
                edit::SEARCH_MAX
            )?;
        }
        Ok(())
    }

    fn as_json(&self) -> Value {
        let covering: Vec<Value> = self
            .covering
            .iter()
            .map(|covering| {
                let since = covering.since.as_ref();
                json!({
                    "category": covering.category,
                    "list": &*covering.found.list,
                    "entry": covering.found.entry,
                    "voided": covering.found.voided.as_ref().map(|by| {
                        json!({ "list": &*by.list, "entry": by.entry })
                    }),
                    "since": since.map(|since| as_json(&since.version)),
                    "or_before": since.map(|since| since.or_before),
                })
            })
            .collect();
        let listed = |listed: &[Listed]| listed.iter().map(entry_json).collect::<Vec<Value>>();
        json!({
            "covering": covering,
            "exceptions": listed(&self.exceptions),
            "containing": listed(&self.containing),
            "categories": self.categories,
        })
    }
}

fn entry_json(listed: &Listed) -> Value {
    json!({
        "list": listed.list,
        "category": listed.category,
        "kind": listed.kind.file_name(),
        "entry": listed.entry,
        "file": listed.file.display().to_string(),
        "line": listed.line,
    })
}
