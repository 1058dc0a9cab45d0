//! Decides how an imported source goes: at once and whole, and never anything else with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::category::{NameError, check_name};
use crate::lock::{Lock, LockError, sync_directory};
use crate::manifest;

/// Why nothing was removed.
#[derive(Debug, Error)]
pub enum ForgetError {
    /// No source can be called so.
    #[error("the name of the source: {0}")]
    Name(#[from] NameError),
    /// Another import or edit is at work.
    #[error("{0}")]
    Lock(#[from] LockError),
    /// Nothing was imported under this name.
    #[error("nothing is imported under the name {0:?}; `weir lists stats` names what is")]
    Unknown(String),
    /// It has no manifest: people's own entries, which cannot be imported again.
    #[error("{} is no import but entries of people's own; remove it by hand if that is meant", .0.display())]
    NotImported(PathBuf),
    /// The system refuses.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Removes the imported source `name` from `lists`. A running Weir sees it whole until it is gone.
///
/// # Errors
/// [`ForgetError`]; the source is still there then.
pub fn forget(lists: &Path, name: &str) -> Result<(), ForgetError> {
    check_name(name)?;
    let source = lists.join(name);
    if !source.is_dir() {
        return Err(ForgetError::Unknown(name.to_owned()));
    }
    let _lock = Lock::take(lists)?;
    if !source.join(manifest::FILE_NAME).exists() {
        return Err(ForgetError::NotImported(source));
    }
    // Names with a dot in front are no sources.
    let aside = lists.join(format!(".{name}.forgotten"));
    if aside.exists() {
        fs::remove_dir_all(&aside)?;
    }
    fs::rename(&source, &aside)?;
    sync_directory(lists)?;
    // It is out of force; what is left of it when this fails goes with the next removal of the name.
    let _ = fs::remove_dir_all(&aside);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_what_was_imported_can_be_forgotten() {
        let lists = tempfile::tempdir().unwrap();
        for (name, file) in [("ut1", manifest::FILE_NAME), ("local", "note")] {
            fs::create_dir(lists.path().join(name)).unwrap();
            fs::write(lists.path().join(name).join(file), "{}").unwrap();
        }
        forget(lists.path(), "ut1").unwrap();
        assert!(!lists.path().join("ut1").exists());
        let again = forget(lists.path(), "ut1");
        assert!(matches!(again, Err(ForgetError::Unknown(_))), "{again:?}");
        let own = forget(lists.path(), "local");
        assert!(matches!(own, Err(ForgetError::NotImported(_))), "{own:?}");
        assert!(lists.path().join("local/note").exists());
        assert!(matches!(
            forget(lists.path(), "../x"),
            Err(ForgetError::Name(_))
        ));
    }
}
