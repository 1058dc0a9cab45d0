//! How far the rows of the records have followed a file that commands add lines to, so that each line has its row, also one
//! that was added while Weir did not run.
//!
//! Decides nothing: a number of bytes, and a word, in a small file beside.

use std::io;
use std::path::{Path, PathBuf};

use crate::users::file;

/// A mark beside a file.
#[derive(Debug)]
pub(super) struct Mark {
    path: PathBuf,
    /// Bytes of lines that have their rows.
    pub(super) bytes: u64,
    /// What else was told last, such as the authorisation that ran out.
    pub(super) word: u32,
}

impl Mark {
    /// Beside `of`; nothing was told where there is none.
    pub(super) fn beside(of: &Path) -> Mark {
        let path = of.with_extension("told");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let mut words = text.split_whitespace();
        let bytes = words.next().and_then(|word| word.parse().ok());
        let word = words.next().and_then(|word| word.parse().ok());
        Mark {
            path,
            bytes: bytes.unwrap_or(0),
            word: word.unwrap_or(0),
        }
    }

    /// Keeps it. After a crash before that, rows come twice rather than not at all.
    pub(super) fn keep(&self) -> io::Result<()> {
        file::replace(
            &self.path,
            format!("{} {}\n", self.bytes, self.word).as_bytes(),
            0o600,
        )
    }
}
