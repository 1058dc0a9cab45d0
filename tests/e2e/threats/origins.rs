//! Threats §3 and §2, the origin's side: lengths, heads and parts that must not reach a client as they came.

use std::sync::{Arc, Mutex};

use weir_tests::client::Request;
use weir_tests::origin::Origin;
use weir_tests::process::Weir;
use weir_tests::site::{Site, own_ip};

use super::{range, unharmed};

/// An origin that answers with these bytes, whatever is asked.
struct Canned {
    origin: Origin,
    answer: Arc<Mutex<String>>,
}

impl Canned {
    fn new() -> Canned {
        let answer = Arc::new(Mutex::new(String::new()));
        let script = Arc::clone(&answer);
        let origin = Origin::http(own_ip(), move |exchange| {
            let bytes = script.lock().unwrap().clone();
            exchange.body()?;
            exchange.write(bytes)?;
            exchange.close();
            Ok(())
        });
        Canned { origin, answer }
    }

    fn answers(&self, weir: &Weir, request: Request, bytes: &str) -> weir_tests::client::Response {
        bytes.clone_into(&mut self.answer.lock().unwrap());
        weir.ask(&request)
    }

    fn request(&self, method: &str) -> Request {
        Request::new(method, &self.origin.url("site.test", "/"))
    }
}

#[test]
fn a_length_reaches_the_client_once_and_in_digits_also_where_there_is_no_body() {
    let (site, healthy) = range();
    let weir = site.start();
    let canned = Canned::new();
    for (method, status) in [
        ("GET", "200 OK"),
        ("HEAD", "200 OK"),
        ("GET", "304 Not Modified"),
    ] {
        for lines in [
            "Content-Length: 2, 2\r\n",
            "Content-Length: 2,2\r\n",
            "Content-Length: abc\r\n",
            "Content-Length: +2\r\n",
            "Content-Length: 2\r\nContent-Length: 3\r\n",
            "Content-Length: 99999999999999999999\r\n",
        ] {
            let body = if method == "GET" && status.starts_with("200") {
                "ok"
            } else {
                ""
            };
            let bytes = format!("HTTP/1.1 {status}\r\n{lines}\r\n{body}");
            let response = canned.answers(&weir, canned.request(method), &bytes);
            assert_eq!(response.status, 502, "{method} {status} {lines:?}");
            assert_eq!(
                response.proxy_error(),
                "http_protocol_error",
                "{method} {status} {lines:?}"
            );
        }
        let twice = "Content-Length: 2\r\nContent-Length: 2\r\n";
        let body = if method == "GET" && status.starts_with("200") {
            "ok"
        } else {
            ""
        };
        let bytes = format!("HTTP/1.1 {status}\r\n{twice}\r\n{body}");
        let response = canned.answers(&weir, canned.request(method), &bytes);
        // A 304 need not say how long its body would be.
        let lengths = response.head.all("content-length");
        assert!(
            lengths == ["2"] || (lengths.is_empty() && status.starts_with("304")),
            "{method} {status}: {lengths:?}"
        );
    }
    unharmed(&weir, &healthy);
}

#[test]
fn a_head_of_an_origin_beyond_the_bound_is_a_502() {
    let (mut site, healthy) = range();
    site.set("bounds.fields", "50");
    let weir = site.start();
    let canned = Canned::new();
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
    let long = |bytes| head(&format!("X: {}\r\n", "y".repeat(bytes)));
    let many = |count| {
        head(
            &(0..count)
                .map(|n| format!("X-{n}: y\r\n"))
                .collect::<String>(),
        )
    };
    for (what, bytes, status) in [
        ("60 kB", long(60_000), 200),
        ("100 kB", long(100_000), 502),
        ("40 fields", many(40), 200),
        ("60 fields", many(60), 502),
    ] {
        let response = canned.answers(&weir, canned.request("GET"), &bytes);
        assert_eq!(response.status, status, "{what}");
    }
    unharmed(&weir, &healthy);
}

#[test]
fn a_407_of_an_origin_is_not_taken_for_weirs_own() {
    let (site, healthy) = range();
    let weir = site.start();
    let canned = Canned::new();
    let bytes = "HTTP/1.1 407 Proxy Authentication Required\r\n\
                 Proxy-Authenticate: Basic realm=\"Weir\"\r\nContent-Length: 0\r\n\r\n";
    let response = canned.answers(&weir, canned.request("GET"), bytes);
    assert_eq!(response.status, 502);
    assert_eq!(response.field("proxy-authenticate"), "");
    unharmed(&weir, &healthy);
}

/// A site where one download may be a megabyte.
fn megabyte() -> Site {
    let (mut site, _) = range();
    site.rule(
        "id = \"small\"\nhosts = [\"site.test\"]\naction = \"limit\"\ndownload_size = \"1MB\"\n\
         purpose = \"effective-operation\"\nwords = \"Small files only.\"",
    );
    site
}

#[test]
fn a_file_over_the_size_limit_is_not_fetched_in_parts() {
    let site = megabyte();
    let weir = site.start();
    let canned = Canned::new();
    for (field, status) in [
        ("Content-Range: bytes 0-1/5000000", 403),
        ("Content-Range: bytes 4000000-4000001/*", 403),
        ("Content-Range: bytes 0-1/5000", 206),
        ("Content-Range: bytes 0-1/*", 206),
        ("Content-Type: multipart/byteranges; boundary=x", 502),
    ] {
        let bytes =
            format!("HTTP/1.1 206 Partial Content\r\n{field}\r\nContent-Length: 2\r\n\r\nok");
        let request = canned.request("GET").field("Range", "bytes=0-1");
        assert_eq!(
            canned.answers(&weir, request, &bytes).status,
            status,
            "{field}"
        );
    }
}

#[test]
fn where_a_size_limit_holds_several_ranges_are_asked_for_as_the_whole() {
    let site = megabyte();
    let weir = site.start();
    let origin = Origin::standard(own_ip());
    let ask = |ranges: &str| {
        weir.ask(&Request::get(&origin.url("site.test", "/range")).field("Range", ranges))
            .status
    };
    assert_eq!(ask("bytes=3-6"), 206);
    assert_eq!(origin.last().head.get("range"), Some("bytes=3-6"));
    assert_eq!(ask("bytes=0-1,5-6"), 200);
    assert_eq!(origin.last().head.get("range"), None);
}
