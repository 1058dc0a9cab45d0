//! Builds of small trees: what matches, what is a fault, what is refused.

#![allow(clippy::unwrap_used)]

mod dear;
mod properties;

use std::collections::BTreeSet;
use std::fs;

use tempfile::TempDir;
use weir_host::Host;

use super::*;
use crate::manifest::{FILE_NAME, Manifest, Written};
use crate::{CategoryId, CategorySet, Match, MatchKind, embedded};

/// Trees of lists, one a source: (source, path, text).
fn trees(files: &[(&str, &str, &[u8])]) -> (TempDir, Vec<Source>) {
    let root = tempfile::tempdir().unwrap();
    let mut names = BTreeSet::new();
    for (source, path, text) in files {
        let path = root.path().join(source).join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        names.insert(*source);
    }
    let sources = names
        .into_iter()
        .map(|name| Source::directory(name, root.path().join(name)));
    let sources = sources.collect();
    (root, sources)
}

fn built(files: &[(&str, &str, &[u8])]) -> Built {
    let (_root, sources) = trees(files);
    build(&sources, &mut |_| {}).unwrap()
}

fn refused(files: &[(&str, &str, &[u8])]) -> String {
    let (_root, sources) = trees(files);
    build(&sources, &mut |_| {}).unwrap_err().to_string()
}

fn names(index: &Index, set: &CategorySet) -> Vec<String> {
    set.iter()
        .map(|id| index.names().name(id).to_string())
        .collect()
}

fn of_host(index: &Index, host: &str) -> Vec<String> {
    names(
        index,
        &index.host_categories(&Host::parse_text(host).unwrap()),
    )
}

fn told(found: &[Match]) -> Vec<String> {
    let one = |m: &Match| format!("{} {} {}", m.list, m.kind, m.entry);
    found.iter().map(one).collect()
}

#[test]
fn a_listed_name_never_matches_inside_a_label() {
    let index = built(&[("l", "games/domains", b"example.com\nwww.other.example\n")]).index;
    let listed = [
        "example.com",
        "www.example.com",
        "a.b.c.example.com",
        "www.other.example",
    ];
    for host in listed {
        assert_eq!(of_host(&index, host), ["games"], "{host}");
    }
    let unlisted = [
        "notexample.com",
        "example.com.evil.example",
        "com",
        "xample.com",
        "example.co",
        "other.example",
        "ww.other.example",
        "wwwxother.example",
    ];
    for host in unlisted {
        assert_eq!(of_host(&index, host), ["unlisted"], "{host}");
    }
}

#[test]
fn a_top_level_domain_matches_only_when_a_list_means_it() {
    let index = built(&[("l", "adult/domains", b".xxx\ncom\n")]).index;
    assert_eq!(of_host(&index, "any.site.xxx"), ["adult"]);
    assert_eq!(of_host(&index, "xxx"), ["adult"]);
    assert_eq!(of_host(&index, "any.com"), ["unlisted"]);
}

#[test]
fn a_name_has_the_categories_of_all_lists_and_all_its_parents() {
    let index = built(&[
        ("one", "games/domains", b"x.example\n"),
        ("one", "social/domains", b"chat.x.example\nx.example\n"),
        ("two", "chat/domains", b"chat.x.example\n"),
        ("two", "games/domains", b"x.example\n"),
    ])
    .index;
    let host = Host::parse("www.chat.x.example").unwrap();
    assert_eq!(
        of_host(&index, "www.chat.x.example"),
        ["chat", "games", "social"]
    );
    assert_eq!(of_host(&index, "x.example"), ["games", "social"]);
    assert_eq!(
        told(&index.all(&host, 443, None, None)),
        [
            "one domains chat.x.example",
            "two domains chat.x.example",
            "one domains x.example",
            "one domains x.example",
            "two domains x.example",
        ]
    );
    let social = index.names().id("social").unwrap();
    let found = index.find(social, &host, 443, None, None).unwrap();
    assert_eq!(
        (&*found.list, found.entry.as_str()),
        ("one", "chat.x.example")
    );
    assert_eq!(
        index.find(CategoryId::UNLISTED, &host, 443, None, None),
        None
    );
}

