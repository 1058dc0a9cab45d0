//! What may stand in a text field: nothing that forges a row, hides its direction, or carries a secret (LM-10, threats §6).
//!
//! Decides escaping, bounds and what is cut from addresses. The recorder applies [`text`] to every text field it writes, so
//! readers, exports and pages may rely on it; applied twice it would escape its own escapes. It applies [`path`] to every
//! path before that, so that no caller can forget it. [`target`] is for whoever fills a record. Whether content is kept
//! at all is decided by the grade of the column.

use std::borrow::Cow;
use std::fmt::Write;

use crate::token;

/// Long enough for any cut mark, `\u{+18446744073709551615}`.
const MARK: usize = 26;

/// `raw` as it may be stored: at most `bound` bytes, one line, no invisible or direction-changing characters.
///
/// Such characters become `\u{202e}`; a literal `\u{` becomes `\u{5c}u{`, so the escape cannot be forged and can be undone.
/// A text that is too long ends in `\u{+N}`: N more bytes were cut. Borrowed when nothing had to change.
pub fn text(raw: &str, bound: usize) -> Cow<'_, str> {
    if is_plain(raw, bound) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len().min(bound));
    // The last place where a cut mark would still fit: length so far, and bytes of the original that follow.
    let mut cut = (0, raw.len());
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        if must_escape(c, rest) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        if out.len() > bound {
            return Cow::Owned(shortened(out, cut, bound));
        }
        if out.len() + MARK <= bound {
            cut = (out.len(), rest.len());
        }
    }
    Cow::Owned(out)
}

/// Whether `raw` can be stored as it is: the common case, decided by one pass that compilers vectorise.
pub(crate) fn is_plain(raw: &str, bound: usize) -> bool {
    raw.len() <= bound
        && !raw.bytes().fold(false, |bad, byte| {
            bad | (byte.wrapping_sub(0x20) >= 0x5f) | (byte == b'\\')
        })
}

/// What an address bar shows after the host, without what may be a secret: no query, no fragment, path parameters
/// (`;jsessionid=...`) by name only, no part that is a secret by its look or by the name before it (`/token/...`), and of addresses within the path (`/http://joe:secret@b/`) neither user name nor
/// password nor query. Percent-encoding hides nothing. Applied twice it changes nothing more. Content grade; the recorder
/// applies it to every path it writes, then bounds and escapes it.
pub fn path(path_and_query: &str) -> Cow<'_, str> {
    let end = path_and_query
        .find(['?', '#'])
        .unwrap_or(path_and_query.len());
    let path = path_and_query.get(..end).unwrap_or_default();
    if !path.contains([';', '@', '%', '=', ':']) && !path.split('/').any(is_no_word) {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len());
    // The part before names a secret, as in `/token/...`.
    let mut named = false;
    // Within an address: what comes before an @ is who signs in there, with a password or without.
    let mut after_scheme = false;
    for (at, part) in path.split('/').enumerate() {
        if at > 0 {
            out.push('/');
        }
        let (mut rest, question) = up_to(part, '?');
        let has_query = rest.len() + question.len() < part.len();
        loop {
            let (segment, slash) = up_to(rest, '/');
            if named && !segment.is_empty() {
                out.push('\u{2026}');
            } else {
                segment_of(segment, after_scheme, &mut out);
            }
            named = token::announces_secret(segment);
            let scheme = segment.ends_with(':') || segment.to_ascii_lowercase().ends_with("%3a");
            after_scheme = scheme || (after_scheme && segment.is_empty());
            out.push_str(slash);
            rest = rest.get(segment.len() + slash.len()..).unwrap_or_default();
            if slash.is_empty() {
                break;
            }
        }
        out.push_str(question);
        if has_query {
            out.push('\u{2026}');
        }
    }
    Cow::Owned(out)
}

