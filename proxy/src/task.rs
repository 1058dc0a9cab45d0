//! One request or tunnel from its first byte to its record.
//!
//! Decides when a record is written: when the task ends, however it ends (a vanished
//! client drops the task, and the drop writes the row), and as an opening row when it
//! still runs after the configured time, or is blocked or flagged where the school wants those
//! on the disk first (`records.strict`). What a record holds is `weir-monitoring`'s.

use crate::worker::Worker;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};
use weir_monitoring::{End, Kind, Record, Verdict};

/// How long an answer waits for its opening row to be on the disk.
const SECURED_WITHIN: Duration = Duration::from_secs(5);

/// A request or tunnel at work. Its record is written once, when the last owner lets go.
pub(crate) struct Task {
    worker: Rc<Worker>,
    record: RefCell<Record>,
    started: Instant,
    slot: Cell<usize>,
    /// The opening row that was written last.
    opened: Cell<Option<Kind>>,
    /// No row before it is known whether the address may stand in one.
    held: Cell<bool>,
    /// The target is on a mandatory list: no row holds anything of it (LM-28).
    concealed: Cell<bool>,
    end: Cell<Option<End>>,
    up: Cell<u64>,
    down: Cell<u64>,
}

impl Task {
    /// Begins a task with a new event id.
    pub(crate) fn begin(worker: &Rc<Worker>, kind: Kind) -> Rc<Task> {
        let record = Record::new(
            kind,
            worker.shared.events.next(),
            crate::clock::wall_micros(),
        );
        let task = Rc::new(Task {
            worker: Rc::clone(worker),
            record: RefCell::new(record),
            started: Instant::now(),
            slot: Cell::new(usize::MAX),
            opened: Cell::new(None),
            held: Cell::new(false),
            concealed: Cell::new(false),
            end: Cell::new(None),
            up: Cell::new(0),
            down: Cell::new(0),
        });
        let slot = worker.tasks.borrow_mut().insert(Rc::downgrade(&task));
        task.slot.set(slot);
        task
    }

    /// The worker this task runs on.
    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// The event id as pages and fields show it.
    pub(crate) fn event(&self) -> String {
        self.record.borrow().event.to_string()
    }

    /// Changes the record. `change` must not touch the task.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Record)) {
        change(&mut self.record.borrow_mut());
    }

    /// The target is on a mandatory list: whatever was noted of its address, or is noted later, stands in no row (LM-28).
    pub(crate) fn conceal(&self) {
        self.concealed.set(true);
    }

    /// Keeps opening rows waiting while it is not known what the task is about.
    pub(crate) fn hold_opening(&self, held: bool) {
        self.held.set(held);
    }

    /// Says how the task ended. The first to know is right: what follows an end is its echo.
    pub(crate) fn ended(&self, end: End) {
        if self.end.get().is_none() {
            self.end.set(Some(end));
        }
    }

    /// How the task ended, if that is known yet.
    pub(crate) fn end(&self) -> Option<End> {
        self.end.get()
    }

    /// Payload bytes towards the origin so far.
    pub(crate) fn up(&self) -> u64 {
        self.up.get()
    }

    /// Payload bytes towards the client so far.
    pub(crate) fn down(&self) -> u64 {
        self.down.get()
    }

    /// Counts payload bytes towards the origin.
    pub(crate) fn moved_up(&self, bytes: u64) {
        self.up.set(self.up.get() + bytes);
    }

    /// Counts payload bytes towards the client.
    pub(crate) fn moved_down(&self, bytes: u64) {
        self.down.set(self.down.get() + bytes);
    }

    /// Turns the task into a tunnel: writes the opening row now, the closing one at the end.
    pub(crate) fn becomes_tunnel(&self) {
        self.note(|record| record.kind = Kind::TunnelClose);
        self.write_opening(Kind::TunnelOpen);
    }

    /// Writes the opening row of a request that has run for the configured time.
    pub(crate) fn still_running(&self, longer_than: Duration, now: Instant) {
        let due = self.opened.get().is_none()
            && !self.held.get()
            && now.duration_since(self.started) >= longer_than;
        if due && self.record.borrow().kind == Kind::Request {
            self.write_opening(Kind::RequestOpen);
        }
    }

    /// For `records.strict`: waits until an opening row of what is blocked or flagged is on the disk; false when that cannot be
    /// said in time: the answer is not to be given then.
    pub(crate) async fn secured(&self) -> bool {
        if !matches!(self.record.borrow().verdict, Verdict::Block | Verdict::Warn) {
            return true;
        }
        if self.record.borrow().kind == Kind::Request {
            // One that was written while the request ran on knows nothing of what stopped it.
            self.opened.set(None);
            self.write_opening(Kind::RequestOpen);
        }
        let (done, synced) = tokio::sync::oneshot::channel();
        // Nobody may be waiting any more when it is done.
        self.worker.secure(move || {
            let _ = done.send(());
        });
        matches!(
            tokio::time::timeout(SECURED_WITHIN, synced).await,
            Ok(Ok(()))
        )
    }

    fn write_opening(&self, kind: Kind) {
        if self.opened.replace(Some(kind)) == Some(kind) {
            return;
        }
        let mut row = self.record.borrow().clone();
        if self.concealed.get() {
            row.conceal_address();
        }
        row.kind = kind;
        row.end = End::Open;
        row.bytes_up = self.up.get();
        row.bytes_down = self.down.get();
        self.worker.record(row);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let slot = self.slot.get();
        if slot != usize::MAX {
            self.worker.tasks.borrow_mut().try_remove(slot);
        }
        let blank = Record::new(Kind::Request, self.record.get_mut().event, 0);
        let mut row = std::mem::replace(self.record.get_mut(), blank);
        if self.concealed.get() {
            row.conceal_address();
        }
        row.duration = self.started.elapsed().as_micros() as u64;
        row.bytes_up = self.up.get();
        row.bytes_down = self.down.get();
        // Nobody said how it ended: the client's connection was dropped under it.
        row.end = self.end.get().unwrap_or(End::ClientGone);
        self.worker.shared.metrics.task_ended(&row);
        self.worker.record(row);
    }
}
