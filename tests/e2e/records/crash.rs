//! Ends without warning: what reached the journal is there, and what may be missing is stated (LM-33).

use std::collections::HashSet;
use std::time::{Duration, Instant};

use weir_tests::client::{Client, Request};
use weir_tests::process::Weir;
use weir_tests::records::Row;
use weir_tests::site::Site;

use super::in_unbroken_order;
use crate::lab;

/// Blocked requests on three connections until the proxy dies; gives each event id that was answered, with
/// the time of its answer.
fn hammer(weir: &Weir) -> Vec<std::thread::JoinHandle<Vec<(String, Instant)>>> {
    let proxy = weir.proxy;
    let work = move || {
        let mut answered = Vec::new();
        let mut client = Client::connect(proxy);
        let request = Request::get("http://bet.test/").bytes();
        while client.try_send(&request).is_ok() {
            let Ok(response) = client.response("GET") else {
                break;
            };
            answered.push((response.field("weir-event").to_owned(), Instant::now()));
            // A pace that leaves the machine time to flush every 50 ms, as the test expects it to.
            std::thread::sleep(Duration::from_millis(2));
        }
        answered
    };
    (0..3).map(|_| std::thread::spawn(work)).collect()
}

fn events(rows: &[Row]) -> HashSet<String> {
    rows.iter()
        .filter(|row| row.text("host") == "bet.test")
        .map(|row| row.text("event"))
        .collect()
}

#[test]
fn kill_9_under_load_loses_nothing_that_reached_the_journal_and_the_gap_is_stated() {
    // LM-33, threats §6 and §8.
    let mut site = Site::new();
    site.set("records.segment_rows", "2000");
    for (round, pause) in [700, 1100, 1600].into_iter().enumerate() {
        let weir = site.start();
        let threads = hammer(&weir);
        std::thread::sleep(Duration::from_millis(pause));
        let on_disk = events(&site.records(&["--host", "bet.test"]));
        let killed = Instant::now();
        weir.kill();
        let answered: Vec<(String, Instant)> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        let weir = site.start();
        let rows = site.some_found(&["--kind", "gap"], &[("end", "crash")], round + 1);
        assert!(
            rows.iter().all(|row| !row.lacks("note")),
            "a gap says in words what may be missing"
        );
        let after = site.records(&[]);
        let kept = events(&after);
        assert!(
            on_disk.is_subset(&kept),
            "round {round}: rows were lost that had been on disk"
        );
        // The journal is flushed every 50 ms; ten times that for a busy machine.
        let settled = killed - Duration::from_millis(500);
        let settled = answered.iter().filter(|(_, at)| *at < settled);
        let lost = settled
            .clone()
            .filter(|(event, _)| !kept.contains(event))
            .count();
        assert_eq!(
            lost,
            0,
            "round {round}: of {} answered well before the kill",
            settled.count()
        );
        in_unbroken_order(&after);
        drop(weir);
    }
    // LM-29, LM-31: what was signed before each kill is all there.
    let told = site.succeed(&["records", "verify", "--purpose", "effective-operation"]);
    assert!(told.contains("The log holds"), "{told}");
}

#[test]
fn a_request_that_was_running_at_the_crash_is_named_by_its_opening_row() {
    let (mut site, origin) = lab(&["site.test"]);
    site.set("records.long_request", "\"1s\"");
    let weir = site.start();
    let mut client = weir.client();
    client.send(Request::get(&origin.url("site.test", "/silent")).bytes());
    let opening = site.record(&[("kind", "request_open")]);
    weir.kill();
    let _weir = site.start();
    let gap = site.record(&[("kind", "gap"), ("end", "crash")]);
    assert!(gap.text("note").contains(&opening.text("event")), "{gap:?}");
}
