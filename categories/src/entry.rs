//! Decides what one line of a list means: blank, an entry in normal form, or a fault with its reason. The sole reader of
//! list lines, for builds, imports and edits alike.
//!
//! # What a line may be
//!
//! One entry a line. Blanks around it are ignored, and so are empty lines, lines that start with `#`, and in `domains` and
//! `urls` whatever follows a blank and `#`.
//!
//! **domains**: a name, which means itself and everything below it; an address; or a network (`10.0.0.0/8`,
//! `2001:db8::/32`). A leading dot is allowed and changes nothing (UT1's dynamic-dns has it), except that a top-level
//! domain needs one: `com` alone is far more often a cut-off line than a wish, so whoever means a whole top-level domain
//! writes `.com`. An address inside IPv6 (mapped, 6to4, NAT64, Teredo) is the IPv4 address.
//!
//! **urls**: `host[:port]/path[?query]`, with `http://` or `https://` in front if one likes (both mean both). The path is
//! compared in its normal form, letters without regard to case, since many servers have none. The choices:
//!
//! - Without a query the entry means that path and everything below it on segment limits: `/a` is `/a`, `/a/` and `/a/b`,
//!   not `/ab`. A final slash changes nothing. Without a path, or with `/` alone, it means the whole host.
//! - With a query the path must be the same and the request's query must begin with the entry's, on parameter limits:
//!   `?f=25` is `?f=25` and `?f=25&x`, not `?f=255`; an entry that ends with `=`, `&` or `;` is open at its end. An empty
//!   query is none.
//! - The fragment is dropped: no browser sends it. `site.example/#x` therefore means the whole of `site.example`; UT1 has 348
//!   such hosts, all of them throw-away names.
//! - The host means itself and everything below it, as in `domains`. A port, if given, must be the request's.
//!
//! **expressions**: one regular expression a line; see [`crate::expressions`].
//!
//! **keywords**: a word or phrase that is looked for in search terms, paths and queries; see [`crate::keywords`]. Comments as in
//! `domains`.
//!
//! **exceptions**: a line of `domains` or of `urls`; the category does not hold there. [`crate::exceptions`] says against
//! which entries.

use std::fmt;
use std::net::IpAddr;

use thiserror::Error;
use weir_host::address::{Network, NetworkError, unwrapped};
use weir_host::{Host, HostError, Name, normal_path, normal_query};

use crate::expressions::{self, ExpressionError};
use crate::keywords::{Keyword, KeywordError};

/// Most bytes of an entry in `urls`.
pub const URL_MAX: usize = 8192;

/// Which file of a category an entry is from, and so how it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MatchKind {
    /// From `domains`: a name with everything below it, an address or a network.
    Domain,
    /// From `urls`: a host with everything below it, and a path with everything below it.
    Url,
    /// From `expressions`: a regular expression over the whole address.
    Expression,
    /// From `keywords`: a word or phrase in search terms, path or query.
    Keyword,
    /// From `exceptions`: where the category does not hold.
    Exception,
}

impl MatchKind {
    /// All kinds, in the order in which they are asked.
    pub const ALL: [MatchKind; 5] = [
        MatchKind::Domain,
        MatchKind::Url,
        MatchKind::Expression,
        MatchKind::Keyword,
        MatchKind::Exception,
    ];

    /// The name of the file with entries of this kind, as squidGuard has it; `keywords` and `exceptions` are ours.
    pub fn file_name(self) -> &'static str {
        match self {
            MatchKind::Domain => "domains",
            MatchKind::Url => "urls",
            MatchKind::Expression => "expressions",
            MatchKind::Keyword => "keywords",
            MatchKind::Exception => "exceptions",
        }
    }

    /// The kind of a file name, when it is one of them.
    pub fn of_file_name(name: &str) -> Option<MatchKind> {
        Self::ALL.into_iter().find(|kind| kind.file_name() == name)
    }
}

/// The name of the file.
impl fmt::Display for MatchKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.file_name())
    }
}

