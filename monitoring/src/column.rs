//! Columns: how a value becomes an Arrow cell, and which grade decides whether it may (LM-04, LM-07).
//!
//! A column can only be appended to through [`Graded`], so a field without a grade does not compile, and a content-grade
//! field takes only what came through the gate of `content`. Which columns there are is decided in `record`.

use std::borrow::Cow;
use std::fmt::Write;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;
use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, ArrowPrimitiveType, BooleanBuilder, PrimitiveBuilder, StringBuilder,
    TimestampMicrosecondBuilder, UInt64Builder,
};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;

use crate::coded::{self, CodedBuilder};
use crate::content::Kept;
use crate::event::EventId;
use crate::scrub;
use crate::words::Word;

/// How sensitive a field is (LM-07): event grade tells that something happened, content grade what was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// Time, person, device, address, host, port, bytes, verdict, category, rule.
    Event,
    /// Path and search term.
    Content,
}

impl Grade {
    /// The word in the schema's field metadata.
    pub fn as_str(self) -> &'static str {
        match self {
            Grade::Event => "event",
            Grade::Content => "content",
        }
    }
}

/// One column as people read of it.
#[derive(Clone, Debug)]
pub struct Column {
    /// Name in journal, segment and export.
    pub name: &'static str,
    /// Arrow type at rest.
    pub data_type: DataType,
    /// Arrow type in a journal.
    pub(crate) journal_type: DataType,
    /// Whether it may be empty.
    pub nullable: bool,
    /// Grade of every value in it.
    pub grade: Grade,
    /// Unit or form.
    pub unit: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// Event grade as a type.
#[derive(Debug)]
pub(crate) enum Event {}

/// Content grade as a type.
#[derive(Debug)]
pub(crate) enum Content {}

/// A grade as a type.
pub(crate) trait Graduation {
    /// The same as a value.
    const GRADE: Grade;
}

impl Graduation for Event {
    const GRADE: Grade = Grade::Event;
}

impl Graduation for Content {
    const GRADE: Grade = Grade::Content;
}

/// A column under construction.
pub(crate) trait Cells: Default {
    /// Whether it may hold nothing.
    const NULLABLE: bool;

    /// Arrow type in segments, searches and exports.
    fn data_type() -> DataType;

    /// Arrow type in journals.
    fn journal_type() -> DataType {
        Self::data_type()
    }

    /// The finished column, of the type of journals; leaves an empty one behind.
    ///
    /// # Errors
    /// When Arrow finds it inconsistent.
    fn finish(&mut self) -> Result<ArrayRef, ArrowError>;
}

/// A column that may hold nothing.
pub(crate) trait Optional: Cells {
    fn put_none(&mut self);
}

/// A column that takes values of type `V`.
pub(crate) trait Put<V: ?Sized>: Cells {
    fn put(&mut self, value: &V);
}

/// The only way to append to a column: with its grade.
#[derive(Debug)]
pub(crate) struct Graded<G, C> {
    cells: C,
    grade: PhantomData<G>,
}

impl<G, C: Default> Default for Graded<G, C> {
    fn default() -> Graded<G, C> {
        Graded {
            cells: C::default(),
            grade: PhantomData,
        }
    }
}

impl<C: Cells> Graded<Event, C> {
    pub(crate) fn append<V: ?Sized>(&mut self, _flagged: bool, value: &V)
    where
        C: Put<V>,
    {
        self.cells.put(value);
    }
}

impl<C: Optional> Graded<Content, C> {
    /// Takes [`Kept`] and no other type: what did not come through the gate is no field of this grade.
    pub(crate) fn append(&mut self, flagged: bool, value: &Option<Kept>)
    where
        C: Put<Option<Kept>>,
    {
        if value.as_ref().is_some_and(|kept| kept.stays(flagged)) {
            self.cells.put(value);
        } else {
            self.cells.put_none();
        }
    }
}

impl<G: Graduation, C: Cells> Graded<G, C> {
    pub(crate) fn column(name: &'static str, unit: &'static str, doc: &'static str) -> Column {
        Column {
            name,
            data_type: C::data_type(),
            journal_type: C::journal_type(),
            nullable: C::NULLABLE,
            grade: G::GRADE,
            unit,
            doc: doc.trim_start(),
        }
    }

    /// # Errors
    /// When Arrow finds it inconsistent.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        self.cells.finish()
    }
}

