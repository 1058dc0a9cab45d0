//! What somebody types into a command, without addresses that a mandatory list has: no row may hold one, whoever typed it (LM-28).
//!
//! Decides what in a text may be an address; whether a list has it is decided where requests ask (`weir_categories::sealed`). Errs
//! towards leaving out: words around an address may go with it.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;
use weir_categories::sealed::Sealed;
use weir_config::Settings;
use weir_host::{Host, normal_path};

/// What stands in the place of an address.
const HIDDEN: &str = "(mandatory list)";
/// Percent-encodings over each other that are undone.
const LAYERS: usize = 4;
/// Most bytes of a name within which words behind it are parted from it, as where a sentence goes on without a blank.
const NAME: usize = 1024;
/// Longest address that is looked at, in bytes, and most places where it may end.
const LONGEST: usize = 4096;
const ENDS: usize = 64;

/// The mandatory lists in force, for texts.
pub(crate) struct Screen {
    sealed: Arc<Sealed>,
}

impl Screen {
    /// With the lists of these settings.
    pub(crate) fn of(settings: &Settings) -> Screen {
        Screen {
            sealed: crate::sealed::load(settings, None),
        }
    }

    /// The text without addresses that a list has.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.sealed.slots().all(|slot| slot.held.is_none()) {
            return Cow::Borrowed(text);
        }
        // What nobody sees may stand within an address, also in one with blanks; a text without any stays as it is typed.
        let bare = bare(text);
        if bare != text {
            return match self.seen(&bare) {
                same if same == bare => self.seen(text),
                kept => Cow::Owned(kept.into_owned()),
            };
        }
        self.seen(text)
    }

    fn seen<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut kept = Cow::Borrowed(text);
        for _ in 0..LONGEST {
            let Some((start, end)) = self.find(&kept) else {
                break;
            };
            let (before, behind) = (kept.get(..start), kept.get(end..));
            let (before, behind) = (before.unwrap_or_default(), behind.unwrap_or_default());
            kept = Cow::Owned(format!("{before}{HIDDEN}{behind}"));
        }
        let is_hidden = |word: &str| {
            let forms = decoded(word);
            forms.iter().any(|form| self.find(form).is_some())
        };
        if kept.split_whitespace().any(is_hidden) {
            let words = kept.split_inclusive(char::is_whitespace);
            let words = words.map(|word| {
                let blank = word.get(word.trim_end().len()..).unwrap_or_default();
                match is_hidden(word.trim_end()) {
                    true => format!("{HIDDEN}{blank}"),
                    false => word.to_owned(),
                }
            });
            kept = Cow::Owned(words.collect());
        }
        kept
    }

    /// Every text in a value.
    pub(crate) fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => self.text(&text).into_owned().into(),
            Value::Array(values) => values.into_iter().map(|value| self.value(value)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, value)| (name, self.value(value)))
                .collect(),
            other => other,
        }
    }

    /// A host of an earlier row, unless a list has it by now.
    pub(crate) fn host(&self, host: Option<String>) -> Option<String> {
        host.filter(|host| !self.has_host(host))
    }

    /// Whether a list has a host as rows hold it. Words that are joined to it are part of its name there.
    pub(crate) fn has_host(&self, host: &str) -> bool {
        match Host::parse_text(host) {
            Ok(host) => self.listed(&host, "").is_some(),
            Err(_) => self.find(host).is_some(),
        }
    }

    /// The first address that a list has, with what belongs to it.
    fn find(&self, text: &str) -> Option<(usize, usize)> {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let length = run(rest);
            let Some(length) = length else {
                at += rest.chars().next().map_or(1, char::len_utf8);
                continue;
            };
            if let Some(end) = self.address(rest, length) {
                let before = text.get(..at).unwrap_or_default();
                let start = before
                    .char_indices()
                    .rev()
                    .find(|(_, c)| is_border(*c))
                    .map_or(0, |(border, c)| border + c.len_utf8());
                let behind = text.get(at + end..).unwrap_or_default();
                let more = behind.find(is_border).unwrap_or(behind.len());
                return Some((start, at + end + more));
            }
            // A word may be joined to the front of a name; a name may have such signs itself.
            let run = rest.get(..length).unwrap_or_default();
            at += run.find(is_joint).map_or(length, |joint| joint + 1);
        }
        None
    }

    /// Where an address ends that begins here with a host of this length, if a list has it.
    fn address(&self, text: &str, length: usize) -> Option<usize> {
        let name = text.get(..length)?;
        let whole = name.trim_end_matches(['.', '-', '_', ':']);
        let cuts = whole
            .char_indices()
            .take_while(|(at, _)| *at <= NAME)
            .filter(|(_, c)| *c == '.' || is_joint(*c));
        let cuts: Vec<usize> = cuts.map(|(at, _)| at).collect();
        for end in cuts.into_iter().chain([whole.len()]).rev() {
            let shorter = whole.get(..end)?;
            if let Ok(host) = Host::parse_text(shorter.trim_start_matches(['.', '-', '_'])) {
                // A name that goes on has no path of its own.
                let behind = match shorter.len() == name.len() {
                    true => text.get(length..)?,
                    false => "",
                };
                if let Some(end) = self.listed(&host, behind) {
                    return Some(shorter.len() + end);
                }
            }
        }
        None
    }

    /// How much of what follows a host belongs to an address that a list has.
    fn listed(&self, host: &Host, behind: &str) -> Option<usize> {
        let digits = behind
            .strip_prefix(':')
            .map(|rest| rest.bytes().take_while(u8::is_ascii_digit).count())
            .unwrap_or(0);
        let port: Option<u16> = behind.get(1..=digits).and_then(|port| port.parse().ok());
        let ports = [Some(80), Some(443), port];
        let ports = || ports.into_iter().flatten();
        let colon = if digits > 0 { digits + 1 } else { 0 };
        if ports().any(|port| self.sealed.of_host(host, port).is_some()) {
            return Some(colon);
        }
        let rest = behind.get(colon..)?;
        if !rest.starts_with(['/', '\\', '?']) {
            return None;
        }
        let is_listed = |page: &str| {
            let page = page.split('#').next().unwrap_or_default();
            let (path, query) = match page.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (page, None),
            };
            let path = path.replace('\\', "/").replace(' ', "%20");
            let path = if path.is_empty() {
                "/".to_owned()
            } else {
                path
            };
            let path = normal_path(&path);
            ports().any(|port| self.sealed.of_url(host, port, &path, query).is_some())
        };
        let ends = rest
            .char_indices()
            .skip(1)
            .filter(|(at, c)| *at <= LONGEST && !c.is_alphanumeric() && *c != '%')
            .map(|(at, _)| at);
        let ends = ends.take(ENDS).chain([rest.len()]);
        let found = ends.filter_map(|end| Some((end, rest.get(..end)?)));
        let found = found.filter(|(_, page)| is_listed(page));
        found.map(|(end, _)| colon + end).last()
    }
}

