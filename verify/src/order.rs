//! What rows about recording itself must say together: how each run began and ended (LM-33), and that time never goes back
//! without a row that says so (LM-32).

use std::collections::BTreeSet;

use jiff::Timestamp;
use weir_monitoring::proof::{Gone, Happening, ProvenRow};

use crate::report::{LogReport, Place, Report};

/// A difference of clocks that is no step, µs; the same that the recorder allows.
const TOLERANCE: i64 = 2_000_000;

/// How the run goes, as far as the rows so far tell.
#[derive(Debug, Default, PartialEq, Eq)]
enum Run {
    /// Rows before are not there.
    #[default]
    Unknown,
    Running,
    /// A gap row told that the last run ended without a stop.
    Crashed,
    Stopped,
}

/// Follows the rows in order of their numbers.
#[derive(Debug, Default)]
pub(crate) struct Order {
    run: Run,
    /// The latest moment at which Weir certainly wrote, µs since the epoch.
    moment: Option<i64>,
    /// A moment that went back, until a clock row explains it.
    back: Option<(Place, String)>,
    /// Rows that gap rows admit may be lost.
    pub(crate) unsure: Vec<(u64, u64)>,
    /// Gap rows that admit damage among the rows before them.
    pub(crate) damage: Vec<u64>,
    /// Periods that retention rows say were removed as a whole.
    pub(crate) removed: BTreeSet<String>,
    /// Periods of which they say that only rows under a hold were left.
    pub(crate) sifted: BTreeSet<String>,
    /// Periods of which they say that the content was removed.
    pub(crate) without_content: BTreeSet<String>,
}

impl Order {
    /// Rows are missing here, so what they told is not known.
    pub(crate) fn lose(&mut self) {
        self.run = Run::Unknown;
        self.moment = None;
        self.back = None;
    }

    pub(crate) fn row(
        &mut self,
        row: &ProvenRow,
        file: &str,
        log: &mut LogReport,
        report: &mut Report,
    ) {
        let place = || Place::rows(row.seq, row.seq).of_file(file);
        let Some((what, moment)) = &row.happening else {
            if self.run == Run::Stopped {
                self.run = Run::Running;
                let what = "it follows the stop of Weir without a start";
                report.fault(&log.node, place(), what);
            }
            return;
        };
        let is_clock = *what == Happening::Clock;
        self.time(*moment, is_clock, place(), &log.node, report);
        match what {
            Happening::Start => {
                log.starts += 1;
                if self.run == Run::Running {
                    let what = "Weir started here, but neither a stop nor a gap tells how the run before ended";
                    report.fault(&log.node, place(), what);
                }
                self.run = Run::Running;
            }
            Happening::Stop => {
                log.stops += 1;
                self.run = Run::Stopped;
            }
            Happening::Gap {
                is_crash,
                unsure,
                is_damage,
            } => {
                log.gaps += 1;
                self.unsure.extend(unsure);
                if *is_damage {
                    self.damage.push(row.seq);
                }
                if *is_crash && self.run != Run::Stopped {
                    self.run = Run::Crashed;
                }
            }
            Happening::Clock => log.clock_steps += 1,
            Happening::Erasure { .. } => {}
            Happening::Retention { period, gone } => {
                let place = match gone {
                    Gone::Whole => &mut self.removed,
                    Gone::Partly { .. } => &mut self.sifted,
                    Gone::Content => &mut self.without_content,
                };
                place.insert(period.clone());
            }
        }
    }

    /// A checkpoint was signed at this moment, after the rows so far.
    pub(crate) fn checkpoint(&mut self, number: u64, time: i64, node: &str, report: &mut Report) {
        self.time(time, false, Place::checkpoint(number), node, report);
    }

    fn time(&mut self, moment: i64, is_clock: bool, place: Place, node: &str, report: &mut Report) {
        if is_clock {
            self.back = None;
        } else {
            self.end(node, report);
            let before = self
                .moment
                .filter(|before| moment < before.saturating_sub(TOLERANCE));
            self.back = before.map(|before| {
                let (now, before) = (shown(moment), shown(before));
                let what = format!(
                    "its time, {now}, is before {before}, which was reached already, and no row tells of a step of the clock"
                );
                (place, what)
            });
        }
        // A step is told once: what follows is measured from here.
        self.moment = Some(moment);
    }

    /// No clock row explains it any more.
    pub(crate) fn end(&mut self, node: &str, report: &mut Report) {
        if let Some((place, what)) = self.back.take() {
            report.fault(node, place, what);
        }
    }
}

fn shown(time: i64) -> Timestamp {
    Timestamp::from_microsecond(time).unwrap_or(Timestamp::MIN)
}
