//! The origin side of a plain request: a connection, the rebuilt request, the response on
//! its way back.
//!
//! Decides whether a request may be tried again. What is sent is always rebuilt; nothing
//! of the client's framing or hop-by-hop fields passes (threats §3).

use crate::body::{Body, Gate, RelayBody};
use crate::bound;
use crate::conn::{Conn, Response, Takeover};
use crate::deadline::Phase;
use crate::decision::{self, Asked, Decided};
use crate::dial;
use crate::framing;
use crate::hop_by_hop;
use crate::identify::Who;
use crate::interim::Inbox;
use crate::pool::{Connection, Key};
use crate::reply::Answer;
use crate::request::max_forwards;
use crate::size;
use crate::snapshot::Snapshot;
use crate::task::Task;
use crate::transfer::Transfer;
use crate::upgrade;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use weir_bandwidth::Direction;
use weir_config::Bounds;
use weir_host::{Scheme, Target};
use weir_monitoring::End;
use weir_policy::ResponseFacts;

/// Most bytes hyper gathers on one side of a transfer before the other side takes them. Large
/// reads make large downloads cheap; several such buffers can stand between two stalled sides,
/// so that a megabyte here was five for each download that a client let hang.
pub(crate) const BODY_BUFFER: usize = 256 * 1024;

/// A request that was let through, with all it needs on its way.
pub(crate) struct Errand<'a> {
    pub(crate) conn: &'a Rc<Conn>,
    pub(crate) snapshot: &'a Arc<Snapshot>,
    pub(crate) task: &'a Rc<Task>,
    pub(crate) who: &'a Rc<Who>,
    pub(crate) target: &'a Target,
    pub(crate) asked: &'a Asked<'a>,
    pub(crate) decided: &'a Decided,
    pub(crate) transfer: &'a Rc<Transfer>,
}

/// Sends the request and returns the response, its body still on its way.
pub(crate) async fn forward(
    errand: &Errand<'_>,
    request: Request<Incoming>,
) -> Result<Response, Answer> {
    let upgrade = upgrade::wanted(&request);
    let expects = expectation(request.headers())?;
    let (parts, body) = request.into_parts();
    let gate = expects.then(Rc::<Gate>::default);
    let bodiless = body.is_end_stream();
    let body = outgoing_body(errand, body, gate.clone());
    let mut outgoing = outgoing_head(errand, parts, upgrade.is_some())?;
    let inbox = Inbox::attach(&mut outgoing);
    let key = key(errand);
    let signs_in = bound::by_request(outgoing.headers());
    let held = match upgrade {
        Some(_) => None,
        None => bound::take(errand.conn, &key, errand.who).await,
    };
    let stays = signs_in || held.is_some();
    let (mut response, connection) = if upgrade.is_some() {
        // A connection that becomes a tunnel is never one that was shared.
        let connection = connect(errand, true).await?;
        exchange(errand, connection, outgoing, body, gate.as_deref(), &inbox)
            .await
            .map_err(|failure| failed(errand, &failure))?
    } else {
        let pool = &errand.conn.worker.pool;
        // Who signs in must not do so on a connection that others have used, or will use.
        let idle = match held {
            None if !signs_in => pool.take(&key),
            held => held,
        };
        send(
            errand,
            idle,
            outgoing,
            body,
            bodiless,
            gate.as_deref(),
            &inbox,
        )
        .await?
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return upgrade::switched(errand, upgrade.as_ref(), response).await;
    }
    check_response(errand, &mut response)?;
    let stays = stays || bound::by_response(response.headers());
    hop_by_hop::response(response.headers_mut());
    bound::announce(errand.conn, response.headers_mut());
    response
        .headers_mut()
        .append(header::VIA, errand.conn.worker.shared.via.clone());
    *response.version_mut() = Version::HTTP_11;
    let back = bound::next_place(errand.conn, errand.who, key, connection, stays);
    Ok(response.map(|body| incoming_body(errand, body, back)))
}

