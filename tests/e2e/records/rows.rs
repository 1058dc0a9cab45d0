//! One row a request, two a tunnel, an opening row for what runs long; and finding them again.

use std::path::Path;
use std::time::Duration;

use weir_tests::client::Request;
use weir_tests::eventually;
use weir_tests::origin::Origin;
use weir_tests::site::{Site, own_ip};
use weir_tests::tls;

use super::in_unbroken_order;
use crate::lab;

#[test]
fn every_request_leaves_one_row_with_what_happened() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let url = origin.url("site.test", "/up");
    let post = Request::new("POST", &url)
        .field("Sec-Fetch-Mode", "navigate")
        .body("x".repeat(1000));
    let post = post
        .field("Sec-Fetch-Dest", "document")
        .field("Sec-Fetch-Site", "cross-site");
    assert_eq!(weir.ask(&post).status, 200);
    let row = site.record(&[("host", "site.test")]);
    let port = origin.port().to_string();
    let own = own_ip().to_string();
    let expected = [
        ("kind", "request"),
        ("method", "POST"),
        ("scheme", "http"),
        ("port", &port),
        ("origin", &own),
        ("verdict", "allow"),
        ("status", "200"),
        ("end", "complete"),
        ("bytes_up", "1000"),
        ("bytes_down", "1000"),
        ("initiator", "navigation"),
        ("inspected", "true"),
        ("categories", "unlisted"),
    ];
    for (field, text) in expected {
        assert_eq!(row.text(field), text, "{field}: {row:?}");
    }
    assert!(row.number("duration") > 0 && row.number("seq") > 0);
    assert_eq!(site.records(&["--host", "site.test"]).len(), 1);
}

#[test]
fn a_request_whose_client_vanishes_is_recorded_with_what_it_moved() {
    let origin = Origin::http(own_ip(), |exchange| exchange.stream(1 << 40));
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    client.send(Request::get(&origin.url("site.test", "/endless")).bytes());
    client.head().unwrap();
    let mut read = 0;
    while read < 2_000_000 {
        read += client.some(65536).unwrap().len();
    }
    drop(client);
    let row = site.record(&[("host", "site.test"), ("kind", "request")]);
    assert!(
        row.is(&[("end", "client_gone"), ("status", "200")]),
        "{row:?}"
    );
    assert!(row.number("bytes_down") >= 2_000_000, "{row:?}");
}

#[test]
fn a_client_that_vanishes_during_its_upload_is_recorded() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    let head =
        Request::new("POST", &origin.url("site.test", "/up")).field("Content-Length", "1000000");
    client.send(head.bytes());
    client.send([0; 50_000]);
    eventually("the request arrives", || {
        (origin.accepted() == 1).then_some(())
    });
    std::thread::sleep(Duration::from_millis(200));
    drop(client);
    let row = site.record(&[("host", "site.test"), ("kind", "request")]);
    assert_eq!(row.text("end"), "client_gone");
    assert_eq!(row.number("bytes_up"), 50_000, "{row:?}");
}

#[test]
fn what_runs_long_has_an_opening_row_while_it_runs() {
    let (mut site, origin) = lab(&["site.test"]);
    let origin_tunnel = Origin::raw(own_ip(), |socket, _| {
        std::io::copy(&mut &socket, &mut std::io::sink()).map(drop)
    });
    site.set("records.long_request", "\"1s\"");
    site.set("connect.tls_ports", &format!("[{}]", origin_tunnel.port()));
    let weir = site.start();
    let mut client = weir.client();
    client.send(Request::get(&origin.url("site.test", "/silent")).bytes());
    let opening = site.record(&[("kind", "request_open"), ("host", "site.test")]);
    assert!(
        opening.is(&[("end", "open"), ("duration", "0"), ("verdict", "allow")]),
        "{opening:?}"
    );
    let brief = site
        .records(&[])
        .into_iter()
        .filter(|row| row.text("kind") == "request")
        .count();
    assert_eq!(brief, 0, "it has not ended");
    drop(client);
    let closing = site.record(&[("kind", "request"), ("host", "site.test")]);
    assert_eq!(opening.text("event"), closing.text("event"));
    let to = format!("site.test:{}", origin_tunnel.port());
    let mut tunnel = weir.client().tunnel(&to, None).unwrap();
    tunnel.send(tls::hello(Some("site.test")).unwrap());
    site.record(&[("kind", "tunnel_open"), ("host", "site.test")]);
}

#[test]
fn refused_messages_are_recorded_as_refusals() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    let url = origin.url("site.test", "/");
    client.send(format!("GET {url} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"));
    assert_eq!(client.response("GET").unwrap().status, 400);
    let row = site.record(&[("kind", "refusal")]);
    assert_eq!(
        (row.text("status").as_str(), row.text("client").as_str()),
        ("400", "127.0.0.1")
    );
}

#[test]
fn starts_stops_and_reloads_are_rows_of_their_own() {
    // LM-33.
    let (site, _origin) = lab(&[]);
    let weir = site.start();
    weir.reload();
    site.record(&[("kind", "reload")]);
    weir.stop(Duration::from_secs(10));
    // Who looks is recorded too: by Weir, and while it does not run by the command, with a start and a stop of its own.
    let mut kinds: Vec<String> = site
        .records(&[])
        .iter()
        .map(|row| row.text("kind"))
        .collect();
    kinds.retain(|kind| kind != "read");
    assert_eq!(kinds, ["start", "reload", "stop", "start", "stop"]);
    // Kept: what a killed process has not handed to the system yet is lost, by design.
    let _again = site.start();
    let rows = site.some_records(&[("kind", "start")], 3);
    assert!(
        rows[1].number("seq") > rows[0].number("seq"),
        "counted on over restarts"
    );
    assert!(
        site.records(&[])
            .iter()
            .all(|row| row.text("kind") != "gap"),
        "an orderly stop leaves no gap"
    );
}

#[test]
fn searches_find_rows_in_the_journal_and_in_sealed_segments_alike() {
    let mut site = Site::new();
    site.set("records.segment_rows", "100");
    let weir = site.start();
    let mut client = weir.client();
    let ids: Vec<String> = (0..250)
        .map(|_| {
            client
                .get("http://bet.test/")
                .field("weir-event")
                .to_owned()
        })
        .collect();
    let folder = site.path("state").join("records");
    eventually("a segment is sealed", || {
        (parquet_files(&folder) >= 1).then_some(())
    });
    site.some_records(&[("host", "bet.test")], 250);
    let rows = site.records(&[
        "--host",
        "bet.test",
        "--verdict",
        "block",
        "--category",
        "gambling",
    ]);
    assert_eq!(rows.len(), 250, "each once");
    let order: Vec<String> = rows.iter().map(|row| row.text("event")).collect();
    assert_eq!(order, ids, "in the order of time");
    in_unbroken_order(&site.records(&[]));
    assert!(site.records(&["--rule", "another"]).is_empty());
}

fn parquet_files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let count = |path: &Path| match path.is_dir() {
        true => parquet_files(path),
        false => usize::from(path.extension().is_some_and(|e| e == "parquet")),
    };
    entries.flatten().map(|entry| count(&entry.path())).sum()
}
