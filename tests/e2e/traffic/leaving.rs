//! A request ends when its response has left and its body has come, not when the proxy has them in hand.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use socket2::{Domain, Socket, Type};
use weir_tests::PATIENCE;
use weir_tests::client::{Client, Request};
use weir_tests::origin::Origin;
use weir_tests::site::{Site, own_ip};

use crate::lab;

/// Larger than what the kernel keeps for a client with a small window, smaller than what the proxy and it keep together.
const SIZE: usize = 3_000_000;

/// A client whose system takes little at a time.
fn narrow(to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect_timeout(&to.into(), PATIENCE).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

fn ask(stream: &mut TcpStream, url: &str) {
    let request = Request::get(url).field("Connection", "close");
    stream.write_all(&request.bytes()).unwrap();
}

fn body_length(mut stream: TcpStream) -> usize {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let head = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    bytes.len() - head - 4
}

#[test]
fn a_drain_lets_a_slow_reader_have_the_end_of_its_response() {
    let (mut site, origin) = lab(&["site.test"]);
    site.set("deadlines.drain", "\"20s\"");
    let weir = site.start();
    let mut stream = narrow(weir.proxy);
    ask(
        &mut stream,
        &origin.url("site.test", &format!("/bytes/{SIZE}")),
    );
    thread::sleep(Duration::from_millis(800));
    weir.signal(Signal::TERM);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(body_length(stream), SIZE);
    site.record(&[("host", "site.test"), ("end", "complete")]);
}

#[test]
fn a_slow_reader_is_not_cut_by_the_deadline_between_requests() {
    let (mut site, origin) = lab(&["site.test"]);
    site.set("deadlines.client_idle", "\"1s\"");
    let weir = site.start();
    let mut stream = narrow(weir.proxy);
    ask(
        &mut stream,
        &origin.url("site.test", &format!("/bytes/{SIZE}")),
    );
    thread::sleep(Duration::from_secs(3));
    assert_eq!(body_length(stream), SIZE);
    let row = site.record(&[("host", "site.test"), ("end", "complete")]);
    let lasted = row.number("duration");
    assert!(
        lasted > 2_500_000,
        "the row ends with the response: {row:?}"
    );
}

#[test]
fn a_response_that_did_not_leave_is_not_recorded_as_complete() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let mut stream = narrow(weir.proxy);
    ask(
        &mut stream,
        &origin.url("site.test", &format!("/bytes/{SIZE}")),
    );
    thread::sleep(Duration::from_millis(500));
    drop(stream);
    site.record(&[("host", "site.test"), ("end", "client_gone")]);
}

#[test]
fn an_upload_that_is_answered_early_goes_on_and_the_next_request_is_read() {
    let origin = Origin::http(own_ip(), |exchange| {
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        exchange.swallow()?;
        Ok(())
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    site.set("deadlines.head", "\"1s\"");
    let weir = site.start();
    let mut client = weir.client();
    let url = origin.url("site.test", "/p");
    let line = b"a line that looks like none of a head\n";
    let length = line.len() * 30;
    client.send(format!(
        "POST {url} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    ));
    for _ in 0..30 {
        client.send(line);
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(client.response("POST").unwrap().status, 200);
    assert_eq!(client.get(&url).status, 200);
    site.record(&[
        ("host", "site.test"),
        ("method", "POST"),
        ("bytes_up", &length.to_string()),
    ]);
}

#[test]
fn a_body_without_a_length_that_was_cut_ends_an_old_clients_connection_with_a_reset() {
    let origin = Origin::http(own_ip(), |exchange| {
        exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n")?;
        exchange.close();
        Ok(())
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    let weir = site.start();
    let mut stream = TcpStream::connect(weir.proxy).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let url = origin.url("site.test", "/");
    write!(stream, "GET {url} HTTP/1.0\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    let error = stream.read_to_end(&mut bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_pipelined_head_is_looked_at_as_closely_as_the_first() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let url = origin.url("site.test", "/p");
    let good = format!("GET {url} HTTP/1.1\r\nHost: x\r\n\r\n");
    let upload = format!("POST {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n\n\nx");
    for bad in [
        format!("GET {url} HTTP/1.1\nHost: x\r\n\r\n"),
        format!(
            "POST {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"
        ),
        format!("GET {url}#part HTTP/1.1\r\nHost: x\r\n\r\n"),
    ] {
        for first in [&good, &upload] {
            let mut client = weir.client();
            client.send(format!("{first}{bad}"));
            assert_eq!(client.response("GET").unwrap().status, 200);
            let second = client.response("GET").unwrap();
            assert_eq!(second.status, 400, "{bad:?}");
            assert_eq!(second.proxy_error(), "http_request_error");
        }
    }
    let mut client = weir.client();
    client.send(good.repeat(20));
    for _ in 0..20 {
        assert_eq!(client.response("GET").unwrap().status, 200);
    }
}

#[test]
fn heads_that_cannot_be_read_are_answered_with_cause_and_event() {
    let (site, _) = lab(&["site.test"]);
    let weir = site.start();
    let long = format!(
        "GET http://site.test/ HTTP/1.1\r\nX: {}\r\n\r\n",
        "x".repeat(300_000)
    );
    for (head, status) in [
        ("GET http://site.test/\0 HTTP/1.1\r\n\r\n", 400),
        (
            "GET http://site.test/ HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
            400,
        ),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (long.as_str(), 431),
        ("CONNECT site.test:443 HTTP/1.1\nHost: site.test\n\n", 400),
        (
            "CONNECT site.test:443 HTTP/1.1\r\nHost: site.test\n\nGET http://site.test/ HTTP/1.1\r\n\r\n",
            400,
        ),
        (
            "CONNECT site.test:443 HTTP/1.1\r\nHost: site.test\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
            400,
        ),
    ] {
        let mut client = weir.client();
        let _ = client.try_send(head);
        let response = client.response("GET").unwrap();
        let shown = &head[..head.len().min(60)];
        assert_eq!(response.status, status, "{shown:?}");
        assert_eq!(response.proxy_error(), "http_request_error", "{shown:?}");
        assert!(!response.field("weir-event").is_empty(), "{shown:?}");
        site.record(&[("event", response.field("weir-event"))]);
    }
}

#[test]
fn a_head_that_does_not_come_in_time_is_answered_408() {
    let (mut site, _) = lab(&["site.test"]);
    site.set("deadlines.head", "\"1s\"");
    let weir = site.start();
    for begun in [
        "GET http://site.test/ HTTP/1.1\r\nX: ",
        "CONNECT site.test:443 HTT",
    ] {
        let mut client = Client::connect(weir.proxy);
        client.send(begun);
        let response = client.response("GET").unwrap();
        assert_eq!(response.status, 408, "{begun:?}");
        assert_eq!(response.proxy_error(), "http_request_error");
        site.record(&[("event", response.field("weir-event")), ("status", "408")]);
    }
}