/// Passes the response body on, and the connection to its next place behind it.
fn incoming_body(errand: &Errand<'_>, body: Incoming, put: impl FnOnce() + 'static) -> Body {
    if body.is_end_stream() {
        errand.task.ended(End::Complete);
        put();
        return Body::Empty;
    }
    Body::Relay(Box::new(RelayBody::new(
        body,
        Direction::Down,
        Rc::clone(errand.transfer),
        Rc::clone(errand.conn),
        None,
        Some(Box::new(put)),
    )))
}

fn outgoing_body(errand: &Errand<'_>, body: Incoming, gate: Option<Rc<Gate>>) -> Body {
    if body.is_end_stream() {
        return Body::Empty;
    }
    if gate.is_none() {
        errand.conn.watch.enter(Phase::Body);
    }
    Body::Relay(Box::new(RelayBody::new(
        body,
        Direction::Up,
        Rc::clone(errand.transfer),
        Rc::clone(errand.conn),
        gate,
        None,
    )))
}

/// Whether the client waits for 100 (Continue); any other expectation cannot be met
/// (RFC 9110 §10.1.1).
fn expectation(fields: &HeaderMap) -> Result<bool, Answer> {
    match fields.get(header::EXPECT) {
        None => Ok(false),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Some(_) => Err(Answer::new(
            StatusCode::EXPECTATION_FAILED,
            Some("http_request_error"),
            "This request cannot be met",
            "The Expect field asks for something unknown.",
        )),
    }
}

/// The request head as the origin sees it.
fn outgoing_head(
    errand: &Errand<'_>,
    parts: http::request::Parts,
    upgrade: bool,
) -> Result<Request<()>, Answer> {
    let hops = max_forwards(&parts.headers)?;
    let mut fields = parts.headers;
    hop_by_hop::request(&mut fields);
    if errand.decided.verdict.limits.download_size.is_some() {
        size::ask_for_whole(&mut fields);
    }
    if upgrade {
        upgrade::offer(&mut fields);
    }
    if let (Some(hops), true) = (hops, counts_hops(&parts.method)) {
        fields.insert(
            header::MAX_FORWARDS,
            HeaderValue::from(hops.saturating_sub(1)),
        );
    }
    let bad = |_| Answer::malformed("The address is not valid.");
    let host = HeaderValue::from_str(&errand.target.authority()).map_err(|_| bad(()))?;
    fields.insert(header::HOST, host);
    fields.append(header::VIA, errand.conn.worker.shared.via.clone());
    let uri = Uri::try_from(errand.target.path_and_query()).map_err(|_| bad(()))?;
    let mut request = Request::new(());
    *request.method_mut() = parts.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = fields;
    Ok(request)
}

fn counts_hops(method: &Method) -> bool {
    method == Method::TRACE || method == Method::OPTIONS
}

fn key(errand: &Errand<'_>) -> Key {
    Key {
        scheme: errand.target.scheme,
        host: errand.target.host.clone(),
        port: errand.target.port,
        egress: errand.snapshot.egress_version,
    }
}

/// Sends over an `idle` connection if there is one, and once more over a fresh one where
/// it turns out to have died (RFC 9110 §9.2.2: idempotent, and here also
/// without a body).
async fn send(
    errand: &Errand<'_>,
    idle: Option<Connection>,
    outgoing: Request<()>,
    body: Body,
    bodiless: bool,
    gate: Option<&Gate>,
    inbox: &Arc<Inbox>,
) -> Result<(http::Response<Incoming>, Connection), Answer> {
    let Some(pooled) = idle else {
        let connection = connect(errand, false).await?;
        return exchange(errand, connection, outgoing, body, gate, inbox)
            .await
            .map_err(|failure| failed(errand, &failure));
    };
    let again = (bodiless && outgoing.method().is_idempotent()).then(|| outgoing.clone());
    let address = pooled.address;
    errand.task.note(|record| record.origin = Some(address));
    let failure = match exchange(errand, pooled, outgoing, body, gate, inbox).await {
        Ok(done) => return Ok(done),
        Err(failure) => failure,
    };
    match again {
        Some(outgoing) if failure.died_unanswered => {
            let connection = connect(errand, false).await?;
            exchange(errand, connection, outgoing, Body::Empty, gate, inbox)
                .await
                .map_err(|failure| failed(errand, &failure))
        }
        _ => Err(failed(errand, &failure)),
    }
}

