//! Who somebody is to a policy: profiles, groups, reloads, shares.

use std::sync::Arc;

use weir_host::Host;

use super::{SCHOOL, arcs, device, file, names, network, person, school, set};
use crate::schedule::PeriodSet;
use crate::{Action, Facts, Policy, Seen, Stage, Subject, compile};

fn profile(policy: &Policy, subject: &Subject) -> String {
    policy.profile_name(subject.profile).to_string()
}

fn decide(policy: &Policy, subject: &Subject, method: &str, categories: &[&str]) -> Action {
    let categories = set(categories);
    let facts = Facts {
        subject,
        stage: Stage::Request,
        host: &Host::parse("www.example").unwrap(),
        port: 80,
        method,
        path: Some("/"),
        categories: &categories,
        periods: PeriodSet::EMPTY,
        mandatory: None,
    };
    policy.decide(&facts).action
}

#[test]
fn the_first_profile_that_names_a_group_is_the_persons() {
    let policy = school();
    for (groups, expected) in [
        (&["staff"][..], "staff"),
        (&["pupils"], "pupil"),
        (&["staff", "pupils"], "pupil"),
        (&["choir", "it-support"], "staff"),
        (&["choir"], "guest"),
        (&[], "guest"),
    ] {
        assert_eq!(
            **policy.profile_name(policy.profile_of(&arcs(groups))),
            *expected,
            "{groups:?}"
        );
    }
}

#[test]
fn af_05_af_06_what_is_known_of_somebody_gives_the_profile() {
    let policy = school();
    let (ada, groups) = (Arc::from("ada"), arcs(&["staff"]));
    let person = Some((&ada, &*groups));
    let (classrooms, offices) = (
        network("classrooms", None, &["pupils"]),
        network("offices", Some("staff"), &[]),
    );
    let (board, kiosk) = (
        device("board", Some("ada"), None, &["staff"]),
        device("kiosk", None, Some("pupil"), &["staff"]),
    );
    let (pupil, gone) = (Arc::from("pupil"), Arc::from("gone"));
    let none = Seen::default();
    for (seen, profile_name, user) in [
        (
            Seen {
                person,
                network: Some(&classrooms),
                ..none
            },
            "staff",
            Some("ada"),
        ),
        (
            Seen {
                person,
                device: Some(&kiosk),
                ..none
            },
            "staff",
            Some("ada"),
        ),
        (Seen { person, ..none }, "guest", Some("ada")),
        (
            Seen {
                person,
                listener_profile: Some(&pupil),
                ..none
            },
            "guest",
            Some("ada"),
        ),
        (
            Seen {
                device: Some(&board),
                network: Some(&classrooms),
                ..none
            },
            "staff",
            Some("ada"),
        ),
        (
            Seen {
                device: Some(&kiosk),
                listener_profile: Some(&gone),
                ..none
            },
            "pupil",
            None,
        ),
        (
            Seen {
                network: Some(&classrooms),
                ..none
            },
            "pupil",
            None,
        ),
        (
            Seen {
                network: Some(&offices),
                ..none
            },
            "staff",
            None,
        ),
        (
            Seen {
                network: Some(&offices),
                listener_profile: Some(&pupil),
                ..none
            },
            "pupil",
            None,
        ),
        (
            Seen {
                network: Some(&offices),
                listener_profile: Some(&gone),
                ..none
            },
            "guest",
            None,
        ),
        (
            Seen {
                listener_profile: Some(&pupil),
                ..none
            },
            "guest",
            None,
        ),
        (none, "guest", None),
    ] {
        let subject = policy.subject(&seen);
        assert_eq!(profile(&policy, &subject), profile_name, "{seen:?}");
        assert_eq!(subject.user.as_deref(), user, "{seen:?}");
    }
}

#[test]
fn what_is_not_known_at_connect_is_not_looked_at() {
    let policy = school();
    let subject = person(&policy, "ada", &["pupils"]);
    let categories = set(&["education"]);
    let host = Host::parse("www.example").unwrap();
    let asked = |stage| {
        policy.decide(&Facts {
            subject: &subject,
            stage,
            host: &host,
            port: 443,
            method: "GET",
            path: Some("/setup.exe"),
            categories: &categories,
            periods: PeriodSet::EMPTY,
            mandatory: None,
        })
    };
    assert_eq!(asked(Stage::Connect).action, Action::Allow);
    assert_eq!(asked(Stage::Request).action, Action::Block);
}

#[test]
fn a_guests_groups_are_those_of_the_network() {
    let policy = school();
    let lobby = network("lobby", Some("guest"), &["visitors"]);
    let guest = policy.subject(&Seen {
        network: Some(&lobby),
        ..Seen::default()
    });
    assert_eq!(
        decide(&policy, &guest, "POST", &["education"]),
        Action::Block
    );
    // No rule of this policy names education, so the guests' rule for unlisted hosts holds.
    assert_eq!(decide(&policy, &guest, "GET", &["education"]), Action::Warn);
    let pupil = person(&policy, "ada", &["pupils"]);
    assert_eq!(
        decide(&policy, &pupil, "POST", &["education"]),
        Action::Allow
    );
}

