//! Does an export bundle hold? Recomputes every row's leaf from what is shown, the way from leaves to signed checkpoints, and that
//! no row of the person was left out of any segment that meets the period (LM-36, LM-37, LM-38).
//!
//! Decides what counts as a fault of a bundle. Needs nothing but the directory: no key, no network, no Weir. The forms are
//! `weir-monitoring`'s, and `docs/records-bundle.md` describes them.

mod agree;
mod person;
mod rows;
mod sums;
mod tree;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use weir_evidence::{Tag, TagKey};
use weir_monitoring::bundle::{
    Asked, FILES, FORM, LOG_FILES, NOTE, QUERY, REDACTIONS, Redactions, SUMS, Why,
};
use weir_monitoring::{Cells, Col, EventId, Period};

use crate::log::{self, Told};
use crate::outside::Outside;
use crate::promise::Removals;
use crate::report::{Fault, Place, Report};

use rows::Rows;
use sums::Files;

/// What the check of a bundle found.
#[derive(Clone, Debug, Default)]
pub struct BundleReport {
    /// What the bundle is and what was checked, in plain words.
    pub facts: Vec<String>,
    /// What does not hold, in the order in which it was met.
    pub faults: Vec<Fault>,
    /// What is to be known besides: what is not proved, and why.
    pub remarks: Vec<String>,
}

impl BundleReport {
    /// Whether nothing is wrong.
    pub fn holds(&self) -> bool {
        self.faults.is_empty()
    }

    /// The report as one JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "holds": self.holds(),
            "facts": self.facts,
            "faults": self.faults,
            "remarks": self.remarks,
        })
    }

    /// The report in plain words.
    pub fn to_text(&self) -> String {
        let mut text = String::from("Bundle\n");
        for fact in &self.facts {
            text.push_str(&format!("       {fact}\n"));
        }
        text.push_str(&crate::report::lines(&self.faults, &self.remarks));
        text.push_str(if self.holds() {
            "The bundle holds: its rows stood in the signed log exactly like this, and what it says is all of them is.\n"
        } else {
            "The bundle does NOT hold. The first fault above is the first place where it breaks.\n"
        });
        text
    }
}

/// Whether a directory is a bundle, or what is left of one.
pub fn is_bundle(directory: &Path) -> bool {
    let marks = [SUMS, NOTE, QUERY, FILES[3]];
    marks.iter().any(|name| directory.join(name).exists())
}

/// Everything that the parts of a check share.
struct Bundle {
    asked: Asked,
    redactions: Redactions,
    logs: BTreeMap<String, Told>,
    /// The person's tag in each log.
    tags: BTreeMap<String, Tag>,
    /// µs since the epoch, the second exclusive.
    period: (i64, i64),
}

/// Checks a bundle. `tag_key` is for an auditor who has it: whether the tag is the person's.
///
/// # Errors
/// When the directory cannot be read at all. Whatever is wrong inside is in the report.
pub fn check_bundle(
    directory: &Path,
    outside: &Outside,
    tag_key: Option<&TagKey>,
) -> io::Result<BundleReport> {
    let mut report = Report::default();
    let mut facts = Vec::new();
    let files = sums::read(directory, &mut report)?;
    let nodes = nodes(&files, &mut report);
    let mut logs = BTreeMap::new();
    for node in nodes {
        let told = log_of(&files, &node, &mut report);
        outside.compare_extract(&told, &node, &mut report);
        logs.insert(node, told);
    }
    sums::check_note(&files, &logs, &mut report);
    if let Some(bundle) = read(&files, logs, &mut report) {
        bundle.say(&mut facts, &mut report);
        bundle.check_subject(tag_key, &mut report);
        if let Some(rows) = Rows::read(&files, &mut report) {
            let lines = rows.check(&files, &bundle, &mut report);
            tree::check(&files, &bundle, &lines, &mut facts, &mut report);
            person::check(&files, &bundle, &lines, &mut facts, &mut report);
            agree::check(&files, &bundle, &rows, &mut report);
            bundle.erased(&rows, &lines, &mut report);
            bundle.limits(&lines, &mut report);
        }
    }
    outside.limits(&mut report);
    Ok(BundleReport {
        facts,
        faults: report.faults,
        remarks: report.remarks,
    })
}

/// The nodes whose logs the bundle has; each file must be one that a bundle has, and none may be missing.
fn nodes(files: &Files, report: &mut Report) -> Vec<String> {
    let mut nodes: Vec<String> = Vec::new();
    for name in files.names() {
        let parts: Vec<&str> = name.split('/').collect();
        match parts.as_slice() {
            [file] if FILES.contains(file) => {}
            ["log", node, file] if LOG_FILES.contains(file) && !node.is_empty() => {
                if nodes.last().is_none_or(|last| last != node) {
                    nodes.push((*node).to_owned());
                }
            }
            _ => fault(report, name, "no bundle has such a file"),
        }
    }
    let of_logs = nodes
        .iter()
        .flat_map(|node| LOG_FILES.map(|file| format!("log/{node}/{file}")));
    let needed: Vec<String> = FILES
        .map(str::to_owned)
        .into_iter()
        .chain(of_logs)
        .collect();
    for name in needed {
        if !files.has(&name) {
            fault(report, &name, "this file is not there");
        }
    }
    if nodes.is_empty() {
        fault(
            report,
            "log",
            "there is no log, so nothing proves these rows",
        );
    }
    nodes
}

