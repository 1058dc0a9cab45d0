//! The client's socket as hyper sees it: bytes already peeked come first, progress is
//! told to the connection's watch, and interim (1xx) responses are slipped in where
//! hyper's server has no call for them.
//!
//! Decides nothing about requests.

use crate::deadline::{Phase, Watch};
use crate::framing::{self, RawHead};
use bytes::{Buf, Bytes, BytesMut};
use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Interim responses waiting to be written, shared with the request at work.
///
/// RFC 9110 §15.2 obliges a proxy to forward 1xx responses; hyper's HTTP/1 server only
/// sends its own 100. They are written between hyper's own writes, and only while hyper
/// has nothing half-written.
#[derive(Debug, Default)]
pub(crate) struct Interim {
    queued: RefCell<BytesMut>,
    /// hyper has handed over bytes since its last completed flush.
    dirty: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// Bytes of interim heads that may wait for one slow client.
const INTERIM_BOUND: usize = 16 * 1024;

impl Interim {
    /// Queues one rendered interim head. Returns false where it had to be dropped: the
    /// previous response is still leaving, or too many wait already.
    pub(crate) fn push(&self, head: &[u8]) -> bool {
        let mut queued = self.queued.borrow_mut();
        if self.dirty.get() || queued.len() + head.len() > INTERIM_BOUND {
            return false;
        }
        queued.extend_from_slice(head);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
        true
    }

    fn poll_write_queued(
        &self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut queued = self.queued.borrow_mut();
        while !queued.is_empty() {
            let n = ready!(Pin::new(&mut *stream).poll_write(cx, &queued))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            queued.advance(n);
        }
        Poll::Ready(Ok(()))
    }
}

/// A client connection. Reads yield the peeked bytes first.
#[derive(Debug)]
pub(crate) struct ClientStream {
    stream: TcpStream,
    peeked: Bytes,
    watch: Rc<Watch>,
    interim: Rc<Interim>,
    tap: Rc<Tap>,
}

/// Looks at each request's raw head on its way to hyper.
///
/// A head almost always arrives in one read and is looked at in place; only one in pieces
/// is copied together, up to the bound that hyper has for a head anyway. A head that was
/// sent ahead, behind the body of the request before, is not seen here.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    pieces: RefCell<Vec<u8>>,
    last: Cell<RawHead>,
}

/// Bytes of a head in pieces that are kept.
const TAP_BOUND: usize = 128 * 1024;
const HEAD_END: &[u8] = b"\r\n\r\n";

impl Tap {
    /// What the head of the request at work showed; the next one begins clean.
    pub(crate) fn take(&self) -> RawHead {
        self.pieces.borrow_mut().clear();
        self.last.take()
    }

    fn see(&self, bytes: &[u8]) {
        let mut pieces = self.pieces.borrow_mut();
        if pieces.is_empty()
            && let Some(end) = memchr::memmem::find(bytes, HEAD_END)
        {
            let head = bytes.get(..end + HEAD_END.len()).unwrap_or_default();
            return self.last.set(framing::inspect(head));
        }
        if pieces.len() + bytes.len() > TAP_BOUND {
            return;
        }
        // The end may lie across two pieces.
        let from = pieces.len().saturating_sub(HEAD_END.len());
        pieces.extend_from_slice(bytes);
        let tail = pieces.get(from..).unwrap_or_default();
        let end = memchr::memmem::find(tail, HEAD_END).map(|end| from + end + HEAD_END.len());
        // Without an empty line yet, what is known so far is known all the same: hyper may
        // end a head at a bare LF.
        let head = pieces
            .get(..end.unwrap_or(pieces.len()))
            .unwrap_or_default();
        self.last.set(framing::inspect(head));
    }
}

impl ClientStream {
    /// Wraps a socket of which `peeked` has been read already.
    pub(crate) fn new(
        stream: TcpStream,
        peeked: Bytes,
        watch: Rc<Watch>,
        interim: Rc<Interim>,
        tap: Rc<Tap>,
    ) -> ClientStream {
        ClientStream {
            stream,
            peeked,
            watch,
            interim,
            tap,
        }
    }

    /// The socket, and what was peeked and never read.
    pub(crate) fn into_parts(self) -> (TcpStream, Bytes) {
        (self.stream, self.peeked)
    }

    fn arrived(&self, bytes: &[u8]) {
        if !bytes.is_empty() && self.watch.phase() == Phase::Idle {
            self.watch.enter(Phase::Head);
        }
        match self.watch.phase() {
            Phase::Head => self.tap.see(bytes),
            _ => self.watch.paid(bytes.len()),
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.peeked.has_remaining() {
            let n = self.peeked.len().min(buf.remaining());
            let head = self.peeked.split_to(n);
            buf.put_slice(&head);
        } else {
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        }
        self.arrived(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.interim.poll_write_queued(&mut this.stream, cx))?;
        this.interim.dirty.set(true);
        let n = ready!(Pin::new(&mut this.stream).poll_write(cx, buf))?;
        this.watch.paid(n);
        Poll::Ready(Ok(n))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.interim.poll_write_queued(&mut this.stream, cx))?;
        this.interim.dirty.set(true);
        let n = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bufs))?;
        this.watch.paid(n);
        Poll::Ready(Ok(n))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    // hyper flushes with an empty buffer at the end of every poll while it waits for a
    // response: the safe moment for an interim head.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.interim.poll_write_queued(&mut this.stream, cx))?;
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        this.interim.dirty.set(false);
        let mut waker = this.interim.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
