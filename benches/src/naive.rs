//! The engines anybody would write first: a map from every listed name to its categories, asked for each parent, and names
//! with their labels turned round, sorted and searched by halves.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use weir_categories::{CategorySet, Names};
use weir_host::{Host, parents};

use crate::sites::listed;

/// Names in a map of the standard library.
#[derive(Debug, Default)]
pub struct Naive {
    by_name: HashMap<String, CategorySet>,
}

impl Naive {
    /// Reads every `<category>/domains` below `source`; addresses and networks are left out.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn read(source: &Path, names: &Names) -> io::Result<Naive> {
        let mut naive = Naive::default();
        for (category, host) in listed(source)? {
            if let (Some(id), Host::Name(name)) = (names.id(&category), host) {
                let set = naive.by_name.entry(name.as_str().to_owned()).or_default();
                set.insert(id);
            }
        }
        Ok(naive)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// True when no name was read.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The categories of a name and all its parents; empty when no list knows it.
    pub fn categories(&self, host: &Host) -> CategorySet {
        let mut found = CategorySet::EMPTY;
        if let Host::Name(name) = host {
            for suffix in parents(name.as_str()) {
                if let Some(set) = self.by_name.get(suffix) {
                    found = found.union(set);
                }
            }
        }
        found
    }
}

/// Names with their bytes turned round, sorted, one after the other in one text.
#[derive(Debug, Default)]
pub struct Sorted {
    text: Vec<u8>,
    /// End of each name in the text, with its categories.
    names: Vec<(u32, CategorySet)>,
}

impl Sorted {
    /// Takes what a map has.
    pub fn of(naive: &Naive) -> Sorted {
        let turned = |name: &String| name.bytes().rev().collect::<Vec<u8>>();
        let mut rows: Vec<(Vec<u8>, CategorySet)> = naive
            .by_name
            .iter()
            .map(|(name, set)| (turned(name), *set))
            .collect();
        rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut sorted = Sorted::default();
        for (name, set) in rows {
            sorted.text.extend_from_slice(&name);
            sorted.names.push((sorted.text.len() as u32, set));
        }
        sorted
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.text.len() + size_of_val(&*self.names)
    }

    /// The categories of a name and all its parents; empty when no list knows it.
    pub fn categories(&self, host: &Host) -> CategorySet {
        let mut found = CategorySet::EMPTY;
        if let Host::Name(name) = host {
            let turned: Vec<u8> = name.as_str().bytes().rev().collect();
            for suffix in parents(name.as_str()) {
                let asked = turned.get(..suffix.len()).unwrap_or_default();
                if let Some(set) = self.get(asked) {
                    found = found.union(&set);
                }
            }
        }
        found
    }

    fn get(&self, asked: &[u8]) -> Option<CategorySet> {
        let (mut low, mut high) = (0, self.names.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let (end, set) = *self.names.get(middle)?;
            let start = match middle.checked_sub(1) {
                Some(before) => self.names.get(before)?.0,
                None => 0,
            };
            match self.text.get(start as usize..end as usize)?.cmp(asked) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(set),
            }
        }
        None
    }
}
