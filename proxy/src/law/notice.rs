//! Gives the notice to whoever browses (LM-06): before the first page of an `http` address, and at a name of Weir's own.
//!
//! Decides who is sent there and what counts as its acknowledgement. Nothing but a browser is sent, nothing but the click on a
//! page that was made for this person counts, once, and only when the page's own style sheet was fetched as well: a programme
//! that fetches pages does not become informed. Everything else passes without it, and is recorded so.
//!
//! The page has an origin of its own, `notice.host`, where nothing is ever served that is not Weir's. Under the address that
//! somebody asked for, any script of that site could read the page's token and send its form; of another origin it reads nothing.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;
use weir_config::NoticeMode;
use weir_console::NoticeForm;
use weir_host::{Host, Scheme, Target};
use weir_monitoring::{End, Informed, Kind};

use super::ledger::{BY_PAGE, Line};
use crate::body::Body;
use crate::conn::{Conn, Response};
use crate::deadline::Phase;
use crate::identify::Who;
use crate::initiator;
use crate::reply::Answer;
use crate::snapshot::Snapshot;
use crate::task::Task;
use crate::warn::{self, Warned};

/// Leads to the notice, on whatever `http` address.
pub(crate) const PATH: &str = "/.well-known/weir/notice";
/// The page, and where its click goes, at Weir's own name.
const PAGE: &str = "/";
/// Its style sheet, by which it is known that a browser shows it.
const STYLE_PATH: &str = "/style.css";
/// What the token of a way to the page is for.
const WAY: &str = "notice way";
/// Longest address that is taken along on the way, in bytes; whoever wanted a longer one is led to the page again and asks for
/// theirs once more.
const LONGEST: usize = 2048;
/// How long a fetched style sheet counts.
const SHOWN_FOR: Duration = Duration::from_secs(3600);
/// What the token of the style sheet is for.
const STYLE: &str = "notice style";
/// The page is at one place, whatever host somebody wanted.
const ANY: &str = "";
const HTML: &str = "text/html; charset=utf-8";

/// A request, and who sent it.
pub(crate) struct Asking<'a> {
    pub(crate) conn: &'a Rc<Conn>,
    pub(crate) snapshot: &'a Arc<Snapshot>,
    pub(crate) task: &'a Rc<Task>,
    pub(crate) who: &'a Rc<Who>,
    pub(crate) target: &'a Target,
}

/// Whether a host is the notice's own or below it: answered here, and never asked of an origin, whatever the port.
pub(crate) fn is_own(snapshot: &Snapshot, host: &Host) -> bool {
    let (Some(own), Some(name)) = (snapshot.settings.notice.host.as_name(), host.as_name()) else {
        return false;
    };
    match name.as_str().strip_suffix(own.as_str()) {
        Some(before) => before.is_empty() || before.ends_with('.'),
        None => false,
    }
}

/// The answer to a tunnel there.
pub(crate) fn no_tunnel() -> Answer {
    Answer::new(
        StatusCode::FORBIDDEN,
        Some("http_request_denied"),
        "There is no tunnel to this name",
        "The notice of what is recorded is a page of the filter itself, at an http address.",
    )
}

