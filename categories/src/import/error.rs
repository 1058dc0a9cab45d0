//! Decides nothing: why an import is refused, for people.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::build::BuildError;
use crate::category::{CATEGORIES_MAX, NameError};
use crate::formats::{Format, Unknown};
use crate::hygiene::ReviewError;
use crate::lock::LockError;
use crate::manifest::ManifestError;

/// Why nothing was imported. The lists in force stay in force.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The source's name cannot be a directory's.
    #[error("the name of the source: {0}")]
    Name(#[from] NameError),
    /// Another import or edit is at work.
    #[error("{0}")]
    Lock(#[from] LockError),
    /// Reading the archive or writing the lists failed; a cut-off compressed archive reads so too.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The manifest cannot be written.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// A path or link leads out of the archive.
    #[error("{} leads out of the archive", .0.display())]
    Unsafe(PathBuf),
    /// The archive has no end.
    #[error("the archive is cut off")]
    CutOff,
    /// A list has a NUL byte.
    #[error("{} is half-written: it has a NUL byte", .0.display())]
    HalfWritten(PathBuf),
    /// More entries than [`Limits`](super::Limits) allow.
    #[error("more than {0} entries")]
    TooManyEntries(u64),
    /// More bytes than [`Limits`](super::Limits) allow.
    #[error("more bytes than an import may have")]
    TooManyBytes,
    /// More lines than [`Limits`](super::Limits) allow.
    #[error("more lines than an import may have")]
    TooManyLines,
    /// More categories than an index can have beside the two built-in ones: no index could be made any more.
    #[error("{0} categories; {max} are the most", max = CATEGORIES_MAX - 2)]
    TooManyCategories(usize),
    /// Less than half of what the earlier import of this name had: more likely half a download than a wish.
    #[error(
        "it has {now} entries where the earlier import has {before}, so it may be half a download; --force takes it all the same"
    )]
    Shrunk {
        /// Entries of the earlier import.
        before: u64,
        /// Entries of this one.
        now: u64,
    },
    /// It could not be compared with the one in force.
    #[error("{0}")]
    Review(#[from] ReviewError),
    /// Fewer entries than [`Limits`](super::Limits) ask for.
    #[error("{found} entries, which is fewer than the {least} that it must have")]
    TooFew {
        /// What there were.
        found: u64,
        /// What there must be.
        least: u64,
    },
    /// All lists together would be too much.
    #[error("with it {0}")]
    Unusable(BuildError),
    /// No list with a usable entry.
    #[error(
        "no entry in any <category>/{{domains,urls,expressions,keywords}}; if its lists are in another format, name it \
         (`--format`, or `format` of the source), with the category if they are all of one (`--category`)"
    )]
    Empty,
    /// A directory or archive of another format without a usable entry, or of none that the map wants.
    #[error("no entry in any {0} list that the map does not leave out")]
    EmptyOf(Format),
    /// What is no archive has no format that can be told.
    #[error("no archive, and as a list: {0}")]
    Unknown(#[from] Unknown),
    /// A file alone has no category of its own.
    #[error("it is one list (format {0}): name its category with --category")]
    NoCategory(Format),
    /// The category that was named cannot be one.
    #[error("the category: {0}")]
    Category(NameError),
    /// Directories of squidGuard's and v2fly's layout have their own categories.
    #[error(
        "{0} lists in a directory or archive have categories of their own: map them with --map"
    )]
    OwnCategories(Format),
}
