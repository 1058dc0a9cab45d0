//! From rows to leaves: which field is in which disclosure group, and under which number (LM-38).
//!
//! The numbers and groups are a promise: a leaf that was signed must come out the same for as long as the row is kept. A new
//! column gets a new number; a number is never used again. A field that holds nothing — empty, or 0, `false` or no text where a
//! column always has a value — is left out, so a column that did not exist yet changes no leaf.

use std::sync::LazyLock;

use arrow::array::{Array, BooleanArray, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::{DataType, UInt16Type, UInt64Type};
use weir_evidence::{GROUPS, Hash, LeafMaker};

use crate::adapt::Cells;
use crate::record::{Col, columns};

/// Fields that are disclosed or withheld together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// That something happened: when, for how long, how it ended, how much.
    Row = 0,
    /// The person and how they are known; the device, its address and network, which point to the person as well.
    Who = 1,
    /// Where it went.
    Target = 2,
    /// What was decided, and by what.
    Decision = 3,
    /// What was looked at: every content-grade field, and no other.
    Content = 4,
}

/// Group and number of a column in the leaf; None for `seq`, which every leaf says openly.
///
/// A column that is not named here does not compile.
pub fn group_of(col: Col) -> Option<(Group, u8)> {
    Some(match col {
        Col::seq => return None,
        Col::node => (Group::Row, 1),
        Col::kind => (Group::Row, 2),
        Col::event => (Group::Row, 3),
        Col::time => (Group::Row, 4),
        Col::duration => (Group::Row, 5),
        Col::status => (Group::Row, 6),
        Col::error => (Group::Row, 7),
        Col::end => (Group::Row, 8),
        Col::bytes_up => (Group::Row, 9),
        Col::bytes_down => (Group::Row, 10),
        Col::note => (Group::Row, 11),
        Col::notice => (Group::Row, 12),
        Col::user => (Group::Who, 20),
        Col::groups => (Group::Who, 21),
        Col::profile => (Group::Who, 22),
        Col::identity => (Group::Who, 23),
        Col::identity_age => (Group::Who, 24),
        Col::confidence => (Group::Who, 25),
        Col::identity_expires => (Group::Who, 26),
        Col::device => (Group::Who, 30),
        Col::network => (Group::Who, 31),
        Col::client => (Group::Who, 32),
        Col::client_port => (Group::Who, 33),
        Col::listener => (Group::Who, 34),
        Col::method => (Group::Target, 40),
        Col::scheme => (Group::Target, 41),
        Col::host => (Group::Target, 42),
        Col::port => (Group::Target, 43),
        Col::origin => (Group::Target, 44),
        Col::sni => (Group::Target, 45),
        Col::ech => (Group::Target, 46),
        // The entry of a list often is the host.
        Col::entry => (Group::Target, 47),
        Col::initiator => (Group::Target, 48),
        Col::inspected => (Group::Target, 49),
        Col::verdict => (Group::Decision, 60),
        Col::rule => (Group::Decision, 61),
        Col::category => (Group::Decision, 62),
        Col::categories => (Group::Decision, 63),
        Col::list => (Group::Decision, 64),
        Col::policy_version => (Group::Decision, 65),
        Col::lists_version => (Group::Decision, 66),
        Col::path => (Group::Content, 80),
        Col::term => (Group::Content, 81),
    })
}

/// One column as it stands in the leaf.
struct Place {
    col: Col,
    group: Group,
    id: u8,
    is_nullable: bool,
}

/// Every column but `seq`, by group and number.
fn places() -> &'static [Place] {
    static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| {
        let place = |(col, column): (&Col, &crate::Column)| {
            let (group, id) = group_of(*col)?;
            Some(Place {
                col: *col,
                group,
                id,
                is_nullable: column.nullable,
            })
        };
        let mut places: Vec<Place> = Col::ALL.iter().zip(columns()).filter_map(place).collect();
        places.sort_by_key(|place| (place.group, place.id));
        places
    });
    &PLACES
}

