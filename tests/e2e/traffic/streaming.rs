//! Bodies as they move: back-pressure, trailers, interim responses, ends that are not the end.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use weir_tests::client::Request;
use weir_tests::origin::Origin;
use weir_tests::process::Weir;
use weir_tests::site::{Site, own_ip};
use weir_tests::wire;

use crate::lab;

/// What may be under way between a stopped reader and a stopped writer: socket buffers of both sides of
/// both connections, and Weir's own. Linux lets a loopback socket grow to a few megabytes.
const UNDER_WAY: u64 = 40 << 20;

/// Memory once every thread has carried a body, so that only what one more body adds is measured.
fn warm(weir: &Weir) -> u64 {
    let origin = Origin::standard(own_ip());
    for _ in 0..8 {
        let body = vec![b'u'; 5_000_000];
        assert_eq!(
            weir.get(&origin.url("site.test", "/bytes/5000000"))
                .body
                .len(),
            body.len()
        );
        let put = Request::new("PUT", &origin.url("site.test", "/up")).body(body);
        assert_eq!(weir.ask(&put).body.len(), 5_000_000);
    }
    weir.resident()
}

#[test]
fn an_origin_is_held_back_by_a_client_that_does_not_read() {
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let origin = Origin::http(own_ip(), move |exchange| {
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")?;
        loop {
            exchange.write([0; 65536])?;
            counter.fetch_add(65536, Ordering::Relaxed);
        }
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    let weir = site.start();
    let before = warm(&weir);
    let mut client = weir.client();
    client.send(Request::get(&origin.url("site.test", "/")).bytes());
    client.head().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let settled = sent.load(Ordering::Relaxed);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(
        sent.load(Ordering::Relaxed),
        settled,
        "the origin is still being read"
    );
    assert!(
        settled < UNDER_WAY,
        "{settled} bytes were taken from the origin"
    );
    let grown = weir.resident().saturating_sub(before);
    assert!(
        grown < 4 << 20,
        "Weir keeps {grown} bytes that the client does not read"
    );
}

#[test]
fn a_client_is_held_back_by_an_origin_that_does_not_read() {
    let origin = Origin::raw(own_ip(), |socket, _| {
        wire::read_head(&mut std::io::BufReader::with_capacity(1, &socket))?;
        std::thread::sleep(Duration::from_secs(30));
        Ok(())
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    let weir = site.start();
    let before = warm(&weir);
    let mut client = weir.client();
    client.send(format!(
        "PUT {} HTTP/1.1\r\nHost: site.test:{}\r\nContent-Length: 10000000000\r\n\r\n",
        origin.url("site.test", "/"),
        origin.port()
    ));
    client.patience(Duration::from_secs(2));
    let (mut sent, part) = (0, [0; 65536]);
    while let Ok(count) = client.write(&part) {
        sent += count as u64;
        assert!(sent < UNDER_WAY, "{sent} bytes were taken from the client");
    }
    let grown = weir.resident().saturating_sub(before);
    assert!(
        grown < 4 << 20,
        "Weir keeps {grown} bytes that the origin does not read"
    );
}

#[test]
fn the_first_bytes_of_a_body_arrive_before_the_last_are_sent() {
    let origin = Origin::http(own_ip(), |exchange| {
        exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")?;
        std::thread::sleep(Duration::from_secs(3));
        exchange.write("4\r\nlast\r\n0\r\n\r\n")
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    let started = Instant::now();
    client.send(Request::get(&origin.url("site.test", "/")).bytes());
    client.head().unwrap();
    let mut seen = Vec::new();
    while !seen.windows(5).any(|w| w == b"first") {
        seen.extend(client.some(64).unwrap());
    }
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn trailers_cross_in_both_directions() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let request = Request::get(&origin.url("site.test", "/trailers")).field("TE", "trailers");
    let response = weir.ask(&request);
    assert_eq!(response.trailers.len(), 1, "{:?}", response.head.text());
    assert!(response.trailers[0].0.eq_ignore_ascii_case("x-checksum"));
    assert_eq!(response.trailers[0].1, "abc");
    let mut client = weir.client();
    client.send(format!(
        "POST {} HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
         5\r\nhello\r\n0\r\nX-Sum: 9\r\nContent-Length: 3\r\n\r\n",
        origin.url("site.test", "/up")
    ));
    assert_eq!(client.response("POST").unwrap().text(), "hello");
    let trailers = origin.last().body.trailers;
    assert_eq!(
        trailers.len(),
        1,
        "only harmless trailers cross: {trailers:?}"
    );
    assert!(trailers[0].0.eq_ignore_ascii_case("x-sum"));
}

/// The head of an upload of five bytes that waits for permission.
fn careful(url: &str) -> String {
    format!(
        "POST {url} HTTP/1.1\r\nHost: site.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    )
}

#[test]
fn a_client_that_expects_100_sends_its_body_after_the_origin_agreed() {
    let origin = Origin::http(own_ip(), |exchange| {
        std::thread::sleep(Duration::from_millis(200));
        exchange.write("HTTP/1.1 100 Continue\r\n\r\n")?;
        let body = exchange.body()?.bytes;
        exchange.respond("200 OK", "", body)
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    client.send(careful(&origin.url("site.test", "/")));
    assert_eq!(client.head().unwrap().status(), 100);
    client.send("hello");
    let response = client.response("POST").unwrap();
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    assert!(response.interim.is_empty(), "100 is sent once");
}

#[test]
fn an_origin_may_refuse_an_upload_before_it_is_sent() {
    let origin = Origin::http(own_ip(), |exchange| {
        exchange.write(
            "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        )?;
        exchange.close();
        Ok(())
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    client.send(careful(&origin.url("site.test", "/")));
    let response = client.response("POST").unwrap();
    assert_eq!(response.status, 413);
    assert!(response.interim.is_empty(), "no body was invited");
}

#[test]
fn an_origin_that_ignores_expect_still_gets_the_body() {
    let (mut site, origin) = lab(&["site.test"]);
    site.set("deadlines.expect_continue", "\"500ms\"");
    let weir = site.start();
    let mut client = weir.client();
    client.send(careful(&origin.url("site.test", "/")));
    assert_eq!(client.head().unwrap().status(), 100);
    client.send("hello");
    assert_eq!(client.response("POST").unwrap().text(), "hello");
}

#[test]
fn a_blocked_upload_is_refused_before_it_is_sent() {
    let (site, origin) = lab(&["bet.test"]);
    let weir = site.start();
    let mut client = weir.client();
    client.send(careful(&origin.url("bet.test", "/")));
    let response = client.response("POST").unwrap();
    assert_eq!(response.status, 403);
    assert!(response.interim.is_empty(), "no body was invited");
    assert_eq!(origin.accepted(), 0);
}

#[test]
fn interim_responses_of_an_origin_reach_the_client() {
    // RFC 9110 §15.2: a proxy forwards 1xx unless it asked for them itself.
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let response = weir.get(&origin.url("site.test", "/early-hints"));
    assert_eq!(
        (response.status, response.text().as_str()),
        (200, "after hints")
    );
    let interim: Vec<u16> = response.interim.iter().map(|head| head.status()).collect();
    assert_eq!(interim, [103]);
    assert_eq!(
        response.interim[0].get("link"),
        Some("</a.css>; rel=preload")
    );
}

#[test]
fn a_body_that_was_cut_is_never_made_to_look_whole() {
    let origin = Origin::http(own_ip(), |exchange| {
        let (head, body) = match exchange.path() {
            "/length" => ("Content-Length: 10", "12345"),
            "/chunk" => ("Transfer-Encoding: chunked", "5\r\n12345\r\n"),
            "/inside" => ("Transfer-Encoding: chunked", "9\r\n12345"),
            _ => (
                "Transfer-Encoding: chunked",
                "5\r\n12345\r\nnonsense\r\n\r\n",
            ),
        };
        exchange.write(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}"))?;
        exchange.close();
        Ok(())
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    let weir = site.start();
    for path in ["/length", "/chunk", "/inside", "/nonsense"] {
        let response = weir.get(&origin.url("site.test", path));
        assert!(
            response.status == 502 || !response.complete,
            "{path}: {response:?}"
        );
    }
    site.record(&[("host", "site.test"), ("end", "origin_gone")]);
}

#[test]
fn empty_bodies_of_every_kind_arrive_empty() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    for path in ["/bytes/0", "/chunked/0"] {
        let response = client.get(&origin.url("site.test", path));
        assert!(response.complete && response.body.is_empty(), "{path}");
    }
    let empty = Request::new("POST", &origin.url("site.test", "/p")).body("");
    assert_eq!(client.ask(&empty).text(), "POST /p");
    assert_eq!(origin.last().head.get("content-length"), Some("0"));
}

#[test]
fn responses_without_a_body_do_not_shift_the_next_one() {
    let origin = Origin::http(own_ip(), |exchange| match exchange.path() {
        "/204" => exchange.write("HTTP/1.1 204 No Content\r\n\r\n"),
        "/304" => {
            exchange.write("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: \"a\"\r\n\r\n")
        }
        path => {
            let path = path.to_owned();
            exchange.respond("200 OK", "", path)
        }
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    for (path, status) in [
        ("/204", 204),
        ("/304", 304),
        ("/200", 200),
        ("/204", 204),
        ("/x", 200),
    ] {
        let response = client.get(&origin.url("site.test", path));
        assert_eq!(response.status, status);
        assert!(status != 200 || response.text() == path);
    }
}
