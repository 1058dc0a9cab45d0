//! Decides which finds of the automaton are looked at and how many, and when an address is given up.

use std::ops::ControlFlow;

use foldhash::{HashSet, HashSetExt};

use super::fold::{self, Text};
use super::{Keywords, Row, fits};

/// Tags are 16 bits wide.
const LISTS_WORDS: usize = (1 << 16) / 64;

/// What is being looked for.
pub(super) trait Wanted {
    /// True when it would be news that a row is found.
    fn wants(&self, number: usize, row: &Row) -> bool;
    fn found(&mut self, number: usize, row: &Row);
    /// True when nothing could be news any more.
    fn has_all(&self) -> bool;
}

/// What may still be done for an address.
pub(super) struct Work {
    steps: u32,
    verified: u32,
}

impl Work {
    pub(super) fn new(steps: u32, verified: u32) -> Work {
        Work { steps, verified }
    }

    fn step(&mut self) -> ControlFlow<()> {
        spend(&mut self.steps)
    }

    fn verify(&mut self) -> ControlFlow<()> {
        spend(&mut self.verified)
    }
}

fn spend(left: &mut u32) -> ControlFlow<()> {
    match left.checked_sub(1) {
        Some(less) => {
            *left = less;
            ControlFlow::Continue(())
        }
        None => ControlFlow::Break(()),
    }
}

/// Looks through one reading. Breaks when no other needs to be looked through.
pub(super) fn seek(
    keywords: &Keywords,
    text: &Text,
    wanted: &mut impl Wanted,
    work: &mut Work,
) -> ControlFlow<()> {
    let Some(search) = &keywords.search else {
        return ControlFlow::Break(());
    };
    // Groups of several rows none of which would be news.
    let mut done: HashSet<usize> = HashSet::new();
    for hit in search.find_overlapping_iter(&text.skeleton) {
        work.step()?;
        let (start, end) = (hit.start(), hit.end());
        let group = hit.pattern().as_usize();
        let (first, rows) = keywords.rows_of(group);
        let Some(part) = text.folded.get(start..end) else {
            continue;
        };
        if rows.len() > 1 && done.contains(&group) {
            continue;
        }
        let before = fold::ends_before(&text.folded, start);
        let after = fold::begins_at(&text.folded, end);
        let mut left = false;
        for (number, row) in (first..).zip(rows) {
            work.step()?;
            if !wanted.wants(number, row) {
                continue;
            }
            left = true;
            if !(before || row.open.0) || !(after || row.open.1) {
                continue;
            }
            work.verify()?;
            if fits(part, keywords.folded(row)) {
                wanted.found(number, row);
            }
        }
        if wanted.has_all() {
            return ControlFlow::Break(());
        }
        if rows.len() > 1 && !left {
            done.insert(group);
        }
    }
    ControlFlow::Continue(())
}

/// Each list once.
pub(super) struct Lists<F> {
    /// A bit for each list that is found.
    set: [u64; LISTS_WORDS],
    left: usize,
    tell: F,
}

impl<F: FnMut(usize, &Row)> Lists<F> {
    pub(super) fn new(lists: usize, tell: F) -> Lists<F> {
        Lists {
            set: [0; LISTS_WORDS],
            left: lists,
            tell,
        }
    }
}

/// Where the bit of a row's list is.
fn place(row: &Row) -> (usize, u64) {
    (usize::from(row.list / 64), 1 << (row.list % 64))
}

impl<F: FnMut(usize, &Row)> Wanted for Lists<F> {
    fn wants(&self, _: usize, row: &Row) -> bool {
        let (word, bit) = place(row);
        self.set.get(word).is_some_and(|word| word & bit == 0)
    }

    fn found(&mut self, number: usize, row: &Row) {
        let (word, bit) = place(row);
        if let Some(word) = self.set.get_mut(word) {
            *word |= bit;
        }
        self.left = self.left.saturating_sub(1);
        (self.tell)(number, row);
    }

    fn has_all(&self) -> bool {
        self.left == 0
    }
}

/// Each row once, up to a number.
pub(super) struct Rows {
    numbers: HashSet<usize>,
    most: usize,
}

impl Rows {
    pub(super) fn new(most: usize) -> Rows {
        let numbers = HashSet::new();
        Rows { numbers, most }
    }

    pub(super) fn add(&mut self, number: usize) {
        self.numbers.insert(number);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    pub(super) fn into_numbers(self) -> impl Iterator<Item = usize> {
        self.numbers.into_iter()
    }
}

impl Wanted for Rows {
    fn wants(&self, number: usize, _: &Row) -> bool {
        !self.numbers.contains(&number) && !self.has_all()
    }

    fn found(&mut self, number: usize, _: &Row) {
        self.add(number);
    }

    fn has_all(&self) -> bool {
        self.numbers.len() >= self.most
    }
}
