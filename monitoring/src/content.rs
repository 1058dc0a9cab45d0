//! The one gate through which content gets into a record: what somebody looked at, other than that something happened (LM-04,
//! LM-07).
//!
//! A content-grade field takes a [`Kept`] and nothing else, only a [`Permit`] makes one, and only [`Permit::on`] gives a permit:
//! an authorisation is in force (LM-02), its purposes have that of the rule (LM-03), whoever asks was given the notice (LM-06),
//! and something was blocked or warned about, or a named rule keeps content for a time that is not over. What text is kept is
//! for whoever holds the permit; what is scrubbed from it, for `column` and `scrub`.

use std::fmt;
use std::ops::Deref;

use weir_config::Purpose;

use crate::basis::Basis;
use crate::words::{Informed, Verdict};

/// What the gate is asked with.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'a> {
    /// The last authorisation that was given and not ended; whether its time is over is asked here.
    pub basis: Option<&'a Basis>,
    /// Of whoever asks.
    pub notice: Informed,
    /// The policy's answer.
    pub verdict: Verdict,
    /// Purpose of the rule that answered; None where no rule did.
    pub purpose: Option<Purpose>,
    /// Until when that rule keeps content of what it lets through, where it does: µs since the epoch, UTC.
    pub rule_keeps_until: Option<i64>,
    /// When it happens: µs since the epoch, UTC.
    pub now: i64,
}

/// Why content may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    /// Something was blocked or flagged.
    Flagged,
    /// A named rule keeps content of its matches.
    Rule,
}

/// Leave to keep content of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit(Ground);

/// A content-grade text that came through the gate. Its `Debug` shows nothing of it (LM-10).
#[derive(Clone, PartialEq, Eq)]
pub struct Kept {
    text: Box<str>,
    ground: Ground,
}

impl Permit {
    /// Decides whether content of an event may be kept at all.
    pub fn on(grounds: &Grounds<'_>) -> Option<Permit> {
        let basis = grounds
            .basis
            .filter(|basis| basis.is_in_force_at(grounds.now))?;
        let is_covered = grounds
            .purpose
            .is_none_or(|purpose| basis.purposes.iter().any(|code| code == purpose.as_str()));
        if !is_covered || grounds.notice != Informed::Given {
            return None;
        }
        match grounds.verdict {
            Verdict::Block | Verdict::Warn => Some(Permit(Ground::Flagged)),
            Verdict::Allow
                if grounds
                    .rule_keeps_until
                    .is_some_and(|end| grounds.now < end) =>
            {
                Some(Permit(Ground::Rule))
            }
            Verdict::Allow | Verdict::None => None,
        }
    }

    /// Lets a text in.
    pub fn keep(self, text: &str) -> Kept {
        Kept {
            text: text.into(),
            ground: self.0,
        }
    }
}

impl Kept {
    /// Whether it is written to a row that is `flagged`, or is not.
    pub(crate) fn stays(&self, flagged: bool) -> bool {
        flagged || self.ground == Ground::Rule
    }
}

impl Deref for Kept {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(content)")
    }
}

/// Tests of this crate are about what becomes of content, not about whether there may be some.
#[cfg(test)]
impl<T: Into<Box<str>>> From<T> for Kept {
    fn from(text: T) -> Kept {
        Kept {
            text: text.into(),
            ground: Ground::Flagged,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::basis::tests::basis;

    #[test]
    fn content_is_kept_only_with_basis_notice_and_a_block_a_warning_or_a_named_rule_lm_04_lm_02_lm_06()
     {
        let basis = basis();
        let now = basis.from_micros() + 1;
        let mut kept = Vec::new();
        for has_basis in [false, true] {
            for notice in Informed::ALL {
                for verdict in Verdict::ALL {
                    for rule_keeps_until in [None, Some(now), Some(now + 1)] {
                        let grounds = Grounds {
                            basis: has_basis.then_some(&basis),
                            notice: *notice,
                            verdict: *verdict,
                            purpose: Some(Purpose::Standards),
                            rule_keeps_until,
                            now,
                        };
                        let expected = has_basis
                            && *notice == Informed::Given
                            && (matches!(verdict, Verdict::Block | Verdict::Warn)
                                || (*verdict == Verdict::Allow
                                    && rule_keeps_until == Some(now + 1)));
                        assert_eq!(Permit::on(&grounds).is_some(), expected, "{grounds:?}");
                        kept.extend(expected.then_some(*verdict));
                    }
                }
            }
        }
        assert_eq!(kept.len(), 7, "two verdicts thrice, and one rule");
    }

    #[test]
    fn content_is_kept_only_within_the_time_and_the_purposes_of_the_basis_lm_02_lm_03() {
        let mut basis = basis();
        let on = |basis: &Basis, purpose, now| {
            let grounds = Grounds {
                basis: Some(basis),
                notice: Informed::Given,
                verdict: Verdict::Block,
                purpose,
                rule_keeps_until: None,
                now,
            };
            Permit::on(&grounds).is_some()
        };
        let (from, until) = (basis.from_micros(), basis.until_micros());
        let purpose = Some(Purpose::Standards);
        let times = [from - 1, from, until - 1, until].map(|now| on(&basis, purpose, now));
        assert_eq!(times, [false, true, true, false]);
        basis.purposes = vec![Purpose::Facts.as_str().to_owned()];
        assert!(!on(&basis, purpose, from) && on(&basis, None, from));
        assert!(on(&basis, Some(Purpose::Facts), from));
    }

    #[test]
    fn nobody_reads_content_out_of_a_debug_output_lm_10() {
        let kept = Permit(Ground::Rule).keep("/secret");
        assert_eq!(
            (&*kept, format!("{kept:?}").as_str()),
            ("/secret", "(content)")
        );
    }
}
