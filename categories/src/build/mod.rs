//! Decides how sources become one [`Index`]: which files are read, what is refused as a whole, and in which order.
//!
//! A bad line never stops the rest: it is a fault in the report. A file that cannot be read or is half-written stops the
//! build with an error that names its source. Callers keep the index they have then: an old list in force is better than a
//! part of a new one.

mod compile;
mod parse;
mod spread;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use thiserror::Error;

use self::compile::compile;
use self::parse::{Chunk, Parsed, chunks, parse};
use self::spread::spread;
use crate::category::{CATEGORIES_MAX, Names};
use crate::index::{Index, Tag};
use crate::manifest::{Manifest, ManifestError, hex};
use crate::report::{FileReport, Phase, Progress, Report};
use crate::source::{ListFile, Listing, ReadError, Root, Source, Unreadable};

/// A finished build.
#[derive(Debug)]
pub struct Built {
    /// What to ask.
    pub index: Index,
    /// What was read and what was wrong with it.
    pub report: Report,
}

/// Why there is no new index. The one in force stays in force.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A file or directory of a source cannot be read, or is half-written.
    #[error("list {list}: {}: {cause}", file.display())]
    Read {
        /// The source's name.
        list: String,
        /// The file or directory.
        file: PathBuf,
        /// What is wrong with it.
        cause: ReadError,
    },
    /// An imported source is not what its import wrote.
    #[error("list {list}: {cause}; import it again")]
    Manifest {
        /// The source's name.
        list: String,
        /// What does not fit.
        cause: ManifestError,
    },
    /// Two sources have one name.
    #[error("two lists are named {0}")]
    Repeated(String),
    /// The sources have more categories than a set can hold.
    #[error("the lists have {0} categories together; {CATEGORIES_MAX} are the most")]
    Categories(usize),
    /// More than 65,535 pairs of source and category, or distinct combinations of those on one name.
    #[error("more than 65535 {0}")]
    TooMany(&'static str),
    /// The names together do not fit.
    #[error("the names of all lists together are longer than 4 GiB")]
    TooLong,
}

/// Reads every list of `sources` and makes one index of them. Which source comes first changes nothing but the order in
/// which matches are told.
///
/// `progress` is called on this thread. Memory while it runs: the index that is made, the files' content, and 16 bytes a
/// line.
///
/// # Errors
/// [`BuildError`] names the source; keep the index in force.
pub fn build(sources: &[Source], progress: &mut dyn FnMut(Progress)) -> Result<Built, BuildError> {
    let plan = Plan::of(sources)?;
    let contents = read(&plan, progress)?;
    let version = version(sources, &plan, &contents);
    let chunks = cut(&plan, &contents)?;
    let parsed = parse_all(&chunks, plan.bytes(), progress);
    compile(&plan, &chunks, parsed, version, progress)
}

/// A list file with what it belongs to.
#[derive(Debug)]
struct Planned {
    source: usize,
    tag: u16,
    file: ListFile,
}

/// Everything about the sources but the content of their lists.
#[derive(Debug)]
struct Plan {
    names: Names,
    sources: Vec<Arc<str>>,
    manifests: Vec<Option<Manifest>>,
    tags: Vec<Tag>,
    files: Vec<Planned>,
    report: Report,
}

impl Plan {
    fn of(sources: &[Source]) -> Result<Plan, BuildError> {
        let mut listings = Vec::with_capacity(sources.len());
        for source in sources {
            listings.push(listing(source)?);
        }
        let categories = listings.iter().flat_map(|(listing, _)| &listing.categories);
        let names = Names::new(categories.map(String::as_str)).map_err(BuildError::Categories)?;
        let mut plan = Plan {
            names,
            sources: Vec::new(),
            manifests: Vec::new(),
            tags: Vec::new(),
            files: Vec::new(),
            report: Report::default(),
        };
        for (source, (listing, manifest)) in sources.iter().zip(listings) {
            plan.add(source, listing)?;
            plan.manifests.push(manifest);
        }
        Ok(plan)
    }

