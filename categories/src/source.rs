//! Decides which files a source of lists has, and whether a file was read whole.
//!
//! A source is a squidGuard tree: `<category>/{domains,urls,expressions}`, with `keywords` and `exceptions` of our own. Other files are ignored (UT1's `usage`, its
//! `very_restrictive_expression`, which its makers keep out of `expressions` on purpose, and README files of ours), and so
//! is everything whose name starts with a dot. A directory that cannot name a category is a fault, and the rest is used.
//!
//! # What half-written means
//!
//! A file is refused, and with it the build, when it shows that it was caught in the middle of being written: it changes
//! while it is read, it has a NUL byte (the hole that a crash leaves), or it ends inside a UTF-8 character. Imported
//! sources are held to their manifest besides ([`crate::manifest`]). A text file that was cut off between two lines and
//! has no manifest cannot be told from a shorter one.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use thiserror::Error;

use crate::category::check_name;
use crate::entry::MatchKind;
use crate::report::{Fault, Faults, shown};

/// Most bytes of one list file.
pub const FILE_MAX: u64 = 1 << 30;
/// Bytes that are read at once where a file is not read whole.
const SHOWN_AT_ONCE: usize = 64 << 10;

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/lists");

/// A named tree of lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What matches name as their list. Unique within a build.
    pub name: String,
    /// Where it is.
    pub root: Root,
}

/// Where a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// A directory with a directory for each category. Symbolic links are followed: it belongs to who runs Weir.
    Directory(PathBuf),
    /// The starter lists inside the program.
    Embedded,
}

/// The starter lists that come with Weir, inside the program.
pub fn embedded() -> Source {
    Source {
        name: "starter".to_owned(),
        root: Root::Embedded,
    }
}

impl Source {
    /// A source of the lists in `directory`.
    pub fn directory(name: impl Into<String>, directory: impl Into<PathBuf>) -> Source {
        Source {
            name: name.into(),
            root: Root::Directory(directory.into()),
        }
    }

    /// The sources that imports have left in `lists`, by name. None when the directory does not exist.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn imported(lists: &Path) -> io::Result<Vec<Source>> {
        let entries = match directories(lists) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let named = |path: PathBuf| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some(Source::directory(name, path))
        };
        Ok(entries.into_iter().filter_map(named).collect())
    }

    /// The categories that it has, sorted; also those without an entry. Its lists are not read.
    ///
    /// # Errors
    /// When a directory or file of it cannot be looked at.
    pub fn categories(&self) -> Result<Vec<String>, ReadError> {
        let listing = Listing::of(self).map_err(|unreadable| unreadable.cause)?;
        Ok(listing.categories)
    }

    /// Where to find it, for messages.
    pub(crate) fn place(&self) -> PathBuf {
        match &self.root {
            Root::Directory(path) => path.clone(),
            Root::Embedded => PathBuf::from("(embedded)"),
        }
    }
}

/// Why a file or directory of a source cannot be used at all.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It was caught while being written.
    #[error("half-written: {0}")]
    HalfWritten(&'static str),
    /// It is text, but in the wrong encoding.
    #[error("it is saved as UTF-16 (\"Unicode\" in Notepad): save it as UTF-8")]
    Utf16,
    /// More than [`FILE_MAX`] bytes.
    #[error("larger than {FILE_MAX} bytes")]
    TooLarge,
}

/// A file or directory with what is wrong with it.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) file: PathBuf,
    pub(crate) cause: ReadError,
}

impl Unreadable {
    fn new(file: &Path, cause: impl Into<ReadError>) -> Unreadable {
        Unreadable {
            file: file.to_owned(),
            cause: cause.into(),
        }
    }
}

/// A list file of a source.
#[derive(Clone, Debug)]
pub(crate) struct ListFile {
    pub(crate) category: String,
    pub(crate) kind: MatchKind,
    /// For messages, and for reading when there is no `embedded` content.
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    embedded: Option<&'static [u8]>,
}

impl ListFile {
    /// The content, where it is inside the program.
    pub(crate) fn embedded(&self) -> Option<&'static [u8]> {
        self.embedded
    }

    /// The path within the source.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.category, self.kind)
    }

    /// The content from its beginning, unchecked: for showing, where millions of lines must not lie in memory.
    pub(crate) fn open(&self) -> Result<Box<dyn BufRead>, Unreadable> {
        if let Some(content) = self.embedded {
            return Ok(Box::new(content));
        }
        let opened = File::open(&self.path).and_then(|file| {
            let mut file = BufReader::with_capacity(SHOWN_AT_ONCE, file);
            let start = file.fill_buf()?;
            let is_utf16 = start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff");
            Ok((file, is_utf16))
        });
        match opened {
            Ok((file, false)) => Ok(Box::new(file)),
            Ok((_, true)) => Err(Unreadable::new(&self.path, ReadError::Utf16)),
            Err(error) => Err(Unreadable::new(&self.path, error)),
        }
    }

    /// The whole content, checked as this module's head says.
    pub(crate) fn read(&self) -> Result<Cow<'static, [u8]>, Unreadable> {
        let content = match self.embedded {
            Some(content) => Ok(Cow::Borrowed(content)),
            None => read_still(&self.path).map(Cow::Owned),
        };
        content
            .and_then(|content| check_whole(&content).map(|()| content))
            .map_err(|cause| Unreadable::new(&self.path, cause))
    }
}

