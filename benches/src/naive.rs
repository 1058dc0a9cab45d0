//! The engine anybody would write first: a map from every listed name to its categories, asked for each parent.

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
