//! Threats §5: one client, one origin or one message that wants more than its share.

use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use weir_tests::client::{Client, Request};
use weir_tests::eventually;
use weir_tests::origin::Origin;
use weir_tests::process::Weir;
use weir_tests::site::own_ip;

use super::{range, unharmed};

/// The status of an answer to these bytes; 0 when the connection just ends.
fn status(weir: &Weir, bytes: &[u8]) -> u16 {
    let mut client = weir.client();
    let _ = client.try_send(bytes);
    let status = client.response("GET").map_or(0, |response| response.status);
    assert!(
        client.closes_within(Duration::from_secs(5)),
        "the connection ends after {status}"
    );
    status
}

#[test]
fn heads_of_requests_are_bounded_in_every_direction() {
    let (site, origin) = range();
    let weir = site.start();
    let before = weir.resident();
    let url = origin.url("site.test", "/");
    let long = Request::get(&format!("{url}{}", "a".repeat(20_000))).bytes();
    assert_eq!(status(&weir, &long), 414, "a target beyond 16 KiB");
    let mut many = Request::get(&url);
    for number in 0..101 {
        many = many.field(&format!("X-{number}"), "y");
    }
    assert_eq!(
        status(&weir, &many.bytes()),
        431,
        "more than a hundred fields"
    );
    let wide = Request::get(&url)
        .field("X-Forwarded-For", &"10.0.0.1, ".repeat(10_000))
        .bytes();
    assert_eq!(status(&weir, &wide), 431, "a field of 100 kB");
    let connect = Request::new("CONNECT", "site.test:443")
        .field("X", &"y".repeat(100_000))
        .bytes();
    assert!(matches!(status(&weir, &connect), 0 | 400 | 431));
    let endless = [b"GET ".as_slice(), &vec![b'x'; 4_000_000]].concat();
    assert!(matches!(status(&weir, &endless), 0 | 400 | 414 | 431));
    assert_eq!(origin.accepted(), 0);
    assert!(weir.resident() < before + (16 << 20));
    unharmed(&weir, &origin);
}

#[test]
fn odd_but_legal_fields_cost_nothing_unusual() {
    // The 2021-23 audit of Squid: assertions reachable by one message.
    let (site, origin) = range();
    let weir = site.start();
    let before = weir.processor_time();
    let ranges: Vec<String> = (0..2000).map(|n| format!("{n}-{n}")).collect();
    let fields = [
        ("Range", format!("bytes={}", ranges.join(","))),
        ("Digest", "sha-256=".repeat(1000)),
        ("Cache-Control", "max-age=".to_owned() + &"9".repeat(1000)),
        ("Connection", ",".repeat(10_000)),
        ("Connection", "x,".repeat(10_000)),
        ("TE", "trailers,".repeat(2000)),
        ("Via", "1.1 a, ".repeat(1000) + "1.1 b"),
        ("Accept-Language", "*;q=0.0000000001,".repeat(500)),
        ("If-None-Match", "\"".repeat(5000)),
        (
            "Proxy-Authorization",
            format!("Basic {}", "A".repeat(20_000)),
        ),
        ("Expect", "100-continue, 100-continue".to_owned()),
        ("Max-Forwards", "99999999999999999999".to_owned()),
    ];
    for (name, value) in &fields {
        let mut client = weir.client();
        client.send(
            Request::get(&origin.url("site.test", "/"))
                .field(name, value)
                .bytes(),
        );
        let answer = client.response("GET").map_or(0, |response| response.status);
        assert!((200..500).contains(&answer), "{name}: {answer}");
    }
    let used = weir.processor_time() - before;
    assert!(
        used < Duration::from_secs(2),
        "{used:?} for {} requests",
        fields.len()
    );
    unharmed(&weir, &origin);
}

#[test]
fn trailers_of_any_size_do_not_pile_up() {
    let (site, origin) = range();
    let weir = site.start();
    let before = weir.resident();
    let mut client = weir.client();
    let head =
        Request::new("POST", &origin.url("site.test", "/p")).field("Transfer-Encoding", "chunked");
    client.send(head.bytes());
    client.send("5\r\nhello\r\n0\r\n");
    let line = format!("X: {}\r\n", "y".repeat(1000));
    let _ = (0..20_000)
        .take_while(|_| client.try_send(&line).is_ok())
        .count();
    let _ = client.try_send("\r\n");
    let answer = client
        .response("POST")
        .map_or(0, |response| response.status);
    assert!(matches!(answer, 0 | 400 | 413 | 431), "{answer}");
    assert!(weir.resident() < before + (16 << 20));
    let seen = origin.requests();
    assert!(
        seen.iter().all(|seen| !seen.body.complete),
        "the body never looked whole"
    );
}

