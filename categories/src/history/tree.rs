//! Decides what belongs to a version of a source: its list files, the manifest of an import, and what of it is held back or
//! was decided on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Place, store};
use crate::entry::MatchKind;
use crate::hygiene;
use crate::manifest::{self, Manifest, hex};
use crate::source::{Listing, Source};

/// Deepest directory below what is held back or decided: the category, and its files.
const DEPTH_MAX: usize = 2;

/// The files of a version by their paths: `adult/domains`, `manifest.json`, `.held/adult/domains`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tree {
    pub(super) files: BTreeMap<String, FileVersion>,
}

/// One file of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileVersion {
    pub(super) sha256: String,
    pub(super) bytes: u64,
}

impl Tree {
    /// What is there now. A source without a directory has no files.
    pub(super) fn now(lists: &Path, place: &Place) -> io::Result<Tree> {
        let mut tree = Tree::default();
        if place.directory.is_dir() {
            tree.add_lists(place)?;
        }
        for hidden in hygiene::DIRECTORIES {
            let root = lists.join(hidden).join(&place.name);
            tree.add_below(&root, hidden, DEPTH_MAX)?;
        }
        Ok(tree)
    }

    fn add_lists(&mut self, place: &Place) -> io::Result<()> {
        let source = Source::directory(place.name.clone(), &place.directory);
        let listing =
            Listing::of(&source).map_err(|bad| io::Error::other(bad.cause.to_string()))?;
        let manifest = Manifest::read(&place.directory).map_err(io::Error::other)?;
        for file in listing.files {
            let known = manifest.as_ref().and_then(|m| m.files.get(&file.name()));
            let version = match known {
                // The content is checked against it when it is kept.
                Some(written) if written.bytes == file.bytes => FileVersion {
                    sha256: written.sha256.clone(),
                    bytes: written.bytes,
                },
                _ => digest(&file.path)?,
            };
            self.files.insert(file.name(), version);
        }
        if manifest.is_some() {
            let file = digest(&place.directory.join(manifest::FILE_NAME))?;
            self.files.insert(manifest::FILE_NAME.to_owned(), file);
        }
        Ok(())
    }

    fn add_below(&mut self, directory: &Path, name: &str, depth: usize) -> io::Result<()> {
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let file_name = entry.file_name();
            let file_name = file_name.to_string_lossy();
            if file_name.starts_with('.') {
                continue;
            }
            let name = format!("{name}/{file_name}");
            if entry.file_type()?.is_dir() {
                if depth > 1 {
                    self.add_below(&entry.path(), &name, depth - 1)?;
                }
            } else {
                self.files.insert(name, digest(&entry.path())?);
            }
        }
        Ok(())
    }

    /// True when the files are in normal form, as an import leaves them.
    pub(super) fn is_import(&self) -> bool {
        self.files.contains_key(manifest::FILE_NAME)
    }

    /// True when both have the same lists, and the same held back; when a list was imported makes no difference.
    pub(super) fn is_same(&self, other: &Tree) -> bool {
        let counting = |tree: &Tree| {
            let mut files = tree.files.clone();
            files.remove(manifest::FILE_NAME);
            files
        };
        counting(self) == counting(other)
    }

    /// The list files of both, as path, category and kind.
    pub(super) fn lists_of_both(&self, other: &Tree) -> Vec<(String, String, MatchKind)> {
        let paths: BTreeSet<&String> = self.files.keys().chain(other.files.keys()).collect();
        let list = |path: &String| {
            let (category, kind) = list_name(path)?;
            Some((path.clone(), category.to_owned(), kind))
        };
        paths.into_iter().filter_map(list).collect()
    }

    pub(super) fn sha256(&self, path: &str) -> Option<&str> {
        Some(&self.files.get(path)?.sha256)
    }

    /// True when no name leads out of a source's directory, and every digest is one: it is read from a file.
    pub(super) fn is_sound(&self) -> bool {
        self.files.iter().all(|(path, file)| {
            let known = path == manifest::FILE_NAME
                || list_name(path).is_some()
                || hidden_name(path).is_some();
            known && store::is_digest(&file.sha256)
        })
    }
}

/// Category and kind of `adult/domains`.
pub(super) fn list_name(path: &str) -> Option<(&str, MatchKind)> {
    let (category, file) = path.split_once('/')?;
    let kind = MatchKind::of_file_name(file)?;
    crate::category::check_name(category).ok()?;
    Some((category, kind))
}

/// Directory and the path below the source's in it, of `.held/adult/domains`.
pub(super) fn hidden_name(path: &str) -> Option<(&'static str, &str)> {
    let (first, rest) = path.split_once('/')?;
    let directory = hygiene::DIRECTORIES
        .into_iter()
        .find(|name| *name == first)?;
    list_name(rest).map(|_| (directory, rest))
}

fn digest(path: &PathBuf) -> io::Result<FileVersion> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        bytes += count as u64;
        hash.update(buffer.get(..count).unwrap_or_default());
    }
    Ok(FileVersion {
        sha256: hex(&hash.finalize()),
        bytes,
    })
}
