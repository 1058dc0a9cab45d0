//! What the console needs to know from the running proxy.

use std::time::Duration;

use serde::Serialize;

/// The running proxy, as the console sees it. Calls must not block: they run on the
/// console's runtime.
pub trait Control: Send + Sync + 'static {
    /// How the parts of the proxy are doing now.
    fn health(&self) -> Health;

    /// All metrics in the OpenMetrics text format.
    fn metrics(&self) -> String;

    /// What is recorded about whoever uses the proxy, as configured now (LM-06, LM-19).
    fn notice(&self) -> Notice;
}

/// How the proxy is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Version of the program.
    pub version: String,
    /// Whole seconds since it started.
    pub uptime_seconds: u64,
    /// Every part that can be well or ill.
    pub checks: Vec<Check>,
}

impl Health {
    /// The worst state of any part; of none, well.
    pub fn state(&self) -> State {
        self.checks
            .iter()
            .map(|check| check.state)
            .max()
            .unwrap_or(State::Ok)
    }
}

/// One part's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Short name of the part, such as `records`.
    pub name: &'static str,
    /// How it is doing.
    pub state: State,
    /// What that means, in plain words and without anything of content grade.
    pub detail: String,
}

/// How bad things are, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// Working, yet somebody should look: `/healthz` still answers 200.
    Warning,
    /// Not doing its work: `/healthz` answers 503.
    Failing,
}

impl State {
    /// Lower-case label, as in the JSON answer.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Failing => "failing",
        }
    }
}

/// What the notice page says. All of it comes from the configuration in force, so that the
/// page cannot promise something else than what happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The school, as people call it.
    pub school: String,
    /// Mail address or URL for questions and reviews; empty when none is configured.
    pub contact: String,
    /// The school's own words, by paragraphs.
    pub own: Vec<String>,
    /// Their language, as a tag.
    pub language: String,
    /// Version of the notice that people are given (LM-06).
    pub notice_version: String,
    /// Recorded for every request.
    pub always: Vec<Recorded>,
    /// Recorded only when a request is blocked or warned about (LM-04); nothing while no authorisation is in force.
    pub when_blocked: Vec<Recorded>,
    /// Rules that keep the same of what they let through, in words (LM-04).
    pub kept_by_rules: Vec<String>,
    /// On what authority, in a sentence (LM-01, LM-02).
    pub basis: String,
    /// Why there are records, in words (LM-03).
    pub purposes: Vec<String>,
    /// How a person is recognised, in words: by login, device or network (LM-35).
    pub identification: Vec<String>,
    /// How long records are kept (LM-14).
    pub retention: Duration,
    /// How long content is kept, such as paths and search terms: never longer than the rest.
    pub content_retention: Duration,
    /// Changes with the policy; people may quote it.
    pub version: String,
}

/// One thing that is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The field's name in an export.
    pub field: String,
    /// What it holds, in words.
    pub meaning: String,
}
