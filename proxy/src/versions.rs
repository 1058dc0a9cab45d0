//! Versions of lists that no command made: edits by hand, and what was there before the history.
//!
//! Decides who is named for them: the owner of the file that changed last, as far as the system tells.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use weir_categories::history::{Act, History, HistoryError, How, Keep, Place, Turn, Version};
use weir_categories::hygiene::Rules;
use weir_categories::import::Beside;
use weir_categories::{MatchKind, Root, Source, manifest};
use weir_config::Settings;

/// Where the system keeps the names of accounts, and how much of it is read.
const ACCOUNTS: &str = "/etc/passwd";

/// The history of the configured state directory.
pub(crate) fn history(settings: &Settings) -> History {
    History::at(&weir_config::lists::imported(settings))
}

/// What holds entries of a new version back: the school's own lists, the sites it relies on, and bounds.
///
/// # Errors
/// For people: a list of the school's own that cannot be read.
pub(crate) fn rules(settings: &Settings) -> Result<Rules, String> {
    let sources = crate::snapshot::sources(settings).map_err(|faults| faults.to_string())?;
    let mut own: Vec<Source> = sources.into_iter().filter(is_edited).collect();
    own.push(weir_categories::embedded());
    Rules::new()
        .with_lists(&own)
        .map_err(|error| error.to_string())
}

/// The version with which a category last lost entries, of whatever list: where one went that no list has any more.
pub(crate) fn last_with(settings: &Settings, category: &str) -> Option<Version> {
    let known = history(settings).versions(None).ok()?.versions;
    let has_lost = |version: &Version| {
        let mut changes = version.changes.iter();
        changes.any(|(file, change)| {
            let of = file.split_once('/').map(|(category, _)| category);
            of == Some(category) && change.removed > 0
        })
    };
    let lost = known.into_iter().filter(has_lost);
    lost.max_by_key(|version| version.when)
}

/// What a Weir of these settings answers from, for an import to be tried with.
///
/// # Errors
/// For people: a directory of lists that cannot be read.
pub(crate) fn beside(settings: &Settings) -> Result<Beside, String> {
    Ok(Beside {
        place: weir_config::lists::compiled(settings),
        sources: crate::snapshot::sources(settings).map_err(|faults| faults.to_string())?,
    })
}

/// True for a source whose entries people edit: neither imported nor inside the program.
pub(crate) fn is_edited(source: &Source) -> bool {
    match &source.root {
        Root::Directory(directory) => !directory.join(manifest::FILE_NAME).is_file(),
        Root::Embedded => false,
    }
}

/// Makes versions of the lists that people edit, where they changed; with `imported`, also of imported lists that have none
/// yet. What fails is told in the log: the lists are in force whatever the history can say.
pub(crate) fn note(settings: &Settings, imported: bool) {
    if let Err(error) = try_note(settings, imported) {
        tracing::warn!(%error, "a change of lists has no version in their history");
    }
}

fn try_note(settings: &Settings, imported: bool) -> Result<(), HistoryError> {
    let Ok(sources) = crate::snapshot::sources(settings) else {
        return Ok(());
    };
    let history = history(settings);
    let mut turn = None;
    for source in sources {
        let Root::Directory(directory) = source.root else {
            continue;
        };
        let is_import = directory.join(manifest::FILE_NAME).is_file();
        let place = Place {
            name: source.name,
            directory,
        };
        let known = || history.versions(Some(&place.name));
        if is_import && !(imported && known()?.versions.is_empty()) {
            continue;
        }
        let turn = match &turn {
            Some(turn) => turn,
            None => turn.insert(history.turn()?),
        };
        found(turn, &history, &place)?;
    }
    if let Some(turn) = turn {
        turn.prune(&Keep::default(), Timestamp::now().as_second())?;
    }
    Ok(())
}

/// Makes a version of what a source has, if it has none yet: so that the next one holds its own changes only.
pub(crate) fn found(turn: &Turn<'_>, history: &History, place: &Place) -> Result<(), HistoryError> {
    let is_import = place.directory.join(manifest::FILE_NAME).is_file();
    let is_first =
        || Ok::<_, HistoryError>(history.versions(Some(&place.name))?.versions.is_empty());
    let how = match is_import || is_first()? {
        true => How::Found,
        false => How::Hand,
    };
    let who = owner_of_newest(&place.directory).unwrap_or_default();
    let act = Act {
        who: &who,
        why: "",
        when: Timestamp::now().as_second(),
        how,
    };
    turn.record(place, &act).map(|_| ())
}

/// The name of the account that owns the list file that changed last; its number when it has no name.
fn owner_of_newest(directory: &Path) -> Option<String> {
    let mut newest: Option<(SystemTime, u32)> = None;
    for category in std::fs::read_dir(directory).ok()?.flatten() {
        for kind in MatchKind::ALL {
            let file: PathBuf = category.path().join(kind.file_name());
            let Ok(about) = std::fs::metadata(&file) else {
                continue;
            };
            let changed = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            if newest.is_none_or(|(when, _)| changed > when) {
                newest = Some((changed, about.uid()));
            }
        }
    }
    let (_, uid) = newest?;
    Some(account_of(uid))
}

/// The name of an account; its number where the system knows none.
pub(crate) fn account_of(uid: u32) -> String {
    let accounts = std::fs::read_to_string(ACCOUNTS).unwrap_or_default();
    account(&accounts, uid).unwrap_or_else(|| format!("uid {uid}"))
}

fn account(accounts: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_account_has_the_name_that_the_system_gives_it() {
        let accounts =
            "root:x:0:0:root:/root:/bin/sh\nj.smith:x:1000:1000::/home/j:/bin/sh\nbroken\n";
        assert_eq!(account(accounts, 1000).as_deref(), Some("j.smith"));
        assert_eq!(account(accounts, 0).as_deref(), Some("root"));
        assert_eq!(account(accounts, 7), None);
    }

    #[test]
    fn a_directory_without_lists_has_no_owner() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(owner_of_newest(directory.path()), None);
        std::fs::create_dir(directory.path().join("games")).unwrap();
        std::fs::write(directory.path().join("games/domains"), "a.example\n").unwrap();
        assert!(owner_of_newest(directory.path()).is_some());
    }
}
