//! The running Weir's own looks: a thread of low priority that updates what is due, one source at a time.
//!
//! It reads configuration and remembered states anew every two seconds, so that a reload and a command's update are taken
//! up. What is imported is noticed by `watch`, as every other change of lists is. Every look leaves a row in the records,
//! whoever made it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::{Builder, LocalOptions};
use weir_monitoring::{End, Kind, Lane, Record};

use super::board::Seen;
use super::fetch::Network;
use super::state::{State, Turn, directory};
use super::{Look, Outcome, once};
use crate::clock;
use crate::resolve::{Names, Resolver};
use crate::shared::Shared;

/// How often to look at what is due.
const EVERY: Duration = Duration::from_secs(2);
/// Names to remember between two looks.
const NAMES: usize = 256;
/// Traffic goes first.
const NICE: i32 = 10;

/// Starts the thread; it ends when the drain begins.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn start(shared: &Arc<Shared>, resolver: Arc<Resolver>) -> std::io::Result<()> {
    let shared = Arc::clone(shared);
    let work = move || {
        // Of this thread alone (nice(2) on Linux).
        if let Err(error) = rustix::process::nice(NICE) {
            tracing::debug!(%error, "updates of lists run at the common priority");
        }
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => runtime.block_on(async {
                tokio::select! {
                    () = shared.drain.cancelled() => {}
                    () = run(&shared, resolver) => {}
                }
            }),
            Err(error) => tracing::error!(%error, "lists cannot be updated"),
        }
    };
    std::thread::Builder::new()
        .name("updates".to_owned())
        .spawn(work)
        .map(|_| ())
}

async fn run(shared: &Arc<Shared>, resolver: Arc<Resolver>) {
    let names = Names::new(resolver, NAMES);
    let mut teller = Teller {
        lane: shared.lane(),
        known: BTreeMap::new(),
    };
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        look_around(shared, &names, &mut teller).await;
    }
}

/// Puts up what is known of every source and updates those that are due.
async fn look_around(shared: &Arc<Shared>, names: &Names, teller: &mut Teller) {
    let settings = shared.snapshot.load().settings.clone();
    let lists = weir_config::lists::imported(&settings);
    let enabled = settings.lists.sources.into_iter();
    let mut all: Vec<Seen> = enabled
        .filter(|source| source.enabled)
        .map(|source| {
            let state = State::read(&directory(&lists, &source.name));
            Seen { source, state }
        })
        .collect();
    teller.tell(shared, &all);
    shared.updates.put(all.clone());
    for at in 0..all.len() {
        let Some(seen) = all.get_mut(at) else { break };
        let now = Timestamp::now();
        if seen
            .state
            .due(&seen.source, now)
            .is_none_or(|due| due > now)
        {
            continue;
        }
        let turn = match Turn::take(&lists) {
            Ok(Some(turn)) => turn,
            // A command is at it; what it does is seen at the next look.
            Ok(None) => return,
            Err(error) => return tracing::error!(%error, "lists cannot be updated"),
        };
        let snapshot = shared.snapshot.load_full();
        let network = Network {
            names,
            egress: &snapshot.egress,
            tls: &snapshot.tls,
            settings: &snapshot.settings,
        };
        let look = Look {
            source: &seen.source,
            network: &network,
            force: false,
        };
        let (state, outcome) = once(&look, &mut |_| {}).await;
        drop(turn);
        match outcome {
            Outcome::Failed(_) => tracing::error!("{}", state.note),
            _ => tracing::info!("{}", state.note),
        }
        seen.state = state;
        teller.tell(shared, &all);
        shared.updates.put(all.clone());
    }
}

/// Writes a row and counts for every look that it has not told of yet.
struct Teller {
    lane: Lane,
    /// The last look of each source that was told.
    known: BTreeMap<Arc<str>, Option<Timestamp>>,
}

impl Teller {
    fn tell(&mut self, shared: &Shared, all: &[Seen]) {
        for Seen { source, state } in all {
            // What was there when Weir started, or the source was added, was told before.
            let last = self.known.insert(Arc::clone(&source.name), state.tried);
            let is_new = last.is_some_and(|last| last != state.tried && state.tried.is_some());
            if !is_new {
                continue;
            }
            let failed = state.fault.is_some();
            shared.metrics.list_updated(&source.name, !failed);
            let mut row = Record::new(Kind::Reload, shared.events.next(), clock::wall_micros());
            row.list = Some(Arc::clone(&source.name));
            row.note = Some(state.note.as_str().into());
            row.end = if failed { End::Refused } else { End::Complete };
            self.lane.push(row);
        }
        self.lane.flush();
        self.known
            .retain(|name, _| all.iter().any(|seen| seen.source.name == *name));
    }
}
