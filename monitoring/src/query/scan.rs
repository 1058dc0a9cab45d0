//! Reading one segment: only the row groups, pages and columns that a query needs.
//!
//! Decides by statistics, page index and filter of hosts what can be left unread. What matches is decided by the matcher, on the
//! rows themselves.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder, RowFilter, RowSelection,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};

use super::Matcher;
use super::ahead::{self, SegmentFile};
use super::term::{self, Known, SEARCHED};
use crate::adapt::adapt;
use crate::hosts;
use crate::record::Col;
use crate::segment;
use crate::store::Store;

/// Rows decoded at a time.
const BATCH: usize = 4096;

pub(super) type Builder = ParquetRecordBatchReaderBuilder<SegmentFile>;

/// What is asked of a segment.
pub(super) struct Asked<'a> {
    pub(super) matcher: &'a Matcher,
    /// When the rows began, both inclusive.
    pub(super) times: (i64, i64),
    /// The columns that are handed over; none for today's, all of them.
    pub(super) columns: Option<&'a [Col]>,
}

/// Why a segment was not scanned to its end.
pub(super) enum ScanError {
    /// The file cannot be read.
    File(String),
    /// The receiver of the rows failed.
    Rows(ArrowError),
}

impl From<ParquetError> for ScanError {
    fn from(error: ParquetError) -> ScanError {
        ScanError::File(error.to_string())
    }
}

/// Hands every matching row of a segment that began within the times asked for to `each`.
pub(super) fn scan(
    store: &Store,
    path: &Path,
    asked: &Asked<'_>,
    each: &mut dyn FnMut(RecordBatch) -> Result<(), ArrowError>,
) -> Result<(), ScanError> {
    let Some(mut reader) = decoding(|| open(store, path, asked))? else {
        return Ok(());
    };
    let today = |batch| match asked.columns {
        Some(_) => Ok(batch),
        None => adapt(&batch),
    };
    while let Some(batch) = decoding(|| {
        let batch = reader.next().map(|batch| batch.and_then(today));
        batch
            .transpose()
            .map_err(|error| ScanError::File(error.to_string()))
    })? {
        each(batch).map_err(ScanError::Rows)?;
    }
    Ok(())
}

/// Runs a step of the Parquet decoder; its panic counts as an error of the file.
///
/// The decoder checks most of what it reads, but its lengths and levels can be mangled so that it indexes out of bounds, and
/// pages carry no checksum. One bad disk block must not end the whole search. The reader is not used again after a fault.
fn decoding<T>(step: impl FnOnce() -> Result<T, ScanError>) -> Result<T, ScanError> {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| {
        Err(ScanError::File(
            "the decoder failed on the file's content".to_owned(),
        ))
    })
}

