//! The log of one node while it grows: leaves come in, checkpoints are signed and kept.
//!
//! ```text
//! log/<node>/checkpoints   every checkpoint with the subtrees since the one before; only ever appended to
//! log/<node>/latest        the last checkpoint alone, a signed note
//! log/<node>/key           the private key, wrapped under the key-encryption key; key.next while one takes over
//! log/<node>/tag-key       the key of the blinded tags, wrapped too, the same for as long as the log goes on
//! log/<node>/ask           written by `weir records checkpoint`: somebody asks for a checkpoint or a new key
//! ```
//! Decides that nothing is signed that is not on the disk: the caller syncs first, and after a sync that failed nothing is
//! signed until the rows have been read back. When a checkpoint is due is decided in `checkpoints`, what a start finds in `open`.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow::array::RecordBatch;
use weir_evidence::{
    Checkpoint, Entry, Hash, KeptFile, Log, Note, Retention, SealedFile, SigningKey, Span, TagKey,
    Why,
};

use super::names::{Source, Tally};
use super::sidecar::{Gathered, Hint};
use super::{Leaves, open, sidecar};
use crate::belief::Belief;
use crate::beside::Beside;
use crate::keys::{DataKey, KeyError};
use crate::lane::Shared;
use crate::paths::{FileName, sync_directory};
use crate::segment::Facts;
use crate::settings;
use crate::store::Store;

/// The file of all checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
/// The file of the last one.
pub const LATEST: &str = "latest";
/// The file of the private key.
pub const KEY: &str = "key";
/// The file of the key of the tags.
pub const TAG_KEY: &str = "tag-key";
/// The private key that takes over.
pub(crate) const NEXT_KEY: &str = "key.next";

/// The log of one node, open for writing.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(super) store: Store,
    pub(super) node: String,
    pub(super) directory: PathBuf,
    pub(super) key: SigningKey,
    pub(super) tag_key: TagKey,
    /// As of the last checkpoint.
    pub(super) log: Log,
    /// Leaves since.
    pub(super) stretch: Span,
    /// Those of the batch that is being taken in; kept for its room.
    pub(super) hashes: Vec<Hash>,
    /// Numbers of the first row of the log and of the last one in it.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) file: File,
    /// Bytes of the file up to the end of its last entry.
    pub(super) length: u64,
    /// To be named in the next checkpoint.
    pub(super) sealed: Vec<SealedFile>,
    pub(super) removed: Vec<String>,
    pub(super) every: Duration,
    /// How long records are kept from now on; the next checkpoint says so where the last did not.
    pub(super) retention: Retention,
    /// The files beside the records, of which the checkpoints speak.
    pub(super) beside: Beside,
    /// What the moments of the checkpoints make of the clock.
    pub(crate) belief: Belief,
    /// Of the journal that is being written.
    pub(super) leaves: Option<Leaves>,
    pub(super) hints: Vec<Hint>,
    pub(super) users: Tally,
    pub(super) contents: Vec<(u64, Hash)>,
    /// Whether a row of this run is in the log.
    pub(super) has_begun: bool,
    /// Rows were handed over of which it is not known whether they are on the disk.
    pub(super) is_unsure: bool,
    /// A row could not become a leaf: nothing can be signed any more.
    pub(super) broken: Option<String>,
}

