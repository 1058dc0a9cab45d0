#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use tempfile::TempDir;

use super::*;

const SETTINGS: &str = r#"
state = "var"
policy = "policy.toml"

[[network]]
name = "school"
addresses = ["10.0.0.0/8", "127.0.0.0/8"]

[lists]
directories = ["lists"]
"#;

const POLICY: &str = r#"
time_zone = "Europe/London"
strictest = "guest"

[[term]]
name = "autumn"
first = "2026-09-02"
last = "2099-12-18"

[[period]]
name = "lessons"
days = ["mon", "tue", "wed", "thu", "fri"]
from = "08:45"
to = "15:15"
term_only = true

[[profile]]
name = "guest"
download_size = "100MB"

[[profile]]
name = "pupil"
groups = ["pupils"]
daily = "2GB"
down = "20Mbit/s"

[[rule]]
id = "no-gambling"
categories = ["gambling"]
action = "block"
purpose = "regulatory-compliance"
words = "Gambling is not for school."

[[rule]]
id = "no-games-in-lessons"
categories = ["games"]
periods = ["lessons"]
action = "block"
purpose = "standards"
words = "After school."

[[rule]]
id = "ask-first"
hosts = ["warn.example"]
action = "warn"
purpose = "standards"
"#;

/// A configuration with a policy and lists of its own.
pub(super) fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("weir.toml", SETTINGS);
    write("policy.toml", POLICY);
    write("lists/gambling/domains", "# a comment stays\nbet.example\n");
    write("lists/games/domains", "play.example\n");
    write("lists/games/urls", "portal.example/games\n");
    directory
}

pub(super) fn loaded_from(directory: &Path) -> Result<Loaded, Faults> {
    weir_config::load(Some(&directory.join("weir.toml")))
}

pub(super) fn loaded() -> (TempDir, Loaded) {
    let directory = directory();
    let loaded = loaded_from(directory.path()).unwrap();
    (directory, loaded)
}

/// What a command prints, and its answer.
pub(super) fn said_with(
    command: impl FnOnce(&mut dyn Write) -> Result<Answer, Failure>,
) -> (Answer, String) {
    let mut out = Vec::new();
    let answer = command(&mut out).unwrap();
    (answer, String::from_utf8(out).unwrap())
}

/// What a command prints that answers yes.
pub(super) fn said(command: impl FnOnce(&mut dyn Write) -> Result<Answer, Failure>) -> String {
    let (answer, text) = said_with(command);
    assert_eq!(answer, Answer::Yes, "{text}");
    text
}

#[test]
fn the_arguments_are_consistent() {
    Args::command().debug_assert();
}

#[test]
fn without_a_command_weir_runs() {
    let args = Args::try_parse_from(["weir", "--config", "x.toml"]).unwrap();
    assert!(args.command.is_none());
    assert_eq!(args.config.as_deref(), Some(Path::new("x.toml")));
}

#[test]
fn the_configuration_can_be_named_before_and_after_the_command() {
    for line in [
        ["weir", "--config", "x.toml", "check"],
        ["weir", "check", "--config", "x.toml"],
    ] {
        assert!(Args::try_parse_from(line).unwrap().config.is_some());
    }
}

#[test]
fn what_every_command_needs_is_required() {
    // That a read lacks its purpose is for `records::reading` to say, which records it.
    let lines: [&[&str]; 4] = [
        &["weir", "lists", "add", "gambling", "--reason", "x"],
        &["weir", "lists", "import", "ut1.tar.zst"],
        &["weir", "records", "dispute", "--event", "0000000000000001"],
        &["weir", "explain"],
    ];
    for line in lines {
        let error = Args::try_parse_from(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line:?}");
    }
}

#[test]
fn exit_statuses_tell_done_from_no_and_from_unusable() {
    let cases = [
        (Ok(Answer::Yes), ExitCode::SUCCESS),
        (Ok(Answer::No), ExitCode::from(1)),
        (Err(Failure::Refused("no".into())), ExitCode::from(1)),
        (Err(Failure::Arguments("no".into())), ExitCode::from(2)),
        (
            Err(Failure::Configuration(Faults(Vec::new()))),
            ExitCode::from(2),
        ),
        (
            Err(Failure::Output(io::ErrorKind::BrokenPipe.into())),
            ExitCode::SUCCESS,
        ),
        (
            Err(Failure::Output(io::ErrorKind::StorageFull.into())),
            ExitCode::from(1),
        ),
    ];
    for (outcome, status) in cases {
        let told = format!("{outcome:?}");
        assert_eq!(super::told(outcome), status, "{told}");
    }
}
