//! `weir lists update`: what the running Weir does when a list is due, now and with progress.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::{Builder, LocalOptions};
use weir_config::{ListSource, Loaded, Settings};

use super::super::progress::Bar;
use super::super::{Answer, Failure, audit, output, will_be_noticed};
use crate::resolve::{Names, Resolver};
use crate::update::fetch::Network;
use crate::update::state::{State, Turn};
use crate::update::{Look, Outcome, Step, once};
use crate::{snapshot, tls};

/// How long to wait for an update that the running Weir is at.
const PATIENCE: Duration = Duration::from_secs(120);
/// Names to remember.
const NAMES: usize = 256;

/// Arguments of `weir lists update`.
#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    /// Lists by their names in the configuration; none for all that are enabled.
    names: Vec<String>,
    /// Take what comes although it may be the version in force, and however much it shrank.
    #[arg(long)]
    force: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Update {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let chosen = self.chosen(loaded)?;
        let settings = &loaded.settings;
        let names: Vec<&str> = chosen.iter().map(|source| &*source.name).collect();
        let about = json!({ "names": names, "force": self.force });
        let state = &settings.state;
        let make = || self.look(&chosen, settings, out);
        let came = audit::around(state, "lists update", about, make, |came| {
            let all = came
                .iter()
                .map(|(source, _, outcome)| as_json(source, outcome));
            json!({ "lists": all.collect::<Vec<_>>() })
        })?;
        if self.json {
            let all = came
                .iter()
                .map(|(source, _, outcome)| as_json(source, outcome));
            output::json(out, &Value::Array(all.collect()))?;
        } else if came
            .iter()
            .any(|(_, _, outcome)| matches!(outcome, Outcome::Updated { .. }))
        {
            will_be_noticed(out)?;
        }
        Ok(answer(&came))
    }

    /// Looks for a newer version of each source, one after the other.
    fn look<'a>(
        &self,
        chosen: &[&'a ListSource],
        settings: &Settings,
        out: &mut dyn Write,
    ) -> Result<Vec<Came<'a>>, Failure> {
        let trusted = &settings.origin.trusted_roots;
        let tls = tls::client_config(trusted).map_err(Failure::Configuration)?;
        let egress = snapshot::egress(settings);
        let lists = weir_config::lists::imported(settings);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())?;
        let resolver = Resolver::new(&settings.resolver, runtime.handle().clone());
        let names = Names::new(resolver.map_err(Failure::refused)?, NAMES);
        let network = Network {
            names: &names,
            egress: &egress,
            tls: &tls,
            settings,
        };
        let mut came = Vec::new();
        for &source in chosen {
            let _turn = turn(&lists)?;
            let look = Look {
                source,
                network: &network,
                force: self.force,
            };
            let mut bar = Bar::new();
            let (state, outcome) = runtime.block_on(once(&look, &mut |step| match step {
                Step::Fetched(done, all) => bar.bytes("downloading", done, all),
                Step::Imported(progress) => bar.show(progress),
            }));
            drop(bar);
            if !self.json {
                tell(source, &outcome, out)?;
                out.flush()?;
            }
            came.push((source, state, outcome));
        }
        Ok(came)
    }

    /// The sources that are meant, in the order of the configuration.
    fn chosen<'a>(&self, loaded: &'a Loaded) -> Result<Vec<&'a ListSource>, Failure> {
        let all = &loaded.settings.lists.sources;
        for name in &self.names {
            if !all.iter().any(|source| *source.name == **name) {
                let known = all.iter().map(|source| &*source.name);
                let guess = weir_config::did_you_mean(name, known);
                let name = output::safe(name);
                let message = format!("no [[lists.source]] has the name {name:?}{guess}");
                return Err(Failure::Arguments(message));
            }
        }
        let chosen = all.iter().filter(|source| match &*self.names {
            [] => source.enabled,
            names => names.iter().any(|name| **name == *source.name),
        });
        let chosen: Vec<_> = chosen.collect();
        if chosen.is_empty() {
            let message = "the configuration names no list to update: see [[lists.source]]";
            return Err(Failure::Arguments(message.to_owned()));
        }
        Ok(chosen)
    }
}

/// Waits until nobody else is updating.
fn turn(lists: &Path) -> Result<Turn, Failure> {
    let begun = Instant::now();
    loop {
        match Turn::take(lists) {
            Ok(Some(turn)) => return Ok(turn),
            Ok(None) if begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(100));
            }
            Ok(None) => {
                let message = "another update is running; try again when it is done";
                return Err(Failure::Refused(message.to_owned()));
            }
            Err(error) => return Err(Failure::Refused(format!("{}: {error}", lists.display()))),
        }
    }
}

/// What a look for a source came to.
type Came<'a> = (&'a ListSource, State, Outcome);

fn answer(came: &[Came<'_>]) -> Answer {
    let failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_));
    if came.iter().any(|(_, _, outcome)| failed(outcome)) {
        Answer::No
    } else {
        Answer::Yes
    }
}

fn tell(source: &ListSource, outcome: &Outcome, out: &mut dyn Write) -> Result<(), Failure> {
    let name = &source.name;
    let entries = |count: &u64| output::counted(*count, "entry", "entries");
    match outcome {
        Outcome::Updated {
            entries: now,
            before,
        } => {
            let before = before.map_or(String::new(), |before| {
                format!(" ({} before)", output::count(before))
            });
            writeln!(out, "{name}: updated, {}{before}.", entries(now))?;
        }
        Outcome::Unchanged { entries: now } => {
            writeln!(out, "{name}: unchanged, {}.", entries(now))?;
        }
        Outcome::Failed(fault) => {
            let fault = output::safe(&fault.to_string());
            writeln!(
                out,
                "{name}: not updated, the last good one stays in force: {fault}."
            )?;
        }
    }
    Ok(())
}

fn as_json(source: &ListSource, outcome: &Outcome) -> Value {
    let name = &*source.name;
    match outcome {
        Outcome::Updated { entries, before } => {
            json!({ "name": name, "outcome": "updated", "entries": entries, "before": before })
        }
        Outcome::Unchanged { entries } => {
            json!({ "name": name, "outcome": "unchanged", "entries": entries })
        }
        Outcome::Failed(fault) => {
            json!({ "name": name, "outcome": "failed", "fault": fault.to_string() })
        }
    }
}
