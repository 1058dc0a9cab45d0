//! Decides how a compiled base is kept in a file, and whether the file that is there may be used.
//!
//! docs/catalogue.md describes the file field by field. It is written beside and renamed, and every byte of it is covered by a
//! check sum that is compared before anything is used. What is read from it is checked besides, so that a file which was made
//! to pass (the sums are no secret) can give wrong answers but neither stop nor stall Weir.
//!
//! The file is current when it was made of the sources as they are. To know without reading a hundred megabytes, their looks
//! (`Plan::stamp`) are kept beside it; where these differ the sources are read, and their digest decides.

mod format;
pub(crate) mod map;
mod meta;
mod read;
mod write;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

pub use self::format::FileError;
use crate::build::plan::Plan;
use crate::build::{self, BuildError, Contents};
use crate::lock::{Lock, LockError, sync_directory};
use crate::report::Progress;
use crate::store::Store;
use crate::{Index, Names};

/// The compiled base.
const FILE: &str = "base";
/// The same while it is written.
const BESIDE: &str = ".base";
/// Looks and digest of the sources that the file was made of.
const STAMP: &str = "stamp";
const STAMP_BESIDE: &str = ".stamp";
/// How often, and how long after each other, to ask for the right to write while another process has it.
const TRIES: u32 = 100;
const AGAIN: Duration = Duration::from_millis(100);

/// Opens a compiled base by itself: what tests and benches ask. The paths in its report are relative.
///
/// # Errors
/// [`FileError`] says why the file is not used.
pub fn open_alone(path: &Path) -> Result<Index, FileError> {
    let store = read::open(path, &[])?;
    let categories = store.categories.iter().map(String::as_str);
    let names = Names::new(categories).map_err(|_| FileError::Damaged("too many categories"))?;
    let sources = store
        .sources
        .iter()
        .map(|name| Arc::from(&**name))
        .collect();
    let version = store.version.chars().take(16).collect();
    Ok(Index::new(
        names,
        sources,
        Arc::new(store),
        Arc::default(),
        version,
    ))
}

/// A file's bytes with check sums that fit, for fuzzing to get past them.
#[doc(hidden)]
pub fn with_right_sums(bytes: &[u8]) -> Vec<u8> {
    format::with_right_sums(bytes)
}

/// The base of a plan: the last one, the file's, or a new one that is written; with a warning where it could not be.
pub(crate) fn base(
    place: &Path,
    plan: &Plan,
    last: Option<&Arc<Store>>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Arc<Store>, Option<String>), BuildError> {
    if plan.sources.is_empty() {
        return Ok((Arc::default(), None));
    }
    let stamp = plan.stamp();
    if let Some(last) = last
        && stamp.is_some()
        && last.stamp == stamp
    {
        return Ok((Arc::clone(last), None));
    }
    if let Some(store) = opened(place, plan, stamp.as_deref()) {
        return Ok((Arc::new(store), None));
    }
    match compiled(place, plan, stamp, progress) {
        Ok(store) => Ok((Arc::new(store), None)),
        Err(Refused::Build(error)) => Err(error),
        Err(Refused::File(reason)) => {
            let store = build::in_memory(plan, progress)?;
            let place = place.display();
            let warning = format!(
                "the compiled lists cannot be kept in {place}, so they take more memory and the next start takes longer: {reason}"
            );
            Ok((Arc::new(store), Some(warning)))
        }
    }
}

/// The base of a plan, if a current file has it.
pub(crate) fn current(place: &Path, plan: &Plan) -> Option<Store> {
    opened(place, plan, plan.stamp().as_deref())
}

/// Why there is no file.
enum Refused {
    /// The sources cannot be compiled at all.
    Build(BuildError),
    /// They can, but not be kept.
    File(String),
}

impl From<BuildError> for Refused {
    fn from(error: BuildError) -> Refused {
        match error {
            BuildError::Write(error) => Refused::File(error.to_string()),
            error => Refused::Build(error),
        }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::File(error.to_string())
    }
}

/// The file's base, if it is known without reading the sources that it was made of them.
fn opened(place: &Path, plan: &Plan, stamp: Option<&str>) -> Option<Store> {
    let stamp = stamp?;
    let kept = fs::read_to_string(place.join(STAMP)).ok()?;
    let (looks, version) = kept.trim_end().split_once(' ')?;
    if looks != stamp {
        return None;
    }
    let store = read::open(&place.join(FILE), &plan.roots).ok()?;
    (store.version == version).then(|| Store {
        stamp: Some(stamp.to_owned()),
        ..store
    })
}

/// The file's base if it is current after all, else a new one, which becomes the file's.
fn compiled(
    place: &Path,
    plan: &Plan,
    stamp: Option<String>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Store, Refused> {
    let _lock = locked(place)?;
    let contents = Contents::read(plan, progress)?;
    let path = place.join(FILE);
    let kept = read::version(&path).is_ok_and(|version| version == contents.version);
    let kept = if kept {
        read::open(&path, &plan.roots).ok()
    } else {
        None
    };
    let store = match kept {
        Some(store) => store,
        None => {
            let beside = place.join(BESIDE);
            let made = made(&beside, contents, plan, progress);
            if made.is_err() {
                // Half of a file would only take up room, which is perhaps what lacked.
                _ = fs::remove_file(&beside);
            }
            made?;
            fs::rename(&beside, &path)?;
            sync_directory(place)?;
            read::open(&path, &plan.roots).map_err(|error| Refused::File(error.to_string()))?
        }
    };
    if let Some(stamp) = &stamp {
        let beside = place.join(STAMP_BESIDE);
        fs::write(&beside, format!("{stamp} {}\n", store.version))?;
        fs::rename(&beside, place.join(STAMP))?;
    }
    Ok(Store { stamp, ..store })
}

fn made(
    beside: &Path,
    contents: Contents,
    plan: &Plan,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Refused> {
    let mut writer = write::Writer::create(beside)?;
    let compiled = contents.compile(plan, &mut writer, progress)?;
    Ok(writer.finish(&compiled)?)
}

/// The right to write below `place`, which is made if need be.
fn locked(place: &Path) -> Result<Lock, Refused> {
    for _ in 0..TRIES {
        match Lock::take(place) {
            Err(LockError::Busy) => thread::sleep(AGAIN),
            Err(error) => return Err(Refused::File(error.to_string())),
            Ok(lock) => return Ok(lock),
        }
    }
    Err(Refused::File(LockError::Busy.to_string()))
}

#[cfg(test)]
mod tests;
