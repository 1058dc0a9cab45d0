//! Decides nothing: what a compiled base holds beside names, addresses and URLs, as JSON. It is a few hundred lines, and what
//! is wrong in it serde refuses.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::entry::MatchKind;
use crate::report::{FAULTS_MAX, Fault, Faults, FileReport, Report};
use crate::store::{Store, StoreTag};

/// The version of Weir: another one may read lines otherwise, so it compiles anew.
pub(super) const MAKER: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Meta {
    pub(super) maker: String,
    pub(super) version: String,
    pub(super) sources: Vec<String>,
    pub(super) categories: Vec<String>,
    /// Category, source.
    tags: Vec<(u16, u16)>,
    pub(super) sets: Vec<Box<[u16]>>,
    pub(super) expressions: Vec<(u16, Vec<String>)>,
    /// Some entry, some exception is a whole top-level domain.
    pub(super) top_levels: (bool, bool),
    files: Vec<File>,
    faults: Vec<KeptFault>,
    fault_count: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    source: usize,
    category: String,
    /// Its name.
    kind: String,
    lines: u64,
    entries: u64,
    duplicates: u64,
    blank: u64,
    faulty: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptFault {
    source: usize,
    /// Within the source.
    file: String,
    line: Option<u64>,
    entry: String,
    reason: String,
}

impl Meta {
    pub(super) fn of(store: &Store, top_levels: (bool, bool)) -> Meta {
        let source = |list: &str| store.sources.iter().position(|name| name == list);
        let file = |file: &FileReport| File {
            source: source(&file.list).unwrap_or_default(),
            category: file.category.clone(),
            kind: file.kind.file_name().to_owned(),
            lines: file.lines,
            entries: file.entries,
            duplicates: file.duplicates,
            blank: file.blank,
            faulty: file.faulty,
        };
        let fault = |fault: &Fault| KeptFault {
            source: source(&fault.list).unwrap_or_default(),
            file: within(&fault.file),
            line: fault.line,
            entry: fault.entry.clone(),
            reason: fault.reason.clone(),
        };
        Meta {
            maker: MAKER.to_owned(),
            version: store.version.clone(),
            sources: store.sources.clone(),
            categories: store.categories.clone(),
            tags: store
                .tags
                .iter()
                .map(|tag| (tag.category, tag.source))
                .collect(),
            sets: store.sets.clone(),
            expressions: store.expressions.lists().to_vec(),
            top_levels,
            files: store.report.files.iter().map(file).collect(),
            faults: store.report.faults.iter().map(fault).collect(),
            fault_count: store.report.faults.count(),
        }
    }

    pub(super) fn tags(&self) -> Vec<StoreTag> {
        let tag = |(category, source): &(u16, u16)| StoreTag {
            category: *category,
            source: *source,
        };
        self.tags.iter().map(tag).collect()
    }

    /// The report, for sources that lie in `roots`.
    pub(super) fn report(&mut self, roots: &[PathBuf]) -> Report {
        let root = |source: usize| roots.get(source).cloned().unwrap_or_default();
        let sources = &self.sources;
        let list = |source: usize| sources.get(source).cloned().unwrap_or_default();
        let file = |file: File| {
            let kind = MatchKind::of_file_name(&file.kind)?;
            Some(FileReport {
                list: list(file.source),
                file: root(file.source).join(&file.category).join(&file.kind),
                category: file.category,
                kind,
                lines: file.lines,
                entries: file.entries,
                duplicates: file.duplicates,
                blank: file.blank,
                faulty: file.faulty,
            })
        };
        let fault = |fault: KeptFault| Fault {
            list: list(fault.source),
            file: root(fault.source).join(fault.file),
            line: fault.line,
            entry: fault.entry,
            reason: fault.reason,
        };
        let faults = std::mem::take(&mut self.faults)
            .into_iter()
            .take(FAULTS_MAX);
        Report {
            faults: Faults::kept(faults.map(fault).collect(), self.fault_count),
            files: std::mem::take(&mut self.files)
                .into_iter()
                .filter_map(file)
                .collect(),
        }
    }
}

/// The last parts of a list's path: category and file, or the category's directory alone.
fn within(path: &Path) -> String {
    let last = path.file_name().unwrap_or_default().to_string_lossy();
    let category = path.parent().and_then(Path::file_name).unwrap_or_default();
    match MatchKind::of_file_name(&last) {
        Some(_) => format!("{}/{last}", category.to_string_lossy()),
        None => last.into_owned(),
    }
}
