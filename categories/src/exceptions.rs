//! Decides which entries an exception makes void.
//!
//! An entry of `<category>/exceptions` is a region: a name with everything below it, a network, or a host and path with
//! everything below. A request is in a region as it would fall under the same line of `domains` or `urls`; one whose path
//! nobody can see (a tunnel) is in no region with a path. Within its region an exception makes entries of its category void:
//!
//! - Of an imported source, or of the starter lists: all that the same source has, however long they are, expressions and keywords too.
//!   That is what `@@||x^` of AdBlock lists and passthru of RPZ zones mean. Other sources' entries stay.
//! - Of a list that people edit: all that imported and starter lists have, and of entries in such lists, in the same or
//!   another, those that are less exact than the exception. The entry wins a tie.
//!
//! More exact is the longer host (of networks: the longer prefix), then the longer path with query. Expressions and
//! keywords are less exact than anything.

use crate::index::Index;
use crate::layer::Tag;
use crate::urls::Address;
use crate::{CategorySet, Match, MatchKind};
use weir_host::Host;

/// How exact a region is: its host, then its path.
pub(crate) type Weight = (u16, u16);
/// Of expressions and keywords.
pub(crate) const LEAST: Weight = (0, 0);

/// An entry or exception that a target falls under.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) tag: Tag,
    pub(crate) kind: MatchKind,
    pub(crate) entry: String,
    pub(crate) weight: Weight,
}

impl Found {
    /// True when this exception makes `entry` void. Both hold the target.
    fn voids(&self, entry: &Found) -> bool {
        self.tag.category == entry.tag.category
            && match (self.tag.local, entry.tag.local) {
                (false, _) => self.tag.source == entry.tag.source,
                (true, false) => true,
                (true, true) => self.weight > entry.weight,
            }
    }
}

/// The entry of `exceptions` that makes a match void.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voided {
    /// The name of the source whose list has the exception.
    pub list: std::sync::Arc<str>,
    /// The exception, in normal form.
    pub entry: String,
}

impl Index {
    /// `found` without the categories that exceptions take from it. Most targets are in no exception's region.
    pub(crate) fn less_exceptions(
        &self,
        found: CategorySet,
        host: &Host,
        address: Option<&Address<'_>>,
    ) -> CategorySet {
        if found.is_empty() || !self.has_exceptions() {
            return found;
        }
        let exceptions = self.exceptions(host, address);
        if exceptions.is_empty() {
            return found;
        }
        let entries = self.entries(host, address).into_iter();
        entries
            .filter(|entry| !exceptions.iter().any(|exception| exception.voids(entry)))
            .map(|entry| entry.tag.category)
            .collect()
    }

    /// Entries as matches, each with the first exception that makes it void.
    pub(crate) fn told(&self, entries: Vec<Found>, exceptions: &[Found]) -> Vec<Match> {
        let told = |entry: Found| {
            let voided = exceptions.iter().find(|exception| exception.voids(&entry));
            let voided = voided.and_then(|exception| {
                Some(Voided {
                    list: self.source(exception.tag)?,
                    entry: exception.entry.clone(),
                })
            });
            Some(Match {
                category: entry.tag.category,
                list: self.source(entry.tag)?,
                kind: entry.kind,
                entry: entry.entry,
                voided,
            })
        };
        entries.into_iter().filter_map(told).collect()
    }
}
