//! Failures of origins, names and clients: each has its label (RFC 9209), its status and its deadline.

use std::time::Duration;

use socket2::{Domain, Socket, Type};
use weir_tests::client::{Client, Request, Response, timed};
use weir_tests::dns::{Answer, NameServer};
use weir_tests::eventually;
use weir_tests::origin::{Exchange, Origin};
use weir_tests::site::{Site, own_address, own_ip};

use crate::lab;

fn cause(response: &Response) -> (u16, String) {
    (response.status, response.proxy_error())
}

/// Misbehaves as the path says.
fn broken(exchange: &mut Exchange<'_>) -> std::io::Result<()> {
    match exchange.path() {
        "/silent" => exchange.rest().map(drop),
        "/close" => {
            exchange.close();
            Ok(())
        }
        "/half-head" => {
            exchange.write("HTTP/1.1 200 OK\r\nContent-")?;
            exchange.close();
            Ok(())
        }
        "/not-http" => {
            exchange.write("SSH-2.0-OpenSSH_9.2\r\n\r\n")?;
            exchange.close();
            Ok(())
        }
        _ => exchange.respond("200 OK", "", "fine"),
    }
}

#[test]
fn an_origin_that_fails_is_named_with_its_cause() {
    let origin = Origin::http(own_ip(), broken);
    let mut site = Site::new();
    site.hosts(&["site.test"])
        .set("deadlines.origin_head", "\"1s\"");
    let weir = site.start();
    let cases = [
        ("/silent", 504, "http_response_timeout"),
        ("/close", 502, "http_response_incomplete"),
        ("/half-head", 502, "http_response_incomplete"),
        ("/not-http", 502, "http_protocol_error"),
    ];
    let mut client = weir.client();
    for (path, status, label) in cases {
        let response = client.get(&origin.url("site.test", path));
        assert_eq!(cause(&response), (status, label.to_owned()), "{path}");
        let row = site.record(&[("host", "site.test"), ("error", label)]);
        assert_eq!(row.number("status"), u64::from(status), "{path}");
    }
    assert_eq!(client.get(&origin.url("site.test", "/fine")).text(), "fine");
}

#[test]
fn a_refused_connection_is_said_so() {
    let mut site = Site::new();
    let closed = std::net::TcpListener::bind((own_ip(), 0)).unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    site.hosts(&["site.test"])
        .set("connect.tls_ports", &format!("[{port}]"));
    let weir = site.start();
    let response = weir.get(&format!("http://site.test:{port}/"));
    assert_eq!(cause(&response), (502, "connection_refused".to_owned()));
    let refused = weir
        .client()
        .tunnel(&format!("site.test:{port}"), None)
        .err()
        .unwrap();
    assert_eq!(cause(&refused), (502, "connection_refused".to_owned()));
}

/// A listener whose queue is full: the kernel drops further connection attempts.
fn deaf() -> (Socket, Vec<std::net::TcpStream>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&std::net::SocketAddr::new(own_ip(), 0).into())
        .unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let brief = Duration::from_millis(200);
    let fill = || std::net::TcpStream::connect_timeout(&address, brief).ok();
    let held = std::iter::from_fn(fill).take(16).collect();
    (socket, held)
}