/// The length of what may be a host at the beginning of a text.
fn run(text: &str) -> Option<usize> {
    if text.starts_with('[') {
        let end = text.find(']').filter(|end| *end < 64)?;
        return Some(end + 1);
    }
    // An IPv6 address has at least two colons, and a name none.
    let v6 = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
    let length = text.find(|c| !v6(c)).unwrap_or(text.len());
    let address = text.get(..length)?.trim_end_matches([':', '.']);
    let is_v6 = address.matches(':').count() >= 2 && Host::parse_text(address).is_ok();
    if is_v6 {
        return Some(address.len());
    }
    let name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | '。' | '．' | '｡');
    let length = text.find(|c| !name(c)).unwrap_or(text.len());
    (length > 0).then_some(length)
}

/// What parts an address from the words around it.
fn is_border(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '(' | ')' | '|' | '`')
}

/// What joins words, and stands in names as well.
fn is_joint(c: char) -> bool {
    matches!(c, '-' | '_')
}

/// What nobody sees: soft hyphens, signs without width, and what chooses a variant.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The text as a page would show it: without what nobody sees, and with the characters that HTML names.
fn bare(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        shown.push_str(before);
        match reference(behind) {
            Some((c, length)) => {
                shown.push(c);
                rest = behind.get(length..).unwrap_or_default();
            }
            None => {
                shown.push('&');
                rest = behind;
            }
        }
    }
    shown.push_str(rest);
    shown.retain(|c| !is_unseen(c));
    shown
}

/// The character that HTML means by what stands behind a `&`, and how much of it belongs to it.
fn reference(behind: &str) -> Option<(char, usize)> {
    let named = [
        ("amp;", '&'),
        ("period;", '.'),
        ("sol;", '/'),
        ("colon;", ':'),
        ("shy;", '\u{ad}'),
        ("hyphen;", '-'),
        ("lowbar;", '_'),
    ];
    let named = named.iter().find(|(name, _)| behind.starts_with(name));
    if let Some((name, c)) = named {
        return Some((*c, name.len()));
    }
    let number = behind.strip_prefix('#')?;
    let (digits, base) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    let length = digits.find(|c: char| !c.is_digit(base));
    let length = length.unwrap_or(digits.len());
    let c = u32::from_str_radix(digits.get(..length)?, base).ok();
    let end = behind.len() - digits.len() + length;
    let semicolon = usize::from(digits.get(length..)?.starts_with(';'));
    Some((char::from_u32(c?)?, end + semicolon))
}

