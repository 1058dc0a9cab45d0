//! The authorisation to monitor: the express consent of whoever controls the system, which the law asks for (LM-01, LM-02).
//!
//! Decides what an authorisation says, when it is in force, and how its versions are kept: one JSON object a line in
//! `<state>/basis.jsonl`, only ever appended to. Weir stores what it is told; whether that is lawful is the school's to know.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// What is cited where nothing else is given.
pub const INSTRUMENT: &str = "Investigatory Powers Act 2016 section 46 and the Investigatory Powers (Interception by Businesses etc. for Monitoring \
     and Record-keeping Purposes) Regulations 2018 (SI 2018/356), regulation 3";
/// Most bytes of the file that are read.
const LARGEST: u64 = 16 * 1024 * 1024;

/// One authorisation. Names roles, never people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// Counts from 1, over all that were ever given here.
    pub version: u32,
    /// The role that gave it.
    pub role: String,
    /// The day from which it holds.
    pub authorised: Date,
    /// The last day on which it holds, unless it is renewed.
    pub review: Date,
    /// What it covers, in words.
    pub scope: String,
    /// The sites it covers.
    pub sites: Vec<String>,
    /// Codes of the purposes it covers (LM-03).
    pub purposes: Vec<String>,
    /// The law it rests on.
    pub instrument: String,
}

/// What happened to the authorisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "lowercase")]
pub enum Entry {
    /// It was given, or renewed: the one before ends.
    Set {
        /// When the command ran.
        time: Timestamp,
        /// The account behind the command.
        by: String,
        /// What is in force from then on.
        basis: Basis,
    },
    /// It was withdrawn.
    End {
        /// When the command ran.
        time: Timestamp,
        /// The account behind the command.
        by: String,
        /// Which.
        version: u32,
        /// The role that withdrew it.
        role: String,
        /// Why.
        reason: String,
    },
}

/// Why the authorisations cannot be read or added to.
#[derive(Debug, thiserror::Error)]
pub enum BasisError {
    /// The file.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A line that is none of Weir's.
    #[error(
        "{}:{line}: no authorisation ({error}); until the line is mended or taken out, none is in force and no content is recorded",
        path.display()
    )]
    Line {
        /// Which file.
        path: PathBuf,
        /// Counts from 1.
        line: usize,
        /// What is wrong with it.
        error: String,
    },
}

impl Basis {
    /// Whether it holds at a moment: µs since the epoch, UTC. Days are UTC's.
    pub fn is_in_force_at(&self, now: i64) -> bool {
        self.from_micros() <= now && now < self.until_micros()
    }

    /// Its first moment: µs since the epoch, UTC.
    pub fn from_micros(&self) -> i64 {
        start_of(self.authorised)
    }

    /// The moment that ends it: µs since the epoch, UTC.
    pub fn until_micros(&self) -> i64 {
        self.review.checked_add(1.day()).map_or(i64::MAX, start_of)
    }

    /// In one sentence, for rows, pages and health.
    pub fn told(&self) -> String {
        format!(
            "authorisation {} by the role {:?}, from {} to {}, for {}, under {}",
            self.version,
            self.role,
            self.authorised,
            self.review,
            self.purposes.join(", "),
            self.instrument
        )
    }
}

fn start_of(day: Date) -> i64 {
    day.to_zoned(TimeZone::UTC)
        .map_or(i64::MAX, |zoned| zoned.timestamp().as_microsecond())
}

impl Entry {
    /// In one sentence, for a row of the records.
    pub fn told(&self) -> String {
        match self {
            Entry::Set { basis, by, .. } => {
                format!("{} (set by the account {by})", basis.told())
            }
            Entry::End {
                version,
                role,
                reason,
                by,
                ..
            } => format!(
                "authorisation {version} was ended by the role {role:?}: {reason} (by the account {by}); content is not recorded from \
                 here on"
            ),
        }
    }

    /// When it was written.
    pub fn time(&self) -> Timestamp {
        match self {
            Entry::Set { time, .. } | Entry::End { time, .. } => *time,
        }
    }
}

/// Every authorisation there was, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// In the order of the file.
    pub entries: Vec<Entry>,
}

impl History {
    /// The file under a state directory.
    pub fn file(state: &Path) -> PathBuf {
        state.join("basis.jsonl")
    }

