//! What a check found, for people and for programs.

use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;

use crate::promise::Promise;

/// Faults shown one by one to people; all are counted, and all are in JSON.
const SHOWN: usize = 20;

/// Where a fault is, as far as it can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Number of the checkpoint.
    pub checkpoint: Option<u64>,
    /// The first row.
    pub first_row: Option<u64>,
    /// The last row.
    pub last_row: Option<u64>,
    /// The file, under the records directory.
    pub file: Option<String>,
}

impl Place {
    /// A checkpoint.
    pub fn checkpoint(number: u64) -> Place {
        Place {
            checkpoint: Some(number),
            ..Place::default()
        }
    }

    /// One row or a range of rows.
    pub fn rows(first: u64, last: u64) -> Place {
        Place {
            first_row: Some(first),
            last_row: Some(last),
            ..Place::default()
        }
    }

    /// The same in a file.
    #[must_use]
    pub fn of_file(mut self, file: &str) -> Place {
        self.file = Some(file.to_owned());
        self
    }

    /// The same, seen at a checkpoint.
    #[must_use]
    pub fn at(mut self, checkpoint: u64) -> Place {
        self.checkpoint = Some(checkpoint);
        self
    }

    fn words(&self) -> String {
        let mut parts = Vec::new();
        match (self.first_row, self.last_row) {
            (Some(first), Some(last)) if first == last => parts.push(format!("row {first}")),
            (Some(first), Some(last)) => parts.push(format!("rows {first} to {last}")),
            _ => {}
        }
        parts.extend(self.file.clone());
        parts.extend(self.checkpoint.map(|number| format!("checkpoint {number}")));
        parts.join(", ")
    }
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Whose log.
    pub node: String,
    /// What, in plain words.
    pub what: String,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
}

/// One log, as far as it holds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LogReport {
    /// Whose.
    pub node: String,
    /// Its name.
    pub origin: Option<String>,
    /// Its public keys, in the order in which they came into force.
    pub keys: Vec<String>,
    /// Checkpoints that hold.
    pub checkpoints: u64,
    /// When the first and the last were signed.
    pub first_time: Option<Timestamp>,
    /// The last.
    pub last_time: Option<Timestamp>,
    /// The last one whole, to be kept elsewhere.
    pub last_checkpoint: Option<String>,
    /// How long records are kept, wherever a checkpoint says it anew.
    pub promises: Vec<Promise>,
    /// Number of the first row that the log covers.
    pub first_row: Option<u64>,
    /// Number of the last row that a checkpoint covers.
    pub last_row: Option<u64>,
    /// Rows that are there and are what was signed.
    pub proved: u64,
    /// Rows that were removed because their time was over; the tree goes on over their hashes.
    pub removed: u64,
    /// Rows that were erased, or went from around rows under a hold: their leaves stand in their place.
    pub erased: u64,
    /// Rows whose content has expired: its commitments stand in its place.
    pub expired: u64,
    /// Rows after the last checkpoint: not proved yet.
    pub after: u64,
    /// Rows from before the log began: not proved.
    pub before: u64,
    /// Starts, stops, gaps and steps of the clock that rows tell of.
    pub starts: u64,
    /// Stops in good order.
    pub stops: u64,
    /// Gaps.
    pub gaps: u64,
    /// Clock steps.
    pub clock_steps: u64,
}

/// Everything that a check found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Every log.
    pub logs: Vec<LogReport>,
    /// What does not hold, in the order in which it was met.
    pub faults: Vec<Fault>,
    /// What is to be known besides: what is not proved, and why.
    pub remarks: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn holds(&self) -> bool {
        self.faults.is_empty()
    }

    pub(crate) fn fault(&mut self, node: &str, place: Place, what: impl Into<String>) {
        self.faults.push(Fault {
            node: node.to_owned(),
            what: what.into(),
            place,
        });
    }

    /// The report as one JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "holds": self.holds(),
            "logs": self.logs,
            "faults": self.faults,
            "remarks": self.remarks,
        })
    }

    /// The report in plain words.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for log in &self.logs {
            log.write(&mut text);
        }
        text.push_str(&lines(&self.faults, &self.remarks));
        text.push_str(if self.holds() {
            "The log holds: the rows are those that were signed, none is missing without being told.\n"
        } else {
            "The log does NOT hold. The first fault above is the first place where it breaks.\n"
        });
        text
    }
}

/// Faults and remarks for people.
pub(crate) fn lines(faults: &[Fault], remarks: &[String]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for fault in faults.iter().take(SHOWN) {
        let place = fault.place.words();
        let colon = if place.is_empty() { "" } else { ": " };
        let _ = writeln!(text, "FAULT  {place}{colon}{}", fault.what);
    }
    if let Some(more) = faults.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "FAULT  and {more} more; --json names all");
    }
    for remark in remarks {
        let _ = writeln!(text, "note   {remark}");
    }
    text
}

impl LogReport {
    fn write(&self, text: &mut String) {
        let _ = writeln!(text, "Log of {}", self.node);
        if let Some(origin) = &self.origin {
            let _ = writeln!(text, "       {origin}");
        }
        for key in &self.keys {
            let _ = writeln!(text, "       key {key}");
        }
        let moment = |moment: Option<Timestamp>| {
            moment.map_or_else(|| "-".to_owned(), |moment| format!("{moment:.0}"))
        };
        let _ = writeln!(
            text,
            "       {} checkpoints hold, signed from {} to {}",
            self.checkpoints,
            moment(self.first_time),
            moment(self.last_time)
        );
        for promise in &self.promises {
            let _ = writeln!(text, "       {}", promise.words());
        }
        let _ = writeln!(
            text,
            "       {} rows proved; {} removed because their time was over; {} after the last checkpoint and {} from before the \
             log, which nothing proves",
            self.proved, self.removed, self.after, self.before
        );
        if self.erased + self.expired > 0 {
            let _ = writeln!(
                text,
                "       {} rows were erased, which rows tell of and whose leaves fit; the content of {} more has expired",
                self.erased, self.expired
            );
        }
        let _ = writeln!(
            text,
            "       rows tell of {} starts, {} stops, {} gaps and {} clock steps",
            self.starts, self.stops, self.gaps, self.clock_steps
        );
    }
}
