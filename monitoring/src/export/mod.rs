//! Exports: matching rows as CSV, JSON lines or Parquet in order of time, with a statement of what they are (LM-36 begins here).
//!
//! Decides what an export says about itself: nothing that interrupted recording in its period can be left out of the statement
//! (LM-33). Who may export, and that it is recorded, is decided by the caller (LM-12, LM-18).

mod rows;
mod statement;

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

use arrow::array::RecordBatch;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

pub use crate::purpose::{PurposeError, purpose};
pub(crate) use rows::cell;
pub use rows::{Encoder, Format};
pub use statement::{Happening, Statement};

use crate::query::{self, Matcher, Order, Query, SearchError};
use crate::words::Kind;
use statement::Tally;

/// Rows about the records themselves: they stand in every statement whose period they touch, whoever was asked for.
pub(crate) const HAPPENINGS: [Kind; 7] = [
    Kind::Start,
    Kind::Stop,
    Kind::Gap,
    Kind::Reload,
    Kind::Clock,
    Kind::Retention,
    Kind::Authorisation,
];

/// Why an export failed. What was written to the output until then is not an export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No purpose that allows it.
    #[error(transparent)]
    Purpose(#[from] PurposeError),
    /// The records could not be searched.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The output could not be written.
    #[error("cannot write the export: {0}")]
    Output(#[from] io::Error),
}

/// Writes every row that matches `query` to `out`, oldest first whatever order the query names, and tells what was written.
///
/// # Errors
/// When `code` is no allowed purpose (nothing is read then), the directory cannot be listed, or `out` fails. Files that cannot
/// be read are named in the statement.
pub fn run(
    directory: &Path,
    query: &Query,
    format: Format,
    code: &str,
    out: &mut (dyn Write + Send),
) -> Result<Statement, ExportError> {
    let purpose = purpose(code)?;
    let query = Query {
        order: Order::Oldest,
        ..query.clone()
    };
    let mut tally = Tally::default();
    let mut sum = Summing {
        out,
        sum: Sha256::new(),
        bytes: 0,
    };
    let mut encoder = Encoder::new(format, &mut sum)?;
    let mut failed = None;
    let searched = query::search(directory, &query, &mut |batch: &RecordBatch| {
        tally.count(batch);
        match encoder.write(batch) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    encoder.finish()?;
    sum.flush()?;
    let (sha256, bytes) = (hex(&sum.sum.finalize()), sum.bytes);
    let happenings = happenings(directory, &query)?;
    let generated = Timestamp::now();
    Ok(tally.into_statement(
        purpose,
        query,
        format,
        searched,
        happenings,
        statement::Output {
            generated,
            sha256,
            bytes,
        },
    ))
}

/// Starts, stops, gaps and the like that fall into the time asked for, also those that only last into it.
fn happenings(directory: &Path, query: &Query) -> Result<Vec<Happening>, SearchError> {
    let asked = Query {
        kinds: HAPPENINGS.to_vec(),
        from: query.from,
        to: query.to,
        ..Query::default()
    };
    let mut found = Vec::new();
    query::run(
        directory,
        &Matcher::new(&asked).lasting(),
        &asked,
        query::WINDOW,
        &mut |batch| {
            found.extend(Happening::read(batch));
            ControlFlow::Continue(())
        },
    )?;
    Ok(found)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Passes on what is written, and knows how much it was and its SHA-256.
struct Summing<'a> {
    out: &'a mut (dyn Write + Send),
    sum: Sha256,
    bytes: u64,
}

impl Write for Summing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.sum.update(bytes.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
