//! The one place that lets a command read records: purpose or nothing, a case for a person's history, and a row of every read in
//! the records themselves before anything is shown (LM-03, LM-12, LM-18).
//!
//! Decides who may look and what is kept of it. A read that cannot be recorded does not happen; a refusal is recorded too. A second
//! row under the same event id says what was given. Which rows are asked for is the commands' matter.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Map, Value, json};
use weir_config::{Loaded, Purpose};
use weir_monitoring::asks::{self, OwnRow};
use weir_monitoring::export::purpose;
use weir_monitoring::query::Query;
use weir_monitoring::{End, EventId, EventIds, Kind};

use super::super::screen::Screen;
use super::super::{Failure, audit, output};
use super::people;
use super::retain::settings;

/// How long a running Weir may take to record a read.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest case, role and name of a reader, and longest reason, in characters.
const WORD: usize = 120;
const REASON: usize = 500;

/// Who reads, and why. The same for every command that reads records.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Who reads, and why")]
pub(crate) struct Reading {
    /// Why: a purpose code, such as unauthorised-use. Without one nothing is read.
    #[arg(long, value_name = "CODE")]
    purpose: Option<String>,
    /// Reference of the case or alert. Where one person, device, address or event is asked for there must be one; without it no
    /// rows show people.
    #[arg(long, value_name = "REF")]
    case: Option<String>,
    /// Why in words.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// In which role, such as dsl.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Who reads, where the account does not say it.
    #[arg(long = "as", value_name = "NAME")]
    reader: Option<String>,
}

/// What is asked for.
pub(crate) struct Asked<'a> {
    /// The command in words: `records search`.
    pub(crate) command: &'a str,
    /// The exact query.
    pub(crate) query: Value,
    /// The filter by which it asks for one person's history, if it does.
    pub(crate) person: Option<&'static str>,
    /// The query that tells whose rows its other filters leave, where they could leave few.
    pub(crate) narrowed: Option<Box<Query>>,
}

impl<'a> Asked<'a> {
    /// A search.
    pub(crate) fn of(command: &'a str, query: &Query) -> Asked<'a> {
        let asks = [
            (query.user.is_some(), "--user"),
            (query.device.is_some(), "--device"),
            (query.client.is_some(), "--client"),
            (query.event.is_some(), "--event"),
            (query.text.is_some(), "--text"),
        ];
        Asked {
            command,
            query: serde_json::to_value(query).unwrap_or_default(),
            person: asks
                .into_iter()
                .find(|(is_asked, _)| *is_asked)
                .map(|(_, filter)| filter),
            narrowed: people::narrowed(query).map(Box::new),
        }
    }
}

/// A read that is recorded and may happen.
#[derive(Debug)]
pub(crate) struct Read {
    purpose: Purpose,
    case: Option<String>,
    role: Option<String>,
    reason: Option<String>,
    reader: String,
    event: EventId,
}

/// Refuses what takes a query along and goes to others where the query has an address of a mandatory list (LM-28). Rows hold none
/// of these, so nothing can be found by it; the query itself would be the only place where it stands.
///
/// # Errors
/// Names the filter, not the address.
pub(super) fn check_export(loaded: &Loaded, query: &Query) -> Result<(), Failure> {
    let screen = Screen::of(&loaded.settings);
    let has_text = |text: &String| screen.text(text) != text.as_str();
    let filters = [
        (
            "--host",
            query
                .host
                .as_ref()
                .is_some_and(|host| screen.has_host(host)),
        ),
        ("--text", query.text.as_ref().is_some_and(has_text)),
        ("--of-case", query.case.as_ref().is_some_and(has_text)),
        ("--group", query.group.as_ref().is_some_and(has_text)),
        ("--network", query.network.as_ref().is_some_and(has_text)),
        ("--category", query.category.as_ref().is_some_and(has_text)),
        ("--rule", query.rule.as_ref().is_some_and(has_text)),
    ];
    match filters.into_iter().find(|(_, is_listed)| *is_listed) {
        Some((filter, _)) => Err(Failure::Arguments(format!(
            "{filter} has an address of a mandatory list, which no export may hold (LM-28) and no row holds: nothing was exported"
        ))),
        None => Ok(()),
    }
}

/// What a read gave, for its second row.
#[derive(Debug, Default)]
pub(crate) struct Given(Map<String, Value>);

impl Given {
    /// So many rows.
    pub(crate) fn rows(rows: u64) -> Given {
        Given::default().with("rows", rows)
    }

