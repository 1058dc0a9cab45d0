//! The recorder: starts and stops the writer and the keeper over one directory, which it locks.
//!
//! Decides that there is one writer only, and what a start says about the run before it.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::belief::Belief;
use crate::clock::{self, Clock, SystemClock};
use crate::erase::{Done, Request};
use crate::event::EventIds;
use crate::health::RecorderHealth;
use crate::journal::{Create, create_file};
use crate::keeper::{Keeper, Task};
use crate::lane::{Lane, MESSAGES, Message, Shared};
use crate::notes;
use crate::paths::Layout;
use crate::record::Record;
use crate::recovery::{self, Found};
use crate::settings::{RecorderError, RecorderSettings, StopError};
use crate::store::Store;
use crate::writer::{Parts, Writer};

/// Tasks on their way to the keeper; each only says that there is something to look at.
const TASKS: usize = 16;
/// Pause between two looks at whether a row can still be written.
const OWN_PAUSE: Duration = Duration::from_millis(20);
/// How long a recorder that is dropped without [`Recorder::stop`] waits for what is in memory to be written.
const DROP_PATIENCE: Duration = Duration::from_secs(2);

/// Writes the records of one directory, on two threads of its own.
///
/// Dropped without [`Recorder::stop`] it writes what it holds, but no stop row: the next start then records a gap.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
    writer: SyncSender<Message>,
    keeper: SyncSender<Task>,
    flush: Duration,
    /// None once they were told to end.
    threads: Mutex<Option<[JoinHandle<()>; 2]>>,
}

impl Recorder {
    /// Locks the directory (made when missing), looks at what the last run left, and begins to record. The first rows tell of
    /// a crash, if there was one, and of this start. A disk that is full does not prevent a start: [`Recorder::health`]
    /// says so and every second it is tried again.
    ///
    /// # Errors
    /// When the directory is locked by another process, or cannot be made or read, or its key is not there or another one.
    pub fn start(settings: RecorderSettings) -> Result<Recorder, RecorderError> {
        Recorder::start_with(
            settings,
            Box::new(SystemClock::new()),
            Box::new(create_file),
        )
    }

    pub(crate) fn start_with(
        settings: RecorderSettings,
        clock: Box<dyn Clock>,
        create: Create,
    ) -> Result<Recorder, RecorderError> {
        settings.check()?;
        let layout = Layout::new(&settings.directory);
        let lock = Arc::new(lock(&layout)?);
        let store = Store::create(&settings.directory, &settings.kek, &settings.tenant)?;
        let found = recovery::look(&store, &settings.node)
            .map_err(|error| file_error(layout.root(), error))?;
        let ids = Arc::new(EventIds::new());
        let belief = Belief::of_row(settings.settle, found.latest);
        let opening = opening_rows(&ids, clock.wall(), &found, &belief);
        let shared = Arc::new(Shared::new(settings.queue, belief));
        shared.set_retention(settings.retain, settings.retain_content);
        found
            .journals
            .into_iter()
            .for_each(|journal| shared.add_complete(journal, None));
        let (writer, inbox) = sync_channel(MESSAGES);
        let (keeper, tasks) = sync_channel(TASKS);
        let flush = settings.flush;
        let keeping = Keeper {
            store: store.clone(),
            shared: Arc::clone(&shared),
            tasks,
            writer: writer.clone(),
            ids: Arc::clone(&ids),
            node: settings.node.clone(),
            began: (Instant::now(), clock::now()),
        };
        let parts = Parts {
            store,
            shared: Arc::clone(&shared),
            inbox,
            keeper: keeper.clone(),
            clock,
            create,
            ids,
            next: found.next,
            opening,
        };
        let writing = Writer::new(settings, parts);
        let threads = [
            spawn("records", &lock, move || writing.run())
                .map_err(|error| file_error(layout.root(), error))?,
            spawn("record-keeper", &lock, move || keeping.run())
                .map_err(|error| file_error(layout.root(), error))?,
        ];
        Ok(Recorder {
            shared,
            writer,
            keeper,
            flush,
            threads: Mutex::new(Some(threads)),
        })
    }

    /// A way in for one thread.
    pub fn lane(&self) -> Lane {
        Lane::new(Arc::clone(&self.shared), self.writer.clone())
    }

    /// How often each thread is to call [`Lane::flush`].
    pub fn flush_interval(&self) -> Duration {
        self.flush
    }

    /// Has records, and content of theirs, kept for so long from the next hourly look on. Takes effect at once for
    /// [`Recorder::retain`].
    pub fn set_retention(&self, retain: Duration, retain_content: Duration) {
        self.shared.set_retention(retain, retain_content);
    }

    /// How the recorder is.
    pub fn health(&self) -> RecorderHealth {
        self.shared.health()
    }

    /// Whether records reach the disk at present: for a proxy that refuses traffic while they do not. One atomic load.
    pub fn is_writable(&self) -> bool {
        self.shared.writable.load(Ordering::Relaxed)
    }

