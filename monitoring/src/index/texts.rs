//! The distinct texts of one column over one period, in lower case and sorted, and which segments have each.

use std::io;

use memchr::{memchr, memchr_iter, memmem, memrchr};

use super::packed::{Cursor, put_packed};

/// Segments that are told apart; where there are more, neighbours count as one.
pub(super) const LANES: u32 = 64;
/// Texts of a column that are kept, in bytes: of a segment whose texts go beyond it nothing is known.
const LARGEST: usize = 16 << 20;

/// What is looked for, in lower case.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// This text.
    Is(String),
    /// This name, or one below it.
    Below(String),
    /// A text in which this occurs.
    Has(String),
}

impl Wanted {
    fn text(&self) -> &str {
        match self {
            Wanted::Is(text) | Wanted::Below(text) | Wanted::Has(text) => text,
        }
    }

    fn is_met(&self, line: &[u8]) -> bool {
        match self {
            Wanted::Is(text) => line == text.as_bytes(),
            Wanted::Below(name) => line
                .strip_suffix(name.as_bytes())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with(b".")),
            Wanted::Has(_) => true,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    /// Each with a line feed behind it.
    lines: Vec<u8>,
    /// For each of them a bit for each lane that has it.
    lanes: Vec<u64>,
}

impl Texts {
    /// Adds the texts of a lane, sorted and none twice; false when there is no room for them.
    pub(super) fn add(&mut self, texts: &[String], lane: u64) -> bool {
        if texts.is_empty() {
            return true;
        }
        let mut merged = Texts::default();
        merged.lines.reserve(self.lines.len());
        merged.lanes.reserve(self.lanes.len());
        let mut own = lines(&self.lines).zip(&self.lanes).peekable();
        for text in texts {
            let text = text.as_bytes();
            while let Some((line, lanes)) = own.next_if(|(line, _)| *line < text) {
                merged.push(line, *lanes);
            }
            let before = own.next_if(|(line, _)| *line == text);
            merged.push(text, lane | before.map_or(0, |(_, lanes)| *lanes));
        }
        own.for_each(|(line, lanes)| merged.push(line, *lanes));
        let has_room = merged.lines.len() <= LARGEST;
        if has_room {
            *self = merged;
        }
        has_room
    }

    fn push(&mut self, line: &[u8], lanes: u64) {
        self.lines.extend_from_slice(line);
        self.lines.push(b'\n');
        self.lanes.push(lanes);
    }

    /// Two neighbouring lanes become one.
    pub(super) fn fold(&mut self) {
        for lanes in &mut self.lanes {
            let pairs = *lanes | *lanes >> 1;
            *lanes = (0..32).fold(0, |folded, bit| folded | (pairs >> (2 * bit) & 1) << bit);
        }
    }

    /// The lanes that have what is wanted.
    pub(super) fn find(&self, wanted: &Wanted) -> u64 {
        let needle = wanted.text().as_bytes();
        if needle.is_empty() {
            return u64::MAX;
        }
        let finder = memmem::Finder::new(needle);
        let part = |from: usize, to: usize| self.lines.get(from..to).unwrap_or_default();
        let (mut at, mut counted, mut number, mut found) = (0, 0, 0, 0);
        while let Some(hit) = finder.find(part(at, self.lines.len())) {
            let hit = at + hit;
            let begin = memrchr(b'\n', part(0, hit)).map_or(0, |before| before + 1);
            let end = memchr(b'\n', part(hit, self.lines.len()));
            let end = end.map_or(self.lines.len(), |after| hit + after);
            if wanted.is_met(part(begin, end)) {
                number += memchr_iter(b'\n', part(counted, begin)).count();
                counted = begin;
                found |= self.lanes.get(number).copied().unwrap_or(u64::MAX);
            }
            at = end + 1;
        }
        found
    }

    #[cfg(test)]
    pub(super) fn to_lines(&self) -> Vec<String> {
        let text = |line| String::from_utf8_lossy(line).into_owned();
        lines(&self.lines).map(text).collect()
    }

    pub(super) fn write(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        put_packed(bytes, &self.lines)?;
        // Byte by byte of all lanes: those that few segments have are nearly all zero.
        let place = |byte: u32| {
            self.lanes
                .iter()
                .map(move |lanes| (lanes >> (8 * byte)) as u8)
        };
        let planes: Vec<u8> = (0..8).flat_map(place).collect();
        put_packed(bytes, &planes)
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Option<Texts> {
        let lines = cursor.packed()?;
        let planes = cursor.packed()?;
        let count = planes.len() / 8;
        let mut lanes = vec![0; count];
        for (byte, plane) in planes.chunks(count.max(1)).enumerate() {
            for (lanes, part) in lanes.iter_mut().zip(plane) {
                *lanes |= u64::from(*part).checked_shl(8 * byte as u32)?;
            }
        }
        (memchr_iter(b'\n', &lines).count() == count).then_some(Texts { lines, lanes })
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (line, after) = rest.split_at_checked(memchr(b'\n', rest)?)?;
        rest = after.get(1..).unwrap_or_default();
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Lanes = Vec<BTreeSet<String>>;
    type Test<'a> = &'a dyn Fn(&str) -> bool;

    fn made(segments: &Lanes) -> (Texts, u32) {
        let (mut texts, mut shift) = (Texts::default(), 0);
        for (ordinal, own) in segments.iter().enumerate() {
            while ordinal as u32 >> shift >= LANES {
                texts.fold();
                shift += 1;
            }
            let own: Vec<String> = own.iter().cloned().collect();
            assert!(texts.add(&own, 1 << (ordinal as u32 >> shift)));
        }
        (texts, shift)
    }

    proptest! {
        #[test]
        fn every_segment_that_has_a_text_is_found_and_with_few_segments_no_other(
            segments in prop::collection::vec(prop::collection::btree_set("[ab.é]{1,4}", 0..6), 1..150),
            text in "[ab.]{1,2}",
        ) {
            let (texts, shift) = made(&segments);
            let mut bytes = Vec::new();
            texts.write(&mut bytes).unwrap();
            let read = Texts::read(&mut Cursor::new(&bytes)).unwrap();
            prop_assert_eq!(&read, &texts);
            let below = format!(".{text}");
            let tests: [(Wanted, Test<'_>); 3] = [
                (Wanted::Is(text.clone()), &|own| own == text),
                (Wanted::Below(text.clone()), &|own| own == text || own.ends_with(&below)),
                (Wanted::Has(text.clone()), &|own| own.contains(&text)),
            ];
            for (wanted, has) in tests {
                let found = read.find(&wanted);
                for (ordinal, own) in segments.iter().enumerate() {
                    let is_found = found >> (ordinal as u32 >> shift) & 1 == 1;
                    let is_there = own.iter().any(|own| has(own));
                    prop_assert!(is_found || !is_there, "{wanted:?} in {ordinal}");
                    prop_assert!(shift > 0 || is_found == is_there, "{wanted:?} in {ordinal}");
                }
            }
        }
    }
}
