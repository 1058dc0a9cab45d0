//! Keywords as lists have them, looked for in addresses as people have them.

#![allow(clippy::unwrap_used)]

mod evasions;
mod hostile;
mod innocent;
mod languages;
mod properties;

use weir_host::{Host, normal_path, normal_query};

use super::*;
use crate::expressions::SUBJECT_MAX;
use crate::urls::Address;

const TAG: u16 = 7;

fn list(texts: &[&str]) -> Keywords {
    let read = |text: &&str| (TAG, Keyword::read(text).unwrap());
    Keywords::new(texts.iter().map(read).collect()).unwrap()
}

/// The keywords that are in an address, asked in both ways, which must agree.
fn of_address(keywords: &Keywords, host: &str, path: &str, query: Option<&str>) -> Vec<String> {
    let path = normal_path(path);
    let query = query.map(normal_query);
    let address = Address {
        host: &Host::parse(host).unwrap(),
        port: 80,
        path: &path,
        query: query.as_deref(),
    };
    let mut found = Vec::new();
    let mut tagged = false;
    with_words(&address, |words| {
        keywords.each(words, |tag, text| {
            assert_eq!(tag, TAG);
            found.push(text.to_owned());
        });
        keywords.tags(words, |_| tagged = true);
    });
    assert_eq!(tagged, !found.is_empty(), "{path} {query:?}");
    found
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// True when somebody who searches for `term` searches for `keyword`; asked of a term and of a path, which must agree.
fn is_in(keyword: &str, term: &str) -> bool {
    let keywords = list(&[keyword]);
    let query = format!("hl=en&q={}", encoded(term));
    let searched = of_address(&keywords, "www.google.com", "/search", Some(&query));
    let path = format!("/x/{}/y", encoded(term));
    let in_path = of_address(&keywords, "site.example", &path, None);
    assert_eq!(searched, in_path, "{keyword:?} {term:?}");
    !searched.is_empty()
}

fn assert_all(table: &[(&str, &str, bool)]) {
    let wrong: Vec<_> = table
        .iter()
        .filter(|(keyword, term, expected)| is_in(keyword, term) != *expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_keyword_means_whole_words_unless_a_star_says_otherwise() {
    assert_all(&[
        ("knife", "knife", true),
        ("knife", "Buy a KNIFE, now!", true),
        ("knife", "penknife", false),
        ("knife", "knifes", false),
        ("knife", "knife2", false),
        ("knife*", "knifes", true),
        ("knife*", "penknife", false),
        ("*knife", "penknife", true),
        ("*knife", "penknifes", false),
        ("*knife*", "penknifes", true),
        ("*knife*", "kni fe", false),
    ]);
}

#[test]
fn the_words_of_a_phrase_are_joined_by_anything_that_is_no_letter() {
    let keywords = list(&["buy a knife"]);
    for term in [
        "buy+a+knife",
        "buy%20a%20knife",
        "buy-a-knife",
        "Buy_A_Knife",
        "buy.a.knife",
        "buy/a/knife",
        "where+to+buy+--+a%0Aknife%3F",
        "buy%2Ba%2Bknife",
        "buy%2520a%2520knife",
    ] {
        let query = format!("q={term}");
        let found = of_address(&keywords, "www.bing.com", "/search", Some(&query));
        assert_eq!(found, ["buy a knife"], "{term}");
        let found = of_address(
            &keywords,
            "site.example",
            &format!("/how/to/{term}.html"),
            None,
        );
        assert_eq!(found, ["buy a knife"], "{term}");
    }
    for term in ["buy+aknife", "buyaknife", "buy+the+knife", "a+knife+buy"] {
        let query = format!("q={term}");
        let found = of_address(&keywords, "www.bing.com", "/search", Some(&query));
        assert_eq!(found, [""; 0], "{term}");
    }
}

#[test]
fn every_part_of_an_address_but_its_host_is_searched_each_by_itself() {
    let keywords = list(&["knife", "kitchen knife"]);
    let table: [(&str, &str, Option<&str>, &[&str]); 10] = [
        ("www.google.com", "/search", Some("q=knife"), &["knife"]),
        ("x.example", "/", Some("id=knife"), &["knife"]),
        ("x.example", "/", Some("knife"), &["knife"]),
        ("x.example", "/", Some("knife=1"), &["knife"]),
        ("x.example", "/a/knife", None, &["knife"]),
        (
            "x.example",
            "/",
            Some("u=http%3A%2F%2Fy.example%2F%3Fq%3Dknife"),
            &["knife"],
        ),
        (
            "x.example",
            "/",
            Some("a=kitchen+knife"),
            &["kitchen knife", "knife"],
        ),
        ("x.example", "/", Some("a=kitchen&b=knife"), &["knife"]),
        ("x.example", "/kitchen", Some("knife"), &["knife"]),
        ("knife.example", "/", Some("a=b"), &[]),
    ];
    for (host, path, query, expected) in table {
        assert_eq!(
            of_address(&keywords, host, path, query),
            expected,
            "{host}{path}?{query:?}"
        );
    }
}

#[test]
fn no_filling_before_a_search_term_hides_it_and_no_address_is_read_without_end() {
    let keywords = list(&["knife"]);
    let filling = "x".repeat(SUBJECT_MAX);
    let query = format!("pad={filling}&q=knife");
    assert_eq!(
        of_address(&keywords, "www.google.com", "/search", Some(&query)),
        ["knife"]
    );
    let path = format!("/{filling}/knife");
    assert_eq!(of_address(&keywords, "x.example", &path, None), [""; 0]);
    let path = format!("/{}/knife", &filling[..SUBJECT_MAX - 7]);
    assert_eq!(of_address(&keywords, "x.example", &path, None), ["knife"]);
}

/// An attacker chooses the address; what it costs must not depend on that.
#[test]
fn the_worst_addresses_cost_no_more_than_their_length() {
    let texts: Vec<String> = (3..100).map(|n| format!("*{}*", "a".repeat(n))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let keywords = list(&texts);
    let begin = std::time::Instant::now();
    for unit in [
        "a", "a!", "4", "!", "@", "a\u{430}", "\u{fdfa}", "a\u{301}", "\u{200b}", "%25",
    ] {
        let query = format!("q={}", encoded(&unit.repeat(SUBJECT_MAX)));
        for _ in 0..3 {
            of_address(&keywords, "www.google.com", "/search", Some(&query));
        }
    }
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}

#[test]
fn an_address_without_words_is_not_looked_at() {
    let host = Host::parse("x.example").unwrap();
    for query in [None, Some("")] {
        let address = Address {
            host: &host,
            port: 80,
            path: "/",
            query,
        };
        assert!(with_words(&address, |_| ()).is_none());
    }
}

#[test]
fn a_line_that_is_no_keyword_says_why() {
    let long = "a".repeat(KEYWORD_MAX + 1);
    let folds_long = "ﷺ".repeat(20);
    let table = [
        ("", "needs letters or digits"),
        ("*", "needs letters or digits"),
        ("-- /", "needs letters or digits"),
        ("\u{301}\u{200b}", "needs letters or digits"),
        ("ab", "2 letters or digits are too few"),
        ("*ab*", "2 letters or digits are too few"),
        ("a - b", "2 letters or digits are too few"),
        ("12", "2 letters or digits are too few"),
        ("本", "1 letters or digits are too few"),
        ("กี", "too few"),
        ("a*bc", "at the beginning and at the end"),
        ("**abc", "at the beginning and at the end"),
        ("abc#d", "begins a comment"),
        ("abc\u{1}d", "control characters"),
        (&long, "longer than 200 bytes"),
        (&folds_long, "longer than 200 bytes"),
    ];
    for (text, reason) in table {
        let error = Keyword::read(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{text:?}: {error}");
    }
}

#[test]
fn a_keyword_is_kept_as_it_is_listed_but_for_blanks() {
    let table = [
        ("Café  Noir", "Café Noir"),
        (" * knife * ", "*knife*"),
        ("\u{feff}knife\u{ad}", "knife"),
        ("日本", "日本"),
        ("mp3", "mp3"),
    ];
    for (text, expected) in table {
        let keyword = Keyword::read(text).unwrap();
        assert_eq!(keyword.listed, expected);
        assert_eq!(
            Keyword::read(expected).unwrap(),
            keyword,
            "{expected:?} is not stable"
        );
    }
}

#[test]
fn of_spellings_that_are_the_same_the_first_is_told_and_the_longest_keyword_first() {
    let keywords = list(&["cafe", "CAFÉ", "cafe*", "kiil", "kill", "kill them"]);
    assert_eq!(keywords.len(), 5);
    let found = of_address(&keywords, "x.example", "/cafe", None);
    assert_eq!(found, ["cafe*", "cafe"]);
    let found = of_address(&keywords, "x.example", "/kill-them", None);
    assert_eq!(found, ["kill them", "kill"]);
    let found = of_address(&keywords, "x.example", "/k1il", None);
    assert_eq!(found, ["kiil"]);
}

#[test]
fn what_was_written_is_read_and_nothing_else() {
    let texts = ["knife", "日本", "*buy a knife", "łódź"];
    let mut bytes = Vec::new();
    for text in texts {
        Keywords::write(TAG, &Keyword::read(text).unwrap().listed, &mut bytes);
    }
    let keywords = Keywords::read(&bytes).unwrap();
    assert_eq!(keywords.len(), 4);
    assert_eq!(of_address(&keywords, "x.example", "/Lodz", None), ["łódź"]);
    assert!(Keywords::read(&[]).unwrap().is_empty());
    for end in 1..bytes.len() {
        if let Some(fewer) = Keywords::read(&bytes[..end]) {
            assert!(fewer.len() < 4, "{end}");
        }
    }
    for bad in [
        &[7, 0, 2, 0, b'a', b'b'][..],
        &[7, 0, 3, 0, 0xff, 0xff, 0xff],
        &[7, 0, 255, 255],
        &[7],
    ] {
        assert!(Keywords::read(bad).is_none(), "{bad:?}");
    }
}
