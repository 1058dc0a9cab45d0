//! The policy that Weir ships, against the lists that it ships.

use weir_categories::{CategorySet, Index, build, embedded};
use weir_host::Host;

use super::properties::openness;
use crate::{Action, Facts, Policy, Seen, Stage, Subject, compile};

/// A Monday of the first term: before school, in a lesson, at lunch, in the evening; and a Sunday.
const MOMENTS: [&str; 5] = [
    "2026-10-05T06:00:00Z",
    "2026-10-05T09:00:00Z",
    "2026-10-05T11:30:00Z",
    "2026-10-05T19:00:00Z",
    "2026-10-11T12:00:00Z",
];

fn shipped() -> (Policy, Index) {
    let file = weir_config::embedded().unwrap().policy;
    let index = build(&[embedded()], &mut |_| {}).unwrap().index;
    let policy = compile(&file, index.names()).unwrap_or_else(|faults| panic!("{faults:?}"));
    assert_eq!(
        policy.missing(),
        [],
        "the starter lists have each category of the policy"
    );
    (policy, index)
}

fn of_profile(policy: &Policy, profile: &str) -> Subject {
    let network = super::network("classrooms", Some(profile), &[]);
    policy.subject(&Seen {
        network: Some(&network),
        ..Seen::default()
    })
}

fn decide(
    policy: &Policy,
    subject: &Subject,
    what: (&CategorySet, Stage, &str, &str),
    at: &str,
) -> Action {
    let (categories, stage, method, path) = what;
    let facts = Facts {
        subject,
        stage,
        host: &Host::parse("www.example").unwrap(),
        port: if stage == Stage::Connect { 443 } else { 80 },
        method,
        path: (stage == Stage::Request).then_some(path),
        categories,
        periods: policy.periods(at.parse().unwrap()),
        mandatory: None,
    };
    policy.decide(&facts).action
}

#[test]
fn af_06_nothing_is_open_to_a_guest_that_is_closed_to_a_pupil() {
    let (policy, index) = shipped();
    let (guest, pupil) = (of_profile(&policy, "guest"), of_profile(&policy, "pupil"));
    assert_eq!(guest.profile, policy.strictest());
    assert_ne!(guest.profile, pupil.profile);
    let requests = [
        (Stage::Connect, "CONNECT", "/"),
        (Stage::Request, "GET", "/"),
        (Stage::Request, "POST", "/"),
        (Stage::Request, "GET", "/setup.exe"),
        (Stage::Request, "GET", "/film.torrent"),
    ];
    for (id, name) in index.names().iter() {
        let categories: CategorySet = [id].into_iter().collect();
        for (stage, method, path) in requests {
            for at in MOMENTS {
                let what = (&categories, stage, method, path);
                let (theirs, pupils) = (
                    decide(&policy, &guest, what, at),
                    decide(&policy, &pupil, what, at),
                );
                assert!(
                    openness(theirs) <= openness(pupils),
                    "{name} {method} {path} {at}"
                );
            }
        }
    }
}

#[test]
fn aup_15_a_listed_gambling_site_is_closed_to_every_profile_at_any_time() {
    let (policy, index) = shipped();
    let categories: CategorySet = index.names().id("gambling").into_iter().collect();
    assert!(!categories.is_empty());
    for profile in weir_config::embedded().unwrap().policy.profiles {
        let subject = of_profile(&policy, &profile.name);
        for (stage, method) in [(Stage::Connect, "CONNECT"), (Stage::Request, "GET")] {
            for at in MOMENTS {
                let action = decide(&policy, &subject, (&categories, stage, method, "/"), at);
                assert_eq!(action, Action::Block, "{} {method} {at}", profile.name);
            }
        }
    }
}
