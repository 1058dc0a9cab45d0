//! Decides how parsed lines become a store: which are the same, which combinations of lists they are in, where they lie.

use std::collections::HashSet;
use std::io::Write;

use foldhash::{HashMap, HashMapExt};
use weir_host::address::Network;

use super::merge::{self, Merged};
use super::parse::{Chunk, Exceptions, Parsed};
use super::{BuildError, Plan, Told};
use crate::addresses::Addresses;
use crate::bytes::Bytes;
use crate::entry::MatchKind;
use crate::expressions::{Expressions, cost};
use crate::hash;
use crate::keywords::{ALIKE_MAX, Keyword, Keywords, Left, TooMany, merged};
use crate::report::{Fault, Faults, FileReport, Phase, Progress, shown};
use crate::store::{Flat, Store};
use crate::table::{self, Builder, WriteError};
use crate::urls::{self, Row, Urls};

impl From<WriteError> for BuildError {
    fn from(error: WriteError) -> BuildError {
        match error {
            WriteError::TooLong => BuildError::TooLong,
            WriteError::Crafted => BuildError::Crafted,
            WriteError::Io(error) => BuildError::Write(error),
        }
    }
}

impl From<TooMany> for BuildError {
    fn from(_: TooMany) -> BuildError {
        BuildError::Keywords
    }
}

/// A store whose names' text has gone elsewhere.
pub(crate) struct Compiled {
    pub(crate) entries: Flat,
    pub(crate) exceptions: Flat,
    /// The text of the exceptions' names.
    pub(crate) exceptions_text: Vec<u8>,
    /// Each with its tag.
    pub(crate) keywords: Vec<(u16, Keyword)>,
    /// Everything but entries, exceptions and keywords.
    pub(crate) rest: Store,
}

impl Compiled {
    /// The store, with the text of the entries' names, and everything ready to be asked.
    pub(crate) fn with(self, text: Bytes) -> Result<Store, BuildError> {
        Ok(Store {
            entries: self.entries.with(text),
            exceptions: self.exceptions.with(self.exceptions_text.into()),
            keywords: Keywords::new(self.keywords)?,
            ..self.rest
        })
    }
}

