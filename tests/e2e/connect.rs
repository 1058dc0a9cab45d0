//! CONNECT: decided, then dialled, then answered; and what may go through the tunnel.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use weir_tests::client::{Client, Request, timed};
use weir_tests::eventually;
use weir_tests::origin::Origin;
use weir_tests::process::Weir;
use weir_tests::site::{Site, own_ip};
use weir_tests::tls::{self, Authority};

/// A site whose names lead to one TLS origin.
fn secure(names: &[&str]) -> (Site, Origin, Authority) {
    let authority = Authority::new().unwrap();
    let origin = Origin::tls(own_ip(), authority.server(names).unwrap());
    let mut site = Site::new();
    site.hosts(names)
        .set("connect.tls_ports", &format!("[443, {}]", origin.port()));
    (site, origin, authority)
}

/// An origin that returns every byte, and a site that sends these names to it.
fn echo(names: &[&str]) -> (Site, Origin) {
    let origin = Origin::raw(own_ip(), |mut socket: TcpStream, _| {
        let mut out = socket.try_clone()?;
        std::io::copy(&mut socket, &mut out)?;
        socket.shutdown(Shutdown::Write)
    });
    let mut site = Site::new();
    site.hosts(names)
        .set("connect.tls_ports", &format!("[443, {}]", origin.port()));
    site.set("deadlines.hello", "\"1s\"");
    (site, origin)
}

fn opened(weir: &Weir, name: &str, origin: &Origin) -> Client {
    weir.client()
        .tunnel(&format!("{name}:{}", origin.port()), None)
        .unwrap()
}

/// Reads exactly as many bytes as `expected` has, and compares.
fn receives(client: &mut Client, expected: &[u8]) {
    let mut seen = vec![0; expected.len()];
    client.read_exact(&mut seen).unwrap();
    assert!(seen == expected, "the tunnel changed bytes");
}

#[test]
fn a_tunnel_carries_tls_untouched_and_leaves_two_records() {
    let (site, origin, authority) = secure(&["secure.test"]);
    let weir = site.start();
    let mut tls = authority
        .over(opened(&weir, "secure.test", &origin), "secure.test")
        .unwrap();
    tls.write_all(b"GET /hidden HTTP/1.1\r\nHost: secure.test\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = vec![0; 4096];
    let count = tls.read(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer[..count]).contains("GET /hidden"));
    let open = site.record(&[("kind", "tunnel_open"), ("host", "secure.test")]);
    tls.conn.send_close_notify();
    let _ = tls.flush();
    drop(tls);
    let close = site.record(&[("kind", "tunnel_close"), ("host", "secure.test")]);
    assert_eq!(open.text("event"), close.text("event"));
    assert_eq!(
        (open.text("end").as_str(), open.number("duration")),
        ("open", 0)
    );
    assert_eq!(close.text("origin"), own_ip().to_string());
    assert!(
        close.number("bytes_up") > 200 && close.number("bytes_down") > 500,
        "{close:?}"
    );
    assert_eq!(close.text("inspected"), "false", "the path was not visible");
    assert!(close.lacks("path"));
}

