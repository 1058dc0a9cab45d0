//! Which rows a bundle has, and what each needs to be proved.
//!
//! Decides: every row of the person in every segment that meets the period is there, shown or as number, time and tag; rows about
//! recording itself that touch the period, and disputes of rows that are shown, stand beside them; what is in no segment that a
//! checkpoint names is kept apart.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{filter_record_batch, take_record_batch};
use arrow::error::ArrowError;
use weir_evidence::{GROUPS, Hash, NO_FIELDS, Salt, SealedFile, Tag, users_proof, users_root};

use super::forms::{EntryLine, SegmentLine, Why};
use super::log::NodeLog;
use super::{BundleError, is_narrow};
use crate::adapt::Cells;
use crate::event::EventId;
use crate::export::HAPPENINGS;
use crate::proof::{Group, Leaf, RowFile, keeps_content};
use crate::query::{self, Matcher, Query};
use crate::record::Col;
use crate::segment::Facts;
use crate::store::Store;
use crate::words::Kind;

/// A bundle is made for people to read: more rows than this are asked for by mistake, and would not fit into memory.
pub(super) const MOST_ROWS: usize = 2_000_000;

/// What proves one row.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    pub(super) seq: u64,
    pub(super) time: i64,
    pub(super) tag: Tag,
    pub(super) leaf: Hash,
    pub(super) commitments: [Hash; GROUPS],
    pub(super) salts: [Option<Salt>; GROUPS],
    pub(super) why: Why,
    /// Place in the tree; found later.
    pub(super) index: u64,
    /// Of an erased row, the event of the row that tells of it.
    pub(super) told_by: Option<EventId>,
}

impl Proof {
    fn new(leaf: &Leaf<'_>, tag: Tag, hash: Hash, why: Why) -> Proof {
        Proof {
            seq: leaf.seq,
            time: leaf.time,
            tag,
            leaf: hash,
            commitments: Group::ALL.map(|group| leaf.maker.commitment(group as u8)),
            salts: Group::ALL.map(|group| leaf.maker.opened(group as u8)),
            why,
            index: 0,
            told_by: None,
        }
    }

    /// Whether the row had content, and nothing is left of it but the commitment.
    pub(super) fn has_lost_content(&self) -> bool {
        let content = Group::Content as usize;
        let commitment = self.commitments.get(content);
        commitment.is_some_and(|it| *it != NO_FIELDS)
            && self.salts.get(content).is_some_and(Option::is_none)
    }
}

/// What was gathered of all nodes.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) rows: Vec<RecordBatch>,
    pub(super) context: Vec<RecordBatch>,
    pub(super) unproved: Vec<RecordBatch>,
    /// By node.
    pub(super) proofs: BTreeMap<String, Vec<Proof>>,
    pub(super) segments: Vec<SegmentLine>,
    pub(super) builds: BTreeSet<String>,
    pub(super) remarks: Vec<String>,
    count: usize,
}

/// What is asked of every node.
pub(super) struct Wanted<'a> {
    pub(super) store: &'a Store,
    pub(super) query: &'a Query,
    pub(super) files: &'a [RowFile],
    /// Rows read so far, of how many in all, for whoever waits.
    pub(super) progress: &'a mut dyn FnMut(u64, u64),
}

impl Wanted<'_> {
    fn period(&self) -> (i64, i64) {
        let (from, to) = (self.query.from, self.query.to);
        (
            from.map_or(i64::MIN, |from| from.as_microsecond()),
            to.map_or(i64::MAX, |to| to.as_microsecond()),
        )
    }

    fn file(&self, node: &str, path: &str) -> Result<&RowFile, BundleError> {
        let is_it = |file: &&RowFile| file.node == node && file.sealed_name() == path;
        let file = self.files.iter().find(is_it);
        file.ok_or_else(|| BundleError::Refused(format!("the segment {path} is not there")))
    }
}

