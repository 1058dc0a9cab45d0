//! Row by row: that what is shown, with the salts and commitments beside it, is exactly what the leaf was made of, and that what is
//! withheld may be.

use std::collections::{BTreeMap, BTreeSet};

use weir_evidence::{Hash, NO_FIELDS, Opening, Salt, Tag, leaf_of};
use weir_monitoring::bundle::{
    self, CONTEXT, PROOF, ProofLine, ROWS_JSONL, UNPROVED, Why, is_narrow,
};
use weir_monitoring::proof::{Fields, Group};
use weir_monitoring::{Cells, Col, EventId, RecordBatch};

use super::sums::Files;
use super::{Bundle, fault, lines};
use crate::report::{Place, Report};

/// The rows that are shown.
pub(super) struct Rows {
    pub(super) rows: RecordBatch,
    pub(super) context: RecordBatch,
    pub(super) unproved: RecordBatch,
}

/// A line of the proof that fits its row.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) node: String,
    pub(super) seq: u64,
    pub(super) tag: Tag,
    pub(super) index: u64,
    pub(super) why: Why,
    pub(super) leaf: Hash,
    /// Whether the person's name is shown.
    pub(super) shows_user: bool,
    /// Of an erased row, the event of the row that tells of it.
    pub(super) told_by: Option<EventId>,
}

/// Place of each row by node and number.
type Places = BTreeMap<(String, u64), usize>;

impl Rows {
    pub(super) fn read(files: &Files, report: &mut Report) -> Option<Rows> {
        let mut read = |name: &str| {
            let text = files.text(name)?;
            match bundle::rows(text) {
                Ok(rows) => Some(rows),
                Err(error) => {
                    fault(report, name, error.to_string());
                    None
                }
            }
        };
        let (rows, context, unproved) = (read(ROWS_JSONL), read(CONTEXT), read(UNPROVED));
        Some(Rows {
            rows: rows?,
            context: context?,
            unproved: unproved?,
        })
    }

    /// Checks every line of the proof against its row; the lines.
    pub(super) fn check(&self, files: &Files, bundle: &Bundle, report: &mut Report) -> Vec<Line> {
        let all: Vec<ProofLine> = lines(files, PROOF, report);
        let mut places = [
            places(&self.rows, ROWS_JSONL, report),
            places(&self.context, CONTEXT, report),
        ];
        let fields = [Fields::new(&self.rows), Fields::new(&self.context)];
        let [Ok(rows), Ok(context)] = fields else {
            return Vec::new();
        };
        let mut found: Vec<Line> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut withheld = BTreeMap::new();
        for line in &all {
            let at = |report: &mut Report, what: String| {
                let place = Place::rows(line.seq, line.seq).of_file(PROOF);
                report.fault(&line.node, place, what);
            };
            if !seen.insert((line.node.clone(), line.seq)) {
                at(report, "the row has two lines".to_owned());
                continue;
            }
            let [of_rows, of_context] = &mut places;
            let key = (line.node.clone(), line.seq);
            let shown = match line.why {
                Why::Row => of_rows.remove(&key).map(|row| (&self.rows, &rows, row)),
                Why::Context => of_context
                    .remove(&key)
                    .map(|row| (&self.context, &context, row)),
                Why::Outside | Why::Narrower | Why::Erased => None,
            };
            if shown.is_none() && matches!(line.why, Why::Row | Why::Context) {
                at(report, "the row that it proves is not there".to_owned());
                continue;
            }
            match line_holds(line, shown, bundle, &mut withheld) {
                Ok(line) => found.push(line),
                Err(what) => at(report, what),
            }
        }
        for (places, file) in places.iter().zip([ROWS_JSONL, CONTEXT]) {
            for (node, seq) in places.keys() {
                let place = Place::rows(*seq, *seq).of_file(file);
                report.fault(node, place, "nothing proves this row");
            }
        }
        check_redactions(bundle, &found, &withheld, report);
        found
    }
}

