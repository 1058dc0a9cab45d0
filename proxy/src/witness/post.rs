//! Posts a checkpoint to a witness over the proxy's own resolver, egress rules and TLS.
//!
//! Decides what counts as a receipt: a 2xx answer. A witness may add signatures, either in a whole note of the same text or as
//! signature lines alone (C2SP tlog-witness); those are kept. Every wait has a deadline, and the answer a bound.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use weir_config::Settings;
use weir_evidence::Note;
use weir_host::{Scheme, Target};

use crate::dial::{self, DialError, Egress};
use crate::framing;
use crate::resolve::Names;
use crate::tls::HandshakeError;

/// Longest time for one checkpoint.
const OVERALL: Duration = Duration::from_secs(60);
/// Longest wait for the body of an answer that has begun; without it there is a receipt, but no signatures.
const BODY: Duration = Duration::from_secs(10);
/// Most bytes of it.
const ANSWER: usize = 64 * 1024;
/// Most that hyper gathers of an answer's head.
const BUFFER: usize = 64 * 1024;

/// What a request needs of the running Weir.
pub(super) struct Network<'a> {
    pub(super) names: &'a Names,
    pub(super) egress: &'a Egress,
    pub(super) tls: &'a Arc<rustls::ClientConfig>,
    pub(super) settings: &'a Settings,
}

/// What a witness answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Receipt {
    /// Status of the answer; none for a file.
    pub(super) status: Option<u16>,
    /// Signature lines that it added.
    pub(super) signatures: Vec<String>,
}

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{0}")]
    Dial(#[from] DialError),
    #[error("{0}")]
    Tls(#[from] HandshakeError),
    #[error("port {0} is not one of egress.ports")]
    Port(u16),
    #[error("the address cannot be asked")]
    Address,
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    #[error("no answer came in time")]
    Silent,
    #[error("the answer says in more than one way where it ends")]
    Unclear,
    #[error("the answer is status {0}")]
    Status(StatusCode),
}

/// Posts a note and waits for the receipt.
///
/// # Errors
/// When there is none.
pub(super) async fn post(
    network: &Network<'_>,
    url: &Target,
    note: &Note,
) -> Result<Receipt, Fault> {
    match tokio::time::timeout(OVERALL, ask(network, url, note)).await {
        Ok(answer) => answer,
        Err(_) => Err(Fault::Silent),
    }
}

async fn ask(network: &Network<'_>, url: &Target, note: &Note) -> Result<Receipt, Fault> {
    let deadlines = &network.settings.deadlines;
    let ports = &network.settings.egress.ports;
    if !ports.iter().any(|ports| ports.contains(url.port)) {
        return Err(Fault::Port(url.port));
    }
    let (resolve, connect) = (deadlines.resolve, deadlines.connect);
    let dialled = dial::dial(
        network.names,
        network.egress,
        &url.host,
        url.port,
        resolve,
        connect,
    );
    let (stream, _) = dialled.await?;
    let mut sender = match url.scheme {
        Scheme::Http => speak(TokioIo::new(stream)).await?,
        Scheme::Https => {
            let tls = crate::tls::handshake(network.tls, &url.host, stream, connect).await?;
            speak(TokioIo::new(tls)).await?
        }
    };
    let answer = sender.send_request(request(url, note)?);
    let mut answer = match tokio::time::timeout(deadlines.origin_head.min(OVERALL), answer).await {
        Ok(answer) => answer?,
        Err(_) => return Err(Fault::Silent),
    };
    let version = answer.version();
    framing::response(answer.headers_mut(), version).map_err(|()| Fault::Unclear)?;
    if !answer.status().is_success() {
        return Err(Fault::Status(answer.status()));
    }
    Ok(Receipt {
        status: Some(answer.status().as_u16()),
        signatures: signatures(answer.into_body(), note).await,
    })
}

async fn speak<S>(io: TokioIo<S>) -> Result<SendRequest<Full<Bytes>>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER);
    let (sender, connection) = builder.handshake(io).await?;
    // Ends by itself when the answer is dropped or the server closes.
    tokio::task::spawn_local(connection);
    Ok(sender)
}

fn request(url: &Target, note: &Note) -> Result<Request<Full<Bytes>>, Fault> {
    let host = HeaderValue::from_str(&url.authority()).map_err(|_| Fault::Address)?;
    let mut request = Request::new(Full::new(Bytes::from(note.to_string())));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.path_and_query().parse().map_err(|_| Fault::Address)?;
    let agent = concat!("Weir/", env!("CARGO_PKG_VERSION"));
    let fields = request.headers_mut();
    fields.insert(header::HOST, host);
    fields.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

/// The signature lines that the witness added. An answer that is none of the forms has none: the receipt is its status.
async fn signatures(body: Incoming, note: &Note) -> Vec<String> {
    let body = tokio::time::timeout(BODY, Limited::new(body, ANSWER).collect()).await;
    let Ok(Ok(body)) = body else {
        return Vec::new();
    };
    let bytes = body.to_bytes();
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let whole = Note::parse(text).or_else(|_| Note::parse(&format!("{}\n{text}", note.text())));
    let Ok(answer) = whole else {
        return Vec::new();
    };
    if answer.text() != note.text() {
        return Vec::new();
    }
    let known = note.to_string();
    let lines = answer.to_string();
    let lines = lines.get(answer.text().len()..).unwrap_or_default().lines();
    let is_new = |line: &&str| !line.is_empty() && !known.lines().any(|own| own == *line);
    lines.filter(is_new).map(str::to_owned).collect()
}
