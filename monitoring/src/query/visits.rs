//! Counts visits: how often each host was asked for, and by how many people, without saying by whom.

use std::collections::HashMap;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;

use arrow::array::{Array, RecordBatch, StringArray};

use super::{Query, SearchError, Searched, search};
use crate::adapt::Cells;
use crate::record::Col;
use crate::store::Store;
use crate::words::Kind;

/// Hosts that are counted; those that come after are counted together.
const HOSTS: usize = 200_000;
/// Pairs of a host and a person that are told apart; beyond, people count as no more.
const PAIRS: usize = 4_000_000;

/// The visits to one host.
#[derive(Clone, Debug, Default)]
pub struct Visits {
    /// Requests and tunnels.
    pub visits: u64,
    /// People, or machines where nobody is known, as keyed hashes of this count alone.
    pub visitors: HashSet<u64>,
}

/// What a count found.
#[derive(Debug, Default)]
pub struct Counted {
    /// By host.
    pub hosts: HashMap<String, Visits>,
    /// Visits to hosts beyond the bound.
    pub others: u64,
    /// True when there were more people at hosts than are told apart.
    pub is_cut: bool,
    /// What was looked at.
    pub searched: Searched,
}

/// Counts the requests and tunnels that match; kinds of the query do not matter. Memory is bounded whatever matches.
///
/// # Errors
/// As [`search`].
pub fn visits(store: &Store, query: &Query) -> Result<Counted, SearchError> {
    let query = Query {
        // A tunnel has an opening row and a closing one.
        kinds: vec![Kind::Request, Kind::TunnelClose],
        ..query.clone()
    };
    let mut counted = Counted::default();
    let mut pairs = 0;
    // Of this count alone, so that nobody is known again in another.
    let keys = RandomState::new();
    let searched = search(store, &query, &mut |batch| {
        count(batch, &keys, &mut pairs, &mut counted);
        ControlFlow::Continue(())
    })?;
    counted.searched = searched;
    Ok(counted)
}

fn count(batch: &RecordBatch, keys: &RandomState, pairs: &mut usize, counted: &mut Counted) {
    let cells = Cells::new(batch);
    let Some(hosts) = cells.text(Col::host) else {
        return;
    };
    let who = [Col::user, Col::device, Col::client].map(|col| (col, cells.text(col)));
    for row in 0..batch.num_rows() {
        let Some(host) = text_at(Some(hosts), row) else {
            continue;
        };
        if !counted.hosts.contains_key(host) {
            if counted.hosts.len() >= HOSTS {
                counted.others += 1;
                continue;
            }
            counted.hosts.insert(host.to_owned(), Visits::default());
        }
        let Some(visits) = counted.hosts.get_mut(host) else {
            continue;
        };
        visits.visits += 1;
        let visitor = who
            .iter()
            .find_map(|(col, texts)| Some((col.name(), text_at(*texts, row)?)));
        let Some(visitor) = visitor.map(|visitor| keys.hash_one(visitor)) else {
            continue;
        };
        if *pairs < PAIRS {
            *pairs += usize::from(visits.visitors.insert(visitor));
        } else if !visits.visitors.contains(&visitor) {
            counted.is_cut = true;
        }
    }
}

fn text_at(texts: Option<&StringArray>, row: usize) -> Option<&str> {
    let texts = texts?;
    let there = row < texts.len() && texts.is_valid(row);
    there
        .then(|| texts.value(row))
        .filter(|text| !text.is_empty())
}
