//! What of an address, and of a search term, may be kept: nothing that is a secret by its place, its name or its look (LM-10).
//!
//! Decides what is cut, whatever percent-encoding hides; which names and looks say so is `token`'s.

use std::borrow::Cow;

use crate::token;

/// How often an address may be percent-encoded over itself and still be looked into; more is no address that anybody can read.
const LAYERS: usize = 4;

/// What an address bar shows after the host, without what may be a secret: no query, no fragment, path parameters
/// (`;jsessionid=...`) by name only, no part that is a secret by its look or by the name before it (`/token/...`, `pw:...`), and of
/// addresses within the path (`/http://joe:secret@b/`) neither user name nor password nor query. Percent-encoding hides nothing,
/// in however many layers: a part that has a secret beneath the first is left out whole. Applied twice it changes nothing more.
/// Content grade; the recorder applies it to every path it writes, then bounds and escapes it.
pub fn path(path_and_query: &str) -> Cow<'_, str> {
    let end = path_and_query
        .find(['?', '#'])
        .unwrap_or(path_and_query.len());
    let path = path_and_query.get(..end).unwrap_or_default();
    if !path.contains([';', '@', '%', '=', ':']) && !path.split('/').any(is_no_word) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(parts_of(path, true))
}

/// The parts of a path, each without secrets; where `is_encoded`, also without those that percent-encoding hides.
fn parts_of(path: &str, is_encoded: bool) -> String {
    let mut out = String::with_capacity(path.len());
    // The part before names a secret, as in `/token/...`.
    let mut named = false;
    // Within an address: what comes before an @ is who signs in there, with a password or without.
    let mut after_scheme = false;
    for (at, part) in path.split('/').enumerate() {
        if at > 0 {
            out.push('/');
        }
        let begin = out.len();
        let (mut rest, mark) = up_to_any(part, &['?', '#']);
        let has_query = rest.len() + mark.len() < part.len();
        loop {
            let (segment, slash) = up_to(rest, '/');
            if named && !segment.is_empty() {
                out.push('\u{2026}');
            } else {
                segment_of(segment, after_scheme, &mut out);
            }
            named = token::announces_secret(segment) || (named && segment.is_empty());
            let scheme = segment.ends_with(':') || segment.to_ascii_lowercase().ends_with("%3a");
            after_scheme = scheme || (after_scheme && segment.is_empty());
            out.push_str(slash);
            rest = rest.get(segment.len() + slash.len()..).unwrap_or_default();
            if slash.is_empty() {
                break;
            }
        }
        out.push_str(mark);
        if has_query {
            out.push('\u{2026}');
        }
        if !is_encoded || !part.contains('%') {
            continue;
        }
        let plain = decoded(out.get(begin..).unwrap_or_default());
        if plain
            .as_ref()
            .is_none_or(|plain| parts_of(plain, false) != *plain)
        {
            out.truncate(begin);
            out.push('\u{2026}');
        }
        if let Some(plain) = plain {
            let last = plain.rsplit('/').next().unwrap_or_default();
            named = named || token::announces_secret(last);
            after_scheme = after_scheme || last.ends_with(':');
        }
    }
    out
}

/// `text` without any percent-encoding; None where there are more than [`LAYERS`].
fn decoded(text: &str) -> Option<String> {
    let mut plain = text.to_owned();
    for _ in 0..=LAYERS {
        let next = decoded_once(&plain);
        if next == plain {
            return Some(plain);
        }
        plain = next;
    }
    None
}

fn decoded_once(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let digits = behind.get(..2).unwrap_or_default();
        // from_str_radix would take a sign.
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u8::from_str_radix(digits, 16) {
            Ok(byte) if is_hex => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(b'%');
                rest = behind;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
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

/// Name and mark of a value, as in `token=abc` or `user:joe:pw:abc`, when the name says that the value is a secret; with what
/// stands before the name.
fn announced(piece: &str) -> Option<(&str, &str)> {
    let mut start = 0;
    loop {
        let (key, mark) = up_to_any(piece.get(start..)?, &['=', ':']);
        let is_pair = match mark {
            "" => return None,
            ":" | "%3A" | "%3a" => token::pairs_secret(key),
            _ => token::names_secret(key),
        };
        let end = start + key.len();
        if is_pair {
            return Some((piece.get(..end)?, mark));
        }
        start = end + mark.len();
    }
}

/// What stands between the marks that part values, as in `user=joe&token=abc`, each piece with the mark before it.
fn parted(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut next = Some(("", text));
    std::iter::from_fn(move || {
        let (mark, rest) = next?;
        let (piece, after) = up_to_any(rest, &['&', ',', '|', ' ']);
        let behind = rest.get(piece.len() + after.len()..).unwrap_or_default();
        next = (!after.is_empty()).then_some((after, behind));
        Some((mark, piece))
    })
}

fn is_no_word(part: &str) -> bool {
    token::announces_secret(part) || token::looks_secret(part)
}

/// A search term without words that look like secrets or are named as one (`password:...`): somebody may paste one into the
/// wrong box. Content grade; the recorder applies it to every term it writes, then bounds and escapes it.
pub fn term(raw: &str) -> Cow<'_, str> {
    let is_secret = |word: &str| token::looks_secret(word) || announced(word).is_some();
    if !raw.split_whitespace().any(is_secret) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    // The word before was a name and its mark alone: `password: ...`.
    let mut named = false;
    for word in raw.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        let is_name =
            announced(word).is_some_and(|(key, mark)| key.len() + mark.len() == word.len());
        match (named, is_name) {
            (true, _) => out.push('\u{2026}'),
            (false, true) => out.push_str(word),
            (false, false) => name_of(word, &mut out),
        }
        named = !named && is_name;
    }
    Cow::Owned(out)
}

