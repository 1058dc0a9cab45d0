//! What somebody kept outside the log: public keys and checkpoints. Only with these a log that was written anew as a whole, or
//! replaced by an older copy, is seen (LM-30, LM-31).

use std::io;
use std::path::{Path, PathBuf};

use weir_evidence::{Checkpoint, Note, VerifierKey};

use crate::log::Told;
use crate::report::{Place, Report};

/// Differences to what was kept outside that are told.
const DIFFERENCES: usize = 10;

/// Keys and checkpoints from elsewhere.
#[derive(Debug, Default)]
pub struct Outside {
    keys: Vec<VerifierKey>,
    checkpoints: Vec<(Note, Checkpoint)>,
    state: Option<PathBuf>,
}

/// Why a file is neither.
#[derive(Debug)]
pub struct OutsideError {
    path: PathBuf,
    why: String,
}

impl std::fmt::Display for OutsideError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for OutsideError {}

impl Outside {
    /// The state directory, whose files are then compared with what checkpoints say of them.
    pub fn add_state(&mut self, path: &Path) {
        self.state = Some(path.to_owned());
    }

    pub(crate) fn state(&self) -> Option<&Path> {
        self.state.as_deref()
    }

    /// Takes in the public keys of a file, one a line.
    ///
    /// # Errors
    /// When it cannot be read or a line is no key.
    pub fn add_keys(&mut self, path: &Path) -> Result<(), OutsideError> {
        let text = read(path)?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let before = self.keys.len();
        for line in lines {
            let key = line.parse().map_err(|error| fault(path, error))?;
            self.keys.push(key);
        }
        if self.keys.len() == before {
            return Err(fault(path, "there is no key in it"));
        }
        Ok(())
    }

    /// Takes in a checkpoint, which is one signed note, or a directory of them as a witness keeps it: every file whose name ends
    /// in `.note`. All must fit.
    ///
    /// # Errors
    /// When one cannot be read or is none, or the directory has none.
    pub fn add_checkpoint(&mut self, path: &Path) -> Result<(), OutsideError> {
        if !path.is_dir() {
            return self.add_note(path);
        }
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|error| fault(path, error))? {
            let file = entry.map_err(|error| fault(path, error))?.path();
            if file
                .extension()
                .is_some_and(|extension| extension == "note")
            {
                paths.push(file);
            }
        }
        if paths.is_empty() {
            return Err(fault(path, "there is no checkpoint in it (*.note)"));
        }
        paths.sort();
        paths.iter().try_for_each(|path| self.add_note(path))
    }

    fn add_note(&mut self, path: &Path) -> Result<(), OutsideError> {
        let note = Note::parse(&read(path)?).map_err(|error| fault(path, error))?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| fault(path, error))?;
        self.checkpoints.push((note, checkpoint));
        Ok(())
    }

    pub(crate) fn compare(&self, told: &Told, node: &str, report: &mut Report) {
        if !self.keys.is_empty() && !self.keys.iter().any(|key| told.keys.contains(key)) {
            let what = "none of its keys is the one that was kept outside: another log lies here, or the wrong key was given";
            report.fault(node, Place::checkpoint(1), what);
        }
        let mut kept: Vec<&(Note, Checkpoint)> = self.checkpoints.iter().collect();
        kept.sort_by_key(|(_, checkpoint)| checkpoint.number);
        let differences = kept
            .iter()
            .filter_map(|(note, kept)| difference(note, kept, told));
        // Where one does not fit, all that follow it do not.
        for (place, what) in differences.take(DIFFERENCES) {
            report.fault(node, place, what);
        }
    }

    /// The same for a bundle, whose log ends where it was made: a checkpoint that was kept later says nothing of it.
    pub(crate) fn compare_extract(&self, told: &Told, node: &str, report: &mut Report) {
        let last = told.last().map_or(0, |last| last.checkpoint.number);
        let (later, own): (Vec<_>, Vec<_>) = self
            .checkpoints
            .iter()
            .cloned()
            .partition(|(_, kept)| kept.number > last);
        let earlier = Outside {
            keys: self.keys.clone(),
            checkpoints: own,
            ..Outside::default()
        };
        earlier.compare(told, node, report);
        let origin = told.last().map(|last| last.checkpoint.origin.as_str());
        for (note, kept) in later {
            let number = kept.number;
            if origin != Some(kept.origin.as_str()) {
                let what = format!(
                    "checkpoint {number}, kept outside, is of another log, {}",
                    kept.origin
                );
                report.fault(node, Place::checkpoint(number), what);
            } else if told.keys.iter().any(|key| note.is_signed_by(key)) {
                report.remarks.push(format!(
                    "checkpoint {number}, kept outside, was signed after the bundle was made, which ends at {last}: it cannot be \
                     compared"
                ));
            } else {
                report.remarks.push(format!(
                    "checkpoint {number}, kept outside, is later than the bundle and not signed by a key that is known here"
                ));
            }
        }
    }

    /// Says what cannot be known without something from outside.
    pub(crate) fn limits(&self, report: &mut Report) {
        if self.checkpoints.is_empty() {
            report.remarks.push(
                "no checkpoint from outside was given (--checkpoint): a log that was replaced as a whole by an older copy of \
                 itself, or written anew by whoever has the key, would look the same"
                    .to_owned(),
            );
        }
        if self.keys.is_empty() && self.checkpoints.is_empty() {
            report.remarks.push(
                "no key from outside was given (--key): the keys are those that the log itself names, so it is not proved whose \
                 log this is"
                    .to_owned(),
            );
        }
    }
}

/// How the log contradicts a checkpoint that was kept outside, and from where on.
fn difference(note: &Note, kept: &Checkpoint, told: &Told) -> Option<(Place, String)> {
    let number = kept.number;
    if !told.keys.iter().any(|key| note.is_signed_by(key)) {
        let what = format!(
            "checkpoint {number} of {}, kept outside, is signed by none of this log's keys: another log lies here",
            kept.origin
        );
        return Some((Place::checkpoint(number), what));
    }
    let same = told
        .points
        .iter()
        .find(|point| point.checkpoint.number == number);
    let last = told.last().map(|last| &last.checkpoint);
    match (same, last) {
        (Some(same), _) if same.note.text() == note.text() => None,
        (Some(same), _) => Some((
            Place::rows(kept.first, kept.last.max(same.checkpoint.last)).at(number),
            format!(
                "checkpoint {number} is another than the one kept outside ({} leaves, root {}): the log was written anew",
                kept.size, kept.root
            ),
        )),
        (None, last) => {
            let (end, row) = last.map_or((0, kept.first.saturating_sub(1)), |last| {
                (last.number, last.last)
            });
            let next = row.saturating_add(1);
            let place = Place::rows(next, kept.last.max(next)).at(end + 1);
            let what = format!(
                "the log ends at checkpoint {end}, row {row}; checkpoint {number}, kept outside, covers rows up to {}: the log was \
                 rolled back to an older copy or cut off",
                kept.last
            );
            Some((place, what))
        }
    }
}

fn read(path: &Path) -> Result<String, OutsideError> {
    std::fs::read_to_string(path).map_err(|error: io::Error| fault(path, error))
}

fn fault(path: &Path, why: impl ToString) -> OutsideError {
    OutsideError {
        path: path.to_owned(),
        why: why.to_string(),
    }
}
