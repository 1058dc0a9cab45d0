//! The small files beside a journal or segment: its secret, and one byte of each leaf.
//!
//! ```text
//! journal/<node>-<first>.secret                        while rows come in, sealed under the journal's key
//! segments/<day>/<node>-<first>-<last>.secret, .hints   once they are sealed, the secret under the period's event key
//! ```
//! Without the secret nobody can test guesses of fields that were withheld: removing it is how a segment is forgotten for good.
//! The hints, the first byte of each leaf in order of `seq`, prove nothing: they name the row where a check fails.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use weir_evidence::Secret;

use crate::keys::DataKey;
use crate::store::{self, Store};

/// Where the secret of a journal or segment lies.
pub(crate) fn secret_path(file: &Path) -> PathBuf {
    file.with_extension("secret")
}

/// Where the hints of a segment lie.
pub(crate) fn hints_path(segment: &Path) -> PathBuf {
    segment.with_extension("hints")
}

/// The secret of a journal or segment; None when it has none.
///
/// # Errors
/// When it cannot be read, or is none.
pub(crate) fn read_secret(store: &Store, file: &Path) -> io::Result<Option<Secret>> {
    let Some(bytes) = store.read_sealed(&secret_path(file))? else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    Secret::from_text(text).map(Some).map_err(io::Error::other)
}

/// Writes the secret of a journal or segment, sealed under its key.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_secret(
    store: &Store,
    key: &DataKey,
    file: &Path,
    secret: &Secret,
) -> io::Result<()> {
    let path = secret_path(file);
    let text = zeroize::Zeroizing::new(secret.to_text());
    write(&path, &store.seal(key, &path, text.as_bytes())?)
}

/// A new secret for the journal of this path, durable except for its name, which the journal's first sync makes so.
///
/// # Errors
/// When it cannot be written; nothing is left behind then.
pub(crate) fn make_secret(store: &Store, key: &DataKey, journal: &Path) -> io::Result<Secret> {
    let secret = Secret::random().map_err(io::Error::other)?;
    write_secret(store, key, journal, &secret).inspect_err(|_| {
        // Best effort: the next attempt writes over it.
        let _ = fs::remove_file(secret_path(journal));
    })?;
    Ok(secret)
}

/// Removes what lies beside a journal that is gone. Its key is destroyed: what is left of its bytes on the disk says nothing.
pub(crate) fn remove_beside(journal: &Path) -> io::Result<()> {
    crate::keys::destroy_file(&store::journal_key_path(journal))?;
    match fs::remove_file(secret_path(journal)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a file that only Weir's account may read, and syncs it.
///
/// # Errors
/// When that fails.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Puts a file in the place of another so that readers see the one or the other.
///
/// # Errors
/// When that fails; the old one is still there then.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    write(&beside, bytes)?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), crate::paths::sync_directory)
}
