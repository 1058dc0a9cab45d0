//! Which rows match: the one meaning of a query, for journals and segments alike.

use std::collections::BTreeSet;

use arrow::array::{Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, TimestampMicrosecondType, UInt64Type};

use super::Query;
use super::person::Person;
use super::term::Known;
use super::withheld::names_case;
use crate::index::{self, Wanted};
use crate::record::Col;
use crate::scrub;

/// A query made ready to be asked of many batches.
#[derive(Clone, Debug)]
pub(crate) struct Matcher {
    /// Columns that must equal a text.
    equal: Vec<(Col, String)>,
    user: Option<Person>,
    /// Lists joined by commas of which one member must equal a text.
    members: Vec<(Col, String)>,
    kinds: Vec<&'static str>,
    pub(super) host: Option<HostFilter>,
    pub(super) event: Option<u64>,
    /// µs since the epoch, the second exclusive.
    pub(super) from: i64,
    pub(super) to: i64,
    /// A row matches from its begin to its end, not at its begin only.
    pub(super) is_lasting: bool,
    text: Option<String>,
    case: Option<String>,
}

/// A name, alone or with what is below it.
#[derive(Clone, Debug)]
pub(super) struct HostFilter {
    pub(super) name: String,
    /// `.name`; None for the name alone.
    below: Option<String>,
}

impl Matcher {
    pub(crate) fn new(query: &Query) -> Matcher {
        let stored = |text: &String| scrub::text(text, usize::MAX).into_owned();
        let equal = [
            (Col::device, query.device.as_ref().map(stored)),
            (Col::network, query.network.as_ref().map(stored)),
            (
                Col::client,
                query.client.map(|client| client.to_canonical().to_string()),
            ),
            (Col::rule, query.rule.as_ref().map(stored)),
            (
                Col::verdict,
                query.verdict.map(|verdict| verdict.as_str().to_owned()),
            ),
        ];
        let members = [
            (Col::groups, query.group.as_ref().map(stored)),
            (Col::categories, query.category.as_ref().map(stored)),
        ];
        let given = |(col, text): (Col, Option<String>)| text.map(|text| (col, text));
        Matcher {
            equal: equal.into_iter().filter_map(given).collect(),
            user: query.user.as_ref().map(|name| Person::new(&stored(name))),
            members: members.into_iter().filter_map(given).collect(),
            kinds: query.kinds.iter().map(|kind| kind.as_str()).collect(),
            host: query
                .host
                .as_ref()
                .map(|host| HostFilter::new(host, query.exact_host)),
            event: query.event.map(|event| event.0),
            from: query.from.map_or(i64::MIN, |from| from.as_microsecond()),
            to: query.to.map_or(i64::MAX, |to| to.as_microsecond()),
            is_lasting: false,
            text: query.text.as_ref().map(|text| text.to_lowercase()),
            case: query.case.as_ref().map(stored),
        }
    }

    /// The same, but a row also matches when it began before and lasted into the time asked for.
    pub(crate) fn lasting(mut self) -> Matcher {
        self.is_lasting = true;
        self
    }

    /// The kinds asked for; none for every kind.
    pub(super) fn kinds(&self) -> &[&'static str] {
        &self.kinds
    }

    /// The person asked for.
    pub(super) fn user(&self) -> Option<&Person> {
        self.user.as_ref()
    }

    /// The text that is looked for, in lower case.
    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// What the index of a period can be asked for: of each list one must be met.
    pub(super) fn wanted(&self) -> Vec<Vec<(Col, Wanted)>> {
        let is = |text: &str| Wanted::Is(text.to_lowercase());
        let mut all: Vec<Vec<(Col, Wanted)>> = self
            .equal
            .iter()
            .filter(|(col, _)| index::COLUMNS.contains(col))
            .map(|(col, text)| vec![(*col, is(text))])
            .collect();
        if let Some(person) = &self.user {
            all.push(vec![(Col::user, is(person.name()))]);
        }
        // Names are in their ASCII form, where small letters are small wherever they stand.
        if let Some(host) = self.host.as_ref().filter(|host| host.name.is_ascii()) {
            let name = host.name.clone();
            let wanted = match host.below {
                Some(_) => Wanted::Below(name),
                None => Wanted::Is(name),
            };
            all.push(
                [Col::host, Col::sni]
                    .map(|col| (col, wanted.clone()))
                    .into(),
            );
        }
        all
    }

