//! The ledger of the notice: who was given which version, in which language, when and how (LM-06).
//!
//! `<state>/notice.jsonl` has one JSON object a line and is only ever appended to, by the running Weir and by `weir notice given`;
//! the last line of an identity counts. In memory a bounded part of it answers for every request. Decides when the notice
//! counts as given; who is shown it is `notice`'s.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use weir_config::Notice;
use weir_monitoring::Informed;

use crate::identify::user_key;
use crate::users::file;

/// Identities in memory; beyond, some other makes room, and is given the notice once more.
const MOST: usize = 200_000;
/// Versions of which it is known when they were first given; the latest.
const VERSIONS: usize = 64;
/// A year, in µs.
const YEAR: i64 = 365 * 24 * 60 * 60 * 1_000_000;
/// Most bytes of a line.
const LINE: u64 = 16 * 1024;
/// What stands in [`Line::how`] when somebody acknowledged the page.
pub(super) const BY_PAGE: &str = "page";
/// How [`Line::how`] begins when an administrator says how somebody was told.
pub(crate) const WAS_TOLD: &str = "told: ";

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) time: Timestamp,
    /// `user:anna`, `device:printer`, `address:192.0.2.7`.
    pub(crate) identity: String,
    /// Of the notice.
    pub(crate) version: String,
    pub(crate) language: String,
    /// `page`, or `told: ` with how.
    pub(crate) how: String,
}

#[derive(Clone, Debug)]
struct Given {
    version: Box<str>,
    /// µs since the epoch, UTC.
    at: i64,
}

/// The ledger, open.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    known: DashMap<Box<str>, Given>,
    most: usize,
    /// When each version was first given, µs since the epoch.
    first: Mutex<BTreeMap<Box<str>, i64>>,
    /// Bytes that were read.
    read: Mutex<u64>,
}

impl Ledger {
    /// That of a state directory. One that cannot be read is empty, and told.
    pub(crate) fn open(state: &Path) -> Ledger {
        let ledger = Ledger::unread(state, MOST);
        if let Err(error) = ledger.catch_up(u64::MAX) {
            tracing::error!(%error, "the ledger of the notice cannot be read: nobody in it counts as informed");
        }
        ledger
    }

    /// The file of a state directory.
    pub(crate) fn file(state: &Path) -> PathBuf {
        state.join("notice.jsonl")
    }

    fn unread(state: &Path, most: usize) -> Ledger {
        Ledger {
            path: Ledger::file(state),
            known: DashMap::new(),
            most,
            first: Mutex::default(),
            read: Mutex::new(0),
        }
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether an identity, as [`crate::identify::Who::key`] has it, was given the notice in force. One look into memory.
    pub(crate) fn state(&self, identity: &str, notice: &Notice, now: i64) -> Informed {
        let Some(given) = self.known.get(identity) else {
            return Informed::None;
        };
        let guests = i64::try_from(notice.guests.as_micros()).unwrap_or(i64::MAX);
        // Another person may sit there by then.
        let is_over = identity.starts_with("address:") && now.saturating_sub(given.at) >= guests;
        if *given.version != *notice.version || is_over {
            return Informed::Outdated;
        }
        Informed::Given
    }

    /// Adds a line, durably, and knows it from then on. It is known even when it cannot be kept: whoever was told was told.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn give(&self, line: &Line) -> io::Result<()> {
        self.remember(line);
        append(&self.path, line)
    }

