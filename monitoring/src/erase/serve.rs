//! Carries requests and expiry out, step by step.

use std::io;
use std::sync::Arc;

use super::holds::{self, Hold};
use super::intent::{Anew, between, runs};
use super::rewrite::{Going, remove, rewrite};
use super::steps::step;
use super::{Done, Grounds, Held, Intent, Request, plan};
use crate::event::EventId;
use crate::index;
use crate::keys::DataKey;
use crate::paths::{Period, moment};
use crate::proof::sidecar;
use crate::proof::{RowFile, chain};
use crate::query::{Query, every};
use crate::store::Store;
use crate::words::Kind;

/// A row that tells of something before it is done.
pub(crate) struct Row {
    pub(crate) kind: Kind,
    pub(crate) event: EventId,
    pub(crate) note: String,
}

/// What carrying out needs of the recorder.
pub(crate) trait Clerk {
    /// A new event id.
    fn event(&self) -> EventId;
    /// µs since the epoch.
    fn now(&self) -> i64;
    /// Makes the row durable. An error of the kind `TimedOut` means that it waits and may still become so.
    fn tell(&self, row: Row) -> io::Result<()>;
    /// Seals everything that was recorded until now.
    fn seal(&self) -> io::Result<()>;
    /// Lets the next checkpoint name a segment, or a period as removed.
    fn name(&self, sealed: weir_evidence::SealedFile);
    /// The same for a removed period.
    fn name_removed(&self, period: String);
    /// Waits until a checkpoint has named them.
    fn sign(&self) -> io::Result<()>;
}

/// Carries a request out.
///
/// # Errors
/// In words.
pub(crate) fn serve(
    store: &Store,
    node: &str,
    clerk: &dyn Clerk,
    request: &Request,
) -> Result<Done, String> {
    let told = |error: io::Error| error.to_string();
    match request {
        Request::Hold { query, grounds } => hold(store, clerk, query, grounds).map_err(told),
        Request::Release { grounds } => release(store, clerk, grounds),
        Request::Erase { query, grounds } => {
            // One after the other: each makes new keys and destroys all others.
            resume(store, clerk).map_err(told)?;
            clerk.seal().map_err(told)?;
            let held = Held::load(store).map_err(|error| error.to_string())?;
            let rows = plan::to_erase(store, node, query, &held)?;
            if rows.is_empty() {
                return Ok(Done::default());
            }
            let files = plan::segments(store, node).map_err(told)?;
            let has = |file: &RowFile| {
                let last = file.last.unwrap_or(file.first);
                rows.range(file.first..=last).next().is_some()
            };
            let mut periods: Vec<Period> = files
                .iter()
                .filter(|(_, file)| has(file))
                .map(|(period, _)| *period)
                .collect();
            // A day can come again: after a clock that was set back, or around a long tunnel.
            periods.sort_unstable();
            periods.dedup();
            let event = clerk.event();
            let Grounds { case, role, reason } = grounds;
            let period = format!(
                "{} to {}",
                query
                    .from
                    .map_or("the beginning".to_owned(), |from| from.to_string()),
                query.to.map_or("now".to_owned(), |to| to.to_string()),
            );
            let intent = Intent {
                event,
                time: clerk.now(),
                note: format!(
                    "{} rows of {period} are erased: case {case}, role {role}, reason: {reason}",
                    rows.len()
                ),
                is_asked: true,
                node: node.to_owned(),
                anew: anew(store, &periods).map_err(told)?,
                rows: runs(&rows),
                contents: Vec::new(),
                segments: Vec::new(),
                removed: None,
            };
            begin(store, clerk, &intent).map_err(told)?;
            Ok(Done {
                event: Some(event.to_string()),
                count: rows.len() as u64,
                periods: periods.iter().map(ToString::to_string).collect(),
            })
        }
    }
}

fn hold(store: &Store, clerk: &dyn Clerk, query: &Query, grounds: &Grounds) -> io::Result<Done> {
    let event = clerk.event();
    let Grounds { case, role, reason } = grounds;
    let note = format!("case {case} holds rows from now on: role {role}, reason: {reason}");
    let hold = Hold {
        event: event.to_string(),
        grounds: grounds.clone(),
        query: query.clone(),
        since: moment(clerk.now()),
    };
    // In force before it is told: a hold that is told and not in force would be worse than the other way round.
    holds::begin(store, &hold)?;
    clerk.tell(Row {
        kind: Kind::Hold,
        event,
        note,
    })?;
    Ok(Done {
        event: Some(event.to_string()),
        count: 1,
        periods: Vec::new(),
    })
}

