//! The lawful ground of recording, while Weir runs: which authorisation is in force and who was given the notice (LM-02, LM-06).
//!
//! Decides nothing about a request's way: filtering waits for neither. Whether content may be recorded is decided by
//! `weir_monitoring::Permit`, asked by [`Law::permit`] alone; `ledger` knows who was told, `notice` tells them, `page` has the
//! words, `watch` takes up what commands write.

mod ledger;
pub(crate) mod notice;
pub(crate) mod page;
mod told;
pub(crate) mod watch;

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use weir_config::{PolicyFile, Settings};
use weir_monitoring::basis::{BasisError, History};
use weir_monitoring::{Basis, Grounds, Informed, Permit, Record, Verdict};
use weir_policy::Rule;

use crate::clock;
use crate::warn::Acknowledgements;

pub(crate) use ledger::{Ledger, Line, WAS_TOLD, append};

/// Pages of the notice that may wait for their click; beyond, old ones make room.
const PAGES: usize = 20_000;
/// Days before an authorisation ends from which it is told.
const SOON: i64 = 30 * 24 * 60 * 60 * 1_000_000;

/// What is known of authorisation and notice.
pub(crate) struct Law {
    standing: ArcSwap<Standing>,
    pub(crate) ledger: Ledger,
    /// The tokens of notice pages: that a page was shown, and that a browser showed it.
    pub(crate) pages: Acknowledgements,
}

/// The authorisation as the file has it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Given and not ended; its time may be over.
    pub(crate) basis: Option<Basis>,
    /// Why the file cannot be used.
    pub(crate) fault: Option<String>,
}

impl Standing {
    /// What the file says.
    pub(crate) fn of(read: Result<&History, &BasisError>) -> Standing {
        match read {
            Ok(history) => Standing {
                basis: history.last().cloned(),
                fault: None,
            },
            Err(error) => Standing {
                basis: None,
                fault: Some(error.to_string()),
            },
        }
    }

    /// The authorisation, while it holds.
    pub(crate) fn in_force(&self, now: i64) -> Option<&Basis> {
        self.basis
            .as_ref()
            .filter(|basis| basis.is_in_force_at(now))
    }

    /// Why content is not recorded; nothing when it may be.
    pub(crate) fn lack(&self, now: i64) -> Option<String> {
        const OFF: &str =
            "so content (path and search term of what is blocked or warned about) is not recorded";
        if let Some(fault) = &self.fault {
            return Some(fault.clone());
        }
        match &self.basis {
            None => Some(format!(
                "no authorisation to monitor is in force, {OFF}; `weir basis set` records one (LM-02)"
            )),
            Some(basis) if now < basis.from_micros() => Some(format!(
                "authorisation {} begins on {} only, {OFF}",
                basis.version, basis.authorised
            )),
            Some(basis) if !basis.is_in_force_at(now) => Some(format!(
                "authorisation {} ran out after {}, {OFF}; `weir basis set` renews it (LM-02)",
                basis.version, basis.review
            )),
            Some(_) => None,
        }
    }

    /// For health: whether all is well, and in words.
    pub(crate) fn health(&self, now: i64) -> (bool, String) {
        match (self.lack(now), &self.basis) {
            (Some(lack), _) => (false, lack),
            (None, Some(basis)) if basis.until_micros() - now < SOON => (
                false,
                format!(
                    "{}: it is to be renewed soon (`weir basis set`)",
                    basis.told()
                ),
            ),
            (None, Some(basis)) => (true, basis.told()),
            (None, None) => (true, String::new()),
        }
    }
}