impl Chain {
    /// A journal begins: its secret is made and lies beside it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn begin_journal(&mut self, name: &FileName, key: &DataKey) -> io::Result<()> {
        let path = self.store.layout().journals().join(name.to_string());
        let names = Source::Key(self.tag_key.clone());
        let secret = sidecar::make_secret(&self.store, key, &path)?;
        self.leaves = Some(Leaves::new(secret, names));
        (self.hints, self.users) = (Vec::new(), Tally::default());
        self.contents = Vec::new();
        Ok(())
    }

    /// What was gathered of the rows of the journal that ends.
    pub(crate) fn take_gathered(&mut self) -> Gathered {
        Gathered {
            hints: std::mem::take(&mut self.hints),
            users: std::mem::take(&mut self.users).finish(),
            contents: std::mem::take(&mut self.contents),
        }
    }

    /// Takes in the rows that were just appended to the journal.
    pub(crate) fn append(&mut self, batch: &RecordBatch) {
        let Some(leaves) = &mut self.leaves else {
            return;
        };
        self.has_begun = true;
        let (hashes, hints, last) = (&mut self.hashes, &mut self.hints, &mut self.last);
        let (users, contents) = (&mut self.users, &mut self.contents);
        let taken = leaves.of(batch, &mut |leaf| {
            // With the key every row has a tag.
            if let (Some(of), Some(hash)) = (leaf.of, leaf.hash) {
                hashes.push(hash);
                hints.push(sidecar::hint(&hash));
                users.push(of, leaf.seq, &hash);
                contents.extend(leaf.content());
                *last = leaf.seq;
            }
        });
        self.stretch.extend(&self.hashes);
        self.hashes.clear();
        if let Err(error) = taken {
            self.broken = Some(format!("a row cannot become a leaf of the log: {error}"));
        }
    }

    /// A sync failed: what was handed over since the last good one may be lost.
    pub(crate) fn doubt(&mut self) {
        self.is_unsure = true;
    }

    /// How long records are kept as the last checkpoint that spoke of it says.
    pub(crate) fn promised(&self) -> Option<Retention> {
        self.log.retention
    }

    /// Whether no row of this run is in the log yet.
    pub(crate) fn is_at_start(&self) -> bool {
        !self.has_begun
    }

    /// Signs what is on the disk, which every row so far must be; the health says what came of it. Answers whether it was
    /// signed; when not, it can be tried again.
    pub(crate) fn sign(&mut self, why: Why, now: i64, shared: &Shared) -> bool {
        let signed = self.checkpoint(why, now, shared);
        let error = signed
            .err()
            .map(|error| format!("cannot sign a checkpoint of the log: {error}"));
        let is_signed = error.is_none();
        shared.update_health(|health| {
            if let Some(last) = &self.log.last {
                health.checkpoint = last.number;
                health.checkpoint_time = Some(last.time);
                health.checkpoint_rows = last.size;
            }
            if error.is_some() {
                health.last_error.clone_from(&error);
            }
            health.checkpoint_error = error;
        });
        is_signed
    }

    /// # Errors
    /// When it cannot be written, or rows of a failed journal still wait to be read back.
    fn checkpoint(&mut self, why: Why, now: i64, shared: &Shared) -> io::Result<()> {
        if let Some(error) = &self.broken {
            return Err(io::Error::other(error.clone()));
        }
        // What was left of a log that was set aside is not of this one.
        let own = |sealed: &SealedFile| sealed.first >= self.first;
        let sealed = shared.take_sealed().into_iter().filter(own);
        for sealed in sealed {
            self.sealed.retain(|other| other.path != sealed.path);
            self.sealed.push(sealed);
        }
        self.removed.extend(shared.take_removed());
        // What waited while nothing could be signed may have gone with its period.
        let segments = self.store.layout().segments();
        self.sealed
            .retain(|sealed| segments.join(&sealed.path).exists());
        if self.is_unsure {
            if !shared.complete().is_empty() {
                let error = "rows of a journal that failed are still to be read back";
                return Err(io::Error::other(error));
            }
            open::read_again(self)?;
            self.is_unsure = false;
        }
        let next = (why == Why::Rotation)
            .then(|| SigningKey::random(self.key.verifier().name()).map_err(io::Error::other))
            .transpose()?;
        if let Some(next) = &next {
            put_key(&self.store, &self.node, NEXT_KEY, next)?;
        }
        let kept = self.beside.changed();
        self.retention = settings::retention(shared.retention());
        let entry = self.entry(why, now, next.as_ref(), kept)?;
        self.keep(&entry)?;
        self.belief.see(now, self.every.as_secs());
        shared.believe(self.belief.clone());
        shared.note_signed();
        shared.note_promised(self.log.retention);
        if let Some(next) = next {
            self.take_over(next)?;
        }
        Ok(())
    }

    fn entry(
        &self,
        why: Why,
        now: i64,
        next: Option<&SigningKey>,
        kept: Vec<KeptFile>,
    ) -> io::Result<Entry> {
        let mut tree = self.log.tree.clone();
        tree.join(&self.stretch).map_err(io::Error::other)?;
        let root = tree.root().ok_or_else(|| io::Error::other("no root"))?;
        let is_first = self.log.last.is_none();
        let checkpoint = Checkpoint {
            origin: self.key.verifier().name().to_owned(),
            size: tree.end(),
            root,
            number: self
                .log
                .last
                .as_ref()
                .map_or(1, |last| last.number.saturating_add(1)),
            previous: self.log.previous,
            time: now,
            why,
            every: self.every.as_secs(),
            first: self.first,
            last: self.last,
            key: is_first.then(|| self.key.verifier().clone()),
            tag_key: is_first.then(|| self.tag_key.fingerprint()),
            next_key: next.map(|next| next.verifier().clone()),
            retention: (self.log.retention != Some(self.retention)).then_some(self.retention),
            kept,
            sealed: self.sealed.clone(),
            removed: self.removed.clone(),
        };
        Ok(Entry {
            note: Note::sign(checkpoint.to_text(), &[&self.key]),
            checkpoint,
            subtrees: self.stretch.nodes().to_vec(),
        })
    }

    /// Appends an entry, then lets `latest` say the same: it never is ahead.
    fn keep(&mut self, entry: &Entry) -> io::Result<()> {
        let mut log = self.log.clone();
        log.follow(entry).map_err(io::Error::other)?;
        let text = entry.to_text();
        let written = self
            .file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // A start would cut it off as well.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += text.len() as u64;
        self.stretch = Span::new(log.tree.end());
        self.log = log;
        self.beside.take(&entry.checkpoint.kept);
        self.sealed.clear();
        self.removed.clear();
        let latest = entry.note.to_string();
        sidecar::replace(&self.directory.join(LATEST), latest.as_bytes())
    }

    fn take_over(&mut self, next: SigningKey) -> io::Result<()> {
        std::fs::rename(self.directory.join(NEXT_KEY), self.directory.join(KEY))?;
        sync_directory(&self.directory)?;
        self.key = next;
        Ok(())
    }
}

