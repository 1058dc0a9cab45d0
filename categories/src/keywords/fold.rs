//! Decides which spellings of a text are the same to keywords: the *folded* text, and its *skeleton*, in which characters that may
//! stand for each other are one.
//!
//! # Folding
//!
//! Compatibility forms (full width, mathematical, circled, ligatures) become plain ones, capitals small, accents go, `ß` is `ss`,
//! invisible characters are dropped, digits of other scripts become ours. What is neither letter nor digit becomes one blank.
//! A word with Latin letters beside Cyrillic or Greek ones has those that look Latin made Latin ([`Toward::Latin`]), or, in a
//! second reading of the same text, the Latin ones made Cyrillic or Greek ([`Toward::Other`]).
//!
//! # Substitutions
//!
//! In a word that has a letter, a digit or one of `@ $ ! |` may stand for a letter ([`stands_for`]). Folding marks such digits by
//! other byte values, so that one byte says what it may be; digits of a word without letters stay numbers. A sign stays in the
//! text only in a word that has a letter (`!`: not at its edges), and counts there as a letter or as a boundary, whichever fits.

use icu_normalizer::ComposingNormalizerBorrowed;

use super::letters::{self, Script};

/// Between parts of an address: nothing matches across it.
pub(super) const BREAK: u8 = 1;
/// Between words.
pub(super) const BLANK: u8 = b' ';
/// Added to its value, a digit in a word that has a letter.
const DIGIT: u8 = 0x10;

const NORMAL: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfkc();

/// Into which script words are read that mix several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Toward {
    #[default]
    Latin,
    Other,
}

/// A folded text. Its buffers are used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    /// UTF-8.
    pub(super) folded: Vec<u8>,
    /// As long as `folded`, byte for byte.
    pub(super) skeleton: Vec<u8>,
    /// Some word mixes scripts.
    pub(super) mixed: bool,
    toward: Toward,
    word: Word,
    spare: Vec<u8>,
}

/// The word that is being written.
#[derive(Clone, Debug, Default)]
struct Word {
    start: usize,
    letters: bool,
    digits: bool,
    signs: bool,
    latin: bool,
    other: Option<Script>,
}

impl Text {
    /// Begins anew.
    pub(super) fn begin(&mut self, toward: Toward) {
        self.folded.clear();
        self.skeleton.clear();
        self.mixed = false;
        self.toward = toward;
        self.word = Word::default();
    }

