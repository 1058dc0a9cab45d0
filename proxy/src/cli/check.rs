//! `weir check`: every fault at once, before a running Weir meets it.

mod lists;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use serde_json::{Value, json};
use weir_categories::sealed::Protection;
use weir_config::{Fault, Faults, Loaded, Settings};
use weir_monitoring::basis::History;

use super::{Answer, Failure, basis, lists::build, output, shown_path};
use crate::law::{self, Ledger};
use crate::recording;
use crate::sealed;
use crate::terms;
use crate::tls;
use crate::users::Users;

/// Arguments of `weir check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Default)]
struct Findings {
    faults: Vec<Fault>,
    /// Faults beyond those that a list's report keeps.
    more: u64,
    warnings: Vec<Fault>,
    /// What is in order, in words.
    summary: Vec<String>,
}

impl Check {
    pub(super) fn run(
        self,
        (loaded, faults): (Option<Loaded>, Faults),
        out: &mut dyn Write,
    ) -> Result<Answer, Failure> {
        let mut findings = Findings {
            faults: faults.0,
            ..Findings::default()
        };
        // What is said of lists and users would be of the wrong ones if these keys are faulty.
        let misled = |fault: &Fault| fault.key.starts_with("lists") || fault.key == "state";
        if let Some(loaded) = loaded
            && !findings.faults.iter().any(misled)
        {
            findings.look_at(&loaded);
        }
        if self.json {
            output::json(out, &findings.as_json())?;
        } else {
            findings.tell(out)?;
        }
        Ok(if findings.faults.is_empty() {
            Answer::Yes
        } else {
            Answer::No
        })
    }
}

impl Findings {
    fn look_at(&mut self, loaded: &Loaded) {
        self.warnings.extend(loaded.warnings.iter().cloned());
        let rules = output::counted(loaded.policy.rules.len() as u64, "rule", "rules");
        self.summary
            .push(format!("{}: {rules}", shown_path(loaded)));
        self.take(tls::client_config(&loaded.settings.origin.trusted_roots));
        self.users(&loaded.settings.users_file());
        self.state(&loaded.settings.state);
        self.mandatory(&loaded.settings);
        for told in recording::aside(&loaded.settings) {
            self.warn(loaded.settings.records_directory(), "", told);
        }
        for (told, is_over) in law::named_rules(&loaded.policy) {
            // One whose time is over is a warning of the configuration's own.
            if !is_over {
                self.summary.push(told);
            }
        }
        let (is_well, told) = basis::standing(loaded).health(law::now());
        match is_well {
            true => self.summary.push(told),
            false => self.warn(History::file(&loaded.settings.state), "", told),
        }
        let ledger = Ledger::open(&loaded.settings.state);
        if let Some(told) = ledger.reminder(&loaded.settings.notice, law::now()) {
            self.warn(Ledger::file(&loaded.settings.state), "notice.version", told);
        }
        if let Some(ending) = terms::ending_now(&loaded.policy) {
            self.warn(loaded.policy.file.clone(), "term", ending);
        }
        match build(&loaded.settings) {
            Ok(built) => self.lists(loaded, &built),
            Err(Failure::Configuration(faults)) => self.faults.extend(faults.0),
            Err(failure) => self.faults.push(Fault {
                file: PathBuf::from("lists"),
                line: None,
                key: String::new(),
                message: failure.to_string(),
            }),
        }
    }

    fn take<T>(&mut self, outcome: Result<T, Faults>) -> Option<T> {
        outcome.map_err(|faults| self.faults.extend(faults.0)).ok()
    }

    fn users(&mut self, file: &Path) {
        if let Some(users) = self.take(Users::load(file)) {
            let count = users.list().len() as u64;
            self.summary.push(output::counted(count, "user", "users"));
        }
        let mode = fs::metadata(file).map(|metadata| metadata.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o077 != 0) {
            self.warnings.push(Fault {
                file: file.to_owned(),
                line: None,
                key: String::new(),
                message: "other accounts can read the password hashes: chmod 600".to_owned(),
            });
        }
    }

