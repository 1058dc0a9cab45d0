//! Decides whether a file is whole, and makes a store of it: small things and whatever every question reads go into memory,
//! texts stay in the mapped file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::format::{BLOCK, EXCEPTIONS, FileError, HEAD, Head, Kind, Section, sum};
use super::map::Mapping;
use super::meta::{MAKER, Meta};
use crate::addresses::Addresses;
use crate::bytes::Bytes;
use crate::expressions::Expressions;
use crate::keywords::Keywords;
use crate::store::{Regions, Store};
use crate::table;
use crate::urls::{Laid, Urls};

/// Most bytes of the JSON: far more than 256 categories of many sources need.
const META_MAX: u64 = 64 << 20;
/// Most threads that compare check sums; beyond a few they wait for memory.
const THREADS_MAX: usize = 4;

/// Opens the file at `path`. `roots` is where its sources lie, for its report.
pub(super) fn open(path: &Path, roots: &[PathBuf]) -> Result<Store, FileError> {
    let file = File::open(path)?;
    let head = checked_head(&file)?;
    check_blocks(&file, &head)?;
    let mut meta = meta(&file, &head)?;
    let mapping = Arc::new(Mapping::of(&file)?);
    let listed = bytes(&file, head.section(Kind::Keywords as u32))?;
    // What takes longest, where there are many, is done beside the rest.
    let (keywords, rest) = beside(
        listed.is_empty(),
        || Keywords::read(&listed),
        || {
            let entries = regions(&file, &head, &mapping, 0, meta.top_levels.0)?;
            let exceptions = regions(&file, &head, &mapping, EXCEPTIONS, meta.top_levels.1)?;
            let expressions = Expressions::new(std::mem::take(&mut meta.expressions));
            Ok::<_, FileError>((entries, exceptions, expressions))
        },
    );
    let (entries, exceptions, expressions) = rest?;
    Ok(Store {
        entries,
        exceptions,
        tags: meta.tags(),
        report: meta.report(roots),
        expressions,
        keywords: keywords.ok_or(FileError::Damaged("the keywords"))?,
        sources: meta.sources,
        categories: meta.categories,
        sets: meta.sets,
        version: meta.version,
        stamp: None,
    })
}

/// Does both, the first on a thread of its own unless it is `short`; nothing of it where that thread failed.
fn beside<T: Send, U>(
    short: bool,
    first: impl FnOnce() -> Option<T> + Send,
    second: impl FnOnce() -> U,
) -> (Option<T>, U) {
    if short {
        return (first(), second());
    }
    thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        (first.join().ok().flatten(), second)
    })
}

/// The digest of the sources that the file was made of; what it covers is not looked at.
pub(super) fn version(path: &Path) -> Result<String, FileError> {
    let file = File::open(path)?;
    let head = checked_head(&file)?;
    Ok(meta(&file, &head)?.version)
}

fn checked_head(file: &File) -> Result<Head, FileError> {
    let length = file.metadata()?.len();
    let mut head = [0; HEAD];
    if length < HEAD as u64 {
        return Err(FileError::Damaged("it is cut off"));
    }
    file.read_exact_at(&mut head, 0)?;
    Head::read(&head, length)
}

/// Compares every block with its sum, on a few cores.
fn check_blocks(file: &File, head: &Head) -> Result<(), FileError> {
    let count = head.blocks();
    // The length of the file bounds it.
    let mut sums = vec![0; usize::try_from(count * 8).unwrap_or(0)];
    file.read_exact_at(&mut sums, head.end)?;
    if sum(&sums) != head.sums {
        return Err(FileError::Damaged("the check sum of its check sums"));
    }
    let next = AtomicU64::new(0);
    let wrong = AtomicBool::new(false);
    let work = || -> io::Result<()> {
        let mut buffer = vec![0; BLOCK];
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count || wrong.load(Ordering::Relaxed) {
                return Ok(());
            }
            let start = HEAD as u64 + number * BLOCK as u64;
            let length = (head.end - start).min(BLOCK as u64) as usize;
            let block = buffer.get_mut(..length).unwrap_or_default();
            file.read_exact_at(block, start)?;
            let expected = sums.as_chunks::<8>().0.get(number as usize);
            if expected.map(|sum| u64::from_le_bytes(*sum)) != Some(sum(block)) {
                wrong.store(true, Ordering::Relaxed);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let threads = threads
        .min(THREADS_MAX)
        .min(usize::try_from(count / 8).unwrap_or(0));
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        work()?;
        for other in others {
            other
                .join()
                .map_err(|_| io::Error::other("a thread failed"))??;
        }
        Ok::<(), io::Error>(())
    })?;
    if wrong.into_inner() {
        return Err(FileError::Damaged("a check sum"));
    }
    Ok(())
}

fn meta(file: &File, head: &Head) -> Result<Meta, FileError> {
    let section = head.section(Kind::Meta as u32);
    if section.length > META_MAX {
        return Err(FileError::Damaged("what it says of itself is too long"));
    }
    let text = bytes(file, section)?;
    let meta: Meta =
        serde_json::from_slice(&text).map_err(|_| FileError::Damaged("what it says of itself"))?;
    if meta.maker != MAKER {
        return Err(FileError::Foreign);
    }
    Ok(meta)
}

fn regions(
    file: &File,
    head: &Head,
    mapping: &Arc<Mapping>,
    more: u32,
    top_levels: bool,
) -> Result<Regions, FileError> {
    let section = |kind: Kind| head.section(kind as u32 + more);
    let mapped = |kind: Kind| {
        let Section { start, length, .. } = section(kind);
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        Bytes::Mapped(Arc::clone(mapping), start..end)
    };
    let names = section(Kind::Names);
    let names = table::Parts::read(&mut At(file, names.start), names.length)?
        .ok_or(FileError::Damaged("the table of names"))?;
    let addresses = bytes(file, section(Kind::Addresses))?;
    let addresses =
        Addresses::read(&addresses).ok_or(FileError::Damaged("the table of addresses"))?;
    Ok(Regions {
        names: names.with(mapped(Kind::Text)),
        top_levels,
        addresses,
        urls: Urls::with(Laid {
            groups: mapped(Kind::Groups),
            entries: mapped(Kind::Urls),
            text: mapped(Kind::UrlText),
        }),
    })
}

/// The bytes of a section, whose length the head has checked against the file's.
fn bytes(file: &File, section: Section) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(section.length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, section.start)?;
    Ok(bytes)
}

/// A file read from an offset on, without moving anybody else's.
struct At<'a>(&'a File, u64);

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read_at(buffer, self.1)?;
        self.1 += read as u64;
        Ok(read)
    }
}
