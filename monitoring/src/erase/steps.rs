//! Between any two steps a crash may come: tests stop here, and see what the next start makes of it.

use std::io;

#[cfg(test)]
pub(crate) use tests::{fail_after, has_failed};

use crate::store::Store;

/// A place between two steps.
///
/// # Errors
/// Only in tests that ask for it.
#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "it fails in tests")]
pub(crate) fn step(_: &Store) -> io::Result<()> {
    Ok(())
}

/// A place between two steps.
#[cfg(test)]
pub(crate) fn step(store: &Store) -> io::Result<()> {
    tests::step(store.directory())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::io;

    /// Steps until the next one fails, by records directory: tests that run beside each other must not stop each other.
    static FAIL_AFTER: Mutex<BTreeMap<PathBuf, usize>> = Mutex::new(BTreeMap::new());

    fn failing() -> MutexGuard<'static, BTreeMap<PathBuf, usize>> {
        FAIL_AFTER.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the n-th step in a directory fail, and every one after it, as after a crash nothing more is done.
    pub(crate) fn fail_after(directory: &Path, steps: usize) {
        failing().insert(directory.to_owned(), steps);
    }

    /// Whether a step failed in it; from now on none does.
    pub(crate) fn has_failed(directory: &Path) -> bool {
        failing().remove(directory) == Some(0)
    }

    pub(super) fn step(directory: &Path) -> io::Result<()> {
        let mut failing = failing();
        let Some(left) = failing.get_mut(directory) else {
            return Ok(());
        };
        *left = left.saturating_sub(1);
        match *left {
            0 => Err(io::Error::other("stopped by a test")),
            _ => Ok(()),
        }
    }
}
