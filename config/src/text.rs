//! Decides which texts names, contacts, methods and their like are, and guesses what a misspelt word was meant to be.

use std::net::{IpAddr, SocketAddr};

use weir_host::Target;

use crate::keys::Kind;
use crate::policy_file::Purpose;
use crate::settings::{Place, PortRange};

/// Longest name, in characters.
const NAME_MAX: usize = 64;

/// The text when it is of its kind.
pub(crate) fn check(text: &str, kind: &Kind) -> Result<String, String> {
    let checked = match kind {
        Kind::Text(max) => line(text, *max),
        Kind::Name => name(text),
        Kind::Contact => contact(text),
        Kind::ListName => list_name(text),
        Kind::Sha256 => digest(text),
        Kind::MinisignKey => minisign_key(text),
        Kind::KeySource => key_source(text),
        Kind::FileName => file_name(text),
        Kind::Path => path(text),
        Kind::Method => method(text),
        Kind::Extension => extension(text),
        Kind::ContentType => content_type(text),
        Kind::Zone => zone(text),
        Kind::Language => language(text),
        _ => Ok(()),
    };
    checked.map(|()| text.to_owned())
}

fn language(text: &str) -> Result<(), String> {
    let part = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    ensure(text.len() <= 35 && text.split('-').all(part), || {
        format!("{text:?} is no tag of a language, such as \"en-GB\"")
    })
}

fn line(text: &str, max: usize) -> Result<(), String> {
    ensure(text.chars().count() <= max, || {
        format!("longer than {max} characters")
    })?;
    ensure(!text.chars().any(char::is_control), || {
        "one line only, without control characters".to_owned()
    })
}

fn name(text: &str) -> Result<(), String> {
    ensure(!text.is_empty(), || "a name is needed".to_owned())?;
    line(text, NAME_MAX)?;
    ensure(text.trim() == text && !text.contains(','), || {
        format!("{text:?}: a name has no commas, and no blanks at its ends")
    })
}

fn contact(text: &str) -> Result<(), String> {
    line(text, 200)?;
    let url = Target::parse_absolute(text).is_ok();
    let mail = text.split_once('@').is_some_and(|(user, domain)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._%+-'".contains(c);
        !user.is_empty() && user.chars().all(plain) && weir_host::Name::parse(domain).is_ok()
    });
    ensure(url || mail, || {
        format!("{text:?} is neither a mail address nor an http(s) URL")
    })
}

/// As `weir-categories` has it, which is not known here: a test of the program holds both to the same.
fn list_name(text: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let length = (1..=NAME_MAX).contains(&text.len());
    ensure(
        length && text.bytes().all(plain) && !text.starts_with('-'),
        || {
            format!(
                "{text:?}: the name has lower-case letters, digits, \"-\" and \"_\" only, at most {NAME_MAX}"
            )
        },
    )?;
    ensure(!matches!(text, "unlisted" | "address"), || {
        format!("{text:?} is a category that Weir gives itself")
    })
}

fn digest(text: &str) -> Result<(), String> {
    let hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    ensure(hex, || {
        format!("{text:?} is no SHA-256: 64 hexadecimal digits")
    })
}

/// Two letters for the algorithm, eight bytes of an id and thirty-two of a key, in base64.
fn minisign_key(text: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    let key = text.len() == 56 && text.starts_with("RW") && text.bytes().all(plain);
    ensure(key, || {
        format!(
            "{text:?} is no public key of minisign: the second line of its .pub file, which starts with RW"
        )
    })
}

fn key_source(text: &str) -> Result<(), String> {
    let is_plain = |name: &str| !name.is_empty() && !name.contains(['/', '\0', '=']);
    let is_known = match text.split_once(':') {
        Some(("file", path)) => !path.is_empty() && !path.contains('\0'),
        Some(("env" | "credential", name)) => is_plain(name),
        _ => false,
    };
    ensure(is_known, || {
        format!(
            "{text:?} does not say where the key is: write file:PATH, env:NAME or credential:NAME"
        )
    })
}

fn file_name(text: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_name =
        (1..=64).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('.');
    ensure(is_name, || {
        format!(
            "{text:?} is no name of 1 to 64 letters, digits, '.', '_' and '-', not beginning with a dot"
        )
    })
}

/// A path, or a URL when it starts like one.
pub(crate) fn place(text: &str) -> Result<Place, String> {
    let web = ["http:", "https:"];
    let lower = text.to_ascii_lowercase();
    if web.iter().any(|scheme| lower.starts_with(scheme)) {
        return Target::parse_absolute(text)
            .map(Place::Url)
            .map_err(|error| format!("{:?} is no URL that can be asked: {error}", shown(text)));
    }
    ensure(!text.contains("://"), || {
        format!("{:?} is neither a path nor an http(s) URL", shown(text))
    })?;
    path(text).map(|()| Place::File(text.into()))
}

