//! What is written about traffic, and that it is still there after whatever happened.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use weir_tests::client::{Client, Request};
use weir_tests::eventually;
use weir_tests::origin::Origin;
use weir_tests::process::Weir;
use weir_tests::records::Row;
use weir_tests::site::{Site, own_ip};
use weir_tests::tls;

use crate::lab;

#[test]
fn every_request_leaves_one_row_with_what_happened() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let url = origin.url("site.test", "/up");
    let post = Request::new("POST", &url)
        .field("Sec-Fetch-Mode", "navigate")
        .body("x".repeat(1000));
    let post = post.field("Sec-Fetch-Dest", "document");
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
    let kinds: Vec<String> = site
        .records(&[])
        .iter()
        .map(|row| row.text("kind"))
        .collect();
    assert_eq!(kinds, ["start", "reload", "stop"]);
    drop(site.start());
    let rows = site.some_records(&[("kind", "start")], 2);
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

/// Blocked requests without pause on four connections until the proxy dies; gives each event id that was
/// answered, with the time of its answer.
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
        }
        answered
    };
    (0..4).map(|_| std::thread::spawn(work)).collect()
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
        let on_disk = events(&site.records(&[]));
        let killed = Instant::now();
        weir.kill();
        let answered: Vec<(String, Instant)> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        let weir = site.start();
        let rows = site.some_records(&[("kind", "gap")], round + 1);
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
}

/// Sequence numbers rise by one from row to row, whatever happened between.
fn in_unbroken_order(rows: &[Row]) {
    let mut numbers: Vec<u64> = rows.iter().map(|row| row.number("seq")).collect();
    numbers.sort_unstable();
    let breaks = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1);
    assert_eq!(breaks, None, "of {} rows", numbers.len());
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
    let crashed = site.record(&[("end", "crash")]);
    assert_eq!(crashed.text("event"), opening.text("event"));
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
    eventually("two segments are sealed", || {
        (parquet_files(&folder) >= 2).then_some(())
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

#[test]
fn whole_periods_are_removed_when_their_time_is_over_and_the_removal_is_recorded() {
    // LM-14.
    let mut site = Site::new();
    site.set("records.seal_after", "\"1s\"")
        .set("records.retain", "\"3s\"");
    let weir = site.start();
    weir.get("http://bet.test/");
    site.record(&[("host", "bet.test")]);
    eventually("the row is gone", || {
        std::thread::sleep(Duration::from_millis(500));
        weir.get("http://www.casino.test/");
        site.records(&["--host", "bet.test"])
            .is_empty()
            .then_some(())
    });
    site.record(&[("kind", "retention")]);
    assert!(
        !site.records(&["--host", "www.casino.test"]).is_empty(),
        "younger periods stay"
    );
}

/// A file system of its own, gone when dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// `None` where this machine lets nobody mount: the test then says so and passes over.
    fn mount(at: &Path) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(at);
        mount
            .status()
            .is_ok_and(|status| status.success())
            .then(|| SmallDisk(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Fills the disk to its last byte; removing the file makes room again.
fn fill(disk: &SmallDisk) -> std::path::PathBuf {
    use std::io::Write;
    let path = disk.0.join("ballast");
    let mut file = std::fs::File::create(&path).unwrap();
    for size in [65536, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

#[test]
fn a_full_disk_is_stated_in_health_and_in_the_gap_and_traffic_goes_on() {
    let mut site = Site::new();
    let Some(disk) = SmallDisk::mount(&site.path("state").join("records")) else {
        eprintln!("skipped: this machine lets nobody mount a small file system");
        return;
    };
    let (site, weir) = {
        site.set("records.when_unwritable", "\"allow\"");
        let weir = site.start();
        (site, weir)
    };
    assert_eq!(weir.health().status, 200);
    let ballast = fill(&disk);
    let mut client = weir.client();
    let health = eventually("health says that records are lost", || {
        assert_eq!(
            client.get("http://bet.test/").status,
            403,
            "filtering goes on"
        );
        let health = weir.health();
        (health.status == 503).then_some(health)
    });
    assert!(health.text().contains("record"), "{}", health.text());
    assert!(weir.metric("weir_records_writable") < 1.0);
    std::fs::remove_file(ballast).unwrap();
    eventually("health is good again", || {
        client.get("http://bet.test/");
        (weir.health().status == 200).then_some(())
    });
    let gap = site.record(&[("kind", "gap")]);
    assert!(!gap.lacks("note"), "the gap says why: {gap:?}");
    client.get("http://www.casino.test/");
    site.record(&[("host", "www.casino.test")]);
    in_unbroken_order(&site.records(&[]));
    drop(weir);
}

#[test]
fn a_school_may_prefer_no_traffic_to_unrecorded_traffic() {
    let (mut site, origin) = lab(&["site.test"]);
    let Some(disk) = SmallDisk::mount(&site.path("state").join("records")) else {
        eprintln!("skipped: this machine lets nobody mount a small file system");
        return;
    };
    site.set("records.when_unwritable", "\"refuse\"");
    let weir = site.start();
    let url = origin.url("site.test", "/");
    assert_eq!(weir.get(&url).status, 200);
    let ballast = fill(&disk);
    eventually("requests are refused", || {
        (weir.get(&url).status == 503).then_some(())
    });
    std::fs::remove_file(ballast).unwrap();
    eventually("requests are served again", || {
        (weir.get(&url).status == 200).then_some(())
    });
    drop(weir);
}
