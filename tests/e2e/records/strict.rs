//! `records.strict`: no blocked or flagged answer before its row is on the disk.

use std::time::{Duration, Instant};

use weir_tests::client::Request;
use weir_tests::eventually;
use weir_tests::origin::{Exchange, Origin};
use weir_tests::site::{Site, own_ip};

use super::disk::{SmallDisk, fill};
use super::in_unbroken_order;
use crate::lab;

/// A site on which nothing would reach the disk for ten minutes by itself.
fn strict() -> Site {
    let mut site = Site::new();
    for (key, value) in [
        ("records.strict", "true"),
        ("records.flush", "\"1m\""),
        ("records.sync", "\"10m\""),
    ] {
        site.set(key, value);
    }
    site
}

#[test]
fn every_blocked_answer_has_its_row_even_when_weir_dies_in_the_same_moment() {
    let site = strict();
    let weir = site.start();
    let mut client = weir.client();
    let mut events: Vec<String> = (0..20)
        .map(|_| {
            let answer = client.get("http://bet.test/roulette");
            assert_eq!(answer.status, 403);
            answer.field("weir-event").to_owned()
        })
        .collect();
    let mut connect = weir.client();
    connect.send("CONNECT bet.test:443 HTTP/1.1\r\nHost: bet.test:443\r\n\r\n");
    let answer = connect.response("CONNECT").unwrap();
    assert_eq!(answer.status, 403);
    events.push(answer.field("weir-event").to_owned());
    let warned = weir.client().get("http://games.test/");
    assert!(warned.text().contains("Are you sure?"), "{}", warned.text());
    events.push(warned.field("weir-event").to_owned());
    weir.kill();

    let _weir = site.start();
    let rows = site.some_found(&["--kind", "request_open"], &[], events.len());
    for event in &events {
        let row = rows.iter().find(|row| row.text("event") == *event);
        let row = row.unwrap_or_else(|| panic!("{event} was answered and has no row"));
        assert!(
            ["block", "warn"].contains(&row.text("verdict").as_str()),
            "{row:?}"
        );
        assert!(row.is(&[("end", "open"), ("status", "403")]), "{row:?}");
    }
    in_unbroken_order(&site.records(&[]));
}

#[test]
fn what_ends_has_its_closing_row_too_and_what_is_allowed_waits_for_nothing() {
    let (mut site, origin) = lab(&["site.test"]);
    site.set("records.strict", "true");
    let weir = site.start();
    assert_eq!(weir.get("http://bet.test/").status, 403);
    assert_eq!(weir.get(&origin.url("site.test", "/")).status, 200);
    let open = site.record(&[("kind", "request_open"), ("host", "bet.test")]);
    let closed = site.record(&[("kind", "request"), ("host", "bet.test")]);
    assert_eq!(open.text("event"), closed.text("event"));
    assert_eq!(closed.text("end"), "refused", "{closed:?}");
    site.record(&[("kind", "request"), ("host", "site.test")]);
    let allowed = site.records(&["--host", "site.test"]);
    assert_eq!(allowed.len(), 1, "{allowed:?}");
}

#[test]
fn a_block_that_cannot_be_recorded_is_refused_and_what_is_allowed_goes_on() {
    let (mut site, origin) = lab(&["site.test"]);
    let Some(disk) = SmallDisk::mount(&site.path("state").join("records")) else {
        eprintln!("skipped: this machine lets nobody mount a small file system");
        return;
    };
    site.set("records.strict", "true");
    site.set("records.when_unwritable", "\"allow\"");
    let weir = site.start();
    assert_eq!(weir.get("http://bet.test/").status, 403);
    let ballast = fill(&disk);
    let begun = Instant::now();
    let refused = eventually("the block is not answered as one", || {
        let answer = weir.get("http://bet.test/");
        (answer.status == 503).then_some(answer)
    });
    assert_eq!(refused.field("retry-after"), "30");
    assert!(
        refused
            .field("proxy-status")
            .contains("proxy_internal_error")
    );
    assert!(begun.elapsed() < Duration::from_secs(30));
    let mut connect = weir.client();
    connect.send("CONNECT bet.test:443 HTTP/1.1\r\nHost: bet.test:443\r\n\r\n");
    assert_eq!(connect.response("CONNECT").unwrap().status, 503);
    let url = origin.url("site.test", "/");
    assert_eq!(weir.ask(&Request::get(&url)).status, 200);
    std::fs::remove_file(ballast).unwrap();
    eventually("blocks are answered as such again", || {
        (weir.get("http://bet.test/").status == 403).then_some(())
    });
    drop(weir);
}

#[test]
fn what_is_blocked_by_its_answer_after_a_long_wait_has_a_row_that_says_so_before_it_is_answered() {
    let mut site = strict();
    site.hosts(&["site.test"])
        .set("records.long_request", "\"100ms\"");
    site.rule(
        "id = \"no-torrents\"\ncontent_types = [\"application/x-bittorrent\"]\naction = \"block\"\npurpose = \"standards\"",
    );
    let origin = Origin::http(own_ip(), |exchange: &mut Exchange<'_>| {
        // Until the opening row of a request that takes long, which is allowed so far, has been written.
        std::thread::sleep(Duration::from_secs(3));
        exchange.respond("200 OK", "Content-Type: application/x-bittorrent\r\n", "d")
    });
    let weir = site.start();
    let answer = weir.get(&origin.url("site.test", "/file"));
    assert_eq!(answer.status, 403, "{answer:?}");
    let event = answer.field("weir-event").to_owned();
    weir.kill();

    let _weir = site.start();
    let rows = site.some_found(&["--kind", "request_open"], &[("event", &event)], 2);
    let verdicts: Vec<String> = rows.iter().map(|row| row.text("verdict")).collect();
    assert_eq!(verdicts, ["allow", "block"], "{rows:?}");
}
