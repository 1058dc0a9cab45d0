//! Decides how the plain text of a list changes when a person adds, removes or looks for an entry.
//!
//! Edits keep what people wrote: comments, blank lines and the order of entries stay. A file is replaced as a whole, beside
//! and renamed, under the directory's lock. Imported sources are not edited: their manifest would no longer fit, and the next
//! import would undo it. An entry of theirs, or of the starter lists, is removed by an exception in the directory that people
//! edit.

mod covering;
mod keywords;
mod look;
mod show;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::category::{NameError, check_name};
use crate::entry::{self, EntryError, MatchKind};
use crate::history::lines::written;
use crate::lock::{Lock, LockError, sync_directory};
use crate::manifest;
use crate::report::shown;
use crate::source::{Listing, ReadError, Source, Unreadable};

pub use self::keywords::{add_keywords, remove_keywords};
use self::look::each_line;
pub use self::look::{SEARCH_MAX, exceptions, search};
pub use self::show::show;

/// What Windows writes before UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

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
    /// Entries that lists of others have: an exception was written, with where they stand. Some are in `changed` too.
    pub excepted: Vec<(String, Vec<Listed>)>,
    /// Entries whose exception was taken away.
    pub no_longer_excepted: Vec<String>,
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
/// that is not there is made. People's spellings are taken: capitals, a scheme in front, Unicode. An exception for the same
/// entry goes.
///
/// # Errors
/// [`EditError`] when nothing could be changed; entries refused one by one are in the report.
pub fn add(directory: &Path, category: &str, entries: &[&str]) -> Result<EditReport, EditError> {
    added(directory, category, entries, Wanted::read)
}

/// How an entry that a person gave is read.
type Reader = fn(&str) -> Result<Wanted, EntryError>;

fn added(
    directory: &Path,
    category: &str,
    entries: &[&str],
    read: Reader,
) -> Result<EditReport, EditError> {
    check_name(category)?;
    let mut edit = Edit::begin(directory, category, entries, read)?;
    for wanted in std::mem::take(&mut edit.wanted) {
        let normal = wanted.normal.clone();
        let excepted = wanted.as_exception();
        if excepted.is_some_and(|exception| edit.exceptions.remove(&exception)) {
            edit.report.no_longer_excepted.push(normal.clone());
        }
        let file = edit.file(wanted.kind);
        if file.has(&wanted) {
            edit.report.unchanged.push(normal);
        } else {
            file.insert(wanted);
            edit.report.changed.push(normal);
        }
    }
    edit.finish()
}

/// Removes entries from `category` in `directory`, however they are spelled there. For those that lists of `others` put into
/// the category still, by themselves or by an entry above them, it writes an exception.
///
/// # Errors
/// As [`add`], and [`EditError::Unknown`] when nobody has the category.
pub fn remove(
    directory: &Path,
    category: &str,
    entries: &[&str],
    others: &[Source],
) -> Result<EditReport, EditError> {
    removed(directory, category, entries, others, Wanted::read)
}

fn removed(
    directory: &Path,
    category: &str,
    entries: &[&str],
    others: &[Source],
    read: Reader,
) -> Result<EditReport, EditError> {
    check_name(category)?;
    let mut known = directory.join(category).is_dir();
    for other in others {
        known = known || Listing::of(other)?.categories.iter().any(|c| c == category);
    }
    if !known {
        return Err(EditError::Unknown {
            category: category.to_owned(),
            place: directory.to_owned(),
        });
    }
    let mut edit = Edit::begin(directory, category, entries, read)?;
    let wanted = std::mem::take(&mut edit.wanted);
    let covering = covering::covering(others, category, &wanted)?;
    for (wanted, elsewhere) in wanted.into_iter().zip(covering) {
        let normal = wanted.normal.clone();
        let removed = edit.file(wanted.kind).remove(&wanted);
        let exception = wanted
            .as_exception()
            .filter(|exception| !elsewhere.is_empty() && !edit.exceptions.has(exception));
        if removed {
            edit.report.changed.push(normal.clone());
        }
        if let Some(exception) = exception {
            edit.exceptions.insert(exception);
            edit.report.excepted.push((normal, elsewhere));
        } else if !removed {
            edit.report.unchanged.push(normal);
        }
    }
    edit.finish()
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

    /// The exception that undoes it; a keyword has none, exceptions being places.
    fn as_exception(&self) -> Option<Wanted> {
        (self.kind != MatchKind::Keyword).then(|| Wanted {
            kind: MatchKind::Exception,
            normal: self.normal.clone(),
        })
    }
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
        let entry = self.entry.as_ref()?;
        Some(written(&entry.normal, entry.kind))
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
        self.changed = true;
        let line = Line {
            text: written(&wanted.normal, wanted.kind).into_bytes(),
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

    /// True when it was there.
    fn remove(&mut self, wanted: &Wanted) -> bool {
        let before = self.lines.len();
        self.lines
            .retain(|line| line.entry.as_ref() != Some(wanted));
        let removed = self.lines.len() < before;
        self.changed |= removed;
        removed
    }

    /// A file without an entry goes: a running Weir takes one that became empty for an accident and keeps the old lists. Its
    /// remarks are in the history.
    fn write(&self) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        if self.lines.iter().all(|line| line.entry.is_none()) {
            fs::remove_file(&self.path)?;
            return sync_directory(directory);
        }
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

/// The files of a category while it is edited.
struct Edit {
    domains: Text,
    urls: Text,
    keywords: Text,
    exceptions: Text,
    /// What was given, as far as it is usable.
    wanted: Vec<Wanted>,
    report: EditReport,
    _lock: Lock,
}

impl Edit {
    fn begin(
        directory: &Path,
        category: &str,
        entries: &[&str],
        read: Reader,
    ) -> Result<Edit, EditError> {
        if directory.join(manifest::FILE_NAME).exists() {
            return Err(EditError::Imported(directory.to_owned()));
        }
        let lock = Lock::wait(directory)?;
        let file = |kind: MatchKind| {
            let path = directory.join(category).join(kind.file_name());
            Text::read(path, kind)
        };
        let mut edit = Edit {
            domains: file(MatchKind::Domain)?,
            urls: file(MatchKind::Url)?,
            keywords: file(MatchKind::Keyword)?,
            exceptions: file(MatchKind::Exception)?,
            wanted: Vec::new(),
            report: EditReport::default(),
            _lock: lock,
        };
        for text in entries {
            match read(text.trim()) {
                Ok(wanted) => edit.wanted.push(wanted),
                Err(error) => edit.report.refused.push((shown(text), error)),
            }
        }
        Ok(edit)
    }

    fn file(&mut self, kind: MatchKind) -> &mut Text {
        match kind {
            MatchKind::Url => &mut self.urls,
            MatchKind::Keyword => &mut self.keywords,
            MatchKind::Exception => &mut self.exceptions,
            MatchKind::Domain | MatchKind::Expression => &mut self.domains,
        }
    }

    /// Writes the files that changed.
    fn finish(self) -> Result<EditReport, EditError> {
        let files = [&self.exceptions, &self.domains, &self.urls, &self.keywords];
        for file in files {
            if file.changed {
                file.write().map_err(|cause| EditError::Write {
                    file: file.path.clone(),
                    cause,
                })?;
            }
        }
        Ok(self.report)
    }
}

#[cfg(test)]
mod tests;
