//! What the console is told of the running proxy.
//!
//! Decides which state of a part is well, worth a look, or failing.

use crate::law;
use crate::recording;
use crate::reload;
use crate::sealed;
use crate::shared::Shared;
use crate::terms;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Instant;
use weir_categories::sealed::Protection;
use weir_console::{Check, Control, Health, Notice, State};

/// The proxy as the console sees it.
pub(crate) struct Console {
    shared: Arc<Shared>,
    reloads: Arc<reload::State>,
    started: Instant,
}

impl Console {
    /// Begins the uptime.
    pub(crate) fn new(shared: Arc<Shared>, reloads: Arc<reload::State>) -> Console {
        Console {
            shared,
            reloads,
            started: Instant::now(),
        }
    }

    /// How far the outside witnesses are, where there are any (LM-30).
    fn witnesses(&self) -> Option<Check> {
        let seen = self.shared.witnesses.seen();
        if seen.is_empty() {
            return None;
        }
        let signed = self.shared.record_health().checkpoint;
        let alarms: Vec<String> = seen
            .iter()
            .filter_map(|(name, seen)| seen.alarm(name, signed))
            .collect();
        let (state, detail) = if alarms.is_empty() {
            (State::Ok, "witnesses have the log's checkpoints".to_owned())
        } else {
            (State::Warning, alarms.join("; "))
        };
        Some(Check {
            name: "witness",
            state,
            detail,
        })
    }

    fn records(&self) -> Check {
        let health = self.shared.record_health();
        let refuses = self.shared.snapshot.load().refuses_unrecorded;
        let (state, detail) = if !health.writable {
            let error = health.last_error.as_deref().unwrap_or("unknown");
            let then = if refuses {
                "the web is paused"
            } else {
                "filtering goes on unrecorded"
            };
            let dropped = health.dropped;
            (
                State::Failing,
                format!("records cannot be written ({error}); {then}; {dropped} lost so far"),
            )
        } else if health.dropped > 0 {
            let dropped = health.dropped;
            (
                State::Warning,
                format!(
                    "records are written; {dropped} were lost since the start, see the gap rows"
                ),
            )
        } else if let Some(error) = &health.checkpoint_error {
            (
                State::Warning,
                format!("records are written, but not signed at present: {error}"),
            )
        } else if let Some(why) = &health.held_back {
            (
                State::Warning,
                format!("records are written; some are due to be removed and are not: {why}"),
            )
        } else {
            (State::Ok, "records are written".to_owned())
        };
        Check {
            name: "records",
            state,
            detail,
        }
    }

    /// Where the key of the records is (LM-16).
    fn records_key(&self) -> Check {
        let snapshot = self.shared.snapshot.load();
        let (state, detail) = match &snapshot.settings.records.kek {
            Some(source) => (State::Ok, format!("records are encrypted; their key is {source}")),
            None => (
                State::Warning,
                "records are encrypted, but their key lies in the state directory: whoever copies the disk has both. Name a \
                 key that is kept elsewhere with records.kek"
                    .to_owned(),
            ),
        };
        Check {
            name: "records-key",
            state,
            detail,
        }
    }

    /// Logs that could not be continued: silence would let them be forgotten, with what they alone prove (LM-31).
    fn records_log(&self) -> Option<Check> {
        let settings = &self.shared.snapshot.load().settings;
        let told = recording::aside(settings);
        (!told.is_empty()).then(|| Check {
            name: "records-log",
            state: State::Warning,
            detail: told.join("; "),
        })
    }

    fn configuration(&self) -> Check {
        let told = self
            .reloads
            .fault()
            .or_else(|| terms::ending_now(&self.shared.snapshot.load().policy_file));
        let (state, detail) = match told {
            Some(told) => (State::Warning, told),
            None => (State::Ok, "as last read".to_owned()),
        };
        Check {
            name: "configuration",
            state,
            detail,
        }
    }

    fn lists(&self) -> Check {
        let snapshot = self.shared.snapshot.load();
        let counts = snapshot.index.counts();
        let faults = snapshot.filled.faults;
        let alarms = self.shared.updates.alarms(Timestamp::now());
        let missing = snapshot.missing();
        let is_well = counts.domains > 0 && faults == 0 && alarms.is_empty() && missing.is_none();
        let state = if !is_well { State::Warning } else { State::Ok };
        let mut detail = format!(
            "{} names in {} categories, version {}",
            counts.domains, counts.categories, snapshot.lists_version
        );
        if let Some(first) = &snapshot.filled.first_fault {
            detail.push_str(&format!(
                "; list lines not used: {faults}, the first is {first}; `weir check` names them all"
            ));
        }
        for alarm in missing.into_iter().chain(alarms) {
            detail.push_str("; ");
            detail.push_str(&alarm);
        }
        Check {
            name: "lists",
            state,
            detail,
        }
    }

    /// LM-02: why content is not recorded, and when that will be so.
    fn authorisation(&self) -> Check {
        let (is_well, detail) = self.shared.law.standing().health(law::now());
        Check {
            name: "authorisation",
            state: if is_well { State::Ok } else { State::Warning },
            detail,
        }
    }

    /// LM-06: the notice is given once a year.
    fn reminder(&self) -> Option<Check> {
        let snapshot = self.shared.snapshot.load();
        let ledger = &self.shared.law.ledger;
        let told = ledger.reminder(&snapshot.settings.notice, law::now())?;
        Some(Check {
            name: "notice",
            state: State::Warning,
            detail: told,
        })
    }

    /// AF-02: each slot is told of, and one without a fresh list is never well.
    fn mandatory(&self) -> Check {
        let snapshot = self.shared.snapshot.load();
        let now = sealed::now();
        let told = snapshot
            .sealed
            .slots()
            .map(|state| sealed::told(state, now));
        let worst = snapshot
            .sealed
            .slots()
            .map(|state| state.protection(now))
            .max();
        Check {
            name: "mandatory-lists",
            state: match worst {
                Some(Protection::Protected) => State::Ok,
                Some(Protection::Lost) => State::Failing,
                _ => State::Warning,
            },
            detail: told.collect::<Vec<_>>().join("; "),
        }
    }
}

impl Control for Console {
    fn health(&self) -> Health {
        Health {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.started.elapsed().as_secs(),
            checks: [
                Some(self.records()),
                Some(self.records_key()),
                self.records_log(),
                self.witnesses(),
                Some(self.configuration()),
                Some(self.lists()),
                Some(self.mandatory()),
                Some(self.authorisation()),
                self.reminder(),
            ]
            .into_iter()
            .flatten()
            .collect(),
        }
    }

    fn metrics(&self) -> String {
        self.shared.metrics.records(&self.shared.record_health());
        let signed = self.shared.record_health().checkpoint;
        let witnesses = self.shared.witnesses.seen();
        self.shared.metrics.witnesses(&witnesses, signed);
        let seen = self.shared.updates.seen();
        self.shared.metrics.sources(&seen, Timestamp::now());
        let snapshot = self.shared.snapshot.load();
        self.shared
            .metrics
            .mandatory(&snapshot.sealed, sealed::now());
        self.shared.metrics.text()
    }

    fn notice(&self) -> Notice {
        law::page::notice(&self.shared, &self.shared.snapshot.load())
    }
}
