//! Decides which keywords of a list are the same, and how many may look alike: what a single find costs must not be in the hands
//! of whoever writes a list.

use super::Keyword;

/// Most keywords of a list of one skeleton: `a4` and `a@`, but not thousands of their like.
pub(crate) const ALIKE_MAX: usize = 64;

/// Why a keyword is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Its list has it already, perhaps in another spelling.
    Same,
    /// Its list has [`ALIKE_MAX`] others that differ from it in nothing but letters that may stand for each other.
    Alike,
}

/// The keywords, each with the tag of its list, in order of their skeletons; without those that are left out, which `left` is
/// given with what came with them. Of those that are the same the first stays.
pub(crate) fn merged<T>(
    mut found: Vec<(u16, T, Keyword)>,
    mut left: impl FnMut(u16, T, Keyword, Left),
) -> Vec<(u16, Keyword)> {
    found.sort_by(|(a_tag, _, a), (b_tag, _, b)| {
        let a = (&a.skeleton, a_tag, &a.folded, a.open);
        a.cmp(&(&b.skeleton, b_tag, &b.folded, b.open))
    });
    let mut kept: Vec<(u16, Keyword)> = Vec::with_capacity(found.len());
    let mut alike = 0;
    for (tag, with, keyword) in found {
        let last = kept.last();
        let last = last.filter(|(of, last)| *of == tag && last.skeleton == keyword.skeleton);
        match last {
            Some((_, last)) if (&last.folded, last.open) == (&keyword.folded, keyword.open) => {
                left(tag, with, keyword, Left::Same);
            }
            Some(_) if alike == ALIKE_MAX => left(tag, with, keyword, Left::Alike),
            last => {
                alike = if last.is_some() { alike + 1 } else { 1 };
                kept.push((tag, keyword));
            }
        }
    }
    kept
}
