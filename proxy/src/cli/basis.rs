//! `weir basis`: the authorisation to monitor, without which no content is recorded (LM-01, LM-02).
//!
//! Decides what an authorisation must say before it is kept. Weir stores what it is told and cites it; it does not judge it.

use std::io::Write;

use clap::Subcommand;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::json;
use weir_config::{Loaded, Purpose};
use weir_monitoring::basis::{Entry, History, INSTRUMENT};
use weir_monitoring::{Basis, basis::BasisError};

use super::screen::Screen;
use super::{Answer, Failure, audit, output};
use crate::law;
use crate::users::file;

/// Longest text of an authorisation, in characters.
const LONGEST: usize = 500;
/// Longest time that one may hold before it is looked at again.
const MOST_YEARS: i64 = 3;

/// What to do with the authorisation.
#[derive(Debug, Subcommand)]
pub(crate) enum BasisCommand {
    /// Record an authorisation, in place of the one before.
    Set(Set),
    /// Show which is in force, and say why none is. Exit status 1: none.
    Show {
        /// Every one there was, and how it ended.
        #[arg(long)]
        history: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Withdraw it: content is not recorded from then on.
    End {
        /// The role that withdraws it; no name of a person.
        #[arg(long)]
        role: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

/// What an authorisation says.
#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    /// The role that authorises, such as headteacher; no name of a person.
    #[arg(long)]
    role: String,
    /// The day from which it holds.
    #[arg(long, value_name = "DATE")]
    authorised: Date,
    /// The last day on which it holds unless it is renewed; at most three years on.
    #[arg(long, value_name = "DATE")]
    review: Date,
    /// What it covers.
    #[arg(long)]
    scope: String,
    /// A site that it covers; may be given several times.
    #[arg(long = "site", required = true)]
    sites: Vec<String>,
    /// Purpose codes that it covers, separated by commas.
    #[arg(long, required = true, value_delimiter = ',', value_name = "CODE,…", value_parser = weir_monitoring::export::purpose)]
    purposes: Vec<Purpose>,
    /// The law it rests on.
    #[arg(long, default_value = INSTRUMENT)]
    instrument: String,
}

impl From<BasisError> for Failure {
    fn from(error: BasisError) -> Self {
        Failure::refused(error)
    }
}

impl BasisCommand {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        match self {
            BasisCommand::Set(set) => set.run(loaded, out),
            BasisCommand::Show { history, json } => show(loaded, history, json, out),
            BasisCommand::End { role, reason } => end(loaded, role, reason, out),
        }
    }
}

impl Set {
    fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let history = History::read(&loaded.settings.state)?;
        let mut purposes: Vec<String> = Vec::new();
        for purpose in &self.purposes {
            let code = purpose.as_str().to_owned();
            if !purposes.contains(&code) {
                purposes.push(code);
            }
        }
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        if let Some(present) = history.last()
            && present.is_in_force_at(law::now())
            && self.authorised > today
        {
            // Whoever renews in good time must not switch content off until then without meaning to.
            return Err(Failure::Arguments(format!(
                "--authorised {} is still to come, and a new authorisation takes the place of number {} at once, so no content would be \
                 recorded until then: give {today}, or set it on that day; `weir basis end` withdraws the present one",
                self.authorised, present.version
            )));
        }
        let screen = Screen::of(&loaded.settings);
        let kept = |text: String| screen.text(&text).into_owned();
        let basis = Basis {
            version: history.next_version(),
            role: kept(self.role),
            authorised: self.authorised,
            review: self.review,
            scope: kept(self.scope),
            sites: self.sites.into_iter().map(kept).collect(),
            purposes,
            instrument: kept(self.instrument),
        };
        check(&basis)?;
        for text in texts(&basis) {
            if let Some(outdated) = weir_config::law::outdated(text.1) {
                eprintln!("weir: warning: --{} {outdated}", text.0);
            }
        }
        let entry = Entry::Set {
            time: Timestamp::now(),
            by: audit::account().unwrap_or_else(|| "unknown".to_owned()),
            basis: basis.clone(),
        };
        add(loaded, "basis set", &entry)?;
        writeln!(out, "Recorded {}.", output::safe(&basis.told()))?;
        if let Some(lack) = standing(loaded).lack(law::now()) {
            writeln!(out, "{}", output::safe(&lack))?;
        }
        writeln!(out, "A running Weir takes this up within a second.")?;
        Ok(Answer::Yes)
    }
}