/// Why a line is no entry.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EntryError {
    /// The host part is none.
    #[error("{0}")]
    Host(#[from] HostError),
    /// The text with a slash is no network.
    #[error("{0}")]
    Network(#[from] NetworkError),
    /// A single label, without the dot that says it is meant.
    #[error("a whole top-level domain: write \".{0}\" if that is what you mean")]
    TopLevel(String),
    /// `*.name` or `name*`.
    #[error("names need no wildcard: a name means itself and everything below it")]
    Wildcard,
    /// A scheme, a path or a port in `domains`.
    #[error("an address with a path or port belongs into \"urls\"")]
    NotADomain,
    /// `host:port` whose port is no number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// A backslash in a path, which no request can have: browsers send a slash instead.
    #[error("no request has a backslash in its path")]
    Backslash,
    /// More than [`URL_MAX`] bytes.
    #[error("longer than {URL_MAX} bytes")]
    TooLong,
    /// No expression that Weir can use.
    #[error("{0}")]
    Expression(#[from] ExpressionError),
    /// No keyword that can be looked for.
    #[error("{0}")]
    Keyword(#[from] KeywordError),
    /// Not UTF-8.
    #[error("not UTF-8 text")]
    Encoding,
}

/// An entry of `domains`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Domain {
    Name(Name),
    Network(Network),
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Domain::Name(name) => name.fmt(f),
            Domain::Network(network) => network.fmt(f),
        }
    }
}

/// An entry of `urls`. Its parts are all in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) host: Host,
    pub(crate) port: Option<u16>,
    /// Starts with `/`; ends with it only when that is all, or when there is a query.
    pub(crate) path: String,
    pub(crate) query: Option<String>,
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.host.bracketed())?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)?;
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

/// An entry of `exceptions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exception {
    Domain(Domain),
    Url(Url),
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exception::Domain(domain) => domain.fmt(f),
            Exception::Url(url) => url.fmt(f),
        }
    }
}

/// What stands on a line without comment and surrounding blanks; `None` when that is nothing.
pub(crate) fn content(line: &str, kind: MatchKind) -> Option<&str> {
    let line = line.trim_matches(is_blank);
    if line.starts_with('#') {
        return None;
    }
    let text = match kind {
        MatchKind::Expression => line,
        MatchKind::Domain | MatchKind::Url | MatchKind::Keyword | MatchKind::Exception => {
            before_comment(line)
        }
    };
    (!text.is_empty()).then_some(text)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\u{b}' | '\u{c}')
}

fn before_comment(line: &str) -> &str {
    if memchr::memchr(b'#', line.as_bytes()).is_none() {
        return line;
    }
    let comment = line
        .match_indices('#')
        .map(|(at, _)| line.get(..at).unwrap_or(line))
        .find(|before| before.ends_with(is_blank));
    comment.unwrap_or(line).trim_end_matches(is_blank)
}

/// Reads the content of a line of `domains`.
pub(crate) fn domain(text: &str) -> Result<Domain, EntryError> {
    let (dotted, name) = match text.strip_prefix('.') {
        Some(name) => (true, name),
        None => (false, text),
    };
    match Host::parse_text(name) {
        Ok(Host::Name(name)) if !dotted && !name.as_str().contains('.') => {
            Err(EntryError::TopLevel(name.as_str().to_owned()))
        }
        Ok(Host::Name(name)) => Ok(Domain::Name(name)),
        Ok(Host::V4(v4)) => Ok(Domain::Network(Network::around(IpAddr::V4(v4), 32))),
        Ok(Host::V6(v6)) => Ok(Domain::Network(Network::around(
            unwrapped(IpAddr::V6(v6)),
            128,
        ))),
        Err(error) => no_host(text, error),
    }
}

/// The text is no host: a network, or something that deserves a better reason than a bad character.
fn no_host(text: &str, error: HostError) -> Result<Domain, EntryError> {
    if text.contains('*') {
        return Err(EntryError::Wildcard);
    }
    if let Some((before, after)) = text.split_once('/') {
        return match text.parse() {
            Ok(network) => Ok(Domain::Network(network)),
            Err(error) if looks_like_prefix(after) && Host::parse_text(before).is_ok() => {
                Err(error.into())
            }
            Err(_) => Err(EntryError::NotADomain),
        };
    }
    match text.rsplit_once(':') {
        Some((host, port)) if looks_like_prefix(port) && Host::parse_text(host).is_ok() => {
            Err(EntryError::NotADomain)
        }
        _ => Err(error.into()),
    }
}

