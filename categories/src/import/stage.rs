//! Decides how what an archive holds becomes files: read line by line into a directory beside the lists, then merged by the
//! school's categories, and put in force by one rename.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::map::CategoryMap;
use super::meter::Meter;
use super::{Brought, ImportError, Imported};
use crate::entry::{self, EntryError, MatchKind};
use crate::hygiene::{self, Review, ReviewError, Rules};
use crate::lock::sync_directory;
use crate::manifest::{self, Manifest, Written};
use crate::report::{Fault, Faults, Phase, Progress, shown};
use crate::swap::{self, remove_if_there};

/// Most bytes of a line. Longer ones are faults.
const LINE_MAX: u64 = 64 << 10;
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
    raw: BTreeMap<RawList, Raw>,
    /// Links to directories: alias to what it stands for.
    pub(super) aliases: BTreeMap<String, String>,
    /// Links to list files, resolved when everything is read.
    pub(super) links: Vec<(RawList, RawList)>,
    pub(super) faults: Faults,
}

#[derive(Clone, Debug)]
struct Raw {
    path: PathBuf,
    entries: u64,
}

impl Stage {
    /// Makes the directory for source `name` in `lists`. Call with the lock of `lists`: it removes what a killed import left.
    pub(super) fn new(lists: &Path, name: &str) -> io::Result<Stage> {
        let stage = Stage {
            directory: lists.join(format!(".importing-{name}")),
            target: lists.join(name),
            source: name.to_owned(),
            raw: BTreeMap::new(),
            aliases: BTreeMap::new(),
            links: Vec::new(),
            faults: Faults::default(),
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
        category: String,
        kind: MatchKind,
        shown_as: &Path,
        content: impl Read,
        meter: &mut Meter<'_>,
    ) -> Result<(), ImportError> {
        let number = self.raw.len();
        let raw = self.raw.entry((category, kind)).or_insert_with(|| Raw {
            path: self.directory.join(RAW).join(number.to_string()),
            entries: 0,
        });
        let file = File::options().create(true).append(true).open(&raw.path)?;
        let mut cleaner = Cleaner {
            source: &self.source,
            kind,
            shown_as,
            faults: &mut self.faults,
            out: BufWriter::new(file),
            entries: 0,
            line: 0,
        };
        cleaner.run(BufReader::with_capacity(LINE_MAX as usize, content), meter)?;
        cleaner.out.flush()?;
        raw.entries += cleaner.entries;
        Ok(())
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

    /// Merges what was read by the school's categories and writes the source beside the old one, with its manifest.
    pub(super) fn merge(
        &mut self,
        map: &CategoryMap,
        mut manifest: Manifest,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Brought, ImportError> {
        let mut brought = Brought::default();
        let merged = self.assign(map, &mut brought);
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
        write_synced(
            &self.directory.join(manifest::FILE_NAME),
            &manifest.to_json()?,
        )?;
        fs::remove_dir_all(self.directory.join(RAW))?;
        sync_directory(&self.directory)?;
        Ok(brought)
    }

    /// Which lists make which file of ours.
    fn assign(&mut self, map: &CategoryMap, brought: &mut Brought) -> BTreeMap<RawList, Vec<Raw>> {
        let mut merged: BTreeMap<RawList, Vec<Raw>> = BTreeMap::new();
        let mut unnamed = BTreeMap::new();
        for ((category, kind), raw) in &self.raw {
            let targets = match map.targets(category) {
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
        let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        lines.sort();
        lines.dedup();
        let text = lines.concat();
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

/// Turns the lines of one list into entries in normal form.
struct Cleaner<'a> {
    source: &'a str,
    kind: MatchKind,
    shown_as: &'a Path,
    faults: &'a mut Faults,
    out: BufWriter<File>,
    entries: u64,
    line: u64,
}

impl Cleaner<'_> {
    fn run(&mut self, mut content: impl BufRead, meter: &mut Meter<'_>) -> Result<(), ImportError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if (&mut content).take(LINE_MAX).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            self.line += 1;
            self.check_whole(&line)?;
            if line.len() as u64 == LINE_MAX && !line.ends_with(b"\n") {
                self.skip_rest(&mut content)?;
                self.fault(&line, &EntryError::TooLong);
            } else {
                self.entry(&line)?;
            }
            meter.tick();
        }
    }

    fn skip_rest(&self, content: &mut impl BufRead) -> Result<(), ImportError> {
        loop {
            let buffer = content.fill_buf()?;
            self.check_whole(buffer)?;
            let (used, done) = match memchr::memchr(b'\n', buffer) {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            content.consume(used);
            if done {
                return Ok(());
            }
        }
    }

    fn check_whole(&self, text: &[u8]) -> Result<(), ImportError> {
        match memchr::memchr(0, text) {
            Some(_) => Err(ImportError::HalfWritten(self.shown_as.to_owned())),
            None => Ok(()),
        }
    }

    fn entry(&mut self, line: &[u8]) -> io::Result<()> {
        let Ok(text) = std::str::from_utf8(line) else {
            self.fault(line, &EntryError::Encoding);
            return Ok(());
        };
        let text = text.trim_end_matches('\n');
        let text = text
            .strip_prefix('\u{feff}')
            .filter(|_| self.line == 1)
            .unwrap_or(text);
        let Some(text) = entry::content(text, self.kind) else {
            return Ok(());
        };
        match entry::normal(self.kind, text) {
            Ok(normal) => {
                self.entries += 1;
                // Of a top-level domain the dot says that it is meant.
                if self.kind == MatchKind::Domain && !normal.contains(['.', ':']) {
                    self.out.write_all(b".")?;
                }
                self.out.write_all(normal.as_bytes())?;
                self.out.write_all(b"\n")
            }
            Err(error) => {
                self.fault(line, &error);
                Ok(())
            }
        }
    }

    fn fault(&mut self, line: &[u8], error: &EntryError) {
        self.faults.push_with(|| Fault {
            list: self.source.to_owned(),
            file: self.shown_as.to_owned(),
            line: Some(self.line),
            entry: shown(String::from_utf8_lossy(line).trim()),
            reason: error.to_string(),
        });
    }
}
