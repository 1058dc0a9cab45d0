//! The secret under which entries are kept: made once on this machine, never shown, logged or exported.
//!
//! Decides how a key is kept and which keyed hash is used: SipHash-2-4 with 128 bits. `docs/lists-mandatory.md` says why.

use std::fmt;
use std::fs::File;
use std::hash::Hasher;
use std::io::{self, Read};
use std::path::Path;

use siphasher::sip128::{Hasher128, SipHasher24};

use super::place;

/// Name of the key's file in the directory of mandatory lists.
pub(super) const FILE: &str = "key";
/// Bytes of a key: half for entries, half for the check sums of files.
pub const BYTES: usize = 32;

/// What an entry is kept as.
pub(super) type Tag = u128;

/// A key. Whoever has the files of the lists but not this cannot tell what is in them.
pub struct Key {
    names: SipHasher24,
    sums: SipHasher24,
    bytes: [u8; BYTES],
}

/// Shows nothing: the key is a secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.bytes == other.bytes
    }
}

impl Key {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; BYTES]) -> Key {
        let half = |from: usize| {
            let mut half = [0; 16];
            for (to, from) in half.iter_mut().zip(bytes.iter().skip(from)) {
                *to = *from;
            }
            SipHasher24::new_with_key(&half)
        };
        Key {
            names: half(0),
            sums: half(16),
            bytes: *bytes,
        }
    }

    /// The key of this machine; none when there is none yet.
    ///
    /// # Errors
    /// A file that cannot be read, or that is no key.
    pub(super) fn open(directory: &Path) -> io::Result<Option<Key>> {
        let mut file = match File::open(directory.join(FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = [0; BYTES];
        file.read_exact(&mut bytes)?;
        if file.read(&mut [0])? != 0 || bytes == [0; BYTES] {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no key"));
        }
        Ok(Some(Key::new(&bytes)))
    }

    /// Makes the key of this machine, in place of one that cannot be used.
    ///
    /// # Errors
    /// When the system has no randomness, or the file cannot be written.
    pub(super) fn make(directory: &Path) -> io::Result<Key> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|_| io::Error::other("the system has no randomness"))?;
        place::replace(directory, FILE, &bytes)?;
        Ok(Key::new(&bytes))
    }

    /// Begins the tag of something of this kind.
    #[inline]
    pub(super) fn tag(&self, kind: u8) -> Tagging {
        let mut hasher = self.names;
        hasher.write(&[kind]);
        Tagging(hasher)
    }

    /// The check sum of a file's bytes, or of a list's tags.
    pub(super) fn sum(&self, bytes: &[u8]) -> [u8; 16] {
        let mut hasher = self.sums;
        hasher.write(bytes);
        hasher.finish128().as_bytes()
    }
}

/// A tag in the making: each part of a path is fed once, and the tag of each prefix is a look on the way.
#[derive(Clone, Copy)]
pub(super) struct Tagging(SipHasher24);

impl Tagging {
    #[inline]
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// Adds text with ASCII letters in lower case.
    pub(super) fn add_caseless(&mut self, text: &[u8]) {
        let mut buffer = [0_u8; 64];
        for part in text.chunks(buffer.len()) {
            if let Some(lower) = buffer.get_mut(..part.len()) {
                lower.copy_from_slice(part);
                lower.make_ascii_lowercase();
                self.0.write(lower);
            }
        }
    }

    #[inline]
    pub(super) fn tag(&self) -> Tag {
        self.0.finish128().as_u128()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_tag_does_not_depend_on_how_its_text_was_cut_nor_on_letter_case_where_none_counts() {
        let key = Key::new(&[7; BYTES]);
        let text: Vec<u8> = (0..500_u32).map(|n| b'A' + (n % 26) as u8).collect();
        let mut whole = key.tag(1);
        whole.add(&text.to_ascii_lowercase());
        for size in [1, 3, 8, 63, 64, 65, 499] {
            let (mut cut, mut caseless) = (key.tag(1), key.tag(1));
            for part in text.chunks(size) {
                cut.add(&part.to_ascii_lowercase());
                caseless.add_caseless(part);
            }
            assert_eq!(cut.tag(), whole.tag(), "{size}");
            assert_eq!(caseless.tag(), whole.tag(), "{size}");
        }
        assert_ne!(key.tag(1).tag(), key.tag(2).tag());
        assert_ne!(key.tag(1).tag(), Key::new(&[8; BYTES]).tag(1).tag());
    }

    #[test]
    fn af_03_a_key_is_for_its_owner_alone_and_never_shown() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Key::open(directory.path()).unwrap(), None);
        let key = Key::make(directory.path()).unwrap();
        let file = directory.path().join(FILE);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(Key::open(directory.path()).unwrap().unwrap(), key);
        assert_eq!(format!("{key:?}"), "Key");
        for wrong in [&[1; BYTES - 1][..], &[1; BYTES + 1], &[0; BYTES], &[]] {
            std::fs::write(&file, wrong).unwrap();
            assert!(Key::open(directory.path()).is_err());
        }
    }
}
