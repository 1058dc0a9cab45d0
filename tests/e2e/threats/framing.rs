//! Threats §3, the client's side: messages that two readers could take for different ones.
//!
//! The origin is stricter than the RFC ([`weir_tests::wire`]): a forwarded request that is not valid in
//! exactly one way fails the row, as does a second request that nobody sent.

use std::time::Duration;

use weir_tests::client::Request;
use weir_tests::origin::Origin;
use weir_tests::site::own_ip;

use super::{cut, either, range, refused, run, served, unharmed};

const POST: &[&str] = &["POST /p HTTP/1.1"];
const ROOT: &[&str] = &["GET / HTTP/1.1"];

#[test]
fn lengths_and_codings_that_contradict_themselves_are_refused() {
    run(&[
        either("length and coding together", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", POST),
        refused("two lengths", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        refused("the same length twice", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
        refused("two lengths in one line", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello"),
        refused("length with a sign", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello"),
        refused("negative length", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello"),
        refused("length in hexadecimal", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello"),
        refused("length with letters", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nContent-Length: 5a\r\n\r\nhello"),
        refused("length with a space inside", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nContent-Length: 1 5\r\n\r\nhello"),
        refused("empty length", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n"),
        refused("length beyond 64 bits", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551621\r\n\r\nhello"),
        refused("chunked twice", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        refused("chunked on two lines", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        refused("chunked is not last", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        refused("identity hides chunked", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        refused("another coding before chunked", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        refused("unknown coding", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        refused("coding with a parameter", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked;q=1\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        refused("coding in quotes", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \"chunked\"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        refused("coding with a vertical tab", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0bchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        refused("empty coding", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\nContent-Length: 5\r\n\r\nhello"),
        refused("a coding under HTTP/1.0", b"POST http://{S}/p HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        refused("a coding under HTTP/1.0 with keep-alive", b"POST http://{S}/p HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        served("chunked in upper case", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n", POST),
        served("one length", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", POST),
    ]);
}

#[test]
fn chunks_that_two_readers_could_delimit_differently_end_the_connection() {
    run(&[
        cut("bare LF after the size", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"),
        cut("bare LF in an extension", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n"),
        cut("bare CR in an extension", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a\rb\r\nhello\r\n0\r\n\r\n"),
        cut("bare LF after the data", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n"),
        cut("data longer than its size", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n"),
        cut("size with a sign", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n"),
        cut("size with 0x", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"),
        cut("negative size", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"),
        cut("empty size", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n"),
        cut("size beyond 64 bits", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n"),
        cut("size with an underscore", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0_5\r\nhello\r\n0\r\n\r\n"),
        served("an extension is dropped", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\n\r\n", POST),
        served("leading zeros", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n00005\r\nhello\r\n0\r\n\r\n", POST),
    ]);
}

#[test]
fn field_lines_that_two_readers_could_split_differently_are_refused() {
    run(&[
        refused(
            "space before the colon",
            b"GET http://{S}/ HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n",
        ),
        refused(
            "space before the colon of a length",
            b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello",
        ),
        refused(
            "folded line",
            b"GET http://{S}/ HTTP/1.1\r\nHost: x\r\nX: y\r\n z\r\n\r\n",
        ),
        refused(
            "folded with a tab",
            b"GET http://{S}/ HTTP/1.1\r\nHost: x\r\nX: y\r\n\tz\r\n\r\n",
        ),
        refused(
            "space before the first field",
            b"GET http://{S}/ HTTP/1.1\r\n Host: x\r\n\r\n",
        ),
        refused(
            "NUL in a value",
            b"GET http://{S}/ HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
        ),
        refused(
            "bare CR in a value",
            b"GET http://{S}/ HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
        ),
        refused(
            "bare CR before a field",
            b"GET http://{S}/ HTTP/1.1\r\nHost: x\r\n\rX: a\r\n\r\n",
        ),
        refused(
            "control character in a value",
            b"GET http://{S}/ HTTP/1.1\r\nHost: x\r\nX: a\x01b\r\n\r\n",
        ),
        refused(
            "control character in a name",
            b"GET http://{S}/ HTTP/1.1\r\nHost: x\r\nX\x01: a\r\n\r\n",
        ),
        refused(
            "8-bit name",
            b"GET http://{S}/ HTTP/1.1\r\nHost: x\r\nX\xe9: a\r\n\r\n",
        ),
        refused(
            "empty name",
            b"GET http://{S}/ HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n",
        ),
        refused(
            "no colon",
            b"GET http://{S}/ HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n",
        ),
        refused(
            "bracket in a name",
            b"GET http://{S}/ HTTP/1.1\r\nHost: x\r\nX[]: a\r\n\r\n",
        ),
        either(
            "bare LF ends lines",
            b"GET http://{S}/ HTTP/1.1\nHost: x\n\n",
            ROOT,
        ),
        either(
            "one bare LF among CRLF",
            b"GET http://{S}/ HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
            ROOT,
        ),
        either(
            "empty line first",
            b"\r\nGET http://{S}/ HTTP/1.1\r\nHost: x\r\n\r\n",
            ROOT,
        ),
        served(
            "blanks around a value",
            b"GET http://{S}/ HTTP/1.1\r\nHost:\t x \t\r\nX:y\r\n\r\n",
            ROOT,
        ),
        served(
            "empty value",
            b"GET http://{S}/ HTTP/1.1\r\nHost: x\r\nX:\r\n\r\n",
            ROOT,
        ),
    ]);
}

#[test]
fn request_lines_that_two_readers_could_split_differently_are_refused() {
    run(&[
        refused(
            "two spaces",
            b"GET  http://{S}/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused("tab", b"GET\thttp://{S}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused(
            "space first",
            b" GET http://{S}/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "words after the version",
            b"GET http://{S}/ HTTP/1.1 x\r\nHost: x\r\n\r\n",
        ),
        refused(
            "method with a bracket",
            b"GE(T http://{S}/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused(
            "NUL in the method",
            b"G\0T http://{S}/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        refused("no target", b"GET HTTP/1.1\r\nHost: x\r\n\r\n"),
        refused(
            "CR in the target",
            b"GET http://{S}/\rx HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        served(
            "a method of one's own",
            b"BREW http://{S}/ HTTP/1.1\r\nHost: x\r\n\r\n",
            &["BREW / HTTP/1.1"],
        ),
    ]);
}

#[test]
fn what_follows_a_message_is_never_taken_for_a_part_of_it() {
    const TWO: &[&str] = &["POST /p HTTP/1.1", "GET /next HTTP/1.1"];
    run(&[
        served("a request after a length", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET http://{S}/next HTTP/1.1\r\nHost: x\r\n\r\n", TWO),
        served("a request after chunks", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET http://{S}/next HTTP/1.1\r\nHost: x\r\n\r\n", TWO),
        served("nothing after Connection: close", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhelloGET http://{S}/next HTTP/1.1\r\nHost: x\r\n\r\n", POST),
        served("a request in a body stays a body", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nContent-Length: 44\r\n\r\nGET http://bet.test/in HTTP/1.1\r\nHost: x\r\n\r\n", POST),
        served("Connection names the framing", b"POST http://{S}/p HTTP/1.1\r\nHost: x\r\nConnection: transfer-encoding, content-length\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", POST),
        refused("nothing after a refused head", b"GET http://{S}/ HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\nGET http://{S}/next HTTP/1.1\r\nHost: x\r\n\r\n"),
    ]);
}

#[test]
fn a_body_that_is_not_read_never_becomes_the_next_request() {
    // CVE-2025-4366: an answer before the body's end must not leave the body on a reused connection.
    let (site, origin) = range();
    let weir = site.start();
    let smuggled = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\n\r\n",
        origin.url("site.test", "/smuggled")
    );
    for target in [
        origin.url("bet.test", "/"),
        "http://site.test:9/".to_owned(),
    ] {
        let mut client = weir.client();
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            smuggled.len()
        );
        client.send(&head);
        let first = client.response("POST").unwrap();
        assert!(matches!(first.status, 403 | 502), "{target}");
        let _ = client.try_send(&smuggled);
        assert!(
            client.closes_within(Duration::from_secs(5)),
            "{target}: drained or closed"
        );
    }
    assert!(origin.requests().is_empty());
    unharmed(&weir, &origin);
}

#[test]
fn each_forwarded_request_has_its_own_record() {
    let (site, origin) = range();
    let weir = site.start();
    let mut client = weir.client();
    let url = origin.url("site.test", "/");
    let requests: Vec<u8> = (0..25).flat_map(|_| Request::get(&url).bytes()).collect();
    client.send(requests);
    for _ in 0..25 {
        assert_eq!(client.response("GET").unwrap().status, 200);
    }
    let rows = site.some_records(&[("host", "site.test"), ("status", "200")], 25);
    assert_eq!((rows.len(), origin.requests().len()), (25, 25));
    let events: std::collections::HashSet<String> =
        rows.iter().map(|row| row.text("event")).collect();
    assert_eq!(events.len(), 25);
}

#[test]
fn answers_to_one_person_never_reach_another_over_a_shared_origin_connection() {
    let origin = Origin::http(own_ip(), |exchange| {
        let user = exchange.head.get("x-user").unwrap_or("").to_owned();
        exchange.respond("200 OK", "", user)
    });
    let (mut site, _) = range();
    site.set("threads", "1");
    let weir = site.start();
    let (mut anna, mut tom) = (weir.client(), weir.client());
    let ask = |name: &str| Request::get(&origin.url("site.test", "/")).field("X-User", name);
    for _ in 0..20 {
        anna.send(ask("anna").bytes());
        tom.send(ask("tom").bytes());
        assert_eq!(tom.response("GET").unwrap().text(), "tom");
        assert_eq!(anna.response("GET").unwrap().text(), "anna");
    }
}
