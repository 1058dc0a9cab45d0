//! A client connection from its first bytes: CONNECT is read here and never reaches
//! hyper; everything else is handed to hyper with the bytes put back.
//!
//! Decides which of the two it is, and ends connections that are silent, malformed or
//! drained.

use crate::conn::{Conn, Entrance, Inner, Takeover};
use crate::connect;
use crate::deadline::Phase;
use crate::decision;
use crate::forward;
use crate::framing;
use crate::reply::Answer;
use crate::request;
use crate::stream::ClientStream;
use crate::task::Task;
use crate::tunnel::{self, Ends};
use crate::worker::Worker;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_monitoring::{End, Kind};

const CONNECT: &[u8] = b"CONNECT ";
/// Bytes of one read while peeking.
const PEEK: usize = 4096;
/// How long a closing connection is read so that its last answer is not reset away.
const LINGER: Duration = Duration::from_secs(1);

/// Serves one accepted connection to its end.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    entrance: Rc<Entrance>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let mut stream = stream;
    let mut buffer = BytesMut::new();
    let snapshot = worker.snapshot();
    let mut patience = snapshot.settings.deadlines.head;
    loop {
        let bounds = &snapshot.settings.bounds;
        let reading = peek(&mut stream, &mut buffer, bounds.head_bytes);
        let peeked = tokio::select! {
            biased;
            () = worker.shared.drain.cancelled() => return,
            peeked = tokio::time::timeout(patience, reading) => peeked,
        };
        match peeked {
            Err(_) if buffer.is_empty() => return,
            Err(_) => {
                let conn = Conn::new(&worker, &entrance, peer, None);
                let late = Answer::unreadable(StatusCode::REQUEST_TIMEOUT);
                return refuse(&conn, stream, late).await;
            }
            Ok(Peeked::Closed) => return,
            Ok(Peeked::Other) => {
                let conn = Conn::new(&worker, &entrance, peer, None);
                // Boxed: a tunnel would carry the room for hyper's state through its whole life.
                return Box::pin(http(conn, stream, buffer.freeze())).await;
            }
            Ok(Peeked::Connect(length)) => {
                let conn = Conn::new(&worker, &entrance, peer, None);
                let head = buffer.split_to(length).freeze();
                match Box::pin(connect::raw(&conn, &mut stream, &head)).await {
                    connect::Next::Again => patience = snapshot.settings.deadlines.client_idle,
                    connect::Next::Close => return linger(stream, bounds.drain_body).await,
                    connect::Next::Opened(opened) => {
                        return connect::run(conn, *opened, stream, buffer.freeze()).await;
                    }
                }
            }
        }
    }
}

enum Peeked {
    /// The client went away.
    Closed,
    /// A whole CONNECT head, of so many bytes, or more bytes than a head may have.
    Connect(usize),
    /// Something else: hyper's.
    Other,
}

/// Reads until it is clear what the connection begins with.
async fn peek(stream: &mut TcpStream, buffer: &mut BytesMut, bound: usize) -> Peeked {
    loop {
        // Empty lines before a request line are allowed (RFC 9112 §2.2); hyper skips them
        // too, but a CONNECT behind them must not be missed.
        let blank = buffer
            .iter()
            .take_while(|b| matches!(b, b'\r' | b'\n'))
            .count();
        let _ = buffer.split_to(blank);
        let known = buffer.len().min(CONNECT.len());
        if buffer.get(..known) != CONNECT.get(..known) {
            return Peeked::Other;
        }
        if known == CONNECT.len() {
            match framing::head_length(buffer) {
                Some(length) if length <= bound => return Peeked::Connect(length),
                // Cut off where it is too long: it does not parse, and is answered so.
                Some(_) => return Peeked::Connect(bound),
                None if buffer.len() > bound => return Peeked::Connect(bound),
                None => {}
            }
        }
        buffer.reserve(PEEK);
        match stream.read_buf(buffer).await {
            Ok(0) | Err(_) => return Peeked::Closed,
            Ok(_) => {}
        }
    }
}