    /// Reads the file; none is none.
    ///
    /// # Errors
    /// When it cannot be read, or a line of it is no authorisation.
    pub fn read(state: &Path) -> Result<History, BasisError> {
        let path = History::file(state);
        let mut text = String::new();
        match File::open(&path) {
            Ok(file) => drop(
                file.take(LARGEST)
                    .read_to_string(&mut text)
                    .map_err(|error| BasisError::File {
                        path: path.clone(),
                        error,
                    })?,
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(BasisError::File { path, error }),
        }
        let mut entries = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() {
                continue;
            }
            let entry = serde_json::from_str(line).map_err(|error| BasisError::Line {
                path: path.clone(),
                line: number,
                error: error.to_string(),
            })?;
            entries.push(entry);
        }
        Ok(History { entries })
    }

    /// The last one that was given and not ended since. Its time may be over, or not have begun.
    pub fn last(&self) -> Option<&Basis> {
        match self.entries.last()? {
            Entry::Set { basis, .. } => Some(basis),
            Entry::End { .. } => None,
        }
    }

    /// The number that the next one gets.
    pub fn next_version(&self) -> u32 {
        let versions = self.entries.iter().map(|entry| match entry {
            Entry::Set { basis, .. } => basis.version,
            Entry::End { version, .. } => *version,
        });
        versions.max().unwrap_or(0).saturating_add(1)
    }

    /// What was in force or changed between two moments; None is for all there was, on that side.
    pub fn during(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> Vec<Entry> {
        let before = |entry: &Entry| from.is_some_and(|from| entry.time() < from);
        let first = self.entries.iter().filter(|entry| before(entry)).count();
        // The last one before the time still held in it.
        let first = first.saturating_sub(1);
        let within = |entry: &&Entry| to.is_none_or(|to| entry.time() < to);
        self.entries
            .iter()
            .skip(first)
            .filter(within)
            .cloned()
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// An authorisation for all purposes.
    pub(crate) fn basis() -> Basis {
        Basis {
            version: 1,
            role: "headteacher".to_owned(),
            authorised: "2026-09-01".parse().unwrap(),
            review: "2027-08-31".parse().unwrap(),
            scope: "all web traffic".to_owned(),
            sites: vec!["main site".to_owned()],
            purposes: weir_config::Purpose::WORDS
                .iter()
                .map(|code| (*code).to_owned())
                .collect(),
            instrument: INSTRUMENT.to_owned(),
        }
    }

    fn set(time: &str, version: u32) -> Entry {
        Entry::Set {
            time: time.parse().unwrap(),
            by: "root".to_owned(),
            basis: Basis { version, ..basis() },
        }
    }

    fn append(state: &Path, entry: &Entry) {
        use std::io::Write;
        let file = File::options()
            .append(true)
            .create(true)
            .open(History::file(state));
        let line = serde_json::to_string(entry).unwrap();
        writeln!(file.unwrap(), "{line}").unwrap();
    }

    #[test]
    fn versions_are_kept_and_an_end_leaves_none_lm_02() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path();
        assert_eq!(History::read(state).unwrap().last(), None);
        let end = Entry::End {
            time: "2026-12-01T00:00:00Z".parse().unwrap(),
            by: "root".to_owned(),
            version: 2,
            role: "headteacher".to_owned(),
            reason: "trial over".to_owned(),
        };
        let entries = [
            set("2026-09-01T08:00:00Z", 1),
            set("2026-10-01T08:00:00Z", 2),
            end,
        ];
        for (entry, last) in entries.iter().zip([Some(1), Some(2), None]) {
            append(state, entry);
            let history = History::read(state).unwrap();
            assert_eq!(history.last().map(|basis| basis.version), last);
        }
        let history = History::read(state).unwrap();
        assert_eq!((history.entries.len(), history.next_version()), (3, 3));
        let at = |text: &str| Some(text.parse().unwrap());
        let during = history.during(at("2026-09-15T00:00:00Z"), at("2026-10-15T00:00:00Z"));
        assert_eq!(
            during,
            entries.get(..2).unwrap(),
            "also the one from before that still held"
        );
        assert!(INSTRUMENT.contains("SI 2018/356"), "LM-01");
        assert_eq!(weir_config::law::outdated(INSTRUMENT), None);
    }

    #[test]
    fn a_line_that_is_no_authorisation_is_named_and_nothing_is_in_force_lm_02() {
        let directory = tempfile::tempdir().unwrap();
        append(directory.path(), &set("2026-09-01T08:00:00Z", 1));
        let path = History::file(directory.path());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{{\"act\":\"set\"}}\n")).unwrap();
        let told = History::read(directory.path()).unwrap_err().to_string();
        assert!(
            told.contains("basis.jsonl:2:") && told.contains("none is in force"),
            "{told}"
        );
    }
}
