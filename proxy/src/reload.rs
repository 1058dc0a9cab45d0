//! A new snapshot for an old one: on SIGHUP from the configuration, on changed files from
//! lists and users. All of it is built beside the running one, then swapped; any fault
//! keeps the old one and is told in log, metrics, health and the records.
//!
//! Decides what a reload may change: keys that need a restart are refused by name.

use crate::clock;
use crate::shared::Shared;
use crate::snapshot::{self, Filled, Snapshot};
use crate::users::Users;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use weir_categories::Index;
use weir_config::{Fault, Faults, Loaded, Settings};
use weir_monitoring::{End, Kind, Record};

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
    fault: Mutex<Option<String>>,
}

impl State {
    /// Before any reload.
    pub(crate) fn new(origin: Origin) -> State {
        State {
            origin,
            turn: tokio::sync::Mutex::new(()),
            fault: Mutex::new(None),
        }
    }

    /// Why the last reload was refused; nothing when it succeeded.
    pub(crate) fn fault(&self) -> Option<String> {
        self.fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_fault(&self, fault: Option<String>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
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
    apply(shared, state, "configuration", move |old| {
        let loaded = weir_config::load(path.as_deref())?;
        let refused = needs_restart(&old.settings, &loaded);
        if !refused.0.is_empty() {
            return Err(refused);
        }
        let (index, filled) = lists(&loaded.settings, old)?;
        let users = Arc::new(Users::load(&loaded.settings.users_file())?);
        let mut new = Snapshot::build(loaded, index, users)?;
        new.filled = filled;
        Ok(new)
    })
    .await;
}

/// Takes up changed lists or users under the settings in force.
pub(crate) async fn files(shared: &Arc<Shared>, state: &Arc<State>, changed: Changed) {
    let what = if changed.lists { "lists" } else { "users" };
    apply(shared, state, what, move |old| {
        let (index, filled) = if changed.lists {
            lists(&old.settings, old)?
        } else {
            (Arc::clone(&old.index), Arc::clone(&old.filled))
        };
        let users = if changed.users {
            Arc::new(Users::load(&old.settings.users_file())?)
        } else {
            Arc::clone(&old.users)
        };
        let loaded = Loaded {
            settings: old.settings.clone(),
            policy: old.policy_file.clone(),
            path: None,
            warnings: Vec::new(),
        };
        let mut new = Snapshot::build(loaded, index, users)?;
        new.filled = filled;
        Ok(new)
    })
    .await;
}

fn lists(settings: &Settings, old: &Snapshot) -> Result<(Arc<Index>, Arc<Filled>), Faults> {
    let (index, report) = snapshot::build_index(settings, Some(old.index.as_ref()))?;
    let emptied = snapshot::emptied(&old.filled, &report);
    if emptied.0.is_empty() {
        Ok((index, snapshot::filled(&report)))
    } else {
        Err(emptied)
    }
}

async fn apply<F>(shared: &Arc<Shared>, state: &Arc<State>, what: &'static str, build: F)
where
    F: FnOnce(&Snapshot) -> Result<Snapshot, Faults> + Send + 'static,
{
    // Held across the build on purpose: a second reload waits for the first.
    let _turn = state.turn.lock().await;
    let old = shared.snapshot.load_full();
    let built = tokio::task::spawn_blocking(move || build(&old)).await;
    let outcome = match built {
        Ok(Ok(new)) => {
            shared
                .shaper
                .set_line(new.settings.line.down, new.settings.line.up);
            shared.metrics.names.set(new.index.counts().domains as i64);
            let note = format!(
                "{what} reloaded: policy {}, lists {}",
                new.policy_version, new.lists_version
            );
            shared.snapshot.store(Arc::new(new));
            Ok(note)
        }
        Ok(Err(faults)) => Err(format!(
            "{what} not reloaded, the old stays in force:\n{faults}"
        )),
        Err(_) => Err(format!("{what} not reloaded: a fault of Weir's own")),
    };
    tell(shared, state, outcome);
}

fn tell(shared: &Shared, state: &State, outcome: Result<String, String>) {
    let (label, note) = match &outcome {
        Ok(note) => {
            tracing::info!("{note}");
            ("done", note)
        }
        Err(note) => {
            tracing::error!("{note}");
            ("refused", note)
        }
    };
    shared.metrics.reloaded(label);
    let mut row = Record::new(Kind::Reload, shared.events.next(), clock::wall_micros());
    row.note = Some(note.as_str().into());
    row.end = End::Complete;
    let mut lane = shared.lane();
    lane.push(row);
    lane.flush();
    state.set_fault(outcome.err());
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