/// The values of a column.
enum Values<'a> {
    Text(&'a StringArray),
    Long(&'a [u64]),
    Short(&'a [u16]),
    MaybeInt(&'a UInt32Array),
    Moment(&'a [i64]),
    Flag(&'a BooleanArray),
}

impl<'a> Values<'a> {
    fn of(batch: &'a RecordBatch, col: Col) -> Option<Values<'a>> {
        let cells = Cells::new(batch);
        let column = batch.columns().get(col.index())?;
        Some(match column.data_type() {
            DataType::Utf8 => Values::Text(cells.text(col)?),
            DataType::UInt64 => Values::Long(cells.numbers::<UInt64Type>(col)?.values()),
            DataType::UInt16 => Values::Short(cells.numbers::<UInt16Type>(col)?.values()),
            DataType::UInt32 => Values::MaybeInt(cells.numbers(col)?),
            DataType::Timestamp(..) => Values::Moment(cells.times()?.values()),
            DataType::Boolean => Values::Flag(column.as_any().downcast_ref()?),
            _ => return None,
        })
    }

    /// Puts the value of a row into the leaf, unless it holds nothing.
    fn put(&self, row: usize, place: &Place, maker: &mut LeafMaker) -> Result<(), String> {
        let id = place.id;
        let put = match self {
            Values::Text(texts) if texts.is_valid(row) => {
                let text = texts.value(row);
                if text.is_empty() && !place.is_nullable {
                    return Ok(());
                }
                maker.field(id, text.as_bytes())
            }
            Values::MaybeInt(numbers) if numbers.is_valid(row) => {
                maker.field(id, &numbers.value(row).to_be_bytes())
            }
            Values::Flag(flags) if flags.is_valid(row) && flags.value(row) => maker.field(id, &[1]),
            Values::Long(numbers) => match numbers.get(row) {
                None | Some(0) => return Ok(()),
                Some(number) => maker.field(id, &number.to_be_bytes()),
            },
            Values::Short(numbers) => match numbers.get(row) {
                None | Some(0) => return Ok(()),
                Some(number) => maker.field(id, &number.to_be_bytes()),
            },
            Values::Moment(moments) => match moments.get(row) {
                None | Some(0) => return Ok(()),
                Some(moment) => maker.field(id, &moment.to_be_bytes()),
            },
            _ => return Ok(()),
        };
        put.map_err(|error| format!("{}: {error}", place.col.name()))
    }
}

/// Hands each row's number and leaf over, in the order of the batch, which must be one of [`crate::schema`].
///
/// # Errors
/// When a column is of another type, or a text longer than a leaf can say: no row that Weir wrote.
pub(crate) fn leaves(
    batch: &RecordBatch,
    maker: &mut LeafMaker,
    take: &mut dyn FnMut(usize, u64, Hash),
) -> Result<(), String> {
    let numbers = Cells::new(batch)
        .numbers::<UInt64Type>(Col::seq)
        .ok_or("seq is no number")?
        .values();
    let mut groups: [Vec<(&Place, Values<'_>)>; GROUPS] = Default::default();
    for place in places() {
        let values = Values::of(batch, place.col)
            .ok_or_else(|| format!("{} is of another type", place.col.name()))?;
        if let Some(group) = groups.get_mut(place.group as usize) {
            group.push((place, values));
        }
    }
    for (row, seq) in numbers.iter().enumerate() {
        maker.begin(*seq);
        for (number, fields) in (0..).zip(&groups) {
            maker.group(number);
            for (place, values) in fields {
                values.put(row, place, maker)?;
            }
        }
        take(row, *seq, maker.finish());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Grade;

    #[test]
    fn each_field_but_seq_has_a_number_of_its_own_and_content_a_group_of_its_own_lm_38() {
        let mut ids = std::collections::BTreeSet::new();
        for (col, column) in Col::ALL.iter().zip(columns()) {
            let Some((group, id)) = group_of(*col) else {
                assert_eq!(*col, Col::seq);
                continue;
            };
            assert!(ids.insert(id), "{id} stands twice");
            let is_content = column.grade == Grade::Content;
            assert_eq!(is_content, group == Group::Content, "{}", column.name);
        }
        assert_eq!(ids.len(), Col::ALL.len() - 1);
    }

    #[test]
    fn the_page_has_every_field_with_its_number_lm_29() {
        let page = include_str!("../../../docs/records-proof.md");
        for place in places() {
            let said = format!("{} {}", place.id, place.col.name());
            let row = format!("| {} ", place.group as usize);
            let is_there = page.lines().any(|line| {
                let fields = line.rsplit('|').nth(1).unwrap_or_default();
                line.starts_with(&row) && fields.split(',').any(|field| field.trim() == said)
            });
            assert!(
                is_there,
                "docs/records-proof.md lacks {said} in group {row}"
            );
        }
    }
}