    /// And this.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Given {
        self.0.insert(name.to_owned(), value.into());
        self
    }
}

impl Read {
    /// The purpose that was stated.
    pub(crate) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Case, role and reason, as far as they were stated.
    pub(crate) fn stated(&self) -> [Option<String>; 3] {
        [&self.case, &self.role, &self.reason].map(Clone::clone)
    }

    /// Who reads.
    pub(crate) fn reader(&self) -> &str {
        &self.reader
    }
}

/// Why a read is refused.
enum Denied {
    Purpose(String),
    Case(String),
}

impl Reading {
    /// Records the read, lets `read` happen, and records what it gave; on a refusal records that instead.
    ///
    /// # Errors
    /// [`Failure::Arguments`] where purpose or case are lacking, [`Failure::Refused`] where the read cannot be recorded; those
    /// of `read`.
    pub(crate) fn around<T>(
        &self,
        loaded: &Loaded,
        asked: &Asked<'_>,
        read: impl FnOnce(&Read) -> Result<(T, Given), Failure>,
    ) -> Result<T, Failure> {
        let allowed = self.begin(loaded, asked)?;
        let outcome = read(&allowed);
        let (end, given) = match &outcome {
            Ok((_, given)) => (End::Complete, given.0.clone()),
            // The reader went away, or something could not be read.
            Err(failure) => (
                if matches!(failure, Failure::Output(_)) {
                    End::ClientGone
                } else {
                    End::Refused
                },
                Map::from_iter([("fault".to_owned(), short(&failure.to_string()).into())]),
            ),
        };
        let mut note = Map::from_iter([
            ("command".to_owned(), Value::from(asked.command)),
            ("done".to_owned(), true.into()),
        ]);
        note.extend(given);
        if let Some(case) = &allowed.case {
            note.insert("case".to_owned(), case.as_str().into());
        }
        let told = write(
            loaded,
            allowed.event,
            end,
            &allowed.reader,
            Value::Object(note),
        );
        let (value, _) = outcome?;
        match told {
            Ok(()) => Ok(value),
            Err(error) => Err(Failure::Refused(format!(
                "the read is recorded, but not what it gave: {error}"
            ))),
        }
    }

    /// Records that the read is about to happen.
    fn begin(&self, loaded: &Loaded, asked: &Asked<'_>) -> Result<Read, Failure> {
        self.check_lengths()?;
        let account = audit::account();
        let reader = self
            .reader
            .clone()
            .or_else(|| account.clone())
            .unwrap_or_else(|| "unknown".to_owned());
        let mut note = Map::new();
        let mut put = |name: &str, value: Value| drop(note.insert(name.to_owned(), value));
        put("command", asked.command.into());
        put("query", asked.query.clone());
        put("uid", rustix::process::getuid().as_raw().into());
        for (name, value) in [
            ("account", &account),
            ("purpose", &self.purpose),
            ("case", &self.case),
            ("reason", &self.reason),
            ("role", &self.role),
        ] {
            if let Some(value) = value {
                put(name, value.as_str().into());
            }
        }
        let event = EventIds::new().next();
        let allowed = match self.allowed(loaded, asked) {
            Ok(Ok(purpose)) => Ok(purpose),
            Ok(Err(Denied::Purpose(why) | Denied::Case(why))) => Err(Failure::Arguments(why)),
            // Who asked is kept even where the records cannot be looked at.
            Err(failure) => Err(failure),
        };
        let end = match &allowed {
            Ok(_) => End::Open,
            Err(failure) => {
                put("denied", short(&failure.to_string()).into());
                End::Refused
            }
        };
        let written = write(loaded, event, end, &reader, Value::Object(note));
        let purpose = match (allowed, written) {
            (Ok(purpose), Ok(())) => purpose,
            (Ok(_), Err(error)) => {
                return Err(Failure::Refused(format!(
                    "{error}; a read that cannot be recorded does not happen. Run the command as the account that Weir runs as \
                     (sudo -u), on a records directory that can be written"
                )));
            }
            (Err(failure), written) => {
                if let Err(error) = written {
                    eprintln!("weir: the refusal could not be recorded: {error}");
                }
                return Err(failure);
            }
        };
        // The audit file says who used which command, and points to the row that says what for.
        let about = json!({ "purpose": purpose.as_str(), "event": event });
        audit::note(&loaded.settings.state, asked.command, about)?;
        // They go into bundles.
        let screen = Screen::of(&loaded.settings);
        let stated = |text: &Option<String>| {
            let text = text.as_deref().map(|text| screen.text(text));
            text.map(Cow::into_owned)
        };
        Ok(Read {
            purpose,
            case: stated(&self.case),
            role: stated(&self.role),
            reason: stated(&self.reason),
            reader: screen.text(&reader).into_owned(),
            event,
        })
    }

