//! Decides how a directory is read as if it were an archive: the same places, links only within it, the same bounds.

use std::fs;
use std::path::{Path, PathBuf};

use super::archive::link;
use super::meter::{Bounded, Meter};
use super::place::{Outside, Place, link_target, place};
use super::stage::{List, Stage};
use super::{ImportError, Limits};
use crate::entry::MatchKind;

/// Deepest directory that is looked into.
const DEPTH_MAX: usize = 8;

/// A file or a link below the root.
pub(super) struct Found {
    parts: Vec<String>,
    path: PathBuf,
    /// Where it leads, for a link.
    link: Option<PathBuf>,
    bytes: u64,
}

impl Found {
    /// The path below the root, when it is a file and no link.
    pub(super) fn file(&self) -> Option<(&[String], &Path)> {
        self.link.is_none().then_some((&*self.parts, &*self.path))
    }
}

/// True for the lists of the squidGuard layout.
pub(super) fn is_squid_guard(parts: &[String]) -> bool {
    let last = parts.last();
    last.is_some_and(|name| MatchKind::of_file_name(name).is_some())
}

/// Looks through the directory without reading its lists; gives what it has and the bytes of its lists.
pub(super) fn look(
    root: &Path,
    limits: &Limits,
    wanted: &dyn Fn(&[String]) -> bool,
) -> Result<(Vec<Found>, u64), ImportError> {
    let mut found = Vec::new();
    walk(root, &mut Vec::new(), limits, wanted, &mut found)?;
    let bytes = found.iter().map(|found| found.bytes).sum();
    if bytes > limits.bytes {
        return Err(ImportError::TooManyBytes);
    }
    Ok((found, bytes))
}

fn walk(
    directory: &Path,
    parts: &mut Vec<String>,
    limits: &Limits,
    wanted: &dyn Fn(&[String]) -> bool,
    found: &mut Vec<Found>,
) -> Result<(), ImportError> {
    let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_unstable_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        parts.push(name);
        let kind = entry.file_type()?;
        if kind.is_dir() && parts.len() < DEPTH_MAX {
            walk(&entry.path(), parts, limits, wanted, found)?;
        } else if kind.is_file() && wanted(parts) {
            let bytes = entry.metadata()?.len();
            found.push(Found {
                parts: parts.clone(),
                path: entry.path(),
                link: None,
                bytes,
            });
        } else if kind.is_symlink() {
            let link = Some(fs::read_link(entry.path())?);
            found.push(Found {
                parts: parts.clone(),
                path: entry.path(),
                link,
                bytes: 0,
            });
        }
        parts.pop();
        if found.len() as u64 > limits.entries {
            return Err(ImportError::TooManyEntries(limits.entries));
        }
    }
    Ok(())
}

/// Reads what [`look`] found.
pub(super) fn read(
    found: Vec<Found>,
    limits: &Limits,
    stage: &mut Stage,
    meter: &mut Meter<'_>,
) -> Result<(), ImportError> {
    for found in found {
        match (&found.link, place(&found.parts)) {
            (Some(target), _) => {
                let target = link_target(&found.parts, target)
                    .map_err(|Outside| ImportError::Unsafe(found.path.clone()))?;
                link(&found.parts, &target, stage);
            }
            (None, Place::List { category, kind }) => {
                let file = meter.counted(fs::File::open(&found.path)?);
                // It may grow while it is read.
                let file = Bounded::new(file, limits.bytes);
                let list = List::of_squid_guard(category, kind, &found.path);
                stage.list(list, file, meter)?;
            }
            (None, Place::Other { .. } | Place::Root) => {}
        }
    }
    Ok(())
}