/// One part of a path between slashes, without secrets.
fn segment_of(segment: &str, is_authority: bool, out: &mut String) {
    let mut kept = segment;
    let mut behind = segment;
    let mut credentials = is_authority;
    while let (start, mark) = up_to(behind, '@')
        && !mark.is_empty()
    {
        credentials = credentials || !up_to(start, ':').1.is_empty();
        behind = behind.get(start.len() + mark.len()..).unwrap_or_default();
        if credentials {
            kept = behind;
        }
    }
    if kept.len() < segment.len() {
        out.push_str("\u{2026}@");
    }
    let (name, mut mark) = up_to(kept, ';');
    name_of(name, out);
    let mut rest = kept.get(name.len() + mark.len()..).unwrap_or_default();
    while !mark.is_empty() {
        let (parameter, next) = up_to(rest, ';');
        let (key, equals) = up_to(parameter, '=');
        out.extend([mark, key, equals]);
        if !equals.is_empty() {
            out.push('\u{2026}');
        }
        rest = rest.get(parameter.len() + next.len()..).unwrap_or_default();
        mark = next;
    }
}

/// What a part of a path is called: without a value that a name such as `token=` announces, and nothing of what looks like a
/// secret.
fn name_of(name: &str, out: &mut String) {
    if !parted(name).any(|(_, piece)| announced(piece).is_some()) {
        return plain_name(name, out);
    }
    // What follows without a name of its own is the rest of the secret.
    let mut is_secret = false;
    for (mark, piece) in parted(name) {
        if let Some((key, equals)) = announced(piece) {
            out.extend([mark, key, equals, "\u{2026}"]);
            is_secret = true;
        } else if !is_secret || !up_to(piece, '=').1.is_empty() {
            out.push_str(mark);
            plain_name(piece, out);
            is_secret = false;
        }
    }
}

fn plain_name(name: &str, out: &mut String) {
    match token::looks_secret(name) {
        true => out.push('\u{2026}'),
        false => out.push_str(name),
    }
}

/// Name and mark of a value, as in `token=abc`, when the name says that the value is a secret.
fn announced(piece: &str) -> Option<(&str, &str)> {
    let (key, equals) = up_to(piece, '=');
    if !equals.is_empty() && token::names_secret(key) {
        return Some((key, equals));
    }
    let (key, colon) = up_to(piece, ':');
    (!colon.is_empty() && token::announces_secret(key)).then_some((key, colon))
}

/// What stands between the marks that part values, as in `user=joe&token=abc`, each piece with the mark before it.
fn parted(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut next = Some(("", text));
    std::iter::from_fn(move || {
        let (mark, rest) = next?;
        let found = [up_to(rest, '&'), up_to(rest, ',')];
        let (piece, after) = found
            .into_iter()
            .min_by_key(|(before, _)| before.len())
            .unwrap_or((rest, ""));
        let behind = rest.get(piece.len() + after.len()..).unwrap_or_default();
        next = (!after.is_empty()).then_some((after, behind));
        Some((mark, piece))
    })
}

fn is_no_word(part: &str) -> bool {
    token::announces_secret(part) || token::looks_secret(part)
}

/// A search term without words that look like secrets: somebody may paste one into the wrong box. Content grade; the recorder
/// applies it to every term it writes, then bounds and escapes it.
pub fn term(raw: &str) -> Cow<'_, str> {
    if !raw.split_whitespace().any(token::looks_secret) {
        return Cow::Borrowed(raw);
    }
    let words = raw
        .split_whitespace()
        .map(|word| match token::looks_secret(word) {
            true => "\u{2026}",
            false => word,
        });
    Cow::Owned(words.collect::<Vec<_>>().join(" "))
}

/// What stands before the first `mark`, written as itself or percent-encoded, and the mark as it is written; empty when
/// there is none.
fn up_to(text: &str, mark: char) -> (&str, &str) {
    let encoded = |at: usize| {
        let digits = text.get(at + 1..at + 3);
        digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) == u8::try_from(mark).ok()
    };
    let found = text
        .char_indices()
        .find(|(at, c)| *c == mark || (*c == '%' && encoded(*at)));
    let Some((at, c)) = found else {
        return (text, "");
    };
    let length = if c == '%' { 3 } else { mark.len_utf8() };
    let (before, behind) = text.split_at(at);
    (before, behind.get(..length).unwrap_or_default())
}

