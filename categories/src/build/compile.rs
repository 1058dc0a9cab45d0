//! Decides how parsed lines become an index: which are the same, which combinations of lists they are in, where they lie.

use std::collections::HashSet;

use foldhash::{HashMap, HashMapExt};
use weir_host::address::Network;

use super::parse::{Chunk, Key, Parsed};
use super::{BuildError, Built, Plan, Told};
use crate::addresses::Addresses;
use crate::category::CategorySet;
use crate::entry::MatchKind;
use crate::expressions::Expressions;
use crate::index::{Index, Sets, Tag};
use crate::report::{FileReport, Phase, Progress};
use crate::table::{Builder, Table, TooLong};
use crate::urls::{self, Urls};

/// Bytes of names between two tellings of progress.
const TELL_EVERY: u64 = 1 << 20;

impl From<TooLong> for BuildError {
    fn from(_: TooLong) -> BuildError {
        BuildError::TooLong
    }
}

pub(super) fn compile(
    plan: &Plan,
    chunks: &[Chunk<'_>],
    parsed: Vec<Parsed>,
    version: String,
    progress: &mut dyn FnMut(Progress),
) -> Result<Built, BuildError> {
    let mut parts = Parts {
        chunks,
        files: plan.file_reports(),
        parsed,
        repeated: HashMap::new(),
        interner: Interner::new(&plan.tags),
    };
    let mut report = plan.report.clone();
    parts.count_lines(&mut report.faults);
    let (table, top_levels) = parts.table(progress)?;
    let addresses = parts.addresses()?;
    let urls = parts.urls();
    let expressions = parts.expressions();
    report.files = parts.finished_reports();
    let index = Index {
        sets: parts.interner.finish(),
        names: plan.names.clone(),
        sources: plan.sources.clone(),
        tags: plan.tags.clone(),
        table,
        top_levels,
        addresses,
        urls,
        expressions,
        version,
    };
    Ok(Built { index, report })
}

struct Parts<'a> {
    chunks: &'a [Chunk<'a>],
    parsed: Vec<Parsed>,
    files: Vec<FileReport>,
    /// Lines that repeat an entry of their file.
    repeated: HashMap<(u16, MatchKind), u64>,
    interner: Interner,
}

