//! Counting without looking: the most of a kind, and a summary of a time, from the few event columns that this needs.
//!
//! Decides what counts: requests and closed tunnels, each once. Content is not read, whatever the verdict (LM-04). What was looked
//! at is counted in navigations only where the initiator is known, and in nothing that an open connection would add to (LM-13).

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use arrow::array::{Array, BooleanArray, RecordBatch, StringArray, UInt64Array};
use serde::Serialize;

use super::sources::Sources;
use super::{Matcher, Query, SearchError, Searched};
use crate::record::Col;
use crate::words::{Initiator, Kind, UnknownWord};

/// Names that are told apart; requests of those that come later are counted together.
const NAMES: usize = 500_000;

/// What is ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Each category of the target; one request counts in all of them.
    Category,
    /// The host.
    Host,
    /// The person.
    User,
    /// The rule that decided.
    Rule,
    /// The device.
    Device,
}

impl By {
    /// All of them.
    pub const ALL: [By; 5] = [By::Category, By::Host, By::User, By::Rule, By::Device];

    /// The word on a command line.
    pub fn as_str(self) -> &'static str {
        match self {
            By::Category => "category",
            By::Host => "host",
            By::User => "user",
            By::Rule => "rule",
            By::Device => "device",
        }
    }

    /// Whether it ranks people, or machines that lead to one.
    pub fn is_of_people(self) -> bool {
        matches!(self, By::User | By::Device)
    }

    fn col(self) -> Col {
        match self {
            By::Category => Col::categories,
            By::Host => Col::host,
            By::User => Col::user,
            By::Rule => Col::rule,
            By::Device => Col::device,
        }
    }
}

impl std::str::FromStr for By {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<By, UnknownWord> {
        let found = By::ALL.into_iter().find(|by| by.as_str() == text);
        found.ok_or_else(|| UnknownWord::new("field to rank", text, &By::ALL.map(By::as_str)))
    }
}

/// Requests and bytes of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Requests and tunnels.
    pub requests: u64,
    /// Bytes from the clients.
    pub bytes_up: u64,
    /// Bytes to the clients.
    pub bytes_down: u64,
}

impl Sum {
    /// Bytes in both directions.
    pub fn bytes(self) -> u64 {
        self.bytes_up.saturating_add(self.bytes_down)
    }

    fn add(&mut self, up: u64, down: u64) {
        self.requests += 1;
        self.bytes_up = self.bytes_up.saturating_add(up);
        self.bytes_down = self.bytes_down.saturating_add(down);
    }
}

/// What a ranking found, in no order.
#[derive(Debug, Default)]
pub struct Ranked {
    /// By name.
    pub names: HashMap<String, Sum>,
    /// Requests without such a field.
    pub none: Sum,
    /// Requests of names beyond the bound.
    pub others: Sum,
    /// What was looked at.
    pub searched: Searched,
}

/// What a summary found.
#[derive(Debug, Default)]
pub struct Summary {
    /// Requests and bytes in all.
    pub all: Sum,
    /// By verdict.
    pub verdicts: BTreeMap<String, Sum>,
    /// In opaque tunnels, of which nothing but name, time and size is known.
    pub opaque: Sum,
    /// Requests that a person's going to a page made.
    pub navigations: u64,
    /// Requests of which it is not known what made them.
    pub unknown_initiator: u64,
    /// What was looked at.
    pub searched: Searched,
}