fn log_of(files: &Files, node: &str, report: &mut Report) -> Told {
    let shown = |name: &str| format!("log/{node}/{name}");
    let [checkpoints, _, keys] = LOG_FILES;
    let bytes = files.bytes(&shown(checkpoints)).unwrap_or_default();
    let told = log::follow(bytes, node, &shown(checkpoints), report);
    if told.points.is_empty() && told.is_whole {
        fault(report, &shown(checkpoints), "there is no checkpoint in it");
    }
    let lines = told.keys.iter().map(|key| format!("{key}\n"));
    let said = files.text(&shown(keys));
    if said.is_some_and(|said| said != lines.collect::<String>()) {
        let what = "these are not the keys that the checkpoints name";
        fault(report, &shown(keys), what);
    }
    told
}

fn read(files: &Files, logs: BTreeMap<String, Told>, report: &mut Report) -> Option<Bundle> {
    let asked: Asked = json(files, QUERY, report)?;
    let redactions = json(files, REDACTIONS, report)?;
    if asked.form != FORM {
        let what = format!(
            "its form is {:?}, and {FORM} is what is known here",
            asked.form
        );
        fault(report, QUERY, what);
        return None;
    }
    let Some(to) = asked.query.to else {
        fault(report, QUERY, "it does not say when its period ends");
        return None;
    };
    let from = asked.query.from;
    let from = from.map_or(i64::MIN, |from| from.as_microsecond());
    let mut tags = BTreeMap::new();
    for (node, tag) in asked.subject.iter().flat_map(|subject| &subject.tags) {
        match tag.parse() {
            Ok(tag) => drop(tags.insert(node.clone(), tag)),
            Err(error) => fault(report, QUERY, format!("the tag of {node}: {error}")),
        }
    }
    Some(Bundle {
        asked,
        redactions,
        logs,
        tags,
        period: (from, to.as_microsecond()),
    })
}

fn json<T: DeserializeOwned>(files: &Files, name: &str, report: &mut Report) -> Option<T> {
    let bytes = files.bytes(name)?;
    match serde_json::from_slice(bytes) {
        Ok(value) => Some(value),
        Err(error) => {
            fault(
                report,
                name,
                format!("it is not what it should be: {error}"),
            );
            None
        }
    }
}

/// Each line of a file of JSON lines, with its number; a fault for the first that is none.
fn lines<T: DeserializeOwned>(files: &Files, name: &str, report: &mut Report) -> Vec<T> {
    let Some(text) = files.text(name) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.split_terminator('\n')) {
        match serde_json::from_str(line) {
            Ok(value) => found.push(value),
            Err(error) => {
                fault(report, name, format!("line {number}: {error}"));
                break;
            }
        }
    }
    found
}

fn fault(report: &mut Report, file: &str, what: impl Into<String>) {
    report.fault("", Place::default().of_file(file), what);
}

impl Bundle {
    fn say(&self, facts: &mut Vec<String>, report: &mut Report) {
        let asked = &self.asked;
        let whose = asked.subject.as_ref();
        let whose = whose.map_or("no single person", |subject| subject.user.as_str());
        let from = asked.query.from;
        let from = from.map_or_else(|| "the beginning".to_owned(), |from| from.to_string());
        let to = asked.query.to.map_or_else(String::new, |to| to.to_string());
        facts.push(format!("of {whose}, from {from} to {to}"));
        let case = asked.case.as_deref().unwrap_or("none named");
        let (made, purpose) = (asked.generated, &asked.purpose);
        facts.push(format!("made {made:.0} for {purpose}, case {case}"));
        for (node, told) in &self.logs {
            for key in &told.keys {
                facts.push(format!("log of {node}, key {key}"));
            }
            if let Some(last) = told.last().map(|last| &last.checkpoint) {
                let time = moment(last.time);
                facts.push(format!(
                    "{} checkpoints of {node} hold, the last signed {time:.0} over {} rows",
                    told.points.len(),
                    last.size
                ));
                if self.period.1 > last.time {
                    report.remarks.push(format!(
                        "the period ends after the last checkpoint of {node}, {time:.0}: what came after it is not covered"
                    ));
                }
            }
            let mut removals = Removals::default();
            removals.checkpoints(told, node, report);
            removals.tell(told, report);
            self.say_removed(node, told, report);
        }
        report.remarks.extend(asked.remarks.iter().cloned());
    }

