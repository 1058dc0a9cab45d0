//! CONNECT: decided, then dialled, and only then answered 200; what follows in the tunnel
//! is looked at before a byte of it goes to the origin.
//!
//! Decides which ports may carry what. The verdict is `weir-policy`'s, the second one, on
//! the TLS server name, included: the stricter of the two wins (threats §2).

use crate::conceal;
use crate::conn::{Conn, Inner, Response, Takeover};
use crate::connection;
use crate::decision::{self, Asked, Decided};
use crate::dial;
use crate::framing::{self, RawHead};
use crate::hello::{self, Peek};
use crate::identify::{self, Who};
use crate::law::notice;
use crate::pool::{Connection, Key};
use crate::reply::Answer;
use crate::snapshot::Snapshot;
use crate::task::Task;
use crate::transfer::Transfer;
use crate::tunnel::{self, Ends};
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::rc::Rc;
use std::sync::Arc;
use tokio::net::TcpStream;
use weir_categories::sealed::SlotId;
use weir_host::{Host, Scheme, parse_authority};
use weir_monitoring::{End, Kind};

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
/// Fields of a CONNECT head that are looked at; more are refused.
const MOST_FIELDS: usize = 100;

/// What the bytes in a tunnel must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Tls,
    Http,
    Opaque,
}

/// A CONNECT that was allowed and dialled, before its 200.
pub(crate) struct Opened {
    origin: TcpStream,
    transfer: Rc<Transfer>,
    who: Rc<Who>,
    snapshot: Arc<Snapshot>,
    host: Host,
    port: u16,
    content: Content,
    decided: Decided,
}

/// What to do after a CONNECT that hyper has not seen.
pub(crate) enum Next {
    /// It was answered; the client may ask again.
    Again,
    /// It was answered; the connection ends.
    Close,
    /// It was answered 200.
    Opened(Box<Opened>),
}

/// Answers a CONNECT head read from the socket.
pub(crate) async fn raw(conn: &Rc<Conn>, stream: &mut TcpStream, head: &Bytes) -> Next {
    let snapshot = conn.worker.snapshot();
    let task = decision::begin(conn, &snapshot, "CONNECT");
    conn.at_work(&task);
    let patience = snapshot.settings.deadlines.head;
    let mut opened = match parse(head, snapshot.settings.bounds.fields) {
        Ok(parsed) => open(conn, &snapshot, &task, &parsed).await,
        Err(answer) => Err(answer),
    };
    if snapshot.settings.records.strict {
        let status = opened
            .as_ref()
            .map_or_else(|answer| answer.status.as_u16(), |_| 200);
        task.note(|record| record.status = status);
        if !task.secured().await {
            opened = Err(Answer::unrecorded());
        }
    }
    match opened {
        Ok(opened) => {
            task.note(|record| record.status = 200);
            if connection::write(stream, ESTABLISHED, patience).await {
                Next::Opened(Box::new(opened))
            } else {
                task.ended(End::ClientGone);
                Next::Close
            }
        }
        Err(mut answer) => {
            decision::answered(&task, &answer);
            // An answer that is not read to its end must not be taken for the tunnel.
            answer.close |= answer.status != StatusCode::PROXY_AUTHENTICATION_REQUIRED;
            let close = answer.close;
            let bytes = answer.into_bytes(&snapshot, &task.event());
            let sent = connection::write(stream, &bytes, patience).await;
            if close || !sent {
                Next::Close
            } else {
                Next::Again
            }
        }
    }
}