/// The texts of an authorisation, by option.
fn texts(basis: &Basis) -> Vec<(&'static str, &str)> {
    let mut texts = vec![
        ("role", basis.role.as_str()),
        ("scope", &basis.scope),
        ("instrument", &basis.instrument),
    ];
    texts.extend(basis.sites.iter().map(|site| ("site", site.as_str())));
    texts
}

fn check(basis: &Basis) -> Result<(), Failure> {
    let unusable = |told: String| Err(Failure::Arguments(told));
    for (option, text) in texts(basis) {
        if let Err(why) = filled(text) {
            return unusable(format!("--{option} {text:?} {why}"));
        }
    }
    let latest = basis.authorised.checked_add(MOST_YEARS.years());
    if basis.review < basis.authorised {
        return unusable(format!(
            "--review {} is before --authorised {}",
            basis.review, basis.authorised
        ));
    }
    if latest.is_ok_and(|latest| basis.review > latest) {
        return unusable(format!(
            "--review {} is more than {MOST_YEARS} years after --authorised {}: give a day on which it is looked at again before",
            basis.review, basis.authorised
        ));
    }
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    if basis.review < today {
        return unusable(format!("--review {} is over already", basis.review));
    }
    Ok(())
}

/// Placeholders that were never filled in are the usual fault of such texts (AUP-06).
fn filled(text: &str) -> Result<(), &'static str> {
    let plain = text.trim();
    let word = plain.to_lowercase();
    if plain.is_empty() {
        Err("is empty")
    } else if plain.chars().count() > LONGEST {
        Err("is longer than 500 characters")
    } else if plain.chars().any(char::is_control) {
        Err("has control characters: write it on one line")
    } else if plain.contains(['[', ']', '<', '>', '{', '}'])
        || ["tbc", "tbd", "todo", "xxx", "n/a", "insert"].contains(&word.as_str())
    {
        Err("is a placeholder that nobody filled in")
    } else {
        Ok(())
    }
}

fn end(
    loaded: &Loaded,
    role: String,
    reason: String,
    out: &mut dyn Write,
) -> Result<Answer, Failure> {
    for (option, text) in [("role", &role), ("reason", &reason)] {
        if let Err(why) = filled(text) {
            return Err(Failure::Arguments(format!("--{option} {text:?} {why}")));
        }
    }
    let screen = Screen::of(&loaded.settings);
    let [role, reason] = [role, reason].map(|text| screen.text(&text).into_owned());
    let history = History::read(&loaded.settings.state)?;
    let Some(basis) = history.last() else {
        return Err(Failure::Refused(
            "there is no authorisation to end".to_owned(),
        ));
    };
    let entry = Entry::End {
        time: Timestamp::now(),
        by: audit::account().unwrap_or_else(|| "unknown".to_owned()),
        version: basis.version,
        role,
        reason,
    };
    add(loaded, "basis end", &entry)?;
    writeln!(out, "Ended {}.", output::safe(&basis.told()))?;
    writeln!(
        out,
        "Content is not recorded from here on. A running Weir takes this up within a second."
    )?;
    Ok(Answer::Yes)
}

fn add(loaded: &Loaded, command: &str, entry: &Entry) -> Result<(), Failure> {
    let state = &loaded.settings.state;
    audit::note(state, command, json!({ "authorisation": entry }))?;
    let path = History::file(state);
    let line = serde_json::to_string(entry).map_err(Failure::refused)?;
    file::append(&path, format!("{line}\n").as_bytes())
        .map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))
}

/// As a running Weir reads it.
pub(super) fn standing(loaded: &Loaded) -> law::Standing {
    law::Standing::of(History::read(&loaded.settings.state).as_ref())
}

