//! How a file that people and the running Weir share is changed: whole or not at all.
//!
//! Decides nothing about contents.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Held while a file is read, changed and written back, so that two commands at once lose
/// nothing.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock beside `path`, making its directory when that is missing.
    ///
    /// # Errors
    /// When the directory or the lock file cannot be made.
    pub(crate) fn take(path: &Path) -> io::Result<Lock> {
        make_private(directory(path))?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(beside(path, ".lock"))?;
        file.lock()?;
        Ok(Lock { _file: file })
    }
}

/// Makes a directory, and those above it, that other accounts cannot look into: everything in the state directory is about
/// people. One that is there already stays as it is.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_private(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// Puts `contents` in place of `path` with permissions `mode`. Readers see the old file or
/// the new one, and after a power cut one of the two is there.
///
/// # Errors
/// When the new file cannot be written beside the old one; the old one is then untouched.
pub(crate) fn replace(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let new = beside(path, ".new");
    let written = write_new(&new, contents, mode, path).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // Nothing to add to the error above when this fails as well.
        let _ = fs::remove_file(&new);
    }
    written?;
    File::open(directory(path))?.sync_all()
}

/// Adds `contents` to a file that is only ever added to, in one write, durably; made for its owner alone when it is missing.
///
/// # Errors
/// When it cannot be opened or written.
pub(crate) fn append(path: &Path, contents: &[u8]) -> io::Result<()> {
    make_private(directory(path))?;
    let is_new = !path.exists();
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).mode(0o600).open(path)?;
    if is_new {
        keep_owner(&file, directory(path))?;
    }
    file.write_all(contents)?;
    file.sync_all()
}

fn write_new(new: &Path, contents: &[u8], mode: u32, path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(mode)
        .open(new)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    keep_owner(&file, path)?;
    file.write_all(contents)?;
    file.sync_all()
}

/// A command run by root must not leave behind a file that the service's account cannot
/// read.
fn keep_owner(file: &File, path: &Path) -> io::Result<()> {
    let wanted = fs::metadata(path).or_else(|_| fs::metadata(directory(path)))?;
    let owner = file.metadata()?;
    let same = (owner.uid(), owner.gid()) == (wanted.uid(), wanted.gid());
    if same || owner.uid() != 0 {
        return Ok(());
    }
    fchown(file, Some(wanted.uid()), Some(wanted.gid()))
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
