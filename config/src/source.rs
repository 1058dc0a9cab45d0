//! Decides which files are read and where relative paths are seen from.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::fault::Fault;
use crate::settings::read::Base;

/// The configuration inside the program.
pub(crate) const SETTINGS: &str = include_str!("../weir.toml");
/// The policy inside the program.
pub(crate) const POLICY: &str = include_str!("../policy.toml");

/// Looked for in this order when no path is given.
const PLACES: [&str; 2] = ["config/weir.toml", "/etc/weir/weir.toml"];

/// Far beyond any configuration; a bound against a path that never ends.
const FILE_MAX: u64 = 16 << 20;

/// The text of a file.
pub(crate) struct Source {
    /// As it is named in faults.
    pub(crate) file: PathBuf,
    pub(crate) text: String,
}

/// The file to use: the given one, else the first of [`PLACES`] that exists, else none.
pub(crate) fn find(path: Option<&Path>) -> Option<PathBuf> {
    match path {
        Some(path) => Some(path.to_owned()),
        None => PLACES.iter().map(PathBuf::from).find(|path| path.exists()),
    }
}

pub(crate) fn embedded(name: &str, text: &str) -> Source {
    Source {
        file: Path::new("(embedded)").join(name),
        text: text.to_owned(),
    }
}

/// Reads a file as UTF-8, with or without a byte order mark.
pub(crate) fn open(path: &Path) -> Result<Source, Fault> {
    let fault = |line, message| Fault {
        file: path.to_owned(),
        line,
        key: String::new(),
        message,
    };
    let bytes = read(path).map_err(|error| fault(None, format!("cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().iter().take(valid);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        fault(Some(line), "not UTF-8".to_owned())
    })?;
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    Ok(Source {
        file: path.to_owned(),
        text,
    })
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(FILE_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(std::io::Error::other("larger than 16 MiB"));
    }
    Ok(bytes)
}

/// The directory of `path`, absolute and without symbolic links, so that `..` in the file means what it says.
pub(crate) fn base(path: &Path) -> Base {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let directory = parent
        .canonicalize()
        .or_else(|_| std::path::absolute(parent));
    Base::Directory(directory.unwrap_or_else(|_| parent.to_owned()))
}