    /// Whether it may happen.
    ///
    /// # Errors
    /// When the records cannot be looked at for that: then nothing is shown either.
    fn allowed(
        &self,
        loaded: &Loaded,
        asked: &Asked<'_>,
    ) -> Result<Result<Purpose, Denied>, Failure> {
        let code = self.purpose.as_deref().unwrap_or_default();
        let purpose = match purpose(code) {
            Ok(purpose) => purpose,
            Err(error) => return Ok(Err(Denied::Purpose(format!("--purpose: {error}")))),
        };
        let (told, way) = match (&self.case, asked.person, &asked.narrowed) {
            (None, Some(filter), _) => {
                (format!("{filter} asks for one person's history, which"), "")
            }
            (None, None, Some(query)) if people::are_few(loaded, query)? => (
                format!(
                    "what these filters leave is of fewer than {} people, which comes to one person's history and",
                    people::FEWEST
                ),
                ", or widen the filters",
            ),
            _ => return Ok(Ok(purpose)),
        };
        Ok(Err(Denied::Case(format!(
            "{told} is looked at inside a case only (LM-12): name it with --case{way}"
        ))))
    }

    fn check_lengths(&self) -> Result<(), Failure> {
        for (name, value, most) in [
            ("--case", &self.case, WORD),
            ("--role", &self.role, WORD),
            ("--as", &self.reader, WORD),
            ("--purpose", &self.purpose, WORD),
            ("--reason", &self.reason, REASON),
        ] {
            let Some(value) = value else { continue };
            // An empty purpose is a missing one, and that is recorded.
            if value.chars().count() > most || (value.trim().is_empty() && name != "--purpose") {
                return Err(Failure::Arguments(format!(
                    "{name} has 1 to {most} characters"
                )));
            }
        }
        Ok(())
    }

    /// For a purpose and nothing else, as tests ask.
    #[cfg(test)]
    pub(crate) fn for_purpose(code: &str) -> Reading {
        Reading {
            purpose: Some(code.to_owned()),
            ..Reading::default()
        }
    }

    /// Whether a case is named, without which no rows show people.
    pub(crate) fn has_case(&self) -> bool {
        self.case.is_some()
    }
}

fn write(
    loaded: &Loaded,
    event: EventId,
    end: End,
    reader: &str,
    note: Value,
) -> Result<(), String> {
    let settings = settings(loaded).map_err(|error| error.to_string())?;
    // Whatever was typed, in whichever option: no row holds an address that a mandatory list has (LM-28).
    let screen = Screen::of(&loaded.settings);
    let row = OwnRow {
        kind: Kind::Read,
        event,
        time: None,
        end,
        user: Some(screen.text(reader).into_owned()),
        note: asks::note(&screen.value(note)),
        about: None,
    };
    asks::write(&settings, &row, PATIENCE).map_err(|error| error.to_string())
}

/// A fault for a note, whose length is bounded.
fn short(text: &str) -> String {
    output::safe(&text.chars().take(REASON).collect::<String>())
}
