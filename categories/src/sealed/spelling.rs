//! Decides which spellings of a path and of a parameter are one: those that some web server takes for the same page.
//!
//! Stricter than [`weir_host::normal_path`], which is made for rules that a school writes itself: here every triplet is
//! decoded, twice where needed. Letter case is left to whoever hashes.

use std::borrow::Cow;

/// What becomes of `;x=1` at the end of a segment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extras {
    Kept,
    Dropped,
}

/// A path in strict form: triplets decoded at most twice, `\` as `/`, no empty and no dot segment, no blank, control
/// character or dot at the end of a segment. Begins with `/` and does not end with one; empty for the root.
pub(super) fn path(path: &str, extras: Extras) -> Vec<u8> {
    let decoded = decoded(path.as_bytes());
    let mut out = Vec::with_capacity(decoded.len());
    for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
        let end = memchr::memchr(b';', segment).unwrap_or(segment.len());
        let name = segment.get(..end).unwrap_or(segment);
        let kept = match extras {
            Extras::Kept => segment,
            Extras::Dropped => name,
        };
        match name.trim_ascii_end() {
            b"." => continue,
            b".." => {
                let above = memchr::memrchr(b'/', &out).unwrap_or(0);
                out.truncate(above);
                continue;
            }
            _ => {}
        }
        let kept = without_end(kept);
        if !kept.is_empty() {
            out.push(b'/');
            out.extend_from_slice(kept);
        }
    }
    out
}

/// Without blanks, control characters and dots at the end, unless there is nothing else but dots.
fn without_end(segment: &[u8]) -> &[u8] {
    let cut = |is_cut: fn(u8) -> bool| {
        let end = segment.iter().rposition(|byte| !is_cut(*byte));
        segment.get(..end.map_or(0, |at| at + 1)).unwrap_or(segment)
    };
    match cut(|byte| byte <= b' ' || byte == b'.') {
        [] => cut(|byte| byte <= b' '),
        name => name,
    }
}

/// The spellings that a request's path is asked in: as it is, in strict form, and in strict form without `;` extras.
/// Allocates nothing for a path that has only one.
pub(super) fn asked(normal: &str) -> [Option<Cow<'_, [u8]>>; 3] {
    let plain = normal.strip_suffix('/').unwrap_or(normal);
    let has_more = plain
        .bytes()
        .any(|byte| matches!(byte, b'%' | b';' | b'\\'))
        || plain.contains("./")
        || plain.ends_with('.');
    let first = Some(Cow::Borrowed(plain.as_bytes()));
    if !has_more {
        return [first, None, None];
    }
    let (kept, dropped) = (path(plain, Extras::Kept), path(plain, Extras::Dropped));
    let dropped = (dropped != kept).then_some(Cow::Owned(dropped));
    [first, Some(Cow::Owned(kept)), dropped]
}

/// The parameters of a query, each decoded, in lower case, with `+` as a blank and without blanks around; none is empty.
pub(super) fn parameters(query: &str) -> Vec<Vec<u8>> {
    let parts = query.as_bytes().split(|byte| matches!(byte, b'&' | b';'));
    parts
        .filter_map(|part| {
            let mut text = decoded(part);
            for byte in &mut text {
                *byte = match byte.to_ascii_lowercase() {
                    b'+' => b' ',
                    byte if byte < b' ' => b' ',
                    byte => byte,
                };
            }
            let text = text.trim_ascii();
            (!text.is_empty()).then(|| text.to_vec())
        })
        .collect()
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    for _ in 0..2 {
        if memchr::memchr(b'%', &out).is_none() {
            break;
        }
        out = decoded_once(&out);
    }
    out
}

fn decoded_once(mut rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rest.len());
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let value = match (byte, tail) {
            (b'%', [high, low, ..]) => value(*high, *low),
            _ => None,
        };
        match value {
            Some(value) => {
                out.push(value);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => out.push(byte),
        }
    }
    out
}

fn value(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
