//! Decides how an archive is read: which compression, which entries, and when it is refused as a whole.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};
use zstd::stream::read::Decoder;

use super::meter::{Bounded, Meter, TooMuch};
use super::place::{Outside, Place, link_target, parts, place};
use super::stage::Stage;
use super::{ImportError, Limits};

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Most memory for zstd's window, as a power of two: what `zstd --long` needs, and its tool's own bound.
const WINDOW_LOG_MAX: u32 = 27;
/// An archive ends with two blocks of 512 zero bytes; some writers leave one out.
const END: u64 = 512;

/// Reads all lists of a `.tar`, `.tar.gz` or `.tar.zst`, told apart by their first bytes.
pub(super) fn read(
    path: &Path,
    limits: &Limits,
    stage: &mut Stage,
    meter: &mut Meter<'_>,
) -> Result<(), ImportError> {
    let mut file = File::open(path)?;
    let mut magic = Vec::new();
    (&mut file).take(4).read_to_end(&mut magic)?;
    file.rewind()?;
    let file = BufReader::new(meter.counted(file));
    let tar: Box<dyn Read> = if magic.starts_with(GZIP) {
        Box::new(MultiGzDecoder::new(file))
    } else if magic.starts_with(ZSTD) {
        let mut decoder = Decoder::with_buffer(file)?;
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Box::new(decoder)
    } else {
        Box::new(file)
    };
    read_tar(tar, limits, stage, meter)
}

fn read_tar(
    tar: impl Read,
    limits: &Limits,
    stage: &mut Stage,
    meter: &mut Meter<'_>,
) -> Result<(), ImportError> {
    let bounded = Bounded::new(tar, limits.bytes);
    let zeros = bounded.zeros();
    let mut archive = Archive::new(bounded);
    let mut count = 0;
    for entry in archive.entries()? {
        count += 1;
        if count > limits.entries {
            return Err(ImportError::TooManyEntries(limits.entries));
        }
        read_entry(entry?, stage, meter)?;
        meter.tick();
    }
    if zeros.get() < END {
        return Err(ImportError::CutOff);
    }
    // The rest, so that a checksum at the end of the compressed stream is looked at.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(())
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
            Place::List { category, kind } => stage.list(category, kind, &path, entry, meter),
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