fn places(batch: &RecordBatch, file: &str, report: &mut Report) -> Places {
    let cells = Cells::new(batch);
    let mut found = Places::new();
    for row in 0..batch.num_rows() {
        let node = cells.str_at(Col::node, row).unwrap_or_default().to_owned();
        let seq = cells.u64_at(Col::seq, row);
        if found.insert((node.clone(), seq), row).is_some() {
            let place = Place::rows(seq, seq).of_file(file);
            report.fault(&node, place, "the row stands twice");
        }
    }
    found
}

type Shown<'a> = (&'a RecordBatch, &'a Fields<'a>, usize);

/// Checks one line; counts the groups that it withholds of a row that is shown.
fn line_holds(
    line: &ProofLine,
    shown: Option<Shown<'_>>,
    bundle: &Bundle,
    withheld: &mut BTreeMap<String, u64>,
) -> Result<Line, String> {
    let tag: Tag = line.tag.parse().map_err(|error| format!("{error}"))?;
    let leaf: Hash = line.leaf.parse().map_err(|error| format!("{error}"))?;
    if !bundle.logs.contains_key(&line.node) {
        return Err(format!("there is no log of {}", line.node));
    }
    if line.why == Why::Erased {
        return erased(line, tag, leaf, bundle);
    }
    if line.event.is_some() {
        return Err("it names an event, and only of erased rows one is named".to_owned());
    }
    let is_group = |word: &String| Group::ALL.iter().any(|group| group.as_str() == word);
    if !line
        .salts
        .keys()
        .chain(line.commitments.keys())
        .all(is_group)
    {
        return Err("it names a group that no row has".to_owned());
    }
    let mut commitments = [NO_FIELDS; 4];
    for (group, place) in Group::ALL.into_iter().zip(&mut commitments) {
        *place = commitment(line, group, shown)?;
        if shown.is_some() && line.commitments.contains_key(group.as_str()) {
            *withheld.entry(group.as_str().to_owned()).or_default() += 1;
        }
    }
    if leaf_of(line.seq, line.time, tag, &commitments) != leaf {
        return Err("this row is not what was signed: its fields do not give its leaf".to_owned());
    }
    let shows_user = row_fits(line, tag, shown, bundle)?;
    Ok(Line {
        node: line.node.clone(),
        seq: line.seq,
        tag,
        index: line.index,
        why: line.why,
        leaf,
        shows_user,
        told_by: None,
    })
}

/// A row of which nothing but the leaf is left: whose it is, the digest over the person's leaves shows.
fn erased(line: &ProofLine, tag: Tag, leaf: Hash, bundle: &Bundle) -> Result<Line, String> {
    if bundle.tags.get(&line.node) != Some(&tag) {
        return Err("it is said to be erased, and is of nobody who was asked for".to_owned());
    }
    if line.time != 0 || !line.salts.is_empty() || !line.commitments.is_empty() {
        return Err("it is said to be erased, and something is left of it".to_owned());
    }
    let event = line.event.as_ref().and_then(|event| event.parse().ok());
    let event = event.ok_or("it is said to be erased, and not which row tells of it")?;
    Ok(Line {
        node: line.node.clone(),
        seq: line.seq,
        tag,
        index: line.index,
        why: Why::Erased,
        leaf,
        shows_user: false,
        told_by: Some(event),
    })
}

