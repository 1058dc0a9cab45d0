//! Files of rows as such: that a sealed one is byte for byte the one that was signed, that each has its secret, and which are
//! gone and why.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use weir_evidence::{SealedFile, UserEntry};
use weir_monitoring::Store;
use weir_monitoring::proof::{self, FileRows, RowFile};

use crate::log::Told;
use crate::report::{Place, Report};

/// The rows that a file's name says, as a place.
pub(crate) fn place(file: &RowFile) -> Place {
    match file.last {
        Some(last) => Place::rows(file.first, last).of_file(&file.shown),
        None => Place::default().of_file(&file.shown),
    }
}

/// Whether a segment is the file that a checkpoint names.
pub(crate) fn check_digest(
    store: &Store,
    file: &RowFile,
    told: &Told,
    node: &str,
    report: &mut Report,
) {
    let (Some(last), Some(point)) = (file.last, told.last().filter(|_| told.is_whole)) else {
        return;
    };
    let Some((sealed, number)) = told.sealed.get(file.sealed_name()) else {
        if last < point.checkpoint.first {
            return;
        }
        if point.checkpoint.why == weir_evidence::Why::Stop {
            let what =
                "no checkpoint names this sealed file, although recording ended in good order";
            report.fault(node, place(file), what);
        } else {
            report.remarks.push(format!(
                "{} was sealed after the last checkpoint, so its bytes are not signed yet; of its rows those are checked that a \
                 checkpoint covers",
                file.shown
            ));
        }
        return;
    };
    match file.digest() {
        Ok(digest) if digest == sealed.digest => {}
        Ok(_) if weir_monitoring::erase::is_pending(store) => report.remarks.push(format!(
            "{} is being written anew: an erasure or expiry is under way, and the next checkpoint names what is left; its rows are \
             checked one by one",
            file.shown
        )),
        Ok(_) => {
            let what = format!("the file is not the one that was sealed (checkpoint {number})");
            report.fault(node, place(file).at(*number), what);
        }
        Err(error) => report.fault(node, place(file), format!("it cannot be read: {error}")),
    }
}

/// The rows of a file, or a fault. A running Weir may make a journal a segment meanwhile: then the segment takes its place.
pub(crate) fn rows(
    store: &Store,
    file: &mut RowFile,
    node: &str,
    report: &mut Report,
) -> Option<FileRows> {
    // The readers of Parquet and Arrow are made for files that are meant well.
    let read = |file: &RowFile| catch_unwind(AssertUnwindSafe(|| file.rows(store)));
    let mut found = read(file);
    if let Ok(Err(error)) = &found
        && error.kind() == io::ErrorKind::NotFound
    {
        let now = proof::row_files(store).unwrap_or_default();
        let is_same = |now: &RowFile| now.node == file.node && now.first == file.first;
        if let Some(now) = now.into_iter().find(is_same) {
            found = read(&now);
            *file = now;
        }
    }
    let error = match found {
        Ok(Ok(rows)) => return Some(rows),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "its bytes are damaged".to_owned(),
    };
    report.fault(
        node,
        place(file),
        format!("its rows cannot be read: {error}"),
    );
    None
}

