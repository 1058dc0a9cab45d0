//! Reading a journal back: whole batches only, whatever state the file is in, also while it is being written.
//!
//! A torn tail ends the reading; a damaged stretch in the middle is skipped and counted. Nothing is changed on disk here.

use std::fs::File;
use std::io;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::Metadata;
use arrow::error::ArrowError;
use arrow::ipc::convert::try_schema_from_ipc_buffer;
use arrow::ipc::reader::StreamDecoder;

use crate::adapt::{adapt, adapt_coded};
use crate::frame::{self, Found};
use crate::keys::DataKey;
use crate::record::{journal_schema, schema};
use crate::store::Store;

/// A journal as it was when it was opened.
#[derive(Debug)]
pub(crate) struct Replay {
    file: File,
    key: DataKey,
    length: u64,
    at: u64,
    /// Where the first batch may be.
    start: u64,
    opening: Buffer,
    decoder: StreamDecoder,
    header: Metadata,
    damaged: u64,
}

impl Replay {
    /// Opens the file and reads its header. A header that cannot be read is replaced by today's, so that what follows it can
    /// still be tried.
    ///
    /// # Errors
    /// When the file cannot be opened or read, or is under another key.
    pub(crate) fn open(store: &Store, path: &Path) -> io::Result<Replay> {
        let file = File::open(path)?;
        let key = store.journal_key(path)?;
        let length = file.metadata()?.len();
        let stored = match frame::read(&file, 0, length, &key)? {
            Found::Message(opening, size) => {
                begin(&opening).ok().map(|begun| (begun, opening, size))
            }
            Found::Foreign(_) => {
                return Err(io::Error::other("its rows are encrypted under another key"));
            }
            Found::Nothing => None,
        };
        let is_stored = stored.is_some();
        let ((decoder, metadata), opening, start) = match stored {
            Some(stored) => stored,
            None => {
                let coded = frame::plain_schema(&journal_schema());
                let own = match decodes(&file, length, &key, &coded)? {
                    true => coded,
                    false => frame::plain_schema(&schema()),
                };
                (begin(&own).map_err(io::Error::other)?, own, 0)
            }
        };
        let header = if is_stored { metadata } else { Metadata::new() };
        Ok(Replay {
            file,
            key,
            length,
            at: start,
            start,
            opening,
            decoder,
            header,
            damaged: 0,
        })
    }

    /// The next whole batch, in today's columns; None at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn next(&mut self) -> io::Result<Option<RecordBatch>> {
        self.next_as(adapt)
    }

    /// The same with the columns that repeat coded, as a journal that is written today has them: for sealing, which would have
    /// to code them again.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn next_coded(&mut self) -> io::Result<Option<RecordBatch>> {
        self.next_as(adapt_coded)
    }

    fn next_as(
        &mut self,
        adapt: fn(&RecordBatch) -> Result<RecordBatch, ArrowError>,
    ) -> io::Result<Option<RecordBatch>> {
        while self.at < self.length {
            let (mut buffer, size) = match frame::read(&self.file, self.at, self.length, &self.key)?
            {
                Found::Message(buffer, size) => (buffer, size),
                // The key is right, so these bytes were put there.
                Found::Foreign(size) => {
                    self.at += size;
                    self.damaged += size;
                    continue;
                }
                Found::Nothing => {
                    let Some(next) = frame::find(&self.file, self.at + 1, self.length)? else {
                        return Ok(None);
                    };
                    self.damaged += next - self.at;
                    self.at = next;
                    continue;
                }
            };
            self.at += size;
            match self
                .decoder
                .decode(&mut buffer)
                .and_then(|batch| batch.map(|batch| adapt(&batch)).transpose())
            {
                Ok(Some(batch)) => return Ok(Some(batch)),
                // A second header, or a whole frame that holds something else, is skipped like damage.
                Ok(None) => {}
                Err(_) => {
                    self.damaged += size;
                    self.decoder = begin(&self.opening).map_err(io::Error::other)?.0;
                }
            }
        }
        Ok(None)
    }

    /// Goes back to the first batch; the file keeps the length it had when it was opened.
    pub(crate) fn rewind(&mut self) {
        self.at = self.start;
        self.damaged = 0;
    }

    /// One value of the header.
    pub(crate) fn header(&self, key: &str) -> Option<&str> {
        self.header.get(key).map(String::as_str)
    }

    /// Whether the file began with a whole header.
    pub(crate) fn has_header(&self) -> bool {
        !self.header.is_empty()
    }

    /// Bytes after the last whole batch, once [`Replay::next`] has returned None.
    pub(crate) fn torn(&self) -> u64 {
        self.length - self.at
    }

    /// Bytes skipped between whole batches.
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged
    }
}

/// Whether the first batch can be read under a header; journals of earlier builds have every text in full.
fn decodes(file: &File, length: u64, key: &DataKey, header: &Buffer) -> io::Result<bool> {
    let mut at = frame::find(file, 0, length)?;
    while let Some(place) = at {
        if let Found::Message(mut message, _) = frame::read(file, place, length, key)? {
            let mut decoder = begin(header).map_err(io::Error::other)?.0;
            return Ok(decoder.decode(&mut message).is_ok());
        }
        at = frame::find(file, place + 1, length)?;
    }
    Ok(true)
}

/// A decoder that has read the header, and what the header says.
fn begin(opening: &Buffer) -> Result<(StreamDecoder, Metadata), ArrowError> {
    let schema = try_schema_from_ipc_buffer(opening)?;
    let mut decoder = StreamDecoder::new();
    decoder.decode(&mut opening.clone())?;
    Ok((decoder, schema.metadata().clone()))
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
