//! Decides how what is held back and what was decided lies on disk: plain text, one file for each list file, which a person
//! can read and the history keeps.
//!
//! `<state>/lists/.held/<source>/<category>/<kind>` has lines of three columns: `+` for an entry that would come or `-` for
//! one that would go, the reason, the entry. `<state>/lists/.decided/…` has `accept` or `drop` in place of the reason.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::{DIRECTORIES, Reason};
use crate::category::check_name;
use crate::entry::MatchKind;
use crate::lock::sync_directory;
use crate::swap;

/// Longest line, as lists have it.
const LINE_MAX: u64 = 1 << 20;
const HEAD: &str = "# \"+\" would come, \"-\" would go; why; the entry. See `weir lists held`.\n";

/// An entry that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The category.
    pub category: String,
    /// Which of its files.
    pub kind: MatchKind,
    /// True when it would come, false when it would go.
    pub comes: bool,
    /// Why it is held back.
    pub reason: Reason,
    /// As the list has it: a top-level domain has its dot.
    pub entry: String,
}

/// What a person decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Let the change happen.
    Accept,
    /// Let things stay as they are.
    Drop,
}

impl Verdict {
    /// The word of the commands and files.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Accept => "accept",
            Verdict::Drop => "drop",
        }
    }

    fn read(text: &str) -> Option<Verdict> {
        [Verdict::Accept, Verdict::Drop]
            .into_iter()
            .find(|verdict| verdict.word() == text)
    }
}

/// What was decided about the entries of one list file: whether it would come, and the entry with its newline.
pub(super) type Decided = BTreeMap<(Vec<u8>, bool), Verdict>;

/// One of the two directories of a source while it is written anew.
pub(super) struct Writing {
    ready: PathBuf,
    target: PathBuf,
}

impl Writing {
    /// Begins beside what is there.
    pub(super) fn begin(lists: &Path, hidden: &str, source: &str) -> io::Result<Writing> {
        let root = lists.join(hidden);
        let writing = Writing {
            ready: root.join(format!(".new-{source}")),
            target: root.join(source),
        };
        swap::remove_if_there(&writing.ready)?;
        swap::recover(&writing.target)?;
        fs::create_dir_all(&writing.ready)?;
        Ok(writing)
    }

    pub(super) fn file(&self, category: &str, kind: MatchKind) -> Out {
        Out {
            path: self.ready.join(category).join(kind.file_name()),
            out: None,
        }
    }

    /// Puts what was written in the place of what was there.
    pub(super) fn finish(self) -> io::Result<()> {
        for entry in fs::read_dir(&self.ready)? {
            sync_directory(&entry?.path())?;
        }
        sync_directory(&self.ready)?;
        swap::put_in_force(&self.ready, &self.target)?;
        // The next writing removes it first.
        _ = swap::remove_if_there(&self.ready);
        Ok(())
    }
}

/// A file that is made with its first line.
pub(super) struct Out {
    path: PathBuf,
    out: Option<BufWriter<File>>,
}

impl Out {
    /// Adds a line; `entry` has its newline.
    pub(super) fn line(&mut self, comes: bool, why: &str, entry: &[u8]) -> io::Result<()> {
        let out = match &mut self.out {
            Some(out) => out,
            none => {
                fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
                let mut out = BufWriter::new(File::create(&self.path)?);
                out.write_all(HEAD.as_bytes())?;
                none.insert(out)
            }
        };
        write!(out, "{}\t{why}\t", if comes { '+' } else { '-' })?;
        out.write_all(entry)
    }

    pub(super) fn finish(self) -> io::Result<()> {
        match self.out {
            Some(out) => out
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .sync_all(),
            None => Ok(()),
        }
    }
}

/// Gives `see` sign, reason and entry of each line; the entry has its newline.
fn each_line(
    path: &Path,
    mut see: impl FnMut(bool, &str, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => BufReader::new(file?),
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut file).take(LINE_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let mut columns = line.splitn(3, |byte| *byte == b'\t');
        let (sign, why, entry) = (columns.next(), columns.next(), columns.next());
        let (Some(sign), Some(why), Some(entry)) = (sign, why, entry) else {
            continue;
        };
        if entry.ends_with(b"\n") {
            see(sign == b"+", &String::from_utf8_lossy(why), entry)?;
        }
    }
}

/// What was decided about the entries of one list file.
pub(super) fn decided(
    lists: &Path,
    source: &str,
    category: &str,
    kind: MatchKind,
) -> io::Result<Decided> {
    let [_, hidden] = DIRECTORIES;
    let path = lists.join(hidden).join(source).join(category);
    let mut found = Decided::new();
    each_line(&path.join(kind.file_name()), |comes, why, entry| {
        if let Some(verdict) = Verdict::read(why) {
            found.insert((entry.to_owned(), comes), verdict);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Gives `see` everything that waits for a person in a source, by category, file and entry.
///
/// # Errors
/// What reading gives, or `see`.
pub fn each_held(
    lists: &Path,
    source: &str,
    mut see: impl FnMut(Held) -> io::Result<()>,
) -> io::Result<()> {
    let [hidden, _] = DIRECTORIES;
    let root = lists.join(hidden).join(source);
    for category in categories(&root)? {
        for kind in MatchKind::ALL {
            let path = root.join(&category).join(kind.file_name());
            each_line(&path, |comes, why, entry| {
                let Some(reason) = Reason::read(why) else {
                    return Ok(());
                };
                let entry = entry.strip_suffix(b"\n").unwrap_or(entry);
                see(Held {
                    category: category.clone(),
                    kind,
                    comes,
                    reason,
                    entry: String::from_utf8_lossy(entry).into_owned(),
                })
            })?;
        }
    }
    Ok(())
}

/// The sources that have something held back.
///
/// # Errors
/// What reading the directory gives.
pub fn sources_with_held(lists: &Path) -> io::Result<Vec<String>> {
    let [hidden, _] = DIRECTORIES;
    let mut found = Vec::new();
    for source in categories(&lists.join(hidden))? {
        if !categories(&lists.join(hidden).join(&source))?.is_empty() {
            found.push(source);
        }
    }
    Ok(found)
}

/// The directories in `root` that can name a category, sorted.
pub(super) fn categories(root: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if check_name(&name).is_ok() && entry.path().is_dir() {
            found.push(name);
        }
    }
    found.sort_unstable();
    Ok(found)
}
