//! How a slot is filled, kept and told of: what is refused, what stays in force, what health says.

use std::time::Duration;

use weir_tests::eventually;

use super::{LIST, SECRETS, holds, mandatory, seal};
use crate::lab;

#[test]
fn af_02_a_slot_reads_not_protected_until_a_list_is_sealed_which_is_live_at_once() {
    let (site, origin) = lab(&["zealous-host.test"]);
    let weir = site.start();
    let (state, detail) = mandatory(&weir);
    assert_eq!(state, "warning");
    for slot in ["iwf (Internet Watch Foundation", "ctiru (Counter-Terrorism"] {
        assert!(detail.contains(slot), "{detail}");
    }
    assert_eq!(
        detail
            .matches("not protected: no list is installed")
            .count(),
        2,
        "{detail}"
    );
    let check = site.succeed(&["check"]);
    assert_eq!(check.matches("not protected").count(), 2, "{check}");
    let url = origin.url("zealous-host.test", "/");
    let explained = site.succeed(&["explain", &url]);
    assert_eq!(explained.matches("not protected").count(), 2, "{explained}");
    assert_eq!(weir.get(&url).status, 200);
    assert_eq!(
        weir.metric("weir_mandatory_list_protected{list=\"iwf\"}"),
        0.0
    );

    seal(&site, "iwf", LIST);
    let began = std::time::Instant::now();
    eventually("the list is in force", || {
        (weir.get(&url).status == 403).then_some(())
    });
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    let row = site.record(&[("kind", "reload"), ("list", "iwf")]);
    let note = row.text("note");
    assert!(
        note.contains("3 entries") && note.contains("digest"),
        "{note}"
    );
    let (state, detail) = mandatory(&weir);
    assert_eq!(state, "warning", "the other slot has none: {detail}");
    assert_eq!(detail.matches("not protected").count(), 1, "{detail}");
    assert!(
        detail.contains("2 of them are single pages"),
        "AF-15: {detail}"
    );
    assert_eq!(
        weir.metric("weir_mandatory_list_entries{list=\"iwf\"}"),
        3.0
    );

    // One address at a time can be asked about, and that leaves a trace without the address.
    let output = site.weir(&["explain", &url, "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        (&json["rule"], &json["list"]),
        (&"mandatory:iwf".into(), &"iwf".into()),
        "{json}"
    );
    assert!(
        json["entry"].is_null() && json["records_path"] == false,
        "{json}"
    );
    let audit = std::fs::read_to_string(site.path("state/audit.jsonl")).unwrap();
    assert!(
        audit.contains("\"mandatory_list\":\"iwf\"") && !audit.contains("zealous"),
        "{audit}"
    );

    seal(&site, "ctiru", "other-list.test\n");
    eventually("both are there", || {
        (mandatory(&weir).0 == "ok").then_some(())
    });
}

#[test]
fn af_01_a_list_that_is_none_or_shrank_is_refused_with_an_alarm_and_no_line_of_it_is_told() {
    let (site, origin) = lab(&["zealous-host.test"]);
    let many: String = (0..50)
        .map(|number| format!("zealous-{number}.test\n"))
        .collect();
    let whole = format!("{LIST}{many}");
    seal(&site, "iwf", &whole);
    let weir = site.start();
    let url = origin.url("zealous-host.test", "/");
    for (text, why) in [
        ("", "no entry"),
        ("<html>zealous-host.test\n", "HTML"),
        ("zealous-host.test\n\0\0\0", "NUL"),
        (LIST, "would go at once"),
        (&whole[..whole.len() - 3], "cut off"),
        (
            &format!("{whole}no such zealous-line\nnor that\\one\nnor:this:one\n"),
            "lines 55, 56, 57",
        ),
    ] {
        let output = site.weir_with(&["lists", "seal", "iwf", "-"], text);
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(
            told.contains(why) && !told.contains("zealous"),
            "{why}: {told}"
        );
    }
    for force in ["--force", "--any-size"] {
        let output = site.weir(&["lists", "seal", "iwf", "-", force]);
        assert_eq!(output.status.code(), Some(2), "there is no {force}");
    }
    eventually("the alarm is told", || {
        mandatory(&weir).1.contains("was refused").then_some(())
    });
    assert!(site.succeed(&["check"]).contains("was refused"));
    assert_eq!(weir.get(&url).status, 403);
    let audit = std::fs::read_to_string(site.path("state/audit.jsonl")).unwrap();
    assert!(
        audit.contains("lists seal failed") && !audit.contains("zealous"),
        "{audit}"
    );
    seal(&site, "iwf", &whole);
    eventually("the alarm ends", || {
        (!mandatory(&weir).1.contains("was refused")).then_some(())
    });
}

#[test]
fn af_01_no_command_and_no_file_that_goes_lifts_a_list_or_shows_it() {
    let (site, origin) = lab(&["zealous-host.test"]);
    seal(&site, "iwf", LIST);
    let weir = site.start();
    let url = origin.url("zealous-host.test", "/");
    assert_eq!(weir.get(&url).status, 403);
    for args in [
        &["lists", "forget", "iwf"][..],
        &["lists", "remove", "iwf", "zealous-host.test"],
        &["lists", "add", "iwf", "harmless.test"],
        &["lists", "show", "iwf"],
        &["lists", "rollback", "iwf", "1"],
        &["lists", "diff", "iwf"],
        &["lists", "history", "iwf"],
        &["lists", "accept", "iwf", "--all"],
        &["lists", "import", "lists", "--name", "iwf"],
    ] {
        site.weir(args);
        assert_eq!(weir.get(&url).status, 403, "{args:?}");
    }
    let search = site.weir(&["lists", "search", "zealous-host"]);
    let stats = site.succeed(&["lists", "stats"]);
    assert!(
        stats.contains("iwf") && stats.contains("3 entries"),
        "{stats}"
    );
    for text in [String::from_utf8_lossy(&search.stdout).as_ref(), &stats] {
        assert!(!text.contains("zealous-host.test"), "{text}");
    }
    // The configuration names other slots only, and the files go, one after the other.
    weir.reload();
    for name in ["iwf.sealed", "key", "ledger.json"] {
        std::fs::remove_file(site.path("state/lists/.sealed").join(name)).unwrap();
        eventually("it is told", || {
            mandatory(&weir).1.contains("in memory").then_some(())
        });
        weir.reload();
        assert_eq!(weir.get(&url).status, 403, "{name}");
    }
    drop(weir);
}

#[test]
fn af_01_a_damaged_file_falls_back_to_the_one_before_and_one_that_is_lost_fails_health() {
    let (site, origin) = lab(&["zealous-host.test"]);
    seal(&site, "iwf", LIST);
    seal(&site, "iwf", LIST);
    let file = site.path("state/lists/.sealed/iwf.sealed");
    std::fs::write(&file, "cut off").unwrap();
    let url = origin.url("zealous-host.test", "/");
    let weir = site.start();
    assert_eq!(weir.get(&url).status, 403);
    let (state, detail) = mandatory(&weir);
    assert!(
        state == "warning" && detail.contains("the list before it is in force"),
        "{detail}"
    );
    weir.kill();
    std::fs::write(site.path("state/lists/.sealed/iwf.previous"), "").unwrap();
    let weir = site.start();
    let (state, detail) = mandatory(&weir);
    assert!(
        state == "failing" && detail.contains("not protected"),
        "{detail}"
    );
    assert_eq!(weir.health().status, 503);
    seal(&site, "iwf", LIST);
    eventually("it is in force again", || {
        (weir.get(&url).status == 403).then_some(())
    });
}

#[test]
fn af_01_a_plain_text_at_the_configured_place_is_taken_up_and_a_slot_once_filled_stays() {
    let (mut site, origin) = lab(&["zealous-host.test"]);
    let before = site.text();
    let text = site.path("county.txt");
    site.table(&format!(
        "[[mandatory]]\nname = \"county\"\ntitle = \"The county's list\"\nfrom = {:?}\nstale_after = \"1d\"\n",
        text.display().to_string()
    ));
    let weir = site.start();
    let url = origin.url("zealous-host.test", "/");
    assert_eq!(weir.get(&url).status, 200);
    std::fs::write(&text, LIST).unwrap();
    eventually("it is taken up", || {
        (weir.get(&url).status == 403).then_some(())
    });
    assert!(
        weir.get(&url).text().contains("The county&#39;s list")
            || weir.get(&url).text().contains("The county's list")
    );
    std::fs::remove_file(&text).unwrap();
    // The configuration forgets the slot.
    std::fs::write(site.path("weir.toml"), before).unwrap();
    weir.reload();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(weir.get(&url).status, 403);
    weir.kill();
    site.no_tables();
    site.table("[[network]]\nname = \"lab\"\naddresses = [\"127.0.0.0/8\", \"::1/128\"]\n");
    let weir = site.start();
    assert_eq!(weir.get(&url).status, 403);
    assert_eq!(weir.get(&url).field("weir-rule"), "mandatory:county");
    let log = weir.log();
    assert!(!log.contains("zealous"), "{log}");
}

#[test]
fn lm_28_what_somebody_types_about_a_mandatory_address_stands_in_no_row_and_no_audit_line() {
    let (site, origin) = lab(&["site.test"]);
    seal(&site, "iwf", LIST);
    let weir = site.start();
    let asked = weir.get(&origin.url("site.test", "/"));
    assert_eq!(asked.status, 200);
    let row = site.record(&[("host", "site.test")]);
    let event = row.text("event");
    let spellings = [
        "http://www.zealous-host.test:8080/zealous-path",
        "somebody opened zealous-pages.test/zealous-path/deep, twice",
        "zealous-pages.test%2Fzealous-path%2Fdeep",
        "http%253A%252F%252Fzealous-pages.test%252Fview%253Fzealous-query%253D1",
        "zealous-host[.]test",
    ];
    for (number, text) in spellings.into_iter().enumerate() {
        let case = format!("C-{number}");
        let read = ["--purpose", "facts", "--case", &case, "--reason", text];
        site.succeed(&[&["records", "search", "--text", text], &read[..]].concat());
        site.succeed(
            &[
                &["records", "search", "--group", text, "--as", text],
                &read[..],
            ]
            .concat(),
        );
        site.succeed(&[
            "records", "dispute", "--event", &event, "--role", "pupil", "--text", text,
        ]);
        site.succeed(&[
            "records", "hold", "--case", &case, "--role", "dpo", "--reason", text, "--user", "anna",
        ]);
    }
    let end = ["basis", "end", "--role", "head", "--reason", spellings[1]];
    site.succeed(&end);
    site.record(&[("kind", "authorisation")]);
    let kinds = ["--kind", "read,dispute,hold,authorisation"];
    let rows = site.records(&kinds);
    assert!(rows.len() >= spellings.len() * 6, "{}", rows.len());
    let audit = std::fs::read_to_string(site.path("state/audit.jsonl")).unwrap();
    let told = format!("{rows:?}{audit}");
    assert!(told.contains("(mandatory list)") && told.contains("somebody opened"));
    for secret in SECRETS {
        assert!(!holds(told.as_bytes(), secret), "{secret} stands in {told}");
    }
}