/// What a word says beneath its percent-encoding, and where points are written in brackets.
fn decoded(word: &str) -> Vec<String> {
    let mut forms = Vec::new();
    let plain = |text: &str| {
        let points = ["[.]", "(.)", "[dot]", "(dot)"];
        points
            .iter()
            .fold(bare(text), |text, point| text.replace(point, "."))
    };
    let mut last = word.to_owned();
    forms.push(plain(word));
    for _ in 0..LAYERS {
        let mut bytes = Vec::with_capacity(last.len());
        weir_host::percent_decode(last.as_bytes(), &mut bytes);
        let next = String::from_utf8_lossy(&bytes).into_owned();
        if next == last {
            break;
        }
        forms.push(plain(&next));
        last = next;
    }
    forms
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use weir_categories::sealed::Fill;

    use super::*;
    use crate::cli::tests::loaded;

    fn screen(list: &str) -> (tempfile::TempDir, Screen) {
        let (directory, loaded) = loaded();
        let settings = &loaded.settings;
        let slot = crate::sealed::slot(&settings.mandatory[0]);
        let place = weir_config::lists::sealed(settings);
        let now = crate::sealed::now();
        let fill = Fill::prepare(&place, &slot, list.as_bytes(), None, now).unwrap();
        fill.commit().unwrap();
        let screen = Screen::of(settings);
        (directory, screen)
    }

    const LIST: &str = "zealous.test\nhttp://pages.test/bad path/deep\npages.test/view?id=7\n192.0.2.77\nbücher-bad.test\n";

    #[test]
    fn no_spelling_of_a_mandatory_address_in_a_text_is_kept_lm_28() {
        let (_directory, screen) = screen(LIST);
        for text in [
            "zealous.test",
            "WWW.Zealous.TEST.",
            "zealous.test:8443",
            "http://joe:x@www.zealous.test:80/any/path?q#f",
            "he went to zealous.test/a, and left",
            "(see zealous.test)",
            "\"zealous.test\"",
            "mail to joe@zealous.test please",
            "it was zealous.test.Then he left",
            "u=http%3A%2F%2Fzealous.test%2Fa",
            "u=http%253A%252F%252Fzealous%252Etest%252Fa",
            "zealous%2etest",
            "zealous[.]test",
            "zealous。test",
            "http:\\\\zealous.test\\a",
            "ftp://zealous.test",
            "pages.test/bad%20path/deep",
            "http://pages.test/bad path/deep and more",
            "http://pages.test:80/bad%20path/deep/, he says",
            "https://pages.test/./bad%20path//deep",
            "pages.test/view?x=1&id=7",
            "pages.test%2Fview%3Fid%3D7",
            "192.0.2.77",
            "http://192.0.2.77:81/x",
            "xn--bcher-bad-q9a.test or bücher-bad.test",
            "the zealous.test-related visit",
            "zealous.test_x",
            "a-www.zealous.test-b",
            "see_zealous.test:80/x",
            "zealous.test-a-b-c-d-e-f-g-h-i-j-k-l.m.n.o.p.q.r.s.t.u.v",
            "192.0.2.77-192.0.2.80",
            "192.0.2.70-192.0.2.77",
            "zea\u{ad}lous.te\u{200b}st",
            "pages.test/bad pa\u{2060}th/d\u{feff}eep",
            "zealous&#46;test and zealous&#x2E;test",
            "zealous&period;test or zealous&amp;#46;test",
            "zea&shy;lous.test",
            "u=zea%C2%ADlous%26%2346%3Btest",
        ] {
            let kept = screen.text(text);
            for word in [
                "zealous",
                "deep",
                "id=7",
                "id%3D7",
                "192.0.2.77",
                "cher-bad",
            ] {
                assert!(!kept.to_lowercase().contains(word), "{text}: {kept}");
            }
            assert!(kept.contains(HIDDEN), "{text}: {kept}");
            assert_eq!(screen.text(&kept), kept, "{text}");
        }
    }

    #[test]
    fn what_no_list_has_is_kept_as_it_is_typed_lm_28() {
        let (_directory, screen) = screen(LIST);
        for text in [
            "",
            "pages.test is a site of many pages, and pages.test/bad one of them",
            "test",
            "notzealous.test and zealous.example",
            "at 12:30:45 he asked 2001:db8::1 and [2001:db8::2]:80/x",
            "100 % of it, 5/7 and %zz",
            "AT&T, &#x; &#99999999; &c. and an-\u{ad}other_well-known.example-site &#46;",
            "192.0.2.7-192.0.2.76",
            "C-1 (year 7) \"quoted\"",
        ] {
            assert_eq!(screen.text(text), text);
        }
        // A name that only ends like one is another host.
        let host = |host: &str| screen.host(Some(host.to_owned()));
        assert!(host("my-zealous.test").is_some() && host("www.zealous.test").is_none());
        let (left, right) = ("he says that ", " was meant");
        let kept = screen.text("he says that zealous.test/a?b was meant");
        assert_eq!(kept, format!("{left}{HIDDEN}{right}"));
        let value = serde_json::json!({ "host": "zealous.test", "all": ["x", { "text": "a zealous.test" }], "n": 1 });
        let shown = screen.value(value).to_string();
        assert!(
            !shown.contains("zealous") && shown.contains("\"n\":1"),
            "{shown}"
        );
    }
}
