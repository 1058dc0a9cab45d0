//! How large the thing is that a transfer is a part of.
//!
//! Decides what a size limit counts where a download comes in ranges (RFC 9110 §14): each
//! part counts as large as the whole. Whoever asks in parts gets no more than who does not.

use http::StatusCode;
use http::header::{self, HeaderMap};

/// Leaves ranges out of a request where their answer would not say how large the whole is:
/// several at once come back as one multipart body without a Content-Range of its own. A
/// server may always answer with the whole (RFC 9110 §14.2), so a request for it asks for
/// nothing else.
pub(crate) fn ask_for_whole(fields: &mut HeaderMap) {
    let mut lines = fields.get_all(header::RANGE).iter();
    let several = lines
        .next()
        .is_some_and(|line| memchr::memchr(b',', line.as_bytes()).is_some())
        || lines.next().is_some();
    if several {
        fields.remove(header::RANGE);
        fields.remove(header::IF_RANGE);
    }
}

/// Whether a response is a part that does not say of how much.
pub(crate) fn hides_whole(status: StatusCode, fields: &HeaderMap) -> bool {
    status == StatusCode::PARTIAL_CONTENT && of_range(fields).is_none()
}

/// The length of the whole, as far as the fields tell; `body` is the length of the body.
pub(crate) fn whole(fields: &HeaderMap, body: Option<u64>) -> Option<u64> {
    of_range(fields).max(body)
}

/// What a Content-Range says of the whole: its length, or at least where this part ends.
fn of_range(fields: &HeaderMap) -> Option<u64> {
    let range = fields.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (part, whole) = range.rsplit_once('/')?;
    let last = part
        .rsplit_once('-')
        .and_then(|(_, last)| last.trim().parse::<u64>().ok());
    let end = last.map(|last| last.saturating_add(1));
    whole.trim().parse().ok().max(end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http::header::{HeaderName, HeaderValue};

    fn fields(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_part_counts_as_large_as_the_whole_or_as_far_as_it_reaches() {
        for (range, size) in [
            ("bytes 0-1/20", Some(20)),
            ("bytes 30-39/20", Some(40)),
            ("bytes 5000-5009/*", Some(5010)),
            ("bytes */700", Some(700)),
            ("bytes 0-18446744073709551615/*", Some(u64::MAX)),
            ("nonsense", None),
        ] {
            assert_eq!(
                whole(&fields(header::CONTENT_RANGE, range), None),
                size,
                "{range}"
            );
        }
        assert_eq!(
            whole(&fields(header::CONTENT_RANGE, "bytes 0-1/20"), Some(30)),
            Some(30)
        );
    }

    #[test]
    fn several_ranges_become_a_request_for_the_whole_and_one_stays() {
        let mut several = fields(header::RANGE, "bytes=0-1, 5-6");
        several.insert(header::IF_RANGE, HeaderValue::from_static("\"a\""));
        ask_for_whole(&mut several);
        assert!(several.is_empty());
        let mut one = fields(header::RANGE, "bytes=0-1");
        ask_for_whole(&mut one);
        assert!(one.contains_key(header::RANGE));
        one.append(header::RANGE, HeaderValue::from_static("bytes=5-6"));
        ask_for_whole(&mut one);
        assert!(one.is_empty());
    }

    #[test]
    fn a_part_without_a_readable_range_hides_the_whole() {
        let part = StatusCode::PARTIAL_CONTENT;
        assert!(hides_whole(part, &HeaderMap::new()));
        assert!(hides_whole(part, &fields(header::CONTENT_RANGE, "bytes")));
        assert!(!hides_whole(
            part,
            &fields(header::CONTENT_RANGE, "bytes 0-1/*")
        ));
        assert!(!hides_whole(StatusCode::OK, &HeaderMap::new()));
    }
}
