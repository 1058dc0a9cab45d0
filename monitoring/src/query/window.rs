//! A window: the next so many matching rows in order, gathered from any number of files in bounded memory.
//!
//! Rows beyond the window are thrown away as soon as enough earlier ones are known, and found again for the next window.

use std::ops::ControlFlow;

use arrow::array::{BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use arrow::error::ArrowError;

use super::Order;
use crate::adapt::Cells;
use crate::record::{Col, schema};

/// Rows of a batch that is handed over.
const BATCH: usize = 4096;

/// Place of a row in the order: time, number, file. For the newest first, each with its bits turned, so that smaller is earlier
/// in either order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    time: i64,
    seq: u64,
    file: u32,
}

impl Key {
    fn new(order: Order, time: i64, seq: u64, file: u32) -> Key {
        match order {
            Order::Oldest => Key { time, seq, file },
            Order::Newest => Key {
                time: !time,
                seq: !seq,
                file: !file,
            },
        }
    }

    /// The file it came from.
    fn file(self, order: Order) -> u32 {
        match order {
            Order::Oldest => self.file,
            Order::Newest => !self.file,
        }
    }

    /// Its time, µs since the epoch.
    fn time(self, order: Order) -> i64 {
        match order {
            Order::Oldest => self.time,
            Order::Newest => !self.time,
        }
    }
}

/// Where a row lies among the held batches.
type Place = (Key, u32, u32);

pub(super) struct Window {
    order: Order,
    size: usize,
    /// Rows up to here were handed over already.
    after: Option<Key>,
    /// Rows beyond this do not belong to the window.
    cut: Option<Key>,
    batches: Vec<RecordBatch>,
    places: Vec<Place>,
}

impl Window {
    pub(super) fn new(order: Order, size: usize, after: Option<Key>) -> Window {
        Window {
            order,
            size: size.max(1),
            after,
            cut: None,
            batches: Vec::new(),
            places: Vec::new(),
        }
    }

    pub(super) fn order(&self) -> Order {
        self.order
    }

    /// Times that can still belong to the window, both inclusive.
    pub(super) fn times(&self) -> (i64, i64) {
        let bound = |key: Option<Key>| key.map(|key| key.time(self.order));
        match self.order {
            Order::Oldest => (
                bound(self.after).unwrap_or(i64::MIN),
                bound(self.cut).unwrap_or(i64::MAX),
            ),
            Order::Newest => (
                bound(self.cut).unwrap_or(i64::MIN),
                bound(self.after).unwrap_or(i64::MAX),
            ),
        }
    }

    /// Takes the rows of a batch of [`schema`] that belong here.
    pub(super) fn offer(&mut self, batch: RecordBatch, file: u32) -> Result<(), ArrowError> {
        let cells = Cells::new(&batch);
        let index = u32::try_from(self.batches.len()).unwrap_or(u32::MAX);
        let mut kept = 0;
        let belongs = |row: usize| {
            let key = Key::new(
                self.order,
                cells.time_at(row),
                cells.u64_at(Col::seq, row),
                file,
            );
            let is_new = self.after.is_none_or(|after| key > after);
            let belongs = is_new && self.cut.is_none_or(|cut| key <= cut);
            if belongs {
                self.places.push((key, index, kept));
                kept += 1;
            }
            belongs
        };
        let belong: BooleanArray = (0..batch.num_rows()).map(belongs).map(Some).collect();
        if kept == 0 {
            return Ok(());
        }
        // Rows that do not belong must not stay in memory with the others.
        self.batches.push(if kept as usize == batch.num_rows() {
            batch
        } else {
            filter_record_batch(&batch, &belong)?
        });
        if self.places.len() >= self.size.saturating_mul(2).max(BATCH) {
            self.shrink()?;
        }
        Ok(())
    }

    /// Throws away what lies beyond the window, and the batches with it.
    fn shrink(&mut self) -> Result<(), ArrowError> {
        if self.places.len() <= self.size {
            return Ok(());
        }
        self.places.sort_unstable();
        self.places.truncate(self.size);
        self.cut = self.places.last().map(|(key, ..)| *key);
        let whole = self.in_order()?;
        for (row, place) in (0..).zip(&mut self.places) {
            (place.1, place.2) = (0, row);
        }
        self.batches = vec![whole];
        Ok(())
    }

    /// The held places as one batch, in their present order.
    fn in_order(&self) -> Result<RecordBatch, ArrowError> {
        let mut offsets = Vec::with_capacity(self.batches.len());
        let mut offset = 0;
        for batch in &self.batches {
            offsets.push(offset);
            offset += u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
        }
        let place = |(_, batch, row): &Place| {
            offsets
                .get(*batch as usize)
                .map_or(0, |offset| offset + row)
        };
        let indices = UInt32Array::from_iter_values(self.places.iter().map(place));
        take_record_batch(&concat_batches(&schema(), &self.batches)?, &indices)
    }

    /// Ends the gathering.
    pub(super) fn close(&mut self) -> Result<(), ArrowError> {
        self.shrink()?;
        self.places.sort_unstable();
        Ok(())
    }

    /// Whether there were rows beyond the window.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Where the next window begins.
    pub(super) fn last_key(&self) -> Option<Key> {
        self.places.last().map(|(key, ..)| *key)
    }

    /// Hands over the rows in order, each batch with the files its rows came from.
    pub(super) fn hand_over(
        self,
        each: &mut dyn FnMut(&RecordBatch, &[u32]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ArrowError> {
        if self.places.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        let whole = self.in_order()?;
        let files: Vec<u32> = self
            .places
            .iter()
            .map(|(key, ..)| key.file(self.order))
            .collect();
        for (part, files) in files.chunks(BATCH).enumerate() {
            if each(&whole.slice(part * BATCH, files.len()), files).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
