//! `weir check` about lists: entries that are none, categories that decide nothing, files that nothing reads.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use weir_categories::{Built, MatchKind, Report};
use weir_config::{Fault, Loaded, Settings};

use super::super::output;
use super::Findings;
use crate::held;
use crate::titles;
use crate::versions;

/// Stray files that are named at most.
const STRAYS: usize = 100;

impl Findings {
    /// What is found in lists that were built.
    pub(super) fn lists(&mut self, loaded: &Loaded, built: &Built) {
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
