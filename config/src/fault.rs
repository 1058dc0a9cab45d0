//! What is wrong with a configuration, and where. Decides nothing.

use std::fmt;
use std::path::PathBuf;

/// One thing wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file as it was named; `(embedded)/weir.toml` for the copy inside the program.
    pub file: PathBuf,
    /// Counted from one; `None` when the fault is of the file as a whole.
    pub line: Option<usize>,
    /// Dotted, members of a list counted from one: `listener[2].address`. Empty when the fault is of the file as a whole.
    pub key: String,
    /// A sentence without its full stop, for the person who edits the file.
    pub message: String,
}

/// `file:line: key: message`, without the parts that are not known.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.message)
    }
}

/// Every fault that was found, in the order of files and lines. Displays one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