#[test]
fn addresses_and_networks_are_entries_like_any_other() {
    let list = b"192.0.2.7\n10.0.0.0/8\n2001:db8::/32\n::ffff:198.51.100.1\n";
    let index = built(&[
        ("l", "bypass/domains", list),
        ("m", "malware/domains", b"10.1.2.3"),
    ])
    .index;
    for host in [
        "192.0.2.7",
        "[::ffff:192.0.2.7]",
        "10.9.9.9",
        "[2001:db8::1]",
        "198.51.100.1",
    ] {
        assert_eq!(of_host(&index, host), ["bypass"], "{host}");
    }
    assert_eq!(of_host(&index, "10.1.2.3"), ["bypass", "malware"]);
    for host in ["192.0.2.8", "11.0.0.1", "[2001:db9::1]"] {
        assert_eq!(of_host(&index, host), ["address"], "{host}");
    }
    let host = Host::parse("10.1.2.3").unwrap();
    assert_eq!(
        told(&index.all(&host, 80, Some("/"), None)),
        ["m domains 10.1.2.3", "l domains 10.0.0.0/8"]
    );
    assert_eq!((index.counts().domains, index.counts().addresses), (0, 5));
}

#[test]
fn urls_and_expressions_add_to_what_the_host_is() {
    let index = built(&[
        ("l", "games/domains", b"x.example\n"),
        ("l", "chat/urls", b"x.example/chat\ny.example/chat\n"),
        ("l", "bypass/expressions", br"/dns-query\?(.*&)?dns="),
        (
            "m",
            "chat/urls",
            b"x.example/chat\n192.0.2.9/chat\n[2001:db8::1]/chat\n",
        ),
        (
            "m",
            "games/expressions",
            br"^192\.0\.2\.8/play|^\[2001:db8::8\]/play",
        ),
    ])
    .index;
    let ask = |host: &str, path: &str, query| {
        let host = Host::parse(host).unwrap();
        names(&index, &index.url_categories(&host, 80, path, query))
    };
    assert_eq!(ask("x.example", "/", None), ["games"]);
    assert_eq!(ask("x.example", "/chat/room", None), ["chat", "games"]);
    assert_eq!(ask("y.example", "/chat", None), ["chat"]);
    assert_eq!(ask("y.example", "/", None), ["unlisted"]);
    assert_eq!(
        ask("z.example", "/DNS-query", Some("a=1&dns=AAA")),
        ["bypass"]
    );
    assert_eq!(
        ask("z.example", "/dns-query", Some("a=1&%64ns=AAA")),
        ["bypass"]
    );
    assert_eq!(ask("192.0.2.1", "/dns-query", Some("dns=A")), ["bypass"]);
    assert_eq!(ask("192.0.2.1", "/dns-query", None), ["address"]);
    for address in [
        "192.0.2.9",
        "[::ffff:192.0.2.9]",
        "[64:ff9b::c000:209]",
        "[2001:db8::1]",
    ] {
        assert_eq!(ask(address, "/chat", None), ["chat"], "{address}");
    }
    for address in ["192.0.2.8", "[::ffff:192.0.2.8]", "[2001:db8::8]"] {
        assert_eq!(ask(address, "/play", None), ["games"], "{address}");
    }
    let host = Host::parse("x.example").unwrap();
    assert_eq!(
        told(&index.all(&host, 80, Some("/chat"), None)),
        [
            "l domains x.example",
            "l urls x.example/chat",
            "m urls x.example/chat"
        ]
    );
    let bypass = index.names().id("bypass").unwrap();
    let found = index
        .find(bypass, &host, 80, Some("/dns-query"), Some("dns=A"))
        .unwrap();
    assert_eq!(found.kind, MatchKind::Expression);
    assert_eq!(found.entry, r"/dns-query\?(.*&)?dns=");
}

#[test]
fn bad_lines_are_faults_with_file_and_line_and_the_rest_is_used() {
    let list = "\u{feff}good.example\r\n# note\n\ngood.example # again\nbad..name\n-ok-.example\ncom\nCaps.Example";
    let mut list = list.as_bytes().to_vec();
    list.extend_from_slice(b"\nlatin\xe9.example\nlast.example");
    let built = built(&[
        ("l", "games/domains", &list),
        ("l", "chat/expressions", b"(\nok\nok\n"),
    ]);
    let told: Vec<String> = built
        .report
        .faults
        .iter()
        .map(ToString::to_string)
        .collect();
    let ends = [
        "chat/expressions:1: \"(\": not a regular expression: unclosed group",
        "games/domains:5: \"bad..name\": the name has an empty label",
        "games/domains:7: \"com\": a whole top-level domain: write \".com\" if that is what you mean",
        "games/domains:9: \"latin\u{fffd}.example\": not UTF-8 text",
    ];
    assert_eq!(told.len(), ends.len(), "{told:?}");
    for (text, end) in told.iter().zip(ends) {
        assert!(text.ends_with(end), "{text}");
    }
    assert_eq!(of_host(&built.index, "caps.example"), ["games"]);
    assert_eq!(of_host(&built.index, "last.example"), ["games"]);
    let games = built
        .report
        .files
        .iter()
        .find(|f| f.category == "games")
        .unwrap();
    let numbers = (
        games.lines,
        games.entries,
        games.duplicates,
        games.blank,
        games.faulty,
    );
    assert_eq!(numbers, (10, 4, 1, 2, 3));
    let chat = built
        .report
        .files
        .iter()
        .find(|f| f.category == "chat")
        .unwrap();
    assert_eq!(
        (chat.lines, chat.entries, chat.duplicates, chat.faulty),
        (3, 1, 1, 1)
    );
}