fn looks_like_prefix(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Reads the content of a line of `urls`.
pub(crate) fn url(text: &str) -> Result<Url, EntryError> {
    if text.len() > URL_MAX {
        return Err(EntryError::TooLong);
    }
    let text = without_scheme(text);
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let (authority, rest) = text.split_at(end);
    let (host, port) = host_and_port(authority)?;
    let rest = rest.split_once('#').map_or(rest, |(sent, _)| sent);
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query).filter(|query| !query.is_empty())),
        None => (rest, None),
    };
    if path.contains('\\') {
        return Err(EntryError::Backslash);
    }
    let mut path = normal_path(path).into_owned();
    if query.is_none() && path.len() > 1 && path.ends_with('/') {
        path.pop();
    }
    let query = query.map(|query| normal_query(query).into_owned());
    Ok(Url {
        host,
        port,
        path,
        query,
    })
}

/// Reads the content of a line of `exceptions`: whatever is no line of `domains` because of a path is one of `urls`.
pub(crate) fn exception(text: &str) -> Result<Exception, EntryError> {
    match domain(text) {
        Err(EntryError::NotADomain) => url(text).map(Exception::Url),
        domain => domain.map(Exception::Domain),
    }
}

fn without_scheme(text: &str) -> &str {
    ["http://", "https://"]
        .into_iter()
        .find_map(|scheme| {
            let start = text.get(..scheme.len())?;
            start
                .eq_ignore_ascii_case(scheme)
                .then(|| text.get(scheme.len()..))?
        })
        .unwrap_or(text)
}

fn host_and_port(authority: &str) -> Result<(Host, Option<u16>), EntryError> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if host.ends_with(']') || !host.contains([':', '[']) => {
            (host, Some(port_number(port)?))
        }
        _ => (authority, None),
    };
    if host.contains('*') {
        return Err(EntryError::Wildcard);
    }
    let host = match Host::parse_text(host.strip_prefix('.').unwrap_or(host))? {
        Host::V6(v6) => Host::from(unwrapped(IpAddr::V6(v6))),
        host => host,
    };
    Ok((host, port))
}

fn port_number(text: &str) -> Result<u16, EntryError> {
    let port = looks_like_prefix(text).then(|| text.parse().ok()).flatten();
    port.filter(|port| *port != 0).ok_or(EntryError::Port)
}

