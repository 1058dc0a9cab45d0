//! Decides who may change a directory of lists: one at a time, across processes.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use thiserror::Error;

/// The lock file's name. It starts with a dot, so that it is no category.
const FILE_NAME: &str = ".lock";

/// Why the directory cannot be changed now.
#[derive(Debug, Error)]
pub enum LockError {
    /// Someone else is at it.
    #[error("another command is changing these lists; try again when it is done")]
    Busy,
    /// The lock file cannot be made.
    #[error("{FILE_NAME}: {0}")]
    Io(#[from] io::Error),
}

/// The right to change a directory, until it is dropped. The system takes it back from a process that dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of `directory`, which is made if need be, without waiting.
    pub(crate) fn take(directory: &Path) -> Result<Lock, LockError> {
        fs::create_dir_all(directory)?;
        let path = directory.join(FILE_NAME);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Busy),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

/// Makes a rename in `directory` survive a crash of the machine.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
