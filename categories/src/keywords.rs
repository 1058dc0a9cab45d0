//! Decides which keywords of the lists are in an address: in what was searched for, in its path, in its query.
//!
//! docs/lists-keywords.md says what a keyword means, for those who write lists. In short: whole words, unless a `*` says otherwise
//! or the script has no spaces; in any spelling that `fold.rs` takes for the same.
//!
//! All keywords of a layer are looked for in one pass (aho-corasick) over the *skeleton* of the text, in which characters that may
//! stand for each other are one. Whatever is found so is compared with the keyword itself before it counts (`fold.rs`),
//! and so are the boundaries of words.
//!
//! # Time
//!
//! No address is looked at for more than [`SUBJECT_MAX`](crate::expressions::SUBJECT_MAX) bytes, in at most four readings. The pass
//! itself is linear in those and in what is found, and one place can have as many finds as there are keywords that end there. So
//! finds are bounded as well, whoever wrote the list: what a list has twice it has once (`merge.rs`), a list that is
//! found is not looked for again, and an address is given up after `STEPS_MAX` finds and rows or `VERIFIED_MAX` comparisons,
//! some milliseconds. What was found until then stands. Lists that are meant for people come nowhere near.

mod fold;
mod letters;
mod line;
mod merge;
mod probe;
mod seek;
#[cfg(test)]
mod tests;
mod words;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

pub(crate) use self::line::Keyword;
pub use self::line::{KEYWORD_MAX, KeywordError};
pub(crate) use self::merge::{ALIKE_MAX, Left, merged};
pub(crate) use self::probe::Probe;
use self::seek::{Lists, Rows, Work};
pub(crate) use self::words::{Words, with as with_words};

/// Most keywords of a layer: five times what Weir is made for, and some hundred megabytes.
pub const KEYWORDS_MAX: usize = 500_000;
/// Most finds and rows that are looked at for one address in a layer.
const STEPS_MAX: u32 = 1 << 18;
/// Most finds that are compared letter by letter for one address in a layer.
const VERIFIED_MAX: u32 = 1 << 15;
/// Most keywords that are named for one address in a layer, beside one of each list that is found.
const NAMED_MAX: usize = 1000;
/// Bytes before the text of a keyword in a file: its tag and its length.
const HEAD: usize = 4;

/// The keywords of all lists of a layer.
#[derive(Debug, Default)]
pub(crate) struct Keywords {
    /// By skeleton.
    rows: Box<[Row]>,
    /// The first row of each distinct skeleton, and the end of the last.
    groups: Box<[u32]>,
    /// Of each keyword as listed, then as folded.
    text: Box<str>,
    /// Distinct tags, which ascend.
    lists: Box<[u16]>,
    search: Option<AhoCorasick>,
}

/// A keyword of a list.
#[derive(Clone, Copy, Debug)]
struct Row {
    start: u32,
    listed: u8,
    folded: u8,
    tag: u16,
    /// Number of its tag among those there are.
    list: u16,
    open: (bool, bool),
}