fn release(store: &Store, clerk: &dyn Clerk, grounds: &Grounds) -> Result<Done, String> {
    let told = |error: io::Error| error.to_string();
    let Grounds { case, role, reason } = grounds;
    let all = holds::holds(store).map_err(|error| error.to_string())?;
    let own: Vec<&Hold> = all
        .iter()
        .filter(|hold| hold.grounds.case == *case)
        .collect();
    if own.is_empty() {
        return Err(format!("no hold of case {case} is in force"));
    }
    let event = clerk.event();
    let count = own.len() as u64;
    let note = format!(
        "case {case} holds nothing any more ({count} holds): role {role}, reason: {reason}"
    );
    let row = Row {
        kind: Kind::Release,
        event,
        note,
    };
    clerk.tell(row).map_err(told)?;
    for hold in own {
        holds::end(store, hold).map_err(told)?;
    }
    Ok(Done {
        event: Some(event.to_string()),
        count,
        periods: Vec::new(),
    })
}

/// New keys for periods that are written anew.
fn anew(store: &Store, periods: &[Period]) -> io::Result<Vec<Anew>> {
    let keys = store.keys()?;
    let mut anew = Vec::new();
    for period in periods {
        anew.push(Anew {
            period: period.to_string(),
            event_key: keys.fresh(*period, false)?.name.clone(),
            content_key: keys.fresh(*period, true)?.name.clone(),
        });
    }
    Ok(anew)
}

/// Makes it known, tells of it, and does it.
fn begin(store: &Store, clerk: &dyn Clerk, intent: &Intent) -> io::Result<()> {
    intent.write(store)?;
    step(store)?;
    let row = Row {
        kind: kind(intent),
        event: intent.event,
        note: intent.note.clone(),
    };
    if let Err(error) = clerk.tell(row) {
        // A row that waits may still come: then what it tells of must be done, which the next look at what is pending does. Else
        // nothing was done and nothing will be.
        if error.kind() != io::ErrorKind::TimedOut {
            intent.remove(store)?;
        }
        return Err(error);
    }
    step(store)?;
    carry_out(store, clerk, intent)
}

fn kind(intent: &Intent) -> Kind {
    match intent.is_asked {
        true => Kind::Erasure,
        false => Kind::Retention,
    }
}

/// Finishes what an earlier run began; how many.
pub(crate) fn resume(store: &Store, clerk: &dyn Clerk) -> io::Result<usize> {
    let waiting = Intent::all(store)?;
    for intent in &waiting {
        let mut is_told = false;
        let query = Query {
            event: Some(intent.event),
            kinds: vec![kind(intent)],
            ..Query::default()
        };
        crate::query::search(store, &query, &mut |_| {
            is_told = true;
            std::ops::ControlFlow::Break(())
        })
        .map_err(io::Error::other)?;
        if !is_told {
            // A search goes by the index, and what it does not find is told once more.
            every(store, &query, &mut |_| is_told = true).map_err(io::Error::other)?;
        }
        if !is_told {
            clerk.tell(Row {
                kind: kind(intent),
                event: intent.event,
                note: intent.note.clone(),
            })?;
        }
        carry_out(store, clerk, intent)?;
    }
    Ok(waiting.len())
}

/// Does what an intent says; done again it comes to the same.
fn carry_out(store: &Store, clerk: &dyn Clerk, intent: &Intent) -> io::Result<()> {
    let keys = store.keys()?;
    for name in &intent.segments {
        remove(store, name)?;
        step(store)?;
    }
    if let Some(period) = &intent.removed {
        clerk.name_removed(period.clone());
    }
    for (period, anew) in intent.periods() {
        let new: [Arc<DataKey>; 2] = [keys.open(&anew.event_key)?, keys.open(&anew.content_key)?];
        // It names what goes; searches read the segments meanwhile.
        index::remove(store, period)?;
        step(store)?;
        let files = plan::segments(store, &intent.node)?.into_iter();
        for (_, file) in files.filter(|(own, _)| *own == period) {
            let last = file.last.unwrap_or(file.first);
            let going = Going {
                rows: between(&intent.rows, file.first, last),
                contents: between(&intent.contents, file.first, last),
                why: intent.why(),
                event: intent.event,
            };
            rewrite(store, &file, &new, &going)?;
            clerk.name(chain::name_sealed(store, &file.path)?);
            step(store)?;
        }
        // Only a help: where it cannot be written it must not keep the old keys.
        if index::update(store, period, Some(&new)).is_err() {
            index::remove(store, period)?;
        }
        step(store)?;
        // What was encrypted under the old keys is gone now, wherever a copy of it may be. Other nodes keep theirs.
        if !has_others(store, &intent.node, period)? {
            for name in keys.all()?.into_iter().filter(|name| name.period == period) {
                let is_new = [&anew.event_key, &anew.content_key].contains(&&name.to_string());
                if !is_new {
                    keys.destroy(&name)?;
                    step(store)?;
                }
            }
        }
    }
    clerk.sign()?;
    step(store)?;
    intent.remove(store)
}

