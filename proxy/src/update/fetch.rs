//! Asks for a list over the network: a conditional GET over the proxy's own resolver, egress rules and TLS, into a file.
//!
//! Decides when an answer is whole. The body is never held in memory; every wait has a deadline, and there is one for all of
//! it. A redirect is checked as the first address was, and never leads from https to http.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use weir_config::Settings;
use weir_host::{Scheme, Target};

use super::fault::Fault;
use crate::dial::{self, Egress};
use crate::framing;
use crate::resolve::Names;

/// Redirects that are followed.
const REDIRECTS: usize = 5;
/// Longest time for one list, whatever its size and however well it comes.
const OVERALL: Duration = Duration::from_secs(30 * 60);
/// Bytes at the beginning by which a page of HTML is known.
const BEGINNING: usize = 512;
/// Most that hyper gathers before the disk takes it.
const BUFFER: usize = 256 * 1024;

/// What a request needs of the running Weir. One thread's.
pub(crate) struct Network<'a> {
    pub(crate) names: &'a Names,
    pub(crate) egress: &'a Egress,
    pub(crate) tls: &'a Arc<rustls::ClientConfig>,
    pub(crate) settings: &'a Settings,
}

/// What is known of the version in force.
#[derive(Clone, Copy, Default)]
pub(crate) struct Known<'a> {
    pub(crate) etag: Option<&'a str>,
    pub(crate) modified: Option<&'a str>,
}

/// What to take.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    /// Most bytes.
    pub(crate) size_max: u64,
    /// Something else tells whether it is whole.
    pub(crate) is_verified: bool,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// The version in force is the latest.
    Unchanged,
    /// A whole body.
    Whole(Body),
}

/// What a file or answer was.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) etag: Option<String>,
    pub(crate) modified: Option<String>,
    pub(crate) bytes: u64,
    /// Lower-case hexadecimal digits.
    pub(crate) sha256: String,
}

/// Gets `url` into the file `into`; `progress` counts bytes, with how many there will be when that is known.
///
/// # Errors
/// Why there is no whole answer; what is in the file then means nothing.
pub(crate) async fn get(
    network: &Network<'_>,
    url: &Target,
    known: Known<'_>,
    terms: Terms,
    into: &Path,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Got, Fault> {
    let all = follow(network, url, known, terms, into, progress);
    match tokio::time::timeout(OVERALL, all).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Fault::Overall(OVERALL.as_secs() / 60)),
    }
}

async fn follow(
    network: &Network<'_>,
    url: &Target,
    known: Known<'_>,
    terms: Terms,
    into: &Path,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Got, Fault> {
    let mut url = url.clone();
    for _ in 0..=REDIRECTS {
        let response = ask(network, &url, known).await?;
        match response.status() {
            StatusCode::OK => {
                let body = save(network.settings, response, terms, into, progress).await?;
                return Ok(Got::Whole(body));
            }
            StatusCode::NOT_MODIFIED if known.etag.is_none() && known.modified.is_none() => {
                return Err(Fault::Unasked);
            }
            StatusCode::NOT_MODIFIED => return Ok(Got::Unchanged),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                let next = location(&url, response.headers())?;
                if url.scheme == Scheme::Https && next.scheme == Scheme::Http {
                    return Err(Fault::Downgrade);
                }
                url = next;
            }
            other => return Err(Fault::Status(other.as_u16())),
        }
    }
    Err(Fault::Redirects(REDIRECTS))
}

/// Where a redirect leads (RFC 9110 §10.2.2).
fn location(from: &Target, fields: &HeaderMap) -> Result<Target, Fault> {
    let value = fields.get(header::LOCATION);
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let refused = || Fault::Location(shown(text));
    let text = text.split('#').next().unwrap_or_default();
    if text.is_empty() {
        return Err(refused());
    }
    if text.contains("://") && !text.starts_with(['/', '?', '.']) {
        return Target::parse_absolute(text).map_err(|_| refused());
    }
    if let Some(authority) = text.strip_prefix("//") {
        let absolute = format!("{}://{authority}", from.scheme);
        return Target::parse_absolute(&absolute).map_err(|_| refused());
    }
    let path = if text.starts_with('/') {
        text.to_owned()
    } else if text.starts_with('?') {
        format!("{}{text}", from.path())
    } else {
        let directory = from.path().rfind('/').map_or(0, |at| at + 1);
        format!("{}{text}", from.path().get(..directory).unwrap_or("/"))
    };
    Target::from_parts(from.scheme, from.host.clone(), from.port, &path).map_err(|_| refused())
}

