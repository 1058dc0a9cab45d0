//! The authorisation to monitor: without it filtering goes on and no content is recorded (LM-02).

use jiff::ToSpan;
use weir_tests::eventually;
use weir_tests::process::Weir;
use weir_tests::records::Row;
use weir_tests::site::Site;

/// Blocks a page and gives its row.
fn blocked(site: &Site, weir: &Weir) -> Row {
    let response = weir.get("http://bet.test/roulette");
    assert_eq!(response.status, 403, "filtering waits for nobody");
    site.record(&[("event", response.field("weir-event"))])
}

fn day(days: i64) -> String {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    today.date().checked_add(days.days()).unwrap().to_string()
}

fn authorise(site: &Site, review: &str) -> String {
    let today = day(0);
    let args = [
        "basis",
        "set",
        "--role",
        "headteacher",
        "--authorised",
        &today,
        "--review",
        review,
        "--scope",
        "all web traffic",
        "--site",
        "main site",
        "--purposes",
        "standards,effective-operation",
    ];
    site.succeed(&args)
}

fn authorisations(site: &Site) -> Vec<String> {
    let rows = site.records(&["--kind", "authorisation"]);
    rows.iter().map(|row| row.text("note")).collect()
}

#[test]
fn without_an_authorisation_no_content_is_recorded_and_a_running_weir_takes_one_up_and_lets_it_go_lm_02()
 {
    let mut site = Site::new();
    site.unauthorised();
    let weir = site.start();
    let row = blocked(&site, &weir);
    assert!(
        row.lacks("path") && !row.lacks("host") && row.text("notice") == "given",
        "{row:?}"
    );
    assert!(
        weir.health().text().contains("no authorisation"),
        "{}",
        weir.health().text()
    );
    assert!(
        site.weir(&["check"])
            .stdout
            .windows(16)
            .any(|w| w == b"no authorisation")
    );

    let told = authorise(&site, &day(300));
    assert!(
        told.contains("authorisation 1") && told.contains("SI 2018/356"),
        "{told}"
    );
    eventually("content is recorded", || {
        (blocked(&site, &weir).text("path") == "/roulette").then_some(())
    });
    assert!(!weir.health().text().contains("no authorisation"));
    let notice = weir.page("/notice").text();
    assert!(
        notice.contains("authorisation 1") && notice.contains("SI 2018/356"),
        "{notice}"
    );
    let file = site.path("facts.csv");
    site.export(&["--purpose", "facts"], &file);
    let statement = std::fs::read_to_string(site.path("facts.csv.statement.json")).unwrap();
    let statement: serde_json::Value = serde_json::from_str(&statement).unwrap();
    assert_eq!(
        statement["basis"][0]["basis"]["role"], "headteacher",
        "LM-01: exports cite it"
    );
    assert!(
        statement["happenings"]
            .to_string()
            .contains("authorisation 1")
    );

    site.succeed(&[
        "basis",
        "end",
        "--role",
        "headteacher",
        "--reason",
        "the trial is over",
    ]);
    eventually("content is recorded no more", || {
        blocked(&site, &weir).lacks("path").then_some(())
    });
    let rows = authorisations(&site);
    assert_eq!(rows.len(), 2, "one row a change: {rows:?}");
    assert!(
        rows[0].contains("authorisation 1") && rows[1].contains("was ended"),
        "{rows:?}"
    );
    drop(weir);
    // LM-01: what cites the old law draws a warning, and is kept as it was given.
    let old = site.weir(&[
        "basis",
        "set",
        "--role",
        "headteacher",
        "--authorised",
        &day(0),
        "--review",
        &day(9),
        "--scope",
        "all",
        "--site",
        "main",
        "--purposes",
        "facts",
        "--instrument",
        "SI 2000/2699",
    ]);
    let told = String::from_utf8_lossy(&old.stderr).into_owned();
    assert!(
        old.status.success() && told.contains("SI 2018/356"),
        "{told}"
    );
}

#[test]
fn an_authorisation_that_runs_out_ends_the_recording_of_content_by_itself_lm_02() {
    let mut site = Site::new();
    site.unauthorised().wall_clock("+0d");
    authorise(&site, &day(1));
    let weir = site.start();
    assert_eq!(blocked(&site, &weir).text("path"), "/roulette");
    site.step_clock("+3d");
    eventually("its time is over", || {
        blocked(&site, &weir).lacks("path").then_some(())
    });
    assert!(
        weir.health().text().contains("ran out"),
        "{}",
        weir.health().text()
    );
    eventually("the records say so", || {
        authorisations(&site)
            .iter()
            .any(|note| note.contains("ran out"))
            .then_some(())
    });
    assert_eq!(
        authorisations(&site).len(),
        2,
        "set, and over: {:?}",
        authorisations(&site)
    );
}