impl Law {
    /// What a state directory holds. What cannot be read leaves nobody authorised and nobody informed, and is told.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn open(state: &Path) -> Result<Law, ring::error::Unspecified> {
        let read = History::read(state);
        if let Err(error) = &read {
            tracing::error!("{error}");
        }
        Ok(Law {
            standing: ArcSwap::from_pointee(Standing::of(read.as_ref())),
            ledger: Ledger::open(state),
            pages: Acknowledgements::new(PAGES)?,
        })
    }

    /// The authorisation at this moment.
    pub(crate) fn standing(&self) -> Arc<Standing> {
        self.standing.load_full()
    }

    /// Asks the gate about an event, as its record has it so far: verdict, time and notice are noted.
    pub(crate) fn permit(&self, record: &Record, rule: Option<&Rule>) -> Option<Permit> {
        let standing = self.standing.load();
        Permit::on(&Grounds {
            basis: standing.basis.as_ref(),
            notice: record.notice,
            verdict: record.verdict,
            purpose: rule.map(|rule| rule.purpose),
            rule_keeps_until: rule.and_then(|rule| rule.content_until),
            now: record.time,
        })
    }
}

/// Whether the record of such an event would keep content, and else why not: for people who ask beforehand.
///
/// # Errors
/// The reason, in words that follow "because".
pub(crate) fn keeps_content(
    settings: &Settings,
    identity: &str,
    (verdict, rule): (Verdict, Option<&Rule>),
    now: i64,
) -> Result<(), String> {
    let standing = Standing::of(History::read(&settings.state).as_ref());
    let notice = Ledger::open(&settings.state).state(identity, &settings.notice, now);
    let grounds = Grounds {
        basis: standing.basis.as_ref(),
        notice,
        verdict,
        purpose: rule.map(|rule| rule.purpose),
        rule_keeps_until: rule.and_then(|rule| rule.content_until),
        now,
    };
    if Permit::on(&grounds).is_some() {
        return Ok(());
    }
    let is_allowed =
        verdict == Verdict::Allow && grounds.rule_keeps_until.is_none_or(|end| end <= now);
    Err(match standing.lack(now) {
        _ if is_allowed => "it is allowed".to_owned(),
        Some(lack) => lack,
        None if notice != Informed::Given => {
            format!("{identity} was not given the notice (`weir notice`)")
        }
        None => "the authorisation in force does not have the purpose of the rule".to_owned(),
    })
}

/// Rules that keep content of what they let through, in words, and whether their time is over (LM-04).
pub(crate) fn named_rules(policy: &PolicyFile) -> Vec<(String, bool)> {
    let zone = jiff::tz::TimeZone::get(&policy.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let today = jiff::Timestamp::now().to_zoned(zone).date();
    let named = policy.rules.iter().filter_map(|rule| {
        let content = rule.content.as_ref()?;
        let told = format!(
            "rule {:?} keeps path and search term of what it lets through, until {}, for {}: {}",
            rule.id,
            content.until,
            rule.purpose.as_str(),
            content.reason
        );
        Some((told, content.until < today))
    });
    named.collect()
}

/// Now, as records have it.
pub(crate) fn now() -> i64 {
    clock::wall_micros()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LINE: &str = r#"{"act":"set","time":"2026-09-01T08:00:00Z","by":"root","basis":{"version":1,"role":"headteacher","authorised":"2026-09-01","review":"2026-09-30","scope":"all","sites":["main"],"purposes":["standards"],"instrument":"SI 2018/356"}}"#;

    #[test]
    fn without_an_authorisation_or_after_its_time_health_says_why_lm_02() {
        let directory = tempfile::tempdir().unwrap();
        let none = Law::open(directory.path()).unwrap().standing();
        assert!(none.lack(0).unwrap().contains("no authorisation"));
        std::fs::write(directory.path().join("basis.jsonl"), LINE).unwrap();
        let standing = Law::open(directory.path()).unwrap().standing();
        let basis = standing.basis.clone().unwrap();
        let (from, until) = (basis.from_micros(), basis.until_micros());
        assert!(standing.lack(from - 1).unwrap().contains("begins on"));
        assert_eq!(standing.lack(from), None);
        assert!(
            standing
                .lack(until)
                .unwrap()
                .contains("ran out after 2026-09-30")
        );
        let (well, told) = standing.health(from + 1);
        assert!(!well && told.contains("renewed soon"), "{told}");
        std::fs::write(directory.path().join("basis.jsonl"), "{}\n").unwrap();
        let faulty = Law::open(directory.path()).unwrap().standing();
        assert!(faulty.lack(from).unwrap().contains("basis.jsonl:1:"));
        assert!(faulty.in_force(from).is_none());
    }
}
