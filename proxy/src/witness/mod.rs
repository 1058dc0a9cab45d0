//! Outside witnesses: every signed checkpoint is taken to places that whoever runs this machine cannot write to (LM-30).
//!
//! Each witness has a thread of its own, which reads the file of checkpoints behind the recorder and remembers on the disk how far
//! it came. So nothing here can hold recording up, a witness that is away for a week catches up, and memory holds one checkpoint.
//! Decides when it is tried again and what health says. What is sent is decided in `courier`, over the network in `post`.

mod courier;
mod post;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions};

use self::courier::{Courier, Went};
use self::post::Network;
use crate::resolve::{Names, Resolver};
use crate::shared::Shared;

/// Pause between two looks for a new checkpoint.
const LOOK: Duration = Duration::from_millis(500);
/// First and longest pause after a failure; it doubles.
const RETRY: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
/// A witness that took nothing for so long, although something waits, is a warning even without a failure.
const PATIENCE: Duration = Duration::from_secs(180);
/// Names to remember between two sendings.
const NAMES: usize = 16;

/// How one witness is.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Number of the last checkpoint that it acknowledged; 0 for none.
    pub(crate) acknowledged: u64,
    /// Why the last attempt failed, if it did.
    pub(crate) fault: Option<String>,
    /// Since when an attempt has been going on.
    pub(crate) busy: Option<Instant>,
    /// When it last was up to date.
    pub(crate) whole: Instant,
}

/// How all witnesses are, by name.
#[derive(Debug, Default)]
pub(crate) struct Witnesses(Mutex<BTreeMap<Arc<str>, Seen>>);

impl Witnesses {
    /// All of them.
    pub(crate) fn seen(&self) -> BTreeMap<Arc<str>, Seen> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn update(&self, name: &Arc<str>, change: impl FnOnce(&mut Seen)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = all.entry(Arc::clone(name)).or_insert_with(|| Seen {
            acknowledged: 0,
            fault: None,
            busy: None,
            whole: Instant::now(),
        });
        change(seen);
    }
}

impl Seen {
    /// What is wrong with it while the log is at checkpoint `signed`, if anything is.
    pub(crate) fn alarm(&self, name: &str, signed: u64) -> Option<String> {
        let behind = signed.saturating_sub(self.acknowledged);
        let stuck = self
            .busy
            .map(|busy| busy.elapsed())
            .filter(|busy| *busy > PATIENCE);
        let late = self.whole.elapsed() > PATIENCE && behind > 0;
        let why = match (&self.fault, stuck) {
            (Some(fault), _) => fault.clone(),
            (None, Some(busy)) => format!("an attempt has been going on for {} s", busy.as_secs()),
            (None, None) if late => {
                "it takes checkpoints more slowly than they are signed".to_owned()
            }
            (None, None) => return None,
        };
        Some(format!("{name} is {behind} checkpoints behind: {why}"))
    }
}

/// Starts a thread for each configured witness. They end when the process does; what was not taken by then is sent after the
/// next start.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn start(shared: &Arc<Shared>, resolver: &Arc<Resolver>) -> std::io::Result<()> {
    let settings = shared.snapshot.load().settings.clone();
    for witness in settings.witnesses {
        shared.witnesses.update(&witness.name, |_| {});
        let (shared, resolver) = (Arc::clone(shared), Arc::clone(resolver));
        let records = settings.state.join("records");
        let work = move || {
            let courier = Courier::new(
                &witness,
                &records,
                NODE,
                &shared.snapshot.load().settings.state,
            );
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default());
            match runtime {
                Ok(runtime) => runtime.block_on(run(&shared, courier, Names::new(resolver, NAMES))),
                Err(error) => tracing::error!(%error, "checkpoints cannot be sent to a witness"),
            }
        };
        std::thread::Builder::new()
            .name("witness".to_owned())
            .spawn(work)?;
    }
    Ok(())
}

/// Name of the log's node: there is one.
const NODE: &str = "weir";

async fn run(shared: &Arc<Shared>, mut courier: Courier, names: Names) {
    let name = Arc::clone(&courier.name);
    let mut pause = RETRY;
    loop {
        let snapshot = shared.snapshot.load_full();
        let network = Network {
            names: &names,
            egress: &snapshot.egress,
            tls: &snapshot.tls,
            settings: &snapshot.settings,
        };
        shared
            .witnesses
            .update(&name, |seen| seen.busy = Some(Instant::now()));
        let went = courier.turn(&network).await;
        shared.witnesses.update(&name, |seen| {
            seen.busy = None;
            seen.acknowledged = courier.acknowledged();
            seen.fault = match &went {
                Went::Failed(fault) => Some(fault.clone()),
                _ => None,
            };
            if matches!(went, Went::Nothing) {
                seen.whole = Instant::now();
            }
        });
        match went {
            Went::Taken => pause = RETRY,
            Went::Nothing => {
                pause = RETRY;
                tokio::time::sleep(LOOK).await;
            }
            Went::Failed(fault) => {
                tracing::warn!(witness = %name, fault, "a checkpoint was not taken; it is tried again in {} s", pause.as_secs());
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
        }
    }
}

#[cfg(test)]
mod tests;
