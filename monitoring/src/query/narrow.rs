//! Which segments of a period a search opens: those of which neither the index nor, where it does not know one, the footer tells that no row
//! of it can match.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use super::Matcher;
use crate::index::{self, Index, Periods, Wanted};
use crate::paths::{FileName, Period};
use crate::record::Col;
use crate::segment::Facts;
use crate::store::Store;

/// A sealed segment that may have rows that match.
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) facts: Facts,
}

/// A period: first the segments that its directory has, then those that a search opens.
pub(super) struct Day {
    pub(super) period: Period,
    pub(super) listed: Vec<(FileName, PathBuf)>,
    /// None until it was looked into.
    pub(super) segments: Option<Vec<Segment>>,
}

/// What was found of one day.
#[derive(Default)]
pub(super) struct Narrowed {
    pub(super) segments: Vec<Segment>,
    /// With what is wrong with them.
    pub(super) unreadable: Vec<(PathBuf, String)>,
}

/// What all days are asked.
pub(super) struct Narrowing {
    store: Store,
    from: i64,
    to: i64,
    kinds: Vec<&'static str>,
    wanted: Vec<Vec<(Col, Wanted)>>,
    text: Option<String>,
    /// Periods that have content which can be read; None when that cannot be told, so that none may be passed by.
    contents: Option<BTreeSet<Period>>,
    periods: Periods,
}

impl Narrowing {
    pub(super) fn new(store: &Store, matcher: &Matcher) -> Narrowing {
        let keys = matcher.text().is_some().then(|| {
            let keys = store.keys().and_then(crate::keys::Keys::all).ok()?;
            let keys = keys.into_iter().filter(|key| key.is_content);
            Some(keys.map(|key| key.period).collect())
        });
        let contents = keys.flatten();
        Narrowing {
            store: store.clone(),
            from: matcher.from,
            to: matcher.to,
            kinds: matcher.kinds().to_vec(),
            wanted: matcher.wanted(),
            text: matcher.text().map(str::to_owned),
            contents,
            periods: match matcher.to {
                i64::MAX => Periods::default(),
                _ => Periods::read(store),
            },
        }
    }

    /// The segments of a day that may have rows that match.
    pub(super) fn narrow(&self, day: &Day) -> Narrowed {
        let mut narrowed = Narrowed::default();
        let earliest = self.periods.earliest(day.period, &day.listed);
        if day.listed.is_empty() || earliest.is_some_and(|earliest| earliest >= self.to) {
            return narrowed;
        }
        let index = Index::read(&self.store, day.period);
        let entries = index.as_ref().map(Index::entries).unwrap_or_default();
        let marks = index
            .as_ref()
            .map(|index| self.marks(day.period, index))
            .unwrap_or_default();
        let known = entries.iter().zip(marks);
        let known: HashMap<&str, _> = known.map(|known| (known.0.name.as_str(), known)).collect();
        for (_, path) in &day.listed {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let facts = match known.get(name) {
                Some((_, false)) => continue,
                Some((entry, true)) => entry.facts(),
                None => match Facts::read(&self.store, path) {
                    Ok(facts) => facts,
                    Err(error) => {
                        narrowed.unreadable.push((path.clone(), error.to_string()));
                        continue;
                    }
                },
            };
            let is_of_time = facts.latest >= self.from && facts.earliest < self.to;
            if is_of_time && facts.may_have(&self.kinds) {
                let path = path.clone();
                narrowed.segments.push(Segment { path, facts });
            }
        }
        narrowed
    }

    /// Whether the segment of each entry may have a row that matches.
    fn marks(&self, period: Period, index: &Index) -> Vec<bool> {
        let count = index.entries().len();
        let mut marks = vec![true; count];
        let mut both = |own: Vec<bool>| {
            marks
                .iter_mut()
                .zip(own)
                .for_each(|(mark, own)| *mark &= own)
        };
        for any_of in &self.wanted {
            let mut own = vec![false; count];
            for (col, wanted) in any_of {
                index.mark(*col, wanted, &mut own);
            }
            both(own);
        }
        if let Some(text) = &self.text {
            let mut own = vec![false; count];
            let wanted = Wanted::Has(text.clone());
            for col in index::COLUMNS {
                index.mark(col, &wanted, &mut own);
            }
            self.mark_contents(period, index, text, &mut own);
            both(own);
        }
        marks
    }

    /// Content whose key was destroyed is as if it were not there.
    fn mark_contents(&self, period: Period, index: &Index, text: &str, marks: &mut [bool]) {
        let is_gone = self
            .contents
            .as_ref()
            .is_some_and(|all| !all.contains(&period));
        if is_gone || marks.iter().all(|mark| *mark) {
            return;
        }
        let contents = index::read_contents(&self.store, period).unwrap_or_default();
        for (entry, mark) in index.entries().iter().zip(marks) {
            let grams = contents.get(&entry.name);
            *mark |= entry.has_content && grams.is_none_or(|grams| grams.may_have(text));
        }
    }
}
