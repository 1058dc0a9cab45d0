//! What a recorder is told when it starts, and why it may not.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use weir_evidence::Retention;

use crate::keys::{KekSource, KeyError};
use crate::paths::is_node_name;

/// Settings of one recorder; `[records]` of the configuration.
#[derive(Clone, Debug)]
pub struct RecorderSettings {
    /// Where journal and segments lie; made when missing, readable by Weir's account only.
    pub directory: PathBuf,
    /// Name of this machine on every row: 1 to 64 of letters, digits, `.`, `_`, `-`.
    pub node: String,
    /// How often each thread calls [`crate::Lane::flush`]: what is older has been handed to the kernel.
    pub flush: Duration,
    /// What is older than this, after the flush, is synced to the disk.
    pub sync: Duration,
    /// Rows of a segment.
    pub segment_rows: usize,
    /// A journal is sealed at this age even when it is not full.
    pub seal_after: Duration,
    /// A checkpoint of the log is signed at least this often, whether rows come or not (LM-29).
    pub checkpoint: Duration,
    /// A period is removed this long after its end (LM-14).
    pub retain: Duration,
    /// The content of a period is removed this long after its end (LM-14).
    pub retain_content: Duration,
    /// For how long Weir must have run on after the clock leapt far ahead, before anything is removed by it (LM-14); 0 believes
    /// every clock.
    pub settle: Duration,
    /// Records held in memory at most; more are dropped and counted.
    pub queue: usize,
    /// Where the key is under which all keys of the records are wrapped (LM-16).
    pub kek: KekSource,
    /// The state directory, of whose files checkpoints speak: authorisations, notices, versions of lists. None: of none.
    pub state: Option<PathBuf>,
    /// Whose records these are: 1 to 64 of letters, digits, `.`, `_`, `-`. Each tenant has keys of its own (LM-16).
    pub tenant: String,
}

impl RecorderSettings {
    /// The defaults, which are also the configuration's.
    pub fn new(directory: impl Into<PathBuf>) -> RecorderSettings {
        let directory = directory.into();
        RecorderSettings {
            kek: KekSource::beside(&directory),
            tenant: "default".to_owned(),
            state: None,
            directory,
            node: "weir".to_owned(),
            flush: Duration::from_millis(50),
            sync: Duration::from_secs(1),
            segment_rows: 262_144,
            seal_after: Duration::from_secs(3600),
            checkpoint: Duration::from_secs(600),
            retain: Duration::from_secs(90 * 86_400),
            retain_content: Duration::from_secs(30 * 86_400),
            settle: Duration::from_secs(86_400),
            queue: 65_536,
        }
    }

    pub(crate) fn check(&self) -> Result<(), RecorderError> {
        for name in [&self.node, &self.tenant] {
            if !is_node_name(name) {
                return Err(RecorderError::Node { node: name.clone() });
            }
        }
        Ok(())
    }
}

/// Why a recorder cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// Another process writes there.
    #[error("{}: another Weir writes these records", directory.display())]
    Locked {
        /// The records directory.
        directory: PathBuf,
    },
    /// The name of the node or tenant cannot stand in a file name.
    #[error("\"{}\" is not the name of a node or tenant: 1 to 64 letters, digits, '.', '_', '-'", node.escape_debug())]
    Node {
        /// The name given.
        node: String,
    },
    /// The records cannot be encrypted, so nothing is recorded.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file or directory cannot be used.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}

/// Why a stop was not in good order. Rows that were synced are safe in any case; the next start tells of the rest.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// Time ran out.
    #[error("records were not all written and sealed in time; the next start goes on with them")]
    Deadline,
    /// The disk did not take everything.
    #[error("not all records could be written: {0}")]
    Unwritten(String),
}

/// How long records are kept, and content of theirs, as the log says it.
pub(crate) fn retention((rows, content): (Duration, Duration)) -> Retention {
    Retention {
        rows: rows.as_secs(),
        content: content.as_secs(),
    }
}
