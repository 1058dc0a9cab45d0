//! Policies that were in force: their text is kept under the version that records name, for as long as records are (LM-34).
//!
//! Decides where they lie, `<state>/policies/<version>.toml`, and when one goes: it is not in force, and no record that is kept
//! by age alone can name it. What a version is, is decided by `weir_policy`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::snapshot::Snapshot;
use crate::users::file;

/// Most policies that are kept; of more, the one that was longest not in force goes.
const MOST: usize = 2000;
/// Rows of the last day that a policy was in force are kept until this long after their time.
const SLACK: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// A policy that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) version: String,
    /// When it was last known to be in force.
    pub(crate) last: SystemTime,
}

/// Where they lie.
fn directory(state: &Path) -> PathBuf {
    state.join("policies")
}

/// None for what is no version: it goes into a path.
fn path(state: &Path, version: &str) -> Option<PathBuf> {
    let is_version =
        (1..=64).contains(&version.len()) && version.bytes().all(|b| b.is_ascii_hexdigit());
    is_version.then(|| directory(state).join(format!("{version}.toml")))
}

/// Keeps the policy of a snapshot that is about to be in force. A failure is told and holds nothing up: filtering goes first.
pub(crate) fn keep(snapshot: &Snapshot) {
    let state = &snapshot.settings.state;
    if let Err(error) = try_keep(state, &snapshot.policy_version, &snapshot.policy_file.text) {
        tracing::error!(
            %error,
            "the policy in force cannot be kept: records that name it cannot be resolved to its text later"
        );
    }
}

fn try_keep(state: &Path, version: &str, text: &str) -> io::Result<()> {
    let path = path(state, version)
        .ok_or_else(|| io::Error::other(format!("{version:?} is no version of a policy")))?;
    file::make_private(&directory(state))?;
    match File::options().write(true).open(&path) {
        Ok(file) => file.set_modified(SystemTime::now()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            file::replace(&path, text.as_bytes(), 0o600)
        }
        Err(error) => Err(error),
    }
}

/// Marks the policy in force as such, and removes those whose time is over.
pub(crate) fn tend(snapshot: &Snapshot) {
    keep(snapshot);
    let (settings, version) = (&snapshot.settings, &*snapshot.policy_version);
    if let Err(error) = prune(&settings.state, version, settings.records.retain) {
        tracing::warn!(%error, "policies whose time is over cannot be removed");
    }
}

fn prune(state: &Path, in_force: &str, retain: Duration) -> io::Result<()> {
    let mut others = list(state)?;
    others.retain(|kept| kept.version != in_force);
    others.sort_by_key(|kept| kept.last);
    let surplus = (others.len() + 1).saturating_sub(MOST);
    for (number, kept) in others.iter().enumerate() {
        let age = kept.last.elapsed().unwrap_or_default();
        if (number < surplus || age > retain.saturating_add(SLACK))
            && let Some(path) = path(state, &kept.version)
        {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Every policy that is kept, in no order.
///
/// # Errors
/// When the directory cannot be read.
pub(crate) fn list(state: &Path) -> io::Result<Vec<Kept>> {
    let entries = match fs::read_dir(directory(state)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut kept = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let version = name.to_str().and_then(|name| name.strip_suffix(".toml"));
        if let Some(version) = version {
            kept.push(Kept {
                version: version.to_owned(),
                last: entry.metadata()?.modified()?,
            });
        }
    }
    Ok(kept)
}

/// The text of a version; None when it is not kept.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn text(state: &Path, version: &str) -> io::Result<Option<String>> {
    let Some(path) = path(state, version) else {
        return Ok(None);
    };
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn a_policy_is_kept_as_it_was_written_and_goes_with_the_records_that_name_it_lm_34() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path();
        let age = |version: &str, days: u32| {
            let file = File::options()
                .write(true)
                .open(path(state, version).unwrap());
            let then = SystemTime::now() - DAY * days;
            file.unwrap().set_modified(then).unwrap();
        };
        for version in ["aa", "bb", "cc"] {
            try_keep(state, version, &format!("# {version}\n")).unwrap();
        }
        age("aa", 93);
        age("bb", 91);
        age("cc", 200);
        prune(state, "cc", DAY * 90).unwrap();
        let told = |version: &str| text(state, version).unwrap();
        assert_eq!(told("aa"), None);
        assert_eq!(told("bb").as_deref(), Some("# bb\n"));
        assert_eq!(told("cc").as_deref(), Some("# cc\n"), "it is in force");
        // In force again: its time begins anew.
        try_keep(state, "bb", "other comments").unwrap();
        prune(state, "cc", DAY).unwrap();
        assert_eq!(told("bb").as_deref(), Some("# bb\n"));
    }

    #[test]
    fn what_is_no_version_is_no_path() {
        let directory = tempfile::tempdir().unwrap();
        for version in ["", "../users", "aa/bb", "a.b"] {
            assert!(
                try_keep(directory.path(), version, "").is_err(),
                "{version}"
            );
            assert_eq!(text(directory.path(), version).unwrap(), None);
        }
    }
}
