//! Decides how a file is cut into lines and how each is counted: bounded, streamed, exactly one thing a line.

use std::io::{self, BufRead};
use std::path::Path;

use thiserror::Error;

use super::{Line, LineFault, Reader, Sink, Tally};
use crate::entry::EntryError;
use crate::report::{Fault, Faults, shown};

/// Most bytes of a line. Longer ones are faults.
pub(crate) const LINE_MAX: usize = 64 << 10;

/// Why a file cannot be read on.
#[derive(Debug, Error)]
pub(crate) enum LinesError {
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A NUL byte: the hole that a crash leaves.
    #[error("it has a NUL byte")]
    Nul,
    /// More lines than there may be.
    #[error("it has more lines than a list may have")]
    TooMany,
}

/// Where the faults of one file go, and who is told that reading goes on.
pub(crate) struct Told<'a> {
    pub(crate) list: &'a str,
    pub(crate) file: &'a Path,
    pub(crate) faults: &'a mut Faults,
    /// How many lines there may be.
    pub(crate) most: u64,
    pub(crate) tick: &'a mut dyn FnMut(),
}

impl Told<'_> {
    /// A line has been read.
    ///
    /// # Errors
    /// When it is one too many.
    pub(crate) fn tick(&mut self) -> Result<(), LinesError> {
        (self.tick)();
        self.most = self.most.checked_sub(1).ok_or(LinesError::TooMany)?;
        Ok(())
    }

    /// Notes a fault of a line, counted from 1.
    pub(crate) fn fault(&mut self, line: u64, text: &[u8], reason: &LineFault) {
        self.faults.push_with(|| Fault {
            list: self.list.to_owned(),
            file: self.file.to_owned(),
            line: Some(line),
            entry: shown(String::from_utf8_lossy(text).trim()),
            reason: reason.to_string(),
        });
    }
}

/// Cuts a stream into lines.
pub(crate) struct LineReader<R> {
    content: R,
    line: Vec<u8>,
    first: bool,
}

/// A line without its newline; of one that is too long, the beginning.
pub(crate) struct RawLine<'a> {
    bytes: &'a [u8],
    too_long: bool,
}

impl<'a> RawLine<'a> {
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The text, when it is one.
    pub(crate) fn text(&self) -> Result<&'a str, LineFault> {
        if self.too_long {
            return Err(EntryError::TooLong.into());
        }
        std::str::from_utf8(self.bytes).map_err(|_| EntryError::Encoding.into())
    }
}

impl<R: BufRead> LineReader<R> {
    /// Lines of `content`, of which a byte-order mark is no part.
    pub(crate) fn new(content: R) -> LineReader<R> {
        LineReader {
            content,
            line: Vec::new(),
            first: true,
        }
    }

    /// The next line; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<RawLine<'_>>, LinesError> {
        self.line.clear();
        let mut any = false;
        let mut too_long = false;
        loop {
            let buffer = match self.content.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() {
                break;
            }
            any = true;
            let end = memchr::memchr(b'\n', buffer);
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or(buffer);
            if memchr::memchr(0, part).is_some() {
                return Err(LinesError::Nul);
            }
            let room = LINE_MAX - self.line.len().min(LINE_MAX);
            too_long |= part.len() > room;
            self.line
                .extend_from_slice(part.get(..room).unwrap_or(part));
            let used = end.map_or(buffer.len(), |at| at + 1);
            self.content.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !any {
            return Ok(None);
        }
        let bytes = match self.line.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) if self.first => rest,
            _ => &self.line,
        };
        self.first = false;
        Ok(Some(RawLine { bytes, too_long }))
    }
}

/// Reads a file through its reader: entries into the sink, every line into the tally, faults into `told`.
///
/// # Errors
/// [`LinesError`]; what has been read until then is not to be used.
pub(crate) fn read(
    content: impl BufRead,
    reader: &mut Reader,
    sink: &mut Sink,
    told: &mut Told<'_>,
) -> Result<Tally, LinesError> {
    let mut tally = Tally::default();
    let mut lines = LineReader::new(content);
    while let Some(line) = lines.next()? {
        told.tick()?;
        tally.lines += 1;
        sink.begin();
        let read = line.text().and_then(|text| reader.line(text, sink));
        if read.is_err() {
            sink.undo();
        }
        let given = sink.end();
        match read {
            Ok(_) if given > 0 => {
                if let Some(fault) = sink.take_fault() {
                    tally.partly += 1;
                    told.fault(tally.lines, line.bytes(), &fault);
                }
            }
            Ok(Line::Entries | Line::Blank) => tally.blank += 1,
            Ok(Line::Skipped(reason)) => tally.skip(reason),
            Err(fault) => {
                tally.faulty += 1;
                told.fault(tally.lines, line.bytes(), &fault);
            }
        }
    }
    Ok(tally)
}
