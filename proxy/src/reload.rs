//! A new snapshot for an old one: on SIGHUP from the configuration, on changed files from
//! lists and users. All of it is built beside the running one, then swapped; any fault
//! keeps the old one and is told in log, metrics, health and the records.
//!
//! Decides what a reload may change: keys that need a restart are refused by name, and so is a
//! category that the policy newly names and no list has: a slip of whoever writes the policy. One
//! that it named before is gone from the lists; the lists are taken up, and it is told.

use crate::clock;
use crate::held::{self, Filled};
use crate::memory;
use crate::provenance;
use crate::sealed;
use crate::shared::Shared;
use crate::snapshot::{self, Snapshot};
use crate::users::Users;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use weir_categories::Index;
use weir_config::{Fault, Faults, Loaded, Records, Settings};
use weir_monitoring::{End, Kind, Record};

/// What is read, as it is told.
const CONFIGURATION: &str = "configuration";
const LISTS: &str = "lists";
const USERS: &str = "users";
const MANDATORY: &str = "mandatory lists";

/// Where the configuration came from.
#[derive(Clone, Debug)]
pub(crate) struct Origin(Option<PathBuf>);

impl Origin {
    /// The file of a loaded configuration; none for the embedded one.
    pub(crate) fn of(loaded: &Loaded) -> Origin {
        Origin(loaded.path.clone())
    }
}

/// What is known about reloads. One runs at a time.
pub(crate) struct State {
    origin: Origin,
    turn: tokio::sync::Mutex<()>,
    /// Who makes versions of what was edited by hand.
    noting: tokio::sync::Mutex<()>,
    /// Somebody waits to do so, and has not looked yet.
    noting_waits: AtomicBool,
    /// By what was read: taking up new users does not mend faulty lists.
    faults: Mutex<BTreeMap<&'static str, String>>,
}

impl State {
    /// Before any reload.
    pub(crate) fn new(origin: Origin) -> State {
        State {
            origin,
            turn: tokio::sync::Mutex::new(()),
            noting: tokio::sync::Mutex::new(()),
            noting_waits: AtomicBool::new(false),
            faults: Mutex::default(),
        }
    }

    /// Why what is on the disk is not in force; nothing when it is.
    pub(crate) fn fault(&self) -> Option<String> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let told: Vec<&str> = faults.values().map(String::as_str).collect();
        (!told.is_empty()).then(|| told.join("\n"))
    }

    /// After reading `what`, which covered all of `covered`.
    fn set_fault(&self, what: &'static str, covered: &[&'static str], fault: Option<String>) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        match fault {
            Some(fault) => drop(faults.insert(what, fault)),
            None => faults.retain(|about, _| !covered.contains(about)),
        }
    }
}

/// What changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changed {
    pub(crate) lists: bool,
    pub(crate) users: bool,
}

/// Reads the configuration again, with policy, lists and users.
pub(crate) async fn configuration(shared: &Arc<Shared>, state: &Arc<State>) {
    let path = state.origin.0.clone();
    let before = shared.snapshot.load_full();
    let done = apply(
        shared,
        state,
        CONFIGURATION,
        &[CONFIGURATION, LISTS, USERS, MANDATORY],
        move |old| {
            let loaded = weir_config::load(path.as_deref())?;
            let refused = needs_restart(&old.settings, &loaded);
            if !refused.0.is_empty() {
                return Err(refused);
            }
            let (index, filled) = lists(&loaded.settings, old)?;
            let users = users(&loaded.settings, old)?;
            let mandatory = sealed::load(&loaded.settings, Some(&old.sealed));
            let mut new = Snapshot::build(loaded, index, users, mandatory)?;
            let slips = newly_missing(old, &new);
            if !slips.0.is_empty() {
                return Err(slips);
            }
            new.filled = filled;
            Ok(new)
        },
    )
    .await;
    if done {
        sealed::tell(shared, Some(&before.sealed), &shared.snapshot.load().sealed);
        memory::give_back_soon();
        note_soon(shared, state);
    }
}

/// Takes up changed lists or users under the settings in force.
pub(crate) async fn files(shared: &Arc<Shared>, state: &Arc<State>, changed: Changed) {
    let (what, covered): (_, &[_]) = match (changed.lists, changed.users) {
        (true, true) => (LISTS, &[LISTS, USERS]),
        (true, false) => (LISTS, &[LISTS]),
        (false, _) => (USERS, &[USERS]),
    };
    let done = apply(shared, state, what, covered, move |old| {
        let (index, filled) = if changed.lists {
            lists(&old.settings, old)?
        } else {
            (Arc::clone(&old.index), Arc::clone(&old.filled))
        };
        let users = if changed.users {
            users(&old.settings, old)?
        } else {
            Arc::clone(&old.users)
        };
        let loaded = Loaded {
            settings: old.settings.clone(),
            policy: old.policy_file.clone(),
            path: None,
            warnings: Vec::new(),
        };
        let mut new = Snapshot::build(loaded, index, users, Arc::clone(&old.sealed))?;
        new.filled = filled;
        Ok(new)
    })
    .await;
    if done && changed.lists {
        memory::give_back_soon();
        note_soon(shared, state);
    }
}

