//! Which hosts a segment may hold: a filter beside it, so that a search for one host passes by the segments without it.
//!
//! Parquet has such filters too, but writes them openly even into encrypted files, and whoever copies a disk could try every
//! name on them. So this one lies in a file of its own, sealed under the event key of the period.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use parquet::bloom_filter::Sbbf;

use crate::adapt::Cells;
use crate::keys::DataKey;
use crate::proof::sidecar;
use crate::record::Col;
use crate::store::Store;

/// A filter says "may hold" of so many hosts that the segment does not hold.
const FALSE_POSITIVES: f64 = 0.02;

/// Where the filter of a segment lies.
pub(crate) fn path(segment: &Path) -> PathBuf {
    segment.with_extension("hosts")
}

/// Writes the filter of the rows that a segment is about to hold.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(
    store: &Store,
    key: &DataKey,
    segment: &Path,
    batches: &[RecordBatch],
) -> io::Result<()> {
    let mut hosts = HashSet::new();
    for batch in batches {
        let cells = Cells::new(batch);
        let columns = [Col::host, Col::sni].map(|col| cells.text(col));
        for texts in columns.into_iter().flatten() {
            hosts.extend(texts.iter().flatten());
        }
    }
    let mut filter = Sbbf::new_with_ndv_fpp(hosts.len().max(1) as u64, FALSE_POSITIVES)
        .map_err(io::Error::other)?;
    hosts.iter().for_each(|host| filter.insert(*host));
    let mut bytes = Vec::new();
    filter.write(&mut bytes).map_err(io::Error::other)?;
    let path = path(segment);
    sidecar::replace(&path, &store.seal(key, &path, &bytes)?)
}

/// Whether the filter of a segment is under this key.
pub(crate) fn is_under(segment: &Path, key: &DataKey) -> bool {
    let bytes = std::fs::read(path(segment)).unwrap_or_default();
    crate::keys::is_sealed(&bytes) == Some(key.name.as_str())
}

/// Whether the filter of a segment is what was written: one that was exchanged could let a search pass by its rows.
pub(crate) fn is_whole(store: &Store, segment: &Path) -> bool {
    let bytes = store.read_sealed(&path(segment));
    bytes.is_ok_and(|bytes| bytes.is_none_or(|bytes| Sbbf::from_bytes(&bytes).is_ok()))
}

/// Whether a segment may hold rows of this host or server name. Without a filter that can be read it may.
pub(crate) fn may_hold(store: &Store, segment: &Path, host: &str) -> bool {
    let bytes = store.read_sealed(&path(segment)).ok().flatten();
    let filter = bytes.and_then(|bytes| Sbbf::from_bytes(&bytes).ok());
    filter.is_none_or(|filter| filter.check(host))
}
