//! Texts of people that cite law which is no longer in force (LM-01).
//!
//! Decides what is such a citation. Whose texts are looked at is decided by who asks: `weir check` for notice and policy, `weir
//! basis` for authorisations.

/// What a text cites that was replaced in 2018, as it is spelt in lower case with single blanks, and what it is.
const OUTDATED: &[(&str, &str)] = &[
    ("2000/2699", "SI 2000/2699"),
    ("2000 no. 2699", "SI 2000/2699"),
    ("2000 no 2699", "SI 2000/2699"),
    (
        "lawful business practice",
        "the Lawful Business Practice Regulations 2000",
    ),
    (
        "interception of communications) regulations 2000",
        "the Lawful Business Practice Regulations 2000",
    ),
    ("2000 regulations", "the 2000 Regulations"),
    ("regulations of 2000", "the 2000 Regulations"),
    (
        "regulation of investigatory powers act",
        "the Regulation of Investigatory Powers Act 2000",
    ),
    (
        "ripa 2000",
        "the Regulation of Investigatory Powers Act 2000",
    ),
    (
        "ripa (2000)",
        "the Regulation of Investigatory Powers Act 2000",
    ),
];

/// A warning, when a text cites the 2000 Regulations or the Act they were made under; letter case and line breaks do not matter.
pub fn outdated(text: &str) -> Option<String> {
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = plain.to_lowercase();
    let (_, cited) = OUTDATED.iter().find(|(spelt, _)| plain.contains(spelt))?;
    Some(format!(
        "cites {cited}, which no longer governs interception by a school: the instrument is SI 2018/356 under section 46 of the \
         Investigatory Powers Act 2016"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lm_01_text_that_cites_the_2000_regulations_draws_a_warning_that_names_the_2018_instrument() {
        for text in [
            "under SI 2000/2699",
            "S.I. 2000 No. 2699",
            "the Lawful Business\n Practice Regulations 2000",
            "Telecommunications (LAWFUL BUSINESS PRACTICE) (Interception of Communications) Regulations 2000",
            "the 2000 Regulations",
            "RIPA 2000",
            "the Regulation of Investigatory Powers Act 2000",
        ] {
            let told = outdated(text).unwrap_or_default();
            assert!(told.contains("SI 2018/356"), "{text}: {told}");
        }
        for text in [
            "Investigatory Powers Act 2016 section 46 and SI 2018/356",
            "the year 2000",
            "our business practice is lawful",
            "",
        ] {
            assert_eq!(outdated(text), None, "{text}");
        }
    }
}
