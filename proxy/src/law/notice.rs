//! Gives the notice to whoever browses (LM-06): before the first page of an `http` address, and at [`PATH`] of any.
//!
//! Decides who is shown the page and what counts as its acknowledgement. Nothing but a browser is shown it, nothing but the
//! click on a page that was made for this person and address counts, and only when the page's own style sheet was fetched as
//! well: a programme that fetches pages does not become informed. Everything else passes without it, and is recorded so.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;
use weir_config::NoticeMode;
use weir_console::NoticeForm;
use weir_host::{Scheme, Target};
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

/// Where the notice is, on whatever `http` address.
pub(crate) const PATH: &str = "/.well-known/weir/notice";
/// Its style sheet, by which it is known that a browser shows it.
const STYLE_PATH: &str = "/.well-known/weir/notice.css";
/// How long a fetched style sheet counts.
const SHOWN_FOR: Duration = Duration::from_secs(3600);
/// What the token of the style sheet is for.
const STYLE: &str = "notice style";
/// One fetched style sheet counts for every host: else somebody who asks at many would fill what is remembered for all.
const ANY: &str = "";

/// A request, and who sent it.
pub(crate) struct Asking<'a> {
    pub(crate) conn: &'a Rc<Conn>,
    pub(crate) snapshot: &'a Arc<Snapshot>,
    pub(crate) task: &'a Rc<Task>,
    pub(crate) who: &'a Rc<Who>,
    pub(crate) target: &'a Target,
}

/// Whether the path is one of the notice's own.
pub(crate) fn is_own(target: &Target, path: &str) -> bool {
    target.scheme == Scheme::Http && (path == PATH || path == STYLE_PATH)
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

    /// The page, with the way to what was asked for.
    pub(crate) fn show(&self, to: &str) -> Response {
        let place = self.place();
        let host = self.target.host.shared();
        let version = &self.snapshot.settings.notice.version;
        let rule = rule(version);
        let pages = &self.conn.worker.shared.law.pages;
        let token = pages.token(self.warned(&host, &rule), to);
        let style = pages.token(self.warned(ANY, STYLE), "");
        let style = format!("http://{place}{STYLE_PATH}?{style}");
        let action = format!("http://{place}{PATH}");
        let fields = [("to", to), ("token", token.as_str())];
        let notice = super::page::notice(&self.conn.worker.shared, self.snapshot);
        let form = NoticeForm {
            style: &style,
            action: &action,
            fields: &fields,
        };
        let html = weir_console::notice_page(&notice, &form);
        self.task.note(|record| {
            record.note = Some(format!("the notice was shown, version {version:?}").into());
        });
        self.task.ended(End::Refused);
        // RFC 6585: something is to be agreed to before the network can be used.
        let mut response = own(
            StatusCode::NETWORK_AUTHENTICATION_REQUIRED,
            html,
            "text/html; charset=utf-8",
        );
        let event = HeaderValue::from_str(&self.task.event());
        if let Ok(event) = event {
            response.headers_mut().insert("weir-event", event);
        }
        response
    }

    /// Answers a request for the notice itself.
    ///
    /// # Errors
    /// A click that is not from its page, and a method that means nothing here.
    pub(crate) async fn serve(
        &self,
        path: &str,
        request: Request<Incoming>,
    ) -> Result<Response, Answer> {
        let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
        if path == STYLE_PATH && is_read {
            let token = self.target.query().unwrap_or_default();
            let pages = &self.conn.worker.shared.law.pages;
            pages.accept(self.warned(ANY, STYLE), "", token, SHOWN_FOR);
            self.task.ended(End::Complete);
            return Ok(own(
                StatusCode::OK,
                weir_console::STYLE.to_owned(),
                "text/css; charset=utf-8",
            ));
        }
        if path == PATH && is_read {
            let mut response = self.show(&format!("http://{}{PATH}", self.place()));
            *response.status_mut() = StatusCode::OK;
            return Ok(response);
        }
        if path == PATH && request.method() == Method::POST {
            return self.acknowledged(request).await;
        }
        Err(Answer::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Some("http_request_denied"),
            "This method is not open here",
            "The notice can be read and acknowledged.",
        ))
    }

    /// The click: kept in the ledger, in the records, and the browser sent to where it was going.
    async fn acknowledged(&self, request: Request<Incoming>) -> Result<Response, Answer> {
        let from_page = initiator::is_sent_from(request.headers(), &self.place());
        self.conn.watch.enter(Phase::Body);
        let form = Limited::new(request.into_body(), warn::FORM_BOUND)
            .collect()
            .await
            .map_err(|_| Answer::malformed("The form could not be read."))?
            .to_bytes();
        let field = |name| warn::form_field(&form, name).unwrap_or_default();
        let (to, token) = (field("to"), field("token"));
        let notice = &self.snapshot.settings.notice;
        let host = self.target.host.shared();
        let rule = rule(&notice.version);
        let pages = &self.conn.worker.shared.law.pages;
        let is_shown = pages.holds(self.warned(ANY, STYLE));
        let is_genuine = pages.is_genuine(self.warned(&host, &rule), &to, &token);
        let location = HeaderValue::from_str(&to);
        let (true, Ok(location)) = (from_page && is_shown && is_genuine, location) else {
            return Err(Answer::new(
                StatusCode::FORBIDDEN,
                Some("http_request_denied"),
                "This click does not count",
                "Open the page that you wanted in a browser, and try again there.",
            ));
        };
        // Whoever clicks again, or has a script do so, makes the ledger no longer.
        let known = &self.conn.worker.shared.law.ledger;
        let is_known = known.state(&self.who.key, notice, super::now()) == Informed::Given;
        let kept = is_known || self.keep().await;
        let (version, language) = (&notice.version, &notice.language);
        self.task.note(|record| {
            record.kind = Kind::Notice;
            record.notice = Informed::Given;
            let unkept = if kept {
                ""
            } else {
                "; the ledger could not be written"
            };
            record.note = Some(
                format!("notice {version:?} in {language} was acknowledged on its page{unkept}")
                    .into(),
            );
        });
        self.task.ended(End::Complete);
        let mut response = own(
            StatusCode::SEE_OTHER,
            String::new(),
            "text/html; charset=utf-8",
        );
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

    fn warned<'a>(&'a self, host: &'a str, rule: &'a str) -> Warned<'a> {
        Warned {
            who: &self.who.key,
            host,
            rule,
        }
    }

    /// The authority of the target as a URL has it.
    fn place(&self) -> String {
        let host = self.target.host.bracketed();
        match self.target.port {
            80 => host.to_string(),
            port => format!("{host}:{port}"),
        }
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
            "default-src 'none'; style-src http:; form-action http:; base-uri 'none'; frame-ancestors 'none'",
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
