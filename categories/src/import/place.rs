//! Decides what a path of an archive is to an import: a list of a category, something to ignore, or an attack.

use std::path::{Component, Path};

use crate::entry::MatchKind;

/// A path that leaves the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outside;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A list file.
    List { category: String, kind: MatchKind },
    /// Something else: a directory, or a file that is no list. Its name if it were a category.
    Other { category: String },
    /// The root itself.
    Root,
}

/// Takes the path apart; refuses absolute paths and those with `..` that lead out.
pub(super) fn parts(path: &Path) -> Result<Vec<String>, Outside> {
    resolve(Vec::new(), path)
}

/// Where a symbolic link that lies at `link` leads.
pub(super) fn link_target(link: &[String], target: &Path) -> Result<Vec<String>, Outside> {
    let parent = link
        .split_last()
        .map_or(&[] as &[String], |(_, parent)| parent);
    resolve(parent.to_vec(), target)
}

fn resolve(mut from: Vec<String>, path: &Path) -> Result<Vec<String>, Outside> {
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(part) => from.push(part.to_string_lossy().into_owned()),
            Component::ParentDir => _ = from.pop().ok_or(Outside)?,
            Component::RootDir | Component::Prefix(_) => return Err(Outside),
        }
    }
    Ok(from)
}

/// What a path in the archive names. Archives have one directory around everything (`blacklists/adult/domains`) or none
/// (`adult/domains`); directories deeper than that make one name (`BL/hobby/pets/domains` is `hobby-pets`).
pub(super) fn place(parts: &[String]) -> Place {
    let Some((last, directories)) = parts.split_last() else {
        return Place::Root;
    };
    match MatchKind::of_file_name(last) {
        Some(kind) if !directories.is_empty() => Place::List {
            category: category(directories),
            kind,
        },
        _ => Place::Other {
            category: category(parts),
        },
    }
}

fn category(directories: &[String]) -> String {
    match directories {
        [_, rest @ ..] if !rest.is_empty() => rest.join("-"),
        all => all.join("-"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_that_leave_the_archive_are_refused() {
        for bad in ["/etc/passwd", "../x/domains", "a/../../x/domains", "/"] {
            assert_eq!(parts(Path::new(bad)), Err(Outside), "{bad}");
        }
        assert_eq!(
            parts(Path::new("./a/b/../domains")).unwrap(),
            ["a", "domains"]
        );
        let link = parts(Path::new("blacklists/ads")).unwrap();
        assert_eq!(
            link_target(&link, Path::new("publicite")).unwrap(),
            ["blacklists", "publicite"]
        );
        assert_eq!(link_target(&link, Path::new("../x")).unwrap(), ["x"]);
        for bad in ["../../x", "/x"] {
            assert_eq!(link_target(&link, Path::new(bad)), Err(Outside), "{bad}");
        }
    }

    #[test]
    fn the_category_is_the_directory_below_the_archives_own() {
        let table = [
            ("blacklists/adult/domains", "adult", Some(MatchKind::Domain)),
            ("adult/urls", "adult", Some(MatchKind::Url)),
            (
                "BL/hobby/pets/expressions",
                "hobby-pets",
                Some(MatchKind::Expression),
            ),
            (
                "blacklists/adult/very_restrictive_expression",
                "adult-very_restrictive_expression",
                None,
            ),
            ("blacklists/ads", "ads", None),
            ("domains", "domains", None),
        ];
        for (path, name, expected) in table {
            let found = place(&parts(Path::new(path)).unwrap());
            let category = name.to_owned();
            let expected = match expected {
                Some(kind) => Place::List { category, kind },
                None => Place::Other { category },
            };
            assert_eq!(found, expected, "{path}");
        }
        assert_eq!(place(&[]), Place::Root);
    }
}
