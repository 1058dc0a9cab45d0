//! The log as its own directory tells it: checkpoints that continue each other, their signatures, keys and roots.
//!
//! Follows them up to the first that does not hold; what comes after that is worth nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};

use weir_evidence::{Checkpoint, Entry, Hash, Log, Note, SealedFile, Span, VerifierKey, entries};
use weir_monitoring::proof::{self, CHECKPOINTS, KEY, LATEST, TAG_KEY, log_directory};
use weir_monitoring::{KeyError, Store};

use crate::promise::Promise;
use crate::report::{Place, Report};

/// A checkpoint that holds.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) note: Note,
    /// Leaves since the one before, by the subtrees that the root is made of.
    pub(crate) stretch: Span,
    /// The last row of the one before.
    pub(crate) after: u64,
}

/// What a checkpoint says of a file beside the records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    pub(crate) digest: Hash,
}

/// What the checkpoints say.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) points: Vec<Point>,
    /// Whether they hold to the end.
    pub(crate) is_whole: bool,
    pub(crate) keys: Vec<VerifierKey>,
    /// Each sealed file with the checkpoint that names it, by its path under `segments`.
    pub(crate) sealed: BTreeMap<String, (SealedFile, u64)>,
    /// What checkpoints say of files beside the records, by name.
    pub(crate) kept: BTreeMap<String, Vec<Kept>>,
    /// How long records are kept, wherever a checkpoint says it anew.
    pub(crate) promises: Vec<Promise>,
    /// Periods that were removed, with the checkpoint that says so.
    pub(crate) removed: BTreeMap<String, u64>,
}

impl Told {
    pub(crate) fn last(&self) -> Option<&Point> {
        self.points.last()
    }

    /// Whether a segment that is named once more is, but for its bytes, the one that was named before: rows may be erased from it,
    /// and what was sealed stays what it was. Else somebody with the key could take a person out of a segment.
    fn contradiction(&self, new: &Checkpoint) -> Option<String> {
        let contradicts = |sealed: &&SealedFile| {
            let before = self.sealed.get(&sealed.path);
            before.is_some_and(|(before, _)| {
                let anew = SealedFile {
                    digest: sealed.digest,
                    ..before.clone()
                };
                anew != **sealed
            })
        };
        let sealed = new.sealed.iter().find(contradicts)?;
        let number = self
            .sealed
            .get(&sealed.path)
            .map_or(0, |(_, number)| *number);
        Some(format!(
            "it names {} with other rows, times or users than checkpoint {number} did: what was sealed never changes",
            sealed.path
        ))
    }

    fn take(&mut self, entry: Entry, stretch: Span) {
        let Entry {
            note, checkpoint, ..
        } = entry;
        let after = self
            .last()
            .map_or(checkpoint.first.saturating_sub(1), |last| {
                last.checkpoint.last
            });
        self.keys.extend(checkpoint.key.clone());
        self.keys.extend(checkpoint.next_key.clone());
        for sealed in &checkpoint.sealed {
            let named = (sealed.clone(), checkpoint.number);
            self.sealed.insert(sealed.path.clone(), named);
        }
        self.promises
            .extend(Promise::of(&checkpoint, self.points.len()));
        for file in &checkpoint.kept {
            self.kept.entry(file.name.clone()).or_default().push(Kept {
                number: checkpoint.number,
                bytes: file.bytes,
                digest: file.digest,
            });
        }
        let removed = checkpoint.removed.iter();
        self.removed
            .extend(removed.map(|period| (period.clone(), checkpoint.number)));
        self.points.push(Point {
            checkpoint,
            note,
            stretch,
            after,
        });
    }
}

/// Reads the log of a node.
pub(crate) fn read(store: &Store, node: &str, report: &mut Report) -> Told {
    let place = log_directory(store.directory(), node);
    let shown = |name: &str| format!("log/{node}/{name}");
    let mut told = Told::default();
    let mut reading = Reading::default();
    // Before the checkpoints, so that it is not ahead of them when Weir is running.
    let latest = std::fs::read_to_string(place.join(LATEST));
    let path = place.join(CHECKPOINTS);
    let taken = File::open(&path).and_then(|file| {
        entries(&mut BufReader::new(file), &mut |at, bytes| {
            reading.take(at, bytes, &mut told);
            Ok(())
        })
    });
    match taken {
        Ok(()) => told.is_whole = reading.fault.is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let what = "there are no checkpoints: nothing proves these records";
            report.fault(node, Place::default().of_file(&shown(CHECKPOINTS)), what);
        }
        Err(error) => {
            let place = Place::default().of_file(&shown(CHECKPOINTS));
            report.fault(node, place, format!("it cannot be read: {error}"));
        }
    }
    let next = told.points.len() as u64 + 1;
    if let Some((at, why, is_torn)) = reading.fault {
        let file = shown(CHECKPOINTS);
        if is_torn && latest_fits(&latest, &told) {
            told.is_whole = true;
            report.remarks.push(format!(
                "{file} ends in a torn write at byte {at}, as a crash leaves it; the checkpoints before it are whole"
            ));
        } else {
            let place = Place::checkpoint(next).of_file(&file);
            report.fault(node, place, format!("at byte {at}: {why}"));
        }
    }
    check_latest(latest, &told, node, report);
    check_key(store, &told, node, report);
    check_tag_key(store, &told, node, report);
    told
}

