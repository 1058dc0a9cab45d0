//! Which rules can hold at all, as bits: profile, categories and what is known at a stage settle most of them at once.
//!
//! Bit `n` of a row stands for rule `n`, so that the lowest bit left is the rule that comes first.

use weir_categories::{CategoryId, CategorySet};

use crate::ProfileId;
use crate::decide::Stage;

type Row = Box<[u64]>;

/// What the rows are made from.
#[derive(Debug)]
pub(crate) struct Selectors {
    /// Empty for all.
    pub(crate) profiles: Vec<ProfileId>,
    /// None for all; an empty list for nothing.
    pub(crate) categories: Option<Vec<CategoryId>>,
    /// May hold when only host and port are known.
    pub(crate) at_connect: bool,
    /// Holds only when the response's fields are known.
    pub(crate) at_response: bool,
}

#[derive(Debug)]
pub(crate) struct Candidates {
    by_profile: Box<[Row]>,
    /// In the order of category numbers.
    by_category: Box<[Row]>,
    any_category: Row,
    at_connect: Row,
    at_request: Row,
    /// Is there a rule that waits for the response?
    pub(crate) at_response: bool,
    /// Categories that some rule names.
    pub(crate) ruled: CategorySet,
}

impl Candidates {
    pub(crate) fn new(rules: &[Selectors], profiles: usize, categories: usize) -> Self {
        let row = |holds: &dyn Fn(&Selectors) -> bool| -> Row {
            let word = |rules: &[Selectors]| {
                rules
                    .iter()
                    .rev()
                    .fold(0_u64, |word, rule| word << 1 | u64::from(holds(rule)))
            };
            rules.chunks(64).map(word).collect()
        };
        let of_profile = |number: usize| {
            row(&|rule| {
                rule.profiles.is_empty()
                    || rule.profiles.iter().any(|id| usize::from(id.0) == number)
            })
        };
        let of_category = |number: usize| {
            row(&|rule| {
                let mut named = rule.categories.iter().flatten();
                named.any(|id| usize::from(id.0) == number)
            })
        };
        Self {
            by_profile: (0..profiles).map(of_profile).collect(),
            by_category: (0..categories).map(of_category).collect(),
            any_category: row(&|rule| rule.categories.is_none()),
            at_connect: row(&|rule| rule.at_connect),
            at_request: row(&|rule| !rule.at_response),
            at_response: rules.iter().any(|rule| rule.at_response),
            ruled: rules
                .iter()
                .flat_map(|rule| rule.categories.iter().flatten().copied())
                .collect(),
        }
    }

    /// The first rule, in their order, that can hold and for which `holds` says that it does. No stage: the response is
    /// known as well.
    pub(crate) fn first(
        &self,
        profile: ProfileId,
        categories: &CategorySet,
        stage: Option<Stage>,
        mut holds: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        let of_profile = self.by_profile.get(usize::from(profile.0))?;
        let of_stage = match stage {
            Some(Stage::Connect) => &self.at_connect,
            Some(Stage::Request) => &self.at_request,
            None => of_profile,
        };
        for (word, (of_profile, of_stage)) in of_profile.iter().zip(of_stage).enumerate() {
            let mut left = of_profile & of_stage & self.of_categories(categories, word);
            while left != 0 {
                let rule = word * 64 + left.trailing_zeros() as usize;
                if holds(rule) {
                    return Some(rule);
                }
                left &= left - 1;
            }
        }
        None
    }

    fn of_categories(&self, categories: &CategorySet, word: usize) -> u64 {
        let bits = |row: &Row| row.get(word).copied().unwrap_or(0);
        let rows = categories
            .iter()
            .filter_map(|id| self.by_category.get(usize::from(id.0)));
        rows.fold(bits(&self.any_category), |all, row| all | bits(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(profiles: &[u8], categories: Option<&[u16]>) -> Selectors {
        let ids = |numbers: &[u16]| numbers.iter().map(|id| CategoryId(*id)).collect();
        Selectors {
            profiles: profiles.iter().map(|id| ProfileId(*id)).collect(),
            categories: categories.map(ids),
            at_connect: true,
            at_response: false,
        }
    }

    #[test]
    fn rules_are_tried_in_their_order_beyond_one_word() {
        let rules: Vec<_> = (0..200_u16)
            .map(|number| rule(&[(number % 3) as u8], Some(&[number % 5])))
            .collect();
        let candidates = Candidates::new(&rules, 3, 5);
        let set: CategorySet = [CategoryId(2), CategoryId(4)].into_iter().collect();
        let mut tried = Vec::new();
        let found = candidates.first(ProfileId(1), &set, Some(Stage::Request), |rule| {
            tried.push(rule);
            rule == 199
        });
        let expected: Vec<_> = (0..200)
            .filter(|number| number % 3 == 1 && [2, 4].contains(&(number % 5)))
            .collect();
        assert_eq!(found, Some(199));
        assert_eq!(tried, expected);
        assert_eq!(candidates.first(ProfileId(3), &set, None, |_| true), None);
    }

    #[test]
    fn a_rule_without_selectors_is_always_a_candidate() {
        let candidates = Candidates::new(&[rule(&[], None)], 2, 2);
        for categories in [CategorySet::EMPTY, [CategoryId(255)].into_iter().collect()] {
            assert_eq!(
                candidates.first(ProfileId(1), &categories, Some(Stage::Connect), |_| true),
                Some(0)
            );
        }
    }

    #[test]
    fn a_rule_whose_categories_no_list_has_is_never_a_candidate() {
        let candidates = Candidates::new(&[rule(&[], Some(&[])), rule(&[], Some(&[1]))], 2, 2);
        for (categories, expected) in [(CategorySet::EMPTY, None), (all(&[1, 255]), Some(1))] {
            let first = candidates.first(ProfileId(0), &categories, Some(Stage::Request), |_| true);
            assert_eq!(first, expected);
        }
    }

    fn all(numbers: &[u16]) -> CategorySet {
        numbers.iter().map(|id| CategoryId(*id)).collect()
    }
}
