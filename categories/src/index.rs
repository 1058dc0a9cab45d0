//! Decides which categories an address is in, and by which entry of which list. Immutable: a change of any list is a new
//! index, and whoever asks keeps one for the whole of a request.
//!
//! It does not decide what becomes of a category (`weir-policy`), and it reads no files ([`crate::build`]).

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use weir_host::address::unwrapped;
use weir_host::{Host, normal_query};

use crate::addresses::Addresses;
use crate::category::{CategoryId, CategorySet, Names};
use crate::entry::MatchKind;
use crate::expressions::{self, Expressions};
use crate::hash;
use crate::table::Table;
use crate::urls::{Address, Urls};

/// Why a target is in a category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The category.
    pub category: CategoryId,
    /// The name of the source whose list has the entry.
    pub list: Arc<str>,
    /// The file of the category that has it.
    pub kind: MatchKind,
    /// The entry that matched, in normal form; an expression as it is written.
    pub entry: String,
}

/// How much there is of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Distinct names. A name in several categories or lists counts once.
    pub domains: usize,
    /// Distinct addresses and networks.
    pub addresses: usize,
    /// Entries of `urls`; one that several categories or lists have counts once for each.
    pub urls: usize,
    /// Expressions; one that several categories or lists have counts once for each.
    pub expressions: usize,
    /// Categories, the built-in ones apart.
    pub categories: usize,
    /// Sources.
    pub lists: usize,
}

/// A category of one source: what every entry carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tag {
    pub(crate) category: CategoryId,
    pub(crate) source: u16,
}

/// The distinct combinations of tags. A name holds the number of its combination.
#[derive(Debug, Default)]
pub(crate) struct Sets {
    /// Beside the tags, so that the common question reads nothing else.
    pub(crate) categories: Box<[CategorySet]>,
    pub(crate) tags: Box<[Box<[u16]>]>,
}

/// Millions of names, addresses, URLs and expressions with their categories, ready to be asked.
#[derive(Debug)]
pub struct Index {
    pub(crate) names: Names,
    pub(crate) sources: Vec<Arc<str>>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) sets: Sets,
    pub(crate) table: Table,
    /// Some list has a whole top-level domain.
    pub(crate) top_levels: bool,
    pub(crate) addresses: Addresses,
    pub(crate) urls: Urls,
    pub(crate) expressions: Vec<(u16, Expressions)>,
    pub(crate) version: String,
}

impl Index {
    /// The categories of this index: what rules may name.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// How much there is of everything.
    pub fn counts(&self) -> Counts {
        Counts {
            domains: self.table.len(),
            addresses: self.addresses.len(),
            urls: self.urls.len(),
            expressions: self.expressions.iter().map(|(_, list)| list.len()).sum(),
            categories: self.names.len() - 2,
            lists: self.sources.len(),
        }
    }

    /// 16 hexadecimal digits that change when any list, its name or the order of the lists does.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Bytes of memory held, without what compiled expressions need.
    pub fn bytes(&self) -> usize {
        self.table.bytes() + self.addresses.bytes() + self.urls.bytes()
    }

    /// Every category of this host by the lists of names and addresses: its own and those of all its parents, on whole
    /// labels only. [`CategoryId::UNLISTED`] or [`CategoryId::ADDRESS`] when there is none. Allocates nothing.
    pub fn host_categories(&self, host: &Host) -> CategorySet {
        or_built_in(self.of_host(host), host)
    }

    /// [`Index::host_categories`] with those of the lists of URLs and expressions. `path` is in the form of
    /// [`weir_host::normal_path`], `query` without its `?`.
    pub fn url_categories(
        &self,
        host: &Host,
        port: u16,
        path: &str,
        query: Option<&str>,
    ) -> CategorySet {
        let host = &*plain(host);
        let mut found = self.of_host(host);
        let query = query.map(normal_query);
        let query = query.as_deref();
        let address = Address {
            host,
            port,
            path,
            query,
        };
        self.urls
            .matching(&address, &mut |tag, _| self.insert(&mut found, tag));
        if !self.expressions.is_empty() {
            let subject = expressions::subject(&host.bracketed().to_string(), path, query);
            for (tag, list) in &self.expressions {
                if list.is_match(&subject) {
                    self.insert(&mut found, *tag);
                }
            }
        }
        or_built_in(found, host)
    }

