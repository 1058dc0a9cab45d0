//! One HTTP request: understood once, decided, and passed to `forward`.
//!
//! Decides what the target is and what Weir answers itself. A target that could be read in
//! two ways is refused (threats §1 rule 2).

use crate::body::Body;
use crate::conceal;
use crate::conn::{Conn, Response};
use crate::connect;
use crate::deadline::Phase;
use crate::decision::{self, Asked};
use crate::forward;
use crate::framing::{self, RawHead};
use crate::identify;
use crate::initiator;
use crate::law::notice;
use crate::reply::Answer;
use crate::snapshot::Snapshot;
use crate::task::Task;
use crate::warn::{self, CONTINUE_PATH, Warned};
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use std::rc::Rc;
use std::sync::Arc;
use weir_host::{Scheme, Target, normal_path, parse_authority};
use weir_monitoring::{End, Kind};

/// Serves one request that hyper has parsed.
pub(crate) async fn handle(conn: Rc<Conn>, request: Request<Incoming>) -> Response {
    conn.watch.enter(Phase::Working);
    conn.answering.set(false);
    conn.speaks_1_1
        .set(request.version() == http::Version::HTTP_11);
    let snapshot = conn.worker.snapshot();
    let task = decision::begin(&conn, &snapshot, request.method().as_str());
    task.note(|record| record.inspected = true);
    conn.at_work(&task);
    let raw = conn.tap.take();
    let unread = !request.body().is_end_stream();
    let connect = request.method() == Method::CONNECT;
    let served = if connect {
        connect::over_hyper(&conn, &snapshot, &task, request, raw).await
    } else {
        serve(&conn, &snapshot, &task, request, raw).await
    };
    let worded = |mut answer: Answer| {
        decision::answered(&task, &answer);
        // What is left of the request's body would be read as the next request's head.
        answer.close |=
            unread || (connect && answer.status != StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        answer.into_response(&snapshot, &task.event())
    };
    let mut response = served.unwrap_or_else(worded);
    task.note(|record| record.status = response.status().as_u16());
    if snapshot.settings.records.strict && !task.secured().await {
        conn.takeover.take();
        response = worded(Answer::unrecorded());
        task.note(|record| record.status = response.status().as_u16());
    }
    conn.answering.set(true);
    match response.body() {
        Body::Relay(_) => conn.watch.enter(Phase::Body),
        // A short answer: the next head is awaited as soon as it is out.
        _ => conn.response_leaves(None),
    }
    response
}

async fn serve(
    conn: &Rc<Conn>,
    snapshot: &Arc<Snapshot>,
    task: &Rc<Task>,
    request: Request<Incoming>,
    raw: Option<RawHead>,
) -> Result<Response, Answer> {
    let understood = match raw {
        Some(raw) => target(conn, snapshot, &request, raw),
        None => Err(Answer::malformed("The request could not be read.")),
    };
    let target = match understood {
        Ok(Understood::Target(target)) => target,
        Ok(Understood::Ourselves) => return ourselves(conn, snapshot, task, request).await,
        Err(answer) => {
            task.note(|record| record.kind = Kind::Refusal);
            return Err(answer);
        }
    };
    let path = normal_path(target.path());
    let mandatory = conceal::target(
        task,
        snapshot,
        target.scheme.as_str(),
        (&target.host, target.port),
        Some((&path, target.query())),
    );
    task.note(|record| record.initiator = initiator::of(request.method(), request.headers()));
    let who = match &conn.inner {
        Some(inner) => {
            decision::note_who(task, snapshot, &inner.who);
            Rc::clone(&inner.who)
        }
        None => identify::identify(conn, snapshot, task, request.headers()).await?,
    };
    // What a mandatory list has is a hit, whatever else would be answered before it is decided on.
    if mandatory.is_none() {
        decision::not_a_loop(conn, request.headers())?;
    }
    if mandatory.is_none()
        && let Some(response) = last_hop(snapshot, task, &request)?
    {
        return Ok(response);
    }
    let asking = notice::Asking {
        conn,
        snapshot,
        task,
        who: &who,
        target: &target,
    };
    if mandatory.is_none() && notice::is_own(snapshot, &target.host) {
        return asking.serve(&path, request).await;
    }
    let ports = &snapshot.settings.egress.ports;
    let is_open = ports.iter().any(|range| range.contains(target.port));
    if mandatory.is_none() && !is_open {
        return Err(Answer::new(
            StatusCode::FORBIDDEN,
            Some("http_request_denied"),
            "This port is not open here",
            format!("Requests to port {} are not allowed here.", target.port),
        ));
    }
    // No click lifts a mandatory list.
    if request.method() == Method::POST && path == CONTINUE_PATH && mandatory.is_none() {
        return proceed(conn, snapshot, task, &who, &target, request).await;
    }
    if mandatory.is_none() && asking.is_way(&path, request.method()) {
        return Ok(asking.lead());
    }
    // Kept apart from the request, which is rebuilt for the origin.
    let method = request.method().clone();
    let asked = Asked {
        host: &target.host,
        port: target.port,
        method: method.as_str(),
        path: Some(&path),
        query: target.query(),
        mandatory,
    };
    let decided = decision::decide(conn, snapshot, task, &who, &asked)?;
    if asking.is_due(request.method(), request.headers()) {
        return Ok(asking.send(&target.to_string()));
    }
    let transfer = decision::transfer(conn, snapshot, task, &who, &decided, None)?;
    let length = request.body().size_hint().exact();
    if let (Some(limit), Some(length)) = (decided.verdict.limits.upload_size, length)
        && length > limit
    {
        return Err(decision::too_large(task, true, limit));
    }
    let errand = forward::Errand {
        conn,
        snapshot,
        task,
        who: &who,
        target: &target,
        asked: &asked,
        decided: &decided,
        transfer: &transfer,
    };
    forward::forward(&errand, request).await
}

enum Understood {
    /// A request to pass on.
    Target(Target),
    /// A request for the proxy itself.
    Ourselves,
}

/// Finds the target (RFC 9112 §3.2, §3.3): absolute-form wins over Host; origin-form has a
/// meaning only inside a tunnel of plain HTTP.
fn target(
    conn: &Conn,
    snapshot: &Snapshot,
    request: &Request<Incoming>,
    raw: RawHead,
) -> Result<Understood, Answer> {
    let length = request
        .uri()
        .path_and_query()
        .map_or(0, |path| path.as_str().len());
    if length > snapshot.settings.bounds.target_bytes {
        return Err(too_long());
    }
    framing::request(request.headers(), request.version(), raw).map_err(Answer::malformed)?;
    decision::one_host_field(request.headers(), request.version()).map_err(Answer::malformed)?;
    if let Some(inner) = &conn.inner {
        return inside_tunnel(inner, request, raw).map(Understood::Target);
    }
    let uri = request.uri();
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Ok(Understood::Ourselves);
    };
    let scheme = match scheme {
        _ if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
        _ if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
        _ => {
            return Err(Answer::malformed(
                "Only http and https addresses can be asked for.",
            ));
        }
    };
    let not_valid = |error: weir_host::TargetError| {
        Answer::malformed(&format!("The address is not valid: {error}."))
    };
    let (host, port) = parse_authority(authority.as_str()).map_err(not_valid)?;
    let port = port.unwrap_or(scheme.default_port());
    Target::from_parts(
        scheme,
        host,
        port,
        &path_and_query(request.method(), uri, raw),
    )
    .map(Understood::Target)
    .map_err(not_valid)
}