/// Dials, with TLS for an https target.
async fn connect(errand: &Errand<'_>, upgrade: bool) -> Result<Connection, Answer> {
    let settings = &errand.snapshot.settings;
    let (stream, address) = dial::dial(
        &errand.conn.worker.names,
        &errand.snapshot.egress,
        &errand.target.host,
        errand.target.port,
        settings.deadlines.resolve,
        settings.deadlines.connect,
    )
    .await
    .map_err(|error| decision::dial_failed(&error))?;
    errand
        .task
        .note(|record| record.origin = Some(address.ip()));
    let bounds = &settings.bounds;
    let protocol = |_| Answer::origin(502, "connection_terminated", "The site hung up.");
    let sender = match errand.target.scheme {
        Scheme::Http if upgrade => speak_upgradable(TokioIo::new(stream), bounds)
            .await
            .map_err(protocol)?,
        Scheme::Http => speak(TokioIo::new(stream), bounds)
            .await
            .map_err(protocol)?,
        Scheme::Https => {
            let tls = crate::tls::handshake(
                &errand.snapshot.tls,
                &errand.target.host,
                stream,
                settings.deadlines.connect,
            )
            .await
            .map_err(|error| Answer::origin(502, error.label(), &format!("{error}.")))?;
            speak(TokioIo::new(tls), bounds).await.map_err(protocol)?
        }
    };
    Ok(Connection {
        sender,
        address: address.ip(),
        reused: false,
    })
}

/// Fields that hyper parses on the stack; another number costs an allocation a message.
const FIELDS_ON_STACK: usize = 100;

fn client(bounds: &Bounds) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_buf_size(BODY_BUFFER.max(bounds.head_bytes))
        .max_header_size(bounds.head_bytes);
    if bounds.fields != FIELDS_ON_STACK {
        builder.max_headers(bounds.fields);
    }
    builder
}

/// Begins HTTP/1.1 on a connection to an origin; the connection runs as a task of its own.
pub(crate) async fn speak<S>(
    io: TokioIo<S>,
    bounds: &Bounds,
) -> Result<SendRequest<Body>, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (sender, connection) = client(bounds).handshake(io).await?;
    // Ends by itself when the sender is dropped or the origin closes.
    tokio::task::spawn_local(connection);
    Ok(sender)
}

async fn speak_upgradable(
    io: TokioIo<tokio::net::TcpStream>,
    bounds: &Bounds,
) -> Result<SendRequest<Body>, hyper::Error> {
    let (sender, connection) = client(bounds).handshake(io).await?;
    tokio::task::spawn_local(connection.with_upgrades());
    Ok(sender)
}

/// An exchange that did not come to a response.
struct Failure {
    status: u16,
    label: &'static str,
    words: &'static str,
    end: End,
    /// The connection died before a byte of a response.
    died_unanswered: bool,
}

/// One request and the head of its response.
async fn exchange(
    errand: &Errand<'_>,
    mut connection: Connection,
    head: Request<()>,
    body: Body,
    gate: Option<&Gate>,
    inbox: &Arc<Inbox>,
) -> Result<(http::Response<Incoming>, Connection), Failure> {
    let deadlines = &errand.snapshot.settings.deadlines;
    let request = head.map(|()| body);
    let exchange = connection.sender.send_request(request);
    let relayed = inbox.relay(exchange, errand.conn, gate, deadlines.expect_continue);
    match patient(errand, relayed, deadlines.origin_head).await {
        Some(Ok(response)) => Ok((response, connection)),
        Some(Err(error)) => Err(classify(&error)),
        None => Err(Failure {
            status: 504,
            label: "http_response_timeout",
            words: "The site did not answer in time.",
            end: End::Deadline,
            died_unanswered: false,
        }),
    }
}

