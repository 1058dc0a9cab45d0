//! Decides about single characters: which are letters, which are marks that folding takes off, which look like letters of another
//! script, and which scripts write words without spaces. Tables only; [`super::fold`] puts them to use.

use icu_normalizer::properties::{
    CanonicalCombiningClassMapBorrowed, CanonicalDecompositionBorrowed, Decomposed,
};

const DECOMPOSITION: CanonicalDecompositionBorrowed<'static> =
    CanonicalDecompositionBorrowed::new();
const CLASSES: CanonicalCombiningClassMapBorrowed<'static> =
    CanonicalCombiningClassMapBorrowed::new();

/// The scripts whose letters are taken for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Latin,
    Cyrillic,
    Greek,
}

/// What a character becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Folded {
    /// One or two ASCII letters.
    Ascii(&'static str),
    /// A digit.
    Digit(u8),
    /// Any other character of a word.
    Letter(char),
    /// Nothing at all: a mark above or below, an invisible character.
    Nothing,
    /// The end of a word.
    Separator,
}

/// A character that is no ASCII, already in lower case and in compatibility form (NFKC).
pub(super) fn fold(c: char) -> Folded {
    if is_syllable(c) {
        return Folded::Letter(c);
    }
    let c = without_marks(c);
    if is_mark(c) || is_invisible(c) {
        return Folded::Nothing;
    }
    if let Some(digit) = digit(c) {
        return Folded::Digit(digit);
    }
    if let Some(letters) = latin(c) {
        return Folded::Ascii(letters);
    }
    if is_of_word(c) {
        Folded::Letter(variant(c))
    } else {
        Folded::Separator
    }
}

/// The letter below all marks that folding takes off: `ä` is `a`, `й` is `и`, `أ` is `ا`; `が` stays, since it is a letter.
fn without_marks(mut c: char) -> char {
    loop {
        match DECOMPOSITION.decompose(c) {
            Decomposed::Expansion(base, mark) if is_mark(mark) => c = base,
            Decomposed::Singleton(same) => c = same,
            Decomposed::Default | Decomposed::Expansion(..) => return c,
        }
    }
}

/// Marks that words are written with or without: accents of Latin, Greek and Cyrillic, vowel points of Hebrew and Arabic, the
/// dot of Devanagari. The vowel signs of Indian and South-East Asian scripts are none of them: without those a word is another.
fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}'
        | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e4}' | '\u{6e7}' | '\u{6e8}' | '\u{6ea}'..='\u{6ed}'
        | '\u{93c}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}')
}

/// Characters that nobody sees: soft hyphen, zero-width characters, marks of direction, selectors of variants, fillers.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Chinese characters, kana and Korean syllables: letters as they are, of which one alone can be a word.
pub(super) fn is_syllable(c: char) -> bool {
    matches!(c,
        '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{3096}' | '\u{309d}'..='\u{309f}'
        | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}' | '\u{3105}'..='\u{312f}'
        | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Scripts that are written without spaces between words: Chinese characters and kana, Thai, Lao, Khmer and Myanmar.
pub(super) fn is_unspaced(c: char) -> bool {
    (is_syllable(c) && !matches!(c, '\u{ac00}'..='\u{d7a3}')) || is_south_east_asian(c)
}

fn is_south_east_asian(c: char) -> bool {
    let letters = matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{19e0}'..='\u{19ff}' | '\u{a9e0}'..='\u{a9ff}' | '\u{aa60}'..='\u{aa7f}');
    let punctuation = matches!(c,
        '\u{e3f}' | '\u{e4f}' | '\u{e5a}' | '\u{e5b}' | '\u{104a}'..='\u{104f}'
        | '\u{17d4}'..='\u{17db}');
    letters && !punctuation
}

/// True for what counts as a letter when a keyword is measured: no sign above, below or between.
pub(super) fn is_full(c: char) -> bool {
    c.is_alphanumeric() && CLASSES.get_u8(c) == 0
}

/// Letters, digits, and the signs of scripts that write vowels and joins so.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || CLASSES.get_u8(c) != 0 || is_south_east_asian(c)
}

/// Digits of the scripts that have their own.
fn digit(c: char) -> Option<u8> {
    const ZEROS: [char; 14] = [
        '\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}',
        '\u{c66}', '\u{ce6}', '\u{d66}', '\u{e50}', '\u{ed0}', '\u{1040}',
    ];
    let from = |zero: &char| u32::from(c).checked_sub(u32::from(*zero));
    let value = ZEROS.iter().filter_map(from).find(|value| *value < 10)?;
    u8::try_from(value).ok()
}

