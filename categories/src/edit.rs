//! Decides how the plain text of a list changes when a person adds, removes or looks for an entry.
//!
//! Edits keep what people wrote: comments, blank lines and the order of entries stay. A file is replaced as a whole, beside
//! and renamed, under the directory's lock. Imported sources are not edited: their manifest would no longer fit, and the next
//! import would undo it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::category::{NameError, check_name};
use crate::entry::{self, EntryError, MatchKind};
use crate::lock::{Lock, LockError, sync_directory};
use crate::manifest;
use crate::report::shown;
use crate::source::{Listing, ReadError, Source, Unreadable};

/// Most entries that [`search`] gives.
pub const SEARCH_MAX: usize = 1000;

/// Why nothing was changed.
#[derive(Debug, Error)]
pub enum EditError {
    /// The category's name cannot be one.
    #[error("{0}")]
    Name(#[from] NameError),
    /// Nobody has such a category here, so nothing can be removed from it or shown.
    #[error("there is no category {category:?} in {}", place.display())]
    Unknown {
        /// The category.
        category: String,
        /// The source's directory.
        place: PathBuf,
    },
    /// The directory is an imported source.
    #[error("{} is imported: its entries change with the next import only", .0.display())]
    Imported(PathBuf),
    /// Another edit or import is at work.
    #[error("{0}")]
    Lock(#[from] LockError),
    /// A file cannot be read, or is half-written.
    #[error("{}: {cause}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        cause: ReadError,
    },
    /// A file cannot be written.
    #[error("{}: {cause}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

impl From<Unreadable> for EditError {
    fn from(bad: Unreadable) -> EditError {
        EditError::Read {
            file: bad.file,
            cause: bad.cause,
        }
    }
}

/// What became of the entries of one edit, each in normal form, in the order given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EditReport {
    /// Added, or removed.
    pub changed: Vec<String>,
    /// Already there when adding; not there when removing.
    pub unchanged: Vec<String>,
    /// As given, with the reason for people.
    pub refused: Vec<(String, EntryError)>,
}

/// An entry as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The source's name.
    pub list: String,
    /// The category.
    pub category: String,
    /// Which of its files.
    pub kind: MatchKind,
    /// The file.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: u64,
    /// As written, without comment and blanks.
    pub entry: String,
}

/// Adds entries to `category` in `directory`: those with a path, port or query to `urls`, the others to `domains`. A category
/// that is not there is made. People's spellings are taken: capitals, a scheme in front, Unicode.
///
/// # Errors
/// [`EditError`] when nothing could be changed; entries refused one by one are in the report.
pub fn add(directory: &Path, category: &str, entries: &[&str]) -> Result<EditReport, EditError> {
    check_name(category)?;
    change(directory, category, entries, |file, wanted| {
        let known = file.has(&wanted);
        if !known {
            file.insert(wanted);
        }
        !known
    })
}

/// Removes entries from `category` in `directory`, however they are spelled there.
///
/// # Errors
/// As [`add`], and [`EditError::Unknown`].
pub fn remove(directory: &Path, category: &str, entries: &[&str]) -> Result<EditReport, EditError> {
    check_name(category)?;
    if !directory.join(category).is_dir() {
        return Err(EditError::Unknown {
            category: category.to_owned(),
            place: directory.to_owned(),
        });
    }
    change(directory, category, entries, |file, wanted| {
        let before = file.lines.len();
        file.lines
            .retain(|line| line.entry.as_ref() != Some(&wanted));
        file.lines.len() < before
    })
}

/// Every entry of a category of a source, in the order of its files.
///
/// # Errors
/// [`EditError::Unknown`] when the source has no such category; [`EditError::Read`].
pub fn show(source: &Source, category: &str) -> Result<Vec<Listed>, EditError> {
    let mut found = Vec::new();
    let known = each_line(source, |listed| {
        if listed.category == category {
            found.push(listed);
        }
        true
    })?;
    if known.iter().any(|name| name == category) {
        Ok(found)
    } else {
        Err(EditError::Unknown {
            category: category.to_owned(),
            place: source.place(),
        })
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
        each_line(source, |listed| {
            if listed.entry.to_lowercase().contains(&wanted) {
                found.push(listed);
            }
            found.len() < SEARCH_MAX
        })?;
    }
    Ok(found)
}

/// Gives `see` every entry of a source until it returns false; returns the categories.
fn each_line(
    source: &Source,
    mut see: impl FnMut(Listed) -> bool,
) -> Result<Vec<String>, EditError> {
    let listing = Listing::of(source)?;
    'files: for file in listing.files {
        let content = file.read()?;
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
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

/// An entry that a person gave, in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    kind: MatchKind,
    normal: String,
}

