#![allow(clippy::unwrap_used)]
use super::*;
use crate::entry;
use weir_host::{Target, normal_path, normal_query};

fn urls(entries: &[&str]) -> Urls {
    let parsed = entries.iter().map(|text| entry::url(text).unwrap());
    let mut rows: Vec<Row> = parsed.map(|url| Row::new(url, 0)).collect();
    sort(&mut rows, &mut |_| {});
    Urls::new(&rows)
}

fn found(urls: &Urls, target: &str) -> Vec<String> {
    let target = Target::parse_absolute(target).unwrap();
    let path = normal_path(target.path());
    let query = target.query().map(normal_query);
    let address = Address {
        host: &target.host,
        port: target.port,
        path: &path,
        query: query.as_deref(),
    };
    let mut found = Vec::new();
    urls.matching(&address, &mut |hit| found.push(hit.text().into_owned()));
    found
}

fn table(entry: &str, cases: &[(&str, bool)]) {
    let urls = urls(&[entry, "other.example/unrelated", "x.example:99/nothing"]);
    for (target, expected) in cases {
        let hits = found(&urls, target);
        assert_eq!(!hits.is_empty(), *expected, "{entry} on {target}: {hits:?}");
    }
}

#[test]
fn an_entry_means_its_path_and_everything_below_on_segment_limits() {
    for entry in [
        "x.example/a/b",
        "x.example/a/b/",
        "http://x.example/a//b#top",
    ] {
        table(
            entry,
            &[
                ("http://x.example/a/b", true),
                ("http://x.example/a/b/", true),
                ("http://x.example/a/b/c/d?q=1", true),
                ("http://x.example/a/b?q=1", true),
                ("http://x.example/A/B", true),
                ("http://x.example/a/%62", true),
                ("http://x.example/a/./c/../b", true),
                ("http://x.example//a//b", true),
                ("http://x.example/a/bc", false),
                ("http://x.example/a", false),
                ("http://x.example/", false),
                ("http://x.example/c/a/b", false),
            ],
        );
    }
}

#[test]
fn an_entry_means_its_host_and_everything_below_on_label_limits() {
    table(
        "x.example/a",
        &[
            ("https://x.example/a", true),
            ("https://www.x.example/a", true),
            ("https://a.b.x.example:8443/a", true),
            ("https://notx.example/a", false),
            ("https://example/a", false),
        ],
    );
}

#[test]
fn an_entry_without_a_path_means_the_whole_host() {
    for entry in ["x.example", "x.example/", "x.example/#start"] {
        table(
            entry,
            &[
                ("http://x.example/", true),
                ("http://x.example/any/where?x", true),
                ("http://y.example/", false),
            ],
        );
    }
}

#[test]
fn an_entry_with_a_query_means_that_path_and_queries_that_begin_so() {
    table(
        "x.example/p.php?f=25",
        &[
            ("http://x.example/p.php?f=25", true),
            ("http://x.example/p.php?f=25&page=2", true),
            ("http://x.example/p.php?F=25;x", true),
            ("http://x.example/p.php?%66=25", true),
            ("http://x.example/p.php?f=255", false),
            ("http://x.example/p.php?a&f=25", false),
            ("http://x.example/p.php", false),
            ("http://x.example/p.php/?f=25", false),
            ("http://x.example/p.php/x?f=25", false),
        ],
    );
    table(
        "x.example/d/?q=",
        &[
            ("http://x.example/d/?q=any", true),
            ("http://x.example/d/?q=", true),
            ("http://x.example/d?q=any", false),
            ("http://x.example/d/?r=", false),
        ],
    );
    table(
        "x.example/?a",
        &[
            ("http://x.example/?a", true),
            ("http://x.example?a", true),
            ("http://x.example/?ab", false),
            ("http://x.example/", false),
        ],
    );
}

#[test]
fn a_port_in_an_entry_must_be_the_requests() {
    table(
        "x.example:8080/a",
        &[
            ("http://x.example:8080/a", true),
            ("http://x.example/a", false),
            ("https://x.example/a", false),
        ],
    );
    table(
        "x.example:80/a",
        &[("http://x.example/a", true), ("https://x.example/a", false)],
    );
}

#[test]
fn addresses_are_hosts_and_have_no_parents() {
    table(
        "192.0.2.1/~user",
        &[
            ("http://192.0.2.1/~user/x", true),
            ("http://192.0.2.1/%7Euser", true),
            ("http://192.0.2.1/~users", false),
        ],
    );
    table(
        "[2001:db8::1]/a",
        &[
            ("http://[2001:db8::1]/a", true),
            ("http://[2001:db8::2]/a", false),
        ],
    );
}

#[test]
fn every_entry_that_fits_is_told_once() {
    let urls = urls(&[
        "x.example/a",
        "x.example/A/",
        "www.x.example/a/b",
        "x.example/",
        "x.example/a",
    ]);
    assert_eq!(urls.len(), 4);
    assert_eq!(
        found(&urls, "http://www.x.example/a/b"),
        [
            "x.example/",
            "x.example/A",
            "x.example/a",
            "www.x.example/a/b"
        ]
    );
}

#[test]
fn a_path_of_many_segments_is_asked_no_longer_than_the_longest_entry() {
    let long = format!("/{}", "a/".repeat(8_000));
    assert_eq!(prefixes(&long, 9).count(), 1 + 4);
}
