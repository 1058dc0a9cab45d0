//! Policies and lists that were in force: what the versions that records name stand for is kept for as long as records are
//! (LM-34). Of a policy that is its text, of the lists the version that each source had in its own history.
//!
//! Decides where they lie, `<state>/policies/<version>.toml` and `lists-<version>.json`, and when one goes: it is not in force, and
//! no record that is kept by age alone can name it. What a version is, is decided by `weir_policy` and `weir_categories`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use weir_config::{PolicyFile, Settings};

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
    is_version(version).then(|| directory(state).join(format!("{version}.toml")))
}

fn lists_path(state: &Path, version: &str) -> Option<PathBuf> {
    is_version(version).then(|| directory(state).join(format!("lists-{version}.json")))
}

fn is_version(version: &str) -> bool {
    (1..=64).contains(&version.len()) && version.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Versions of the lists by source, in the words of `weir lists history`.
pub(crate) type Sources = BTreeMap<String, u64>;

/// Keeps which version each source had while the lists of a snapshot were in force. Called once their history is up to date.
pub(crate) fn keep_lists(snapshot: &Snapshot) {
    let kept = crate::versions::history(&snapshot.settings)
        .versions(None)
        .map_err(|error| error.to_string())
        .and_then(|known| {
            let mut sources = Sources::new();
            for version in known.versions {
                let last = sources.entry(version.source).or_default();
                *last = version.number.max(*last);
            }
            let place = lists_path(&snapshot.settings.state, &snapshot.lists_version);
            let place = place.ok_or("the lists have no version")?;
            let text = serde_json::to_string(&sources).map_err(|error| error.to_string())?;
            // The first is the one that was in force when it came; later ones only say that it still is.
            put(&place, text.as_bytes()).map_err(|error| error.to_string())
        });
    if let Err(error) = kept {
        tracing::warn!(
            %error,
            "the versions of the lists in force cannot be kept: records that name them resolve to no version of a list later"
        );
    }
}

/// What [`keep_lists`] kept; None when it is not kept.
pub(crate) fn lists(state: &Path, version: &str) -> Option<Sources> {
    let text = fs::read_to_string(lists_path(state, version)?).ok()?;
    serde_json::from_str(&text).ok()
}

/// Makes a file, or marks one that is there as of now.
fn put(path: &Path, contents: &[u8]) -> io::Result<()> {
    match File::options().write(true).open(path) {
        Ok(file) => file.set_modified(SystemTime::now()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(directory) = path.parent() {
                file::make_private(directory)?;
            }
            file::replace(path, contents, 0o600)
        }
        Err(error) => Err(error),
    }
}

/// Keeps the policy of a snapshot that is about to be in force. A failure is told and holds nothing up: filtering goes first.
pub(crate) fn keep(snapshot: &Snapshot) {
    let state = &snapshot.settings.state;
    let (version, own) = (&snapshot.policy_version, &snapshot.policy_file.text);
    let is_false = |kept: &str| doubt(version, kept).is_some();
    let mended = match text(state, version) {
        Ok(Some(kept)) if is_false(&kept) => {
            tracing::warn!(%version, "what was kept as the policy in force is another text: it is written anew");
            path(state, version).map_or(Ok(()), |path| file::replace(&path, own.as_bytes(), 0o600))
        }
        _ => Ok(()),
    };
    if let Err(error) = mended.and_then(|()| try_keep(state, version, own)) {
        tracing::error!(
            %error,
            "the policy in force cannot be kept: records that name it cannot be resolved to its text later"
        );
    }
}

/// Why a text that is kept under a version may not be the one that was in force; None when the version is the text's own.
pub(crate) fn doubt(version: &str, text: &str) -> Option<String> {
    match PolicyFile::parse(text) {
        Ok(policy) => {
            let own = weir_policy::version(&policy);
            (own != version).then(|| {
                format!(
                    "what is kept under version {version} is not proved to be it: its own version is {own}. It was altered since, or \
                     another build of Weir kept it; look for that text in a backup"
                )
            })
        }
        Err(faults) => Some(format!(
            "what is kept under version {version} is not proved to be it: this Weir does not read it: {faults}"
        )),
    }
}

fn try_keep(state: &Path, version: &str, text: &str) -> io::Result<()> {
    let path = path(state, version)
        .ok_or_else(|| io::Error::other(format!("{version:?} is no version of a policy")))?;
    put(&path, text.as_bytes())
}

/// Marks policy and lists in force as such, and removes those whose time is over.
pub(crate) fn tend(snapshot: &Snapshot) {
    keep(snapshot);
    let settings = &snapshot.settings;
    if let Some(lists) = lists_path(&settings.state, &snapshot.lists_version)
        && lists.exists()
    {
        // A failure leaves it as old as it was.
        let _ = put(&lists, &[]);
    }
    if let Err(error) = prune(
        &settings.state,
        &snapshot.policy_version,
        settings.records.retain,
    )
    .and_then(|()| prune_lists(settings, &snapshot.lists_version))
    {
        tracing::warn!(%error, "policies whose time is over cannot be removed");
    }
}

fn prune_lists(settings: &Settings, in_force: &str) -> io::Result<()> {
    for entry in fs::read_dir(directory(&settings.state))? {
        let entry = entry?;
        let name = entry.file_name();
        let version = name.to_str().and_then(|name| name.strip_prefix("lists-"));
        let version = version.and_then(|name| name.strip_suffix(".json"));
        let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
        if version.is_some_and(|version| version != in_force)
            && age > settings.records.retain.saturating_add(SLACK)
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
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
    fn a_text_that_is_not_what_its_version_stands_for_is_told_lm_34() {
        let own = include_str!("../../config/policy.toml");
        let version = weir_policy::version(&PolicyFile::parse(own).unwrap());
        assert_eq!(doubt(&version, own), None);
        let altered = own.replacen("action = \"block\"", "action = \"allow\"", 1);
        let told = doubt(&version, &altered).unwrap();
        assert!(
            told.contains(&version) && told.contains("altered"),
            "{told}"
        );
        assert!(doubt(&version, "no policy").is_some());
    }

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
