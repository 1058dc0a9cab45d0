//! Completeness: of every segment that meets the period, that all rows of the person in it are accounted for, or that it has none.
//!
//! Which segments there are is signed, with the span of time of their rows; so is the users tree of each, which says how many rows
//! a tag has there, the first and last number, and the digest over their leaves.

use std::collections::{BTreeMap, BTreeSet};

use weir_evidence::{SealedFile, Tag, UserDigest, UserEntry, verify_users};
use weir_monitoring::bundle::{EntryLine, SEGMENTS, SegmentLine, Why, period_of};

use super::rows::Line;
use super::sums::Files;
use super::{Bundle, lines};
use crate::log::Told;
use crate::report::{Place, Report};

/// Checks every segment of every log.
pub(super) fn check(
    files: &Files,
    bundle: &Bundle,
    rows: &[Line],
    facts: &mut Vec<String>,
    report: &mut Report,
) {
    let all: Vec<SegmentLine> = lines(files, SEGMENTS, report);
    let mut said: BTreeMap<(String, String), &SegmentLine> = BTreeMap::new();
    for line in &all {
        let key = (line.node.clone(), line.path.clone());
        if said.insert(key, line).is_some() {
            let place = Place::default().of_file(&line.path);
            report.fault(&line.node, place, "the segment has two lines");
        }
    }
    let (mut met, mut with_rows) = (0_u64, 0_u64);
    for (node, told) in &bundle.logs {
        let Some(tag) = bundle.tags.get(node) else {
            continue;
        };
        let sealed = standing(told);
        uncovered(told, node, report);
        let mut own: Vec<&Line> = rows.iter().filter(|row| row.node == *node).collect();
        own.sort_by_key(|row| row.seq);
        let mut accounted = BTreeSet::new();
        for file in &sealed {
            if !(file.earliest < bundle.period.1 && file.latest >= bundle.period.0) {
                continue;
            }
            met += 1;
            let from = own.partition_point(|row| row.seq < file.first);
            let to = own.partition_point(|row| row.seq <= file.last);
            let inside = own.get(from..to).unwrap_or_default();
            accounted.extend(inside.iter().map(|row| row.seq));
            let Some(line) = said.remove(&(node.clone(), file.path.clone())) else {
                let place = Place::rows(file.first, file.last).of_file(&file.path);
                let what = "the segment meets the period, and nothing tells whether the person has rows in it";
                report.fault(node, place, what);
                continue;
            };
            let theirs = inside.iter().filter(|row| row.tag == *tag).copied();
            match judge(file, line, *tag, &theirs.collect::<Vec<_>>()) {
                Ok(is_present) => with_rows += u64::from(is_present),
                Err(what) => {
                    let place = Place::rows(file.first, file.last).of_file(&file.path);
                    report.fault(node, place, what);
                }
            }
        }
        for row in own.iter().filter(|row| row.why != Why::Context) {
            if !accounted.contains(&row.seq) {
                let what = "it lies in no segment that meets the period";
                report.fault(node, Place::rows(row.seq, row.seq), what);
            }
        }
    }
    for (node, path) in said.keys() {
        let what = "no checkpoint names such a segment, or it does not meet the period";
        report.fault(node, Place::default().of_file(path), what);
    }
    if bundle.asked.subject.is_some() {
        facts.push(format!(
            "{met} segments meet the period; in {with_rows} of them the person has rows, and each of these rows is accounted for"
        ));
    }
}

/// The segments that checkpoints name and whose period was not removed since. One that is named with the removal of its period is
/// one that a hold left there.
fn standing(told: &Told) -> Vec<&SealedFile> {
    let is_standing = |path: &str, number: u64| {
        let removed = told.removed.get(period_of(path));
        removed.is_none_or(|removed| *removed <= number)
    };
    let mut found: Vec<&SealedFile> = told
        .sealed
        .iter()
        .filter(|(path, (_, number))| is_standing(path, *number))
        .map(|(_, (file, _))| file)
        .collect();
    found.sort_by_key(|file| file.first);
    found
}

/// Rows of the log that lie in no segment: what is said of the person does not reach them.
fn uncovered(told: &Told, node: &str, report: &mut Report) {
    let Some(last) = told.last().map(|last| &last.checkpoint) else {
        return;
    };
    let mut ranges: Vec<(u64, u64)> = told
        .sealed
        .values()
        .map(|(file, _)| (file.first, file.last))
        .collect();
    ranges.sort_unstable();
    ranges.push((last.last.saturating_add(1), u64::MAX));
    let mut next = last.first;
    for (first, end) in ranges {
        if first > next {
            report.remarks.push(format!(
                "rows {next} to {} of {node} are in no segment: they were lost, as a gap row says, or not sealed when the bundle was \
                 made; that none of them is the person's is not proved",
                first - 1
            ));
        }
        next = next.max(end.saturating_add(1));
    }
}

/// Whether a line says the truth of a segment; whether the person has rows there.
fn judge(file: &SealedFile, line: &SegmentLine, tag: Tag, rows: &[&Line]) -> Result<bool, String> {
    let prove = |entry: &EntryLine| -> Result<UserEntry, String> {
        let (found, path) = entry.read().ok_or("an entry is not what it should be")?;
        let rows = verify_users(&found, entry.index, file.entries, &path, &file.users);
        match rows {
            Some(rows) if rows == file.rows => Ok(found),
            _ => Err("an entry is not proved to be in the users tree that was signed".to_owned()),
        }
    };
    if let Some(entry) = &line.present {
        if line.before.is_some() || line.after.is_some() {
            return Err("it says both that the person has rows and that they have none".to_owned());
        }
        let entry = prove(entry)?;
        if entry.tag != tag {
            return Err("the entry is of another person".to_owned());
        }
        return count(&entry, rows).map(|()| true);
    }
    if !rows.is_empty() {
        return Err(
            "it is said to have no row of the person, and rows of theirs are shown".to_owned(),
        );
    }
    let before = line.before.as_ref();
    let after = line.after.as_ref();
    for (entry, is_before) in [(before, true), (after, false)] {
        if let Some(entry) = entry {
            let found = prove(entry)?;
            let is_there = if is_before {
                found.tag < tag
            } else {
                found.tag > tag
            };
            if !is_there {
                return Err("the entries beside where the person's would be are others".to_owned());
            }
        }
    }
    let is_gap = match (before, after) {
        (Some(before), Some(after)) => before.index.checked_add(1) == Some(after.index),
        (None, Some(after)) => after.index == 0,
        (Some(before), None) => before.index.checked_add(1) == Some(file.entries),
        (None, None) => false,
    };
    match is_gap {
        true => Ok(false),
        false => Err("it is not proved that the person has no rows: entries may lie between those that are shown".to_owned()),
    }
}

/// Whether these, in order of their numbers, are all rows of an entry.
fn count(entry: &UserEntry, rows: &[&Line]) -> Result<(), String> {
    let there = rows.len() as u64;
    if there != entry.rows {
        return Err(format!(
            "{} rows of the person were sealed in it, and {there} are accounted for: rows were left out or put in",
            entry.rows
        ));
    }
    let mut digest = UserDigest::default();
    rows.iter().for_each(|row| digest.push(&row.leaf));
    let ends = (
        rows.first().map(|row| row.seq),
        rows.last().map(|row| row.seq),
    );
    if ends != (Some(entry.first), Some(entry.last)) || digest.finish() != entry.digest {
        return Err("the rows of the person are not those that were sealed in it".to_owned());
    }
    Ok(())
}
