//! What a start finds: where numbering goes on, which journals wait to be sealed, and whether the last run ended in good order.
//!
//! Only looks; sealing is the keeper's, and the rows that tell of it are the writer's first (LM-33).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::adapt::Cells;
use crate::erase;
use crate::event::EventId;
use crate::journal::key;
use crate::open::OpenEvents;
use crate::paths::{FileName, Layout, entries};
use crate::proof::sidecar;
use crate::record::Col;
use crate::replay::Replay;
use crate::retain;
use crate::seal::{REMOVED_PREFIX, UNFINISHED_SUFFIX};
use crate::segment::Facts;
use crate::store::Store;
use crate::words::Kind;

/// A run that ended without a stop row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crash {
    pub(crate) node: String,
    /// Number of its last whole row.
    pub(crate) last: u64,
    /// The latest moment its rows tell of, µs since the epoch; 0 when there is none.
    pub(crate) alive: i64,
    pub(crate) torn: u64,
    pub(crate) damaged: u64,
    /// None when no journal was left to tell.
    pub(crate) open: Option<OpenEvents>,
}

/// What lies in a records directory.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Number of the next row of this node.
    pub(crate) next: u64,
    /// Journals with rows, oldest first.
    pub(crate) journals: Vec<PathBuf>,
    /// One for each node whose last run did not end in good order.
    pub(crate) crashes: Vec<Crash>,
    /// The latest moment that any row tells of, as far as it was looked at.
    pub(crate) latest: i64,
}

/// Looks at the directory before `node` goes on in it, and clears away what an interrupted sealing or removal left.
///
/// # Errors
/// When something cannot be read or cleared away.
pub(crate) fn look(store: &Store, node: &str) -> io::Result<Found> {
    let layout = store.layout();
    clear(store)?;
    let mut found = Found {
        next: 1,
        ..Found::default()
    };
    let mut by_node: BTreeMap<String, Vec<(FileName, PathBuf)>> = BTreeMap::new();
    for (name, path) in layout.list_journals()? {
        by_node
            .entry(name.node.clone())
            .or_default()
            .push((name, path));
    }
    let sealed = newest_segment(layout, node)?;
    if let Some((name, _)) = &sealed {
        found.next = name.last.unwrap_or(0) + 1;
    }
    if !by_node.contains_key(node)
        && let Some((name, path)) = &sealed
    {
        found.look_at_segment(store, name, path);
    }
    for journals in by_node.into_values() {
        found.look_at_journals(store, journals, node)?;
    }
    Ok(found)
}

impl Found {
    /// The journals of one node; only the newest can hold what tells how the run ended.
    fn look_at_journals(
        &mut self,
        store: &Store,
        mut journals: Vec<(FileName, PathBuf)>,
        node: &str,
    ) -> io::Result<()> {
        let (name, path, tail) = loop {
            let Some((name, path)) = journals.pop() else {
                return Ok(());
            };
            let tail = Tail::read(store, &name, &path)?;
            if !tail.is_blank() || journals.is_empty() {
                break (name, path, tail);
            }
            // It was just being begun: the one before it is the last that tells.
            if name.node == node {
                self.next = self.next.max(name.first);
            }
            std::fs::remove_file(&path)?;
            sidecar::remove_beside(&path)?;
        };
        self.latest = self.latest.max(tail.crash.alive);
        if name.node == node {
            self.next = self.next.max(tail.crash.last + 1);
        }
        self.journals
            .extend(journals.into_iter().map(|(_, path)| path));
        if tail.rows > 0 || tail.crash.damaged > 0 {
            self.journals.push(path);
        } else {
            // Only a header, or a torn first write: a later journal of the same number would meet it.
            std::fs::remove_file(&path)?;
            sidecar::remove_beside(&path)?;
        }
        if !tail.has_stopped {
            self.crashes.push(tail.crash);
        }
        Ok(())
    }