/// The normal form of an entry: how it is stored, shown and compared.
///
/// # Errors
/// [`EntryError`] says why the text is no entry of that kind.
pub fn normal(kind: MatchKind, text: &str) -> Result<String, EntryError> {
    Ok(match kind {
        MatchKind::Domain => domain(text)?.to_string(),
        MatchKind::Url => url(text)?.to_string(),
        MatchKind::Exception => exception(text)?.to_string(),
        MatchKind::Keyword => Keyword::read(text)?.listed,
        MatchKind::Expression => {
            expressions::check(text)?;
            text.to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn comments_and_blanks_are_no_entries() {
        let table = [
            ("", None),
            (" \t\r", None),
            ("# a comment", None),
            ("  # indented", None),
            ("example.com\r", Some("example.com")),
            ("  example.com  # why", Some("example.com")),
            ("example.com\t#why", Some("example.com")),
            ("example.com/#part", Some("example.com/#part")),
            ("example.com/#part # why", Some("example.com/#part")),
        ];
        for (line, expected) in table {
            assert_eq!(content(line, MatchKind::Url), expected, "{line:?}");
        }
        assert_eq!(content("a #b", MatchKind::Expression), Some("a #b"));
        assert_eq!(content("#b", MatchKind::Expression), None);
    }

    #[test]
    fn domains_come_to_one_normal_form() {
        let table = [
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            (".afshin.ir", "afshin.ir"),
            (".xxx", "xxx"),
            ("_video-bagarre.com", "_video-bagarre.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("192.0.2.1", "192.0.2.1"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("2001:DB8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ];
        for (text, expected) in table {
            let found = normal(MatchKind::Domain, text);
            assert_eq!(found.as_deref(), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn a_line_that_is_no_domain_says_why() {
        let table = [
            ("com", "a whole top-level domain"),
            ("*.example.com", "need no wildcard"),
            ("example.com/path", "belongs into \"urls\""),
            ("http://example.com/", "belongs into \"urls\""),
            ("example.com:8080", "belongs into \"urls\""),
            ("10.1.0.0/8", "write 10.0.0.0/8"),
            ("10.0.0.0/33", "0 to 32"),
            ("1.2.3", "four decimal numbers"),
            ("exa mple.com", "cannot stand in a host name"),
            ("a..b.com", "empty label"),
            ("..com", "empty label"),
            (".", "empty"),
            ("xn--zzzzzzz99999.com", "internationalised"),
        ];
        for (text, reason) in table {
            let error = normal(MatchKind::Domain, text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }

    #[test]
    fn urls_come_to_one_normal_form() {
        let table = [
            ("example.com", "example.com/"),
            ("example.com/", "example.com/"),
            ("HTTPS://Example.com/Path/", "example.com/Path"),
            ("planhomo.com/#", "planhomo.com/"),
            ("undressapp.ai/en#gallery", "undressapp.ai/en"),
            ("app.example/en#/1/swap", "app.example/en"),
            ("195.63.104.61//inbox", "195.63.104.61/inbox"),
            ("x.example/a%7Eb/%2f", "x.example/a~b/%2F"),
            ("x.example/a/../b/./c", "x.example/b/c"),
            ("x.example//?v=1%41", "x.example/?v=1A"),
            ("x.example/index.php?", "x.example/index.php"),
            ("x.example/d/?a=1#f", "x.example/d/?a=1"),
            ("x.example?a=1", "x.example/?a=1"),
            ("x.example:8080/a", "x.example:8080/a"),
            ("[2001:db8::1]:81/a", "[2001:db8::1]:81/a"),
            ("[::ffff:192.0.2.1]/a", "192.0.2.1/a"),
            ("x.example/a?b#c?d", "x.example/a?b"),
            ("bücher.example/ö", "xn--bcher-kva.example/%C3%B6"),
        ];
        for (text, expected) in table {
            let found = normal(MatchKind::Url, text);
            assert_eq!(found.as_deref(), Ok(expected), "{text:?}");
            let again = normal(MatchKind::Url, expected);
            assert_eq!(again.as_deref(), Ok(expected), "{expected:?} is not stable");
        }
    }

    #[test]
    fn an_exception_is_a_line_of_domains_or_of_urls() {
        let table = [
            ("Example.COM.", Ok("example.com")),
            (".xxx", Ok("xxx")),
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("192.0.2.1", Ok("192.0.2.1")),
            ("x.example/A/", Ok("x.example/A")),
            ("https://x.example/", Ok("x.example/")),
            ("com", Err("a whole top-level domain")),
            ("*.example.com", Err("need no wildcard")),
            ("10.1.0.0/8", Err("write 10.0.0.0/8")),
        ];
        for (text, expected) in table {
            let found = normal(MatchKind::Exception, text).map_err(|error| error.to_string());
            match expected {
                Ok(form) => assert_eq!(found.as_deref(), Ok(form), "{text:?}"),
                Err(reason) => assert!(found.unwrap_err().contains(reason), "{text:?}"),
            }
        }
    }

    #[test]
    fn a_line_that_is_no_url_says_why() {
        let table = [
            ("/path", "host is empty"),
            ("user@example.com/", "'@' cannot stand"),
            ("example.com:0/", "port"),
            ("example.com:/", "port"),
            ("example.com:99999/", "port"),
            ("ftp://example.com/", "port"),
            ("*.example.com/a", "need no wildcard"),
            (r"example.com/a\.cgi\?b", "backslash"),
        ];
        for (text, reason) in table {
            let error = normal(MatchKind::Url, text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
        let long = format!("example.com/{}", "a".repeat(URL_MAX));
        assert_eq!(normal(MatchKind::Url, &long), Err(EntryError::TooLong));
    }
}
