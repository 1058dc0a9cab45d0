//! Decides what of a new version of an imported source goes live, and what waits for a person.
//!
//! Real lists carry dirt: public suffixes, sites that every school needs, thirty thousand names of another list. Before a
//! new version goes live it is compared with the last. Held back are entries that [`Rules`] doubt one by one, and what comes
//! or goes in a category beyond its [`Bounds`], as a whole; everything else goes live. Nothing is lost: an entry of the
//! candidate is live, held or was dropped by a person, and an entry whose going is held stays live.
//!
//! What a person decides ([`decide`]) is remembered: an accepted entry is not held again, a dropped one stays out (or, if
//! its going was dropped, stays in) and is counted.

mod decide;
mod held;
mod reason;
mod rules;
mod wide;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

pub use self::decide::{DecideError, Decision, Filter, decide};
use self::held::{Decided, Writing};
pub use self::held::{Held, Verdict, each_held, sources_with_held};
pub use self::reason::Reason;
pub(crate) use self::rules::opens;
pub use self::rules::{Bounds, RANKED_MAX, Rules};
use crate::entry::MatchKind;
use crate::history::lines::{Lines, Nothing, Plain, Side, compare};
use crate::manifest::{self, Manifest, ManifestError, Written, hex};
use crate::source::{Listing, Source};

/// What lies beside the imported sources, with a directory for each: what is held back of it, and what was decided.
pub const DIRECTORIES: [&str; 2] = [".held", ".decided"];
const BUFFER: usize = 256 << 10;

/// Why a new version could not be compared.
#[derive(Debug, Error)]
#[error("{}: {cause}", place.display())]
pub struct ReviewError {
    place: PathBuf,
    cause: io::Error,
}

/// What a comparison found in one category.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reviewed {
    /// Entries there before.
    pub before: u64,
    /// Entries live now.
    pub live: u64,
    /// Entries held back that would come, by [`Reason::word`].
    pub coming: BTreeMap<&'static str, u64>,
    /// Entries held back that would go: they are live.
    pub going: u64,
    /// Entries that a person dropped, and that the new version has again.
    pub dropped: u64,
    /// Entries that the new version does not have, and that a person wanted to stay.
    pub kept: u64,
}

impl Reviewed {
    /// Entries held back.
    pub fn held(&self) -> u64 {
        self.coming.values().sum::<u64>() + self.going
    }
}

/// What a comparison found, by category.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// Categories of the new version and of the one before.
    pub categories: BTreeMap<String, Reviewed>,
}

impl Review {
    /// Entries held back.
    pub fn held(&self) -> u64 {
        self.categories.values().map(Reviewed::held).sum()
    }

    /// Entries that a person dropped before.
    pub fn dropped(&self) -> u64 {
        self.categories.values().map(|one| one.dropped).sum()
    }
}

/// Compares `candidate`, a directory of lists in normal form with their manifest, with `current`, the one in force. What is
/// held back leaves the candidate, what must not go yet is added to it, and the manifest follows; what is held back is
/// written to `lists` under `source`. Without `current` nothing has grown.
///
/// Memory is bounded by what people have decided, not by the lists. Call with the lock of `lists`.
///
/// # Errors
/// [`ReviewError`]; the candidate must not be used then.
pub fn review(
    candidate: &Path,
    current: Option<&Path>,
    lists: &Path,
    source: &str,
    rules: &Rules,
) -> Result<Review, ReviewError> {
    let failed = |cause| ReviewError {
        place: candidate.to_owned(),
        cause,
    };
    let reviewer = Reviewer {
        candidate,
        current,
        lists,
        source,
        rules,
    };
    reviewer.run().map_err(failed)
}

struct Reviewer<'a> {
    candidate: &'a Path,
    current: Option<&'a Path>,
    lists: &'a Path,
    source: &'a str,
    rules: &'a Rules,
}

/// What becomes of an entry of either version.
enum Fate {
    /// It is in the new version and stays.
    Live,
    /// It comes, and only its category's growth can stop it.
    Comes,
    /// It goes, and only its category's loss can stop it.
    Goes,
    /// It is in the old version only, and a person wants it to stay.
    Kept,
    Held(Reason),
    Dropped,
}

