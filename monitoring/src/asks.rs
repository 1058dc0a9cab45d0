//! Rows that commands have written: by the Weir that runs, asked through a file and answering by one, or by the command itself.
//!
//! ```text
//! log/<node>/asks/<id>.ask      one row to be written, as JSON
//! log/<node>/asks/<id>.answer   what came of it
//! ```
//! Decides which kinds of rows may be asked for, how large and how many questions may be, and how long they are worth anything.
//! The writer takes a question away before it writes the row, so that no row is written twice, and answers once the row is
//! synced. Whoever gets no good answer must take it that nothing is recorded, and do nothing (LM-18).
//!
//! Only Weir's account may write there: questions of other accounts, or in a directory that others may write to, are not taken.

mod taking;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::datatypes::UInt16Type;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::adapt::Cells;
use crate::event::{EventId, EventIds};
use crate::paths::Layout;
use crate::proof::log_directory;
use crate::proof::sidecar;
use crate::record::{Col, Record};
use crate::recorder::Recorder;
use crate::scrub;
use crate::settings::{RecorderError, RecorderSettings};
use crate::words::{End, Kind, Verdict};

#[cfg(test)]
pub(crate) use taking::Taken;
use taking::uptime;
pub(crate) use taking::{Left, answer, take};

/// Name of the directory.
const DIRECTORY: &str = "asks";
const ASK: &str = "ask";
const ANSWER: &str = "answer";
const PART: &str = "part";
/// Longest question in bytes.
const SIZE: u64 = 32 * 1024;
/// Files that may lie there before no question is put beside them.
const WAITING: usize = 256;
/// Pause between two looks for an answer.
const LOOK: Duration = Duration::from_millis(10);
/// Time between two looks whether there is still somebody who could answer.
const ALIVE: Duration = Duration::from_millis(200);
/// For sealing what a Weir that was killed left behind.
const STOP: Duration = Duration::from_secs(60);
/// Longest note of a row.
const NOTE: usize = 4096;

/// The kinds of rows that commands may have written.
pub const KINDS: [Kind; 2] = [Kind::Read, Kind::Dispute];

/// A row that a command has written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnRow {
    /// One of [`KINDS`].
    pub kind: Kind,
    /// Id of the happening, the same on all its rows.
    pub event: EventId,
    /// µs since the epoch; none for now.
    pub time: Option<i64>,
    /// How it ended.
    pub end: End,
    /// The reader, or the person whose event it is about.
    pub user: Option<String>,
    /// Plain words, or one JSON object: [`note`].
    pub note: String,
    /// Of the event that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
}

/// Fields of an event that a row about it repeats, so that whoever finds the event finds the row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct About {
    /// Groups of the person.
    pub groups: Option<String>,
    /// The device.
    pub device: Option<String>,
    /// The network.
    pub network: Option<String>,
    /// The profile.
    pub profile: Option<String>,
    /// Address of the client.
    pub client: Option<IpAddr>,
    /// The host.
    pub host: Option<String>,
    /// Its port.
    pub port: u16,
    /// The TLS server name.
    pub sni: Option<String>,
    /// What the policy answered.
    pub verdict: Option<Verdict>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The category that decided.
    pub category: Option<String>,
    /// Every category.
    pub categories: Option<String>,
    /// The list.
    pub list: Option<String>,
}

/// Why a row was not written. Whatever it would have recorded must not happen.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Rows of this kind are the recorder's own.
    #[error("a row of kind {0} is not for commands to write")]
    Kind(Kind),
    /// It would be cut.
    #[error("what is to be recorded has {0} bytes and may have {NOTE}: give a shorter text")]
    Note(usize),
    /// Too many questions wait already.
    #[error(
        "{}: {WAITING} questions wait for Weir already; its health page says whether records can be written", .0.display()
    )]
    Full(PathBuf),
    /// The question could not be put.
    #[error("{}: {error}", path.display())]
    Place {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// Weir did not answer in time, or ended meanwhile.
    #[error(
        "the running Weir did not write the row in time; its health page and log say whether records can be written"
    )]
    Silent,
    /// It was asked, or tried, and could not be written.
    #[error("records cannot be written: {0}")]
    Unwritten(String),
    /// No recorder could be started here.
    #[error(transparent)]
    Start(RecorderError),
}

