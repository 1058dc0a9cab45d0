//! From rows to leaves: which field is in which disclosure group, and under which number (LM-38).
//!
//! The numbers and groups are a promise: a leaf that was signed must come out the same for as long as the row is kept. A new
//! column gets a new number; a number is never used again. `seq`, the time and the person's blinded tag stand in every leaf openly
//! and in no group. A field that holds nothing — empty, or 0, `false` or no text where a
//! column always has a value — is left out, so a column that did not exist yet changes no leaf.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::UInt64Type;
use weir_evidence::{GROUPS, Hash, LeafMaker, NO_FIELDS, Salts, Secret, Tag};

use super::names::{Names, Slot, Source};
use super::together::Steps;
use super::values::Values;
use crate::adapt::Cells;
use crate::coded::Texts;
use crate::record::{Col, columns};

/// Fields that are disclosed or withheld together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// That something happened: for how long, how it ended, how much, and what was decided under which versions.
    Row = 0,
    /// The person and how they are known; the device, its address and network, which point to the person as well.
    Who = 1,
    /// Where it went, and by which rule, category and entry that was found: those point to the address as well.
    Target = 2,
    /// What was looked at: every content-grade field, and no other.
    Content = 3,
}

impl Group {
    /// Every group, by its number.
    pub const ALL: [Group; GROUPS] = [Group::Row, Group::Who, Group::Target, Group::Content];

    /// The word in a bundle and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Group::Row => "row",
            Group::Who => "who",
            Group::Target => "target",
            Group::Content => "content",
        }
    }
}

/// Group and number of a column in the leaf; None for `seq` and `time`, which every leaf says openly.
///
/// A column that is not named here does not compile.
pub fn group_of(col: Col) -> Option<(Group, u8)> {
    Some(match col {
        Col::seq | Col::time => return None,
        Col::node => (Group::Row, 1),
        Col::kind => (Group::Row, 2),
        Col::event => (Group::Row, 3),
        Col::duration => (Group::Row, 5),
        Col::status => (Group::Row, 6),
        Col::error => (Group::Row, 7),
        Col::end => (Group::Row, 8),
        Col::bytes_up => (Group::Row, 9),
        Col::bytes_down => (Group::Row, 10),
        Col::note => (Group::Row, 11),
        Col::notice => (Group::Row, 12),
        Col::ech => (Group::Row, 46),
        Col::initiator => (Group::Row, 48),
        Col::inspected => (Group::Row, 49),
        Col::verdict => (Group::Row, 60),
        Col::policy_version => (Group::Row, 65),
        Col::lists_version => (Group::Row, 66),
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
        // The entry of a list often is the host.
        Col::entry => (Group::Target, 47),
        Col::rule => (Group::Target, 61),
        Col::category => (Group::Target, 62),
        Col::categories => (Group::Target, 63),
        Col::list => (Group::Target, 64),
        Col::path => (Group::Content, 80),
        Col::term => (Group::Content, 81),
    })
}

/// One column as it stands in the leaf.
pub(super) struct Place {
    pub(super) col: Col,
    group: Group,
    pub(super) id: u8,
    pub(super) is_nullable: bool,
}

/// Every column of a group, by group and number.
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

/// The fields of the rows of one batch, by group, as their commitments take them.
pub struct Fields<'a>([Vec<(&'static Place, Values<'a>)>; GROUPS]);

impl<'a> Fields<'a> {
    /// Of a batch of [`crate::schema`].
    ///
    /// # Errors
    /// When a column is of another type: no row that Weir wrote.
    pub fn new(batch: &'a RecordBatch) -> Result<Fields<'a>, String> {
        let mut groups: [Vec<(&Place, Values<'_>)>; GROUPS] = Default::default();
        for place in places() {
            let values = Values::of(batch, place)
                .ok_or_else(|| format!("{} is of another type", place.col.name()))?;
            if let Some(group) = groups.get_mut(place.group as usize) {
                group.push((place, values));
            }
        }
        Ok(Fields(groups))
    }

    /// The columns of a group, in order.
    pub(super) fn of(&self, group: Group) -> impl Iterator<Item = &Values<'a>> {
        let columns = self.0.get(group as usize).into_iter().flatten();
        columns.map(|(_, values)| values)
    }

    /// Gives the field that a row has in the column at this place of a group to the maker of its leaf.
    #[inline]
    pub(super) fn put(
        &self,
        group: Group,
        at: usize,
        row: usize,
        maker: &mut LeafMaker,
    ) -> Result<(), String> {
        let column = self.0.get(group as usize).and_then(|group| group.get(at));
        let Some((place, values)) = column else {
            return Ok(());
        };
        if let Values::Coded(coded) = values {
            maker.fields(coded.get(row));
            return Ok(());
        }
        values
            .put(row, place.is_nullable, |value| maker.field(place.id, value))
            .map_err(|error| format!("{}: {error}", place.col.name()))
    }

    /// Hands over number and value of each field of a group that a row has, in the order of the commitment.
    ///
    /// # Errors
    /// When `field` refuses one: its column and why.
    pub fn each<E: std::fmt::Display>(
        &self,
        group: Group,
        row: usize,
        mut field: impl FnMut(u8, &[u8]) -> Result<(), E>,
    ) -> Result<(), String> {
        for (place, values) in self.0.get(group as usize).into_iter().flatten() {
            values
                .put(row, place.is_nullable, |value| field(place.id, value))
                .map_err(|error| format!("{}: {error}", place.col.name()))?;
        }
        Ok(())
    }
}

/// Makes the leaves of the rows of one file.
#[derive(Debug)]
pub(crate) struct Leaves {
    /// Two, since two rows are hashed in little more than the time of one.
    makers: [LeafMaker; 2],
    names: Names,
    /// Commitments to content, which may be all that is left of it.
    contents: BTreeMap<u64, Hash>,
}

/// One leaf.
#[derive(Debug)]
pub(crate) struct Leaf<'a> {
    /// Place in the batch.
    pub(crate) row: usize,
    pub(crate) seq: u64,
    pub(crate) time: i64,
    /// Whose; None when that cannot be told without the tag key.
    pub(crate) of: Option<(Slot, Tag)>,
    /// None when its tag is not known.
    pub(crate) hash: Option<Hash>,
    /// Has the commitments and salts of this row.
    pub(crate) maker: &'a LeafMaker,
}

impl Leaf<'_> {
    /// Number and commitment, when the row has content.
    pub(crate) fn content(&self) -> Option<(u64, Hash)> {
        let commitment = self.maker.commitment(Group::Content as u8);
        (commitment != NO_FIELDS).then_some((self.seq, commitment))
    }
}