    /// Reads what was added since the last look, and gives back what needs a row: lines of commands that end behind byte
    /// `told`, and how far it read.
    ///
    /// # Errors
    /// When the file cannot be read; what was read until then counts.
    pub(crate) fn catch_up(&self, told: u64) -> io::Result<(Vec<Line>, u64)> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() < *read {
            // Somebody put another file there: the one that is there counts.
            self.known.clear();
            self.first().clear();
            *read = 0;
        }
        file.seek(SeekFrom::Start(*read))?;
        let mut reader = BufReader::new(file);
        let (mut text, mut lines) = (Vec::new(), Vec::new());
        loop {
            text.clear();
            let length = reader.by_ref().take(LINE).read_until(b'\n', &mut text)?;
            if length == 0 || (!text.ends_with(b"\n") && (length as u64) < LINE) {
                // The end, or a line that is being written.
                return Ok((lines, *read));
            }
            *read += length as u64;
            let Ok(line) = serde_json::from_slice::<Line>(&text) else {
                tracing::warn!(
                    before = *read,
                    "a line of the ledger of the notice is none: it counts for nobody"
                );
                continue;
            };
            self.remember(&line);
            if *read > told && line.how != BY_PAGE {
                lines.push(line);
            }
        }
    }

    /// Has the next look read from a byte on once more: from where lines have no rows yet.
    pub(crate) fn read_again_from(&self, byte: u64) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        *read = byte.min(*read);
    }

    /// Knows a line from now on, whether it is kept or not.
    pub(super) fn remember(&self, line: &Line) {
        // A line may have the name as it is written elsewhere.
        let identity: Box<str> = match line.identity.strip_prefix("user:") {
            Some(name) => user_key(name).into(),
            None => line.identity.as_str().into(),
        };
        if self.known.len() >= self.most && !self.known.contains_key(&identity) {
            let other = self.known.iter().next().map(|entry| entry.key().clone());
            if let Some(other) = other {
                self.known.remove(&other);
            }
        }
        let given = Given {
            version: line.version.as_str().into(),
            at: line.time.as_microsecond(),
        };
        let at = given.at;
        self.known.insert(identity, given);
        let mut first = self.first();
        if let Some(first) = first.get_mut(&*line.version) {
            *first = at.min(*first);
            return;
        }
        if first.len() >= VERSIONS {
            let oldest = first.iter().min_by_key(|(_, at)| **at);
            if let Some(oldest) = oldest.map(|(version, _)| version.clone()) {
                first.remove(&oldest);
            }
        }
        first.insert(line.version.as_str().into(), at);
    }

    fn first(&self) -> MutexGuard<'_, BTreeMap<Box<str>, i64>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be said of a notice that was first given over a year ago: people are reminded yearly (LM-06).
    pub(crate) fn reminder(&self, notice: &Notice, now: i64) -> Option<String> {
        let first = *self.first().get(&*notice.version)?;
        let since = Timestamp::from_microsecond(first).ok()?;
        (now.saturating_sub(first) >= YEAR).then(|| {
            format!(
                "version {:?} of the notice was first given on {}, over a year ago, and people are to be reminded yearly: change \
                 notice.version, and everybody is told once more (LM-06)",
                notice.version,
                since.strftime("%Y-%m-%d")
            )
        })
    }
}

