//! What all threads of the process share. Everything here is lock-free or locked for
//! moments, never across an await.

use crate::allowance::Allowance;
use crate::descriptors::Ceiling;
use crate::law::Law;
use crate::login::Verifier;
use crate::metrics::Metrics;
use crate::seats::{Seats, Taken};
use crate::snapshot::Snapshot;
use crate::update::board::Board;
use crate::warn::Acknowledgements;
use arc_swap::ArcSwap;
use http::HeaderValue;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use weir_bandwidth::Shaper;
use weir_config::Bounds;
use weir_monitoring::{EventIds, Lane, Recorder, RecorderHealth, StopError};

/// The process.
pub(crate) struct Shared {
    /// Settings, policy, lists and users in force.
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) shaper: Arc<Shaper>,
    pub(crate) allowance: Allowance,
    recorder: Mutex<Option<Recorder>>,
    pub(crate) verifier: Verifier,
    pub(crate) metrics: Metrics,
    pub(crate) events: EventIds,
    pub(crate) warnings: Acknowledgements,
    /// Authorisation and notice: what may be recorded of content.
    pub(crate) law: Law,
    /// What is known of the lists that are kept up to date.
    pub(crate) updates: Board,
    /// How far the outside witnesses of the log are.
    pub(crate) witnesses: crate::witness::Witnesses,
    /// `Via` on forwarded messages: a name of this process alone, by which it knows a loop.
    pub(crate) via: HeaderValue,
    /// Set when the process begins to drain: nothing new is accepted.
    pub(crate) drain: CancellationToken,
    /// Set when the drain's time is over: tunnels are cut.
    pub(crate) cut: CancellationToken,
    /// What the process's file descriptors allow.
    pub(crate) ceiling: Ceiling,
    taken: Taken,
}

/// One accepted connection's place in the counts; given back on drop.
pub(crate) struct Seat {
    shared: Arc<Shared>,
    address: IpAddr,
}

/// What is put together at the start.
pub(crate) struct Parts {
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) shaper: Arc<Shaper>,
    pub(crate) allowance: Allowance,
    pub(crate) recorder: Recorder,
    pub(crate) verifier: Verifier,
    pub(crate) warnings: Acknowledgements,
    pub(crate) law: Law,
    pub(crate) via: HeaderValue,
    pub(crate) ceiling: Ceiling,
}

impl Shared {
    /// A process that has accepted nothing yet.
    pub(crate) fn new(parts: Parts) -> Arc<Shared> {
        Arc::new(Shared {
            snapshot: parts.snapshot,
            shaper: parts.shaper,
            allowance: parts.allowance,
            recorder: Mutex::new(Some(parts.recorder)),
            verifier: parts.verifier,
            metrics: Metrics::new(),
            events: EventIds::new(),
            warnings: parts.warnings,
            law: parts.law,
            updates: Board::default(),
            witnesses: crate::witness::Witnesses::default(),
            via: parts.via,
            drain: CancellationToken::new(),
            cut: CancellationToken::new(),
            ceiling: parts.ceiling,
            taken: Taken::default(),
        })
    }

    /// A way to the recorder for one thread.
    ///
    /// # Panics
    /// After [`Shared::stop_recording`], which comes last.
    pub(crate) fn lane(&self) -> Lane {
        let recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        recorder
            .as_ref()
            .expect("invariant: lanes are taken before the recorder stops")
            .lane()
    }

    /// How the recorder is; unwell by default once it has stopped.
    pub(crate) fn record_health(&self) -> RecorderHealth {
        let recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        recorder.as_ref().map(Recorder::health).unwrap_or_default()
    }

    /// Has the recorder keep records for as long as these settings say, from its next look on.
    pub(crate) fn retain(&self, records: &weir_config::Records) {
        let recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(recorder) = &*recorder {
            recorder.set_retention(records.retain, records.retain_content);
        }
    }

    /// Writes everything and ends recording.
    ///
    /// # Errors
    /// What could not be written or sealed in time; the next start goes on with it.
    pub(crate) fn stop_recording(&self, deadline: Duration) -> Result<(), StopError> {
        let recorder = self
            .recorder
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        recorder.map_or(Ok(()), |recorder| recorder.stop(deadline))
    }

    /// How many connections there may be under these settings and with the descriptors that
    /// the process has.
    pub(crate) fn seats(&self, bounds: &Bounds) -> Seats {
        Seats::new(
            self.ceiling
                .lowered(bounds.connections, bounds.connections_per_address),
        )
    }

    /// Whether another connection may be accepted at all.
    pub(crate) fn has_room(&self, seats: Seats) -> bool {
        self.taken.has_room(seats)
    }

    /// A place for a connection from `address`, unless its machine has all that it may have.
    pub(crate) fn seat(self: &Arc<Self>, address: IpAddr, seats: Seats) -> Option<Seat> {
        if !self.taken.take(address, seats) {
            self.metrics.shed.inc();
            return None;
        }
        self.metrics.connections.inc();
        self.metrics.accepted.inc();
        Some(Seat {
            shared: Arc::clone(self),
            address,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.taken.give_back(self.address);
        self.shared.metrics.connections.dec();
    }
}
