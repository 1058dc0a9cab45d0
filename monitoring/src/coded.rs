//! Texts of which few differ: each once in a batch, and a number a row.
//!
//! Of the rows of a moment most have the same versions, rules, groups and words. A journal keeps those columns as Arrow
//! dictionaries, so that the writer scrubs, copies, encrypts and sealing sorts two bytes in place of a text. Every batch has
//! dictionaries of its own: a damaged one spoils no other. Segments, exports and searches have plain texts. What may stand
//! in a text is decided in `scrub`.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, DictionaryArray, PrimitiveBuilder, StringArray, StringBuilder, UInt16Array,
    UInt32Array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{DataType, UInt16Type, UInt32Type};
use arrow::error::ArrowError;
use foldhash::{HashMap, HashMapExt};

/// Number of a text in the dictionary of a batch. A batch has some thousand rows.
pub(crate) type Code = UInt16Type;

/// The code of no text.
const NO_CODE: u16 = u16::MAX;
/// The same among the texts of all batches.
const NO_TEXT: u32 = u32::MAX;
/// Texts that were met last are looked for among so many.
const RECENT: usize = 64;

/// Type of such a column in a journal.
pub(crate) fn data_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8))
}

/// A column under construction.
#[derive(Debug)]
pub(crate) struct CodedBuilder {
    codes: PrimitiveBuilder<Code>,
    texts: StringBuilder,
    /// Texts that were met, each where its look leads.
    recent: [(Look, u16); RECENT],
}

impl Default for CodedBuilder {
    fn default() -> CodedBuilder {
        CodedBuilder {
            codes: PrimitiveBuilder::new(),
            texts: StringBuilder::new(),
            recent: [(Look::NONE, NO_CODE); RECENT],
        }
    }
}

impl CodedBuilder {
    /// Adds a text as `scrub` lets it stand. Only one that stands as it came is found again.
    pub(crate) fn append<'a>(&mut self, raw: &'a str, scrub: impl FnOnce(&'a str) -> Cow<'a, str>) {
        let look = Look::of(raw);
        let place = look.place();
        if let Some((known, code)) = self.recent.get(place).copied()
            && known == look
            && (look.is_all() || self.text(code) == Some(raw.as_bytes()))
        {
            self.codes.append_value(code);
            return;
        }
        let text = scrub(raw);
        // One too many fails when the column is finished.
        let code = u16::try_from(self.count()).unwrap_or(NO_CODE);
        if matches!(text, Cow::Borrowed(_))
            && let Some(recent) = self.recent.get_mut(place)
        {
            *recent = (look, code);
        }
        self.texts.append_value(text);
        self.codes.append_value(code);
    }

    pub(crate) fn append_null(&mut self) {
        self.codes.append_null();
    }

    /// Texts so far.
    fn count(&self) -> usize {
        self.texts.offsets_slice().len() - 1
    }

    fn text(&self, code: u16) -> Option<&[u8]> {
        let offsets = self.texts.offsets_slice();
        let begin = *offsets.get(usize::from(code))?;
        let end = *offsets.get(usize::from(code) + 1)?;
        let range = usize::try_from(begin).ok()?..usize::try_from(end).ok()?;
        self.texts.values_slice().get(range)
    }

    /// The finished column; leaves an empty one behind, with room for as much.
    ///
    /// # Errors
    /// When there are more texts than codes.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let rows = self.codes.values_slice().len();
        let (count, bytes) = (self.count(), self.texts.values_slice().len());
        let next = CodedBuilder {
            codes: PrimitiveBuilder::with_capacity(rows + rows / 8),
            texts: StringBuilder::with_capacity(count + count / 8, bytes + bytes / 8),
            recent: [(Look::NONE, NO_CODE); RECENT],
        };
        let mut done = std::mem::replace(self, next);
        if count > usize::from(NO_CODE) {
            return Err(ArrowError::DictionaryKeyOverflowError);
        }
        let column = DictionaryArray::try_new(done.codes.finish(), Arc::new(done.texts.finish()))?;
        Ok(Arc::new(column))
    }
}

