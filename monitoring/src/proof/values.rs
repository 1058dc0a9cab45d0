//! The values of a column as the fields of leaves: what of them is nothing, and their bytes.
//!
//! Which column has which number is decided in `leaf`.

use arrow::array::{Array, BooleanArray, RecordBatch, StringArray, UInt16Array, UInt32Array};
use arrow::datatypes::{DataType, UInt16Type, UInt64Type};
use weir_evidence::put_field;

use super::leaf::Place;
use crate::adapt::Cells;
use crate::coded::Texts;

/// The values of a column.
pub(super) enum Values<'a> {
    Text(&'a StringArray),
    Coded(CodedFields<'a>),
    Long(&'a [u64]),
    Short(&'a [u16]),
    MaybeInt(&'a UInt32Array),
}

impl<'a> Values<'a> {
    pub(super) fn of(batch: &'a RecordBatch, place: &Place) -> Option<Values<'a>> {
        let (cells, col) = (Cells::new(batch), place.col);
        let column = batch.columns().get(col.index())?;
        Some(match column.data_type() {
            DataType::Utf8 | DataType::Dictionary(..) => match cells.texts(col)? {
                Texts::Plain(texts) => Values::Text(texts),
                Texts::Coded(codes, texts) => Values::Coded(CodedFields::new(codes, texts, place)?),
            },
            DataType::UInt64 => Values::Long(cells.numbers::<UInt64Type>(col)?.values()),
            DataType::UInt16 => Values::Short(cells.numbers::<UInt16Type>(col)?.values()),
            DataType::UInt32 => Values::MaybeInt(cells.numbers(col)?),
            DataType::Boolean => {
                Values::Coded(CodedFields::flag(column.as_any().downcast_ref()?, place)?)
            }
            _ => return None,
        })
    }

    /// Whether no row has a value.
    pub(super) fn is_nothing(&self, rows: usize) -> bool {
        match self {
            Values::Text(texts) => texts.null_count() == rows,
            Values::Coded(coded) => coded.bytes.is_empty(),
            Values::MaybeInt(numbers) => numbers.null_count() == rows,
            Values::Long(_) | Values::Short(_) => false,
        }
    }

    pub(super) fn coded(&self) -> Option<&CodedFields<'a>> {
        match self {
            Values::Coded(coded) => Some(coded),
            _ => None,
        }
    }

    /// Gives the bytes of a row's value, unless it holds nothing.
    pub(super) fn put<E>(
        &self,
        row: usize,
        is_nullable: bool,
        mut field: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Values::Text(texts) if texts.is_valid(row) => match texts.value(row) {
                "" if !is_nullable => Ok(()),
                text => field(text.as_bytes()),
            },
            Values::Coded(coded) => match coded.get(row).split_at_checked(HEAD) {
                Some((_, text)) => field(text),
                None => Ok(()),
            },
            Values::MaybeInt(numbers) if numbers.is_valid(row) => {
                field(&numbers.value(row).to_be_bytes())
            }
            Values::Long(numbers) => match numbers.get(row) {
                None | Some(0) => Ok(()),
                Some(number) => field(&number.to_be_bytes()),
            },
            Values::Short(numbers) => match numbers.get(row) {
                None | Some(0) => Ok(()),
                Some(number) => field(&number.to_be_bytes()),
            },
            _ => Ok(()),
        }
    }
}

/// Number and length before the value of a field.
const HEAD: usize = 3;

/// A column of which few values differ: each of them as a field, made once a batch.
pub(super) struct CodedFields<'a> {
    codes: Codes<'a>,
    bytes: Vec<u8>,
    /// Where the field of each code ends; one that holds nothing is empty. The last code is that of no value.
    ends: Vec<usize>,
}

/// Of each row, which value it has.
enum Codes<'a> {
    Texts(&'a UInt16Array),
    Flags(&'a BooleanArray),
}

impl<'a> CodedFields<'a> {
    /// None when a text is longer than a field can say.
    fn new(codes: &'a UInt16Array, texts: &StringArray, place: &Place) -> Option<CodedFields<'a>> {
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(texts.len() + 2));
        ends.push(0);
        for text in texts {
            let text = text.unwrap_or_default();
            if place.is_nullable || !text.is_empty() {
                put_field(&mut bytes, place.id, text.as_bytes()).ok()?;
            }
            ends.push(bytes.len());
        }
        ends.push(bytes.len());
        let codes = Codes::Texts(codes);
        Some(CodedFields { codes, bytes, ends })
    }

    /// Of a flag: yes is a field.
    fn flag(flags: &'a BooleanArray, place: &Place) -> Option<CodedFields<'a>> {
        let mut bytes = Vec::new();
        put_field(&mut bytes, place.id, &[1]).ok()?;
        Some(CodedFields {
            ends: vec![0, 0, bytes.len(), bytes.len()],
            codes: Codes::Flags(flags),
            bytes,
        })
    }

    /// Values there are, none among them.
    pub(super) fn count(&self) -> usize {
        self.ends.len() - 1
    }

    #[inline]
    fn code(&self, row: usize) -> usize {
        let code = match self.codes {
            Codes::Texts(codes) => {
                let code = codes.values().get(row).filter(|_| codes.is_valid(row));
                code.map(|code| usize::from(*code))
            }
            Codes::Flags(flags) => {
                (row < flags.len() && flags.is_valid(row)).then(|| usize::from(flags.value(row)))
            }
        };
        code.unwrap_or(self.count() - 1)
    }

    /// Makes of the number of a combination that of the combination with this column: whoever calls knows that it stays in bounds.
    pub(super) fn add_to(&self, combined: &mut [u16]) {
        let count = self.count() as u16;
        let add = |combined: &mut u16, code: u16| {
            *combined = combined
                .wrapping_mul(count)
                .wrapping_add(code.min(count - 1));
        };
        match self.codes {
            Codes::Texts(codes) if codes.null_count() == 0 => {
                let rows = combined.iter_mut().zip(codes.values());
                rows.for_each(|(combined, code)| add(combined, *code));
            }
            _ => {
                let rows = combined.iter_mut().enumerate();
                rows.for_each(|(row, combined)| add(combined, self.code(row) as u16));
            }
        }
    }

    /// The field of a row; empty when the row has none.
    #[inline]
    pub(super) fn get(&self, row: usize) -> &[u8] {
        match self.ends.get(self.code(row)..) {
            Some([begin, end, ..]) => self.bytes.get(*begin..*end).unwrap_or_default(),
            _ => &[],
        }
    }
}
