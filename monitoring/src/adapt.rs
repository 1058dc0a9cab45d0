//! Rows of other versions in today's columns, and typed access to the columns of a batch.
//!
//! A column that an older file does not have is read as empty; one that a newer file has besides is left out.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt64Array, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, SchemaRef};
use arrow::error::ArrowError;

use crate::coded::Texts;
use crate::record::{Col, journal_schema, schema};

/// `batch` with exactly the columns of [`schema`].
///
/// # Errors
/// When a column has a type that cannot become today's.
pub(crate) fn adapt(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    adapt_to(batch, schema())
}

/// `batch` with exactly the columns of a journal that is written today.
///
/// # Errors
/// When a column has a type that cannot become today's.
pub(crate) fn adapt_coded(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    adapt_to(batch, journal_schema())
}

fn adapt_to(batch: &RecordBatch, today: SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = today
        .fields()
        .iter()
        .map(|field| column(batch, field))
        .collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(today, columns)
}

fn column(batch: &RecordBatch, field: &Field) -> Result<ArrayRef, ArrowError> {
    match batch.column_by_name(field.name()) {
        Some(found) if found.data_type() == field.data_type() => Ok(Arc::clone(found)),
        Some(found) => cast(found, field.data_type()),
        None if field.is_nullable() => Ok(new_null_array(field.data_type(), batch.num_rows())),
        None => Ok(empty(field.data_type(), batch.num_rows())),
    }
}

/// A column that holds nothing in any of so many rows.
pub(crate) fn nothing(col: Col, rows: usize) -> ArrayRef {
    let today = schema();
    let field = today.field(col.index());
    match field.is_nullable() {
        true => new_null_array(field.data_type(), rows),
        false => empty(field.data_type(), rows),
    }
}

/// A column that may hold no nulls, with the value that stands for nothing.
fn empty(data_type: &DataType, rows: usize) -> ArrayRef {
    match data_type {
        DataType::Utf8 => Arc::new(StringArray::from_iter_values(std::iter::repeat_n("", rows))),
        DataType::Boolean => Arc::new(BooleanArray::from(vec![false; rows])),
        DataType::Dictionary(_, texts) if **texts == DataType::Utf8 => {
            let texts = empty(texts, rows);
            cast(&texts, data_type).unwrap_or(texts)
        }
        other => {
            let zeroes: ArrayRef = Arc::new(UInt64Array::from(vec![0; rows]));
            cast(&zeroes, other).unwrap_or(zeroes)
        }
    }
}

/// A batch of [`schema`]; the accessors answer with what stands for nothing when a column is not of its type.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'a>(&'a RecordBatch);

impl<'a> Cells<'a> {
    /// Access to the columns of `batch`, which is one that [`crate::query::search`] handed over.
    pub fn new(batch: &'a RecordBatch) -> Cells<'a> {
        Cells(batch)
    }

    /// A text column.
    pub fn text(self, col: Col) -> Option<&'a StringArray> {
        self.0.columns().get(col.index())?.as_any().downcast_ref()
    }

    /// A text column of a batch that may be coded.
    pub(crate) fn texts(self, col: Col) -> Option<Texts<'a>> {
        Texts::of(self.0.columns().get(col.index())?.as_ref())
    }

    /// A column of numbers.
    pub fn numbers<T: ArrowPrimitiveType>(self, col: Col) -> Option<&'a PrimitiveArray<T>> {
        self.0.columns().get(col.index())?.as_any().downcast_ref()
    }

    /// The column of times.
    pub fn times(self) -> Option<&'a TimestampMicrosecondArray> {
        self.0
            .columns()
            .get(Col::time.index())?
            .as_any()
            .downcast_ref()
    }

    /// One text; None when it is empty or there is no such row.
    pub fn str_at(self, col: Col, row: usize) -> Option<&'a str> {
        self.texts(col)?.get(row)
    }

    /// One number of a `u64` column; 0 when there is no such row.
    pub fn u64_at(self, col: Col, row: usize) -> u64 {
        let column = self.numbers::<arrow::datatypes::UInt64Type>(col);
        column
            .and_then(|column| column.values().get(row))
            .copied()
            .unwrap_or(0)
    }

    /// When the row began, µs since the epoch; 0 when there is no such row.
    pub fn time_at(self, row: usize) -> i64 {
        self.times()
            .and_then(|column| column.values().get(row))
            .copied()
            .unwrap_or(0)
    }
}
