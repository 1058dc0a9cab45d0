//! What goes to one witness: every checkpoint in its order, and what comes back of it.
//!
//! ```text
//! <state>/witness/<name>.json       the last checkpoint that was acknowledged
//! <state>/witness/<name>.receipts   a JSON line for each: number, time, status, signatures that were added
//! ```
//! A note that a witness has is never written over: where the log was written anew, the other one comes to lie beside it, and
//! `weir-verify --checkpoint` shows the difference.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use weir_config::{Place, Witness};
use weir_evidence::{Entry, Note};
use weir_monitoring::proof;

use super::post::{self, Network, Receipt};
use crate::users::file;

/// What came of one turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Went {
    /// A checkpoint was acknowledged; there may be more.
    Taken,
    /// There is none that the witness does not have.
    Nothing,
    /// It is to be tried again.
    Failed(String),
}

/// The last checkpoint that was acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Reached {
    origin: String,
    number: u64,
    /// SHA-256 of its text.
    digest: String,
}

pub(super) struct Courier {
    pub(super) name: Arc<str>,
    to: Place,
    checkpoints: PathBuf,
    state: PathBuf,
    reached: Reached,
    /// Where the entry after it begins; None until it was looked for.
    at: Option<u64>,
}

impl Courier {
    pub(super) fn new(witness: &Witness, records: &Path, node: &str, state: &Path) -> Courier {
        let state = state.join("witness");
        // Without it everything is sent again, which does no harm.
        let reached = fs::read(state.join(format!("{}.json", witness.name))).ok();
        let reached = reached.and_then(|text| serde_json::from_slice(&text).ok());
        Courier {
            name: Arc::clone(&witness.name),
            to: witness.to.clone(),
            checkpoints: proof::log_directory(records, node).join(proof::CHECKPOINTS),
            state,
            reached: reached.unwrap_or_default(),
            at: None,
        }
    }

    /// Number of the last checkpoint that was acknowledged; 0 for none.
    pub(super) fn acknowledged(&self) -> u64 {
        self.reached.number
    }

    /// Sends the next checkpoint, if there is one.
    pub(super) async fn turn(&mut self, network: &Network<'_>) -> Went {
        let next = match self.next() {
            Ok(Some(next)) => next,
            Ok(None) => return Went::Nothing,
            Err(error) => return Went::Failed(format!("{}: {error}", self.checkpoints.display())),
        };
        let (entry, end) = next;
        let sent = match &self.to {
            Place::File(directory) => {
                let (directory, entry) = (directory.clone(), entry.clone());
                // This thread waits for nothing else.
                lay(&directory, &entry).map_err(|error| format!("{}: {error}", directory.display()))
            }
            Place::Url(url) => post::post(network, url, &entry.note)
                .await
                .map_err(|fault| format!("{}: {fault}", self.to.shown())),
        };
        let receipt = match sent {
            Ok(receipt) => receipt,
            Err(fault) => return Went::Failed(fault),
        };
        let reached = Reached {
            origin: entry.checkpoint.origin.clone(),
            number: entry.checkpoint.number,
            digest: digest(&entry.note),
        };
        if let Err(error) = self.remember(&reached, &receipt) {
            return Went::Failed(format!("{}: {error}", self.state.display()));
        }
        self.reached = reached;
        self.at = Some(end);
        Went::Taken
    }

    /// The first checkpoint that was not acknowledged, and where it ends.
    fn next(&mut self) -> io::Result<Option<(Entry, u64)>> {
        let mut file = match File::open(&self.checkpoints) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let length = file.metadata()?.len();
        let at = match self.at {
            // A file that became shorter is another one.
            Some(at) if at <= length => at,
            _ => self.find(&file)?,
        };
        self.at = Some(at);
        file.seek(SeekFrom::Start(at))?;
        let (mut found, mut is_damaged) = (None, false);
        each(&mut BufReader::new(file), &mut |from, bytes| {
            let end = at + from + bytes.len() as u64;
            let entry = std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| Entry::parse(text).ok());
            // The last may still be on its way to the disk.
            is_damaged = entry.is_none() && end < length;
            found = entry.map(|entry| (entry, end));
            false
        })?;
        if is_damaged {
            let told = format!(
                "what follows checkpoint {} cannot be read, so nothing more goes to the witness: `weir records verify` says what was done to it",
                self.reached.number
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, told));
        }
        Ok(found)
    }

    /// Where the entry after the acknowledged one begins. In a log that does not have it, which is another log or one that was
    /// written anew, that is the beginning.
    fn find(&self, file: &File) -> io::Result<u64> {
        let mut found = 0;
        let mut reader = file;
        reader.seek(SeekFrom::Start(0))?;
        each(&mut BufReader::new(reader), &mut |from, bytes| {
            let entry = std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| Entry::parse(text).ok());
            let Some(entry) = entry else { return false };
            let is_reached = entry.checkpoint.number == self.reached.number
                && digest(&entry.note) == self.reached.digest;
            if is_reached {
                found = from + bytes.len() as u64;
            }
            !is_reached
        })?;
        if found == 0 && self.reached.number > 0 {
            tracing::error!(
                witness = %self.name,
                "the log no longer has checkpoint {}, which the witness has: all of it is sent, and weir-verify --checkpoint with the \
                 witness's copy says what differs",
                self.reached.number
            );
        }
        Ok(found)
    }

    fn remember(&self, reached: &Reached, receipt: &Receipt) -> io::Result<()> {
        file::make_private(&self.state)?;
        let line = json!({
            "number": reached.number,
            "time": Timestamp::now().to_string(),
            "digest": reached.digest,
            "status": receipt.status,
            "signatures": receipt.signatures,
        });
        let mut receipts = OpenOptions::new();
        let receipts = receipts.append(true).create(true).mode(0o600);
        let mut receipts = receipts.open(self.state.join(format!("{}.receipts", self.name)))?;
        receipts.write_all(format!("{line}\n").as_bytes())?;
        let text = serde_json::to_vec(reached).map_err(io::Error::other)?;
        file::replace(
            &self.state.join(format!("{}.json", self.name)),
            &text,
            0o600,
        )
    }
}

/// Entries until `take` answers false.
fn each(reader: &mut impl io::BufRead, take: &mut dyn FnMut(u64, &[u8]) -> bool) -> io::Result<()> {
    let mut is_enough = false;
    let read = weir_evidence::entries(reader, &mut |at, bytes| {
        is_enough = !take(at, bytes);
        if is_enough {
            Err(io::Error::other("enough"))
        } else {
            Ok(())
        }
    });
    if is_enough { Ok(()) } else { read }
}

/// SHA-256 of a note's text, in hexadecimal digits.
fn digest(note: &Note) -> String {
    Sha256::digest(note.text().as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Lays a checkpoint down as a file of its own, never over another.
fn lay(directory: &Path, entry: &Entry) -> io::Result<Receipt> {
    let text = entry.note.to_string();
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let origin: String = entry.checkpoint.origin.chars().map(safe).collect();
    let digest = digest(&entry.note);
    let short = digest.get(..16).unwrap_or_default();
    let path = directory.join(format!(
        "{origin}-{:010}-{short}.note",
        entry.checkpoint.number
    ));
    if fs::read_to_string(&path).is_ok_and(|there| there == text) {
        return Ok(Receipt::default());
    }
    let part = path.with_extension("part");
    let mut options = OpenOptions::new();
    // Checkpoints tell of nobody, and whoever keeps them must be able to read them.
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, &path)?;
    File::open(directory)?.sync_all()?;
    Ok(Receipt::default())
}
