//! What is remembered of each source between two looks, and when the next one is due.
//!
//! It lies in `<state>/lists/.updates/<name>/state.json`, where a command finds what the running Weir did and the other way
//! round. A state that cannot be read is none: the list is then asked for as if for the first time.

use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use weir_config::ListSource;

use super::fetch::hex;

/// Of the directory beside the imported sources; the dot keeps it from being one.
const DIRECTORY: &str = ".updates";
const FILE: &str = "state.json";
/// Far more than any state needs.
const FILE_MAX: u64 = 1 << 20;
/// Wait after the first failure; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// Longest wait after failures, unless the refresh is shorter.
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3600);

/// What is known of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// How the source was configured when it was last taken: another one is asked for anew.
    pub(crate) settings: String,
    /// `ETag` of the version in force.
    pub(crate) etag: Option<String>,
    /// `Last-Modified` of the version in force.
    pub(crate) modified: Option<String>,
    /// How the file or directory in force looked.
    pub(crate) look: Option<String>,
    /// SHA-256 of what came, in hexadecimal digits.
    pub(crate) sha256: Option<String>,
    /// When what came was signed, in seconds since 1970, where its signature says so.
    pub(crate) signed: Option<u64>,
    /// Bytes of what came.
    pub(crate) bytes: u64,
    /// Entries in force.
    pub(crate) entries: u64,
    /// The last look, good or not.
    pub(crate) tried: Option<Timestamp>,
    /// The last good look: a new version, or none and that is certain.
    pub(crate) good: Option<Timestamp>,
    /// The last new version.
    pub(crate) changed: Option<Timestamp>,
    /// Failures since the last good look.
    pub(crate) failures: u32,
    /// Why the last look failed.
    pub(crate) fault: Option<String>,
    /// What the last look came to, in words.
    pub(crate) note: String,
}

/// The directory of what is remembered and of work in progress.
pub(crate) fn directory(lists: &Path, name: &str) -> PathBuf {
    lists.join(DIRECTORY).join(name)
}

impl State {
    /// Reads what is remembered in `directory`.
    pub(crate) fn read(directory: &Path) -> State {
        let read = || -> io::Result<State> {
            let mut text = Vec::new();
            let file = File::open(directory.join(FILE))?;
            file.take(FILE_MAX).read_to_end(&mut text)?;
            Ok(serde_json::from_slice(&text)?)
        };
        read().unwrap_or_default()
    }

    /// Writes beside and renames.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        let beside = directory.join("state.new");
        let mut file = File::create(&beside)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_data()?;
        fs::rename(beside, directory.join(FILE))
    }

    /// When the next look is due; never for a source that is only updated by hand.
    pub(crate) fn due(&self, source: &ListSource, now: Timestamp) -> Option<Timestamp> {
        let refresh = source.refresh.0?;
        // A clock that was set back, and a source that is now another, are looked at at once.
        let tried = self.tried.filter(|tried| *tried <= now);
        let Some(tried) = tried.filter(|_| self.settings == fingerprint(source)) else {
            return Some(now);
        };
        let wait = match self.failures {
            0 => refresh,
            failures => backoff(failures, spread(&source.name, tried)).min(refresh),
        };
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        Some(tried.saturating_add(wait).unwrap_or(Timestamp::MAX))
    }

    /// Whether the source is too old, or was never there and nothing will bring it.
    pub(crate) fn is_stale(&self, source: &ListSource, now: Timestamp) -> bool {
        match (self.good, source.stale_after()) {
            (Some(_), Some(most)) => self.age(now).is_some_and(|age| age > most),
            (Some(_), None) => false,
            (None, _) => self.tried.is_none() && source.refresh.0.is_none(),
        }
    }

    /// Time since the last good look; none before the first.
    pub(crate) fn age(&self, now: Timestamp) -> Option<Duration> {
        let age = now.duration_since(self.good?);
        Some(Duration::try_from(age).unwrap_or_default())
    }
}

/// The wait after so many failures in a row: a minute, doubled each time, a quarter more or less by `spread`, which is 0 to 1.
/// Many schools that fail together do not come back together.
fn backoff(failures: u32, spread: f64) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
    let wait = FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT);
    wait.mul_f64(0.75 + spread.clamp(0.0, 1.0) / 2.0)
}