/// Compiles parsed lines. The text of the entries' names goes to `text`.
pub(super) fn compile(
    plan: &Plan,
    chunks: &[Chunk<'_>],
    parsed: Vec<Parsed>,
    version: String,
    text: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<Compiled, BuildError> {
    let mut parts = Parts {
        chunks,
        files: plan.file_reports(),
        parsed,
        repeated: HashMap::new(),
        interner: Interner::default(),
    };
    let mut report = plan.report.clone();
    parts.count_lines(&mut report.faults);
    let names = parts.names(text, progress)?;
    let entries = parts.rest(names)?;
    let (exceptions, exceptions_text) = parts.exceptions()?;
    let expressions = parts.expressions(plan, &mut report.faults);
    let keywords = parts.keywords(&mut report.faults)?;
    report.files = parts.finished_reports();
    Ok(Compiled {
        entries,
        exceptions,
        exceptions_text,
        keywords,
        rest: Store {
            sources: plan.sources.clone(),
            categories: plan.categories.clone(),
            tags: plan.tags.clone(),
            sets: parts.interner.sets,
            expressions: Expressions::new(expressions),
            report,
            version,
            ..Store::default()
        },
    })
}

/// Why an expression is left out whose source has too many.
const DEAR: &str = "with the other expressions of its list it would slow every request down";

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
    fn count_lines(&mut self, faults: &mut Faults) {
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

    /// Lays out the names of all lists; true with them when one is a whole top-level domain.
    fn names(
        &mut self,
        text: &mut dyn Write,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(table::Parts, bool), BuildError> {
        let parts = merge::sorted(&mut self.parsed);
        let bytes = parts.iter().map(|part| part.bytes).sum();
        let count = parts.iter().map(|part| part.distinct).sum();
        let mut told = Told::new(Phase::Write, bytes, progress);
        let mut builder = Builder::new(count, text);
        let mut top_levels = false;
        let (chunks, parsed) = (self.chunks, &self.parsed);
        let (interner, repeated) = (&mut self.interner, &mut self.repeated);
        merge::merged(&parts, chunks, parsed, |merged: Merged| {
            let number = |set: &Vec<u16>| interner.intern(set.iter().copied());
            let sets: Vec<u16> = merged.sets.iter().map(number).collect::<Result<_, _>>()?;
            for (tag, count) in &merged.repeated {
                *repeated.entry((*tag, MatchKind::Domain)).or_default() += count;
            }
            let mut rest = &*merged.text;
            for row in &merged.rows {
                let name = rest
                    .split_off(..usize::from(row.length))
                    .unwrap_or_default();
                let set = sets.get(usize::from(row.set)).copied().unwrap_or_default();
                builder.push(row.hash, name, set)?;
            }
            top_levels |= merged.top_levels;
            told.more(merged.bytes);
            Ok::<(), BuildError>(())
        })?;
        Ok((builder.finish()?, top_levels))
    }

    fn rest(&mut self, (names, top_levels): (table::Parts, bool)) -> Result<Flat, BuildError> {
        let (mut networks, mut rows) = (Vec::new(), Vec::new());
        for (chunk, parsed) in self.chunks.iter().zip(&mut self.parsed) {
            let of_chunk = std::mem::take(&mut parsed.networks).into_iter();
            networks.extend(of_chunk.map(|network| (network, chunk.tag)));
            rows.append(&mut parsed.urls);
        }
        let (urls, top_level_urls) = self.urls(rows, MatchKind::Url);
        Ok(Flat {
            names,
            top_levels: top_levels || top_level_urls,
            addresses: self.addresses(networks, MatchKind::Domain)?,
            urls,
        })
    }

    fn exceptions(&mut self) -> Result<(Flat, Vec<u8>), BuildError> {
        let (mut names, mut networks, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for (chunk, parsed) in self.chunks.iter().zip(&mut self.parsed) {
            let mut found: Exceptions = std::mem::take(&mut parsed.exceptions);
            names.extend(
                found
                    .names
                    .into_iter()
                    .map(|name| (hash::of(&name), name, chunk.tag)),
            );
            networks.extend(
                found
                    .networks
                    .into_iter()
                    .map(|network| (network, chunk.tag)),
            );
            rows.append(&mut found.urls);
        }
        names.sort_unstable();
        let same = |a: &(u64, String, u16), b: &(u64, String, u16)| a.1 == b.1;
        let mut text = Vec::new();
        let mut builder = Builder::new(names.chunk_by(same).count(), &mut text);
        for group in names.chunk_by(same) {
            let tags = group.iter().map(|(_, _, tag)| *tag);
            let set = self.set(tags, MatchKind::Exception)?;
            if let Some((hash, name, _)) = group.first() {
                builder.push(*hash, name.as_bytes(), set)?;
            }
        }
        let flat_names = builder.finish()?;
        let top_levels = names.iter().any(|(_, name, _)| !name.contains('.'));
        let (urls, top_level_urls) = self.urls(rows, MatchKind::Exception);
        let flat = Flat {
            names: flat_names,
            top_levels: top_levels || top_level_urls,
            addresses: self.addresses(networks, MatchKind::Exception)?,
            urls,
        };
        Ok((flat, text))
    }

    fn addresses(
        &mut self,
        mut found: Vec<(Network, u16)>,
        kind: MatchKind,
    ) -> Result<Addresses, BuildError> {
        found.sort_unstable();
        let mut distinct = Vec::new();
        for same in found.chunk_by(|a, b| a.0 == b.0) {
            let set = self.set(same.iter().map(|(_, tag)| *tag), kind)?;
            distinct.extend(same.first().map(|(network, _)| (*network, set)));
        }
        Ok(Addresses::new(distinct))
    }

    /// The number of a set of sorted tags, of which those that repeat are counted.
    fn set(&mut self, tags: impl Iterator<Item = u16>, kind: MatchKind) -> Result<u16, BuildError> {
        let mut last = None;
        let repeated = &mut self.repeated;
        let distinct = tags.filter(|tag| {
            let again = last.replace(*tag) == Some(*tag);
            if again {
                *repeated.entry((*tag, kind)).or_default() += 1;
            }
            !again
        });
        self.interner.intern(distinct)
    }

    fn urls(&mut self, mut rows: Vec<Row>, kind: MatchKind) -> (Urls, bool) {
        urls::sort(&mut rows, &mut |tag| {
            *self.repeated.entry((tag, kind)).or_default() += 1;
        });
        (Urls::new(&rows), rows.iter().any(Row::is_top_level))
    }

    /// The keywords of all lists, each list's without those that are the same and without too many that look alike.
    fn keywords(&mut self, faults: &mut Faults) -> Result<Vec<(u16, Keyword)>, BuildError> {
        let mut found: Vec<(u16, usize, Keyword)> = Vec::new();
        for (number, (chunk, parsed)) in self.chunks.iter().zip(&mut self.parsed).enumerate() {
            let of_chunk = std::mem::take(&mut parsed.keywords).into_iter();
            found.extend(of_chunk.map(|keyword| (chunk.tag, number, keyword)));
        }
        let (chunks, files, repeated) = (self.chunks, &mut self.files, &mut self.repeated);
        let kept = merged(found, |tag, chunk, keyword, left| {
            let chunk = chunks.get(chunk).filter(|_| left == Left::Alike);
            let Some(chunk) = chunk else {
                *repeated.entry((tag, MatchKind::Keyword)).or_default() += 1;
                return;
            };
            faults.push_with(|| Fault {
                list: chunk.list.to_owned(),
                file: chunk.path.to_owned(),
                line: None,
                entry: shown(&keyword.listed),
                reason: format!(
                    "the list has {ALIKE_MAX} keywords that differ from it in nothing but digits and signs for letters"
                ),
            });
            if let Some(file) = files.get_mut(chunk.file) {
                file.faulty += 1;
            }
        });
        if kept.len() > crate::keywords::KEYWORDS_MAX {
            return Err(TooMany.into());
        }
        Ok(kept)
    }

    /// The expressions of each list without repetition, as far as those of its source may cost.
    fn expressions(&mut self, plan: &Plan, faults: &mut Faults) -> Vec<(u16, Vec<String>)> {
        let mut lists: Vec<(u16, Vec<String>)> = Vec::new();
        let mut spent: HashMap<u16, u64> = HashMap::new();
        for (chunk, parsed) in self.chunks.iter().zip(&mut self.parsed) {
            if parsed.expressions.is_empty() {
                continue;
            }
            let source = plan.tags.get(usize::from(chunk.tag)).map(|tag| tag.source);
            let spent = spent.entry(source.unwrap_or_default()).or_default();
            let mut affordable = Vec::with_capacity(parsed.expressions.len());
            for text in std::mem::take(&mut parsed.expressions) {
                let cost = spent.saturating_add(cost::cost(&text));
                if cost <= cost::SOURCE_MAX {
                    *spent = cost;
                    affordable.push(text);
                    continue;
                }
                faults.push_with(|| Fault {
                    list: chunk.list.to_owned(),
                    file: chunk.path.to_owned(),
                    line: None,
                    entry: shown(&text),
                    reason: DEAR.to_owned(),
                });
                if let Some(file) = self.files.get_mut(chunk.file) {
                    file.faulty += 1;
                }
            }
            match lists.last_mut() {
                Some((tag, list)) if *tag == chunk.tag => list.append(&mut affordable),
                _ => lists.push((chunk.tag, affordable)),
            }
        }
        for (tag, list) in &mut lists {
            let before = list.len();
            let mut seen = HashSet::new();
            list.retain(|text| seen.insert(text.clone()));
            let repeated = self.repeated.entry((*tag, MatchKind::Expression));
            *repeated.or_default() += (before - list.len()) as u64;
        }
        lists
    }
}

/// Gives each distinct combination of tags a number.
#[derive(Default)]
struct Interner {
    numbers: HashMap<Box<[u16]>, u16>,
    sets: Vec<Box<[u16]>>,
    scratch: Vec<u16>,
}

impl Interner {
    /// The number of the set of `tags`, which ascend.
    fn intern(&mut self, tags: impl Iterator<Item = u16>) -> Result<u16, BuildError> {
        self.scratch.clear();
        self.scratch.extend(tags);
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
}

/// A report of nothing yet for each file of a plan.
impl Plan {
    fn file_reports(&self) -> Vec<FileReport> {
        let report = |planned: &super::Planned| FileReport {
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