/// A raw request target that could not be parsed, for a refusal: without user name, password, query and fragment. Content
/// grade, because the path is still in it; not yet bounded nor escaped.
pub fn target(raw: &str) -> String {
    let end = raw.find(['?', '#']).unwrap_or(raw.len());
    let shown = raw.get(..end).unwrap_or_default();
    // Whatever precedes an @ between two slashes may be credentials, however badly the rest is written.
    let parts = shown
        .split_inclusive(['/', '\\'])
        .map(|part| part.rsplit('@').next().unwrap_or_default());
    path(&parts.collect::<String>()).into_owned()
}

/// `kept` up to `cut`, with the mark that tells how many bytes of the original are missing.
fn shortened(mut kept: String, (length, missing): (usize, usize), bound: usize) -> String {
    let mark = format!("\\u{{+{missing}}}");
    kept.truncate(length);
    if kept.len() + mark.len() <= bound {
        kept.push_str(&mark);
    }
    kept
}

fn must_escape(c: char, rest: &str) -> bool {
    match c {
        '\\' => rest.starts_with("\\u{"),
        c if c.is_ascii() => c.is_ascii_control(),
        c => c.is_control() || is_invisible(c),
    }
}

/// Marks that reorder, join, split or hide text on a screen (Unicode UAX 9, and the default-ignorable code points that have
/// been used to disguise names).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_cannot_forge_a_row_threats_6() {
        for (raw, stored) in [
            ("plain/path\"quoted\"", "plain/path\"quoted\""),
            ("a\r\nb\tc\0d\u{7f}", "a\\u{d}\\u{a}b\\u{9}c\\u{0}d\\u{7f}"),
            ("moc.\u{202e}elgoog", "moc.\\u{202e}elgoog"),
            ("line\u{2028}sep\u{85}", "line\\u{2028}sep\\u{85}"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("SCHOOL\\jsmith", "SCHOOL\\jsmith"),
            ("forged \\u{202e}", "forged \\u{5c}u{202e}"),
            ("Größe 大", "Größe 大"),
        ] {
            assert_eq!(text(raw, 200), stored, "{raw:?}");
        }
    }

    #[test]
    fn an_over_long_text_says_how_much_is_missing() {
        assert_eq!(text(&"x".repeat(100), 100), "x".repeat(100));
        assert_eq!(
            text(&"x".repeat(1100), 100),
            format!("{}\\u{{+1026}}", "x".repeat(74))
        );
        assert_eq!(
            text(&"\u{202e}".repeat(1100), 100)
                .matches("\\u{202e}")
                .count(),
            9
        );
    }

    #[test]
    fn a_path_loses_query_fragment_and_session_lm_10() {
        for (raw, kept) in [
            ("/a/b?token=secret", "/a/b"),
            ("/a#secret?x", "/a"),
            (
                "/a;jsessionid=secret/b;v=1;flag",
                "/a;jsessionid=\u{2026}/b;v=\u{2026};flag",
            ),
            ("/x/http://joe:secret@b/c", "/x/http://\u{2026}@b/c"),
            ("/x/http:/joe:secret@b/", "/x/http:/\u{2026}@b/"),
            ("/x/https:/secret@b", "/x/https:/\u{2026}@b"),
            ("/joe:secret@b@c/", "/\u{2026}@c/"),
            (
                "/x/http%3A%2F%2Fjoe%3asecret%40b%2Fc",
                "/x/http%3A%2F%2F\u{2026}@b%2Fc",
            ),
            ("/a%3Bjsessionid%3dsecret/b", "/a%3Bjsessionid%3d\u{2026}/b"),
            ("/x/b%3Ftoken%3Dse%2Fsecret/c", "/x/b%3F\u{2026}/c"),
            (
                "/@handle/mail@school.example",
                "/@handle/mail@school.example",
            ),
            ("/100%/what%3F", "/100%/what%3F"),
            ("/reset/token/hunter2/x", "/reset/token/\u{2026}/x"),
            ("/api/key=hunter2/a=b", "/api/key=\u{2026}/a=b"),
            (
                "/hooks/T0/B0/Xa1Xa1Xa1Xa1Xa1Xa1Xa1",
                "/hooks/T0/B0/\u{2026}",
            ),
            (
                "/s/3f2504e0-4f89-11d3-9a0c-0305e82c3301/view",
                "/s/\u{2026}/view",
            ),
            // Values beside others, and the names of one-time pages.
            (
                "/cb/user=joe&password=hunter2&lang=en",
                "/cb/user=joe&password=\u{2026}&lang=en",
            ),
            (
                "/cb/user=joe%26token%3Dhunter2",
                "/cb/user=joe%26token%3D\u{2026}",
            ),
            ("/cb/x,token=hun,ter2,y=1", "/cb/x,token=\u{2026},y=1"),
            ("/cb/token:hunter2/x", "/cb/token:\u{2026}/x"),
            ("/wiki/Key:A&B,C", "/wiki/Key:A&B,C"),
            ("/password-reset/hunter2", "/password-reset/\u{2026}"),
            ("*", "*"),
            ("", ""),
        ] {
            assert_eq!(path(raw), kept, "{raw}");
        }
    }

    #[test]
    fn a_path_that_was_scrubbed_already_stays_as_it_is() {
        for raw in [
            "/a;b=secret/c",
            "/x/http://joe:secret@b/;c",
            "/a%3b%3D@:x?y",
            "/u=joe&password=a,b&c=d/token:a:b,c/x,sid=1",
            "/token/secret/key=secret/d41d8cd98f00b204e9800998ecf8427e",
        ] {
            let once = path(raw);
            assert_eq!(path(&once), once, "{raw}");
        }
    }

    #[test]
    fn a_search_term_loses_what_looks_like_a_key_lm_10() {
        assert_eq!(term("online casino"), "online casino");
        assert_eq!(
            term("log in AKIAIOSFODNN7EXAMPLE please"),
            "log in \u{2026} please"
        );
    }

    #[test]
    fn a_refused_target_loses_its_credentials_lm_10() {
        for (raw, kept) in [
            (
                "http://joe:secret@example.com/x?key=secret",
                "http://example.com/x",
            ),
            ("joe:secret@example.com:443", "example.com:443"),
            (
                "http:\\\\example.com\u{a}X: y",
                "http:\\\\example.com\u{a}X: y",
            ),
            ("http:/joe:secret@example.com/x", "http:/example.com/x"),
            ("http:\\\\joe:secret@example.com", "http:\\\\example.com"),
        ] {
            assert_eq!(target(raw), kept, "{raw}");
        }
    }

    /// Undoes the escape; the recorder never needs it, an investigator may.
    fn undone(stored: &str) -> String {
        let mut out = String::new();
        let mut rest = stored;
        while let Some((before, after)) = rest.split_once("\\u{") {
            let (code, tail) = after.split_once('}').unwrap_or_default();
            out.push_str(before);
            out.extend(u32::from_str_radix(code, 16).ok().and_then(char::from_u32));
            rest = tail;
        }
        out + rest
    }

    proptest! {
        #[test]
        fn escaping_can_be_undone_and_leaves_nothing_to_escape(raw in any::<String>()) {
            let stored = text(&raw, 100_000);
            prop_assert!(!stored.chars().any(|c| c.is_control() || is_invisible(c)));
            prop_assert_eq!(undone(&stored), raw);
        }

        #[test]
        fn a_stored_text_keeps_its_bound(raw in any::<String>(), bound in 0_usize..80) {
            prop_assert!(text(&raw, bound).len() <= bound);
        }
    }
}
