//! Who changed or looked at what by command, and why: one JSON object a line in
//! `<state>/audit.jsonl`.
//!
//! A command that cannot leave its line does nothing (LM-18: if it cannot be written, the
//! read fails). That line says what was asked; a command that changes lists leaves a second one
//! with what came of it ([`around`]).

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Failure;
use crate::users::file;

/// Name of the audit file in the state directory.
const FILE: &str = "audit.jsonl";

/// Leaves a line: which command, by whom, and what it is about.
///
/// # Errors
/// When the line cannot be made durable.
pub(crate) fn note(state: &Path, command: &str, about: Value) -> Result<(), Failure> {
    note_at(&Timestamp::now().to_string(), state, command, about)
}

/// Makes a change with a line before it, of what is asked, and one after it, of what was done: `<command> done` with what
/// `outcome` makes of it, or `<command> failed` with the fault. `begun` in the second is `time` of the first; a first line
/// without a second one is a command that was stopped in the middle.
///
/// # Errors
/// Those of the change, and the first line's: nothing is done then.
pub(super) fn around<T>(
    state: &Path,
    command: &str,
    about: Value,
    make: impl FnOnce() -> Result<T, Failure>,
    outcome: impl FnOnce(&T) -> Value,
) -> Result<T, Failure> {
    let begun = Timestamp::now().to_string();
    note_at(&begun, state, command, about)?;
    let made = make();
    let (word, mut about) = match &made {
        Ok(made) => ("done", outcome(made)),
        Err(failure) => ("failed", json!({ "fault": failure.to_string() })),
    };
    if let Some(about) = about.as_object_mut() {
        about.insert("begun".to_owned(), begun.into());
    }
    let told = note(state, &format!("{command} {word}"), about);
    if let Err(failure) = told {
        // What was done is done, and that it was asked for is noted.
        eprintln!("weir: what came of this is not in the audit file: {failure}");
    }
    made
}

fn note_at(time: &str, state: &Path, command: &str, about: Value) -> Result<(), Failure> {
    let line = json!({
        "time": time,
        "uid": rustix::process::getuid().as_raw(),
        "account": account(),
        "command": command,
        "about": about,
    });
    append(state, &line).map_err(|error| {
        let file = state.join(FILE);
        let then = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "run the command as the account that Weir runs as (sudo -u)"
            }
            _ => "make the state directory writable",
        };
        Failure::Refused(format!(
            "{}: {error}; what leaves no trace is not done: {then}",
            file.display()
        ))
    })
}

/// The person behind `sudo`, as far as the environment tells; the uid beside it is certain.
pub(super) fn account() -> Option<String> {
    let name = std::env::var("SUDO_USER")
        .or_else(|_| std::env::var("USER"))
        .ok()?;
    Some(super::output::safe(&name))
}

fn append(state: &Path, line: &Value) -> io::Result<()> {
    file::make_private(state)?;
    let mut options = OpenOptions::new();
    let mut file = options
        .append(true)
        .create(true)
        .mode(0o600)
        .open(state.join(FILE))?;
    // One write, so that lines of commands at the same time do not mix.
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_state_directory_is_made_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        note(&state, "lists add", json!({})).unwrap();
        let mode = fs::metadata(&state).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn each_line_says_who_when_and_what() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        note(&state, "lists add", json!({"reason": "two\nlines"})).unwrap();
        note(&state, "lists remove", json!({})).unwrap();
        let text = fs::read_to_string(state.join(FILE)).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["command"], "lists add");
        assert_eq!(lines[0]["about"]["reason"], "two\nlines");
        assert!(lines[0]["time"].as_str().unwrap().ends_with('Z'));
        assert!(lines[0]["uid"].is_u64());
    }

    #[test]
    fn a_change_leaves_a_line_before_it_and_one_with_what_came_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let lines = || -> Vec<Value> {
            let text = fs::read_to_string(state.join(FILE)).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
            lines.collect()
        };
        let made = around(
            &state,
            "lists add",
            json!({"entry": "a.example"}),
            || {
                assert_eq!(lines().len(), 1, "it is asked for before it is done");
                Ok(3)
            },
            |made| json!({ "changed": made }),
        );
        assert_eq!(made.unwrap(), 3);
        let refused = around(
            &state,
            "lists drop",
            json!({}),
            || Err::<(), _>(Failure::Refused("no such list".to_owned())),
            |()| json!({}),
        );
        assert!(refused.is_err());
        let lines = lines();
        let commands: Vec<&Value> = lines.iter().map(|line| &line["command"]).collect();
        let expected = [
            "lists add",
            "lists add done",
            "lists drop",
            "lists drop failed",
        ];
        assert_eq!(commands, expected);
        assert_eq!(lines[1]["about"]["changed"], 3);
        assert_eq!(lines[1]["about"]["begun"], lines[0]["time"]);
        assert_eq!(lines[3]["about"]["fault"], "no such list");
    }

    #[test]
    fn lm_18_a_change_that_cannot_be_audited_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        fs::write(&state, "a file in place of the directory").unwrap();
        let refused = around(
            &state,
            "lists add",
            json!({}),
            || -> Result<(), Failure> { panic!("it was made") },
            |()| json!({}),
        );
        assert!(matches!(refused, Err(Failure::Refused(_))));
    }

    #[test]
    fn lm_18_what_cannot_be_audited_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        fs::write(&state, "a file in place of the directory").unwrap();
        let refused = note(&state, "records search", json!({}));
        assert!(matches!(refused, Err(Failure::Refused(_))));
    }
}
