//! Decides which expressions of the lists match an address, written as `host/path?query`.
//!
//! The address is the normal form that everything else is decided on, without scheme, port and fragment, and therefore ASCII;
//! letters match without regard to case. Expressions run on the `regex` crate in time linear in the address, whatever they
//! are, and what one may become in memory is bounded; so no expression can stall a request.
//!
//! Lists are written for POSIX extended expressions, and those mean the same here with these exceptions, which are reported
//! as faults instead of matching something else: collating elements and equivalence classes (`[[.x.]]`, `[[=x=]]`), unknown
//! character classes (`[[:<:]]`), a bare `[` and the set operators `&&`, `--`, `~~` inside brackets, back-references. A
//! backslash inside brackets escapes, as most list authors believe, where POSIX takes it literally.

pub(crate) mod cost;
mod prefilter;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use thiserror::Error;
use weir_host::Host;

use self::prefilter::{Filter, Words};
use crate::urls::Address;

/// Most bytes of one expression.
pub const EXPRESSION_MAX: usize = 4096;
/// Most bytes of an address that expressions see: as long as the request line that common servers take (8 KiB). What a longer
/// address has behind them is not looked at.
pub const SUBJECT_MAX: usize = 8192;
/// What one expression may become, in bytes. The largest in UT1 needs about a tenth.
const ONE_LIMIT: usize = 1 << 20;
/// What the expressions of one list compiled together may become, in bytes; beyond it they are compiled in parts.
const SET_LIMIT: usize = 16 << 20;

/// Why a line of `expressions` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExpressionError {
    /// The `regex` crate's reason.
    #[error("not a regular expression: {0}")]
    Syntax(String),
    /// It would need more than a megabyte compiled.
    #[error("too large once compiled")]
    TooBig,
    /// More than [`EXPRESSION_MAX`] bytes.
    #[error("longer than {EXPRESSION_MAX} bytes")]
    TooLong,
    /// A POSIX construct that would mean something else here.
    #[error("{0:?} inside brackets means something else in POSIX than here")]
    Posix(String),
    /// Characters that no address in normal form has.
    #[error("addresses are compared percent-encoded, so an expression with {0:?} never matches")]
    NotAscii(char),
    /// It matches the empty text and so every address.
    #[error("matches every address")]
    Everything,
}

/// The expressions of all lists of a layer.
#[derive(Debug, Default)]
pub(crate) struct Expressions {
    /// Tag and texts of each list.
    lists: Vec<(u16, Vec<String>)>,
    parts: Vec<Part>,
    filter: Filter,
}

/// Expressions of one list that are asked together.
#[derive(Debug)]
struct Part {
    tag: u16,
    set: RegexSet,
    texts: Vec<String>,
}

impl Expressions {
    /// Compiles expressions that [`check`] has passed: for each list its tag and its expressions.
    pub(crate) fn new(lists: Vec<(u16, Vec<String>)>) -> Expressions {
        let mut parts = Vec::new();
        let mut words = Words::default();
        for (tag, texts) in &lists {
            let with_words = |text: &String| (text.clone(), prefilter::required(text));
            let (some, none): (Vec<_>, Vec<_>) = texts
                .iter()
                .map(with_words)
                .partition(|(_, words)| words.is_some());
            let from = parts.len();
            compile(
                *tag,
                some.iter().map(|(text, _)| text.clone()).collect(),
                &mut parts,
            );
            for number in from..parts.len() {
                some.iter()
                    .for_each(|(_, found)| words.add(found.iter().flatten(), number));
            }
            let from = parts.len();
            compile(
                *tag,
                none.into_iter().map(|(text, _)| text).collect(),
                &mut parts,
            );
            (from..parts.len()).for_each(|number| words.always(number));
        }
        Expressions {
            filter: Filter::new(words, parts.len()),
            lists,
            parts,
        }
    }

    /// Gives `found` the tag of every list of which any expression matches.
    pub(crate) fn tags(&self, subject: &Subject, mut found: impl FnMut(u16)) {
        if self.parts.is_empty() {
            return;
        }
        let text = subject.bytes();
        self.filter.each(text, |number| {
            if let Some(part) = self.parts.get(number)
                && part.set.is_match(text)
            {
                found(part.tag);
            }
        });
    }

    /// Gives `found` every expression that matches with the tag of its list.
    pub(crate) fn each<'a>(&'a self, subject: &Subject, mut found: impl FnMut(u16, &'a str)) {
        for part in &self.parts {
            for at in part.set.matches(subject.bytes()) {
                if let Some(text) = part.texts.get(at) {
                    found(part.tag, text);
                }
            }
        }
    }

