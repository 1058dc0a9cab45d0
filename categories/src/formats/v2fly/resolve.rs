//! Decides what the files of a v2fly directory come to once their includes are followed, within bounds.
//!
//! All files are read first, then each is made of those that it includes, innermost first: no recursion, and each file once.
//! Files that include each other in a circle lose the includes that make it one; each such line is a fault.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::path::PathBuf;
use std::rc::Rc;

use super::super::lines::{LineReader, LinesError, Told};
use super::super::{LineFault, Sink, Skip, Tally};
use super::{Attributes, Rule, parse};
use crate::entry::MatchKind;

/// Includes that follow each other. Upstream has 5.
const DEPTH_MAX: u32 = 32;
/// Rules that includes may bring, counted wherever they are brought, and once more for each attribute that they are held
/// against: some 50 times what upstream has.
const RULES_MAX: usize = 20_000_000;

const CIRCLE: &str = "the files include each other in a circle";

/// A rule that brings an entry.
#[derive(Debug)]
struct Entry {
    kind: MatchKind,
    normal: String,
    attributes: Vec<Rc<str>>,
}

#[derive(Debug)]
enum Content {
    Entry(u32),
    Include(Include),
}

#[derive(Debug)]
struct Include {
    file: String,
    with: Vec<Rc<str>>,
    without: Vec<Rc<str>>,
}

/// The rules that a line brings, or why it brings none.
type Brought = Result<Rc<[u32]>, &'static str>;

/// One file: what its lines are, as far as it can be told alone, and later what it comes to.
#[derive(Debug, Default)]
struct File {
    shown_as: PathBuf,
    lines: Vec<(u32, Content)>,
    tally: Tally,
    /// What each include brings, in their order.
    brought: Vec<Brought>,
    rules: Rc<[u32]>,
    depth: u32,
}

impl File {
    fn includes(&self) -> impl Iterator<Item = &Include> {
        self.lines.iter().filter_map(|(_, content)| match content {
            Content::Include(include) => Some(include),
            Content::Entry(_) => None,
        })
    }
}

/// The files of a directory or archive.
#[derive(Debug, Default)]
pub(crate) struct Files {
    entries: Vec<Entry>,
    attributes: BTreeMap<String, Rc<str>>,
    files: BTreeMap<String, File>,
    /// Files that are part of a circle.
    circle: BTreeSet<String>,
    /// What includes have brought, as [`RULES_MAX`] counts it.
    rules: usize,
}

impl Files {
    /// Reads a file; a second one of the same name takes the first one's place.
    ///
    /// # Errors
    /// As [`super::super::lines::read`].
    pub(crate) fn read(
        &mut self,
        name: &str,
        lines: &mut LineReader<impl BufRead>,
        told: &mut Told<'_>,
    ) -> Result<(), LinesError> {
        let mut file = File {
            shown_as: told.file.to_owned(),
            ..File::default()
        };
        while let Some(line) = lines.next()? {
            told.tick()?;
            file.tally.lines += 1;
            let number = u32::try_from(file.tally.lines).unwrap_or(u32::MAX);
            match line.text().and_then(parse) {
                Ok(None) => file.tally.blank += 1,
                Ok(Some((Rule::Affiliated, _))) => file.tally.skip(Skip::Affiliation),
                Ok(Some((Rule::Include(target), attributes))) => {
                    let include = self.include(target, &attributes);
                    file.lines.push((number, Content::Include(include)));
                }
                Ok(Some((Rule::Domain(domain), attributes))) => {
                    let text = domain.to_string();
                    let dot = if text.contains(['.', ':']) { "" } else { "." };
                    let at = self.entry(MatchKind::Domain, format!("{dot}{text}"), &attributes);
                    file.lines.push((number, Content::Entry(at)));
                }
                Ok(Some((Rule::Expression(text), attributes))) => {
                    let at = self.entry(MatchKind::Expression, text, &attributes);
                    file.lines.push((number, Content::Entry(at)));
                }
                Err(fault) => {
                    file.tally.faulty += 1;
                    told.fault(u64::from(number), line.bytes(), &fault);
                }
            }
        }
        self.files.insert(name.to_owned(), file);
        Ok(())
    }

    fn entry(&mut self, kind: MatchKind, normal: String, attributes: &Attributes<'_>) -> u32 {
        let at = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let attributes = attributes.iter().map(|text| self.attribute(text)).collect();
        self.entries.push(Entry {
            kind,
            normal,
            attributes,
        });
        at
    }

    fn include(&mut self, file: &str, attributes: &Attributes<'_>) -> Include {
        let mut include = Include {
            file: file.to_owned(),
            with: Vec::new(),
            without: Vec::new(),
        };
        for text in attributes {
            match text.strip_prefix('-') {
                Some(text) => include.without.push(self.attribute(text)),
                None => include.with.push(self.attribute(text)),
            }
        }
        include
    }

    /// One copy of an attribute's name.
    fn attribute(&mut self, text: &str) -> Rc<str> {
        let shared = self.attributes.entry(text.to_owned());
        Rc::clone(shared.or_insert_with(|| Rc::from(text)))
    }

    /// The names of the files, and their paths for people.
    pub(crate) fn names(&self) -> Vec<(String, PathBuf)> {
        let named = |(name, file): (&String, &File)| (name.clone(), file.shown_as.clone());
        self.files.iter().map(named).collect()
    }