/// Answers a CONNECT that followed other requests on a connection hyper serves.
pub(crate) async fn over_hyper(
    conn: &Rc<Conn>,
    snapshot: &Arc<Snapshot>,
    task: &Rc<Task>,
    request: Request<Incoming>,
    raw: Option<RawHead>,
) -> Result<Response, Answer> {
    if conn.inner.is_some() {
        return Err(Answer::malformed(
            "A tunnel cannot be opened inside a tunnel.",
        ));
    }
    let authority = request.uri().authority().map_or("", |a| a.as_str());
    let parsed = Parsed {
        authority: authority.to_owned(),
        fields: request.headers().clone(),
        version: request.version(),
        raw: raw.ok_or_else(|| Answer::malformed("The CONNECT request could not be read."))?,
    };
    let opened = open(conn, snapshot, task, &parsed).await?;
    *conn.takeover.borrow_mut() = Some(Takeover::Tunnel(Box::new(opened)));
    // hyper hands the socket back after a 2xx to CONNECT.
    Ok(http::Response::new(crate::body::Body::Empty))
}

/// A CONNECT head.
struct Parsed {
    authority: String,
    fields: HeaderMap,
    version: Version,
    raw: RawHead,
}

fn parse(head: &[u8], most_fields: usize) -> Result<Parsed, Answer> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        // Something that is no part of the head would be lost.
        Ok(httparse::Status::Complete(_)) => {
            return Err(Answer::malformed("The CONNECT request could not be read."));
        }
        Ok(httparse::Status::Partial) => return Err(too_large()),
        Err(httparse::Error::TooManyHeaders) => return Err(too_large()),
        Err(_) => return Err(Answer::malformed("The CONNECT request could not be read.")),
    }
    if request.headers.len() > most_fields {
        return Err(too_large());
    }
    let mut map = HeaderMap::with_capacity(request.headers.len());
    for field in request.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_bytes(field.value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(Answer::malformed(
                "A field of the CONNECT request is not valid.",
            ));
        };
        map.append(name, value);
    }
    Ok(Parsed {
        authority: request.path.unwrap_or_default().to_owned(),
        fields: map,
        version: match request.version {
            Some(1) => Version::HTTP_11,
            _ => Version::HTTP_10,
        },
        raw: framing::inspect(head),
    })
}

fn too_large() -> Answer {
    let mut answer = Answer::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Some("http_request_error"),
        "This request is not valid",
        "The head of the request is too large.",
    );
    answer.close = true;
    answer
}

/// Decides and dials.
async fn open(
    conn: &Rc<Conn>,
    snapshot: &Arc<Snapshot>,
    task: &Rc<Task>,
    parsed: &Parsed,
) -> Result<Opened, Answer> {
    let (host, port, mandatory) = authority(task, snapshot, parsed)?;
    let who = identify::identify(conn, snapshot, task, &parsed.fields).await?;
    // What a mandatory list has is a hit, whatever else would be answered before it is decided on.
    if mandatory.is_none() {
        decision::not_a_loop(conn, &parsed.fields)?;
        if notice::is_own(snapshot, &host) {
            return Err(notice::no_tunnel());
        }
    }
    let content = match (content(snapshot, port), mandatory) {
        (Some(content), _) => content,
        // What a mandatory list has is a hit, at whatever port; it goes no further than the decision.
        (None, Some(_)) => Content::Opaque,
        (None, None) => {
            task.note(|record| record.error = Some("destination_ip_prohibited"));
            return Err(port_refused(port));
        }
    };
    let asked = Asked {
        host: &host,
        port,
        method: "CONNECT",
        path: None,
        query: None,
        mandatory,
    };
    let decided = decision::decide(conn, snapshot, task, &who, &asked)?;
    let transfer = decision::transfer(conn, snapshot, task, &who, &decided, None)?;
    let deadlines = &snapshot.settings.deadlines;
    // Until the server name is known too: it may be one that no row may hold, nor where it is (LM-28).
    task.hold_opening(content == Content::Tls);
    let dialled = dial::dial(
        &conn.worker.names,
        &snapshot.egress,
        &host,
        port,
        deadlines.resolve,
        deadlines.connect,
    );
    let (origin, address) = dialled
        .await
        .map_err(|error| decision::dial_failed(&error))?;
    task.note(|record| {
        record.origin = Some(address.ip());
        record.inspected = content == Content::Http;
    });
    Ok(Opened {
        origin,
        transfer,
        who,
        snapshot: Arc::clone(snapshot),
        host,
        port,
        content,
        decided,
    })
}