/// One request, and the head of its response.
async fn ask(
    network: &Network<'_>,
    url: &Target,
    known: Known<'_>,
) -> Result<Response<Incoming>, Fault> {
    let deadlines = &network.settings.deadlines;
    let ports = &network.settings.egress.ports;
    if !ports.iter().any(|ports| ports.contains(url.port)) {
        return Err(Fault::Port(url.port));
    }
    let (stream, _) = dial::dial(
        network.names,
        network.egress,
        &url.host,
        url.port,
        deadlines.resolve,
        deadlines.connect,
    )
    .await?;
    let mut sender = match url.scheme {
        Scheme::Http => speak(TokioIo::new(stream)).await?,
        Scheme::Https => {
            let connect = deadlines.connect;
            let tls = crate::tls::handshake(network.tls, &url.host, stream, connect).await?;
            speak(TokioIo::new(tls)).await?
        }
    };
    let answer = sender.send_request(request(url, known)?);
    let mut answer = match tokio::time::timeout(deadlines.origin_head, answer).await {
        Ok(answer) => answer.map_err(Fault::Broken)?,
        Err(_) => return Err(Fault::Silent),
    };
    // Of a coding that is not chunked nobody could tell the end.
    let version = answer.version();
    framing::response(answer.headers_mut(), version).map_err(|()| Fault::Unclear)?;
    Ok(answer)
}

async fn speak<S>(io: TokioIo<S>) -> Result<SendRequest<Empty<Bytes>>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER);
    let (sender, connection) = builder.handshake(io).await.map_err(Fault::Broken)?;
    // Ends by itself when the answer is dropped or the server closes.
    tokio::task::spawn_local(connection);
    Ok(sender)
}

fn request(url: &Target, known: Known<'_>) -> Result<Request<Empty<Bytes>>, Fault> {
    let refused = |_| Fault::Location(url.authority());
    let host = HeaderValue::from_str(&url.authority()).map_err(|_| refused(()))?;
    let agent = concat!("Weir/", env!("CARGO_PKG_VERSION"));
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = url.path_and_query().parse().map_err(|_| refused(()))?;
    let fields = request.headers_mut();
    fields.insert(header::HOST, host);
    fields.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    fields.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let validators = [
        (header::IF_NONE_MATCH, known.etag),
        (header::IF_MODIFIED_SINCE, known.modified),
    ];
    for (field, value) in validators {
        // What a server said is told it again, unless it cannot be said.
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            fields.insert(field, value);
        }
    }
    Ok(request)
}