#[test]
fn a_blocked_connect_gets_403_with_the_facts_in_fields_and_body() {
    let (site, origin, _) = secure(&["bet.test"]);
    let weir = site.start();
    let to = format!("www.bet.test:{}", origin.port());
    let refused = weir.client().tunnel(&to, None).err().unwrap();
    assert_eq!(refused.status, 403);
    let event = refused.field("weir-event").to_owned();
    assert_eq!(
        (refused.field("weir-rule"), refused.field("weir-category")),
        ("no-gambling", "gambling")
    );
    assert_eq!(refused.proxy_error(), "http_request_denied");
    let page = refused.text();
    for part in [
        "Gambling sites are not for use at school.",
        "gambling",
        "no-gambling",
        &event,
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(origin.accepted(), 0);
    let row = site.record(&[("event", &event)]);
    assert!(
        row.is(&[
            ("verdict", "block"),
            ("method", "CONNECT"),
            ("status", "403")
        ]),
        "{row:?}"
    );
}

#[test]
fn curl_is_told_why_a_tunnel_is_refused() {
    let (site, origin, _) = secure(&["bet.test"]);
    let weir = site.start();
    let told = weir_tests::curl::curl(weir.proxy, &[&origin.https("bet.test", "/")]);
    assert_eq!((told.code, told.connect_status), (56, 403));
    assert!(
        told.heads
            .to_ascii_lowercase()
            .contains("weir-rule: no-gambling"),
        "{}",
        told.heads
    );
}

#[test]
fn a_tunnel_is_answered_200_only_when_the_origin_is_connected() {
    let (mut site, _origin) = echo(&["secure.test"]);
    site.set("connect.tls_ports", "[443, 9]");
    let weir = site.start();
    let refused = weir.client().tunnel("secure.test:9", None).err().unwrap();
    assert_eq!(
        (refused.status, refused.proxy_error().as_str()),
        (502, "connection_refused")
    );
}

#[test]
fn tunnels_to_ports_that_are_not_open_are_refused_before_the_name_is_looked_up() {
    let (site, origin) = echo(&["secure.test"]);
    let weir = site.start();
    for port in [22, 25, 8443, 1, 65535] {
        let refused = weir
            .client()
            .tunnel(&format!("secure.test:{port}"), None)
            .err()
            .unwrap();
        assert_eq!(
            (refused.status, refused.proxy_error().as_str()),
            (403, "http_request_denied"),
            "{port}"
        );
    }
    assert_eq!(origin.accepted(), 0);
}

#[test]
fn nothing_reaches_the_origin_before_the_hello_is_decided() {
    let (site, origin, _) = secure(&["secure.test", "bet.test"]);
    let weir = site.start();
    let hello = tls::hello(Some("secure.test")).unwrap();
    let mut client = opened(&weir, "secure.test", &origin);
    client.send(&hello[..hello.len() - 1]);
    std::thread::sleep(Duration::from_millis(500));
    client.send(&hello[hello.len() - 1..]);
    assert!(
        !client.some(1000).unwrap().is_empty(),
        "the origin answers the whole hello"
    );
}

#[test]
fn the_stricter_of_tunnel_name_and_server_name_wins() {
    let (mut site, origin) = echo(&["secure.test", "bet.test", "school.test"]);
    site.list("education", "domains", "school.test\nsecure.test\n");
    let weir = site.start();
    for sni in ["bet.test", "www.bet.test"] {
        let mut client = opened(&weir, "secure.test", &origin);
        client.send(tls::hello(Some(sni)).unwrap());
        assert!(client.closes_within(Duration::from_secs(5)), "{sni}");
        let row = site.record(&[("sni", sni)]);
        assert!(
            row.is(&[
                ("verdict", "block"),
                ("rule", "no-gambling"),
                ("host", "secure.test")
            ]),
            "{row:?}"
        );
        assert_eq!(row.number("bytes_up"), 0, "nothing of it went upstream");
    }
    let mut client = opened(&weir, "secure.test", &origin);
    let hello = tls::hello(Some("school.test")).unwrap();
    client.send(&hello);
    receives(&mut client, &hello);
}

#[test]
fn the_server_name_is_read_however_the_hello_is_cut() {
    let (site, origin) = echo(&["secure.test"]);
    let weir = site.start();
    let blocked = tls::hello(Some("bet.test")).unwrap();
    let allowed = tls::hello(Some("secure.test")).unwrap();
    // The same hello in records of one to many bytes of handshake each.
    for size in [1, 2, 5, 16, 64, 200] {
        let mut client = opened(&weir, "secure.test", &origin);
        client.send(tls::refragmented(&blocked, size));
        assert!(
            client.closes_within(Duration::from_secs(5)),
            "blocked, records of {size}"
        );
        let mut client = opened(&weir, "secure.test", &origin);
        let cut = tls::refragmented(&allowed, size);
        client.send(&cut);
        receives(&mut client, &cut);
    }
    // The same bytes in segments split once, at every place.
    for at in (1..blocked.len()).step_by(7) {
        let mut client = opened(&weir, "secure.test", &origin);
        client.send(&blocked[..at]);
        std::thread::sleep(Duration::from_millis(2));
        let _ = client.try_send(&blocked[at..]);
        assert!(
            client.closes_within(Duration::from_secs(5)),
            "blocked, cut at {at}"
        );
    }
}

#[test]
fn server_names_are_compared_in_their_normal_form() {
    let (site, origin) = echo(&["secure.test"]);
    let weir = site.start();
    let hello = tls::hello(Some("www.bet.test")).unwrap();
    for spelling in [b"WWW.BET.TEST", b"wWw.bEt.teSt", b"ww.bet.test."] {
        let mut client = opened(&weir, "secure.test", &origin);
        client.send(tls::renamed(&hello, "www.bet.test", spelling));
        assert!(
            client.closes_within(Duration::from_secs(5)),
            "{}",
            spelling.escape_ascii()
        );
    }
    for invalid in [
        b"www..be.test",
        b"www.bet.tes\0",
        b"www bet.test",
        b"www.bet%test",
        b"\xefww.bet.test",
    ] {
        let mut client = opened(&weir, "secure.test", &origin);
        client.send(tls::renamed(&hello, "www.bet.test", invalid));
        assert!(
            client.closes_within(Duration::from_secs(5)),
            "{}",
            invalid.escape_ascii()
        );
    }
}

#[test]
fn two_server_names_in_one_hello_are_refused() {
    let (site, origin) = echo(&["secure.test"]);
    let weir = site.start();
    let hello = tls::hello(Some("secure.test")).unwrap();
    let mut client = opened(&weir, "secure.test", &origin);
    client.send(tls::twice_named(&hello, "bet.test"));
    assert!(client.closes_within(Duration::from_secs(5)));
    let mut client = opened(&weir, "secure.test", &origin);
    client.send(tls::twice_named(&hello, "secure.test"));
    assert!(
        client.closes_within(Duration::from_secs(5)),
        "twice the same is twice too"
    );
}

#[test]
fn a_missing_server_name_is_a_choice_of_the_school() {
    let (mut site, origin) = echo(&["secure.test"]);
    let nameless = tls::hello(None).unwrap();
    let weir = site.start();
    let mut client = opened(&weir, "secure.test", &origin);
    client.send(&nameless);
    receives(&mut client, &nameless);
    drop(weir);
    site.set("connect.missing_sni", "\"refuse\"");
    let weir = site.start();
    let mut client = opened(&weir, "secure.test", &origin);
    client.send(&nameless);
    assert!(client.closes_within(Duration::from_secs(5)));
}

#[test]
fn silence_in_a_tunnel_closes_it_after_seconds() {
    let (site, origin) = echo(&["secure.test"]);
    let weir = site.start();
    let mut client = opened(&weir, "secure.test", &origin);
    let (closed, took) = timed(|| client.closes_within(Duration::from_secs(8)));
    assert!(closed, "still open after {took:?}");
    assert!(
        took > Duration::from_millis(700),
        "the hello's deadline is one second: {took:?}"
    );
    let mut client = opened(&weir, "secure.test", &origin);
    client.send(&tls::hello(Some("secure.test")).unwrap()[..40]);
    assert!(
        client.closes_within(Duration::from_secs(8)),
        "half a hello is silence too"
    );
    site.some_records(&[("host", "secure.test"), ("end", "deadline")], 2);
}

#[test]
fn what_is_not_tls_is_closed_without_reaching_the_origin() {
    let (site, origin) = echo(&["secure.test"]);
    let seen = origin.clone();
    let weir = site.start();
    let openings: [&[u8]; 7] = [
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"GET / HTTP/1.1\r\nHost: secure.test\r\n\r\n",
        b"\x05\x01\x00",
        b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00",
        b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00",
        b"\x17\x03\x03\x00\x10aaaaaaaaaaaaaaaa",
        &[0x80; 64],
    ];
    for opening in openings {
        let mut client = opened(&weir, "secure.test", &seen);
        client.send(opening);
        assert!(
            client.closes_within(Duration::from_secs(5)),
            "{}",
            opening.escape_ascii()
        );
    }
    // The echo would have returned any byte that went upstream; the records agree.
    let rows = site.some_records(
        &[("host", "secure.test"), ("method", "CONNECT")],
        openings.len(),
    );
    assert!(
        rows.iter().all(|row| row.number("bytes_up") == 0),
        "{rows:?}"
    );
}

#[test]
fn a_hello_sent_together_with_the_connect_is_not_lost() {
    let (site, origin) = echo(&["secure.test", "bet.test"]);
    let weir = site.start();
    let head = Request::new("CONNECT", &format!("secure.test:{}", origin.port())).bytes();
    let hello = tls::hello(Some("secure.test")).unwrap();
    let mut client = weir.client();
    client.send([&head[..], &hello].concat());
    assert_eq!(client.response("CONNECT").unwrap().status, 200);
    receives(&mut client, &hello);
    let mut client = weir.client();
    client.send([&head[..], &tls::hello(Some("bet.test")).unwrap()].concat());
    let _ = client.response("CONNECT");
    assert!(client.closes_within(Duration::from_secs(5)));
}

#[test]
fn bytes_sent_after_a_refused_connect_are_never_read_as_a_request() {
    let (site, origin) = echo(&["bet.test", "secure.test"]);
    let weir = site.start();
    let connect = Request::new("CONNECT", &format!("bet.test:{}", origin.port())).bytes();
    let hidden = Request::get(&origin.url("secure.test", "/hidden")).bytes();
    let mut client = weir.client();
    client.send([connect, hidden].concat());
    assert_eq!(client.response("CONNECT").unwrap().status, 403);
    assert!(client.closes_within(Duration::from_secs(5)));
    assert_eq!(origin.accepted(), 0);
}

#[test]
fn each_side_may_finish_before_the_other() {
    let origin = Origin::raw(own_ip(), |mut socket, _| {
        let mut all = Vec::new();
        socket.read_to_end(&mut all)?;
        socket.write_all(&(all.len() as u32).to_be_bytes())
    });
    let mut site = Site::new();
    site.hosts(&["secure.test"])
        .set("connect.tls_ports", &format!("[{}]", origin.port()));
    let weir = site.start();
    let mut client = opened(&weir, "secure.test", &origin);
    let hello = tls::hello(Some("secure.test")).unwrap();
    client.send([&hello[..], &[0; 100_000]].concat());
    client.finish();
    let answer = client.rest().unwrap();
    assert_eq!(answer, ((hello.len() + 100_000) as u32).to_be_bytes());
}

#[test]
fn an_idle_tunnel_is_closed_after_its_time() {
    let (mut site, origin) = echo(&["secure.test"]);
    site.set("deadlines.tunnel_idle", "\"2s\"");
    let weir = site.start();
    let mut client = opened(&weir, "secure.test", &origin);
    let hello = tls::hello(Some("secure.test")).unwrap();
    client.send(&hello);
    receives(&mut client, &hello);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_secs(1));
        client.send("tick");
        receives(&mut client, b"tick");
    }
    assert!(
        client.closes_within(Duration::from_secs(8)),
        "two seconds of silence"
    );
}