    /// Writes a row about the records themselves; true once it is synced, false when that is not so by the deadline or cannot
    /// be at present.
    pub(crate) fn write_own(&self, row: Record, deadline: Duration) -> bool {
        let (done, answer) = sync_channel(1);
        let until = Instant::now() + deadline;
        if self
            .writer
            .try_send(Message::Own(Box::new(row), done))
            .is_err()
        {
            return false;
        }
        loop {
            match answer.recv_timeout(OWN_PAUSE) {
                Ok(()) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if !self.is_writable() || Instant::now() >= until {
                return false;
            }
        }
    }

    /// Removes what retention has made due, which otherwise happens every hour; false when that is not done by the deadline.
    pub fn retain(&self, deadline: Duration) -> bool {
        let (done, answer) = sync_channel(1);
        self.keeper.try_send(Task::Retain(done)).is_ok() && answer.recv_timeout(deadline).is_ok()
    }

    /// Holds, releases or erases rows; waits until it is done.
    ///
    /// # Errors
    /// In words, when it is refused, cannot be done, or is not done by the deadline.
    pub fn serve(&self, request: &Request, deadline: Duration) -> Result<Done, String> {
        let (done, answer) = sync_channel(1);
        let task = Task::Serve(Box::new(request.clone()), done);
        let is_asked = self.keeper.try_send(task).is_ok();
        let answer = is_asked
            .then(|| answer.recv_timeout(deadline).ok())
            .flatten();
        answer.unwrap_or_else(|| {
            Err("it was not done in time; the next start finishes what was begun".to_owned())
        })
    }

    /// Writes everything that lanes have handed over, then a stop row, seals, and unlocks the directory. Lanes are to be
    /// dropped or flushed before; what they push later is dropped and counted. A second call does nothing.
    ///
    /// # Errors
    /// When `deadline` passes, or the disk did not take everything. Nothing that was synced is lost then; the next start
    /// records a gap or goes on sealing.
    pub fn stop(&self, deadline: Duration) -> Result<(), StopError> {
        self.end(true, deadline)
    }

    fn end(&self, in_order: bool, deadline: Duration) -> Result<(), StopError> {
        let Some(threads) = self
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        else {
            return Ok(());
        };
        let is_kept = ask(&self.writer, in_order, Instant::now() + deadline)?;
        for thread in threads {
            // Both have answered and are about to return; a panic of theirs shows as an unwritten stop.
            let _ = thread.join();
        }
        if is_kept {
            return Ok(());
        }
        Err(StopError::Unwritten(
            self.shared.health().last_error.unwrap_or_default(),
        ))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // There is nobody to tell; the next start does.
        let _ = self.end(false, DROP_PATIENCE);
    }
}

/// Tells the writer, and through it the keeper, to end; false when not everything was written and sealed.
fn ask(writer: &SyncSender<Message>, in_order: bool, until: Instant) -> Result<bool, StopError> {
    let (done, answer) = sync_channel(1);
    let mut question = Message::End { in_order, done };
    loop {
        match writer.try_send(question) {
            Ok(()) => break,
            Err(TrySendError::Disconnected(_)) => return Ok(false),
            Err(TrySendError::Full(_)) if Instant::now() >= until => {
                return Err(StopError::Deadline);
            }
            Err(TrySendError::Full(back)) => question = back,
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    match answer.recv_timeout(until.saturating_duration_since(Instant::now())) {
        Ok(answer) => Ok(answer),
        Err(RecvTimeoutError::Timeout) => Err(StopError::Deadline),
        Err(RecvTimeoutError::Disconnected) => Ok(false),
    }
}

/// Starts a thread that holds the lock as long as it runs.
fn spawn(
    name: &str,
    lock: &Arc<File>,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let lock = Arc::clone(lock);
    Builder::new().name(name.to_owned()).spawn(move || {
        run();
        drop(lock);
    })
}

pub(crate) fn lock(layout: &Layout) -> Result<File, RecorderError> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    for directory in [
        layout.root().to_owned(),
        layout.journals(),
        layout.segments(),
    ] {
        let made = DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(&directory);
        made.map_err(|error| file_error(&directory, error))?;
    }
    let path = layout.lock();
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path);
    let file = file.map_err(|error| file_error(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RecorderError::Locked {
            directory: layout.root().to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(file_error(&path, error)),
    }
}

fn file_error(path: &Path, error: io::Error) -> RecorderError {
    RecorderError::File {
        path: path.to_owned(),
        error,
    }
}

fn opening_rows(ids: &EventIds, now: i64, found: &Found, belief: &Belief) -> Vec<Record> {
    let mut rows: Vec<Record> = found
        .crashes
        .iter()
        .map(|crash| notes::crash(ids, now, crash))
        .collect();
    if found.latest > now.saturating_add(2_000_000) {
        rows.push(notes::clock_behind(ids, now, found.latest));
    }
    rows.extend(
        belief
            .doubt(now)
            .map(|why| notes::clock_ahead(ids, now, why)),
    );
    rows.push(notes::start(ids, now));
    rows
}
