//! Takes up what commands write while Weir runs, and gives each change its row: an authorisation that was set, ended, began or
//! ran out (LM-02), and people who were told by other means than the page (LM-06).
//!
//! Runs on the control thread and reads files off it. Decides only when to look.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_monitoring::basis::History;
use weir_monitoring::{EventIds, Informed, Kind, Record};

use super::told::Mark;
use super::{Law, Line, Standing};
use crate::clock;
use crate::provenance;
use crate::shared::Shared;

/// How often files are looked at: what a command says holds within a second.
const EVERY: Duration = Duration::from_millis(500);
/// How often policies that were in force are looked through for those whose time is over.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);

/// What is looked at, and what was last seen.
struct Watch {
    basis: Mark,
    ledger: Mark,
    state: PathBuf,
    /// The authorisation that was in force at the last look.
    in_force: Option<u32>,
    is_first: bool,
    pruned: Option<Instant>,
}

/// Watches until the process ends.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let settings = shared.snapshot.load().settings.clone();
    let mut watch = Watch::new(&settings.state, &shared.law);
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let looking = Arc::clone(&shared);
        let looked = tokio::task::spawn_blocking(move || {
            let rows = watch.look(&looking.law, &looking.events);
            (watch, rows)
        });
        let Ok((next, rows)) = looked.await else {
            return tracing::error!(
                "authorisation and notice are watched no more: a fault of Weir's own"
            );
        };
        watch = next;
        if !rows.is_empty() {
            let mut lane = shared.lane();
            rows.into_iter().for_each(|row| lane.push(row));
            lane.flush();
        }
        if watch.pruned.is_none_or(|at| at.elapsed() >= PRUNE_EVERY) {
            watch.pruned = Some(Instant::now());
            let snapshot = shared.snapshot.load_full();
            let pruned = tokio::task::spawn_blocking(move || provenance::tend(&snapshot));
            // A fault of its own is told when it is asked for next.
            let _ = pruned.await;
        }
    }
}

impl Watch {
    fn new(state: &Path, law: &Law) -> Watch {
        let ledger = Mark::beside(law.ledger.path());
        // All of it was read at the start; what has no row yet is read once more.
        law.ledger.read_again_from(ledger.bytes);
        Watch {
            basis: Mark::beside(&History::file(state)),
            ledger,
            state: state.to_owned(),
            in_force: None,
            is_first: true,
            pruned: None,
        }
    }

    /// Everything that changed, as rows.
    fn look(&mut self, law: &Law, ids: &EventIds) -> Vec<Record> {
        let mut rows = self.look_at_basis(law, ids);
        rows.extend(self.look_at_ledger(law, ids));
        rows
    }

    fn look_at_basis(&mut self, law: &Law, ids: &EventIds) -> Vec<Record> {
        let now = clock::wall_micros();
        let bytes = std::fs::metadata(History::file(&self.state)).map_or(0, |about| about.len());
        let old = law.standing();
        let mut notes = Vec::new();
        // Read whole each time it may have changed: it has a line a year.
        let read = History::read(&self.state);
        let new = Standing::of(read.as_ref());
        if *old != new {
            if let Some(fault) = &new.fault {
                tracing::error!("{fault}");
                notes.push(format!("the authorisations cannot be read: {fault}"));
            }
            law.standing.store(Arc::new(new));
        }
        let standing = law.standing();
        if bytes != self.basis.bytes
            && let Ok(history) = &read
        {
            notes.extend(untold(history, &self.state, self.basis.bytes));
            self.basis.bytes = bytes;
            self.keep();
        }
        let in_force = standing.in_force(now).map(|basis| basis.version);
        let last = standing.basis.as_ref();
        if let Some(basis) = last.filter(|basis| now >= basis.until_micros())
            && self.basis.word != basis.version
        {
            notes.push(format!(
                "{} ran out: content is not recorded from here on",
                basis.told()
            ));
            self.basis.word = basis.version;
            self.keep();
        }
        if let Some(basis) = last.filter(|basis| Some(basis.version) == in_force)
            && in_force != self.in_force
            && !self.is_first
            && notes.is_empty()
        {
            notes.push(format!("{} begins to hold", basis.told()));
        }
        self.in_force = in_force;
        self.is_first = false;
        let row = |note: String| {
            let mut row = Record::new(Kind::Authorisation, ids.next(), now);
            row.note = Some(note.into());
            row
        };
        notes.into_iter().map(row).collect()
    }

    fn keep(&self) {
        if let Err(error) = self.basis.keep() {
            tracing::warn!(%error, "which authorisations have their rows cannot be kept: they may get them twice");
        }
    }

