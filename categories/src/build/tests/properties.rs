//! Over random lists the index agrees with a naive scan, entry by entry.

use proptest::prelude::*;
use weir_host::{Host, normal_path};

use super::built;
use crate::{CategoryId, CategorySet, Index, MatchKind, entry};

/// A few labels that overlap, so that random names often lie beneath or beside each other.
fn name() -> impl Strategy<Value = String> {
    let label = prop::sample::select(vec!["a", "b", "ab", "ba", "www", "a-b", "x_y", "com"]);
    prop::collection::vec(label, 2..5).prop_map(|labels| labels.join("."))
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => name(),
        1 => (0..4_u8, 0..4_u8).prop_map(|(a, b)| format!("10.0.{a}.{b}")),
    ]
}

/// (source, category, entry)
type Entry = (usize, usize, String);

fn domain_entry() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => host(),
        1 => Just(".com".to_owned()),
        1 => (0..4_u8, 22..32_u8).prop_map(|(a, bits)| {
            let address = std::net::Ipv4Addr::new(10, 0, a, 0).into();
            weir_host::address::Network::around(address, bits).to_string()
        }),
    ]
}

fn url_entry() -> impl Strategy<Value = String> {
    let path = prop::sample::select(vec![
        "", "/", "/a", "/a/", "/A/b", "/a/b/c", "/ab", "/?q", "/a?q=1", "/a/?q=", "/a?", "//a#x",
        "/a%2Fb",
    ]);
    let port = prop::sample::select(vec!["", "", "", ":80", ":8080"]);
    (host(), port, path).prop_map(|(host, port, path)| format!("{host}{port}{path}"))
}

const SOURCES: [&str; 2] = ["one", "two"];
const CATEGORIES: [&str; 3] = ["chat", "games", "social"];

fn entries(entry: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec((0..SOURCES.len(), 0..CATEGORIES.len(), entry), 0..40)
}

fn index_of(entries: &[Entry], kind: MatchKind) -> Index {
    let mut files = Vec::new();
    for (at, source) in SOURCES.iter().enumerate() {
        for (of, category) in CATEGORIES.iter().enumerate() {
            let lines = entries.iter().filter(|e| (e.0, e.1) == (at, of));
            let text: String = lines.map(|e| format!("{}\n", e.2)).collect();
            files.push((*source, format!("{category}/{kind}"), text));
        }
    }
    let files: Vec<(&str, &str, &[u8])> = files
        .iter()
        .map(|(s, path, text)| (*s, path.as_str(), text.as_bytes()))
        .collect();
    let built = built(&files);
    assert!(built.report.faults.is_empty(), "{:?}", built.report.faults);
    built.index
}

/// What a list means, entry by entry, without an index.
fn domain_holds(entry: &str, host: &Host) -> bool {
    let entry = entry.strip_prefix('.').unwrap_or(entry);
    match (host, entry.parse::<weir_host::address::Network>()) {
        (Host::Name(name), Err(_)) => {
            name.as_str() == entry || name.as_str().ends_with(&format!(".{entry}"))
        }
        (host, Ok(network)) => host
            .as_address()
            .is_some_and(|address| network.contains(address)),
        _ => false,
    }
}

fn url_holds(entry: &str, host: &Host, port: u16, path: &str, query: Option<&str>) -> bool {
    let url = entry::url(entry).unwrap();
    let lower = path.to_lowercase();
    let listed = url.path.to_lowercase();
    let path_holds = match &url.query {
        None => {
            let below = if listed == "/" {
                listed.clone()
            } else {
                format!("{listed}/")
            };
            lower == listed || lower.starts_with(&below)
        }
        Some(start) => {
            lower == listed
                && query.is_some_and(|query| {
                    let rest = query.strip_prefix(start.as_str());
                    rest.is_some_and(|rest| {
                        rest.is_empty() || rest.starts_with(['&', ';']) || start.ends_with('=')
                    })
                })
        }
    };
    domain_holds(&url.host.to_string(), host) && url.port.is_none_or(|p| p == port) && path_holds
}

