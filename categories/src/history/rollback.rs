//! Decides how an earlier version comes back: all of its files are written beside first, then take the place of those in
//! force. An imported source does so in one step; the files that people edit one by one, in a row, while nobody else reads
//! or changes them.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use super::tree::{Tree, hidden_name, list_name};
use super::{Act, History, HistoryError, How, Place, Turn, Version};
use crate::hygiene;
use crate::lock::{Lock, sync_directory};
use crate::swap;

/// Bytes that are written at once.
const BUFFER: usize = 256 << 10;

impl History {
    /// Brings back a version of a source: its lists, whole, and what was held back of them. What was there without a version
    /// becomes one first, so that nothing is lost, and so does the outcome.
    ///
    /// # Errors
    /// [`HistoryError`]; unless the system failed while the files took their places, what was in force still is.
    pub fn rollback(
        &self,
        place: &Place,
        number: u64,
        act: &Act<'_>,
    ) -> Result<Version, HistoryError> {
        let version = self.version(&place.name, number)?;
        let tree = self.told(self.tree(&version))?;
        if !tree.files.keys().any(|path| list_name(path).is_some()) {
            return Err(HistoryError::NoLists(number));
        }
        // Imports take the two locks in this order as well.
        let _imports = match tree.is_import() {
            true => Some(Lock::take(&self.lists)?),
            false => None,
        };
        let turn = self.turn()?;
        let found = Act {
            who: "",
            why: "",
            how: How::Found,
            when: act.when,
        };
        turn.record(place, &found)?;
        if tree.is_import() {
            self.told(self.restore_import(place, &tree))?;
        } else {
            let _edits = Lock::wait(&place.directory)?;
            self.told(self.restore_edited(place, &tree))?;
        }
        turn.made_back(place, number, act)
    }

    fn restore_import(&self, place: &Place, tree: &Tree) -> io::Result<()> {
        let ready = self.lists.join(format!(".importing-{}", place.name));
        swap::remove_if_there(&ready)?;
        swap::recover(&place.directory)?;
        for (path, file) in &tree.files {
            if hidden_name(path).is_none() {
                self.write(&file.sha256, &ready.join(path))?;
            }
        }
        sync_below(&ready)?;
        for hidden in hygiene::DIRECTORIES {
            self.restore_hidden(place, tree, hidden)?;
        }
        swap::put_in_force(&ready, &place.directory)?;
        // Nothing depends on it, and the next import removes it first.
        _ = swap::remove_if_there(&ready);
        Ok(())
    }

    fn restore_hidden(&self, place: &Place, tree: &Tree, hidden: &str) -> io::Result<()> {
        let root = self.lists.join(hidden);
        let target = root.join(&place.name);
        let ready = root.join(format!(".new-{}", place.name));
        swap::remove_if_there(&ready)?;
        fs::create_dir_all(&ready)?;
        for (path, file) in &tree.files {
            if let Some((directory, rest)) = hidden_name(path)
                && directory == hidden
            {
                self.write(&file.sha256, &ready.join(rest))?;
            }
        }
        swap::put_in_force(&ready, &target)?;
        swap::remove_if_there(&ready)
    }

    /// All files are beside theirs before the first one moves, so that little can go wrong between the first and the last.
    fn restore_edited(&self, place: &Place, tree: &Tree) -> io::Result<()> {
        let now = Tree::now(&self.lists, place)?;
        let mut ready: Vec<(PathBuf, PathBuf)> = Vec::new();
        for (path, file) in &tree.files {
            let Some((_, kind)) = list_name(path) else {
                continue;
            };
            if now.sha256(path) == Some(&file.sha256) {
                continue;
            }
            let target = place.directory.join(path);
            let beside = target.with_file_name(format!(".{kind}.new"));
            self.write(&file.sha256, &beside)?;
            if let Ok(metadata) = fs::metadata(&target) {
                fs::set_permissions(&beside, metadata.permissions())?;
            }
            ready.push((beside, target));
        }
        for (beside, target) in &ready {
            fs::rename(beside, target)?;
        }
        for path in now.files.keys() {
            if list_name(path).is_some() && !tree.files.contains_key(path) {
                fs::remove_file(place.directory.join(path))?;
            }
        }
        sync_below(&place.directory)
    }

    fn write(&self, sha256: &str, target: &Path) -> io::Result<()> {
        if let Some(directory) = target.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut out = BufWriter::with_capacity(BUFFER, File::create(target)?);
        self.store.write_to(sha256, &mut out)?;
        out.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()
    }
}

impl Turn<'_> {
    fn made_back(
        &self,
        place: &Place,
        number: u64,
        act: &Act<'_>,
    ) -> Result<Version, HistoryError> {
        let back = Act {
            how: How::Rollback,
            ..*act
        };
        let made = self.record_back(place, &back, Some(number))?;
        // A rollback is a version even when it changes nothing.
        made.ok_or(HistoryError::NoLists(number))
    }
}

/// Makes the names of a source's files survive a crash of the machine.
fn sync_below(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_directory(&entry.path())?;
        }
    }
    sync_directory(directory)
}
