//! Columns side by side of which few values differ, taken together: one look and one copy a row in place of one for each.
//!
//! Of the forty fields of a leaf most are words, versions and names of which a batch has a handful. Their combinations are few as
//! well, so the fields of each are put together once. What a field is, and which column has which number, is decided in `leaf`.

use weir_evidence::LeafMaker;

use super::leaf::{Fields, Group};
use super::values::CodedFields;

/// Combinations that are told apart at most; columns that would make more are taken on their own.
const MOST: usize = 4096;

/// The fields of the rows of one batch as the makers of leaves take them fastest.
pub(super) struct Steps<'f, 'a> {
    fields: &'f Fields<'a>,
    groups: [Vec<Step<'f, 'a>>; Group::ALL.len()],
}

enum Step<'f, 'a> {
    /// Place of a column in its group.
    One(usize),
    Together(Together<'f, 'a>),
}

impl<'f, 'a> Steps<'f, 'a> {
    pub(super) fn new(fields: &'f Fields<'a>, rows: usize) -> Steps<'f, 'a> {
        let groups = Group::ALL.map(|group| {
            let mut steps = Vec::new();
            let mut run = Run::default();
            for (at, values) in fields.of(group).enumerate() {
                if values.is_nothing(rows) {
                    continue;
                }
                let Some(coded) = values.coded().filter(|coded| coded.count() <= MOST) else {
                    run.end(rows, &mut steps);
                    steps.push(Step::One(at));
                    continue;
                };
                if run.combinations().saturating_mul(coded.count()) > MOST {
                    run.end(rows, &mut steps);
                }
                run.parts.push((at, coded));
            }
            run.end(rows, &mut steps);
            steps
        });
        Steps { fields, groups }
    }

    /// Gives the fields of a group that a row has to the maker of its leaf, as [`Fields::each`] would.
    pub(super) fn put(
        &mut self,
        group: Group,
        row: usize,
        maker: &mut LeafMaker,
    ) -> Result<(), String> {
        for step in self.groups.get_mut(group as usize).into_iter().flatten() {
            match step {
                Step::One(at) => self.fields.put(group, *at, row, maker)?,
                Step::Together(together) => maker.fields(together.get(row)),
            }
        }
        Ok(())
    }
}

/// Columns side by side that are to be taken together.
#[derive(Default)]
struct Run<'f, 'a> {
    parts: Vec<(usize, &'f CodedFields<'a>)>,
}

impl<'f, 'a> Run<'f, 'a> {
    fn combinations(&self) -> usize {
        self.parts.iter().map(|(_, part)| part.count()).product()
    }

    fn end(&mut self, rows: usize, steps: &mut Vec<Step<'f, 'a>>) {
        let parts = std::mem::take(&mut self.parts);
        match parts.as_slice() {
            [] => {}
            [(at, _)] => steps.push(Step::One(*at)),
            _ => {
                let parts = parts.into_iter().map(|(_, part)| part).collect();
                steps.push(Step::Together(Together::new(parts, rows)));
            }
        }
    }
}

struct Together<'f, 'a> {
    parts: Vec<&'f CodedFields<'a>>,
    /// Of each row, the number of its combination.
    codes: Vec<u16>,
    /// Where the fields of each combination lie in `bytes`; None until a row has it.
    known: Vec<Option<(usize, usize)>>,
    bytes: Vec<u8>,
}

impl<'f, 'a> Together<'f, 'a> {
    fn new(parts: Vec<&'f CodedFields<'a>>, rows: usize) -> Together<'f, 'a> {
        let mut codes = vec![0_u16; rows];
        let mut combinations = 1;
        for part in &parts {
            combinations *= part.count();
            part.add_to(&mut codes);
        }
        Together {
            parts,
            codes,
            known: vec![None; combinations],
            bytes: Vec::new(),
        }
    }

    /// The fields of a row, one after the other.
    #[inline]
    fn get(&mut self, row: usize) -> &[u8] {
        let code = self.codes.get(row).map_or(0, |code| usize::from(*code));
        let (begin, end) = match self.known.get(code).copied().flatten() {
            Some(place) => place,
            None => self.put_together(code, row),
        };
        self.bytes.get(begin..end).unwrap_or_default()
    }

    #[cold]
    fn put_together(&mut self, code: usize, row: usize) -> (usize, usize) {
        let begin = self.bytes.len();
        for part in &self.parts {
            self.bytes.extend_from_slice(part.get(row));
        }
        let place = (begin, self.bytes.len());
        if let Some(known) = self.known.get_mut(code) {
            *known = Some(place);
        }
        place
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::adapt::adapt;
    use crate::record::Rows;
    use crate::testing::Traffic;
    use weir_evidence::{Secret, Tag};

    #[test]
    fn columns_that_are_taken_together_give_the_leaves_that_each_alone_gives_lm_38() {
        for (users, count) in [(3, 5_000), (300, 5_000), (6_000, 5_000), (3, 1)] {
            let (mut traffic, mut rows) = (Traffic::new(7, users, 60), Rows::default());
            for seq in 1..=count {
                let mut record = traffic.record();
                record.ech = seq % 7 == 0;
                record.groups = record.groups.filter(|_| seq % 3 > 0);
                if seq % 11 == 0 {
                    record.profile = Some("".into());
                }
                rows.append(seq, "weir", &record);
            }
            let batch = rows.finish().unwrap();
            // As a check has them, which reads them from a segment: every text in full.
            let plain = adapt(&batch).unwrap();
            let each = Fields::new(&plain).unwrap();
            let fields = Fields::new(&batch).unwrap();
            let mut steps = Steps::new(&fields, batch.num_rows());
            let is_together = |step: &Step<'_, '_>| matches!(step, Step::Together(_));
            assert!(
                steps
                    .groups
                    .iter()
                    .take(3)
                    .all(|steps| steps.iter().any(is_together))
            );
            let secret = Secret::random().unwrap();
            let mut makers = [0; 2].map(|_| LeafMaker::new(secret.clone()));
            for row in 0..batch.num_rows() {
                let [together, alone] = &mut makers;
                together.begin(row as u64, 1, Tag::NONE);
                alone.begin(row as u64, 1, Tag::NONE);
                for group in Group::ALL {
                    together.group(group as u8);
                    steps.put(group, row, together).unwrap();
                    alone.group(group as u8);
                    each.each(group, row, |id, value| alone.field(id, value))
                        .unwrap();
                }
                assert_eq!(together.finish(), alone.finish(), "{row} of {users} users");
            }
        }
    }
}
