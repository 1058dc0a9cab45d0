//! Records that prove: from rows to leaves, the log over them, and how the files of a records directory are read for a check.
//!
//! Decides which field is in which disclosure group (`leaf`), where secrets, hints and users lie (`sidecar`), in what order rows become
//! leaves and when that may be signed (`chain`). The hashes are `weir-evidence`'s; whether a log holds is judged in
//! `weir-verify`. `docs/records-proof.md` describes every byte.

pub(crate) mod ask;
pub(crate) mod chain;
mod leaf;
pub(crate) mod names;
pub(crate) mod open;
mod rows;
pub(crate) mod sidecar;

pub use ask::{Asked, ask};
pub use chain::{CHECKPOINTS, KEY, LATEST, TAG_KEY};
pub use leaf::{Fields, Group, group_of};
pub use rows::{FileRows, Happening, ProvenRow, RowFile, row_files};

use std::path::{Path, PathBuf};

use crate::paths::Layout;

pub(crate) use leaf::{Leaf, Leaves};

/// The key of a log's tags; None when it is not there, which a check can do without.
///
/// # Errors
/// When it cannot be read or is none.
pub fn tag_key(directory: &Path, node: &str) -> std::io::Result<Option<weir_evidence::TagKey>> {
    sidecar::read_tag_key(&log_directory(directory, node).join(TAG_KEY))
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

/// What stands between a node's name and a number in the name of a log that was set aside.
pub const SET_ASIDE: &str = ".damaged-";
