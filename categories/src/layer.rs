//! Decides how the lists of a layer, numbered among themselves, fit into one index: which of its numbers mean which
//! categories and sources there.
//!
//! An index has up to two layers: the *base* of imported and starter lists, large and seldom changed, and the *overlay* of the
//! lists that people edit. A new overlay takes milliseconds and leaves the base as it is. Every question asks both.

use std::sync::Arc;

use crate::category::{CategoryId, CategorySet, Names};
use crate::store::Store;

/// A category of a source, by their numbers within the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) category: CategoryId,
    pub(crate) source: u16,
    /// The source is one that people edit, so that its exceptions hold against others.
    pub(crate) local: bool,
}

/// A store within an index.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) store: Arc<Store>,
    tags: Box<[Option<Tag>]>,
    /// Of each set of the store. Beside the tags, so that the common question reads nothing else.
    categories: Box<[CategorySet]>,
}

impl Layer {
    /// Numbers `store`'s tags as `names` and `sources` do. What those do not have is in nothing.
    pub(crate) fn new(
        store: Arc<Store>,
        names: &Names,
        sources: &[Arc<str>],
        local: bool,
    ) -> Layer {
        let of_category = |name: &String| names.id(name);
        let categories: Vec<_> = store.categories.iter().map(of_category).collect();
        let of_source = |name: &String| sources.iter().position(|known| **known == **name);
        let numbers: Vec<_> = store.sources.iter().map(of_source).collect();
        let tag = |tag: &crate::store::StoreTag| {
            Some(Tag {
                category: (*categories.get(usize::from(tag.category))?)?,
                source: u16::try_from((*numbers.get(usize::from(tag.source))?)?).ok()?,
                local,
            })
        };
        let tags: Box<[Option<Tag>]> = store.tags.iter().map(tag).collect();
        let of_tag = |tag: &u16| tags.get(usize::from(*tag)).copied().flatten();
        let of_set = |set: &[u16]| {
            set.iter()
                .filter_map(of_tag)
                .map(|tag| tag.category)
                .collect()
        };
        Layer {
            categories: store.sets.iter().map(|set| of_set(set)).collect(),
            tags,
            store,
        }
    }

    /// The categories of a set; none when the store has no such set.
    #[inline]
    pub(crate) fn categories(&self, set: u16) -> CategorySet {
        let set = self.categories.get(usize::from(set));
        set.copied().unwrap_or_default()
    }

    /// What a tag of the store is here.
    pub(crate) fn tag(&self, tag: u16) -> Option<Tag> {
        self.tags.get(usize::from(tag)).copied().flatten()
    }

    /// The tags of a set.
    pub(crate) fn tags_of(&self, set: u16) -> impl Iterator<Item = Tag> {
        let set = self.store.sets.get(usize::from(set)).map(|set| &**set);
        set.unwrap_or_default()
            .iter()
            .filter_map(|tag| self.tag(*tag))
    }

    /// Adds a tag's category.
    pub(crate) fn insert(&self, found: &mut CategorySet, tag: u16) {
        if let Some(tag) = self.tag(tag) {
            found.insert(tag.category);
        }
    }
}