#[test]
fn a_subject_prepared_for_an_older_policy_is_decided_by_the_newer_one() {
    let old = school();
    // Another order of profiles and other groups: every number means something else.
    let text = SCHOOL.replace(
        "name = \"pupil\"\ngroups = [\"pupils\"]",
        "name = \"first\"\n\n[[profile]]\nname = \"pupil\"\ngroups = [\"a\", \"pupils\"]",
    );
    let new = compile(&file(&text), &names()).unwrap();
    for (groups, category, expected) in [
        (&["pupils"][..], "social", Action::Block),
        (&["staff"], "social", Action::Allow),
        (&["a"], "education", Action::Allow),
        (&[], "unlisted", Action::Warn),
    ] {
        let stale = person(&old, "ada", groups);
        let fresh = person(&new, "ada", groups);
        assert_eq!(
            decide(&new, &stale, "GET", &[category]),
            expected,
            "{groups:?}"
        );
        assert_eq!(
            decide(&new, &fresh, "GET", &[category]),
            expected,
            "{groups:?}"
        );
        let caps = |subject: &Subject| {
            new.shares(subject, &set(&[]))
                .map(|(key, ..)| key.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(caps(&stale), caps(&fresh), "{groups:?}");
    }
}

#[test]
fn aup_10_traffic_counts_against_its_groups_and_categories() {
    let policy = school();
    let shares = |groups: &[&str], categories: &[&str]| {
        let subject = person(&policy, "ada", groups);
        let shares = policy.shares(&subject, &set(categories));
        shares
            .map(|(key, down, up)| (key.to_string(), down, up))
            .collect::<Vec<_>>()
    };
    let pupils = (
        "group:pupils".to_string(),
        Some(12_500_000),
        Some(6_250_000),
    );
    let streaming = ("category:streaming".to_string(), Some(5_000_000), None);
    let only = std::slice::from_ref(&pupils);
    assert_eq!(shares(&["pupils"], &["education"]), only);
    assert_eq!(
        shares(&["choir", "pupils"], &["education", "streaming"]),
        [pupils, streaming.clone()]
    );
    assert_eq!(shares(&["staff"], &["streaming"]), [streaming]);
    assert_eq!(
        shares(&["exams"], &["education"]),
        [],
        "a group without rates shares nothing"
    );
}

#[test]
fn af_09_a_host_in_categories_that_no_rule_names_is_unlisted_as_well() {
    let text = format!("{PROFILES}{}", RULES_ON_BUILT_IN);
    let policy = compile(&file(&text), &names()).unwrap();
    let host = |text: &str| Host::parse(text).unwrap();
    let rule = |host: &Host, categories: &[&str]| {
        let subject = person(&policy, "anna", &[]);
        let verdict = policy.decide(&Facts {
            subject: &subject,
            stage: Stage::Request,
            host,
            port: 80,
            method: "GET",
            path: Some("/"),
            categories: &set(categories),
            periods: PeriodSet::EMPTY,
            mandatory: None,
        });
        verdict
            .rule
            .map(|rule| policy.rule(rule).unwrap().id.to_string())
    };
    let name = host("new-proxy.example");
    for (categories, expected) in [
        (&["unlisted"][..], Some("new")),
        (&["webmail"], Some("new")),
        (&["webmail", "piracy"], Some("new")),
        (&["webmail", "games"], Some("play")),
    ] {
        assert_eq!(
            rule(&name, categories).as_deref(),
            expected,
            "{categories:?}"
        );
    }
    // An address is one whatever list has it too.
    for address in ["168.143.118.148", "[2606:4700::1111]"] {
        for categories in [&["address"][..], &["webmail"], &["games"]] {
            assert_eq!(
                rule(&host(address), categories).as_deref(),
                Some("numbers"),
                "{address} {categories:?}"
            );
        }
    }
    assert!(policy.rules_on(names().id("games").unwrap()));
    assert!(!policy.rules_on(names().id("webmail").unwrap()));
}

const PROFILES: &str = r#"
time_zone = "Europe/London"
strictest = "guest"
otherwise = "allow"

[[profile]]
name = "pupil"
groups = ["pupils"]

[[profile]]
name = "guest"
"#;

const RULES_ON_BUILT_IN: &str = r#"
[[rule]]
id = "numbers"
categories = ["address"]
action = "block"
purpose = "effective-operation"

[[rule]]
id = "play"
categories = ["games"]
action = "allow"
purpose = "effective-operation"

[[rule]]
id = "new"
categories = ["unlisted"]
action = "block"
purpose = "effective-operation"
"#;
