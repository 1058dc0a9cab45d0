//! Decides who may change a directory of lists: one at a time, across processes.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

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

/// How often a lock that is wanted is asked for.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// Longest wait for whoever reads or edits lists: more than the making of an index of millions of names takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

impl Lock {
    /// As [`Lock::take`], but waits [`PATIENCE`] for whoever has it.
    pub(crate) fn wait(directory: &Path) -> Result<Lock, LockError> {
        let end = Instant::now() + PATIENCE;
        loop {
            match Lock::take(directory) {
                Err(LockError::Busy) if Instant::now() < end => thread::sleep(ASK_EVERY),
                lock => return lock,
            }
        }
    }
}

/// The right to read a directory that nobody changes meanwhile, shared with other readers: a change of several files is seen
/// whole or not at all.
#[derive(Debug)]
pub struct Reading {
    _directory: File,
}

impl Reading {
    /// Waits up to half a minute for whoever changes `directory`. `None` when it cannot be opened: whoever reads it finds out
    /// why.
    ///
    /// # Errors
    /// [`LockError::Busy`] when it is still being changed then.
    pub fn wait(directory: &Path) -> Result<Option<Reading>, LockError> {
        let Ok(directory) = File::open(directory) else {
            return Ok(None);
        };
        let end = Instant::now() + PATIENCE;
        loop {
            match directory.try_lock_shared() {
                Ok(()) => {
                    return Ok(Some(Reading {
                        _directory: directory,
                    }));
                }
                Err(TryLockError::WouldBlock) if Instant::now() < end => {
                    thread::sleep(ASK_EVERY);
                }
                Err(TryLockError::WouldBlock) => return Err(LockError::Busy),
                // A file system without locks: nobody can hold one.
                Err(TryLockError::Error(_)) => return Ok(None),
            }
        }
    }
}

/// Makes a rename in `directory` survive a crash of the machine.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
