//! Decides what a request asks for: scheme, host, port and path, parsed once (threats §1 rule 1).
//!
//! A strict reading of RFC 3986, not the forgiving one of browsers. It does not decide on the normalised path that rules
//! and lists see: that is [`normal_path`](crate::normal_path).

use std::fmt;

use crate::authority::parse_authority;
use crate::{Host, TargetError};

/// The schemes that Weir forwards.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// Lower-case, without the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port that need not be written (RFC 9110 §4.2).
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How the origin is spoken to.
    pub scheme: Scheme,
    /// Whom the request is for.
    pub host: Host,
    /// 1 to 65535.
    pub port: u16,
    path_and_query: Box<str>,
    bare: bool,
}

impl Target {
    /// Reads absolute-form (RFC 9112 §3.2.2). A missing path becomes `/`.
    ///
    /// # Errors
    /// [`TargetError`]: other schemes, user information, a fragment, an odd host or port, and characters that a target
    /// must encode.
    pub fn parse_absolute(text: &str) -> Result<Target, TargetError> {
        let (scheme, rest) = split_scheme(text)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at(end);
        let (host, port) = parse_authority(authority)?;
        check_path(path_and_query)?;
        let bare = path_and_query.is_empty();
        let path_and_query = if path_and_query.starts_with('/') {
            Box::from(path_and_query)
        } else {
            format!("/{path_and_query}").into_boxed_str()
        };
        let port = port.unwrap_or(scheme.default_port());
        Ok(Target {
            scheme,
            host,
            port,
            path_and_query,
            bare,
        })
    }

    /// A target of a known authority and an origin-form path (RFC 9112 §3.2.1), or `*` (§3.2.4).
    ///
    /// # Errors
    /// [`TargetError::Path`] when the path starts with neither, [`TargetError::Port`] for port 0, and the faults of
    /// characters as above.
    pub fn from_parts(
        scheme: Scheme,
        host: Host,
        port: u16,
        path_and_query: &str,
    ) -> Result<Target, TargetError> {
        if port == 0 {
            return Err(TargetError::Port);
        }
        if path_and_query != "*" && !path_and_query.starts_with('/') {
            return Err(TargetError::Path);
        }
        check_path(path_and_query)?;
        Ok(Target {
            scheme,
            host,
            port,
            path_and_query: Box::from(path_and_query),
            bare: false,
        })
    }

    /// As sent: starts with `/` or is `*`.
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// As sent, without the query.
    pub fn path(&self) -> &str {
        self.split().0
    }

    /// As sent, without the question mark; an empty query is `Some("")`.
    pub fn query(&self) -> Option<&str> {
        self.split().1
    }

    /// True when an absolute-form had neither path nor query: an `OPTIONS` then asks for `*` (RFC 9112 §3.2.4).
    pub fn is_bare(&self) -> bool {
        self.bare
    }

    /// `host[:port]` for the `Host` field: without the scheme's own port, IPv6 in brackets.
    pub fn authority(&self) -> String {
        let host = self.host.bracketed();
        if self.port == self.scheme.default_port() {
            host.to_string()
        } else {
            format!("{host}:{}", self.port)
        }
    }

    fn split(&self) -> (&str, Option<&str>) {
        match self.path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&self.path_and_query, None),
        }
    }
}

/// Absolute-form, for people and logs that may see paths.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if &*self.path_and_query == "*" {
            ""
        } else {
            &self.path_and_query
        };
        write!(f, "{}://{}{path}", self.scheme, self.authority())
    }
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), TargetError> {
    let (scheme, rest) = text.split_once("://").ok_or(TargetError::Scheme)?;
    if scheme.eq_ignore_ascii_case("http") {
        Ok((Scheme::Http, rest))
    } else if scheme.eq_ignore_ascii_case("https") {
        Ok((Scheme::Https, rest))
    } else {
        Err(TargetError::Scheme)
    }
}

/// Visible ASCII only. Beyond RFC 3986 it passes the few characters that browsers send unencoded (`|`, `^`, `{` and the
/// like, WHATWG URL query encoding), because sites depend on them and they delimit nothing; not a backslash in the path,
/// which browsers and some origins read as a slash.
fn check_path(path_and_query: &str) -> Result<(), TargetError> {
    let mut in_query = false;
    for c in path_and_query.chars() {
        match c {
            '#' => return Err(TargetError::Fragment),
            '?' => in_query = true,
            '\\' if !in_query => return Err(TargetError::Character(c)),
            '!'..='~' => {}
            _ => return Err(TargetError::Character(c)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