/// The authority-form target, and a Host field that agrees with it (RFC 9112 §3.2.3).
fn authority(
    task: &Rc<Task>,
    snapshot: &Snapshot,
    parsed: &Parsed,
) -> Result<(Host, u16, Option<SlotId>), Answer> {
    let refused = |why: &str| {
        task.note(|record| record.kind = Kind::Refusal);
        Answer::malformed(why)
    };
    let (host, port) = parse_authority(&parsed.authority)
        .map_err(|error| refused(&format!("The target of the CONNECT is not valid: {error}.")))?;
    let Some(port) = port else {
        return Err(refused("The target of a CONNECT names a host and a port."));
    };
    let mandatory = conceal::target(task, snapshot, "connect", (&host, port), None);
    decision::one_host_field(&parsed.fields, parsed.version).map_err(refused)?;
    framing::request(&parsed.fields, parsed.version, parsed.raw).map_err(refused)?;
    let framed = parsed.fields.contains_key(header::TRANSFER_ENCODING)
        || parsed
            .fields
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length != "0");
    if framed {
        return Err(refused("A CONNECT request has no body."));
    }
    Ok((host, port, mandatory))
}

fn content(snapshot: &Snapshot, port: u16) -> Option<Content> {
    let ports = &snapshot.settings.connect;
    if ports.tls_ports.contains(&port) {
        Some(Content::Tls)
    } else if ports.http_ports.contains(&port) {
        Some(Content::Http)
    } else if ports.opaque_ports.contains(&port) {
        Some(Content::Opaque)
    } else {
        None
    }
}

fn port_refused(port: u16) -> Answer {
    Answer::new(
        StatusCode::FORBIDDEN,
        Some("http_request_denied"),
        "This port is not open here",
        format!("Tunnels to port {port} are not allowed here."),
    )
}

/// Runs a tunnel that was answered 200. `early` was sent before or with it.
pub(crate) async fn run(conn: Rc<Conn>, mut opened: Opened, client: TcpStream, early: Bytes) {
    let _ = client.set_nodelay(true);
    match opened.content {
        Content::Opaque => carry(opened, client, early).await,
        Content::Http => {
            opened.transfer.task().becomes_tunnel();
            keep_for_inner(
                &conn,
                opened.origin,
                &opened.host,
                opened.port,
                &opened.snapshot,
            )
            .await;
            let inner = Inner {
                host: opened.host,
                port: opened.port,
                who: opened.who,
            };
            connection::inside(&conn, inner, client, early).await;
            opened.transfer.ended(End::Complete);
        }
        Content::Tls => {
            if let Some(early) = greeted(&conn, &mut opened, &client, early).await {
                carry(opened, client, early).await;
            }
        }
    }
}

async fn carry(opened: Opened, client: TcpStream, early: Bytes) {
    opened.transfer.task().becomes_tunnel();
    let ends = Ends {
        client,
        origin: opened.origin,
        up: early,
        down: Bytes::new(),
    };
    let idle = opened.snapshot.settings.deadlines.tunnel_idle;
    tunnel::relay(ends, &opened.transfer, idle).await;
}

/// The connection dialled for a tunnel of plain HTTP serves its first request.
async fn keep_for_inner(
    conn: &Rc<Conn>,
    origin: TcpStream,
    host: &Host,
    port: u16,
    snapshot: &Snapshot,
) {
    let Ok(address) = origin.peer_addr() else {
        return;
    };
    if let Ok(sender) = crate::forward::speak(TokioIo::new(origin), &snapshot.settings.bounds).await
    {
        let key = Key {
            scheme: Scheme::Http,
            host: host.clone(),
            port,
            egress: snapshot.egress_version,
        };
        let connection = Connection {
            sender,
            address: address.ip(),
            reused: false,
        };
        conn.worker
            .pool
            .put(key, connection, conn.worker.sweep.coarse_now());
    }
}

