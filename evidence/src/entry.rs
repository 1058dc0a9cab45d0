//! The file of checkpoints: entries one after the other, each a checkpoint and the subtrees of the leaves since the one before.
//!
//! ```text
//! text of the checkpoint
//!                                   (empty line)
//! — signature line …
//!                                   (empty line)
//! hash of a subtree, a line each; "-" when there are none
//!                                   (empty line)
//! ```
//! The subtrees let the tree be followed where rows are gone because their time was over. They need no signature: the roots that
//! are signed come of them.

use std::fmt::Write;
use std::io::{self, BufRead};

use crate::checkpoint::{Checkpoint, CheckpointError, Retention};
use crate::hash::Hash;
use crate::note::{Note, NoteError};
use crate::span::{Span, SpanError};

/// A file larger than this is refused line by line rather than read into memory: no entry comes near it.
const LARGEST_ENTRY: usize = 16 << 20;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The checkpoint as it is signed.
    pub note: Note,
    /// The same, read.
    pub checkpoint: Checkpoint,
    /// Subtrees of the leaves since the checkpoint before.
    pub subtrees: Vec<Hash>,
}

/// Why bytes are no entry, or do not continue the entries before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// It is no text, or lacks one of its parts.
    #[error(
        "an entry is a checkpoint, its signatures and its subtrees, each followed by an empty line"
    )]
    Form,
    /// The note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The subtrees.
    #[error(transparent)]
    Span(#[from] SpanError),
    /// Its number is not the next one.
    #[error("checkpoint {found} stands where {expected} should be")]
    Number {
        /// The one that is due.
        expected: u64,
        /// The one that is there.
        found: u64,
    },
    /// It names another one as the one before.
    #[error("it continues another checkpoint than the one before it")]
    Previous,
    /// It says another origin or first row.
    #[error("it is of another log ({0})")]
    Origin(String),
    /// It says fewer leaves or rows than the one before, or rows that do not fit its leaves.
    #[error("its size or rows do not follow from the checkpoint before")]
    Size,
    /// The root is not that of the leaves.
    #[error("its root is not that of the subtrees since the first checkpoint")]
    Root,
    /// The signature is not that of the key in force.
    #[error("it is not signed by the key in force, {0}")]
    Signature(String),
    /// The first checkpoint names no key, or not that of its tags.
    #[error("the first checkpoint does not name the key of the log and that of its tags")]
    Key,
    /// A later one names the key again.
    #[error("it names a key that only the first checkpoint may name")]
    StrayKey,
}

impl Entry {
    /// The bytes at rest.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n", self.note);
        if self.subtrees.is_empty() {
            text.push_str("-\n");
        }
        for hash in &self.subtrees {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{hash}");
        }
        text.push('\n');
        text
    }

    /// Reads one entry.
    ///
    /// # Errors
    /// When it is anything else. Signature and root are not checked by that: [`Log::follow`] does.
    pub fn parse(text: &str) -> Result<Entry, EntryError> {
        let whole = text.strip_suffix("\n\n").ok_or(EntryError::Form)?;
        let (note, hashes) = whole.rsplit_once("\n\n").ok_or(EntryError::Form)?;
        let note = Note::parse(&format!("{note}\n"))?;
        let checkpoint = Checkpoint::parse(note.text())?;
        let subtrees = match hashes {
            "-" => Vec::new(),
            hashes => hashes
                .split('\n')
                .map(|line| line.parse().map_err(|_| EntryError::Form))
                .collect::<Result<_, _>>()?,
        };
        let entry = Entry {
            note,
            checkpoint,
            subtrees,
        };
        (entry.to_text() == text)
            .then_some(entry)
            .ok_or(EntryError::Form)
    }
}

/// The state of a log as its checkpoints tell it, followed entry by entry.
#[derive(Clone, Debug)]
pub struct Log {
    /// The frontier at the last checkpoint.
    pub tree: Span,
    /// The last checkpoint; None before the first.
    pub last: Option<Checkpoint>,
    /// SHA-256 of its text.
    pub previous: Option<Hash>,
    /// The key that is to sign the next one.
    pub key: Option<crate::VerifierKey>,
    /// Fingerprint of the key of the log's tags.
    pub tag_key: Option<Hash>,
    /// How long records are kept, as the newest checkpoint that says it does.
    pub retention: Option<Retention>,
}

