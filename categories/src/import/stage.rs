//! Decides how what an archive holds becomes files: read line by line into a directory beside the lists, then merged by the
//! school's categories, and put in force by one rename.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::meter::Meter;
use super::{Brought, ImportError, Imported};
use crate::category::NameError;
use crate::entry::MatchKind;
use crate::formats::lines::{self, LineReader, LinesError, Told};
use crate::formats::{Format, Reader, Sink, Tally, v2fly};
use crate::hygiene::{self, Review, ReviewError, Rules};
use crate::lock::sync_directory;
use crate::manifest::{self, Manifest, Origin, Written};
use crate::report::{Fault, Faults, Phase, Progress};
use crate::swap::{self, remove_if_there};

/// Bytes that are read or written at once.
const BUFFER: usize = 64 << 10;
/// Where lists lie as they were read, under their own categories.
const RAW: &str = ".raw";

/// A list as it was read.
type RawList = (String, MatchKind);

/// A directory beside the lists that becomes the source, or vanishes.
#[derive(Debug)]
pub(super) struct Stage {
    directory: PathBuf,
    target: PathBuf,
    source: String,
    /// How many more lines there may be.
    lines: u64,
    raw: BTreeMap<RawList, Raw>,
    /// Links to directories: alias to what it stands for.
    pub(super) aliases: BTreeMap<String, String>,
    /// Links to list files, resolved when everything is read.
    pub(super) links: Vec<(RawList, RawList)>,
    pub(super) faults: Faults,
    /// Every file that was read.
    origins: Vec<Origin>,
    v2fly: v2fly::Files,
}

/// A list that is to be read.
#[derive(Debug)]
pub(super) struct List<'a> {
    pub(super) category: String,
    pub(super) format: Format,
    /// Which file it is of squidGuard's three.
    pub(super) kind: Option<MatchKind>,
    /// Its path for people.
    pub(super) shown_as: &'a Path,
}

impl List<'_> {
    /// A list in the squidGuard layout.
    pub(super) fn of_squid_guard(category: String, kind: MatchKind, shown_as: &Path) -> List<'_> {
        List {
            category,
            format: Format::SquidGuard,
            kind: Some(kind),
            shown_as,
        }
    }
}

#[derive(Clone, Debug)]
struct Raw {
    path: PathBuf,
    entries: u64,
}

impl Stage {
    /// Makes the directory for source `name` in `lists`, which may have so many lines. Call with the lock of `lists`: it removes what a killed import left.
    pub(super) fn new(lists: &Path, name: &str, lines: u64) -> io::Result<Stage> {
        let stage = Stage {
            directory: lists.join(format!(".importing-{name}")),
            target: lists.join(name),
            source: name.to_owned(),
            lines,
            raw: BTreeMap::new(),
            aliases: BTreeMap::new(),
            links: Vec::new(),
            faults: Faults::default(),
            origins: Vec::new(),
            v2fly: v2fly::Files::default(),
        };
        remove_if_there(&stage.directory)?;
        swap::recover(&stage.target)?;
        fs::create_dir_all(stage.directory.join(RAW))?;
        Ok(stage)
    }

    /// Reads a list: entries in normal form into a file of its own, the rest into the faults. `shown_as` is its path for
    /// people.
    pub(super) fn list(
        &mut self,
        list: List<'_>,
        content: impl Read,
        meter: &mut Meter<'_>,
    ) -> Result<(), ImportError> {
        let mut reader = match list.kind {
            Some(kind) => Reader::of_kind(kind),
            None => list.format.reader(),
        };
        let mut sink = Sink::default();
        let mut told = Told {
            list: &self.source,
            file: list.shown_as,
            faults: &mut self.faults,
            most: self.lines,
            tick: &mut || meter.tick(),
        };
        let content = BufReader::with_capacity(BUFFER, content);
        let tally = lines::read(content, &mut reader, &mut sink, &mut told)
            .map_err(|error| unreadable(error, list.shown_as))?;
        self.lines = told.most;
        self.keep(&list, sink, tally)
    }

    /// Reads a file of a v2fly directory, to be followed when all are read.
    pub(super) fn v2fly(
        &mut self,
        name: &str,
        shown_as: &Path,
        content: impl Read,
        meter: &mut Meter<'_>,
    ) -> Result<(), ImportError> {
        let mut told = Told {
            list: &self.source,
            file: shown_as,
            faults: &mut self.faults,
            most: self.lines,
            tick: &mut || meter.tick(),
        };
        let content = BufReader::with_capacity(BUFFER, content);
        self.v2fly
            .read(name, &mut LineReader::new(content), &mut told)
            .map_err(|error| unreadable(error, shown_as))?;
        self.lines = told.most;
        Ok(())
    }