/// Reads the ClientHello, within its deadline, and decides on the server name. Nothing has
/// gone to the origin until then (threats §2). Returns the bytes read, or nothing where the
/// tunnel ends here.
async fn greeted(
    conn: &Rc<Conn>,
    opened: &mut Opened,
    client: &TcpStream,
    early: Bytes,
) -> Option<Bytes> {
    let task = Rc::clone(opened.transfer.task());
    let patience = opened.snapshot.settings.deadlines.hello;
    let mut buffer = BytesMut::from(&early[..]);
    let outcome = tokio::select! {
        biased;
        () = conn.worker.shared.cut.cancelled() => Err((End::Drained, "drained")),
        read = tokio::time::timeout(patience, read_hello(client, &mut buffer)) => match read {
            Ok(outcome) => outcome,
            Err(_) => Err((End::Deadline, "no TLS ClientHello in time")),
        },
    };
    let refused = match outcome {
        Ok(hello) => {
            task.note(|record| record.ech = hello.ech);
            match server_name_allowed(conn, opened, &hello) {
                Ok(()) => return Some(buffer.freeze()),
                Err(why) => (End::Refused, why),
            }
        }
        Err(refused) => refused,
    };
    if opened.snapshot.settings.records.strict {
        // The tunnel ends either way; its row first.
        task.secured().await;
    }
    task.note(|record| {
        record.note = Some(refused.1.into());
        record.error.get_or_insert("connection_terminated");
    });
    task.ended(refused.0);
    None
}

async fn read_hello(
    client: &TcpStream,
    buffer: &mut BytesMut,
) -> Result<hello::Hello, (End, &'static str)> {
    loop {
        match hello::parse(buffer) {
            Peek::Hello(hello) => return Ok(hello),
            Peek::NotTls => return Err((End::Refused, "not TLS")),
            Peek::Malformed(why) => return Err((End::Refused, why)),
            Peek::More => {}
        }
        buffer.reserve(2048);
        if client.readable().await.is_err() {
            return Err((End::ClientGone, "client gone"));
        }
        match client.try_read_buf(buffer) {
            Ok(0) => return Err((End::ClientGone, "client gone")),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return Err((End::ClientGone, "client gone")),
        }
    }
}

/// Decides on the server name, and binds the tunnel to the limits of both its names: bytes
/// go where the server name says, whatever the CONNECT named.
fn server_name_allowed(
    conn: &Rc<Conn>,
    opened: &mut Opened,
    hello: &hello::Hello,
) -> Result<(), &'static str> {
    let task = &Rc::clone(opened.transfer.task());
    let Some(name) = &hello.sni else {
        return match opened.snapshot.settings.connect.missing_sni {
            weir_config::Missing::Allow => Ok(()),
            weir_config::Missing::Refuse => Err("no TLS server name"),
        };
    };
    if opened.host.as_name() == Some(name) {
        return Ok(());
    }
    let mandatory = conceal::server_name(task, &opened.snapshot, (name, opened.port));
    let host = Host::Name(name.clone());
    let asked = Asked {
        host: &host,
        port: opened.port,
        method: "CONNECT",
        path: None,
        query: None,
        mandatory,
    };
    let (snapshot, who, first) = (&opened.snapshot, &opened.who, &opened.decided);
    let denied = |why| {
        task.note(|record| record.error = Some("http_request_denied"));
        Err(why)
    };
    let Some(second) = decision::decide_again(conn, snapshot, task, who, &asked, first) else {
        return denied("the TLS server name is blocked");
    };
    match decision::transfer(conn, snapshot, task, who, first, Some(&second)) {
        Ok(transfer) => opened.transfer = transfer,
        // The end that the record shows is the reason's own.
        Err(_) => return denied("no more may be moved for the TLS server name"),
    }
    Ok(())
}
