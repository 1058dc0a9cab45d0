//! Decides how a file of a compiled base is laid out: a head that says where everything is, sections, and check sums.

use std::io;

use thiserror::Error;
use twox_hash::XxHash3_64;

use crate::bytes::{u32_at, u64_at};

/// What the file begins with.
const MAGIC: [u8; 8] = *b"weirlist";
/// Changes with every change of the layout, of [`crate::hash`] or of the table.
const FORMAT: u32 = 2;
/// Bytes of the head; the sections follow.
pub(super) const HEAD: usize = 4096;
/// Bytes under one check sum.
pub(super) const BLOCK: usize = 256 << 10;
const SUM_AT: usize = HEAD - 8;
const SECTIONS_AT: usize = 40;
const SECTION: usize = 24;
const SECTIONS_MAX: usize = (SUM_AT - SECTIONS_AT) / SECTION;

/// Why a file is not used. Weir compiles the sources again then.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be read, or is not there.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Another kind of file, or of another version of Weir.
    #[error("made by another version, or no index at all")]
    Foreign,
    /// A check sum, a length or what they cover is wrong.
    #[error("damaged: {0}")]
    Damaged(&'static str),
}

/// What a section holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// [`super::meta::Meta`] as JSON.
    Meta = 1,
    /// [`crate::table::Parts`].
    Names = 16,
    /// The names' text, in the order of the buckets.
    Text = 17,
    /// [`crate::addresses::Addresses`].
    Addresses = 18,
    /// Hosts of URLs.
    Groups = 19,
    /// URLs.
    Urls = 20,
    /// The URLs' text.
    UrlText = 21,
    /// Keywords.
    Keywords = 22,
}

/// Added to a kind for the sections of exceptions.
pub(super) const EXCEPTIONS: u32 = 16;

/// A part of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) kind: u32,
    pub(super) start: u64,
    pub(super) length: u64,
}

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// End of the sections, start of the blocks' sums.
    pub(super) end: u64,
    /// Sum of the blocks' sums.
    pub(super) sums: u64,
    pub(super) sections: Vec<Section>,
}

impl Head {
    /// Blocks between the head and `end`.
    pub(super) fn blocks(&self) -> u64 {
        self.end.saturating_sub(HEAD as u64).div_ceil(BLOCK as u64)
    }

    fn length(&self) -> u64 {
        self.end.saturating_add(self.blocks().saturating_mul(8))
    }

    pub(super) fn write(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        let numbers = [
            u64::from(self.sections.len() as u32) << 32 | u64::from(FORMAT),
            self.length(),
            self.end,
            self.sums,
        ];
        let sections = self.sections.iter().take(SECTIONS_MAX);
        let sections = sections.flat_map(|s| [u64::from(s.kind), s.start, s.length]);
        let (words, _) = head.as_chunks_mut::<8>();
        let all = [u64::from_le_bytes(MAGIC)]
            .into_iter()
            .chain(numbers)
            .chain(sections);
        for (word, number) in words.iter_mut().zip(all) {
            *word = number.to_le_bytes();
        }
        let sum = sum(&head[..SUM_AT]);
        head[SUM_AT..].copy_from_slice(&sum.to_le_bytes());
        head
    }

    /// Reads the head of a file of `length` bytes.
    pub(super) fn read(head: &[u8; HEAD], length: u64) -> Result<Head, FileError> {
        let short = FileError::Damaged("it is cut off");
        if !head.starts_with(&MAGIC) || u32_at(head, 8) != Some(FORMAT) {
            return Err(FileError::Foreign);
        }
        if u64_at(head, SUM_AT) != Some(sum(&head[..SUM_AT])) {
            return Err(FileError::Damaged("the check sum of its head"));
        }
        let count = u32_at(head, 12).map_or(0, |count| count as usize);
        let number = |at| u64_at(head, at).unwrap_or_default();
        let found = Head {
            end: number(24),
            sums: number(32),
            sections: (0..count.min(SECTIONS_MAX))
                .map(|n| SECTIONS_AT + n * SECTION)
                .map(|at| Section {
                    kind: u32_at(head, at).unwrap_or_default(),
                    start: number(at + 8),
                    length: number(at + 16),
                })
                .collect(),
        };
        let within = |s: &Section| {
            let end = s.start.checked_add(s.length);
            s.start >= HEAD as u64 && end.is_some_and(|end| end <= found.end)
        };
        if number(16) != length || found.length() != length || found.end < HEAD as u64 {
            return Err(short);
        }
        if count > SECTIONS_MAX || !found.sections.iter().all(within) {
            return Err(FileError::Damaged("a part lies outside"));
        }
        Ok(found)
    }

    /// The section of a kind; an empty one when there is none.
    pub(super) fn section(&self, kind: u32) -> Section {
        let found = self.sections.iter().find(|section| section.kind == kind);
        found.copied().unwrap_or(Section {
            kind,
            start: HEAD as u64,
            length: 0,
        })
    }
}

/// The bytes with sums, length and marks put right, as far as there is a head; where its parts lie stays as it is.
pub(super) fn with_right_sums(bytes: &[u8]) -> Vec<u8> {
    let body = bytes.get(HEAD..).unwrap_or_default();
    let mut head = [0; HEAD];
    for (to, from) in head.iter_mut().zip(bytes) {
        *to = *from;
    }
    let number = |at| u64_at(&head, at).unwrap_or_default();
    let count = u32_at(&head, 12).map_or(0, |count| count as usize);
    let sections = (0..count.min(SECTIONS_MAX)).map(|n| SECTIONS_AT + n * SECTION);
    let sections = sections.map(|at| Section {
        kind: number(at) as u32,
        start: number(at + 8),
        length: number(at + 16),
    });
    // What was the sums' place is body now, for lengths to be wrong about.
    let sums: Vec<u8> = body
        .chunks(BLOCK)
        .flat_map(|block| sum(block).to_le_bytes())
        .collect();
    let head = Head {
        end: (HEAD + body.len()) as u64,
        sums: sum(&sums),
        sections: sections.collect(),
    };
    [&head.write(), body, &sums].concat()
}

/// XXH3, 64 bits.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_head_reads_back_and_no_other_bytes_do() {
        let section = |kind, start, length| Section {
            kind,
            start,
            length,
        };
        let head = Head {
            end: 9000,
            sums: 7,
            sections: vec![section(1, 4096, 4), section(17, 4100, 4900)],
        };
        let mut bytes = head.write();
        assert_eq!(Head::read(&bytes, 9008).unwrap(), head);
        assert!(Head::read(&bytes, 9007).is_err());
        for at in 0..HEAD {
            bytes[at] ^= 1;
            assert!(Head::read(&bytes, 9008).is_err(), "byte {at}");
            bytes[at] ^= 1;
        }
        for outside in [
            section(1, 0, 4),
            section(1, 4096, u64::MAX),
            section(1, 9000, 1),
        ] {
            let sections = vec![outside];
            let bytes = Head {
                sections,
                ..head.clone()
            }
            .write();
            assert!(Head::read(&bytes, 9008).is_err(), "{outside:?}");
        }
    }
}
