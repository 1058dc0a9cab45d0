//! Hosts: spellings that mean one name, spellings that mean nothing, and properties over random ones.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn name(text: &str) -> Result<String, HostError> {
    Host::parse(text).map(|host| host.to_string())
}

#[test]
fn wire_spellings_of_a_name_give_one_host() {
    let cases = [
        ("example.com", "example.com"),
        ("EXAMPLE.com", "example.com"),
        ("eXaMpLe.CoM.", "example.com"),
        ("example.com.", "example.com"),
        ("localhost", "localhost"),
        ("a", "a"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("r3---sn-aigl6n7s.example", "r3---sn-aigl6n7s.example"),
        ("-lead.trail-.example", "-lead.trail-.example"),
        ("1.2.3.4.example", "1.2.3.4.example"),
        ("1e100.net", "1e100.net"),
        ("example.0xg", "example.0xg"),
        ("example.1a", "example.1a"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.EXAMPLE.", "xn--bcher-kva.example"),
        ("xn--fa-hia.de", "xn--fa-hia.de"),
    ];
    for (text, expected) in cases {
        let host = Host::parse(text).unwrap();
        assert_eq!(host.to_string(), expected, "{text}");
        assert_eq!(host, Host::parse(expected).unwrap(), "{text}");
        assert!(host.as_name().is_some() && host.as_address().is_none());
    }
}

#[test]
fn a_wire_name_that_needs_a_guess_is_refused() {
    use HostError::{Character, Empty, EmptyLabel, Idna, Ipv6};
    let cases = [
        ("", Empty),
        (".", Empty),
        ("..", EmptyLabel),
        ("a..b", EmptyLabel),
        (".a", EmptyLabel),
        ("a..", EmptyLabel),
        (" a", Character(' ')),
        ("a ", Character(' ')),
        ("a\tb", Character('\t')),
        ("a\0b", Character('\0')),
        ("a\r\nb", Character('\r')),
        ("a%2eb", Character('%')),
        ("ex%61mple.com", Character('%')),
        ("a/b", Character('/')),
        ("a\\b", Character('\\')),
        ("user@a", Character('@')),
        ("a:80", Character(':')),
        ("a?b", Character('?')),
        ("a#b", Character('#')),
        ("*.a", Character('*')),
        ("a,b", Character(',')),
        ("a;b", Character(';')),
        ("a'b", Character('\'')),
        ("bücher.example", Character('ü')),
        ("example。com", Character('。')),
        ("ｅxample.com", Character('ｅ')),
        ("exam\u{ad}ple.com", Character('\u{ad}')),
        ("\u{202e}moc.example", Character('\u{202e}')),
        ("[example.com]", Ipv6),
        // Masked punycode: decodes to plain ASCII, to nothing, or not at all.
        ("xn--example-.com", Idna),
        ("xn--.com", Idna),
        ("xn--a.com", Idna),
        ("xn--\u{62}-.com", Idna),
        ("xn--99999999999.com", Idna),
        // Decodes to what UTS 46 maps to something else: full width, upper case, soft hyphen, ligature, loose accent, dot.
        ("xn--bc-kw3n.com", Idna),
        ("xn--Bcher-2pa.com", Idna),
        ("xn--bcher-0ha76c.com", Idna),
        ("xn--jm6c.com", Idna),
        ("xn--u-ccb.com", Idna),
        ("xn--b-dha8227a.com", Idna),
    ];
    for (text, error) in cases {
        assert_eq!(Host::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn names_and_labels_keep_to_their_lengths() {
    let label = "a".repeat(63);
    assert!(Host::parse(&label).is_ok());
    assert_eq!(
        Host::parse(&format!("{label}a.example")),
        Err(HostError::LabelTooLong)
    );
    let longest = [&label[..], &label, &label, &label[..61]].join(".");
    assert_eq!(longest.len(), 253);
    for text in [
        longest.clone(),
        longest.to_uppercase(),
        format!("{longest}."),
    ] {
        assert_eq!(name(&text).unwrap(), longest);
    }
    for text in [format!("a.{longest}"), format!("A.{longest}")] {
        assert_eq!(Host::parse(&text), Err(HostError::TooLong));
    }
    let endless = "a.".repeat(1 << 16);
    assert_eq!(Host::parse(&endless), Err(HostError::TooLong));
    assert_eq!(
        Host::parse_text(&"ü.".repeat(1 << 16)),
        Err(HostError::TooLong)
    );
}

#[test]
fn an_ipv4_address_is_a_dotted_quad_and_nothing_else() {
    for text in ["127.0.0.1", "0.0.0.0", "255.255.255.255", "1.2.3.4"] {
        let host = Host::parse(text).unwrap();
        assert!(matches!(host, Host::V4(_)), "{text}");
        assert_eq!(host.to_string(), text);
    }
    let odd = [
        "2130706433",
        "0",
        "127",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "0177.0.0.01",
        "127.0.0.01",
        "00.0.0.0",
        "0x7f.0.0.1",
        "0X7F.0.0.1",
        "0x7f000001",
        "0x7f.1",
        "127.0.0.0x1",
        "0x",
        "1.0x",
        "127.0.0.1.",
        "2130706433.",
        "256.0.0.1",
        "1.2.3.256",
        "1.2.3.4.5",
        "1.2.3.4.5.6.7.8",
        "4294967296",
        "99999999999999999999",
        "example.1",
        "example.com.0x7f",
        "017700000001",
        "1.2.3.08",
    ];
    for text in odd {
        assert_eq!(Host::parse(text), Err(HostError::OddAddress), "{text}");
        assert_eq!(Host::parse_text(text), Err(HostError::OddAddress), "{text}");
    }
    for text in ["+1.2.3.4", "1.2.3.+4", "1.2.3. 4", "1..2.3", "１.2.3.4"] {
        assert!(Host::parse(text).is_err(), "{text}");
    }
}

#[test]
fn an_ipv6_address_stands_in_brackets_on_the_wire() {
    let cases = [
        ("[::1]", "::1"),
        ("[::]", "::"),
        ("[2001:DB8::A]", "2001:db8::a"),
        ("[2001:0db8:0000:0000:0000:0000:0000:000a]", "2001:db8::a"),
        ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
        ("[::ffff:7f00:1]", "::ffff:127.0.0.1"),
    ];
    for (text, expected) in cases {
        let host = Host::parse(text).unwrap();
        assert_eq!(host.to_string(), expected);
        assert_eq!(host.bracketed().to_string(), format!("[{expected}]"));
        assert_eq!(Host::parse(&host.bracketed().to_string()), Ok(host.clone()));
        assert_eq!(Host::parse_text(expected), Ok(host.clone()));
        assert_eq!(&*host.shared(), expected);
    }
    let wrong = [
        ("[::1%25eth0]", HostError::ZoneId),
        ("[fe80::1%eth0]", HostError::ZoneId),
        ("[::1", HostError::Ipv6),
        ("[]", HostError::Ipv6),
        ("[::1]x", HostError::Ipv6),
        ("[[::1]]", HostError::Ipv6),
        ("[v1.x]", HostError::Ipv6),
        ("[127.0.0.1]", HostError::Ipv6),
        ("[1:2:3:4:5:6:7]", HostError::Ipv6),
        ("[12345::1]", HostError::Ipv6),
        ("[::1]. ", HostError::Ipv6),
        ("[ ::1]", HostError::Ipv6),
        ("::1", HostError::Character(':')),
        ("fe80::1%eth0", HostError::Character(':')),
    ];
    for (text, error) in wrong {
        assert_eq!(Host::parse(text), Err(error), "{text}");
    }
    assert!(Host::parse_text("fe80::1%eth0").is_err());
}

#[test]
fn people_may_write_unicode_and_mean_the_wire_name() {
    let cases = [
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("bu\u{308}cher.example", "xn--bcher-kva.example"),
        ("faß.de", "xn--fa-hia.de"),
        ("βόλος.com", "xn--nxasmm1c.com"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("例え。テスト。", "xn--r8jz45g.xn--zckzah"),
        ("ｅｘａｍｐｌｅ．ｃｏｍ", "example.com"),
        ("exam\u{ad}ple.com", "example.com"),
        ("exam\u{200b}ple.com", "example.com"),
        ("example｡com", "example.com"),
        ("𝓮𝔁𝓪𝓶𝓹𝓵𝓮.com", "example.com"),
        ("ⓔxample.com", "example.com"),
        ("İstanbul.example", "xn--istanbul-o0e.example"),
    ];
    for (text, expected) in cases {
        let host = Host::parse_text(text).unwrap();
        assert_eq!(host.to_string(), expected, "{text}");
        assert_eq!(Host::parse(expected), Ok(host), "{text}");
    }
    assert_eq!(
        Host::parse_text("１２７．０．０．１"),
        Host::parse("127.0.0.1")
    );
}

#[test]
fn unicode_that_no_resolver_would_be_asked_for_is_refused() {
    let cases = [
        "\u{ad}",
        "a.\u{ad}.b",
        "a。。b",
        "bü cher.example",
        " bücher.example",
        "bücher.example\u{a0}",
        "bücher／example.com",
        "ü％41.example",
        "bücher.example：80",
        "１２７．１",
        "０ｘ７ｆ.1",
        "ａ@b",
        "\u{300}a.example",
        "a\u{200d}b.example",
        "\u{fffd}.example",
        "\u{e000}.example",
        "אa.example",
        "[：：１]",
        "xn--bücher-kva",
    ];
    for text in cases {
        assert!(Host::parse_text(text).is_err(), "{text:?}");
    }
}

#[test]
fn parents_are_whole_labels_longest_first() {
    let all = |name| parents(name).collect::<Vec<_>>();
    assert_eq!(all("a.bb.ccc"), ["a.bb.ccc", "bb.ccc", "ccc"]);
    assert_eq!(all("localhost"), ["localhost"]);
    assert!(all("").is_empty());
}

#[test]
fn a_map_of_names_is_asked_with_plain_text() {
    let map = HashMap::from([(Name::parse("Example.COM.").unwrap(), 1)]);
    assert_eq!(map.get("example.com"), Some(&1));
    assert_eq!(map.get("Example.COM"), None);
    assert_eq!(Name::parse("127.0.0.1"), Err(HostError::NotAName));
}

fn plain_name() -> impl Strategy<Value = String> {
    "([a-z0-9_-]{1,20}\\.){0,4}[a-z]{2,10}"
        .prop_filter("punycode has its own cases", |name| !name.contains("xn--"))
}

/// One spelling of `name` that a browser's address bar takes for it.
fn spelled(name: &str, choices: &[u8]) -> String {
    let mut out = String::new();
    for (c, choice) in name.chars().zip(choices.iter().cycle()) {
        match (choice % 6, c) {
            (0, _) => out.push(c.to_ascii_uppercase()),
            (1, 'a'..='z') => out.extend(char::from_u32(c as u32 - 0x61 + 0xff41)),
            (2, '.') => out.push('。'),
            (3, '.') => out.push('｡'),
            (4, c) => out.extend(['\u{ad}', c]),
            (_, c) => out.push(c),
        }
    }
    if choices.first().is_some_and(|choice| choice % 2 == 1) {
        out.push('.');
    }
    out
}

proptest! {
    #[test]
    fn every_wire_spelling_gives_the_same_host(name in plain_name(), upper: Vec<bool>, dot: bool) {
        let mut text: String = name.chars().zip(upper.iter().chain(std::iter::repeat(&false)))
            .map(|(c, upper)| if *upper { c.to_ascii_uppercase() } else { c })
            .collect();
        if dot {
            text.push('.');
        }
        prop_assert_eq!(Host::parse(&text), Host::parse(&name));
        prop_assert_eq!(Host::parse(&name).unwrap().to_string(), name);
    }

    #[test]
    fn every_typed_spelling_gives_the_same_host(name in plain_name(), choices in prop::collection::vec(any::<u8>(), 1..40)) {
        let text = spelled(&name, &choices);
        prop_assert_eq!(Host::parse_text(&text), Host::parse(&name), "{}", text);
    }

    /// A browser reads a name as UTS 46 does: Weir reads the same or refuses, never something else.
    #[test]
    fn an_accepted_name_is_the_one_that_a_browser_would_ask_for(text in "([a-zA-Z0-9_.-]|xn--|XN--|[àéßΩж例。ａ\u{ad}]){1,30}") {
        if let Ok(host) = Host::parse_text(&text) {
            let browser = idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::URL).unwrap();
            let browser = browser.strip_suffix('.').unwrap_or(&browser);
            prop_assert_eq!(host.to_string(), browser);
        }
    }

    #[test]
    fn what_is_parsed_is_in_normal_form(text in "\\PC{0,60}") {
        if let Ok(host) = Host::parse_text(&text) {
            let shown = host.bracketed().to_string();
            prop_assert_eq!(Host::parse(&shown), Ok(host.clone()));
            prop_assert_eq!(Host::parse_text(&host.to_string()), Ok(host.clone()));
            prop_assert!(shown.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b':' | b'[' | b']')));
        }
    }

    #[test]
    fn the_wire_form_is_a_part_of_the_text_form(text in "[ -~]{0,40}") {
        if let Ok(host) = Host::parse(&text) {
            prop_assert_eq!(Host::parse_text(&text), Ok(host));
        }
    }

    #[test]
    fn parse_never_panics(text in any::<String>()) {
        let _ = Host::parse(&text);
        let _ = Host::parse_text(&text);
    }

    #[test]
    fn random_numbers_with_dots_are_dotted_quads_or_nothing(text in "(0x|0X|0)?[0-9a-fA-F]{0,4}(\\.(0x|0)?[0-9]{1,4}){0,4}\\.?") {
        match Host::parse(&text) {
            Ok(Host::V4(address)) => prop_assert_eq!(address.to_string(), text),
            Ok(Host::Name(name)) => prop_assert!(!name.as_str().ends_with(|c: char| c.is_ascii_digit()) || name.as_str().ends_with(|c: char| c.is_ascii_hexdigit())),
            Ok(Host::V6(_)) => prop_assert!(false, "{} is no IPv6 address", text),
            Err(_) => {}
        }
    }
}
