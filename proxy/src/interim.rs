//! Interim (1xx) responses from an origin, on their way to the client (RFC 9110 §15.2).
//!
//! Decides how many an origin may send. hyper reports them by a callback that must be
//! `Send`; the inbox carries them from there to the connection's own stream.

use crate::body::Gate;
use crate::conn::Conn;
use crate::hop_by_hop;
use futures_util::task::AtomicWaker;
use http::{HeaderMap, Request, StatusCode};
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use thiserror::Error;

/// Interim responses one exchange may have.
const MOST: usize = 32;

/// Why an exchange did not come to a response.
#[derive(Debug, Error)]
pub(crate) enum ExchangeError {
    /// The connection failed, or what came was not HTTP.
    #[error(transparent)]
    Hyper(#[from] hyper::Error),
    /// The origin never came to the point.
    #[error("more than {MOST} interim responses")]
    TooManyInterim,
}

#[derive(Debug, Default)]
struct Queue {
    heads: VecDeque<(StatusCode, HeaderMap)>,
    seen: usize,
}

/// Interim heads of one exchange.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    waker: AtomicWaker,
}

impl Inbox {
    /// An inbox that hyper fills while `request` is under way.
    pub(crate) fn attach(request: &mut Request<()>) -> Arc<Inbox> {
        let inbox = Arc::new(Inbox::default());
        let filled = Arc::clone(&inbox);
        hyper::ext::on_informational(request, move |response| {
            let mut queue = filled.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.seen += 1;
            if queue.seen <= MOST {
                queue
                    .heads
                    .push_back((response.status(), response.headers().clone()));
            }
            filled.waker.wake();
        });
        inbox
    }

    /// Runs the exchange, passing interim heads on as they come. A held-back body goes at
    /// 100 (Continue), or when the origin has said nothing for `wait`.
    pub(crate) async fn relay<F>(
        &self,
        exchange: F,
        conn: &Rc<Conn>,
        gate: Option<&Gate>,
        wait: Duration,
    ) -> Result<http::Response<Incoming>, ExchangeError>
    where
        F: Future<Output = Result<http::Response<Incoming>, hyper::Error>>,
    {
        let mut exchange = std::pin::pin!(exchange);
        let answered = poll_fn(|cx| {
            self.waker.register(cx.waker());
            // The exchange first: it is what fills the inbox.
            let polled = exchange.as_mut().poll(cx);
            if self.pass_on(conn, gate) > MOST {
                return Poll::Ready(Err(ExchangeError::TooManyInterim));
            }
            polled.map_err(ExchangeError::Hyper)
        });
        let Some(gate) = gate else {
            return answered.await;
        };
        let mut answered = std::pin::pin!(answered);
        match tokio::time::timeout(wait, answered.as_mut()).await {
            Ok(done) => done,
            Err(_) => {
                gate.open();
                answered.await
            }
        }
    }

    fn pass_on(&self, conn: &Rc<Conn>, gate: Option<&Gate>) -> usize {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((status, fields)) = queue.heads.pop_front() {
            if status == StatusCode::CONTINUE {
                // hyper's server says 100 itself when the body is asked for.
                if let Some(gate) = gate {
                    gate.open();
                }
            } else if conn.speaks_1_1.get() {
                conn.interim.push(&render(status, fields));
            }
        }
        queue.seen
    }
}

fn render(status: StatusCode, mut fields: HeaderMap) -> Vec<u8> {
    hop_by_hop::response(&mut fields);
    let reason = status.canonical_reason().unwrap_or("");
    let mut out = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in &fields {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}
