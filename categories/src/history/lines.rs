//! Decides how lists are read line by line and compared: sorted streams whose differences need no memory, and the text
//! that people edit, which is put in normal form and order first.
//!
//! The order of lines is that of their bytes, the newline included: the order in which imports write.

use std::cmp::Ordering;
use std::io::{self, BufRead, Read};

use crate::entry::{self, MatchKind};

/// Most bytes of a line of a list in normal form; imports allow less.
const LINE_MAX: u64 = 1 << 20;

/// Lines in order, each with its newline.
pub(crate) trait Lines {
    /// Puts the next line into `line`; false at the end.
    fn next(&mut self, line: &mut Vec<u8>) -> io::Result<bool>;
}

/// The lines of a file in normal form.
pub(crate) struct Plain<R>(pub(crate) R);

impl<R: BufRead> Lines for Plain<R> {
    fn next(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        if (&mut self.0).take(LINE_MAX).read_until(b'\n', line)? == 0 {
            return Ok(false);
        }
        if !line.ends_with(b"\n") {
            if line.len() as u64 == LINE_MAX {
                return Err(damaged("a line is longer than a mebibyte"));
            }
            line.push(b'\n');
        }
        Ok(true)
    }
}

/// No line.
pub(crate) struct Nothing;

impl Lines for Nothing {
    fn next(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        Ok(false)
    }
}

/// Entries of a text that people edit: in normal form, sorted, without repetition. Lines that are no entries are left out.
pub(crate) struct Sorted {
    entries: std::vec::IntoIter<Vec<u8>>,
}

impl Sorted {
    /// Reads the whole text.
    pub(crate) fn of(text: &[u8], kind: MatchKind) -> Sorted {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let lines = text.split(|byte| *byte == b'\n');
        Sorted::lines(lines.filter_map(|line| Some(normal_line(line, kind)?.into_bytes())))
    }

    /// Lines that are in normal form, with their newlines, in any order.
    pub(crate) fn lines(lines: impl Iterator<Item = Vec<u8>>) -> Sorted {
        let mut entries: Vec<Vec<u8>> = lines.collect();
        entries.sort_unstable();
        entries.dedup();
        Sorted {
            entries: entries.into_iter(),
        }
    }
}

impl Lines for Sorted {
    fn next(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        match self.entries.next() {
            Some(entry) => {
                line.extend_from_slice(&entry);
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

/// An entry as imports write it, with its newline.
fn normal_line(line: &[u8], kind: MatchKind) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?;
    let mut entry = entry::normal(kind, entry::content(line, kind)?).ok()?;
    if is_top_level(&entry, kind) {
        entry.insert(0, '.');
    }
    entry.push('\n');
    Some(entry)
}

/// Of a top-level domain the dot says that it is meant.
pub(crate) fn is_top_level(entry: &str, kind: MatchKind) -> bool {
    matches!(kind, MatchKind::Domain | MatchKind::Exception) && !entry.contains(['.', ':', '/'])
}

/// An entry in normal form as a list file has it.
pub(crate) fn written(entry: &str, kind: MatchKind) -> String {
    let dot = if is_top_level(entry, kind) { "." } else { "" };
    format!("{dot}{entry}")
}

/// Lines of `base` changed by a patch: lines of `-` or `+` and a line, in the order of the lines.
pub(crate) struct Patched {
    base: Box<dyn Lines>,
    patch: Box<dyn Lines>,
    /// The next line of the patch.
    change: Option<Vec<u8>>,
    /// The next line of the base.
    kept: Option<Vec<u8>>,
    started: bool,
}

impl Patched {
    pub(crate) fn new(base: Box<dyn Lines>, patch: Box<dyn Lines>) -> Patched {
        Patched {
            base,
            patch,
            change: Some(Vec::new()),
            kept: Some(Vec::new()),
            started: false,
        }
    }
}

/// Reads into a slot that becomes `None` at the end.
fn refill(lines: &mut dyn Lines, slot: &mut Option<Vec<u8>>) -> io::Result<()> {
    if let Some(line) = slot
        && !lines.next(line)?
    {
        *slot = None;
    }
    Ok(())
}

impl Lines for Patched {
    fn next(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        if !self.started {
            self.started = true;
            refill(&mut *self.base, &mut self.kept)?;
            refill(&mut *self.patch, &mut self.change)?;
        }
        loop {
            let Some(change) = &self.change else {
                return take(&mut *self.base, &mut self.kept, line);
            };
            let (sign, text) = change
                .split_first()
                .ok_or_else(|| damaged("a change without a sign"))?;
            let order = match &self.kept {
                Some(kept) => kept.as_slice().cmp(text),
                None => Ordering::Greater,
            };
            match (sign, order) {
                (_, Ordering::Less) => return take(&mut *self.base, &mut self.kept, line),
                (b'+', Ordering::Greater) => {
                    line.clear();
                    line.extend_from_slice(text);
                    refill(&mut *self.patch, &mut self.change)?;
                    return Ok(true);
                }
                (b'-', Ordering::Equal) => {
                    refill(&mut *self.base, &mut self.kept)?;
                    refill(&mut *self.patch, &mut self.change)?;
                }
                _ => return Err(damaged("a change that does not fit what it changes")),
            }
        }
    }
}

fn take(base: &mut dyn Lines, kept: &mut Option<Vec<u8>>, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    match kept {
        Some(text) => {
            std::mem::swap(line, text);
            refill(base, kept)?;
            Ok(true)
        }
        None => Ok(false),
    }
}

/// What a line of two lists is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Old,
    Both,
    New,
}

/// Gives `see` every line of two sorted lists, in order, with the list that has it.
///
/// # Errors
/// What reading gives, or `see`; lists that are not sorted.
pub(crate) fn compare<E: From<io::Error>>(
    old: &mut dyn Lines,
    new: &mut dyn Lines,
    mut see: impl FnMut(Side, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut last = Vec::new();
    let mut has_old = old.next(&mut before)?;
    let mut has_new = new.next(&mut after)?;
    while has_old || has_new {
        let order = match (has_old, has_new) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            _ => before.cmp(&after),
        };
        let (side, line) = match order {
            Ordering::Less => (Side::Old, &before),
            Ordering::Equal => (Side::Both, &after),
            Ordering::Greater => (Side::New, &after),
        };
        if !last.is_empty() && last >= *line {
            return Err(damaged("a list in normal form is not in order").into());
        }
        see(side, line)?;
        match side {
            Side::Old => {
                std::mem::swap(&mut last, &mut before);
                has_old = old.next(&mut before)?;
            }
            Side::Both => {
                std::mem::swap(&mut last, &mut after);
                has_old = old.next(&mut before)?;
                has_new = new.next(&mut after)?;
            }
            Side::New => {
                std::mem::swap(&mut last, &mut after);
                has_new = new.next(&mut after)?;
            }
        }
    }
    Ok(())
}

pub(crate) fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
