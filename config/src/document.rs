//! Walks one TOML document: finds keys, their defaults and their lines, and collects every fault on the way.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::Fault;
use crate::keys::{Key, Kind};
use crate::text;
use crate::value::{Node, Value};

/// A parsed file, its keys, and what was found wrong so far.
pub(crate) struct Document<'i> {
    file: PathBuf,
    keys: &'static [Key],
    tree: Spanned<DeTable<'i>>,
    /// Where each line starts.
    lines: Vec<usize>,
    /// Lines that are no TOML: faults of values there would only repeat that.
    broken: BTreeSet<usize>,
    found: RefCell<Report>,
}

/// What reading and checking found.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) file: PathBuf,
    pub(crate) faults: Vec<Fault>,
    pub(crate) warnings: Vec<Fault>,
    /// The file is no TOML, so that what seems to be missing may be there.
    pub(crate) broken: bool,
    /// Lines of the keys that the file gives.
    places: BTreeMap<String, usize>,
}

impl<'i> Document<'i> {
    pub(crate) fn parse(file: PathBuf, source: &'i str, keys: &'static [Key]) -> Document<'i> {
        let (tree, errors) = DeTable::parse_recoverable(source);
        let starts = source.match_indices('\n').map(|(at, _)| at + 1);
        let mut document = Document {
            found: RefCell::new(Report {
                file: file.clone(),
                ..Report::default()
            }),
            file,
            keys,
            tree,
            lines: std::iter::once(0).chain(starts).collect(),
            broken: BTreeSet::new(),
        };
        for error in errors {
            let line = error.span().map(|span| document.line(&span));
            if line.is_none_or(|line| document.broken.insert(line)) {
                document.syntax(line, error.message());
            }
        }
        document
    }

    fn syntax(&mut self, line: Option<usize>, message: &str) {
        let report = self.found.get_mut();
        report.broken = true;
        report.faults.push(Fault {
            file: self.file.clone(),
            line,
            key: String::new(),
            message: plain(message),
        });
    }

    /// The top of the file.
    pub(crate) fn root(&self) -> Section<'_, 'i> {
        let section = Section {
            document: self,
            table: Some(self.tree.get_ref()),
            schema: String::new(),
            shown: String::new(),
            line: 1,
        };
        section.refuse_unknown();
        section
    }

    pub(crate) fn into_report(self) -> Report {
        self.found.into_inner()
    }

    fn line(&self, span: &Range<usize>) -> usize {
        self.lines.partition_point(|start| *start <= span.start)
    }

    fn fault(&self, line: usize, key: String, message: String) {
        if self.broken.contains(&line) {
            return;
        }
        self.found.borrow_mut().faults.push(Fault {
            file: self.file.clone(),
            line: Some(line),
            key,
            message,
        });
    }

    /// The one description of a key. Reading a key that no table describes is a mistake of the program, found by any test.
    fn key(&self, path: &str) -> &'static Key {
        let key = self.keys.iter().find(|key| key.path == path);
        key.unwrap_or_else(|| panic!("{path} is not in the table of keys"))
    }
}

/// One table of the document.
#[derive(Clone)]
pub(crate) struct Section<'d, 'i> {
    document: &'d Document<'i>,
    /// `None` when the file does not have it: every key has its default.
    table: Option<&'d DeTable<'i>>,
    schema: String,
    shown: String,
    line: usize,
}

impl<'d, 'i> Section<'d, 'i> {
    /// Where the section starts.
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// The value of a key, or its default; a placeholder after a fault.
    pub(crate) fn get<T: Value>(&self, leaf: &str) -> T {
        let key = self.document.key(&join(&self.schema, leaf));
        match self.value(leaf) {
            Some(value) => self.read(key, value),
            None => {
                if key.is_required() {
                    self.missing(leaf, key);
                }
                default(key)
            }
        }
    }

    fn read<T: Value>(&self, key: &'static Key, value: &Spanned<DeValue<'i>>) -> T {
        let shown = join(&self.shown, key.leaf());
        self.remember(&shown, &value.span());
        let kind = &key.kind;
        T::read(Node { value, kind }, &mut |span, message| {
            self.document
                .fault(self.document.line(&span), shown.clone(), message);
        })
    }

