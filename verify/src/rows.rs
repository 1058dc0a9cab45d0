//! Row by row through every file: each number once and in order, and the leaves those that the checkpoints' roots are made of.
//!
//! Rows that are gone are told apart: those of a period that was removed because its time was over, those that a gap row admits
//! were lost before they were durable, and all others, which are faults.

mod gone;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use jiff::Timestamp;
use weir_evidence::{Hash, Span};
use weir_monitoring::proof::{Gone, Happening, ProvenRow, RowFile};
use weir_monitoring::{EventId, Store};

use crate::TakeLeaf;
use crate::files;
use crate::log::{Point, Told};
use crate::order::Order;
use crate::promise::Removals;
use crate::report::{LogReport, Place, Report};
use crate::stretch::without;
use gone::Buried;

/// Walks through the files of one node, which lie in a store.
pub(crate) fn walk(
    (store, files): (&Store, Vec<RowFile>),
    told: &Told,
    node: &str,
    report: &mut Report,
    take: TakeLeaf<'_>,
) -> io::Result<()> {
    let mut walk = Walk::new(files, told, node);
    walk.is_pending = weir_monitoring::erase::is_pending(store);
    for number in 0..walk.files.len() {
        let Some(file) = walk.files.get_mut(number) else {
            continue;
        };
        if !store.has_keys() {
            let file = file.clone();
            files::check_digest(store, &file, told, node, report);
            walk.unreadable(&file);
            continue;
        }
        let rows = files::rows(store, file, node, report);
        let file = file.clone();
        files::check_digest(store, &file, told, node, report);
        let Some(rows) = rows else {
            walk.unreadable(&file);
            continue;
        };
        files::check_shape(&file, &rows, walk.first, node, report);
        files::check_users(&file, &rows, told, node, report);
        walk.log.erased += rows.erased;
        walk.log.expired += rows.expired;
        if rows.expired > 0 {
            let period = file.sealed_name().split('/').next().unwrap_or_default();
            let place = (file.first, number);
            walk.expired.entry(period.to_owned()).or_insert(place);
        }
        let suspects = files::suspects(&file, &rows, node, report);
        walk.suspects
            .extend(suspects.iter().map(|seq| (*seq, number)));
        for row in &rows.rows {
            walk.row(row, number, report);
            if let Some(leaf) = row.leaf.filter(|_| row.seq >= walk.first) {
                take(node, row.seq, &leaf)?;
            }
        }
    }
    walk.finish(report);
    Ok(())
}

struct Walk<'a> {
    files: Vec<RowFile>,
    told: &'a Told,
    /// The first row of the log; beyond every row when there is no checkpoint.
    first: u64,
    /// The next row that is due.
    next: u64,
    /// The checkpoint that covers the next row.
    point: usize,
    /// Rows since the checkpoint before, each with its file.
    rows: Vec<(u64, Option<Hash>, usize)>,
    /// Stretches of numbers without a row since the checkpoint before.
    holes: Vec<(u64, u64)>,
    /// Holes to be judged at the end, when every row that could admit them is read.
    unexplained: Vec<(u64, u64, u64)>,
    /// Rows whose file could not be read: a fault already.
    unreadable: Vec<(u64, u64)>,
    suspects: BTreeMap<u64, usize>,
    /// Rows of which only a tombstone is left.
    stones: BTreeSet<u64>,
    /// The same by the event that is to tell of them.
    buried: BTreeMap<EventId, Buried>,
    /// Events of rows that tell of rows that went: the number of that row, and how many it says.
    told_of: BTreeMap<EventId, (u64, Option<u64>)>,
    /// Periods with rows whose content is gone: the first such row, and its file.
    expired: BTreeMap<String, (u64, usize)>,
    /// Whether an erasure or expiry is under way.
    is_pending: bool,
    order: Order,
    removals: Removals,
    log: LogReport,
    /// The last moment that a row after the last checkpoint tells of.
    latest: Option<i64>,
    /// The last stop that no checkpoint covers.
    stop: Option<u64>,
}

