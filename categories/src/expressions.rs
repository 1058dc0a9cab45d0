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

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use thiserror::Error;

/// Most bytes of one expression.
pub const EXPRESSION_MAX: usize = 4096;
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

/// The expressions of one list and category.
#[derive(Debug)]
pub(crate) struct Expressions {
    parts: Vec<(RegexSet, Vec<String>)>,
}

impl Expressions {
    /// Compiles expressions that [`check`] has passed.
    pub(crate) fn new(texts: Vec<String>) -> Expressions {
        let mut parts = Vec::new();
        compile(texts, &mut parts);
        Expressions { parts }
    }

    /// True when any of them matches.
    pub(crate) fn is_match(&self, subject: &str) -> bool {
        self.parts
            .iter()
            .any(|(set, _)| set.is_match(subject.as_bytes()))
    }

    /// Those that match.
    pub(crate) fn matching(&self, subject: &str) -> impl Iterator<Item = &str> {
        self.parts.iter().flat_map(move |(set, texts)| {
            set.matches(subject.as_bytes())
                .into_iter()
                .filter_map(|at| texts.get(at).map(String::as_str))
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|(_, texts)| texts.len()).sum()
    }
}

/// All in one set if that stays within bounds, else in halves. A single one that [`check`] passed always compiles.
fn compile(mut texts: Vec<String>, parts: &mut Vec<(RegexSet, Vec<String>)>) {
    if texts.is_empty() {
        return;
    }
    let compiled = RegexSetBuilder::new(&texts)
        .case_insensitive(true)
        .unicode(false)
        .size_limit(SET_LIMIT)
        .build();
    match compiled {
        Ok(set) => parts.push((set, texts)),
        Err(_) if texts.len() > 1 => {
            let rest = texts.split_off(texts.len() / 2);
            compile(texts, parts);
            compile(rest, parts);
        }
        Err(_) => {}
    }
}

/// What expressions are matched against. Takes normal forms.
pub(crate) fn subject(host: &str, path: &str, query: Option<&str>) -> String {
    let length = host.len() + path.len() + query.map_or(0, |query| query.len() + 1);
    let mut text = String::with_capacity(length);
    text.push_str(host);
    text.push_str(path);
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    text
}

/// Checks that `text` can be used.
///
/// # Errors
/// [`ExpressionError`] says why not.
pub(crate) fn check(text: &str) -> Result<(), ExpressionError> {
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
    Ok(())
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
        Expressions::new(vec![expression.to_owned()]).is_match(subject)
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
        let texts: Vec<String> = (0..60).map(|n| format!("x{n}y[a-z]{{10000}}")).collect();
        let list = Expressions::new(texts.clone());
        assert!(list.parts.len() > 1, "one set took it all");
        assert_eq!(list.len(), texts.len());
        for at in [0, 31, 59] {
            let subject = format!("x{at}y{}", "q".repeat(10_000));
            let found: Vec<&str> = list.matching(&subject).collect();
            assert_eq!(found, [texts[at].as_str()]);
        }
    }

    #[test]
    fn every_expression_that_matches_is_told() {
        let list = Expressions::new(vec!["aa".into(), "bb".into(), "cc".into()]);
        let found: Vec<&str> = list.matching("x.example/cc/aa").collect();
        assert_eq!(found, ["aa", "cc"]);
    }
}