/// What one pass over a category counts.
#[derive(Default)]
struct Tally {
    reviewed: Reviewed,
    comes: u64,
    goes: u64,
}

impl Tally {
    fn add(&mut self, side: Side, fate: &Fate) {
        let reviewed = &mut self.reviewed;
        if side != Side::New {
            reviewed.before += 1;
        }
        match fate {
            Fate::Live => reviewed.live += 1,
            Fate::Comes => {
                self.comes += 1;
                reviewed.live += 1;
            }
            Fate::Goes => self.goes += 1,
            Fate::Kept => {
                reviewed.kept += 1;
                reviewed.live += 1;
            }
            Fate::Held(reason) => *reviewed.coming.entry(reason.word()).or_default() += 1,
            Fate::Dropped => reviewed.dropped += 1,
        }
    }
}

impl Reviewer<'_> {
    fn run(&self) -> io::Result<Review> {
        let mut manifest = Manifest::read(self.candidate)
            .map_err(io::Error::other)?
            .ok_or_else(|| io::Error::other("no manifest"))?;
        let [hidden, _] = DIRECTORIES;
        let held = Writing::begin(self.lists, hidden, self.source)?;
        let mut review = Review::default();
        for category in self.categories()? {
            let reviewed = self.category(&category, &held, &mut manifest)?;
            review.categories.insert(category, reviewed);
        }
        let text = manifest.to_json().map_err(io::Error::other)?;
        replace(&self.candidate.join(manifest::FILE_NAME), &text)?;
        held.finish()?;
        Ok(review)
    }

    fn categories(&self) -> io::Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        for directory in std::iter::once(self.candidate).chain(self.current) {
            let source = Source::directory(self.source, directory);
            let listing =
                Listing::of(&source).map_err(|bad| io::Error::other(bad.cause.to_string()))?;
            found.extend(listing.categories);
        }
        Ok(found)
    }

    fn category(
        &self,
        category: &str,
        held: &Writing,
        manifest: &mut Manifest,
    ) -> io::Result<Reviewed> {
        let mut tally = Tally::default();
        let mut changed = BTreeSet::new();
        for kind in MatchKind::ALL {
            self.each(category, kind, |side, _, fate| {
                tally.add(side, &fate);
                let as_it_is = match side {
                    Side::Old => matches!(fate, Fate::Goes),
                    _ => matches!(fate, Fate::Live | Fate::Comes),
                };
                if !as_it_is {
                    changed.insert(kind);
                }
                Ok(())
            })?;
        }
        let bounds = self.rules.bounds.filter(|_| self.current.is_some());
        let before = tally.reviewed.before;
        // A publisher who begins to say what is allowed: whatever it is, it would be open.
        let opens = before == 0 && tally.comes > 0 && self.rules.allow_sets.contains(category);
        let grows = bounds.is_some_and(|bounds| opens || bounds.growth(before, tally.comes));
        let shrinks = bounds.is_some_and(|bounds| bounds.loss(before, tally.goes));
        if grows {
            tally.reviewed.live -= tally.comes;
            let growth = tally.reviewed.coming.entry(Reason::Growth.word());
            *growth.or_default() += tally.comes;
        }
        if shrinks {
            tally.reviewed.live += tally.goes;
            tally.reviewed.going += tally.goes;
        }
        for kind in MatchKind::ALL {
            if grows || shrinks || changed.contains(&kind) {
                let written = self.write(category, kind, (grows, shrinks), held)?;
                let name = format!("{category}/{kind}");
                match written {
                    Some(written) => _ = manifest.files.insert(name, written),
                    None => _ = manifest.files.remove(&name),
                }
            }
        }
        // A category of which nothing is live is none.
        _ = fs::remove_dir(self.candidate.join(category));
        Ok(tally.reviewed)
    }

    /// Writes one file of the candidate anew, and what is held back of it.
    fn write(
        &self,
        category: &str,
        kind: MatchKind,
        (grows, shrinks): (bool, bool),
        held: &Writing,
    ) -> io::Result<Option<Written>> {
        let path = self.candidate.join(category).join(kind.file_name());
        let mut live = Rewriting::begin(&path)?;
        let mut out = held.file(category, kind);
        self.each(category, kind, |_, line, fate| match fate {
            Fate::Comes if grows => out.line(true, Reason::Growth.word(), line),
            Fate::Held(reason) => out.line(true, &reason.to_string(), line),
            Fate::Goes if shrinks => {
                out.line(false, Reason::Loss.word(), line)?;
                live.line(line)
            }
            Fate::Live | Fate::Comes | Fate::Kept => live.line(line),
            Fate::Goes | Fate::Dropped => Ok(()),
        })?;
        out.finish()?;
        live.finish()
    }

    /// Gives `see` every entry of a file of either version with its fate.
    fn each(
        &self,
        category: &str,
        kind: MatchKind,
        mut see: impl FnMut(Side, &[u8], Fate) -> io::Result<()>,
    ) -> io::Result<()> {
        let decided = held::decided(self.lists, self.source, category, kind)?;
        let name = Path::new(category).join(kind.file_name());
        let mut old: Box<dyn Lines> = match self.current {
            Some(current) => open(&current.join(&name))?,
            None => Box::new(Nothing),
        };
        let mut new = open(&self.candidate.join(&name))?;
        compare(&mut *old, &mut *new, |side, line| {
            let fate = self.fate(category, kind, &decided, side, line);
            see(side, line, fate)
        })
    }

    fn fate(
        &self,
        category: &str,
        kind: MatchKind,
        decided: &Decided,
        side: Side,
        line: &[u8],
    ) -> Fate {
        if !decided.is_empty() {
            match decided.get(&(line.to_owned(), side != Side::Old)) {
                Some(Verdict::Accept) if side != Side::Old => return Fate::Live,
                Some(Verdict::Drop) if side != Side::Old => return Fate::Dropped,
                Some(Verdict::Drop) => return Fate::Kept,
                _ => {}
            }
        }
        if side == Side::Old {
            return Fate::Goes;
        }
        let text = std::str::from_utf8(line).unwrap_or_default();
        let text = text.strip_suffix('\n').unwrap_or(text);
        match (self.rules.verdict(category, kind, text), side) {
            (Some(reason), _) => Fate::Held(reason),
            (None, Side::New) => Fate::Comes,
            (None, _) => Fate::Live,
        }
    }
}

