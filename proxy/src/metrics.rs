//! All metrics Weir exposes, by name. Labels come from closed sets, never from a host or
//! a person (LM-10).

use crate::update::board::Seen;
use crate::witness;
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use weir_categories::sealed::Sealed;
use weir_monitoring::{Kind, Record, RecorderHealth, Verdict};

/// One label: what happened.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// A list that is kept up to date, by the name in the configuration.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfSource {
    source: String,
}

/// An outside witness of the log, by the name in the configuration.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfWitness {
    witness: String,
}

/// The same with what an update came to.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfUpdate {
    source: String,
    outcome: &'static str,
}

/// A mandatory list, by the name of its slot.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfSlot {
    list: String,
}

/// Of each mandatory list: numbers only (AF-03).
#[derive(Default)]
struct Mandatory {
    protected: Family<OfSlot, Gauge>,
    entries: Family<OfSlot, Gauge>,
    pages: Family<OfSlot, Gauge>,
    age: Family<OfSlot, Gauge>,
}

impl Mandatory {
    fn register(&self, registry: &mut Registry) {
        let gauges = [
            (
                "mandatory_list_protected",
                "1 while a fresh mandatory list is in force",
                &self.protected,
            ),
            (
                "mandatory_list_entries",
                "Entries of a mandatory list in force",
                &self.entries,
            ),
            (
                "mandatory_list_pages",
                "Entries of a mandatory list that cannot be enforced inside encrypted tunnels",
                &self.pages,
            ),
            (
                "mandatory_list_age_seconds",
                "Time since a mandatory list was sealed",
                &self.age,
            ),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
    }
}

/// Of each list that is kept up to date.
#[derive(Default)]
struct Sources {
    age: Family<OfSource, Gauge>,
    good: Family<OfSource, Gauge>,
    entries: Family<OfSource, Gauge>,
    alarms: Family<OfSource, Gauge>,
    updates: Family<OfUpdate, Counter>,
}

impl Sources {
    fn register(&self, registry: &mut Registry) {
        let gauges = [
            (
                "list_age_seconds",
                "Time since the last good look for a list",
                &self.age,
            ),
            (
                "list_last_success_timestamp_seconds",
                "Moment of the last good look for a list",
                &self.good,
            ),
            ("list_entries", "Entries of a list in force", &self.entries),
            (
                "list_alarm",
                "1 while a list is too old or its last update failed",
                &self.alarms,
            ),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        registry.register(
            "list_updates",
            "Looks for newer lists, by outcome",
            self.updates.clone(),
        );
    }
}

/// The process's counters and gauges. Counting is one atomic addition.
pub(crate) struct Metrics {
    registry: Registry,
    /// Client connections open now.
    pub(crate) connections: Gauge,
    /// Client connections accepted.
    pub(crate) accepted: Counter,
    /// Client connections turned away at a bound.
    pub(crate) shed: Counter,
    /// Tasks that panicked (each costs one connection).
    pub(crate) panics: Counter,
    allowed: Counter,
    blocked: Counter,
    warned: Counter,
    undecided: Counter,
    tunnels: Counter,
    errors: Family<Outcome, Counter>,
    up: Counter,
    down: Counter,
    uninspected: Counter,
    sign_ins: Family<Outcome, Counter>,
    reloads: Family<Outcome, Counter>,
    names: Gauge,
    list_faults: Gauge,
    lists: Sources,
    mandatory: Mandatory,
    records_writable: Gauge,
    records_dropped: Gauge<i64, AtomicI64>,
    records_written: Gauge<i64, AtomicI64>,
    records_signed: Gauge<i64, AtomicI64>,
    witness_behind: Family<OfWitness, Gauge>,
    witness_acknowledged: Family<OfWitness, Gauge>,
    checkpoint_time: Gauge<i64, AtomicI64>,
}

impl Metrics {
    /// All metrics at zero.
    pub(crate) fn new() -> Metrics {
        let mut registry = Registry::with_prefix("weir");
        let decisions = Family::<Outcome, Counter>::default();
        let counter = |family: &Family<Outcome, Counter>, outcome| {
            family.get_or_create(&Outcome { outcome }).clone()
        };
        let bytes = Family::<Outcome, Counter>::default();
        let metrics = Metrics {
            connections: Gauge::default(),
            accepted: Counter::default(),
            shed: Counter::default(),
            panics: Counter::default(),
            allowed: counter(&decisions, "allow"),
            blocked: counter(&decisions, "block"),
            warned: counter(&decisions, "warn"),
            undecided: counter(&decisions, "none"),
            tunnels: Counter::default(),
            errors: Family::default(),
            up: counter(&bytes, "up"),
            down: counter(&bytes, "down"),
            uninspected: Counter::default(),
            sign_ins: Family::default(),
            reloads: Family::default(),
            names: Gauge::default(),
            list_faults: Gauge::default(),
            lists: Sources::default(),
            mandatory: Mandatory::default(),
            records_writable: Gauge::default(),
            records_dropped: Gauge::default(),
            records_written: Gauge::default(),
            records_signed: Gauge::default(),
            witness_behind: Family::default(),
            witness_acknowledged: Family::default(),
            checkpoint_time: Gauge::default(),
            registry: Registry::default(),
        };
        let m = &metrics;
        registry.register(
            "connections_open",
            "Client connections open now",
            m.connections.clone(),
        );
        registry.register(
            "connections_accepted",
            "Client connections accepted",
            m.accepted.clone(),
        );
        registry.register(
            "connections_shed",
            "Client connections turned away at a bound",
            m.shed.clone(),
        );
        registry.register(
            "panics",
            "Tasks ended by a fault of Weir's own",
            m.panics.clone(),
        );
        registry.register(
            "decisions",
            "Requests and tunnels ended, by verdict",
            decisions,
        );
        registry.register("tunnels", "Tunnels ended", m.tunnels.clone());
        registry.register(
            "errors",
            "Failures, by RFC 9209 error type",
            m.errors.clone(),
        );
        registry.register_with_unit("payload", "Payload moved, by direction", Unit::Bytes, bytes);
        registry.register_with_unit(
            "uninspected",
            "Payload of tunnels that could not be inspected",
            Unit::Bytes,
            m.uninspected.clone(),
        );
        registry.register(
            "sign_ins",
            "Password checks, by outcome",
            m.sign_ins.clone(),
        );
        registry.register(
            "reloads",
            "Reloads of configuration, policy, users or lists, by outcome",
            m.reloads.clone(),
        );
        registry.register("list_names", "Names in the lists in force", m.names.clone());
        m.lists.register(&mut registry);
        m.mandatory.register(&mut registry);
        registry.register(
            "list_faults",
            "Lines of the lists in force that could not be used",
            m.list_faults.clone(),
        );
        registry.register(
            "records_writable",
            "1 while records can be written",
            m.records_writable.clone(),
        );
        registry.register(
            "records_dropped",
            "Records lost because they could not be written",
            m.records_dropped.clone(),
        );
        registry.register(
            "records_written",
            "Records written since the start",
            m.records_written.clone(),
        );
        registry.register(
            "records_signed",
            "Records that the last checkpoint of the log covers",
            m.records_signed.clone(),
        );
        registry.register(
            "records_witness_behind",
            "Checkpoints of the log that a witness has not acknowledged",
            m.witness_behind.clone(),
        );
        registry.register(
            "records_witness_acknowledged",
            "Number of the last checkpoint that a witness has acknowledged",
            m.witness_acknowledged.clone(),
        );
        registry.register(
            "records_checkpoint_time_seconds",
            "When the last checkpoint of the log was signed, seconds since the epoch; 0 before the first",
            m.checkpoint_time.clone(),
        );
        Metrics {
            registry,
            ..metrics
        }
    }