impl<'a> Walk<'a> {
    fn new(files: Vec<RowFile>, told: &'a Told, node: &str) -> Walk<'a> {
        let first = told.points.first().map(|point| point.checkpoint.first);
        let last = told.last().map(|last| &last.checkpoint);
        let moment = |time: i64| Timestamp::from_microsecond(time).ok();
        let begin = files.first().map_or(u64::MAX, |file| file.first);
        Walk {
            files,
            told,
            first: first.unwrap_or(u64::MAX),
            next: begin.min(first.unwrap_or(u64::MAX)),
            point: 0,
            rows: Vec::new(),
            holes: Vec::new(),
            unexplained: Vec::new(),
            unreadable: Vec::new(),
            suspects: BTreeMap::new(),
            stones: BTreeSet::new(),
            buried: BTreeMap::new(),
            told_of: BTreeMap::new(),
            expired: BTreeMap::new(),
            is_pending: false,
            order: Order::default(),
            removals: Removals::default(),
            log: LogReport {
                node: node.to_owned(),
                origin: last.map(|last| last.origin.clone()),
                keys: told.keys.iter().map(ToString::to_string).collect(),
                checkpoints: told.points.len() as u64,
                first_time: told
                    .points
                    .first()
                    .and_then(|first| moment(first.checkpoint.time)),
                last_time: last.and_then(|last| moment(last.time)),
                last_checkpoint: told.last().map(|last| last.note.to_string()),
                promises: told.promises.clone(),
                first_row: first,
                last_row: last.map(|last| last.last),
                ..LogReport::default()
            },
            latest: None,
            stop: None,
        }
    }

    fn shown(&self, file: usize) -> String {
        let file = self.files.get(file);
        file.map_or_else(String::new, |file| file.shown.clone())
    }

    fn unreadable(&mut self, file: &RowFile) {
        self.unreadable
            .push((file.first, file.last.unwrap_or(u64::MAX)));
    }

    fn row(&mut self, row: &ProvenRow, file: usize, report: &mut Report) {
        if row.seq < self.next {
            let place = Place::rows(row.seq, row.seq).of_file(&self.shown(file));
            let what = "this number was there before: a row stands twice or out of order";
            return report.fault(&self.log.node, place, what);
        }
        // Rows before the log are gone with their periods, and nothing is known of them.
        if self.next < self.first && row.seq >= self.first {
            self.next = self.first;
            self.order.lose();
        }
        self.leave_points_before(row.seq, report);
        if row.seq > self.next {
            if row.seq >= self.first {
                self.holes.push((self.next, row.seq - 1));
            }
            self.order.lose();
        }
        self.next = row.seq.saturating_add(1);
        if let Some(stone) = &row.tombstone {
            self.stones.insert(row.seq);
            let buried = self.buried.entry(stone.id).or_insert(Buried {
                first: row.seq,
                last: row.seq,
                rows: 0,
                file,
            });
            (buried.last, buried.rows) = (row.seq, buried.rows + 1);
        }
        if let Some((Happening::Retention { period, gone }, time)) = &row.happening
            && row.seq >= self.first
        {
            let seen = (self.told, self.log.node.as_str(), &mut *report);
            let (what, at) = ((period.as_str(), *gone), (*time, row.seq));
            self.removals.row(seen, what, at, self.point);
        }
        let told = match &row.happening {
            Some((Happening::Erasure { rows }, _)) => Some(*rows),
            Some((Happening::Retention { gone, .. }, _)) => match gone {
                Gone::Partly { rows } => Some(*rows),
                Gone::Whole | Gone::Content => None,
            },
            _ => None,
        };
        if let Some(rows) = told {
            self.told_of.insert(row.event, (row.seq, rows));
        }
        let shown = self.files.get(file).map_or("", |file| file.shown.as_str());
        self.order.row(row, shown, &mut self.log, report);
        if row.seq < self.first {
            self.log.before += 1;
            return;
        }
        if self.point >= self.told.points.len() {
            self.log.after += 1;
            let moment = row.happening.as_ref().map(|(_, moment)| *moment);
            self.latest = self.latest.max(moment);
            if let Some((Happening::Stop, _)) = row.happening {
                self.stop = Some(row.seq);
            }
            return;
        }
        self.rows.push((row.seq, row.leaf, file));
    }

    /// Closes every checkpoint whose rows all come before this one.
    fn leave_points_before(&mut self, seq: u64, report: &mut Report) {
        let told = self.told;
        while let Some(point) = told.points.get(self.point)
            && point.checkpoint.last < seq
        {
            // What is missing up to its last row belongs to it.
            let last = point.checkpoint.last;
            if self.next <= last {
                self.holes.push((self.next.max(self.first), last));
                self.next = last.saturating_add(1);
                self.order.lose();
            }
            self.close(point, report);
            self.point += 1;
        }
    }

    fn close(&mut self, point: &Point, report: &mut Report) {
        let (rows, holes) = (
            std::mem::take(&mut self.rows),
            std::mem::take(&mut self.holes),
        );
        let checkpoint = &point.checkpoint;
        let (number, time) = (checkpoint.number, checkpoint.time);
        let leaves = point.stretch.end() - point.stretch.start();
        let numbers = checkpoint.last - point.after;
        self.unexplained
            .extend(holes.iter().map(|(first, last)| (*first, *last, number)));
        if rows.len() as u64 == leaves || leaves == numbers {
            self.compare(point, &rows, leaves == numbers, report);
        } else if !rows.is_empty() {
            let place = Place::rows(point.after + 1, checkpoint.last).at(number);
            let what = format!(
                "it covers {leaves} rows there, and {} are there",
                rows.len()
            );
            report.fault(&self.log.node, place, what);
        }
        self.order.checkpoint(number, time, &self.log.node, report);
    }

    /// Compares each subtree whose rows are all there.
    fn compare(
        &mut self,
        point: &Point,
        rows: &[(u64, Option<Hash>, usize)],
        is_dense: bool,
        report: &mut Report,
    ) {
        let from = point.stretch.start();
        // Place of a row among the leaves of the stretch: by its number when each number has a leaf, else by counting.
        let place = |at: usize, seq: u64| {
            if is_dense {
                seq - point.after - 1
            } else {
                at as u64
            }
        };
        let mut at = 0;
        for (first, size, expected) in point.stretch.parts() {
            let first = first - from;
            let begin = at;
            while let Some((seq, ..)) = rows.get(at)
                && place(at, *seq) < first + size
            {
                at += 1;
            }
            let own = rows.get(begin..at).unwrap_or_default();
            if own.len() as u64 != size {
                // Some are gone, which is told elsewhere: these cannot be compared, and count as neither.
                continue;
            }
            let mut tree = Span::new(0);
            let is_known = own.iter().all(|(_, leaf, _)| {
                leaf.is_some_and(|leaf| {
                    tree.push(leaf);
                    true
                })
            });
            if is_known && tree.root() == Some(expected) {
                let good = own.first().zip(own.last());
                let stones = good.map_or(0, |((first, ..), (last, ..))| {
                    self.stones.range(first..=last).count() as u64
                });
                self.log.proved += size.saturating_sub(stones);
                if let Some(((first, ..), (last, ..))) = good {
                    self.tell_hints(*first, *last, report);
                }
            } else if is_known {
                self.tell_altered(own, point.checkpoint.number, report);
            }
        }
    }

    /// The rows are not those that were signed: the first one whose hint differs, or all of them.
    fn tell_altered(
        &mut self,
        own: &[(u64, Option<Hash>, usize)],
        number: u64,
        report: &mut Report,
    ) {
        let (Some((first, _, file)), Some((last, ..))) = (own.first(), own.last()) else {
            return;
        };
        let named: Vec<(u64, usize)> = self
            .suspects
            .range(first..=last)
            .map(|(seq, file)| (*seq, *file))
            .collect();
        let node = self.log.node.clone();
        if named.is_empty() {
            let place = Place::rows(*first, *last)
                .of_file(&self.shown(*file))
                .at(number);
            let what = "one or more of these rows are not what was signed";
            report.fault(&node, place, what);
        }
        for (seq, file) in named {
            let place = Place::rows(seq, seq).of_file(&self.shown(file)).at(number);
            report.fault(&node, place, "this row is not what was signed");
            self.suspects.remove(&seq);
        }
    }

    /// The rows are right, so hints that differ are wrong themselves.
    fn tell_hints(&mut self, first: u64, last: u64, report: &mut Report) {
        let wrong: Vec<(u64, usize)> = self
            .suspects
            .range(first..=last)
            .map(|(seq, file)| (*seq, *file))
            .collect();
        for (seq, file) in wrong {
            let place = Place::rows(seq, seq).of_file(&self.shown(file));
            let what = "its hint was altered; the row itself is what was signed";
            report.fault(&self.log.node, place, what);
            self.suspects.remove(&seq);
        }
    }

    fn finish(mut self, report: &mut Report) {
        // The last rows of the log may be gone, whatever their checkpoints are.
        self.leave_points_before(u64::MAX, report);
        let node = self.log.node.clone();
        self.order.end(&node, report);
        let tail = std::mem::take(&mut self.holes);
        self.unexplained
            .extend(tail.into_iter().map(|(first, last)| (first, last, 0)));
        self.removals.checkpoints(self.told, &node, report);
        self.removals.tell(self.told, report);
        let removed = self.removed(report);
        for (first, last, number) in std::mem::take(&mut self.unexplained) {
            self.explain(first, last, number, &removed, report);
        }
        self.judge_buried(&removed, report);
        self.judge_expired(&removed, report);
        self.judge_tail(report);
        if self.log.before > 0 && self.first != u64::MAX {
            report.remarks.push(format!(
                "the log begins with row {}: the {} rows before it were written without one, and nothing proves them",
                self.first, self.log.before
            ));
        }
        report.logs.push(self.log);
    }

    /// What of a hole is explained, and a fault for the rest.
    fn explain(
        &mut self,
        first: u64,
        last: u64,
        number: u64,
        removed: &[(u64, u64)],
        report: &mut Report,
    ) {
        let mut left = vec![(first, last)];
        for (from, to) in removed {
            let before: u64 = left.iter().map(|(a, b)| (b - a).saturating_add(1)).sum();
            left = without(&left, *from, *to);
            let after: u64 = left.iter().map(|(a, b)| (b - a).saturating_add(1)).sum();
            self.log.removed += before - after;
        }
        for (from, to) in &self.unreadable {
            left = without(&left, *from, *to);
        }
        let leaves = self
            .told
            .points
            .iter()
            .find(|point| point.checkpoint.number == number);
        let is_lost = leaves.is_none_or(|point| {
            // Rows that were lost before a checkpoint have a number but no leaf.
            let leaves = point.stretch.end() - point.stretch.start();
            leaves < point.checkpoint.last - point.after
        });
        if is_lost {
            for (from, to) in self.order.unsure.clone() {
                left = without(&left, from, to);
            }
            let damage = self.order.damage.clone();
            left.retain(|(_, to)| !damage.iter().any(|gap| gap > to));
        }
        for (from, to) in left {
            let mut place = Place::rows(from, to);
            let inside =
                |file: &&RowFile| file.first <= from && file.last.is_none_or(|last| last >= from);
            if let Some(file) = self.files.iter().rev().find(inside) {
                place = place.of_file(&file.shown);
            }
            let what = match number {
                0 => "these rows are missing, and no gap row admits it".to_owned(),
                _ => {
                    place = place.at(number);
                    format!("these rows are missing; checkpoint {number} covers them")
                }
            };
            report.fault(&self.log.node, place, what);
        }
    }

    /// Rows after the last checkpoint.
    fn judge_tail(&mut self, report: &mut Report) {
        let Some(last) = self.told.last().filter(|_| self.told.is_whole) else {
            return;
        };
        if self.log.after == 0 {
            return;
        }
        let checkpoint = &last.checkpoint;
        let first = checkpoint.last.saturating_add(1);
        report.remarks.push(format!(
            "{} rows from {first} on came after the last checkpoint: nothing proves them yet",
            self.log.after
        ));
        if let Some(stop) = self.stop {
            let place = Place::rows(first, stop).at(checkpoint.number + 1);
            let what = format!(
                "recording ended in good order at row {stop}, but the checkpoint that belongs to it is not there: it was deleted, or \
                 Weir was killed while it stopped"
            );
            report.fault(&self.log.node, place, what);
        }
        let promised = i64::try_from(checkpoint.every).unwrap_or(i64::MAX);
        let bound = promised
            .saturating_mul(2_000_000)
            .saturating_add(60_000_000);
        if let Some(latest) = self.latest
            && latest.saturating_sub(checkpoint.time) > bound
        {
            let place = Place::rows(first, self.next.saturating_sub(1)).at(checkpoint.number + 1);
            let what = format!(
                "rows tell of {}, but the last checkpoint is of {}, although one was promised every {} s: later ones were deleted, \
                 or could not be signed",
                Timestamp::from_microsecond(latest).unwrap_or(Timestamp::MIN),
                Timestamp::from_microsecond(checkpoint.time).unwrap_or(Timestamp::MIN),
                checkpoint.every
            );
            report.fault(&self.log.node, place, what);
        }
    }
}
