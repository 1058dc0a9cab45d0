//! Decides who may change a directory of lists: one at a time, across processes.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use thiserror::Error;

/// Why the directory cannot be changed now.
#[derive(Debug, Error)]
pub enum LockError {
    /// Someone else is at it.
    #[error("another command is changing these lists; try again when it is done")]
    Busy,
    /// The directory cannot be made or locked.
    #[error("the directory of the lists: {0}")]
    Io(#[from] io::Error),
}

/// The right to change a directory, until it is dropped. The system takes it back from a process that dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _directory: File,
}

impl Lock {
    /// Takes the lock of `directory`, which is made if need be, without waiting.
    pub(crate) fn take(directory: &Path) -> Result<Lock, LockError> {
        fs::create_dir_all(directory)?;
        // The lock is on the directory itself: a lock file would lie among people's lists.
        let directory = File::open(directory)?;
        match directory.try_lock() {
            Ok(()) => Ok(Lock {
                _directory: directory,
            }),
            Err(TryLockError::WouldBlock) => Err(LockError::Busy),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

/// Makes a rename in `directory` survive a crash of the machine.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
