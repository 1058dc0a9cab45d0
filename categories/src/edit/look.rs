//! Decides nothing: goes through the lists of sources as they stand, for people who look for something.

use super::{BOM, EditError, Listed, Wanted, covering};
use crate::entry::{self, MatchKind};
use crate::source::{Listing, Source};

/// Most entries that [`search`] gives.
pub const SEARCH_MAX: usize = 1000;

/// Exceptions of all sources that cover `text`, a host or a URL: where it stands in them, a name above it does, a network
/// around it, or a path above it. None for a text that is neither.
///
/// # Errors
/// [`EditError::Read`].
pub fn exceptions(sources: &[Source], text: &str) -> Result<Vec<Listed>, EditError> {
    match Wanted::read(text) {
        Ok(wanted) => covering::exceptions(sources, &wanted),
        Err(_) => Ok(Vec::new()),
    }
}

/// Entries of all sources that contain `text`, without regard to case, at most [`SEARCH_MAX`].
///
/// # Errors
/// [`EditError::Read`].
pub fn search(sources: &[Source], text: &str) -> Result<Vec<Listed>, EditError> {
    let wanted = text.to_lowercase();
    let mut found = Vec::new();
    for source in sources {
        each_line(source, None, |listed| {
            if listed.entry.to_lowercase().contains(&wanted) {
                found.push(listed);
            }
            found.len() < SEARCH_MAX
        })?;
    }
    Ok(found)
}

/// Gives `see` every entry of a source, or of one kind of file, until it returns false; returns the categories.
pub(super) fn each_line(
    source: &Source,
    only: Option<MatchKind>,
    mut see: impl FnMut(Listed) -> bool,
) -> Result<Vec<String>, EditError> {
    let listing = Listing::of(source)?;
    'files: for file in listing.files {
        if only.is_some_and(|only| only != file.kind) {
            continue;
        }
        let content = file.read()?;
        let content = content.strip_prefix(BOM).unwrap_or(&content);
        for (number, line) in (1..).zip(content.split(|byte| *byte == b'\n')) {
            let line = String::from_utf8_lossy(line);
            let Some(entry) = entry::content(&line, file.kind) else {
                continue;
            };
            let listed = Listed {
                list: source.name.clone(),
                category: file.category.clone(),
                kind: file.kind,
                file: file.path.clone(),
                line: number,
                entry: entry.to_owned(),
            };
            if !see(listed) {
                break 'files;
            }
        }
    }
    Ok(listing.categories)
}
