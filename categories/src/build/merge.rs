//! Decides how the names of all chunks are brought together: in parts by the highest bits of their hashes, which cores sort
//! and merge beside each other, and of which only a few are in the works at a time. Millions of names are moved and compared
//! here, so what is kept of one is small: sixteen bytes a line of a list.

use std::sync::{Mutex, PoisonError};

use foldhash::{HashMap, HashMapExt};

use super::BuildError;
use super::parse::{Chunk, Key, PARTS, Parsed};
use super::spread::{in_order, spread};

/// The keys of a part, sorted by hash.
pub(super) struct Part {
    keys: Vec<Key>,
    /// Distinct hashes.
    pub(super) distinct: usize,
    /// Bytes of the names, repeated ones included.
    pub(super) bytes: u64,
}

/// A part as distinct names in the order of their hashes.
#[derive(Default)]
pub(super) struct Merged {
    pub(super) rows: Vec<Row>,
    /// The names, one after the other.
    pub(super) text: Vec<u8>,
    /// The distinct combinations of tags; rows have their numbers.
    pub(super) sets: Vec<Vec<u16>>,
    /// How many lines of a tag's list repeat others.
    pub(super) repeated: HashMap<u16, u64>,
    pub(super) top_levels: bool,
    pub(super) bytes: u64,
}

/// A name, whose text is in [`Merged::text`].
pub(super) struct Row {
    pub(super) hash: u64,
    pub(super) set: u16,
    pub(super) length: u8,
}

/// Takes the keys out of the chunks, part by part.
pub(super) fn sorted(parsed: &mut [Parsed]) -> Vec<Part> {
    let mut parts: Vec<Vec<Vec<Key>>> = vec![Vec::new(); PARTS];
    for parsed in parsed {
        let of_chunk = std::mem::take(&mut parsed.parts);
        for (all, keys) in parts.iter_mut().zip(of_chunk) {
            all.push(keys);
        }
    }
    let parts: Vec<Mutex<Vec<Vec<Key>>>> = parts.into_iter().map(Mutex::new).collect();
    spread(
        &parts,
        |part| {
            let chunks = std::mem::take(&mut *part.lock().unwrap_or_else(PoisonError::into_inner));
            let mut keys = Vec::with_capacity(chunks.iter().map(Vec::len).sum());
            // Each chunk's keys are given back as soon as they are copied.
            chunks
                .into_iter()
                .for_each(|mut chunk| keys.append(&mut chunk));
            keys.sort_unstable_by_key(|key| key.hash);
            Part {
                distinct: keys.chunk_by(|a, b| a.hash == b.hash).count(),
                bytes: keys.iter().map(|key| key.length() as u64).sum(),
                keys,
            }
        },
        &mut |_| {},
    )
}

/// Merges every part and gives `take` each in order.
pub(super) fn merged(
    parts: &[Part],
    chunks: &[Chunk<'_>],
    parsed: &[Parsed],
    mut take: impl FnMut(Merged) -> Result<(), BuildError>,
) -> Result<(), BuildError> {
    in_order(
        parts,
        |part| one(part, chunks, parsed),
        |merged| take(merged?),
    )
}

fn one(part: &Part, chunks: &[Chunk<'_>], parsed: &[Parsed]) -> Result<Merged, BuildError> {
    let mut merged = Merged {
        rows: Vec::with_capacity(part.distinct),
        text: Vec::with_capacity(usize::try_from(part.bytes).unwrap_or(0)),
        bytes: part.bytes,
        ..Merged::default()
    };
    let mut numbers: HashMap<Vec<u16>, u16> = HashMap::new();
    let mut names: Vec<(&[u8], u16)> = Vec::new();
    let mut tags: Vec<u16> = Vec::new();
    for run in part.keys.chunk_by(|a, b| a.hash == b.hash) {
        let Some(first) = run.first() else { continue };
        names.clear();
        names.extend(run.iter().filter_map(|key| named(key, chunks, parsed)));
        if names.len() > 1 {
            // Names with one hash are the same name, but for rare chance.
            names.sort_unstable();
        }
        for same in names.chunk_by(|a, b| a.0 == b.0) {
            let Some((name, _)) = same.first() else {
                continue;
            };
            tags.clear();
            for (_, tag) in same {
                if tags.last() == Some(tag) {
                    *merged.repeated.entry(*tag).or_default() += 1;
                } else {
                    tags.push(*tag);
                }
            }
            let set = match numbers.get(&tags) {
                Some(number) => *number,
                None => {
                    let number = u16::try_from(merged.sets.len()).map_err(|_| {
                        BuildError::TooMany("combinations of categories on one name")
                    })?;
                    numbers.insert(tags.clone(), number);
                    merged.sets.push(tags.clone());
                    number
                }
            };
            merged.top_levels |= memchr::memchr(b'.', name).is_none();
            merged.text.extend_from_slice(name);
            merged.rows.push(Row {
                hash: first.hash,
                set,
                length: u8::try_from(name.len()).map_err(|_| BuildError::TooLong)?,
            });
        }
    }
    Ok(merged)
}

fn named<'a>(key: &Key, chunks: &[Chunk<'a>], parsed: &'a [Parsed]) -> Option<(&'a [u8], u16)> {
    let chunk = chunks.get(key.chunk())?;
    let side = &parsed.get(key.chunk())?.side;
    Some((key.name(chunk, side), chunk.tag))
}
