//! Lists that go and come back, the policy that still names their categories, and changes without a reason.

use std::time::{Duration, Instant};

use serde_json::Value;
use weir_tests::eventually;
use weir_tests::origin::Origin;
use weir_tests::process::Weir;
use weir_tests::site::Site;

use crate::lab;

const REASON: [&str; 2] = ["--reason", "we have a better one"];

/// Imports a list `far` of crypto sites, a category that no other list has.
fn import(site: &Site) {
    let root = site.path("published/crypto");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(root.join("domains"), "coin.test\nmine.test\n").unwrap();
    let from = site.path("published").to_string_lossy().into_owned();
    let line = ["lists", "import", &from, "--name", "far"];
    site.succeed(&[&line[..], &REASON].concat());
}

/// A school that blocks crypto sites, and hosts that no list knows.
fn school() -> (Site, Origin) {
    let (mut site, origin) = lab(&["coin.test", "bet.test", "school.test", "new.test"]);
    let block = "action = \"block\"\npurpose = \"standards\"\nwords = \"Not here.\"";
    site.rule(&format!(
        "id = \"no-crypto\"\ncategories = [\"crypto\"]\n{block}"
    ));
    let unlisted =
        format!("\n[[rule]]\nid = \"not-known\"\ncategories = [\"unlisted\"]\n{block}\n");
    let last = "words = \"Games are for breaks. Are you sure?\"";
    site.reword(last, &format!("{last}\n{unlisted}"));
    import(&site);
    (site, origin)
}

fn rule(weir: &Weir, origin: &Origin, name: &str) -> String {
    let answer = weir.get(&origin.url(name, "/"));
    answer.field("weir-rule").to_owned()
}

fn lists_health(weir: &Weir) -> (String, String) {
    let health: Value = serde_json::from_str(&weir.health().text()).expect("health is JSON");
    let checks = health["checks"].as_array().expect("checks").clone();
    let lists = checks
        .iter()
        .find(|check| check["name"] == "lists")
        .unwrap();
    let text = |field: &str| lists[field].as_str().unwrap().to_owned();
    (text("state"), text("detail"))
}

#[test]
fn threats_7_weir_starts_although_a_list_of_the_policy_is_gone_and_says_so() {
    let (site, origin) = school();
    let weir = site.start();
    assert_eq!(rule(&weir, &origin, "coin.test"), "no-crypto");
    assert_eq!(lists_health(&weir).0, "ok");
    weir.stop(Duration::from_secs(20));
    std::fs::remove_dir_all(site.path("state/lists/far")).unwrap();
    let weir = site.start();
    // What is on other lists is decided as before; what was on the one that is gone is on none.
    assert_eq!(rule(&weir, &origin, "bet.test"), "no-gambling");
    assert_eq!(rule(&weir, &origin, "coin.test"), "not-known");
    assert_eq!(weir.get(&origin.url("school.test", "/")).status, 200);
    let (state, detail) = lists_health(&weir);
    assert_eq!(state, "warning");
    assert!(
        detail.contains("no list has") && detail.contains("crypto"),
        "{detail}"
    );
    assert!(weir.log().contains("crypto"), "and in the log");
    let checked = site.weir(&["check"]);
    let text = String::from_utf8([checked.stdout, checked.stderr].concat()).unwrap();
    assert_eq!(checked.status.code(), Some(1), "{text}");
    assert!(
        text.contains("policy.toml:") && text.contains("no list has the category \"crypto\""),
        "{text}"
    );
}