/// Makes versions beside the watching: the history may be in the hands of a command for as long as it takes to keep millions
/// of entries, and the next edit must not wait for that. At most one is at it and one waits, which will see all there is.
fn note_soon(shared: &Arc<Shared>, state: &Arc<State>) {
    if state.noting_waits.swap(true, Ordering::SeqCst) {
        return;
    }
    let (shared, state) = (Arc::clone(shared), Arc::clone(state));
    tokio::spawn(async move {
        let _turn = state.noting.lock().await;
        state.noting_waits.store(false, Ordering::SeqCst);
        note_versions(&shared, false).await;
    });
}

/// Takes up changed mandatory lists under the settings in force, whatever other files say: no fault of theirs keeps such a
/// list out. One that is damaged or gone leaves in force what is. False when nothing was taken up.
pub(crate) async fn mandatory(shared: &Arc<Shared>, state: &Arc<State>) -> bool {
    let before = shared.snapshot.load_full();
    let covered = &[MANDATORY];
    let done = apply(shared, state, MANDATORY, covered, move |old| {
        let loaded = Loaded {
            settings: old.settings.clone(),
            policy: old.policy_file.clone(),
            path: None,
            warnings: Vec::new(),
        };
        let mandatory = sealed::load(&old.settings, Some(&old.sealed));
        let (index, users) = (Arc::clone(&old.index), Arc::clone(&old.users));
        let mut new = Snapshot::build(loaded, index, users, mandatory)?;
        new.filled = Arc::clone(&old.filled);
        Ok(new)
    })
    .await;
    if done {
        sealed::tell(shared, Some(&before.sealed), &shared.snapshot.load().sealed);
    }
    done
}

/// Makes versions of lists that no command changed, after they are in force and off the control thread.
pub(crate) async fn note_versions(shared: &Arc<Shared>, imported: bool) {
    let snapshot = shared.snapshot.load_full();
    let shared = Arc::clone(shared);
    let noted = tokio::task::spawn_blocking(move || {
        crate::versions::note(&snapshot.settings, imported);
        // Else what was noted may be of the next lists, which will be noted as well.
        if shared.snapshot.load().lists_version == snapshot.lists_version {
            provenance::keep_lists(&snapshot);
        }
    });
    if noted.await.is_err() {
        tracing::warn!("a change of lists has no version in their history: a fault of Weir's own");
    }
}

/// The users, unless the file that had some is suddenly empty: `weir users remove` leaves `user = []` behind, an accident
/// leaves nothing, and then nobody could sign in any more.
fn users(settings: &Settings, old: &Snapshot) -> Result<Arc<Users>, Faults> {
    let file = settings.users_file();
    let users = Users::load(&file)?;
    let is_meant = || {
        let text = std::fs::read_to_string(&file).ok();
        text.is_none_or(|text| {
            text.lines()
                .any(|line| line.trim_start().starts_with("user"))
        })
    };
    if users.list().len() == 0 && old.users.list().len() > 0 && !is_meant() {
        return Err(Faults(vec![Fault {
            file,
            line: None,
            key: "user".to_owned(),
            message: "the file became empty, so the old users stay in force; to have none, use `weir users remove` or \
                      delete the file"
                .to_owned(),
        }]));
    }
    Ok(Arc::new(users))
}

fn lists(settings: &Settings, old: &Snapshot) -> Result<(Arc<Index>, Arc<Filled>), Faults> {
    let (index, report) = snapshot::build_index(settings, Some(old.index.as_ref()))?;
    let accidents = held::accidents(&old.filled, &report);
    if !accidents.0.is_empty() {
        return Err(accidents);
    }
    held::tell_faults(&report);
    Ok((index, Arc::new(held::filled(&report))))
}

