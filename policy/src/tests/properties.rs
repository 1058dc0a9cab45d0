//! Random policies and questions.

use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use weir_categories::sealed::SlotId;
use weir_config::{Action as RuleAction, HostSelector, PolicyFile, PortRange, Purpose, RuleFile};
use weir_host::Host;

use super::naive::{self, Answer, Question};
use super::{arcs, device, names, network, set};
use crate::{Action, Facts, Policy, ResponseFacts, Seen, Stage, Verdict, compile};

const BASE: &str = r#"
time_zone = "Europe/London"
strictest = "visitor"
[[period]]
name = "morning"
from = "08:00"
to = "12:00"
[[period]]
name = "afternoon"
from = "12:00"
to = "16:00"
[[period]]
name = "weekend"
days = ["sat", "sun"]
[[profile]]
name = "pupil"
groups = ["pupils", "sixth-form"]
[[profile]]
name = "staff"
groups = ["staff"]
[[profile]]
name = "visitor"
[[group]]
name = "choir"
"#;

/// Moments of winter and summer, and what of the week they are.
const MOMENTS: [(&str, &[&str]); 5] = [
    ("2026-01-05T09:00:00Z", &["morning"]),
    ("2026-07-06T11:00:00Z", &["afternoon"]),
    ("2026-01-10T09:00:00Z", &["morning", "weekend"]),
    ("2026-07-11T20:00:00Z", &["weekend"]),
    ("2026-01-05T20:00:00Z", &[]),
];

const GROUPS: [&str; 5] = ["pupils", "sixth-form", "staff", "choir", "unheard-of"];
const HOSTS: [&str; 6] = [
    "a.example",
    "www.a.example",
    "xa.example",
    "deep.www.a.example",
    "93.184.215.14",
    "[2001:4860::8888]",
];
const LISTED: [&str; 5] = ["adult", "games", "social", "unlisted", "address"];

/// Few of several values: rules that hold often enough to be worth asking.
fn some(values: &'static [&'static str]) -> impl Strategy<Value = Vec<Arc<str>>> {
    let chosen =
        subsequence(values.to_vec(), 1..=2.min(values.len())).prop_map(|chosen| arcs(&chosen));
    prop_oneof![4 => Just(Vec::new()), 1 => chosen]
}

fn selectors() -> impl Strategy<Value = Vec<HostSelector>> {
    let name =
        |text: &str| HostSelector::Below(Host::parse(text).unwrap().as_name().unwrap().clone());
    let within = |text: &str| HostSelector::Within(text.parse().unwrap());
    let all = vec![
        name("a.example"),
        name("www.a.example"),
        within("93.184.0.0/16"),
        within("2001:4860::/32"),
    ];
    prop_oneof![3 => Just(Vec::new()), 1 => subsequence(all, 1..=2)]
}

fn strings(values: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    some(values).prop_map(|chosen| chosen.iter().map(ToString::to_string).collect())
}

fn rule() -> impl Strategy<Value = RuleFile> {
    let who = (
        some(&["pupil", "staff", "visitor"]),
        some(&["ada", "ben"]),
        some(&["pupils", "staff", "choir"]),
        some(&["lab", "hall"]),
        some(&["board"]),
    );
    let ports = prop_oneof![4 => Just(vec![]), 1 => Just(vec![PortRange { first: 80, last: 443 }])];
    let what = (
        some(&LISTED),
        selectors(),
        strings(&["GET", "POST", "CONNECT"]),
        ports,
        strings(&["exe", "gz"]),
        strings(&["video/*", "text/html"]),
    );
    let when = (
        some(&["morning", "afternoon", "weekend"]),
        some(&["afternoon"]),
    );
    let action = select(RuleAction::ALL.to_vec());
    (who, what, when, action).prop_map(|(who, what, when, action)| RuleFile {
        line: 1,
        id: "rule".into(),
        profiles: who.0,
        users: who.1,
        groups: who.2,
        networks: who.3,
        devices: who.4,
        categories: what.0,
        hosts: what.1,
        methods: what.2,
        ports: what.3,
        extensions: what.4,
        content_types: what.5,
        periods: when.0,
        not_periods: when.1,
        action,
        purpose: Purpose::Standards,
        words: String::new(),
        content: None,
        exempt_limits: false,
        down: None,
        up: None,
        download_size: None,
        upload_size: None,
    })
}

