//! The groups a policy knows, as bits, and the rates they share. Does not decide who is in a group.

use std::borrow::Cow;
use std::sync::Arc;

use crate::Share;

/// A set of the groups of one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupSet(Box<[u64]>);

impl GroupSet {
    /// Has it no group?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn intersects(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    fn contains(&self, number: usize) -> bool {
        self.0
            .get(number / 64)
            .is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

#[derive(Debug)]
struct Group {
    name: Arc<str>,
    key: Arc<str>,
    down: Option<u64>,
    up: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct GroupTable {
    /// Sorted by name.
    groups: Vec<Group>,
    /// Numbers of the groups with a rate.
    capped: Vec<usize>,
}

impl GroupTable {
    /// A table of these names and the rates that some of them have.
    pub(crate) fn new(
        mut names: Vec<Arc<str>>,
        rates: impl Fn(&str) -> (Option<u64>, Option<u64>),
    ) -> Self {
        names.sort_unstable();
        names.dedup();
        let group = |name: Arc<str>| {
            let (down, up) = rates(&name);
            Group {
                key: format!("group:{name}").into(),
                name,
                down,
                up,
            }
        };
        let groups: Vec<Group> = names.into_iter().map(group).collect();
        let rated = groups
            .iter()
            .enumerate()
            .filter(|(_, group)| group.down.or(group.up).is_some());
        let capped = rated.map(|(number, _)| number).collect();
        Self { groups, capped }
    }

    /// The known ones among these names.
    pub(crate) fn set<'a>(&self, names: impl IntoIterator<Item = &'a Arc<str>>) -> GroupSet {
        let mut words = vec![0_u64; self.groups.len().div_ceil(64)].into_boxed_slice();
        for name in names {
            let found = self.groups.binary_search_by(|group| group.name.cmp(name));
            if let Some((word, number)) = found
                .ok()
                .and_then(|number| Some((words.get_mut(number / 64)?, number)))
            {
                *word |= 1 << (number % 64);
            }
        }
        GroupSet(words)
    }

    pub(crate) fn caps<'a>(
        &'a self,
        set: Cow<'a, GroupSet>,
    ) -> impl Iterator<Item = Share<'a>> + use<'a> {
        let members = self
            .capped
            .iter()
            .filter(move |number| set.contains(**number));
        let groups = members.filter_map(|number| self.groups.get(*number));
        groups.map(|group| (&group.key, group.down, group.up))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_known_groups_beyond_one_word_and_no_unknown_ones() {
        let names: Vec<Arc<str>> = (0..200).map(|number| format!("g{number}").into()).collect();
        let table = GroupTable::new(names.clone(), |name| {
            (name.ends_with("99").then_some(7), None)
        });
        let all = table.set(&names);
        for name in &names {
            assert!(all.intersects(&table.set([name])), "{name}");
        }
        let some = table.set(&names[..100]);
        assert!(!some.intersects(&table.set(&names[100..])));
        assert!(table.set([&"stranger".into()]).is_empty());
        let keys: Vec<_> = table
            .caps(Cow::Owned(all))
            .map(|(key, down, up)| (key.to_string(), down, up))
            .collect();
        assert_eq!(
            keys,
            [
                ("group:g199".into(), Some(7), None),
                ("group:g99".into(), Some(7), None)
            ]
        );
    }
}
