//! Decides how an archive is read: which compression, which entries, and when it is refused as a whole.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};
use zstd::stream::read::Decoder;

use super::meter::{Bounded, Meter, TooMuch};
use super::place::{Outside, Place, link_target, parts, place};
use super::stage::{List, Stage};
use super::{ImportError, Limits};
use crate::formats::ENOUGH;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Most memory for zstd's window, as a power of two: what `zstd --long` needs, and its tool's own bound.
const WINDOW_LOG_MAX: u32 = 27;
/// Bytes of a header.
const BLOCK: usize = 512;
/// An archive ends with two blocks of 512 zero bytes; some writers leave one out.
const END: u64 = 512;

/// A file that may be compressed, and what it begins with.
pub(super) struct Opened {
    /// The first bytes, decompressed.
    pub(super) head: Vec<u8>,
    rest: Box<dyn Read>,
}

impl Opened {
    /// Opens a file, told by its first bytes to be compressed or not.
    pub(super) fn new(path: &Path, meter: &Meter<'_>) -> io::Result<Opened> {
        let mut file = File::open(path)?;
        let mut magic = Vec::new();
        (&mut file).take(4).read_to_end(&mut magic)?;
        file.rewind()?;
        let file = BufReader::new(meter.counted(file));
        let mut rest: Box<dyn Read> = if magic.starts_with(GZIP) {
            Box::new(MultiGzDecoder::new(file))
        } else if magic.starts_with(ZSTD) {
            let mut decoder = Decoder::with_buffer(file)?;
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            Box::new(decoder)
        } else {
            Box::new(file)
        };
        let mut head = Vec::new();
        (&mut rest).take(ENOUGH as u64).read_to_end(&mut head)?;
        Ok(Opened { head, rest })
    }

    /// True for a tar archive: its first header has the right sum, or there is no member at all.
    pub(super) fn is_tar(&self) -> bool {
        let Some(block) = self.head.get(..BLOCK) else {
            return false;
        };
        let (before, sum, after) = (block.get(..148), block.get(148..156), block.get(156..));
        let (Some(before), Some(sum), Some(after)) = (before, sum, after) else {
            return false;
        };
        let digits: String = sum
            .iter()
            .map(|byte| char::from(*byte))
            .filter(|c| c.is_digit(8))
            .collect();
        let bytes = before.iter().chain(after).map(|byte| u32::from(*byte));
        let real = bytes.sum::<u32>() + 8 * u32::from(b' ');
        u32::from_str_radix(&digits, 8) == Ok(real) || block.iter().all(|byte| *byte == 0)
    }

    /// Everything, from the beginning.
    pub(super) fn content(self) -> impl Read {
        io::Cursor::new(self.head).chain(self.rest)
    }
}

/// Does `each` to every member of an archive, within bounds, and sees to it that the archive has its end.
pub(super) fn members(
    opened: Opened,
    limits: &Limits,
    each: &mut dyn FnMut(Entry<'_, Tar>) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let content: Box<dyn Read> = Box::new(opened.content());
    let bounded = Bounded::new(content, limits.bytes);
    let zeros = bounded.zeros();
    let mut archive = Archive::new(bounded);
    let mut count = 0;
    for entry in archive.entries()? {
        count += 1;
        if count > limits.entries {
            return Err(ImportError::TooManyEntries(limits.entries));
        }
        each(entry?)?;
    }
    if zeros.get() < END {
        return Err(ImportError::CutOff);
    }
    // The rest, so that a checksum at the end of the compressed stream is looked at.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(())
}

/// What members are read from.
pub(super) type Tar = Bounded<Box<dyn Read>>;

/// Reads all lists of an archive in the squidGuard layout.
pub(super) fn read(
    opened: Opened,
    limits: &Limits,
    stage: &mut Stage,
    meter: &mut Meter<'_>,
) -> Result<(), ImportError> {
    members(opened, limits, &mut |entry| {
        read_entry(entry, stage, meter)?;
        meter.tick();
        Ok(())
    })
}

fn read_entry<R: Read>(
    entry: Entry<'_, R>,
    stage: &mut Stage,
    meter: &mut Meter<'_>,
) -> Result<(), ImportError> {
    let path = entry.path()?.into_owned();
    let outside = |Outside| ImportError::Unsafe(path.clone());
    let parts = parts(&path).map_err(outside)?;
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => match place(&parts) {
            Place::List { category, kind } => {
                stage.list(List::of_squid_guard(category, kind, &path), entry, meter)
            }
            Place::Other { .. } | Place::Root => Ok(()),
        },
        EntryType::Symlink => {
            let target = entry.link_name()?.unwrap_or_default();
            let target = link_target(&parts, &target).map_err(outside)?;
            link(&parts, &target, stage);
            Ok(())
        }
        EntryType::Link => {
            let target = entry.link_name()?.unwrap_or_default();
            let target = super::place::parts(&target).map_err(outside)?;
            link(&parts, &target, stage);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Notes what a link within the archive stands for.
pub(super) fn link(link: &[String], target: &[String], stage: &mut Stage) {
    match (place(link), place(target)) {
        (
            Place::List { category, kind },
            Place::List {
                category: of,
                kind: of_kind,
            },
        ) => stage.links.push(((category, kind), (of, of_kind))),
        (Place::Other { category: alias }, Place::Other { category: of }) => {
            stage.aliases.insert(alias, of);
        }
        _ => {}
    }
}

/// The bound speaks through the readers around it.
pub(super) fn tell_bombs(error: ImportError) -> ImportError {
    match error {
        ImportError::Io(error) if is_too_much(&error) => ImportError::TooManyBytes,
        error => error,
    }
}

fn is_too_much(error: &io::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error
        .get_ref()
        .map(|inner| inner as &(dyn std::error::Error + 'static));
    while let Some(error) = cause {
        if error.is::<TooMuch>() {
            return true;
        }
        cause = match error.downcast_ref::<io::Error>() {
            Some(inner) => inner
                .get_ref()
                .map(|e| e as &(dyn std::error::Error + 'static)),
            None => error.source(),
        };
    }
    false
}
