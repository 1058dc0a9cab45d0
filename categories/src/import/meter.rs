//! Decides how often the reading of an archive is told, and when it has become too much.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use crate::report::{Phase, Progress};

/// Bytes between two tellings.
const TELL_EVERY: u64 = 256 << 10;

/// Tells how many bytes of the source have been read.
pub(super) struct Meter<'a> {
    read: Rc<Cell<u64>>,
    told: u64,
    total: u64,
    tell: &'a mut dyn FnMut(Progress),
}

impl<'a> Meter<'a> {
    /// Of `total` bytes.
    pub(super) fn new(total: u64, tell: &'a mut dyn FnMut(Progress)) -> Meter<'a> {
        let mut meter = Meter {
            read: Rc::default(),
            told: 0,
            total,
            tell,
        };
        meter.say(0);
        meter
    }

    /// A reader whose bytes count.
    pub(super) fn counted<R>(&self, inner: R) -> Counted<R> {
        Counted {
            inner,
            read: Rc::clone(&self.read),
        }
    }

    /// Tells when enough has been read since the last time.
    pub(super) fn tick(&mut self) {
        if self.read.get() - self.told >= TELL_EVERY {
            self.say(self.read.get());
        }
    }

    /// Everything has been read.
    pub(super) fn finish(mut self) {
        self.say(self.total);
    }

    fn say(&mut self, done: u64) {
        self.told = done;
        (self.tell)(Progress {
            phase: Phase::Read,
            done: done.min(self.total),
            total: self.total,
        });
    }
}

/// Counts what is read through it.
pub(super) struct Counted<R> {
    inner: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

/// Fails once more than a number of bytes came through, and remembers how many zeros were last.
pub(super) struct Bounded<R> {
    inner: R,
    left: u64,
    zeros: Rc<Cell<u64>>,
}

/// The bytes ran out: an archive bomb, or larger than anyone's lists.
#[derive(Debug, thiserror::Error)]
#[error("more bytes than an import may have")]
pub(super) struct TooMuch;

impl<R> Bounded<R> {
    /// Lets `most` bytes through.
    pub(super) fn new(inner: R, most: u64) -> Bounded<R> {
        Bounded {
            inner,
            left: most,
            zeros: Rc::default(),
        }
    }

    /// How many of the bytes read last were zero, in a row.
    pub(super) fn zeros(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.zeros)
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let some = buffer.get(..count).unwrap_or_default();
        match some.iter().rposition(|byte| *byte != 0) {
            Some(at) => self.zeros.set((count - at - 1) as u64),
            None => self.zeros.set(self.zeros.get() + count as u64),
        }
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::other(TooMuch))?;
        Ok(count)
    }
}