fn policy() -> impl Strategy<Value = PolicyFile> {
    let otherwise = select(weir_config::Otherwise::ALL.to_vec());
    (proptest::collection::vec(rule(), 0..90), otherwise).prop_map(|(rules, otherwise)| {
        let base = super::file(BASE);
        PolicyFile {
            rules,
            otherwise,
            ..base
        }
    })
}

fn question() -> impl Strategy<Value = (Question, Timestamp)> {
    let who = (
        select(vec!["ada", "ben", "eve"]),
        subsequence(GROUPS.to_vec(), 0..=2),
        proptest::option::of(select(vec!["lab", "hall", "yard"])),
        proptest::option::of(Just("board")),
    );
    let path = proptest::option::of(select(vec!["/", "/a/setup.exe", "/x.tar.GZ", "/a.exe/b"]));
    let what = (
        select(HOSTS.to_vec()),
        select(vec![80, 443, 8080]),
        select(vec!["GET", "POST"]),
        path,
    );
    let categories = subsequence(LISTED.to_vec(), 1..=2);
    (who, what, categories, select(MOMENTS.to_vec())).prop_map(|(who, what, categories, moment)| {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let method = if what.3.is_some() { what.2 } else { "CONNECT" };
        let question = Question {
            user: who.0.into(),
            groups: owned(&who.1),
            network: who.2.map(str::to_owned),
            device: who.3.map(str::to_owned),
            host: what.0.into(),
            port: what.1,
            method: method.into(),
            path: what.3.map(str::to_owned),
            categories: owned(&categories),
            periods: owned(moment.1),
        };
        (question, moment.0.parse().unwrap())
    })
}

/// Asks the policy what the second implementation is asked.
fn ask(policy: &Policy, question: &Question, now: Timestamp, content_type: Option<&str>) -> Answer {
    answer(asked(policy, question, now, content_type, None))
}

