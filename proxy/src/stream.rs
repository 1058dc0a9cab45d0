//! The client's socket as hyper sees it: bytes already peeked come first, progress is
//! told to the connection's watch, and interim (1xx) responses are slipped in where
//! hyper's server has no call for them.
//!
//! Decides nothing about requests.

use crate::conn::Conn;
use crate::deadline::Phase;
use bytes::{Buf, Bytes, BytesMut};
use http::StatusCode;
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
pub(crate) struct ClientStream {
    stream: TcpStream,
    peeked: Bytes,
    conn: Rc<Conn>,
    /// What hyper itself wanted to answer a head with that it could not read.
    refusal: Vec<u8>,
}

impl std::fmt::Debug for ClientStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientStream").finish_non_exhaustive()
    }
}

/// Bytes of hyper's own refusal that are kept: its status line is wanted.
const REFUSAL_BOUND: usize = 64;

impl ClientStream {
    /// Wraps a socket of which `peeked` has been read already.
    pub(crate) fn new(stream: TcpStream, peeked: Bytes, conn: &Rc<Conn>) -> ClientStream {
        ClientStream {
            stream,
            peeked,
            conn: Rc::clone(conn),
            refusal: Vec::new(),
        }
    }

    /// The socket, what was peeked and never read, and the status of hyper's own refusal.
    pub(crate) fn into_parts(self) -> (TcpStream, Bytes, Option<StatusCode>) {
        let status = self.refusal.get(9..12);
        let status = status.and_then(|digits| StatusCode::from_bytes(digits).ok());
        (self.stream, self.peeked, status)
    }

    fn arrived(&self, bytes: &[u8]) {
        let watch = &self.conn.watch;
        if !bytes.is_empty() && watch.phase() == Phase::Idle {
            watch.enter(Phase::Head);
        }
        watch.paid(bytes.len());
        self.conn.tap.see(bytes);
        self.settle();
    }

    /// The connection is between requests once the response has left and the request has
    /// been read to its end: a response can come early.
    fn settle(&self) {
        let conn = &self.conn;
        let left = conn.watch.phase() == Phase::Leaving && !conn.interim.dirty.get();
        if left && !conn.tap.in_body() {
            conn.response_has_left();
        }
    }

    /// hyper answers heads that it cannot read by itself, without words or a cause. Between
    /// requests nothing else is written: that answer is kept back for Weir's own.
    fn keeps_back(&mut self, bytes: &[u8]) -> bool {
        let between = matches!(self.conn.watch.phase(), Phase::Idle | Phase::Head);
        if between {
            let room = REFUSAL_BOUND.saturating_sub(self.refusal.len());
            self.refusal
                .extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        }
        between
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
        if this.keeps_back(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        let interim = &this.conn.interim;
        ready!(interim.poll_write_queued(&mut this.stream, cx))?;
        interim.dirty.set(true);
        let n = ready!(Pin::new(&mut this.stream).poll_write(cx, buf))?;
        this.conn.watch.paid(n);
        Poll::Ready(Ok(n))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let first = bufs.iter().find(|buf| !buf.is_empty());
        if let Some(first) = first
            && this.keeps_back(first)
        {
            return Poll::Ready(Ok(first.len()));
        }
        let interim = &this.conn.interim;
        ready!(interim.poll_write_queued(&mut this.stream, cx))?;
        interim.dirty.set(true);
        let n = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bufs))?;
        this.conn.watch.paid(n);
        Poll::Ready(Ok(n))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    // hyper flushes with an empty buffer at the end of every poll while it waits for a
    // response: the safe moment for an interim head.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let interim = &this.conn.interim;
        ready!(interim.poll_write_queued(&mut this.stream, cx))?;
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        interim.dirty.set(false);
        this.settle();
        let mut waker = interim.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Ready(Ok(()))
    }

    // hyper flushes before it shuts down; the socket itself is shut down by `connection`,
    // which may have an answer of its own to send first.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
