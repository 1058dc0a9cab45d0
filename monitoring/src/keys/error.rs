//! Why a key cannot be used, in words that say what to do.

use std::io;
use std::path::PathBuf;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is not said in one of the known forms.
    #[error("{given:?} names no key: write file:PATH, env:NAME or credential:NAME")]
    Source {
        /// What was given.
        given: String,
    },
    /// The key-encryption key cannot be read.
    #[error(
        "the key of the records, {source_name}, cannot be read: {why}; without it nothing is recorded and nothing shown"
    )]
    Unreadable {
        /// Where it should be.
        source_name: String,
        /// Why not.
        why: String,
    },
    /// What is there is no key.
    #[error(
        "{source_name} holds no key: 32 bytes as they are, in base64, or as 64 hexadecimal digits"
    )]
    Form {
        /// Where it was looked for.
        source_name: String,
    },
    /// The key file that Weir made is gone.
    #[error(
        "the records are encrypted, and the key file {} is not there: put it back, or name where the key is now with records.kek",
        path.display()
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The records are encrypted under another key.
    #[error(
        "the records are encrypted under the key with number {wanted}, and {source_name} is the key with number {found}: name the \
         right one with records.kek"
    )]
    Other {
        /// Where the key came from.
        source_name: String,
        /// Number of the key that was given.
        found: String,
        /// Number of the key that is needed.
        wanted: String,
    },
    /// A change of the key-encryption key stopped in the middle.
    #[error("{} is wrapped under another key: a `weir records rekey` was interrupted; run it again", path.display())]
    Interrupted {
        /// The wrapped key.
        path: PathBuf,
    },
    /// A wrapped or sealed file was altered or moved.
    #[error("{what} cannot be decrypted: it was altered, or put in the place of another")]
    Altered {
        /// Which.
        what: String,
    },
    /// A key that somebody else provides cannot be exchanged without a new one.
    #[error(
        "{source_name} is not Weir's own key file: say where the new key is with --to file:PATH, env:NAME or credential:NAME"
    )]
    NoNew {
        /// Where the present key is.
        source_name: String,
    },
    /// There are no keys at all.
    #[error("records are encrypted, and no key was given")]
    None,
    /// The key was destroyed, and with it what was encrypted under it.
    #[error("the key {name} was destroyed, and with it what was encrypted under it")]
    Destroyed {
        /// Which key.
        name: String,
    },
    /// The system gives no random bytes.
    #[error("the system has no randomness")]
    NoRandomness,
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}

impl KeyError {
    pub(crate) fn file(path: &std::path::Path, error: io::Error) -> KeyError {
        KeyError::File {
            path: path.to_owned(),
            error,
        }
    }
}

impl From<KeyError> for io::Error {
    fn from(error: KeyError) -> io::Error {
        match error {
            KeyError::File { error, .. } => error,
            other => io::Error::other(other),
        }
    }
}