fn asked(
    policy: &Policy,
    question: &Question,
    now: Timestamp,
    content_type: Option<&str>,
    mandatory: Option<SlotId>,
) -> Verdict {
    let borrowed = |texts: &[String]| arcs(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let (user, groups) = (
        Arc::from(question.user.as_str()),
        borrowed(&question.groups),
    );
    let network = question
        .network
        .as_deref()
        .map(|name| network(name, None, &[]));
    let device = question
        .device
        .as_deref()
        .map(|name| device(name, None, None, &[]));
    let subject = policy.subject(&Seen {
        person: Some((&user, &groups)),
        network: network.as_ref(),
        device: device.as_ref(),
        listener_profile: None,
    });
    let categories = set(&question
        .categories
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>());
    let facts = Facts {
        subject: &subject,
        stage: if question.path.is_some() {
            Stage::Request
        } else {
            Stage::Connect
        },
        host: &Host::parse(&question.host).unwrap(),
        port: question.port,
        method: &question.method,
        path: question.path.as_deref(),
        categories: &categories,
        periods: policy.periods(now),
        mandatory,
    };
    let verdict = policy.decide(&facts);
    let changed =
        content_type.and_then(|_| policy.decide_response(&facts, &ResponseFacts { content_type }));
    changed.unwrap_or(verdict)
}

fn answer(verdict: Verdict) -> Answer {
    let category = verdict.category.map(|id| names().name(id).to_string());
    (
        verdict.action,
        verdict.rule.map(|ix| usize::from(ix.0)),
        category,
    )
}

pub(super) fn openness(action: Action) -> u8 {
    match action {
        Action::Block => 0,
        Action::Warn => 1,
        Action::Allow => 2,
    }
}

proptest! {
    #[test]
    fn af_01_no_policy_lifts_a_mandatory_list(file in policy(), questions in proptest::collection::vec(question(), 20), slot in any::<u8>()) {
        let policy = compile(&file, &names()).unwrap();
        for (question, now) in questions {
            for content_type in [None, Some("video/mp4")] {
                let verdict = asked(&policy, &question, now, content_type, Some(SlotId(slot)));
                prop_assert_eq!(verdict.action, Action::Block);
                prop_assert_eq!((verdict.rule, verdict.mandatory), (None, Some(SlotId(slot))));
            }
        }
    }

    #[test]
    fn decide_answers_as_the_file_says(file in policy(), questions in proptest::collection::vec(question(), 20)) {
        let policy = compile(&file, &names()).unwrap();
        for (question, now) in questions {
            prop_assert_eq!(ask(&policy, &question, now, None), naive::decide(&file, &question, None), "{:?}", question);
            for content_type in ["video/mp4", "text/html", "image/png"] {
                let expected = naive::decide(&file, &question, Some(content_type));
                prop_assert_eq!(ask(&policy, &question, now, Some(content_type)), expected, "{:?}", question);
            }
        }
    }

    #[test]
    fn a_block_rule_on_top_never_allows_more(file in policy(), mut block in rule(), questions in proptest::collection::vec(question(), 20)) {
        block.action = RuleAction::Block;
        only_named(&file, &mut block);
        let mut tighter = file.clone();
        tighter.rules.insert(0, block);
        no_more_open(&file, &tighter, &questions)?;
    }

    #[test]
    fn turning_any_rule_into_a_block_never_allows_more(file in policy(), which in any::<prop::sample::Index>(), questions in proptest::collection::vec(question(), 20)) {
        let mut tighter = file.clone();
        tighter.otherwise = weir_config::Otherwise::Block;
        if !tighter.rules.is_empty() {
            let at = which.index(tighter.rules.len());
            tighter.rules[at].action = RuleAction::Block;
        }
        no_more_open(&file, &tighter, &questions)?;
    }

    #[test]
    fn a_rule_at_the_end_changes_only_what_no_rule_decided(file in policy(), mut last in rule(), questions in proptest::collection::vec(question(), 20)) {
        only_named(&file, &mut last);
        let mut longer = file.clone();
        longer.rules.push(last);
        let (before, after) = (compile(&file, &names()).unwrap(), compile(&longer, &names()).unwrap());
        for (question, now) in questions {
            let old = ask(&before, &question, now, None);
            if old.1.is_some() {
                prop_assert_eq!(ask(&after, &question, now, None), old);
            }
        }
    }
}

/// Naming a category for the first time takes its hosts out of `unlisted`: that is what the name is for, and the one way in
/// which a new rule bears on hosts that it does not hold for.
fn only_named(file: &PolicyFile, rule: &mut weir_config::RuleFile) {
    let named = |name: &std::sync::Arc<str>| {
        let mut rules = file.rules.iter();
        rules.any(|rule| rule.categories.contains(name))
    };
    rule.categories.retain(named);
}

fn no_more_open(
    file: &PolicyFile,
    tighter: &PolicyFile,
    questions: &[(Question, Timestamp)],
) -> Result<(), TestCaseError> {
    let (before, after) = (
        compile(file, &names()).unwrap(),
        compile(tighter, &names()).unwrap(),
    );
    for (question, now) in questions {
        for content_type in [None, Some("video/mp4")] {
            let (old, new) = (
                ask(&before, question, *now, content_type),
                ask(&after, question, *now, content_type),
            );
            prop_assert!(
                openness(new.0) <= openness(old.0),
                "{old:?} became {new:?} for {question:?}"
            );
        }
    }
    Ok(())
}
