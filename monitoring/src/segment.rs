//! A sealed segment: how it is opened with the keys of its period, and what its footer says.
//!
//! What is in the footer's metadata is what a start or a search wants to know without reading rows. Content whose key was
//! destroyed is read as if it were not there (LM-14).

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::encryption::encrypt::FileEncryptionProperties;
use parquet::errors::ParquetError;
use parquet::file::column_crypto_metadata::ColumnCryptoMetaData;
use parquet::file::metadata::{
    ColumnChunkMask, FileMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader,
};
use parquet::file::reader::ChunkReader;

use crate::column::Grade;
use crate::keys::{DataKey, KeyError};
use crate::record::columns;
use crate::store::Store;

/// Keys of the footer's metadata.
pub(crate) mod fact {
    pub(crate) const NODE: &str = "weir.node";
    pub(crate) const FIRST: &str = "weir.first";
    pub(crate) const LAST: &str = "weir.last";
    pub(crate) const ROWS: &str = "weir.rows";
    pub(crate) const EARLIEST: &str = "weir.earliest";
    pub(crate) const LATEST: &str = "weir.latest";
    pub(crate) const STOPPED: &str = "weir.stopped";
    pub(crate) const KEY: &str = "weir.key";
    pub(crate) const VERSION: &str = "weir.version";
    pub(crate) const KINDS: &str = "weir.kinds";
}

/// A reader of a segment.
pub(crate) type Builder = ParquetRecordBatchReaderBuilder<File>;

/// Opens a segment for the columns whose key is there; the page index of those only, since that of the others cannot be read.
///
/// # Errors
/// When it is no Parquet file, or the event key of its period is not there.
pub(crate) fn reader(
    store: &Store,
    file: File,
    pages: PageIndexPolicy,
) -> Result<Builder, ParquetError> {
    let (footer, columns) = footer(store, &file, pages)?;
    let metadata = ArrowReaderMetadata::try_new(footer, ArrowReaderOptions::new())?;
    let builder = Builder::new_with_metadata(file, metadata);
    let mask = ProjectionMask::leaves(builder.parquet_schema(), columns);
    Ok(builder.with_projection(mask))
}

/// The footer of a segment, and the places of the columns whose key is there.
///
/// # Errors
/// As [`reader`].
pub(crate) fn footer(
    store: &Store,
    file: &impl ChunkReader,
    pages: PageIndexPolicy,
) -> Result<(Arc<ParquetMetaData>, Vec<usize>), ParquetError> {
    let reading = || ParquetMetaDataReader::new().with_decryption_properties(store.decryption());
    let mut metadata = reading().parse_and_finish(file)?;
    let columns = readable_columns(&metadata, store);
    if pages != PageIndexPolicy::Skip {
        let mask = ColumnChunkMask::columns(columns.iter().copied());
        let mut indexes = ParquetMetaDataReader::new_with_metadata(metadata)
            .with_decryption_properties(store.decryption())
            .with_page_index_policy(pages)
            .with_page_index_mask(mask);
        indexes.read_page_indexes(file)?;
        metadata = indexes.finish()?;
    }
    Ok((Arc::new(metadata), columns))
}

/// Places of the columns whose key is there: all, until content has expired.
pub(crate) fn readable_columns(metadata: &ParquetMetaData, store: &Store) -> Vec<usize> {
    let Some(group) = metadata.row_groups().first() else {
        return (0..metadata.file_metadata().schema_descr().num_columns()).collect();
    };
    // Content whose key was destroyed is as if it were not there.
    let is_readable = |crypto: Option<&ColumnCryptoMetaData>| match key_name(crypto) {
        // A key that is there and does not open is damage, and reading will say so.
        Some(name) => !store
            .keys()
            .is_ok_and(|keys| matches!(keys.open(name), Err(KeyError::Destroyed { .. }))),
        None => true,
    };
    let columns = group.columns().iter().enumerate();
    columns
        .filter(|(_, chunk)| is_readable(chunk.crypto_metadata()))
        .map(|(index, _)| index)
        .collect()
}

/// The key of a column, by its name.
fn key_name(crypto: Option<&ColumnCryptoMetaData>) -> Option<&str> {
    match crypto? {
        ColumnCryptoMetaData::ENCRYPTION_WITH_COLUMN_KEY(of) => {
            std::str::from_utf8(of.key_metadata.as_deref()?).ok()
        }
        ColumnCryptoMetaData::ENCRYPTION_WITH_FOOTER_KEY => None,
    }
}

/// What encrypts a segment: columns of event grade, and the footer, under one key, those of content under the other.
pub(crate) fn encryption(
    [event, content]: &[Arc<DataKey>; 2],
) -> Result<Arc<FileEncryptionProperties>, ParquetError> {
    let metadata = |key: &DataKey| key.name.clone().into_bytes();
    let mut builder =
        FileEncryptionProperties::builder(event.to_vec()).with_footer_key_metadata(metadata(event));
    for column in columns() {
        let key = match column.grade {
            Grade::Event => event,
            Grade::Content => content,
        };
        builder = builder.with_column_key_and_metadata(column.name, key.to_vec(), metadata(key));
    }
    builder.build()
}

/// What a segment holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) node: String,
    /// Numbers of the first and last row.
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) rows: u64,
    /// Earliest and latest begin of its rows, µs since the epoch.
    pub(crate) earliest: i64,
    pub(crate) latest: i64,
    /// Whether the last row is a stop row.
    pub(crate) has_stopped: bool,
    /// Version of Weir that wrote the rows.
    pub(crate) version: String,
    /// Every kind of its rows.
    pub(crate) kinds: BTreeSet<String>,
    /// Name of the event key that it is encrypted under.
    pub(crate) key: String,
}

impl Facts {
    /// Reads the footer of a segment.
    ///
    /// # Errors
    /// When the file cannot be opened or is no Parquet file.
    pub(crate) fn read(store: &Store, path: &Path) -> Result<Facts, ParquetError> {
        let metadata = ParquetMetaDataReader::new()
            .with_decryption_properties(store.decryption())
            .parse_and_finish(&File::open(path)?)?;
        Ok(Facts::from_footer(metadata.file_metadata()))
    }

    /// From a footer that was read already; what is missing is nothing.
    pub(crate) fn from_footer(footer: &FileMetaData) -> Facts {
        let pairs = footer.key_value_metadata();
        let text = |key: &str| {
            let pair = pairs?.iter().find(|pair| pair.key == key)?;
            pair.value.as_deref()
        };
        let number = |key: &str| text(key).and_then(|value| value.parse().ok());
        let time = |key: &str| text(key).and_then(|value| value.parse().ok());
        Facts {
            node: text(fact::NODE).unwrap_or_default().to_owned(),
            first: number(fact::FIRST).unwrap_or(0),
            last: number(fact::LAST).unwrap_or(0),
            rows: u64::try_from(footer.num_rows()).unwrap_or(0),
            earliest: time(fact::EARLIEST).unwrap_or(i64::MIN),
            latest: time(fact::LATEST).unwrap_or(i64::MAX),
            has_stopped: text(fact::STOPPED) == Some("true"),
            key: text(fact::KEY).unwrap_or_default().to_owned(),
            version: text(fact::VERSION).unwrap_or_default().to_owned(),
            kinds: text(fact::KINDS)
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
        }
    }

    /// Whether a row of one of these kinds may be in it; no kinds mean every kind.
    pub(crate) fn may_have(&self, kinds: &[&str]) -> bool {
        kinds.is_empty()
            || self.kinds.is_empty()
            || kinds.iter().any(|kind| self.kinds.contains(*kind))
    }
}