fn open(path: &Path) -> io::Result<Box<dyn Lines>> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Box::new(Nothing)),
        file => Ok(Box::new(Plain(BufReader::with_capacity(BUFFER, file?)))),
    }
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.new"));
    let mut file = File::create(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(beside, path)
}

/// A list file that is written beside itself.
struct Rewriting {
    path: PathBuf,
    beside: PathBuf,
    out: BufWriter<File>,
    hash: Sha256,
    lines: u64,
    bytes: u64,
}

impl Rewriting {
    fn begin(path: &Path) -> io::Result<Rewriting> {
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = directory.join(format!(".{name}.new"));
        Ok(Rewriting {
            path: path.to_owned(),
            out: BufWriter::with_capacity(BUFFER, File::create(&beside)?),
            beside,
            hash: Sha256::new(),
            lines: 0,
            bytes: 0,
        })
    }

    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        self.hash.update(line);
        self.lines += 1;
        self.bytes += line.len() as u64;
        self.out.write_all(line)
    }

    /// Takes the place of the file; a list without entries is none.
    fn finish(self) -> io::Result<Option<Written>> {
        let file = self
            .out
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        if self.lines == 0 {
            fs::remove_file(&self.beside)?;
            if self.path.exists() {
                fs::remove_file(&self.path)?;
            }
            return Ok(None);
        }
        file.sync_all()?;
        fs::rename(&self.beside, &self.path)?;
        Ok(Some(Written {
            lines: self.lines,
            bytes: self.bytes,
            sha256: hex(&self.hash.finalize()),
        }))
    }
}

impl From<ManifestError> for ReviewError {
    fn from(error: ManifestError) -> ReviewError {
        ReviewError {
            place: PathBuf::from(manifest::FILE_NAME),
            cause: io::Error::other(error),
        }
    }
}

#[cfg(test)]
mod tests;
