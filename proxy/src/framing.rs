//! Whether a message says in one way only where it ends (RFC 9112 §6.3, §11; threats §3).
//!
//! Decides what hyper lets pass and a filter must not: hyper merges equal lengths, takes a
//! transfer coding over a length, and reads codings leniently. Everything here is refused,
//! nothing repaired.

use http::Version;
use http::header::{self, HeaderMap};

/// What the raw head of a request shows and hyper's parse of it no longer does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawHead {
    /// The target has a fragment, which never leaves a browser (RFC 9112 §3.2).
    pub(crate) fragment: bool,
    /// More than one Content-Length line.
    pub(crate) lengths: bool,
    /// A line that ends in LF alone.
    pub(crate) bare_lf: bool,
    /// An absolute target without a path (`OPTIONS http://example.org`).
    pub(crate) bare_target: bool,
}

/// Looks at a whole head, from the request line to the empty line.
pub(crate) fn inspect(head: &[u8]) -> RawHead {
    let mut raw = RawHead::default();
    let mut rest = head;
    let mut lengths = 0;
    let mut first = true;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (line, after) = rest.split_at(end + 1);
        rest = after;
        raw.bare_lf |= !line.ends_with(b"\r\n");
        if std::mem::take(&mut first) {
            let target = line.split(|b| *b == b' ').nth(1).unwrap_or_default();
            raw.fragment = memchr::memchr(b'#', target).is_some();
            raw.bare_target = is_bare(target);
        } else if starts_with_length(line) {
            lengths += 1;
        }
    }
    raw.lengths = lengths > 1;
    raw
}

fn is_bare(target: &[u8]) -> bool {
    memchr::memmem::find(target, b"://")
        .and_then(|at| target.get(at + 3..))
        .is_some_and(|rest| !rest.iter().any(|b| matches!(b, b'/' | b'?' | b'#')))
}

fn starts_with_length(line: &[u8]) -> bool {
    line.get(..header::CONTENT_LENGTH.as_str().len())
        .is_some_and(|name| name.eq_ignore_ascii_case(b"content-length"))
}

/// Checks the framing fields of a request.
///
/// # Errors
/// Words for the answer.
pub(crate) fn request(
    fields: &HeaderMap,
    version: Version,
    raw: RawHead,
) -> Result<(), &'static str> {
    if raw.lengths {
        return Err("The request has more than one Content-Length field.");
    }
    if raw.bare_lf {
        return Err("A line of the request does not end in CR LF.");
    }
    if raw.fragment {
        return Err("The address has a fragment.");
    }
    fields_agree(fields, version)
        .map_err(|()| "The request does not say clearly where its body ends.")
}

/// Checks the framing fields of a response, also of one without a body (HEAD, 304), and
/// makes one line of a length that is given several times alike (RFC 9110 §8.6): nobody
/// behind this proxy has to wonder.
///
/// # Errors
/// They can be read in more than one way.
pub(crate) fn response(fields: &mut HeaderMap, version: Version) -> Result<(), ()> {
    fields_agree(fields, version)?;
    let mut lines = fields.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lines.next() else {
        return Ok(());
    };
    let digits = first.as_bytes().iter().all(u8::is_ascii_digit);
    let length = first
        .to_str()
        .ok()
        .and_then(|text| text.parse::<u64>().ok());
    let (mut others, mut alike) = (0, true);
    for line in lines {
        others += 1;
        alike &= line == first;
    }
    if !digits || length.is_none() || !alike {
        return Err(());
    }
    if others > 0 {
        let one = first.clone();
        fields.insert(header::CONTENT_LENGTH, one);
    }
    Ok(())
}

fn fields_agree(fields: &HeaderMap, version: Version) -> Result<(), ()> {
    let mut codings = fields.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    let one_chunked =
        codings.next().is_none() && coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let clear =
        one_chunked && version == Version::HTTP_11 && !fields.contains_key(header::CONTENT_LENGTH);
    clear.then_some(()).ok_or(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http::header::{HeaderName, HeaderValue};

    fn fields(lines: &[(&str, &str)]) -> HeaderMap {
        let pairs = lines.iter().map(|(name, value)| {
            (
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            )
        });
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name, value);
        }
        map
    }

    #[test]
    fn only_one_chunked_coding_and_no_length_beside_it_is_clear() {
        let clear = |lines: &[(&str, &str)]| {
            request(&fields(lines), Version::HTTP_11, RawHead::default()).is_ok()
        };
        assert!(clear(&[]));
        assert!(clear(&[("content-length", "5")]));
        assert!(clear(&[("transfer-encoding", "Chunked")]));
        assert!(!clear(&[("transfer-encoding", "chunked, chunked")]));
        assert!(!clear(&[("transfer-encoding", "gzip, chunked")]));
        assert!(!clear(&[
            ("transfer-encoding", "chunked"),
            ("transfer-encoding", "chunked")
        ]));
        assert!(!clear(&[
            ("transfer-encoding", "chunked"),
            ("content-length", "5")
        ]));
        assert!(!clear(&[("transfer-encoding", "xchunked")]));
    }

    #[test]
    fn a_coding_under_http_1_0_is_not_clear() {
        let mut map = fields(&[("transfer-encoding", "chunked")]);
        assert!(response(&mut map, Version::HTTP_10).is_err());
    }

    #[test]
    fn a_length_of_a_response_is_digits_and_said_once_or_alike() {
        let collapsed = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| ("content-length", *line)).collect();
            let mut map = fields(&lines);
            response(&mut map, Version::HTTP_11).ok()?;
            let mut left = map.get_all(header::CONTENT_LENGTH).iter();
            let first = left.next()?.to_str().unwrap().to_owned();
            assert!(left.next().is_none());
            Some(first)
        };
        assert_eq!(collapsed(&["2"]).as_deref(), Some("2"));
        assert_eq!(collapsed(&["2", "2"]).as_deref(), Some("2"));
        for lines in [
            &["2, 2"][..],
            &["2,2"],
            &["abc"],
            &["+2"],
            &[""],
            &["99999999999999999999"],
            &["2", "3"],
            &["2", "02"],
        ] {
            assert_eq!(collapsed(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn the_raw_head_shows_what_parsing_hides() {
        let seen = |head: &[u8]| inspect(head);
        assert_eq!(
            seen(b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
            RawHead::default()
        );
        assert!(seen(b"GET http://a/#b HTTP/1.1\r\n\r\n").fragment);
        assert!(!seen(b"GET http://a/ HTTP/1.1\r\nX: #\r\n\r\n").fragment);
        assert!(seen(b"GET / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n").lengths);
        assert!(!seen(b"GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n").lengths);
        assert!(seen(b"GET / HTTP/1.1\nHost: a\r\n\r\n").bare_lf);
        assert!(seen(b"OPTIONS http://a:80 HTTP/1.1\r\n\r\n").bare_target);
        assert!(!seen(b"OPTIONS http://a/ HTTP/1.1\r\n\r\n").bare_target);
        assert!(!seen(b"OPTIONS * HTTP/1.1\r\n\r\n").bare_target);
    }
}
