//! Whether what was removed because its time was over was to go then: by the time that the log itself promised (LM-14).
//!
//! Decides: a removal is in order when the time was over that an earlier checkpoint says. A checkpoint that says a shorter time
//! and removes at once proves nothing. A school may shorten the time; that is told, with every day that went earlier for it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use weir_evidence::{Checkpoint, Retention};
use weir_monitoring::Period;
use weir_monitoring::proof::Gone;

use crate::log::Told;
use crate::report::{Place, Report};

/// The moment of a row is taken a little after it was decided what is due, by another clock; µs.
const TOLERANCE: i64 = 2_000_000;

/// How long records are kept, as a checkpoint says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Promise {
    /// Number of the checkpoint.
    pub checkpoint: u64,
    /// When it was signed, µs since the epoch.
    pub time: i64,
    /// Seconds from the end of a day for which its rows are kept.
    pub rows: u64,
    /// The same of their content.
    pub content: u64,
    /// Place of the checkpoint among those of the log.
    #[serde(skip)]
    pub(crate) point: usize,
}

impl Promise {
    pub(crate) fn of(checkpoint: &Checkpoint, point: usize) -> Option<Promise> {
        let Retention { rows, content } = checkpoint.retention?;
        Some(Promise {
            checkpoint: checkpoint.number,
            time: checkpoint.time,
            rows,
            content,
            point,
        })
    }

    fn kept(&self, is_content: bool) -> u64 {
        if is_content { self.content } else { self.rows }
    }

    /// The first moment at which a period may go.
    fn due(&self, period: Period, is_content: bool) -> i64 {
        let kept = i64::try_from(self.kept(is_content)).unwrap_or(i64::MAX);
        period.end().saturating_add(kept.saturating_mul(1_000_000))
    }

    /// For people.
    pub(crate) fn words(&self) -> String {
        let (rows, content) = (span(self.rows), span(self.content));
        let (number, time) = (self.checkpoint, moment(self.time));
        format!(
            "from checkpoint {number} of {time:.0} on rows are kept for {rows} from the end of their day, content for {content}"
        )
    }
}

/// What removals came to, gathered while rows and checkpoints are followed.
#[derive(Debug, Default)]
pub(crate) struct Removals {
    /// Periods of which a row told, with the place of the first checkpoint that covers the first such row.
    told: BTreeMap<String, usize>,
    /// Periods that went earlier than was promised when they were written, by the checkpoint that shortened the time and by
    /// whether it was their content only.
    shortened: BTreeMap<(u64, bool), Vec<Period>>,
    /// Periods that went before the log promised anything.
    unknown: BTreeSet<String>,
}

impl Removals {
    /// A row tells that something of a period is over. `point` is the place of the first checkpoint that covers it.
    pub(crate) fn row(
        &mut self,
        (told, node, report): (&Told, &str, &mut Report),
        (period, gone): (&str, Gone),
        (time, seq): (i64, u64),
        point: usize,
    ) {
        let is_content = gone == Gone::Content;
        if !is_content {
            let told = self.told.entry(period.to_owned()).or_insert(point);
            *told = point.min(*told);
        }
        let early = self.judge(told, (period, is_content), time, point);
        if let Some(what) = early {
            report.fault(node, Place::rows(seq, seq), what);
        }
    }

    /// What the checkpoints alone tell of: rows that told of it may be gone themselves.
    pub(crate) fn checkpoints(&mut self, told: &Told, node: &str, report: &mut Report) {
        for (point, checkpoint) in told.points.iter().map(|it| &it.checkpoint).enumerate() {
            for period in &checkpoint.removed {
                // A row that came after the removal says nothing of when it was.
                if self.told.get(period).is_some_and(|told| *told <= point) {
                    continue;
                }
                let early = self.judge(told, (period, false), checkpoint.time, point);
                if let Some(what) = early {
                    report.fault(node, Place::checkpoint(checkpoint.number), what);
                }
            }
        }
    }

    /// What is wrong with a removal at that time, seen by promises of checkpoints before `point`.
    fn judge(
        &mut self,
        told: &Told,
        (name, is_content): (&str, bool),
        time: i64,
        point: usize,
    ) -> Option<String> {
        let Ok(period) = name.parse::<Period>() else {
            return Some(format!("it tells that {name} was removed, which is no day"));
        };
        // What the first checkpoint says holds for what went before it.
        let earlier = |promise: &&Promise| promise.point < point.max(1);
        let Some(in_force) = told.promises.iter().rev().find(earlier) else {
            self.unknown.insert(name.to_owned());
            return None;
        };
        let late = time.saturating_add(TOLERANCE);
        let due = in_force.due(period, is_content);
        if late < due {
            let what = if is_content { "the content of " } else { "" };
            return Some(format!(
                "{what}{period} was removed on {:.0}, and checkpoint {} promises to keep it until {:.0} ({} from the end of the day): it \
                 went before its time was over",
                moment(time),
                in_force.checkpoint,
                moment(due),
                span(in_force.kept(is_content)),
            ));
        }
        let mut promises = told.promises.iter();
        let written = promises
            .rfind(|promise| promise.time <= period.end())
            .or(told.promises.first());
        if written.is_some_and(|promise| promise.due(period, is_content) > late) {
            let periods = self.shortened.entry((in_force.checkpoint, is_content));
            periods.or_default().push(period);
        }
        None
    }

    /// Says what is no fault and is to be known.
    pub(crate) fn tell(&self, told: &Told, report: &mut Report) {
        for ((number, is_content), periods) in &self.shortened {
            let by = told.promises.iter().find(|it| it.checkpoint == *number);
            let (Some(by), Some(first), Some(last)) =
                (by, periods.iter().min(), periods.iter().max())
            else {
                continue;
            };
            let what = if *is_content { "the content of " } else { "" };
            let days = if first == last {
                first.to_string()
            } else {
                format!("{} days from {first} to {last}", periods.len())
            };
            report.remarks.push(format!(
                "{what}{days} went earlier than was promised when the rows were written: checkpoint {number} of {:.0} shortened the time \
                 to {}, before anything went. Whoever keeps records may shorten it; ask why if you were not told",
                moment(by.time),
                span(by.kept(*is_content)),
            ));
        }
        if !self.unknown.is_empty() {
            report.remarks.push(format!(
                "{} days were removed when no checkpoint said how long records are kept: nothing proves that their time was over",
                self.unknown.len()
            ));
        }
    }
}

fn moment(time: i64) -> Timestamp {
    Timestamp::from_microsecond(time).unwrap_or(Timestamp::MAX)
}

fn span(seconds: u64) -> String {
    match seconds {
        86_400 => "1 day".to_owned(),
        days if days.is_multiple_of(86_400) && days > 0 => format!("{} days", days / 86_400),
        seconds => format!("{seconds} s"),
    }
}
