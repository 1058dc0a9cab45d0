//! The statement of an export: what was asked, for what, what came of it, and what was not recorded in its time.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use arrow::datatypes::UInt64Type;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Format;
use crate::adapt::Cells;
use crate::paths::moment;
use crate::query::{FileRead, Query, Searched, Unreadable};
use crate::record::Col;
use crate::words::Kind;

/// What an export is. Kept beside it as JSON; a receiver compares `sha256` with the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// Version of Weir that wrote the export.
    pub weir: String,
    /// When it was written.
    pub generated: Timestamp,
    /// Purpose code (LM-03).
    pub purpose: String,
    /// The exact query.
    pub query: Query,
    /// Form of the file.
    pub format: Format,
    /// Rows in it.
    pub rows: u64,
    /// Bytes in it.
    pub bytes: u64,
    /// SHA-256 of it, in hexadecimal digits.
    pub sha256: String,
    /// When its first row began.
    pub first: Option<Timestamp>,
    /// When its last row began.
    pub last: Option<Timestamp>,
    /// Lowest and highest number of its rows.
    pub seq: Option<(u64, u64)>,
    /// Rows by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Rows by verdict.
    pub verdicts: BTreeMap<String, u64>,
    /// Versions of the policy that decided (LM-34).
    pub policy_versions: BTreeSet<String>,
    /// Versions of the lists that decided (LM-34).
    pub lists_versions: BTreeSet<String>,
    /// Opening rows in it whose closing row is not in it: still running, or cut off by the end of the time asked for.
    pub still_open: u64,
    /// Starts, stops, gaps, clock steps, reloads and removed periods that touch the time asked for (LM-32, LM-33).
    pub happenings: Vec<Happening>,
    /// How many of them are gaps.
    pub gaps: u64,
    /// Rows from journals that were not sealed yet.
    pub unsealed_rows: u64,
    /// Files that were read.
    pub files: Vec<FileRead>,
    /// Files that should have been read and could not: rows may be missing.
    pub unreadable: Vec<Unreadable>,
    /// The authorisations to monitor that were in force in the time asked for, and their ends (LM-01, LM-02).
    #[serde(default)]
    pub basis: Vec<crate::basis::Entry>,
    /// What the reader of an empty export must know, such as that nobody of the name asked for is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// A row about the records themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// Machine that wrote it.
    pub node: String,
    /// Number of the row.
    pub seq: u64,
    /// What it tells of.
    pub kind: String,
    /// When it began.
    pub from: Timestamp,
    /// When it ended; the same as `from` for what does not last.
    pub to: Timestamp,
    /// In plain words.
    pub note: String,
}

impl Happening {
    /// Every row of a batch.
    pub(super) fn read(batch: &RecordBatch) -> impl Iterator<Item = Happening> {
        let cells = Cells::new(batch);
        let text = move |col, row| cells.str_at(col, row).unwrap_or_default().to_owned();
        (0..batch.num_rows()).map(move |row| {
            let from = cells.time_at(row);
            let lasted = i64::try_from(cells.u64_at(Col::duration, row)).unwrap_or(i64::MAX);
            Happening {
                node: text(Col::node, row),
                seq: cells.u64_at(Col::seq, row),
                kind: text(Col::kind, row),
                from: moment(from),
                to: moment(from.saturating_add(lasted)),
                note: text(Col::note, row),
            }
        })
    }
}

/// What is counted while rows pass.
#[derive(Debug, Default)]
pub(super) struct Tally {
    times: Option<(i64, i64)>,
    seq: Option<(u64, u64)>,
    kinds: BTreeMap<String, u64>,
    verdicts: BTreeMap<String, u64>,
    policies: BTreeSet<String>,
    lists: BTreeSet<String>,
    open: BTreeSet<u64>,
}

/// What is known of the file.
pub(super) struct Output {
    pub(super) generated: Timestamp,
    pub(super) sha256: String,
    pub(super) bytes: u64,
}

impl Tally {
    pub(super) fn count(&mut self, batch: &RecordBatch) {
        let cells = Cells::new(batch);
        for time in cells.times().into_iter().flat_map(|times| times.values()) {
            self.times = Some(self.times.map_or((*time, *time), |(first, last)| {
                (first.min(*time), last.max(*time))
            }));
        }
        for seq in cells
            .numbers::<UInt64Type>(Col::seq)
            .into_iter()
            .flat_map(|column| column.values())
        {
            self.seq = Some(self.seq.map_or((*seq, *seq), |(first, last)| {
                (first.min(*seq), last.max(*seq))
            }));
        }
        for row in 0..batch.num_rows() {
            let kind = cells.str_at(Col::kind, row).unwrap_or_default();
            add(&mut self.kinds, kind);
            // A dispute repeats the verdict of its event, which is counted already.
            if kind != Kind::Dispute.as_str() {
                add(
                    &mut self.verdicts,
                    cells.str_at(Col::verdict, row).unwrap_or_default(),
                );
            }
            note(&mut self.policies, cells.str_at(Col::policy_version, row));
            note(&mut self.lists, cells.str_at(Col::lists_version, row));
            self.follow(kind, cells.u64_at(Col::event, row));
        }
    }

    fn follow(&mut self, kind: &str, event: u64) {
        match kind.parse() {
            Ok(Kind::RequestOpen | Kind::TunnelOpen) => {
                self.open.insert(event);
            }
            Ok(Kind::Request | Kind::TunnelClose) => {
                self.open.remove(&event);
            }
            _ => {}
        }
    }

    pub(super) fn into_statement(
        self,
        purpose: weir_config::Purpose,
        query: Query,
        format: Format,
        searched: Searched,
        happenings: Vec<Happening>,
        output: Output,
    ) -> Statement {
        let is_gap = |happening: &&Happening| happening.kind == Kind::Gap.as_str();
        let unsealed = searched
            .files
            .iter()
            .filter(|file| file.is_journal)
            .map(|file| file.rows);
        Statement {
            weir: env!("CARGO_PKG_VERSION").to_owned(),
            generated: output.generated,
            purpose: purpose.as_str().to_owned(),
            query,
            format,
            rows: searched.rows,
            bytes: output.bytes,
            sha256: output.sha256,
            first: self.times.map(|(first, _)| moment(first)),
            last: self.times.map(|(_, last)| moment(last)),
            seq: self.seq,
            kinds: self.kinds,
            verdicts: self.verdicts,
            policy_versions: self.policies,
            lists_versions: self.lists,
            still_open: self.open.len() as u64,
            gaps: happenings.iter().filter(is_gap).count() as u64,
            happenings,
            unsealed_rows: unsealed.sum(),
            files: searched.files,
            unreadable: searched.unreadable,
            basis: Vec::new(),
            remarks: Vec::new(),
        }
    }
}

fn add(counts: &mut BTreeMap<String, u64>, word: &str) {
    match counts.get_mut(word) {
        Some(count) => *count += 1,
        None => drop(counts.insert(word.to_owned(), 1)),
    }
}

fn note(versions: &mut BTreeSet<String>, version: Option<&str>) {
    if let Some(version) = version
        && !versions.contains(version)
    {
        versions.insert(version.to_owned());
    }
}
