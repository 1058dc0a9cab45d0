//! Plain words for categories, for pages: the titles of `categories.toml` beside the lists.
//!
//! Decides nothing; a category without a title is shown by its name.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;
use weir_config::{Fault, Faults, Settings};

/// Where a directory of lists has them.
const FILE: &str = "categories.toml";
/// The titles that ship with the starter lists.
const STARTER: &str = include_str!("../../categories/lists/categories.toml");

/// Category name to title.
#[derive(Debug, Default)]
pub(crate) struct Titles(HashMap<String, String>);

#[derive(serde::Deserialize)]
struct Entry {
    title: String,
}

impl Titles {
    /// The shipped titles, and over them those beside the school's own lists. A file that
    /// cannot be read costs its titles, nothing else.
    pub(crate) fn read(settings: &Settings) -> Titles {
        let mut titles = Titles::default();
        titles.add(STARTER);
        for directory in &settings.lists.directories {
            let file = directory.join(FILE);
            if let Ok(text) = std::fs::read_to_string(&file)
                && !titles.add(&text)
            {
                tracing::warn!(file = %file.display(), "the categories' titles cannot be read");
            }
        }
        titles
    }

    fn add(&mut self, text: &str) -> bool {
        let read = toml::from_str::<HashMap<String, Entry>>(text);
        let added = read.map(|entries| {
            let titles = entries.into_iter().map(|(name, entry)| (name, entry.title));
            self.0.extend(titles);
        });
        added.is_ok()
    }

    /// The title, or the name in words.
    pub(crate) fn of(&self, category: &str) -> String {
        self.0
            .get(category)
            .cloned()
            .unwrap_or_else(|| category.replace('-', " "))
    }
}

/// Whether the titles beside the lists in `directory` can be read; none there is well.
///
/// # Errors
/// The fault with its line.
pub(crate) fn check(directory: &Path) -> Result<(), Faults> {
    let file = directory.join(FILE);
    let fault = |line, message| {
        Faults(vec![Fault {
            file: file.clone(),
            line,
            key: String::new(),
            message,
        }])
    };
    let text = match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        text => text.map_err(|error| fault(None, error.to_string()))?,
    };
    let read = toml::from_str::<HashMap<String, Entry>>(&text);
    read.map(drop).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map(|before| before.matches('\n').count() + 1);
        fault(line, error.message().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_titles_are_read_and_an_unknown_category_shows_its_name() {
        let mut titles = Titles::default();
        assert!(titles.add(STARTER));
        assert_ne!(titles.of("self-harm"), "self-harm");
        assert_eq!(titles.of("some-thing"), "some thing");
        assert!(!titles.add("[broken"));
    }
}
