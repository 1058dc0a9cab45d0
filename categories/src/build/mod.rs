//! Decides how sources become one [`Index`]: which files are read, what is refused as a whole, and in which order.
//!
//! A bad line never stops the rest: it is a fault in the report. A file that cannot be read or is half-written stops the
//! build with an error that names its source. Callers keep the index they have then: an old list in force is better than a
//! part of a new one.
//!
//! Imported sources (those with a manifest) and the starter lists make the base of an index, which is compiled once and kept
//! in a file ([`crate::file`]); sources that people edit make the overlay, which is compiled in memory each time.

pub(crate) mod compile;
mod merge;
mod parse;
pub(crate) mod plan;
mod spread;

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use thiserror::Error;

use self::compile::{Compiled, compile};
use self::parse::{Chunk, Parsed, chunks, parse};
use self::plan::{Plan, Planned, Plans};
use self::spread::spread;
use crate::category::CATEGORIES_MAX;
use crate::file;
use crate::hygiene;
use crate::index::Index;
use crate::keywords::KEYWORDS_MAX;
use crate::manifest::{ManifestError, hex};
use crate::report::{Phase, Progress, Report};
use crate::source::{ReadError, Source, Unreadable};
use crate::store::Store;

/// A finished build.
#[derive(Debug)]
pub struct Built {
    /// What to ask.
    pub index: Index,
    /// What was read and what was wrong with it.
    pub report: Report,
    /// Why the compiled lists are held in memory instead of a file, where they should be in one. The index is right all the
    /// same, but larger, and the next start takes as long.
    pub warning: Option<String>,
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
    /// Names were made so that the index cannot tell them apart fast.
    #[error("tens of thousands of names are made to look alike: a list is an attack on this index")]
    Crafted,
    /// More than [`KEYWORDS_MAX`] keywords.
    #[error("the lists have more than {KEYWORDS_MAX} keywords together")]
    Keywords,
    /// What is compiled cannot be written. Never an outcome of [`build`] or [`open`].
    #[error("the compiled lists cannot be written: {0}")]
    Write(io::Error),
}

/// Reads every list of `sources` and makes one index of them, in memory. Which source comes first changes nothing but the
/// order in which matches are told.
///
/// `progress` is called on this thread, and tells of the larger layer. Memory while it runs: the index that is made, the files' content, and 16 bytes a
/// line.
///
/// # Errors
/// [`BuildError`] names the source; keep the index in force.
pub fn build(sources: &[Source], progress: &mut dyn FnMut(Progress)) -> Result<Built, BuildError> {
    let plans = Plans::of(sources)?;
    let mut silent = |_| {};
    let (of_base, of_overlay) = told_of(&plans, progress, &mut silent);
    let base = in_memory(&plans.base, of_base)?;
    finish(plans, Arc::new(base), None, of_overlay)
}

/// [`build`], with the base from its file below `place` where that is current, and else compiled and written there. `last` is
/// the index in force: while its base is current, that is shared.
///
/// Memory while it runs: as for [`build`], but names go into the file as they are laid out.
///
/// # Errors
/// [`BuildError`] names the source; keep the index in force. Not that the file cannot be written: that is a warning.
pub fn open(
    place: &Path,
    sources: &[Source],
    last: Option<&Index>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Built, BuildError> {
    let plans = Plans::of(sources)?;
    let mut silent = |_| {};
    let (of_base, of_overlay) = told_of(&plans, progress, &mut silent);
    let (base, warning) = file::base(place, &plans.base, last.map(Index::base), of_base)?;
    finish(plans, base, warning, of_overlay)
}

/// [`open`] for whoever only looks: nothing is written. What is not current in `place` is made in memory.
///
/// # Errors
/// [`BuildError`] names the source.
pub fn look(
    place: &Path,
    sources: &[Source],
    progress: &mut dyn FnMut(Progress),
) -> Result<Built, BuildError> {
    let plans = Plans::of(sources)?;
    let mut silent = |_| {};
    let (of_base, of_overlay) = told_of(&plans, progress, &mut silent);
    let base = match file::current(place, &plans.base) {
        Some(store) => store,
        None => in_memory(&plans.base, of_base)?,
    };
    finish(plans, Arc::new(base), None, of_overlay)
}

/// Who is told of the base and who of the overlay: progress goes on in one direction.
fn told_of<'a>(
    plans: &Plans,
    progress: &'a mut dyn FnMut(Progress),
    silent: &'a mut dyn FnMut(Progress),
) -> (&'a mut dyn FnMut(Progress), &'a mut dyn FnMut(Progress)) {
    if plans.base.bytes() > plans.overlay.bytes() {
        (progress, silent)
    } else {
        (silent, progress)
    }
}

