//! How an explanation is told.

use std::io::{self, Write};

use serde_json::{Value, json};
use weir_policy::{Limits, Rule};

use super::{Explained, output};
use crate::sealed;

impl Explained {
    fn rule(&self) -> Option<&Rule> {
        self.snapshot.policy.rule(self.verdict?.rule?)
    }

    /// Periods of the policy in force then.
    fn periods(&self) -> Vec<&str> {
        let held = self.snapshot.policy.periods(self.at.timestamp());
        let periods = self.snapshot.policy_file.periods.iter().enumerate();
        periods
            .filter(|(number, _)| held.has(*number))
            .map(|(_, period)| &*period.name)
            .collect()
    }

    fn rule_name(&self) -> String {
        if let Some(list) = self.mandatory_list() {
            return sealed::rule(list).to_string();
        }
        let id = self.rule().map(|rule| &rule.id);
        id.unwrap_or(&self.snapshot.otherwise).to_string()
    }

    fn recorded(&self) -> String {
        if self.mandatory.is_some() {
            return "one row for the request: who, when, list, rule and event; nothing of the address".to_owned();
        }
        let rows = match &self.question.path {
            // A tunnel that is not opened is a request that was answered.
            None if self.verdict_word() == "allow" => {
                "one row when the tunnel opens and one when it ends"
            }
            _ => "one row for the request",
        };
        let path = match (&self.question.path, self.keeps_path()) {
            (None, _) => "the path is not visible".to_owned(),
            (Some(_), Ok(())) => "with the path".to_owned(),
            (Some(_), Err(why)) => format!("without the path, because {why}"),
        };
        format!("{rows}: who, when, host, verdict, rule and bytes; {path}")
    }
}

/// One object; `rule`, `category`, `list` and `entry` are those that decided.
pub(super) fn as_json(explained: &Explained) -> Value {
    let who = explained.who.as_ref();
    let deciding = explained.deciding_match();
    let names = explained.snapshot.index.names();
    let now = sealed::now();
    let matches = explained.matches.iter().map(|found| {
        json!({
            "category": &**names.name(found.category),
            "list": &*found.list,
            "kind": found.kind.file_name(),
            "entry": found.entry,
            "voided": found.voided.as_ref().map(|by| json!({ "list": &*by.list, "entry": by.entry })),
        })
    });
    json!({
        "target": explained.question.shown(),
        "method": explained.question.method,
        "at": explained.at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        "periods": explained.periods(),
        "user": who.and_then(|who| who.subject.user.as_deref()),
        "device": who.and_then(|who| who.subject.device.as_deref()),
        "network": who.and_then(|who| who.subject.network.as_deref()),
        "profile": who.map(|who| &*who.profile),
        "identity": who.map(|who| who.identity.as_str()),
        "verdict": explained.verdict_word(),
        "refused": explained.refused,
        "rule": explained.verdict.map(|_| explained.rule_name()),
        "rule_line": explained.rule().map(|rule| rule.line),
        "words": explained.rule().map(|rule| &*rule.words),
        "purpose": explained.rule().map(|rule| rule.purpose.as_str()),
        "category": explained.category_name().map(|name| &**name),
        "list": match explained.mandatory_list() {
            Some(list) => Some(&*list.slot.name),
            None => deciding.map(|found| &*found.list),
        },
        "entry": deciding.map(|found| &found.entry),
        "categories": explained.category_names(),
        "matches": matches.collect::<Vec<_>>(),
        "mandatory_list": explained.mandatory_list().map(|list| &*list.slot.name),
        "mandatory_lists": explained.snapshot.sealed.slots().map(|state| sealed::as_json(state, now)).collect::<Vec<_>>(),
        "limits": explained.verdict.map(|verdict| limits_json(&verdict.limits)),
        "decrypted": false,
        "records_path": explained.keeps_path().is_ok(),
        "policy_version": &*explained.snapshot.policy_version,
        "lists_version": &*explained.snapshot.lists_version,
    })
}

fn limits_json(limits: &Limits) -> Value {
    json!({
        "download_size": limits.download_size,
        "upload_size": limits.upload_size,
        "daily": limits.daily,
        "user_down": limits.user_down,
        "user_up": limits.user_up,
        "rule_down": limits.rule_down,
        "rule_up": limits.rule_up,
        "exempt": limits.exempt,
    })
}