impl Collected {
    /// Takes in everything of one node.
    pub(super) fn node(
        &mut self,
        log: &NodeLog,
        wanted: &mut Wanted<'_>,
    ) -> Result<(), BundleError> {
        let (from, to) = wanted.period();
        let tag = match &wanted.query.user {
            Some(user) => {
                let stored = crate::scrub::text(user, usize::MAX);
                Some(log.tag(&stored)?)
            }
            None => None,
        };
        let mut sealed: Vec<&SealedFile> = log.sealed.values().collect();
        sealed.sort_by_key(|file| file.first);
        let met = sealed
            .iter()
            .filter(|file| file.earliest < to && file.latest >= from);
        let met: Vec<&SealedFile> = met.copied().collect();
        let total = met.iter().map(|file| file.rows).sum();
        let mut done = 0;
        for file in met {
            let is_present = match tag {
                Some(tag) => self.person(log, wanted.file(&log.node, &file.path)?, file, tag)?,
                None => true,
            };
            if is_present {
                self.segment(log, file, wanted, tag)?;
            }
            done += file.rows;
            (wanted.progress)(done, total);
        }
        self.beside(log, &sealed, wanted)?;
        self.unsealed(log, wanted)
    }

    /// What the segment's users say of the person; answers whether there are rows.
    fn person(
        &mut self,
        log: &NodeLog,
        file: &RowFile,
        sealed: &SealedFile,
        tag: Tag,
    ) -> Result<bool, BundleError> {
        let gone = || BundleError::Refused(format!("{}: its users are not there", file.shown));
        let users = file
            .users()
            .map_err(|error| super::unreadable(file, &error))?
            .ok_or_else(gone)?;
        if users_root(&users) != sealed.users {
            let why = format!("{}: its users are not those that were sealed", file.shown);
            return Err(BundleError::Refused(why));
        }
        let line = |at: usize| {
            let path = users_proof(&users, at)?;
            Some(EntryLine::new(users.get(at)?, at as u64, &path))
        };
        let found = users.binary_search_by_key(&tag, |entry| entry.tag);
        let (present, before, after) = match found {
            Ok(at) => (line(at), None, None),
            Err(at) => (None, at.checked_sub(1).and_then(line), line(at)),
        };
        self.segments.push(SegmentLine {
            node: log.node.clone(),
            path: sealed.path.clone(),
            present,
            before,
            after,
        });
        Ok(found.is_ok())
    }