    fn warn(&mut self, file: PathBuf, key: &str, message: String) {
        self.warnings.push(Fault {
            file,
            line: None,
            key: key.to_owned(),
            message,
        });
    }

    /// Weir does not start where it cannot keep its state.
    fn state(&mut self, state: &Path) {
        let there = state.ancestors().find(|path| path.exists());
        let Some(there) = there.filter(|path| !path.as_os_str().is_empty()) else {
            return;
        };
        let needed = Access::WRITE_OK | Access::EXEC_OK;
        let unusable = match rustix::fs::access(there, needed) {
            _ if !there.is_dir() => "it is no directory".to_owned(),
            Err(error) => format!("this account cannot write there: {error}"),
            Ok(()) => return,
        };
        self.faults.push(Fault {
            file: there.to_owned(),
            line: None,
            key: "state".to_owned(),
            message: unusable,
        });
    }

    /// AF-02: every slot is told of, one that is not as it should be as a warning.
    fn mandatory(&mut self, settings: &Settings) {
        let now = sealed::now();
        let directory = weir_config::lists::sealed(settings);
        for state in sealed::load(settings, None).slots() {
            let told = sealed::told(state, now);
            match state.protection(now) {
                Protection::Protected => self.summary.push(told),
                _ => self.warn(directory.clone(), "mandatory", told),
            }
        }
    }

    fn tell(&self, out: &mut dyn Write) -> Result<(), Failure> {
        for fault in &self.faults {
            writeln!(out, "{}", output::safe(&fault.to_string()))?;
        }
        for warning in &self.warnings {
            writeln!(out, "warning: {}", output::safe(&warning.to_string()))?;
        }
        match self.faults.len() as u64 + self.more {
            0 => writeln!(out, "No faults. {}.", self.summary.join("; "))?,
            1 => writeln!(out, "1 fault.")?,
            faults if self.more > 0 => {
                writeln!(
                    out,
                    "{faults} faults; {} of list lines are not shown.",
                    self.more
                )?;
            }
            faults => writeln!(out, "{faults} faults.")?,
        }
        Ok(())
    }

