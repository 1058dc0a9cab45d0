//! What must not be passed over in silence: a log that could not be continued, and records that go sooner than before.

use std::time::Duration;

use weir_tests::eventually;
use weir_tests::site::Site;

#[test]
fn a_log_that_was_set_aside_is_told_by_health_and_check_until_somebody_keeps_it_elsewhere_lm_31() {
    let site = Site::new();
    site.start().stop(Duration::from_secs(10));
    let log = site.path("state/records/log");
    // As a Weir left it that did not encrypt its records yet.
    std::fs::write(log.join("weir/key"), "PRIVATE+KEY+weir/weir+0+AAAA\n").unwrap();
    let weir = site.start();
    let told = eventually("health tells of the log", || {
        let text = weir.health().text();
        text.contains("records-log").then_some(text)
    });
    for words in [
        "weir.damaged-1 could not be continued and was set aside",
        "before records were encrypted",
        "weir-verify",
        "move it out of",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let check = site.succeed(&["check"]);
    assert!(
        check.contains("warning:") && check.contains("weir.damaged-1 could not be continued"),
        "{check}"
    );
    let gap = site.record(&[("kind", "gap")]);
    assert!(gap.text("note").contains("is not encrypted"), "{gap:?}");
    std::fs::rename(log.join("weir.damaged-1"), site.path("kept")).unwrap();
    assert!(!weir.health().text().contains("records-log"));
}

#[test]
fn a_retention_that_a_reload_changes_holds_from_then_on_and_the_row_says_so_lm_14() {
    let mut site = Site::new();
    let weir = site.start();
    site.set("records.retain", "\"30d\"")
        .set("records.retain_content", "\"36h\"");
    site.write();
    weir.reload();
    let row = site.record(&[("kind", "reload")]);
    let note = row.text("note");
    for words in [
        "records.retain is 30.0 days from now on, was 90.0 days",
        "records.retain_content is 1.5 days from now on, was 30.0 days",
    ] {
        assert!(note.contains(words), "{words}: {note}");
    }
}