/// Whether a file holds what its name says; damage and torn writes of a journal.
pub(crate) fn check_shape(
    file: &RowFile,
    rows: &FileRows,
    first_of_log: u64,
    node: &str,
    report: &mut Report,
) {
    let in_log = rows.rows.iter().any(|row| row.seq >= first_of_log);
    if !rows.has_secret && in_log {
        let what = "it has no secret beside it, so nothing shows that its rows are those of the log: an unsealed file";
        report.fault(node, place(file), what);
    }
    if rows.is_content_altered {
        let what = "the commitments to content beside it are not those of its rows";
        report.fault(node, place(file), what);
    }
    if rows.is_filter_damaged {
        let what = "its filter of hosts was altered, so that a search could pass it by; the rows are checked by themselves";
        report.fault(node, place(file), what);
    }
    if rows.damaged > 0 {
        let what = "bytes among its rows are damaged";
        report.fault(node, place(file), what);
    }
    if rows.torn > 0 {
        report.remarks.push(format!(
            "{} ends in {} bytes that are no whole write, as a crash leaves them; rows there are not proved",
            file.shown, rows.torn
        ));
    }
    let ends = (
        rows.rows.first().map(|row| row.seq),
        rows.rows.last().map(|row| row.seq),
    );
    let fits = match (ends, file.last) {
        ((Some(first), Some(last)), Some(named)) => first == file.first && last == named,
        ((Some(first), _), None) => first == file.first,
        ((None, _), last) => last.is_none(),
        ((Some(_), None), Some(_)) => false,
    };
    if !fits {
        let found = match ends {
            (Some(first), Some(last)) => format!("rows {first} to {last}"),
            _ => "no rows".to_owned(),
        };
        report.fault(
            node,
            place(file),
            format!("its name says other rows than it has: {found}"),
        );
    }
}

/// The users of a segment: those beside it, those that its rows make, and those that a checkpoint names.
pub(crate) fn check_users(
    file: &RowFile,
    rows: &FileRows,
    told: &Told,
    node: &str,
    report: &mut Report,
) {
    if !rows.has_secret {
        return;
    }
    if file.last.is_none() {
        if rows.untagged > 0 {
            report.remarks.push(format!(
                "{} rows of {} are of persons whose tags cannot be told without the tag key: nothing proves them yet",
                rows.untagged, file.shown
            ));
        }
        return;
    }
    let users = match file.users() {
        Ok(Some(users)) => users,
        Ok(None) => return report.fault(node, place(file), "its users are gone"),
        Err(error) => {
            let what = format!("its users cannot be read: {error}");
            return report.fault(node, place(file), what);
        }
    };
    if rows.untagged > 0 || users != rows.users {
        let what = "the users beside it are not those of its rows: another number, place or digest for some tag";
        report.fault(node, place(file), what);
    }
    let Some((sealed, number)) = told.sealed.get(file.sealed_name()) else {
        return;
    };
    let there = rows.rows.iter().filter(|row| row.tombstone.is_none());
    let times = there.map(|row| row.time);
    let times = match (times.clone().min(), times.max()) {
        // Of rows that were erased it is not known any more when they began.
        (Some(min), Some(max)) if rows.erased == 0 => (min, max),
        (min, max) => (
            sealed.earliest.min(min.unwrap_or(i64::MAX)),
            sealed.latest.max(max.unwrap_or(i64::MIN)),
        ),
    };
    let made =
        |users: &[UserEntry]| SealedFile::new(sealed.path.clone(), sealed.digest, times, users);
    if made(&users) != *sealed {
        let what = format!(
            "its rows, times or users are not those that checkpoint {number} says of it: {} rows of {} tags there",
            sealed.rows, sealed.entries
        );
        report.fault(node, place(file).at(*number), what);
    }
}

/// Rows whose hint is another than their leaf's: each is a place where a check may break.
pub(crate) fn suspects(
    file: &RowFile,
    rows: &FileRows,
    node: &str,
    report: &mut Report,
) -> Vec<u64> {
    if file.last.is_none() || !rows.has_secret {
        return Vec::new();
    }
    let hints = match file.hints() {
        Ok(Some(hints)) => hints,
        Ok(None) => {
            report.fault(node, place(file), "its hints are gone");
            return Vec::new();
        }
        Err(error) => {
            report.fault(
                node,
                place(file),
                format!("its hints cannot be read: {error}"),
            );
            return Vec::new();
        }
    };
    if hints.len() != rows.rows.len() {
        let what = format!("it has {} rows and {} hints", rows.rows.len(), hints.len());
        report.fault(node, place(file), what);
    }
    let of_row = rows.rows.iter().zip(&hints);
    of_row
        .filter(|(row, hint)| row.leaf.is_some_and(|leaf| proof::hint(&leaf) != **hint))
        .map(|(row, _)| row.seq)
        .collect()
}