#[test]
fn line_numbers_and_entries_hold_over_files_of_many_chunks() {
    let mut text = String::new();
    for n in 0..400_000 {
        text.push_str(&format!("site-{n}.with-a-longer-name.example\n"));
        if n % 100_000 == 50_000 {
            text.push_str("bad..name\n");
        }
    }
    let built = built(&[("l", "games/domains", text.as_bytes())]);
    let lines: Vec<u64> = built
        .report
        .faults
        .iter()
        .filter_map(|fault| fault.line)
        .collect();
    assert_eq!(lines, [50_002, 150_003, 250_004, 350_005]);
    assert_eq!(built.index.counts().domains, 400_000);
    assert_eq!(built.report.files[0].lines, 400_004);
    for n in (0..400_000).step_by(997) {
        let host = format!("site-{n}.with-a-longer-name.example");
        assert_eq!(of_host(&built.index, &host), ["games"], "{host}");
    }
}

#[test]
fn directories_that_cannot_name_a_category_are_faults() {
    let built = built(&[
        ("l", "games/domains", b"x.example\n"),
        ("l", "Not A Name/domains", b"y.example\n"),
        ("l", "unlisted/domains", b"z.example\n"),
        ("l", ".hidden/domains", b"z.example\n"),
        ("l", "empty/README", b"z.example\n"),
        ("l", "README.md", b"z.example\n"),
    ]);
    assert_eq!(built.report.faults.count(), 2);
    let known: Vec<&str> = built
        .index
        .names()
        .iter()
        .map(|(_, name)| &**name)
        .collect();
    assert_eq!(known, ["unlisted", "address", "empty", "games"]);
    assert_eq!(built.index.counts().categories, 2);
}

#[test]
fn a_half_written_list_is_refused_and_names_its_source() {
    for hole in [
        &b"a.example\n\0\0\0\0"[..],
        b"a.example\nb\xc3\xbc.example\nc\xc3",
        b"\xe2\x82",
    ] {
        let error = refused(&[("fine", "a/domains", b"x.example"), ("cut", "b/urls", hole)]);
        assert!(error.starts_with("list cut: "), "{error}");
        assert!(error.contains("b/urls: half-written: "), "{error}");
    }
    let (_root, mut sources) = trees(&[("fine", "a/domains", b"x.example")]);
    sources.push(Source::directory("gone", "no/such/directory"));
    let error = build(&sources, &mut |_| {}).unwrap_err().to_string();
    assert!(
        error.starts_with("list gone: no/such/directory: "),
        "{error}"
    );
}

#[test]
fn a_list_that_changes_while_it_is_read_is_refused() {
    let (root, sources) = trees(&[("l", "a/domains", b"x.example")]);
    let list = root.path().join("l/b");
    fs::create_dir(&list).unwrap();
    // The kernel makes up this file's content, which is longer than the size that it states.
    std::os::unix::fs::symlink("/proc/self/status", list.join("domains")).unwrap();
    let error = build(&sources, &mut |_| {}).unwrap_err().to_string();
    assert!(
        error.contains("b/domains: half-written: it changed"),
        "{error}"
    );
    fs::remove_file(list.join("domains")).unwrap();
    fs::create_dir(list.join("domains")).unwrap();
    let error = build(&sources, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("b/domains: "), "{error}");
}

