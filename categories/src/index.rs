//! Decides which categories an address is in, and by which entry of which list. Immutable: a change of any list is a new
//! index, and whoever asks keeps one for the whole of a request.
//!
//! It does not decide what becomes of a category (`weir-policy`), and it reads no files ([`crate::build`], [`crate::file`]).

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use weir_host::address::unwrapped;
use weir_host::{Host, normal_query};

use crate::category::{CategoryId, CategorySet, Names};
use crate::entry::MatchKind;
use crate::exceptions::{Found, LEAST, Voided};
use crate::expressions;
use crate::hash;
use crate::keywords;
use crate::layer::{Layer, Tag};
use crate::store::{Regions, Store};
use crate::urls::{Address, Hit};

/// Why a target is in a category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The category.
    pub category: CategoryId,
    /// The name of the source whose list has the entry.
    pub list: Arc<str>,
    /// The file of the category that has it.
    pub kind: MatchKind,
    /// The entry that matched, in normal form; an expression or keyword as it is written.
    pub entry: String,
    /// The exception that takes this match away again, where one does: then it puts the target into nothing.
    pub voided: Option<Voided>,
}

/// How much there is of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Distinct names. A name in several categories or lists counts once; one that both imported lists and lists that people
    /// edit have counts twice.
    pub domains: usize,
    /// Distinct addresses and networks, likewise.
    pub addresses: usize,
    /// Entries of `urls`; one that several categories or lists have counts once for each.
    pub urls: usize,
    /// Expressions; one that several categories or lists have counts once for each.
    pub expressions: usize,
    /// Keywords, likewise.
    pub keywords: usize,
    /// Categories, the built-in ones apart.
    pub categories: usize,
    /// Sources.
    pub lists: usize,
}

/// Millions of names, addresses, URLs and expressions with their categories, ready to be asked.
#[derive(Debug)]
pub struct Index {
    names: Names,
    sources: Vec<Arc<str>>,
    /// Those that have anything, the base first.
    layers: Box<[Layer]>,
    /// Some list has a whole top-level domain.
    top_levels: bool,
    exceptions: bool,
    /// Some list has expressions.
    expressions: bool,
    /// Some list has keywords.
    keywords: bool,
    base: Arc<Store>,
    version: String,
}

impl Index {
    /// One index of both layers. `names` are the categories, `sources` all sources in their order.
    pub(crate) fn new(
        names: Names,
        sources: Vec<Arc<str>>,
        base: Arc<Store>,
        overlay: Arc<Store>,
        version: String,
    ) -> Index {
        let layers = [(&base, false), (&overlay, true)];
        let layers: Box<[Layer]> = layers
            .into_iter()
            .filter(|(store, _)| !store.tags.is_empty())
            .map(|(store, local)| Layer::new(Arc::clone(store), &names, &sources, local))
            .collect();
        let any = |has: fn(&Store) -> bool| layers.iter().any(|layer| has(&layer.store));
        Index {
            top_levels: any(|store| store.entries.top_levels || store.exceptions.top_levels),
            exceptions: any(|store| !store.exceptions.is_empty()),
            expressions: any(|store| !store.expressions.is_empty()),
            keywords: any(|store| !store.keywords.is_empty()),
            names,
            sources,
            layers,
            base,
            version,
        }
    }

    /// The layer that seldom changes, for the next index.
    pub(crate) fn base(&self) -> &Arc<Store> {
        &self.base
    }

    /// The categories of this index: what rules may name.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// How much there is of everything.
    pub fn counts(&self) -> Counts {
        let sum = |of: fn(&Store) -> usize| self.layers.iter().map(|layer| of(&layer.store)).sum();
        Counts {
            domains: sum(|store| store.entries.names.len()),
            addresses: sum(|store| store.entries.addresses.len()),
            urls: sum(|store| store.entries.urls.len()),
            expressions: sum(|store| store.expressions.len()),
            keywords: sum(|store| store.keywords.len()),
            categories: self.names.len() - 2,
            lists: self.sources.len(),
        }
    }

    /// 16 hexadecimal digits that change when any list, its name or the order of the lists does.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Bytes of memory held, without what compiled expressions need and without what is mapped from a file.
    pub fn bytes(&self) -> usize {
        let of = |store: &Store| {
            store.entries.bytes() + store.exceptions.bytes() + store.keywords.bytes()
        };
        self.layers.iter().map(|layer| of(&layer.store)).sum()
    }

