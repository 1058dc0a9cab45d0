//! Looking for a text: in each entry of a column's dictionary once, not in each row.
//!
//! Decides what "occurs in" means. A segment keeps few distinct hosts beside its many rows, so a term that no entry has is known to
//! be in no row before rows are looked at.

use std::collections::BTreeSet;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::Encoding;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;

use super::ahead::SegmentFile;
use super::scan::Builder;
use crate::record::Col;

/// Columns that a text is looked for in.
pub(super) const SEARCHED: [Col; 11] = [
    Col::user,
    Col::device,
    Col::host,
    Col::sni,
    Col::path,
    Col::term,
    Col::rule,
    Col::category,
    Col::list,
    Col::entry,
    Col::note,
];

/// Rows that are decoded at a time to get at a dictionary.
const FIRST_ROWS: usize = 1024;

/// The columns of a segment in which `lower` may occur: those whose dictionary has it, and those that have none or cannot be read
/// that way. Of the others not one row is looked at. `readable` are the places of columns whose key is there; `metadata` has the
/// searched columns as dictionaries.
pub(super) fn columns_with(
    file: &SegmentFile,
    metadata: &ArrowReaderMetadata,
    readable: &[usize],
    lower: &str,
) -> BTreeSet<&'static str> {
    let may = |col: &Col| {
        let groups = metadata.metadata().row_groups();
        groups.iter().enumerate().any(|(number, group)| {
            let place = group
                .columns()
                .iter()
                .position(|chunk| chunk.column_descr().name() == col.name());
            place
                .filter(|place| readable.contains(place))
                .is_some_and(|place| may_occur(file, metadata, (number, place), lower))
        })
    };
    SEARCHED
        .iter()
        .filter(|col| may(col))
        .map(|col| col.name())
        .collect()
}

fn may_occur(
    file: &SegmentFile,
    metadata: &ArrowReaderMetadata,
    (group, place): (usize, usize),
    lower: &str,
) -> bool {
    let chunk = metadata.metadata().row_group(group).column(place);
    if is_empty(chunk) {
        return false;
    }
    is_coded(chunk)
        .then(|| dictionary(file, metadata, (group, place)).ok())
        .flatten()
        .is_none_or(|texts| {
            let texts = texts.as_any().downcast_ref::<StringArray>();
            texts.is_none_or(|texts| texts.iter().flatten().any(|text| contains(text, lower)))
        })
}

/// Whether statistics say that a column has no value.
pub(crate) fn is_empty(chunk: &ColumnChunkMetaData) -> bool {
    let nulls = chunk.statistics().and_then(Statistics::null_count_opt);
    nulls.is_some() && nulls == u64::try_from(chunk.num_values()).ok()
}

/// Whether every value of a column is an entry of its dictionary.
pub(crate) fn is_coded(chunk: &ColumnChunkMetaData) -> bool {
    chunk.page_encoding_stats_mask().is_some_and(|mask| {
        mask.is_only(Encoding::RLE_DICTIONARY) || mask.is_only(Encoding::PLAIN_DICTIONARY)
    })
}

/// The dictionary of one column; without entries when no row has a value.
fn dictionary(
    file: &SegmentFile,
    metadata: &ArrowReaderMetadata,
    (group, place): (usize, usize),
) -> Result<ArrayRef, ParquetError> {
    let builder = Builder::new_with_metadata(file.clone(), metadata.clone());
    let mask = ProjectionMask::leaves(builder.parquet_schema(), [place]);
    let rows = builder
        .with_projection(mask)
        .with_row_groups(vec![group])
        .with_batch_size(FIRST_ROWS)
        .build()?;
    let mut values = None;
    for batch in rows {
        let batch = batch?;
        let column = batch.columns().first();
        let coded = column.and_then(|column| column.as_dictionary_opt::<Int32Type>());
        values = coded.map(|coded| ArrayRef::clone(coded.values()));
        // Rows that are decoded have the whole dictionary with them; where all are empty they have none.
        if values.as_ref().is_none_or(|values| !values.is_empty()) {
            break;
        }
    }
    values.ok_or_else(|| ParquetError::General("the column has no dictionary".to_owned()))
}

/// What is known of the dictionaries of one file, so that each is looked through once.
#[derive(Debug, Default)]
pub(super) struct Known([Option<Dictionary>; SEARCHED.len()]);

#[derive(Debug)]
struct Dictionary {
    /// Held, so that its place in memory is not another's.
    values: ArrayRef,
    has: Vec<bool>,
    is_anywhere: bool,
}