/// Adds a line to the ledger of a state directory.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn append(path: &Path, line: &Line) -> io::Result<()> {
    let text = serde_json::to_string(line).map_err(io::Error::other)?;
    file::append(path, format!("{text}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;
    use weir_config::NoticeMode;

    fn notice(version: &str) -> Notice {
        Notice {
            version: version.into(),
            mode: NoticeMode::FirstUse,
            language: "en".into(),
            text: String::new(),
            file: None,
            guests: Duration::from_secs(60),
            host: weir_host::Host::parse("notice.weir.internal").unwrap(),
        }
    }

    fn line(identity: &str, version: &str, how: &str) -> Line {
        Line {
            time: "2026-09-01T08:00:00Z".parse().unwrap(),
            identity: identity.to_owned(),
            version: version.to_owned(),
            language: "en".to_owned(),
            how: how.to_owned(),
        }
    }

    #[test]
    fn an_identity_is_informed_of_the_version_it_was_given_and_a_new_one_asks_once_more_lm_06() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path());
        let at = line("", "", "").time.as_microsecond();
        let state = |ledger: &Ledger, identity: &str, version: &str, after: i64| {
            ledger.state(identity, &notice(version), at + after * 1_000_000)
        };
        assert_eq!(state(&ledger, "user:anna", "1", 0), Informed::None);
        for identity in ["user:anna", "address:192.0.2.7"] {
            ledger.give(&line(identity, "1", BY_PAGE)).unwrap();
        }
        for ledger in [&ledger, &Ledger::open(directory.path())] {
            assert_eq!(state(ledger, "user:anna", "1", 1_000_000), Informed::Given);
            assert_eq!(state(ledger, "user:anna", "2", 0), Informed::Outdated);
            assert_eq!(state(ledger, "user:ben", "1", 0), Informed::None);
            // Whoever sits there a minute later may be somebody else.
            assert_eq!(state(ledger, "address:192.0.2.7", "1", 59), Informed::Given);
            assert_eq!(
                state(ledger, "address:192.0.2.7", "1", 60),
                Informed::Outdated
            );
        }
    }

    #[test]
    fn one_person_is_one_identity_however_the_name_is_spelt_and_two_devices_are_two_lm_06() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path());
        ledger
            .give(&line("user:ÅNN", "1", "told: enrolment"))
            .unwrap();
        ledger
            .give(&line("device:Board", "1", "told: label"))
            .unwrap();
        for ledger in [&ledger, &Ledger::open(directory.path())] {
            for name in ["ÅNN", "Ånn", "ånn"] {
                let state = ledger.state(&user_key(name), &notice("1"), 0);
                assert_eq!(state, Informed::Given, "{name}");
            }
            assert_eq!(
                ledger.state("device:Board", &notice("1"), 0),
                Informed::Given
            );
            assert_eq!(
                ledger.state("device:board", &notice("1"), 0),
                Informed::None
            );
        }
    }

    #[test]
    fn lines_of_commands_are_taken_up_once_and_half_a_line_waits_for_its_end_lm_06() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path());
        append(ledger.path(), &line("user:anna", "1", "told: enrolment")).unwrap();
        append(ledger.path(), &line("user:ben", "1", BY_PAGE)).unwrap();
        let (lines, read) = ledger.catch_up(0).unwrap();
        assert_eq!(lines.len(), 1, "a page has its row from the request");
        assert_eq!(lines[0].identity, "user:anna");
        assert_eq!(ledger.catch_up(read).unwrap(), (Vec::new(), read));
        file::append(ledger.path(), b"{\"time\":\"2026-").unwrap();
        assert_eq!(ledger.catch_up(read).unwrap(), (Vec::new(), read));
        file::append(ledger.path(), b"broken\n").unwrap();
        append(ledger.path(), &line("device:board", "1", "told: label")).unwrap();
        assert_eq!(ledger.catch_up(read).unwrap().0.len(), 1);
        assert_eq!(
            ledger.state("device:board", &notice("1"), 0),
            Informed::Given
        );
    }

    #[test]
    fn a_year_after_it_was_first_given_a_notice_is_to_be_given_anew_lm_06() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path());
        let at = line("", "", "").time.as_microsecond();
        assert_eq!(
            ledger.reminder(&notice("1"), at + 2 * YEAR),
            None,
            "to nobody yet"
        );
        for identity in ["user:anna", "user:ben"] {
            let late = Line {
                time: Timestamp::from_microsecond(at + YEAR / 2).unwrap(),
                ..line(identity, "1", BY_PAGE)
            };
            ledger.give(&late).unwrap();
        }
        ledger.give(&line("user:cara", "1", BY_PAGE)).unwrap();
        for ledger in [&ledger, &Ledger::open(directory.path())] {
            assert_eq!(ledger.reminder(&notice("1"), at + YEAR - 1), None);
            let told = ledger.reminder(&notice("1"), at + YEAR).unwrap();
            assert!(
                told.contains("2026-09-01") && told.contains("notice.version"),
                "{told}"
            );
            assert_eq!(ledger.reminder(&notice("2"), at + YEAR), None);
        }
        for version in 0..200 {
            ledger
                .give(&line("user:anna", &version.to_string(), BY_PAGE))
                .unwrap();
        }
        assert!(ledger.first().len() <= VERSIONS);
    }

    #[test]
    fn memory_is_bounded_and_the_last_to_be_told_is_known_lm_06() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::unread(directory.path(), 3);
        for number in 0..10 {
            let identity = format!("address:192.0.2.{number}");
            ledger.give(&line(&identity, "1", BY_PAGE)).unwrap();
            assert!(ledger.known.len() <= 3);
            let now = line("", "", "").time.as_microsecond();
            assert_eq!(ledger.state(&identity, &notice("1"), now), Informed::Given);
        }
    }
}
