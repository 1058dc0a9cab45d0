//! The rows of a bundle read back from each of their three forms.
//!
//! Takes nothing for granted: a field that no row has, a value of another form or a field that stands twice is an error with its
//! line. What is missing is nothing, so bundles of an older Weir read as they are.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondBuilder,
    UInt16Builder, UInt32Builder, UInt64Array, UInt64Builder,
};
use arrow::datatypes::DataType;
use bytes::Bytes;
use jiff::Timestamp;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::adapt::adapt;
use crate::event::EventId;
use crate::export::cell;
use crate::record::{Col, columns, schema};

/// Rows that are read at a time.
const BATCH: usize = 1024;
/// More than a row is in memory: its texts are bounded, see the fields of records.
const LARGEST_ROW: usize = 64 << 10;
/// What any batch may take, buffers that are larger than needed included.
const LEAST: usize = 64 << 20;

/// Bytes that are no rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct ParseError {
    /// Which line, from 1; 0 when there are no lines.
    pub line: usize,
    /// Why.
    pub why: String,
}

fn at(line: usize, why: impl fmt::Display) -> ParseError {
    ParseError {
        line,
        why: why.to_string(),
    }
}

/// A JSON object whose members each stand once.
struct Members(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members, M::Error> {
                let mut found = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if found.insert(name.clone(), value).is_some() {
                        let why = format!("{name} stands twice");
                        return Err(serde::de::Error::custom(why));
                    }
                }
                Ok(Members(found))
            }
        }
        deserializer.deserialize_map(Once)
    }
}

/// A column under construction.
enum Building {
    Text(StringBuilder, bool),
    Event(UInt64Builder),
    U64(UInt64Builder),
    U32(UInt32Builder),
    U16(UInt16Builder),
    Flag(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
}

impl Building {
    fn new(col: Col, column: &crate::Column) -> Building {
        match column.data_type {
            DataType::Utf8 => Building::Text(StringBuilder::new(), column.nullable),
            DataType::UInt64 if col == Col::event => Building::Event(UInt64Builder::new()),
            DataType::UInt64 => Building::U64(UInt64Builder::new()),
            DataType::UInt32 => Building::U32(UInt32Builder::new()),
            DataType::UInt16 => Building::U16(UInt16Builder::new()),
            DataType::Boolean => Building::Flag(BooleanBuilder::new()),
            _ => Building::Time(
                TimestampMicrosecondBuilder::new().with_data_type(column.data_type.clone()),
            ),
        }
    }

    /// Adds a value, or what stands for nothing; None when it is of another form.
    fn put(&mut self, value: Option<&Value>) -> Option<()> {
        match self {
            Building::Text(texts, is_nullable) => match value {
                Some(value) => texts.append_value(value.as_str()?),
                None if *is_nullable => texts.append_null(),
                None => texts.append_value(""),
            },
            Building::Event(events) => {
                let event = value.map(|value| value.as_str()?.parse::<EventId>().ok());
                events.append_value(event.unwrap_or(Some(EventId(0)))?.0);
            }
            Building::U64(numbers) => {
                numbers.append_value(value.map_or(Some(0), Value::as_u64)?);
            }
            Building::U32(numbers) => {
                let number = value.map(|value| u32::try_from(value.as_u64()?).ok());
                numbers.append_option(match number {
                    Some(number) => Some(number?),
                    None => None,
                });
            }
            Building::U16(numbers) => {
                let number = value.map_or(Some(0), Value::as_u64)?;
                numbers.append_value(u16::try_from(number).ok()?);
            }
            Building::Flag(flags) => {
                flags.append_value(value.map_or(Some(false), Value::as_bool)?);
            }
            Building::Time(times) => {
                let time = value.map(|value| value.as_str()?.parse::<Timestamp>().ok());
                let time = time.unwrap_or(Some(Timestamp::UNIX_EPOCH))?;
                times.append_value(time.as_microsecond());
            }
        }
        Some(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Building::Text(texts, _) => Arc::new(texts.finish()),
            Building::Event(numbers) | Building::U64(numbers) => Arc::new(numbers.finish()),
            Building::U32(numbers) => Arc::new(numbers.finish()),
            Building::U16(numbers) => Arc::new(numbers.finish()),
            Building::Flag(flags) => Arc::new(flags.finish()),
            Building::Time(times) => Arc::new(times.finish()),
        }
    }
}

/// Rows from JSON lines.
///
/// # Errors
/// When a line is no row.
pub fn rows(text: &str) -> Result<RecordBatch, ParseError> {
    let mut building: Vec<Building> = Col::ALL
        .iter()
        .zip(columns())
        .map(|(col, column)| Building::new(*col, column))
        .collect();
    for (number, line) in (1..).zip(text.split_terminator('\n')) {
        let Members(mut members) = serde_json::from_str(line).map_err(|why| at(number, why))?;
        for (col, column) in Col::ALL.iter().zip(&mut building) {
            let value = members.remove(col.name());
            column
                .put(value.as_ref())
                .ok_or_else(|| at(number, format!("{} has no such value", col.name())))?;
        }
        if let Some(name) = members.keys().next() {
            let why =
                format!("{name} is no field that is known here: a newer Weir may have written it");
            return Err(at(number, why));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        return Err(at(text.lines().count(), "its end is missing"));
    }
    let arrays = building.iter_mut().map(Building::finish).collect();
    RecordBatch::try_new(schema(), arrays).map_err(|why| at(0, why))
}

/// Rows from the Parquet form, of which there must not be more than `most` rows.
///
/// # Errors
/// When it is no such file, or much more comes out of it than so many rows can be.
pub fn parquet(bytes: Vec<u8>, most: usize) -> Result<RecordBatch, ParseError> {
    let wrong = |why: &dyn fmt::Display| at(0, why);
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes))
        .and_then(|builder| builder.with_batch_size(BATCH).build())
        .map_err(|why| wrong(&why))?;
    let mut batches = Vec::new();
    let (mut rows, mut size) = (0_usize, 0_usize);
    for batch in reader {
        let batch = batch.map_err(|why| wrong(&why))?;
        // A small file can be packed so that it never ends.
        rows = rows.saturating_add(batch.num_rows());
        size = size.saturating_add(batch.get_array_memory_size());
        if rows > most || size > most.saturating_mul(LARGEST_ROW).saturating_add(LEAST) {
            return Err(at(0, "it has more rows than rows.jsonl, or larger ones"));
        }
        let known = schema();
        let names = batch.schema();
        let stray = names
            .fields()
            .iter()
            .find(|field| known.index_of(field.name()).is_err());
        if let Some(field) = stray {
            return Err(at(
                0,
                format!("{} is no field that is known here", field.name()),
            ));
        }
        batches.push(with_numbers(&batch).map_err(|why| wrong(&why))?);
    }
    arrow::compute::concat_batches(&schema(), &batches).map_err(|why| wrong(&why))
}