/// A reader of the matching rows; None when statistics tell that there are none.
fn open(
    store: &Store,
    path: &Path,
    asked: &Asked<'_>,
) -> Result<Option<ParquetRecordBatchReader>, ScanError> {
    let (matcher, times) = (asked.matcher, asked.times);
    let broken = |error: io::Error| ScanError::File(error.to_string());
    let file = File::open(path).map_err(broken)?;
    if let Some(host) = matcher.host.as_ref().filter(|host| host.is_exact())
        && !hosts::may_hold(store, path, &host.name)
    {
        return Ok(None);
    }
    let file = SegmentFile::new(file).map_err(broken)?;
    let (footer, readable) = segment::footer(store, &file, PageIndexPolicy::Optional)?;
    let options = ArrowReaderOptions::new;
    let mut metadata = ArrowReaderMetadata::try_new(Arc::clone(&footer), options())?;
    let mut searched = BTreeSet::new();
    if let Some(text) = matcher.text() {
        let options = options().with_schema(coded(metadata.schema()));
        metadata = ArrowReaderMetadata::try_new(footer, options)?;
        searched = term::columns_with(&file, &metadata, &readable, text);
        if searched.is_empty() {
            return Ok(None);
        }
    }
    let builder = Builder::new_with_metadata(file.clone(), metadata);
    let bounds = Bounds { matcher, times };
    let groups = bounds.row_groups(&builder)?;
    if groups.is_empty() {
        return Ok(None);
    }
    let selection = bounds.selection(&builder, &groups)?;
    let mut compared = matcher.compared();
    compared.extend(&searched);
    let compared = places(builder.metadata(), |name| compared.contains(name));
    let handed = match asked.columns {
        Some(columns) => {
            let names: Vec<_> = columns.iter().map(|col| col.name()).collect();
            places(builder.metadata(), |name| names.contains(&name))
        }
        None => with_values(builder.metadata(), readable),
    };
    if let (Some(selection), [group]) = (&selection, groups.as_slice()) {
        // A person's rows lie together. Of any other question few rows may match, or none, and then only what is compared is read.
        let is_near = matcher.user().is_some() && selection.row_count() <= ahead::FEW;
        let handed = handed.iter().filter(|_| is_near);
        let columns: BTreeSet<usize> = compared.iter().chain(handed).copied().collect();
        let parts = ahead::parts(builder.metadata(), *group, columns, selection);
        file.read_ahead(parts);
    }
    let filter = filter(&builder, matcher, compared);
    let mask = ProjectionMask::leaves(builder.parquet_schema(), handed);
    let builder = builder
        .with_projection(mask)
        .with_batch_size(BATCH)
        .with_row_groups(groups)
        .with_row_filter(filter);
    let builder = match selection {
        Some(selection) => builder.with_row_selection(selection),
        None => builder,
    };
    Ok(Some(builder.build()?))
}

/// The schema with the searched columns as dictionaries, so that a text is looked for in each entry once.
pub(crate) fn coded(schema: &Schema) -> SchemaRef {
    let is_searched = |field: &Field| SEARCHED.iter().any(|col| col.name() == field.name());
    let fields = schema.fields().iter().map(|field| {
        if !is_searched(field) || field.data_type() != &DataType::Utf8 {
            return Arc::clone(field);
        }
        let values = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        Arc::new(field.as_ref().clone().with_data_type(values))
    });
    Arc::new(Schema::new_with_metadata(
        fields.collect::<Vec<_>>(),
        schema.metadata().clone(),
    ))
}

/// Places of the columns of these names.
fn places(metadata: &ParquetMetaData, is_wanted: impl Fn(&str) -> bool) -> Vec<usize> {
    let columns = metadata.file_metadata().schema_descr().columns();
    let columns = columns.iter().enumerate();
    columns
        .filter(|(_, column)| is_wanted(column.name()))
        .map(|(place, _)| place)
        .collect()
}

/// Of these columns those that have a value in some row. The footer tells, which of an encrypted file is authenticated as a whole.
fn with_values(metadata: &ParquetMetaData, columns: Vec<usize>) -> Vec<usize> {
    let has_values = |place: &usize| {
        let mut groups = metadata.row_groups().iter();
        groups.any(|group| !term::is_empty(group.column(*place)))
    };
    columns.into_iter().filter(has_values).collect()
}

/// The matcher, on its own columns only; the others are decoded for matching rows.
fn filter(builder: &Builder, matcher: &Matcher, compared: Vec<usize>) -> RowFilter {
    let columns = ProjectionMask::leaves(builder.parquet_schema(), compared);
    let matcher = matcher.clone();
    let mut known = Known::default();
    let predicate = ArrowPredicateFn::new(columns, move |batch: RecordBatch| {
        Ok(matcher.mask_of(&batch, &mut known))
    });
    RowFilter::new(vec![Box::new(predicate)])
}

/// What can be told without rows.
struct Bounds<'a> {
    matcher: &'a Matcher,
    times: (i64, i64),
}

