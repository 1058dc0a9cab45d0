//! What the console is told of the running proxy.
//!
//! Decides which state of a part is well, worth a look, or failing.

use crate::reload;
use crate::sealed;
use crate::shared::Shared;
use crate::terms;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Instant;
use weir_categories::sealed::Protection;
use weir_config::{LoginMode, UnknownNetwork};
use weir_console::{Check, Control, Health, Notice, Recorded, State};
use weir_monitoring::Grade;

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
            checks: vec![
                self.records(),
                self.records_key(),
                self.configuration(),
                self.lists(),
                self.mandatory(),
            ],
        }
    }

    fn metrics(&self) -> String {
        self.shared.metrics.records(&self.shared.record_health());
        let seen = self.shared.updates.seen();
        self.shared.metrics.sources(&seen, Timestamp::now());
        let snapshot = self.shared.snapshot.load();
        self.shared
            .metrics
            .mandatory(&snapshot.sealed, sealed::now());
        self.shared.metrics.text()
    }

    fn notice(&self) -> Notice {
        let snapshot = self.shared.snapshot.load();
        let settings = &snapshot.settings;
        let fields = |grade: Grade| {
            weir_monitoring::columns()
                .iter()
                .filter(|column| column.grade == grade)
                .map(|column| Recorded {
                    field: column.name.to_owned(),
                    meaning: column.doc.to_owned(),
                })
                .collect()
        };
        let mut identification = Vec::new();
        if settings
            .listeners
            .iter()
            .any(|listener| listener.login != LoginMode::Off)
        {
            identification.push("by your school name and password".to_owned());
        }
        if !settings.devices.is_empty() {
            identification.push("by the machine you use, where it cannot sign in".to_owned());
        }
        identification.push(match settings.unknown_network {
            UnknownNetwork::Strictest => "otherwise by network address, as a guest".to_owned(),
            UnknownNetwork::Refuse => {
                "otherwise by network address; unknown networks are refused".to_owned()
            }
        });
        let mut purposes: Vec<String> = snapshot
            .policy_file
            .rules
            .iter()
            .map(|rule| rule.purpose.as_str().replace('-', " "))
            .collect();
        purposes.sort();
        purposes.dedup();
        Notice {
            school: settings.school.clone(),
            contact: settings.review_contact.clone().unwrap_or_default(),
            always: fields(Grade::Event),
            when_blocked: fields(Grade::Content),
            purposes,
            identification,
            retention: settings.records.retain,
            version: snapshot.policy_version.to_string(),
        }
    }
}