impl Known {
    /// Keeps of `keep` the rows in which `lower`, a text in lower case, occurs.
    pub(super) fn retain(&mut self, batch: &RecordBatch, lower: &str, keep: &mut [bool]) {
        let mut found = vec![false; keep.len()];
        for (col, known) in SEARCHED.iter().zip(&mut self.0) {
            let Some(column) = batch.column_by_name(col.name()) else {
                continue;
            };
            if let Some(texts) = column.as_any().downcast_ref::<StringArray>() {
                for (row, found) in found
                    .iter_mut()
                    .enumerate()
                    .filter(|(row, _)| keep.get(*row) == Some(&true))
                {
                    *found = *found || (texts.is_valid(row) && contains(texts.value(row), lower));
                }
            } else if let Some(column) = column.as_dictionary_opt::<Int32Type>() {
                let dictionary = look(known, column.values(), lower);
                if !dictionary.is_anywhere {
                    continue;
                }
                for (found, key) in found.iter_mut().zip(column.keys()) {
                    let has = key.and_then(|key| dictionary.has.get(usize::try_from(key).ok()?));
                    *found = *found || has == Some(&true);
                }
            }
        }
        keep.iter_mut()
            .zip(found)
            .for_each(|(keep, found)| *keep = *keep && found);
    }
}

fn look<'a>(known: &'a mut Option<Dictionary>, values: &ArrayRef, lower: &str) -> &'a Dictionary {
    // What was looked through before is the very same array, not an equal one.
    let is_known = known
        .as_ref()
        .is_some_and(|known| known.values.to_data().ptr_eq(&values.to_data()));
    if !is_known {
        *known = None;
    }
    known.get_or_insert_with(|| {
        let texts = values.as_any().downcast_ref::<StringArray>();
        let has: Vec<bool> = texts
            .into_iter()
            .flatten()
            .map(|text| text.is_some_and(|text| contains(text, lower)))
            .collect();
        Dictionary {
            values: ArrayRef::clone(values),
            is_anywhere: has.contains(&true),
            has,
        }
    })
}

/// Whether `lower`, which is in lower case, occurs in `cell` when case is ignored.
fn contains(cell: &str, lower: &str) -> bool {
    let Some(first) = lower.as_bytes().first() else {
        return true;
    };
    if cell.is_ascii() {
        let mut rest = cell.as_bytes();
        let upper = first.to_ascii_uppercase();
        while let Some(at) = rest.iter().position(|byte| byte == first || *byte == upper) {
            rest = rest.get(at..).unwrap_or_default();
            let Some(window) = rest.get(..lower.len()) else {
                return false;
            };
            if window.eq_ignore_ascii_case(lower.as_bytes()) {
                return true;
            }
            rest = rest.get(1..).unwrap_or_default();
        }
        return false;
    }
    cell.to_lowercase().contains(lower)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow::array::DictionaryArray;
    use arrow::datatypes::{DataType, Field, Schema};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_occurs_where_it_stands_in_any_case(cell in "[aAbBéÉ.]{0,8}", text in "[aAbBé.]{0,3}") {
            let lower = text.to_lowercase();
            prop_assert_eq!(contains(&cell, &lower), cell.to_lowercase().contains(&lower));
        }

        #[test]
        fn a_dictionary_answers_as_its_rows_do(rows in prop::collection::vec(prop::option::of("[ab]{1,3}"), 1..40), text in "[ab]{1,2}") {
            let batch = |column: ArrayRef| {
                let field = Field::new("host", column.data_type().clone(), true);
                RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column]).unwrap()
            };
            let plain: StringArray = rows.iter().map(Option::as_deref).collect();
            let keyed: DictionaryArray<Int32Type> = rows.iter().map(Option::as_deref).collect();
            prop_assert!(matches!(keyed.data_type(), DataType::Dictionary(..)));
            let (plain, keyed) = (batch(Arc::new(plain)), batch(Arc::new(keyed)));
            let mut known = Known::default();
            let kept = |known: &mut Known, batch: &RecordBatch, text: &str| {
                let mut keep = vec![true; rows.len()];
                known.retain(batch, text, &mut keep);
                keep
            };
            let expected = kept(&mut Known::default(), &plain, &text);
            prop_assert_eq!(&kept(&mut known, &keyed, &text), &expected);
            // The same dictionary again.
            prop_assert_eq!(&kept(&mut known, &keyed, &text), &expected);
        }
    }
}
