//! What goes and what stays, row by row.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use arrow::array::Array;

use super::{Held, is_erasable};
use crate::adapt::Cells;
use crate::column::Grade;
use crate::paths::Period;
use crate::proof::{RowFile, row_files};
use crate::query::{Query, every};
use crate::record::{Col, columns};
use crate::store::Store;

/// The sealed segments of a node, with the period in which each lies.
pub(super) fn segments(store: &Store, node: &str) -> io::Result<Vec<(Period, RowFile)>> {
    let files = row_files(store)?.into_iter();
    let own = files.filter(|file| file.node == node && file.last.is_some());
    let period = |file: &RowFile| file.sealed_name().split('/').next()?.parse().ok();
    Ok(own
        .filter_map(|file| Some((period(&file)?, file)))
        .collect())
}

/// Numbers of the rows of a node that match and can be erased.
///
/// # Errors
/// In words: a case that holds one of them, or a file that cannot be read, so that a row might be missed.
pub(super) fn to_erase(
    store: &Store,
    node: &str,
    query: &Query,
    held: &Held,
) -> Result<BTreeSet<u64>, String> {
    let mut found = BTreeSet::new();
    let mut cases = BTreeSet::new();
    // Journals are not looked at: what came in since everything was sealed is of another time, stays, and is not told as gone.
    let unreadable = every(store, query, &mut |batch| {
        cases.extend(held.cases(batch).map(str::to_owned));
        let cells = Cells::new(batch);
        for row in 0..batch.num_rows() {
            let is_own = cells.str_at(Col::node, row) == Some(node);
            if is_own && is_erasable(cells.str_at(Col::kind, row).unwrap_or_default()) {
                found.insert(cells.u64_at(Col::seq, row));
            }
        }
    });
    let unreadable = unreadable.map_err(|error| error.to_string())?;
    if let Some(file) = unreadable.first() {
        return Err(format!(
            "{}: {}; rows in it could be missed, so nothing was erased",
            file.name, file.error
        ));
    }
    if !cases.is_empty() {
        let cases: Vec<String> = cases.into_iter().collect();
        return Err(format!(
            "some of these rows are held by case {}; release the hold first, or narrow what is to be erased",
            cases.join(", ")
        ));
    }
    Ok(found)
}

/// What a period whose time is over keeps.
#[derive(Default)]
pub(super) struct Sifted {
    /// Rows that go, by segment; none for a segment that stays as it is.
    pub(super) rows: BTreeMap<String, BTreeSet<u64>>,
    /// Segments without a single row under a hold.
    pub(super) segments: Vec<String>,
    /// Rows under a hold.
    pub(super) held: u64,
}

/// Sifts the segments of a period: rows under a hold stay, and in their segments rows about recording itself.
pub(super) fn sift(store: &Store, files: &[RowFile], held: &Held) -> io::Result<Sifted> {
    let mut sifted = Sifted::default();
    for file in files {
        let (mut gone, mut kept) = (BTreeSet::new(), 0);
        file.batches(store, &mut |batch| {
            let cells = Cells::new(batch);
            for (row, is_held) in held.mask(batch).into_iter().enumerate() {
                kept += u64::from(is_held);
                if !is_held && is_erasable(cells.str_at(Col::kind, row).unwrap_or_default()) {
                    gone.insert(cells.u64_at(Col::seq, row));
                }
            }
            Ok(())
        })?;
        sifted.held += kept;
        if kept == 0 {
            sifted.segments.push(file.sealed_name().to_owned());
        } else if !gone.is_empty() {
            sifted.rows.insert(file.sealed_name().to_owned(), gone);
        }
    }
    Ok(sifted)
}

/// Rows of a period that have content: those under a hold, and the others.
pub(super) fn contents(
    store: &Store,
    files: &[RowFile],
    held: &Held,
) -> io::Result<(BTreeSet<u64>, BTreeSet<u64>)> {
    let (mut kept, mut gone) = (BTreeSet::new(), BTreeSet::new());
    for file in files {
        file.batches(store, &mut |batch| {
            let cells = Cells::new(batch);
            let held = held.mask(batch);
            let content: Vec<_> = columns()
                .iter()
                .zip(batch.columns())
                .filter(|(column, _)| column.grade == Grade::Content)
                .collect();
            for (row, is_held) in held.into_iter().enumerate() {
                if content.iter().any(|(_, values)| values.is_valid(row)) {
                    let place = if is_held { &mut kept } else { &mut gone };
                    place.insert(cells.u64_at(Col::seq, row));
                }
            }
            Ok(())
        })?;
    }
    Ok((kept, gone))
}
