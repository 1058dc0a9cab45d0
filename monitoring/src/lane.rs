//! Lanes: how the threads that carry traffic hand records over, without ever waiting for a disk.
//!
//! Decides what is admitted: as many records as the queue is wide; the newest beyond that are dropped and counted (LM-33).
//! What happens to admitted records is the writer's business.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use weir_evidence::{Retention, SealedFile};

use crate::belief::Belief;
use crate::health::RecorderHealth;
use crate::proof::sidecar::Gathered;
use crate::record::Record;
use crate::settings;

/// A lane hands its records over by itself when it holds this many.
const FULL: usize = 1024;
/// Messages on their way to the writer. Each holds a flush of one lane at least, so a writer that a disk holds up for seconds
/// meets the bound of the queue first.
pub(crate) const MESSAGES: usize = 4096;
/// Emptied vectors kept for the lanes: at most about 8 MB.
const SPARE: usize = 16;

/// Called once what came before it is synced; dropped without a call when that cannot be said.
pub(crate) type Done = Box<dyn FnOnce() + Send>;

/// What the writer is told.
pub(crate) enum Message {
    /// Records of a lane, already admitted.
    Rows(Vec<Record>),
    /// A row about the records themselves; never refused. Answered once it is synced.
    Own(Box<Record>, SyncSender<()>),
    /// Sync everything that came before, at once.
    Sync(Done),
    /// Let the journal that is being written be sealed; answered when it waits for that.
    Exchange(SyncSender<()>),
    /// Write what there is and end; with a stop row when in good order.
    End {
        in_order: bool,
        done: SyncSender<bool>,
    },
}

/// Records that were dropped since a row last told of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dropped {
    pub(crate) count: u64,
    /// Earliest and latest begin among them, µs since the epoch.
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// A journal that takes nothing more and is to be sealed.
#[derive(Clone, Debug)]
pub(crate) struct Complete {
    pub(crate) journal: PathBuf,
    /// What the writer gathered of its rows, when it still has that.
    pub(crate) gathered: Option<Arc<Gathered>>,
}

/// What lanes, writer and console share.
#[derive(Debug)]
pub(crate) struct Shared {
    limit: usize,
    /// Admitted and not yet handed to the kernel.
    queued: AtomicUsize,
    dropped: AtomicU64,
    pub(crate) writable: AtomicBool,
    /// Whether the log has been opened. Until then journals stay as they are: opening reads them.
    pub(crate) log_is_open: AtomicBool,
    /// Whether a signed checkpoint says how long records are kept: before that nothing is removed that was to be kept longer.
    pub(crate) is_promised: AtomicBool,
    /// Whether the writer has ended: it will neither answer nor sign any more.
    pub(crate) has_ended: AtomicBool,
    /// Whether the clock is believed when it says that the time of records is over.
    belief: Mutex<Belief>,
    untold: Mutex<Dropped>,
    complete: Mutex<Vec<Complete>>,
    sealed: Mutex<Vec<SealedFile>>,
    removed: Mutex<Vec<String>>,
    /// Whether something is to be named that no signed checkpoint names yet.
    unsigned: AtomicBool,
    spare: Mutex<Vec<Vec<Record>>>,
    health: Mutex<RecorderHealth>,
    /// How long records are kept, and content of theirs.
    retention: Mutex<(Duration, Duration)>,
}

impl Shared {
    pub(crate) fn new(limit: usize, belief: Belief) -> Shared {
        Shared {
            limit,
            queued: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            writable: AtomicBool::new(true),
            log_is_open: AtomicBool::new(false),
            is_promised: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            belief: Mutex::new(belief),
            untold: Mutex::default(),
            complete: Mutex::default(),
            sealed: Mutex::default(),
            removed: Mutex::default(),
            unsigned: AtomicBool::new(false),
            spare: Mutex::default(),
            health: Mutex::default(),
            retention: Mutex::new((Duration::MAX, Duration::MAX)),
        }
    }

    /// From the next look on periods go by these, and from the next checkpoint on the log says so.
    pub(crate) fn set_retention(&self, retain: Duration, retain_content: Duration) {
        let mut retention = locked(&self.retention);
        if *retention != (retain, retain_content) {
            *retention = (retain, retain_content);
            self.is_promised.store(false, Ordering::Release);
        }
    }

