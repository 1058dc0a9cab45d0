//! Decides how a source that is ready takes the place of the one in force: in one step that a crash cannot split, where the
//! file system can do that.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::lock::{Lock, sync_directory};

/// Before the name of a source that was put aside.
const OLD: &str = ".old-";

/// Puts the directory `ready` in the place of `target`, which need not exist. Afterwards `ready` holds what was there, or is
/// gone; the caller removes it. True when there was something.
///
/// # Errors
/// What the system says; `target` is as it was then.
pub(crate) fn put_in_force(ready: &Path, target: &Path) -> io::Result<bool> {
    let there = target.exists();
    if !there {
        fs::rename(ready, target)?;
    } else if renameat_with(CWD, ready, CWD, target, RenameFlags::EXCHANGE).is_err() {
        in_two_steps(ready, target)?;
    }
    // The new lists are in force. Should this fail and the machine crash, either the old or the new are there, whole.
    _ = sync_directory(target.parent().unwrap_or(Path::new(".")));
    Ok(there)
}

/// Brings back a source that a crash between the two renames of a file system without exchange left aside.
pub(crate) fn recover(target: &Path) -> io::Result<()> {
    let old = aside(target);
    if old.exists() && !target.exists() {
        return fs::rename(old, target);
    }
    remove_if_there(&old)
}

/// Brings back every source of `lists` that a crash left aside, when nobody is changing them. For a start: such a source is not in
/// force.
///
/// # Errors
/// What the system says.
pub fn recover_all(lists: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(lists) else {
        return Ok(());
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_prefix(OLD).map(str::to_owned));
    }
    // Whoever has the lock is between two renames, or swept up before.
    let (false, Ok(_lock)) = (names.is_empty(), Lock::take(lists)) else {
        return Ok(());
    };
    names.iter().try_for_each(|name| recover(&lists.join(name)))
}

/// For file systems that cannot exchange two directories at once.
fn in_two_steps(ready: &Path, target: &Path) -> io::Result<()> {
    let old = aside(target);
    fs::rename(target, &old)?;
    if let Err(error) = fs::rename(ready, target) {
        fs::rename(&old, target)?;
        return Err(error);
    }
    // The new lists are in force; the next change removes what is left.
    _ = fs::remove_dir_all(old);
    Ok(())
}

fn aside(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!("{OLD}{name}"))
}

pub(crate) fn remove_if_there(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_source_that_a_crash_left_aside_is_in_force_again_at_the_next_start() {
        let lists = tempfile::tempdir().unwrap();
        let at = |name: &str| lists.path().join(name);
        fs::create_dir_all(at(".old-ut1/adult")).unwrap();
        fs::create_dir_all(at(".old-ads/ads")).unwrap();
        fs::create_dir_all(at("ads/new")).unwrap();
        let lock = Lock::take(lists.path()).unwrap();
        recover_all(lists.path()).unwrap();
        assert!(!at("ut1").exists(), "somebody was changing it");
        drop(lock);
        recover_all(lists.path()).unwrap();
        assert!(at("ut1/adult").is_dir());
        assert!(at("ads/new").is_dir() && !at(".old-ads").exists());
        recover_all(&at("none")).unwrap();
    }
}