fn finish(
    plans: Plans,
    base: Arc<Store>,
    warning: Option<String>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Built, BuildError> {
    let overlay = Arc::new(in_memory(&plans.overlay, progress)?);
    let mut report = base.report.clone();
    report.faults.append(overlay.report.faults.clone());
    report.files.extend(overlay.report.files.iter().cloned());
    let version = whole_version(&plans, &base, &overlay);
    Ok(Built {
        index: Index::new(plans.names, plans.sources, base, overlay, version),
        report,
        warning,
    })
}

/// Compiles a plan into a store that is all in memory.
pub(crate) fn in_memory(
    plan: &Plan,
    progress: &mut dyn FnMut(Progress),
) -> Result<Store, BuildError> {
    if plan.sources.is_empty() {
        return Ok(Store::default());
    }
    let mut text = Vec::new();
    let contents = Contents::read(plan, progress)?;
    let compiled = contents.compile(plan, &mut text, progress)?;
    compiled.with(text.into())
}

/// The content of every file of a plan.
pub(crate) struct Contents {
    files: Vec<Content>,
    /// A digest of it all: 64 hexadecimal digits.
    pub(crate) version: String,
}

impl Contents {
    /// Reads every file whole and holds it to its manifest.
    pub(crate) fn read(
        plan: &Plan,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Contents, BuildError> {
        let files = read(plan, progress)?;
        let version = version(plan, &files);
        Ok(Contents { files, version })
    }

    /// Compiles it; the names' text goes to `text`.
    pub(crate) fn compile(
        self,
        plan: &Plan,
        text: &mut dyn Write,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Compiled, BuildError> {
        let chunks = cut(plan, &self.files)?;
        let parsed = parse_all(&chunks, plan.bytes(), progress);
        compile(plan, &chunks, parsed, self.version, text, progress)
    }
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

/// A digest of parts, none of which can run into another: 64 hexadecimal digits.
pub(crate) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    hex(&digest.finalize())
}

/// A digest of the names of a plan's sources, of their categories and of every file.
fn version(plan: &Plan, contents: &[Content]) -> String {
    let sources = plan.sources.iter().map(|name| name.as_bytes());
    let categories = plan.categories.iter().map(|name| name.as_bytes());
    let names: Vec<String> = plan
        .files
        .iter()
        .map(|planned| planned.file.name())
        .collect();
    let files = plan.files.iter().zip(&names).zip(contents);
    let files = files.flat_map(|((planned, name), content)| {
        let list = plan.list(planned).as_bytes();
        [list, name.as_bytes(), &content.digest]
    });
    digest(
        sources
            .chain([&b""[..]])
            .chain(categories)
            .chain([&b""[..]])
            .chain(files),
    )
}

/// The version of an index: of the names and order of all its sources, and of both layers.
fn whole_version(plans: &Plans, base: &Store, overlay: &Store) -> String {
    let sources = plans.sources.iter().map(|name| name.as_bytes());
    let layers = [base.version.as_bytes(), overlay.version.as_bytes()];
    digest(sources.chain(layers)).chars().take(16).collect()
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
                opens: hygiene::opens(&planned.file.category),
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
