//! `weir records provenance`: what an event was decided by (LM-34): the policy's own text and rule, the versions of the lists,
//! the entry, the authorisation, and the build.
//!
//! Decides how much of that can still be found, and says of the rest why not.

use std::io::Write;
use std::ops::ControlFlow;

use jiff::Timestamp;
use serde_json::{Value, json};
use weir_config::{Loaded, PolicyFile};
use weir_monitoring::basis::{Entry, History};
use weir_monitoring::query::{self, Order, Query};
use weir_monitoring::{Cells, Col, EventId, Kind};

use super::super::{Answer, Failure, output};
use super::reading::{Asked, Given, Reading};
use crate::{provenance, versions};

/// Arguments of `weir records provenance`.
#[derive(Debug, clap::Args)]
pub(crate) struct Provenance {
    /// Event id, as on the block page.
    event: EventId,
    #[command(flatten)]
    reading: Reading,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What the rows of the event say.
#[derive(Debug, Default)]
struct Event {
    seq: u64,
    time: i64,
    rule: Option<String>,
    category: Option<String>,
    list: Option<String>,
    entry: Option<String>,
    policy_version: Option<String>,
    lists_version: Option<String>,
}

/// What was found, and what was not.
#[derive(Debug, Default)]
struct Found {
    /// What, and in words.
    resolved: Vec<(&'static str, String)>,
    /// What, and why not.
    unresolved: Vec<(&'static str, String)>,
}

impl Found {
    fn put(&mut self, what: &'static str, found: Result<String, String>) {
        match found {
            Ok(words) => self.resolved.push((what, words)),
            Err(why) => self.unresolved.push((what, why)),
        }
    }
}

impl Provenance {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let query = Query {
            event: Some(self.event),
            ..Query::default()
        };
        // What an event was decided by names nobody, so whoever is shown a block page can be answered without a case.
        let asked = Asked {
            person: None,
            ..Asked::of("records provenance", &query)
        };
        self.reading
            .around(loaded, &asked, |_| self.resolve(loaded, &query, out))
    }

    fn resolve(
        &self,
        loaded: &Loaded,
        query: &Query,
        out: &mut dyn Write,
    ) -> Result<(Answer, Given), Failure> {
        let Some(event) = event(loaded, query)? else {
            return Err(Failure::Refused(format!(
                "there is no record of event {}: it never was one, or its time is over",
                self.event
            )));
        };
        let mut found = Found::default();
        policy(loaded, &event, &mut found)?;
        lists(loaded, &event, &mut found);
        found.put("authorisation", basis(loaded, &event));
        found.put("build", build(loaded, &event)?);
        if self.json {
            output::json(out, &self.as_json(&found))?;
        } else {
            for (what, words) in &found.resolved {
                writeln!(out, "{what}: {}", shown(words))?;
            }
            for (what, why) in &found.unresolved {
                writeln!(out, "{what}: cannot be resolved: {}", shown(why))?;
            }
        }
        let given = Given::rows(1).with("unresolved", found.unresolved.len());
        let answer = match found.unresolved.is_empty() {
            true => Answer::Yes,
            false => Answer::No,
        };
        Ok((answer, given))
    }

    fn as_json(&self, found: &Found) -> Value {
        let object = |pairs: &[(&'static str, String)]| -> Value {
            pairs
                .iter()
                .map(|(what, words)| ((*what).to_owned(), Value::from(words.as_str())))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        json!({
            "event": self.event.to_string(),
            "resolved": object(&found.resolved),
            "unresolved": object(&found.unresolved),
        })
    }
}

/// Several lines stay several, each safe for a terminal.
fn shown(words: &str) -> String {
    let lines: Vec<String> = words.lines().map(output::safe).collect();
    lines.join("\n  ")
}

/// The last row of the event has what was decided at last; a dispute beside it decides nothing.
fn event(loaded: &Loaded, asked: &Query) -> Result<Option<Event>, Failure> {
    let mut found: Option<Event> = None;
    let searched = query::search(&super::store(loaded)?, asked, &mut |batch| {
        let cells = Cells::new(batch);
        for row in 0..batch.num_rows() {
            let text = |col| cells.str_at(col, row).map(str::to_owned);
            let seq = cells.u64_at(Col::seq, row);
            if text(Col::kind).as_deref() == Some(Kind::Dispute.as_str()) {
                continue;
            }
            if found.as_ref().is_none_or(|last| last.seq < seq) {
                found = Some(Event {
                    seq,
                    time: cells.time_at(row),
                    rule: text(Col::rule),
                    category: text(Col::category),
                    list: text(Col::list),
                    entry: text(Col::entry),
                    policy_version: text(Col::policy_version),
                    lists_version: text(Col::lists_version),
                });
            }
        }
        ControlFlow::Continue(())
    });
    searched.map_err(Failure::refused)?;
    Ok(found)
}

fn policy(loaded: &Loaded, event: &Event, found: &mut Found) -> Result<(), Failure> {
    let Some(version) = &event.policy_version else {
        found.put("policy", Err("the row names none".to_owned()));
        return Ok(());
    };
    let text = provenance::text(&loaded.settings.state, version).map_err(Failure::refused)?;
    let Some(text) = text else {
        found.put(
            "policy",
            Err(format!(
                "version {version} is not kept: its time is over, or it was in force before Weir kept policies"
            )),
        );
        return Ok(());
    };
    if let Some(doubt) = provenance::doubt(version, &text) {
        found.put("policy", Err(doubt));
        return Ok(());
    }
    found.put(
        "policy",
        Ok(format!(
            "version {version}; its text: weir policy show {version}"
        )),
    );
    match event.rule.as_deref() {
        Some("otherwise") => {
            found.put(
                "rule",
                Ok("none matched: what the policy says under otherwise held".to_owned()),
            );
        }
        Some(rule) if rule.starts_with("mandatory:") => found.put(
            "rule",
            Ok(format!(
                "{rule}: a mandatory list, which comes before every policy"
            )),
        ),
        Some(rule) => found.put("rule", rule_text(&text, rule)),
        None => {}
    }
    Ok(())
}

/// The lines of the rule, from its heading to the next.
fn rule_text(text: &str, id: &str) -> Result<String, String> {
    let policy = PolicyFile::parse(text)
        .map_err(|faults| format!("this Weir does not read that policy: {faults}"))?;
    let rule = policy.rules.iter().find(|rule| &*rule.id == id);
    let rule = rule.ok_or_else(|| format!("the policy has no rule {id:?}"))?;
    let lines = text.lines().skip(rule.line.saturating_sub(1));
    let is_next = |line: &&str| line.trim_start().starts_with('[');
    let mut own: Vec<&str> = Vec::new();
    for (number, line) in lines.enumerate() {
        if number > 0 && is_next(&line) {
            break;
        }
        own.push(line);
    }
    while own
        .last()
        .is_some_and(|line| line.trim().is_empty() || line.starts_with('#'))
    {
        own.pop();
    }
    Ok(format!("{id}, line {}:\n{}", rule.line, own.join("\n")))
}

/// Each list with its version.
fn told(version: &str, sources: &provenance::Sources) -> String {
    let each: Vec<String> = sources
        .iter()
        .map(|(source, number)| format!("{source} {number}"))
        .collect();
    let each = match each.is_empty() {
        true => "those inside the program".to_owned(),
        false => each.join(", "),
    };
    format!("version {version} of all lists together; of each (`weir lists history`): {each}")
}

fn lists(loaded: &Loaded, event: &Event, found: &mut Found) {
    match &event.lists_version {
        Some(version) => {
            let kept = provenance::lists(&loaded.settings.state, version);
            let why = format!(
                "version {version}: which version each list had then is not kept: its time is over, or it was in force for a moment only"
            );
            found.put("lists", kept.map(|kept| told(version, &kept)).ok_or(why));
        }
        None => found.put("lists", Err("the row names no version".to_owned())),
    }
    let Some(list) = &event.list else { return };
    if let Some(entry) = &event.entry {
        let category = event.category.as_deref().unwrap_or("-");
        found.put("entry", Ok(format!("{entry:?} in {category} of {list}")));
    }
    if event
        .rule
        .as_deref()
        .is_some_and(|rule| rule.starts_with("mandatory:"))
    {
        return;
    }
    let known = versions::history(&loaded.settings).versions(Some(list));
    let second = event.time.div_euclid(1_000_000);
    let version = known.map_err(|error| error.to_string()).and_then(|known| {
        let before = known.versions.into_iter().filter(|version| version.when <= second);
        before.max_by_key(|version| version.number).ok_or_else(|| {
            format!(
                "the history of {list} has no version from before the event: it was not kept yet, it is the list inside the program, \
                 or its time is over (`weir lists history {list}`)"
            )
        })
    });
    found.put(
        "list version",
        version.map(|version| {
            let when = Timestamp::from_second(version.when).unwrap_or_default();
            format!(
                "{list}, version {} of {when}, by {}",
                version.number, version.who
            )
        }),
    );
}

fn basis(loaded: &Loaded, event: &Event) -> Result<String, String> {
    let history = History::read(&loaded.settings.state).map_err(|error| error.to_string())?;
    let before = history
        .entries
        .iter()
        .rfind(|entry| entry.time().as_microsecond() <= event.time);
    Ok(match before {
        Some(Entry::Set { basis, .. }) if basis.is_in_force_at(event.time) => basis.told(),
        _ => "none was in force: the event has no content".to_owned(),
    })
}

/// The start before the event says which program it was.
fn build(loaded: &Loaded, event: &Event) -> Result<Result<String, String>, Failure> {
    let starts = Query {
        kinds: vec![Kind::Start],
        order: Order::Newest,
        ..Query::default()
    };
    let mut last: Option<(u64, String)> = None;
    let searched = query::search(&super::store(loaded)?, &starts, &mut |batch| {
        let cells = Cells::new(batch);
        for row in 0..batch.num_rows() {
            let seq = cells.u64_at(Col::seq, row);
            let is_later = last.as_ref().is_none_or(|(other, _)| *other < seq);
            if seq < event.seq && is_later {
                let note = cells.str_at(Col::note, row).unwrap_or_default();
                last = Some((seq, note.to_owned()));
            }
        }
        ControlFlow::Continue(())
    });
    searched.map_err(Failure::refused)?;
    Ok(last
        .map(|(seq, note)| format!("{note} (row {seq})"))
        .ok_or_else(|| "the row of the start before it is not kept any more".to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_rule_is_shown_as_it_was_written_lm_34() {
        let text = include_str!("../../../../config/policy.toml");
        let id = PolicyFile::parse(text).unwrap().rules[1].id.clone();
        let shown = rule_text(text, &id).unwrap();
        assert!(shown.contains(&format!("id = \"{id}\"")), "{shown}");
        assert_eq!(shown.matches("[[rule]]").count(), 1, "{shown}");
        assert!(rule_text(text, "no such rule").is_err());
        assert!(rule_text("nonsense", &id).is_err());
    }
}