/// What lies in the file of a question.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// When it was asked: [`uptime`].
    asked: Option<u64>,
    row: OwnRow,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    /// The row is synced.
    Written,
    /// It is not and will not be, for this reason.
    Refused(String),
}

/// One JSON object as the note of a row: on one line, in a form that the scrubbing of texts leaves alone.
pub fn note(value: &Value) -> String {
    let json = value.to_string();
    let mut text = String::with_capacity(json.len());
    let mut buffer = [0; 4];
    for c in json.chars() {
        if c.is_ascii() || scrub::text(c.encode_utf8(&mut buffer), 4).starts_with(c) {
            text.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

/// Has a row written to the records of `settings`, and comes back once it is synced: by the Weir that runs there, else by a
/// recorder of its own, which stops in good order. Waits `patience` at most for a running one.
///
/// # Errors
/// When it is not known to be recorded.
pub fn write(
    settings: &RecorderSettings,
    row: &OwnRow,
    patience: Duration,
) -> Result<(), AskError> {
    row.check()?;
    let until = Instant::now() + patience;
    loop {
        match write_here(settings, row, patience) {
            Err(AskError::Start(RecorderError::Locked { .. })) => {}
            done => return done,
        }
        if ask(settings, row, until)? {
            return Ok(());
        }
        // The one that held the lock ended before it took the question.
    }
}

/// Whether somebody writes there: then the lock is held.
///
/// # Errors
/// When the lock cannot be looked at.
pub fn is_running(directory: &Path) -> io::Result<bool> {
    match File::open(Layout::new(directory).lock()) {
        Ok(lock) => Ok(lock.try_lock_shared().is_err()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn write_here(
    settings: &RecorderSettings,
    row: &OwnRow,
    patience: Duration,
) -> Result<(), AskError> {
    let recorder = Recorder::start(settings.clone()).map_err(AskError::Start)?;
    let written = recorder.write_own(row.record(crate::clock::now()), patience);
    if written {
        // The row is on the disk. What a stop in a hurry leaves, the next start seals.
        let _ = recorder.stop(STOP);
        return Ok(());
    }
    let why = recorder.health().last_error;
    Err(AskError::Unwritten(
        why.unwrap_or_else(|| "the disk takes too long".to_owned()),
    ))
}

/// False when nobody is there any more who could answer, and the question was not taken.
fn ask(settings: &RecorderSettings, row: &OwnRow, until: Instant) -> Result<bool, AskError> {
    let directory = place(&settings.directory, &settings.node);
    let question = loop {
        match put(&directory, row) {
            // A Weir that just started has not made its log yet.
            Err(AskError::Place { error, .. })
                if error.kind() == io::ErrorKind::NotFound && Instant::now() < until =>
            {
                std::thread::sleep(LOOK);
            }
            other => break other?,
        }
    };
    let answer = question.with_extension(ANSWER);
    let mut looked = Instant::now();
    loop {
        if let Some(answer) = read_answer(&answer) {
            return match answer {
                Answer::Written => Ok(true),
                Answer::Refused(why) => Err(AskError::Unwritten(why)),
            };
        }
        let is_late = Instant::now() >= until;
        let is_alone = looked.elapsed() >= ALIVE && {
            looked = Instant::now();
            !is_running(&settings.directory).unwrap_or(true)
        };
        if is_late || is_alone {
            let was_waiting = fs::remove_file(&question).is_ok();
            if was_waiting && !is_late {
                return Ok(false);
            }
            // It may have been answered since.
            return match read_answer(&answer) {
                Some(Answer::Written) => Ok(true),
                Some(Answer::Refused(why)) => Err(AskError::Unwritten(why)),
                None => Err(AskError::Silent),
            };
        }
        std::thread::sleep(LOOK);
    }
}

/// Where questions for a node lie.
pub(crate) fn place(directory: &Path, node: &str) -> PathBuf {
    log_directory(directory, node).join(DIRECTORY)
}

fn put(directory: &Path, row: &OwnRow) -> Result<PathBuf, AskError> {
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |error| AskError::Place { path, error }
    };
    make(directory).map_err(fault(directory))?;
    let there = fs::read_dir(directory).map_err(fault(directory))?;
    if there.take(WAITING).count() >= WAITING {
        return Err(AskError::Full(directory.to_owned()));
    }
    let id = EventIds::new().next();
    let part = directory.join(format!("{id}.{PART}"));
    let question = directory.join(format!("{id}.{ASK}"));
    let asked = Question {
        asked: uptime(),
        row: row.clone(),
    };
    let text = serde_json::to_string(&asked).map_err(io::Error::other);
    let put = text.and_then(|text| {
        sidecar::write(&part, text.as_bytes())?;
        // Root asks a Weir of another account, which must be able to read it.
        let (own, theirs) = (fs::metadata(&part)?.uid(), fs::metadata(directory)?.uid());
        if own != theirs {
            chown(&part, Some(theirs), None)?;
        }
        fs::rename(&part, &question)
    });
    put.map_err(|error| {
        let _ = fs::remove_file(&part);
        AskError::Place {
            path: question.clone(),
            error,
        }
    })?;
    Ok(question)
}

/// Makes the directory for Weir's account alone; an account that may not has its fault told by whatever comes next.
fn make(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => {
            if let Some(parent) = directory.parent() {
                let owner = fs::metadata(parent)?.uid();
                if owner != fs::metadata(directory)?.uid() {
                    chown(directory, Some(owner), None)?;
                }
            }
            Ok(())
        }
    }
}

fn read_answer(path: &Path) -> Option<Answer> {
    let text = fs::read_to_string(path).ok()?;
    // What stays expires.
    let _ = fs::remove_file(path);
    Some(
        serde_json::from_str(&text)
            .unwrap_or(Answer::Refused("the answer cannot be read".to_owned())),
    )
}

impl About {
    /// What a row about the event of this row repeats; nothing of content grade.
    pub fn of(cells: Cells<'_>, row: usize) -> About {
        let text = |col| cells.str_at(col, row).map(str::to_owned);
        let port = cells.numbers::<UInt16Type>(Col::port);
        About {
            groups: text(Col::groups),
            device: text(Col::device),
            network: text(Col::network),
            profile: text(Col::profile),
            client: text(Col::client).and_then(|client| client.parse().ok()),
            host: text(Col::host),
            port: port
                .and_then(|ports| ports.values().get(row))
                .copied()
                .unwrap_or(0),
            sni: text(Col::sni),
            verdict: text(Col::verdict).and_then(|verdict| verdict.parse().ok()),
            rule: text(Col::rule),
            category: text(Col::category),
            categories: text(Col::categories),
            list: text(Col::list),
        }
    }
}

impl OwnRow {
    fn check(&self) -> Result<(), AskError> {
        if !KINDS.contains(&self.kind) {
            return Err(AskError::Kind(self.kind));
        }
        let length = scrub::text(&self.note, usize::MAX).len();
        if length > NOTE {
            return Err(AskError::Note(length));
        }
        Ok(())
    }

    pub(crate) fn record(&self, now: i64) -> Record {
        let mut record = Record::new(self.kind, self.event, self.time.unwrap_or(now));
        record.end = self.end;
        record.user = self.user.as_deref().map(Into::into);
        record.note = Some(self.note.as_str().into());
        let Some(about) = &self.about else {
            return record;
        };
        let text = |text: &Option<String>| text.as_deref().map(Into::into);
        record.groups = text(&about.groups);
        record.device = text(&about.device);
        record.network = text(&about.network);
        record.profile = text(&about.profile);
        record.client = about.client;
        record.host = text(&about.host);
        record.port = about.port;
        record.sni = text(&about.sni);
        record.verdict = about.verdict.unwrap_or(Verdict::None);
        record.rule = text(&about.rule);
        record.category = text(&about.category);
        record.categories = text(&about.categories);
        record.list = text(&about.list);
        record
    }
}