impl Bounds<'_> {
    /// Row groups that may hold a match.
    fn row_groups(&self, builder: &Builder) -> Result<Vec<usize>, ParquetError> {
        let groups = builder.metadata().row_groups();
        let mut may = vec![true; groups.len()];
        for col in [Col::user, Col::time, Col::event] {
            let Ok(converter) = converter(builder, col) else {
                continue;
            };
            let (mins, maxes) = (
                converter.row_group_mins(groups)?,
                converter.row_group_maxes(groups)?,
            );
            for (group, may) in may.iter_mut().enumerate() {
                *may = *may && self.may_hold(col, &mins, &maxes, group);
            }
        }
        let may = may.into_iter().enumerate().filter(|(_, may)| *may);
        Ok(may.map(|(group, _)| group).collect())
    }

    /// Rows of the pages that may hold a match; None when pages tell nothing.
    fn selection(
        &self,
        builder: &Builder,
        groups: &[usize],
    ) -> Result<Option<RowSelection>, ParquetError> {
        let Some(index) = builder.metadata().page_index() else {
            return Ok(None);
        };
        let all = builder.metadata().row_groups();
        let mut selection: Option<RowSelection> = None;
        for col in [Col::user, Col::time, Col::event] {
            let Ok(converter) = converter(builder, col) else {
                continue;
            };
            let Some(counts) = converter.data_page_row_counts(index.as_ref(), all, groups)? else {
                continue;
            };
            let mins = converter.data_page_mins(index.as_ref(), groups)?;
            let maxes = converter.data_page_maxes(index.as_ref(), groups)?;
            if counts.null_count() > 0 || mins.len() != counts.len() || maxes.len() != counts.len()
            {
                continue;
            }
            let own = self.pages(col, &mins, &maxes, &counts);
            selection = Some(match selection {
                Some(selection) => selection.intersection(&own),
                None => own,
            });
        }
        Ok(selection)
    }

    fn pages(
        &self,
        col: Col,
        mins: &ArrayRef,
        maxes: &ArrayRef,
        counts: &UInt64Array,
    ) -> RowSelection {
        let mut start = 0;
        let mut kept: Vec<Range<usize>> = Vec::new();
        for (page, count) in counts.values().iter().enumerate() {
            let end = start + usize::try_from(*count).unwrap_or(usize::MAX - start);
            if self.may_hold(col, mins, maxes, page) {
                kept.push(start..end);
            }
            start = end;
        }
        RowSelection::from_consecutive_ranges(kept.into_iter(), start)
    }

    /// Whether rows between these statistics may match; unknown statistics may.
    fn may_hold(&self, col: Col, mins: &ArrayRef, maxes: &ArrayRef, at: usize) -> bool {
        match col {
            Col::user => {
                let range = (text_at(mins, at), text_at(maxes, at));
                match (self.matcher.user(), range) {
                    (Some(person), (Some(min), Some(max))) => person.may_be_between(min, max),
                    _ => true,
                }
            }
            Col::time => {
                let (first, last) = self.times;
                // A row that lasted into the time asked for may have begun long before.
                let from = if self.matcher.is_lasting {
                    i64::MIN
                } else {
                    self.matcher.from
                };
                let is_before = time_at(maxes, at).is_some_and(|max| max < from || max < first);
                let is_after =
                    time_at(mins, at).is_some_and(|min| min >= self.matcher.to || min > last);
                !is_before && !is_after
            }
            Col::event => match (
                self.matcher.event,
                number_at(mins, at),
                number_at(maxes, at),
            ) {
                (Some(event), Some(min), Some(max)) => min <= event && event <= max,
                _ => true,
            },
            _ => true,
        }
    }
}

fn converter<'a>(builder: &'a Builder, col: Col) -> Result<StatisticsConverter<'a>, ParquetError> {
    StatisticsConverter::try_new(col.name(), builder.schema(), builder.parquet_schema())
}

fn text_at(array: &ArrayRef, at: usize) -> Option<&str> {
    let array: &StringArray = array.as_any().downcast_ref()?;
    (at < array.len() && array.is_valid(at)).then(|| array.value(at))
}

fn time_at(array: &ArrayRef, at: usize) -> Option<i64> {
    let array: &TimestampMicrosecondArray = array.as_any().downcast_ref()?;
    (at < array.len() && array.is_valid(at)).then(|| array.value(at))
}

fn number_at(array: &ArrayRef, at: usize) -> Option<u64> {
    let array: &UInt64Array = array.as_any().downcast_ref()?;
    (at < array.len() && array.is_valid(at)).then(|| array.value(at))
}