/// One line for each thing that bears on the answer.
pub(super) fn tell(explained: &Explained, out: &mut dyn Write) -> io::Result<()> {
    let (target, method) = (explained.question.shown(), &explained.question.method);
    writeln!(out, "{}: {method} {target}", explained.verdict_word())?;
    let mut line = |name: &str, text: String| writeln!(out, "  {name:<10} {text}");
    if let Some(refused) = &explained.refused {
        line("refused", refused.clone())?;
    }
    if explained.verdict.is_some() {
        line("rule", told_rule(explained))?;
    }
    if let Some(category) = explained.category_name() {
        line("category", category.to_string())?;
    }
    for found in &explained.matches {
        let category = explained.snapshot.index.names().name(found.category);
        line(
            "listed",
            format!(
                "{} in {category} of {}{}",
                found.entry,
                found.list,
                output::voided(found)
            ),
        )?;
    }
    if let Some(list) = explained.mandatory_list() {
        let title = output::safe(&list.slot.title);
        line(
            "listed",
            format!("in the mandatory list {title}, which nothing lifts"),
        )?;
    } else if explained.matches.is_empty() {
        line(
            "listed",
            format!("nowhere; {}", explained.category_names().join(", ")),
        )?;
    }
    if !explained.matches.is_empty() {
        line("counts as", explained.category_names().join(", "))?;
    }
    if explained.who.is_some() {
        line("who", told_who(explained))?;
    }
    let moment = explained.at.strftime("%A %-d %B %Y %H:%M:%S %Z");
    let periods = match explained.periods() {
        periods if periods.is_empty() => "no period of the policy".to_owned(),
        periods => periods.join(", "),
    };
    line("when", format!("{moment}; {periods}"))?;
    if let Some(verdict) = explained.verdict {
        line("limits", told_limits(&verdict.limits))?;
    }
    if explained.question.path.is_none() {
        line(
            "decrypted",
            "no: of a tunnel only host and port are decided on".to_owned(),
        )?;
    }
    line("recorded", explained.recorded())?;
    let now = sealed::now();
    for state in explained.snapshot.sealed.slots() {
        line("mandatory", output::safe(&sealed::told(state, now)))?;
    }
    let (policy, lists) = (
        &explained.snapshot.policy_version,
        &explained.snapshot.lists_version,
    );
    line("versions", format!("policy {policy}, lists {lists}"))
}

fn told_rule(explained: &Explained) -> String {
    match explained.rule() {
        None if explained.mandatory.is_some() => explained.rule_name(),
        None => "none holds; the policy's `otherwise` decides".to_owned(),
        Some(rule) => {
            let file = explained.snapshot.policy_file.file.display();
            let words = if rule.words.is_empty() {
                String::new()
            } else {
                format!(": {}", rule.words)
            };
            format!(
                "{} ({file}:{}, {}){words}",
                rule.id, rule.line, rule.purpose
            )
        }
    }
}

fn told_who(explained: &Explained) -> String {
    let Some(who) = &explained.who else {
        return String::new();
    };
    let subject = &who.subject;
    let named = [
        ("user", &subject.user),
        ("device", &subject.device),
        ("network", &subject.network),
    ];
    let known = named
        .iter()
        .filter_map(|(what, name)| Some(format!("{what} {}", name.as_ref()?)));
    let known: Vec<String> = known.collect();
    let known = if known.is_empty() {
        "nobody known".to_owned()
    } else {
        known.join(", ")
    };
    format!(
        "{known}; profile {} (identity: {})",
        who.profile, who.identity
    )
}

fn told_limits(limits: &Limits) -> String {
    if limits.exempt {
        return "exempt from the limits on rates and allowances".to_owned();
    }
    let sizes = [
        ("a download", limits.download_size),
        ("an upload", limits.upload_size),
        ("a day", limits.daily),
    ];
    let rates = [
        ("down", limits.user_down),
        ("up", limits.user_up),
        ("down for this rule", limits.rule_down),
        ("up for this rule", limits.rule_up),
    ];
    let sizes = sizes
        .iter()
        .filter_map(|(what, size)| Some(format!("{} {what}", output::size((*size)?))));
    let rates = rates
        .iter()
        .filter_map(|(what, rate)| Some(format!("{} {what}", output::rate((*rate)?))));
    let told: Vec<String> = sizes.chain(rates).collect();
    if told.is_empty() {
        "none".to_owned()
    } else {
        told.join(", ")
    }
}
