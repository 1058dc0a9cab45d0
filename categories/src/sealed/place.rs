//! How files of mandatory lists come to their place: for their owner alone, whole or not at all.
//!
//! Decides nothing about contents.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// Ends the names of files that are not complete yet.
const UNFINISHED: &str = ".new";

/// Makes the directory of mandatory lists, with the owner of what it is in: a command run by root must not take the lists
/// away from the account that Weir runs under.
///
/// # Errors
/// When it cannot be made.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let there = directory.ancestors().find(|above| above.is_dir());
    let owner = there.and_then(|there| fs::metadata(there).ok());
    let missing: Vec<PathBuf> = directory
        .ancestors()
        .take_while(|above| !above.is_dir())
        .map(Path::to_owned)
        .collect();
    let mut builder = DirBuilder::new();
    for directory in missing
        .iter()
        .rev()
        .filter(|above| !above.as_os_str().is_empty())
    {
        builder.mode(0o700).create(directory)?;
        if let Some(owner) = &owner {
            // Only root can, and only root needs to.
            let _ = std::os::unix::fs::chown(directory, Some(owner.uid()), Some(owner.gid()));
        }
    }
    Ok(())
}

/// Puts `contents` in place of `name`: readers see the old file or the new one, and after a power cut one of the two is there.
///
/// # Errors
/// When the new file cannot be written; the old one is then untouched.
pub(super) fn replace(directory: &Path, name: &str, contents: &[u8]) -> io::Result<()> {
    let new = directory.join(format!("{name}{UNFINISHED}"));
    let written =
        write(directory, &new, contents).and_then(|()| fs::rename(&new, directory.join(name)));
    if written.is_err() {
        // Nothing to add to the error above when this fails as well.
        let _ = fs::remove_file(&new);
    }
    written?;
    crate::lock::sync_directory(directory)
}

/// Gives the file `from` a second name in place of `to`.
///
/// # Errors
/// When it cannot; both names are then as they were.
pub(super) fn keep(directory: &Path, from: &str, to: &str) -> io::Result<()> {
    let new = directory.join(format!("{to}{UNFINISHED}"));
    let _ = fs::remove_file(&new);
    fs::hard_link(directory.join(from), &new)
        .or_else(|_| fs::copy(directory.join(from), &new).map(|_| ()))?;
    fs::rename(&new, directory.join(to))
}

fn write(directory: &Path, new: &Path, contents: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(new);
    let mut options = OpenOptions::new();
    let mut file: File = options.create_new(true).write(true).mode(0o600).open(new)?;
    if let Ok(owner) = fs::metadata(directory) {
        // Only root can, and only root needs to.
        let _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
    }
    file.write_all(contents)?;
    file.sync_all()
}