fn expected(
    index: &Index,
    entries: &[Entry],
    host: &Host,
    holds: impl Fn(&str) -> bool,
) -> CategorySet {
    let matching = entries.iter().filter(|entry| holds(&entry.2));
    let mut set: CategorySet = matching
        .map(|entry| index.names().id(CATEGORIES[entry.1]).unwrap())
        .collect();
    if set.is_empty() {
        set.insert(match host {
            Host::Name(_) => CategoryId::UNLISTED,
            _ => CategoryId::ADDRESS,
        });
    }
    set
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn hosts_are_in_the_categories_that_a_naive_scan_finds(
        entries in entries(domain_entry()),
        asked in prop::collection::vec(host(), 20),
    ) {
        let index = index_of(&entries, MatchKind::Domain);
        let beside = entries.iter().flat_map(|entry| {
            let entry = entry.2.split('/').next().unwrap().trim_start_matches('.').to_owned();
            let cut = entry.split_once('.').map(|(_, rest)| rest.to_owned());
            let longer = [format!("x.{entry}"), format!("x{entry}")];
            longer.into_iter().chain(cut).chain([entry])
        });
        for text in asked.into_iter().chain(beside) {
            let Ok(host) = Host::parse(&text) else { continue };
            let set = index.host_categories(&host);
            prop_assert_eq!(set, expected(&index, &entries, &host, |entry| domain_holds(entry, &host)), "{}", text);
            let found = index.all(&host, 80, None, None);
            for category in set.iter().filter(|id| id.0 > 1) {
                let first = index.find(category, &host, 80, None, None).unwrap();
                prop_assert!(found.contains(&first));
            }
            for found in found {
                let listed = entries.iter().any(|(source, category, entry)| {
                    SOURCES[*source] == &*found.list
                        && CATEGORIES[*category] == &**index.names().name(found.category)
                        && entry.trim_start_matches('.') == found.entry
                });
                prop_assert!(listed && domain_holds(&found.entry, &host), "{:?}", found);
            }
        }
    }

    #[test]
    fn urls_are_in_the_categories_that_a_naive_scan_finds(
        entries in entries(url_entry()),
        asked in prop::collection::vec((host(), url_entry()), 20),
    ) {
        let index = index_of(&entries, MatchKind::Url);
        let own = entries.iter().map(|entry| ("www.a.com".to_owned(), entry.2.clone()));
        for (other_host, like) in asked.into_iter().chain(own) {
            let url = entry::url(&like).unwrap();
            let other = Host::parse(&other_host).unwrap();
            for host in [&url.host, &other] {
                for tail in ["", "/", "x", "/b", "/b/c"] {
                    let path = format!("{}{tail}", url.path);
                    let path = normal_path(&path);
                    for query in [None, url.query.as_deref(), Some("q=12"), Some("q=1&r"), Some("q=")] {
                        let port = url.port.unwrap_or(80);
                        let found = index.url_categories(host, port, &path, query);
                        let holds = |entry: &str| url_holds(entry, host, port, &path, query);
                        prop_assert_eq!(
                            found, expected(&index, &entries, host, holds),
                            "{}:{}{} {:?}", host, port, path, query
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn no_line_makes_a_build_panic_or_vanish(lines in prop::collection::vec(".{0,40}", 0..30)) {
        let text = lines.join("\n").replace('\0', "");
        for kind in MatchKind::ALL {
            let path = format!("games/{kind}");
            let built = built(&[("l", &path, text.as_bytes())]);
            let file = &built.report.files[0];
            prop_assert_eq!(file.lines, file.entries + file.duplicates + file.blank + file.faulty);
            prop_assert_eq!(file.faulty, built.report.faults.count());
        }
    }
}
