//! The small files beside a journal or segment: its secret, two bytes of each leaf, and what it has of each user's tag.
//!
//! ```text
//! journal/<node>-<first>.secret                                while rows come in, sealed under the journal's key
//! segments/<day>/<node>-<first>-<last>.secret, .hints, .users, .content   once they are sealed, the secret under the period's event key
//! ```
//! Without the secret nobody can test guesses of fields that were withheld: removing it is how a segment is forgotten for good.
//! The hints, the first two bytes of each leaf in order of `seq`, prove nothing: they name the row where a check fails, and but for one
//! in 65,536 altered rows they name it alone. The users are the entries of the segment's users tree, whose root is signed; the contents, the commitments of the rows that have content.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use weir_evidence::{Hash, Salts, Secret, UserEntry, users_from_bytes, users_to_bytes};

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

/// Where the users of a segment lie.
pub(crate) fn users_path(segment: &Path) -> PathBuf {
    segment.with_extension("users")
}

/// Where the commitments to content of a segment lie.
pub(crate) fn contents_path(segment: &Path) -> PathBuf {
    segment.with_extension("content")
}

/// `seq[8] ‖ commitment[32]` for each row that has, or had, content.
pub(crate) fn contents_to_bytes(contents: &[(u64, Hash)]) -> Vec<u8> {
    let row = |(seq, commitment): &(u64, Hash)| [&seq.to_be_bytes()[..], &commitment.0].concat();
    contents.iter().flat_map(row).collect()
}

/// The commitments to content of a segment; none when it has none.
///
/// # Errors
/// When they cannot be read, or are none.
pub(crate) fn read_contents(segment: &Path) -> io::Result<BTreeMap<u64, Hash>> {
    let bytes = match fs::read(contents_path(segment)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        other => other?,
    };
    let row = |row: &[u8]| {
        let (seq, commitment) = row.split_first_chunk()?;
        Some((u64::from_be_bytes(*seq), Hash(commitment.try_into().ok()?)))
    };
    let rows: Option<BTreeMap<u64, Hash>> = bytes.chunks(40).map(row).collect();
    rows.ok_or_else(|| io::Error::other("these are no commitments to content"))
}

/// The beginning of a leaf.
pub type Hint = [u8; 2];

/// The hint of a leaf.
pub fn hint(leaf: &Hash) -> Hint {
    let [first, second, ..] = leaf.0;
    [first, second]
}

/// What is told of a journal's rows when it is sealed, gathered while they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gathered {
    /// The hint of each leaf, in order of `seq`.
    pub(crate) hints: Vec<Hint>,
    /// By ascending tag.
    pub(crate) users: Vec<UserEntry>,
    /// The commitments of the rows that have content, so that their leaves can be made when it has expired.
    pub(crate) contents: Vec<(u64, Hash)>,
}

impl Gathered {
    /// Whether it tells of exactly so many rows.
    pub(crate) fn is_of(&self, rows: u64) -> bool {
        let users = self.users.iter().map(|entry| entry.rows);
        self.hints.len() as u64 == rows && users.sum::<u64>() == rows
    }

    /// Lays it beside the segment.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&self, segment: &Path) -> io::Result<()> {
        write(&hints_path(segment), self.hints.as_flattened())?;
        write(&contents_path(segment), &contents_to_bytes(&self.contents))?;
        write(&users_path(segment), &users_to_bytes(&self.users))
    }
}

/// The hints of a segment; None when it has none.
///
/// # Errors
/// When they cannot be read, or are none.
pub(crate) fn read_hints(segment: &Path) -> io::Result<Option<Vec<Hint>>> {
    let bytes = match fs::read(hints_path(segment)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    match bytes.as_chunks() {
        (hints, []) => Ok(Some(hints.to_vec())),
        _ => Err(io::Error::other("these are no hints, two bytes a row")),
    }
}

/// The users of a segment; None when it has none.
///
/// # Errors
/// When they cannot be read, or are none.
pub(crate) fn read_users(segment: &Path) -> io::Result<Option<Vec<UserEntry>>> {
    match fs::read(users_path(segment)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(bytes) => {
            let users = users_from_bytes(&bytes);
            let why = "these are no entries of a users tree";
            users.map(Some).ok_or_else(|| io::Error::other(why))
        }
    }
}

/// The secret of a journal or segment; None when it has none.
///
/// # Errors
/// When it cannot be read, or is none.
pub(crate) fn read_secret(store: &Store, file: &Path) -> io::Result<Option<Secret>> {
    Ok(match read_salts(store, file)? {
        Some(Salts::Secret(secret)) => Some(secret),
        _ => None,
    })
}

/// The secret of a journal or segment, or what is left of it when rows were erased; None when it has none.
///
/// # Errors
/// When it cannot be read, or is none.
pub(crate) fn read_salts(store: &Store, file: &Path) -> io::Result<Option<Salts>> {
    let bytes = store.read_sealed(&secret_path(file))?;
    let salts = bytes.map(|bytes| Salts::from_bytes(&bytes)).transpose();
    salts.map_err(io::Error::other)
}

/// Puts what is left of a segment's secret in its place.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn replace_salts(
    store: &Store,
    key: &DataKey,
    file: &Path,
    salts: &Salts,
) -> io::Result<()> {
    let path = secret_path(file);
    let bytes = zeroize::Zeroizing::new(salts.to_bytes());
    replace(&path, &store.seal(key, &path, &bytes)?)
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
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = PathBuf::from(beside);
    write(&beside, bytes)?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), crate::paths::sync_directory)
}