fn show(
    loaded: &Loaded,
    history: bool,
    json: bool,
    out: &mut dyn Write,
) -> Result<Answer, Failure> {
    let standing = standing(loaded);
    let lack = standing.lack(law::now());
    let entries = match history {
        true => History::read(&loaded.settings.state)?.entries,
        false => Vec::new(),
    };
    if json {
        let told = json!({
            "in_force": lack.is_none(),
            "basis": standing.basis,
            "why_not": lack,
            "history": entries,
        });
        output::json(out, &told)?;
    } else {
        for entry in &entries {
            writeln!(out, "{:.0}  {}", entry.time(), output::safe(&entry.told()))?;
        }
        match (&lack, &standing.basis) {
            (None, Some(basis)) => {
                writeln!(out, "In force: {}.", output::safe(&basis.told()))?;
                writeln!(out, "Scope: {}", output::safe(&basis.scope))?;
                writeln!(out, "Sites: {}", output::safe(&basis.sites.join(", ")))?;
            }
            (lack, _) => writeln!(out, "{}", output::safe(lack.as_deref().unwrap_or_default()))?,
        }
    }
    Ok(match lack {
        None => Answer::Yes,
        Some(_) => Answer::No,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Parser;

    use super::*;
    use crate::cli::tests::{loaded, said, said_with};

    fn read(line: &[&str]) -> Result<BasisCommand, clap::Error> {
        #[derive(Parser)]
        struct Alone {
            #[command(subcommand)]
            basis: BasisCommand,
        }
        Alone::try_parse_from([&["basis"], line].concat()).map(|alone| alone.basis)
    }

    fn day(years: i64) -> String {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        today.checked_add(years.years()).unwrap().to_string()
    }

    fn set(change: &[&str]) -> Vec<String> {
        let mut line: Vec<String> = [
            "set",
            "--role",
            "headteacher",
            "--authorised",
            &day(0),
            "--review",
            &day(1),
            "--scope",
            "all web traffic",
            "--site",
            "main site",
            "--purposes",
            "standards,facts",
        ]
        .map(str::to_owned)
        .into();
        for pair in change.chunks(2) {
            match line.iter().position(|one| one == pair[0]) {
                Some(at) => line[at + 1] = pair[1].to_owned(),
                None => line.extend(pair.iter().map(|one| (*one).to_owned())),
            }
        }
        line
    }

    fn tried(loaded: &Loaded, change: &[&str]) -> Result<Answer, Failure> {
        let line = set(change);
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        read(&line).unwrap().run(loaded, &mut Vec::new())
    }

    #[test]
    fn an_authorisation_is_set_shown_renewed_and_ended_and_each_is_audited_lm_02() {
        let (_directory, loaded) = loaded();
        let (answer, text) = said_with(|out| read(&["show"]).unwrap().run(&loaded, out));
        assert_eq!(answer, Answer::No);
        assert!(text.contains("no authorisation"), "{text}");
        for _ in 0..2 {
            tried(&loaded, &[]).unwrap();
        }
        let text = said(|out| read(&["show"]).unwrap().run(&loaded, out));
        for words in ["authorisation 2", "headteacher", "SI 2018/356", "main site"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let end = ["end", "--role", "headteacher", "--reason", "trial over"];
        said(|out| read(&end).unwrap().run(&loaded, out));
        let (answer, _) = said_with(|out| read(&["show"]).unwrap().run(&loaded, out));
        assert_eq!(answer, Answer::No);
        let again = read(&end).unwrap().run(&loaded, &mut Vec::new());
        assert!(matches!(again, Err(Failure::Refused(_))));
        let (_, text) = said_with(|out| read(&["show", "--history"]).unwrap().run(&loaded, out));
        assert!(
            text.contains("authorisation 1 by") && text.contains("was ended"),
            "{text}"
        );
        // Renewed for later, while one is in force, it would be off until then; where none is in force nothing is lost.
        let later = ["--authorised", &day(1), "--review", &day(2)];
        tried(&loaded, &later).unwrap();
        tried(&loaded, &[]).unwrap();
        let told = tried(&loaded, &later).unwrap_err().to_string();
        assert!(told.contains("takes the place of number 4"), "{told}");
        let audit = std::fs::read_to_string(loaded.settings.state.join("audit.jsonl")).unwrap();
        assert_eq!(audit.matches("basis set").count(), 4);
        assert_eq!(audit.matches("basis end").count(), 1);
    }

    #[test]
    fn an_authorisation_that_says_too_little_or_holds_for_ever_is_refused_lm_02_lm_03() {
        let (_directory, loaded) = loaded();
        for change in [
            ["--role", ""],
            ["--role", "[name of headteacher]"],
            ["--scope", "TBC"],
            ["--review", "2020-01-01"],
            ["--review", &day(4)],
        ] {
            let refused = tried(&loaded, &change);
            assert!(matches!(refused, Err(Failure::Arguments(_))), "{change:?}");
        }
        for purposes in ["national-security", "curiosity", "standards,curiosity"] {
            let line = set(&["--purposes", purposes]);
            let line: Vec<&str> = line.iter().map(String::as_str).collect();
            assert_eq!(read(&line).unwrap_err().exit_code(), 2, "{purposes}");
        }
        assert!(
            History::read(&loaded.settings.state)
                .unwrap()
                .entries
                .is_empty()
        );
    }
}
