//! `weir check`: every fault at once, before a running Weir meets it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use serde_json::{Value, json};
use weir_categories::sealed::Protection;
use weir_categories::{Built, MatchKind, Report};
use weir_config::{Fault, Faults, Loaded, Settings};
use weir_monitoring::basis::History;

use super::{Answer, Failure, basis, lists, output, shown_path};
use crate::held;
use crate::law;
use crate::sealed;
use crate::terms;
use crate::titles;
use crate::tls;
use crate::users::Users;
use crate::versions;

/// Stray files that are named at most.
const STRAYS: usize = 100;

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
        if let Some(ending) = terms::ending_now(&loaded.policy) {
            self.warn(loaded.policy.file.clone(), "term", ending);
        }
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
        match weir_policy::compile(&loaded.policy, built.index.names()) {
            Ok(policy) => {
                self.missing(&loaded.settings, &policy);
                self.rules_and_lists(loaded, &policy, built);
            }
            Err(faults) => self.faults.extend(faults),
        }
        self.files(&loaded.settings, &built.report);
        let counts = built.index.counts();
        self.summary.push(format!(
            "{} in {} of {}",
            output::counted(counts.domains as u64, "name", "names"),
            output::counted(counts.categories as u64, "category", "categories"),
            output::counted(counts.lists as u64, "list", "lists"),
        ));
    }

    /// Categories that the policy names and no list has. Weir starts all the same, since a list may lose one at any time: so
    /// this is where a slip is found.
    fn missing(&mut self, settings: &Settings, policy: &weir_policy::Policy) {
        for missing in policy.missing() {
            let mut fault = missing.fault.clone();
            if let Some(last) = versions::last_with(settings, &missing.category) {
                fault.message.push_str(&format!(
                    "; {} had it until its version {}",
                    last.source, last.number
                ));
            }
            fault.message.push_str(
                "; Weir serves all the same, but decides nothing by it, and sites that were in it count as unlisted",
            );
            self.faults.push(fault);
        }
    }

    /// Categories that decide nothing, and rules that wait for lists that are empty.
    fn rules_and_lists(&mut self, loaded: &Loaded, policy: &weir_policy::Policy, built: &Built) {
        let mut entries: BTreeMap<&str, u64> = BTreeMap::new();
        for file in &built.report.files {
            *entries.entry(&file.category).or_default() += file.entries;
        }
        let names = built.index.names();
        let listed = |name: &str| !weir_categories::category::is_built_in(name);
        let mut unruled: Vec<(&str, u64)> = Vec::new();
        for (id, name) in names.iter().filter(|(_, name)| listed(name)) {
            match (policy.rules_on(id), entries.get(&**name).copied().unwrap_or(0)) {
                (false, count) => unruled.push((name, count)),
                (true, 0) => self.faults.push(Fault {
                    file: loaded.policy.file.clone(),
                    line: loaded
                        .policy
                        .rules
                        .iter()
                        .find(|rule| rule.categories.iter().any(|ruled| **ruled == **name))
                        .map(|rule| rule.line),
                    key: "categories".to_owned(),
                    message: format!(
                        "the category {name:?} has no entry in any list, so this rule decides nothing by it"
                    ),
                }),
                (true, _) => {}
            }
        }
        unruled.sort_by_key(|(name, count)| (Reverse(*count), *name));
        if !unruled.is_empty() {
            let told: Vec<String> = unruled
                .iter()
                .map(|(name, count)| {
                    format!("{name} ({})", output::counted(*count, "entry", "entries"))
                })
                .collect();
            let message = format!(
                "no rule names these categories, so their sites count as unlisted: {}",
                told.join(", ")
            );
            self.warn(loaded.policy.file.clone(), "rule", message);
        }
    }

    /// What lies among the lists and is not what its writer believes.
    fn files(&mut self, settings: &Settings, report: &Report) {
        for file in report
            .files
            .iter()
            .filter(|file| held::is_unended(&file.file))
        {
            let message = "its last line does not end with a newline, as in a half-written file; end it with one".to_owned();
            self.warn(file.file.clone(), "", message);
        }
        for directory in &settings.lists.directories {
            if let Err(faults) = titles::check(directory) {
                self.faults.extend(faults.0);
            }
            for stray in strays(directory) {
                let message = "no list file: entries are read from domains, urls, expressions, keywords and exceptions only, spelled so".to_owned();
                self.warn(stray, "", message);
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

/// Files in category folders that look like lists and are none, such as `domains.txt`. What publishers put beside their
/// lists on purpose is left alone.
fn strays(directory: &Path) -> Vec<PathBuf> {
    let entries = |path: &Path| {
        let read = fs::read_dir(path).into_iter().flatten();
        read.filter_map(|entry| Some(entry.ok()?.path()))
            .collect::<Vec<_>>()
    };
    let is_stray = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let lower = name.to_lowercase();
        let hidden = name.starts_with('.') || name.ends_with('~');
        let known = MatchKind::ALL.iter().any(|kind| name == kind.file_name());
        let like = MatchKind::ALL
            .iter()
            .any(|kind| lower.starts_with(kind.file_name().trim_end_matches('s')));
        !hidden && !known && like && path.is_file()
    };
    let folders = entries(directory).into_iter().filter(|path| path.is_dir());
    let mut strays: Vec<PathBuf> = folders
        .flat_map(|folder| entries(&folder))
        .filter(is_stray)
        .take(STRAYS)
        .collect();
    strays.sort_unstable();
    strays
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