/// Counts requests and bytes by a field. The query's kinds and text do not matter.
///
/// # Errors
/// As [`super::search`].
pub fn rank(directory: &Path, query: &Query, by: By) -> Result<Ranked, SearchError> {
    let mut ranked = Ranked::default();
    let columns = [by.col(), Col::bytes_up, Col::bytes_down];
    ranked.searched = walk(directory, query, &columns, &mut |batch| {
        let keys = texts(batch, by.col());
        let (ups, downs) = (
            numbers(batch, Col::bytes_up),
            numbers(batch, Col::bytes_down),
        );
        for row in 0..batch.num_rows() {
            let (up, down) = (number_at(ups, row), number_at(downs, row));
            let mut is_named = false;
            let names = text_at(keys, row).unwrap_or_default();
            let one = [names];
            let split = names.split(',');
            let names: &mut dyn Iterator<Item = &str> = if by == By::Category {
                &mut { split }
            } else {
                &mut one.into_iter()
            };
            for name in names.filter(|name| !name.is_empty()) {
                is_named = true;
                let has_room = ranked.names.len() < NAMES;
                match ranked.names.get_mut(name) {
                    Some(sum) => sum.add(up, down),
                    None if has_room => {
                        ranked
                            .names
                            .entry(name.to_owned())
                            .or_default()
                            .add(up, down);
                    }
                    None => ranked.others.add(up, down),
                }
            }
            if !is_named {
                ranked.none.add(up, down);
            }
        }
    })?;
    Ok(ranked)
}

/// Sums up verdicts, bytes, the share that nobody could look into, and navigations. The query's kinds and text do not matter.
///
/// # Errors
/// As [`super::search`].
pub fn summarise(directory: &Path, query: &Query) -> Result<Summary, SearchError> {
    let mut summary = Summary::default();
    let columns = [
        Col::verdict,
        Col::bytes_up,
        Col::bytes_down,
        Col::inspected,
        Col::initiator,
    ];
    summary.searched = walk(directory, query, &columns, &mut |batch| {
        let verdicts = texts(batch, Col::verdict);
        let initiators = texts(batch, Col::initiator);
        let inspected: Option<&BooleanArray> = batch
            .column_by_name(Col::inspected.name())
            .and_then(|column| column.as_any().downcast_ref());
        let (ups, downs) = (
            numbers(batch, Col::bytes_up),
            numbers(batch, Col::bytes_down),
        );
        for row in 0..batch.num_rows() {
            let (up, down) = (number_at(ups, row), number_at(downs, row));
            summary.all.add(up, down);
            let verdict = text_at(verdicts, row).unwrap_or("none");
            match summary.verdicts.get_mut(verdict) {
                Some(sum) => sum.add(up, down),
                None => summary
                    .verdicts
                    .entry(verdict.to_owned())
                    .or_default()
                    .add(up, down),
            }
            if !inspected.is_some_and(|flags| row < flags.len() && flags.value(row)) {
                summary.opaque.add(up, down);
            }
            match text_at(initiators, row) {
                Some(word) if word == Initiator::Navigation.as_str() => summary.navigations += 1,
                Some(word) if word != Initiator::Unknown.as_str() => {}
                _ => summary.unknown_initiator += 1,
            }
        }
    })?;
    Ok(summary)
}

/// Hands over the columns asked for of every request and closed tunnel that matches, in no order.
fn walk(
    directory: &Path,
    query: &Query,
    columns: &[Col],
    each: &mut dyn FnMut(&RecordBatch),
) -> Result<Searched, SearchError> {
    let query = Query {
        // A tunnel and a long request have an opening row besides.
        kinds: vec![Kind::Request, Kind::TunnelClose],
        // A text would be looked for in content.
        text: None,
        ..query.clone()
    };
    let matcher = Matcher::new(&query);
    let mut sources = Sources::open(directory, &matcher)?;
    sources.walk(&matcher, columns, each)?;
    Ok(sources.finish())
}

fn texts(batch: &RecordBatch, col: Col) -> Option<&StringArray> {
    batch.column_by_name(col.name())?.as_any().downcast_ref()
}

fn numbers(batch: &RecordBatch, col: Col) -> Option<&UInt64Array> {
    batch.column_by_name(col.name())?.as_any().downcast_ref()
}

fn text_at(texts: Option<&StringArray>, row: usize) -> Option<&str> {
    texts
        .filter(|texts| row < texts.len() && texts.is_valid(row))
        .map(|texts| texts.value(row))
}

fn number_at(numbers: Option<&UInt64Array>, row: usize) -> u64 {
    numbers
        .and_then(|numbers| numbers.values().get(row))
        .copied()
        .unwrap_or(0)
}