    /// Days of the period whose rows were removed because their time was over.
    fn say_removed(&self, node: &str, told: &Told, report: &mut Report) {
        for period in told.removed.keys() {
            let Ok(end) = period.parse::<Period>().map(Period::end) else {
                continue;
            };
            let begin = end.saturating_sub(86_400_000_000);
            if begin < self.period.1 && end > self.period.0 {
                report.remarks.push(format!(
                    "the records of {period} of {node} were removed because their time was over: of that day only what a case holds can be in the bundle"
                ));
            }
        }
    }

    fn check_subject(&self, tag_key: Option<&TagKey>, report: &mut Report) {
        let user = self.asked.query.user.as_ref();
        let subject = self.asked.subject.as_ref();
        let stored = user.map(|user| weir_monitoring::scrub::text(user, usize::MAX).into_owned());
        if stored.as_ref() != subject.map(|subject| &subject.user) {
            fault(
                report,
                QUERY,
                "the person is not the one that the query names",
            );
        }
        if subject.is_some() && !self.tags.keys().eq(self.logs.keys()) {
            fault(
                report,
                QUERY,
                "it does not say the person's tag in each log",
            );
        }
        let (Some(key), Some(subject)) = (tag_key, subject) else {
            return;
        };
        let fingerprint = Some(key.fingerprint());
        let of_key = |told: &Told| {
            let first = told.points.first();
            first.and_then(|first| first.checkpoint.tag_key) == fingerprint
        };
        let mut own = self.logs.iter().filter(|(_, told)| of_key(told)).peekable();
        if own.peek().is_none() {
            fault(
                report,
                QUERY,
                "the tag key that was given is of none of these logs",
            );
        }
        for (node, _) in own {
            if self.tags.get(node) != Some(&key.tag(&subject.user)) {
                let what = format!("the tag of {node} is not that of {}", subject.user);
                fault(report, QUERY, what);
            }
        }
    }

    /// What is left of the person's rows that were erased, and whether a row tells of it.
    fn erased(&self, rows: &Rows, lines: &[rows::Line], report: &mut Report) {
        let mut told: BTreeMap<(&str, EventId), u64> = BTreeMap::new();
        for line in lines {
            if let Some(event) = line.told_by {
                *told.entry((&line.node, event)).or_default() += 1;
            }
        }
        let cells = Cells::new(&rows.context);
        let proved = |node: &str, seq: u64| {
            let is_it = |line: &rows::Line| {
                line.why == Why::Context && line.node == node && line.seq == seq
            };
            lines.iter().any(is_it)
        };
        for ((node, event), count) in told {
            let telling = (0..rows.context.num_rows()).find(|row| {
                let kind = cells.str_at(Col::kind, *row);
                matches!(kind, Some("erasure" | "retention"))
                    && cells.u64_at(Col::event, *row) == event.0
                    && cells.str_at(Col::node, *row) == Some(node)
                    && proved(node, cells.u64_at(Col::seq, *row))
            });
            let why = match telling {
                Some(row) => format!(
                    "row {} tells of it: {}",
                    cells.u64_at(Col::seq, row),
                    cells.str_at(Col::note, row).unwrap_or_default()
                ),
                None => format!(
                    "the row that told of it, event {event}, is not there: its own time may be over, or it never was"
                ),
            };
            report.remarks.push(format!(
                "{count} rows of the person were erased from the records of {node}, so that what they said and when they began is not \
                 known any more; {why}"
            ));
        }
    }

    /// What cannot be known from the bundle.
    fn limits(&self, lines: &[rows::Line], report: &mut Report) {
        let shown = lines.iter().filter(|line| line.why == Why::Row);
        if self.asked.subject.is_none() {
            report.remarks.push(
                "no person was asked for: each row is proved to be in the log, but not that no other row matches".to_owned(),
            );
        } else if !shown.clone().any(|line| line.shows_user) {
            report.remarks.push(
                "no row shows the person's name together with their tag: that the tag is theirs is the word of whoever made the bundle, \
                 unless the tag key is given (--tag-key)"
                    .to_owned(),
            );
        }
        report.remarks.push(
            "gaps, starts, stops, clock steps and disputes in context.jsonl are proved to be in the log; that there are no others is not"
                .to_owned(),
        );
        if self.asked.counts.unproved > 0 {
            report.remarks.push(format!(
                "{} rows in unproved.jsonl were not sealed when the bundle was made: nothing here proves them",
                self.asked.counts.unproved
            ));
        }
    }

    fn is_in_period(&self, time: i64) -> bool {
        (self.period.0..self.period.1).contains(&time)
    }
}

fn moment(time: i64) -> Timestamp {
    Timestamp::from_microsecond(time).unwrap_or(Timestamp::MIN)
}
