//! Decides which expressions need not be asked about an address: those of which every match contains one of some words,
//! where none of these is there. All words of all lists are looked for in one pass.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

/// Fewest bytes of a word: shorter ones are in most addresses.
const WORD_MIN: usize = 3;
/// Most words of one expression.
const WORDS_MAX: usize = 1000;
/// Most words in all; beyond it they cost more memory than they save time.
const ALL_MAX: usize = 100_000;

/// Words of which each match of `expression` has at least one, in lower case; `None` when there are no such words.
pub(super) fn required(expression: &str) -> Option<Vec<Vec<u8>>> {
    // Read with regard to case, so that letters stay words; what matches without regard to case then has the same word but
    // for case, which the search ignores.
    let hir = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(expression)
        .ok()?;
    words(&hir).filter(|words| shortest(words) >= WORD_MIN)
}

fn words(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(vec![literal.0.to_ascii_lowercase()]),
        HirKind::Capture(capture) => words(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => words(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(words).max_by_key(|words| {
            let few = usize::MAX - words.len();
            (shortest(words), few)
        }),
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.append(&mut words(part)?);
                if all.len() > WORDS_MAX {
                    return None;
                }
            }
            Some(all)
        }
        HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) | HirKind::Repetition(_) => None,
    }
}

fn shortest(words: &[Vec<u8>]) -> usize {
    words.iter().map(Vec::len).min().unwrap_or(0)
}

/// Words with the number of the expressions that need them.
#[derive(Debug, Default)]
pub(super) struct Words {
    words: Vec<Vec<u8>>,
    of: Vec<u32>,
    always: Vec<usize>,
}

impl Words {
    /// The expressions with this number need one of `words`.
    pub(super) fn add<'a>(&mut self, words: impl Iterator<Item = &'a Vec<u8>>, number: usize) {
        for word in words {
            self.words.push(word.clone());
            self.of.push(number as u32);
        }
    }

    /// The expressions with this number are always asked.
    pub(super) fn always(&mut self, number: usize) {
        self.always.push(number);
    }
}

/// Tells which expressions to ask.
#[derive(Debug, Default)]
pub(super) struct Filter {
    search: Option<AhoCorasick>,
    /// For each word.
    of: Vec<u32>,
    always: Vec<usize>,
    count: usize,
}

impl Filter {
    /// A filter of `count` numbered groups of expressions.
    pub(super) fn new(words: Words, count: usize) -> Filter {
        let search = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&words.words)
            .ok()
            .filter(|_| words.words.len() <= ALL_MAX);
        let Words { of, mut always, .. } = words;
        if search.is_none() {
            always = (0..count).collect();
        }
        Filter {
            search: search.filter(|_| !of.is_empty()),
            of,
            always,
            count,
        }
    }

    /// Gives `ask` each group that may have a match in `subject`, once.
    pub(super) fn each(&self, subject: &[u8], mut ask: impl FnMut(usize)) {
        self.always.iter().copied().for_each(&mut ask);
        let Some(search) = &self.search else { return };
        let first = search.find_overlapping_iter(subject).next();
        if first.is_none() {
            return;
        }
        let mut asked = vec![false; self.count];
        for found in search.find_overlapping_iter(subject) {
            let Some(number) = self.of.get(found.pattern().as_usize()) else {
                continue;
            };
            let number = *number as usize;
            if let Some(asked) = asked.get_mut(number).filter(|asked| !**asked) {
                *asked = true;
                ask(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(expression: &str) -> Option<Vec<String>> {
        let found = required(expression)?;
        let text = |word: Vec<u8>| String::from_utf8_lossy(&word).into_owned();
        Some(found.into_iter().map(text).collect())
    }

    #[test]
    fn the_words_are_ones_that_every_match_must_have() {
        let table: [(&str, Option<&[&str]>); 12] = [
            ("(/banner/|/event.ng/)", Some(&["/banner/", "/event"])),
            (r".*/ymsgr*\.exe", Some(&["/ymsg"])),
            (r"google\..*/search.q=cache", Some(&["q=cache"])),
            (r"(^|[-\?+=/_])SEX([-\.\?+=/_]|$)", Some(&["sex"])),
            ("(porn|sex)?x", None),
            ("(porn|x)", None),
            ("(porn)+[0-9]*", Some(&["porn"])),
            ("(porn){0,3}abc", Some(&["abc"])),
            ("[a-z]+", None),
            ("(?i)needle", None),
            ("ab", None),
            ("^$", None),
        ];
        for (expression, expected) in table {
            let found = told(expression);
            let found: Option<Vec<&str>> = found
                .as_ref()
                .map(|words| words.iter().map(String::as_str).collect());
            assert_eq!(found.as_deref(), expected, "{expression}");
        }
    }
}