    /// Adds text that is not encoded in any way but as UTF-8; what is none ends a word.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_ascii() {
            bytes.iter().for_each(|byte| self.ascii(*byte));
            return;
        }
        for chunk in bytes.utf8_chunks() {
            let visible = chunk.valid().chars().filter(|c| !letters::is_invisible(*c));
            for c in NORMAL.normalize_iter(visible) {
                self.character(c);
            }
            if !chunk.invalid().is_empty() {
                self.separator(BLANK);
            }
        }
    }

    /// Ends a part of an address.
    pub(super) fn end_part(&mut self) {
        self.separator(BREAK);
    }

    /// Ends the text: makes its skeleton.
    pub(super) fn finish(&mut self) {
        self.end_word();
        while let Some(&(BLANK | BREAK)) = self.folded.last() {
            self.folded.pop();
        }
        self.make_skeleton();
    }

    fn make_skeleton(&mut self) {
        self.skeleton.clear();
        self.skeleton
            .extend(self.folded.iter().map(|byte| class(*byte)));
    }

    /// True when some letter stands three times in a row.
    pub(super) fn is_stretched(&self) -> bool {
        let text = self.folded.as_slice();
        let mut bytes = text.windows(3);
        if text.is_ascii() {
            return bytes
                .any(|three| matches!(three, [a, b, c] if a == b && b == c && is_letter(*a)));
        }
        runs(text).any(|(_, count, stretches)| stretches && count > 2)
    }

    /// Writes `text` with every letter that stands three times or more in a row standing `times` times.
    pub(super) fn shorten(&mut self, text: &Text, times: usize) {
        self.begin(text.toward);
        for (c, count, stretches) in runs(&text.folded) {
            let count = if stretches && count > 2 { times } else { count };
            (0..count).for_each(|_| self.folded.extend_from_slice(c));
        }
        self.make_skeleton();
    }

    fn ascii(&mut self, byte: u8) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {
                self.folded.push(byte.to_ascii_lowercase());
                self.word.letters = true;
                self.word.latin = true;
            }
            b'0'..=b'9' => {
                self.folded.push(byte);
                self.word.digits = true;
            }
            b'@' | b'$' | b'!' | b'|' => {
                self.folded.push(byte);
                self.word.signs = true;
            }
            _ => self.separator(BLANK),
        }
    }

    fn character(&mut self, c: char) {
        for c in c.to_lowercase() {
            if let Ok(byte) = u8::try_from(u32::from(c))
                && byte.is_ascii()
            {
                self.ascii(byte);
                continue;
            }
            match letters::fold(c) {
                letters::Folded::Ascii(text) => text.bytes().for_each(|byte| self.ascii(byte)),
                letters::Folded::Digit(value) => self.ascii(b'0' + value),
                letters::Folded::Letter(c) => self.letter(c),
                letters::Folded::Nothing => {}
                letters::Folded::Separator => self.separator(BLANK),
            }
        }
    }

    fn letter(&mut self, c: char) {
        // Taking marks off can leave an ASCII letter.
        if let Ok(byte) = u8::try_from(u32::from(c))
            && byte.is_ascii()
        {
            return self.ascii(byte);
        }
        push_char(&mut self.folded, c);
        self.word.letters = true;
        match letters::script(c) {
            Some(Script::Latin) => self.word.latin = true,
            Some(script) => self.word.other = Some(script),
            None => {}
        }
    }

    /// A break takes the place of a blank, never the other way.
    fn separator(&mut self, separator: u8) {
        self.end_word();
        match self.folded.last_mut() {
            Some(last) if *last == BLANK => *last = separator,
            Some(last) if *last == BREAK => {}
            Some(_) => self.folded.push(separator),
            None => {}
        }
        self.word.start = self.folded.len();
    }

    fn end_word(&mut self) {
        let word = std::mem::take(&mut self.word);
        if word.signs {
            self.settle_signs(word.start, word.letters);
        }
        if word.letters && word.digits {
            let digits = self.folded.get_mut(word.start..).into_iter().flatten();
            let digits = digits.filter(|byte| byte.is_ascii_digit());
            digits.for_each(|byte| *byte = *byte - b'0' + DIGIT);
        }
        if let (true, Some(script)) = (word.latin, word.other) {
            self.mixed = true;
            self.read_as_one(word.start, script);
        }
        self.word.start = self.folded.len();
    }

    /// Signs stay inside a word that has letters; elsewhere they are blanks.
    fn settle_signs(&mut self, start: usize, letters: bool) {
        let is_edge = |byte: &u8| *byte == b'!';
        self.spare.clear();
        self.spare
            .extend_from_slice(self.folded.get(start..).unwrap_or_default());
        self.folded.truncate(start);
        let word = self.spare.as_slice();
        if letters {
            let from = word
                .iter()
                .position(|byte| !is_edge(byte))
                .unwrap_or(word.len());
            let to = word
                .iter()
                .rposition(|byte| !is_edge(byte))
                .map_or(from, |at| at + 1);
            self.folded
                .extend_from_slice(word.get(from..to).unwrap_or_default());
            return;
        }
        let numbers = word.split(|byte| !byte.is_ascii_digit());
        for number in numbers.filter(|number| !number.is_empty()) {
            if self.folded.len() > start {
                self.folded.push(BLANK);
            }
            self.folded.extend_from_slice(number);
        }
    }

    fn read_as_one(&mut self, start: usize, script: Script) {
        self.spare.clear();
        self.spare
            .extend_from_slice(self.folded.get(start..).unwrap_or_default());
        self.folded.truncate(start);
        for c in std::str::from_utf8(&self.spare).unwrap_or_default().chars() {
            let c = match self.toward {
                Toward::Latin => letters::as_latin(c),
                Toward::Other => letters::from_latin(c, script),
            };
            push_char(&mut self.folded, c);
        }
    }
}