    /// Every category of this host by the lists of names and addresses: its own and those of all its parents, on whole
    /// labels only, without those that an exception takes away. [`CategoryId::UNLISTED`] or [`CategoryId::ADDRESS`] when there
    /// is none. Allocates nothing, but where exceptions are met.
    pub fn host_categories(&self, host: &Host) -> CategorySet {
        let found = self.less_exceptions(self.of_host(host, None), host, None);
        or_built_in(found, host)
    }

    /// [`Index::host_categories`] with those of the lists of URLs, expressions and keywords. `path` is in the form of
    /// [`weir_host::normal_path`], `query` without its `?`.
    pub fn url_categories(
        &self,
        host: &Host,
        port: u16,
        path: &str,
        query: Option<&str>,
    ) -> CategorySet {
        let host = &*plain(host);
        let query = query.map(normal_query);
        let address = Address {
            host,
            port,
            path,
            query: query.as_deref(),
        };
        let mut found = self.of_host(host, Some(&address));
        if self.expressions {
            let subject = expressions::subject(&address);
            for layer in &self.layers {
                let expressions = &layer.store.expressions;
                expressions.tags(&subject, |tag| layer.insert(&mut found, tag));
            }
        }
        if self.keywords {
            keywords::with_words(&address, |words| {
                for layer in &self.layers {
                    let keywords = &layer.store.keywords;
                    keywords.tags(words, |tag| layer.insert(&mut found, tag));
                }
            });
        }
        or_built_in(self.less_exceptions(found, host, Some(&address)), host)
    }

    /// The entry that puts this target into `category`: the longest name or network first, then URLs, then expressions, then
    /// keywords, the longest first.
    /// `None` for the built-in categories, which no entry gives, and where an exception takes every match away. For records
    /// and pages: it allocates.
    pub fn find(
        &self,
        category: CategoryId,
        host: &Host,
        port: u16,
        path: Option<&str>,
        query: Option<&str>,
    ) -> Option<Match> {
        let matches = self.all(host, port, path, query).into_iter();
        let mut holding = matches.filter(|found| found.voided.is_none());
        holding.find(|found| found.category == category)
    }

    /// Every entry that this target falls under, in the order of [`Index::find`], those that exceptions make void included
    /// and marked. Without a path only lists of names and addresses are asked.
    pub fn all(
        &self,
        host: &Host,
        port: u16,
        path: Option<&str>,
        query: Option<&str>,
    ) -> Vec<Match> {
        let host = &*plain(host);
        let query = query.map(normal_query);
        let address = path.map(|path| Address {
            host,
            port,
            path,
            query: query.as_deref(),
        });
        let entries = self.entries(host, address.as_ref());
        let exceptions = self.exceptions(host, address.as_ref());
        self.told(entries, &exceptions)
    }

    #[inline]
    fn of_host(&self, host: &Host, address: Option<&Address<'_>>) -> CategorySet {
        let mut found = CategorySet::EMPTY;
        let Host::Name(name) = host else {
            return self.of_address(host, address);
        };
        for (hash, suffix) in self.suffixes(name.as_str()) {
            for layer in &self.layers {
                let entries = &layer.store.entries;
                if let Some(set) = entries.names.get(hash, suffix) {
                    found = found.union(&layer.categories(set));
                }
                if let Some(address) = address {
                    let mut insert = |hit: Hit<'_>| layer.insert(&mut found, hit.tag);
                    entries.urls.of_host(hash, suffix, address, &mut insert);
                }
            }
        }
        found
    }

    fn of_address(&self, host: &Host, address: Option<&Address<'_>>) -> CategorySet {
        let mut found = CategorySet::EMPTY;
        for layer in &self.layers {
            let entries = &layer.store.entries;
            let containing = host.as_address().map(|ip| entries.addresses.containing(ip));
            for (_, set) in containing.into_iter().flatten() {
                found = found.union(&layer.categories(set));
            }
            if let Some(address) = address {
                let mut insert = |hit: Hit<'_>| layer.insert(&mut found, hit.tag);
                entries.urls.matching(address, &mut insert);
            }
        }
        found
    }

