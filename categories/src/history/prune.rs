//! Decides which versions are forgotten, and which contents nobody needs any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};

use super::{HistoryError, Keep, Turn, VERSIONS, Version};
use crate::lock::sync_directory;

impl Turn<'_> {
    /// Forgets old versions, and contents that no version needs any more; `now` is in seconds since 1970-01-01 UTC. Returns
    /// how many versions went. The last version of a source stays: its lists are in force.
    ///
    /// # Errors
    /// [`HistoryError::Io`].
    pub fn prune(&self, keep: &Keep, now: i64) -> Result<usize, HistoryError> {
        let history = self.history;
        let all = history.versions(None)?;
        let mut after: BTreeMap<&str, usize> = BTreeMap::new();
        let mut kept: Vec<&Version> = Vec::new();
        for version in all.versions.iter().rev() {
            let newer = after.entry(&version.source).or_default();
            let young = now.saturating_sub(version.when) < keep.seconds;
            let wanted = *newer < keep.versions.max(1) || young;
            if *newer == 0 || (wanted && *newer < keep.at_most) {
                kept.push(version);
            }
            *newer += 1;
        }
        let gone = all.versions.len() - kept.len();
        if gone == 0 {
            return Ok(0);
        }
        kept.reverse();
        history.told(self.forget_all_but(&kept))?;
        Ok(gone)
    }

    fn forget_all_but(&self, kept: &[&Version]) -> io::Result<()> {
        let history = self.history;
        let mut needed: BTreeSet<String> = BTreeSet::new();
        for version in kept {
            needed.insert(version.files.clone());
            // Of a version that is damaged nothing can be told, and nothing brought back.
            if let Ok(tree) = history.tree(version) {
                needed.extend(tree.files.into_values().map(|file| file.sha256));
            }
        }
        let mut waiting: Vec<String> = needed.iter().cloned().collect();
        while let Some(sha256) = waiting.pop() {
            if let Ok(Some(base)) = history.store.base(&sha256)
                && needed.insert(base.sha256.clone())
            {
                waiting.push(base.sha256);
            }
        }
        let mut text = Vec::new();
        for version in kept {
            serde_json::to_writer(&mut text, version).map_err(io::Error::other)?;
            text.push(b'\n');
        }
        let beside = history.root.join(".versions.new");
        let mut file = File::create(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&beside, history.root.join(VERSIONS))?;
        sync_directory(&history.root)?;
        // Contents go last: a crash before leaves some that nobody needs, which the next prune removes.
        for (sha256, path) in history.store.all()? {
            if !needed.contains(&sha256) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}
