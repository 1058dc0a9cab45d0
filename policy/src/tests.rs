//! What a policy promises: data-driven cases, random policies against a second implementation, and single facts.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use weir_categories::{CategorySet, Names};
use weir_config::{Device, PolicyFile, RegisteredNetwork};

use crate::{Policy, Seen, Subject, compile};

mod cases;
mod compiling;
mod mandatory;
mod naive;
mod properties;
mod shipped;
mod standing;

const SCHOOL: &str = include_str!("../cases/school.toml");

/// The categories of the tests' lists.
const CATEGORIES: [&str; 11] = [
    "adult",
    "bypass",
    "education",
    "gambling",
    "games",
    "health-and-helplines",
    "malware",
    "piracy",
    "security-updates",
    "social",
    "webmail",
];

fn names() -> Names {
    Names::new(CATEGORIES.into_iter().chain(["streaming"])).unwrap()
}

fn file(text: &str) -> PolicyFile {
    PolicyFile::parse(text).unwrap_or_else(|faults| panic!("{faults}"))
}

fn school() -> Policy {
    compile(&file(SCHOOL), &names()).unwrap()
}

fn set(categories: &[&str]) -> CategorySet {
    let names = names();
    categories
        .iter()
        .map(|name| names.id(name).unwrap())
        .collect()
}

fn arcs(texts: &[&str]) -> Vec<Arc<str>> {
    texts.iter().map(|text| Arc::from(*text)).collect()
}

fn network(name: &str, profile: Option<&str>, groups: &[&str]) -> RegisteredNetwork {
    RegisteredNetwork {
        name: name.into(),
        addresses: vec!["10.0.0.0/8".parse().unwrap()],
        profile: profile.map(Arc::from),
        groups: arcs(groups),
    }
}

fn device(name: &str, user: Option<&str>, profile: Option<&str>, groups: &[&str]) -> Device {
    Device {
        name: name.into(),
        addresses: vec!["10.0.0.0/8".parse().unwrap()],
        user: user.map(Arc::from),
        groups: arcs(groups),
        profile: profile.map(Arc::from),
    }
}

/// A person who has logged in on a registered network.
fn person(policy: &Policy, user: &str, groups: &[&str]) -> Subject {
    let (user, groups) = (Arc::from(user), arcs(groups));
    policy.subject(&Seen {
        person: Some((&user, &groups)),
        network: Some(&network("classrooms", None, &[])),
        ..Seen::default()
    })
}