    fn suffixes<'a>(&self, name: &'a str) -> impl Iterator<Item = (u64, &'a str)> + use<'a> {
        hash::Suffixes::new(name).skip(usize::from(!self.top_levels && name.contains('.')))
    }

    /// Every entry that the target falls under, void or not.
    pub(crate) fn entries(&self, host: &Host, address: Option<&Address<'_>>) -> Vec<Found> {
        let mut found = self.met(|store| &store.entries, host, address);
        if let Some(address) = address {
            let subject = expressions::subject(address);
            for layer in &self.layers {
                layer.store.expressions.each(&subject, |tag, text| {
                    found.extend(layer.tag(tag).map(|tag| Found {
                        tag,
                        kind: MatchKind::Expression,
                        entry: text.to_owned(),
                        weight: LEAST,
                    }));
                });
            }
            self.by_keyword(address, &mut found);
        }
        found
    }

    fn by_keyword(&self, address: &Address<'_>, found: &mut Vec<Found>) {
        if !self.keywords {
            return;
        }
        keywords::with_words(address, |words| {
            for layer in &self.layers {
                layer.store.keywords.each(words, |tag, text| {
                    found.extend(layer.tag(tag).map(|tag| Found {
                        tag,
                        kind: MatchKind::Keyword,
                        entry: text.to_owned(),
                        weight: LEAST,
                    }));
                });
            }
        });
    }

    /// Every exception that the target falls under.
    pub(crate) fn exceptions(&self, host: &Host, address: Option<&Address<'_>>) -> Vec<Found> {
        if !self.exceptions {
            return Vec::new();
        }
        self.met(|store| &store.exceptions, host, address)
    }

    pub(crate) fn has_exceptions(&self) -> bool {
        self.exceptions
    }

    fn met(
        &self,
        regions: fn(&Store) -> &Regions,
        host: &Host,
        address: Option<&Address<'_>>,
    ) -> Vec<Found> {
        let mut found = Vec::new();
        if let Host::Name(name) = host {
            let mut suffixes: Vec<(u64, &str)> = self.suffixes(name.as_str()).collect();
            suffixes.reverse();
            for (hash, suffix) in suffixes {
                let from = found.len();
                for layer in &self.layers {
                    if let Some(set) = regions(&layer.store).names.get(hash, suffix) {
                        found.extend(in_set(layer, set, suffix, suffix.len()));
                    }
                }
                in_order(&mut found, from);
            }
        }
        let networks = self.layers.iter().flat_map(|layer| {
            let met = regions(&layer.store);
            let containing = host.as_address().map(|ip| met.addresses.containing(ip));
            containing
                .into_iter()
                .flatten()
                .map(move |network| (layer, network))
        });
        for (layer, (network, set)) in networks {
            let weight = usize::from(network.prefix());
            found.extend(in_set(layer, set, &network.to_string(), weight));
        }
        if !matches!(host, Host::Name(_)) {
            found.sort_by_key(|found| (std::cmp::Reverse(found.weight), found.tag.source));
        }
        if let Some(address) = address {
            let from = found.len();
            for layer in &self.layers {
                let urls = &regions(&layer.store).urls;
                urls.matching(address, &mut |hit| found.extend(of_url(layer, &hit, host)));
            }
            if let Some(urls) = found.get_mut(from..) {
                urls.sort_by_key(|found| found.weight.0);
            }
        }
        found
    }

    /// The name of a tag's source.
    pub(crate) fn source(&self, tag: Tag) -> Option<Arc<str>> {
        self.sources.get(usize::from(tag.source)).cloned()
    }
}

fn in_set<'a>(
    layer: &'a Layer,
    set: u16,
    entry: &'a str,
    weight: usize,
) -> impl Iterator<Item = Found> + 'a {
    layer.tags_of(set).map(move |tag| Found {
        tag,
        kind: MatchKind::Domain,
        entry: entry.to_owned(),
        weight: (u16::try_from(weight).unwrap_or(u16::MAX), 0),
    })
}

fn of_url(layer: &Layer, hit: &Hit<'_>, host: &Host) -> Option<Found> {
    let (name, path) = hit.lengths();
    let of_host = match host {
        Host::Name(_) => name,
        Host::V4(_) => 32,
        Host::V6(_) => 128,
    };
    Some(Found {
        tag: layer.tag(hit.tag)?,
        kind: MatchKind::Url,
        entry: hit.text().into_owned(),
        weight: (of_host, path),
    })
}

/// Puts what was found from `from` on in the order of the sources.
fn in_order(found: &mut [Found], from: usize) {
    if let Some(found) = found.get_mut(from..) {
        found.sort_by_key(|found| found.tag.source);
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
