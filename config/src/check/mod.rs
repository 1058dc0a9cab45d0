//! Decides what the values of the files must say together: uniqueness, references, and combinations that mean nothing.

mod policy;
mod settings;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::document::Report;
use crate::text;
use crate::{PolicyFile, Settings};

/// Checks of `weir.toml` by itself.
pub(crate) fn settings(file: &Settings, report: &mut Report) {
    if !report.broken {
        settings::check(file, report);
    }
}

/// Checks of `policy.toml` by itself.
pub(crate) fn policy(file: &PolicyFile, report: &mut Report) {
    if !report.broken {
        policy::check(file, report);
    }
}

/// What one file says of the other.
pub(crate) fn together(
    settings: &Settings,
    settings_report: &mut Report,
    policy: &PolicyFile,
    policy_report: &mut Report,
) {
    if settings_report.broken || policy_report.broken {
        return;
    }
    settings::refer(settings, policy, settings_report);
    policy::refer(policy, settings, policy_report);
}

/// Tells every name that comes a second time. A name that is already faulty is empty and told elsewhere.
fn unique<'a>(
    section: &str,
    leaf: &str,
    names: impl Iterator<Item = &'a Arc<str>>,
    report: &mut Report,
) {
    let mut seen: HashMap<&Arc<str>, String> = HashMap::new();
    for (index, name) in names.enumerate() {
        let key = format!("{section}[{}].{leaf}", index + 1);
        if name.is_empty() {
            continue;
        }
        match seen.get(name) {
            Some(first) => {
                let line = report.line(first).unwrap_or(1);
                report.fault(
                    &key,
                    format!("{name:?} is already the {leaf} of the one in line {line}"),
                );
            }
            None => {
                seen.insert(name, key);
            }
        }
    }
}

/// The names that references may use.
struct Known<'a> {
    what: &'static str,
    names: HashSet<&'a str>,
}

impl<'a> Known<'a> {
    fn new(what: &'static str, names: impl IntoIterator<Item = &'a Arc<str>>) -> Known<'a> {
        let names = names.into_iter().map(|name| &**name).collect();
        Known { what, names }
    }

    /// Tells every reference to a name that is not known.
    fn check<'r>(
        &self,
        key: &str,
        references: impl IntoIterator<Item = &'r Arc<str>>,
        report: &mut Report,
    ) {
        for name in references {
            // An empty name on either side is a fault that is told already.
            let told = name.is_empty() || self.names.contains("");
            if told || self.names.contains(&**name) {
                continue;
            }
            let mut sorted: Vec<&str> = self.names.iter().copied().collect();
            sorted.sort_unstable();
            let guess = text::did_you_mean(name, sorted.into_iter());
            report.fault(key, format!("there is no {} {name:?}{guess}", self.what));
        }
    }
}

/// Groups that mean something: with limits of their own, or named by a profile.
fn groups(policy: &PolicyFile) -> Known<'_> {
    let own = policy.groups.iter().map(|group| &group.name);
    let profiles = policy.profiles.iter().flat_map(|profile| &profile.groups);
    Known::new("group", own.chain(profiles))
}

fn profiles(policy: &PolicyFile) -> Known<'_> {
    Known::new(
        "profile",
        policy.profiles.iter().map(|profile| &profile.name),
    )
}
