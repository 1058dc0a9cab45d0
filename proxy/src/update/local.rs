//! Looks at lists on this machine: whether a file or directory is another than the one in force, and a copy of it that
//! nobody changes while it is checked.

use std::fs::{self, File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use super::fault::Fault;
use super::fetch::{Body, Saving};

/// Directories below one that are looked into.
const DEPTH: usize = 6;
/// Files of a directory that are looked at; an import takes no more.
const FILES: usize = 100_000;
/// Bytes read at a time.
const PART: usize = 256 * 1024;

/// How a file or directory looks: the same text while nothing about it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) text: String,
    pub(super) bytes: u64,
    pub(super) is_directory: bool,
}

/// Looks without reading.
pub(super) fn look(path: &Path) -> Result<Look, Fault> {
    let named = |error| Fault::File(path.display().to_string(), error);
    let about = fs::metadata(path).map_err(named)?;
    let mut hasher = DefaultHasher::new();
    let (mut bytes, mut files) = (0, 0);
    if about.is_dir() {
        walk(path, DEPTH, &mut hasher, &mut bytes, &mut files).map_err(named)?;
    } else if about.is_file() {
        note(path, &about, &mut hasher);
        bytes = about.len();
    } else {
        return Err(named(io::Error::other("neither a file nor a directory")));
    }
    Ok(Look {
        text: format!("{:016x} {bytes}", hasher.finish()),
        bytes,
        is_directory: about.is_dir(),
    })
}

fn walk(
    directory: &Path,
    depth: usize,
    hasher: &mut DefaultHasher,
    bytes: &mut u64,
    files: &mut usize,
) -> io::Result<()> {
    let entries: io::Result<Vec<_>> = fs::read_dir(directory)?.collect();
    let mut entries = entries?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let Ok(about) = fs::metadata(&path) else {
            continue;
        };
        if about.is_dir() && depth > 0 {
            walk(&path, depth - 1, hasher, bytes, files)?;
        } else if about.is_file() && *files < FILES {
            *files += 1;
            *bytes += about.len();
            note(&path, &about, hasher);
        }
    }
    Ok(())
}

fn note(path: &Path, about: &Metadata, hasher: &mut DefaultHasher) {
    let modified = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    (path, modified, about.len()).hash(hasher);
}

/// Copies the file that looked like `look`, bounded, with its digest.
pub(super) fn copy(
    path: &Path,
    before: &Look,
    size_max: u64,
    into: &Path,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Body, Fault> {
    if before.bytes > size_max {
        return Err(Fault::TooLarge(size_max));
    }
    let named = |error| Fault::File(path.display().to_string(), error);
    let mut file = File::open(path).map_err(named)?;
    let mut saving = Saving::new(into, size_max)?;
    let mut part = vec![0; PART];
    let mut done = 0;
    loop {
        let count = file.read(&mut part).map_err(named)?;
        let Some(read) = part.get(..count).filter(|read| !read.is_empty()) else {
            break;
        };
        saving.write(read)?;
        done += read.len() as u64;
        progress(done, Some(before.bytes));
    }
    if look(path)? != *before {
        return Err(Fault::Changing);
    }
    saving.finish(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_looks_the_same_until_it_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/domains");
        fs::create_dir(directory.path().join("a")).unwrap();
        fs::write(&path, "a.example\n").unwrap();
        let (file, tree) = (look(&path).unwrap(), look(directory.path()).unwrap());
        assert_eq!((file.bytes, file.is_directory), (10, false));
        assert_eq!((tree.bytes, tree.is_directory), (10, true));
        assert_eq!(look(&path).unwrap(), file);
        fs::write(&path, "b.example.\n").unwrap();
        assert_ne!(look(&path).unwrap(), file);
        assert_ne!(look(directory.path()).unwrap(), tree);
        assert!(matches!(
            look(&directory.path().join("no")),
            Err(Fault::File(..))
        ));
    }

    #[test]
    fn a_copy_is_bounded_and_of_the_file_that_was_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let (path, into) = (directory.path().join("a"), directory.path().join("b"));
        fs::write(&path, "a.example\n").unwrap();
        let before = look(&path).unwrap();
        let body = copy(&path, &before, 10, &into, &mut |_, _| {}).unwrap();
        assert_eq!(body.bytes, 10);
        let refused = copy(&path, &before, 9, &into, &mut |_, _| {});
        assert!(matches!(refused, Err(Fault::TooLarge(9))));
        fs::write(&path, "b.example.other\n").unwrap();
        let refused = copy(&path, &before, 100, &into, &mut |_, _| {});
        assert!(matches!(refused, Err(Fault::Changing)));
    }
}
