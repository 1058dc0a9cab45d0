//! Which known name somebody may have meant. Decides nothing else.

/// `; did you mean …?` when a candidate is close, else nothing.
pub(crate) fn did_you_mean<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    let near = candidates
        .map(|candidate| (distance(text, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min();
    near.map_or_else(String::new, |(_, candidate)| {
        format!("; did you mean {candidate:?}?")
    })
}

/// Single characters to insert, remove or replace.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (number, wanted) in from.chars().enumerate() {
        let mut diagonal = number;
        let mut left = number + 1;
        for (cell, found) in row.iter_mut().skip(1).zip(to.chars()) {
            let replaced = diagonal + usize::from(wanted != found);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = number + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        let known = ["gambling", "games", "adult"];
        assert_eq!(
            did_you_mean("gamblng", known.into_iter()),
            r#"; did you mean "gambling"?"#
        );
        assert_eq!(
            did_you_mean("game", known.into_iter()),
            r#"; did you mean "games"?"#
        );
        assert_eq!(did_you_mean("weather", known.into_iter()), "");
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
