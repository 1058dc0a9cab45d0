//! What the tests on real lists share: where the lists are, and a naive map to hold the index against.

// Each test program uses its own part.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use foldhash::{HashMap, HashMapExt};
use weir_categories::{CategoryId, CategorySet, Index};
use weir_host::{Host, parents};

/// The shared data, if it has `file`: `WEIR_SHARED`, else beside the repository. Says so where it is absent.
pub(crate) fn shared(file: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let directory = std::env::var_os("WEIR_SHARED").map_or(beside, PathBuf::from);
    if directory.join(file).is_file() {
        return Some(directory);
    }
    println!(
        "skipped: no {file} in {} (WEIR_SHARED)",
        directory.display()
    );
    None
}

/// Names and addresses with their categories, as the lists say and nothing more.
pub(crate) struct Oracle<'a> {
    pub(crate) sets: HashMap<&'a str, CategorySet>,
}

impl<'a> Oracle<'a> {
    pub(crate) fn with_room(names: usize) -> Oracle<'a> {
        Oracle {
            sets: HashMap::with_capacity(names),
        }
    }

    pub(crate) fn add(&mut self, line: &'a str, category: CategoryId) {
        let name = line.trim_start_matches('.');
        self.sets.entry(name).or_default().insert(category);
    }

    pub(crate) fn of(&self, host: &Host, text: &str) -> CategorySet {
        let mut found = CategorySet::EMPTY;
        match host {
            Host::Name(_) => parents(text)
                .filter_map(|parent| self.sets.get(parent))
                .for_each(|set| found = found.union(set)),
            _ => found = self.sets.get(text).copied().unwrap_or_default(),
        }
        if found.is_empty() {
            found.insert(match host {
                Host::Name(_) => CategoryId::UNLISTED,
                _ => CategoryId::ADDRESS,
            });
        }
        found
    }

    /// Asks about `text` if it is a host; true when the answer is that no list knows it.
    pub(crate) fn agrees(&self, index: &Index, text: &str) -> bool {
        let Ok(host) = Host::parse(text) else {
            return false;
        };
        let found = index.host_categories(&host);
        assert_eq!(found, self.of(&host, text), "{text}");
        found.contains(CategoryId::UNLISTED)
    }

    /// Asks about an entry, about it with a label or a letter more, and about it with a label less: four questions.
    pub(crate) fn agrees_beside(&self, index: &Index, entry: &str) {
        assert!(!self.agrees(index, entry), "{entry} is not listed");
        self.agrees(index, &format!("x.{entry}"));
        self.agrees(index, &format!("x{entry}"));
        if let Some((_, above)) = entry.split_once('.') {
            self.agrees(index, above);
        }
    }
}
