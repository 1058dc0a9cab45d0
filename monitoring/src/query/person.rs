//! Whether a recorded name is the person asked for.
//!
//! Decides that letter case does not matter: signing in ignores it, and directories and staff lists write `Anna` where the
//! record has `anna`. An export that is empty for that reason would say of a person that they did nothing.

/// A name, whatever its case.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// In lower case.
    name: String,
}

impl Person {
    pub(super) fn new(name: &str) -> Person {
        let name = name.to_lowercase();
        Person { name }
    }

    pub(super) fn is(&self, recorded: &str) -> bool {
        // The same rule as that of the statistics: a name in ASCII has no spelling outside it.
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

    /// Whether a text from `min` to `max` may be this name: where none of its spellings lies between them, it is not.
    pub(super) fn may_be_between(&self, min: &str, max: &str) -> bool {
        // What case does outside ASCII is not followed.
        !self.name.is_ascii()
            || first_spelling(self.name.as_bytes(), min.as_bytes())
                .is_some_and(|first| first.as_slice() <= max.as_bytes())
    }
}

/// Of all spellings of a name the first, in the order of bytes, that does not come before `min`. Capitals come before small letters.
fn first_spelling(name: &[u8], min: &[u8]) -> Option<Vec<u8>> {
    // As long as the beginning is that of `min`, and no letter went beyond it. The later one does, the nearer is the spelling.
    let mut beyond = None;
    let mut equal = 0;
    for (letter, bound) in name.iter().zip(min) {
        let cases = [letter.to_ascii_uppercase(), *letter];
        if let Some(case) = cases.into_iter().find(|case| case > bound) {
            beyond = Some((equal, case));
        }
        if !cases.contains(bound) {
            break;
        }
        equal += 1;
    }
    let rest = |from: usize| name.iter().skip(from).map(u8::to_ascii_uppercase);
    let start = |length: usize| min.iter().take(length).copied();
    if equal == min.len() {
        return Some(start(equal).chain(rest(equal)).collect());
    }
    let (place, case) = beyond?;
    Some(start(place).chain([case]).chain(rest(place + 1)).collect())
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
        // Names that begin alike: those of a class, a school or a directory.
        let person = Person::new("pupil0401");
        assert!(!person.may_be_between("pupil0002", "pupil0400"));
        assert!(!person.may_be_between("pupil0402", "pupil0500"));
        assert!(person.may_be_between("pupil0400", "pupil0401"));
        assert!(person.may_be_between("pupil0401", "pupil0402"));
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

        #[test]
        fn statistics_rule_out_exactly_what_no_spelling_lies_between(
            name in "[abA1.]{0,4}",
            min in "[abcABC1.]{0,5}",
            max in "[abcABC1.]{0,5}",
        ) {
            let lower = name.to_ascii_lowercase();
            let spellings = (0..1_u32 << lower.len()).map(|upper| {
                let spelled = lower.chars().enumerate();
                spelled
                    .map(|(at, c)| if upper >> at & 1 == 1 { c.to_ascii_uppercase() } else { c })
                    .collect::<String>()
            });
            let mut between = spellings.filter(|spelling| (&min..=&max).contains(&spelling));
            prop_assert_eq!(Person::new(&name).may_be_between(&min, &max), between.next().is_some());
        }
    }
}