/// What stands before the first of these marks, and the mark.
fn up_to_any<'a>(text: &'a str, marks: &[char]) -> (&'a str, &'a str) {
    let found = marks.iter().map(|mark| up_to(text, *mark));
    found
        .min_by_key(|(before, _)| before.len())
        .unwrap_or((text, ""))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            // Pairs by whatever mark, and names beside others.
            ("/login/pw:hunter2/x", "/login/pw:\u{2026}/x"),
            (
                "/login/user:joe:pass:hunter2",
                "/login/user:joe:pass:\u{2026}",
            ),
            (
                "/login/user:joe|pwd:hunter2",
                "/login/user:joe|pwd:\u{2026}",
            ),
            (
                "/login/a:new_password=hunter2",
                "/login/a:new_password=\u{2026}",
            ),
            ("/token//hunter2/x", "/token//\u{2026}/x"),
            ("/x/b%23access_token%3Dhunter2/c", "/x/b%23\u{2026}/c"),
            // Encoded more than once, and names of which only some letters are.
            ("/cb/%2570assword%253Dhunter2/x", "/cb/\u{2026}/x"),
            ("/cb/p%61ssword=hunter2/x", "/cb/\u{2026}/x"),
            ("/cb/user%25253Djoe%252526pw%25253Dhunter2", "/cb/\u{2026}"),
            ("/cb/%7B%22password%22%3A%22hunter2%22%7D", "/cb/\u{2026}"),
            ("/%2574oken/hunter2/x", "/%2574oken/\u{2026}/x"),
            ("/x/http%253A//hunter2@b/c", "/x/http%253A//\u{2026}@b/c"),
            (
                "/x/http%253A%252F%252Fjoe%253Ahunter2%2540b/c",
                "/x/\u{2026}/c",
            ),
            ("/x/%252525252525253D", "/x/\u{2026}"),
            (
                "/x/caf%25C3%25A9%252Fcr%25C3%25A8me",
                "/x/caf%25C3%25A9%252Fcr%25C3%25A8me",
            ),
            ("/wiki/Time:12:30", "/wiki/Time:12:30"),
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
            "/cb/%2570assword%253Dx/%2574oken/x/b%23c%3Dd/user%3Ajoe%3Apw%3Ax",
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
        assert_eq!(term("joe pw:hunter2 login"), "joe pw:\u{2026} login");
        assert_eq!(
            term("my password: hunter2 help"),
            "my password: \u{2026} help"
        );
        assert_eq!(term("how long is a password"), "how long is a password");
        assert_eq!(term("film: the key"), "film: the key");
    }

    proptest! {
        #[test]
        fn no_layer_of_encoding_hides_a_named_secret_lm_10(name in 0_usize..6, mark in 0_usize..2, layers in 0_usize..7) {
            let name = ["password", "pw", "token", "client_secret", "sessionid", "apikey"][name];
            let mark = ["=", ":"][mark];
            let mut part = format!("{name}{mark}hunter2zq");
            for _ in 0..layers {
                part = part.bytes().map(|byte| match byte {
                    b'=' | b':' | b'%' | b'p' | b't' => format!("%{byte:02X}"),
                    byte => char::from(byte).to_string(),
                }).collect();
            }
            let path_of = format!("/a/{part}/b");
            let once = path(&path_of);
            prop_assert!(!once.contains("hunter") && !once.contains("un%"), "{}", once);
            prop_assert!(once.starts_with("/a/") && once.ends_with("/b"));
            prop_assert_eq!(path(&once), once.clone());
        }

        #[test]
        fn any_path_that_was_scrubbed_stays_as_it_is(raw in "[a-z%/:=@&;?#2356F., |-]{0,60}") {
            let once = path(&raw).into_owned();
            prop_assert_eq!(path(&once), once.clone());
        }
    }
}
