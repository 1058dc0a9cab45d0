//! The files of a bundle as such: exactly those that the list of sums names, byte for byte, and the signature over that list.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use weir_evidence::{Hash, Note};
use weir_monitoring::bundle::{FILES, FORM, LOG_FILES, NOTE, SUMS};

use super::fault;
use crate::log::Told;
use crate::report::Report;

/// Larger than any file of the largest bundle that is made, two million rows; what is larger is not read into memory.
const LARGEST: u64 = 16 << 30;

/// What was read of a bundle.
pub(super) struct Files {
    found: BTreeMap<String, Vec<u8>>,
    sums: Vec<u8>,
    note: Vec<u8>,
}

impl Files {
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.found.keys().map(String::as_str)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.found.contains_key(name)
    }

    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.found.get(name).map(Vec::as_slice)
    }

    /// A file as text; what is no UTF-8 is no text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.bytes(name)?).ok()
    }
}

fn hex(hash: &Hash) -> String {
    hash.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads every file that lies there and compares it with the list.
pub(super) fn read(directory: &Path, report: &mut Report) -> io::Result<Files> {
    let mut there = BTreeMap::new();
    walk(directory, "", &mut there, report)?;
    let mut take = |name: &str| there.remove(name).unwrap_or_default();
    let (sums, note) = (take(SUMS), take(NOTE));
    let Some(listed) = parse(&sums) else {
        let what = "it is not a list of sums: 64 hexadecimal digits, two blanks and a path, by ascending path";
        fault(report, SUMS, what);
        return Ok(Files {
            found: there,
            sums,
            note,
        });
    };
    for (name, sum) in &listed {
        match there.get(name) {
            Some(bytes) if hex(&Hash::of(bytes)) == *sum => {}
            Some(_) => fault(
                report,
                name,
                "it is not the file that was signed: its sum differs",
            ),
            None => fault(report, name, "it is listed and not there"),
        }
    }
    for name in there.keys().filter(|name| !listed.contains_key(*name)) {
        fault(
            report,
            name,
            "it is there and not listed: it does not belong to the bundle",
        );
    }
    for (name, bytes) in &there {
        let is_text = !name.ends_with(".parquet");
        if is_text && std::str::from_utf8(bytes).is_err() {
            fault(report, name, "it is no text in UTF-8");
        }
    }
    Ok(Files {
        found: there,
        sums,
        note,
    })
}

/// Whether a bundle has a file of this name.
fn is_known(name: &str) -> bool {
    let file = match name.split('/').collect::<Vec<_>>().as_slice() {
        ["log", _, file] => return LOG_FILES.contains(file),
        [file] => *file,
        _ => return false,
    };
    FILES.contains(&file) || file == SUMS || file == NOTE
}

/// Every file below a directory by its path with slashes. What is no file has no place in a bundle.
fn walk(
    directory: &Path,
    before: &str,
    found: &mut BTreeMap<String, Vec<u8>>,
    report: &mut Report,
) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = format!("{before}{}", entry.file_name().display());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{name}/"), found, report)?;
        } else if kind.is_file() {
            // What no bundle has is not read: it is a fault by its name alone.
            let mut bytes = Vec::new();
            if is_known(&name) {
                if entry.metadata()?.len() > LARGEST {
                    fault(report, &name, "it is larger than any file of a bundle");
                } else {
                    bytes = fs::read(entry.path())?;
                }
            }
            found.insert(name, bytes);
        } else {
            fault(report, &name, "it is neither a file nor a directory");
        }
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut found = BTreeMap::new();
    for line in text.strip_suffix('\n')?.split('\n') {
        let (sum, name) = line.split_once("  ")?;
        let is_sum = sum.len() == 64
            && sum
                .bytes()
                .all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
        let is_next = found
            .last_key_value()
            .is_none_or(|(last, _): (&String, _)| last.as_str() < name);
        if !is_sum || !is_next || name.is_empty() {
            return None;
        }
        found.insert(name.to_owned(), sum.to_owned());
    }
    Some(found)
}

/// Whether the keys of the logs signed the list.
pub(super) fn check_note(files: &Files, logs: &BTreeMap<String, Told>, report: &mut Report) {
    let text = String::from_utf8_lossy(&files.note);
    let note = match Note::parse(&text) {
        Ok(note) if note.to_string() == text => note,
        Ok(_) => return fault(report, NOTE, "it is not written as a signed note is"),
        Err(error) => return fault(report, NOTE, error.to_string()),
    };
    let expected = format!("{FORM}\n{}\n", hex(&Hash::of(&files.sums)));
    if note.text() != expected {
        fault(report, NOTE, format!("it does not sign {SUMS} as it is"));
    }
    let keys: Vec<_> = logs.values().filter_map(|told| told.keys.last()).collect();
    let mut signed = 0;
    for line in note.signatures() {
        let key = keys
            .iter()
            .find(|key| key.name() == line.name && key.id() == line.id);
        match key {
            Some(key) if key.verifies(note.text().as_bytes(), &line.bytes) => signed += 1,
            Some(_) => fault(
                report,
                NOTE,
                format!("the signature of {} is wrong", line.name),
            ),
            None => {
                let what = format!(
                    "{} signed it, which is the key in force of no log here",
                    line.name
                );
                fault(report, NOTE, what);
            }
        }
    }
    if signed == 0 {
        fault(report, NOTE, "no key of these logs signed it");
    }
}