    /// The entry that puts this target into `category`: the longest name or network first, then URLs, then expressions.
    /// `None` for the built-in categories, which no entry gives. For records and pages: it allocates.
    pub fn find(
        &self,
        category: CategoryId,
        host: &Host,
        port: u16,
        path: Option<&str>,
        query: Option<&str>,
    ) -> Option<Match> {
        let matches = self.all(host, port, path, query);
        matches.into_iter().find(|found| found.category == category)
    }

    /// Every entry that this target falls under, in the order of [`Index::find`]. Without a path only lists of names and
    /// addresses are asked.
    pub fn all(
        &self,
        host: &Host,
        port: u16,
        path: Option<&str>,
        query: Option<&str>,
    ) -> Vec<Match> {
        let mut found = Vec::new();
        self.all_of_host(host, &mut found);
        let Some(path) = path else {
            return found;
        };
        let host = &*plain(host);
        let query = query.map(normal_query);
        let query = query.as_deref();
        let address = Address {
            host,
            port,
            path,
            query,
        };
        self.urls.matching(&address, &mut |tag, entry| {
            found.extend(self.explained(tag, MatchKind::Url, entry));
        });
        let subject = expressions::subject(&host.bracketed().to_string(), path, query);
        for (tag, list) in &self.expressions {
            let matching = list.matching(&subject);
            found.extend(matching.filter_map(|e| self.explained(*tag, MatchKind::Expression, e)));
        }
        found
    }

    fn of_host(&self, host: &Host) -> CategorySet {
        let mut found = CategorySet::EMPTY;
        match host {
            Host::Name(name) => {
                for (hash, suffix) in self.suffixes(name.as_str()) {
                    if let Some(set) = self.table.get(hash, suffix) {
                        found = found.union(&self.categories(set));
                    }
                }
            }
            Host::V4(_) | Host::V6(_) => {
                for (_, set) in host
                    .as_address()
                    .into_iter()
                    .flat_map(|a| self.addresses.containing(a))
                {
                    found = found.union(&self.categories(set));
                }
            }
        }
        found
    }

    fn all_of_host(&self, host: &Host, found: &mut Vec<Match>) {
        match host {
            Host::Name(name) => {
                let mut suffixes: Vec<(u64, &str)> = self.suffixes(name.as_str()).collect();
                suffixes.reverse();
                for (hash, suffix) in suffixes {
                    if let Some(set) = self.table.get(hash, suffix) {
                        self.explain_set(set, suffix, found);
                    }
                }
            }
            Host::V4(_) | Host::V6(_) => {
                for (network, set) in host
                    .as_address()
                    .into_iter()
                    .flat_map(|a| self.addresses.containing(a))
                {
                    self.explain_set(set, &network.to_string(), found);
                }
            }
        }
    }

    fn suffixes<'a>(&self, name: &'a str) -> impl Iterator<Item = (u64, &'a str)> + use<'a> {
        hash::Suffixes::new(name).skip(usize::from(!self.top_levels && name.contains('.')))
    }

    fn categories(&self, set: u16) -> CategorySet {
        self.sets
            .categories
            .get(usize::from(set))
            .copied()
            .unwrap_or_default()
    }

    fn insert(&self, set: &mut CategorySet, tag: u16) {
        if let Some(tag) = self.tags.get(usize::from(tag)) {
            set.insert(tag.category);
        }
    }

    fn explain_set(&self, set: u16, entry: &str, found: &mut Vec<Match>) {
        let tags = self.sets.tags.get(usize::from(set)).map(|tags| &**tags);
        let tags = tags.unwrap_or_default().iter();
        found.extend(tags.filter_map(|tag| self.explained(*tag, MatchKind::Domain, entry)));
    }

    fn explained(&self, tag: u16, kind: MatchKind, entry: &str) -> Option<Match> {
        let tag = self.tags.get(usize::from(tag))?;
        Some(Match {
            category: tag.category,
            list: Arc::clone(self.sources.get(usize::from(tag.source))?),
            kind,
            entry: entry.to_owned(),
        })
    }
}

/// The IPv4 address of an IPv6 one that carries it: entries are stored so.
fn plain(host: &Host) -> Cow<'_, Host> {
    match host {
        Host::V6(v6) => Cow::Owned(Host::from(unwrapped(IpAddr::V6(*v6)))),
        host => Cow::Borrowed(host),
    }
}

fn or_built_in(mut found: CategorySet, host: &Host) -> CategorySet {
    if found.is_empty() {
        found.insert(match host {
            Host::Name(_) => CategoryId::UNLISTED,
            Host::V4(_) | Host::V6(_) => CategoryId::ADDRESS,
        });
    }
    found
}
