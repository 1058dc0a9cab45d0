//! Whether a recorded name is the person asked for.
//!
//! Decides that letter case does not matter: signing in ignores it, and directories and staff lists write `Anna` where the
//! record has `anna`. An export that is empty for that reason would say of a person that they did nothing.

/// Letters of a name whose spellings are told apart in statistics: 2^4 ranges at most.
const TOLD_APART: usize = 4;

/// A name, whatever its case.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// In lower case.
    name: String,
    /// Between which texts, both included, every spelling lies; a missing upper one is no bound.
    ranges: Vec<(String, Option<String>)>,
}

impl Person {
    pub(super) fn new(name: &str) -> Person {
        let name = name.to_lowercase();
        let ranges = ranges(&name);
        Person { name, ranges }
    }

    pub(super) fn is(&self, recorded: &str) -> bool {
        // The same rule as that of the ranges: a name in ASCII has no spelling outside it.
        if self.name.is_ascii() {
            recorded.eq_ignore_ascii_case(&self.name)
        } else {
            recorded.to_lowercase() == self.name
        }
    }

    /// In lower case.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether a text from `min` to `max` may be this name.
    pub(super) fn may_be_between(&self, min: &str, max: &str) -> bool {
        let meets = |(low, high): &(String, Option<String>)| {
            low.as_str() <= max && high.as_ref().is_none_or(|high| min <= high.as_str())
        };
        self.ranges.iter().any(meets)
    }
}

/// A range for each spelling of the first letters. Capitals come before small letters in ASCII; what case does elsewhere is
/// not followed, so names with other letters have one range, of everything.
fn ranges(name: &str) -> Vec<(String, Option<String>)> {
    if !name.is_ascii() {
        return vec![(String::new(), None)];
    }
    let mut starts = vec![String::new()];
    for letter in name.chars().take(TOLD_APART) {
        let upper = letter.to_ascii_uppercase();
        let spelled = |start: &String, letter| {
            let mut start = start.clone();
            start.push(letter);
            start
        };
        let mut longer: Vec<String> = starts.iter().map(|start| spelled(start, upper)).collect();
        if upper != letter {
            longer.extend(starts.iter().map(|start| spelled(start, letter)));
        }
        starts = longer;
    }
    let rest: String = name.chars().skip(TOLD_APART).collect();
    let range = |start: String| {
        let low = format!("{start}{}", rest.to_ascii_uppercase());
        (low, Some(format!("{start}{rest}")))
    };
    starts.into_iter().map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_the_same_person_in_any_case_and_no_other() {
        let person = Person::new("Anna");
        assert!(["anna", "ANNA", "Anna"].iter().all(|name| person.is(name)));
        assert!(!["ann", "annab", "änna"].iter().any(|name| person.is(name)));
        let person = Person::new("CÉLINE");
        assert!(person.is("Céline") && !person.is("celine"));
    }

    #[test]
    fn statistics_still_rule_most_files_out() {
        let person = Person::new("mary");
        assert!(!person.may_be_between("anna", "liam"));
        assert!(!person.may_be_between("nora", "zoe"));
        assert!(person.may_be_between("MAX", "Mz"));
    }

    proptest! {
        #[test]
        fn no_statistics_rule_out_a_spelling(
            name in "[a-zA-Z0-9._-]{1,9}",
            upper in any::<[bool; 9]>(),
            other in "[ -~]{0,6}",
        ) {
            let spelled: String = name
                .chars()
                .zip(upper)
                .map(|(c, up)| if up { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
                .collect();
            let person = Person::new(&name);
            prop_assert!(person.is(&spelled));
            let (min, max) = if other < spelled { (&other, &spelled) } else { (&spelled, &other) };
            prop_assert!(person.may_be_between(min, max));
        }
    }
}