fn has_others(store: &Store, node: &str, period: Period) -> io::Result<bool> {
    let directory = store.layout().period(period);
    let segments = store.layout().list_segments(&directory)?;
    Ok(segments.iter().any(|(name, _)| name.node != node))
}

/// Lets a period go whose time is over, but for rows under a hold. Answers whether there is nothing under a hold, so that the
/// period can go as a whole.
pub(crate) fn expire(
    store: &Store,
    node: &str,
    clerk: &dyn Clerk,
    period: Period,
    held: &Held,
) -> io::Result<bool> {
    resume(store, clerk)?;
    let files = of_period(store, node, period)?;
    let sifted = plan::sift(store, &files, held)?;
    if sifted.held == 0 {
        return Ok(!has_others(store, node, period)? || held.is_empty());
    }
    let rows: std::collections::BTreeSet<u64> = sifted.rows.into_values().flatten().collect();
    if rows.is_empty() && sifted.segments.is_empty() {
        return Ok(false);
    }
    let intent = Intent {
        event: clerk.event(),
        time: clerk.now(),
        note: format!(
            "period {period} is removed because its time is over, but for {} rows that cases hold and what belongs to them: {} \
             segments, and {} rows of others",
            sifted.held,
            sifted.segments.len(),
            rows.len()
        ),
        is_asked: false,
        node: node.to_owned(),
        anew: anew(store, &[period])?,
        rows: runs(&rows),
        contents: Vec::new(),
        removed: (!sifted.segments.is_empty()).then(|| period.to_string()),
        segments: sifted.segments,
    };
    begin(store, clerk, &intent)?;
    Ok(false)
}

/// Lets the content of a period go whose time is over, but for rows under a hold; answers whether anything was to go.
pub(crate) fn expire_content(
    store: &Store,
    node: &str,
    clerk: &dyn Clerk,
    period: Period,
    held: &Held,
) -> io::Result<bool> {
    resume(store, clerk)?;
    let keys = store.keys()?;
    let there = keys.list(period, true)?;
    let files = of_period(store, node, period)?;
    if there.is_empty() {
        return Ok(false);
    }
    let (kept, gone) = plan::contents(store, &files, held)?;
    if gone.is_empty() && !kept.is_empty() {
        return Ok(false);
    }
    let note = format!(
        "the content of period {period} is removed because its time is over: {} rows had some; {} rows that cases hold keep theirs",
        gone.len(),
        kept.len()
    );
    if !kept.is_empty() {
        let intent = Intent {
            event: clerk.event(),
            time: clerk.now(),
            note,
            is_asked: false,
            node: node.to_owned(),
            anew: anew(store, &[period])?,
            rows: Vec::new(),
            contents: runs(&gone),
            segments: Vec::new(),
            removed: None,
        };
        begin(store, clerk, &intent)?;
        return Ok(true);
    }
    clerk.tell(Row {
        kind: Kind::Retention,
        event: clerk.event(),
        note,
    })?;
    step(store)?;
    // First the salts, so that nobody can try guesses on the commitments that stay; the keys last, since they say what is due.
    for file in &files {
        forget_salts(store, file)?;
        step(store)?;
    }
    index::forget_contents(store, period)?;
    step(store)?;
    for name in there {
        keys.destroy(&name)?;
        step(store)?;
    }
    Ok(true)
}

fn of_period(store: &Store, node: &str, period: Period) -> io::Result<Vec<RowFile>> {
    let files = plan::segments(store, node)?.into_iter();
    let own = files.filter(|(own, _)| *own == period);
    Ok(own.map(|(_, file)| file).collect())
}

/// Takes the salts of content from what is left of a segment's secret.
fn forget_salts(store: &Store, file: &RowFile) -> io::Result<()> {
    let contents = sidecar::read_contents(&file.path)?.into_keys().collect();
    let Some(salts) = sidecar::read_salts(store, &file.path)? else {
        return Ok(());
    };
    let facts = crate::segment::Facts::read(store, &file.path).map_err(io::Error::other)?;
    let key = store.keys()?.open(&facts.key)?;
    let range = (file.first, file.last.unwrap_or(file.first));
    let none = std::collections::BTreeSet::new();
    let left = salts.without(range, &none, &contents);
    sidecar::replace_salts(store, &key, &file.path, &left)
}
