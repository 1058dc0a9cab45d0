//! The configuration as a whole: what a person who edits the files relies on.

#![allow(clippy::unwrap_used)]

mod checks;
mod files;
mod keys;
mod law;

use std::path::Path;

use crate::{Faults, Loaded, parse};

/// A policy without a fault, to test settings with.
const POLICY: &str = r#"
strictest = "guest"
[[profile]]
name = "guest"
[[profile]]
name = "staff"
groups = ["staff"]
"#;

/// Reads both texts with a directory that has nothing in it.
fn read(settings: &str, policy: &str) -> Result<Loaded, Faults> {
    parse(settings, policy, Path::new("/nowhere"))
}

/// The faults as `file name:line: key: message`.
fn told(settings: &str, policy: &str) -> Vec<String> {
    let faults = read(settings, policy)
        .map(|_| Vec::new())
        .unwrap_or_else(|faults| faults.0);
    let short = |fault: &crate::Fault| fault.to_string().replace("/nowhere/", "");
    faults.iter().map(short).collect()
}

/// Every expected line begins a fault, in this order, and there is no other.
#[track_caller]
fn assert_told(settings: &str, policy: &str, expected: &[&str]) {
    let told = told(settings, policy);
    let all = told.len() == expected.len()
        && told
            .iter()
            .zip(expected)
            .all(|(told, start)| told.starts_with(start));
    assert!(
        all,
        "\ntold:\n{}\nexpected:\n{}",
        told.join("\n"),
        expected.join("\n")
    );
}
