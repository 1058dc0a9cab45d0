//! Who changed or looked at what by command, and why: one JSON object a line in
//! `<state>/audit.jsonl`.
//!
//! A command that cannot leave its line does nothing (LM-18: if it cannot be written, the
//! read fails).

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
    let line = json!({
        "time": Timestamp::now().to_string(),
        "uid": rustix::process::getuid().as_raw(),
        "account": account(),
        "command": command,
        "about": about,
    });
    append(state, &line).map_err(|error| {
        let file = state.join(FILE);
        Failure::Refused(format!(
            "{}: {error}; what leaves no trace is not done: make the state directory writable",
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
    fn lm_18_what_cannot_be_audited_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        fs::write(&state, "a file in place of the directory").unwrap();
        let refused = note(&state, "records search", json!({}));
        assert!(matches!(refused, Err(Failure::Refused(_))));
    }
}
