//! Decides when a source has a new version, and puts it down: contents first, then the line that names them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::lines::Lines;
use super::tree::{self, Tree, list_name};
use super::{Act, Change, HistoryError, How, Place, Turn, VERSIONS, Version};
use crate::lock::sync_directory;

impl Turn<'_> {
    /// Makes a version of what a source has now. `None` when it has what its last version has, unless someone decided about
    /// entries held back.
    ///
    /// # Errors
    /// [`HistoryError::Io`]; no version is made then.
    pub fn record(&self, place: &Place, act: &Act<'_>) -> Result<Option<Version>, HistoryError> {
        self.record_back(place, act, None)
    }

    pub(super) fn record_back(
        &self,
        place: &Place,
        act: &Act<'_>,
        back_to: Option<u64>,
    ) -> Result<Option<Version>, HistoryError> {
        let history = self.history;
        let last = history.versions(Some(&place.name))?.versions.pop();
        let decided = matches!(act.how, How::Rollback | How::Accept | How::Drop);
        let made = || -> io::Result<Option<Version>> {
            // Of a version that is damaged nothing can be told; what is there now must be kept all the same.
            let before = last.as_ref().and_then(|version| history.tree(version).ok());
            let is_known = before.is_some();
            let before = before.unwrap_or_default();
            let now = Tree::now(&history.lists, place)?;
            let is_old = last.is_some() && is_known || now.files.is_empty();
            if is_old && before.is_same(&now) && !decided {
                return Ok(None);
            }
            let changes = match self.keep(place, &before, &now) {
                Ok(changes) => changes,
                Err(_) => self.keep(place, &Tree::default(), &now)?,
            };
            let text = serde_json::to_vec(&now).map_err(io::Error::other)?;
            let version = Version {
                source: place.name.clone(),
                number: last.as_ref().map_or(1, |last| last.number + 1),
                when: act.when,
                who: act.who.to_owned(),
                why: act.why.to_owned(),
                how: act.how,
                back_to,
                changes,
                files: history.store.put(&text)?,
            };
            self.append(&version)?;
            Ok(Some(version))
        };
        history.told(made())
    }

    /// Keeps the contents that are new, and counts.
    fn keep(
        &self,
        place: &Place,
        before: &Tree,
        now: &Tree,
    ) -> io::Result<BTreeMap<String, Change>> {
        let history = self.history;
        let store = &history.store;
        let mut changes = BTreeMap::new();
        for (path, _, kind) in before.lists_of_both(now) {
            let (old, new) = (before.sha256(&path), now.sha256(&path));
            if old == new {
                continue;
            }
            let file = place.directory.join(&path);
            let change = match new {
                Some(new) if now.is_import() => {
                    let base = old.filter(|_| before.is_import());
                    store.put_sorted(&file, new, base)?
                }
                Some(new) => {
                    store.put_text(&file, new, kind, history.entries(before, &path, kind)?)?
                }
                None => Change {
                    added: 0,
                    removed: count(&mut *history.entries(before, &path, kind)?)?,
                },
            };
            if change != Change::default() {
                changes.insert(path, change);
            }
        }
        for (path, version) in &now.files {
            if list_name(path).is_none() && !store.has(&version.sha256) {
                let file = match tree::hidden_name(path) {
                    Some((hidden, rest)) => history.lists.join(hidden).join(&place.name).join(rest),
                    None => place.directory.join(path),
                };
                store.put_file(&file, &version.sha256)?;
            }
        }
        Ok(changes)
    }

    fn append(&self, version: &Version) -> io::Result<()> {
        let mut line = serde_json::to_vec(version).map_err(io::Error::other)?;
        line.push(b'\n');
        let path = self.history.root.join(VERSIONS);
        // A line that a crash cut off must not run into this one.
        let mut options = File::options();
        let mut file = options.create(true).read(true).append(true).open(&path)?;
        if file.seek(SeekFrom::End(0))? > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                line.insert(0, b'\n');
            }
        }
        file.write_all(&line)?;
        file.sync_all()?;
        sync_directory(&self.history.root)
    }
}

fn count(lines: &mut dyn Lines) -> io::Result<u64> {
    let mut line = Vec::new();
    let mut count = 0;
    while lines.next(&mut line)? {
        count += 1;
    }
    Ok(count)
}