    /// The rows of a segment that meets the period.
    fn segment(
        &mut self,
        log: &NodeLog,
        sealed: &SealedFile,
        wanted: &Wanted<'_>,
        person: Option<Tag>,
    ) -> Result<(), BundleError> {
        let (from, to) = wanted.period();
        let matcher = Matcher::new(wanted.query);
        let is_narrow = is_narrow(wanted.query);
        let file = wanted.file(&log.node, &sealed.path)?;
        if let Some(tag) = person {
            self.erased(log, file, tag)?;
        }
        let version = Facts::read(wanted.store, &file.path).map(|facts| facts.version);
        self.builds.extend(version.ok().filter(|it| !it.is_empty()));
        let mut mask: Option<BooleanArray> = None;
        let judge = |batch: &RecordBatch, leaf: &Leaf<'_>| {
            if leaf.row == 0 {
                mask = Some(matcher.mask(batch));
            }
            let is_asked = mask.as_ref().is_some_and(|mask| mask.value(leaf.row));
            let Some(person) = person else {
                return is_asked.then_some(Why::Row);
            };
            leaf.of.filter(|(_, tag)| *tag == person)?;
            Some(match (from..to).contains(&leaf.time) {
                // All of the person's rows: however a name was spelt, its tag says whose it is.
                true if is_asked || !is_narrow => Why::Row,
                true => Why::Narrower,
                false => Why::Outside,
            })
        };
        self.read(log, wanted.store, file, judge)
    }

    /// What is left of the person's rows that were erased. When they began is not known any more.
    fn erased(&mut self, log: &NodeLog, file: &RowFile, person: Tag) -> Result<(), BundleError> {
        let stones = file.tombstones();
        let stones = stones.map_err(|error| super::unreadable(file, &error))?;
        let own = stones.into_iter().filter(|(_, stone)| stone.tag == person);
        let proofs = self.proofs.entry(log.node.clone()).or_default();
        proofs.extend(own.map(|(seq, stone)| Proof {
            seq,
            time: 0,
            tag: stone.tag,
            leaf: stone.leaf,
            commitments: [NO_FIELDS; GROUPS],
            salts: [None; GROUPS],
            why: Why::Erased,
            index: 0,
            told_by: Some(stone.id),
        }));
        Ok(())
    }

    /// Reads a file of the log and takes the rows that `judge` names.
    fn read(
        &mut self,
        log: &NodeLog,
        store: &Store,
        file: &RowFile,
        mut judge: impl FnMut(&RecordBatch, &Leaf<'_>) -> Option<Why>,
    ) -> Result<(), BundleError> {
        let proofs = self.proofs.entry(log.node.clone()).or_default();
        let mut picked: [Vec<u32>; 2] = Default::default();
        let (rows, context) = (&mut self.rows, &mut self.context);
        let (count, mut fault) = (&mut self.count, None);
        let read = file.each(store, &mut |batch, leaf| {
            if let Some(why) = judge(batch, &leaf) {
                let Some(((_, tag), hash)) = leaf.of.zip(leaf.hash) else {
                    fault = Some(format!("row {} has no leaf", leaf.seq));
                    return;
                };
                let mut proof = Proof::new(&leaf, tag, hash, why);
                if !keeps_content(batch, leaf.row)
                    && let Some(salt) = proof.salts.get_mut(Group::Content as usize)
                {
                    // Its time was over: there is nothing that it could open.
                    *salt = None;
                }
                proofs.push(proof);
                *count += 1;
                let row = u32::try_from(leaf.row).unwrap_or(u32::MAX);
                let [own, beside] = &mut picked;
                match why {
                    Why::Row => own.push(row),
                    Why::Context => beside.push(row),
                    Why::Outside | Why::Narrower | Why::Erased => {}
                }
            }
            if leaf.row + 1 == batch.num_rows() {
                let [own, beside] = &mut picked;
                for (places, to) in [(own, &mut *rows), (beside, &mut *context)] {
                    if places.is_empty() {
                        continue;
                    }
                    match take_record_batch(batch, &UInt32Array::from(std::mem::take(places))) {
                        Ok(taken) => to.push(taken),
                        Err(error) => fault = Some(error.to_string()),
                    }
                }
            }
        });
        let read = read.map_err(|error| super::unreadable(file, &error))?;
        if !read.has_secret {
            fault = Some("its secret is not there".to_owned());
        }
        if let Some(why) = fault {
            return Err(BundleError::Refused(format!("{}: {why}", file.shown)));
        }
        if self.count > MOST_ROWS {
            return Err(BundleError::Refused(format!(
                "more than {MOST_ROWS} rows: ask for a person or a shorter period"
            )));
        }
        Ok(())
    }

    /// Rows about recording itself that touch the period, and disputes of rows that are shown.
    fn beside(
        &mut self,
        log: &NodeLog,
        sealed: &[&SealedFile],
        wanted: &Wanted<'_>,
    ) -> Result<(), BundleError> {
        let happened = Query {
            kinds: HAPPENINGS.to_vec(),
            from: wanted.query.from,
            to: wanted.query.to,
            ..Query::default()
        };
        let lasting = Matcher::new(&happened).lasting();
        let mut found = BTreeSet::new();
        find(wanted.store, &lasting, &happened, &mut |cells, row| {
            if cells.str_at(Col::node, row) == Some(&log.node) {
                found.insert(cells.u64_at(Col::seq, row));
            }
        })?;
        if let Ok(kind) = "dispute".parse::<Kind>() {
            let events = self.events();
            let disputed = Query {
                kinds: vec![kind],
                ..Query::default()
            };
            let matcher = Matcher::new(&disputed);
            find(wanted.store, &matcher, &disputed, &mut |cells, row| {
                let is_own = cells.str_at(Col::node, row) == Some(&log.node);
                if is_own && events.contains(&cells.u64_at(Col::event, row)) {
                    found.insert(cells.u64_at(Col::seq, row));
                }
            })?;
        }
        // The rows that tell of erased ones, however long after the period they came.
        let telling: BTreeSet<u64> = self
            .proofs
            .get(&log.node)
            .into_iter()
            .flatten()
            .filter_map(|proof| Some(proof.told_by?.0))
            .collect();
        if !telling.is_empty() {
            let told = Query {
                kinds: vec![Kind::Erasure, Kind::Retention],
                ..Query::default()
            };
            find(
                wanted.store,
                &Matcher::new(&told),
                &told,
                &mut |cells, row| {
                    let is_own = cells.str_at(Col::node, row) == Some(&log.node);
                    if is_own && telling.contains(&cells.u64_at(Col::event, row)) {
                        found.insert(cells.u64_at(Col::seq, row));
                    }
                },
            )?;
        }
        // A dispute of the person's own is shown, though it came after the period; what is shown already is not put there twice.
        let proofs = self.proofs.entry(log.node.clone()).or_default();
        let is_withheld = |proof: &Proof| matches!(proof.why, Why::Outside | Why::Narrower);
        proofs.retain(|proof| !(is_withheld(proof) && found.contains(&proof.seq)));
        for proof in proofs {
            found.remove(&proof.seq);
        }
        for file in sealed {
            let own: BTreeSet<u64> = found.range(file.first..=file.last).copied().collect();
            if !own.is_empty() {
                let file = wanted.file(&log.node, &file.path)?;
                self.read(log, wanted.store, file, |_, leaf| {
                    own.contains(&leaf.seq).then_some(Why::Context)
                })?;
            }
        }
        Ok(())
    }

    /// Events of the rows that are shown.
    fn events(&self) -> BTreeSet<u64> {
        let cells = self.rows.iter().map(|batch| (batch, Cells::new(batch)));
        cells
            .flat_map(|(batch, cells)| {
                (0..batch.num_rows()).map(move |row| cells.u64_at(Col::event, row))
            })
            .collect()
    }

    /// Rows of files that no checkpoint names: matching ones are kept apart.
    fn unsealed(&mut self, log: &NodeLog, wanted: &Wanted<'_>) -> Result<(), BundleError> {
        let matcher = Matcher::new(wanted.query);
        let happened = Query {
            kinds: HAPPENINGS.to_vec(),
            from: wanted.query.from,
            to: wanted.query.to,
            ..Query::default()
        };
        let lasting = Matcher::new(&happened).lasting();
        let is_own =
            |file: &&RowFile| file.node == log.node && !log.sealed.contains_key(file.sealed_name());
        for file in wanted.files.iter().filter(is_own) {
            let mut taken: Vec<RecordBatch> = Vec::new();
            let read = file.batches(wanted.store, &mut |batch| {
                let (asked, beside) = (matcher.mask(batch), lasting.mask(batch));
                let either = arrow::compute::or(&asked, &beside).map_err(io::Error::other)?;
                let kept = filter_record_batch(batch, &either).map_err(io::Error::other)?;
                if kept.num_rows() > 0 {
                    taken.push(kept);
                }
                Ok(())
            });
            match read {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(BundleError::Moved);
                }
                other => drop(other.map_err(|error| super::unreadable(file, &error))?),
            }
            let rows: usize = taken.iter().map(RecordBatch::num_rows).sum();
            self.count += rows;
            if rows > 0 {
                self.remarks.push(format!(
                    "{rows} rows of {} are not in a segment that a checkpoint names: they stand in unproved.jsonl and are not proved",
                    file.shown
                ));
            }
            self.unproved.append(&mut taken);
        }
        Ok(())
    }
}

