//! Faults, versions and order.

use weir_config::{Action as RuleAction, Purpose};
use weir_host::Host;

use super::{SCHOOL, file, names, person, school, set};
use crate::schedule::PeriodSet;
use crate::{Facts, Stage, compile};

#[test]
fn every_unknown_category_is_named_with_its_line_and_a_suggestion() {
    let text = SCHOOL
        .replace(
            r#"categories = ["bypass"]"#,
            r#"categories = ["bypas", "weather"]"#,
        )
        .replace(
            "[[category]]\nname = \"streaming\"",
            "[[category]]\nname = \"streeming\"",
        );
    let policy = compile(&file(&text), &names()).unwrap();
    let faults: Vec<_> = policy.missing().iter().map(|one| &one.fault).collect();
    let line_of = |section: &str, what: &str| {
        let at = text.find(what).unwrap();
        let start = text[..at].rfind(section).unwrap();
        Some(text[..start].lines().count() + 1)
    };
    let told: Vec<_> = faults
        .iter()
        .map(|fault| (fault.line, fault.key.as_str(), fault.message.as_str()))
        .collect();
    let rule = line_of("[[rule]]", "bypas\"");
    let category = line_of("[[category]]", "streeming");
    assert_eq!(
        told,
        [
            (
                category,
                "category[1].name",
                r#"no list has the category "streeming"; did you mean "streaming"?"#
            ),
            (
                rule,
                "rule[6].categories",
                r#"no list has the category "bypas"; did you mean "bypass"?"#
            ),
            (
                rule,
                "rule[6].categories",
                r#"no list has the category "weather""#
            ),
        ]
    );
    assert_eq!(faults[0].file, file(SCHOOL).file);
}

#[test]
fn the_version_changes_with_what_the_policy_says_and_with_nothing_else() {
    let policy = school();
    assert_eq!(policy.version().len(), 16);
    assert!(
        policy
            .version()
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
    );
    assert_eq!(school().version(), policy.version());
    let mut moved = file(SCHOOL);
    moved.file = "elsewhere/policy.toml".into();
    assert_eq!(
        compile(&moved, &names()).unwrap().version(),
        policy.version()
    );
    for change in [
        (
            r#"words = "Closed to everybody at school.""#,
            r#"words = "Closed.""#,
        ),
        (r#"from = "08:45""#, r#"from = "08:46""#),
        (r#"daily = "2GB""#, r#"daily = "3GB""#),
        (r#"action = "warn""#, r#"action = "block""#),
    ] {
        let text = SCHOOL.replacen(change.0, change.1, 1);
        assert_ne!(text, SCHOOL);
        assert_ne!(
            compile(&file(&text), &names()).unwrap().version(),
            policy.version(),
            "{change:?}"
        );
    }
}

#[test]
fn lm_03_a_verdicts_rule_tells_its_id_words_purpose_and_line() {
    let policy = school();
    let rule = policy
        .rules()
        .iter()
        .find(|rule| *rule.id == *"exam-room")
        .unwrap();
    assert_eq!(&*rule.words, "This computer is kept for examinations.");
    assert_eq!(rule.purpose, Purpose::Standards);
    assert_eq!(rule.action, RuleAction::Block);
    assert_eq!(SCHOOL.lines().nth(rule.line - 1), Some("[[rule]]"));
    assert_eq!(SCHOOL.lines().nth(rule.line), Some(r#"id = "exam-room""#));
}

#[test]
fn the_order_of_rules_decides() {
    let rules = |order: [&str; 2]| {
        let rule = |name: &str, action: &str| {
            format!(
                "[[rule]]\nid = \"{name}\"\ncategories = [\"games\"]\naction = \"{action}\"\npurpose = \"standards\"\n"
            )
        };
        let head = "time_zone = \"Europe/London\"\nstrictest = \"a\"\n[[profile]]\nname = \"a\"\n[[profile]]\nname = \"b\"\n";
        format!(
            "{head}{}{}",
            rule(order[0], order[0]),
            rule(order[1], order[1])
        )
    };
    for order in [["allow", "block"], ["block", "allow"], ["warn", "allow"]] {
        let policy = compile(&file(&rules(order)), &names()).unwrap();
        let (subject, categories) = (person(&policy, "ada", &[]), set(&["games"]));
        let facts = Facts {
            subject: &subject,
            stage: Stage::Request,
            host: &Host::parse("www.example").unwrap(),
            port: 80,
            method: "GET",
            path: Some("/"),
            categories: &categories,
            periods: PeriodSet::EMPTY,
            mandatory: None,
        };
        assert_eq!(policy.decide(&facts).action.as_str(), order[0]);
    }
}

#[test]
fn threats_7_a_rule_whose_category_no_list_has_any_more_holds_for_nothing_and_its_hosts_are_unlisted()
 {
    let rule = |id: &str, category: &str, action: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\ncategories = [\"{category}\"]\naction = \"{action}\"\npurpose = \"standards\"\n"
        )
    };
    let head = "time_zone = \"Europe/London\"\nstrictest = \"a\"\notherwise = \"allow\"\n[[profile]]\nname = \"a\"\n[[profile]]\nname = \"b\"\n";
    let text = [
        head.to_owned(),
        rule("open", "lessons", "allow"),
        rule("closed", "casinos", "block"),
        rule("not-known", "unlisted", "block"),
        "[[category]]\nname = \"films\"\ndown = \"1Mbit/s\"\n".to_owned(),
    ];
    let policy = compile(&file(&text.concat()), &names()).unwrap();
    let missing: Vec<&str> = policy.missing().iter().map(|one| &*one.category).collect();
    assert_eq!(missing, ["films", "lessons", "casinos"]);
    let person = person(&policy, "anna", &[]);
    let decide = |categories: &[&str]| {
        let verdict = policy.decide(&Facts {
            subject: &person,
            stage: Stage::Request,
            host: &Host::parse_text("site.example").unwrap(),
            port: 80,
            method: "GET",
            path: Some("/"),
            mandatory: None,
            categories: &set(categories),
            periods: PeriodSet::EMPTY,
        });
        verdict
            .rule
            .and_then(|ix| policy.rule(ix))
            .map(|rule| rule.id.to_string())
    };
    // Neither the rule that opens nor the one that closes is one for everything.
    assert_eq!(decide(&[]).as_deref(), Some("not-known"));
    assert_eq!(decide(&["games"]).as_deref(), Some("not-known"));
}
