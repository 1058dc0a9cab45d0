//! Which changed list files are held back, and what is said of lines that cannot be used.
//!
//! Decides when a changed list file looks like an accident: half of it written, an editor that stopped, a copy that broke
//! off. A short list lets through what the long one blocked, so the old lists stay in force until somebody says what is
//! meant (threats §7). Lines that are wrong one by one stop nothing; they are counted and told.
//!
//! A text file does not say that it is complete, so this goes by what people and their tools do:
//! - It had entries and has none.
//! - It lost more than half of its entries, and more than 20.
//! - It ended in a newline, now ends without one, and is shorter. Editors that write no last newline make it longer when an
//!   entry is added, so their files are taken.
//!
//! Imported lists are held to their manifest and to `weir lists import` instead.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use weir_categories::Report;
use weir_config::{Fault, Faults};

/// So many entries may go at once from any list, however short.
const MAY_GO: u64 = 20;
/// Faulty lines that are logged one by one.
const LOGGED: usize = 20;

/// What the lists in force were made of.
#[derive(Debug, Default)]
pub(crate) struct Filled {
    /// The list files that have entries.
    files: BTreeMap<PathBuf, Shape>,
    /// Lines that could not be used.
    pub(crate) faults: u64,
    /// The first of them, with file and line.
    pub(crate) first_fault: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    entries: u64,
    end: Option<End>,
}

/// How a file ends, as far as it could be looked at.
#[derive(Clone, Copy, Debug)]
struct End {
    bytes: u64,
    newline: bool,
}

/// Remembers what a build was made of.
pub(crate) fn filled(report: &Report) -> Filled {
    let files = report.files.iter().filter(|file| file.entries > 0);
    let shape = |entries, path: &Path| Shape {
        entries,
        end: End::of(path),
    };
    Filled {
        files: files
            .map(|file| (file.file.clone(), shape(file.entries, &file.file)))
            .collect(),
        faults: report.faults.count(),
        first_fault: report.faults.iter().next().map(ToString::to_string),
    }
}

/// Changed list files that are more likely an accident than a wish, each with what to do.
pub(crate) fn accidents(old: &Filled, report: &Report) -> Faults {
    let looked = report.files.iter().filter_map(|file| {
        let before = old.files.get(&file.file)?;
        let message = accident(before, file.entries, &file.file)?;
        Some(Fault {
            file: file.file.clone(),
            line: None,
            key: format!("{} of {}", file.category, file.list),
            message,
        })
    });
    Faults(looked.collect())
}

fn accident(before: &Shape, entries: u64, path: &Path) -> Option<String> {
    if entries == 0 {
        return Some(
            "the list became empty, so the old lists stay in force; to empty it on purpose, delete the file".to_owned(),
        );
    }
    if is_imported(path) {
        return None;
    }
    let gone = before.entries.saturating_sub(entries);
    if gone > MAY_GO && gone > before.entries / 2 {
        return Some(format!(
            "the list went from {} entries to {entries}, as a half-written file does, so the old lists stay in force; if \
             that is meant, delete the file, wait two seconds and put it back, or restart Weir",
            before.entries
        ));
    }
    let (was, is) = (before.end?, End::of(path)?);
    (was.newline && !is.newline && is.bytes < was.bytes).then(|| {
        "the list became shorter and its last line does not end, as in a half-written file, so the old lists stay in \
         force; if it is complete, end its last line with a newline"
            .to_owned()
    })
}

/// Whether the file belongs to an import, which is whole by its manifest.
fn is_imported(path: &Path) -> bool {
    let source = path.parent().and_then(Path::parent);
    source.is_some_and(|source| source.join(weir_categories::manifest::FILE_NAME).exists())
}

/// A list file that people edit and whose last line does not end: for `weir check`.
pub(crate) fn is_unended(path: &Path) -> bool {
    !is_imported(path) && End::of(path).is_some_and(|end| !end.newline && end.bytes > 0)
}

impl End {
    /// None for what is not there, such as the embedded lists.
    fn of(path: &Path) -> Option<End> {
        let mut file = File::open(path).ok()?;
        let bytes = file.metadata().ok()?.len();
        let mut last = [0];
        if bytes > 0 {
            file.seek(SeekFrom::End(-1)).ok()?;
            file.read_exact(&mut last).ok()?;
        }
        Some(End {
            bytes,
            newline: last == [b'\n'],
        })
    }
}

/// Logs lines that could not be used: whoever wrote one believes that it works.
pub(crate) fn tell_faults(report: &Report) {
    for fault in report.faults.iter().take(LOGGED) {
        tracing::warn!("a list line is not used: {fault}");
    }
    let more = report.faults.count().saturating_sub(LOGGED as u64);
    if more > 0 {
        tracing::warn!("{more} more list lines are not used; `weir check` names them");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::fs;
    use weir_categories::Source;

    /// What is held when a list of `before` becomes `after`.
    fn held(before: &str, after: &str, imported: bool) -> Option<String> {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("gambling/domains");
        fs::create_dir(root.path().join("gambling")).unwrap();
        let report = |text: &str| {
            fs::write(&file, text).unwrap();
            let source = Source::directory("school", root.path());
            weir_categories::build(&[source], &mut |_| {})
                .unwrap()
                .report
        };
        let old = filled(&report(before));
        let new = report(after);
        if imported {
            fs::write(root.path().join("manifest.json"), "{}").unwrap();
        }
        accidents(&old, &new).0.pop().map(|fault| fault.message)
    }

    fn names(count: usize) -> String {
        (0..count).map(|at| format!("bet{at}.example\n")).collect()
    }

    #[test]
    fn threats_7_a_list_cut_off_in_a_line_is_held() {
        let cut = held("bc.game\nbet365.com\n", "bc.game\nbet365.co", false).unwrap();
        assert!(cut.contains("newline"), "{cut}");
    }

    #[test]
    fn threats_7_a_list_that_lost_most_of_its_entries_is_held() {
        let cut = held(&names(149), &names(12), false).unwrap();
        assert!(cut.contains("149 entries to 12"), "{cut}");
        assert!(held(&names(149), "# nothing\n", false).is_some());
    }

    #[test]
    fn editors_that_write_no_last_newline_still_work() {
        for (before, after) in [
            ("a.example\n", "a.example\nb.example"),
            ("a.example", "a.example\nb.example\nc.example"),
            ("a.example\nb.example", "a.example"),
            ("a.example", "a.example\n"),
        ] {
            assert_eq!(held(before, after, false), None, "{before:?} {after:?}");
        }
    }

    #[test]
    fn what_people_take_out_by_hand_is_taken_out() {
        assert_eq!(held(&names(149), &names(100), false), None);
        assert_eq!(held(&names(20), &names(1), false), None);
    }

    #[test]
    fn an_import_answers_to_its_manifest_and_not_to_its_length() {
        assert_eq!(held(&names(149), &names(12), true), None);
    }
}