/// Latin letters that no decomposition takes apart, and letter-like signs.
fn latin(c: char) -> Option<&'static str> {
    const CIRCLED: &str = "abcdefghijklmnopqrstuvwxyz";
    let circled = |first: u32| {
        let at = u32::from(c).checked_sub(first)? as usize;
        CIRCLED.get(at..at + 1)
    };
    // Negative circled and negative squared letters; the others have compatibility forms.
    if let Some(letter) = circled(0x1f150).or_else(|| circled(0x1f170)) {
        return Some(letter);
    }
    Some(match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ø' | 'ɔ' | 'ᴏ' => "o",
        'đ' | 'ð' | 'ɖ' | 'ɗ' | 'ᴅ' => "d",
        'ł' | 'ƚ' | 'ɫ' | 'ʟ' => "l",
        'ħ' | 'ʜ' => "h",
        'ŧ' | 'ᴛ' => "t",
        'ŋ' | 'ɴ' => "n",
        'ı' | 'ɩ' | 'ɪ' => "i",
        'ə' | 'ǝ' | 'ɛ' | 'ᴇ' => "e",
        'ɑ' | 'ᴀ' => "a",
        'ƀ' | 'ɓ' | 'ʙ' => "b",
        'ƈ' | 'ᴄ' => "c",
        'ƒ' | 'ꜰ' => "f",
        'ɡ' | 'ɠ' | 'ɢ' => "g",
        'ĸ' | 'ƙ' | 'ᴋ' => "k",
        'ᴊ' | 'ȷ' => "j",
        'ᴍ' => "m",
        'ƥ' | 'ᴘ' => "p",
        'ʀ' | 'ɍ' => "r",
        'ꜱ' | 'ʂ' => "s",
        'ᴜ' | 'ʉ' => "u",
        'ᴠ' | 'ʋ' => "v",
        'ᴡ' => "w",
        'ʏ' => "y",
        'ƶ' | 'ᴢ' | 'ȥ' => "z",
        _ => return None,
    })
}

/// Forms of one letter that are written for each other.
fn variant(c: char) -> char {
    match c {
        'ς' => 'σ',
        // Arabic as typed in Egypt, Iran and Pakistan.
        'ى' | 'ی' => 'ي',
        'ة' => 'ه',
        'ک' => 'ك',
        c => c,
    }
}

/// The script of a folded letter, where it is one of those that are mixed.
pub(super) fn script(c: char) -> Option<Script> {
    match c {
        'a'..='z'
        | '\u{c0}'..='\u{24f}'
        | '\u{1e00}'..='\u{1eff}'
        | '\u{2c60}'..='\u{2c7f}'
        | '\u{a720}'..='\u{a7ff}' => Some(Script::Latin),
        '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' | '\u{a640}'..='\u{a69f}' => {
            Some(Script::Cyrillic)
        }
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some(Script::Greek),
        _ => None,
    }
}

/// Cyrillic letters and the Latin ones that they pass for, in small or in capital letters.
const CYRILLIC: [(char, char); 24] = [
    ('а', 'a'),
    ('с', 'c'),
    ('е', 'e'),
    ('о', 'o'),
    ('р', 'p'),
    ('х', 'x'),
    ('у', 'y'),
    ('в', 'b'),
    ('к', 'k'),
    ('м', 'm'),
    ('н', 'h'),
    ('т', 't'),
    ('ѕ', 's'),
    ('і', 'i'),
    ('ј', 'j'),
    ('ԁ', 'd'),
    ('ԛ', 'q'),
    ('ԝ', 'w'),
    ('г', 'r'),
    ('и', 'u'),
    ('ӏ', 'l'),
    ('һ', 'h'),
    ('п', 'n'),
    ('ь', 'b'),
];

/// Greek letters, likewise.
const GREEK: [(char, char); 21] = [
    ('α', 'a'),
    ('β', 'b'),
    ('ε', 'e'),
    ('ζ', 'z'),
    ('η', 'n'),
    ('ι', 'i'),
    ('κ', 'k'),
    ('μ', 'm'),
    ('ν', 'v'),
    ('ο', 'o'),
    ('ρ', 'p'),
    ('σ', 's'),
    ('τ', 't'),
    ('υ', 'u'),
    ('χ', 'x'),
    ('ω', 'w'),
    ('γ', 'y'),
    ('δ', 'd'),
    ('φ', 'f'),
    ('λ', 'l'),
    ('π', 'p'),
];

/// The Latin letter that a Cyrillic or Greek one passes for.
pub(super) fn as_latin(c: char) -> char {
    let pairs = CYRILLIC.iter().chain(&GREEK);
    let mut found = pairs.filter(|(from, _)| *from == c);
    found.next().map_or(c, |(_, to)| *to)
}

/// The letter of `script` that a Latin one passes for.
pub(super) fn from_latin(c: char, script: Script) -> char {
    let pairs: &[(char, char)] = match script {
        Script::Cyrillic => &CYRILLIC,
        Script::Greek => &GREEK,
        Script::Latin => &[],
    };
    let mut found = pairs.iter().filter(|(_, latin)| *latin == c);
    found.next().map_or(c, |(to, _)| *to)
}
