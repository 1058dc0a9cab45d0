//! What is gone, and whether a row or a checkpoint tells of it: rows that were taken out, content that expired, segments of periods
//! that were removed.

use super::Walk;
use crate::report::{Place, Report};
use crate::stretch::rows_of;

/// Rows of which only a tombstone is left, and one event is to tell of.
pub(super) struct Buried {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) rows: u64,
    pub(super) file: usize,
}

impl Walk<'_> {
    /// Whether the row that tells of something about row `seq` may be gone by now: the time of later rows is over.
    fn may_be_gone(removed: &[(u64, u64)], seq: u64) -> bool {
        removed.iter().any(|(first, _)| *first > seq)
    }

    /// Whether a row tells of each row that was taken out, after it, and of exactly as many.
    pub(super) fn judge_buried(&mut self, removed: &[(u64, u64)], report: &mut Report) {
        let node = self.log.node.clone();
        let is_all_there = removed.is_empty() && self.unreadable.is_empty() && !self.is_pending;
        for (id, buried) in std::mem::take(&mut self.buried) {
            let place = Place::rows(buried.first, buried.first).of_file(&self.shown(buried.file));
            let Some((seq, rows)) = self.told_of.remove(&id) else {
                if Walk::may_be_gone(removed, buried.last) {
                    report.remarks.push(format!(
                        "{} rows from {} on were taken out; the row that told of it (event {id}) is gone itself, because its time is \
                         over",
                        buried.rows, buried.first
                    ));
                    continue;
                }
                let what = format!(
                    "rows from here on were taken out, and no row tells of it (event {id})"
                );
                report.fault(&node, place, what);
                continue;
            };
            let there = buried.rows;
            if buried.last > seq {
                let what = format!(
                    "row {} was taken out, and row {seq}, which is to tell of it (event {id}), came before it",
                    buried.last
                );
                report.fault(&node, place, what);
            } else if rows.is_none_or(|told| there > told || (is_all_there && there < told)) {
                let told = rows.map_or("none".to_owned(), |told| told.to_string());
                let what = format!(
                    "{there} rows were taken out, and row {seq} tells of {told} (event {id})"
                );
                report.fault(&node, place, what);
            }
        }
        if !is_all_there {
            return;
        }
        for (id, (seq, rows)) in std::mem::take(&mut self.told_of) {
            if seq >= self.first && rows.is_some_and(|rows| rows > 0) {
                let what =
                    format!("it tells of rows that were taken out (event {id}), and none are");
                report.fault(&node, Place::rows(seq, seq), what);
            }
        }
    }

    /// Whether a row tells that the time of content was over that is gone.
    pub(super) fn judge_expired(&mut self, removed: &[(u64, u64)], report: &mut Report) {
        for (period, (seq, file)) in std::mem::take(&mut self.expired) {
            if self.order.without_content.contains(&period) {
                continue;
            }
            let shown = self.shown(file);
            if Walk::may_be_gone(removed, seq) {
                report.remarks.push(format!(
                    "the content of rows of {period} is gone; a row that told of it may be gone itself, because its time is over"
                ));
                continue;
            }
            let what = format!(
                "the content of rows of {period} is gone, and no row tells that its time was over: its key was destroyed or lost"
            );
            report.fault(&self.log.node, Place::rows(seq, seq).of_file(&shown), what);
        }
    }

    /// Rows of segments that are gone because their period was removed, and a fault for each that is gone without.
    pub(super) fn removed(&self, report: &mut Report) -> Vec<(u64, u64)> {
        let mut removed = Vec::new();
        for (path, (_, number)) in &self.told.sealed {
            let shown = format!("segments/{path}");
            if self.files.iter().any(|file| file.shown == shown) {
                continue;
            }
            let period = path.split('/').next().unwrap_or_default();
            let rows = rows_of(path);
            // A segment that was named with the removal of its period or later is one that a hold left there.
            let named = self.told.removed.get(period);
            let is_told = named.is_some_and(|removed| removed > number)
                || self.order.removed.contains(period)
                || (named.is_none() && self.is_pending && self.order.sifted.contains(period));
            match rows {
                Some(rows) if is_told => removed.push(rows),
                Some((first, last)) => {
                    let place = Place::rows(first, last).of_file(&shown).at(*number);
                    let what = "this sealed file is not there, and nothing says that its period was removed";
                    report.fault(&self.log.node, place, what);
                }
                None => {
                    let place = Place::checkpoint(*number).of_file(&shown);
                    report.fault(&self.log.node, place, "this is no name of a segment");
                }
            }
        }
        removed.sort_unstable();
        removed
    }
}
