//! Search terms, site by site.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{Target, normal_path};

/// Site and terms of an address, each readable.
fn told(address: &str) -> (Option<&'static str>, Vec<String>) {
    let target = Target::parse_absolute(address).unwrap();
    let path = normal_path(target.path());
    let page = SearchPage::of(&target.host, &path);
    let terms = search_terms(&target.host, &path, target.query());
    let terms = terms.inspect(|term| assert_eq!(term.engine, page.engine()));
    let terms = terms.map(|term| decoded_term(term.value)).collect();
    (page.engine(), terms)
}

#[test]
fn the_term_of_every_known_site_is_found_af_08() {
    let table = [
        (
            "http://www.google.com/search?q=red+fish&hl=en",
            "google",
            "red fish",
        ),
        (
            "http://google.co.uk/search?hl=en&q=red%20fish",
            "google",
            "red fish",
        ),
        (
            "http://www.google.com.tr/search?q=bal%C4%B1k",
            "google",
            "balık",
        ),
        (
            "http://suggestqueries.google.com/complete/search?client=x&q=red",
            "google",
            "red",
        ),
        (
            "http://scholar.google.de/scholar?q=fisch",
            "google",
            "fisch",
        ),
        ("http://www.bing.com/search?q=red+fish", "bing", "red fish"),
        ("http://www.bing.com/images/search?q=fish", "bing", "fish"),
        (
            "http://duckduckgo.com/?q=red+fish&ia=web",
            "duckduckgo",
            "red fish",
        ),
        (
            "http://uk.search.yahoo.com/search?p=red+fish",
            "yahoo",
            "red fish",
        ),
        (
            "http://search.yahoo.co.jp/search?p=%E9%AD%9A",
            "yahoo",
            "魚",
        ),
        ("http://www.ecosia.org/search?q=fish", "ecosia", "fish"),
        (
            "http://www.youtube.com/results?search_query=red+fish",
            "youtube",
            "red fish",
        ),
        (
            "http://www.startpage.com/sp/search?query=fish",
            "startpage",
            "fish",
        ),
        ("http://www.qwant.com/?q=poisson&t=web", "qwant", "poisson"),
        ("http://search.brave.com/search?q=fish", "brave", "fish"),
        (
            "http://yandex.ru/search/?text=%D1%80%D1%8B%D0%B1%D0%B0",
            "yandex",
            "рыба",
        ),
        ("http://yandex.com.tr/search/?text=fish", "yandex", "fish"),
        ("http://ya.ru/search?text=fish", "yandex", "fish"),
        ("http://www.baidu.com/s?wd=%E9%B1%BC", "baidu", "鱼"),
        ("http://www.sogou.com/web?query=fish", "sogou", "fish"),
        ("http://www.so.com/s?q=fish", "so", "fish"),
        (
            "http://search.naver.com/search.naver?query=%EB%AC%BC",
            "naver",
            "물",
        ),
        ("http://search.daum.net/search?q=fish", "daum", "fish"),
        ("http://search.seznam.cz/?q=ryba", "seznam", "ryba"),
        ("http://www.ask.com/web?q=fish", "ask", "fish"),
        ("http://search.aol.com/aol/search?q=fish", "aol", "fish"),
        ("http://www.mojeek.com/search?q=fish", "mojeek", "fish"),
        (
            "http://swisscows.com/en/web?query=fisch",
            "swisscows",
            "fisch",
        ),
        ("http://kagi.com/search?q=fish", "kagi", "fish"),
        ("http://www.kiddle.co/s.php?q=fish", "kiddle", "fish"),
        (
            "http://www.perplexity.ai/search?q=fish",
            "perplexity",
            "fish",
        ),
        (
            "http://en.wikipedia.org/w/index.php?search=red+fish&title=x",
            "wikipedia",
            "red fish",
        ),
        (
            "http://www.amazon.co.uk/s?k=red+fish&ref=nb",
            "amazon",
            "red fish",
        ),
        (
            "http://www.amazon.de/s/?field-keywords=fisch",
            "amazon",
            "fisch",
        ),
        ("http://www.ebay.co.uk/sch/i.html?_nkw=fish", "ebay", "fish"),
        ("http://www.tiktok.com/search?q=fish&t=1", "tiktok", "fish"),
        ("http://x.com/search?q=fish&src=typed", "x", "fish"),
        ("http://www.reddit.com/search/?q=fish", "reddit", "fish"),
        (
            "http://www.pinterest.co.uk/search/pins/?q=fish",
            "pinterest",
            "fish",
        ),
        (
            "http://www.facebook.com/search/top?q=fish",
            "facebook",
            "fish",
        ),
        ("http://vimeo.com/search?q=fish", "vimeo", "fish"),
        ("http://www.twitch.tv/search?term=fish", "twitch", "fish"),
        ("http://giphy.com/explore?q=fish", "giphy", "fish"),
        (
            "http://www.roblox.com/discover/?Keyword=fish",
            "roblox",
            "fish",
        ),
        ("http://archive.org/search?query=fish", "archive", "fish"),
    ];
    for (address, engine, term) in table {
        assert_eq!(
            told(address),
            (Some(engine), vec![term.to_owned()]),
            "{address}"
        );
    }
    let tested = |engine: &&Engine| table.iter().any(|(_, name, _)| *name == engine.name);
    let untested: Vec<&str> = ENGINES
        .iter()
        .filter(|e| !tested(e))
        .map(|e| e.name)
        .collect();
    assert_eq!(untested, [""; 0]);
}

#[test]
fn a_known_site_has_no_other_terms_than_its_own() {
    for address in [
        "http://www.google.com/url?q=http://x.example/",
        "http://www.youtube.com/watch?v=abc&q=x",
        "http://www.bing.com/search?text=x",
        "http://www.bing.com/search?q=",
        "http://www.bing.com/search?q",
        "http://www.bing.com/search",
    ] {
        assert_eq!(told(address).1, [""; 0], "{address}");
    }
}

#[test]
fn elsewhere_parameters_with_the_usual_names_are_terms() {
    let table: [(&str, &[&str]); 8] = [
        ("http://shop.example/find?query=a+b&page=2", &["a b"]),
        ("http://shop.example/?s=a&Keywords=b%2Bc", &["a", "b+c"]),
        ("http://192.0.2.1/?q=a", &["a"]),
        ("http://notgoogle.example/search?text=a", &["a"]),
        ("http://google.evil.example/x?s=a", &["a"]),
        ("http://xgoogle.com/x?k=a", &["a"]),
        ("http://shop.example/?page=2", &[]),
        ("http://shop.example/?q=a=b&qq=c", &["a=b"]),
    ];
    for (address, terms) in table {
        let (engine, found) = told(address);
        assert_eq!(
            (engine, found),
            (None, terms.iter().map(|t| (*t).to_owned()).collect()),
            "{address}"
        );
    }
}

#[test]
fn a_term_is_decoded_once_and_whatever_it_holds() {
    let table = [
        ("a+b", "a b"),
        ("a%2Bb", "a+b"),
        ("%2570orn", "%70orn"),
        ("%", "%"),
        ("%4", "%4"),
        ("%zz%41", "%zzA"),
        ("caf%C3%A9", "café"),
        ("caf%E9", "caf\u{fffd}"),
        ("", ""),
    ];
    for (value, expected) in table {
        assert_eq!(decoded_term(value), expected, "{value}");
    }
}
