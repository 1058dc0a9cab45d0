//! What `policy.toml` must say by itself, and of the settings.

use std::collections::HashMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::{Known, groups, profiles, unique};
use crate::document::Report;
use crate::{Action, PolicyFile, RuleFile, Settings};

pub(super) fn check(policy: &PolicyFile, report: &mut Report) {
    unique(
        "term",
        "name",
        policy.terms.iter().map(|item| &item.name),
        report,
    );
    unique(
        "period",
        "name",
        policy.periods.iter().map(|item| &item.name),
        report,
    );
    unique(
        "profile",
        "name",
        policy.profiles.iter().map(|item| &item.name),
        report,
    );
    unique(
        "group",
        "name",
        policy.groups.iter().map(|item| &item.name),
        report,
    );
    unique(
        "category",
        "name",
        policy.categories.iter().map(|item| &item.name),
        report,
    );
    unique(
        "rule",
        "id",
        policy.rules.iter().map(|item| &item.id),
        report,
    );
    profile_choice(policy, report);
    terms(policy, report);
    periods(policy, report);
    for (index, rule) in policy.rules.iter().enumerate() {
        let section = format!("rule[{}]", index + 1);
        limits(&section, rule, report);
        content(&section, rule, today(policy), report);
        texts(&section, rule, report);
    }
    order(policy, report);
    references(policy, report);
}

/// References to the settings.
pub(super) fn refer(policy: &PolicyFile, settings: &Settings, report: &mut Report) {
    let networks = Known::new("network", settings.networks.iter().map(|item| &item.name));
    let devices = Known::new("device", settings.devices.iter().map(|item| &item.name));
    for (index, rule) in policy.rules.iter().enumerate() {
        networks.check(
            &format!("rule[{}].networks", index + 1),
            &rule.networks,
            report,
        );
        devices.check(
            &format!("rule[{}].devices", index + 1),
            &rule.devices,
            report,
        );
    }
}

fn references(policy: &PolicyFile, report: &mut Report) {
    let (profiles, groups) = (profiles(policy), groups(policy));
    let periods = Known::new("period", policy.periods.iter().map(|item| &item.name));
    profiles.check("strictest", [&policy.strictest], report);
    for (index, rule) in policy.rules.iter().enumerate() {
        let key = |leaf: &str| format!("rule[{}].{leaf}", index + 1);
        profiles.check(&key("profiles"), &rule.profiles, report);
        groups.check(&key("groups"), &rule.groups, report);
        periods.check(&key("periods"), &rule.periods, report);
        periods.check(&key("not_periods"), &rule.not_periods, report);
    }
}

/// AF-05, and one profile for each group.
fn profile_choice(policy: &PolicyFile, report: &mut Report) {
    if policy.profiles.len() < 2 {
        let message =
            "one profile for everyone is not enough: at least pupils and staff differ (AF-05)";
        report.fault("profile", message.to_owned());
    }
    let mut seen = HashMap::new();
    for (index, profile) in policy.profiles.iter().enumerate() {
        for group in &profile.groups {
            let other = seen.insert(group, index);
            if other.is_some_and(|other| other != index) {
                let message = format!("{group:?} already has a profile further up, which decides");
                report.fault(&format!("profile[{}].groups", index + 1), message);
            }
        }
    }
}

fn terms(policy: &PolicyFile, report: &mut Report) {
    for (index, term) in policy.terms.iter().enumerate() {
        let key = |leaf: &str| format!("term[{}].{leaf}", index + 1);
        if report.has_fault(&key("first")) || report.has_fault(&key("last")) {
            continue;
        }
        if term.last < term.first {
            report.fault(
                &key("last"),
                format!("{} is before {}, its first day", term.last, term.first),
            );
        }
        let mut earlier = policy.terms.iter().take(index);
        let overlaps = |other: &&crate::Term| other.first <= term.last && term.first <= other.last;
        if let Some(other) = earlier.find(overlaps) {
            report.fault(&key("first"), format!("the term overlaps {:?}", other.name));
        }
    }
}

fn periods(policy: &PolicyFile, report: &mut Report) {
    for (index, period) in policy.periods.iter().enumerate() {
        let key = |leaf: &str| format!("period[{}].{leaf}", index + 1);
        if period.days.is_empty() {
            report.fault(&key("days"), "no day".to_owned());
        }
        if period.to <= period.from && !report.has_fault(&key("from")) {
            let message = format!(
                "{} is not after {}: a time over midnight is two periods, one to \"24:00\" and one from \"00:00\"",
                period.to, period.from
            );
            report.fault(&key("to"), message);
        }
        if period.term_only && policy.terms.is_empty() {
            let message = "never holds, because there is no [[term]]";
            report.warn(&key("term_only"), message.to_owned());
        }
    }
}

