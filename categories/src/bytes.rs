//! Decides nothing: the bytes of an index, held in memory or part of a mapped file, behind one face.

use std::ops::Range;
use std::sync::Arc;

use crate::file::map::Mapping;

/// Bytes that do not change.
#[derive(Debug)]
pub(crate) enum Bytes {
    /// In memory of our own.
    Held(Box<[u8]>),
    /// A part of a mapped file.
    Mapped(Arc<Mapping>, Range<usize>),
}

impl Default for Bytes {
    fn default() -> Bytes {
        Bytes::Held(Box::default())
    }
}

impl Bytes {
    /// All of them; none where the file does not have that part.
    #[inline]
    pub(crate) fn all(&self) -> &[u8] {
        match self {
            Bytes::Held(bytes) => bytes,
            Bytes::Mapped(mapping, range) => mapping.bytes().get(range.clone()).unwrap_or_default(),
        }
    }

    /// Bytes of memory held: those of a mapping are the system's to take back.
    pub(crate) fn held(&self) -> usize {
        match self {
            Bytes::Held(bytes) => bytes.len(),
            Bytes::Mapped(..) => 0,
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes::Held(bytes.into_boxed_slice())
    }
}

/// The number in the `N` bytes at `at`.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// A 16-bit number, little-endian.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

/// A 32-bit number, little-endian.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// A 64-bit number, little-endian.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}