fn too_long() -> Answer {
    let mut answer = Answer::new(
        StatusCode::URI_TOO_LONG,
        Some("http_request_error"),
        "This address is too long",
        "The address of the request is longer than the filter takes.",
    );
    answer.close = true;
    answer
}

fn inside_tunnel(
    inner: &crate::conn::Inner,
    request: &Request<Incoming>,
    raw: RawHead,
) -> Result<Target, Answer> {
    // What was opened is a tunnel to a port of plain HTTP: there is no other scheme in it.
    if request
        .uri()
        .scheme()
        .is_some_and(|scheme| *scheme != http::uri::Scheme::HTTP)
    {
        return Err(Answer::malformed(
            "Only http addresses can be asked for in a tunnel of plain HTTP.",
        ));
    }
    let named = match (
        request.uri().authority(),
        request.headers().get(header::HOST),
    ) {
        (Some(authority), _) => Some(authority.as_str()),
        (None, Some(host)) => host.to_str().ok(),
        (None, None) => None,
    };
    let same = named
        .and_then(|named| parse_authority(named).ok())
        .is_some_and(|(host, port)| {
            host == inner.host && port.unwrap_or(Scheme::Http.default_port()) == inner.port
        });
    if !same {
        // RFC 9110 §15.5.20; domain fronting, threats §2.
        let mut answer = Answer::new(
            StatusCode::MISDIRECTED_REQUEST,
            Some("http_request_denied"),
            "This request is not for this tunnel",
            "The request names another site than the tunnel it came through.",
        );
        answer.close = true;
        return Err(answer);
    }
    let path = path_and_query(request.method(), request.uri(), raw);
    Target::from_parts(Scheme::Http, inner.host.clone(), inner.port, &path)
        .map_err(|error| Answer::malformed(&format!("The address is not valid: {error}.")))
}

/// The origin-form to send. An absolute OPTIONS without a path is `OPTIONS *` at its
/// origin (RFC 9112 §3.2.4).
fn path_and_query(method: &Method, uri: &Uri, raw: RawHead) -> String {
    match uri.path_and_query() {
        _ if raw.bare_target && method == Method::OPTIONS => "*".to_owned(),
        Some(path) if path.as_str().starts_with('?') => format!("/{}", path.as_str()),
        Some(path) => path.as_str().to_owned(),
        None => "/".to_owned(),
    }
}

