//! Decides which of the school's categories an imported category becomes. The map is data: a default for UT1 and one for
//! v2fly's lists, which a file can override line by line.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::category::{NameError, check_name};
use crate::formats::Format;

const UT1: &str = include_str!("ut1.toml");
const V2FLY: &str = include_str!("v2fly.toml");
/// Stands for every category that the map does not name.
const OTHERS: &str = "*";

/// Names of imported categories with the school's for them. A category that is not in it becomes what `*` does, and without
/// a `*` keeps its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CategoryMap {
    targets: BTreeMap<String, Vec<String>>,
    /// For v2fly's lists, whose 1,500 files are no categories of a school.
    v2fly: BTreeMap<String, Vec<String>>,
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

/// The default: the maps that are built in.
impl Default for CategoryMap {
    fn default() -> CategoryMap {
        let built_in = |text, file| CategoryMap::parse(text, Path::new(file));
        match (built_in(UT1, "ut1.toml"), built_in(V2FLY, "v2fly.toml")) {
            (Ok(ut1), Ok(v2fly)) => CategoryMap {
                targets: ut1.targets,
                v2fly: v2fly.targets,
            },
            _ => CategoryMap::none(),
        }
    }
}

impl CategoryMap {
    /// Every category keeps its name.
    pub fn none() -> CategoryMap {
        CategoryMap {
            targets: BTreeMap::new(),
            v2fly: BTreeMap::new(),
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
        let mut lines = CategoryMap::parse(&text, file)?;
        map.targets.append(&mut lines.targets);
        map.v2fly.append(&mut lines.v2fly);
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
        Ok(CategoryMap {
            v2fly: targets.clone(),
            targets,
        })
    }

    /// What an imported category becomes: its own name when the map has none, nothing when it is left out.
    ///
    /// # Errors
    /// [`NameError`] when it would keep a name that cannot be a category's.
    pub fn targets(&self, category: &str) -> Result<Vec<String>, NameError> {
        look_up(&self.targets, category)
    }

    /// [`CategoryMap::targets`] for a category of a list of that format.
    ///
    /// # Errors
    /// As [`CategoryMap::targets`].
    pub fn targets_of(&self, format: Format, category: &str) -> Result<Vec<String>, NameError> {
        let map = match format {
            Format::V2fly => &self.v2fly,
            _ => &self.targets,
        };
        look_up(map, category)
    }
}

fn look_up(map: &BTreeMap<String, Vec<String>>, category: &str) -> Result<Vec<String>, NameError> {
    match map.get(category).or_else(|| map.get(OTHERS)) {
        Some(targets) => Ok(targets.clone()),
        None => check_name(category).map(|()| vec![category.to_owned()]),
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