/// A faulty URL as it may be told: what could be a password or a token is left out (LM-10).
fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let (mark, host) = match authority.rsplit_once('@') {
        Some((_, host)) => ("\u{2026}@", host),
        None => ("", authority),
    };
    let behind = if behind.len() > 1 {
        "/\u{2026}"
    } else {
        behind
    };
    format!("{scheme}://{mark}{host}{behind}")
}

fn path(text: &str) -> Result<(), String> {
    ensure(!text.is_empty(), || "a path is needed".to_owned())?;
    ensure(!text.contains('\0'), || {
        "a path has no NUL characters".to_owned()
    })
}

fn method(text: &str) -> Result<(), String> {
    let capitals = text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    ensure(!text.is_empty() && text.len() <= 32 && capitals, || {
        format!("{text:?} is no method in capitals, such as \"POST\"")
    })
}

fn extension(text: &str) -> Result<(), String> {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    ensure(!text.is_empty() && text.len() <= 32 && plain, || {
        format!("{text:?} is no file extension in lower case without its dot, such as \"exe\"")
    })
}

fn content_type(text: &str) -> Result<(), String> {
    let token = |part: &str| {
        let plain =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&^_.+-".contains(&b);
        !part.is_empty() && part.bytes().all(plain)
    };
    let split = text.split_once('/');
    let known = split.is_some_and(|(kind, sub)| token(kind) && (sub == "*" || token(sub)));
    ensure(known && text.len() <= 127, || {
        format!(
            "{text:?} is no media type in lower case, such as \"video/*\" or \"application/zip\""
        )
    })
}

fn zone(text: &str) -> Result<(), String> {
    ensure(jiff::tz::TimeZone::get(text).is_ok(), || {
        format!("{text:?} is no time zone, such as \"Europe/London\"")
    })
}

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}

/// A DNS server, port 53 unless written.
pub(crate) fn server(text: &str) -> Result<SocketAddr, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>();
    match address {
        Ok(address) => Ok(SocketAddr::new(address, 53)),
        Err(_) => text
            .parse()
            .map_err(|_| format!("{text:?} is no address of a server, such as \"192.0.2.53\" or \"[2001:db8::53]:5353\"")),
    }
}

/// `443` or `1024-65535`.
pub(crate) fn ports(text: &str) -> Result<PortRange, String> {
    let port = |part: &str| {
        let plain = part.bytes().all(|b| b.is_ascii_digit());
        plain
            .then(|| part.parse::<u16>().ok())
            .flatten()
            .filter(|port| *port > 0)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (port(first), port(last)) {
        (Some(first), Some(last)) if first <= last => Ok(PortRange { first, last }),
        _ => Err(format!(
            "{text:?} is neither a port nor a range such as \"1024-65535\""
        )),
    }
}

/// Why a word that the law keeps for others is not offered.
pub(crate) fn reserved(text: &str, words: &[&str]) -> Option<String> {
    (text == "national-security" && words == Purpose::WORDS).then(|| {
        "national security is no purpose of a school: regulation 4(1)(d) reserves it to the intelligence services and those \
         who act for them (LM-03)"
            .to_owned()
    })
}

/// `; did you mean …?` when a candidate is close, else nothing.
pub fn did_you_mean<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    let near = candidates
        .map(|candidate| (distance(text, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min();
    near.map_or_else(String::new, |(_, candidate)| {
        format!("; did you mean {candidate:?}?")
    })
}

/// Single characters to insert, remove or replace. Long texts are far from everything.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 80;
    let mut row: Vec<usize> = (0..=b.chars().take(LONGEST).count()).collect();
    for (index, from) in a.chars().take(LONGEST).enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(b.chars()) {
            let replaced = diagonal + usize::from(from != to);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_is_guessed_and_a_strange_one_is_not() {
        let guess = |text| did_you_mean(text, ["allow", "block", "warn", "limit"].into_iter());
        assert_eq!(guess("blok"), "; did you mean \"block\"?");
        assert_eq!(guess("Allow"), "; did you mean \"allow\"?");
        assert_eq!(guess("permit"), "");
        assert_eq!(guess(""), "");
        assert_eq!(guess(&"x".repeat(1 << 20)), "");
    }

    #[test]
    fn distance_counts_single_changes() {
        let cases = [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("abc", "abd", 1),
            ("abc", "ac", 1),
            ("kitten", "sitting", 3),
            ("ü", "u", 1),
        ];
        for (a, b, expected) in cases {
            assert_eq!(
                (distance(a, b), distance(b, a)),
                (expected, expected),
                "{a} {b}"
            );
        }
    }
}
