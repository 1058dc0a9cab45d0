//! What may stand in a text field: nothing that forges a row, hides its direction, or carries a secret (LM-10, threats §6).
//!
//! Decides escaping and bounds; what is cut from addresses and search terms is decided in `address`. The recorder applies [`text`]
//! to every text field it writes, so readers, exports and pages may rely on it; applied twice it would escape its own escapes.
//! It applies [`path()`] to every path before that, so that no caller can forget it. [`target`] is for whoever fills a record.
//! Whether content is kept at all is decided by the grade of the column.

use std::borrow::Cow;
use std::fmt::Write;

mod address;

pub use address::{path, term};

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
