//! Between any two steps a crash may come: tests stop here, and see what the next start makes of it.

use std::io;

#[cfg(test)]
use std::sync::atomic::{AtomicUsize, Ordering};

/// Steps until the next one fails; 0 for never.
#[cfg(test)]
pub(crate) static FAIL_AFTER: AtomicUsize = AtomicUsize::new(0);

/// A place between two steps.
///
/// # Errors
/// Only in tests that ask for it.
#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "it fails in tests")]
pub(crate) fn step() -> io::Result<()> {
    Ok(())
}

/// A place between two steps.
#[cfg(test)]
pub(crate) fn step() -> io::Result<()> {
    let count = |left: usize| Some(left.saturating_sub(1));
    match FAIL_AFTER.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) {
        // From then on everything fails, as after a crash nothing more is done.
        Ok(1) => {
            FAIL_AFTER.store(1, Ordering::SeqCst);
            Err(io::Error::other("stopped by a test"))
        }
        _ => Ok(()),
    }
}