/// Keywords that cannot be looked for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Keywords {
    /// Keywords with the tags of their lists. What a list has twice it has once, whoever wrote the file.
    pub(crate) fn new(found: Vec<(u16, Keyword)>) -> Result<Keywords, TooMany> {
        if found.is_empty() {
            return Ok(Keywords::default());
        }
        if found.len() > KEYWORDS_MAX {
            return Err(TooMany);
        }
        let found = found.into_iter().map(|(tag, keyword)| (tag, (), keyword));
        let found = merged(found.collect(), |_, (), _, _| ());
        let mut lists: Vec<u16> = found.iter().map(|(tag, _)| *tag).collect();
        lists.sort_unstable();
        lists.dedup();
        let mut text = String::new();
        let mut rows = Vec::with_capacity(found.len());
        let (mut groups, mut patterns): (Vec<u32>, Vec<&[u8]>) = Default::default();
        for (number, (tag, keyword)) in found.iter().enumerate() {
            if patterns.last() != Some(&keyword.skeleton.as_slice()) {
                groups.push(number as u32);
                patterns.push(&keyword.skeleton);
            }
            // Both are at most KEYWORD_MAX bytes long, which a byte holds.
            rows.push(Row {
                start: text.len() as u32,
                listed: keyword.listed.len() as u8,
                folded: keyword.folded.len() as u8,
                tag: *tag,
                list: lists.binary_search(tag).unwrap_or_default() as u16,
                open: keyword.open,
            });
            text.push_str(&keyword.listed);
            text.push_str(std::str::from_utf8(&keyword.folded).unwrap_or_default());
        }
        groups.push(rows.len() as u32);
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&patterns)
            .map_err(|_| TooMany)?;
        Ok(Keywords {
            rows: rows.into(),
            groups: groups.into(),
            text: text.into(),
            lists: lists.into(),
            search: Some(search),
        })
    }

    /// Reads what [`Keywords::write`] wrote; `None` when it did not.
    pub(crate) fn read(mut bytes: &[u8]) -> Option<Keywords> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
            let [tag, tag_high, length, length_high] = *head;
            let length = usize::from(u16::from_le_bytes([length, length_high]));
            let (text, rest) = rest.split_at_checked(length)?;
            let keyword = Keyword::read(std::str::from_utf8(text).ok()?).ok()?;
            found.push((u16::from_le_bytes([tag, tag_high]), keyword));
            bytes = rest;
        }
        Keywords::new(found).ok()
    }

    /// Adds a keyword to the bytes of a file: tag (2), length (2), the keyword as listed.
    pub(crate) fn write(tag: u16, listed: &str, to: &mut Vec<u8>) {
        let length = u16::try_from(listed.len()).unwrap_or(0);
        to.extend_from_slice(&tag.to_le_bytes());
        to.extend_from_slice(&length.to_le_bytes());
        to.extend_from_slice(listed.as_bytes());
    }

    /// Gives `found` the tag of every list of which some keyword is in `words`, once.
    pub(crate) fn tags(&self, words: &Words, mut found: impl FnMut(u16)) {
        let mut lists = Lists::new(self.lists.len(), |_, row: &Row| found(row.tag));
        self.search(words, &mut lists);
    }

    /// Gives `found` the keywords that are in `words`, as listed, with the tag of its list; long ones first. Some
    /// keyword of every list that [`Keywords::tags`] gives is there, and of all others up to [`NAMED_MAX`].
    pub(crate) fn each<'a>(&'a self, words: &Words, mut found: impl FnMut(u16, &'a str)) {
        let mut rows = Rows::new(NAMED_MAX);
        self.search(
            words,
            &mut Lists::new(self.lists.len(), |number, _| rows.add(number)),
        );
        if rows.is_empty() {
            return;
        }
        self.search(words, &mut rows);
        let rows = rows
            .into_numbers()
            .filter_map(|number| self.rows.get(number));
        let mut all: Vec<(&'a str, u16)> = rows.map(|row| (self.listed(row), row.tag)).collect();
        all.sort_unstable_by(|a, b| (b.0.len(), a).cmp(&(a.0.len(), b)));
        all.into_iter().for_each(|(text, tag)| found(tag, text));
    }

    fn search(&self, words: &Words, wanted: &mut impl seek::Wanted) {
        let mut work = Work::new(STEPS_MAX, VERIFIED_MAX);
        for text in words.readings() {
            if seek::seek(self, text, wanted, &mut work).is_break() {
                return;
            }
        }
    }

    /// The number of the first row of a group, and its rows.
    fn rows_of(&self, group: usize) -> (usize, &[Row]) {
        let ends = self.groups.get(group).zip(self.groups.get(group + 1));
        let (from, to) = ends.map_or((0, 0), |(from, to)| (*from as usize, *to as usize));
        (from, self.rows.get(from..to).unwrap_or_default())
    }

    fn listed(&self, row: &Row) -> &str {
        let start = row.start as usize;
        let text = self.text.get(start..start + usize::from(row.listed));
        text.unwrap_or_default()
    }

    fn folded(&self, row: &Row) -> &[u8] {
        let start = row.start as usize + usize::from(row.listed);
        let text = self.text.as_bytes();
        let text = text.get(start..start + usize::from(row.folded));
        text.unwrap_or_default()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of memory held.
    pub(crate) fn bytes(&self) -> usize {
        let search = self.search.as_ref().map_or(0, AhoCorasick::memory_usage);
        size_of_val(&*self.rows)
            + size_of_val(&*self.groups)
            + size_of_val(&*self.lists)
            + self.text.len()
            + search
    }
}

/// The keywords of a list that are in an address, as listed; lines that are none are left out. Without an index around it, for
/// fuzzing.
#[doc(hidden)]
pub fn found(
    list: &[&str],
    host: &weir_host::Host,
    path: &str,
    query: Option<&str>,
) -> Vec<String> {
    let read = list
        .iter()
        .filter_map(|text| Some((0, Keyword::read(text).ok()?)));
    let Ok(keywords) = Keywords::new(read.collect()) else {
        return Vec::new();
    };
    let address = crate::urls::Address {
        host,
        port: 80,
        path,
        query,
    };
    let mut found = Vec::new();
    with_words(&address, |words| {
        keywords.each(words, |_, text| found.push(text.to_owned()));
    });
    found
}

/// Compares what stands in a text with a keyword of the same skeleton.
fn fits(part: &[u8], keyword: &[u8]) -> bool {
    let same = |(found, listed): (&u8, &u8)| fold::stands_for(*found, *listed);
    part.len() == keyword.len() && part.iter().zip(keyword).all(same)
}
