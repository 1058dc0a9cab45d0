//! Decides whether a keyword is in a text that is known beforehand: for hygiene, which tries new keywords on many of them.

use super::fold::{self, Text, Toward};
use super::{Keyword, fits};

/// A folded text.
#[derive(Clone, Debug)]
pub(crate) struct Probe(Text);

impl Probe {
    pub(crate) fn new(text: &str) -> Probe {
        let mut folded = Text::default();
        folded.begin(Toward::Latin);
        folded.push(text.as_bytes());
        folded.finish();
        Probe(folded)
    }

    /// True when the keyword is in it, as it would be in an address.
    pub(crate) fn has(&self, keyword: &Keyword) -> bool {
        let Text {
            folded, skeleton, ..
        } = &self.0;
        memchr::memmem::find_iter(skeleton, &keyword.skeleton).any(|start| {
            let end = start + keyword.skeleton.len();
            let part = folded.get(start..end).unwrap_or_default();
            let before = keyword.open.0 || fold::ends_before(folded, start);
            let after = keyword.open.1 || fold::begins_at(folded, end);
            before && after && fits(part, &keyword.folded)
        })
    }
}
