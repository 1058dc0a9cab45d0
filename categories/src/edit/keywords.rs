//! Decides how keywords are added and removed: apart from other entries, since any word could be a name and any name a word.

use std::path::Path;

use super::{EditError, EditReport, Wanted, added, removed};
use crate::entry::{EntryError, MatchKind, normal};
use crate::hygiene;
use crate::keywords::KeywordError;
use crate::source::Source;

/// Adds keywords to `category` in `directory`, which is made if it is not there.
///
/// # Errors
/// [`EditError`] when nothing could be changed; keywords refused one by one are in the report, all of them in a category that allows.
pub fn add_keywords(
    directory: &Path,
    category: &str,
    keywords: &[&str],
) -> Result<EditReport, EditError> {
    let read = match hygiene::opens(category) {
        true => refused,
        false => keyword,
    };
    added(directory, category, keywords, read)
}

/// Removes keywords from `category` in `directory`. Those that lists of `others` have stay in force: an exception is a place, so
/// there is none for a word.
///
/// # Errors
/// As [`add_keywords`], and [`EditError::Unknown`] when nobody has the category.
pub fn remove_keywords(
    directory: &Path,
    category: &str,
    keywords: &[&str],
    others: &[Source],
) -> Result<EditReport, EditError> {
    removed(directory, category, keywords, others, keyword)
}

fn keyword(text: &str) -> Result<Wanted, EntryError> {
    Ok(Wanted {
        kind: MatchKind::Keyword,
        normal: normal(MatchKind::Keyword, text)?,
    })
}

fn refused(_: &str) -> Result<Wanted, EntryError> {
    Err(KeywordError::Opens.into())
}
