//! `weir users`: who can log in.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use clap::Subcommand;
use serde_json::json;
use weir_config::Loaded;

use super::{Answer, Failure, audit, output, will_be_noticed};
use crate::users::{Users, UsersError};

/// Shortest password that can be set, in characters: short enough for young children, too long to guess at the rate that
/// wrong ones are allowed.
const MIN_PASSWORD: usize = 6;
/// Longest line taken as a password from a pipe, in bytes; what is longer is refused later.
const MAX_LINE: u64 = 4096;

/// What to do with local users.
#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    /// Add a person; the password is asked for.
    Add {
        /// Name to log in with; case does not matter.
        name: String,
        /// Groups, separated by commas; they decide the profile.
        #[arg(
            long,
            visible_alias = "group",
            value_delimiter = ',',
            value_name = "GROUP,…"
        )]
        groups: Vec<String>,
        /// Read the password from the first line of standard input, even on a terminal.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove a person. What is recorded about them stays.
    Remove {
        /// Name of the person.
        name: String,
    },
    /// Show everyone with their groups and profile.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give a person a new password; it is asked for. Logins with the old one end at once.
    Password {
        /// Name of the person.
        name: String,
        /// Read the password from the first line of standard input, even on a terminal.
        #[arg(long)]
        password_stdin: bool,
    },
}

impl From<UsersError> for Failure {
    fn from(error: UsersError) -> Self {
        match error {
            UsersError::Faults(faults) => Failure::Configuration(faults),
            UsersError::Name(..) | UsersError::Password(_) => Failure::Arguments(error.to_string()),
            other => Failure::refused(other),
        }
    }
}

impl UsersCommand {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let file = loaded.settings.users_file();
        match self {
            UsersCommand::Add {
                name,
                groups,
                password_stdin,
            } => {
                let password = password(&name, password_stdin)?;
                add(loaded, &file, &name, &groups, &password)?;
                writeln!(out, "Added {name}.")?;
                if let Some(warning) = without_profile(loaded, &groups) {
                    writeln!(out, "{warning}")?;
                }
            }
            UsersCommand::Remove { name } => {
                audited(loaded, "users remove", &name)?;
                Users::edit(&file, |users| users.remove(&name))?;
                writeln!(out, "Removed {name}.")?;
            }
            UsersCommand::Password {
                name,
                password_stdin,
            } => {
                let password = password(&name, password_stdin)?;
                audited(loaded, "users password", &name)?;
                Users::edit(&file, |users| users.set_password(&name, &password))?;
                writeln!(out, "{name} has a new password.")?;
            }
            UsersCommand::List { json } => return list(loaded, &file, json, out),
        }
        will_be_noticed(out)?;
        Ok(Answer::Yes)
    }
}

fn add(
    loaded: &Loaded,
    file: &Path,
    name: &str,
    groups: &[String],
    password: &[u8],
) -> Result<(), Failure> {
    let about = json!({ "user": name, "groups": groups });
    audit::note(&loaded.settings.state, "users add", about)?;
    Ok(Users::edit(file, |users| {
        users.add(name, groups, password)
    })?)
}

fn audited(loaded: &Loaded, command: &str, name: &str) -> Result<(), Failure> {
    audit::note(&loaded.settings.state, command, json!({ "user": name }))
}

/// A group that no profile names is probably a slip: whoever is in no other gets the
/// strictest profile.
fn without_profile(loaded: &Loaded, groups: &[String]) -> Option<String> {
    if profile(loaded, groups.iter().map(String::as_str)).is_some() {
        return None;
    }
    let strictest = &loaded.policy.strictest;
    Some(format!(
        "No profile of the policy names any of these groups: the strictest, {strictest:?}, holds."
    ))
}

fn profile<'a>(loaded: &Loaded, groups: impl Iterator<Item = &'a str>) -> Option<String> {
    let groups: Vec<&str> = groups.collect();
    let named = loaded.policy.profiles.iter().find(|profile| {
        profile
            .groups
            .iter()
            .any(|group| groups.contains(&&**group))
    });
    named.map(|profile| profile.name.to_string())
}

fn list(loaded: &Loaded, file: &Path, json: bool, out: &mut dyn Write) -> Result<Answer, Failure> {
    let users = Users::load(file).map_err(Failure::Configuration)?;
    let profile = |groups: &[std::sync::Arc<str>]| {
        let named = profile(loaded, groups.iter().map(|group| &**group));
        named.unwrap_or_else(|| loaded.policy.strictest.to_string())
    };
    if json {
        let user = |user: &std::sync::Arc<crate::users::User>| {
            let groups: Vec<&str> = user.groups.iter().map(|group| &**group).collect();
            json!({ "name": &*user.name, "groups": groups, "profile": profile(&user.groups) })
        };
        output::json(out, &users.list().map(user).collect())?;
        return Ok(Answer::Yes);
    }
    if users.list().len() == 0 {
        writeln!(
            out,
            "There are no users; `weir users add NAME --groups GROUP` makes one."
        )?;
        return Ok(Answer::Yes);
    }
    let rows = users.list().map(|user| {
        vec![
            user.name.to_string(),
            user.groups.join(","),
            profile(&user.groups),
        ]
    });
    output::table(
        out,
        &["NAME", "GROUPS", "PROFILE"],
        &rows.collect::<Vec<_>>(),
    )?;
    Ok(Answer::Yes)
}