/// Limits where they mean something.
fn limits(section: &str, rule: &RuleFile, report: &mut Report) {
    let key = |leaf: &str| format!("{section}.{leaf}");
    if report.has_fault(&key("action")) {
        return;
    }
    let rates = [("down", rule.down), ("up", rule.up)];
    let sizes = [
        ("download_size", rule.download_size),
        ("upload_size", rule.upload_size),
    ];
    let given = |(_, value): &&(&str, Option<u64>)| value.is_some();
    let all = || rates.iter().chain(&sizes);
    match rule.action {
        Action::Limit if all().all(|(_, value)| value.is_none()) => {
            report.fault(
                &key("action"),
                "a limit needs down, up, download_size or upload_size".to_owned(),
            );
        }
        Action::Limit => {}
        Action::Allow | Action::Warn => {
            for (leaf, _) in rates.iter().filter(given) {
                report.fault(&key(leaf), "only with action = \"limit\"".to_owned());
            }
        }
        Action::Block => {
            for (leaf, _) in all().filter(given) {
                report.fault(
                    &key(leaf),
                    "nothing is left to limit of what is blocked".to_owned(),
                );
            }
        }
    }
    if rule.exempt_limits && matches!(rule.action, Action::Block | Action::Limit) {
        let message = format!("means nothing with action = \"{}\"", rule.action);
        report.fault(&key("exempt_limits"), message);
    }
}

fn today(policy: &PolicyFile) -> Date {
    let zone = TimeZone::get(&policy.time_zone).unwrap_or(TimeZone::UTC);
    Timestamp::now().to_zoned(zone).date()
}

/// Content of what is let through, where that means something, and for twelve months at most (LM-04).
fn content(section: &str, rule: &RuleFile, today: Date, report: &mut Report) {
    let Some(content) = &rule.content else { return };
    let key = format!("{section}.content_until");
    if matches!(rule.action, Action::Block | Action::Warn) {
        let message = format!(
            "means nothing with action = \"{}\": content of what is blocked or warned about is kept in any case",
            rule.action
        );
        return report.fault(&key, message);
    }
    if rule.matches_everything() {
        let message = "content of everything would be kept: name what the rule is about (LM-04)";
        return report.fault(&key, message.to_owned());
    }
    let latest = today.checked_add(12.months()).unwrap_or(today);
    if content.until > latest {
        let message = format!(
            "{} is more than twelve months ahead: at most {latest}, to be renewed then (LM-04)",
            content.until
        );
        report.fault(&key, message);
    } else if content.until < today {
        let message = format!(
            "the time ended with {}: content of this rule is kept no more; take both keys out, or renew them",
            content.until
        );
        report.warn(&key, message);
    }
}

/// What people read, and cites law that was replaced (LM-01).
fn texts(section: &str, rule: &RuleFile, report: &mut Report) {
    let reason = rule.content.as_ref().map_or("", |content| &content.reason);
    for (leaf, text) in [("words", &*rule.words), ("content_reason", reason)] {
        if let Some(outdated) = crate::law::outdated(text) {
            report.warn(&format!("{section}.{leaf}"), outdated);
        }
    }
}

/// Mandatory rules first, and nothing after a rule that matches everything.
fn order(policy: &PolicyFile, report: &mut Report) {
    let mut other = None;
    let mut last = None;
    for (index, rule) in policy.rules.iter().enumerate() {
        let key = format!("rule[{}].id", index + 1);
        if rule.id.starts_with("mandatory:") {
            let message =
                "ids that begin with mandatory: are those of mandatory lists, which no rule can be";
            report.fault(&key, message.to_owned());
        }
        if !rule.id.starts_with("mandatory-") {
            other.get_or_insert(&rule.id);
        } else if let Some(other) = other {
            report.fault(
                &key,
                format!("mandatory rules come before all others, and {other:?} is further up"),
            );
        }
        if let Some(last) = last {
            report.warn(
                &key,
                format!("never decides: {last:?} further up matches everything"),
            );
        }
        if rule.matches_everything() {
            last.get_or_insert(&rule.id);
        }
    }
}
