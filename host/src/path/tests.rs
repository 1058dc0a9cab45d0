//! Paths: spellings of one path, and the properties that keep matching from being turned off.

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

#[test]
fn spellings_of_a_path_are_one_path() {
    let cases = [
        ("/", "/"),
        ("", "/"),
        ("*", "*"),
        ("/a/b", "/a/b"),
        ("a/b", "/a/b"),
        ("/a/b/", "/a/b/"),
        ("//a///b//", "/a/b/"),
        ("/./a/./b/.", "/a/b/"),
        ("/a/x/../b", "/a/b"),
        ("/a/b/..", "/a/"),
        ("/../../a", "/a"),
        ("/a//../b", "/b"),
        ("/..", "/"),
        ("/...", "/..."),
        ("/.hidden", "/.hidden"),
        ("/%61/%62", "/a/b"),
        ("/%2e/%2E%2e/a", "/a"),
        ("/a/.%2e/b", "/b"),
        ("/%7euser", "/~user"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%5cb", "/a%5Cb"),
        ("/a%20b%3d", "/a%20b%3D"),
        ("/%c3%bc", "/%C3%BC"),
        ("/ü", "/%C3%BC"),
        ("/a b", "/a%20b"),
        ("/A/b", "/A/b"),
        ("/a;v=1/b", "/a;v=1/b"),
        ("/a|b", "/a|b"),
        // Decoded once, never twice.
        ("/%2561", "/%2561"),
        ("/%25%36%31", "/%2561"),
        // Invalid triplets stay, and what follows is still decoded.
        ("/%", "/%"),
        ("/%4", "/%4"),
        ("/%zz/%61", "/%zz/a"),
        ("/%g1%62", "/%g1b"),
        ("/100%/../%61", "/a"),
        // A literal percent sign must not become a triplet by decoding its neighbour.
        ("/%%341", "/%%341"),
        ("/%4%31", "/%4%31"),
        ("/%%7a", "/%z"),
    ];
    for (path, expected) in cases {
        assert_eq!(normal_path(path), expected, "{path}");
    }
}

#[test]
fn a_normal_path_is_not_copied() {
    for path in [
        "/",
        "*",
        "/a/b.html",
        "/a%2Fb/%C3%BC",
        "/100%",
        "/a/b/",
        "/a~b;c=d",
    ] {
        assert!(matches!(normal_path(path), Cow::Borrowed(_)), "{path}");
    }
    assert!(matches!(normal_query("a=b&c=%2F"), Cow::Borrowed(_)));
}

#[test]
fn a_query_keeps_its_slashes_and_dots() {
    assert_eq!(normal_query("u=//a/../b&v=%61%2f"), "u=//a/../b&v=a%2F");
    assert_eq!(normal_query("q=ü +"), "q=%C3%BC%20+");
    assert_eq!(normal_query(""), "");
}

/// One spelling of `path` that origins take for it.
fn spelled(path: &str, choices: &[u8]) -> String {
    let mut out = String::new();
    for (c, choice) in path.chars().zip(choices.iter().cycle()) {
        match (choice % 8, c) {
            (0, '/') => out.push_str("//"),
            (1, '/') => out.push_str("/./"),
            (2, '/') => out.push_str("/x%2Fy/../"),
            (3, '/') => out.push_str("/%2E/"),
            (4, c) if c != '/' => out.push_str(&format!("%{:02x}", u32::from(c))),
            (5, c) if c != '/' => out.push_str(&format!("%{:02X}", u32::from(c))),
            (_, c) => out.push(c),
        }
    }
    out
}

proptest! {
    #[test]
    fn every_spelling_of_a_listed_path_is_the_listed_path(
        path in "(/[a-zA-Z0-9_~-]{1,8}){1,5}/?",
        choices in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let spelled = spelled(&path, &choices);
        prop_assert_eq!(normal_path(&spelled), path);
    }

    #[test]
    fn normalising_a_path_twice_changes_nothing(path in "(/|\\.|%|%2e|%2F|%25|%3|4|[0-9a-fA-F]|[ -~]|\\PC){0,40}") {
        let once = normal_path(&path).into_owned();
        prop_assert_eq!(normal_path(&once), once.as_str());
        prop_assert!(matches!(normal_path(&once), Cow::Borrowed(_)));
        prop_assert!(once == "*" || once.starts_with('/'));
        prop_assert!(once.is_ascii() && !once.contains("//") && !once.contains("/../") && !once.contains("/./"));
    }

    #[test]
    fn normalising_a_query_twice_changes_nothing(query in "(%|%2e|%2F|%25|%3|4|[0-9a-fA-F]|[ -~]|\\PC){0,40}") {
        let once = normal_query(&query).into_owned();
        prop_assert_eq!(normal_query(&once), once.as_str());
    }

    #[test]
    fn an_invalid_triplet_never_hides_the_rest(prefix in "(%|%z|%4)[g-z]{1,3}", path in "[a-z]{1,8}") {
        let encoded: String = path.bytes().map(|b| format!("%{b:02X}")).collect();
        let spelled = format!("/{prefix}/x/../{encoded}");
        prop_assert_eq!(normal_path(&spelled), format!("/{prefix}/{path}"));
    }

    #[test]
    fn normal_path_never_panics(path in any::<String>()) {
        let _ = normal_path(&path);
        let _ = normal_query(&path);
    }
}
