//! An event resolves to what it was decided by, also when that is long replaced (LM-34).

use crate::lab;

#[test]
fn an_event_resolves_to_the_policy_rule_lists_entry_and_build_that_decided_it_lm_34() {
    let (mut site, origin) = lab(&["bet.test"]);
    let weir = site.start();
    let blocked = weir.get(&origin.url("bet.test", "/"));
    let event = blocked.field("weir-event").to_owned();
    let row = site.record(&[("event", &event)]);
    let old = row.text("policy_version");
    site.reword(
        "Gambling sites are not for use at school.",
        "No gambling, please.",
    );
    site.write();
    weir.reload();
    let reloaded = site.record(&[("kind", "reload"), ("end", "complete")]);
    assert_ne!(reloaded.text("policy_version"), old);

    let provenance = |args: &[&str]| {
        let mut all = vec![
            "records",
            "provenance",
            &event,
            "--purpose",
            "facts",
            "--case",
            "tests",
        ];
        all.extend_from_slice(args);
        let output = site.weir(&all);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (code, told) = provenance(&[]);
    assert_eq!(code, Some(0), "{told}");
    for words in [
        &*old,
        "Gambling sites are not for use at school.",
        "id = \"no-gambling\"",
        "\"bet.test\" in gambling",
        &row.text("lists_version"),
        "lists 1",
        "list version: lists, version 1",
        "authorisation 1",
        "Weir 0.",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let shown = site.succeed(&["policy", "show", &old]);
    assert!(
        shown.contains("# The policy of end-to-end tests")
            && shown.contains("Gambling sites are not"),
        "{shown}"
    );
    let list = site.succeed(&["policy", "list"]);
    assert!(
        list.contains(&old) && list.contains(&reloaded.text("policy_version")),
        "{list}"
    );

    // What somebody says against an event decides nothing.
    site.succeed(&[
        "records", "dispute", "--event", &event, "--text", "Not me.", "--role", "pupil",
    ]);
    let (code, told) = provenance(&[]);
    assert!(code == Some(0) && told.contains(&old), "{told}");

    // A policy that was altered since is not shown as the one that was in force.
    let kept = site.path("state/policies").join(format!("{old}.toml"));
    let text = std::fs::read_to_string(&kept).unwrap();
    std::fs::write(
        &kept,
        text.replace("Gambling sites are not", "Gambling sites are"),
    )
    .unwrap();
    let (code, told) = provenance(&[]);
    assert!(
        code == Some(1) && told.contains("not proved to be it") && !told.contains("no-gambling"),
        "{told}"
    );
    assert_eq!(site.weir(&["policy", "show", &old]).status.code(), Some(1));

    // What is gone is said to be gone, and why.
    std::fs::remove_file(kept).unwrap();
    let (code, told) = provenance(&["--json"]);
    assert_eq!(code, Some(1), "{told}");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(
        told["unresolved"]["policy"]
            .as_str()
            .unwrap()
            .contains("not kept"),
        "{told}"
    );
    assert!(
        told["resolved"]["entry"]
            .as_str()
            .unwrap()
            .contains("bet.test"),
        "{told}"
    );
    let none = site.weir(&[
        "records",
        "provenance",
        "0000000000000001",
        "--purpose",
        "facts",
        "--case",
        "tests",
    ]);
    assert_eq!(none.status.code(), Some(1));
    let no_purpose = site.weir(&["records", "provenance", &event]);
    assert_eq!(no_purpose.status.code(), Some(2), "LM-03");
}
