//! Maps a file into memory for reading. The only file of Weir with `unsafe`, and of that one line.
//!
//! # What must hold, and why it does
//!
//! The kernel shows a mapped file as it is at the moment of the read: if somebody writes into it, bytes change under a shared
//! slice, and if somebody shortens it, a read beyond its new end kills the process (SIGBUS). So:
//!
//! - Weir writes an index file beside and renames it ([`super::write`]). A file that has its final name is never written to
//!   nor shortened; a newer one takes its name, and the old one lives on, nameless, until the last mapping of it is dropped.
//! - The directory is Weir's own, below its state directory, which nobody else may write to. Whoever copies files into it
//!   must do likewise: copy beside and rename.
//! - What is read from a mapping is only ever compared or decoded with bounds checked: no type has values that a changed byte
//!   could break, and no text is taken for UTF-8 without looking.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;

/// The bytes of a file, read by the kernel as they are needed.
#[derive(Debug)]
pub(crate) struct Mapping {
    #[cfg(not(miri))]
    bytes: memmap2::Mmap,
    /// Miri has no mappings of files; whatever it checks of the rest is the same.
    #[cfg(miri)]
    bytes: Vec<u8>,
}

impl Mapping {
    /// Maps the whole of `file`.
    ///
    /// # Errors
    /// When the system refuses.
    #[cfg(not(miri))]
    pub(crate) fn of(file: &File) -> io::Result<Mapping> {
        // SAFETY: the file is not written to and not shortened while it is mapped, as this module's head says.
        let bytes = unsafe { memmap2::Mmap::map(file)? };
        // Names lie by hash: reading ahead would fill memory with names that nobody asks for. A wish, so a refusal is none.
        _ = bytes.advise(memmap2::Advice::Random);
        Ok(Mapping { bytes })
    }

    #[cfg(miri)]
    pub(crate) fn of(mut file: &File) -> io::Result<Mapping> {
        let mut bytes = Vec::new();
        io::Seek::rewind(&mut file)?;
        io::Read::read_to_end(&mut file, &mut bytes)?;
        Ok(Mapping { bytes })
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mapped(path: &std::path::Path) -> Mapping {
        Mapping::of(&File::open(path).unwrap()).unwrap()
    }

    #[test]
    fn a_mapping_shows_the_bytes_of_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let text: Vec<u8> = (0..70_000_u32).map(|n| n as u8).collect();
        std::fs::write(&path, &text).unwrap();
        assert_eq!(mapped(&path).bytes(), text);
    }

    #[test]
    fn a_mapping_keeps_the_old_file_when_another_takes_its_name_or_it_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let (path, beside) = (directory.path().join("file"), directory.path().join("new"));
        std::fs::write(&path, "old old").unwrap();
        let old = mapped(&path);
        std::fs::write(&beside, "new").unwrap();
        std::fs::rename(&beside, &path).unwrap();
        assert_eq!(old.bytes(), b"old old");
        assert_eq!(mapped(&path).bytes(), b"new");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(old.bytes(), b"old old");
    }

    #[test]
    fn an_empty_file_maps_to_no_bytes_or_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "").unwrap();
        if let Ok(mapping) = Mapping::of(&File::open(&path).unwrap()) {
            assert_eq!(mapping.bytes(), b"");
        }
    }
}