    /// Follows the includes of the files of a v2fly directory, and keeps what each comes to.
    pub(super) fn follow_includes(&mut self) -> Result<(), ImportError> {
        let mut files = std::mem::take(&mut self.v2fly);
        files.follow();
        for (name, shown_as) in files.names() {
            let shown_as = &*shown_as;
            let mut told = Told {
                list: &self.source,
                file: shown_as,
                faults: &mut self.faults,
                most: 0,
                tick: &mut || {},
            };
            let (sink, tally) = files.take(&name, &mut told);
            let list = List {
                category: name.clone(),
                format: Format::V2fly,
                kind: None,
                shown_as,
            };
            self.keep(&list, sink, tally)?;
        }
        Ok(())
    }

    fn keep(&mut self, list: &List<'_>, sink: Sink, mut tally: Tally) -> Result<(), ImportError> {
        // Of a list of squidGuard's there is a file even when it is empty: links may name it.
        if let Some(kind) = list.kind {
            self.append(&list.category, kind, 0, &[])?;
        }
        sink.finish(&mut tally, &mut |kind, given, entries| {
            self.append(&list.category, kind, given, entries)
        })?;
        self.origins.push(Origin {
            file: list.shown_as.display().to_string(),
            format: list.format,
            category: list.category.clone(),
            into: Vec::new(),
            tally,
        });
        Ok(())
    }

    fn append(
        &mut self,
        category: &str,
        kind: MatchKind,
        given: u64,
        entries: &[&[u8]],
    ) -> io::Result<()> {
        let number = self.raw.len();
        let key = (category.to_owned(), kind);
        let raw = self.raw.entry(key).or_insert_with(|| Raw {
            path: self.directory.join(RAW).join(number.to_string()),
            entries: 0,
        });
        raw.entries += given;
        let file = File::options().create(true).append(true).open(&raw.path)?;
        let mut out = BufWriter::with_capacity(BUFFER, file);
        for entry in entries {
            out.write_all(entry)?;
        }
        out.flush()
    }

    /// True when no list has been read.
    pub(super) fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// Notes a fault of a whole file or directory.
    pub(super) fn fault(&mut self, file: &Path, reason: &str) {
        self.faults.push_with(|| Fault {
            list: self.source.clone(),
            file: file.to_owned(),
            line: None,
            entry: String::new(),
            reason: reason.to_owned(),
        });
    }

    /// Gives links to files the content of what they name, and drops aliases of nothing.
    pub(super) fn resolve_links(&mut self) {
        for (link, target) in std::mem::take(&mut self.links) {
            match self.raw.get(&target).cloned() {
                Some(raw) => _ = self.raw.entry(link).or_insert(raw),
                None => self.fault(&named(&link), "a link to a list that is not there"),
            }
        }
        let known: BTreeSet<&str> = self.raw.keys().map(|(category, _)| &**category).collect();
        let (good, bad) = std::mem::take(&mut self.aliases)
            .into_iter()
            .partition(|(_, target)| known.contains(&**target));
        self.aliases = good;
        let bad: BTreeMap<String, String> = bad;
        for alias in bad.keys() {
            self.fault(Path::new(alias), "a link to a category that is not there");
        }
    }

