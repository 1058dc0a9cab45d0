//! Decides what a category is: its name, its number within one index, and sets of them. It does not decide what is in a
//! category ([`crate::Index`]) nor what becomes of it (`weir-policy`).

use std::fmt;
use std::sync::Arc;

/// Longest name of a category, in bytes.
pub const NAME_MAX: usize = 64;
/// Most categories of one index, the two built-in ones included.
pub const CATEGORIES_MAX: usize = 256;

/// A category's number within one [`crate::Index`]. Another build may number differently: keep names, not numbers.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Ord, PartialOrd, Debug)]
pub struct CategoryId(pub u16);

impl CategoryId {
    /// The built-in category `unlisted`: a name that no list knows.
    pub const UNLISTED: CategoryId = CategoryId(0);
    /// The built-in category `address`: an address literal that no list knows.
    pub const ADDRESS: CategoryId = CategoryId(1);
}

/// A set of up to [`CATEGORIES_MAX`] categories of one index. Numbers beyond that are never in a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct CategorySet([u64; CATEGORIES_MAX / 64]);

impl CategorySet {
    /// The set without members.
    pub const EMPTY: CategorySet = CategorySet([0; CATEGORIES_MAX / 64]);

    /// Adds a category.
    pub fn insert(&mut self, category: CategoryId) {
        if let Some(word) = self.0.get_mut(usize::from(category.0 / 64)) {
            *word |= 1 << (category.0 % 64);
        }
    }

    /// True when `category` is a member.
    pub fn contains(&self, category: CategoryId) -> bool {
        self.0
            .get(usize::from(category.0 / 64))
            .is_some_and(|word| word >> (category.0 % 64) & 1 == 1)
    }

    /// True when the two share a member.
    pub fn intersects(&self, other: &CategorySet) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }

    /// True when there is no member.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; CATEGORIES_MAX / 64]
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The members of either set.
    #[must_use]
    pub fn union(&self, other: &CategorySet) -> CategorySet {
        let mut both = *self;
        for (word, more) in both.0.iter_mut().zip(other.0) {
            *word |= more;
        }
        both
    }

    /// The members in order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = CategoryId> + use<> {
        (0_u16..).zip(self.0).flat_map(|(at, word)| Bits {
            base: at * 64,
            word,
        })
    }
}

impl FromIterator<CategoryId> for CategorySet {
    fn from_iter<I: IntoIterator<Item = CategoryId>>(categories: I) -> CategorySet {
        let mut set = CategorySet::EMPTY;
        categories.into_iter().for_each(|id| set.insert(id));
        set
    }
}

struct Bits {
    base: u16,
    word: u64,
}

impl Iterator for Bits {
    type Item = CategoryId;

    fn next(&mut self) -> Option<CategoryId> {
        if self.word == 0 {
            return None;
        }
        let bit = self.word.trailing_zeros() as u16;
        self.word &= self.word - 1;
        Some(CategoryId(self.base + bit))
    }
}

/// The table of a build's categories: number to name and back. [`CategoryId::UNLISTED`] and [`CategoryId::ADDRESS`] are
/// always there; the others follow in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    by_id: Vec<Arc<str>>,
}

impl Names {
    /// The built-in name of a host that no list knows.
    pub const UNLISTED: &'static str = "unlisted";
    /// The built-in name of an address literal that no list knows.
    pub const ADDRESS: &'static str = "address";

    /// A table of the built-in categories and `listed`, sorted and without repetition.
    ///
    /// # Errors
    /// Gives back the number of names when they are more than [`CATEGORIES_MAX`].
    pub fn new<'a>(listed: impl IntoIterator<Item = &'a str>) -> Result<Names, usize> {
        let mut rest: Vec<Arc<str>> = listed
            .into_iter()
            .filter(|name| !is_built_in(name))
            .map(Arc::from)
            .collect();
        rest.sort_unstable();
        rest.dedup();
        let mut by_id = vec![Arc::from(Self::UNLISTED), Arc::from(Self::ADDRESS)];
        by_id.append(&mut rest);
        if by_id.len() > CATEGORIES_MAX {
            return Err(by_id.len());
        }
        Ok(Names { by_id })
    }

    /// The number of a name.
    pub fn id(&self, name: &str) -> Option<CategoryId> {
        let at = match name {
            Self::UNLISTED => 0,
            Self::ADDRESS => 1,
            name => {
                let listed = self.by_id.get(2..).unwrap_or_default();
                2 + listed
                    .binary_search_by(|known| known.as_ref().cmp(name))
                    .ok()?
            }
        };
        u16::try_from(at).ok().map(CategoryId)
    }

    /// The name of a number of the same build. A number of another build that this one does not have reads as `unlisted`.
    pub fn name(&self, id: CategoryId) -> &Arc<str> {
        self.by_id
            .get(usize::from(id.0))
            .or(self.by_id.first())
            .expect("the built-in categories are always there")
    }

    /// Every category with its name, built-in ones first.
    pub fn iter(&self) -> impl Iterator<Item = (CategoryId, &Arc<str>)> {
        (0_u16..).map(CategoryId).zip(&self.by_id)
    }

    /// How many categories there are, the built-in ones included.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// False: the built-in categories are always there.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