/// The commitment of a group: opened with the fields that are shown, or as it is given.
fn commitment(line: &ProofLine, group: Group, shown: Option<Shown<'_>>) -> Result<Hash, String> {
    let word = group.as_str();
    let given = match line.commitments.get(word) {
        Some(text) => Some(text.parse::<Hash>().map_err(|error| error.to_string())?),
        None => None,
    };
    let salt = match line.salts.get(word) {
        Some(text) => Some(
            text.parse::<Tag>()
                .map_err(|_| "a salt is 32 hexadecimal digits")?,
        ),
        None => None,
    };
    let mut opening = salt.map(|salt| Opening::new(group as u8, Salt(salt.0)));
    let mut fields = 0;
    if let Some((_, of, row)) = shown {
        of.each(group, row, |id, value| {
            fields += 1;
            opening.as_mut().map_or(Ok(()), |it| it.field(id, value))
        })?;
    }
    match (opening, given) {
        (Some(_), Some(_)) => Err(format!("the group {word} is both shown and withheld")),
        (Some(_), None) if fields == 0 => Err(format!(
            "the group {word} is said to be shown, and has no field"
        )),
        (Some(opening), None) => Ok(opening.finish()),
        (None, _) if fields > 0 => Err(format!(
            "fields of the group {word} are shown, and nothing opens them"
        )),
        (None, given) => Ok(given.unwrap_or(NO_FIELDS)),
    }
}

/// Whether the row is one that may stand where it stands; whether it shows the person's name.
fn row_fits(
    line: &ProofLine,
    tag: Tag,
    shown: Option<Shown<'_>>,
    bundle: &Bundle,
) -> Result<bool, String> {
    let person = bundle.tags.get(&line.node).copied();
    let is_inside = bundle.is_in_period(line.time);
    let mut shows_user = false;
    if let Some((batch, _, row)) = shown {
        let cells = Cells::new(batch);
        if cells.time_at(row) != line.time {
            return Err("its time is another than in the proof".to_owned());
        }
        let user = cells.str_at(Col::user, row).map(str::to_lowercase);
        let asked = bundle.asked.subject.as_ref();
        let asked = asked.map(|subject| subject.user.to_lowercase());
        shows_user = user.is_some() && user == asked;
        if user.is_some() && asked.is_some() && (user == asked) != (Some(tag) == person) {
            return Err("its name and its tag are not of one person".to_owned());
        }
        if user.is_none() && tag != Tag::NONE && line.salts.contains_key(Group::Who.as_str()) {
            return Err("it has no name, and a person's tag".to_owned());
        }
    }
    let is_of_person = person.is_none() || person == Some(tag);
    let fault = match line.why {
        Why::Row if !is_of_person => "it is a row of another person",
        Why::Row if !is_inside => "it began outside the period",
        Why::Row | Why::Context => return Ok(shows_user),
        _ if person.is_none() || !is_of_person => "it is withheld, and of nobody who was asked for",
        Why::Outside if is_inside => "it is withheld as outside the period, and began inside",
        Why::Narrower if !is_inside => {
            "it is withheld as not asked for, and began outside the period"
        }
        Why::Narrower if !is_narrow(&bundle.asked.query) => {
            "it is withheld, although all rows of the person were asked for"
        }
        Why::Outside | Why::Narrower | Why::Erased => return Ok(false),
    };
    Err(fault.to_owned())
}

/// What is withheld must be named, with a reason and the right number.
fn check_redactions(
    bundle: &Bundle,
    lines: &[Line],
    withheld: &BTreeMap<String, u64>,
    report: &mut Report,
) {
    let file = weir_monitoring::bundle::REDACTIONS;
    let mut named = BTreeMap::new();
    for group in &bundle.redactions.groups {
        if group.reason.trim().is_empty() {
            fault(
                report,
                file,
                format!("no reason is given for {}", group.group),
            );
        }
        if group.rows > 0 {
            named.insert(group.group.clone(), group.rows);
        }
    }
    if named != *withheld {
        let what = "the groups that it names are not those that the rows withhold, or in another number of rows";
        fault(report, file, what);
    }
    for why in [Why::Outside, Why::Narrower, Why::Erased] {
        let own = bundle.redactions.rows.iter().filter(|rows| rows.why == why);
        let said: u64 = own.map(|rows| rows.rows).sum();
        let there = lines.iter().filter(|line| line.why == why).count() as u64;
        if said != there {
            fault(
                report,
                file,
                format!("it tells of {said} withheld rows, and there are {there}"),
            );
        }
    }
}