    fn missing(&self, leaf: &str, key: &Key) {
        if self.document.found.borrow().broken {
            return;
        }
        let message = format!("must be given: {}", key.kind.describe());
        self.document
            .fault(self.line, join(&self.shown, leaf), message);
    }

    /// A table; without it, one whose keys all have their defaults.
    pub(crate) fn section(&self, leaf: &str) -> Section<'d, 'i> {
        let table = self.value(leaf).and_then(|value| {
            let table = value.get_ref().as_table();
            if table.is_none() {
                let key = self.document.key(&join(&self.schema, leaf));
                let message = format!("expected a section: write {}", key.heading());
                self.fault(leaf, &value.span(), message);
            }
            table.map(|table| (table, value.span()))
        });
        self.inner(leaf, join(&self.shown, leaf), table)
    }

    /// A table that the file does not have: every key has its default.
    pub(crate) fn absent(&self, leaf: &str) -> Section<'d, 'i> {
        self.inner(leaf, join(&self.shown, leaf), None)
    }

    /// Every table of a list of tables.
    pub(crate) fn sections(&self, leaf: &str) -> Vec<Section<'d, 'i>> {
        let Some(value) = self.value(leaf) else {
            return Vec::new();
        };
        let key = self.document.key(&join(&self.schema, leaf));
        let Some(members) = value.get_ref().as_array() else {
            let message = format!("expected a repeated section: write {}", key.heading());
            self.fault(leaf, &value.span(), message);
            return Vec::new();
        };
        if let Some(first) = members.first() {
            self.remember(&join(&self.shown, leaf), &first.span());
        }
        if matches!(key.kind, Kind::Sections(max) if members.len() > max) {
            let message = format!("{} of them, which is too many", members.len());
            self.fault(leaf, &value.span(), message);
        }
        let tables = members.iter().enumerate().filter_map(|(index, member)| {
            let shown = format!("{}[{}]", join(&self.shown, leaf), index + 1);
            let Some(table) = member.get_ref().as_table() else {
                let message = format!("expected a repeated section: write {}", key.heading());
                self.fault(leaf, &member.span(), message);
                return None;
            };
            Some(self.inner(leaf, shown, Some((table, member.span()))))
        });
        tables.collect()
    }

    /// A table with free keys: each with its value.
    pub(crate) fn entries<T: Value>(&self, leaf: &str, kind: &Kind) -> Vec<(String, usize, T)> {
        let section = self.section(leaf);
        let entries = section.table.into_iter().flatten().map(|(name, value)| {
            let shown = join(&section.shown, name.get_ref());
            let line = self.document.line(&name.span());
            let read = T::read(Node { value, kind }, &mut |span, message| {
                self.document
                    .fault(self.document.line(&span), shown.clone(), message);
            });
            (name.get_ref().to_string(), line, read)
        });
        entries.collect()
    }

    /// A fault of a key that this section has read.
    pub(crate) fn fault_at(&self, line: usize, leaf: &str, message: String) {
        self.document.fault(line, join(&self.shown, leaf), message);
    }

    fn inner(
        &self,
        leaf: &str,
        shown: String,
        table: Option<(&'d DeTable<'i>, Range<usize>)>,
    ) -> Section<'d, 'i> {
        if let Some((_, span)) = &table {
            self.remember(&shown, span);
        }
        let section = Section {
            document: self.document,
            line: table
                .as_ref()
                .map_or(self.line, |(_, span)| self.document.line(span)),
            table: table.map(|(table, _)| table),
            schema: join(&self.schema, leaf),
            shown,
        };
        section.refuse_unknown();
        section
    }

    fn value(&self, leaf: &str) -> Option<&'d Spanned<DeValue<'i>>> {
        self.table.and_then(|table| table.get(leaf))
    }

