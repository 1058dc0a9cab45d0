//! The file of one list: tags, and nothing from which an entry could be read.
//!
//! Decides whether bytes are a whole file of this slot and this key. All numbers are little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `WEIRSEAL` |
//! | 4 | version of the format, 2 |
//! | 1 + 64 | length of the slot's name, the name, zeros |
//! | 8 | when the list was sealed, seconds since 1970 |
//! | 8 + 8 | most entries of the last week, and when that was |
//! | 4 + 4 | limits (`/` and `;`) in the deepest path, parameters of the longest query |
//! | 8 | number of rows |
//! | 33 each | tag (16), kind (1), in the list since (8; 0: from the beginning), gone since or 0 (8); sorted by tag and kind |
//! | 16 | keyed check sum of everything before |
//!
//! A row that is gone blocks nothing; it is kept for a day, so that losses of one day count together.

use thiserror::Error;

use super::forms::Kind;
use super::key::{Key, Tag};

const MAGIC: &[u8; 8] = b"WEIRSEAL";
const VERSION: u32 = 2;
const NAME_MAX: usize = 64;
const HEAD: usize = 8 + 4 + 1 + NAME_MAX + 8 * 3 + 4 * 2 + 8;
const ROW: usize = 33;
const SUM: usize = 16;
/// Bytes of the largest file: some sixteen million rows.
pub(super) const SIZE_MAX: u64 = 512 << 20;

/// Why bytes are no file of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FileError {
    /// Cut off, or something else.
    #[error("it is cut off or no file of a mandatory list")]
    Shape,
    /// Of a later Weir.
    #[error("it is of format {0}, which this Weir does not know")]
    Version(u32),
    /// Damaged, or of another machine or key.
    #[error("its check sum does not fit: it is damaged, or was made with another key")]
    Sum,
    /// The file of another slot.
    #[error("it is the file of another list")]
    Slot,
}

/// One tag of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) tag: Tag,
    pub(super) kind: Kind,
    /// Seconds since 1970; 0 for what the slot began with.
    pub(super) since: u64,
    /// Seconds since 1970; 0 while it is in the list.
    pub(super) gone: u64,
}

impl Row {
    pub(super) fn is_listed(&self) -> bool {
        self.gone == 0
    }
}

/// A list as it was sealed once. Shows nothing of its rows.
pub struct Generation {
    /// Seconds since 1970.
    pub(super) made: u64,
    /// Most entries of the last week, and when that was.
    pub(super) most: (u64, u64),
    pub(super) segments: u32,
    pub(super) parameters: u32,
    /// Sorted by tag and kind, without repetition.
    pub(super) rows: Vec<Row>,
}

impl std::fmt::Debug for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generation")
            .field("made", &self.made)
            .field("entries", &self.entries())
            .finish_non_exhaustive()
    }
}

impl Generation {
    /// Rows that are in the list.
    pub(super) fn listed(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.is_listed())
    }

    /// Entries that are in the list.
    pub(super) fn entries(&self) -> u64 {
        self.listed().filter(|row| row.kind != Kind::Mark).count() as u64
    }

    /// Entries that only a visible request can be compared with.
    pub(super) fn pages(&self) -> u64 {
        self.listed().filter(|row| row.kind == Kind::Page).count() as u64
    }

    /// 32 hexadecimal digits that tell two lists apart, and say nothing to whoever has not the key.
    pub(super) fn digest(&self, key: &Key) -> String {
        let mut tags = Vec::with_capacity(self.rows.len() * 17);
        for row in self.listed() {
            tags.extend_from_slice(&row.tag.to_le_bytes());
            tags.push(row.kind as u8);
        }
        key.sum(&tags)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The bytes of a file.
    pub(super) fn write(&self, slot: &str, key: &Key) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD + self.rows.len() * ROW + SUM);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        let name = slot.as_bytes().get(..NAME_MAX).unwrap_or(slot.as_bytes());
        out.push(name.len() as u8);
        out.extend_from_slice(name);
        out.resize(8 + 4 + 1 + NAME_MAX, 0);
        for number in [self.made, self.most.0, self.most.1] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.segments, self.parameters] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&(self.rows.len() as u64).to_le_bytes());
        for row in &self.rows {
            out.extend_from_slice(&row.tag.to_le_bytes());
            out.push(row.kind as u8);
            out.extend_from_slice(&row.since.to_le_bytes());
            out.extend_from_slice(&row.gone.to_le_bytes());
        }
        out.extend_from_slice(&key.sum(&out));
        out
    }

    /// Reads the file of `slot`.
    ///
    /// # Errors
    /// [`FileError`] for anything but the whole file of this slot under this key.
    pub(super) fn read(bytes: &[u8], slot: &str, key: &Key) -> Result<Generation, FileError> {
        let (content, sum) = bytes
            .len()
            .checked_sub(SUM)
            .and_then(|length| bytes.split_at_checked(length))
            .ok_or(FileError::Shape)?;
        let mut content_left = Reader(content);
        if content_left.take::<8>()? != *MAGIC {
            return Err(FileError::Shape);
        }
        let version = u32::from_le_bytes(content_left.take()?);
        if version != VERSION {
            return Err(FileError::Version(version));
        }
        // Before anything else of it is believed.
        if key.sum(content) != *sum {
            return Err(FileError::Sum);
        }
        let [length] = content_left.take::<1>()?;
        let name = content_left.take::<NAME_MAX>()?;
        let (name, rest) = name
            .split_at_checked(usize::from(length))
            .ok_or(FileError::Shape)?;
        if name != slot.as_bytes() || rest.iter().any(|byte| *byte != 0) {
            return Err(FileError::Slot);
        }
        let mut number = || Ok(u64::from_le_bytes(content_left.take()?));
        let (made, most) = (number()?, (number()?, number()?));
        let segments = u32::from_le_bytes(content_left.take()?);
        let parameters = u32::from_le_bytes(content_left.take()?);
        let count = u64::from_le_bytes(content_left.take()?);
        let rows = rows(content_left.0, count)?;
        Ok(Generation {
            made,
            most,
            segments,
            parameters,
            rows,
        })
    }
}

pub(super) fn with_right_sum(bytes: &[u8], key: &Key) -> Vec<u8> {
    let content = bytes.len().saturating_sub(SUM);
    let mut out = bytes.get(..content).unwrap_or_default().to_vec();
    out.extend_from_slice(&key.sum(&out));
    out
}

fn rows(bytes: &[u8], count: u64) -> Result<Vec<Row>, FileError> {
    let (chunks, rest) = bytes.as_chunks::<ROW>();
    if !rest.is_empty() || chunks.len() as u64 != count {
        return Err(FileError::Shape);
    }
    let mut rows: Vec<Row> = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let mut chunk = Reader(chunk);
        let tag = Tag::from_le_bytes(chunk.take()?);
        let [kind] = chunk.take::<1>()?;
        let kind = Kind::ALL.into_iter().find(|known| *known as u8 == kind);
        let row = Row {
            tag,
            kind: kind.ok_or(FileError::Shape)?,
            since: u64::from_le_bytes(chunk.take()?),
            gone: u64::from_le_bytes(chunk.take()?),
        };
        let last = rows.last().map(|last| (last.tag, last.kind));
        if last.is_some_and(|last| last >= (row.tag, row.kind)) {
            return Err(FileError::Shape);
        }
        rows.push(row);
    }
    Ok(rows)
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], FileError> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(FileError::Shape)?;
        self.0 = rest;
        Ok(*bytes)
    }
}