/// True when the new snapshot is in force.
async fn apply<F>(
    shared: &Arc<Shared>,
    state: &Arc<State>,
    what: &'static str,
    covered: &[&'static str],
    build: F,
) -> bool
where
    F: FnOnce(&Snapshot) -> Result<Snapshot, Faults> + Send + 'static,
{
    // Held across the build on purpose: a second reload waits for the first.
    let _turn = state.turn.lock().await;
    let old = shared.snapshot.load_full();
    let before = old.settings.records.clone();
    let built = tokio::task::spawn_blocking(move || {
        let new = build(&old)?;
        if new.policy_version != old.policy_version {
            // The old one was in force until now.
            provenance::keep(&old);
            provenance::keep(&new);
        }
        Ok::<_, Faults>(new)
    })
    .await;
    let outcome = match built {
        Ok(Ok(new)) => {
            shared
                .shaper
                .set_line(new.settings.line.down, new.settings.line.up);
            shared
                .metrics
                .lists(new.index.counts().domains, new.filled.faults);
            let mut note = format!(
                "{what} reloaded: policy {}, lists {}",
                new.policy_version, new.lists_version
            );
            if new.filled.faults > 0 {
                note.push_str(&format!("; list lines not used: {}", new.filled.faults));
            }
            if let Some(missing) = new.missing() {
                note.push_str("; ");
                note.push_str(&missing);
            }
            note.push_str(&kept_otherwise(&before, &new.settings.records));
            shared.retain(&new.settings.records);
            shared.snapshot.store(Arc::new(new));
            Ok(note)
        }
        Ok(Err(faults)) => Err(format!(
            "{what} not reloaded, the old stays in force:\n{faults}"
        )),
        Err(_) => Err(format!("{what} not reloaded: a fault of Weir's own")),
    };
    let done = outcome.is_ok();
    tell(shared, &outcome);
    state.set_fault(what, covered, outcome.err());
    done
}

/// What is gone sooner or later than before: what goes by it within the hour is gone for good, so it is told.
fn kept_otherwise(old: &Records, new: &Records) -> String {
    let days = |time: Duration| format!("{:.1} days", time.as_secs_f64() / 86_400.0);
    let mut told = String::new();
    for (key, old, new) in [
        ("records.retain", old.retain, new.retain),
        (
            "records.retain_content",
            old.retain_content,
            new.retain_content,
        ),
    ] {
        if old != new {
            told.push_str(&format!(
                "; {key} is {} from now on, was {}",
                days(new),
                days(old)
            ));
        }
    }
    told
}

fn tell(shared: &Shared, outcome: &Result<String, String>) {
    let (label, note, end) = match outcome {
        Ok(note) => {
            tracing::info!("{note}");
            ("done", note, End::Complete)
        }
        Err(note) => {
            tracing::error!("{note}");
            ("refused", note, End::Refused)
        }
    };
    shared.metrics.reloaded(label);
    let snapshot = shared.snapshot.load();
    let mut row = Record::new(Kind::Reload, shared.events.next(), clock::wall_micros());
    // What is in force from here on, or still.
    row.policy_version = Some(Arc::clone(&snapshot.policy_version));
    row.lists_version = Some(Arc::clone(&snapshot.lists_version));
    row.note = Some(note.as_str().into());
    row.end = end;
    let mut lane = shared.lane();
    lane.push(row);
    lane.flush();
}

/// Categories that no list has and that the old policy did not name.
fn newly_missing(old: &Snapshot, new: &Snapshot) -> Faults {
    let (rules, limits) = (&old.policy_file.rules, &old.policy_file.categories);
    let named = rules.iter().flat_map(|rule| &rule.categories);
    let named: BTreeSet<&str> = named
        .map(|name| &**name)
        .chain(limits.iter().map(|limit| &*limit.name))
        .collect();
    let missing = new.policy.missing().iter();
    let slips = missing.filter(|missing| !named.contains(&*missing.category));
    Faults(slips.map(|missing| missing.fault.clone()).collect())
}

/// Keys that only a restart can change, as faults.
fn needs_restart(old: &Settings, loaded: &Loaded) -> Faults {
    let new = &loaded.settings;
    let mut keys = old.needs_restart(new);
    let also = [
        ("resolver", old.resolver != new.resolver),
        ("login", old.login != new.login),
        ("warn.entries", old.warn.entries != new.warn.entries),
        (
            "origin.idle_connections",
            old.origin.idle_connections != new.origin.idle_connections,
        ),
        (
            "origin.idle_per_host",
            old.origin.idle_per_host != new.origin.idle_per_host,
        ),
        (
            "origin.idle_timeout",
            old.origin.idle_timeout != new.origin.idle_timeout,
        ),
    ];
    keys.extend(
        also.iter()
            .filter(|(_, differs)| *differs)
            .map(|(key, _)| *key),
    );
    let file = loaded
        .path
        .clone()
        .unwrap_or_else(|| PathBuf::from("(embedded)/weir.toml"));
    Faults(
        keys.into_iter()
            .map(|key| Fault {
                file: file.clone(),
                line: None,
                key: key.to_owned(),
                message: "cannot change while Weir runs: put the old value back, or restart"
                    .to_owned(),
            })
            .collect(),
    )
}