    /// Columns of every filter but the text.
    pub(super) fn compared(&self) -> BTreeSet<&'static str> {
        let mut columns = vec![Col::time];
        columns.extend(self.equal.iter().map(|(col, _)| *col));
        columns.extend(self.members.iter().map(|(col, _)| *col));
        let more: [(bool, &[Col]); 7] = [
            (self.case.is_some(), &[Col::kind, Col::note]),
            (self.user.is_some(), &[Col::user]),
            (!self.kinds.is_empty(), &[Col::kind]),
            (self.host.is_some(), &[Col::host, Col::sni]),
            (self.event.is_some(), &[Col::event]),
            (self.is_lasting, &[Col::duration]),
            (
                self.members.iter().any(|(col, _)| *col == Col::categories),
                &[Col::category],
            ),
        ];
        columns.extend(
            more.into_iter()
                .filter(|(is_used, _)| *is_used)
                .flat_map(|(_, cols)| cols),
        );
        columns.into_iter().map(Col::name).collect()
    }

    /// Which rows match. A column that the batch does not have matches nothing.
    pub(crate) fn mask(&self, batch: &RecordBatch) -> BooleanArray {
        self.mask_of(batch, &mut Known::default())
    }

    /// The same for a batch whose searched columns may be dictionaries; `known` is of this file alone.
    pub(super) fn mask_of(&self, coded: &RecordBatch, known: &mut Known) -> BooleanArray {
        let plain = self.plain(coded);
        let batch = plain.as_ref().unwrap_or(coded);
        let mut keep = vec![true; batch.num_rows()];
        self.keep_time(batch, &mut keep);
        for (col, wanted) in &self.equal {
            retain(&mut keep, texts(batch, *col), |text| text == wanted);
        }
        if let Some(person) = &self.user {
            retain(&mut keep, texts(batch, Col::user), |name| person.is(name));
        }
        if let Some(event) = self.event {
            let events = numbers::<UInt64Type>(batch, Col::event);
            retain_rows(&mut keep, |row| {
                events.and_then(|events| events.values().get(row)) == Some(&event)
            });
        }
        if !self.kinds.is_empty() {
            retain(&mut keep, texts(batch, Col::kind), |kind| {
                self.kinds.contains(&kind)
            });
        }
        for (col, wanted) in &self.members {
            self.keep_member(batch, *col, wanted, &mut keep);
        }
        if let Some(host) = &self.host {
            let columns = [Col::host, Col::sni].map(|col| texts(batch, col));
            retain_rows(&mut keep, |row| {
                columns
                    .into_iter()
                    .any(|column| value(column, row).is_some_and(|name| host.covers(name)))
            });
        }
        if let Some(case) = &self.case {
            let [kinds, notes] = [Col::kind, Col::note].map(|col| texts(batch, col));
            retain_rows(&mut keep, |row| names_case(kinds, notes, row, case));
        }
        if let Some(text) = &self.text {
            known.retain(coded, text, &mut keep);
        }
        BooleanArray::from(keep)
    }

    /// The compared columns as plain ones, where one of them is a dictionary.
    fn plain(&self, batch: &RecordBatch) -> Option<RecordBatch> {
        let is_coded = |name: &&str| {
            let column = batch.column_by_name(name);
            column.is_some_and(|column| matches!(column.data_type(), DataType::Dictionary(..)))
        };
        let compared = self.compared();
        if !compared.iter().any(is_coded) {
            return None;
        }
        let columns = compared.into_iter().filter_map(|name| {
            let column = batch.column_by_name(name)?;
            let column = match column.data_type() {
                DataType::Dictionary(_, values) => cast(column, values).ok()?,
                _ => ArrayRef::clone(column),
            };
            Some((name, column))
        });
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
            .ok()
    }

    fn keep_time(&self, batch: &RecordBatch, keep: &mut [bool]) {
        let times = numbers::<TimestampMicrosecondType>(batch, Col::time);
        let durations = numbers::<UInt64Type>(batch, Col::duration).filter(|_| self.is_lasting);
        retain_rows(keep, |row| {
            let Some(&time) = times.and_then(|times| times.values().get(row)) else {
                return false;
            };
            let lasted = durations
                .and_then(|durations| durations.values().get(row))
                .copied()
                .unwrap_or(0);
            let end = time.saturating_add(i64::try_from(lasted).unwrap_or(i64::MAX));
            end >= self.from && time < self.to
        });
    }

    /// Groups are one list; a category may be among all of the target's, or the one that decided.
    fn keep_member(&self, batch: &RecordBatch, col: Col, wanted: &str, keep: &mut [bool]) {
        let lists = texts(batch, col);
        let deciding = if col == Col::categories {
            texts(batch, Col::category)
        } else {
            None
        };
        retain_rows(keep, |row| {
            value(lists, row).is_some_and(|list| list.split(',').any(|member| member == wanted))
                || value(deciding, row) == Some(wanted)
        });
    }
}

impl HostFilter {
    fn new(host: &str, is_exact: bool) -> HostFilter {
        let lower = host.to_ascii_lowercase();
        let name = lower.strip_suffix('.').unwrap_or(&lower).to_owned();
        let below = (!is_exact).then(|| format!(".{name}"));
        HostFilter { name, below }
    }

    /// The name itself, or one below it: whole labels only.
    fn covers(&self, host: &str) -> bool {
        host == self.name
            || self
                .below
                .as_ref()
                .is_some_and(|below| host.ends_with(below.as_str()))
    }

    pub(super) fn is_exact(&self) -> bool {
        self.below.is_none()
    }
}

fn texts(batch: &RecordBatch, col: Col) -> Option<&StringArray> {
    batch.column_by_name(col.name())?.as_any().downcast_ref()
}

fn numbers<T: ArrowPrimitiveType>(batch: &RecordBatch, col: Col) -> Option<&PrimitiveArray<T>> {
    batch.column_by_name(col.name())?.as_any().downcast_ref()
}

fn value(column: Option<&StringArray>, row: usize) -> Option<&str> {
    column
        .filter(|column| row < column.len() && column.is_valid(row))
        .map(|column| column.value(row))
}

fn retain(keep: &mut [bool], column: Option<&StringArray>, matches: impl Fn(&str) -> bool) {
    retain_rows(keep, |row| value(column, row).is_some_and(&matches));
}

fn retain_rows(keep: &mut [bool], matches: impl Fn(usize) -> bool) {
    for (row, keep) in keep.iter_mut().enumerate() {
        *keep = *keep && matches(row);
    }
}
