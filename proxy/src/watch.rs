//! Notices changed list and user files by itself, keeps the daily allowances, and turns
//! the day. Runs once a half second on the control thread.
//!
//! Decides when a change is worth a reload; `reload` does it.

use crate::reload::{self, Changed};
use crate::sealed;
use crate::shared::Shared;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use weir_config::Settings;

/// How often files are looked at: an edit is live within a second.
const EVERY: Duration = Duration::from_millis(500);
/// The allowances are written every so many looks.
const SAVE_EVERY: u32 = 4;
/// Mandatory lists that could not be taken up are tried again after so many looks.
const AGAIN_AFTER: u32 = 10;
/// Directories below a list directory that are looked into.
const DEPTH: usize = 4;

/// What files looked like: the change time as well, since copies often keep the time of what they replace.
type Seen = BTreeMap<PathBuf, Look>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    modified: (i64, i64),
    changed: (i64, i64),
    number: u64,
    bytes: u64,
}

impl Look {
    fn of(about: &std::fs::Metadata) -> Look {
        Look {
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
            number: about.ino(),
            bytes: about.len(),
        }
    }
}

/// Watches until the process ends.
pub(crate) async fn watch(shared: Arc<Shared>, state: Arc<reload::State>) {
    let settings = shared.snapshot.load().settings.clone();
    let mut mandatory = sealed::Watch::default();
    let (mut lists, mut users) = look(settings).await;
    // Beside the watching: the first time it compresses every list there is.
    let noting = Arc::clone(&shared);
    tokio::spawn(async move { reload::note_versions(&noting, true).await });
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut round = 0u32;
    let mut writable = true;
    let mut wait = 0u32;
    loop {
        ticks.tick().await;
        round = round.wrapping_add(1);
        tell_of_records(&shared, &mut writable);
        keep(&shared, round);
        let settings = shared.snapshot.load().settings.clone();
        let changed;
        (mandatory, changed) = look_at_mandatory(mandatory, settings.clone()).await;
        wait = wait.saturating_sub(1);
        if let Some(files) = changed.filter(|_| wait == 0) {
            match reload::mandatory(&shared, &state).await {
                true => mandatory.taken(files),
                false => wait = AGAIN_AFTER,
            }
        }
        let (lists_now, users_now) = look(settings).await;
        let changed = Changed {
            lists: lists_now != lists,
            users: users_now != users,
        };
        (lists, users) = (lists_now, users_now);
        if changed.lists || changed.users {
            reload::files(&shared, &state, changed).await;
        }
    }
}

/// Says once when records cannot be written any more, and once when they can again.
fn tell_of_records(shared: &Shared, was_writable: &mut bool) {
    let health = shared.record_health();
    if health.writable == *was_writable {
        return;
    }
    *was_writable = health.writable;
    let dropped = health.dropped;
    if health.writable {
        tracing::info!("records are written again; {dropped} were lost since the start");
    } else {
        let error = health.last_error.as_deref().unwrap_or("unknown");
        tracing::error!("records cannot be written: {error}; see the health page");
    }
}

fn keep(shared: &Arc<Shared>, round: u32) {
    let today = shared.snapshot.load().policy.day(Timestamp::now());
    shared.allowance.roll(today);
    if round.is_multiple_of(SAVE_EVERY)
        && let Err(error) = shared.allowance.save()
    {
        tracing::warn!(%error, "the daily allowances could not be kept");
    }
}

/// Looks at the mandatory lists, off the control thread.
async fn look_at_mandatory(
    mut watch: sealed::Watch,
    settings: Settings,
) -> (sealed::Watch, Option<sealed::Files>) {
    let looked = tokio::task::spawn_blocking(move || {
        let changed = watch.look(&settings);
        (watch, changed)
    });
    // After a fault of its own everything counts as changed, at the next look.
    looked
        .await
        .unwrap_or_else(|_| (sealed::Watch::default(), None))
}

/// Looks at all files, off the control thread: a slow disk holds nothing up.
async fn look(settings: Settings) -> (Seen, Seen) {
    let looked = tokio::task::spawn_blocking(move || {
        let mut lists = Seen::new();
        for directory in &settings.lists.directories {
            add(directory, DEPTH, &mut lists);
        }
        add(&weir_config::lists::imported(&settings), DEPTH, &mut lists);
        let mut users = Seen::new();
        add(&settings.users_file(), 0, &mut users);
        (lists, users)
    });
    looked.await.unwrap_or_default()
}

fn add(path: &Path, depth: usize, seen: &mut Seen) {
    let Ok(about) = std::fs::metadata(path) else {
        return;
    };
    if !about.is_dir() {
        seen.insert(path.to_owned(), Look::of(&about));
        return;
    }
    let Ok(entries) = std::fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten() {
        // Editors' and imports' work in progress.
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if depth > 0 && !hidden {
            add(&entry.path(), depth - 1, seen);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::fs::{self, File};

    fn seen(path: &Path) -> Seen {
        let mut seen = Seen::new();
        add(path, DEPTH, &mut seen);
        seen
    }

    #[test]
    fn a_list_of_the_same_length_and_time_is_noticed_when_it_is_another() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("games/domains");
        fs::create_dir(directory.path().join("games")).unwrap();
        fs::write(&file, "a.example\n").unwrap();
        let before = seen(directory.path());
        assert_eq!(before, seen(directory.path()));
        // As `cp -p`, rsync and archives leave it.
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        let copy = directory.path().join(".copy");
        fs::write(&copy, "b.example\n").unwrap();
        File::options()
            .write(true)
            .open(&copy)
            .unwrap()
            .set_modified(time)
            .unwrap();
        fs::rename(&copy, &file).unwrap();
        assert_ne!(before, seen(directory.path()));
    }
}
