//! Runs `cases/decisions.toml` against `cases/school.toml`.

use std::sync::Arc;

use serde::Deserialize;
use weir_host::{Host, normal_path};

use super::{arcs, device, network, school, set};
use crate::{Facts, Limits, Policy, ResponseFacts, Seen, Stage, Subject, Verdict};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Case {
    name: String,
    user: String,
    groups: Vec<String>,
    guest: bool,
    network: String,
    device: Option<String>,
    stage: String,
    host: String,
    port: u16,
    method: String,
    path: String,
    categories: Vec<String>,
    at: String,
    content_type: Option<String>,
    expect: String,
    rule: Option<String>,
    category: Option<String>,
    limits: Option<Given>,
    response: Option<String>,
    response_rule: Option<String>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            name: String::new(),
            user: "somebody".into(),
            groups: vec!["pupils".into()],
            guest: false,
            network: "classrooms".into(),
            device: None,
            stage: "request".into(),
            host: "www.school.example".into(),
            port: 80,
            method: "GET".into(),
            path: "/".into(),
            categories: vec!["education".into()],
            at: "2026-10-05T09:00:00Z".into(),
            content_type: None,
            expect: String::new(),
            rule: None,
            category: None,
            limits: None,
            response: None,
            response_rule: None,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Given {
    download_size: Option<u64>,
    upload_size: Option<u64>,
    daily: Option<u64>,
    user_down: Option<u64>,
    user_up: Option<u64>,
    rule_down: Option<u64>,
    rule_up: Option<u64>,
    exempt: bool,
}

impl From<&Given> for Limits {
    fn from(given: &Given) -> Self {
        Self {
            download_size: given.download_size,
            upload_size: given.upload_size,
            daily: given.daily,
            user_down: given.user_down,
            user_up: given.user_up,
            rule_down: given.rule_down,
            rule_up: given.rule_up,
            exempt: given.exempt,
        }
    }
}

fn subject(policy: &Policy, case: &Case) -> Subject {
    let groups: Vec<&str> = case.groups.iter().map(String::as_str).collect();
    let (user, groups) = (Arc::from(case.user.as_str()), arcs(&groups));
    let network = (!case.network.is_empty()).then(|| network(&case.network, None, &[]));
    let device = case
        .device
        .as_deref()
        .map(|name| device(name, None, None, &[]));
    policy.subject(&Seen {
        person: (!case.guest).then_some((&user, &*groups)),
        network: network.as_ref(),
        device: device.as_ref(),
        listener_profile: None,
    })
}

fn rule_id(policy: &Policy, verdict: &Verdict) -> Option<String> {
    verdict
        .rule
        .and_then(|ix| policy.rule(ix))
        .map(|rule| rule.id.to_string())
}

fn check(policy: &Policy, case: &Case) {
    let subject = subject(policy, case);
    let categories: Vec<&str> = case.categories.iter().map(String::as_str).collect();
    let categories = set(&categories);
    let path = normal_path(&case.path);
    let connects = case.stage == "connect";
    let facts = Facts {
        subject: &subject,
        stage: if connects {
            Stage::Connect
        } else {
            Stage::Request
        },
        host: &Host::parse(&case.host).unwrap(),
        port: case.port,
        method: if connects { "CONNECT" } else { &case.method },
        path: (!connects).then_some(&*path),
        categories: &categories,
        periods: policy.periods(case.at.parse().unwrap()),
        mandatory: None,
    };
    let verdict = policy.decide(&facts);
    assert_eq!(verdict.action.as_str(), case.expect, "{}", case.name);
    assert_eq!(rule_id(policy, &verdict), case.rule, "{}", case.name);
    let category = verdict
        .category
        .map(|id| super::names().name(id).to_string());
    assert_eq!(category, case.category, "{}", case.name);
    if let Some(limits) = &case.limits {
        assert_eq!(verdict.limits, limits.into(), "{}", case.name);
    }
    let response = ResponseFacts {
        content_type: case.content_type.as_deref(),
    };
    let then = policy.decide_response(&facts, &response);
    let then_rule = then.as_ref().and_then(|verdict| rule_id(policy, verdict));
    assert_eq!(
        then.map(|verdict| verdict.action.as_str()),
        case.response.as_deref(),
        "{}",
        case.name
    );
    assert_eq!(then_rule, case.response_rule, "{}", case.name);
}

#[test]
fn the_school_of_the_cases_decides_as_they_say() {
    let policy = school();
    let cases: Cases = toml::from_str(include_str!("../../cases/decisions.toml")).unwrap();
    assert!(cases.case.len() > 40);
    for case in &cases.case {
        check(&policy, case);
    }
}

#[test]
fn every_rule_of_the_school_decides_some_case() {
    let policy = school();
    let cases: Cases = toml::from_str(include_str!("../../cases/decisions.toml")).unwrap();
    // It needs a guest in a group that no case has: its own test is in `standing`.
    let elsewhere = "guests-read-only";
    for rule in policy.rules().iter().filter(|rule| *rule.id != *elsewhere) {
        let decides =
            |case: &&Case| [&case.rule, &case.response_rule].contains(&&Some(rule.id.to_string()));
        assert!(cases.case.iter().any(|case| decides(&case)), "{}", rule.id);
    }
}
