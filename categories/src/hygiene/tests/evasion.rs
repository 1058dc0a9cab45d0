//! What a dirty or hostile publisher could write so that nobody is asked.

use super::*;

/// What is held of `entries` in a file of a first import, with the reasons.
fn held_of(rules: Rules, path: &str, entries: &[&str]) -> Vec<String> {
    let bench = Bench {
        rules,
        ..Bench::new()
    };
    let mut files = files(&[(path, entries)]);
    // So that there is a list whatever is held.
    files
        .entry("adult/domains".to_owned())
        .or_default()
        .insert("x.example".to_owned());
    bench.import(&files);
    let mut found = Vec::new();
    each_held(bench.root(), "ut1", |held| {
        found.push(format!("{} {}", held.entry, held.reason.word()));
        Ok(())
    })
    .unwrap();
    found.sort();
    found
}

fn school() -> Rules {
    Rules::new().with_lists(&[crate::embedded()]).unwrap()
}

#[test]
fn threats_7_a_site_is_held_under_the_name_that_everybody_visits_it_by() {
    let found = held_of(
        school(),
        "adult/domains",
        &[
            "www.google.com",
            "www.wikipedia.org",
            "www.childline.org.uk",
            "x.google.com",
            "www.weir-asks.com",
        ],
    );
    assert_eq!(
        found,
        [
            "www.childline.org.uk allow-set",
            "www.google.com top-site",
            "www.wikipedia.org allow-set"
        ]
    );
}

#[test]
fn threats_7_a_url_that_is_a_whole_site_by_its_port_or_root_is_held_as_the_site() {
    let found = held_of(
        school(),
        "adult/urls",
        &[
            "google.com/",
            "google.com:80/",
            "www.google.com:443/",
            "com/",
            "com:80/",
            "google.com/x",
            "google.com:80/x",
        ],
    );
    assert_eq!(
        found,
        [
            "com/ public-suffix",
            "com:80/ public-suffix",
            "google.com/ allow-set",
            "google.com:80/ allow-set",
            "www.google.com:443/ top-site",
        ]
    );
}

#[test]
fn threats_7_exceptions_that_void_a_whole_list_are_held_in_every_spelling() {
    let found = held_of(
        school(),
        "adult/exceptions",
        &[
            ".com",
            "co.uk/",
            "com:443/",
            "0.0.0.0/0",
            "x.example",
            "y.example/z",
        ],
    );
    assert_eq!(
        found,
        [
            ".com public-suffix",
            "0.0.0.0/0 too-wide",
            "co.uk/ public-suffix",
            "com:443/ public-suffix"
        ]
    );
}

#[test]
fn threats_7_an_expression_that_fits_the_web_or_a_site_that_schools_rely_on_is_held() {
    let expressions = [
        ".",
        "/",
        "[a-z]",
        "^[^/]*e",
        r"\.com",
        r"\.(com|net|org)/",
        r"^[^/]*google",
        r"(^|\.)bbc\.co\.uk/",
        "childline",
        // Topics.
        r"(^|[-\?+=/_])sex([-\.\?+=/_]|$)",
        r"google\..*/search.q=cache",
        r"^[^/]*pornhub",
        r"/banner/",
    ];
    let found = held_of(school(), "adult/expressions", &expressions);
    assert_eq!(
        found,
        [
            r"(^|\.)bbc\.co\.uk/ allow-set",
            ". too-wide",
            "/ too-wide",
            "[a-z] too-wide",
            r"\.(com|net|org)/ too-wide",
            r"\.com too-wide",
            r"^[^/]*e too-wide",
            r"^[^/]*google too-wide",
            "childline allow-set",
        ]
    );
}

#[test]
fn threats_7_a_network_of_many_holders_is_held() {
    let networks = [
        "0.0.0.0/0",
        "0.0.0.0/1",
        "64.0.0.0/7",
        "2000::/3",
        "10.0.0.0/8",
        "192.0.2.0/24",
        "2001:db8::/32",
        "192.0.2.1",
    ];
    let found = held_of(school(), "malware/domains", &networks);
    assert_eq!(
        found,
        [
            "0.0.0.0/0 too-wide",
            "0.0.0.0/1 too-wide",
            "2000::/3 too-wide",
            "64.0.0.0/7 too-wide"
        ]
    );
    let found = held_of(school(), "education/domains", &["0.0.0.0/1"]);
    assert_eq!(found, ["0.0.0.0/1 too-wide"]);
}

#[test]
fn threats_7_a_publisher_does_not_open_what_the_schools_own_lists_have_elsewhere() {
    let found = held_of(
        school(),
        "education/domains",
        &[
            "bet365.com",
            "www.bet365.com",
            "maths.example",
            "education.minecraft.net",
        ],
    );
    assert_eq!(
        found,
        ["bet365.com contradiction", "www.bet365.com contradiction"]
    );
    let found = held_of(school(), "security-updates/expressions", &[".", "kdqvxh"]);
    assert_eq!(found, [". too-wide"]);
}

#[test]
fn threats_7_a_publisher_who_begins_to_say_what_is_allowed_is_held_however_little_it_is() {
    let bench = Bench {
        rules: school(),
        ..Bench::new()
    };
    let before = files(&[("adult/domains", &["a.example"])]);
    bench.import(&before);
    let mut after = before.clone();
    after.extend(files(&[
        ("education/domains", &["proxy.example"]),
        ("games/domains", &["b.example"]),
    ]));
    bench.import(&after);
    assert_eq!(
        bench.held(),
        BTreeSet::from(["+education/domains proxy.example".to_owned()])
    );
    // A first import may have such lists: whoever imports it sees its categories.
    let first = Bench::new();
    first.import(&after);
    assert_eq!(first.live(), after);
}

#[test]
fn what_is_held_says_why_and_is_read_back() {
    let reasons = [
        Reason::TooWide,
        Reason::Contradiction {
            category: "gambling".to_owned(),
            name: "bet365.com".to_owned(),
        },
    ];
    for reason in reasons {
        assert_eq!(Reason::read(&reason.to_string()), Some(reason.clone()));
        assert!(!reason.words().is_empty());
    }
}