/// Length, beginning and end of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    first: u64,
    last: u64,
    length: usize,
}

impl Look {
    /// That of no text.
    const NONE: Look = Look {
        first: 0,
        last: 0,
        length: usize::MAX,
    };

    #[inline]
    fn of(text: &str) -> Look {
        let bytes = text.as_bytes();
        let (first, last) = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => (
                bytes
                    .iter()
                    .fold(0, |sum, byte| (sum << 8) | u64::from(*byte)),
                0,
            ),
        };
        Look {
            first,
            last,
            length: bytes.len(),
        }
    }

    /// Whether two texts that look so are the same: beginning and end are all of it.
    fn is_all(self) -> bool {
        self.length <= 16
    }

    fn place(self) -> usize {
        let mixed = (self.first ^ self.last.rotate_left(29) ^ self.length as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 48) as usize % RECENT
    }
}

/// A column of texts as it may lie in a batch: in full or coded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Texts<'a> {
    Plain(&'a StringArray),
    Coded(&'a UInt16Array, &'a StringArray),
}

impl<'a> Texts<'a> {
    /// None when the column is of another type.
    pub(crate) fn of(column: &'a dyn Array) -> Option<Texts<'a>> {
        if let Some(texts) = column.as_any().downcast_ref() {
            return Some(Texts::Plain(texts));
        }
        let coded: &DictionaryArray<Code> = column.as_any().downcast_ref()?;
        let texts = coded.values().as_any().downcast_ref()?;
        Some(Texts::Coded(coded.keys(), texts))
    }

    /// The text of a row; None when it has none, or there is no such row.
    pub(crate) fn get(self, row: usize) -> Option<&'a str> {
        let text = |texts: &'a StringArray, at: usize| {
            (at < texts.len() && texts.is_valid(at)).then(|| texts.value(at))
        };
        match self {
            Texts::Plain(texts) => text(texts, row),
            Texts::Coded(_, texts) => text(texts, usize::from(self.code(row)?)),
        }
    }

    /// Rows that have the same code have the same text; None when the row has none or the column is not coded.
    pub(crate) fn code(self, row: usize) -> Option<u16> {
        match self {
            Texts::Coded(codes, _) => {
                (row < codes.len() && codes.is_valid(row)).then(|| codes.value(row))
            }
            Texts::Plain(_) => None,
        }
    }

    /// Every text that a row has, once at least: those of a dictionary once, and with them, perhaps, some that no row has.
    pub(crate) fn each(self) -> impl Iterator<Item = &'a str> {
        match self {
            Texts::Plain(texts) | Texts::Coded(_, texts) => texts.iter().flatten(),
        }
    }
}

