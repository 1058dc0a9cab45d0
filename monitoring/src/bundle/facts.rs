//! What a bundle says of its rows in short: counts, how the person was identified, and under which versions it was decided.
//!
//! Made of the rows that are shown, so whoever checks the bundle can make it again.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::UInt32Type;

use super::forms::{Identified, Versions};
use crate::adapt::Cells;
use crate::paths::moment;
use crate::record::Col;

/// Every way in which somebody was identified in these rows, the one with most rows first.
pub fn identified(rows: &RecordBatch) -> Vec<Identified> {
    type Key = [Option<String>; 5];
    let cells = Cells::new(rows);
    let ages = cells.numbers::<UInt32Type>(Col::identity_age);
    let mut found: BTreeMap<Key, Identified> = BTreeMap::new();
    for row in 0..rows.num_rows() {
        let text = |col| cells.str_at(col, row).map(str::to_owned);
        let key: Key = [
            Col::identity,
            Col::user,
            Col::device,
            Col::network,
            Col::client,
        ]
        .map(text);
        // Who was withheld leaves nothing to say.
        if key.iter().flatten().all(String::is_empty) {
            continue;
        }
        let time = moment(cells.time_at(row));
        let age = ages.filter(|ages| ages.is_valid(row));
        let age = age.map(|ages| u64::from(ages.value(row)));
        let [identity, user, device, network, client] = key.clone();
        let entry = found.entry(key).or_insert_with(|| Identified {
            identity: identity.unwrap_or_default(),
            user,
            device,
            network,
            client,
            rows: 0,
            first: time,
            last: time,
            oldest_identification: None,
        });
        entry.rows += 1;
        entry.first = entry.first.min(time);
        entry.last = entry.last.max(time);
        entry.oldest_identification = entry.oldest_identification.max(age);
    }
    let mut all: Vec<Identified> = found.into_values().collect();
    all.sort_by_key(|way| std::cmp::Reverse(way.rows));
    all
}

/// The versions under which these rows were decided (LM-34).
pub fn versions(rows: &RecordBatch, builds: &BTreeSet<String>) -> Versions {
    let cells = Cells::new(rows);
    let of = |col| {
        let texts: BTreeSet<String> = (0..rows.num_rows())
            .filter_map(|row| cells.str_at(col, row).map(str::to_owned))
            .collect();
        texts.into_iter().collect()
    };
    Versions {
        policies: of(Col::policy_version),
        lists: of(Col::lists_version),
        builds: builds.iter().cloned().collect(),
    }
}

/// How many rows have each word of a column.
pub(super) fn counted(rows: &RecordBatch, col: Col) -> BTreeMap<String, u64> {
    let cells = Cells::new(rows);
    let mut counts = BTreeMap::new();
    for row in 0..rows.num_rows() {
        let word = cells.str_at(col, row).unwrap_or_default();
        match counts.get_mut(word) {
            Some(count) => *count += 1,
            None => drop(counts.insert(word.to_owned(), 1)),
        }
    }
    counts
}