/// From standard input when asked to or when that is no terminal; else from the terminal,
/// twice.
fn password(name: &str, from_stdin: bool) -> Result<Vec<u8>, Failure> {
    if from_stdin || !io::stdin().is_terminal() {
        let password = first_line(&mut io::stdin().lock())?;
        return long_enough(&password).map(|()| password);
    }
    let ask = |prompt: String| rpassword::prompt_password(prompt).map_err(Failure::refused);
    let password = ask(format!("Password for {name}: "))?;
    long_enough(password.as_bytes())?;
    if ask("The same again: ".to_owned())? != password {
        return Err(Failure::Arguments("the two passwords differ".to_owned()));
    }
    Ok(password.into_bytes())
}

/// Passwords that were set before stay valid, and so does a hash that somebody puts into the file.
fn long_enough(password: &[u8]) -> Result<(), Failure> {
    let length = std::str::from_utf8(password).map_or(password.len(), |text| text.chars().count());
    if length < MIN_PASSWORD {
        return Err(Failure::Arguments(format!(
            "this password cannot be used: it is shorter than {MIN_PASSWORD} characters"
        )));
    }
    Ok(())
}

fn first_line(input: &mut dyn BufRead) -> Result<Vec<u8>, Failure> {
    let mut line = Vec::new();
    io::Read::take(input, MAX_LINE)
        .read_until(b'\n', &mut line)
        .map_err(Failure::refused)?;
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::cli::tests::{loaded, said};

    fn added(loaded: &Loaded, name: &str, groups: &[&str]) -> Result<(), Failure> {
        let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
        add(
            loaded,
            &loaded.settings.users_file(),
            name,
            &groups,
            b"secret",
        )
    }

    #[test]
    fn a_list_shows_groups_and_the_profile_that_follows() {
        let (_directory, loaded) = loaded();
        added(&loaded, "anna", &["pupils"]).unwrap();
        added(&loaded, "bert", &["chess"]).unwrap();
        let text = said(|out| UsersCommand::List { json: false }.run(&loaded, out));
        assert_eq!(
            text,
            "NAME  GROUPS  PROFILE\nanna  pupils  pupil\nbert  chess   guest\n"
        );
        let json = said(|out| UsersCommand::List { json: true }.run(&loaded, out));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json[0]["profile"], "pupil");
        assert_eq!(json[1]["groups"][0], "chess");
    }

    #[test]
    fn groups_without_a_profile_are_pointed_out() {
        let (_directory, loaded) = loaded();
        assert!(without_profile(&loaded, &["pupils".to_owned()]).is_none());
        assert!(
            without_profile(&loaded, &["pupil".to_owned()])
                .unwrap()
                .contains("guest")
        );
    }

    #[test]
    fn removing_nobody_is_a_negative_answer_and_a_bad_name_a_bad_argument() {
        let (_directory, loaded) = loaded();
        let gone = UsersCommand::Remove {
            name: "anna".into(),
        }
        .run(&loaded, &mut Vec::new());
        assert!(matches!(gone, Err(Failure::Refused(_))));
        assert!(matches!(
            added(&loaded, "a:b", &[]),
            Err(Failure::Arguments(_))
        ));
    }

    #[test]
    fn every_change_leaves_a_line_without_the_password() {
        let (_directory, loaded) = loaded();
        added(&loaded, "anna", &["pupils"]).unwrap();
        let audit = std::fs::read_to_string(loaded.settings.state.join("audit.jsonl")).unwrap();
        assert!(
            audit.contains("users add") && audit.contains("anna"),
            "{audit}"
        );
        assert!(!audit.contains("secret"));
    }

    #[test]
    fn a_password_that_is_guessed_in_a_day_is_refused() {
        for short in ["", "ab", "äöüäö"] {
            let refused = long_enough(short.as_bytes());
            assert!(matches!(refused, Err(Failure::Arguments(_))), "{short}");
        }
        assert!(long_enough("äöüäöü".as_bytes()).is_ok());
    }

    #[test]
    fn a_password_from_a_pipe_is_the_first_line_without_its_end() {
        for (given, expected) in [("a b\r\nc", "a b"), ("x\n", "x"), ("x", "x"), ("", "")] {
            assert_eq!(
                first_line(&mut given.as_bytes()).unwrap(),
                expected.as_bytes()
            );
        }
    }
}
