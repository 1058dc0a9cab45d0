//! Decides how a category is shown: entry by entry as its files are read, so that a list of millions takes no more memory than
//! one of ten, and its beginning is there at once.

use std::io::{BufRead, Read};

use super::{BOM, EditError, Listed};
use crate::entry;
use crate::source::{Listing, Source};

/// Most bytes of one line that are shown as one: far more than any entry may have.
const LINE_MAX: u64 = 64 << 10;

/// Gives `see` every entry of a category of a source, in the order of its files, one after the other: a list of millions takes
/// no more memory than one of ten. True when the source has the category.
///
/// # Errors
/// [`EditError::Read`], and whatever `see` ends it with.
pub fn show<E: From<EditError>>(
    source: &Source,
    category: &str,
    mut see: impl FnMut(&Listed) -> Result<(), E>,
) -> Result<bool, E> {
    let listing = Listing::of(source).map_err(EditError::from)?;
    for file in listing.files.iter().filter(|f| f.category == category) {
        let mut reader = file.open().map_err(EditError::from)?;
        let mut listed = Listed {
            list: source.name.clone(),
            category: category.to_owned(),
            kind: file.kind,
            file: file.path.clone(),
            line: 1,
            entry: String::new(),
        };
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut reader).take(LINE_MAX).read_until(b'\n', &mut line);
            let read = read.map_err(|error| EditError::Read {
                file: file.path.clone(),
                cause: error.into(),
            })?;
            if read == 0 {
                break;
            }
            let start: &[u8] = if listed.line == 1 { BOM } else { b"" };
            let text = line.strip_prefix(start).unwrap_or(&line);
            let ends = text.ends_with(b"\n");
            let text = String::from_utf8_lossy(text.strip_suffix(b"\n").unwrap_or(text));
            if let Some(entry) = entry::content(&text, file.kind) {
                listed.entry.clear();
                listed.entry.push_str(entry);
                see(&listed)?;
            }
            listed.line += u64::from(ends);
        }
    }
    Ok(listing.categories.iter().any(|name| name == category))
}
