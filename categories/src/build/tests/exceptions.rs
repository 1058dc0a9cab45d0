//! Which entries exceptions make void, by kind of source and by how exact each is.

use super::*;
use crate::manifest::Written;

/// Sources named `imported…` get a manifest, all others are what people edit.
fn index_of(files: &[(&str, &str, &str)]) -> Index {
    let texts: Vec<(&str, &str, &[u8])> = files
        .iter()
        .map(|(source, path, text)| (*source, *path, text.as_bytes()))
        .collect();
    let (root, sources) = trees(&texts);
    for source in sources
        .iter()
        .filter(|source| source.name.starts_with("imported"))
    {
        let mut manifest = Manifest::new(&source.name, "x.tar", 0);
        for (_, path, text) in texts.iter().filter(|(of, ..)| *of == source.name) {
            manifest.files.insert((*path).to_owned(), Written::of(text));
        }
        let path = root.path().join(&source.name).join(FILE_NAME);
        fs::write(path, manifest.to_json().unwrap()).unwrap();
    }
    let built = build(&sources, &mut |_| {}).unwrap();
    assert!(built.report.faults.is_empty(), "{:?}", built.report.faults);
    built.index
}

/// The categories of an address; without a path those of a tunnel.
fn of(index: &Index, address: &str) -> Vec<String> {
    let (host, path) = match address.find('/') {
        Some(at) => (&address[..at], Some(&address[at..])),
        None => (address, None),
    };
    let host = Host::parse(host).unwrap();
    let set = match path {
        Some(path) => index.url_categories(&host, 80, path, None),
        None => index.host_categories(&host),
    };
    // Every way to ask says the same.
    let all = index.all(&host, 80, path, None);
    for (id, name) in index.names().iter().skip(2) {
        let holding = all.iter().any(|m| m.category == id && m.voided.is_none());
        assert_eq!(holding, set.contains(id), "{address} {name} {all:?}");
        let found = index.find(id, &host, 80, path, None);
        assert_eq!(found.is_some(), holding, "{address} {name}");
    }
    names(index, &set)
}

fn table(files: &[(&str, &str, &str)], cases: &[(&str, &[&str])]) {
    let index = index_of(files);
    for (address, expected) in cases {
        assert_eq!(of(&index, address), *expected, "{address}");
    }
}

#[test]
fn an_imported_exception_voids_its_own_sources_entries_however_long_and_no_others() {
    table(
        &[
            (
                "imported-one",
                "ads/domains",
                "x.example\nbad.ok.x.example\n10.0.0.0/8\n",
            ),
            (
                "imported-one",
                "ads/urls",
                "ok.x.example/a/b\ny.example/a/b\n",
            ),
            ("imported-one", "ads/expressions", "needle\n"),
            ("imported-one", "games/domains", "ok.x.example\n"),
            (
                "imported-one",
                "ads/exceptions",
                "ok.x.example\ny.example/a\n10.1.0.0/16\n",
            ),
            ("imported-two", "ads/domains", "two.ok.x.example\n"),
            ("local", "ads/domains", "mine.ok.x.example\n"),
        ],
        &[
            ("x.example", &["ads"]),
            ("ok.x.example", &["games"]),
            ("bad.ok.x.example", &["games"]),
            ("bad.ok.x.example/a", &["games"]),
            ("ok.x.example/a/b", &["games"]),
            ("ok.x.example/needle", &["games"]),
            ("z.example/needle", &["ads"]),
            ("notok.x.example", &["ads"]),
            ("two.ok.x.example", &["ads", "games"]),
            ("mine.ok.x.example", &["ads", "games"]),
            ("y.example/a/b", &["unlisted"]),
            ("y.example/c/needle", &["ads"]),
            ("10.2.0.1", &["ads"]),
            ("10.1.0.1", &["address"]),
        ],
    );
}

#[test]
fn a_local_exception_voids_whatever_imports_and_starter_lists_say() {
    table(
        &[
            (
                "imported-one",
                "ads/domains",
                "x.example\nlong.ok.x.example\n",
            ),
            ("imported-one", "ads/expressions", "needle\n"),
            ("imported-two", "ads/domains", "ok.x.example\n"),
            ("imported-two", "games/domains", "ok.x.example\n"),
            ("local", "ads/exceptions", "ok.x.example\n"),
        ],
        &[
            ("x.example", &["ads"]),
            ("ok.x.example", &["games"]),
            ("long.ok.x.example", &["games"]),
            ("long.ok.x.example/needle", &["games"]),
            ("x.example/needle", &["ads"]),
        ],
    );
}

#[test]
fn among_local_lists_the_more_exact_wins_and_the_entry_wins_a_tie() {
    table(
        &[
            (
                "local",
                "ads/domains",
                "x.example\nbad.ok.x.example\ntie.example\n10.0.0.0/8\n10.1.2.3\n",
            ),
            ("local", "ads/urls", "ok.x.example/a\nshop.example/a/b\n"),
            ("local", "ads/expressions", "needle\n"),
            (
                "other",
                "ads/exceptions",
                "ok.x.example\ntie.example\n10.1.0.0/16\nshop.example/a\nx.example/fine\n",
            ),
        ],
        &[
            ("x.example", &["ads"]),
            ("ok.x.example", &["unlisted"]),
            ("any.ok.x.example", &["unlisted"]),
            ("bad.ok.x.example", &["ads"]),
            ("tie.example", &["ads"]),
            ("ok.x.example/a", &["ads"]),
            ("ok.x.example/b/needle", &["unlisted"]),
            ("shop.example/a/b", &["ads"]),
            ("shop.example/a/c", &["unlisted"]),
            ("x.example/fine/thing", &["unlisted"]),
            ("x.example/other", &["ads"]),
            ("10.9.0.1", &["ads"]),
            ("10.1.0.1", &["address"]),
            ("10.1.2.3", &["ads"]),
        ],
    );
}

#[test]
fn an_exception_with_a_path_does_nothing_where_no_path_is_seen() {
    table(
        &[
            ("imported-one", "ads/domains", "x.example\n"),
            ("local", "ads/exceptions", "x.example/\n"),
        ],
        &[("x.example", &["ads"]), ("x.example/any", &["unlisted"])],
    );
}

#[test]
fn a_void_match_is_told_with_the_exception_that_makes_it_so() {
    let index = index_of(&[
        ("imported-one", "ads/domains", "x.example\n"),
        ("local", "ads/exceptions", "ok.x.example\n"),
    ]);
    let all = index.all(&Host::parse("a.ok.x.example").unwrap(), 80, None, None);
    assert_eq!(told(&all), ["imported-one domains x.example"]);
    let voided = all[0].voided.as_ref().unwrap();
    assert_eq!((&*voided.list, &*voided.entry), ("local", "ok.x.example"));
}

#[test]
fn exceptions_are_counted_and_their_faults_told_like_any_list() {
    let (_root, sources) = trees(&[(
        "l",
        "ads/exceptions",
        b"x.example\nX.example\n# why\n*.bad\n10.0.0.0/8\n10.0.0.0/8\nx.example/a\nx.example/a/\n",
    )]);
    let built = build(&sources, &mut |_| {}).unwrap();
    let file = &built.report.files[0];
    let numbers = (
        file.lines,
        file.entries,
        file.duplicates,
        file.blank,
        file.faulty,
    );
    assert_eq!(numbers, (8, 3, 3, 1, 1));
    assert_eq!(built.index.counts().domains, 0);
}
