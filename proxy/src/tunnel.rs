//! The relay of a tunnel: bytes both ways between two sockets, undecrypted.
//!
//! Decides when a tunnel ends. Each direction reads into the thread's one shared buffer
//! and writes at once, so that an idle tunnel holds no buffer; only what a slow receiver
//! did not take is kept, and nothing more is read until it is gone.

use crate::deadline::{Phase, Watch, WatchLimits};
use crate::transfer::Transfer;
use bytes::{Buf, Bytes};
use socket2::SockRef;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;
use weir_bandwidth::Direction;
use weir_monitoring::End;

/// Bytes of the buffer that all tunnels of a thread share.
pub(crate) const SHARED_BUFFER: usize = 256 * 1024;
/// Most bytes a shaped direction asks for at once: small enough to share a slow line finely.
const SHAPED_CHUNK: usize = 16 * 1024;

/// Two connected sockets and what was read from them before the relay began.
pub(crate) struct Ends {
    pub(crate) client: TcpStream,
    pub(crate) origin: TcpStream,
    /// Bytes for the origin, already read from the client.
    pub(crate) up: Bytes,
    /// Bytes for the client, already read from the origin.
    pub(crate) down: Bytes,
}

/// Relays until both sides are done, one fails, nobody says anything for `idle`, or the
/// process drains. The task's record says which.
pub(crate) async fn relay(ends: Ends, transfer: &Rc<Transfer>, idle: Duration) {
    let worker = Rc::clone(transfer.task().worker());
    let watch = worker.sweep.watch(WatchLimits {
        idle,
        head: idle,
        body: idle,
        minimum_rate: 1,
    });
    watch.enter(Phase::Body);
    let up = Way {
        direction: Direction::Up,
        from: &ends.client,
        to: &ends.origin,
        transfer,
        watch: &watch,
    };
    let down = Way {
        direction: Direction::Down,
        from: &ends.origin,
        to: &ends.client,
        ..up
    };
    let both = futures_util::future::try_join(up.run(ends.up), down.run(ends.down));
    let end = tokio::select! {
        biased;
        () = worker.shared.cut.cancelled() => End::Drained,
        () = watch.expired() => End::Deadline,
        result = both => match result {
            Ok(_) => End::Complete,
            Err(end) => end,
        },
    };
    transfer.ended(end);
}

/// One direction of a tunnel.
struct Way<'a> {
    direction: Direction,
    from: &'a TcpStream,
    to: &'a TcpStream,
    transfer: &'a Rc<Transfer>,
    watch: &'a Watch,
}

impl Way<'_> {
    async fn run(&self, mut early: Bytes) -> Result<(), End> {
        if !early.is_empty() {
            let mut left = early.len();
            while left > 0 {
                left -= self.take(left).await?;
            }
            self.transfer.moved(self.direction, early.len())?;
            self.write_all(&mut early).await?;
        }
        let worker = Rc::clone(self.transfer.task().worker());
        loop {
            self.from.readable().await.map_err(|_| self.sender_gone())?;
            let free = self.transfer.is_free(self.direction);
            let want = if free {
                // The allowance is asked here too; a free direction grants at once.
                self.take(SHARED_BUFFER).await?
            } else {
                self.take(SHAPED_CHUNK).await?
            };
            let step = {
                let mut buffer = worker.buffer.borrow_mut();
                self.step(buffer.get_mut(..want).unwrap_or_default())
            };
            match step {
                Step::Nothing => self.transfer.refund(self.direction, want),
                Step::End => {
                    self.transfer.refund(self.direction, want);
                    // Half-close: the other direction may still have something to say.
                    let _ = SockRef::from(self.to).shutdown(Shutdown::Write);
                    return Ok(());
                }
                Step::Failed(end) => return Err(end),
                Step::Moved(read, mut rest) => {
                    self.transfer.refund(self.direction, want - read);
                    self.watch.renew();
                    self.write_all(&mut rest).await?;
                }
            }
        }
    }

    /// Reads once and writes what it can at once; the rest comes back in a copy.
    fn step(&self, buffer: &mut [u8]) -> Step {
        let read = match self.from.try_read(buffer) {
            Ok(0) => return Step::End,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Step::Nothing,
            Err(_) => return Step::Failed(self.sender_gone()),
        };
        let data = buffer.get(..read).unwrap_or_default();
        if let Err(end) = self.transfer.moved(self.direction, read) {
            return Step::Failed(end);
        }
        let written = match self.to.try_write(data) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return Step::Failed(self.receiver_gone()),
        };
        Step::Moved(
            read,
            Bytes::copy_from_slice(data.get(written..).unwrap_or_default()),
        )
    }

    async fn take(&self, want: usize) -> Result<usize, End> {
        poll_fn(|cx| self.transfer.poll_take(self.direction, want, cx)).await
    }

    async fn write_all(&self, rest: &mut Bytes) -> Result<(), End> {
        while rest.has_remaining() {
            let ready = self.to.ready(Interest::WRITABLE).await;
            if ready.is_err() {
                return Err(self.receiver_gone());
            }
            match self.to.try_write(rest) {
                Ok(written) => {
                    rest.advance(written);
                    self.watch.renew();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(self.receiver_gone()),
            }
        }
        Ok(())
    }

    fn sender_gone(&self) -> End {
        match self.direction {
            Direction::Up => End::ClientGone,
            Direction::Down => End::OriginGone,
        }
    }

    fn receiver_gone(&self) -> End {
        match self.direction {
            Direction::Up => End::OriginGone,
            Direction::Down => End::ClientGone,
        }
    }
}

enum Step {
    /// Nothing to read yet.
    Nothing,
    /// The sender is done.
    End,
    /// One side is gone.
    Failed(End),
    /// So many bytes were read; these are left to write.
    Moved(usize, Bytes),
}