/// One column out of the coded columns of many batches: under one dictionary, in which each text stands once. Its rows are those
/// at these places of all batches, one after the other.
///
/// # Errors
/// When a part is no coded column, or a place is not there.
pub(crate) fn gather(
    parts: &[&dyn Array],
    order: &UInt32Array,
) -> Result<DictionaryArray<UInt32Type>, ArrowError> {
    let rows = parts.iter().map(|part| part.len()).sum();
    let mut codes: Vec<u32> = Vec::with_capacity(rows);
    let mut known: HashMap<&str, u32> = HashMap::new();
    let mut texts = StringBuilder::new();
    for part in parts {
        let Some(Texts::Coded(own, own_texts)) = Texts::of(*part) else {
            return Err(ArrowError::SchemaError("a column is not coded".to_owned()));
        };
        let joined: Vec<u32> = own_texts
            .iter()
            .map(|text| {
                let text = text.unwrap_or_default();
                let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
                *known.entry(text).or_insert_with(|| {
                    texts.append_value(text);
                    next
                })
            })
            .collect();
        let code = |code: &u16| joined.get(usize::from(*code)).copied().unwrap_or(NO_TEXT);
        match own.nulls() {
            None => codes.extend(own.values().iter().map(code)),
            Some(nulls) => {
                let rows = own.values().iter().zip(nulls);
                codes
                    .extend(rows.map(|(own, is_there)| if is_there { code(own) } else { NO_TEXT }));
            }
        }
    }
    let get = |at: &u32| codes.get(*at as usize).copied();
    let sorted: Option<Vec<u32>> = order.values().iter().map(get).collect();
    let mut sorted = sorted.ok_or(ArrowError::DictionaryKeyOverflowError)?;
    let is_there = |at: usize| sorted.get(at).is_some_and(|code| *code != NO_TEXT);
    let nulls = NullBuffer::new(BooleanBuffer::collect_bool(sorted.len(), is_there));
    let nulls = (nulls.null_count() > 0).then_some(nulls);
    if nulls.is_some() {
        let empty = |code: &mut u32| *code = if *code == NO_TEXT { 0 } else { *code };
        sorted.iter_mut().for_each(empty);
    }
    let codes = UInt32Array::try_new(sorted.into(), nulls)?;
    DictionaryArray::try_new(codes, Arc::new(texts.finish()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::scrub;
    use proptest::prelude::*;

    fn plain(raw: &str) -> Cow<'_, str> {
        scrub::text(raw, 64)
    }

    fn column(rows: &[Option<String>]) -> ArrayRef {
        let mut builder = CodedBuilder::default();
        for row in rows {
            match row {
                Some(text) => builder.append(text, plain),
                None => builder.append_null(),
            }
        }
        builder.finish().unwrap()
    }

    proptest! {
        #[test]
        fn what_is_coded_and_joined_are_the_texts_that_were_put_in(
            batches in prop::collection::vec(
                prop::collection::vec(prop::option::of("[ab\u{202e}]{0,12}|[a-b]{14,19}|same text|.{0,80}"), 0..40), 1..5),
        ) {
            let columns: Vec<ArrayRef> = batches.iter().map(|rows| column(rows)).collect();
            let mut expected = Vec::new();
            for (rows, column) in batches.iter().zip(&columns) {
                let rows: Vec<Option<String>> =
                    rows.iter().map(|row| row.as_deref().map(|row| plain(row).into_owned())).collect();
                let texts = Texts::of(column).unwrap();
                let read: Vec<Option<String>> = (0..rows.len()).map(|row| texts.get(row).map(str::to_owned)).collect();
                prop_assert_eq!(&read, &rows);
                expected.extend(rows);
            }
            let parts: Vec<&dyn Array> = columns.iter().map(|column| column.as_ref()).collect();
            // Backwards, and the first row once more.
            expected.reverse();
            expected.extend(expected.last().cloned());
            let rows: u32 = expected.len().saturating_sub(1).try_into().unwrap();
            let order = UInt32Array::from_iter_values((0..rows).rev().chain((rows > 0).then_some(0)));
            let joined = gather(&parts, &order).unwrap();
            prop_assert!(rows == 0 || gather(&parts, &UInt32Array::from_iter_values([rows])).is_err());
            let texts = joined.downcast_dict::<StringArray>().unwrap();
            let read: Vec<Option<String>> = texts.into_iter().map(|text| text.map(str::to_owned)).collect();
            prop_assert_eq!(read, expected);
            let distinct: std::collections::HashSet<_> = joined.values().as_any().downcast_ref::<StringArray>().unwrap().iter().collect();
            prop_assert_eq!(distinct.len(), joined.values().len());
        }
    }

    #[test]
    fn texts_that_repeat_stand_once_and_more_than_there_are_codes_are_an_error_and_no_other_text() {
        let repeated: Vec<Option<String>> = (0..5_000)
            .map(|row| Some(format!("rule-{}", row % 7)))
            .collect();
        let column = column(&repeated);
        let coded: &DictionaryArray<Code> = column.as_any().downcast_ref().unwrap();
        assert_eq!(coded.values().len(), 7);
        let mut builder = CodedBuilder::default();
        for row in 0..70_000 {
            builder.append(&format!("text-{row}"), plain);
        }
        // The 65,536th and those after it have no code of their own; they must not be taken for another.
        let read = builder.finish();
        assert!(read.is_err(), "{read:?}");
    }
}
