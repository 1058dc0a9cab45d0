//! The writer: one thread that numbers rows, puts them into the journal, syncs it and exchanges it for a new one.
//!
//! Decides order and number of rows, when they are durable, and what becomes of them while the disk takes nothing: they wait in
//! memory as far as the queue goes, an attempt is made every second on a new file, and a gap row tells of it afterwards
//! (LM-33, threats §6). Sealing and retention are the keeper's.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use crate::clock::{Clock, StepWatch};
use crate::event::EventIds;
use crate::journal::{AppendError, Create, Journal};
use crate::keeper::Task;
use crate::lane::{Done, Message, Shared};
use crate::notes;
use crate::open::OpenEvents;
use crate::paths::{FileName, Period};
use crate::proof::chain::Chain;
use crate::proof::sidecar;
use crate::record::{Record, Rows};
use crate::settings::RecorderSettings;
use crate::store::Store;
use crate::trouble::{Doing, Trouble};

mod asks;
mod checkpoints;
mod ending;
mod exchange;

use asks::Asks;
use checkpoints::Due;

/// Rows are gathered up to about this many for one batch: smaller batches cost more a row, larger ones nothing less.
const BATCH: usize = 3072;
/// Pause between two attempts to write.
const PAUSE: Duration = Duration::from_secs(1);

/// Rows in memory, in the order in which they will be numbered.
struct Held {
    rows: Vec<Record>,
    /// Whether they count against the queue.
    admitted: bool,
    /// Answered once they are synced.
    done: Vec<Done>,
}

pub(crate) struct Writer {
    settings: RecorderSettings,
    store: Store,
    shared: Arc<Shared>,
    inbox: Receiver<Message>,
    keeper: SyncSender<Task>,
    clock: Box<dyn Clock>,
    create: Create,
    watch: StepWatch,
    ids: Arc<EventIds>,
    next: u64,
    synced: u64,
    open: OpenEvents,
    held: VecDeque<Held>,
    rows: Rows,
    journal: Option<Journal>,
    /// The log over the rows; None until the disk has let it be opened.
    chain: Option<Chain>,
    due: Due,
    /// When the first row of the journal was written, and on which day.
    began: Option<(Duration, Period)>,
    /// When the first row that is not synced was written.
    dirty: Option<Duration>,
    unanswered: Vec<Done>,
    /// Somebody waits for a sync.
    is_urgent: bool,
    asks: Asks,
    trouble: Option<Trouble>,
    told: Duration,
    /// Who waits for the journal to be exchanged.
    exchange_asked: Vec<SyncSender<()>>,
    end: Option<(bool, SyncSender<bool>)>,
}

/// What a writer is made of, beside its settings.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) shared: Arc<Shared>,
    pub(crate) inbox: Receiver<Message>,
    pub(crate) keeper: SyncSender<Task>,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) create: Create,
    pub(crate) ids: Arc<EventIds>,
    /// Number of the first row.
    pub(crate) next: u64,
    /// The first rows: what the start found, and the start itself.
    pub(crate) opening: Vec<Record>,
}

impl Writer {
    pub(crate) fn new(settings: RecorderSettings, parts: Parts) -> Writer {
        let Parts {
            store,
            shared,
            inbox,
            keeper,
            clock,
            create,
            ids,
            next,
            opening,
        } = parts;
        let opening = Held {
            rows: opening,
            admitted: false,
            done: Vec::new(),
        };
        Writer {
            store,
            settings,
            shared,
            inbox,
            keeper,
            watch: StepWatch::new(&*clock),
            clock,
            create,
            ids,
            next,
            synced: next.saturating_sub(1),
            open: OpenEvents::default(),
            held: VecDeque::from([opening]),
            rows: Rows::default(),
            journal: None,
            chain: None,
            due: Due::default(),
            began: None,
            dirty: None,
            unanswered: Vec::new(),
            is_urgent: false,
            asks: Asks::default(),
            trouble: None,
            told: Duration::ZERO,
            exchange_asked: Vec::new(),
            end: None,
        }
    }

    /// Runs until it is told to end.
    pub(crate) fn run(mut self) {
        self.turn();
        while self.end.is_none() {
            self.receive();
            self.turn();
        }
        self.finish();
    }

    fn receive(&mut self) {
        match self.inbox.recv_timeout(self.patience()) {
            Ok(message) => self.take(message),
            Err(RecvTimeoutError::Timeout) => return,
            Err(RecvTimeoutError::Disconnected) => {
                self.end = Some((false, std::sync::mpsc::sync_channel(1).0));
                return;
            }
        }
        // Lanes tend to flush together; one batch of all of them is cheaper than one each.
        let mut gathered = 0;
        while gathered < BATCH && self.end.is_none() {
            let Ok(message) = self.inbox.try_recv() else {
                return;
            };
            gathered += if let Message::Rows(rows) = &message {
                rows.len()
            } else {
                1
            };
            self.take(message);
        }
    }