impl Leaves {
    pub(crate) fn new(secret: Secret, names: Source) -> Leaves {
        Leaves::with(Salts::Secret(secret), names, BTreeMap::new())
    }

    /// Of a file of which rows, or the content of some, may be gone.
    pub(crate) fn with(salts: Salts, names: Source, contents: BTreeMap<u64, Hash>) -> Leaves {
        let salts = Arc::new(salts);
        Leaves {
            makers: [0, 1].map(|_| LeafMaker::with(Arc::clone(&salts))),
            names: Names::new(names),
            contents,
        }
    }

    /// Hands each row's leaf over, in the order of the batch, which must be one of [`crate::schema`].
    ///
    /// # Errors
    /// When a column is of another type, or a text longer than a leaf can say: no row that Weir wrote.
    pub(crate) fn of(
        &mut self,
        batch: &RecordBatch,
        take: &mut dyn FnMut(Leaf<'_>),
    ) -> Result<(), String> {
        let cells = Cells::new(batch);
        let numbers = cells
            .numbers::<UInt64Type>(Col::seq)
            .ok_or("seq is no number")?
            .values();
        let times = cells.times().ok_or("time is no moment")?.values();
        let users = cells.texts(Col::user).ok_or("user is no text")?;
        let fields = Fields::new(batch)?;
        let mut steps = Steps::new(&fields, batch.num_rows());
        let Leaves {
            makers: [one, other],
            names,
            contents,
        } = self;
        let mut whose = Whose::new(users, names);
        let mut fill = |maker: &mut LeafMaker, row: usize| -> Result<Filled, String> {
            let seq = numbers.get(row).copied().unwrap_or_default();
            let time = times.get(row).copied().unwrap_or_default();
            let of = whose.find(row);
            maker.begin(seq, time, of.map_or(Tag::NONE, |(_, tag)| tag));
            if let Some(commitment) = contents.get(&seq) {
                maker.put(Group::Content as u8, commitment);
            }
            for group in Group::ALL {
                maker.group(group as u8);
                steps.put(group, row, maker)?;
            }
            Ok(Filled { row, seq, time, of })
        };
        let mut row = 0;
        while row + 1 < batch.num_rows() {
            let filled = [fill(one, row)?, fill(other, row + 1)?];
            let hashes = LeafMaker::finish_two(one, other);
            for ((filled, hash), maker) in filled.into_iter().zip(hashes).zip([&*one, &*other]) {
                take(filled.leaf(hash, maker));
            }
            row += 2;
        }
        if row < batch.num_rows() {
            let filled = fill(one, row)?;
            take(filled.leaf(one.finish(), one));
        }
        Ok(())
    }
}

/// A row whose fields its maker has.
struct Filled {
    row: usize,
    seq: u64,
    time: i64,
    of: Option<(Slot, Tag)>,
}

impl Filled {
    fn leaf(self, hash: Hash, maker: &LeafMaker) -> Leaf<'_> {
        let Filled { row, seq, time, of } = self;
        Leaf {
            row,
            seq,
            time,
            of,
            hash: of.map(|_| hash),
            maker,
        }
    }
}

/// Whose the rows of one batch are; a name that is coded is looked up once.
struct Whose<'a> {
    users: Texts<'a>,
    names: &'a mut Names,
    known: Vec<Option<(Slot, Tag)>>,
}

impl<'a> Whose<'a> {
    fn new(users: Texts<'a>, names: &'a mut Names) -> Whose<'a> {
        Whose {
            users,
            names,
            known: Vec::new(),
        }
    }

    fn find(&mut self, row: usize) -> Option<(Slot, Tag)> {
        let Some(code) = self.users.code(row).map(usize::from) else {
            return self.names.find(self.users.get(row));
        };
        if let Some(of) = self.known.get(code).copied().flatten() {
            return Some(of);
        }
        let of = self.names.find(self.users.get(row));
        self.known.resize(self.known.len().max(code + 1), None);
        if let Some(place) = self.known.get_mut(code) {
            *place = of;
        }
        of
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Grade;

    #[test]
    fn each_field_but_seq_and_time_has_a_number_of_its_own_and_content_a_group_of_its_own_lm_38() {
        let mut ids = std::collections::BTreeSet::new();
        for (col, column) in Col::ALL.iter().zip(columns()) {
            let Some((group, id)) = group_of(*col) else {
                assert!(matches!(col, Col::seq | Col::time));
                continue;
            };
            assert!(ids.insert(id), "{id} stands twice");
            let is_content = column.grade == Grade::Content;
            assert_eq!(is_content, group == Group::Content, "{}", column.name);
        }
        assert_eq!(ids.len(), Col::ALL.len() - 2);
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
