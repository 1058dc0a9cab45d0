//! The relay of a tunnel: bytes both ways between two sockets, undecrypted.
//!
//! Decides when a tunnel ends. Each direction reads into the thread's one shared buffer
//! and writes at once, so that an idle tunnel holds no buffer; only what a slow receiver
//! did not take is kept, and nothing more is read until it is gone.

use crate::deadline::{Phase, Watch, WatchLimits};
use crate::transfer::Transfer;
use crate::worker::Worker;
use bytes::{Buf, Bytes};
use socket2::SockRef;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use weir_bandwidth::Direction;
use weir_monitoring::End;

/// Bytes of the buffer that all tunnels of a thread share.
pub(crate) const SHARED_BUFFER: usize = 256 * 1024;

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
pub(crate) async fn relay(mut ends: Ends, transfer: &Rc<Transfer>, idle: Duration) {
    let worker = Rc::clone(transfer.task().worker());
    let watch = worker.sweep.watch(WatchLimits {
        idle,
        head: idle,
        body: idle,
        minimum_rate: 1,
    });
    watch.enter(Phase::Body);
    let (from_client, to_client) = ends.client.split();
    let (from_origin, to_origin) = ends.origin.split();
    let up = Way {
        direction: Direction::Up,
        from: from_client,
        to: to_origin,
        transfer,
        worker: &worker,
        watch: &watch,
    };
    let down = Way {
        direction: Direction::Down,
        from: from_origin,
        to: to_client,
        transfer,
        worker: &worker,
        watch: &watch,
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
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    transfer: &'a Rc<Transfer>,
    worker: &'a Rc<Worker>,
    watch: &'a Watch,
}

impl Way<'_> {
    async fn run(mut self, mut early: Bytes) -> Result<(), End> {
        let mut left = early.len();
        while left > 0 {
            left -= self.take(left).await?;
        }
        self.transfer.moved(self.direction, early.len())?;
        self.write_all(&mut early).await?;
        loop {
            if !self.transfer.is_free(self.direction) {
                // Permission is not held while nothing is there to be moved.
                self.from.readable().await.map_err(|_| self.sender_gone())?;
            }
            let want = self.take(SHARED_BUFFER).await?;
            match poll_fn(|cx| self.poll_step(cx, want)).await {
                Step::End => {
                    self.transfer.refund(self.direction, want);
                    // Half-close: the other direction may still have something to say.
                    let _ = SockRef::from(self.to.as_ref()).shutdown(Shutdown::Write);
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
    ///
    /// `poll_read` and not `try_read`: only the former learns from a short read that nothing
    /// more is there, and saves the call that would say so.
    fn poll_step(&mut self, cx: &mut Context<'_>, want: usize) -> Poll<Step> {
        let mut buffer = self.worker.buffer.borrow_mut();
        let mut buffer = ReadBuf::new(buffer.get_mut(..want).unwrap_or_default());
        if ready!(Pin::new(&mut self.from).poll_read(cx, &mut buffer)).is_err() {
            return Poll::Ready(Step::Failed(self.sender_gone()));
        }
        let data = buffer.filled();
        if data.is_empty() {
            return Poll::Ready(Step::End);
        }
        if let Err(end) = self.transfer.moved(self.direction, data.len()) {
            return Poll::Ready(Step::Failed(end));
        }
        let written = match self.to.try_write(data) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return Poll::Ready(Step::Failed(self.receiver_gone())),
        };
        let rest = data.get(written..).unwrap_or_default();
        Poll::Ready(Step::Moved(data.len(), Bytes::copy_from_slice(rest)))
    }

    async fn take(&self, want: usize) -> Result<usize, End> {
        poll_fn(|cx| self.transfer.poll_take(self.direction, want, cx)).await
    }

    async fn write_all(&self, rest: &mut Bytes) -> Result<(), End> {
        while rest.has_remaining() {
            if self.to.writable().await.is_err() {
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
    /// The sender is done.
    End,
    /// One side is gone.
    Failed(End),
    /// So many bytes were read; these are left to write.
    Moved(usize, Bytes),
}