    fn patience(&self) -> Duration {
        let now = self.clock.steady();
        let retry = self.trouble.as_ref().map(|trouble| trouble.retry);
        if retry.is_none() && !self.held.is_empty() {
            return Duration::ZERO;
        }
        let sync = self.dirty.map(|since| since + self.settings.sync);
        [retry, sync]
            .into_iter()
            .flatten()
            .map(|due| due.saturating_sub(now))
            .fold(asks::PAUSE, Duration::min)
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Rows(rows) => self.held.push_back(Held {
                rows,
                admitted: true,
                done: Vec::new(),
            }),
            Message::Own(row, done) => {
                self.hold_own(*row, Some(told(done)));
            }
            Message::Sync(done) => self.answer_soon(done),
            Message::Exchange(done) => self.exchange_asked.push(done),
            Message::End { in_order, done } => self.end = Some((in_order, done)),
        }
    }

    fn hold_own(&mut self, row: Record, done: Option<Done>) {
        self.held.push_back(Held {
            rows: vec![row],
            admitted: false,
            done: Vec::from_iter(done),
        });
    }

    /// `done` is called by the sync that follows the last row that is held now; at once when all is synced.
    fn answer_soon(&mut self, done: Done) {
        match self.held.back_mut() {
            Some(last) => last.done.push(done),
            None if self.dirty.is_some() => self.unanswered.push(done),
            None if self.trouble.is_none() => return done(),
            None => return,
        }
        self.is_urgent = true;
    }

    /// Everything that is due now.
    fn turn(&mut self) {
        let now = self.clock.steady();
        if let Some(step) = self.watch.step(&*self.clock) {
            self.hold_own(notes::clock_step(&self.ids, self.clock.wall(), step), None);
        }
        self.take_asks();
        if self
            .trouble
            .as_ref()
            .is_none_or(|trouble| trouble.retry <= now)
        {
            self.write_held();
        }
        self.answer_asks();
        if self
            .dirty
            .is_some_and(|since| self.is_urgent || since + self.settings.sync <= now)
        {
            self.sync();
        }
        if self.trouble.is_none() && self.told + PAUSE <= now {
            self.tell_dropped(now);
        }
        self.exchange_when_due();
        self.checkpoint_when_due();
        self.report();
    }

    fn write_held(&mut self) {
        loop {
            // Before the rows and not after, so that the first rows of a day do not take the last journal of the day before
            // with them into their period.
            if self.is_exchange_due() {
                self.exchange();
            }
            if let Err(error) = self.ensure_journal() {
                return self.fail(Doing::Create, &error);
            }
            if self.held.is_empty() {
                match self.trouble.take() {
                    Some(trouble) => self.recover(&trouble),
                    None => return,
                }
            }
            if let Err(error) = self.write_batch() {
                return self.fail(Doing::Write, &error);
            }
        }
    }

    fn ensure_journal(&mut self) -> io::Result<()> {
        if self.journal.is_none() {
            self.ensure_chain()?;
            let name = FileName {
                node: self.settings.node.clone(),
                first: self.next,
                last: None,
            };
            let now = self.clock.wall();
            let path = self.store.layout().journals().join(name.to_string());
            let key = self.store.make_journal_key(&path)?;
            if let Some(chain) = &mut self.chain {
                chain.begin_journal(&name, &key)?;
            }
            self.journal = Some(Journal::create(
                (path, key),
                &self.create,
                name,
                now,
                &self.open,
            )?);
            self.began = None;
        }
        Ok(())
    }

    /// Writes the first held rows as one batch.
    fn write_batch(&mut self) -> io::Result<()> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        let mut vectors = 0;
        for held in &self.held {
            if self.rows.count() >= BATCH {
                break;
            }
            for row in &held.rows {
                self.rows.append(
                    self.next + self.rows.count() as u64,
                    &self.settings.node,
                    row,
                );
            }
            vectors += 1;
        }
        let batch = self
            .rows
            .finish()
            .map_err(|error| AppendError::Batch(error.to_string()));
        let appended = batch.and_then(|batch| journal.append(&batch).map(|()| batch));
        match appended {
            Ok(batch) => {
                // Only what the journal has taken may be in the log.
                self.chain.iter_mut().for_each(|chain| chain.append(&batch));
                self.commit(vectors);
            }
            Err(AppendError::File(error)) => return Err(error),
            Err(AppendError::Batch(error)) => self.discard(vectors, error),
        }
        Ok(())
    }

    /// The first held vectors are in the journal.
    fn commit(&mut self, vectors: usize) {
        let now = self.clock.steady();
        self.dirty.get_or_insert(now);
        let wall = self.clock.wall();
        self.began.get_or_insert_with(|| (now, Period::of(wall)));
        for held in self.held.drain(..vectors) {
            for row in &held.rows {
                self.open.follow(row.kind, row.event, row.time, self.next);
                self.next += 1;
            }
            if held.admitted {
                self.shared.release(held.rows.len());
            }
            self.unanswered.extend(held.done);
            self.shared.recycle(held.rows);
        }
    }

    /// The first held vectors cannot be encoded: they would stop everything behind them for ever.
    fn discard(&mut self, vectors: usize, error: String) {
        for held in self.held.drain(..vectors) {
            self.shared.drop_rows(&held.rows);
            if held.admitted {
                self.shared.release(held.rows.len());
            }
        }
        self.shared
            .update_health(|health| health.last_error = Some(error));
    }

    fn sync(&mut self) {
        let Some(journal) = &mut self.journal else {
            self.dirty = None;
            return;
        };
        match journal.sync() {
            Ok(()) => {
                self.dirty = None;
                self.synced = self.next - 1;
                self.is_urgent = false;
                self.unanswered.drain(..).for_each(|done| done());
            }
            Err(error) => self.fail(Doing::Sync, &error),
        }
    }

    /// The journal failed: it takes nothing more, and what it holds is sealed as far as it can be read.
    fn fail(&mut self, doing: Doing, error: &io::Error) {
        let error = format!("cannot {}: {error}", doing.words());
        let mut unsure = None;
        if let Some(mut journal) = self.journal.take() {
            if journal.rows() == 0 {
                // Nothing was in it; the next attempt would use its name again.
                let _ = std::fs::remove_file(journal.path());
                let _ = sidecar::remove_beside(journal.path());
            } else {
                if doing != Doing::Sync && journal.sync().is_ok() {
                    self.synced = self.next - 1;
                } else if self.dirty.is_some() {
                    unsure = Some((self.synced + 1, self.next - 1));
                    self.chain.iter_mut().for_each(Chain::doubt);
                }
                let gathered = self.chain.as_mut().map(Chain::take_gathered);
                self.give_to_keeper(&journal, gathered);
            }
        }
        self.dirty = None;
        self.unanswered.clear();
        self.shared.writable.store(false, Ordering::Relaxed);
        let retry = self.clock.steady() + PAUSE;
        let since = self.clock.wall();
        let trouble = self.trouble.get_or_insert(Trouble {
            since,
            error: String::new(),
            unsure: None,
            retry,
        });
        trouble.retry = retry;
        trouble.unsure = trouble.unsure.or(unsure);
        trouble.error.clone_from(&error);
        let since = trouble.since;
        self.shared.update_health(|health| {
            health.last_error = Some(error);
            health.since = Some(since);
        });
    }

    /// Writing works again: one row tells what happened in between.
    fn recover(&mut self, trouble: &Trouble) {
        let dropped = self.shared.take_dropped();
        self.hold_own(
            notes::unwritable(&self.ids, self.clock.wall(), trouble, dropped),
            None,
        );
        self.shared.writable.store(true, Ordering::Relaxed);
        self.shared.update_health(|health| health.since = None);
    }

    fn tell_dropped(&mut self, now: Duration) {
        let dropped = self.shared.take_dropped();
        if dropped.count > 0 {
            self.told = now;
            self.hold_own(notes::overrun(&self.ids, self.clock.wall(), dropped), None);
        }
    }

    fn report(&self) {
        let (rows, bytes) = self
            .journal
            .as_ref()
            .map_or((0, 0), |journal| (journal.rows(), journal.bytes()));
        self.shared.update_health(|health| {
            health.written = self.next - 1;
            health.synced = self.synced;
            health.journal_rows = rows;
            health.journal_bytes = bytes;
        });
    }
}

/// Tells whoever asked, who may have stopped waiting.
fn told(done: SyncSender<()>) -> Done {
    Box::new(move || {
        let _ = done.try_send(());
    })
}

impl Drop for Writer {
    /// A fault of the writer's own must not look like a recorder that is well.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let now = self.clock.wall();
            self.shared.writable.store(false, Ordering::Relaxed);
            self.shared.update_health(|health| {
                health.last_error = Some("the writer ended by a fault of its own".to_owned());
                health.since.get_or_insert(now);
            });
        }
    }
}