    /// Tag and texts of each list.
    pub(crate) fn lists(&self) -> &[(u16, Vec<String>)] {
        &self.lists
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lists.iter().map(|(_, texts)| texts.len()).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// All in one set if that stays within bounds, else in halves. A single one that [`check`] passed always compiles.
fn compile(tag: u16, mut texts: Vec<String>, parts: &mut Vec<Part>) {
    if texts.is_empty() {
        return;
    }
    let compiled = RegexSetBuilder::new(&texts)
        .case_insensitive(true)
        .unicode(false)
        .size_limit(SET_LIMIT)
        .build();
    match compiled {
        Ok(set) => parts.push(Part { tag, set, texts }),
        Err(_) if texts.len() > 1 => {
            let rest = texts.split_off(texts.len() / 2);
            compile(tag, texts, parts);
            compile(tag, rest, parts);
        }
        Err(_) => {}
    }
}

/// What expressions are matched against.
pub(crate) struct Subject(String);

impl Subject {
    fn bytes(&self) -> &[u8] {
        let bytes = self.0.as_bytes();
        bytes.get(..SUBJECT_MAX).unwrap_or(bytes)
    }
}

/// The text of an address for expressions.
pub(crate) fn subject(address: &Address<'_>) -> Subject {
    let (path, query) = (address.path, address.query);
    let mut text =
        String::with_capacity(64 + path.len() + query.map_or(0, |query| query.len() + 1));
    match address.host {
        Host::Name(name) => text.push_str(name.as_str()),
        host => text.push_str(&host.bracketed().to_string()),
    }
    text.push_str(path);
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    Subject(text)
}

/// Checks that `text` can be used.
///
/// # Errors
/// [`ExpressionError`] says why not.
pub(crate) fn check(text: &str) -> Result<(), ExpressionError> {
    compiled(text).map(|_| ())
}

/// An expression that [`check`] passes, by itself.
///
/// # Errors
/// As [`check`].
pub(crate) fn compiled(text: &str) -> Result<Regex, ExpressionError> {
    if text.len() > EXPRESSION_MAX {
        return Err(ExpressionError::TooLong);
    }
    if let Some(c) = text.chars().find(|c| !c.is_ascii()) {
        return Err(ExpressionError::NotAscii(c));
    }
    if let Some(construct) = posix_only(text) {
        return Err(ExpressionError::Posix(construct));
    }
    let regex = RegexBuilder::new(text)
        .case_insensitive(true)
        .unicode(false)
        .size_limit(ONE_LIMIT)
        .build()
        .map_err(reason)?;
    if matches_everything(&regex) {
        return Err(ExpressionError::Everything);
    }
    Ok(regex)
}

/// An unanchored expression that matches the empty text matches everywhere; `^$` matches the empty text alone.
fn matches_everything(regex: &Regex) -> bool {
    regex.is_match(b"") && regex.is_match(b"\x01")
}

fn reason(error: regex::Error) -> ExpressionError {
    match error {
        regex::Error::CompiledTooBig(_) => ExpressionError::TooBig,
        error => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            let short = last.strip_prefix("error: ").unwrap_or(last);
            ExpressionError::Syntax(short.to_owned())
        }
    }
}

const CLASSES: [&str; 12] = [
    "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "xdigit",
];

/// The first construct inside brackets that POSIX and the `regex` crate read differently.
fn posix_only(text: &str) -> Option<String> {
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '[']) {
        let (_, found) = rest.split_at(at);
        let after = found.get(1..)?;
        rest = if found.starts_with('\\') {
            after.get(1..)?
        } else {
            match bracket(after) {
                Ok(after) => after,
                Err(construct) => return Some(construct),
            }
        };
    }
    None
}

/// What follows a bracket expression, given what follows its `[`.
fn bracket(text: &str) -> Result<&str, String> {
    let mut rest = text.strip_prefix('^').unwrap_or(text);
    rest = rest.strip_prefix(']').unwrap_or(rest);
    loop {
        if rest.is_empty() || rest.starts_with(']') {
            return Ok(rest.get(1..).unwrap_or_default());
        }
        if let Some(class) = rest.strip_prefix("[:") {
            rest = known_class(class).ok_or_else(|| construct(rest))?;
            continue;
        }
        if rest.starts_with('[') || ["&&", "--", "~~"].iter().any(|op| rest.starts_with(op)) {
            return Err(construct(rest));
        }
        let skipped = if rest.starts_with('\\') { 2 } else { 1 };
        rest = rest.get(skipped..).unwrap_or_default();
    }
}

fn known_class(text: &str) -> Option<&str> {
    let (name, after) = text.split_once(":]")?;
    CLASSES.contains(&name).then_some(after)
}