#[test]
fn a_forgotten_list_is_gone_within_a_second_and_a_rollback_brings_it_back_as_fast() {
    let (site, origin) = school();
    let weir = site.start();
    assert_eq!(rule(&weir, &origin, "coin.test"), "no-crypto");
    let line = ["lists", "forget", "far"];
    let told = site.succeed(&[&line[..], &REASON, &["--by", "j.smith"]].concat());
    let within = |rule_now: &str| {
        let begun = Instant::now();
        eventually(&format!("coin.test is decided by {rule_now}"), || {
            (rule(&weir, &origin, "coin.test") == rule_now).then_some(())
        });
        begun.elapsed()
    };
    let gone = within("not-known");
    assert!(told.contains("weir lists rollback far 1"), "{told}");
    assert!(
        told.contains("crypto") && told.contains("no-crypto"),
        "{told}"
    );
    let history = site.succeed(&["lists", "history", "far", "--json"]);
    let last: Value = serde_json::from_str(history.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["how"], &last["who"]),
        (&"forget".into(), &"j.smith".into())
    );
    assert_eq!(
        (&last["why"], &last["removed"]),
        (&REASON[1].into(), &2.into())
    );
    let diff = site.succeed(&["lists", "diff", "far", "1"]);
    assert!(
        diff.starts_with("- crypto/domains coin.test\n- crypto/domains mine.test\n"),
        "{diff}"
    );
    let row = site.record(&[("kind", "reload")]);
    assert!(row.text("note").contains("crypto"), "{row:?}");
    // Lists go on being taken up, though the policy names what is gone.
    site.succeed(&[&["lists", "add", "social", "new.test"], &REASON[..]].concat());
    eventually("an entry is taken up", || {
        (rule(&weir, &origin, "new.test") == "pupils-no-social").then_some(())
    });
    site.succeed(&[&["lists", "rollback", "far", "1"], &REASON[..]].concat());
    let back = within("no-crypto");
    assert_eq!(lists_health(&weir).0, "ok");
    let audit = std::fs::read_to_string(site.path("state/audit.jsonl")).unwrap();
    for line in [
        "\"lists forget\"",
        "\"lists forget done\"",
        "\"lists rollback done\"",
    ] {
        assert!(audit.contains(line), "{line} in {audit}");
    }
    // A second, and what else the machine has to do meanwhile.
    assert!(
        gone.max(back) < Duration::from_secs(2),
        "{gone:?}, {back:?}"
    );
}

#[test]
fn a_category_misspelled_in_a_new_policy_is_refused_at_a_reload_with_a_suggestion() {
    let (mut site, origin) = school();
    let weir = site.start();
    // It may lose what it had: that is told, and no reason to refuse the rest.
    site.succeed(&[&["lists", "forget", "far"], &REASON[..]].concat());
    eventually("it is gone", || {
        (rule(&weir, &origin, "coin.test") == "not-known").then_some(())
    });
    site.reword("Not here.", "Not at school.");
    site.write();
    weir.reload();
    eventually("the policy is taken up", || {
        let page = weir.get(&origin.url("coin.test", "/")).text();
        page.contains("Not at school.").then_some(())
    });
    site.reword("[\"gambling\"]", "[\"gamblin\"]");
    site.write();
    weir.reload();
    eventually("it is refused", || {
        let log = weir.log();
        (log.contains("gamblin\\\"; did you mean") || log.contains("gamblin\"; did you mean"))
            .then_some(())
    });
    assert_eq!(rule(&weir, &origin, "bet.test"), "no-gambling");
}

#[test]
fn where_reasons_are_required_no_list_changes_without_one() {
    let (mut site, _origin) = school();
    site.set("lists.require_reason", "true");
    let from = site.path("published").to_string_lossy().into_owned();
    let history = || site.succeed(&["lists", "history", "--json"]);
    site.succeed(&[&["lists", "add", "social", "first.test"], &REASON[..]].concat());
    let before = history();
    let lines: [&[&str]; 8] = [
        &["add", "social", "new.test"],
        &["add", "social", "new.test", "--reason", "  "],
        &["remove", "gambling", "bet.test"],
        &["import", &from, "--name", "far"],
        &["accept", "far", "--all"],
        &["drop", "far", "--all"],
        &["rollback", "far", "1"],
        &["forget", "far"],
    ];
    for line in lines {
        let output = site.weir(&[&["lists"], line].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{line:?}: {said}");
        assert!(
            said.contains("--reason") && said.contains("lists.require_reason"),
            "{line:?}: {said}"
        );
    }
    assert_eq!(history(), before);
    site.succeed(&[&["lists", "forget", "far"], &REASON[..]].concat());
}
