//! Looking for a text: in each entry of a column's dictionary once, not in each row.
//!
//! Decides what "occurs in" means. A segment keeps few distinct hosts beside its many rows, so a term that no entry has is known to
//! be in no row before rows are looked at.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::statistics::Statistics;

use crate::record::Col;

/// Columns that a text is looked for in.
pub(super) const SEARCHED: [Col; 10] = [
    Col::user,
    Col::device,
    Col::host,
    Col::sni,
    Col::path,
    Col::rule,
    Col::category,
    Col::list,
    Col::entry,
    Col::note,
];

/// The columns of a segment in which `lower` may occur: those whose dictionary has it, and those that have none or cannot be read
/// that way. Of the others not one row is looked at.
pub(super) fn columns_with(
    file: &Arc<File>,
    metadata: &ParquetMetaData,
    lower: &str,
) -> BTreeSet<&'static str> {
    let may = |col: &Col| {
        metadata
            .row_groups()
            .iter()
            .any(|group| may_occur(file, group, *col, lower))
    };
    SEARCHED
        .iter()
        .filter(|col| may(col))
        .map(|col| col.name())
        .collect()
}

fn may_occur(file: &Arc<File>, group: &RowGroupMetaData, col: Col, lower: &str) -> bool {
    let Some(chunk) = group
        .columns()
        .iter()
        .find(|chunk| chunk.column_descr().name() == col.name())
    else {
        return false;
    };
    let nulls = chunk.statistics().and_then(Statistics::null_count_opt);
    if nulls.is_some() && nulls == u64::try_from(chunk.num_values()).ok() {
        return false;
    }
    let is_coded = chunk.page_encoding_stats_mask().is_some_and(|mask| {
        mask.is_only(Encoding::RLE_DICTIONARY) || mask.is_only(Encoding::PLAIN_DICTIONARY)
    });
    if !is_coded {
        return true;
    }
    let rows = usize::try_from(group.num_rows()).unwrap_or(usize::MAX);
    let page = SerializedPageReader::new(Arc::clone(file), chunk, rows, None)
        .and_then(|mut pages| pages.get_next_page());
    match page {
        Ok(Some(Page::DictionaryPage { buf, .. })) => {
            plain_texts(&buf).any(|text| text.is_none_or(|text| contains(text, lower)))
        }
        _ => true,
    }
}

/// The texts of a dictionary page: each a length in four bytes, little end first, and that many bytes. None for what is none.
fn plain_texts(mut bytes: &[u8]) -> impl Iterator<Item = Option<&str>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let text = bytes.split_first_chunk::<4>().and_then(|(length, rest)| {
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let (text, rest) = rest.split_at_checked(length)?;
            bytes = rest;
            std::str::from_utf8(text).ok()
        });
        if text.is_none() {
            bytes = &[];
        }
        Some(text)
    })
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
        fn the_texts_of_a_page_read_back_and_nonsense_is_taken_for_a_match(texts in prop::collection::vec("[a-z]{0,5}", 0..9), cut in 0..40_usize) {
            let mut page = Vec::new();
            for text in &texts {
                page.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
                page.extend(text.as_bytes());
            }
            let read: Vec<&str> = plain_texts(&page).map(Option::unwrap).collect();
            prop_assert_eq!(read, texts.iter().map(String::as_str).collect::<Vec<_>>());
            let whole = page.get(..cut).unwrap_or(&page);
            let count = plain_texts(whole).count();
            prop_assert!(count <= texts.len());
            prop_assert!(plain_texts(&[9, 0, 0, 0, 1]).eq([None]));
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