#[test]
fn a_port_opened_for_other_protocols_carries_them() {
    let (mut site, origin) = echo(&["ssh.test"]);
    site.set("connect.tls_ports", "[443]");
    site.set("connect.opaque_ports", &format!("[{}]", origin.port()));
    let weir = site.start();
    let mut client = opened(&weir, "ssh.test", &origin);
    client.send("SSH-2.0-x\r\n");
    receives(&mut client, b"SSH-2.0-x\r\n");
}

#[test]
fn plain_http_in_a_tunnel_is_decided_request_by_request() {
    let origin = Origin::standard(own_ip());
    let mut site = Site::new();
    site.hosts(&["site.test", "bet.test"]);
    site.list("gambling", "urls", "site.test/casino\n");
    site.set("connect.http_ports", &format!("[{}]", origin.port()));
    let weir = site.start();
    let mut client = opened(&weir, "site.test", &origin);
    let inner =
        |path: &str| Request::get(path).field("Host", &format!("site.test:{}", origin.port()));
    assert_eq!(client.ask(&inner("/fine")).text(), "GET /fine");
    assert_eq!(client.ask(&inner("/casino")).status, 403);
    let mut client = opened(&weir, "site.test", &origin);
    // Domain fronting: another site than the tunnel was opened for.
    let fronted = Request::get("/x").field("Host", &format!("bet.test:{}", origin.port()));
    assert!(matches!(client.ask(&fronted).status, 403 | 421));
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_name_in_upper_case_or_with_its_root_dot_is_the_same_name() {
    let (site, origin) = echo(&["secure.test", "bet.test"]);
    let weir = site.start();
    for name in ["BET.TEST", "bet.test.", "www.Bet.Test."] {
        let to = format!("{name}:{}", origin.port());
        assert_eq!(
            weir.client().tunnel(&to, None).err().unwrap().status,
            403,
            "{name}"
        );
    }
    opened(&weir, "SECURE.test.", &origin);
}

#[test]
fn a_connect_after_other_requests_on_the_same_connection_works() {
    let (site, origin) = echo(&["secure.test"]);
    let plain = Origin::standard(own_ip());
    let weir = site.start();
    let mut client = weir.client();
    assert_eq!(client.get(&plain.url("secure.test", "/")).status, 200);
    let mut tunnel = client
        .tunnel(&format!("secure.test:{}", origin.port()), None)
        .unwrap();
    let hello = tls::hello(Some("secure.test")).unwrap();
    tunnel.send(&hello);
    receives(&mut tunnel, &hello);
}

#[test]
fn a_tunnel_whose_origin_goes_is_closed_at_the_client() {
    let origin = Origin::raw(own_ip(), |mut socket, _| {
        let mut hello = [0; 5];
        socket.read_exact(&mut hello)
    });
    let mut site = Site::new();
    site.hosts(&["secure.test"])
        .set("connect.tls_ports", &format!("[{}]", origin.port()));
    let weir = site.start();
    let mut client = opened(&weir, "secure.test", &origin);
    client.send(tls::hello(Some("secure.test")).unwrap());
    client.finish();
    assert!(client.closes_within(Duration::from_secs(5)));
    site.record(&[("kind", "tunnel_close"), ("host", "secure.test")]);
    eventually("nothing stays open", || (origin.open() == 0).then_some(()));
}
