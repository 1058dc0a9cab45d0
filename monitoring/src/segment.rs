//! A sealed segment as its footer describes it.
//!
//! What is in the footer's metadata is what a start or a search wants to know without reading rows.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, ParquetMetaDataReader};

/// Keys of the footer's metadata.
pub(crate) mod fact {
    pub(crate) const NODE: &str = "weir.node";
    pub(crate) const FIRST: &str = "weir.first";
    pub(crate) const LAST: &str = "weir.last";
    pub(crate) const ROWS: &str = "weir.rows";
    pub(crate) const EARLIEST: &str = "weir.earliest";
    pub(crate) const LATEST: &str = "weir.latest";
    pub(crate) const STOPPED: &str = "weir.stopped";
    pub(crate) const VERSION: &str = "weir.version";
    pub(crate) const KINDS: &str = "weir.kinds";
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
}

impl Facts {
    /// Reads the footer of a segment.
    ///
    /// # Errors
    /// When the file cannot be opened or is no Parquet file.
    pub(crate) fn read(path: &Path) -> Result<Facts, ParquetError> {
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&File::open(path)?)?;
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
