//! Notices changed list and user files by itself, keeps the daily allowances, and turns
//! the day. Runs once a half second on the control thread.
//!
//! Decides when a change is worth a reload; `reload` does it.

use crate::reload::{self, Changed};
use crate::sealed;
use crate::shared::Shared;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use weir_config::Settings;

/// How often files are looked at: an edit is live within a second.
const EVERY: Duration = Duration::from_millis(500);
/// The allowances are written every so many looks.
const SAVE_EVERY: u32 = 4;
/// Directories below a list directory that are looked into.
const DEPTH: usize = 4;

/// What a file looked like.
type Seen = BTreeMap<PathBuf, (SystemTime, u64)>;

/// Watches until the process ends.
pub(crate) async fn watch(shared: Arc<Shared>, state: Arc<reload::State>) {
    let settings = shared.snapshot.load().settings.clone();
    let mut mandatory = sealed::Watch::new(&settings);
    let (mut lists, mut users) = look(settings).await;
    // Beside the watching: the first time it compresses every list there is.
    let noting = Arc::clone(&shared);
    tokio::spawn(async move { reload::note_versions(&noting, true).await });
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut round = 0u32;
    let mut writable = true;
    loop {
        ticks.tick().await;
        round = round.wrapping_add(1);
        tell_of_records(&shared, &mut writable);
        keep(&shared, round);
        let settings = shared.snapshot.load().settings.clone();
        let is_changed;
        (mandatory, is_changed) = look_at_mandatory(mandatory, settings.clone()).await;
        if is_changed {
            reload::mandatory(&shared, &state).await;
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
async fn look_at_mandatory(mut watch: sealed::Watch, settings: Settings) -> (sealed::Watch, bool) {
    let looked = tokio::task::spawn_blocking(move || {
        let changed = watch.look(&settings);
        (watch, changed)
    });
    // After a fault of its own everything counts as changed.
    looked
        .await
        .unwrap_or_else(|_| (sealed::Watch::default(), true))
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
        let modified = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        seen.insert(path.to_owned(), (modified, about.len()));
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