/// Today's columns, event ids as numbers again.
fn with_numbers(batch: &RecordBatch) -> Result<RecordBatch, String> {
    let event = Col::event.name();
    let place = batch
        .schema()
        .index_of(event)
        .map_err(|why| why.to_string())?;
    let texts = batch.column(place).as_any().downcast_ref::<StringArray>();
    let texts = texts.ok_or("event is no text")?;
    let numbers = texts.iter().map(|text| text?.parse::<EventId>().ok());
    let numbers: Option<Vec<u64>> = numbers.map(|event| event.map(|event| event.0)).collect();
    let numbers: ArrayRef = Arc::new(UInt64Array::from(numbers.ok_or("an event is no id")?));
    let mut named: Vec<(String, ArrayRef)> = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let column = if field.name() == event {
            &numbers
        } else {
            column
        };
        named.push((field.name().clone(), Arc::clone(column)));
    }
    let batch = RecordBatch::try_from_iter(named).map_err(|why| why.to_string())?;
    adapt(&batch).map_err(|why| why.to_string())
}

/// The cells of a CSV file as RFC 4180 has them, without what guards a cell from being run as a formula; the first line is the
/// names of the columns.
///
/// # Errors
/// When a quote is not closed or stands inside a cell.
pub fn csv(text: &str) -> Result<Vec<Vec<String>>, ParseError> {
    let mut lines = Vec::new();
    let (mut line, mut cell, mut number) = (Vec::new(), String::new(), 1);
    let mut letters = text.chars().peekable();
    let mut is_begun = false;
    while let Some(letter) = letters.next() {
        match letter {
            '"' if !is_begun => loop {
                match letters.next() {
                    Some('"') if letters.peek() == Some(&'"') => {
                        letters.next();
                        cell.push('"');
                    }
                    Some('"') if matches!(letters.peek(), Some(',' | '\n')) => {
                        is_begun = true;
                        break;
                    }
                    Some('"') | None => return Err(at(number, "a quote is not closed")),
                    Some(other) => cell.push(other),
                }
            },
            '"' => return Err(at(number, "a quote stands inside a cell")),
            ',' | '\n' => {
                let whole = std::mem::take(&mut cell);
                line.push(match whole.strip_prefix('\'') {
                    Some(rest) => rest.to_owned(),
                    None => whole,
                });
                is_begun = false;
                if letter == '\n' {
                    lines.push(std::mem::take(&mut line));
                    number += 1;
                }
            }
            other => {
                is_begun = true;
                cell.push(other);
            }
        }
    }
    if !cell.is_empty() || !line.is_empty() || is_begun {
        return Err(at(number, "its end is missing"));
    }
    Ok(lines)
}

/// A cell as exports write it, without quotes; empty for what holds nothing.
pub fn cell_text(batch: &RecordBatch, col: Col, row: usize) -> String {
    cell(batch, col, row)
}
