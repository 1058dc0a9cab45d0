//! Rows in the form of an export.
//!
//! JSON lines and Parquet hold every text exactly. CSV is also opened in spreadsheets, which run cells that begin like a formula:
//! a text that begins with `=`, `+`, `-`, `@` or `'` gets a `'` in front, and taking one leading `'` off gives the text back.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt16Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

use crate::event::EventId;
use crate::paths::moment;
use crate::record::{Col, schema};
use crate::words::UnknownWord;

/// Rows of one row group of a Parquet export.
const GROUP: usize = 262_144;

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// RFC 4180 with a header line, lines ended by LF; an empty cell is a missing value.
    Csv,
    /// One JSON object a line; missing values are left out.
    Jsonl,
    /// One Parquet file in the schema of the records, event ids as text.
    Parquet,
}

impl Format {
    /// The word in a statement and on a command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
            Format::Parquet => "parquet",
        }
    }
}

impl std::str::FromStr for Format {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Format, UnknownWord> {
        let formats = [Format::Csv, Format::Jsonl, Format::Parquet];
        let found = formats.into_iter().find(|format| format.as_str() == text);
        found.ok_or_else(|| UnknownWord::new("format", text, &formats.map(Format::as_str)))
    }
}

/// Writes batches of [`crate::schema`] in one form. Also what a search prints.
pub struct Encoder<W: Write + Send> {
    form: Form<W>,
}

enum Form<W: Write + Send> {
    Csv(BufWriter<W>, String),
    Jsonl(BufWriter<W>, String),
    Parquet(Box<ArrowWriter<W>>),
}

impl<W: Write + Send> Encoder<W> {
    /// Begins the output.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn new(format: Format, out: W) -> io::Result<Encoder<W>> {
        let form = match format {
            Format::Csv => {
                let mut out = BufWriter::new(out);
                let names: Vec<&str> = Col::ALL.iter().map(|col| col.name()).collect();
                writeln!(out, "{}", names.join(","))?;
                Form::Csv(out, String::new())
            }
            Format::Jsonl => Form::Jsonl(BufWriter::new(out), String::new()),
            Format::Parquet => {
                let level = ZstdLevel::try_new(3).map_err(io::Error::other)?;
                let properties = WriterProperties::builder()
                    .set_created_by(format!("weir {}", env!("CARGO_PKG_VERSION")))
                    .set_compression(Compression::ZSTD(level))
                    .set_max_row_group_row_count(Some(GROUP));
                let writer = ArrowWriter::try_new(out, exported_schema(), Some(properties.build()));
                Form::Parquet(Box::new(writer.map_err(io::Error::other)?))
            }
        };
        Ok(Encoder { form })
    }

    /// Adds the rows of one batch.
    ///
    /// # Errors
    /// When the output fails.
    pub fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        match &mut self.form {
            Form::Csv(out, line) => write_lines(batch, line, csv_line, out),
            Form::Jsonl(out, line) => write_lines(batch, line, json_line, out),
            Form::Parquet(writer) => writer
                .write(&exported(batch).map_err(io::Error::other)?)
                .map_err(io::Error::other),
        }
    }

    /// Ends the output.
    ///
    /// # Errors
    /// When the output fails.
    pub fn finish(self) -> io::Result<()> {
        match self.form {
            Form::Csv(mut out, _) | Form::Jsonl(mut out, _) => out.flush(),
            Form::Parquet(writer) => writer.close().map(drop).map_err(io::Error::other),
        }
    }
}