/// The log as its bytes tell it, which must be whole checkpoints to the end.
pub(crate) fn follow(bytes: &[u8], node: &str, file: &str, report: &mut Report) -> Told {
    let mut told = Told::default();
    let mut reading = Reading::default();
    let mut rest = bytes;
    // Reading from memory cannot fail.
    let _ = entries(&mut rest, &mut |at, bytes| {
        reading.take(at, bytes, &mut told);
        Ok(())
    });
    told.is_whole = reading.fault.is_none();
    if let Some((at, why, _)) = reading.fault {
        let next = told.points.len() as u64 + 1;
        let place = Place::checkpoint(next).of_file(file);
        report.fault(node, place, format!("at byte {at}: {why}"));
    }
    told
}

#[derive(Default)]
struct Reading {
    log: Log,
    /// Place, cause, and whether it can be a torn write at the end.
    fault: Option<(u64, String, bool)>,
}

impl Reading {
    fn take(&mut self, at: u64, bytes: &[u8], told: &mut Told) {
        if let Some((_, _, is_torn)) = &mut self.fault {
            *is_torn = false;
            return;
        }
        let entry = std::str::from_utf8(bytes)
            .map_err(|error| error.to_string())
            .and_then(|text| Entry::parse(text).map_err(|error| error.to_string()));
        let followed = entry.and_then(|entry| {
            let stretch = self.log.follow(&entry).map_err(|error| error.to_string())?;
            Ok((entry, stretch))
        });
        match followed {
            Ok((entry, stretch)) => match told.contradiction(&entry.checkpoint) {
                None => told.take(entry, stretch),
                Some(why) => self.fault = Some((at, why, false)),
            },
            Err(why) => self.fault = Some((at, why, !bytes.ends_with(b"\n\n"))),
        }
    }
}

/// Whether `latest` says the last whole checkpoint: then nothing after it was ever finished.
fn latest_fits(latest: &io::Result<String>, told: &Told) -> bool {
    let last = told.last().map(|last| last.note.to_string());
    last.is_some() && latest.as_ref().ok() == last.as_ref()
}

fn check_latest(latest: io::Result<String>, told: &Told, node: &str, report: &mut Report) {
    let Some(last) = told.last().filter(|_| told.is_whole) else {
        return;
    };
    let file = format!("log/{node}/{LATEST}");
    let is_one_before = |text: &str| {
        let before = told.points.iter().rev().nth(1);
        before.is_some_and(|before| before.note.to_string() == text)
    };
    let place = Place::checkpoint(last.checkpoint.number).of_file(&file);
    match latest {
        Ok(text) if text == last.note.to_string() => {}
        Ok(text) if is_one_before(&text) => report.remarks.push(format!(
            "{file} is the checkpoint before the last: one was just being signed, or a crash came between the two"
        )),
        Ok(text) => {
            let told = Note::parse(&text)
                .ok()
                .and_then(|note| Checkpoint::parse(note.text()).ok());
            let what = match told {
                Some(told) if told.number > last.checkpoint.number => format!(
                    "it is checkpoint {}, but the checkpoints end at {}: later ones were deleted",
                    told.number, last.checkpoint.number
                ),
                _ => "it is not the last checkpoint".to_owned(),
            };
            report.fault(node, place, what);
        }
        Err(error) => report.fault(node, place, format!("it cannot be read: {error}")),
    }
}

/// The private key, where it lies there, must be the one in force.
fn check_key(store: &Store, told: &Told, node: &str, report: &mut Report) {
    let Some(in_force) = told.keys.last().filter(|_| told.is_whole) else {
        return;
    };
    if !store.has_keys() {
        return;
    }
    if !log_directory(store.directory(), node).join(KEY).exists() {
        return report.remarks.push(format!(
            "log/{node}/{KEY} is not there, which a check does not need"
        ));
    }
    let key = match proof::signing_key(store, node) {
        Ok(key) => key,
        Err(KeyError::Altered { .. } | KeyError::Interrupted { .. }) => None,
        Err(error) => {
            return report.remarks.push(format!(
                "log/{node}/{KEY} cannot be read, which a check does not need: {error}"
            ));
        }
    };
    if key.is_none_or(|key| key.verifier() != in_force) {
        let place = Place::default().of_file(&format!("log/{node}/{KEY}"));
        let what = "it is not the key that is to sign next: no checkpoint can follow under it";
        report.fault(node, place, what);
    }
}

/// The key of the tags, where it lies there, must be the one that the log began with.
fn check_tag_key(store: &Store, told: &Told, node: &str, report: &mut Report) {
    let Some(first) = told.points.first() else {
        return;
    };
    if !store.has_keys() {
        return;
    }
    let file = format!("log/{node}/{TAG_KEY}");
    let what = match proof::tag_key(store, node) {
        Ok(Some(key)) if first.checkpoint.tag_key == Some(key.fingerprint()) => return,
        Ok(Some(_)) => "it is not the key of this log's tags".to_owned(),
        Ok(None) => {
            return report.remarks.push(format!(
                "{file} is not there: that each row has the tag of its person is taken from the segments, whose tags are signed; rows \
                 of a journal that is not sealed cannot be checked without it"
            ));
        }
        Err(error) => format!("it cannot be used: {error}"),
    };
    report.fault(node, Place::default().of_file(&file), what);
}
