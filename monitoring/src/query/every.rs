//! Every matching row that is sealed, for who must miss none: erasure (LM-15).
//!
//! Decides that only what is authentic lets a segment be passed by: its own footer and what else is encrypted under the key of its
//! period. Neither the index of a day nor the day that its directory is called counts. No order, and no row of a journal.

use arrow::array::RecordBatch;

use super::{Matcher, Query, SearchError, Unreadable, scan};
use crate::segment::Facts;
use crate::store::Store;

/// Hands every matching sealed row to `each`, in batches of [`crate::schema`]; gives the segments that could not be read, in
/// which rows may have been missed.
///
/// # Errors
/// When the directory cannot be listed.
pub(crate) fn every(
    store: &Store,
    query: &Query,
    each: &mut dyn FnMut(&RecordBatch),
) -> Result<Vec<Unreadable>, SearchError> {
    let matcher = Matcher::new(query);
    let layout = store.layout();
    let mut unreadable = Vec::new();
    for (_, period) in layout.list_periods()? {
        for (_, path) in layout.list_segments(&period)? {
            let scanned = Facts::read(store, &path)
                .map_err(|error| error.to_string())
                .and_then(|facts| {
                    let may_match = facts.latest >= matcher.from
                        && facts.earliest < matcher.to
                        && facts.may_have(matcher.kinds());
                    if !may_match {
                        return Ok(());
                    }
                    let asked = scan::Asked {
                        matcher: &matcher,
                        times: (i64::MIN, i64::MAX),
                        columns: None,
                    };
                    let scanned = scan::scan(store, &path, &asked, &mut |batch| {
                        each(&batch);
                        Ok(())
                    });
                    scanned.map_err(|error| match error {
                        scan::ScanError::File(error) => error,
                        scan::ScanError::Rows(error) => error.to_string(),
                    })
                });
            if let Err(error) = scanned {
                let name = layout.shown(&path);
                unreadable.push(Unreadable { name, error });
            }
        }
    }
    Ok(unreadable)
}
