//! Decides nothing about requests: the compiled lists of one layer, numbered among themselves. [`crate::layer`] fits the
//! numbers into those of an index.

use crate::addresses::Addresses;
use crate::bytes::Bytes;
use crate::expressions::Expressions;
use crate::keywords::Keywords;
use crate::report::Report;
use crate::table::{self, Table};
use crate::urls::Urls;

/// A category of a source, by their numbers within the store: what every entry carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreTag {
    pub(crate) category: u16,
    pub(crate) source: u16,
}

/// The lists of some sources, compiled. Does not change.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// Names of the sources.
    pub(crate) sources: Vec<String>,
    /// Names of their categories, sorted; the built-in ones are not among them.
    pub(crate) categories: Vec<String>,
    pub(crate) tags: Vec<StoreTag>,
    /// The distinct combinations of tags. A name holds the number of its combination.
    pub(crate) sets: Vec<Box<[u16]>>,
    pub(crate) entries: Regions,
    pub(crate) exceptions: Regions,
    pub(crate) expressions: Expressions,
    pub(crate) keywords: Keywords,
    /// What was read to make it.
    pub(crate) report: Report,
    /// A digest of the sources' names and content: 64 hexadecimal digits.
    pub(crate) version: String,
    /// What the sources' files looked like, where that was kept.
    pub(crate) stamp: Option<String>,
}

/// Names, networks, and hosts with paths, each with everything below it.
#[derive(Debug, Default)]
pub(crate) struct Regions {
    pub(crate) names: Table,
    /// Some name, or some host of a URL, is a whole top-level domain.
    pub(crate) top_levels: bool,
    pub(crate) addresses: Addresses,
    pub(crate) urls: Urls,
}

impl Regions {
    /// True when nothing can be in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.len() + self.addresses.len() + self.urls.len() == 0
    }

    /// Bytes of memory held.
    pub(crate) fn bytes(&self) -> usize {
        self.names.bytes() + self.addresses.bytes() + self.urls.bytes()
    }
}

/// [`Regions`] whose names' text may lie elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Flat {
    pub(crate) names: table::Parts,
    pub(crate) top_levels: bool,
    pub(crate) addresses: Addresses,
    pub(crate) urls: Urls,
}

impl Flat {
    /// Regions, with the text of the names.
    pub(crate) fn with(self, text: Bytes) -> Regions {
        Regions {
            names: self.names.with(text),
            top_levels: self.top_levels,
            addresses: self.addresses,
            urls: self.urls,
        }
    }
}