impl Asking<'_> {
    /// Whether the page is to be shown in place of what was asked for.
    pub(crate) fn is_due(&self, method: &Method, fields: &HeaderMap) -> bool {
        if self.snapshot.settings.notice.mode == NoticeMode::OnRequest
            || self.target.scheme != Scheme::Http
            || !initiator::is_document(method, fields)
        {
            return false;
        }
        let mut informed = Informed::None;
        self.task.note(|record| informed = record.notice);
        informed != Informed::Given
    }

    /// Whether this is the notice's path on some other address.
    pub(crate) fn is_way(&self, path: &str, method: &Method) -> bool {
        self.target.scheme == Scheme::Http
            && path == PATH
            && (method == Method::GET || method == Method::HEAD)
    }

    /// Sends a browser to the page in place of what it asked for, which goes along.
    pub(crate) fn send(&self, to: &str) -> Response {
        let version = &self.snapshot.settings.notice.version;
        self.task.note(|record| {
            record.note = Some(format!("sent to the notice, version {version:?}").into());
        });
        self.task.ended(End::Refused);
        let here = format!("http://{}{PAGE}", self.own());
        // Sent all the same, so that a programme gets no page with status 200 in place of its own.
        let to = if to.len() <= LONGEST { to } else { &here };
        let pages = &self.conn.worker.shared.law.pages;
        let way = pages.token(self.warned(WAY), to);
        self.elsewhere(&format!("{here}?to={}&way={way}", warn::encoded(to)))
    }

    /// Leads from the notice's path on any address to the notice.
    pub(crate) fn lead(&self) -> Response {
        self.task.ended(End::Complete);
        self.elsewhere(&format!("http://{}{PAGE}", self.own()))
    }

    fn elsewhere(&self, place: &str) -> Response {
        let mut response = own(StatusCode::SEE_OTHER, String::new(), HTML);
        // Made of a name and percent-encoded text.
        if let Ok(place) = HeaderValue::from_str(place) {
            response.headers_mut().insert(header::LOCATION, place);
        }
        self.with_event(response)
    }

    fn with_event(&self, mut response: Response) -> Response {
        if let Ok(event) = HeaderValue::from_str(&self.task.event()) {
            response.headers_mut().insert("weir-event", event);
        }
        response
    }

    /// The page, with the way to what was asked for.
    fn show(&self) -> Response {
        let query = self.target.query().unwrap_or_default().as_bytes();
        let field = |name| warn::form_field(query, name).unwrap_or_default();
        let (to, way) = (field("to"), field("way"));
        let pages = &self.conn.worker.shared.law.pages;
        // Anybody can lead somebody here; where they go on to is said by Weir alone.
        let is_sent = pages.is_genuine(self.warned(WAY), &to, &way);
        let here = format!("http://{}{PAGE}", self.own());
        let to = if is_sent { to } else { here.clone() };
        let version = &self.snapshot.settings.notice.version;
        let token = pages.token(self.warned(&rule(version)), &to);
        let style = pages.token(self.warned(STYLE), "");
        let style = format!("http://{}{STYLE_PATH}?{style}", self.own());
        let fields = [("to", to.as_str()), ("token", token.as_str())];
        let notice = super::page::notice(&self.conn.worker.shared, self.snapshot);
        let form = NoticeForm {
            style: &style,
            action: &here,
            fields: &fields,
        };
        let html = weir_console::notice_page(&notice, &form);
        self.task.note(|record| {
            record.note = Some(format!("the notice was shown, version {version:?}").into());
        });
        self.task.ended(End::Complete);
        // RFC 6585: something is to be agreed to before the network can be used. A programme must not take it for its page.
        let status = match is_sent {
            true => StatusCode::NETWORK_AUTHENTICATION_REQUIRED,
            false => StatusCode::OK,
        };
        self.with_event(own(status, html, HTML))
    }

    /// Answers a request at the notice's own name.
    ///
    /// # Errors
    /// A click that is not from its page, what a script of another page asks for, and what is not there.
    pub(crate) async fn serve(
        &self,
        path: &str,
        request: Request<Incoming>,
    ) -> Result<Response, Answer> {
        let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
        let is_here = self.target.scheme == Scheme::Http
            && self.target.port == Scheme::Http.default_port()
            && self.target.host == self.snapshot.settings.notice.host;
        match path {
            STYLE_PATH if is_here && is_read => {
                let token = self.target.query().unwrap_or_default();
                let pages = &self.conn.worker.shared.law.pages;
                pages.accept(self.warned(STYLE), "", token, SHOWN_FOR);
                self.task.ended(End::Complete);
                let style = weir_console::STYLE.to_owned();
                Ok(own(StatusCode::OK, style, "text/css; charset=utf-8"))
            }
            PAGE if is_here && is_read && !initiator::is_embedded(request.headers()) => {
                Ok(self.show())
            }
            PAGE if is_here && request.method() == Method::POST => self.acknowledged(request).await,
            PAGE if is_here && is_read => Err(Answer::new(
                StatusCode::FORBIDDEN,
                Some("http_request_denied"),
                "This page is read by people only",
                "No other page and no script may load it.",
            )),
            _ => Err(Answer::new(
                StatusCode::NOT_FOUND,
                Some("http_request_denied"),
                "There is no such page",
                format!("What is recorded is told at http://{}{PAGE}", self.own()),
            )),
        }
    }

    /// The click: kept in the ledger, in the records, and the browser sent to where it was going.
    async fn acknowledged(&self, request: Request<Incoming>) -> Result<Response, Answer> {
        let from_page = initiator::is_sent_from(request.headers(), &self.own());
        self.conn.watch.enter(Phase::Body);
        let form = Limited::new(request.into_body(), warn::FORM_BOUND)
            .collect()
            .await
            .map_err(|_| Answer::malformed("The form could not be read."))?
            .to_bytes();
        let field = |name| warn::form_field(&form, name).unwrap_or_default();
        let (to, token) = (field("to"), field("token"));
        let notice = &self.snapshot.settings.notice;
        let rule = rule(&notice.version);
        let law = &self.conn.worker.shared.law;
        // Whoever clicks twice makes the ledger no longer, and is not told that it went wrong.
        let is_given = || law.ledger.state(&self.who.key, notice, super::now()) == Informed::Given;
        let before = is_given();
        let is_whole = from_page && law.pages.holds(self.warned(STYLE));
        let is_first = is_whole && law.pages.spend(self.warned(&rule), &to, &token);
        // Of two clicks at once the other has spent it, and is known since.
        let is_known = before || (!is_first && is_given());
        let is_again = || is_whole && law.pages.is_genuine(self.warned(&rule), &to, &token);
        let location = HeaderValue::from_str(&to);
        let (true, Ok(location)) = (is_first || (is_known && is_again()), location) else {
            return Err(Answer::new(
                StatusCode::FORBIDDEN,
                Some("http_request_denied"),
                "This click does not count",
                "Open the page that you wanted in a browser, and try again there.",
            ));
        };
        // Before anything is waited for: a browser that goes away then has clicked all the same.
        let (version, language) = (&notice.version, &notice.language);
        let note = match is_first {
            true => format!("notice {version:?} in {language} was acknowledged on its page"),
            false => "the notice was clicked again".to_owned(),
        };
        self.task.note(|record| {
            record.notice = Informed::Given;
            if is_first {
                record.kind = Kind::Notice;
            }
            record.note = Some(note.as_str().into());
        });
        if !is_known && !self.keep().await {
            let note = format!("{note}; the ledger could not be written");
            self.task.note(|record| record.note = Some(note.into()));
        }
        self.task.ended(End::Complete);
        let mut response = own(StatusCode::SEE_OTHER, String::new(), HTML);
        response.headers_mut().insert(header::LOCATION, location);
        Ok(response)
    }

    /// Whether the ledger has it for good. Whoever clicked goes on in any case.
    async fn keep(&self) -> bool {
        let notice = &self.snapshot.settings.notice;
        let line = Line {
            time: Timestamp::now(),
            identity: self.who.key.to_string(),
            version: notice.version.to_string(),
            language: notice.language.to_string(),
            how: BY_PAGE.to_owned(),
        };
        let shared = Arc::clone(&self.conn.worker.shared);
        // At once, for clicks that come meanwhile; the thread writes on when nobody waits for it any more.
        shared.law.ledger.remember(&line);
        let kept = tokio::task::spawn_blocking(move || shared.law.ledger.give(&line)).await;
        match kept {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(%error, "the ledger of the notice cannot be written");
                false
            }
            Err(_) => false,
        }
    }

    fn warned<'a>(&'a self, rule: &'a str) -> Warned<'a> {
        Warned {
            who: &self.who.key,
            host: ANY,
            rule,
        }
    }

    /// The notice's own name as a URL has it.
    fn own(&self) -> String {
        self.snapshot.settings.notice.host.bracketed().to_string()
    }
}

/// The page of one version is no page of another.
fn rule(version: &str) -> String {
    format!("notice {version}")
}

/// An answer of the notice's own: nothing but its style sheet may load, and no frame may show it.
fn own(status: StatusCode, body: String, kind: &'static str) -> Response {
    let mut response = Response::new(Body::full(Bytes::from(body)));
    *response.status_mut() = status;
    let fields = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            // Chromium asks form-action about where the click leads on to as well.
            "default-src 'none'; style-src 'self'; form-action http:; base-uri 'none'; frame-ancestors 'none'",
        ),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in fields {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
