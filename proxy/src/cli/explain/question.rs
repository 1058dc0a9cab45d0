//! What is asked about: an address as a person writes it, in the form that decisions use.

use weir_categories::sealed::{Sealed, SlotId};
use weir_categories::{CategorySet, Index, Match};
use weir_host::{Host, Scheme, Target, normal_path};
use weir_policy::Policy;

use super::Failure;

/// A request that might be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) scheme: Scheme,
    pub(super) host: Host,
    pub(super) port: u16,
    /// Upper-case; `CONNECT` for what passes as a tunnel.
    pub(super) method: String,
    /// In normal form; none where only the host would be visible.
    pub(super) path: Option<String>,
    pub(super) query: Option<String>,
}

impl Question {
    /// Reads an address out of a browser or a record: any case, Unicode names, a fragment,
    /// a missing scheme.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub(super) fn read(text: &str, method: &str) -> Result<Question, Failure> {
        let wrong = |why: String| Failure::Arguments(format!("{text:?} is no address: {why}"));
        let address = text.split_once('#').map_or(text, |(address, _)| address);
        let (scheme, rest) = split_scheme(address)
            .ok_or_else(|| wrong("only http and https pass through the proxy".to_owned()))?;
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = split_port(authority);
        let host = Host::parse_text(host).map_err(|error| wrong(error.to_string()))?;
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port != 0),
            None => Some(scheme.default_port()),
        };
        let port = port.ok_or_else(|| wrong("a port is a number from 1 to 65535".to_owned()))?;
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        let target = Target::from_parts(scheme, host, port, &path)
            .map_err(|error| wrong(error.to_string()))?;
        Question::of(&target, method)
    }

    /// An https page is asked for through a tunnel, of which only the host can be seen.
    fn of(target: &Target, method: &str) -> Result<Question, Failure> {
        let method = method.to_ascii_uppercase();
        if method.is_empty()
            || !method
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(Failure::Arguments(format!("{method:?} is no method")));
        }
        let visible = target.scheme == Scheme::Http && method != "CONNECT";
        Ok(Question {
            scheme: target.scheme,
            host: target.host.clone(),
            port: target.port,
            method: if visible {
                method
            } else {
                "CONNECT".to_owned()
            },
            path: visible.then(|| normal_path(target.path()).into_owned()),
            query: target.query().filter(|_| visible).map(str::to_owned),
        })
    }

    pub(super) fn categories(&self, index: &Index, policy: &Policy) -> CategorySet {
        let listed = match &self.path {
            Some(path) => index.url_categories(&self.host, self.port, path, self.query.as_deref()),
            None => index.host_categories(&self.host),
        };
        policy.categories(&self.host, &listed)
    }

    pub(super) fn matches(&self, index: &Index) -> Vec<Match> {
        index.all(
            &self.host,
            self.port,
            self.path.as_deref(),
            self.query.as_deref(),
        )
    }

    /// The mandatory list that has it, as far as a running Weir would see it.
    pub(super) fn mandatory(&self, sealed: &Sealed) -> Option<SlotId> {
        match &self.path {
            Some(path) => sealed.of_url(&self.host, self.port, path, self.query.as_deref()),
            None => sealed.of_host(&self.host, self.port),
        }
    }

    /// The target as it is decided on.
    pub(super) fn shown(&self) -> String {
        let (host, port) = (self.host.bracketed(), self.port);
        match (&self.path, &self.query) {
            (None, _) => format!("{host}:{port}"),
            (Some(path), None) => format!("http://{host}{}{path}", self.shown_port()),
            (Some(path), Some(query)) => {
                format!("http://{host}{}{path}?{query}", self.shown_port())
            }
        }
    }

    fn shown_port(&self) -> String {
        if self.port == self.scheme.default_port() {
            String::new()
        } else {
            format!(":{}", self.port)
        }
    }
}

fn split_scheme(address: &str) -> Option<(Scheme, &str)> {
    match address.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => Some((Scheme::Http, rest)),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => Some((Scheme::Https, rest)),
        Some((before, _)) if before.bytes().all(|byte| byte.is_ascii_alphanumeric()) => None,
        _ => Some((Scheme::Https, address)),
    }
}

/// A bare IPv6 address has colons and no port.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if host.ends_with(']') || !host.contains(':') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn shown(text: &str) -> String {
        Question::read(text, "get").unwrap().shown()
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let cases = [
            ("example.com", "example.com:443"),
            ("Example.COM/path?q#top", "example.com:443"),
            ("https://example.com:8443/", "example.com:8443"),
            ("example.com:22", "example.com:22"),
            ("http://example.com", "http://example.com/"),
            (
                "HTTP://example.com:8080/a/../b?c=d#e",
                "http://example.com:8080/b?c=d",
            ),
            ("http://example.com?q", "http://example.com/?q"),
            ("http://bücher.example/", "http://xn--bcher-kva.example/"),
            ("https://[2001:db8::1]/", "[2001:db8::1]:443"),
            ("2001:db8::1", "[2001:db8::1]:443"),
            ("http://192.0.2.1:81/", "http://192.0.2.1:81/"),
        ];
        for (given, expected) in cases {
            assert_eq!(shown(given), expected, "{given}");
        }
    }

    #[test]
    fn what_no_browser_would_send_is_refused() {
        let cases = [
            "",
            "http://",
            "http://exa mple/",
            "http://user@example.com/",
            "ftp://example.com/",
            "http://example.com:0/",
            "http://example.com:99999/",
            "http://example.com:/",
            "http://example.com/a b",
            "http://0x7f.1/",
        ];
        for given in cases {
            let refused = Question::read(given, "GET");
            assert!(
                matches!(refused, Err(Failure::Arguments(_))),
                "{given}: {refused:?}"
            );
        }
        assert!(Question::read("http://example.com/", "GE T").is_err());
    }

    #[test]
    fn of_an_https_page_only_the_host_is_visible() {
        let question = Question::read("https://example.com/secret?q=1", "POST").unwrap();
        assert_eq!(
            (question.method.as_str(), question.path, question.query),
            ("CONNECT", None, None)
        );
    }
}