    /// No journal is left: either all was sealed at a stop, or the run ended between two journals.
    fn look_at_segment(&mut self, store: &Store, name: &FileName, path: &Path) {
        // A segment that cannot be read says nothing of a stop.
        let facts = Facts::read(store, path).unwrap_or_default();
        self.latest = self.latest.max(facts.latest);
        if !facts.has_stopped {
            let last = name.last.unwrap_or(0);
            self.crashes.push(Crash {
                node: name.node.clone(),
                last,
                alive: facts.latest,
                ..Crash::default()
            });
        }
    }
}

/// The newest journal of a run.
struct Tail {
    rows: u64,
    has_stopped: bool,
    crash: Crash,
}

impl Tail {
    /// Whether a crash left it without a header and without rows.
    fn is_blank(&self) -> bool {
        self.rows == 0 && self.crash.open.is_none() && self.crash.damaged == 0
    }

    fn read(store: &Store, name: &FileName, path: &Path) -> io::Result<Tail> {
        let mut replay = Replay::open(store, path)?;
        let open = replay.header(key::OPEN).map(OpenEvents::from_text);
        let alive = replay
            .header(key::CREATED)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let crash = Crash {
            node: name.node.clone(),
            last: name.first.saturating_sub(1),
            alive,
            open,
            ..Crash::default()
        };
        let mut tail = Tail {
            rows: 0,
            has_stopped: false,
            crash,
        };
        while let Some(batch) = replay.next()? {
            let cells = Cells::new(&batch);
            for row in 0..batch.num_rows() {
                tail.follow(cells, row);
            }
        }
        tail.crash.torn = replay.torn();
        tail.crash.damaged = replay.damaged();
        Ok(tail)
    }

    fn follow(&mut self, cells: Cells<'_>, row: usize) {
        let seq = cells.u64_at(Col::seq, row);
        let time = cells.time_at(row);
        self.rows += 1;
        self.crash.last = self.crash.last.max(seq);
        let lasted = i64::try_from(cells.u64_at(Col::duration, row)).unwrap_or(0);
        self.crash.alive = self.crash.alive.max(time.saturating_add(lasted));
        let kind = cells
            .str_at(Col::kind, row)
            .and_then(|word| word.parse::<Kind>().ok());
        self.has_stopped = kind == Some(Kind::Stop);
        let event = EventId(cells.u64_at(Col::event, row));
        match (kind, &mut self.crash.open) {
            // Whatever a lost header said of earlier runs is over.
            (Some(Kind::Start), open) => *open = Some(OpenEvents::default()),
            (Some(kind), Some(open)) => open.follow(kind, event, time, seq),
            _ => {}
        }
    }
}

/// The segment of `node` with the highest numbers, whatever period it lies in.
fn newest_segment(layout: &Layout, node: &str) -> io::Result<Option<(FileName, PathBuf)>> {
    let mut newest: Option<(FileName, PathBuf)> = None;
    for (_, period) in layout.list_periods()? {
        for (name, path) in layout.list_segments(&period)? {
            if name.node == node
                && newest
                    .as_ref()
                    .is_none_or(|(found, _)| found.last < name.last)
            {
                newest = Some((name, path));
            }
        }
    }
    Ok(newest)
}

/// Removes unfinished segments, periods whose removal was begun, and secrets and keys whose journal is gone.
fn clear(store: &Store) -> io::Result<()> {
    let layout = store.layout();
    erase::clear(store)?;
    for path in entries(&layout.journals())? {
        let is_beside = path
            .extension()
            .is_some_and(|kind| kind == "secret" || kind == "key");
        if is_beside && !path.with_extension("arrows").exists() {
            std::fs::remove_file(&path)?;
        }
    }
    let has = |path: &Path, test: &dyn Fn(&str) -> bool| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(test)
    };
    for path in entries(&layout.segments())? {
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(period) = name.and_then(|name| name.strip_prefix(REMOVED_PREFIX)) {
            match period.parse() {
                Ok(period) => retain::finish_removal(store, period, &path)?,
                Err(_) => std::fs::remove_dir_all(&path)?,
            }
            continue;
        }
        if !path.is_dir() {
            continue;
        }
        for file in entries(&path)? {
            if has(&file, &|name| name.ends_with(UNFINISHED_SUFFIX)) {
                std::fs::remove_file(&file)?;
            }
        }
    }
    Ok(())
}