type Line = fn(&[(Col, Values<'_>)], usize, &mut String);

fn write_lines(
    batch: &RecordBatch,
    line: &mut String,
    form: Line,
    out: &mut impl Write,
) -> io::Result<()> {
    let columns: Vec<(Col, Values<'_>)> = Col::ALL
        .iter()
        .zip(batch.columns())
        .map(|(col, column)| (*col, Values::new(*col, column)))
        .collect();
    for row in 0..batch.num_rows() {
        line.clear();
        form(&columns, row, line);
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

fn csv_line(columns: &[(Col, Values<'_>)], row: usize, line: &mut String) {
    for (at, (_, values)) in columns.iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        match values.at(row) {
            Value::Text(text) => csv_text(text, line),
            other => other.write(line),
        }
    }
    line.push('\n');
}

fn csv_text(text: &str, line: &mut String) {
    let needs_guard = text.starts_with(['=', '+', '-', '@', '\'']);
    let guard = if needs_guard { "'" } else { "" };
    if text.contains(['"', ',', '\n', '\r']) {
        // Writing to a String cannot fail.
        let _ = write!(line, "\"{guard}{}\"", text.replace('"', "\"\""));
    } else {
        line.extend([guard, text]);
    }
}

fn json_line(columns: &[(Col, Values<'_>)], row: usize, line: &mut String) {
    line.push('{');
    let before = line.len();
    for (col, values) in columns {
        let value = values.at(row);
        if matches!(value, Value::Missing) {
            continue;
        }
        if line.len() > before {
            line.push(',');
        }
        line.extend(["\"", col.name(), "\":"]);
        match value {
            Value::Text(text) => line.push_str(&serde_json::Value::from(text).to_string()),
            Value::Time(_) | Value::Event(_) => {
                line.push('"');
                value.write(line);
                line.push('"');
            }
            other => other.write(line),
        }
    }
    line.push_str("}\n");
}

/// One cell as text, without quotes; empty when it is missing.
pub(crate) fn cell(batch: &RecordBatch, col: Col, row: usize) -> String {
    let mut text = String::new();
    if let Some(column) = batch.columns().get(col.index()) {
        match Values::new(col, column).at(row) {
            Value::Text(cell) => text.push_str(cell),
            other => other.write(&mut text),
        }
    }
    text
}

/// One column, its type looked up once.
enum Values<'a> {
    Text(&'a StringArray),
    Event(&'a UInt64Array),
    U64(&'a UInt64Array),
    U32(&'a UInt32Array),
    U16(&'a UInt16Array),
    Flag(&'a BooleanArray),
    Time(&'a TimestampMicrosecondArray),
    Unknown,
}

/// One cell.
enum Value<'a> {
    Missing,
    Text(&'a str),
    Number(u64),
    Event(EventId),
    Flag(bool),
    Time(i64),
}

impl<'a> Values<'a> {
    fn new(col: Col, column: &'a ArrayRef) -> Values<'a> {
        let any = column.as_any();
        let number = || {
            any.downcast_ref().map(if col == Col::event {
                Values::Event
            } else {
                Values::U64
            })
        };
        let found = match column.data_type() {
            DataType::Utf8 => any.downcast_ref().map(Values::Text),
            DataType::UInt64 => number(),
            DataType::UInt32 => any.downcast_ref().map(Values::U32),
            DataType::UInt16 => any.downcast_ref().map(Values::U16),
            DataType::Boolean => any.downcast_ref().map(Values::Flag),
            _ => any.downcast_ref().map(Values::Time),
        };
        found.unwrap_or(Values::Unknown)
    }

    fn at(&self, row: usize) -> Value<'a> {
        let here = |array: &dyn Array| row < array.len() && array.is_valid(row);
        match self {
            Values::Text(array) if here(array) => Value::Text(array.value(row)),
            Values::Event(array) if here(array) => Value::Event(EventId(array.value(row))),
            Values::U64(array) if here(array) => Value::Number(array.value(row)),
            Values::U32(array) if here(array) => Value::Number(array.value(row).into()),
            Values::U16(array) if here(array) => Value::Number(array.value(row).into()),
            Values::Flag(array) if here(array) => Value::Flag(array.value(row)),
            Values::Time(array) if here(array) => Value::Time(array.value(row)),
            _ => Value::Missing,
        }
    }
}

impl Value<'_> {
    /// The value without quotes. Writing to a String cannot fail.
    fn write(&self, line: &mut String) {
        let _ = match self {
            Value::Missing => Ok(()),
            Value::Text(text) => write!(line, "{text}"),
            Value::Number(number) => write!(line, "{number}"),
            Value::Event(event) => write!(line, "{event}"),
            Value::Flag(flag) => write!(line, "{flag}"),
            Value::Time(time) => write!(line, "{:.6}", moment(*time)),
        };
    }
}

/// The schema of the records with event ids as people know them.
fn exported_schema() -> SchemaRef {
    let fields = schema()
        .fields()
        .iter()
        .map(|field| match field.name() == Col::event.name() {
            true => Field::new(field.name(), DataType::Utf8, false)
                .with_metadata(field.metadata().clone()),
            false => field.as_ref().clone(),
        })
        .collect::<Vec<_>>();
    Arc::new(Schema::new(fields).with_metadata(HashMap::new()))
}

fn exported(batch: &RecordBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut columns = batch.columns().to_vec();
    if let Some(column) = columns.get_mut(Col::event.index())
        && let Some(events) = column.as_any().downcast_ref::<UInt64Array>()
    {
        let texts = events
            .values()
            .iter()
            .map(|event| EventId(*event).to_string());
        *column = Arc::new(StringArray::from_iter_values(texts));
    }
    RecordBatch::try_new(exported_schema(), columns)
}
