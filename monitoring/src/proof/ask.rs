//! How a command asks the running Weir for a checkpoint: a file beside the log, which the writer looks for once a second.
//!
//! Whoever may write there is Weir's own account, so nothing else is checked. What is asked for twice is done once.

use std::io;
use std::path::{Path, PathBuf};

use super::{log_directory, sidecar};

/// Name of the file.
const FILE: &str = "ask";

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A checkpoint now.
    Checkpoint,
    /// A new key, introduced by a checkpoint under the old one.
    Rotation,
    /// That the rows so far become a segment, which a checkpoint then names.
    Seal,
}

impl Asked {
    fn as_str(self) -> &'static str {
        match self {
            Asked::Checkpoint => "checkpoint\n",
            Asked::Rotation => "rotation\n",
            Asked::Seal => "seal\n",
        }
    }
}

/// Asks the Weir that writes to this directory. It answers within two seconds by a checkpoint, unless its disk takes nothing.
///
/// # Errors
/// When the file cannot be written.
pub fn ask(directory: &Path, node: &str, what: Asked) -> io::Result<()> {
    let path = log_directory(directory, node).join(FILE);
    sidecar::replace(&path, what.as_str().as_bytes())
}

/// What is asked for at present; forgets it.
pub(crate) fn take(log: &Path) -> Option<Asked> {
    let path: PathBuf = log.join(FILE);
    let text = std::fs::read_to_string(&path).ok()?;
    // Best effort: what cannot be removed is done again a second later.
    let _ = std::fs::remove_file(&path);
    [Asked::Checkpoint, Asked::Rotation, Asked::Seal]
        .into_iter()
        .find(|asked| asked.as_str() == text)
}
