//! Lists of keywords: built, faulty, excepted, in both layers.

use super::*;

fn of_url(index: &Index, host: &str, path: &str, query: Option<&str>) -> Vec<String> {
    let host = Host::parse(host).unwrap();
    names(index, &index.url_categories(&host, 80, path, query))
}

fn all_of_url(index: &Index, host: &str, path: &str, query: Option<&str>) -> Vec<Match> {
    index.all(&Host::parse(host).unwrap(), 80, Some(path), query)
}

#[test]
fn a_keyword_puts_a_search_into_its_category_and_is_named_as_listed_af_11() {
    let index = built(&[
        (
            "one",
            "weapons/keywords",
            "Café  Gun # why\n*knife\n".as_bytes(),
        ),
        ("two", "weapons/keywords", b"cafe gun\n"),
        ("two", "games/domains", b"play.example\n"),
    ])
    .index;
    assert_eq!(index.counts().keywords, 3);
    let term = Some("q=CAFE+6un+cafe+gun");
    assert_eq!(
        of_url(&index, "www.google.com", "/search", term),
        ["weapons"]
    );
    let found = all_of_url(&index, "www.google.com", "/search", term);
    assert_eq!(
        told(&found),
        ["one keywords Café Gun", "two keywords cafe gun"]
    );
    let host = Host::parse("www.google.com").unwrap();
    let weapons = index.names().id("weapons").unwrap();
    let found = index
        .find(weapons, &host, 80, Some("/search"), term)
        .unwrap();
    assert_eq!(
        (&*found.list, found.kind, &*found.entry),
        ("one", MatchKind::Keyword, "Café Gun")
    );
    // Entries of names come first.
    let found = all_of_url(&index, "play.example", "/penknife", None);
    assert_eq!(
        told(&found),
        ["two domains play.example", "one keywords *knife"]
    );
    assert_eq!(
        of_url(&index, "www.google.com", "/search", Some("q=cafe+guns")),
        ["unlisted"]
    );
    assert_eq!(of_url(&index, "www.google.com", "/", None), ["unlisted"]);
}

#[test]
fn a_tunnel_shows_no_words_so_keywords_do_not_apply() {
    let index = built(&[("l", "weapons/keywords", b"knife\n")]).index;
    assert_eq!(of_host(&index, "knife.example"), ["unlisted"]);
    assert_eq!(
        index.all(&Host::parse("knife.example").unwrap(), 443, None, None),
        []
    );
}

#[test]
fn bad_keywords_are_faults_with_file_and_line_and_the_rest_is_used() {
    let list = "\u{feff}knife\n# note\nab\n\nmachine gun # why\nkni*fe\nKnife\nknife  \n武\n";
    let built = built(&[("l", "weapons/keywords", list.as_bytes())]);
    let faults: Vec<String> = built
        .report
        .faults
        .iter()
        .map(ToString::to_string)
        .collect();
    let ends = [
        "weapons/keywords:3: \"ab\": 2 letters or digits are too few: a keyword has at least 3, in Chinese, Japanese or Korean 2",
        "weapons/keywords:6: \"kni*fe\": a \"*\" can stand at the beginning and at the end of a keyword only",
        "weapons/keywords:9: \"武\": 1 letters or digits are too few: a keyword has at least 3, in Chinese, Japanese or Korean 2",
    ];
    assert_eq!(faults.len(), ends.len(), "{faults:?}");
    for (text, end) in faults.iter().zip(ends) {
        assert!(text.ends_with(end), "{text}");
    }
    let file = &built.report.files[0];
    let numbers = (
        file.lines,
        file.entries,
        file.duplicates,
        file.blank,
        file.faulty,
    );
    assert_eq!(numbers, (9, 2, 2, 2, 3));
    assert_eq!(built.index.counts().keywords, 2);
    assert_eq!(
        of_url(&built.index, "x.example", "/a-machine_gun.html", None),
        ["weapons"]
    );
}

#[test]
fn an_exception_makes_keywords_void_as_it_does_expressions() {
    let index = built(&[
        ("l", "weapons/keywords", b"knife\n"),
        (
            "l",
            "weapons/exceptions",
            b"cook.example\nshop.example/kitchen\n",
        ),
    ])
    .index;
    let table = [
        ("x.example", "/knife", "weapons"),
        ("cook.example", "/knife", "unlisted"),
        ("www.cook.example", "/knife", "unlisted"),
        ("shop.example", "/knife", "weapons"),
        ("shop.example", "/kitchen/knife", "unlisted"),
    ];
    for (host, path, expected) in table {
        assert_eq!(of_url(&index, host, path, None), [expected], "{host}{path}");
    }
    let found = all_of_url(&index, "cook.example", "/knife", None);
    assert_eq!(found[0].voided.as_ref().unwrap().entry, "cook.example");
}

#[test]
fn more_keywords_than_memory_is_meant_for_are_refused_as_a_whole() {
    let text: String = (0..=crate::keywords::KEYWORDS_MAX)
        .map(|n| format!("kw{n}\n"))
        .collect();
    let error = refused(&[("l", "weapons/keywords", text.as_bytes())]);
    assert!(error.contains("more than 500000 keywords"), "{error}");
}

#[test]
fn spellings_of_one_keyword_are_duplicates_and_too_many_that_look_alike_are_faults() {
    let mut text: String = ["aaaaaa", "áaaaaa", "Aaaaaa"]
        .map(|text| format!("{text}\n"))
        .concat();
    for number in 0..100 {
        let of = |place: u32| if number >> place & 1 == 0 { 'a' } else { '4' };
        let signs: String = (0..7).map(of).collect();
        text.push_str(&format!("z{signs}\n"));
    }
    let built = built(&[("l", "weapons/keywords", text.as_bytes())]);
    let file = &built.report.files[0];
    let numbers = (file.lines, file.entries, file.duplicates, file.faulty);
    assert_eq!(numbers, (103, 65, 2, 36));
    assert_eq!(built.index.counts().keywords, 65);
    let fault = built.report.faults.iter().next().unwrap().to_string();
    assert!(
        fault.contains("64 keywords that differ from it in nothing but"),
        "{fault}"
    );
    let all = built.index.all(
        &Host::parse("x.example").unwrap(),
        80,
        Some("/áaaaaa"),
        None,
    );
    assert_eq!(told(&all), ["l keywords aaaaaa"]);
}

/// A pupil who types a keyword chooses the category.
#[test]
fn no_keyword_opens_anything_whoever_lists_it_af_11() {
    let built = built(&[
        ("l", "education/keywords", b"# sums\nmaths\n*htm*\n"),
        ("l", "education/domains", b"maths.example\n"),
        ("l", "weapons/keywords", b"maths\n"),
    ]);
    let faults: Vec<String> = built
        .report
        .faults
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults[0].contains("education/keywords:2: \"maths\": keywords cannot open"),
        "{faults:?}"
    );
    let index = built.index;
    assert_eq!(
        of_url(&index, "x.example", "/a.html", Some("maths")),
        ["weapons"]
    );
    assert_eq!(of_host(&index, "maths.example"), ["education"]);
}
