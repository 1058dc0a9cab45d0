//! The client's socket as hyper sees it: bytes already peeked come first, progress is
//! told to the connection's watch, and interim (1xx) responses are slipped in where
//! hyper's server has no call for them.
//!
//! Decides nothing about requests.

use crate::deadline::{Phase, Watch};
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
}

impl ClientStream {
    /// Wraps a socket of which `peeked` has been read already.
    pub(crate) fn new(
        stream: TcpStream,
        peeked: Bytes,
        watch: Rc<Watch>,
        interim: Rc<Interim>,
    ) -> ClientStream {
        ClientStream {
            stream,
            peeked,
            watch,
            interim,
        }
    }

    /// The socket, and what was peeked and never read.
    pub(crate) fn into_parts(self) -> (TcpStream, Bytes) {
        (self.stream, self.peeked)
    }

    fn arrived(&self, bytes: usize) {
        if bytes > 0 && self.watch.phase() == Phase::Idle {
            self.watch.enter(Phase::Head);
        } else {
            self.watch.paid(bytes);
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
        self.arrived(buf.filled().len() - before);
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
