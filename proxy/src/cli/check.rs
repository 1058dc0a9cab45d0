//! `weir check`: every fault at once, before a running Weir meets it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use weir_categories::Built;
use weir_config::{Fault, Faults, Loaded};

use super::{Answer, Failure, lists, output, shown_path};
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
        match lists::build(&loaded.settings) {
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

    fn lists(&mut self, loaded: &Loaded, built: &Built) {
        let report = &built.report.faults;
        let as_fault = |fault: &weir_categories::Fault| Fault {
            file: fault.file.clone(),
            line: fault.line.and_then(|line| usize::try_from(line).ok()),
            key: String::new(),
            message: match &*fault.entry {
                "" => fault.reason.clone(),
                entry => format!("{entry:?}: {}", fault.reason),
            },
        };
        let listed = report.iter().count();
        self.faults.extend(report.iter().map(as_fault));
        self.more = report.count().saturating_sub(listed as u64);
        if let Err(faults) = weir_policy::compile(&loaded.policy, built.index.names()) {
            self.faults.extend(faults);
        }
        let counts = built.index.counts();
        self.summary.push(format!(
            "{} in {} of {}",
            output::counted(counts.domains as u64, "name", "names"),
            output::counted(counts.categories as u64, "category", "categories"),
            output::counted(counts.lists as u64, "list", "lists"),
        ));
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
        assert!(text.starts_with("No faults."), "{text}");
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