impl Default for Log {
    fn default() -> Log {
        Log {
            tree: Span::new(0),
            last: None,
            previous: None,
            key: None,
            tag_key: None,
            retention: None,
        }
    }
}

impl Log {
    /// Checks that an entry continues the log under a signature of the key in force, and takes it in; gives the stretch of
    /// leaves since the checkpoint before.
    ///
    /// # Errors
    /// When it does not: then nothing is taken in.
    pub fn follow(&mut self, entry: &Entry) -> Result<Span, EntryError> {
        let key = self.key_for(&entry.checkpoint)?;
        if !entry.note.is_signed_by(&key) {
            return Err(EntryError::Signature(key.to_string()));
        }
        self.advance(entry)
    }

    /// The same without a look at the signature: for a log that was checked before, or of which only the last is.
    ///
    /// # Errors
    /// When it does not continue the log: then nothing is taken in.
    pub fn advance(&mut self, entry: &Entry) -> Result<Span, EntryError> {
        let new = &entry.checkpoint;
        let expected = self
            .last
            .as_ref()
            .map_or(1, |last| last.number.saturating_add(1));
        if new.number != expected {
            return Err(EntryError::Number {
                expected,
                found: new.number,
            });
        }
        if new.previous != self.previous {
            return Err(EntryError::Previous);
        }
        let key = self.key_for(new)?;
        self.check_order(new)?;
        let stretch = Span::from_nodes(self.tree.end(), new.size, entry.subtrees.clone())?;
        let mut tree = self.tree.clone();
        tree.join(&stretch)?;
        if tree.root() != Some(new.root) {
            return Err(EntryError::Root);
        }
        self.tree = tree;
        self.previous = Some(Hash::of(entry.note.text().as_bytes()));
        self.key = Some(new.next_key.clone().unwrap_or(key));
        self.tag_key = self.tag_key.or(new.tag_key);
        self.retention = new.retention.or(self.retention);
        self.last = Some(new.clone());
        Ok(stretch)
    }

    fn key_for(&self, new: &Checkpoint) -> Result<crate::VerifierKey, EntryError> {
        match (&self.key, &new.key, &new.tag_key) {
            (Some(key), None, None) => Ok(key.clone()),
            (Some(_), ..) => Err(EntryError::StrayKey),
            (None, Some(key), Some(_)) if key.name() == new.origin => Ok(key.clone()),
            (None, ..) => Err(EntryError::Key),
        }
    }

    fn check_order(&self, new: &Checkpoint) -> Result<(), EntryError> {
        let (size, last) = match &self.last {
            None => (0, new.first.saturating_sub(1)),
            Some(old) if old.origin != new.origin || old.first != new.first => {
                return Err(EntryError::Origin(new.origin.clone()));
            }
            Some(old) => (old.size, old.last),
        };
        let (leaves, rows) = (new.size.checked_sub(size), new.last.checked_sub(last));
        let next_key_fits = new
            .next_key
            .as_ref()
            .is_none_or(|key| key.name() == new.origin);
        // Rows that were lost before they were durable have numbers but no leaves.
        match (leaves, rows) {
            (Some(leaves), Some(rows)) if leaves <= rows && next_key_fits => Ok(()),
            _ => Err(EntryError::Size),
        }
    }
}

/// Reads entries one after the other, each with the byte at which it begins: its text, or what is there instead. The last may
/// lack its end, which a crash can bring about: it is given as it is.
///
/// # Errors
/// When reading fails.
pub fn entries(
    reader: &mut impl BufRead,
    take: &mut dyn FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let (mut at, mut entry, mut empty) = (0, Vec::new(), 0);
    loop {
        let before = entry.len();
        let count =
            io::Read::take(&mut *reader, LARGEST_ENTRY as u64).read_until(b'\n', &mut entry)?;
        if count == 0 {
            if !entry.is_empty() {
                take(at, &entry)?;
            }
            return Ok(());
        }
        if entry.get(before..) == Some(b"\n") {
            empty += 1;
        }
        if empty == 3 || entry.len() > LARGEST_ENTRY {
            take(at, &entry)?;
            at += entry.len() as u64;
            entry.clear();
            empty = 0;
        }
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