    fn look_at_ledger(&mut self, law: &Law, ids: &EventIds) -> Vec<Record> {
        let caught_up = law.ledger.catch_up(self.ledger.bytes);
        let (lines, read) = match caught_up {
            Ok(caught_up) => caught_up,
            Err(error) => {
                tracing::error!(%error, "the ledger of the notice cannot be read");
                return Vec::new();
            }
        };
        if read != self.ledger.bytes {
            self.ledger.bytes = read;
            if let Err(error) = self.ledger.keep() {
                tracing::warn!(%error, "which notices have their rows cannot be kept: they may get them twice");
            }
        }
        lines.iter().map(|line| row_of(line, ids)).collect()
    }
}

/// The row of somebody who was told by other means.
fn row_of(line: &Line, ids: &EventIds) -> Record {
    let mut row = Record::new(Kind::Notice, ids.next(), line.time.as_microsecond());
    row.notice = Informed::Given;
    match line.identity.split_once(':') {
        Some(("user", name)) => row.user = Some(name.into()),
        Some(("device", name)) => row.device = Some(name.into()),
        _ => {}
    }
    row.note = Some(
        format!(
            "notice {:?} in {} was given to {}: {}",
            line.version, line.language, line.identity, line.how
        )
        .into(),
    );
    row
}

/// What the entries behind a byte of the file say. The history has no places, so lines are counted.
fn untold(history: &History, state: &Path, bytes: u64) -> Vec<String> {
    let text = std::fs::read(History::file(state)).unwrap_or_default();
    let before = usize::try_from(bytes).ok().and_then(|end| text.get(..end));
    // A file that became shorter is another one: all of it is told.
    let before = before.unwrap_or_default();
    let told = before.split(|byte| *byte == b'\n');
    let told = told.filter(|line| !line.trim_ascii().is_empty()).count();
    history
        .entries
        .iter()
        .skip(told)
        .map(weir_monitoring::basis::Entry::told)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::users::file;

    fn set(version: u32, review: &str) -> Vec<u8> {
        let basis = format!(
            r#"{{"act":"set","time":"2026-09-01T08:00:00Z","by":"root","basis":{{"version":{version},"role":"headteacher","authorised":"2020-09-01","review":"{review}","scope":"all","sites":["main"],"purposes":["standards"],"instrument":"SI 2018/356"}}}}"#
        );
        format!("{basis}\n").into_bytes()
    }

    #[test]
    fn every_change_of_the_authorisation_has_one_row_also_over_restarts_lm_02() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path();
        let ids = EventIds::new();
        let file = History::file(state);
        let notes = |rows: Vec<Record>| -> Vec<String> {
            rows.into_iter()
                .map(|row| row.note.unwrap().into())
                .collect()
        };
        file::append(&file, &set(1, "2099-12-31")).unwrap();
        let law = Law::open(state).unwrap();
        let mut one = Watch::new(state, &law);
        let told = notes(one.look(&law, &ids));
        assert!(
            told.len() == 1 && told[0].starts_with("authorisation 1"),
            "{told:?}"
        );
        assert!(one.look(&law, &ids).is_empty());
        // While it does not run.
        file::append(&file, &set(2, "2099-12-31")).unwrap();
        let law = Law::open(state).unwrap();
        let mut two = Watch::new(state, &law);
        let told = notes(two.look(&law, &ids));
        assert!(
            told.len() == 1 && told[0].starts_with("authorisation 2"),
            "{told:?}"
        );
        // One whose time is over is told, once, and none is in force.
        file::append(&file, &set(3, "2021-12-31")).unwrap();
        let told = notes(two.look(&law, &ids));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].contains("ran out"), "{told:?}");
        assert!(law.standing().in_force(clock::wall_micros()).is_none());
        assert!(Watch::new(state, &law).look(&law, &ids).is_empty());
        let end = br#"{"act":"end","time":"2026-10-01T08:00:00Z","by":"root","version":3,"role":"headteacher","reason":"over"}"#;
        file::append(&file, end).unwrap();
        file::append(&file, b"\n").unwrap();
        let told = notes(two.look(&law, &ids));
        assert!(told.len() == 1 && told[0].contains("was ended"), "{told:?}");
        assert!(law.standing().lack(0).is_some());
    }

    #[test]
    fn whoever_was_told_while_weir_did_not_run_has_one_row_at_the_next_start_lm_06() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path();
        let ids = EventIds::new();
        let line = |identity: &str| super::super::Line {
            time: "2026-09-01T08:00:00Z".parse().unwrap(),
            identity: identity.to_owned(),
            version: "1".to_owned(),
            language: "en".to_owned(),
            how: "told: enrolment".to_owned(),
        };
        for (round, identity) in ["user:anna", "device:board"].into_iter().enumerate() {
            super::super::append(&state.join("notice.jsonl"), &line(identity)).unwrap();
            let law = Law::open(state).unwrap();
            let rows = Watch::new(state, &law).look(&law, &ids);
            assert_eq!(rows.len(), 1, "{round}");
            assert_eq!(rows[0].user.is_some(), identity.starts_with("user:"));
            assert_eq!(rows[0].kind, Kind::Notice);
            assert!(Watch::new(state, &law).look(&law, &ids).is_empty());
        }
    }
}