#[test]
fn an_imported_source_is_used_only_as_its_import_wrote_it() {
    let domains = b"a.example\nb.example\n";
    let mut manifest = Manifest::new("ut1", "ut1.tar", 0);
    manifest
        .files
        .insert("games/domains".to_owned(), Written::of(domains));
    let manifest = manifest.to_json().unwrap();
    let good: [(&str, &str, &[u8]); 2] = [
        ("ut1", FILE_NAME, &manifest),
        ("ut1", "games/domains", domains),
    ];
    assert_eq!(built(&good).index.counts().domains, 2);
    let table: [(&[u8], &str); 4] = [
        (b"a.example\n", "1 lines, the import wrote 2 lines"),
        (b"a.example\nb.exampl", "1 lines, the import wrote 2 lines"),
        (
            b"a.example\nbb.example\n",
            "21 bytes, the import wrote 20 bytes",
        ),
        (b"a.example\nc.example\n", "SHA-256"),
    ];
    for (text, reason) in table {
        let error = refused(&[good[0], ("ut1", "games/domains", text)]);
        assert!(error.starts_with("list ut1: games/domains has "), "{error}");
        assert!(
            error.contains(reason) && error.ends_with("import it again"),
            "{error}"
        );
    }
    let error = refused(&[good[0], good[1], ("ut1", "chat/domains", b"x.example\n")]);
    assert!(error.contains("chat/domains is there, although"), "{error}");
    let error = refused(&[good[0], ("ut1", "games/readme", b"")]);
    assert!(error.contains("games/domains is missing"), "{error}");
    for bad in [
        &b"{"[..],
        b"{}",
        b"{\"format\":3,\"source\":\"\",\"origin\":\"\",\"imported\":0,\"files\":{}}",
    ] {
        let error = refused(&[("ut1", FILE_NAME, bad), good[1]]);
        assert!(error.starts_with("list ut1: manifest.json: "), "{error}");
    }
}

#[test]
fn what_cannot_be_one_index_is_refused() {
    let (_root, mut sources) = trees(&[("one", "a/domains", b"x.example")]);
    sources.push(sources[0].clone());
    let error = build(&sources, &mut |_| {}).unwrap_err();
    assert!(matches!(error, BuildError::Repeated(_)), "{error}");
    let many: Vec<String> = (0..255).map(|n| format!("c{n}/domains")).collect();
    let many: Vec<_> = many
        .iter()
        .map(|path| ("l", path.as_str(), &b""[..]))
        .collect();
    assert!(refused(&many).contains("257 categories"));
    assert_eq!(built(&many[1..]).index.counts().categories, 254);
}

#[test]
fn the_version_changes_with_any_list_and_with_nothing_else() {
    let one: [(&str, &str, &[u8]); 2] = [
        ("l", "a/domains", b"x.example\n"),
        ("l", "b/urls", b"y.example/z\n"),
    ];
    let version = built(&one).index.version().to_owned();
    assert_eq!(version.len(), 16);
    assert_eq!(built(&one).index.version(), version);
    let others: [[(&str, &str, &[u8]); 2]; 4] = [
        [("l", "a/domains", b"z.example\n"), one[1]],
        [("l", "c/domains", b"x.example\n"), one[1]],
        [("m", "a/domains", b"x.example\n"), one[1]],
        [("l", "a/urls", b"x.example\n"), one[1]],
    ];
    for other in others {
        assert_ne!(built(&other).index.version(), version, "{other:?}");
    }
}

#[test]
fn the_starter_lists_are_without_fault() {
    let built = build(&[embedded()], &mut |_| {}).unwrap();
    let faults: Vec<String> = built
        .report
        .faults
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(faults, [""; 0]);
    assert!(built.index.counts().domains > 100);
    for category in [
        "adult",
        "gambling",
        "bypass",
        "education",
        "security-updates",
    ] {
        assert!(built.index.names().id(category).is_some(), "{category}");
    }
    let repeated: Vec<_> = built
        .report
        .files
        .iter()
        .filter(|file| file.duplicates > 0)
        .collect();
    assert!(repeated.is_empty(), "{repeated:?}");
}

#[test]
fn progress_goes_through_every_phase_to_its_end() {
    let (_root, sources) = trees(&[
        ("l", "a/domains", b"\xef\xbb\xbfx.example\n"),
        ("l", "b/urls", b""),
    ]);
    let mut told: Vec<Progress> = Vec::new();
    build(&sources, &mut |progress| told.push(progress)).unwrap();
    for phase in [Phase::Read, Phase::Parse, Phase::Write] {
        let last = told
            .iter()
            .rfind(|progress| progress.phase == phase)
            .unwrap();
        assert_eq!(last.done, last.total, "{phase:?}");
    }
}

#[test]
fn no_source_at_all_makes_an_index_that_knows_nothing() {
    let index = build(&[], &mut |_| {}).unwrap().index;
    assert_eq!(of_host(&index, "x.example"), ["unlisted"]);
    assert_eq!(index.counts(), crate::Counts::default());
}

#[test]
fn an_index_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Index>();
}

mod exceptions;
mod keywords;