    /// Follows all includes; call when every file has been read.
    pub(crate) fn follow(&mut self) {
        let (_, left) = self.innermost_first();
        self.circle = self.without_entrances(left);
        let (order, _) = self.innermost_first();
        for name in order {
            let Some(file) = self.files.get(&name) else {
                continue;
            };
            let mut rules = Vec::new();
            let mut brought = Vec::new();
            let mut depth = 0;
            let mut spent = self.rules;
            for (_, content) in &file.lines {
                match content {
                    Content::Entry(at) => rules.push(*at),
                    Content::Include(include) => {
                        let came = self.brought(&name, include, &mut spent);
                        if let Ok(came) = &came {
                            rules.extend_from_slice(came);
                            depth = depth.max(self.files.get(&include.file).map_or(0, |f| f.depth));
                        }
                        brought.push(came);
                    }
                }
            }
            rules.sort_unstable();
            rules.dedup();
            self.rules = spent;
            if let Some(file) = self.files.get_mut(&name) {
                file.brought = brought;
                file.rules = rules.into();
                file.depth = depth + 1;
            }
        }
    }

    /// The files in an order in which those that a file includes come before it; those that no such order has.
    fn innermost_first(&self) -> (Vec<String>, BTreeSet<String>) {
        let mut waits: BTreeMap<&str, usize> = BTreeMap::new();
        let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, file) in &self.files {
            let targets = file.includes().map(|include| &*include.file);
            let targets = targets.filter(|t| self.files.contains_key(*t) && !self.closes(name, t));
            let mut count = 0;
            for target in targets {
                wanted.entry(target).or_default().push(name);
                count += 1;
            }
            waits.insert(name, count);
        }
        let mut ready: Vec<&str> = Vec::new();
        ready.extend(
            waits
                .iter()
                .filter(|(_, n)| **n == 0)
                .map(|(name, _)| *name),
        );
        let mut order = Vec::new();
        while let Some(name) = ready.pop() {
            order.push(name.to_owned());
            for by in wanted.get(name).into_iter().flatten() {
                if let Some(count) = waits.get_mut(by) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(by);
                    }
                }
            }
        }
        let done: BTreeSet<&str> = order.iter().map(String::as_str).collect();
        let left = self
            .files
            .keys()
            .filter(|name| !done.contains(name.as_str()));
        let left = left.cloned().collect();
        (order, left)
    }

    /// Of files that lead into a circle those that one leads to as well: the circles, and what lies between two.
    fn without_entrances(&self, mut left: BTreeSet<String>) -> BTreeSet<String> {
        let mut leading: BTreeMap<String, usize> = BTreeMap::new();
        let targets = |name: &str, left: &BTreeSet<String>| -> Vec<String> {
            let includes = self.files.get(name).into_iter().flat_map(File::includes);
            let inside = includes.filter(|include| left.contains(&include.file));
            inside.map(|include| include.file.clone()).collect()
        };
        for name in &left {
            for target in targets(name, &left) {
                *leading.entry(target).or_default() += 1;
            }
        }
        let mut ready: Vec<String> = Vec::new();
        ready.extend(
            left.iter()
                .filter(|name| !leading.contains_key(*name))
                .cloned(),
        );
        while let Some(name) = ready.pop() {
            for target in targets(&name, &left) {
                if let Some(count) = leading.get_mut(&target) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(target);
                    }
                }
            }
            left.remove(&name);
        }
        left
    }

    /// True for an include that is part of a circle.
    fn closes(&self, name: &str, target: &str) -> bool {
        self.circle.contains(name) && self.circle.contains(target)
    }

    /// The rules that a line brings; `spent` is what lines before it have brought.
    fn brought(&self, name: &str, include: &Include, spent: &mut usize) -> Brought {
        let file = self.files.get(&include.file);
        let file = file.ok_or("there is no such file")?;
        if self.closes(name, &include.file) {
            return Err(CIRCLE);
        }
        if file.depth >= DEPTH_MAX {
            return Err("includes follow each other too deep");
        }
        let each = 1 + include.with.len() + include.without.len();
        *spent = spent.saturating_add(file.rules.len().saturating_mul(each));
        if *spent > RULES_MAX {
            return Err("the files include each other too often");
        }
        if include.with.is_empty() && include.without.is_empty() {
            return Ok(Rc::clone(&file.rules));
        }
        let fits = |at: &&u32| {
            self.entries.get(**at as usize).is_some_and(|entry| {
                let has = |attribute: &Rc<str>| entry.attributes.contains(attribute);
                include.with.iter().all(has) && !include.without.iter().any(has)
            })
        };
        Ok(file.rules.iter().filter(fits).copied().collect())
    }

    /// What `name` lists with its includes, and what became of its lines.
    pub(crate) fn take(&self, name: &str, told: &mut Told<'_>) -> (Sink, Tally) {
        let mut sink = Sink::default();
        let Some(file) = self.files.get(name) else {
            return (sink, Tally::default());
        };
        let mut tally = file.tally.clone();
        let mut brought = file.brought.iter();
        for (number, content) in &file.lines {
            let include = match content {
                Content::Entry(at) => {
                    self.give(*number, &[*at], &mut sink);
                    continue;
                }
                Content::Include(include) => include,
            };
            // A file that is in no order has been followed by no include.
            match brought.next().unwrap_or(&Err(CIRCLE)) {
                // Nothing in the other file has the attributes.
                Ok(rules) if rules.is_empty() => tally.skip(Skip::Include),
                Ok(rules) => self.give(*number, rules, &mut sink),
                Err(reason) => {
                    tally.faulty += 1;
                    let line = format!("include:{}", include.file);
                    let fault = LineFault::Form(reason);
                    told.fault(u64::from(*number), line.as_bytes(), &fault);
                }
            }
        }
        (sink, tally)
    }

    fn give(&self, line: u32, rules: &[u32], sink: &mut Sink) {
        for at in rules {
            if let Some(entry) = self.entries.get(*at as usize) {
                sink.again(entry.kind, line, &entry.normal);
            }
        }
    }
}