fn push_char(to: &mut Vec<u8>, c: char) {
    to.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// What may be doubled: no number, no blank.
fn is_letter(byte: u8) -> bool {
    !matches!(byte, BREAK | BLANK | b'0'..=b'9')
}

/// The characters of a folded text, each with how often it stands in a row and whether that can be a letter drawn out.
fn runs(text: &[u8]) -> impl Iterator<Item = (&[u8], usize, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = *rest.first()?;
        let length = rest
            .iter()
            .skip(1)
            .take_while(|byte| is_continued(**byte))
            .count()
            + 1;
        let c = rest.get(..length)?;
        let mut count = 0;
        while rest.starts_with(c) {
            rest = rest.get(length..)?;
            count += 1;
        }
        Some((c, count, is_letter(first)))
    })
}

/// A byte inside a character.
fn is_continued(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// The byte for all bytes that may stand for each other.
fn class(byte: u8) -> u8 {
    let digit = match byte {
        b'0'..=b'9' => byte - b'0',
        DIGIT..0x1a => byte - DIGIT,
        b'@' => 4,
        b'$' => 5,
        b'!' | b'|' | b'l' => 1,
        byte => return byte,
    };
    match digit {
        0 => b'o',
        1 => b'i',
        3 => b'e',
        4 => b'a',
        5 => b's',
        7 => b't',
        8 => b'b',
        other => b'0' + other,
    }
}

/// True when byte `found` of a folded text may be meant where a keyword has `listed`: the substitutions that are documented.
pub(super) fn stands_for(found: u8, listed: u8) -> bool {
    const ZERO: u8 = DIGIT;
    const ONE: u8 = DIGIT + 1;
    const THREE: u8 = DIGIT + 3;
    const FOUR: u8 = DIGIT + 4;
    const FIVE: u8 = DIGIT + 5;
    const SEVEN: u8 = DIGIT + 7;
    const EIGHT: u8 = DIGIT + 8;
    if found == listed {
        return true;
    }
    match (found, listed) {
        (ZERO, b'o')
        | (ONE | b'!', b'i')
        | (ONE | b'|', b'l')
        | (THREE, b'e')
        | (FOUR | b'@', b'a')
        | (FIVE | b'$', b's')
        | (SEVEN, b't')
        | (EIGHT, b'b') => true,
        (DIGIT..0x1a, b'0'..=b'9') => found - DIGIT == listed - b'0',
        (b'0'..=b'9', DIGIT..0x1a) => found - b'0' == listed - DIGIT,
        _ => false,
    }
}

/// True for a byte that begins or ends nothing: a letter's or a digit's. Signs end words.
fn is_of_word(byte: u8) -> bool {
    !matches!(byte, BREAK | BLANK | b'@' | b'$' | b'!' | b'|')
}

/// True when a word may end before `at` bytes of `folded`.
pub(super) fn ends_before(folded: &[u8], at: usize) -> bool {
    let before = folded.get(..at).unwrap_or_default();
    match before.last() {
        Some(last) if is_of_word(*last) => {
            let start = before.iter().rposition(|byte| !is_continued(*byte));
            is_unspaced(before.get(start.unwrap_or(0)..).unwrap_or_default())
        }
        _ => true,
    }
}

/// True when a word may begin after `at` bytes of `folded`.
pub(super) fn begins_at(folded: &[u8], at: usize) -> bool {
    let after = folded.get(at..).unwrap_or_default();
    match after.first() {
        Some(first) if is_of_word(*first) => is_unspaced(after),
        _ => true,
    }
}

/// True when the first character is of a script without spaces.
pub(super) fn is_unspaced(text: &[u8]) -> bool {
    match text.first() {
        None => false,
        Some(first) if first.is_ascii() => false,
        Some(_) => {
            let text = text.get(..4).unwrap_or(text);
            let c = text
                .utf8_chunks()
                .next()
                .and_then(|chunk| chunk.valid().chars().next());
            c.is_some_and(letters::is_unspaced)
        }
    }
}