/// Max-Forwards and TRACE (RFC 9110 §7.6.2, §9.3.8): a request that may go no further is
/// answered here; TRACE goes further only where the school switched that on (threats §3).
fn last_hop(
    snapshot: &Snapshot,
    task: &Task,
    request: &Request<Incoming>,
) -> Result<Option<Response>, Answer> {
    let method = request.method();
    if method != Method::TRACE && method != Method::OPTIONS {
        return Ok(None);
    }
    if method == Method::TRACE && !request.body().is_end_stream() {
        return Err(Answer::malformed("A TRACE request has no body."));
    }
    if max_forwards(request.headers())? == Some(0) {
        task.ended(End::Complete);
        return Ok(Some(if method == Method::TRACE {
            echo(request)
        } else {
            options()
        }));
    }
    if method == Method::TRACE && !snapshot.settings.http.trace {
        return Err(Answer::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Some("http_request_denied"),
            "This method is not open here",
            "TRACE requests are not passed on here.",
        ));
    }
    Ok(None)
}

/// The Max-Forwards field, digits only.
pub(crate) fn max_forwards(fields: &http::HeaderMap) -> Result<Option<u32>, Answer> {
    let Some(value) = fields.get(header::MAX_FORWARDS) else {
        return Ok(None);
    };
    let digits = value
        .to_str()
        .ok()
        .filter(|v| v.bytes().all(|b| b.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(hops) => Ok(Some(hops)),
        None => Err(Answer::malformed("The Max-Forwards field is not a number.")),
    }
}

/// What arrived, without what might be secret (RFC 9110 §9.3.8).
fn echo(request: &Request<Incoming>) -> Response {
    let mut text = format!(
        "{} {} {:?}\r\n",
        request.method(),
        request.uri(),
        request.version()
    );
    for (name, value) in request.headers() {
        let secret = matches!(
            *name,
            header::AUTHORIZATION | header::PROXY_AUTHORIZATION | header::COOKIE
        );
        if let (false, Ok(value)) = (secret, value.to_str()) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    let mut response = Response::new(Body::full(Bytes::from(text)));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("message/http"),
    );
    response
}

fn options() -> Response {
    let mut response = Response::new(Body::Empty);
    response.headers_mut().insert(
        header::ALLOW,
        HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, CONNECT"),
    );
    response
}

/// A request in origin-form: for the proxy, which is no website.
async fn ourselves(
    conn: &Rc<Conn>,
    snapshot: &Arc<Snapshot>,
    task: &Rc<Task>,
    request: Request<Incoming>,
) -> Result<Response, Answer> {
    identify::identify(conn, snapshot, task, request.headers()).await?;
    if request.method() == Method::OPTIONS && request.uri().path() == "*" {
        task.ended(End::Complete);
        return Ok(options());
    }
    task.note(|record| record.kind = Kind::Refusal);
    Err(Answer::malformed(
        "This is a web filter, not a website. Set it as the proxy of your browser.",
    ))
}

/// The click on a warning page: remembered, and the browser sent back to where it was going.
async fn proceed(
    conn: &Rc<Conn>,
    snapshot: &Arc<Snapshot>,
    task: &Rc<Task>,
    who: &Rc<identify::Who>,
    target: &Target,
    request: Request<Incoming>,
) -> Result<Response, Answer> {
    conn.watch.enter(Phase::Body);
    let form = Limited::new(request.into_body(), warn::FORM_BOUND)
        .collect()
        .await;
    let form = form
        .map_err(|_| Answer::malformed("The form could not be read."))?
        .to_bytes();
    let field = |name| warn::form_field(&form, name).unwrap_or_default();
    let (to, rule, token) = (field("to"), field("rule"), field("token"));
    let host = target.host.shared();
    let warned = Warned {
        who: &who.key,
        host: &host,
        rule: &rule,
    };
    let lifetime = snapshot.settings.warn.lifetime;
    let accepted = conn
        .worker
        .shared
        .warnings
        .accept(warned, &to, &token, lifetime);
    let location = HeaderValue::from_str(&to);
    let (true, Ok(location)) = (accepted, location) else {
        return Err(Answer::new(
            StatusCode::FORBIDDEN,
            Some("http_request_denied"),
            "This click has expired",
            "Go back to the page you wanted and try again.",
        ));
    };
    task.note(|record| {
        record.verdict = weir_monitoring::Verdict::Warn;
        record.rule = Some(rule.into());
        record.note = Some("warning clicked through".into());
    });
    task.ended(End::Complete);
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, location);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sent(method: Method, uri: &str) -> String {
        let raw = framing::inspect(format!("{method} {uri} HTTP/1.1\r\n\r\n").as_bytes());
        path_and_query(&method, &uri.parse().unwrap(), raw)
    }

    #[test]
    fn options_without_a_path_is_options_star_at_the_origin() {
        assert_eq!(sent(Method::OPTIONS, "http://example.org"), "*");
        assert_eq!(sent(Method::OPTIONS, "http://example.org:8080"), "*");
        assert_eq!(sent(Method::OPTIONS, "http://example.org/"), "/");
        assert_eq!(sent(Method::GET, "http://example.org"), "/");
    }

    #[test]
    fn a_query_without_a_path_gets_its_slash() {
        assert_eq!(sent(Method::GET, "http://example.org?a=b"), "/?a=b");
    }
}
