//! A second implementation of the rules, straight from the file's words: slow, and obviously what the file says.

use weir_config::{Action as RuleAction, HostSelector, Otherwise, PolicyFile, RuleFile};
use weir_host::Host;

use crate::Action;

/// Everything by name.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) user: String,
    pub(super) groups: Vec<String>,
    pub(super) network: Option<String>,
    pub(super) device: Option<String>,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) method: String,
    /// None: CONNECT.
    pub(super) path: Option<String>,
    pub(super) categories: Vec<String>,
    pub(super) periods: Vec<String>,
}

/// Action, number of the rule, category.
pub(super) type Answer = (Action, Option<usize>, Option<String>);

pub(super) fn profile(file: &PolicyFile, question: &Question) -> String {
    if question.network.is_none() && question.device.is_none() {
        return file.strictest.to_string();
    }
    for profile in &file.profiles {
        for group in &profile.groups {
            if question.groups.contains(&group.to_string()) {
                return profile.name.to_string();
            }
        }
    }
    file.strictest.to_string()
}

pub(super) fn decide(file: &PolicyFile, question: &Question, content_type: Option<&str>) -> Answer {
    let question = &built_in(file, question);
    for (number, rule) in file.rules.iter().enumerate() {
        if !holds(file, rule, question, content_type) {
            continue;
        }
        let action = match rule.action {
            RuleAction::Block => Action::Block,
            RuleAction::Warn => Action::Warn,
            RuleAction::Allow | RuleAction::Limit => Action::Allow,
        };
        let category = rule
            .categories
            .iter()
            .map(ToString::to_string)
            .find(|name| question.categories.contains(name));
        return (action, Some(number), category);
    }
    match file.otherwise {
        Otherwise::Allow => (Action::Allow, None, None),
        Otherwise::Block => (Action::Block, None, None),
    }
}

/// With `address` for every address literal, and `unlisted` for a name in no category that a rule names.
fn built_in(file: &PolicyFile, question: &Question) -> Question {
    let mut question = question.clone();
    let ruled = |name: &String| {
        let mut rules = file.rules.iter();
        rules.any(|rule| rule.categories.iter().any(|ruled| **ruled == **name))
    };
    if Host::parse(&question.host).unwrap().as_address().is_some() {
        question.categories.push("address".to_owned());
    } else if !question.categories.iter().any(ruled) {
        question.categories.push("unlisted".to_owned());
    }
    question
}

fn holds(
    file: &PolicyFile,
    rule: &RuleFile,
    question: &Question,
    content_type: Option<&str>,
) -> bool {
    let profile = [profile(file, question)];
    let words = |texts: &[String]| texts.to_vec();
    let names =
        |texts: &[std::sync::Arc<str>]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let one = |given: Vec<String>, found: &[String]| {
        given.is_empty() || given.iter().any(|value| found.contains(value))
    };
    let extension = question.path.as_deref().and_then(|path| {
        let last = path.split('/').next_back()?;
        last.contains('.')
            .then(|| last.split('.').next_back().map(str::to_lowercase))?
    });
    let hosts = rule.hosts.is_empty()
        || rule
            .hosts
            .iter()
            .any(|selector| host_is(selector, &question.host));
    let ports = rule.ports.is_empty()
        || rule
            .ports
            .iter()
            .any(|range| range.first <= question.port && question.port <= range.last);
    let types = rule.content_types.is_empty()
        || content_type.is_some_and(|found| {
            rule.content_types.iter().any(|known| {
                let whole = format!("{}/*", found.split('/').next().unwrap_or_default());
                known == found || *known == whole
            })
        });
    one(names(&rule.profiles), &profile)
        && one(names(&rule.users), std::slice::from_ref(&question.user))
        && one(names(&rule.groups), &question.groups)
        && one(names(&rule.networks), question.network.as_slice())
        && one(names(&rule.devices), question.device.as_slice())
        && one(names(&rule.categories), &question.categories)
        && one(names(&rule.periods), &question.periods)
        && !names(&rule.not_periods)
            .iter()
            .any(|name| question.periods.contains(name))
        && one(words(&rule.methods), std::slice::from_ref(&question.method))
        && one(words(&rule.extensions), extension.as_slice())
        && hosts
        && ports
        && types
}

fn host_is(selector: &HostSelector, host: &str) -> bool {
    match (selector, Host::parse(host).unwrap().as_address()) {
        (HostSelector::Below(name), None) => {
            host == name.as_str() || host.ends_with(&format!(".{name}"))
        }
        (HostSelector::Within(network), Some(address)) => network.contains(address),
        _ => false,
    }
}
