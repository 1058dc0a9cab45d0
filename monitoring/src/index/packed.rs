//! The bytes of an index, and reading what a search needs of them.
//!
//! ```text
//! index      "weir-index-1\n" ‖ u32 length ‖ JSON {shift, entries} ‖ for each column: texts, lanes
//! contents   "weir-contents-1\n" ‖ for each segment: u32 length ‖ name ‖ u32 length ‖ bits
//! texts, lanes: u32 length unpacked ‖ u32 length ‖ zstd
//! ```
//! Numbers are little-endian. All of it is authenticated before it is parsed; what does not parse is taken for missing.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::texts::{Texts, Wanted};
use super::{COLUMNS, Entry, FILES, Grams, paths, what};
use crate::paths::Period;
use crate::record::Col;
use crate::store::Store;

const MAGIC: &[u8] = b"weir-index-1\n";
const CONTENTS_MAGIC: &[u8] = b"weir-contents-1\n";
/// Nothing in an index is larger.
const LARGEST: usize = 1 << 28;
const LEVEL: i32 = 1;

#[derive(Deserialize)]
struct Head {
    shift: u32,
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct HeadOf<'a> {
    shift: u32,
    entries: &'a [Entry],
}

/// The index of a period; its texts are unpacked when they are asked for.
pub(crate) struct Index {
    head: Head,
    bytes: Zeroizing<Vec<u8>>,
    columns: [Range<usize>; COLUMNS.len()],
}

impl Index {
    /// None when there is none that can be used.
    pub(crate) fn read(store: &Store, period: Period) -> Option<Index> {
        let [path, _] = paths(store, period);
        let bytes = store
            .read_sealed_as(&path, &what(period, FILES[0]))
            .ok()??;
        let mut cursor = Cursor::new(bytes.strip_prefix(MAGIC)?);
        let head: Head = serde_json::from_slice(cursor.part()?).ok()?;
        let mut columns: [Range<usize>; COLUMNS.len()] = Default::default();
        for column in &mut columns {
            let begin = bytes.len() - cursor.0.len();
            cursor.skip_packed()?;
            cursor.skip_packed()?;
            *column = begin..bytes.len() - cursor.0.len();
        }
        (head.shift < 32).then_some(Index {
            head,
            bytes,
            columns,
        })
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.head.entries
    }

    pub(super) fn shift(&self) -> u32 {
        self.head.shift
    }

    pub(super) fn texts(&self, place: usize) -> Option<Texts> {
        let range = self.columns.get(place)?.clone();
        Texts::read(&mut Cursor::new(self.bytes.get(range)?))
    }

    /// Marks the entries whose segment may have what is wanted in a column.
    pub(crate) fn mark(&self, col: Col, wanted: &Wanted, marks: &mut [bool]) {
        let place = COLUMNS.iter().position(|own| *own == col);
        let found = place.and_then(|place| Some((place, self.texts(place)?)));
        let Some((place, texts)) = found else {
            return marks.fill(true);
        };
        let lanes = texts.find(wanted);
        for (ordinal, (entry, mark)) in self.head.entries.iter().zip(marks).enumerate() {
            let lane = lanes.checked_shr(u32::try_from(ordinal >> self.head.shift).unwrap_or(64));
            *mark |= lane.is_none_or(|lane| lane & 1 == 1) || entry.open >> place & 1 == 1;
        }
    }
}

pub(super) fn to_bytes(entries: &[Entry], shift: u32, columns: &[Texts]) -> io::Result<Vec<u8>> {
    let mut bytes = MAGIC.to_vec();
    put(&mut bytes, &serde_json::to_vec(&HeadOf { shift, entries })?)?;
    for texts in columns {
        texts.write(&mut bytes)?;
    }
    Ok(bytes)
}

pub(super) fn contents_to_bytes(contents: &BTreeMap<String, Grams>) -> io::Result<Vec<u8>> {
    let mut bytes = CONTENTS_MAGIC.to_vec();
    for (name, grams) in contents {
        put(&mut bytes, name.as_bytes())?;
        put(&mut bytes, &grams.to_bytes())?;
    }
    Ok(bytes)
}

/// What is known of the content of a period's segments, by name; None when nothing can be read.
pub(crate) fn read_contents(store: &Store, period: Period) -> Option<BTreeMap<String, Grams>> {
    let [_, path] = paths(store, period);
    let bytes = store
        .read_sealed_as(&path, &what(period, FILES[1]))
        .ok()??;
    let mut cursor = Cursor::new(bytes.strip_prefix(CONTENTS_MAGIC)?);
    let mut contents = BTreeMap::new();
    while !cursor.0.is_empty() {
        let name = String::from_utf8(cursor.part()?.to_vec()).ok()?;
        contents.insert(name, Grams::from_bytes(cursor.part()?)?);
    }
    Some(contents)
}

/// What is left to be read.
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor(bytes)
    }

    fn number(&mut self) -> Option<usize> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        usize::try_from(u32::from_le_bytes(*number)).ok()
    }

    fn part(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        let (part, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(part)
    }

    fn skip_packed(&mut self) -> Option<()> {
        self.number()?;
        self.part().map(drop)
    }

    pub(super) fn packed(&mut self) -> Option<Vec<u8>> {
        let length = self.number().filter(|length| *length <= LARGEST)?;
        let bytes = zstd::bulk::decompress(self.part()?, length).ok()?;
        (bytes.len() == length).then_some(bytes)
    }
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) -> io::Result<()> {
    bytes.extend_from_slice(&length(part)?.to_le_bytes());
    bytes.extend_from_slice(part);
    Ok(())
}

pub(super) fn put_packed(bytes: &mut Vec<u8>, part: &[u8]) -> io::Result<()> {
    bytes.extend_from_slice(&length(part)?.to_le_bytes());
    put(bytes, &zstd::bulk::compress(part, LEVEL)?)
}

fn length(part: &[u8]) -> io::Result<u32> {
    let length = u32::try_from(part.len()).ok();
    let length = length.filter(|_| part.len() <= LARGEST);
    length.ok_or_else(|| io::Error::other("the index would be too large"))
}
