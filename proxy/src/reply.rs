//! Verdicts and failures become responses: the one place that picks a status.
//!
//! A block is a 403 page in plain words (AF-14, AF-26); every failure names its cause
//! with an RFC 9209 error type in `Proxy-Status`. CONNECT answers carry the same facts,
//! since browsers do not show their bodies.

use crate::body::Body;
use crate::pages::{self, Form, Page};
use crate::snapshot::Snapshot;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use std::fmt::Write;

/// The name of the proxy in `Proxy-Status` (RFC 9209 §2).
const NAME: &str = "weir";

/// An answer of Weir's own.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// RFC 9209 error type.
    pub(crate) label: Option<&'static str>,
    pub(crate) title: &'static str,
    pub(crate) words: String,
    pub(crate) facts: Vec<(&'static str, String)>,
    /// Rule and category, repeated as fields for clients that show no page.
    pub(crate) rule: Option<String>,
    pub(crate) category: Option<String>,
    /// The connection cannot be used again.
    pub(crate) close: bool,
    /// Seconds after which trying again makes sense.
    pub(crate) retry_after: Option<u64>,
    /// The warning's "continue": address to post to and its fields.
    pub(crate) form: Option<(String, Vec<(&'static str, String)>)>,
}

impl Answer {
    /// An answer with nothing but a status, an error type and words.
    pub(crate) fn new(
        status: StatusCode,
        label: Option<&'static str>,
        title: &'static str,
        words: impl Into<String>,
    ) -> Answer {
        Answer {
            status,
            label,
            title,
            words: words.into(),
            facts: Vec::new(),
            rule: None,
            category: None,
            close: false,
            retry_after: None,
            form: None,
        }
    }

    /// A message that cannot be understood, or can be understood in two ways (threats §1
    /// rule 2). The connection ends.
    pub(crate) fn malformed(words: &str) -> Answer {
        let mut answer = Answer::new(
            StatusCode::BAD_REQUEST,
            Some("http_request_error"),
            "This request is not valid",
            words,
        );
        answer.close = true;
        answer
    }

    /// A head that could not be read, or not in time. The connection ends.
    pub(crate) fn unreadable(status: StatusCode) -> Answer {
        let words = match status {
            StatusCode::REQUEST_TIMEOUT => "The request did not arrive in time.",
            StatusCode::URI_TOO_LONG => {
                "The address of the request is longer than the filter takes."
            }
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "The head of the request is too large.",
            _ => "The request could not be read.",
        };
        let mut answer = Answer::malformed(words);
        answer.status = status;
        answer
    }

    /// 503: what the school wants recorded first cannot be.
    pub(crate) fn unrecorded() -> Answer {
        let mut answer = Answer::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Some("proxy_internal_error"),
            "The web is paused",
            "Records cannot be written at the moment, and this school has chosen to pause the web until they can.",
        );
        answer.retry_after = Some(30);
        answer
    }

    /// 407: who asks must sign in first.
    pub(crate) fn sign_in(words: &str) -> Answer {
        Answer::new(
            StatusCode::PROXY_AUTHENTICATION_REQUIRED,
            Some("http_request_denied"),
            "Please sign in",
            words,
        )
    }

    /// An origin that cannot be reached or does not answer properly.
    pub(crate) fn origin(status: u16, label: &'static str, words: &str) -> Answer {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        Answer::new(status, Some(label), "This site cannot be reached", words)
    }

    /// Adds a fact for the page.
    pub(crate) fn fact(mut self, label: &'static str, value: impl Into<String>) -> Answer {
        self.facts.push((label, value.into()));
        self
    }

    /// The response with its page. `event` is the record's id.
    pub(crate) fn into_response(self, snapshot: &Snapshot, event: &str) -> Response<Body> {
        let html = self.page(snapshot, event);
        let mut response = Response::new(Body::full(Bytes::from(html)));
        *response.status_mut() = self.status;
        self.set_fields(response.headers_mut(), snapshot, event);
        response
    }

    /// The response as bytes, for connections that hyper has not seen.
    pub(crate) fn into_bytes(self, snapshot: &Snapshot, event: &str) -> Vec<u8> {
        let html = self.page(snapshot, event);
        let mut fields = http::HeaderMap::new();
        self.set_fields(&mut fields, snapshot, event);
        let mut out = Vec::with_capacity(html.len() + 1024);
        let reason = self.status.canonical_reason().unwrap_or("");
        let line = format!("HTTP/1.1 {} {reason}\r\n", self.status.as_u16());
        out.extend_from_slice(line.as_bytes());
        for (name, value) in &fields {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(format!("content-length: {}\r\n\r\n", html.len()).as_bytes());
        out.extend_from_slice(html.as_bytes());
        out
    }

    fn page(&self, snapshot: &Snapshot, event: &str) -> String {
        let mut facts: Vec<(&str, &str)> = self
            .facts
            .iter()
            .map(|(label, value)| (*label, value.as_str()))
            .collect();
        facts.push(("Event", event));
        let fields: Vec<(&str, &str)> = match &self.form {
            Some((_, fields)) => fields.iter().map(|(n, v)| (*n, v.as_str())).collect(),
            None => Vec::new(),
        };
        pages::render(&Page {
            title: self.title,
            words: &self.words,
            facts: &facts,
            school: &snapshot.settings.school,
            review: snapshot
                .settings
                .review_contact
                .as_deref()
                .unwrap_or_default(),
            form: self.form.as_ref().map(|(action, _)| Form {
                action,
                fields: &fields,
            }),
        })
    }

    fn set_fields(&self, fields: &mut http::HeaderMap, snapshot: &Snapshot, event: &str) {
        fields.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; style-src 'unsafe-inline'; form-action http:; base-uri 'none'; frame-ancestors 'none'",
            ),
        );
        fields.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        set(fields, "proxy-status", &self.proxy_status());
        set(fields, "weir-event", event);
        if let Some(rule) = &self.rule {
            set(fields, "weir-rule", rule);
        }
        if let Some(category) = &self.category {
            set(fields, "weir-category", category);
        }
        if self.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let realm = quoted(&snapshot.settings.login.realm);
            set(
                fields,
                "proxy-authenticate",
                &format!("Basic realm={realm}, charset=\"UTF-8\""),
            );
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            set(
                fields,
                "allow",
                "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, CONNECT",
            );
        }
        if let Some(seconds) = self.retry_after {
            set(fields, "retry-after", &seconds.to_string());
        }
        if self.close {
            fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// The `Proxy-Status` value (RFC 9209 §2).
    fn proxy_status(&self) -> String {
        let mut value = String::from(NAME);
        if let Some(label) = self.label {
            // Writing to a String cannot fail.
            let _ = write!(value, "; error={label}");
        }
        let details = match (&self.rule, &self.category) {
            (Some(rule), Some(category)) => format!("rule {rule}, category {category}"),
            (Some(rule), None) => format!("rule {rule}"),
            _ => self.words.clone(),
        };
        let _ = write!(value, "; details={}", quoted(&details));
        value
    }
}

/// A structured-field string (RFC 8941 §3.3.3): printable ASCII, quotes and backslashes escaped.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            _ => out.push('?'),
        }
    }
    out.push('"');
    out
}

fn set(fields: &mut http::HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        fields.insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_status_names_the_cause_with_an_rfc_9209_label() {
        let answer = Answer::origin(504, "dns_timeout", "The name did not resolve in time.");
        assert_eq!(
            answer.proxy_status(),
            "weir; error=dns_timeout; details=\"The name did not resolve in time.\""
        );
    }

    #[test]
    fn words_with_quotes_or_line_ends_cannot_break_out_of_a_field() {
        assert_eq!(quoted("a\"b\\c\r\nd\u{e9}"), "\"a\\\"b\\\\c??d?\"");
    }
}