/// By chance, but the same for one failure however often it is asked.
fn spread(name: &str, tried: Timestamp) -> f64 {
    let mut hasher = DefaultHasher::new();
    (name, tried.as_nanosecond()).hash(&mut hasher);
    (hasher.finish() % 1000) as f64 / 1000.0
}

/// What of a source's configuration makes another list of it.
pub(crate) fn fingerprint(source: &ListSource) -> String {
    let ListSource {
        from,
        format,
        category,
        categories,
        ..
    } = source;
    let text = format!("{from} {format} {category:?} {categories:?}");
    // The address may have a token, and the state is no place for one (LM-10).
    hex(&Sha256::digest(text.as_bytes()))
}

/// The right to update: one at a time, across processes. The system takes it back from a process that dies.
pub(crate) struct Turn {
    _file: File,
}

impl Turn {
    /// Takes it without waiting; none when someone else is at it.
    ///
    /// # Errors
    /// When the directory of the lists cannot be written to.
    pub(crate) fn take(lists: &Path) -> io::Result<Option<Turn>> {
        let directory = lists.join(DIRECTORY);
        fs::create_dir_all(&directory)?;
        let file = File::create(directory.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Turn { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::update::tests::source;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn what_is_remembered_reads_back_and_what_is_damaged_is_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("a/b");
        assert_eq!(State::read(&place), State::default());
        let state = State {
            etag: Some("\"x\"".into()),
            good: Some(at(0)),
            failures: 3,
            ..State::default()
        };
        state.write(&place).unwrap();
        assert_eq!(State::read(&place), state);
        fs::write(place.join(FILE), "{ half").unwrap();
        assert_eq!(State::read(&place), State::default());
        fs::write(place.join(FILE), r#"{"entries":1,"of a later version":2}"#).unwrap();
        assert_eq!(State::read(&place).entries, 1);
    }

    #[test]
    fn a_source_is_due_at_first_then_by_its_refresh_then_by_its_failures() {
        let source = source("refresh = '1h'");
        let mut state = State::default();
        assert_eq!(state.due(&source, at(0)), Some(at(0)));
        state.settings = fingerprint(&source);
        state.tried = Some(at(0));
        assert_eq!(state.due(&source, at(10)), Some(at(3600)));
        state.failures = 1;
        let due = state.due(&source, at(10)).unwrap();
        assert!(due >= at(45) && due <= at(75), "{due}");
        assert_eq!(state.due(&source, at(20)), Some(due));
        state.failures = 30;
        assert_eq!(state.due(&source, at(10)), Some(at(3600)));
        // The clock was set back.
        assert_eq!(state.due(&source, at(-10)), Some(at(-10)));
    }

    #[test]
    fn a_source_that_is_configured_otherwise_is_due_at_once() {
        let mut state = State {
            settings: fingerprint(&source("category = 'ads'")),
            tried: Some(at(0)),
            ..State::default()
        };
        assert_eq!(state.due(&source("category = 'adult'"), at(1)), Some(at(1)));
        state.tried = None;
        assert_eq!(state.due(&source("refresh = 'never'"), at(1)), None);
    }

    #[test]
    fn waits_double_within_bounds_and_spread() {
        let minutes = |failures| backoff(failures, 0.5).as_secs() / 60;
        assert_eq!([1, 2, 3, 4].map(minutes), [1, 2, 4, 8]);
        assert_eq!(minutes(u32::MAX), 360);
        assert!(backoff(1, 0.0) < backoff(1, 1.0));
        assert!(backoff(1, 9.0) <= Duration::from_secs(75));
    }

    #[test]
    fn a_source_grows_stale_with_age_and_never_without_a_bound() {
        let state = State {
            good: Some(at(0)),
            ..State::default()
        };
        let hour = source("refresh = '1h'");
        assert!(!state.is_stale(&hour, at(3 * 3600)));
        assert!(state.is_stale(&hour, at(3 * 3600 + 1)));
        let by_hand = source("refresh = 'never'");
        assert!(!state.is_stale(&by_hand, at(1 << 30)));
        assert!(State::default().is_stale(&by_hand, at(0)));
        assert!(!State::default().is_stale(&hour, at(0)));
    }

    #[test]
    fn one_update_runs_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let turn = Turn::take(directory.path()).unwrap();
        assert!(turn.is_some());
        assert!(Turn::take(directory.path()).unwrap().is_none());
        drop(turn);
        assert!(Turn::take(directory.path()).unwrap().is_some());
    }
}
