//! Targets and authorities: the strict reading, and the tricks that it refuses.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::HostError;

#[test]
fn absolute_form_is_read_into_its_parts() {
    let cases = [
        ("http://example.com", "http", "example.com", 80, "/", None),
        ("http://example.com/", "http", "example.com", 80, "/", None),
        (
            "HTTP://Example.COM./A?B",
            "http",
            "example.com",
            80,
            "/A",
            Some("B"),
        ),
        (
            "https://example.com/a",
            "https",
            "example.com",
            443,
            "/a",
            None,
        ),
        (
            "http://example.com:8080?q=1",
            "http",
            "example.com",
            8080,
            "/",
            Some("q=1"),
        ),
        (
            "http://example.com/?",
            "http",
            "example.com",
            80,
            "/",
            Some(""),
        ),
        ("http://[::1]:65535/x", "http", "::1", 65535, "/x", None),
        ("http://1.2.3.4:443/", "http", "1.2.3.4", 443, "/", None),
        ("http://a/b@c:d", "http", "a", 80, "/b@c:d", None),
        (
            "http://a/?u=http://b/",
            "http",
            "a",
            80,
            "/",
            Some("u=http://b/"),
        ),
        ("http://a/?x\\y|{z}", "http", "a", 80, "/", Some("x\\y|{z}")),
        ("http://a//b/../c", "http", "a", 80, "//b/../c", None),
    ];
    for (text, scheme, host, port, path, query) in cases {
        let target = Target::parse_absolute(text).unwrap();
        assert_eq!(target.scheme.as_str(), scheme, "{text}");
        assert_eq!(target.host.to_string(), host, "{text}");
        assert_eq!((target.port, target.path()), (port, path), "{text}");
        assert_eq!(target.query(), query, "{text}");
    }
}

#[test]
fn url_tricks_are_refused() {
    use TargetError::{Character, Fragment, Host, Path, Port, Scheme, UserInfo};
    let cases = [
        ("", Scheme),
        ("/", Scheme),
        ("example.com", Scheme),
        ("example.com:80", Scheme),
        ("//example.com/", Scheme),
        ("http:/example.com/", Scheme),
        ("http:example.com", Scheme),
        ("http:\\\\example.com/", Scheme),
        ("ftp://example.com/", Scheme),
        ("ws://example.com/", Scheme),
        (" http://example.com/", Scheme),
        ("ht\ttp://example.com/", Scheme),
        ("javascript://example.com/", Scheme),
        ("http://user@example.com/", UserInfo),
        ("http://user:pass@example.com/", UserInfo),
        ("http://@example.com/", UserInfo),
        ("http://listed.example@other.example/", UserInfo),
        ("http://listed.example:80@other.example/", UserInfo),
        ("http://example.com/#x", Fragment),
        ("http://example.com#@other.example/", Fragment),
        ("http://example.com/?q#f", Fragment),
        ("http://", Host(HostError::Empty)),
        ("http:///", Host(HostError::Empty)),
        ("http:///example.com/", Host(HostError::Empty)),
        ("http://:80/", Host(HostError::Empty)),
        ("http://?q", Host(HostError::Empty)),
        ("http://example.com\\@other.example/", UserInfo),
        (
            "http://example.com\\other/",
            Host(HostError::Character('\\')),
        ),
        ("http://exa\tmple.com/", Host(HostError::Character('\t'))),
        ("http://example.com /", Host(HostError::Character(' '))),
        ("http://ex%61mple.com/", Host(HostError::Character('%'))),
        ("http://bücher.example/", Host(HostError::Character('ü'))),
        ("http://0x7f.1/", Host(HostError::OddAddress)),
        ("http://[::1/", Host(HostError::Ipv6)),
        ("http://[::1]x/", Host(HostError::Ipv6)),
        ("http://[::1%25lo]/", Host(HostError::ZoneId)),
        ("http://::1/", Host(HostError::Empty)),
        ("http://example.com:/", Port),
        ("http://example.com:0/", Port),
        ("http://example.com:00080/", Port),
        ("http://example.com:080/", Port),
        ("http://example.com:65536/", Port),
        ("http://example.com:65616/", Port),
        ("http://example.com:4294967376/", Port),
        ("http://example.com:+80/", Port),
        ("http://example.com:-80/", Port),
        ("http://example.com:8 0/", Port),
        ("http://example.com:80:80/", Port),
        ("http://example.com:0x50/", Port),
        ("http://example.com:８０/", Port),
        ("http://example.com/a b", Character(' ')),
        ("http://example.com/a\tb", Character('\t')),
        ("http://example.com/a\r\nX: y", Character('\r')),
        ("http://example.com/a\0", Character('\0')),
        ("http://example.com/\\..\\x", Character('\\')),
        ("http://example.com/ü", Character('ü')),
        ("http://example.com/\u{7f}", Character('\u{7f}')),
    ];
    for (text, error) in cases {
        assert_eq!(Target::parse_absolute(text), Err(error), "{text:?}");
    }
    let host = crate::Host::parse("a").unwrap();
    let parts = |port, path| Target::from_parts(self::Scheme::Http, host.clone(), port, path);
    assert_eq!(parts(80, "x"), Err(Path));
    assert_eq!(parts(80, ""), Err(Path));
    assert_eq!(parts(80, "http://b/"), Err(Path));
    assert_eq!(parts(80, "**"), Err(Path));
    assert_eq!(parts(0, "/"), Err(Port));
    assert_eq!(parts(80, "/#"), Err(Fragment));
    assert_eq!(parts(80, "/ "), Err(Character(' ')));
}

