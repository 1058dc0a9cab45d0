//! Decides which of the school's categories an imported category becomes. The map is data: a default for UT1 that a file can
//! override line by line.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::category::{NameError, check_name};

const UT1: &str = include_str!("ut1.toml");

/// Names of imported categories with the school's for them. A category that is not in it keeps its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CategoryMap {
    targets: BTreeMap<String, Vec<String>>,
}

/// Why a map cannot be used.
#[derive(Debug, Error)]
pub enum MapError {
    /// The file cannot be read.
    #[error("{}: {cause}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// It is no table of `name = "name"` or `name = ["name", …]`.
    #[error("{}: {message}", file.display())]
    Form {
        /// The file.
        file: PathBuf,
        /// With line and column.
        message: String,
    },
    /// A category of ours that cannot be one.
    #[error("{}: {key}: {cause}", file.display())]
    Name {
        /// The file.
        file: PathBuf,
        /// The imported category.
        key: String,
        /// What is wrong with the name given for it.
        cause: NameError,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// The default: the map for UT1.
impl Default for CategoryMap {
    fn default() -> CategoryMap {
        CategoryMap::parse(UT1, Path::new("ut1.toml")).unwrap_or(CategoryMap::none())
    }
}

impl CategoryMap {
    /// Every category keeps its name.
    pub fn none() -> CategoryMap {
        CategoryMap {
            targets: BTreeMap::new(),
        }
    }

    /// The default map with the lines of a file in place of its own.
    ///
    /// # Errors
    /// [`MapError`] with file and key.
    pub fn read(file: &Path) -> Result<CategoryMap, MapError> {
        let text = std::fs::read_to_string(file).map_err(|cause| MapError::Read {
            file: file.to_owned(),
            cause,
        })?;
        let mut map = CategoryMap::default();
        map.targets
            .append(&mut CategoryMap::parse(&text, file)?.targets);
        Ok(map)
    }

    /// A map of nothing but the lines of `text`; `file` is for messages.
    ///
    /// # Errors
    /// [`MapError`] with file and key.
    pub fn parse(text: &str, file: &Path) -> Result<CategoryMap, MapError> {
        let table: BTreeMap<String, OneOrMany> =
            toml::from_str(text).map_err(|error| MapError::Form {
                file: file.to_owned(),
                message: error.to_string().trim_end().to_owned(),
            })?;
        let mut targets = BTreeMap::new();
        for (key, value) in table {
            let mut names = match value {
                OneOrMany::One(name) if name.is_empty() => Vec::new(),
                OneOrMany::One(name) => vec![name],
                OneOrMany::Many(names) => names,
            };
            if let Some(cause) = names.iter().find_map(|name| check_name(name).err()) {
                let file = file.to_owned();
                return Err(MapError::Name { file, key, cause });
            }
            names.sort_unstable();
            names.dedup();
            targets.insert(key, names);
        }
        Ok(CategoryMap { targets })
    }

    /// What an imported category becomes: its own name when the map has none, nothing when it is left out.
    ///
    /// # Errors
    /// [`NameError`] when it would keep a name that cannot be a category's.
    pub fn targets(&self, category: &str) -> Result<Vec<String>, NameError> {
        match self.targets.get(category) {
            Some(targets) => Ok(targets.clone()),
            None => check_name(category).map(|()| vec![category.to_owned()]),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn targets(map: &CategoryMap, category: &str) -> String {
        map.targets(category).unwrap().join(" ")
    }

    #[test]
    fn the_default_maps_ut1_to_the_schools_categories() {
        assert_ne!(CategoryMap::default(), CategoryMap::none());
        let map = CategoryMap::default();
        let table = [
            ("agressif", "hate violence"),
            ("drogue", "drugs"),
            ("strong_redirector", "bypass"),
            ("vpn", "bypass"),
            ("social_networks", "social"),
            ("update", "security-updates"),
            ("press", "press"),
            ("download", ""),
        ];
        for (theirs, ours) in table {
            assert_eq!(targets(&map, theirs), ours, "{theirs}");
        }
    }

    #[test]
    fn a_file_wins_over_the_default_line_by_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("map.toml");
        std::fs::write(
            &file,
            "download = \"adult\"\npress = [\"news\", \"news\"]\n",
        )
        .unwrap();
        let map = CategoryMap::read(&file).unwrap();
        assert_eq!(targets(&map, "download"), "adult");
        assert_eq!(targets(&map, "press"), "news");
        assert_eq!(targets(&map, "drogue"), "drugs");
    }

    #[test]
    fn a_faulty_map_is_refused_with_its_key() {
        let parse = |text| {
            CategoryMap::parse(text, Path::new("m.toml"))
                .unwrap_err()
                .to_string()
        };
        assert!(parse("a = \"Not A Name\"").contains("m.toml: a: "));
        assert!(parse("a = [\"../x\"]").contains("m.toml: a: "));
        assert!(parse("a = \"unlisted\"").contains("gives itself"));
        assert!(parse("a = 1").contains("m.toml: "));
        assert!(parse("a = \"b\"\na = \"c\"").contains("m.toml: "));
    }

    #[test]
    fn a_category_that_cannot_keep_its_name_is_a_fault() {
        let map = CategoryMap::default();
        assert!(map.targets("Not A Name").is_err());
        assert!(map.targets("unlisted").is_err());
    }
}
