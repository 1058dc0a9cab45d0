//! One worker thread: a current-thread runtime, its own listening sockets, and everything
//! that its connections share without a lock.
//!
//! Decides nothing; it is the room in which connections live.

use crate::deadline::{SWEEP, Sweep};
use crate::pool::Pool;
use crate::resolve::Names;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::task::Task;
use crate::tunnel::SHARED_BUFFER;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use weir_monitoring::{Lane, Record};
use weir_policy::PeriodSet;

/// What the connections of one thread share.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sweep: Sweep,
    pub(crate) names: Names,
    pub(crate) pool: Pool,
    /// Requests and tunnels at work, for opening rows.
    pub(crate) tasks: RefCell<Slab<Weak<Task>>>,
    /// The buffer through which all tunnels of the thread are relayed.
    pub(crate) buffer: RefCell<Vec<u8>>,
    /// Connections of this thread that are open.
    pub(crate) open: Cell<usize>,
    /// Origin connections of this thread that belong to a client.
    pub(crate) bound: Cell<usize>,
    lane: RefCell<Lane>,
    periods: Cell<Option<Holding>>,
    snapshot: RefCell<arc_swap::Cache<Arc<arc_swap::ArcSwap<Snapshot>>, Arc<Snapshot>>>,
}

/// The periods of one policy that hold in one second.
#[derive(Clone, Copy)]
struct Holding {
    policy: *const weir_policy::Policy,
    second: u64,
    periods: PeriodSet,
}

impl Worker {
    /// A worker for the calling thread.
    pub(crate) fn new(shared: &Arc<Shared>, names: Names) -> Rc<Worker> {
        let origin = &shared.snapshot.load().settings.origin;
        Rc::new(Worker {
            shared: Arc::clone(shared),
            sweep: Sweep::new(),
            names,
            pool: Pool::new(
                shared.ceiling.idle,
                origin.idle_per_host,
                origin.idle_timeout,
            ),
            tasks: RefCell::new(Slab::new()),
            buffer: RefCell::new(vec![0; SHARED_BUFFER]),
            open: Cell::new(0),
            bound: Cell::new(0),
            lane: RefCell::new(shared.lane()),
            periods: Cell::new(None),
            snapshot: RefCell::new(arc_swap::Cache::new(Arc::clone(&shared.snapshot))),
        })
    }

    /// The snapshot in force. A request asks once and keeps the answer.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(self.snapshot.borrow_mut().load())
    }

    /// The periods in force now, worked out once a second.
    pub(crate) fn periods(&self, snapshot: &Snapshot) -> PeriodSet {
        let second = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let policy: *const weir_policy::Policy = &snapshot.policy;
        match self.periods.get() {
            Some(known) if known.second == second && std::ptr::eq(known.policy, policy) => {
                known.periods
            }
            _ => {
                let periods = snapshot.policy.periods(jiff::Timestamp::now());
                self.periods.set(Some(Holding {
                    policy,
                    second,
                    periods,
                }));
                periods
            }
        }
    }

    /// Hands a row to the recorder: into this thread's batch, without a wake-up.
    pub(crate) fn record(&self, row: Record) {
        self.lane.borrow_mut().push(row);
    }

    /// Hands this thread's rows over and has `done` called once they are on the disk; dropped without a call when that will not be.
    pub(crate) fn secure(&self, done: impl FnOnce() + Send + 'static) {
        self.lane.borrow_mut().secure(done);
    }

    /// Whether records can be written at present.
    pub(crate) fn can_record(&self) -> bool {
        self.lane.borrow().is_writable()
    }

    /// The thread's periodic work: deadlines, idle origin connections, opening rows, and
    /// the hand-over of records. Ends only with the thread.
    pub(crate) async fn housekeeping(self: Rc<Self>, flush: Duration) {
        let mut records = tokio::time::interval(flush);
        let mut sweep = tokio::time::interval(SWEEP);
        records.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = records.tick() => self.lane.borrow_mut().flush(),
                _ = sweep.tick() => self.tick(),
            }
        }
    }

    /// Hands over what is left at the end of the thread.
    pub(crate) fn flush(&self) {
        self.lane.borrow_mut().flush();
    }

    fn tick(&self) {
        let now = Instant::now();
        self.sweep.tick(now);
        self.pool.expire(now);
        let longer_than = self.snapshot().settings.records.long_request;
        // Collected first: writing a row must not run while the slab is borrowed.
        let live: Vec<Rc<Task>> = self
            .tasks
            .borrow()
            .iter()
            .filter_map(|(_, task)| task.upgrade())
            .collect();
        for task in live {
            task.still_running(longer_than, now);
        }
    }
}