/// The private key of this file; None when there is none or it cannot be understood.
///
/// # Errors
/// When the file cannot be read or unwrapped.
pub(super) fn get_key(
    store: &Store,
    node: &str,
    name: &str,
) -> Result<Option<SigningKey>, KeyError> {
    let bytes = store.log_secret(node, (name, KEY))?;
    let text = bytes
        .as_deref()
        .map(|bytes| std::str::from_utf8(bytes).unwrap_or_default());
    Ok(text.and_then(|text| SigningKey::from_text(text).ok()))
}

/// Keeps a private key, wrapped. A key that takes over is called what it will be, so that taking over is a renaming.
pub(super) fn put_key(
    store: &Store,
    node: &str,
    name: &str,
    key: &SigningKey,
) -> Result<(), KeyError> {
    let text = zeroize::Zeroizing::new(key.to_text());
    store.put_log_secret(node, (name, KEY), text.as_bytes())
}

/// The entries of a log as its file has them; [`weir_evidence::entries`] over it.
pub(super) fn read(
    path: &Path,
    take: &mut dyn FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    weir_evidence::entries(&mut io::BufReader::new(File::open(path)?), take)
}

/// A segment as a checkpoint names it.
///
/// # Errors
/// When it or what lies beside it cannot be read.
pub(crate) fn name_sealed(store: &Store, segment: &Path) -> io::Result<SealedFile> {
    let layout = store.layout();
    let path = segment.strip_prefix(layout.segments()).unwrap_or(segment);
    let users = sidecar::read_users(segment)?;
    let users = users.ok_or_else(|| io::Error::other("its users are not there"))?;
    let facts = Facts::read(store, segment).map_err(io::Error::other)?;
    Ok(SealedFile::new(
        path.display().to_string(),
        Hash::of_reader(File::open(segment)?)?,
        (facts.earliest, facts.latest),
        &users,
    ))
}
