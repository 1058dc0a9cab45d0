//! The rows that the recorder writes about itself: starts, stops, gaps, clock steps, removed periods (LM-32, LM-33, LM-14).
//!
//! Decides their words. A gap row begins at the last moment that is surely recorded and lasts until recording goes on.

use crate::event::EventIds;
use crate::lane::Dropped;
use crate::paths::{Period, moment};
use crate::proof::Gone;
use crate::record::Record;
use crate::recovery::Crash;
use crate::trouble::Trouble;
use crate::words::{End, Kind};

/// Open events named one by one in a gap row; the rest is counted.
const NAMED: usize = 100;
/// What follows numbers of rows that may be lost.
const UNSURE: &str = " were handed over before but may not have reached the disk";
/// What follows a number of bytes that held rows.
const DAMAGED: &str = " damaged bytes among the rows were left out";

fn row(ids: &EventIds, kind: Kind, time: i64, note: String) -> Record {
    let mut row = Record::new(kind, ids.next(), time);
    row.note = Some(note.into_boxed_str());
    row
}

fn lasting(mut row: Record, until: i64) -> Record {
    row.duration = u64::try_from(until.saturating_sub(row.time)).unwrap_or(0);
    row
}

pub(crate) fn start(ids: &EventIds, now: i64) -> Record {
    row(
        ids,
        Kind::Start,
        now,
        format!("Weir {} began to record", env!("CARGO_PKG_VERSION")),
    )
}

pub(crate) fn stop(ids: &EventIds, now: i64) -> Record {
    row(
        ids,
        Kind::Stop,
        now,
        "Weir stopped recording in good order".to_owned(),
    )
}

pub(crate) fn clock_step(ids: &EventIds, now: i64, step: i64) -> Record {
    let direction = if step < 0 { "back" } else { "forward" };
    let seconds = step.unsigned_abs() / 1_000_000;
    let tenths = step.unsigned_abs() / 100_000 % 10;
    let why = if step < 0 {
        ""
    } else {
        ", or the machine slept"
    };
    row(
        ids,
        Kind::Clock,
        now,
        format!(
            "the clock went {direction} by {seconds}.{tenths} s{why}; rows are in the order of seq"
        ),
    )
}

/// The clock is behind what the records already say.
pub(crate) fn clock_behind(ids: &EventIds, now: i64, latest: i64) -> Record {
    let note = format!(
        "the clock is behind the latest row, which says {}; rows are in the order of seq",
        moment(latest)
    );
    row(ids, Kind::Clock, now, note)
}

/// The clock is so far ahead of the records that nothing is removed by it for now.
pub(crate) fn clock_ahead(ids: &EventIds, now: i64, why: String) -> Record {
    row(ids, Kind::Clock, now, why)
}

pub(crate) fn overrun(ids: &EventIds, now: i64, dropped: Dropped) -> Record {
    let note = format!(
        "{} records were dropped because the queue was full; they began between {} and {}",
        dropped.count,
        moment(dropped.first),
        moment(dropped.last)
    );
    lasting(row(ids, Kind::Gap, dropped.first, note), now)
}

pub(crate) fn unwritable(ids: &EventIds, now: i64, trouble: &Trouble, dropped: Dropped) -> Record {
    let mut note = format!(
        "nothing could be written from {} to {}: {}; ",
        moment(trouble.since),
        moment(now),
        trouble.error
    );
    if dropped.count == 0 {
        note.push_str("0 records were dropped, all were kept in memory and written late");
    } else {
        let (first, last) = (moment(dropped.first), moment(dropped.last));
        note.push_str(&format!(
            "{} records were dropped, which began between {first} and {last}",
            dropped.count
        ));
    }
    if let Some((first, last)) = trouble.unsure {
        note.push_str(&format!("; rows {first} to {last}{UNSURE}"));
    }
    let since = if dropped.count == 0 {
        trouble.since
    } else {
        trouble.since.min(dropped.first)
    };
    lasting(row(ids, Kind::Gap, since, note), now)
}

/// The last run ended without a stop row.
pub(crate) fn crash(ids: &EventIds, now: i64, crash: &Crash) -> Record {
    let mut note = format!(
        "{} ended without a stop row; the last row is {}, the last sign of life {}",
        crash.node,
        crash.last,
        moment(crash.alive)
    );
    if crash.torn > 0 {
        note.push_str(&format!(
            "; a torn write of {} bytes at the end was left out",
            crash.torn
        ));
    }
    if crash.damaged > 0 {
        note.push_str(&format!("; {}{DAMAGED}", crash.damaged));
    }
    note.push_str(&open(crash));
    let since = if crash.alive == 0 {
        now
    } else {
        crash.alive.min(now)
    };
    let mut row = lasting(row(ids, Kind::Gap, since, note), now);
    row.end = End::Crash;
    row
}

