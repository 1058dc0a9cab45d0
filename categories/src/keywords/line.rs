//! Decides what a line of `keywords` is: a keyword in the form that is kept and shown, or a fault with its reason.

use thiserror::Error;

use super::fold::{BLANK, Text, Toward, is_unspaced};
use super::letters;

/// Most bytes of a keyword, as it is written and once it is folded.
pub const KEYWORD_MAX: usize = 200;
/// Fewest letters and digits.
const LEAST: usize = 3;
/// Fewest where one is a Chinese character, kana or a Korean syllable.
const LEAST_SYLLABLES: usize = 2;

/// Why a line of `keywords` cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeywordError {
    /// Nothing that could be looked for.
    #[error("a keyword needs letters or digits")]
    Empty,
    /// So short that it is in everything.
    #[error(
        "{0} letters or digits are too few: a keyword has at least {LEAST}, in Chinese, Japanese or Korean {LEAST_SYLLABLES}"
    )]
    Short(usize),
    /// More than [`KEYWORD_MAX`] bytes.
    #[error("longer than {KEYWORD_MAX} bytes")]
    Long,
    /// A `*` elsewhere than at an end.
    #[error("a \"*\" can stand at the beginning and at the end of a keyword only")]
    Star,
    /// A `#` without a blank before it.
    #[error("a \"#\" begins a comment: leave it out, keywords are letters and digits only")]
    Hash,
    /// In a category that allows.
    #[error(
        "keywords cannot open: whoever types one would have any site as this category; list names or URLs here, and keywords in categories that block"
    )]
    Opens,
    /// Something that no text has.
    #[error("control characters cannot stand in a keyword")]
    Control,
}

/// A keyword that can be looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keyword {
    /// As people wrote it, with single blanks.
    pub(crate) listed: String,
    pub(super) folded: Vec<u8>,
    pub(super) skeleton: Vec<u8>,
    /// It may go on before, after: for a `*`, or since its script has no spaces.
    pub(super) open: (bool, bool),
}

impl Keyword {
    /// Reads the content of a line.
    ///
    /// # Errors
    /// [`KeywordError`] says why it is no keyword.
    pub(crate) fn read(text: &str) -> Result<Keyword, KeywordError> {
        let listed = tidy(text)?;
        let words = listed.strip_prefix('*').unwrap_or(&listed);
        let open_before = words.len() < listed.len();
        let word = words.strip_suffix('*').unwrap_or(words);
        let open_after = word.len() < words.len();
        if word.contains('*') {
            return Err(KeywordError::Star);
        }
        let mut text = Text::default();
        text.begin(Toward::Latin);
        text.push(word.as_bytes());
        text.finish();
        let Text {
            folded, skeleton, ..
        } = text;
        if folded.len() > KEYWORD_MAX {
            return Err(KeywordError::Long);
        }
        measure(&folded)?;
        let last = folded
            .iter()
            .rposition(|byte| byte & 0xc0 != 0x80)
            .unwrap_or(0);
        let open = (
            open_before || is_unspaced(&folded),
            open_after || is_unspaced(folded.get(last..).unwrap_or_default()),
        );
        Ok(Keyword {
            listed,
            folded,
            skeleton,
            open,
        })
    }
}

/// The form that is kept and shown: single blanks, none beside a `*`, no invisible characters.
fn tidy(text: &str) -> Result<String, KeywordError> {
    if text.len() > KEYWORD_MAX * 2 {
        return Err(KeywordError::Long);
    }
    if text.contains('#') {
        return Err(KeywordError::Hash);
    }
    // Joiners belong to the spelling of Persian and Indian words.
    let joins = |c: char| matches!(c, '\u{200c}' | '\u{200d}');
    let seen: String = text
        .chars()
        .filter(|c| joins(*c) || !letters::is_invisible(*c))
        .collect();
    let words: Vec<&str> = seen.split_whitespace().collect();
    let mut tidy = words.join(" ");
    if tidy.chars().any(char::is_control) {
        return Err(KeywordError::Control);
    }
    if tidy.starts_with("* ") {
        tidy.remove(1);
    }
    if tidy.ends_with(" *") {
        tidy.remove(tidy.len() - 2);
    }
    if tidy.len() > KEYWORD_MAX {
        return Err(KeywordError::Long);
    }
    Ok(tidy)
}

fn measure(folded: &[u8]) -> Result<(), KeywordError> {
    let text = std::str::from_utf8(folded).unwrap_or_default();
    // Marked digits are control characters, which are letters here.
    let counts = |c: &char| *c != char::from(BLANK) && (c.is_ascii() || letters::is_full(*c));
    let count = text.chars().filter(counts).count();
    let least = match text.chars().any(letters::is_syllable) {
        true => LEAST_SYLLABLES,
        false => LEAST,
    };
    match count {
        0 => Err(KeywordError::Empty),
        count if count < least => Err(KeywordError::Short(count)),
        _ => Ok(()),
    }
}
