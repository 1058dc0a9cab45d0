//! What an index says of a segment, read from the segment itself: its dictionaries have each text once, so few bytes are looked at,
//! and what is in no row any more cannot be found.

use std::collections::HashSet;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow::array::{Array, AsArray, StringArray};
use arrow::datatypes::Int32Type;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;

use super::{COLUMNS, CONTENTS, Grams};
use crate::query::{coded, is_coded, is_empty};
use crate::record::Col;
use crate::segment::{self, Builder, Facts};
use crate::store::Store;

/// Rows decoded at a time.
const BATCH: usize = 4096;
/// Bytes of a column's texts that are looked at.
const LARGEST: usize = 8 << 20;

pub(super) struct Gathered {
    pub(super) facts: Facts,
    /// The texts of each column in lower case, sorted; None where they are too many, or one is not a line.
    pub(super) columns: [Option<Vec<String>>; COLUMNS.len()],
    /// None when no row has a path or a term.
    pub(super) content: Option<Grams>,
}

/// Reads what an index says of a segment.
///
/// # Errors
/// When the segment cannot be read.
pub(super) fn gather(store: &Store, path: &Path) -> Result<Gathered, ParquetError> {
    // The decoder can fail by a panic on a damaged file; it is not used again then.
    let gathered = catch_unwind(AssertUnwindSafe(|| read(store, path)));
    let failed = |_| ParquetError::General("the decoder failed on the file's content".to_owned());
    gathered.map_err(failed)?
}

fn read(store: &Store, path: &Path) -> Result<Gathered, ParquetError> {
    let file = File::open(path)?;
    let (footer, readable) = segment::footer(store, &file, PageIndexPolicy::Skip)?;
    let facts = Facts::from_footer(footer.file_metadata());
    let plain = ArrowReaderMetadata::try_new(footer.clone(), ArrowReaderOptions::new())?;
    let options = ArrowReaderOptions::new().with_schema(coded(plain.schema()));
    let metadata = ArrowReaderMetadata::try_new(footer, options)?;
    let texts = |col: Col| texts(&file, &metadata, &readable, col);
    let mut columns: [Option<Vec<String>>; COLUMNS.len()] = Default::default();
    for (col, column) in COLUMNS.iter().zip(&mut columns) {
        *column = texts(*col)?;
    }
    let mut content = Some(Vec::new());
    for col in CONTENTS {
        let more = texts(col)?;
        content = content.zip(more).map(|(mut all, more)| {
            all.extend(more);
            all
        });
    }
    let content = match content {
        Some(texts) if texts.is_empty() => None,
        Some(texts) => Some(Grams::of(texts.iter().map(String::as_str))),
        None => Some(Grams::any()),
    };
    Ok(Gathered {
        facts,
        columns,
        content,
    })
}

fn texts(
    file: &File,
    metadata: &ArrowReaderMetadata,
    readable: &[usize],
    col: Col,
) -> Result<Option<Vec<String>>, ParquetError> {
    let mut found: HashSet<String> = HashSet::new();
    let mut size = 0;
    for (number, group) in metadata.metadata().row_groups().iter().enumerate() {
        let chunks = group.columns();
        let place = chunks
            .iter()
            .position(|chunk| chunk.column_descr().name() == col.name());
        let Some(place) = place.filter(|place| readable.contains(place)) else {
            continue;
        };
        let chunk = group.column(place);
        if is_empty(chunk) {
            continue;
        }
        let builder = Builder::new_with_metadata(file.try_clone()?, metadata.clone());
        let mask = ProjectionMask::leaves(builder.parquet_schema(), [place]);
        let rows = builder
            .with_projection(mask)
            .with_row_groups(vec![number])
            .with_batch_size(BATCH)
            .build()?;
        for batch in rows {
            let batch = batch?;
            let column = batch.columns().first();
            let coded = column.and_then(|column| column.as_dictionary_opt::<Int32Type>());
            let values =
                coded.and_then(|coded| coded.values().as_any().downcast_ref::<StringArray>());
            let Some(values) = values else {
                return Ok(None);
            };
            for text in values.iter().flatten().filter(|text| !text.is_empty()) {
                let text = text.to_lowercase();
                if text.contains('\n') {
                    return Ok(None);
                }
                size += text.len();
                found.insert(text);
            }
            if size > LARGEST {
                return Ok(None);
            }
            // The first rows that have any bring the whole dictionary.
            if is_coded(chunk) && !values.is_empty() {
                break;
            }
        }
    }
    let mut found: Vec<String> = found.into_iter().collect();
    found.sort_unstable();
    Ok(Some(found))
}