/// Hands over each row of the records that matches.
fn find(
    store: &Store,
    matcher: &Matcher,
    query: &Query,
    each: &mut dyn FnMut(Cells<'_>, usize),
) -> Result<(), BundleError> {
    let searched = query::run(store, matcher, query, query::WINDOW, &mut |batch| {
        (0..batch.num_rows()).for_each(|row| each(Cells::new(batch), row));
        ControlFlow::Continue(())
    })?;
    match searched.unreadable.first() {
        Some(file) => Err(BundleError::Refused(format!(
            "{}: {}",
            file.name, file.error
        ))),
        None => Ok(()),
    }
}

/// A batch with the columns of these groups emptied.
pub(super) fn without(
    batch: &RecordBatch,
    groups: &BTreeSet<Group>,
) -> Result<RecordBatch, ArrowError> {
    let emptied = |(col, column): (&Col, &arrow::array::ArrayRef)| {
        let is_kept =
            crate::proof::group_of(*col).is_none_or(|(group, _)| !groups.contains(&group));
        match is_kept {
            true => Arc::clone(column),
            false => crate::adapt::nothing(*col, batch.num_rows()),
        }
    };
    let columns = Col::ALL.iter().zip(batch.columns()).map(emptied).collect();
    RecordBatch::try_new(batch.schema(), columns)
}
