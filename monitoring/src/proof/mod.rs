//! Records that prove: from rows to leaves, the log over them, and how the files of a records directory are read for a check.
//!
//! Decides which field is in which disclosure group (`leaf`), where secrets, hints and users lie (`sidecar`), in what order rows become
//! leaves and when that may be signed (`chain`). The hashes are `weir-evidence`'s; whether a log holds is judged in
//! `weir-verify`. `docs/records-proof.md` describes every byte.

pub(crate) mod ask;
pub(crate) mod chain;
pub(crate) mod entries;
mod leaf;
pub(crate) mod names;
pub(crate) mod open;
mod rows;
pub(crate) mod sidecar;
mod together;
pub(crate) mod tombstones;
mod values;

pub use ask::{Asked, ask};
pub use chain::{CHECKPOINTS, KEY, LATEST, TAG_KEY};
pub use leaf::{Fields, Group, group_of};
pub(crate) use rows::keeps_content;
pub use rows::{FileRows, Gone, Happening, ProvenRow, RowFile, row_files};
pub use sidecar::{Hint, hint};
pub use tombstones::{Tombstone, Why};

use std::path::{Path, PathBuf};

use weir_evidence::SigningKey;

use crate::keys::KeyError;
use crate::paths::Layout;
use crate::store::Store;

pub(crate) use leaf::{Leaf, Leaves};

/// The key of a log's tags; None when it is not there, which a check can do without.
///
/// # Errors
/// When it cannot be read, not be unwrapped, or is none.
pub fn tag_key(store: &Store, node: &str) -> Result<Option<weir_evidence::TagKey>, KeyError> {
    let Some(bytes) = store.log_secret(node, (TAG_KEY, TAG_KEY))? else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let key = weir_evidence::TagKey::from_text(text);
    key.map(Some).map_err(|_| KeyError::Altered {
        what: format!("log {node}/{TAG_KEY}"),
    })
}

/// Where the log of a node lies in a records directory.
pub fn log_directory(directory: &Path, node: &str) -> PathBuf {
    Layout::new(directory).log(node)
}

/// The names of what lies where logs lie: each a node's log, or one that was set aside.
///
/// # Errors
/// When the directory cannot be listed.
pub fn logs(directory: &Path) -> std::io::Result<Vec<String>> {
    let mut names: Vec<String> = crate::paths::entries(&Layout::new(directory).logs())?
        .into_iter()
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// A log that could not be continued and was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Its name below `log/`.
    pub name: String,
    /// Whether it is of a Weir from before records were encrypted: its private key lies there as it is.
    pub is_plain: bool,
}

/// The logs that were set aside and still lie where logs lie.
///
/// # Errors
/// When the directory cannot be listed.
pub fn aside(directory: &Path) -> std::io::Result<Vec<Aside>> {
    let is_aside = |name: &String| name.contains(SET_ASIDE);
    let aside = logs(directory)?.into_iter().filter(is_aside);
    let looked = aside.map(|name| Aside {
        is_plain: is_plain(&Layout::new(directory).logs().join(&name).join(KEY)),
        name,
    });
    Ok(looked.collect())
}

/// Whether a secret lies there and is not wrapped.
pub(crate) fn is_plain(path: &Path) -> bool {
    std::fs::read_to_string(path)
        .is_ok_and(|text| !text.is_empty() && !crate::keys::is_wrapped(&text))
}

/// The secrets of a log that lie wrapped in its directory, each with what it is called there.
pub(crate) const SECRETS: [(&str, &str); 3] =
    [(KEY, KEY), (chain::NEXT_KEY, KEY), (TAG_KEY, TAG_KEY)];

/// The private key that signs the log of a node; None when there is none or it cannot be understood.
///
/// # Errors
/// When it cannot be read, or not be unwrapped with the keys of the store.
pub fn signing_key(store: &Store, node: &str) -> Result<Option<SigningKey>, KeyError> {
    chain::get_key(store, node, KEY)
}

/// Keeps a private key as the one that signs the log of a node.
///
/// # Errors
/// When it cannot be wrapped or written.
pub fn put_signing_key(store: &Store, node: &str, key: &SigningKey) -> Result<(), KeyError> {
    chain::put_key(store, node, KEY, key)
}

/// What stands between a node's name and a number in the name of a log that was set aside.
pub const SET_ASIDE: &str = ".damaged-";