/// Writes the body to the file, as long as it comes well.
async fn save(
    settings: &Settings,
    response: Response<Incoming>,
    terms: Terms,
    into: &Path,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Body, Fault> {
    let (head, mut body) = response.into_parts();
    let length = body.size_hint().exact();
    let chunked = head.headers.contains_key(header::TRANSFER_ENCODING);
    if length.is_some_and(|length| length > terms.size_max) {
        return Err(Fault::TooLarge(terms.size_max));
    }
    if length.is_none() && !chunked && !terms.is_verified {
        return Err(Fault::Endless);
    }
    let mut file = Saving::new(into, terms.size_max)?;
    let mut pace = Pace::new(settings);
    loop {
        let frame = match tokio::time::timeout(settings.deadlines.body_idle, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return Err(Fault::Truncated(error)),
            Ok(None) => break,
            Err(_) => return Err(Fault::Stalled),
        };
        if let Ok(data) = frame.into_data() {
            file.write(&data)?;
            pace.keep(data.len() as u64)?;
            progress(file.bytes, length);
        }
    }
    let text = |name| {
        let value: Option<&HeaderValue> = head.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let is_page = text(header::CONTENT_TYPE).is_some_and(|kind| {
        kind.trim_start()
            .to_ascii_lowercase()
            .starts_with("text/html")
    });
    let (etag, modified) = (text(header::ETAG), text(header::LAST_MODIFIED));
    let body = file.finish(is_page)?;
    Ok(Body {
        etag,
        modified,
        ..body
    })
}

/// A bounded file that is being written, with its digest.
pub(super) struct Saving {
    file: BufWriter<File>,
    digest: Sha256,
    beginning: Vec<u8>,
    bytes: u64,
    most: u64,
}

impl Saving {
    pub(super) fn new(path: &Path, most: u64) -> Result<Saving, Fault> {
        Ok(Saving {
            file: BufWriter::new(File::create(path)?),
            digest: Sha256::new(),
            beginning: Vec::new(),
            bytes: 0,
            most,
        })
    }

    pub(super) fn write(&mut self, data: &[u8]) -> Result<(), Fault> {
        self.bytes += data.len() as u64;
        if self.bytes > self.most {
            return Err(Fault::TooLarge(self.most));
        }
        let missing = BEGINNING.saturating_sub(self.beginning.len());
        self.beginning.extend(data.iter().take(missing));
        self.digest.update(data);
        Ok(self.file.write_all(data)?)
    }

    /// What was written, unless it is nothing or a page that says what went wrong.
    pub(super) fn finish(mut self, said_to_be_html: bool) -> Result<Body, Fault> {
        self.file.flush()?;
        if self.bytes == 0 {
            return Err(Fault::Empty);
        }
        if is_html(&self.beginning, said_to_be_html) {
            return Err(Fault::Html);
        }
        Ok(Body {
            bytes: self.bytes,
            sha256: hex(&self.digest.finalize()),
            ..Body::default()
        })
    }
}

/// Whether it begins as a page does. What is only said to be one must at least begin with a tag: some servers call every
/// text a page.
fn is_html(beginning: &[u8], said: bool) -> bool {
    let text = String::from_utf8_lossy(beginning).to_ascii_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let tags = ["<!doctype html", "<html", "<head", "<body"];
    tags.iter().any(|tag| text.starts_with(tag)) || said && text.starts_with('<')
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Holds a body to the rate that bodies of requests are held to.
struct Pace {
    since: Instant,
    bytes: u64,
    window: Duration,
    least: u64,
}

impl Pace {
    fn new(settings: &Settings) -> Pace {
        Pace {
            since: Instant::now(),
            bytes: 0,
            window: settings.deadlines.body_idle,
            least: settings.bounds.minimum_rate,
        }
    }

    fn keep(&mut self, bytes: u64) -> Result<(), Fault> {
        self.bytes += bytes;
        let passed = self.since.elapsed();
        if passed < self.window {
            return Ok(());
        }
        if (self.bytes as f64) < self.least as f64 * passed.as_secs_f64() {
            return Err(Fault::Slow(self.least));
        }
        (self.since, self.bytes) = (Instant::now(), 0);
        Ok(())
    }
}

/// What may be told of a reference: a scheme and a host, since a token may stand in everything else (LM-10).
fn shown(reference: &str) -> String {
    let (before, rest) = match reference.split_once("//") {
        Some((scheme, rest)) if matches!(scheme, "" | "http:" | "https:" | "ftp:") => {
            (format!("{scheme}//"), rest)
        }
        _ => (String::new(), ""),
    };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let shown = format!("{before}{host}\u{2026}");
    shown.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn leads(from: &str, location_field: &str) -> Option<String> {
        let from = Target::parse_absolute(from).unwrap();
        let mut fields = HeaderMap::new();
        fields.insert(header::LOCATION, location_field.parse().unwrap());
        let to = location(&from, &fields).ok()?;
        Some(weir_config::Place::Url(to).to_string())
    }

    #[test]
    fn a_redirect_that_cannot_be_followed_is_told_without_what_may_be_a_token_lm_10() {
        for (text, told) in [
            (
                "ftp://joe:hunter2@a.example/x?token=hunter2",
                "ftp://a.example\u{2026}",
            ),
            ("//hunter2@a.example", "//a.example\u{2026}"),
            ("/x?token=hunter2", "\u{2026}"),
            ("?u=http://hunter2/", "\u{2026}"),
        ] {
            assert_eq!(shown(text), told, "{text}");
        }
    }

    #[test]
    fn a_redirect_leads_where_its_reference_says() {
        let from = "https://lists.example:8443/a/b?c";
        let cases = [
            ("http://other.example/x", Some("http://other.example/x")),
            ("//other.example/x", Some("https://other.example/x")),
            ("/x?y#z", Some("https://lists.example:8443/x?y")),
            ("x", Some("https://lists.example:8443/a/x")),
            ("?y", Some("https://lists.example:8443/a/b?y")),
            (
                "/x?u=http://y",
                Some("https://lists.example:8443/x?u=http://y"),
            ),
            ("ftp://other.example/", None),
            ("http://me:word@other.example/", None),
            ("#z", None),
            ("", None),
        ];
        for (text, to) in cases {
            assert_eq!(leads(from, text).as_deref(), to, "{text}");
        }
    }

    #[test]
    fn a_page_is_told_from_a_list() {
        for page in ["<!DOCTYPE html>", "\u{feff}\n <HTML lang", "<head>"] {
            assert!(is_html(page.as_bytes(), false), "{page}");
        }
        assert!(is_html(b"<p>gone</p>", true));
        for list in ["# <html>", "ads.example\n", "||ads.example^", "<p>"] {
            assert!(!is_html(list.as_bytes(), false), "{list}");
        }
        assert!(!is_html(b"ads.example\n", true));
    }

    #[test]
    fn what_is_saved_is_bounded_counted_and_digested() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let mut saving = Saving::new(&path, 4).unwrap();
        saving.write(b"ab").unwrap();
        saving.write(b"c\n").unwrap();
        let body = saving.finish(false).unwrap();
        assert_eq!(body.bytes, 4);
        assert!(
            body.sha256.starts_with("edeaaff3f1774ad2"),
            "{}",
            body.sha256
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"abc\n");
        let mut saving = Saving::new(&path, 4).unwrap();
        assert!(matches!(saving.write(b"12345"), Err(Fault::TooLarge(4))));
        let empty = Saving::new(&path, 4).unwrap().finish(false);
        assert!(matches!(empty, Err(Fault::Empty)));
    }
}