impl Wanted {
    /// People paste addresses out of a browser: a URL of nothing but a host is a domain.
    fn read(text: &str) -> Result<Wanted, EntryError> {
        let domain = match entry::domain(text) {
            Ok(domain) => domain,
            Err(EntryError::NotADomain) => {
                let url = entry::url(text)?;
                if url.port.is_some() || url.query.is_some() || url.path != "/" {
                    return Ok(Wanted {
                        kind: MatchKind::Url,
                        normal: url.to_string(),
                    });
                }
                entry::domain(&url.host.to_string())?
            }
            Err(error) => return Err(error),
        };
        Ok(Wanted {
            kind: MatchKind::Domain,
            normal: domain.to_string(),
        })
    }
}

/// How an entry is written: a top-level domain has the dot that says it is meant.
fn spelled(wanted: &Wanted) -> String {
    let top_level = wanted.kind == MatchKind::Domain && !wanted.normal.contains(['.', ':']);
    format!("{}{}", if top_level { "." } else { "" }, wanted.normal)
}

/// A list file of lines that keep their text.
struct Text {
    path: PathBuf,
    lines: Vec<Line>,
    changed: bool,
}

struct Line {
    text: Vec<u8>,
    entry: Option<Wanted>,
}

impl Line {
    fn spelled(&self) -> Option<String> {
        self.entry.as_ref().map(spelled)
    }
}

impl Text {
    fn read(path: PathBuf, kind: MatchKind) -> Result<Text, EditError> {
        let content = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            content => content,
        };
        let content = content
            .map_err(ReadError::from)
            .and_then(|content| crate::source::check_whole(&content).map(|()| content))
            .map_err(|cause| EditError::Read {
                file: path.clone(),
                cause,
            })?;
        let text = content.strip_suffix(b"\n").unwrap_or(&content);
        let lines = text.split(|byte| *byte == b'\n').map(|line| Line {
            entry: normal_of(line, kind),
            text: line.to_owned(),
        });
        let lines = if content.is_empty() {
            Vec::new()
        } else {
            lines.collect()
        };
        Ok(Text {
            path,
            lines,
            changed: false,
        })
    }

    fn has(&self, wanted: &Wanted) -> bool {
        let mut entries = self.lines.iter().filter_map(|line| line.entry.as_ref());
        entries.any(|entry| entry == wanted)
    }

    /// In a file that is in alphabetical order after the entry that it follows, else at the end. Comments stay before the
    /// entry that they were before.
    fn insert(&mut self, wanted: Wanted) {
        let line = Line {
            text: spelled(&wanted).into_bytes(),
            entry: Some(wanted),
        };
        let mut entries = self.lines.iter().filter_map(Line::spelled);
        let sorted = entries.by_ref().is_sorted();
        let after = self
            .lines
            .iter()
            .rposition(|other| other.entry.is_some() && other.spelled() < line.spelled());
        match after {
            Some(at) if sorted => self.lines.insert(at + 1, line),
            None if sorted => {
                let first = self.lines.iter().position(|line| line.entry.is_some());
                self.lines.insert(first.unwrap_or(self.lines.len()), line);
            }
            _ => self.lines.push(line),
        }
    }

    fn write(&self) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let beside = directory.join(format!(".{name}.new"));
        let mut file = fs::File::create(&beside)?;
        if let Ok(metadata) = fs::metadata(&self.path) {
            file.set_permissions(metadata.permissions())?;
        }
        let mut content = Vec::new();
        for line in &self.lines {
            content.extend_from_slice(&line.text);
            content.push(b'\n');
        }
        file.write_all(&content)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        sync_directory(directory)
    }
}

fn normal_of(line: &[u8], kind: MatchKind) -> Option<Wanted> {
    let line = std::str::from_utf8(line).ok()?;
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let normal = entry::normal(kind, entry::content(line, kind)?).ok()?;
    Some(Wanted { kind, normal })
}

/// Does `one` to each entry in the file that it belongs to, and writes the files that changed.
fn change(
    directory: &Path,
    category: &str,
    entries: &[&str],
    mut one: impl FnMut(&mut Text, Wanted) -> bool,
) -> Result<EditReport, EditError> {
    if directory.join(manifest::FILE_NAME).exists() {
        return Err(EditError::Imported(directory.to_owned()));
    }
    let _lock = Lock::take(directory)?;
    let file = |kind: MatchKind| {
        let path = directory.join(category).join(kind.file_name());
        Text::read(path, kind)
    };
    let mut domains = file(MatchKind::Domain)?;
    let mut urls = file(MatchKind::Url)?;
    let mut report = EditReport::default();
    for text in entries {
        let wanted = match Wanted::read(text.trim()) {
            Ok(wanted) => wanted,
            Err(error) => {
                report.refused.push((shown(text), error));
                continue;
            }
        };
        let normal = wanted.normal.clone();
        let file = match wanted.kind {
            MatchKind::Url => &mut urls,
            MatchKind::Domain | MatchKind::Expression | MatchKind::Exception => &mut domains,
        };
        if one(file, wanted) {
            file.changed = true;
            report.changed.push(normal);
        } else {
            report.unchanged.push(normal);
        }
    }
    for file in [&domains, &urls] {
        if file.changed {
            file.write().map_err(|cause| EditError::Write {
                file: file.path.clone(),
                cause,
            })?;
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests;
