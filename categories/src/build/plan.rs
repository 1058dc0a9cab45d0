//! Decides which sources are the base of an index and which its overlay, and what each has, without reading lists.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::{BuildError, digest, unreadable};
use crate::category::Names;
use crate::manifest::{Manifest, ManifestError};
use crate::report::Report;
use crate::source::{ListFile, Listing, Root, Source};
use crate::store::StoreTag;

/// A list file with what it belongs to.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) source: usize,
    pub(crate) tag: u16,
    pub(crate) file: ListFile,
}

/// Everything about the sources of one layer but the content of their lists.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) sources: Vec<String>,
    pub(crate) roots: Vec<PathBuf>,
    /// Sorted, without the built-in ones.
    pub(crate) categories: Vec<String>,
    pub(crate) manifests: Vec<Option<Manifest>>,
    pub(crate) tags: Vec<StoreTag>,
    pub(crate) files: Vec<Planned>,
    pub(crate) report: Report,
}

/// Both layers of an index.
#[derive(Debug)]
pub(crate) struct Plans {
    /// Of all sources.
    pub(crate) names: Names,
    /// In their order.
    pub(crate) sources: Vec<Arc<str>>,
    /// Imported sources and the starter lists.
    pub(crate) base: Plan,
    /// What people edit.
    pub(crate) overlay: Plan,
}

type Listed<'a> = (&'a Source, Listing, Option<Manifest>);

impl Plans {
    /// Looks through the sources.
    pub(crate) fn of(sources: &[Source]) -> Result<Plans, BuildError> {
        let (mut base, mut overlay): (Vec<Listed<'_>>, Vec<Listed<'_>>) = Default::default();
        let mut names: Vec<Arc<str>> = Vec::with_capacity(sources.len());
        for source in sources {
            if names.iter().any(|name| **name == *source.name) {
                return Err(BuildError::Repeated(source.name.clone()));
            }
            names.push(Arc::from(&*source.name));
            let (listing, manifest) = listing(source)?;
            let local = manifest.is_none() && matches!(source.root, Root::Directory(_));
            let layer = if local { &mut overlay } else { &mut base };
            layer.push((source, listing, manifest));
        }
        let all = base.iter().chain(&overlay);
        let categories = all.flat_map(|(_, listing, _)| &listing.categories);
        Ok(Plans {
            names: Names::new(categories.map(String::as_str)).map_err(BuildError::Categories)?,
            sources: names,
            base: Plan::of(base)?,
            overlay: Plan::of(overlay)?,
        })
    }
}

impl Plan {
    fn of(listed: Vec<Listed<'_>>) -> Result<Plan, BuildError> {
        let mut plan = Plan::default();
        let all = listed
            .iter()
            .flat_map(|(_, listing, _)| &listing.categories);
        plan.categories = all.cloned().collect();
        plan.categories.sort_unstable();
        plan.categories.dedup();
        for (source, listing, manifest) in listed {
            plan.add(source, listing)?;
            plan.manifests.push(manifest);
        }
        Ok(plan)
    }

    fn add(&mut self, source: &Source, listing: Listing) -> Result<(), BuildError> {
        let number = self.sources.len();
        let number_16 = u16::try_from(number).map_err(|_| BuildError::TooMany("lists"))?;
        for file in listing.files {
            let Ok(category) = self.categories.binary_search(&file.category) else {
                continue;
            };
            let tag = StoreTag {
                category: u16::try_from(category).map_err(|_| BuildError::Categories(category))?,
                source: number_16,
            };
            if self.tags.last() != Some(&tag) {
                self.tags.push(tag);
            }
            let tag = u16::try_from(self.tags.len() - 1)
                .map_err(|_| BuildError::TooMany("categories of lists"))?;
            self.files.push(Planned {
                source: number,
                tag,
                file,
            });
        }
        self.sources.push(source.name.clone());
        self.roots.push(source.place());
        self.report.faults.append(listing.faults);
        Ok(())
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|planned| planned.file.bytes).sum()
    }

    /// The name of a file's source.
    pub(crate) fn list(&self, planned: &Planned) -> &str {
        self.sources.get(planned.source).map_or("", |name| name)
    }

    /// What the sources look like from outside: their names, their manifests, and of every file its size, its times of change
    /// and its number, the starter lists by their content. While that is the same, so is what they hold: 64 hexadecimal
    /// digits. `None` when a file cannot be looked at.
    pub(crate) fn stamp(&self) -> Option<String> {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for name in self.sources.iter().chain(&self.categories) {
            parts.push(name.clone().into_bytes());
        }
        for manifest in &self.manifests {
            let text = manifest.as_ref().map(|manifest| manifest.to_json().ok());
            parts.push(text.flatten().unwrap_or_default());
        }
        for planned in &self.files {
            parts.push(self.list(planned).into());
            parts.push(planned.file.name().into_bytes());
            parts.push(match planned.file.embedded() {
                Some(content) => content.to_vec(),
                None => {
                    let about = std::fs::metadata(&planned.file.path).ok()?;
                    let (size, number) = (about.len(), about.ino());
                    let modified = (about.mtime(), about.mtime_nsec());
                    let changed = (about.ctime(), about.ctime_nsec());
                    format!("{size} {number} {modified:?} {changed:?}").into_bytes()
                }
            });
        }
        Some(digest(parts.iter().map(Vec::as_slice)))
    }
}

/// What a source has, and its manifest if it has one, whose names are checked.
fn listing(source: &Source) -> Result<(Listing, Option<Manifest>), BuildError> {
    let listing = Listing::of(source).map_err(|bad| unreadable(&source.name, bad))?;
    let checked = || -> Result<Option<Manifest>, ManifestError> {
        let Root::Directory(path) = &source.root else {
            return Ok(None);
        };
        let manifest = Manifest::read(path)?;
        if let Some(manifest) = &manifest {
            let found: Vec<String> = listing.files.iter().map(ListFile::name).collect();
            manifest.check_names(found.iter().map(String::as_str))?;
        }
        Ok(manifest)
    };
    let manifest = checked().map_err(|cause| BuildError::Manifest {
        list: source.name.clone(),
        cause,
    })?;
    Ok((listing, manifest))
}
