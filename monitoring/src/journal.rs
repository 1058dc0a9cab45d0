//! One journal file: created, appended to, synced, and cut back to its last whole batch when a write fails.
//!
//! Decides what is in the file and that nothing half-written stays in it. When to sync, and what to do after an error, is the
//! writer's decision: after any error the file takes no more batches.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;

use crate::frame::Encoder;
use crate::keys::DataKey;
use crate::open::OpenEvents;
use crate::paths::{FileName, sync_directory};
use crate::record::journal_schema;

/// Keys of the header's metadata.
pub(crate) mod key {
    pub(crate) const NODE: &str = "weir.node";
    pub(crate) const FIRST: &str = "weir.first";
    pub(crate) const CREATED: &str = "weir.created";
    pub(crate) const VERSION: &str = "weir.version";
    pub(crate) const OPEN: &str = "weir.open";
}

/// What a journal needs of a file; tests put faults here.
pub(crate) trait Storage: Send {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Storage for File {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Write::write_all(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Makes the file of a new journal.
pub(crate) type Create = Box<dyn Fn(&Path) -> io::Result<Box<dyn Storage>> + Send>;

/// A new file that only Weir's account may read; appended to, so that two writers could never overwrite each other.
pub(crate) fn create_file(path: &Path) -> io::Result<Box<dyn Storage>> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = File::options()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    Ok(Box::new(file))
}

/// What went wrong with a batch.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// The batch itself cannot be encoded; the file is as before and usable.
    Batch(String),
    /// The file failed and takes nothing more.
    File(io::Error),
}

/// A journal that is being written.
pub(crate) struct Journal {
    storage: Box<dyn Storage>,
    path: PathBuf,
    encoder: Encoder,
    /// Bytes up to the end of the last whole batch.
    good: u64,
    rows: u64,
    is_named_durably: bool,
}

impl Journal {
    /// Creates the journal at this path and under this key whose first row will be number `first`, with what is open at this moment in its header.
    ///
    /// # Errors
    /// When the file cannot be created or its header not be written; nothing is left behind then.
    pub(crate) fn create(
        (path, key): (PathBuf, DataKey),
        create: &Create,
        name: FileName,
        now: i64,
        open: &OpenEvents,
    ) -> io::Result<Journal> {
        // A file of this name can only be one that a full disk left without a single batch.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let storage = create(&path)?;
        let mut journal = Journal {
            storage,
            path,
            encoder: Encoder::new(key),
            good: 0,
            rows: 0,
            is_named_durably: false,
        };
        journal.write_header(&name, now, open).inspect_err(|_| {
            // Best effort: a file without a whole header is ignored by every reader.
            let _ = std::fs::remove_file(&journal.path);
        })?;
        Ok(journal)
    }

    fn write_header(&mut self, name: &FileName, now: i64, open: &OpenEvents) -> io::Result<()> {
        let metadata = HashMap::from([
            (key::NODE.to_owned(), name.node.clone()),
            (key::FIRST.to_owned(), name.first.to_string()),
            (key::CREATED.to_owned(), now.to_string()),
            (
                key::VERSION.to_owned(),
                env!("CARGO_PKG_VERSION").to_owned(),
            ),
            (key::OPEN.to_owned(), open.to_text()),
        ]);
        let schema = journal_schema().as_ref().clone().with_metadata(metadata);
        let frame = self.encoder.schema(&schema).map_err(io::Error::other)?;
        self.storage.write_all(frame)?;
        self.good = frame.len() as u64;
        Ok(())
    }

    /// Hands one batch to the kernel.
    ///
    /// # Errors
    /// After [`AppendError::File`] the file holds what it held before, as far as it can be cut, and takes nothing more.
    pub(crate) fn append(&mut self, batch: &RecordBatch) -> Result<(), AppendError> {
        let frame = self
            .encoder
            .batch(batch)
            .map_err(|error| AppendError::Batch(error.to_string()))?;
        if let Err(error) = self.storage.write_all(frame) {
            // Readers stop at a torn batch anyway; cutting only gives its space back.
            let _ = self.storage.cut(self.good);
            return Err(AppendError::File(error));
        }
        self.good += frame.len() as u64;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Makes everything appended so far durable, the file's name included.
    ///
    /// # Errors
    /// An error is final for this file: a second attempt may succeed falsely (threats §6).
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.storage.sync()?;
        if !self.is_named_durably {
            self.path.parent().map_or(Ok(()), sync_directory)?;
            self.is_named_durably = true;
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.good
    }
}