impl Parts<'_> {
    /// Adds up the chunks of each file and turns line numbers of chunks into those of files.
    fn count_lines(&mut self, faults: &mut crate::report::Faults) {
        for (chunk, parsed) in self.chunks.iter().zip(&mut self.parsed) {
            let Some(file) = self.files.get_mut(chunk.file) else {
                continue;
            };
            let before = file.lines;
            let mut found = std::mem::take(&mut parsed.faults);
            for fault in found.iter_mut() {
                fault.line = fault.line.map(|line| line + before);
            }
            file.lines += parsed.lines;
            file.blank += parsed.blank;
            file.faulty += found.count();
            faults.append(found);
        }
    }

    fn finished_reports(&mut self) -> Vec<FileReport> {
        let mut files = std::mem::take(&mut self.files);
        let tags: HashMap<usize, u16> = self.chunks.iter().map(|c| (c.file, c.tag)).collect();
        for (at, file) in files.iter_mut().enumerate() {
            let tag = tags.get(&at).copied().unwrap_or_default();
            let repeated = self.repeated.get(&(tag, file.kind));
            // A file without a chunk is empty and repeats nothing.
            file.duplicates = repeated.copied().filter(|_| file.lines > 0).unwrap_or(0);
            file.entries = file.lines - file.blank - file.faulty - file.duplicates;
        }
        files
    }

    fn table(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(Table, bool), BuildError> {
        let keys = self.sorted_keys();
        let distinct = || keys.chunk_by(|a, b| a.hash == b.hash);
        let bytes: usize = distinct()
            .filter_map(|run| run.first())
            .map(Key::length)
            .sum();
        let mut builder = Builder::new(distinct().count(), bytes);
        let mut told = Told::new(Phase::Write, length(&keys), progress);
        let Parts {
            chunks,
            parsed,
            repeated,
            interner,
            ..
        } = self;
        let mut top_levels = false;
        let mut names: Vec<(&str, u16)> = Vec::new();
        let mut waiting = 0;
        for run in distinct() {
            names.clear();
            names.extend(run.iter().filter_map(|key| named(chunks, parsed, key)));
            // Names with one hash are the same name, but for rare chance.
            names.sort_unstable();
            for same in names.chunk_by(|a, b| a.0 == b.0) {
                let set = interner.intern(same.iter().map(|(_, tag)| *tag), |tag| {
                    *repeated.entry((tag, MatchKind::Domain)).or_default() += 1;
                })?;
                if let (Some(key), Some((name, _))) = (run.first(), same.first()) {
                    top_levels |= !name.contains('.');
                    builder.push(key.hash, name, set)?;
                }
            }
            waiting += length(run);
            if waiting >= TELL_EVERY {
                told.more(waiting);
                waiting = 0;
            }
        }
        Ok((builder.finish()?, top_levels))
    }

    fn sorted_keys(&mut self) -> Vec<Key> {
        let count = self.parsed.iter().map(|parsed| parsed.keys.len()).sum();
        let mut keys: Vec<Key> = Vec::with_capacity(count);
        for parsed in &mut self.parsed {
            keys.append(&mut std::mem::take(&mut parsed.keys));
        }
        keys.sort_unstable_by_key(|key| key.hash);
        keys
    }

    fn addresses(&mut self) -> Result<Addresses, BuildError> {
        let mut found: Vec<(Network, u16)> = Vec::new();
        for (chunk, parsed) in self.chunks.iter().zip(&mut self.parsed) {
            let networks = std::mem::take(&mut parsed.networks);
            found.extend(networks.into_iter().map(|network| (network, chunk.tag)));
        }
        found.sort_unstable();
        let mut distinct = Vec::new();
        for same in found.chunk_by(|a, b| a.0 == b.0) {
            let set = self
                .interner
                .intern(same.iter().map(|(_, tag)| *tag), |tag| {
                    *self.repeated.entry((tag, MatchKind::Domain)).or_default() += 1;
                })?;
            distinct.extend(same.first().map(|(network, _)| (*network, set)));
        }
        Ok(Addresses::new(distinct))
    }

    fn urls(&mut self) -> Urls {
        let mut rows = Vec::new();
        for parsed in &mut self.parsed {
            rows.append(&mut parsed.urls);
        }
        urls::sort(&mut rows, &mut |tag| {
            *self.repeated.entry((tag, MatchKind::Url)).or_default() += 1;
        });
        Urls::new(&rows)
    }

    fn expressions(&mut self) -> Vec<(u16, Expressions)> {
        let mut lists: Vec<(u16, Vec<String>)> = Vec::new();
        for (chunk, parsed) in self.chunks.iter().zip(&mut self.parsed) {
            if parsed.expressions.is_empty() {
                continue;
            }
            match lists.last_mut() {
                Some((tag, list)) if *tag == chunk.tag => list.append(&mut parsed.expressions),
                _ => lists.push((chunk.tag, std::mem::take(&mut parsed.expressions))),
            }
        }
        let mut compiled = Vec::with_capacity(lists.len());
        for (tag, mut list) in lists {
            let before = list.len();
            let mut seen = HashSet::new();
            list.retain(|text| seen.insert(text.clone()));
            let repeated = self.repeated.entry((tag, MatchKind::Expression));
            *repeated.or_default() += (before - list.len()) as u64;
            compiled.push((tag, Expressions::new(list)));
        }
        compiled
    }
}

/// Bytes of the names together.
fn length(keys: &[Key]) -> u64 {
    keys.iter().map(|key| key.length() as u64).sum()
}

fn named<'a>(chunks: &[Chunk<'a>], parsed: &'a [Parsed], key: &Key) -> Option<(&'a str, u16)> {
    let chunk = chunks.get(key.chunk())?;
    let name = key.name(chunk, parsed.get(key.chunk())?);
    Some((name, chunk.tag))
}

/// Gives each distinct combination of tags a number.
struct Interner {
    categories: Vec<crate::category::CategoryId>,
    numbers: HashMap<Box<[u16]>, u16>,
    sets: Vec<Box<[u16]>>,
    scratch: Vec<u16>,
}

impl Interner {
    fn new(tags: &[Tag]) -> Interner {
        Interner {
            categories: tags.iter().map(|tag| tag.category).collect(),
            numbers: HashMap::new(),
            sets: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// The number of the set of `tags`, given in order; `repeated` is told each one that follows itself.
    fn intern(
        &mut self,
        tags: impl Iterator<Item = u16>,
        mut repeated: impl FnMut(u16),
    ) -> Result<u16, BuildError> {
        self.scratch.clear();
        for tag in tags {
            if self.scratch.last() == Some(&tag) {
                repeated(tag);
            } else {
                self.scratch.push(tag);
            }
        }
        if let Some(number) = self.numbers.get(&*self.scratch) {
            return Ok(*number);
        }
        let number = u16::try_from(self.sets.len())
            .map_err(|_| BuildError::TooMany("combinations of categories on one name"))?;
        let set: Box<[u16]> = self.scratch.as_slice().into();
        self.numbers.insert(set.clone(), number);
        self.sets.push(set);
        Ok(number)
    }

    fn finish(self) -> Sets {
        let category = |tag: &u16| self.categories.get(usize::from(*tag)).copied();
        let categories = |set: &[u16]| set.iter().filter_map(category).collect::<CategorySet>();
        Sets {
            categories: self.sets.iter().map(|set| categories(set)).collect(),
            tags: self.sets.into_boxed_slice(),
        }
    }
}
