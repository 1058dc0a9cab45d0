//! Decides nothing about entries ([`crate::entry`]): cuts files into chunks that cores can share, and collects what the lines
//! of a chunk are.

use std::path::Path;

use weir_host::address::Network;

use crate::entry::{self, Domain, EntryError, Exception, MatchKind};
use crate::hash;
use crate::keywords::{Keyword, KeywordError};
use crate::report::{Fault, Faults, shown};
use crate::urls::Row;

/// Bytes of a chunk, up to the end of its last line.
const CHUNK: usize = 4 << 20;
/// Marks an offset into [`Parsed::side`].
const SIDE: u32 = 1 << 31;
/// Keys are parted by the highest bits of their hashes, so that cores can sort and merge parts.
const PART_BITS: u32 = 6;
pub(super) const PARTS: usize = 1 << PART_BITS;

/// Whole lines of one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk<'a> {
    /// Number of the file.
    pub(super) file: usize,
    pub(super) list: &'a str,
    pub(super) path: &'a Path,
    pub(super) kind: MatchKind,
    pub(super) tag: u16,
    /// Its category is one that allows.
    pub(super) opens: bool,
    pub(super) text: &'a [u8],
}

/// A name: where its text is, and its hash. Small, because there are millions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) hash: u64,
    /// Offset in the chunk's text, or with [`SIDE`] in what normalising wrote.
    at: u32,
    /// Chunk number above the length, which is at most 253.
    chunk_and_length: u32,
}

/// What the lines of `exceptions` are: few, so that their names are held as they are.
#[derive(Debug, Default)]
pub(super) struct Exceptions {
    pub(super) names: Vec<String>,
    pub(super) networks: Vec<Network>,
    pub(super) urls: Vec<Row>,
}

/// What the lines of a chunk are.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    keys: Vec<Key>,
    /// The keys by the highest bits of their hashes, once all are there.
    pub(super) parts: Vec<Vec<Key>>,
    /// Names whose normal form is not what the file says.
    pub(super) side: String,
    pub(super) networks: Vec<Network>,
    pub(super) urls: Vec<Row>,
    pub(super) expressions: Vec<String>,
    pub(super) keywords: Vec<Keyword>,
    pub(super) exceptions: Exceptions,
    pub(super) lines: u64,
    pub(super) blank: u64,
    /// Lines counted from the start of the chunk.
    pub(super) faults: Faults,
}

/// Cuts a file into chunks on line limits.
pub(super) fn chunks<'a>(file: Chunk<'a>) -> impl Iterator<Item = Chunk<'a>> {
    // A byte-order mark is what some editors put first; it is no part of the first entry.
    let mut rest = file.text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file.text);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let from = CHUNK.min(rest.len());
        let end = memchr::memchr(b'\n', rest.get(from..)?).map_or(rest.len(), |at| from + at + 1);
        let (text, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(Chunk { text, ..file })
    })
}

/// Reads all lines of a chunk.
pub(super) fn parse(number: usize, chunk: &Chunk<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    let text = chunk.text.strip_suffix(b"\n").unwrap_or(chunk.text);
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', text).chain([text.len()]);
    for end in ends {
        let line = text.get(start..end).unwrap_or_default();
        start = end + 1;
        parsed.lines += 1;
        if let Err(error) = parsed.line(number, chunk, line) {
            let at = parsed.lines;
            parsed.faults.push_with(|| Fault {
                list: chunk.list.to_owned(),
                file: chunk.path.to_owned(),
                line: Some(at),
                entry: shown(String::from_utf8_lossy(line).trim()),
                reason: error.to_string(),
            });
        }
    }
    parsed.parts = parted(std::mem::take(&mut parsed.keys));
    parsed
}

/// Keys by the highest bits of their hashes, each part as large as need be.
fn parted(keys: Vec<Key>) -> Vec<Vec<Key>> {
    if keys.is_empty() {
        return Vec::new();
    }
    let mut counts = [0; PARTS];
    keys.iter().for_each(|key| counts[key.part()] += 1);
    let mut parts: Vec<Vec<Key>> = counts.into_iter().map(Vec::with_capacity).collect();
    for key in keys {
        parts[key.part()].push(key);
    }
    parts
}

impl Parsed {
    fn line(&mut self, number: usize, chunk: &Chunk<'_>, line: &[u8]) -> Result<(), EntryError> {
        let line = std::str::from_utf8(line).map_err(|_| EntryError::Encoding)?;
        let Some(text) = entry::content(line, chunk.kind) else {
            self.blank += 1;
            return Ok(());
        };
        match chunk.kind {
            MatchKind::Domain => match entry::domain(text)? {
                Domain::Name(name) => self.name(number, chunk, text, name.as_str()),
                Domain::Network(network) => self.networks.push(network),
            },
            MatchKind::Url => self.urls.push(Row::new(entry::url(text)?, chunk.tag)),
            MatchKind::Expression => self.expressions.push(entry::normal(chunk.kind, text)?),
            MatchKind::Keyword if chunk.opens => return Err(KeywordError::Opens.into()),
            MatchKind::Keyword => {
                let keyword = Keyword::read(text).map_err(EntryError::from)?;
                self.keywords.push(keyword);
            }
            MatchKind::Exception => match entry::exception(text)? {
                Exception::Domain(Domain::Name(name)) => {
                    self.exceptions.names.push(name.as_str().to_owned());
                }
                Exception::Domain(Domain::Network(network)) => {
                    self.exceptions.networks.push(network);
                }
                Exception::Url(url) => self.exceptions.urls.push(Row::new(url, chunk.tag)),
            },
        }
        Ok(())
    }

    /// Most names are in normal form already and stay where they are.
    fn name(&mut self, number: usize, chunk: &Chunk<'_>, text: &str, name: &str) {
        let at = if text == name {
            text.as_ptr().addr() - chunk.text.as_ptr().addr()
        } else {
            self.side.push_str(name);
            (self.side.len() - name.len()) | SIDE as usize
        };
        self.keys.push(Key {
            hash: hash::of(name),
            at: at as u32,
            chunk_and_length: (number as u32) << 8 | name.len() as u32,
        });
    }
}

impl Key {
    fn part(&self) -> usize {
        (self.hash >> (64 - PART_BITS)) as usize
    }

    /// Number of the chunk.
    pub(super) fn chunk(&self) -> usize {
        (self.chunk_and_length >> 8) as usize
    }

    /// Bytes of the name.
    pub(super) fn length(&self) -> usize {
        (self.chunk_and_length & 0xff) as usize
    }

    /// The name, given what its chunk was read from and parsed to.
    pub(super) fn name<'a>(&self, chunk: &Chunk<'a>, side: &'a str) -> &'a [u8] {
        let at = (self.at & !SIDE) as usize;
        let text = match self.at & SIDE {
            0 => chunk.text,
            _ => side.as_bytes(),
        };
        text.get(at..at + self.length()).unwrap_or_default()
    }
}