/// Waits for the response head: `limit` from the moment the request's body is out.
async fn patient<F>(errand: &Errand<'_>, exchange: F, limit: Duration) -> Option<F::Output>
where
    F: Future,
{
    let mut exchange = std::pin::pin!(exchange);
    loop {
        match tokio::time::timeout(limit, exchange.as_mut()).await {
            Ok(done) => return Some(done),
            // While the body is still moving its own deadlines hold.
            Err(_) if errand.conn.watch.phase() == Phase::Body => {}
            Err(_) => return None,
        }
    }
}

fn classify(error: &crate::interim::ExchangeError) -> Failure {
    use crate::interim::ExchangeError;
    let failure = |label, words, end, died_unanswered| Failure {
        status: 502,
        label,
        words,
        end,
        died_unanswered,
    };
    match error {
        ExchangeError::TooManyInterim => failure(
            "http_protocol_error",
            "The site sent too many interim responses.",
            End::OriginGone,
            false,
        ),
        ExchangeError::Hyper(error) if error.is_parse() => failure(
            "http_protocol_error",
            "The site's answer is not valid HTTP.",
            End::OriginGone,
            false,
        ),
        ExchangeError::Hyper(error) if error.is_user() => failure(
            "http_request_error",
            "The request was broken off.",
            End::ClientGone,
            false,
        ),
        ExchangeError::Hyper(error) if error.is_incomplete_message() => failure(
            "http_response_incomplete",
            "The site hung up before it had answered.",
            End::OriginGone,
            true,
        ),
        ExchangeError::Hyper(_) => failure(
            "connection_terminated",
            "The site hung up before it answered.",
            End::OriginGone,
            true,
        ),
    }
}

/// The answer to a failed exchange: a body that was cut at a limit failed for that reason.
fn failed(errand: &Errand<'_>, failure: &Failure) -> Answer {
    let limit = errand.decided.verdict.limits.upload_size;
    match (errand.task.end(), limit) {
        (Some(End::SizeLimit), Some(limit)) => {
            return decision::too_large(errand.task, true, limit);
        }
        (Some(End::Allowance), _) => return decision::allowance_spent(),
        // The client's body broke off or is not valid; the origin did nothing wrong.
        (Some(End::ClientGone), _) => {
            return Answer::malformed("The body of the request could not be read.");
        }
        _ => errand.task.ended(failure.end),
    }
    Answer::origin(failure.status, failure.label, failure.words)
}

/// What the response's fields say is decided before a byte of it is passed on.
fn check_response(
    errand: &Errand<'_>,
    response: &mut http::Response<Incoming>,
) -> Result<(), Answer> {
    let bad = |words| {
        errand.task.ended(End::OriginGone);
        Answer::origin(502, "http_protocol_error", words)
    };
    let version = response.version();
    framing::response(response.headers_mut(), version)
        .map_err(|()| bad("The site does not say clearly where its answer ends."))?;
    // Its challenge would make a browser send the password for this proxy to whoever asks.
    if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        return Err(bad(
            "The site asks for a sign-in that only a proxy may ask for.",
        ));
    }
    let length = size::whole(response.headers(), response.body().size_hint().exact());
    if let Some(limit) = errand.decided.verdict.limits.download_size
        && errand.asked.method != "HEAD"
    {
        if length.is_some_and(|length| length > limit) {
            return Err(decision::too_large(errand.task, false, limit));
        }
        if size::hides_whole(response.status(), response.headers()) {
            return Err(bad("The site sends a part and does not say of how much."));
        }
    }
    let content_type = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let facts = ResponseFacts { content_type };
    decision::decide_response(
        errand.conn,
        errand.snapshot,
        errand.task,
        errand.who,
        errand.asked,
        errand.decided,
        &facts,
    )
}

/// Leaves the socket of an upgraded exchange to the connection.
pub(crate) fn take_over(errand: &Errand<'_>, origin: tokio::net::TcpStream, early: Bytes) {
    *errand.conn.takeover.borrow_mut() = Some(Takeover::Upgraded {
        origin,
        early,
        transfer: Rc::clone(errand.transfer),
    });
}
