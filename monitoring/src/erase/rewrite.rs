//! A segment without some of its rows, or without the content of some, under new keys.
//!
//! Decides the order of steps: tombstones first, then the rows, then the salts, then what else lies beside. After each of them
//! the files say the same of every row, so that neither a reader nor a crash can come at a wrong moment; done again it comes to
//! the same.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{filter_record_batch, nullif};
use arrow::error::ArrowError;

use super::steps::step;
use crate::column::Grade;
use crate::event::EventId;
use crate::hosts;
use crate::keys::{DataKey, destroy_file};
use crate::paths::{FileName, entries};
use crate::proof::tombstones::{self, Tombstone};
use crate::proof::{RowFile, Why, sidecar};
use crate::record::{Col, columns, schema};
use crate::seal;
use crate::segment::Facts;
use crate::store::{self, Store};

/// What goes from a segment, and who tells of it.
pub(super) struct Going {
    pub(super) rows: BTreeSet<u64>,
    pub(super) contents: BTreeSet<u64>,
    pub(super) why: Why,
    pub(super) event: EventId,
}

/// Writes a segment anew.
///
/// # Errors
/// When it cannot be read or written; it can be done again then.
pub(super) fn rewrite(
    store: &Store,
    file: &RowFile,
    keys: &[Arc<DataKey>; 2],
    going: &Going,
) -> io::Result<()> {
    let facts = Facts::read(store, &file.path).map_err(io::Error::other)?;
    if facts.key != keys[0].name {
        bury(store, file, going)?;
        step(store)?;
        let batches = left(store, file, going)?;
        let facts = Facts {
            rows: batches.iter().map(RecordBatch::num_rows).sum::<usize>() as u64,
            ..facts
        };
        seal::write(store.layout(), &file.path, &facts, keys, batches).map_err(io::Error::other)?;
        step(store)?;
    }
    // Until then the filter says more hosts than there are, which only costs a look.
    if !hosts::is_under(&file.path, &keys[0]) {
        let batches = left(store, file, going)?;
        hosts::write(store, &keys[0], &file.path, &batches)?;
        step(store)?;
    }
    finish(store, file, keys, going)
}

/// Tombstones for the rows that go, beside those that are there.
fn bury(store: &Store, file: &RowFile, going: &Going) -> io::Result<()> {
    if going.rows.is_empty() {
        return Ok(());
    }
    let mut stones = tombstones::read(&file.path)?;
    for row in file.rows(store)?.rows {
        if row.tombstone.is_none() && going.rows.contains(&row.seq) {
            let no_leaf = || io::Error::other(format!("row {} has no leaf", row.seq));
            let stone = Tombstone {
                why: going.why,
                id: going.event,
                leaf: row.leaf.ok_or_else(no_leaf)?,
                tag: row.tag.ok_or_else(no_leaf)?,
            };
            stones.insert(row.seq, stone);
        }
    }
    let text = tombstones::to_text(&stones);
    sidecar::replace(&tombstones::path(&file.path), text.as_bytes())
}

/// The rows that are left.
fn left(store: &Store, file: &RowFile, going: &Going) -> io::Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    file.batches(store, &mut |batch| {
        let kept = without(batch, going).map_err(io::Error::other)?;
        batches.push(kept);
        Ok(())
    })?;
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(schema()));
    }
    Ok(batches)
}

fn without(batch: &RecordBatch, going: &Going) -> Result<RecordBatch, ArrowError> {
    let numbers = batch.column(Col::seq.index());
    let numbers = numbers.as_any().downcast_ref::<UInt64Array>();
    let numbers = numbers.ok_or_else(|| ArrowError::SchemaError("seq is no number".to_owned()))?;
    let of = |set: &BTreeSet<u64>| -> BooleanArray {
        numbers
            .values()
            .iter()
            .map(|seq| Some(set.contains(seq)))
            .collect()
    };
    let drop = of(&going.contents);
    let columns = columns().iter().zip(batch.columns());
    let columns = columns.map(|(column, values)| match column.grade {
        Grade::Content => nullif(values, &drop),
        Grade::Event => Ok(Arc::clone(values)),
    });
    let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
    let batch = RecordBatch::try_new(batch.schema(), columns)?;
    filter_record_batch(&batch, &arrow::compute::not(&of(&going.rows))?)
}

/// What lies beside: salts of what is left only, commitments of rows that are there, and no damaged journal.
fn finish(
    store: &Store,
    file: &RowFile,
    keys: &[Arc<DataKey>; 2],
    going: &Going,
) -> io::Result<()> {
    let salts = sidecar::read_salts(store, &file.path)?;
    let salts = salts.ok_or_else(|| io::Error::other("it has no secret"))?;
    let salts = if going.rows.is_empty() && going.contents.is_empty() {
        salts
    } else {
        let range = (file.first, file.last.unwrap_or(file.first));
        salts.without(range, &going.rows, &going.contents)
    };
    sidecar::replace_salts(store, &keys[0], &file.path, &salts)?;
    step(store)?;
    if going.rows.is_empty() {
        return Ok(());
    }
    let contents = sidecar::read_contents(&file.path)?.into_iter();
    let contents: Vec<_> = contents
        .filter(|(seq, _)| !going.rows.contains(seq))
        .collect();
    let bytes = sidecar::contents_to_bytes(&contents);
    sidecar::replace(&sidecar::contents_path(&file.path), &bytes)?;
    step(store)?;
    let name = FileName {
        node: file.node.clone(),
        first: file.first,
        last: None,
    };
    remove_damaged(&file.path, &name)
}

/// A damaged journal beside the segment holds its rows as well.
fn remove_damaged(segment: &Path, name: &FileName) -> io::Result<()> {
    let name = FileName {
        last: None,
        ..name.clone()
    };
    let damaged = segment.with_file_name(format!("{name}.damaged"));
    destroy_file(&store::journal_key_path(&damaged))?;
    match std::fs::remove_file(&damaged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a segment with everything that lies beside it.
pub(super) fn remove(store: &Store, name: &str) -> io::Result<()> {
    let path = store.layout().segments().join(name);
    let Some(directory) = path.parent() else {
        return Ok(());
    };
    if let Some(name) = path
        .file_name()
        .and_then(|name| FileName::parse(name.to_str()?))
    {
        remove_damaged(&path, &name)?;
    }
    // The segment first: what is left without it is nobody's, and cleared away.
    let mut beside: Vec<_> = entries(directory)?
        .into_iter()
        .filter(|own| own.with_extension("") == path.with_extension("") && *own != path)
        .collect();
    beside.insert(0, path.clone());
    for path in beside {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    crate::paths::sync_directory(directory)
}