#[test]
fn an_origin_that_does_not_answer_the_dial_times_out() {
    let (socket, _held) = deaf();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    let mut site = Site::new();
    site.hosts(&["site.test"])
        .set("deadlines.connect", "\"1s\"");
    let weir = site.start();
    let (response, took) = timed(|| weir.get(&format!("http://site.test:{port}/")));
    assert_eq!(cause(&response), (504, "connection_timeout".to_owned()));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

fn resolving(answer: fn(&str) -> Answer) -> (Site, NameServer) {
    let names = NameServer::start(own_ip(), move |query| answer(&query.name));
    let mut site = Site::new();
    site.set("resolver.servers", &format!("[\"{}\"]", names.address));
    site.set("resolver.timeout", "\"500ms\"")
        .set("deadlines.resolve", "\"2s\"");
    (site, names)
}

#[test]
fn names_that_do_not_resolve_are_said_so_with_their_cause() {
    let (site, _names) = resolving(|name| match name {
        "absent.test" => Answer {
            code: 3,
            ..Answer::default()
        },
        "failing.test" => Answer {
            code: 2,
            ..Answer::default()
        },
        _ => Answer {
            silent: true,
            ..Answer::default()
        },
    });
    let weir = site.start();
    let cases = [
        ("absent.test", 502, "dns_error"),
        ("failing.test", 502, "dns_error"),
        ("silent.test", 504, "dns_timeout"),
    ];
    for (name, status, label) in cases {
        let (response, took) = timed(|| weir.get(&format!("http://{name}/")));
        assert_eq!(cause(&response), (status, label.to_owned()), "{name}");
        assert!(took < Duration::from_secs(8), "{name}: {took:?}");
        let refused = weir
            .client()
            .tunnel(&format!("{name}:443"), None)
            .err()
            .unwrap();
        assert_eq!(
            cause(&refused),
            (status, label.to_owned()),
            "CONNECT {name}"
        );
    }
}

#[test]
fn resolved_names_are_remembered_for_their_time_to_live() {
    let origin = Origin::standard(own_ip());
    let address = own_address().to_string();
    let names = NameServer::start(own_ip(), move |_| Answer {
        ttl: 300,
        ..Answer::of(&[&address])
    });
    let mut site = Site::new();
    site.set("resolver.servers", &format!("[\"{}\"]", names.address))
        .set("threads", "1");
    let weir = site.start();
    for _ in 0..5 {
        assert_eq!(weir.get(&origin.url("cached.test", "/")).status, 200);
    }
    assert!(
        names.asked() <= 2,
        "one A and one AAAA query, not {}",
        names.asked()
    );
}

#[test]
fn a_request_head_that_trickles_is_ended_at_its_deadline() {
    let (mut site, origin) = lab(&["site.test"]);
    site.set("deadlines.head", "\"2s\"");
    let weir = site.start();
    let mut client = weir.client();
    let ((), took) = timed(|| {
        let bytes = Request::get(&origin.url("site.test", "/"))
            .field("X", &"y".repeat(200))
            .bytes();
        for byte in bytes {
            if client.try_send([byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    assert!(took < Duration::from_secs(6), "{took:?}");
    assert_eq!(origin.accepted(), 0);
}

#[test]
fn an_idle_client_connection_is_closed_after_its_time() {
    let (mut site, origin) = lab(&["site.test"]);
    site.set("deadlines.client_idle", "\"1s\"");
    let weir = site.start();
    let mut client = weir.client();
    client.get(&origin.url("site.test", "/"));
    assert!(client.closes_within(Duration::from_secs(5)));
}

#[test]
fn a_response_body_that_stalls_is_ended_and_recorded() {
    let origin = Origin::http(own_ip(), |exchange| {
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")?;
        exchange.rest().map(drop)
    });
    let mut site = Site::new();
    site.hosts(&["site.test"])
        .set("deadlines.body_idle", "\"1s\"");
    let weir = site.start();
    let response = weir.get(&origin.url("site.test", "/"));
    assert!(!response.complete);
    let row = site.record(&[("host", "site.test"), ("end", "deadline")]);
    assert_eq!(row.number("bytes_down"), 5);
}

#[test]
fn a_request_body_that_stalls_is_ended() {
    let (mut site, origin) = lab(&["site.test"]);
    site.set("deadlines.body_idle", "\"1s\"");
    let weir = site.start();
    let mut client = weir.client();
    client.send(format!(
        "POST {} HTTP/1.1\r\nHost: site.test\r\nContent-Length: 10\r\n\r\n12345",
        origin.url("site.test", "/up")
    ));
    client.patience(Duration::from_secs(8));
    client.rest().expect("answered or closed within seconds");
    eventually("the origin side is closed too", || {
        (origin.open() == 0).then_some(())
    });
    site.record(&[("host", "site.test"), ("end", "deadline")]);
}

#[test]
fn a_client_that_hangs_up_frees_the_origin_connection() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let mut client: Client = weir.client();
    client.send(Request::get(&origin.url("site.test", "/silent")).bytes());
    eventually("the request arrives", || (origin.open() == 1).then_some(()));
    drop(client);
    eventually("the origin connection ends", || {
        (origin.open() == 0).then_some(())
    });
    site.record(&[("host", "site.test"), ("end", "client_gone")]);
}