fn open(crash: &Crash) -> String {
    let Some(open) = &crash.open else {
        return "; what was still open is not known".to_owned();
    };
    let (requests, tunnels) = (open.requests(), open.tunnels());
    let begun = open.iter().map(|(_, opened)| opened.time);
    let rows = open.iter().map(|(_, opened)| opened.seq);
    let (Some(from), Some(to), Some(first), Some(last)) = (
        begun.clone().min(),
        begun.max(),
        rows.clone().min(),
        rows.max(),
    ) else {
        return "; nothing that had an opening row was still open".to_owned();
    };
    let named: Vec<String> = open
        .iter()
        .take(NAMED)
        .map(|(event, _)| event.to_string())
        .collect();
    let more = (requests + tunnels).saturating_sub(named.len());
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    format!(
        "; still open were {requests} requests and {tunnels} tunnels, begun between {} and {} (rows {first} to {last}); how they \
         ended is not recorded: {}{more}",
        moment(from),
        moment(to),
        named.join(" ")
    )
}

/// Something about the log over the records, for example that it begins anew.
pub(crate) fn log(ids: &EventIds, now: i64, note: String) -> Record {
    row(ids, Kind::Gap, now, note)
}

/// What is about to go, or what a case holds.
pub(crate) fn told(told: crate::erase::Row, now: i64) -> Record {
    let mut row = Record::new(told.kind, told.event, now);
    row.note = Some(told.note.into_boxed_str());
    row
}

/// Which period a row of kind `retention` tells of, and what of it is gone.
pub(crate) fn removed(note: &str) -> Option<(&str, Gone)> {
    let is_content = note.starts_with("the content of ");
    let rest = note.strip_prefix("the content of ").unwrap_or(note);
    let (period, rest) = rest.strip_prefix("period ")?.split_once(" is removed ")?;
    let gone = match (is_content, rest.contains(", but for ")) {
        (true, _) => Gone::Content,
        (false, false) => Gone::Whole,
        (false, true) => {
            let rows = rest.strip_suffix(" rows of others");
            let rows = rows.and_then(|rest| rest.rsplit_once(", and "));
            Gone::Partly {
                rows: rows.and_then(|(_, rows)| rows.parse().ok()),
            }
        }
    };
    Some((period, gone))
}

/// How many rows a row of kind `erasure` says are gone.
pub(crate) fn erased_rows(note: &str) -> Option<u64> {
    note.split_once(" rows of ")?.0.parse().ok()
}

/// The rows that a gap row admits may have been lost after they were handed over.
pub(crate) fn unsure_rows(note: &str) -> Option<(u64, u64)> {
    let (rest, _) = note.split_once(UNSURE)?;
    let (_, rows) = rest.rsplit_once("; rows ")?;
    let (first, last) = rows.split_once(" to ")?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// Whether a gap row admits that rows were left out because their bytes were damaged.
pub(crate) fn tells_damage(note: &str) -> bool {
    note.contains(DAMAGED)
}

pub(crate) fn retention(
    ids: &EventIds,
    now: i64,
    period: Period,
    segments: usize,
    rows: u64,
) -> Record {
    let note = format!(
        "period {period} is removed because its time is over: {segments} segments with {rows} rows"
    );
    row(ids, Kind::Retention, now, note)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_row_admits_is_read_back_from_its_words_lm_33() {
        let ids = EventIds::new();
        let trouble = Trouble {
            since: 1,
            error: "cannot sync the journal: broken; rows 1 to x".to_owned(),
            unsure: Some((12, 345)),
            retry: std::time::Duration::ZERO,
        };
        let note = unwritable(&ids, 2, &trouble, Dropped::default())
            .note
            .unwrap();
        assert_eq!(unsure_rows(&note), Some((12, 345)), "{note}");
        assert_eq!(unsure_rows("rows 1 to 2 were eaten"), None);
        let period = Period::of(0);
        let row = retention(&ids, 2, period, 1, 5);
        assert_eq!(
            removed(&row.note.unwrap()),
            Some(("1970-01-01", Gone::Whole))
        );
        let damaged = Crash {
            damaged: 64,
            ..Crash::default()
        };
        let whole = crash(&ids, 2, &Crash::default()).note.unwrap();
        assert!(tells_damage(&crash(&ids, 2, &damaged).note.unwrap()));
        assert!(!tells_damage(&whole));
    }
}