/// True for the names that no list may use, because Weir gives them itself.
pub fn is_built_in(name: &str) -> bool {
    name == Names::UNLISTED || name == Names::ADDRESS
}

/// Why a text cannot name a category.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, or longer than [`NAME_MAX`] bytes.
    #[error("a category's name has 1 to {NAME_MAX} characters")]
    Length,
    /// Anything but lower-case letters, digits, `-` and `_`, or a hyphen in front.
    #[error(
        "{0:?} cannot stand there in a category's name: lower-case letters, digits, \"-\" and \"_\" can"
    )]
    Character(char),
    /// `unlisted` or `address`.
    #[error("{0:?} is a category that Weir gives itself")]
    BuiltIn(String),
}

/// Checks that `name` can name a category (or a source: the same characters make a safe directory name).
///
/// # Errors
/// [`NameError`] says what is wrong.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(NameError::Length);
    }
    let odd = |c: &char| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
    if let Some(c) = name.chars().find(odd) {
        return Err(NameError::Character(c));
    }
    if name.starts_with('-') {
        return Err(NameError::Character('-'));
    }
    if is_built_in(name) {
        return Err(NameError::BuiltIn(name.to_owned()));
    }
    Ok(())
}

impl fmt::Display for CategoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_set_keeps_every_number_it_can_hold_and_no_other() {
        let ids = [0, 1, 63, 64, 127, 128, 255].map(CategoryId);
        let set: CategorySet = ids.into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), ids);
        assert_eq!(set.len(), ids.len());
        for id in (0..300).map(CategoryId) {
            assert_eq!(set.contains(id), ids.contains(&id), "{id}");
        }
        let mut beyond = CategorySet::EMPTY;
        beyond.insert(CategoryId(256));
        assert!(beyond.is_empty());
    }

    #[test]
    fn sets_intersect_only_where_they_share_a_member() {
        let low: CategorySet = [CategoryId(3), CategoryId(70)].into_iter().collect();
        let high: CategorySet = [CategoryId(71), CategoryId(200)].into_iter().collect();
        assert!(!low.intersects(&high));
        assert!(low.union(&high).intersects(&high));
        assert_eq!(low.union(&high).len(), 4);
    }

    #[test]
    fn names_and_numbers_lead_to_each_other() {
        let names = Names::new(["social", "adult", "unlisted", "adult"]).unwrap();
        assert_eq!(names.len(), 4);
        assert_eq!(names.id("unlisted"), Some(CategoryId::UNLISTED));
        assert_eq!(names.id("address"), Some(CategoryId::ADDRESS));
        for (id, name) in names.iter() {
            assert_eq!(names.id(name), Some(id));
            assert_eq!(names.name(id), name);
        }
        assert_eq!(names.id("gambling"), None);
        assert_eq!(&**names.name(CategoryId(99)), "unlisted");
    }

    #[test]
    fn more_categories_than_a_set_holds_are_refused() {
        let many: Vec<String> = (0..CATEGORIES_MAX - 1).map(|n| format!("c{n}")).collect();
        assert_eq!(
            Names::new(many.iter().map(String::as_str)),
            Err(CATEGORIES_MAX + 1)
        );
        assert!(Names::new(many.iter().skip(1).map(String::as_str)).is_ok());
    }

    #[test]
    fn names_that_are_no_safe_directory_are_refused() {
        for bad in [
            "", ".", "..", "a/b", "Adult", "a b", "-x", "é", "a\0", "unlisted", "address",
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        assert!(check_name(&"x".repeat(NAME_MAX + 1)).is_err());
        for good in ["adult", "bulk-download", "social_networks", "4chan"] {
            assert_eq!(check_name(good), Ok(()), "{good:?}");
        }
    }
}