/// What a source has.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Sorted.
    pub(crate) categories: Vec<String>,
    /// By category, then kind.
    pub(crate) files: Vec<ListFile>,
    pub(crate) faults: Faults,
}

impl Listing {
    /// Looks through a source without reading its lists.
    pub(crate) fn of(source: &Source) -> Result<Listing, Unreadable> {
        match &source.root {
            Root::Directory(path) => of_directory(&source.name, path),
            Root::Embedded => Ok(of_embedded()),
        }
    }
}

fn of_directory(source: &str, root: &Path) -> Result<Listing, Unreadable> {
    let mut listing = Listing::default();
    for directory in directories(root).map_err(|error| Unreadable::new(root, error))? {
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        if let Err(error) = check_name(&name) {
            listing.faults.push_with(|| Fault {
                list: source.to_owned(),
                file: directory.clone(),
                line: None,
                entry: shown(&name),
                reason: error.to_string(),
            });
            continue;
        }
        for kind in MatchKind::ALL {
            listing.files.extend(list_file(&directory, &name, kind)?);
        }
        listing.categories.push(name.into_owned());
    }
    Ok(listing)
}

fn list_file(
    directory: &Path,
    category: &str,
    kind: MatchKind,
) -> Result<Option<ListFile>, Unreadable> {
    let path = directory.join(kind.file_name());
    match fs::metadata(&path) {
        // Opening a pipe would wait for ever.
        Ok(metadata) if !metadata.is_file() => {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "not a file");
            Err(Unreadable::new(&path, error))
        }
        Ok(metadata) if metadata.len() > FILE_MAX => {
            Err(Unreadable::new(&path, ReadError::TooLarge))
        }
        Ok(metadata) => Ok(Some(ListFile {
            category: category.to_owned(),
            kind,
            path,
            bytes: metadata.len(),
            embedded: None,
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Unreadable::new(&path, error)),
    }
}

fn of_embedded() -> Listing {
    let mut listing = Listing::default();
    let name = |path: &Path| path.file_name().and_then(|n| n.to_str()).map(str::to_owned);
    for directory in EMBEDDED.dirs() {
        let Some(category) = name(directory.path()).filter(|name| check_name(name).is_ok()) else {
            continue;
        };
        for file in directory.files() {
            let kind = name(file.path()).and_then(|name| MatchKind::of_file_name(&name));
            listing.files.extend(kind.map(|kind| ListFile {
                category: category.clone(),
                kind,
                path: Path::new("(embedded)").join(file.path()),
                bytes: file.contents().len() as u64,
                embedded: Some(file.contents()),
            }));
        }
        listing.categories.push(category);
    }
    listing.categories.sort_unstable();
    listing
        .files
        .sort_unstable_by(|a, b| (&a.category, a.kind).cmp(&(&b.category, b.kind)));
    listing
}

/// The directories in `root`, sorted, without those whose names start with a dot.
fn directories(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && entry.path().is_dir() {
            found.push(entry.path());
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Reads a file that nobody changes meanwhile.
fn read_still(path: &Path) -> Result<Vec<u8>, ReadError> {
    let mut file = File::open(path)?;
    let before = file.metadata()?;
    let mut content = Vec::with_capacity(usize::try_from(before.len()).unwrap_or(0));
    (&mut file).take(FILE_MAX + 1).read_to_end(&mut content)?;
    if content.len() as u64 > FILE_MAX {
        return Err(ReadError::TooLarge);
    }
    let after = file.metadata()?;
    let same = content.len() as u64 == before.len()
        && before.len() == after.len()
        && before.modified()? == after.modified()?;
    if !same {
        return Err(ReadError::HalfWritten("it changed while it was read"));
    }
    Ok(content)
}

pub(crate) fn check_whole(content: &[u8]) -> Result<(), ReadError> {
    if content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff") {
        return Err(ReadError::Utf16);
    }
    if memchr::memchr(0, content).is_some() {
        return Err(ReadError::HalfWritten("it has a NUL byte"));
    }
    let last = memchr::memrchr(b'\n', content).map_or(0, |at| at + 1);
    let cut = content
        .get(last..)
        .and_then(|line| std::str::from_utf8(line).err())
        .is_some_and(|error| error.error_len().is_none());
    if cut {
        return Err(ReadError::HalfWritten("it ends inside a character"));
    }
    Ok(())
}
