//! The file of a segment as the Parquet reader sees it: its end is read at once, and so is what a few rows need of all columns.
//!
//! Decides how many reads there are, and not what is read: whatever was not read ahead is read when it is asked for, and whatever cannot be
//! read is an error then. Each column has its own pages, and a person's rows are in one or two of each: read one after the other they are
//! some hundred small reads a segment.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, Length};

/// Bytes of the end: the footer and the page index of a segment of the default size.
const END: u64 = 64 << 10;
/// Bytes between two parts that are read together: reading so many costs less than one more read.
const GAP: u64 = 32 << 10;
/// Bytes that are read ahead at most. Where rows of more pages are asked for, pages are large reads on their own.
const MOST: u64 = 4 << 20;

/// Rows of a handful of pages: of so many every column is read ahead.
pub(super) const FEW: usize = 32_768;

/// A part of the file, and where it begins.
type Part = (u64, Bytes);

/// Clones are the same file, and have the same parts of it.
#[derive(Clone, Debug)]
pub(super) struct SegmentFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: File,
    size: u64,
    end: Part,
    ahead: OnceLock<Vec<Part>>,
}

impl SegmentFile {
    /// Takes an open segment and reads its end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn new(file: File) -> io::Result<SegmentFile> {
        let size = file.metadata()?.len();
        let start = size.saturating_sub(END);
        let end = (start, read(&file, start..size)?);
        let ahead = OnceLock::new();
        Ok(SegmentFile(Arc::new(Inner {
            file,
            size,
            end,
            ahead,
        })))
    }

    /// Reads the parts, those near each other together; nothing when they are too many bytes. What cannot be read is left for who asks for it.
    pub(super) fn read_ahead(&self, parts: Vec<Range<u64>>) {
        let mut parts = joined(parts, self.0.end.0);
        parts.retain(|part| part.end <= self.0.size);
        let bytes: u64 = parts.iter().map(|part| part.end - part.start).sum();
        if bytes > MOST {
            return;
        }
        let held = parts
            .into_iter()
            .filter_map(|part| Some((part.start, read(&self.0.file, part).ok()?)));
        let _ = self.0.ahead.set(held.collect());
    }

    /// These bytes, where they were read already.
    fn held(&self, start: u64, length: usize) -> Option<Bytes> {
        let ahead = self.0.ahead.get().map(Vec::as_slice).unwrap_or_default();
        let after = ahead.partition_point(|(begin, _)| *begin <= start);
        let before = after.checked_sub(1).and_then(|place| ahead.get(place));
        [Some(&self.0.end), before]
            .into_iter()
            .flatten()
            .find_map(|(begin, bytes)| {
                let from = usize::try_from(start.checked_sub(*begin)?).ok()?;
                let to = from.checked_add(length)?;
                (to <= bytes.len()).then(|| bytes.slice(from..to))
            })
    }
}

impl Length for SegmentFile {
    fn len(&self) -> u64 {
        self.0.size
    }
}

impl ChunkReader for SegmentFile {
    type T = BufReader<Rest>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let file = self.clone();
        Ok(BufReader::new(Rest { file, start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        if let Some(bytes) = self.held(start, length) {
            return Ok(bytes);
        }
        // A length that a damaged file tells is not made room for.
        let end = start.checked_add(length as u64);
        let Some(end) = end.filter(|end| *end <= self.0.size) else {
            let size = self.0.size;
            return Err(ParquetError::EOF(format!(
                "{length} bytes at {start} of a file of {size}"
            )));
        };
        Ok(read(&self.0.file, start..end)?)
    }
}

/// The file from a place on.
pub(super) struct Rest {
    file: SegmentFile,
    start: u64,
}

impl Read for Rest {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.0.file.read_at(buffer, self.start)?;
        self.start += count as u64;
        Ok(count)
    }
}

fn read(file: &File, part: Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from(part.end - part.start).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, part.start)?;
    Ok(bytes.into())
}