    /// Merges what was read by the school's categories and writes the source's lists beside the old one. `names` gives the
    /// school's categories for one of theirs. The candidate is whole then but for its manifest.
    pub(super) fn merge(
        &mut self,
        names: &dyn Fn(&str) -> Result<Vec<String>, NameError>,
        manifest: &mut Manifest,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Brought, ImportError> {
        let mut brought = Brought::default();
        let merged = self.assign(names, &mut brought);
        let total = merged.values().flatten().map(|raw| size(&raw.path)).sum();
        let mut done = 0;
        for ((category, kind), parts) in merged {
            tell(Progress {
                phase: Phase::Write,
                done,
                total,
            });
            let written = self.write_merged(&category, kind, &parts)?;
            done += parts.iter().map(|raw| size(&raw.path)).sum::<u64>();
            let read: u64 = parts.iter().map(|raw| raw.entries).sum();
            brought.duplicates += read - written.lines;
            brought.count(&category, kind, written.lines);
            manifest.files.insert(format!("{category}/{kind}"), written);
        }
        tell(Progress {
            phase: Phase::Write,
            done: total,
            total,
        });
        fs::remove_dir_all(self.directory.join(RAW))?;
        manifest.set_origins(std::mem::take(&mut self.origins));
        Ok(brought)
    }

    /// Writes the manifest, after which the candidate is a source.
    pub(super) fn seal(&self, manifest: &Manifest) -> Result<(), ImportError> {
        write_synced(
            &self.directory.join(manifest::FILE_NAME),
            &manifest.to_json()?,
        )?;
        sync_directory(&self.directory)?;
        Ok(())
    }

    /// Which lists make which file of ours.
    fn assign(
        &mut self,
        names: &dyn Fn(&str) -> Result<Vec<String>, NameError>,
        brought: &mut Brought,
    ) -> BTreeMap<RawList, Vec<Raw>> {
        let mut merged: BTreeMap<RawList, Vec<Raw>> = BTreeMap::new();
        let mut unnamed = BTreeMap::new();
        for origin in &mut self.origins {
            origin.into = names(&origin.category).unwrap_or_default();
        }
        for ((category, kind), raw) in &self.raw {
            let targets = match names(category) {
                Ok(targets) => targets,
                Err(error) => {
                    unnamed.insert(category.clone(), error.to_string());
                    continue;
                }
            };
            if targets.is_empty() {
                *brought.left_out.entry(category.clone()).or_default() += raw.entries;
            }
            for target in targets {
                let imported: &mut Imported = brought.categories.entry(target.clone()).or_default();
                imported.from.insert(category.clone());
                if raw.entries > 0 {
                    merged.entry((target, *kind)).or_default().push(raw.clone());
                }
            }
        }
        for (category, reason) in unnamed {
            self.fault(Path::new(&category), &reason);
        }
        merged
    }

    /// Sorted and without repetition, so that the same lists make the same file.
    fn write_merged(
        &self,
        category: &str,
        kind: MatchKind,
        parts: &[Raw],
    ) -> Result<Written, ImportError> {
        let mut text = Vec::new();
        for part in parts {
            File::open(&part.path)?.read_to_end(&mut text)?;
        }
        let lines = |text| <[u8]>::split_inclusive(text, |byte| *byte == b'\n');
        // One list alone has been sorted.
        if !lines(&text).is_sorted_by(|a, b| a < b) {
            let mut all: Vec<&[u8]> = lines(&text).collect();
            all.sort();
            all.dedup();
            text = all.concat();
        }
        let directory = self.directory.join(category);
        fs::create_dir_all(&directory)?;
        write_synced(&directory.join(kind.file_name()), &text)?;
        sync_directory(&directory)?;
        Ok(Written::of(&text))
    }

    /// Holds back what `rules` doubt.
    pub(super) fn review(&self, rules: Option<&Rules>) -> Result<Review, ReviewError> {
        let Some(rules) = rules else {
            return Ok(Review::default());
        };
        let lists = self.target.parent().unwrap_or(Path::new("."));
        // Lists that people wrote there are no earlier import.
        let is_import = self.target.join(manifest::FILE_NAME).is_file();
        let current = Some(&*self.target).filter(|_| is_import);
        hygiene::review(&self.directory, current, lists, &self.source, rules)
    }

    /// Where the new source lies until it is in force.
    pub(super) fn candidate(&self) -> &Path {
        &self.directory
    }

    /// Puts the new source in force. What was there before is removed; true when there was something.
    pub(super) fn put_in_force(self) -> io::Result<bool> {
        swap::put_in_force(&self.directory, &self.target)
    }
}

/// Removes what is left: a failed import, or after an exchange the source that was replaced.
impl Drop for Stage {
    fn drop(&mut self) {
        // Nothing depends on it, and the next import removes it first.
        _ = remove_if_there(&self.directory);
    }
}

fn named((category, kind): &RawList) -> PathBuf {
    Path::new(category).join(kind.file_name())
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn unreadable(error: LinesError, shown_as: &Path) -> ImportError {
    match error {
        LinesError::Io(error) => error.into(),
        LinesError::TooMany => ImportError::TooManyLines,
        LinesError::Nul => ImportError::HalfWritten(shown_as.to_owned()),
    }
}