/// Reads and drops what a client still sends, for a moment and up to `bound` bytes, so that closing the socket
/// does not reset the answer on its way (RFC 9112 §9.6).
pub(crate) async fn linger(mut stream: TcpStream, bound: u64) {
    let _ = stream.shutdown().await;
    let mut waste = vec![0; 4096];
    let mut left = bound;
    let drain = async {
        while let Ok(read @ 1..) = stream.read(&mut waste).await {
            left = left.saturating_sub(read as u64);
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, drain).await;
}

/// Serves HTTP on a socket, plain or inside a CONNECT to an HTTP port, to its end.
pub(crate) async fn http(conn: Rc<Conn>, stream: TcpStream, peeked: Bytes) {
    let snapshot = conn.worker.snapshot();
    let io = ClientStream::new(stream, peeked, &conn);
    let service = {
        let conn = Rc::clone(&conn);
        hyper::service::service_fn(move |request| {
            let conn = Rc::clone(&conn);
            // Boxed: hyper takes a connection apart again only where its future is Unpin.
            Box::pin(async move { Ok::<_, Infallible>(request::handle(conn, request).await) })
        })
    };
    let bounds = &snapshot.settings.bounds;
    let mut serving = http1::Builder::new()
        .max_headers(bounds.fields)
        .max_header_size(bounds.head_bytes)
        .max_buf_size(forward::BODY_BUFFER)
        .serve_connection(TokioIo::new(io), service);
    let shared = &conn.worker.shared;
    let mut draining = false;
    let done = loop {
        tokio::select! {
            biased;
            // Flushes before it is done; the stream leaves the socket open (`stream`).
            done = &mut serving => break Some(done),
            () = conn.watch.expired() => {
                conn.cut(End::Deadline);
                break None;
            }
            () = shared.cut.cancelled() => {
                conn.cut(End::Drained);
                return;
            }
            () = shared.drain.cancelled(), if !draining => {
                draining = true;
                Pin::new(&mut serving).graceful_shutdown();
                if conn.watch.phase() == Phase::Idle {
                    return;
                }
            }
        }
    };
    let between = matches!(conn.watch.phase(), Phase::Idle | Phase::Head);
    let parts = serving.into_parts();
    let (stream, peeked, status) = parts.io.into_inner().into_parts();
    drop(parts.service);
    match done {
        Some(Ok(())) => after(conn, stream, join(parts.read_buf, peeked)).await,
        Some(Err(error)) if error.is_parse() && between => {
            let status = status.unwrap_or(StatusCode::BAD_REQUEST);
            refuse(&conn, stream, Answer::unreadable(status)).await;
        }
        // A body whose end is the connection's must not look whole: only a reset says so.
        Some(Err(error)) if error.is_user() && !conn.speaks_1_1.get() => reset(&stream),
        Some(Err(_)) => linger(stream, bounds.drain_body).await,
        None if conn.watch.phase() == Phase::Head => {
            refuse(
                &conn,
                stream,
                Answer::unreadable(StatusCode::REQUEST_TIMEOUT),
            )
            .await;
        }
        None => {}
    }
}

/// Answers what came before a request was understood; it leaves a row too (threats §6).
async fn refuse(conn: &Rc<Conn>, mut stream: TcpStream, answer: Answer) {
    let snapshot = conn.worker.snapshot();
    let task = Task::begin(&conn.worker, Kind::Refusal);
    task.note(|record| {
        record.client = Some(conn.peer.ip());
        record.client_port = conn.peer.port();
        record.listener = Some(conn.entrance.name.clone());
        record.inspected = true;
    });
    decision::answered(&task, &answer);
    let bytes = answer.into_bytes(&snapshot, &task.event());
    drop(task);
    if write(&mut stream, &bytes, LINGER).await {
        linger(stream, snapshot.settings.bounds.drain_body).await;
    }
}

/// Has the socket reset when it is dropped, so that the client sees a failure.
fn reset(stream: &TcpStream) {
    // Where the system refuses, the connection ends as others do.
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// What follows when hyper is done with the connection.
async fn after(conn: Rc<Conn>, stream: TcpStream, early: Bytes) {
    let takeover = conn.takeover.take();
    match takeover {
        None => {
            let bound = conn.worker.snapshot().settings.bounds.drain_body;
            linger(stream, bound).await;
        }
        Some(Takeover::Tunnel(opened)) => connect::run(conn, *opened, stream, early).await,
        Some(Takeover::Upgraded {
            origin,
            early: down,
            transfer,
        }) => {
            transfer.task().becomes_tunnel();
            let ends = Ends {
                client: stream,
                origin,
                up: early,
                down,
            };
            let idle = conn.worker.snapshot().settings.deadlines.tunnel_idle;
            tunnel::relay(ends, &transfer, idle).await;
        }
    }
}

fn join(first: Bytes, second: Bytes) -> Bytes {
    if second.is_empty() {
        return first;
    }
    let mut both = BytesMut::with_capacity(first.len() + second.len());
    both.extend_from_slice(&first);
    both.extend_from_slice(&second);
    both.freeze()
}

/// Serves the HTTP inside a tunnel.
pub(crate) async fn inside(conn: &Rc<Conn>, inner: Inner, stream: TcpStream, early: Bytes) {
    let conn = Conn::new(&conn.worker, &conn.entrance, conn.peer, Some(inner));
    Box::pin(http(conn, stream, early)).await;
}

/// Writes an answer on a socket that hyper has not seen, within the head deadline.
pub(crate) async fn write(stream: &mut TcpStream, bytes: &[u8], patience: Duration) -> bool {
    matches!(
        tokio::time::timeout(patience, stream.write_all(bytes)).await,
        Ok(Ok(()))
    )
}
