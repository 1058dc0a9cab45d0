//! The automaton beside a plain reading of what docs/lists-keywords.md says.

use proptest::prelude::*;

use super::*;

/// A character, and whether its word has a letter.
type Symbol = (char, bool);

fn is_sign(c: char) -> bool {
    "@$!|".contains(c)
}

/// Words of lower-case ASCII text, joined by single blanks.
fn words(text: &str) -> Vec<Symbol> {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || is_sign(c);
    let mut all: Vec<Vec<Symbol>> = Vec::new();
    for word in text.split(|c: char| !is_of_word(c)) {
        if word.chars().any(|c| c.is_ascii_alphabetic()) {
            let word = word.trim_matches('!');
            all.push(word.chars().map(|c| (c, true)).collect());
        } else {
            let numbers = word.split(is_sign).filter(|number| !number.is_empty());
            all.extend(numbers.map(|number| number.chars().map(|c| (c, false)).collect()));
        }
    }
    all.retain(|word| !word.is_empty());
    all.join(&(' ', false))
}

fn shortened(text: &[Symbol], times: usize) -> Vec<Symbol> {
    let mut out = Vec::new();
    for run in text.chunk_by(|a, b| a == b) {
        let (c, letters) = run[0];
        let stretches = run.len() > 2 && c != ' ' && (letters || !c.is_ascii_digit());
        let count = if stretches { times } else { run.len() };
        out.extend(std::iter::repeat_n(run[0], count));
    }
    out
}

fn stands_for((found, letters): Symbol, listed: char) -> bool {
    let letters_of = match found {
        '0' => "o",
        '1' => "il",
        '3' => "e",
        '4' | '@' => "a",
        '5' | '$' => "s",
        '7' => "t",
        '8' => "b",
        '!' => "i",
        '|' => "l",
        _ => "",
    };
    found == listed || ((letters || is_sign(found)) && letters_of.contains(listed))
}

/// What the manual says, tried at every place.
fn naive(keyword: &str, text: &str) -> bool {
    let bare = keyword.trim_matches('*');
    let listed: Vec<char> = words(bare).into_iter().map(|(c, _)| c).collect();
    let text = words(text);
    let ends = |symbol: Option<&Symbol>| symbol.is_none_or(|(c, _)| *c == ' ' || is_sign(*c));
    let found = |text: &[Symbol]| {
        (0..text.len()).any(|start| {
            let Some(part) = text.get(start..start + listed.len()) else {
                return false;
            };
            let before = keyword.starts_with('*') || ends(start.checked_sub(1).map(|at| &text[at]));
            let after = keyword.ends_with('*') || ends(text.get(start + listed.len()));
            let same = part
                .iter()
                .zip(&listed)
                .all(|(found, listed)| stands_for(*found, *listed));
            before && after && same
        })
    };
    found(&text) || found(&shortened(&text, 1)) || found(&shortened(&text, 2))
}

fn alphabet(text: &'static str) -> impl Strategy<Value = char> {
    prop::sample::select(text.chars().collect::<Vec<char>>())
}

fn keyword() -> impl Strategy<Value = String> {
    let letters = prop::collection::vec(alphabet("aaiillsst1145 @$!-"), 3..8);
    let stars = (any::<bool>(), any::<bool>());
    (stars, letters).prop_filter_map("a keyword", |((before, after), letters)| {
        let word: String = letters.into_iter().collect();
        let star = |is: bool| if is { "*" } else { "" };
        let text = format!("{}{word}{}", star(before), star(after));
        Keyword::read(&text).ok().map(|keyword| keyword.listed)
    })
}

/// Random text, with pieces of keywords in it so that there is something to find.
fn text(keywords: &[String]) -> impl Strategy<Value = String> + use<> {
    let pieces: Vec<String> = keywords.iter().map(|k| k.replace('*', "")).collect();
    let noise = || prop::collection::vec(alphabet("aiiillsst11455 @$!|-"), 0..10);
    let pieces = prop::collection::vec((noise(), prop::sample::select(pieces), any::<u16>()), 0..4);
    (pieces, noise()).prop_map(|(pieces, last)| {
        let mut text = String::new();
        for (noise, piece, which) in pieces {
            text.extend(noise);
            text.extend(
                piece
                    .chars()
                    .enumerate()
                    .map(|(at, c)| match (which >> (at % 16)) & 1 {
                        0 => c,
                        _ => match c {
                            'a' => '4',
                            'i' => '!',
                            'l' => '1',
                            's' => '$',
                            't' => '7',
                            ' ' => '-',
                            c => c,
                        },
                    }),
            );
        }
        text.extend(last);
        text
    })
}

fn keywords_and_text() -> impl Strategy<Value = (Vec<String>, String)> {
    prop::collection::vec(keyword(), 1..12).prop_flat_map(|mut keywords| {
        keywords.sort_unstable();
        // Of keywords that fold to the same a list has the first alone.
        let mut seen = std::collections::HashSet::new();
        keywords.retain(|text| {
            Keyword::read(text).is_ok_and(|one| seen.insert((one.folded.clone(), one.open)))
        });
        let text = text(&keywords);
        (Just(keywords), text)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn answers_are_those_of_a_naive_scan((keywords, text) in keywords_and_text()) {
        let expected: Vec<&String> = keywords.iter().filter(|k| naive(k, &text)).collect();
        let texts: Vec<&str> = keywords.iter().map(String::as_str).collect();
        let query = format!("x={}", encoded(&text));
        let mut found = of_address(&list(&texts), "x.example", "/", Some(&query));
        found.sort_unstable();
        prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{:?}", text);
    }

    #[test]
    fn any_text_is_searched_and_any_keyword_is_found_in_itself(text in "\\PC{0,40}", filling in "\\PC{0,20}") {
        let keywords = list(&["knife", "武器", "*нож*"]);
        of_address(&keywords, "x.example", &format!("/{text}"), Some(&filling));
        // What looks like a triplet is decoded once more.
        if let Some(keyword) = Keyword::read(&text).ok().filter(|_| !text.contains('%')) {
            let listed = keyword.listed.clone();
            let again = Keyword::read(&listed);
            prop_assert_eq!(again.as_ref(), Ok(&keyword));
            let keywords = list(&[&listed]);
            let query = format!("q=({})", encoded(listed.trim_matches('*')));
            let found = of_address(&keywords, "www.google.com", "/search", Some(&query));
            prop_assert_eq!(found, [listed]);
        }
    }
}
