//! Lists that are made to be dear: whoever writes a list decides what it finds, never what a request costs.

use std::time::{Duration, Instant};

use super::*;

/// Most time for one address, in a build without optimisation and on a busy machine.
const BOUND: Duration = Duration::from_secs(2);

/// `letters` in base `forms.len()`: `number` written as `count` of the forms.
fn spelled(forms: &[&str], count: u32, mut number: usize) -> String {
    (0..count)
        .map(|_| {
            let form = forms[number % forms.len()];
            number /= forms.len();
            form
        })
        .collect()
}

/// Tags and named keywords of a search, each of which must be quick.
fn asked(keywords: &Keywords, query: &str) -> (Vec<u16>, Vec<(u16, String)>) {
    let host = Host::parse("www.google.com").unwrap();
    let query = normal_query(query);
    let address = Address {
        host: &host,
        port: 80,
        path: "/search",
        query: Some(&query),
    };
    let (mut tags, mut named) = (Vec::new(), Vec::new());
    with_words(&address, |words| {
        let begin = Instant::now();
        keywords.tags(words, |tag| tags.push(tag));
        assert!(begin.elapsed() < BOUND, "tags: {:?}", begin.elapsed());
        let begin = Instant::now();
        keywords.each(words, |tag, text| named.push((tag, text.to_owned())));
        assert!(begin.elapsed() < BOUND, "each: {:?}", begin.elapsed());
    });
    tags.sort_unstable();
    (tags, named)
}

#[test]
fn a_hundred_thousand_spellings_of_one_keyword_are_one_and_cost_no_more_af_11() {
    let accents = ["a", "á", "à", "â", "ä", "ã", "å", "ā", "ă", "ą"];
    let texts = (0..100_000).map(|n| format!("*{}", spelled(&accents, 5, n)));
    let mut found: Vec<_> = texts
        .map(|text| (1, Keyword::read(&text).unwrap()))
        .collect();
    found.push((2, Keyword::read("knife").unwrap()));
    let keywords = Keywords::new(found).unwrap();
    assert_eq!(keywords.len(), 2);
    let query = format!("q={}+knife", "a".repeat(SUBJECT_MAX - 6));
    let (tags, named) = asked(&keywords, &query);
    assert_eq!(tags, [1, 2]);
    let expected = [(1, "*aaaaa".to_owned()), (2, "knife".to_owned())];
    assert_eq!(named, expected);
}

#[test]
fn a_hundred_thousand_keywords_that_look_alike_are_cut_and_cost_no_more_af_11() {
    // As keywords all differ; what stands in an address may be any of them.
    let signs = ["a", "4", "@"];
    let texts = (0..100_000).map(|n| format!("*x{}*", spelled(&signs, 11, n)));
    let found: Vec<_> = texts
        .map(|text| (1, Keyword::read(&text).unwrap()))
        .collect();
    let keywords = Keywords::new(found).unwrap();
    assert_eq!(keywords.len(), ALIKE_MAX);
    let query = format!("q={}", "x44444444444".repeat(SUBJECT_MAX / 12));
    let (tags, named) = asked(&keywords, &query);
    assert_eq!(tags, [1]);
    assert!(
        !named.is_empty() && named.len() <= ALIKE_MAX,
        "{}",
        named.len()
    );
}

#[test]
fn keywords_that_end_at_every_place_are_named_in_part_and_every_list_is_found_af_11() {
    let texts = (3..=150).map(|n| format!("*{}*", "a".repeat(n)));
    let texts: Vec<String> = texts.collect();
    let of_list = |tag: u16| {
        let read = |text: &String| (tag, Keyword::read(text).unwrap());
        texts.iter().map(read).collect::<Vec<_>>()
    };
    let keywords = Keywords::new((0..300).flat_map(of_list).collect()).unwrap();
    let (tags, named) = asked(&keywords, &format!("q={}", "a".repeat(SUBJECT_MAX)));
    assert_eq!(tags, (0..300).collect::<Vec<_>>());
    assert!(
        (NAMED_MAX..=NAMED_MAX + 300).contains(&named.len()),
        "{}",
        named.len()
    );
    for tag in tags {
        assert!(named.iter().any(|(of, _)| *of == tag), "{tag}");
    }
}

#[test]
fn an_honest_list_names_all_that_is_in_the_longest_address() {
    let syllables = ["ka", "ne", "ro", "su", "ti", "mo", "de", "fa", "gu", "he"];
    let words: Vec<String> = (0..100_000).map(|n| spelled(&syllables, 5, n)).collect();
    let read = |(n, text): (usize, &String)| ((n % 40) as u16, Keyword::read(text).unwrap());
    let keywords = Keywords::new(words.iter().enumerate().map(read).collect()).unwrap();
    let mut some: Vec<&str> = words
        .iter()
        .skip(50_000)
        .take(700)
        .map(String::as_str)
        .collect();
    let (tags, named) = asked(&keywords, &format!("q={}", some.join("+")));
    assert_eq!(tags, (0..40).collect::<Vec<_>>());
    let mut named: Vec<&str> = named.iter().map(|(_, text)| &**text).collect();
    named.sort_unstable();
    some.sort_unstable();
    assert_eq!(named, some);
}