/// The parts that begin before `end` in their order, those near each other as one.
fn joined(mut parts: Vec<Range<u64>>, end: u64) -> Vec<Range<u64>> {
    parts.retain(|part| part.start < part.end && part.start < end);
    parts.sort_unstable_by_key(|part| part.start);
    let mut all: Vec<Range<u64>> = Vec::with_capacity(parts.len());
    for part in parts {
        match all.last_mut() {
            Some(last) if part.start <= last.end.saturating_add(GAP) => {
                last.end = last.end.max(part.end);
            }
            _ => all.push(part),
        }
    }
    all
}

/// Where what a selection of rows needs of these columns of a row group lies: their dictionaries, and the pages that have the rows. A column
/// of which no page index tells is left out.
pub(super) fn parts(
    metadata: &ParquetMetaData,
    group: usize,
    columns: impl IntoIterator<Item = usize>,
    selection: &RowSelection,
) -> Vec<Range<u64>> {
    let (Some(index), Some(chunks)) = (metadata.page_index(), metadata.row_groups().get(group))
    else {
        return Vec::new();
    };
    let mut parts = Vec::new();
    for column in columns {
        let pages = index.page_locations(group, column);
        let (Some(pages), Some(chunk)) = (pages, chunks.columns().get(column)) else {
            continue;
        };
        let found = selection.scan_ranges(pages);
        let first = pages
            .first()
            .and_then(|page| u64::try_from(page.offset).ok());
        if let Some(first) = first.filter(|_| !found.is_empty()) {
            parts.push(chunk.byte_range().0..first);
        }
        parts.extend(found);
    }
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use super::*;

    /// A file of so many bytes, each told from its neighbours.
    fn file(size: usize) -> (SegmentFile, Vec<u8>) {
        let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (SegmentFile::new(file).unwrap(), bytes)
    }

    #[test]
    fn what_was_read_ahead_is_what_the_file_has() {
        let (file, bytes) = file(300_000);
        let check = |start: usize, length: usize| {
            let found = file.get_bytes(start as u64, length).unwrap();
            assert_eq!(found, bytes[start..start + length], "{length} at {start}");
        };
        let all = |check: &dyn Fn(usize, usize)| {
            for start in [0, 1, 999, 1_000, 60_000, 100_000, 150_000, 235_000, 299_990] {
                for length in [0, 1, 10] {
                    check(start, length);
                }
            }
            check(0, 300_000);
            check(999, 120_000);
        };
        all(&check);
        file.read_ahead(vec![
            100_000..101_000,
            1_000..1_010,
            180_000..240_000,
            299_000..300_000,
        ]);
        assert_eq!(file.0.ahead.get().unwrap().len(), 3);
        assert!(file.held(180_000, 60_000).is_some());
        all(&check);
        let mut read = Vec::new();
        file.get_read(299_000)
            .unwrap()
            .read_to_end(&mut read)
            .unwrap();
        assert_eq!(read, bytes[299_000..]);
    }

    #[test]
    fn what_a_file_does_not_have_is_an_error_however_much_it_is() {
        let (file, _) = file(1_000);
        file.read_ahead(vec![900..2_000, 5_000..u64::MAX]);
        for (start, length) in [(0, 1_001), (1_000, 1), (u64::MAX, 1), (1, usize::MAX)] {
            assert!(
                file.get_bytes(start, length).is_err(),
                "{length} at {start}"
            );
        }
        assert!(file.get_bytes(0, 1_000).is_ok());
    }

    #[test]
    fn parts_near_each_other_are_one_read_and_too_many_bytes_none() {
        let far = 1 << 20;
        let parts = vec![far..far + 10, 0..10, 10 + GAP..20 + GAP, 5..7, 30..30];
        assert_eq!(
            joined(parts.clone(), u64::MAX),
            [0..20 + GAP, far..far + 10]
        );
        assert_eq!(joined(parts, far).first(), Some(&(0..20 + GAP)));
        assert_eq!(joined(vec![far..far + 1, 0..10], far).len(), 1);
        let (file, _) = file(5 << 20);
        file.read_ahead(vec![0..10, 10..MOST + 1]);
        assert!(file.0.ahead.get().is_none());
        file.read_ahead(vec![0..10, 10..MOST]);
        assert!(file.0.ahead.get().is_some());
    }
}
