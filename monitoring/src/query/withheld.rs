//! Rows without the people in them: what a look at many people at once gets, for a person's history needs a case (LM-12).

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, RecordBatch, StringArray, UInt16Array, new_null_array,
};
use arrow::compute::nullif;
use arrow::error::ArrowError;

use crate::adapt::Cells;
use crate::record::Col;
use crate::words::Kind;

/// Columns that lead to one person, or to the few of a group, a room or a profile: whoever looks may know that it has one member.
pub const WITHHELD: [Col; 8] = [
    Col::user,
    Col::groups,
    Col::device,
    Col::network,
    Col::profile,
    Col::client,
    Col::client_port,
    Col::listener,
];

/// Rows whose note tells of nobody; the notes of others may name somebody: reads the person that was asked for, failed sign-ins
/// the one whose name was typed.
const TOLD: [Kind; 11] = [
    Kind::Request,
    Kind::RequestOpen,
    Kind::TunnelOpen,
    Kind::TunnelClose,
    Kind::Refusal,
    Kind::Start,
    Kind::Stop,
    Kind::Gap,
    Kind::Reload,
    Kind::Clock,
    Kind::Retention,
];

/// A batch of [`crate::schema`] without [`WITHHELD`], and without notes that may name somebody.
///
/// # Errors
/// When the batch has other columns.
pub(super) fn without_people(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let rows = batch.num_rows();
    let mut columns = batch.columns().to_vec();
    for col in WITHHELD {
        if let Some(column) = columns.get_mut(col.index()) {
            *column = match col {
                Col::client_port => Arc::new(UInt16Array::from(vec![0; rows])),
                _ => new_null_array(column.data_type(), rows),
            };
        }
    }
    let cells = Cells::new(batch);
    let is_told = |row| {
        cells
            .str_at(Col::kind, row)
            .is_some_and(|kind| TOLD.iter().any(|told| told.as_str() == kind))
    };
    let hidden: BooleanArray = (0..rows).map(|row| Some(!is_told(row))).collect();
    if let Some(notes) = columns.get_mut(Col::note.index()) {
        let shown: ArrayRef = nullif(&**notes, &hidden)?;
        *notes = shown;
    }
    RecordBatch::try_new(batch.schema(), columns)
}

/// Whether the note of a row names this case: as `case` of its JSON object, or in its words.
pub(super) fn names_case(
    kinds: Option<&StringArray>,
    notes: Option<&StringArray>,
    row: usize,
    case: &str,
) -> bool {
    let text = |column: Option<&StringArray>| {
        let column = column.filter(|column| row < column.len() && column.is_valid(row))?;
        Some(column.value(row).to_owned())
    };
    let (Some(kind), Some(note)) = (text(kinds), text(notes)) else {
        return false;
    };
    if TOLD.iter().any(|told| told.as_str() == kind) {
        return false;
    }
    match serde_json::from_str::<serde_json::Value>(&note) {
        Ok(note) => note["case"].as_str() == Some(case),
        Err(_) => {
            let is_end =
                |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '-' && c != '_');
            note.match_indices(case).any(|(at, _)| {
                let (before, after) = (note.get(..at), note.get(at + case.len()..));
                is_end(before.and_then(|before| before.chars().next_back()))
                    && is_end(after.and_then(|after| after.chars().next()))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::ops::ControlFlow;

    use super::*;
    use crate::query::{Query, search};
    use crate::testing::{settings, stop, store};
    use crate::{EventId, Record, Recorder};

    #[test]
    fn without_a_case_no_note_names_whoever_failed_to_sign_in_or_was_told_lm_12() {
        let directory = tempfile::tempdir().unwrap();
        let recorder = Recorder::start(settings(directory.path())).unwrap();
        let mut lane = recorder.lane();
        for (number, kind) in (0..).zip(Kind::ALL) {
            let mut row = Record::new(*kind, EventId(number), 1_790_000_000_000_000);
            row.user = Some("anna".into());
            row.note = Some("wrong, as \"anna\"".into());
            lane.push(row);
        }
        drop(lane);
        stop(&recorder);
        let shown = |withhold_people: bool, kind: Kind| {
            let query = Query {
                withhold_people,
                kinds: vec![kind],
                ..Query::default()
            };
            let mut shown = String::new();
            let searched = search(&store(directory.path()), &query, &mut |batch| {
                let cells = Cells::new(batch);
                for row in 0..batch.num_rows() {
                    for col in [Col::user, Col::note] {
                        shown.push_str(cells.str_at(col, row).unwrap_or_default());
                    }
                }
                ControlFlow::Continue(())
            });
            assert!(searched.unwrap().rows > 0);
            shown
        };
        for kind in [Kind::SignInFailure, Kind::Notice, Kind::Read, Kind::Dispute] {
            assert!(shown(false, kind).contains("anna"), "{kind}");
            assert!(!shown(true, kind).contains("anna"), "{kind}");
        }
    }
}
