//! Files beside the records that checkpoints speak of: the authorisations, the ledger of the notice, and which version each list had
//! (LM-01, LM-06, LM-34).
//!
//! Decides which these are, and when one is to be spoken of: whenever it is another than the last checkpoint that names it says. They
//! lie in the state directory and are not the recorder's; what cannot be read is not spoken of.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use weir_evidence::{Hash, KeptFile};

/// Files that are only ever added to.
const GROWING: [&str; 2] = ["basis.jsonl", "notice.jsonl"];
/// Where versions of the lists lie, and how their names begin and end.
const LISTS: (&str, &str, &str) = ("policies", "lists-", ".json");
/// Larger files are not spoken of: a checkpoint must not wait for them.
const LARGEST: u64 = 256 << 20;
/// Most files that one checkpoint names; others are named by the next.
const MOST: usize = 500;

/// What the log says of the files of a state directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    state: Option<PathBuf>,
    /// What the newest checkpoint that names a file says of it.
    said: BTreeMap<String, (u64, Hash)>,
    /// What was read last, and when the file had changed then: only what changed since is read again.
    seen: BTreeMap<String, (SystemTime, u64, Hash)>,
}

impl Beside {
    /// Files under this directory; none without one.
    pub(crate) fn of(state: Option<PathBuf>) -> Beside {
        Beside {
            state,
            ..Beside::default()
        }
    }

    /// A checkpoint says this of them.
    pub(crate) fn take(&mut self, kept: &[KeptFile]) {
        let said = kept
            .iter()
            .map(|it| (it.name.clone(), (it.bytes, it.digest)));
        self.said.extend(said);
    }

    /// Those of which something else is to be said.
    pub(crate) fn changed(&mut self) -> Vec<KeptFile> {
        let Some(state) = self.state.clone() else {
            return Vec::new();
        };
        let mut changed = Vec::new();
        for (name, path) in files(&state) {
            let Some((bytes, digest)) = self.read(&name, &path) else {
                continue;
            };
            if self.said.get(&name) != Some(&(bytes, digest)) {
                changed.push(KeptFile {
                    name,
                    bytes,
                    digest,
                });
            }
            if changed.len() == MOST {
                break;
            }
        }
        changed
    }

    fn read(&mut self, name: &str, path: &Path) -> Option<(u64, Hash)> {
        let known = |about: fs::Metadata| Some((about.modified().ok()?, about.len()));
        let (modified, bytes) = known(fs::metadata(path).ok()?)?;
        if let Some((_, bytes, digest)) = self
            .seen
            .get(name)
            .filter(|(when, length, _)| (*when, *length) == (modified, bytes))
        {
            return Some((*bytes, *digest));
        }
        // Of the file that is open: another may have taken its name meanwhile. What is added is for the next checkpoint.
        let file = File::open(path).ok()?;
        let (modified, bytes) = known(file.metadata().ok()?)?;
        if bytes > LARGEST {
            return None;
        }
        let digest = Hash::of_reader(file.take(bytes)).ok()?;
        let seen = (modified, bytes, digest);
        self.seen.insert(name.to_owned(), seen);
        Some((bytes, digest))
    }
}

/// The files that are there, each with what a checkpoint calls it.
fn files(state: &Path) -> Vec<(String, PathBuf)> {
    let (folder, begin, end) = LISTS;
    let mut lists: Vec<String> = fs::read_dir(state.join(folder))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            let version = name
                .strip_prefix(begin)
                .and_then(|name| name.strip_suffix(end));
            version.is_some_and(|version| version.bytes().all(|byte| byte.is_ascii_hexdigit()))
        })
        .map(|name| format!("{folder}/{name}"))
        .collect();
    lists.sort();
    let growing = GROWING.into_iter().map(str::to_owned);
    growing
        .chain(lists)
        .map(|name| {
            let path = state.join(&name);
            (name, path)
        })
        .collect()
}
