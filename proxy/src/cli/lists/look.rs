//! `weir lists show` and `weir lists search`

use std::io::Write;

use serde_json::{Value, json};
use weir_categories::edit::{self, EditError, Listed};
use weir_categories::{Index, Match};
use weir_config::Loaded;
use weir_host::Host;

use super::super::{Answer, Failure, output};
use super::{build, shown, sources};

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
        let mut known = false;
        for source in sources(&loaded.settings)? {
            let listed = match edit::show(&source, &self.category) {
                Ok(listed) => listed,
                Err(EditError::Unknown { .. }) => continue,
                Err(error) => return Err(Failure::refused(error)),
            };
            known = true;
            for listed in &listed {
                if self.json {
                    output::json(out, &entry_json(listed))?;
                } else {
                    writeln!(out, "{}", output::safe(&listed.entry))?;
                }
            }
        }
        if known {
            return Ok(Answer::Yes);
        }
        let told = format!(
            "no list has a category {:?}; `weir lists stats` shows all",
            self.category
        );
        Err(Failure::Refused(told))
    }
}

impl Search {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let text = self.name.trim();
        let covering = match Host::parse_text(text) {
            Ok(host) => {
                let index = build(&loaded.settings)?.index;
                covering(&index, &host)
            }
            Err(_) => Vec::new(),
        };
        let containing =
            edit::search(&sources(&loaded.settings)?, text).map_err(Failure::refused)?;
        if self.json {
            let covering: Vec<Value> = covering
                .iter()
                .map(|(category, found)| {
                    let voided = found.voided.as_ref();
                    json!({
                        "category": category,
                        "list": &*found.list,
                        "entry": found.entry,
                        "voided": voided.map(|by| json!({ "list": &*by.list, "entry": by.entry })),
                    })
                })
                .collect();
            let containing: Vec<Value> = containing.iter().map(entry_json).collect();
            output::json(
                out,
                &json!({ "covering": covering, "containing": containing }),
            )?;
        } else {
            tell(text, &covering, &containing, out)?;
        }
        let found = !(covering.is_empty() && containing.is_empty());
        Ok(if found { Answer::Yes } else { Answer::No })
    }
}

fn covering(index: &Index, host: &Host) -> Vec<(String, Match)> {
    let matches = index.all(host, 443, None, None).into_iter();
    matches
        .map(|found| (index.names().name(found.category).to_string(), found))
        .collect()
}

fn tell(
    text: &str,
    covering: &[(String, Match)],
    containing: &[Listed],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let text = output::safe(text);
    if covering.is_empty() && containing.is_empty() {
        writeln!(out, "No list knows {text}.")?;
    }
    for (category, found) in covering {
        writeln!(
            out,
            "{text} is in {category}: entry {} of {}{}",
            found.entry,
            found.list,
            output::voided(found)
        )?;
    }
    for listed in containing {
        let (entry, file) = (output::safe(&listed.entry), shown(&listed.file));
        let (category, line) = (&listed.category, listed.line);
        writeln!(
            out,
            "{file}:{line}: {entry} ({category} of {})",
            listed.list
        )?;
    }
    if containing.len() >= edit::SEARCH_MAX {
        writeln!(
            out,
            "These are the first {}; a longer text finds fewer.",
            edit::SEARCH_MAX
        )?;
    }
    Ok(())
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