#[test]
fn a_target_is_written_back_without_its_default_port() {
    let cases = [
        (
            "http://Example.com:80/a?b",
            "example.com",
            "http://example.com/a?b",
        ),
        (
            "https://example.com:443",
            "example.com",
            "https://example.com/",
        ),
        (
            "http://example.com:443",
            "example.com:443",
            "http://example.com:443/",
        ),
        ("https://[::1]:80/", "[::1]:80", "https://[::1]:80/"),
        (
            "http://[2001:DB8::1]/",
            "[2001:db8::1]",
            "http://[2001:db8::1]/",
        ),
    ];
    for (text, authority, shown) in cases {
        let target = Target::parse_absolute(text).unwrap();
        assert_eq!(target.authority(), authority);
        assert_eq!(target.to_string(), shown);
    }
}

#[test]
fn options_without_a_path_are_told_from_options_of_the_root() {
    let bare = |text| Target::parse_absolute(text).unwrap().is_bare();
    assert!(bare("http://example.com"));
    assert!(bare("http://example.com:8080"));
    assert!(!bare("http://example.com/"));
    assert!(!bare("http://example.com?q"));
    let host = Host::parse("example.com").unwrap();
    let star = Target::from_parts(Scheme::Http, host, 80, "*").unwrap();
    assert_eq!((star.path(), star.query()), ("*", None));
    assert_eq!(star.to_string(), "http://example.com");
}

#[test]
fn an_authority_is_a_host_and_perhaps_a_port() {
    let read = |text| parse_authority(text).map(|(host, port)| (host.to_string(), port));
    let cases = [
        ("example.com", "example.com", None),
        ("Example.com.:443", "example.com", Some(443)),
        ("[::1]", "::1", None),
        ("[::1]:1", "::1", Some(1)),
        ("127.0.0.1:65535", "127.0.0.1", Some(65535)),
    ];
    for (text, host, port) in cases {
        assert_eq!(read(text), Ok((host.to_owned(), port)), "{text}");
    }
    let wrong = [
        "", ":", ":80", "a:", "a:0", "a:1:2", "[::1]80", "[::1]:", "::1:80", "a/", "a?b", "u@a:1",
        "a:99999", "a: 80",
    ];
    for text in wrong {
        assert!(read(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_accepted_reads_the_same_when_written_again(text in "(http|HTTPS)://([a-zA-Z0-9.-]{1,10}|\\[[0-9a-f:.]{2,8}\\])(:[0-9]{1,6})?([/?][ -~]{0,20})?") {
        if let Ok(target) = Target::parse_absolute(&text) {
            let again = Target::parse_absolute(&target.to_string()).unwrap();
            prop_assert_eq!(again.path_and_query(), target.path_and_query());
            prop_assert_eq!((again.scheme, again.host, again.port), (target.scheme, target.host, target.port));
        }
    }

    #[test]
    fn parse_absolute_never_panics(text in any::<String>(), tail in any::<String>()) {
        let _ = Target::parse_absolute(&text);
        let _ = Target::parse_absolute(&format!("http://{text}"));
        let _ = Target::parse_absolute(&format!("http://a/{tail}"));
        let _ = parse_authority(&text);
    }
}
