//! AF-01: a mandatory list is decided on before everything that a policy can say.

use weir_categories::sealed::SlotId;
use weir_host::Host;

use super::{file, names, person, set};
use crate::schedule::PeriodSet;
use crate::{Action, Facts, ResponseFacts, Stage, compile};

/// Everything by which a policy opens something, at the top of the file.
const OPEN: &str = r#"
time_zone = "Europe/London"
otherwise = "allow"
strictest = "guest"
[[period]]
name = "always"
from = "00:00"
to = "24:00"
[[profile]]
name = "guest"
[[profile]]
name = "staff"
groups = ["it-support"]
[[rule]]
id = "mandatory-everything-for-support"
action = "allow"
groups = ["it-support"]
exempt_limits = true
purpose = "effective-operation"
[[rule]]
id = "the-host-itself"
action = "allow"
hosts = ["bad.example"]
purpose = "effective-operation"
[[rule]]
id = "after-a-click"
action = "warn"
categories = ["games"]
words = "Think."
purpose = "effective-operation"
[[rule]]
id = "all-day"
action = "allow"
periods = ["always"]
purpose = "effective-operation"
[[rule]]
id = "all"
action = "allow"
purpose = "effective-operation"
"#;

#[test]
fn af_01_no_rule_group_profile_period_click_or_otherwise_lifts_a_mandatory_list() {
    let policy = compile(&file(OPEN), &names()).unwrap();
    let host = Host::parse("bad.example").unwrap();
    for groups in [&["it-support"][..], &[]] {
        let subject = person(&policy, "ada", groups);
        for categories in [&["education"][..], &["games"], &["security-updates"]] {
            for (stage, path) in [(Stage::Connect, None), (Stage::Request, Some("/a"))] {
                let categories = set(categories);
                let facts = Facts {
                    subject: &subject,
                    stage,
                    host: &host,
                    port: 80,
                    method: "GET",
                    path,
                    categories: &categories,
                    periods: PeriodSet::EMPTY,
                    mandatory: None,
                };
                assert_ne!(policy.decide(&facts).action, Action::Block);
                let facts = Facts {
                    mandatory: Some(SlotId(1)),
                    ..facts
                };
                let verdict = policy.decide(&facts);
                assert_eq!(verdict.action, Action::Block);
                assert_eq!((verdict.rule, verdict.category), (None, None));
                assert_eq!(verdict.mandatory, Some(SlotId(1)));
                let response = policy.decide_response(&facts, &ResponseFacts::default());
                assert_eq!(response, Some(verdict));
            }
        }
    }
}