    /// Counts a finished request or tunnel.
    pub(crate) fn task_ended(&self, record: &Record) {
        match record.verdict {
            Verdict::Allow => self.allowed.inc(),
            Verdict::Block => self.blocked.inc(),
            Verdict::Warn => self.warned.inc(),
            Verdict::None => self.undecided.inc(),
        };
        if record.kind == Kind::TunnelClose {
            self.tunnels.inc();
        }
        if let Some(error) = record.error {
            self.errors.get_or_create(&Outcome { outcome: error }).inc();
        }
        self.up.inc_by(record.bytes_up);
        self.down.inc_by(record.bytes_down);
        if !record.inspected {
            self.uninspected.inc_by(record.bytes_up + record.bytes_down);
        }
    }

    /// Counts a password check.
    pub(crate) fn sign_in(&self, outcome: &'static str) {
        self.sign_ins.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a reload.
    pub(crate) fn reloaded(&self, outcome: &'static str) {
        self.reloads.get_or_create(&Outcome { outcome }).inc();
    }

    /// Takes over what is known of the lists in force.
    pub(crate) fn lists(&self, names: usize, faults: u64) {
        self.names.set(i64::try_from(names).unwrap_or(i64::MAX));
        self.list_faults
            .set(i64::try_from(faults).unwrap_or(i64::MAX));
    }

    /// Counts a look for a newer list.
    pub(crate) fn list_updated(&self, source: &str, is_good: bool) {
        let label = OfUpdate {
            source: source.to_owned(),
            outcome: if is_good { "good" } else { "failed" },
        };
        self.lists.updates.get_or_create(&label).inc();
    }

    /// Takes over what is known of the lists that are kept up to date.
    pub(crate) fn sources(&self, all: &[Seen], now: Timestamp) {
        let lists = &self.lists;
        for family in [&lists.age, &lists.good, &lists.entries, &lists.alarms] {
            family.clear();
        }
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for seen in all {
            let label = OfSource {
                source: seen.source.name.to_string(),
            };
            let alarm = i64::from(seen.alarm(now).is_some());
            lists.alarms.get_or_create(&label).set(alarm);
            let entries = count(seen.state.entries);
            lists.entries.get_or_create(&label).set(entries);
            if let (Some(age), Some(good)) = (seen.state.age(now), seen.state.good) {
                lists.age.get_or_create(&label).set(count(age.as_secs()));
                lists.good.get_or_create(&label).set(good.as_second());
            }
        }
    }

    /// Takes over how the mandatory lists are; `now` in seconds since 1970.
    pub(crate) fn mandatory(&self, sealed: &Sealed, now: u64) {
        let lists = &self.mandatory;
        for family in [&lists.protected, &lists.entries, &lists.pages, &lists.age] {
            family.clear();
        }
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for state in sealed.slots() {
            let label = OfSlot {
                list: state.slot.name.to_string(),
            };
            let (entries, pages) = state
                .held
                .as_ref()
                .map_or((0, 0), |held| (held.entries, held.pages));
            let protected = i64::from(state.is_protected(now));
            lists.protected.get_or_create(&label).set(protected);
            lists.entries.get_or_create(&label).set(count(entries));
            lists.pages.get_or_create(&label).set(count(pages));
            if let Some(age) = state.age_seconds(now) {
                lists.age.get_or_create(&label).set(count(age));
            }
        }
    }

    /// Takes over what the recorder says of itself.
    pub(crate) fn records(&self, health: &RecorderHealth) {
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.records_writable.set(i64::from(health.writable));
        self.records_dropped.set(count(health.dropped));
        self.records_written.set(count(health.written));
        self.records_signed.set(count(health.checkpoint_rows));
        let signed = health.checkpoint_time.unwrap_or(0) / 1_000_000;
        self.checkpoint_time.set(signed);
    }

    /// Takes over how far the witnesses are while the log is at checkpoint `signed`.
    pub(crate) fn witnesses(&self, all: &BTreeMap<Arc<str>, witness::Seen>, signed: u64) {
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for (name, seen) in all {
            let label = OfWitness {
                witness: name.to_string(),
            };
            let behind = signed.saturating_sub(seen.acknowledged);
            self.witness_behind.get_or_create(&label).set(count(behind));
            let acknowledged = self.witness_acknowledged.get_or_create(&label);
            acknowledged.set(count(seen.acknowledged));
        }
    }

    /// The OpenMetrics text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
