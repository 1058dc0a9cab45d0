//! Decides how an imported source goes: at once and whole, and never anything else with it. What it was stays in the history,
//! from where `weir lists rollback` brings it back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::category::{NameError, check_name};
use crate::history::{Act, History, HistoryError, How, Place, Version};
use crate::hygiene;
use crate::lock::{Lock, LockError, sync_directory};
use crate::{manifest, swap};

/// Why a source was not removed, or what is not right although it is.
#[derive(Debug, Error)]
pub enum ForgetError {
    /// No source can be called so.
    #[error("the name of the source: {0}")]
    Name(#[from] NameError),
    /// Another import or edit is at work.
    #[error("{0}")]
    Lock(#[from] LockError),
    /// The history cannot be changed now.
    #[error("{0}")]
    History(#[from] HistoryError),
    /// Nothing was imported under this name.
    #[error("nothing is imported under the name {0:?}; `weir lists stats` names what is")]
    Unknown(String),
    /// It has no manifest: people's own entries, which cannot be imported again.
    #[error("{} is no import but entries of people's own; remove it by hand if that is meant", .0.display())]
    NotImported(PathBuf),
    /// The system refuses.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is removed, and the history does not say so.
    #[error("the list is removed, but that has no version: {0}")]
    NoVersion(HistoryError),
}

/// What became of a source that was removed.
#[derive(Debug)]
pub struct Forgotten {
    /// What it is in the history; none where nothing of the source could ever be kept there.
    pub version: Option<Version>,
    /// Why what was removed is not in the history as it was last: it was damaged. Earlier versions may be.
    pub unkept: Option<HistoryError>,
}

/// Removes the imported source `name` from `lists`, with what was held back of it and decided. A running Weir sees it whole
/// until it is gone. What was there without a version becomes one first, and so does that it is gone.
///
/// # Errors
/// [`ForgetError`]; the source is still there then, but for [`ForgetError::NoVersion`].
pub fn forget(lists: &Path, name: &str, act: &Act<'_>) -> Result<Forgotten, ForgetError> {
    check_name(name)?;
    let place = Place {
        name: name.to_owned(),
        directory: lists.join(name),
    };
    if !place.directory.is_dir() {
        return Err(ForgetError::Unknown(name.to_owned()));
    }
    let _lock = Lock::take(lists)?;
    if !place.directory.join(manifest::FILE_NAME).exists() {
        return Err(ForgetError::NotImported(place.directory));
    }
    let history = History::at(lists);
    let turn = history.turn()?;
    let found = Act {
        who: "",
        why: "",
        how: How::Found,
        when: act.when,
    };
    // A source that is damaged cannot be kept, and is what one wants to be rid of.
    let unkept = turn.record(&place, &found).err();
    remove(lists, &place)?;
    let gone = Act {
        how: How::Forget,
        ..*act
    };
    let version = turn.record(&place, &gone);
    Ok(Forgotten {
        version: version.map_err(ForgetError::NoVersion)?,
        unkept,
    })
}

fn remove(lists: &Path, place: &Place) -> io::Result<()> {
    // Names with a dot in front are no sources.
    let aside = lists.join(format!(".{}.forgotten", place.name));
    swap::remove_if_there(&aside)?;
    fs::rename(&place.directory, &aside)?;
    sync_directory(lists)?;
    // It is out of force; what is left of it when this fails goes with the next removal of the name.
    _ = fs::remove_dir_all(&aside);
    for hidden in hygiene::DIRECTORIES {
        swap::remove_if_there(&lists.join(hidden).join(&place.name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ACT: Act<'static> = Act {
        who: "j.smith",
        why: "we have a better one",
        when: 1_800_000_000,
        how: How::Forget,
    };

    #[test]
    fn only_what_was_imported_can_be_forgotten() {
        let lists = tempfile::tempdir().unwrap();
        for (name, file) in [("ut1", manifest::FILE_NAME), ("local", "note")] {
            fs::create_dir(lists.path().join(name)).unwrap();
            fs::write(lists.path().join(name).join(file), "{}").unwrap();
        }
        forget(lists.path(), "ut1", &ACT).unwrap();
        assert!(!lists.path().join("ut1").exists());
        let again = forget(lists.path(), "ut1", &ACT);
        assert!(matches!(again, Err(ForgetError::Unknown(_))), "{again:?}");
        let own = forget(lists.path(), "local", &ACT);
        assert!(matches!(own, Err(ForgetError::NotImported(_))), "{own:?}");
        assert!(lists.path().join("local/note").exists());
        assert!(matches!(
            forget(lists.path(), "../x", &ACT),
            Err(ForgetError::Name(_))
        ));
    }

    /// A directory of lists with `theirs` imported.
    fn imported(lines: &str) -> tempfile::TempDir {
        let lists = tempfile::tempdir().unwrap();
        let from = tempfile::tempdir().unwrap();
        fs::create_dir(from.path().join("gambling")).unwrap();
        fs::write(from.path().join("gambling/domains"), lines).unwrap();
        let map = crate::import::CategoryMap::default();
        crate::import::run(from.path(), "theirs", lists.path(), &map, &mut |_| {}).unwrap();
        lists
    }

    #[test]
    fn a_forgotten_source_has_a_version_and_comes_back_by_rollback_with_what_was_held() {
        let lists = imported("a.example\nb.example\n");
        let (root, path) = (lists.path(), "gambling/domains");
        let held = root.join(".held/theirs").join(path);
        fs::create_dir_all(held.parent().unwrap()).unwrap();
        fs::write(&held, "+ public-suffix co.uk\n").unwrap();
        let before = fs::read(root.join("theirs").join(path)).unwrap();
        let forgotten = forget(root, "theirs", &ACT).unwrap();
        assert!(!held.exists() && !root.join("theirs").exists());
        let version = forgotten.version.unwrap();
        assert_eq!((version.number, version.how), (2, How::Forget));
        assert_eq!(version.change().removed, 2);
        assert_eq!((&*version.who, &*version.why), (ACT.who, ACT.why));
        let history = History::at(root);
        let mut gone = Vec::new();
        let first = history.version("theirs", 1).unwrap();
        history
            .diff(&first, &version, |difference| {
                gone.push((difference.added, difference.entry.to_owned()));
                Ok(())
            })
            .unwrap();
        let expected = ["a.example", "b.example"].map(|entry| (false, entry.to_owned()));
        assert_eq!(gone, expected);
        let place = Place {
            name: "theirs".to_owned(),
            directory: root.join("theirs"),
        };
        let back = history.rollback(&place, 1, &ACT).unwrap();
        assert_eq!((back.number, back.change().added), (3, 2));
        assert_eq!(fs::read(root.join("theirs").join(path)).unwrap(), before);
        assert!(held.exists(), "what waited waits again");
        let nothing = history.rollback(&place, 2, &ACT);
        assert!(
            matches!(nothing, Err(HistoryError::NoLists(2))),
            "{nothing:?}"
        );
    }

    #[test]
    fn a_damaged_source_can_be_forgotten_and_it_is_said_that_it_was_not_kept() {
        let lists = imported("a.example\nb.example\n");
        let file = lists.path().join("theirs/gambling/domains");
        let bytes = fs::read(&file).unwrap().len();
        fs::write(&file, "x".repeat(bytes)).unwrap();
        let forgotten = forget(lists.path(), "theirs", &ACT).unwrap();
        assert!(forgotten.unkept.is_some());
        assert!(!lists.path().join("theirs").exists());
    }
}
