//! Tags of all mandatory lists in memory, ready to be asked. Decides nothing: what a tag is of is in [`super::forms`].

use super::SlotId;
use super::key::Tag;

/// The host itself is listed.
pub(super) const WHOLE: u8 = 1;
/// Ports or pages of the host are listed.
pub(super) const DETAIL: u8 = 2;
/// A port or a page that is listed.
pub(super) const EXACT: u8 = 4;

#[derive(Clone, Copy, Default)]
struct Cell {
    tag: [u64; 2],
    /// 0: empty.
    flags: u8,
    slot: u8,
}

/// Tags at a place that their low half tells or soon after; at most half full.
#[derive(Default)]
pub(super) struct Table {
    cells: Box<[Cell]>,
    segments: usize,
    parameters: usize,
}

impl Table {
    /// A table with room for so many tags, whose deepest page has so many segments and limits in its query.
    pub(super) fn with_room(tags: usize, segments: u32, parameters: u32) -> Table {
        let size = match tags {
            0 => 0,
            tags => (tags * 2).next_power_of_two(),
        };
        Table {
            cells: vec![Cell::default(); size].into_boxed_slice(),
            segments: segments as usize,
            parameters: parameters as usize,
        }
    }

    /// Adds a tag; of two lists that have it the first one is named.
    pub(super) fn insert(&mut self, tag: Tag, flags: u8, slot: SlotId) {
        let parts = halves(tag);
        let Some(mask) = self.cells.len().checked_sub(1) else {
            return;
        };
        let mut at = parts[0] as usize & mask;
        for _ in 0..=mask {
            let Some(cell) = self.cells.get_mut(at) else {
                return;
            };
            if cell.flags == 0 || cell.tag == parts {
                let names = WHOLE | EXACT;
                if cell.flags & names == 0 {
                    cell.slot = slot.0;
                }
                cell.tag = parts;
                cell.flags |= flags;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// What is known of a tag.
    #[inline]
    pub(super) fn get(&self, tag: Tag) -> Option<(u8, SlotId)> {
        let parts = halves(tag);
        let mask = self.cells.len().checked_sub(1)?;
        let mut at = parts[0] as usize & mask;
        // Half of the cells are empty, so this ends.
        while let Some(cell) = self.cells.get(at).filter(|cell| cell.flags != 0) {
            if cell.tag == parts {
                return Some((cell.flags, SlotId(cell.slot)));
            }
            at = (at + 1) & mask;
        }
        None
    }

    pub(super) fn segments(&self) -> usize {
        self.segments
    }

    pub(super) fn parameters(&self) -> usize {
        self.parameters
    }
}

fn halves(tag: Tag) -> [u64; 2] {
    [tag as u64, (tag >> 64) as u64]
}
