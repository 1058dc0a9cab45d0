//! Which request gets which answer.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;

use crate::control::{Control, State};
use crate::pages;

/// The style sheet of every page.
pub const STYLE: &str = include_str!("../assets/style.css");
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Sent with every answer. Nothing but the console's own style sheet may load.
const PROTECTION: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// The hosts that the console answers for: a page on another name that resolves to the
/// console's address (DNS rebinding) gets nothing.
#[derive(Clone, Debug)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Names and addresses as in a `Host` field without the port, IPv6 in brackets; case
    /// does not matter.
    pub fn new<T: AsRef<str>>(hosts: impl IntoIterator<Item = T>) -> Hosts {
        Hosts(
            hosts
                .into_iter()
                .map(|host| host.as_ref().to_ascii_lowercase())
                .collect(),
        )
    }

    /// Whether the request names one of these hosts, exactly once and in origin-form.
    fn admit<B>(&self, request: &Request<B>) -> bool {
        let mut fields = request.headers().get_all(header::HOST).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return false;
        };
        let Ok(field) = field.to_str() else {
            return false;
        };
        let host = without_port(field).to_ascii_lowercase();
        request.uri().authority().is_none() && self.0.contains(&host)
    }
}

fn without_port(field: &str) -> &str {
    match field.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => field,
    }
}

type Answer = Response<Full<Bytes>>;

/// Answers one request; its body is never read. hyper leaves the body of an answer to HEAD
/// away and keeps its length.
pub(crate) fn respond<B>(request: &Request<B>, hosts: &Hosts, control: &impl Control) -> Answer {
    let mut answer = route(request, hosts, control);
    for (name, value) in PROTECTION {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    answer
}

fn route<B>(request: &Request<B>, hosts: &Hosts, control: &impl Control) -> Answer {
    if !hosts.admit(request) {
        let told = "This host is not one of the console's: see console.hosts in weir.toml.\n";
        return answer(StatusCode::MISDIRECTED_REQUEST, TEXT, told);
    }
    let path = request.uri().path();
    let reading = matches!(*request.method(), Method::GET | Method::HEAD);
    match path {
        "/" | "/healthz" | "/metrics" | "/notice" | "/style.css" if !reading => not_allowed(),
        "/" => answer(StatusCode::OK, HTML, pages::index(&control.health())),
        "/healthz" => health(control),
        "/metrics" => answer(StatusCode::OK, METRICS, control.metrics()),
        "/notice" => answer(StatusCode::OK, HTML, pages::notice(&control.notice())),
        "/style.css" => answer(StatusCode::OK, CSS, STYLE),
        _ => answer(StatusCode::NOT_FOUND, HTML, pages::not_found()),
    }
}

fn not_allowed() -> Answer {
    let mut answer = answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, "Only GET and HEAD.\n");
    answer
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}

fn health(control: &impl Control) -> Answer {
    let health = control.health();
    let state = health.state();
    let status = match state {
        State::Ok | State::Warning => StatusCode::OK,
        State::Failing => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut body = serde_json::json!(health);
    body["status"] = state.as_str().into();
    answer(status, "application/json", format!("{body}\n"))
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

#[cfg(test)]
pub(crate) mod tests;