    /// A signed checkpoint says that records are kept for so long.
    pub(crate) fn note_promised(&self, promised: Option<Retention>) {
        let retention = locked(&self.retention);
        let is_promised = promised == Some(settings::retention(*retention));
        self.is_promised.store(is_promised, Ordering::Release);
    }

    /// How long records are kept, and content of theirs, when a signed checkpoint says so.
    pub(crate) fn promised(&self) -> Option<(Duration, Duration)> {
        let retention = locked(&self.retention);
        self.is_promised
            .load(Ordering::Acquire)
            .then_some(*retention)
    }

    /// How long records are kept, and content of theirs.
    pub(crate) fn retention(&self) -> (Duration, Duration) {
        *locked(&self.retention)
    }

    /// What is believed of the clock.
    pub(crate) fn belief(&self) -> Belief {
        locked(&self.belief).clone()
    }

    pub(crate) fn believe(&self, belief: Belief) {
        *locked(&self.belief) = belief;
    }

    /// How many of `count` records may enter the queue.
    fn admit(&self, count: usize) -> usize {
        let before = self.queued.fetch_add(count, Ordering::Relaxed);
        let admitted = self.limit.saturating_sub(before).min(count);
        self.queued.fetch_sub(count - admitted, Ordering::Relaxed);
        admitted
    }

    /// `count` admitted records are no longer in memory.
    pub(crate) fn release(&self, count: usize) {
        self.queued.fetch_sub(count, Ordering::Relaxed);
    }

    /// Counts records that will never be written. Only on this path is a lock waited for, and it is held for a few
    /// instructions, never across a system call.
    pub(crate) fn drop_rows(&self, rows: &[Record]) {
        let (Some(first), Some(last)) = (
            rows.iter().map(|row| row.time).min(),
            rows.iter().map(|row| row.time).max(),
        ) else {
            return;
        };
        let count = rows.len() as u64;
        self.dropped.fetch_add(count, Ordering::Relaxed);
        let mut untold = locked(&self.untold);
        *untold = match untold.count {
            0 => Dropped { count, first, last },
            before => Dropped {
                count: before + count,
                first: untold.first.min(first),
                last: untold.last.max(last),
            },
        };
    }

    /// What was dropped and not told yet; told from now on.
    pub(crate) fn take_dropped(&self) -> Dropped {
        std::mem::take(&mut *locked(&self.untold))
    }

    /// A journal that takes nothing more and is to be sealed.
    pub(crate) fn add_complete(&self, journal: PathBuf, gathered: Option<Gathered>) {
        let gathered = gathered.map(Arc::new);
        locked(&self.complete).push(Complete { journal, gathered });
    }

    /// Journals that are to be sealed, oldest first.
    pub(crate) fn complete(&self) -> Vec<Complete> {
        locked(&self.complete).clone()
    }

    /// This journal is sealed.
    pub(crate) fn remove_complete(&self, journal: &Path) {
        locked(&self.complete).retain(|waiting| waiting.journal != journal);
    }

    /// A segment that the next checkpoint is to name.
    pub(crate) fn add_sealed(&self, sealed: SealedFile) {
        let mut all = locked(&self.sealed);
        self.unsigned.store(true, Ordering::SeqCst);
        // What was named once more before it was signed has one digest, the newest.
        all.retain(|other| other.path != sealed.path);
        all.push(sealed);
    }

    /// A period whose removal the next checkpoint is to name.
    pub(crate) fn add_removed(&self, period: String) {
        let mut all = locked(&self.removed);
        self.unsigned.store(true, Ordering::SeqCst);
        all.push(period);
    }

    /// The same of a period that goes as a whole: what of it was to be named is gone with it. A segment that is named in the
    /// checkpoint that names its period, or a later one, is one that a hold left there.
    pub(crate) fn add_removed_whole(&self, period: String) {
        let mut all = locked(&self.sealed);
        all.retain(|sealed| sealed.path.split('/').next() != Some(period.as_str()));
        drop(all);
        self.add_removed(period);
    }

    /// A checkpoint was signed that names what was taken before.
    pub(crate) fn note_signed(&self) {
        let (sealed, removed) = (locked(&self.sealed), locked(&self.removed));
        if sealed.is_empty() && removed.is_empty() {
            self.unsigned.store(false, Ordering::SeqCst);
        }
    }

    /// Whether something is named by no signed checkpoint yet.
    pub(crate) fn is_unsigned(&self) -> bool {
        self.unsigned.load(Ordering::SeqCst)
    }

