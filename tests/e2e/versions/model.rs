//! What the lists decide, said a second time and as simply as can be: every entry of every list is looked at for every
//! question. Knows of the test policy's rules and of names only.

use std::collections::{BTreeMap, BTreeSet};

/// The list that people edit; as the directory is called.
pub(super) const EDITED: &str = "lists";
/// The list that is imported.
pub(super) const IMPORTED: &str = "far";

/// The rules of the test policy in their order: category, rule, verdict. A guest meets all of them.
const RULES: [(&str, &str, &str); 4] = [
    ("education", "school-sites", "allow"),
    ("gambling", "no-gambling", "block"),
    ("social", "pupils-no-social", "block"),
    ("games", "games-warning", "warn"),
];

/// Names by category.
pub(super) type Names = BTreeMap<String, BTreeSet<String>>;

/// All lists at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    pub(super) edited: Names,
    /// Where a category does not hold for what is imported.
    pub(super) exceptions: Names,
    pub(super) imported: Names,
}

/// What must stand in the record of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) verdict: &'static str,
    pub(super) rule: &'static str,
    pub(super) category: String,
    pub(super) categories: BTreeSet<String>,
    /// Where something was stopped: the list and the entry of it.
    pub(super) found: Option<(&'static str, String)>,
}

impl Decision {
    pub(super) fn is_allowed(&self) -> bool {
        self.verdict == "allow"
    }
}

/// On whole labels.
fn covers(entry: &str, host: &str) -> bool {
    host == entry || host.ends_with(&format!(".{entry}"))
}

/// Names of a test's lists as text.
pub(super) fn names(lists: &[(&str, &[&str])]) -> Names {
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let lists = lists.iter();
    lists
        .map(|(category, names)| ((*category).to_owned(), owned(names)))
        .collect()
}

impl Model {
    /// Each entry that puts the host into a category: category, list, entry.
    fn matches(&self, host: &str) -> Vec<(String, &'static str, String)> {
        let mut found = Vec::new();
        for (list, names) in [(EDITED, &self.edited), (IMPORTED, &self.imported)] {
            for (category, entries) in names {
                let excepted = self.exceptions.get(category).into_iter().flatten();
                let is_void = list == IMPORTED && excepted.into_iter().any(|e| covers(e, host));
                for entry in entries.iter().filter(|entry| covers(entry, host)) {
                    if !is_void {
                        found.push((category.clone(), list, entry.clone()));
                    }
                }
            }
        }
        found
    }

    /// What becomes of a request for this host.
    pub(super) fn decide(&self, host: &str) -> Decision {
        let matches = self.matches(host);
        let mut categories: BTreeSet<String> = matches.iter().map(|(c, ..)| c.clone()).collect();
        if !RULES.iter().any(|(ruled, ..)| categories.contains(*ruled)) {
            categories.insert("unlisted".to_owned());
        }
        let rule = RULES.iter().find(|(ruled, ..)| categories.contains(*ruled));
        let Some((category, rule, verdict)) = rule else {
            return Decision {
                verdict: "allow",
                rule: "otherwise",
                category: String::new(),
                categories,
                found: None,
            };
        };
        let mut found = matches.into_iter().filter(|(c, ..)| c == category);
        let found = found.next().map(|(_, list, entry)| (list, entry));
        Decision {
            verdict,
            rule,
            category: (*category).to_owned(),
            categories,
            found: found.filter(|_| *verdict != "allow"),
        }
    }

    /// What `weir lists add` does.
    pub(super) fn add(&mut self, category: &str, name: &str) {
        let entries = self.edited.entry(category.to_owned()).or_default();
        entries.insert(name.to_owned());
        if let Some(exceptions) = self.exceptions.get_mut(category) {
            exceptions.remove(name);
        }
    }

    /// What `weir lists remove` does.
    pub(super) fn remove(&mut self, category: &str, name: &str) {
        if let Some(entries) = self.edited.get_mut(category) {
            entries.remove(name);
        }
        let imported = self.imported.get(category).into_iter().flatten();
        if imported.into_iter().any(|entry| covers(entry, name)) {
            let exceptions = self.exceptions.entry(category.to_owned()).or_default();
            exceptions.insert(name.to_owned());
        }
    }
}