    fn add(&mut self, source: &Source, listing: Listing) -> Result<(), BuildError> {
        if self.sources.iter().any(|name| **name == *source.name) {
            return Err(BuildError::Repeated(source.name.clone()));
        }
        let number = self.sources.len();
        let number_16 = u16::try_from(number).map_err(|_| BuildError::TooMany("lists"))?;
        for file in listing.files {
            let Some(category) = self.names.id(&file.category) else {
                continue;
            };
            let tag = Tag {
                category,
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
        self.sources.push(Arc::from(&*source.name));
        self.report.faults.append(listing.faults);
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.files.iter().map(|planned| planned.file.bytes).sum()
    }

    fn list(&self, planned: &Planned) -> &str {
        self.sources.get(planned.source).map_or("", |name| name)
    }

    /// An empty report for each file.
    fn file_reports(&self) -> Vec<FileReport> {
        let report = |planned: &Planned| FileReport {
            list: self.list(planned).to_owned(),
            category: planned.file.category.clone(),
            kind: planned.file.kind,
            file: planned.file.path.clone(),
            lines: 0,
            entries: 0,
            duplicates: 0,
            blank: 0,
            faulty: 0,
        };
        self.files.iter().map(report).collect()
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

struct Content {
    bytes: Cow<'static, [u8]>,
    digest: [u8; 32],
}

/// Reads every file whole and holds it to its manifest.
fn read(plan: &Plan, progress: &mut dyn FnMut(Progress)) -> Result<Vec<Content>, BuildError> {
    let mut told = Told::new(Phase::Read, plan.bytes(), progress);
    let contents = spread(
        &plan.files,
        |planned| read_one(plan, planned),
        &mut |planned| told.more(planned.file.bytes),
    );
    contents.into_iter().collect()
}

fn read_one(plan: &Plan, planned: &Planned) -> Result<Content, BuildError> {
    let list = plan.list(planned);
    let bytes = planned.file.read().map_err(|bad| unreadable(list, bad))?;
    let digest = Sha256::digest(&*bytes).into();
    if let Some(Some(manifest)) = plan.manifests.get(planned.source) {
        manifest
            .check(&planned.file.name(), &bytes, &digest)
            .map_err(|cause| BuildError::Manifest {
                list: list.to_owned(),
                cause,
            })?;
    }
    Ok(Content { bytes, digest })
}

fn unreadable(list: &str, bad: Unreadable) -> BuildError {
    BuildError::Read {
        list: list.to_owned(),
        file: bad.file,
        cause: bad.cause,
    }
}

/// A digest of the names of the sources, of their categories and of every file.
fn version(sources: &[Source], plan: &Plan, contents: &[Content]) -> String {
    let mut digest = Sha256::new();
    let mut part = |text: &[u8]| {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    };
    for source in sources {
        part(source.name.as_bytes());
    }
    for (_, name) in plan.names.iter() {
        part(name.as_bytes());
    }
    for (planned, content) in plan.files.iter().zip(contents) {
        part(plan.list(planned).as_bytes());
        part(planned.file.name().as_bytes());
        part(&content.digest);
    }
    hex(&digest.finalize()).chars().take(16).collect()
}

fn cut<'a>(plan: &'a Plan, contents: &'a [Content]) -> Result<Vec<Chunk<'a>>, BuildError> {
    let files = plan.files.iter().zip(contents).enumerate();
    let found: Vec<Chunk<'a>> = files
        .flat_map(|(at, (planned, content))| {
            chunks(Chunk {
                file: at,
                list: plan.list(planned),
                path: &planned.file.path,
                kind: planned.file.kind,
                tag: planned.tag,
                text: &content.bytes,
            })
        })
        .collect();
    // Keys have 24 bits for the chunk.
    if found.len() >= 1 << 24 {
        return Err(BuildError::TooLong);
    }
    Ok(found)
}

fn parse_all(chunks: &[Chunk<'_>], bytes: u64, progress: &mut dyn FnMut(Progress)) -> Vec<Parsed> {
    let mut told = Told::new(Phase::Parse, bytes, progress);
    let numbered: Vec<(usize, &Chunk<'_>)> = chunks.iter().enumerate().collect();
    spread(
        &numbered,
        |(number, chunk)| parse(*number, chunk),
        &mut |(_, chunk)| told.more(chunk.text.len() as u64),
    )
}

/// Keeps count and tells.
struct Told<'a> {
    progress: Progress,
    tell: &'a mut dyn FnMut(Progress),
}

impl<'a> Told<'a> {
    fn new(phase: Phase, total: u64, tell: &'a mut dyn FnMut(Progress)) -> Told<'a> {
        let progress = Progress {
            phase,
            done: 0,
            total,
        };
        tell(progress);
        Told { progress, tell }
    }

    fn more(&mut self, bytes: u64) {
        let done = self.progress.done + bytes;
        self.progress.done = done.min(self.progress.total);
        (self.tell)(self.progress);
    }
}

/// Whatever the files had in marks or changed meanwhile, a phase ends at its total.
impl Drop for Told<'_> {
    fn drop(&mut self) {
        if self.progress.done < self.progress.total {
            self.progress.done = self.progress.total;
            (self.tell)(self.progress);
        }
    }
}

#[cfg(test)]
mod tests;
