//! Decides which spellings of a path and a query are the same. The result is for rules and lists; what is forwarded is the
//! path as sent.

use std::borrow::Cow;

/// The copy of a path that rules and lists decide on: triplets of unreserved characters decoded once, other triplets in
/// upper case, characters outside visible ASCII encoded (RFC 3986 §6.2.2), duplicate slashes merged, dot segments removed.
///
/// Takes a path without its query. An invalid triplet stays as it is and turns nothing else off (threats §2). The result
/// starts with `/`, except that `*` stays. Idempotent; borrowed when the path already is normal.
pub fn normal_path(path: &str) -> Cow<'_, str> {
    if path == "*" || is_normal(path) {
        return Cow::Borrowed(path);
    }
    let text = normal_triplets(path.as_bytes());
    let path = without_dot_segments(&text);
    Cow::Owned(path)
}

/// The copy of a query (without `?`) that rules and lists decide on: triplets as in [`normal_path`], nothing else.
pub fn normal_query(query: &str) -> Cow<'_, str> {
    if query.bytes().all(|b| b.is_ascii_graphic() && b != b'%') {
        return Cow::Borrowed(query);
    }
    let text = normal_triplets(query.as_bytes());
    if text == query {
        Cow::Borrowed(query)
    } else {
        Cow::Owned(text)
    }
}

fn is_normal(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    if !rest.bytes().all(|b| b.is_ascii_graphic() && b != b'%') {
        return path.contains('%')
            && has_normal_segments(rest)
            && normal_triplets(path.as_bytes()) == path;
    }
    has_normal_segments(rest)
}

/// No empty segment but the last, no dot segment.
fn has_normal_segments(rest: &str) -> bool {
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        if (segment.is_empty() && !last) || segment == "." || segment == ".." {
            return false;
        }
    }
    true
}

fn normal_triplets(mut rest: &[u8]) -> String {
    let mut out = String::with_capacity(rest.len());
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            push_byte(&mut out, byte);
            continue;
        }
        match triplet(tail) {
            Some(value) => {
                rest = tail.get(2..).unwrap_or_default();
                push_decoded(&mut out, value);
            }
            None => out.push('%'),
        }
    }
    out
}

/// The byte that the two digits after a `%` mean.
pub(crate) fn triplet(tail: &[u8]) -> Option<u8> {
    let &[high, low, ..] = tail else {
        return None;
    };
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn push_byte(out: &mut String, byte: u8) {
    if byte.is_ascii_graphic() {
        out.push(char::from(byte));
    } else {
        push_triplet(out, byte);
    }
}

fn push_decoded(out: &mut String, value: u8) {
    let unreserved = value.is_ascii_alphanumeric() || b"-._~".contains(&value);
    if unreserved && !completes_triplet(out, value) {
        out.push(char::from(value));
    } else {
        push_triplet(out, value);
    }
}

/// True when a literal `%` waits for this digit: decoding it would make a new triplet, and a second pass would decode twice.
fn completes_triplet(out: &str, value: u8) -> bool {
    let mut end = out.bytes().rev();
    value.is_ascii_hexdigit() && (end.next() == Some(b'%') || end.next() == Some(b'%'))
}

fn push_triplet(out: &mut String, value: u8) {
    out.push('%');
    for nibble in [value >> 4, value & 0x0f] {
        let digit = char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        out.push(digit.to_ascii_uppercase());
    }
}

fn without_dot_segments(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 1);
    let mut open = true;
    for segment in path.split('/') {
        open = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => out.truncate(out.rfind('/').unwrap_or(0)),
            segment => {
                out.push('/');
                out.push_str(segment);
            }
        }
    }
    if open {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests;