    fn remember(&self, shown: &str, span: &Range<usize>) {
        let line = self.document.line(span);
        let mut report = self.document.found.borrow_mut();
        report.places.insert(shown.to_owned(), line);
    }

    fn fault(&self, leaf: &str, span: &Range<usize>, message: String) {
        let line = self.document.line(span);
        self.document.fault(line, join(&self.shown, leaf), message);
    }

    fn refuse_unknown(&self) {
        if self.is_free() {
            return;
        }
        for (name, _) in self.table.into_iter().flatten() {
            let known = |key: &&Key| key.parent() == self.schema && key.leaf() == name.get_ref();
            if !self.document.keys.iter().any(|key| known(&key)) {
                self.unknown(name.get_ref(), &name.span());
            }
        }
    }

    fn unknown(&self, name: &str, span: &Range<usize>) {
        let siblings = self
            .document
            .keys
            .iter()
            .filter(|key| key.parent() == self.schema);
        let near = text::did_you_mean(name, siblings.map(Key::leaf));
        // After a header that is no TOML, keys seem to belong to the section before it.
        if near.is_empty() && self.document.found.borrow().broken {
            return;
        }
        let guess = if near.is_empty() {
            self.elsewhere(name)
        } else {
            near
        };
        self.fault(name, span, format!("unknown key{guess}"));
    }

    fn is_free(&self) -> bool {
        let key = self
            .document
            .keys
            .iter()
            .find(|key| key.path == self.schema);
        key.is_some_and(|key| matches!(key.kind, Kind::HostMap))
    }

    /// The section where a key of this spelling belongs.
    fn elsewhere(&self, name: &str) -> String {
        let keys = self.document.keys.iter();
        let Some(key) = keys.clone().find(|key| key.leaf() == name) else {
            return String::new();
        };
        match keys.clone().find(|section| section.path == key.parent()) {
            Some(section) => format!("; {name:?} belongs to {}", section.heading()),
            None => format!("; {name:?} belongs to the top of the file, before the first section"),
        }
    }
}

/// The parser's message on one line, with what it mostly means: an address or a duration without quotation marks.
fn plain(message: &str) -> String {
    let message = message
        .replace('\n', ", ")
        .replace(", expected nothing", "");
    let number = ["float", "integer", "number", "date", "time"];
    let hint = if number.iter().any(|word| message.contains(word)) {
        ": a text stands in quotation marks"
    } else {
        ""
    };
    format!("not TOML: {message}{hint}")
}

fn default<T: Value>(key: &'static Key) -> T {
    let text = if key.is_required() { "''" } else { key.default };
    let value = DeValue::parse(text).expect("invariant: defaults are TOML values");
    let kind = &key.kind;
    T::read(
        Node {
            value: &value,
            kind,
        },
        &mut |_, _| {},
    )
}

fn join(path: &str, leaf: &str) -> String {
    if path.is_empty() {
        leaf.to_owned()
    } else {
        format!("{path}.{leaf}")
    }
}

impl Report {
    /// A fault of a checked key, unless reading already found one there.
    pub(crate) fn fault(&mut self, key: &str, message: String) {
        if !self.has_fault(key) {
            let fault = self.place(key, message);
            self.faults.push(fault);
        }
    }

    /// Something that is allowed and probably not meant.
    pub(crate) fn warn(&mut self, key: &str, message: String) {
        let warning = self.place(key, message);
        self.warnings.push(warning);
    }

    /// True when reading found a fault in the key.
    pub(crate) fn has_fault(&self, key: &str) -> bool {
        self.faults.iter().any(|fault| fault.key == key)
    }

    /// The line of a key, or of the nearest section around it that the file has.
    pub(crate) fn line(&self, key: &str) -> Option<usize> {
        let parents = std::iter::successors(Some(key), |key| {
            key.rsplit_once('.').map(|(parent, _)| parent)
        });
        parents
            .into_iter()
            .find_map(|key| self.places.get(key).copied())
    }

    fn place(&self, key: &str, message: String) -> Fault {
        Fault {
            file: self.file.clone(),
            line: self.line(key),
            key: key.to_owned(),
            message,
        }
    }
}