    fn as_json(&self) -> Value {
        let shown = |faults: &[Fault]| -> Vec<Value> {
            let one = |fault: &Fault| {
                json!({
                    "file": fault.file.display().to_string(),
                    "line": fault.line,
                    "key": fault.key,
                    "message": fault.message,
                })
            };
            faults.iter().map(one).collect()
        };
        json!({
            "faults": shown(&self.faults),
            "faults_not_shown": self.more,
            "warnings": shown(&self.warnings),
            "summary": self.summary,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::cli::tests::{directory, said_with};

    fn checked(json: bool, directory: &Path) -> (Answer, String) {
        let examined = weir_config::examine(Some(&directory.join("weir.toml")));
        said_with(|out| Check { json }.run(examined, out))
    }

    #[test]
    fn a_sound_configuration_is_told_with_what_it_holds() {
        let directory = directory();
        let (answer, text) = checked(false, directory.path());
        assert_eq!(answer, Answer::Yes, "{text}");
        assert!(text.contains("\nNo faults."), "{text}");
        // AF-02: without its list a slot is not passed over.
        for slot in ["iwf", "ctiru"] {
            let told = text.lines().any(|line| {
                line.starts_with("warning:")
                    && line.contains(slot)
                    && line.contains("not protected")
            });
            assert!(told, "{slot}: {text}");
        }
        assert!(text.contains("0 users"), "{text}");
    }

    #[test]
    fn faults_of_lists_policy_users_and_roots_come_together() {
        let directory = directory();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("lists/gambling/domains"), "bet.example\nnot a name\n").unwrap();
        let policy = fs::read_to_string(path("policy.toml")).unwrap();
        fs::write(
            path("policy.toml"),
            policy.replace("[\"gambling\"]", "[\"gamblin\"]"),
        )
        .unwrap();
        fs::create_dir_all(path("var")).unwrap();
        fs::write(
            path("var/users.toml"),
            "[[user]]\nname = \"a:b\"\npassword = \"x\"\n",
        )
        .unwrap();
        let settings = fs::read_to_string(path("weir.toml")).unwrap();
        fs::write(path("empty.pem"), "").unwrap();
        let settings = format!("{settings}\n[origin]\ntrusted_roots = [\"empty.pem\"]\n");
        fs::write(path("weir.toml"), settings).unwrap();
        let (answer, text) = checked(false, directory.path());
        assert_eq!(answer, Answer::No);
        for expected in [
            "gambling/domains:2:",
            "gamblin",
            "users.toml:1:",
            "empty.pem",
            "4 faults.",
        ] {
            assert!(text.contains(expected), "{expected} is missing:\n{text}");
        }
    }

    #[test]
    fn faults_of_the_configuration_have_file_line_and_key_in_json_too() {
        let directory = directory();
        let file = directory.path().join("weir.toml");
        let settings = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{settings}\n[login]\nattemps = 3\n")).unwrap();
        let (answer, text) = checked(true, directory.path());
        assert_eq!(answer, Answer::No);
        let json: Value = serde_json::from_str(&text).unwrap();
        let fault = &json["faults"][0];
        assert!(
            fault["file"].as_str().unwrap().ends_with("weir.toml"),
            "{text}"
        );
        assert_eq!(fault["key"], "login.attemps");
        assert!(fault["line"].as_u64().unwrap() > 1);
    }

    /// What `weir check` says after a change of the lists.
    fn after(change: impl FnOnce(&Path)) -> (Answer, String) {
        let directory = directory();
        change(&directory.path().join("lists"));
        checked(false, directory.path())
    }

    #[test]
    fn names_in_a_file_or_folder_that_nothing_reads_are_pointed_out() {
        for name in ["gambling/domains.txt", "gambling/Domains"] {
            let (_, text) = after(|lists| fs::write(lists.join(name), "a.example\n").unwrap());
            assert!(
                text.contains(name) && text.contains("no list file"),
                "{text}"
            );
        }
        let (_, text) = after(|lists| {
            fs::create_dir(lists.join("gamblng")).unwrap();
            fs::write(lists.join("gamblng/domains"), "a.example\n").unwrap();
        });
        assert!(
            text.contains("no rule names") && text.contains("gamblng (1 entry)"),
            "{text}"
        );
    }

    #[test]
    fn threats_7_a_rule_on_a_list_that_is_empty_is_a_fault() {
        let (answer, text) = after(|lists| fs::write(lists.join("gambling/domains"), "").unwrap());
        assert_eq!(answer, Answer::No);
        assert!(
            text.contains("policy.toml:") && text.contains("\"gambling\" has no entry"),
            "{text}"
        );
    }

    #[test]
    fn titles_that_cannot_be_read_and_a_line_that_does_not_end_are_told() {
        let (answer, text) = after(|lists| {
            fs::write(lists.join("categories.toml"), "\n[broken").unwrap();
            fs::write(lists.join("gambling/domains"), "a.example\nb.exa").unwrap();
        });
        assert_eq!(answer, Answer::No);
        assert!(text.contains("categories.toml:2"), "{text}");
        assert!(text.contains("last line does not end"), "{text}");
    }

    #[test]
    fn a_state_directory_that_cannot_be_one_is_a_fault() {
        let directory = directory();
        fs::write(directory.path().join("var"), "a file").unwrap();
        let (answer, text) = checked(false, directory.path());
        assert_eq!(answer, Answer::No);
        assert!(text.contains("it is no directory"), "{text}");
    }

    #[test]
    fn readable_password_hashes_are_a_warning() {
        let directory = directory();
        let file = directory.path().join("var/users.toml");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let (answer, text) = checked(false, directory.path());
        assert_eq!(answer, Answer::Yes);
        assert!(
            text.contains("warning:") && text.contains("chmod 600"),
            "{text}"
        );
    }
}
