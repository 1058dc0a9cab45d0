//! Which fields are forwarded (RFC 9110 §7.6, threats §3), for requests and responses.
//!
//! Decides on field names only; the verdict and the target are settled before.

use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};

/// Fields that never cross the proxy (RFC 9110 §7.6.1, and the older Proxy-Connection).
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Fields by which proxies describe the client: never sent, and inert when a client
/// sends them itself.
const ABOUT_THE_CLIENT: [HeaderName; 9] = [
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-cluster-client-ip"),
];

/// Fields that a Connection line cannot remove, whatever it names (threats §3).
fn protected(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::HOST
            | header::CONTENT_LENGTH
            | header::AUTHORIZATION
            | header::COOKIE
            | header::VIA
            | header::MAX_FORWARDS
            | header::CACHE_CONTROL
            | header::DATE
            | header::SET_COOKIE
    )
}

/// Whether a comma-separated field holds `token`, in any of its lines, in any case.
pub(crate) fn has_token(fields: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    fields
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// Removes every field that a Connection line names, from *every* Connection line, then
/// the hop-by-hop fields themselves.
pub(crate) fn strip(fields: &mut HeaderMap) {
    if let Some(first) = fields.get(header::CONNECTION) {
        // Nearly all messages say only this much.
        let plain = first == "keep-alive" || first == "close" || first == "Keep-Alive";
        if !plain || fields.get_all(header::CONNECTION).iter().nth(1).is_some() {
            strip_named(fields);
        }
    }
    for name in &HOP_BY_HOP {
        fields.remove(name);
    }
}

fn strip_named(fields: &mut HeaderMap) {
    let named: Vec<HeaderName> = fields
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .filter_map(|part| HeaderName::from_bytes(part.trim_ascii()).ok())
        .filter(|name| !protected(name))
        .collect();
    for name in named {
        fields.remove(name);
    }
}

/// Makes a client's request fields fit for the origin. `trailers` keeps the client's
/// willingness to take trailers, the one TE value that may be passed on.
pub(crate) fn request(fields: &mut HeaderMap) {
    let trailers = has_token(fields, &header::TE, "trailers");
    strip(fields);
    fields.remove(header::PROXY_AUTHORIZATION);
    for name in &ABOUT_THE_CLIENT {
        fields.remove(name);
    }
    if trailers {
        // RFC 9110 §10.1.4: a sender of TE names it in Connection.
        fields.insert(header::TE, HeaderValue::from_static("trailers"));
        fields.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
}

/// Makes an origin's response fields fit for the client. Offers of HTTP/3 go: a client
/// that followed one would leave the proxy (threats §2).
pub(crate) fn response(fields: &mut HeaderMap) {
    strip(fields);
    fields.remove(header::PROXY_AUTHENTICATE);
    fields.remove(HeaderName::from_static("proxy-authentication-info"));
    fields.remove(header::ALT_SVC);
}

/// Keeps only harmless trailer fields (RFC 9110 §6.5.1: nothing of framing, routing,
/// authentication or content format).
pub(crate) fn trailers(fields: &mut HeaderMap) {
    strip(fields);
    let forbidden: Vec<HeaderName> = fields
        .keys()
        .filter(|name| forbidden_in_trailers(name))
        .cloned()
        .collect();
    for name in forbidden {
        fields.remove(name);
    }
}

fn forbidden_in_trailers(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::HOST
            | header::CONTENT_LENGTH
            | header::CONTENT_ENCODING
            | header::CONTENT_TYPE
            | header::CONTENT_RANGE
            | header::TRAILER
            | header::AUTHORIZATION
            | header::COOKIE
            | header::SET_COOKIE
            | header::WWW_AUTHENTICATE
            | header::PROXY_AUTHENTICATE
            | header::PROXY_AUTHORIZATION
            | header::LOCATION
            | header::MAX_FORWARDS
            | header::CACHE_CONTROL
            | header::EXPECT
            | header::RANGE
            | header::VIA
    ) || ABOUT_THE_CLIENT.contains(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        map
    }

    #[test]
    fn fields_named_on_any_connection_line_are_removed() {
        let mut map = fields(&[
            ("connection", "keep-alive"),
            ("connection", "X-One , x-two"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
        ]);
        request(&mut map);
        assert_eq!(map, fields(&[("x-three", "3")]));
    }

    #[test]
    fn connection_cannot_remove_what_decides_or_frames() {
        let mut map = fields(&[
            (
                "connection",
                "host, content-length, cookie, authorization, connection",
            ),
            ("host", "example.org"),
            ("content-length", "3"),
            ("cookie", "a=b"),
            ("authorization", "x"),
        ]);
        request(&mut map);
        assert_eq!(map.len(), 4);
    }

    #[test]
    fn nothing_about_the_client_reaches_an_origin() {
        let mut map = fields(&[
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("x-real-ip", "10.0.0.1"),
            ("proxy-authorization", "Basic YTpi"),
            ("proxy-connection", "keep-alive"),
        ]);
        request(&mut map);
        assert!(map.is_empty());
    }

    #[test]
    fn only_the_trailers_value_of_te_survives_and_is_named_in_connection() {
        let mut map = fields(&[("te", "gzip, trailers;q=0.5"), ("te", "Trailers")]);
        request(&mut map);
        assert_eq!(map, fields(&[("te", "trailers"), ("connection", "te")]));
        let mut map = fields(&[("te", "gzip")]);
        request(&mut map);
        assert!(map.is_empty());
    }

    #[test]
    fn upgrade_offers_such_as_h2c_are_removed() {
        let mut map = fields(&[
            ("connection", "Upgrade, HTTP2-Settings"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
        ]);
        request(&mut map);
        assert!(map.is_empty());
    }

    #[test]
    fn offers_of_http3_do_not_reach_the_client() {
        let mut map = fields(&[("alt-svc", "h3=\":443\""), ("etag", "\"1\"")]);
        response(&mut map);
        assert_eq!(map, fields(&[("etag", "\"1\"")]));
    }

    #[test]
    fn trailers_keep_only_harmless_names() {
        let mut map = fields(&[
            ("content-length", "9"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "a=b"),
            ("digest", "x"),
        ]);
        trailers(&mut map);
        assert_eq!(map, fields(&[("digest", "x")]));
    }
}
