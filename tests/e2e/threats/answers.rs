//! Threats §3, the origin's side: answers that are not valid in exactly one way.

use std::io::{BufReader, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use weir_tests::client::{Request, timed};
use weir_tests::origin::Origin;
use weir_tests::site::own_ip;
use weir_tests::wire;

use super::{range, unharmed};

/// What the client may get of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// 502 from Weir.
    Bad,
    /// 502, or a body that is visibly cut.
    BadOrCut,
    /// 200 with this body.
    Text(&'static str),
    /// 502, or 200 with this body: the RFC lets a proxy repair it.
    BadOrText(&'static str),
}

use Outcome::{Bad, BadOrCut, BadOrText, Text};

const ROWS: [(&str, &[u8], Outcome); 34] = [
    ("valid", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Text("hello")),
    ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\nhello", Bad),
    ("lengths in one line", b"HTTP/1.1 200 OK\r\nContent-Length: 5, 9\r\n\r\nhello", Bad),
    ("the same length twice", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", BadOrText("hello")),
    ("negative length", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", Bad),
    ("length with a sign", b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", Bad),
    ("length beyond 64 bits", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello", Bad),
    ("length and coding", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", BadOrText("hello")),
    ("chunked is not last", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n", BadOrCut),
    ("unknown coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", BadOrCut),
    ("coding under HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", BadOrCut),
    ("chunk size beyond 64 bits", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", BadOrCut),
    ("chunk with a bare LF", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", BadOrCut),
    ("chunk longer than its size", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", BadOrCut),
    ("chunk extension", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n", Text("hello")),
    ("no HTTP", b"220 mail.test ESMTP\r\n\r\n", Bad),
    ("random bytes", b"\x00\x01\x02\x03\r\n\r\n", Bad),
    ("TLS", b"\x15\x03\x01\x00\x02\x02\x50", Bad),
    ("HTTP/0.9", b"<html>hello</html>\r\n\r\n", Bad),
    ("HTTP/2.0", b"HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", Bad),
    ("status of two digits", b"HTTP/1.1 99 Odd\r\nContent-Length: 5\r\n\r\nhello", Bad),
    ("status of four digits", b"HTTP/1.1 2000 Odd\r\nContent-Length: 5\r\n\r\nhello", Bad),
    ("status in letters", b"HTTP/1.1 two OK\r\nContent-Length: 5\r\n\r\nhello", Bad),
    ("space before the colon", b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello", BadOrText("hello")),
    ("folded line", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello", BadOrText("hello")),
    ("NUL in a value", b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 5\r\n\r\nhello", Bad),
    ("bare CR in a value", b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 5\r\n\r\nhello", Bad),
    ("control character in a name", b"HTTP/1.1 200 OK\r\nX\x01: a\r\nContent-Length: 5\r\n\r\nhello", Bad),
    ("unasked 101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello", Bad),
    ("body after 204", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", Text("")),
    ("cut head", b"HTTP/1.1 200 OK\r\nContent-Le", Bad),
    ("nothing", b"", Bad),
    ("cut body", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", BadOrCut),
    ("surplus bytes", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", Text("hello")),
];

#[test]
fn answers_of_hostile_origins_reach_the_client_valid_or_not_at_all() {
    let answer: Arc<Mutex<&'static [u8]>> = Arc::new(Mutex::new(b""));
    let script = Arc::clone(&answer);
    let origin = Origin::raw(own_ip(), move |mut socket, _| {
        wire::read_head(&mut BufReader::new(&socket))?;
        let bytes = *script.lock().unwrap();
        socket.write_all(bytes)
    });
    let (site, healthy) = range();
    let weir = site.start();
    let mut faults = Vec::new();
    for (name, bytes, expected) in ROWS {
        *answer.lock().unwrap() = bytes;
        let mut client = weir.client();
        client.send(Request::get(&origin.url("site.test", "/")).bytes());
        let response = match client.response("GET") {
            Ok(response) => response,
            // No answer at all is no wrong one.
            Err(error) if expected == BadOrCut && wire::is_cut(&error) => continue,
            Err(error) => {
                faults.push(format!("{name}: the client read {error}"));
                continue;
            }
        };
        let bad = response.status == 502;
        let text =
            |words: &str| response.status < 300 && response.complete && response.text() == words;
        let fits = match expected {
            Bad => bad,
            BadOrCut => bad || !response.complete,
            Text(words) => text(words),
            BadOrText(words) => bad || text(words),
        };
        if !fits {
            faults.push(format!(
                "{name}: expected {expected:?}, got {} {:?}",
                response.status,
                response.text()
            ));
        }
    }
    assert!(
        faults.is_empty(),
        "{} of {} rows:\n{}",
        faults.len(),
        ROWS.len(),
        faults.join("\n")
    );
    unharmed(&weir, &healthy);
}

#[test]
fn interim_responses_without_end_are_cut_off() {
    let origin = Origin::http(own_ip(), |exchange| {
        loop {
            exchange.write("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n")?;
        }
    });
    let (mut site, healthy) = range();
    site.set("deadlines.origin_head", "\"2s\"");
    let weir = site.start();
    let before = weir.resident();
    let (response, took) = timed(|| weir.get(&origin.url("site.test", "/")));
    assert!(matches!(response.status, 502 | 504), "{}", response.status);
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(weir.resident() < before + (16 << 20));
    unharmed(&weir, &healthy);
}

#[test]
fn heads_of_origins_are_bounded() {
    let origin = Origin::http(own_ip(), |exchange| {
        exchange.write("HTTP/1.1 200 OK\r\n")?;
        let many = exchange.path() == "/many";
        for number in 0..200_000 {
            match many {
                true => exchange.write(format!("X-{number}: y\r\n"))?,
                false => exchange.write([b'a'; 64])?,
            }
        }
        exchange.write("\r\nContent-Length: 0\r\n\r\n")
    });
    let (site, healthy) = range();
    let weir = site.start();
    let before = weir.resident();
    for path in ["/many", "/long"] {
        let response = weir.get(&origin.url("site.test", path));
        assert_eq!(response.status, 502, "{path}");
    }
    assert!(weir.resident() < before + (16 << 20));
    unharmed(&weir, &healthy);
}

#[test]
fn fields_of_an_answer_cannot_split_it() {
    let origin = Origin::raw(own_ip(), |mut socket, _| {
        wire::read_head(&mut BufReader::new(&socket))?;
        socket.write_all(
            b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nX-Split: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        )
    });
    let (site, _) = range();
    let weir = site.start();
    let mut client = weir.client();
    let first = client.get(&origin.url("site.test", "/"));
    assert_eq!(first.status, 302);
    // Without a length the rest is this answer's body, not another answer.
    assert!(first.text().contains("evil"));
    assert_ne!(first.head.get("x-split"), Some("a\r\n"));
}
