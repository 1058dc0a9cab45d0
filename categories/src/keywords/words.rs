//! Decides what of an address is searched for keywords: first its search terms, then the words of its path, then those of the rest
//! of its query. Not its host, whose names `domains` is for: a host has no boundaries between words, and a tunnel, of which the
//! host is all that can be seen, would be judged by a word in it (`sex-education.example`).
//!
//! Triplets are decoded up to twice, since addresses that carry addresses are encoded once more. Parts are searched each by
//! itself: no phrase reaches from one parameter into the next. All in all [`SUBJECT_MAX`] bytes are looked at; terms come first so
//! that nothing can be put before them.

use std::cell::RefCell;

use weir_host::{SearchPage, percent_decode};

use super::fold::{Text, Toward};
use crate::expressions::SUBJECT_MAX;
use crate::urls::Address;

/// The text of an address, in all the readings that are searched: as it is; with letters drawn out taken for one and for two; and
/// with words of several scripts taken for the other one.
#[derive(Debug, Default)]
pub(crate) struct Words {
    readings: [Text; 4],
    used: usize,
    decoded: Vec<u8>,
    twice: Vec<u8>,
}

thread_local! {
    static WORDS: RefCell<Words> = RefCell::default();
}

/// Gives `look` the words of an address, unless it has none. Uses the thread's buffers.
pub(crate) fn with<R>(address: &Address<'_>, look: impl FnOnce(&Words) -> R) -> Option<R> {
    if address.path.len() < 2 && address.query.is_none_or(str::is_empty) {
        return None;
    }
    WORDS.with(|words| {
        // Nobody who looks asks for words again.
        let mut words = words.try_borrow_mut().ok()?;
        words.read(address);
        Some(look(&words))
    })
}

impl Words {
    /// The readings, at least one.
    pub(super) fn readings(&self) -> &[Text] {
        self.readings.get(..self.used).unwrap_or_default()
    }

    fn read(&mut self, address: &Address<'_>) {
        let [plain, once, twice, other] = &mut self.readings;
        let decode = &mut (&mut self.decoded, &mut self.twice);
        fold(address, plain, Toward::Latin, decode);
        self.used = 1;
        if plain.is_stretched() {
            once.shorten(plain, 1);
            twice.shorten(plain, 2);
            self.used = 3;
        }
        if plain.mixed {
            fold(address, other, Toward::Other, decode);
            // Those in use are the first ones.
            self.readings.swap(self.used, 3);
            self.used += 1;
        }
    }
}

/// What is left of the bytes that are looked at.
struct Left(usize);

impl Left {
    fn take<'a>(&mut self, text: &'a str) -> &'a [u8] {
        let bytes = text.as_bytes();
        let part = bytes.get(..self.0).unwrap_or(bytes);
        self.0 -= part.len();
        part
    }
}

fn fold(
    address: &Address<'_>,
    text: &mut Text,
    toward: Toward,
    (decoded, twice): &mut (&mut Vec<u8>, &mut Vec<u8>),
) {
    let mut left = Left(SUBJECT_MAX);
    text.begin(toward);
    let mut part = |bytes: &[u8]| {
        if memchr::memchr(b'%', bytes).is_none() {
            text.push(bytes);
        } else {
            decoded.clear();
            percent_decode(bytes, decoded);
            if memchr::memchr(b'%', decoded).is_none() {
                text.push(decoded);
            } else {
                twice.clear();
                percent_decode(decoded, twice);
                text.push(twice);
            }
        }
        text.end_part();
    };
    let query = address.query.filter(|query| !query.is_empty());
    let page = query.map(|_| SearchPage::of(address.host, address.path));
    let is_term = |name: &str| page.is_some_and(|page| page.is_term(name));
    let pairs = || query.into_iter().flat_map(|query| query.split('&'));
    for (name, value) in pairs().filter_map(|pair| pair.split_once('=')) {
        if is_term(name) {
            part(left.take(value));
        }
    }
    part(left.take(address.path));
    for pair in pairs() {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        part(left.take(name));
        if !is_term(name) {
            part(left.take(value));
        }
    }
    text.finish();
}