    /// Whether there is something for a checkpoint to name.
    pub(crate) fn has_unnamed(&self) -> bool {
        !locked(&self.sealed).is_empty() || !locked(&self.removed).is_empty()
    }

    pub(crate) fn take_sealed(&self) -> Vec<SealedFile> {
        std::mem::take(&mut *locked(&self.sealed))
    }

    pub(crate) fn take_removed(&self) -> Vec<String> {
        std::mem::take(&mut *locked(&self.removed))
    }

    pub(crate) fn recycle(&self, mut rows: Vec<Record>) {
        rows.clear();
        let mut spare = locked(&self.spare);
        if spare.len() < SPARE {
            spare.push(rows);
        }
    }

    /// An empty vector, one used before if at hand; never waits.
    fn spare(&self) -> Vec<Record> {
        let used = self.spare.try_lock().ok().and_then(|mut spare| spare.pop());
        used.unwrap_or_else(|| Vec::with_capacity(FULL))
    }

    pub(crate) fn health(&self) -> RecorderHealth {
        let mut health = locked(&self.health).clone();
        health.writable = self.writable.load(Ordering::Relaxed);
        health.dropped = self.dropped.load(Ordering::Relaxed);
        health.queued = self.queued.load(Ordering::Relaxed);
        health.unsealed = locked(&self.complete).len();
        health
    }

    pub(crate) fn update_health(&self, change: impl FnOnce(&mut RecorderHealth)) {
        change(&mut locked(&self.health));
    }
}

/// The data behind a lock is whole after every statement, so a panic elsewhere does not spoil it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One thread's way to the recorder. Cheap to push to; made by [`crate::Recorder::lane`], one for each worker thread.
///
/// Dropping it hands over what it still holds.
#[derive(Debug)]
pub struct Lane {
    shared: Arc<Shared>,
    writer: SyncSender<Message>,
    rows: Vec<Record>,
    /// The row that was pushed last was dropped at once.
    is_cut: bool,
}

impl Lane {
    pub(crate) fn new(shared: Arc<Shared>, writer: SyncSender<Message>) -> Lane {
        Lane {
            shared,
            writer,
            rows: Vec::new(),
            is_cut: false,
        }
    }

    /// Takes a record: a copy into a vector of this thread. Hands all over when 1,024 are held.
    pub fn push(&mut self, record: Record) {
        self.rows.push(record);
        self.is_cut = self.rows.len() >= FULL && !self.hand_over();
    }

    /// Hands over what is held. To be called by each thread every [`crate::RecorderSettings::flush`]; does nothing when
    /// nothing is held. Never waits: what the queue cannot take is dropped and counted.
    pub fn flush(&mut self) {
        if !self.rows.is_empty() {
            self.hand_over();
        }
    }

    /// Whether records can be written at present: for a proxy that refuses traffic while they cannot.
    pub fn is_writable(&self) -> bool {
        self.shared.writable.load(Ordering::Relaxed)
    }

    /// Hands over what is held and has `done` called once it is on the disk, for which a sync is made at once; rows of other
    /// threads that wait at that time share it. `done` is dropped without a call when that will not be: a row was dropped, or
    /// the disk takes nothing. Never waits itself.
    pub fn secure(&mut self, done: impl FnOnce() + Send + 'static) {
        if self.is_writable() && !self.is_cut && (self.rows.is_empty() || self.hand_over()) {
            // Dropped with the message when the writer is full or gone.
            let _ = self.writer.try_send(Message::Sync(Box::new(done)));
        }
    }

    /// Whether all of it went to the writer.
    fn hand_over(&mut self) -> bool {
        let held = self.rows.len();
        let admitted = self.shared.admit(held);
        self.shared
            .drop_rows(self.rows.get(admitted..).unwrap_or_default());
        self.rows.truncate(admitted);
        if self.rows.is_empty() {
            return false;
        }
        let rows = std::mem::replace(&mut self.rows, self.shared.spare());
        if let Err(
            TrySendError::Full(Message::Rows(rows))
            | TrySendError::Disconnected(Message::Rows(rows)),
        ) = self.writer.try_send(Message::Rows(rows))
        {
            self.shared.release(rows.len());
            self.shared.drop_rows(&rows);
            return false;
        }
        admitted == held
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.flush();
    }
}
