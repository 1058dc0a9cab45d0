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
    let mut scan = Scan::default();
    for line in head.split_inclusive(|b| *b == b'\n') {
        scan.line(line);
    }
    scan.finish().0
}

/// The length of the head that `bytes` begin with, its empty line included. An LF alone ends
/// a line here, so that a head sent so is found whole and can be refused.
pub(crate) fn head_length(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        if matches!(bytes.get(from..end), Some(b"" | b"\r")) && from > 0 {
            return Some(end + 1);
        }
        from = end + 1;
    }
    None
}

/// What the lines of one head come to.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    raw: RawHead,
    begun: bool,
    length: Option<u64>,
    chunked: bool,
}

impl Scan {
    /// Takes the next line with its end; true when it is the empty one behind the fields.
    pub(crate) fn line(&mut self, line: &[u8]) -> bool {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() && !self.begun {
            // Empty lines before the request line are skipped (RFC 9112 §2.2).
            return false;
        }
        self.raw.bare_lf |= !line.ends_with(b"\r\n");
        if text.is_empty() {
            return true;
        }
        if !std::mem::replace(&mut self.begun, true) {
            let target = text.split(|b| *b == b' ').nth(1).unwrap_or_default();
            self.raw.fragment = memchr::memchr(b'#', target).is_some();
            self.raw.bare_target = is_bare(target);
        } else if let Some(value) = value_of(text, b"content-length") {
            self.raw.lengths |= self.length.is_some();
            // A length that is no number is refused by hyper: nothing follows it.
            let digits = std::str::from_utf8(value).ok().map(str::trim);
            self.length = Some(digits.and_then(|text| text.parse().ok()).unwrap_or(0));
        } else if value_of(text, b"transfer-encoding").is_some() {
            self.chunked = true;
        }
        false
    }

    /// What the head showed, and the length of the body behind it; none for a chunked one.
    pub(crate) fn finish(self) -> (RawHead, Option<u64>) {
        let body = (!self.chunked).then(|| self.length.unwrap_or(0));
        (self.raw, body)
    }
}

/// The value of the field on this line when its name, in lower case, is `name`.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    let same = start.eq_ignore_ascii_case(name);
    same.then(|| rest.strip_prefix(b":")).flatten()
}

fn is_bare(target: &[u8]) -> bool {
    memchr::memmem::find(target, b"://")
        .and_then(|at| target.get(at + 3..))
        .is_some_and(|rest| !rest.iter().any(|b| matches!(b, b'/' | b'?' | b'#')))
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
