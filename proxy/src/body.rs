//! Bodies on their way through: counted, limited and shaped, never gathered.
//!
//! Decides how a body ends when a limit is passed. Backpressure is hyper's: a chunk is
//! asked for only when the far side has taken the one before, so a transfer of any
//! length needs one chunk of memory.

use crate::conn::Conn;
use crate::deadline::Phase;
use crate::hop_by_hop;
use crate::transfer::Transfer;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use thiserror::Error;
use weir_bandwidth::Direction;
use weir_monitoring::End;

/// Why a body was cut. hyper closes the connection on it, so a cut body never looks whole.
#[derive(Debug, Error)]
pub(crate) enum BodyError {
    /// The sender failed or vanished.
    #[error("the sender of the body failed: {0}")]
    Sender(#[source] hyper::Error),
    /// A limit of the policy was passed.
    #[error("the transfer was cut: {0:?}")]
    Cut(End),
}

/// The body of a response or of an outgoing request.
#[derive(Debug)]
pub(crate) enum Body {
    /// Nothing.
    Empty,
    /// Made by Weir.
    Full(Option<Bytes>),
    /// Relayed.
    Relay(Box<RelayBody>),
}

impl Body {
    /// A body that Weir made.
    pub(crate) fn full(bytes: Bytes) -> Body {
        Body::Full(Some(bytes))
    }
}

/// Holds a request body back until the origin has said 100 (Continue), has answered, or
/// has kept silent for long enough (RFC 9110 §10.1.1).
#[derive(Debug, Default)]
pub(crate) struct Gate {
    open: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Gate {
    /// Lets the body go.
    pub(crate) fn open(&self) {
        self.open.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.open.get() {
            return Poll::Ready(());
        }
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// A body relayed from one side to the other.
pub(crate) struct RelayBody {
    incoming: Incoming,
    direction: Direction,
    transfer: Rc<Transfer>,
    conn: Rc<Conn>,
    pending: Bytes,
    gate: Option<Rc<Gate>>,
    done: Option<Box<dyn FnOnce()>>,
    finished: bool,
    waited: bool,
}

impl std::fmt::Debug for RelayBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayBody").finish_non_exhaustive()
    }
}

impl RelayBody {
    /// Relays `incoming` in `direction`. `done` is called when the last byte was handed on,
    /// and never for a body that was cut.
    pub(crate) fn new(
        incoming: Incoming,
        direction: Direction,
        transfer: Rc<Transfer>,
        conn: Rc<Conn>,
        gate: Option<Rc<Gate>>,
        done: Option<Box<dyn FnOnce()>>,
    ) -> RelayBody {
        RelayBody {
            incoming,
            direction,
            transfer,
            conn,
            pending: Bytes::new(),
            gate,
            done,
            finished: false,
            waited: false,
        }
    }

    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        while self.pending.is_empty() {
            let frame = match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                None => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(self.sender_failed(error)))),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) => self.pending = data,
                Err(frame) => {
                    if let Ok(mut fields) = frame.into_trailers() {
                        hop_by_hop::trailers(&mut fields);
                        self.finish();
                        return Poll::Ready(Some(Ok(Frame::trailers(fields))));
                    }
                }
            }
        }
        if matches!(self.direction, Direction::Down) {
            self.conn.watch.renew();
        }
        let granted = match self
            .transfer
            .poll_take(self.direction, self.pending.len(), cx)
        {
            Poll::Pending => {
                self.waited = true;
                return Poll::Pending;
            }
            Poll::Ready(Ok(granted)) => granted.min(self.pending.len()),
            Poll::Ready(Err(end)) => return Poll::Ready(Some(Err(self.cut(end)))),
        };
        if std::mem::take(&mut self.waited) {
            // Waiting for one's share is not the client's silence.
            self.conn.watch.renew();
        }
        let chunk = self.pending.split_to(granted);
        if let Err(end) = self.transfer.moved(self.direction, chunk.len()) {
            return Poll::Ready(Some(Err(self.cut(end))));
        }
        if self.pending.is_empty() && self.incoming.is_end_stream() {
            self.finish();
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn sender_failed(&mut self, error: hyper::Error) -> BodyError {
        self.transfer.ended(match self.direction {
            Direction::Down => End::OriginGone,
            Direction::Up => End::ClientGone,
        });
        BodyError::Sender(error)
    }

    fn cut(&mut self, end: End) -> BodyError {
        self.transfer.ended(end);
        BodyError::Cut(end)
    }

    fn finish(&mut self) {
        if self.finished {
            return;
        }
        self.finished = true;
        // From here the origin's silence is the origin's; after an early answer the
        // connection goes on by that.
        if matches!(self.direction, Direction::Up) && !self.conn.answering.get() {
            self.conn.watch.enter(Phase::Working);
        }
        if let Some(done) = self.done.take() {
            done();
        }
    }
}

impl Drop for RelayBody {
    fn drop(&mut self) {
        if matches!(self.direction, Direction::Down) {
            let whole = self.finished.then(|| self.transfer.task());
            self.conn.response_leaves(whole);
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Body::Empty => Poll::Ready(None),
            Body::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Body::Relay(relay) => {
                if let Some(gate) = &relay.gate {
                    ready!(gate.poll(cx));
                    relay.gate = None;
                    relay.conn.watch.enter(Phase::Body);
                }
                relay.poll_chunk(cx)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Empty => true,
            Body::Full(bytes) => bytes.is_none(),
            Body::Relay(relay) => relay.pending.is_empty() && relay.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Body::Relay(relay) => {
                let mut hint = relay.incoming.size_hint();
                let pending = relay.pending.len() as u64;
                if let Some(exact) = hint.exact() {
                    hint.set_exact(exact + pending);
                }
                hint
            }
        }
    }
}
