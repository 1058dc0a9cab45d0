//! Decides how the making of an index is told: progress while it goes, faults and counts when it is done.

use std::fmt;
use std::path::PathBuf;

use crate::entry::MatchKind;

/// Most faults that a report lists; the rest are counted.
pub const FAULTS_MAX: usize = 1000;
/// Most characters of a faulty line that are kept.
const ENTRY_MAX: usize = 80;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// List files or an archive are read.
    Read,
    /// Lines become entries.
    Parse,
    /// Entries become an index, or files of an import.
    Write,
}

impl Phase {
    /// One lower-case word for a progress line.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Read => "reading",
            Phase::Parse => "parsing",
            Phase::Write => "writing",
        }
    }
}

/// How far a phase is. `done` never exceeds `total` and ends equal to it; phases follow each other in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// One line that could not be used, or one file or directory that is no list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The source's name.
    pub list: String,
    /// The file, or the directory.
    pub file: PathBuf,
    /// Counted from 1; `None` when the whole file is meant.
    pub line: Option<u64>,
    /// The line's text, cut to 80 characters, control characters replaced.
    pub entry: String,
    /// Why, for people.
    pub reason: String,
}

/// `file:line: "entry": reason`
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if self.entry.is_empty() {
            write!(f, ": {}", self.reason)
        } else {
            write!(f, ": \"{}\": {}", self.entry, self.reason)
        }
    }
}

/// The text of a faulty line as a report keeps it.
pub(crate) fn shown(line: &str) -> String {
    let clean = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    let mut text: String = line.chars().take(ENTRY_MAX).map(clean).collect();
    if text.len() < line.len() && line.chars().nth(ENTRY_MAX).is_some() {
        text.push('…');
    }
    text
}

/// A list of faults that stays bounded whatever is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    listed: Vec<Fault>,
    count: u64,
}

impl Faults {
    /// Adds a fault; `make` is called only while there is room for it.
    pub(crate) fn push_with(&mut self, make: impl FnOnce() -> Fault) {
        self.count += 1;
        if self.listed.len() < FAULTS_MAX {
            self.listed.push(make());
        }
    }

    pub(crate) fn append(&mut self, mut other: Faults) {
        self.count += other.count;
        let room = FAULTS_MAX - self.listed.len().min(FAULTS_MAX);
        other.listed.truncate(room);
        self.listed.append(&mut other.listed);
    }

    /// Faults as they were kept: those listed, and how many there were.
    pub(crate) fn kept(listed: Vec<Fault>, count: u64) -> Faults {
        let count = count.max(listed.len() as u64);
        Faults { listed, count }
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Fault> {
        self.listed.iter_mut()
    }

    /// The first [`FAULTS_MAX`] faults, in the order of sources, files and lines.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.listed.iter()
    }

    /// How many there were, listed or not.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// True when nothing was wrong.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// What became of the lines of one file: `lines = entries + duplicates + blank + faulty`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// The source's name.
    pub list: String,
    /// The category.
    pub category: String,
    /// Which of its files.
    pub kind: MatchKind,
    /// The file.
    pub file: PathBuf,
    /// Lines of the file; a last line without its newline counts.
    pub lines: u64,
    /// Lines that are in the index.
    pub entries: u64,
    /// Lines that repeat an entry of the same file.
    pub duplicates: u64,
    /// Empty lines and comments.
    pub blank: u64,
    /// Lines that could not be used.
    pub faulty: u64,
}

/// What a build found, beside the index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines and files that could not be used. Everything else is in the index.
    pub faults: Faults,
    /// Every list file that was read.
    pub files: Vec<FileReport>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(line: u64) -> Fault {
        Fault {
            list: "local".into(),
            file: "adult/domains".into(),
            line: Some(line),
            entry: shown("bad\u{1b}[31m"),
            reason: "because".into(),
        }
    }

    #[test]
    fn faults_are_bounded_and_all_counted() {
        let mut faults = Faults::default();
        for line in 0..FAULTS_MAX as u64 + 5 {
            faults.push_with(|| fault(line));
        }
        let mut both = faults.clone();
        both.append(faults);
        assert_eq!(both.iter().count(), FAULTS_MAX);
        assert_eq!(both.count(), 2 * (FAULTS_MAX as u64 + 5));
    }

    #[test]
    fn a_fault_names_file_line_and_reason_and_carries_no_control_characters() {
        let text = fault(7).to_string();
        assert_eq!(text, "adult/domains:7: \"bad\u{fffd}[31m\": because");
        assert_eq!(shown(&"é".repeat(100)).chars().count(), ENTRY_MAX + 1);
        assert_eq!(shown(&"é".repeat(80)).chars().count(), ENTRY_MAX);
    }
}