/// A kind of column: its Arrow builder, whether it may hold nothing, and its type at rest.
macro_rules! cells {
    ($(#[$doc:meta])+ $name:ident [$($generics:tt)*] [$($arguments:tt)*] $builder:ty, $nullable:literal, $data_type:expr) => {
        $(#[$doc])+
        #[derive(Debug)]
        pub(crate) struct $name<$($generics)*>($builder);

        impl<$($generics)*> Default for $name<$($arguments)*> {
            fn default() -> Self {
                $name(<$builder>::default().with_data_type_of::<Self>())
            }
        }

        impl<$($generics)*> Cells for $name<$($arguments)*> {
            const NULLABLE: bool = $nullable;

            fn data_type() -> DataType {
                $data_type
            }

            fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
                let next = self.0.another().with_data_type_of::<Self>();
                Ok(Arc::new(std::mem::replace(&mut self.0, next).finish()))
            }
        }
    };
}

/// The same for texts of which few differ, which journals keep coded.
macro_rules! coded {
    ($(#[$doc:meta])+ $name:ident [$($generics:tt)*] [$($arguments:tt)*] $nullable:literal) => {
        $(#[$doc])+
        #[derive(Debug, Default)]
        pub(crate) struct $name<$($generics)*>(CodedBuilder);

        impl<$($generics)*> Cells for $name<$($arguments)*> {
            const NULLABLE: bool = $nullable;

            fn data_type() -> DataType {
                DataType::Utf8
            }

            fn journal_type() -> DataType {
                coded::data_type()
            }

            fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
                self.0.finish()
            }
        }
    };
}

/// Builders of columns.
trait Builder {
    /// Lets it learn its type from the column.
    fn with_data_type_of<C: Cells>(self) -> Self;

    /// An empty one with room for as much as this one holds: a batch mostly is as large as the one before, and a builder that
    /// grows copies what it has.
    fn another(&self) -> Self;
}

impl<T: ArrowPrimitiveType> Builder for PrimitiveBuilder<T> {
    fn with_data_type_of<C: Cells>(self) -> Self {
        self.with_data_type(C::data_type())
    }

    fn another(&self) -> Self {
        PrimitiveBuilder::with_capacity(self.len() + self.len() / 8)
    }
}

impl Builder for StringBuilder {
    fn with_data_type_of<C: Cells>(self) -> Self {
        self
    }

    fn another(&self) -> Self {
        let (rows, bytes) = (self.len(), self.values_slice().len());
        StringBuilder::with_capacity(rows + rows / 8, bytes + bytes / 8)
    }
}

impl Builder for BooleanBuilder {
    fn with_data_type_of<C: Cells>(self) -> Self {
        self
    }

    fn another(&self) -> Self {
        BooleanBuilder::with_capacity(self.len() + self.len() / 8)
    }
}

cells! {
    /// A number that is always there.
    Number [T: ArrowPrimitiveType] [T] PrimitiveBuilder<T>, false, T::DATA_TYPE
}
cells! {
    /// An event id, as its number.
    Id [] [] UInt64Builder, false, DataType::UInt64
}
cells! {
    /// A number that may be missing.
    MaybeNumber [T: ArrowPrimitiveType] [T] PrimitiveBuilder<T>, true, T::DATA_TYPE
}
cells! {
    /// A moment in microseconds since the epoch, UTC.
    Moment [] [] TimestampMicrosecondBuilder, false, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}
cells! {
    /// Yes or no.
    Flag [] [] BooleanBuilder, false, DataType::Boolean
}
coded! {
    /// One of a fixed list of words.
    OneOf [] [] false
}
coded! {
    /// A text that is always there and mostly the same; scrubbed, at most `BOUND` bytes.
    Text [const BOUND: usize] [BOUND] false
}
coded! {
    /// A text that may be missing and is the same in many rows; scrubbed, at most `BOUND` bytes.
    Repeated [const BOUND: usize] [BOUND] true
}
cells! {
    /// A text that may be missing; scrubbed, at most `BOUND` bytes.
    MaybeText [const BOUND: usize] [BOUND] StringBuilder, true, DataType::Utf8
}
cells! {
    /// A path that may be missing, without its secrets (LM-10), whoever filled it; scrubbed, at most `BOUND` bytes.
    MaybePath [const BOUND: usize] [BOUND] StringBuilder, true, DataType::Utf8
}
cells! {
    /// A search term that may be missing, without words that look like secrets (LM-10); scrubbed, at most `BOUND` bytes.
    MaybeTerm [const BOUND: usize] [BOUND] StringBuilder, true, DataType::Utf8
}
cells! {
    /// An IP address as text, so that every engine can show and compare it.
    Address [] [] StringBuilder, true, DataType::Utf8
}

impl<T: ArrowPrimitiveType> Put<T::Native> for Number<T> {
    fn put(&mut self, value: &T::Native) {
        self.0.append_value(*value);
    }
}

impl Put<EventId> for Id {
    fn put(&mut self, value: &EventId) {
        self.0.append_value(value.0);
    }
}

impl<T: ArrowPrimitiveType> Put<Option<T::Native>> for MaybeNumber<T> {
    fn put(&mut self, value: &Option<T::Native>) {
        self.0.append_option(*value);
    }
}

impl Put<i64> for Moment {
    fn put(&mut self, value: &i64) {
        self.0.append_value(*value);
    }
}

impl Put<bool> for Flag {
    fn put(&mut self, value: &bool) {
        self.0.append_value(*value);
    }
}

impl<W: Word> Put<W> for OneOf {
    fn put(&mut self, value: &W) {
        self.0.append(value.word(), Cow::Borrowed);
    }
}

impl<const BOUND: usize> Put<str> for Text<BOUND> {
    fn put(&mut self, value: &str) {
        self.0.append(value, |value| scrub::text(value, BOUND));
    }
}

impl<const BOUND: usize, S: Deref<Target = str>> Put<Option<S>> for Repeated<BOUND> {
    fn put(&mut self, value: &Option<S>) {
        match value.as_deref() {
            Some(value) => self.0.append(value, |value| scrub::text(value, BOUND)),
            None => self.0.append_null(),
        }
    }
}

impl<const BOUND: usize, S: Deref<Target = str>> Put<Option<S>> for MaybeText<BOUND> {
    fn put(&mut self, value: &Option<S>) {
        self.0
            .append_option(value.as_deref().map(|value| scrub::text(value, BOUND)));
    }
}

impl<const BOUND: usize, S: Deref<Target = str>> Put<Option<S>> for MaybePath<BOUND> {
    fn put(&mut self, value: &Option<S>) {
        let value = value.as_deref().map(scrub::path);
        self.0
            .append_option(value.as_deref().map(|value| scrub::text(value, BOUND)));
    }
}

impl<const BOUND: usize, S: Deref<Target = str>> Put<Option<S>> for MaybeTerm<BOUND> {
    fn put(&mut self, value: &Option<S>) {
        let value = value.as_deref().map(scrub::term);
        self.0
            .append_option(value.as_deref().map(|value| scrub::text(value, BOUND)));
    }
}

impl<const BOUND: usize> Optional for MaybeTerm<BOUND> {
    fn put_none(&mut self) {
        self.0.append_null();
    }
}

impl<const BOUND: usize> Optional for MaybePath<BOUND> {
    fn put_none(&mut self) {
        self.0.append_null();
    }
}

impl<const BOUND: usize> Optional for MaybeText<BOUND> {
    fn put_none(&mut self) {
        self.0.append_null();
    }
}

impl Put<Option<IpAddr>> for Address {
    fn put(&mut self, value: &Option<IpAddr>) {
        let Some(address) = value else {
            self.0.append_null();
            return;
        };
        match address.to_canonical() {
            IpAddr::V4(address) => self.0.append_value(Dotted::new(address).as_str()),
            IpAddr::V6(address) => {
                // The builder is a writer that never fails; the empty value closes the cell.
                let _ = write!(self.0, "{address}");
                self.0.append_value("");
            }
        }
    }
}

/// An IPv4 address as text, without the machinery of `Display`: every row has two, and they took a twentieth of its cost.
struct Dotted {
    bytes: [u8; 15],
    length: usize,
}

impl Dotted {
    fn new(address: Ipv4Addr) -> Dotted {
        let mut dotted = Dotted {
            bytes: [0; 15],
            length: 0,
        };
        for (at, octet) in address.octets().into_iter().enumerate() {
            if at > 0 {
                dotted.push(b'.');
            }
            if octet >= 100 {
                dotted.push(b'0' + octet / 100);
            }
            if octet >= 10 {
                dotted.push(b'0' + octet / 10 % 10);
            }
            dotted.push(b'0' + octet % 10);
        }
        dotted
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_everybody_writes_it() {
        for octet in 0..=255 {
            for address in [[octet, 0, 9, 255], [10, octet, octet, 1]] {
                let address = Ipv4Addr::from(address);
                assert_eq!(Dotted::new(address).as_str(), address.to_string());
            }
        }
    }
}
