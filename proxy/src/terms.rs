//! Whether the school's calendar still reaches far enough.
//!
//! Decides when somebody must be told: rules for lessons rest outside of terms, so after the last one games and video are
//! open in every lesson, and nothing else would say so.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use weir_config::PolicyFile;

/// Days before the last term's end from which it is told.
const AHEAD: i32 = 30;

/// What to tell today, if anything. A policy whose periods hold in holidays too needs no terms.
pub(crate) fn ending_now(policy: &PolicyFile) -> Option<String> {
    let zone = TimeZone::get(&policy.time_zone).ok()?;
    ending(policy, Timestamp::now().to_zoned(zone).date())
}

fn ending(policy: &PolicyFile, today: Date) -> Option<String> {
    let rests = |name: &std::sync::Arc<str>| {
        policy
            .periods
            .iter()
            .any(|period| period.term_only && period.name == *name)
    };
    let mut named = policy
        .rules
        .iter()
        .flat_map(|rule| rule.periods.iter().chain(&rule.not_periods));
    if !named.any(rests) {
        return None;
    }
    let last = policy.terms.iter().map(|term| term.last).max()?;
    let soon = today.checked_add(AHEAD.days()).unwrap_or(today);
    if last >= soon {
        return None;
    }
    let rest = if last < today { "rest" } else { "will rest" };
    Some(format!(
        "there is no term after {last}: rules for periods of term time {rest} from then on, such as those for lessons; add \
         the next [[term]] entries to the policy"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_month_before_the_last_term_ends_somebody_is_told() {
        let policy = PolicyFile::parse(include_str!("../../config/policy.toml")).unwrap();
        assert_eq!(ending(&policy, date(2027, 6, 20)), None);
        let soon = ending(&policy, date(2027, 6, 22)).unwrap();
        assert!(
            soon.contains("2027-07-21") && soon.contains("will rest"),
            "{soon}"
        );
        let over = ending(&policy, date(2027, 9, 6)).unwrap();
        assert!(
            over.contains("[[term]]") && !over.contains("will"),
            "{over}"
        );
    }

    #[test]
    fn a_policy_without_term_time_needs_no_terms() {
        let text = include_str!("../../config/policy.toml").replace("term_only = true", "");
        let policy = PolicyFile::parse(&text).unwrap();
        assert_eq!(ending(&policy, date(2030, 1, 1)), None);
    }
}
