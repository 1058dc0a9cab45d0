//! Records and the calendar: periods that are over, and clocks that are stepped.

use std::time::Duration;

use weir_tests::eventually;
use weir_tests::site::Site;

#[test]
fn whole_periods_are_removed_when_their_time_is_over_and_the_removal_is_recorded() {
    // LM-14.
    let mut site = Site::new();
    site.set("records.retain", "\"2d\"").wall_clock("-6d");
    let weir = site.start();
    weir.get("http://bet.test/");
    site.record(&[("host", "bet.test")]);
    weir.stop(Duration::from_secs(10));
    site.step_clock("-4d");
    let weir = site.start();
    weir.get("http://www.casino.test/");
    site.record(&[("host", "www.casino.test")]);
    weir.stop(Duration::from_secs(10));
    // A machine that starts with a wrong date destroys nothing, and says so (LM-14, LM-32).
    site.step_clock("+400d");
    let weir = site.start();
    let told = eventually("what is due is held back", || {
        let told = weir.health().text();
        told.contains("are due to be removed and are not")
            .then_some(told)
    });
    assert!(told.contains("Nothing is removed for its age"), "{told}");
    assert_eq!(site.records(&["--host", "bet.test"]).len(), 1);
    let clock = site.record(&[("kind", "clock")]);
    assert!(!clock.lacks("note"));
    weir.stop(Duration::from_secs(10));
    site.step_clock("-2d");
    let weir = site.start();
    eventually("what is over is gone once the clock is right", || {
        std::thread::sleep(Duration::from_millis(500));
        site.records(&["--host", "bet.test"])
            .is_empty()
            .then_some(())
    });
    site.record(&[("kind", "retention")]);
    assert_eq!(
        site.records(&["--host", "www.casino.test"]).len(),
        1,
        "younger periods stay"
    );
    weir.stop(Duration::from_secs(10));
    // LM-14, LM-29: the tree goes on over what was removed.
    let told = site.succeed(&["records", "verify", "--purpose", "effective-operation"]);
    assert!(told.contains("The log holds"), "{told}");
    assert!(told.contains("rows are kept for 2 days"), "{told}");
}

#[test]
fn a_step_of_the_clock_is_a_row_and_ends_nothing() {
    // LM-32, threats §8.
    let mut site = Site::new();
    site.wall_clock("+0d")
        .set("deadlines.client_idle", "\"60s\"");
    let weir = site.start();
    let mut client = weir.client();
    assert_eq!(client.get("http://bet.test/").status, 403);
    for offset in ["+2d", "-2d"] {
        site.step_clock(offset);
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(
            client.get("http://bet.test/").status,
            403,
            "the connection did not expire"
        );
    }
    let rows = site.some_records(&[("kind", "clock")], 2);
    assert!(rows.iter().all(|row| !row.lacks("note")), "{rows:?}");
    let numbers: Vec<u64> = site
        .records(&[])
        .iter()
        .map(|row| row.number("seq"))
        .collect();
    let mut ordered = numbers.clone();
    ordered.sort_unstable();
    ordered.dedup();
    assert_eq!(ordered.len(), numbers.len(), "counted on through the steps");
    weir.stop(Duration::from_secs(10));
    let told = site.succeed(&["records", "verify", "--purpose", "effective-operation"]);
    assert!(told.contains("The log holds"), "{told}");
}