fn construct(text: &str) -> String {
    text.chars().take(2).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(expression: &str, subject: &str) -> bool {
        check(expression).unwrap();
        !matching(&[expression], subject).is_empty()
    }

    fn list(texts: &[&str]) -> Expressions {
        Expressions::new(vec![(
            3,
            texts.iter().map(|text| (*text).to_owned()).collect(),
        )])
    }

    /// Asks in both ways, which must agree.
    fn matching(texts: &[&str], subject: &str) -> Vec<String> {
        let list = list(texts);
        let subject = Subject(subject.to_owned());
        let mut found = Vec::new();
        list.each(&subject, |tag, text| {
            assert_eq!(tag, 3);
            found.push(text.to_owned());
        });
        let mut tagged = false;
        list.tags(&subject, |_| tagged = true);
        assert_eq!(tagged, !found.is_empty(), "{texts:?} {:?}", subject.0);
        found
    }

    #[test]
    fn expressions_match_the_whole_address_without_regard_to_case() {
        let table = [
            ("(/banner/|/event.ng/)", "a.example/x/Banner/1.gif", true),
            ("(/banner/|/event.ng/)", "a.example/x/banners/1.gif", false),
            (
                r"^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+/search\?q=[0-9]+$",
                "192.0.2.1/search?q=12",
                true,
            ),
            (
                r"^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+/search\?q=[0-9]+$",
                "a.192.0.2.1/search?q=12",
                false,
            ),
            (r".*/ymsgr*\.exe", "a.example/ymsgrrr.exe", true),
            (
                r"google\..*/search.q=cache",
                "google.co.uk/search?q=cache:x",
                true,
            ),
            ("[[:digit:]]{3}$", "a.example/123", true),
            (r"(^|[-\?+=/_])sex([-\.\?+=/_]|$)", "sussex.example/", false),
            (r"(^|[-\?+=/_])sex([-\.\?+=/_]|$)", "a.example/sex", true),
        ];
        for (expression, subject, expected) in table {
            assert_eq!(
                found(expression, subject),
                expected,
                "{expression} on {subject}"
            );
        }
    }

    #[test]
    fn what_posix_reads_differently_is_a_fault_not_a_guess() {
        for text in [
            "[[.hyphen.]]",
            "x[a[=e=]]",
            "[[:<:]]sex",
            "[a[b]]",
            "[a--b]",
            "[a&&b]",
            "[]a~~b]",
        ] {
            assert!(
                matches!(check(text), Err(ExpressionError::Posix(_))),
                "{text}"
            );
        }
        for text in [
            r"\[\[\.",
            "[]a]b",
            "[^]a]b",
            r"[\[a]",
            "[a-z[:digit:]_-]x",
            "[-a]x",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn an_expression_that_cannot_be_used_says_why() {
        let table = [
            ("(a", "unclosed group"),
            (r"(a)\1", "backreferences are not supported"),
            ("((a{200}){200}){200}", "too large"),
            (".*", "matches every address"),
            ("(porn)?", "matches every address"),
            ("caf\u{e9}", "percent-encoded"),
        ];
        for (text, reason) in table {
            let error = check(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert_eq!(
            check(&"a".repeat(EXPRESSION_MAX + 1)),
            Err(ExpressionError::TooLong)
        );
    }

    #[test]
    fn a_list_too_large_for_one_set_is_compiled_in_parts_and_all_of_it_matches() {
        let texts: Vec<String> = (0..60).map(|n| format!("x{n}y[a-z]{{8000}}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let list = list(&texts);
        assert!(list.parts.len() > 1, "one set took it all");
        assert_eq!(list.len(), texts.len());
        for at in [0, 31, 59] {
            let subject = format!("x{at}y{}", "q".repeat(8_000));
            assert_eq!(matching(&texts, &subject), [texts[at]]);
        }
    }

    #[test]
    fn every_expression_that_matches_is_told() {
        assert_eq!(
            matching(&["aa", "bb", "cc"], "x.example/cc/aa"),
            ["aa", "cc"]
        );
    }

    #[test]
    fn an_address_is_looked_at_as_far_as_servers_take_it() {
        let path = |before: usize| format!("x.example/{}needle", "a".repeat(before));
        assert_eq!(matching(&["needle"], &path(8_000)), ["needle"]);
        assert_eq!(matching(&["needle"], &path(SUBJECT_MAX)), [""; 0]);
    }

    /// The worst that could be thought of: expressions whose automata grow without end, so that the engine falls back to its
    /// slowest way, on the longest address.
    #[test]
    fn no_expression_stalls_a_request() {
        let worst = [
            "(a|b)*a(a|b){400}c",
            "([a-z0-9]+/)+[a-z]{2000}=$",
            "(.*a){30}b{50}$",
            "(x+x+)+y",
        ];
        let subject = Subject(format!("x.example/{}", "abax".repeat(4_000)));
        for text in worst {
            check(text).unwrap();
            let list = list(&[text]);
            let begin = std::time::Instant::now();
            list.tags(&subject, |_| {});
            let took = begin.elapsed();
            println!("{text}: {took:?}");
            assert!(took < std::time::Duration::from_secs(1), "{text}: {took:?}");
        }
    }
}