#[test]
fn a_thousand_silent_connections_leave_room_for_the_next_client() {
    let (mut site, origin) = range();
    site.set("deadlines.head", "\"3s\"");
    let weir = site.start();
    let held: Vec<Client> = (0..1000).map(|_| weir.client()).collect();
    assert_eq!(weir.get(&origin.url("site.test", "/")).status, 200);
    eventually("the silent ones are let go", || {
        (weir.metric("weir_connections_open") < 10.0).then_some(())
    });
    drop(held);
    unharmed(&weir, &origin);
}

#[test]
fn a_reader_that_stops_is_let_go() {
    let origin = Origin::http(own_ip(), |exchange| exchange.stream(1 << 40));
    let (mut site, healthy) = range();
    site.set("deadlines.body_idle", "\"2s\"");
    let weir = site.start();
    let mut client = weir.client();
    client.send(Request::get(&origin.url("site.test", "/endless")).bytes());
    client.head().unwrap();
    eventually("the origin's connection ends", || {
        (origin.open() == 0).then_some(())
    });
    let row = site.record(&[("host", "site.test"), ("end", "deadline")]);
    assert_eq!(row.text("status"), "200");
    unharmed(&weir, &healthy);
}

#[test]
fn a_body_in_drops_is_let_go() {
    let (mut site, origin) = range();
    site.set("deadlines.body_idle", "\"2s\"")
        .set("bounds.minimum_rate", "\"1000B/s\"");
    let weir = site.start();
    let mut client = weir.client();
    client.send(
        Request::new("POST", &origin.url("site.test", "/p"))
            .field("Content-Length", "100000")
            .bytes(),
    );
    let drops = (0..150).take_while(|_| {
        std::thread::sleep(Duration::from_millis(100));
        client.try_send(b"x").is_ok()
    });
    assert!(
        drops.count() < 150,
        "ten bytes a second held a connection for fifteen seconds"
    );
    unharmed(&weir, &origin);
}

#[test]
fn without_descriptors_weir_waits_quietly_and_recovers() {
    let (site, origin) = range();
    let weir = site.start();
    assert_eq!(weir.get(&origin.url("site.test", "/")).status, 200);
    let pid = Pid::from_raw(weir.pid() as i32);
    let most = weir.descriptors() as u64 + 20;
    let few = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    prlimit(pid, Resource::Nofile, few).unwrap();
    let held: Vec<Client> = (0..60).map(|_| weir.client()).collect();
    std::thread::sleep(Duration::from_millis(500));
    let before = weir.processor_time();
    std::thread::sleep(Duration::from_secs(2));
    let used = weir.processor_time() - before;
    assert!(
        used < Duration::from_millis(600),
        "the accept loop spins: {used:?} in two seconds"
    );
    drop(held);
    eventually("it serves again", || {
        let mut client = Client::connect(weir.proxy);
        client
            .try_send(Request::get(&origin.url("site.test", "/")).bytes())
            .ok()?;
        (client.response("GET").ok()?.status == 200).then_some(())
    });
    assert!(weir.metric("weir_panics") < 1.0);
}

#[test]
fn no_hello_of_the_fuzz_corpus_harms_weir() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/hello");
    let (mut site, origin) = range();
    let deaf = Origin::raw(own_ip(), |mut socket, _| {
        std::io::copy(&mut socket, &mut std::io::sink()).map(drop)
    });
    site.set("connect.tls_ports", &format!("[{}]", deaf.port()))
        .set("deadlines.hello", "\"1s\"");
    let weir = site.start();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let mut tunnel = weir
            .client()
            .tunnel(&format!("site.test:{}", deaf.port()), None)
            .unwrap();
        let _ = tunnel.try_send(&bytes);
        tunnel.finish();
        assert!(
            tunnel.closes_within(Duration::from_secs(5)),
            "{}",
            bytes.escape_ascii()
        );
        count += 1;
    }
    assert!(count >= 10, "the corpus is there");
    unharmed(&weir, &origin);
}
