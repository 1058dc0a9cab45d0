//! WebSocket over plain HTTP and inside tunnels; every other upgrade stays plain.

use std::io::{Read, Write};

use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};
use weir_tests::client::{Client, Request};
use weir_tests::origin::Origin;
use weir_tests::site::{Site, own_ip};
use weir_tests::tls::Authority;

use crate::lab;

fn handshake(url: &str) -> Request {
    Request::get(url)
        .field("Upgrade", "websocket")
        .field("Connection", "Upgrade")
        .field("Sec-WebSocket-Version", "13")
        .field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// Exchanges messages of several sizes and closes properly.
fn converse<S: Read + Write>(socket: &mut WebSocket<S>) {
    for size in [0, 1, 125, 126, 70_000, 1_000_000] {
        let message = Message::binary(vec![7; size]);
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), message, "{size} bytes");
    }
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
}

#[test]
fn a_websocket_works_over_plain_http() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    let response = client.ask(&handshake(&origin.url("site.test", "/ws")));
    assert_eq!(response.status, 101);
    assert_eq!(
        response.field("sec-websocket-accept"),
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    converse(&mut WebSocket::from_raw_socket(client, Role::Client, None));
    assert_eq!(origin.last().head.get("upgrade"), Some("websocket"));
    let row = site.record(&[
        ("host", "site.test"),
        ("kind", "tunnel_close"),
        ("status", "101"),
    ]);
    assert!(
        row.number("bytes_up") > 1_070_252 && row.number("bytes_down") > 1_070_252,
        "{row:?}"
    );
}

#[test]
fn a_websocket_works_inside_a_tunnel() {
    let authority = Authority::new().unwrap();
    let origin = Origin::tls(own_ip(), authority.server(&["secure.test"]).unwrap());
    let mut site = Site::new();
    site.hosts(&["secure.test"]);
    site.set("connect.tls_ports", &format!("[{}]", origin.port()));
    let weir = site.start();
    let to = format!("secure.test:{}", origin.port());
    let tunnel = weir.client().tunnel(&to, None).unwrap();
    let tls = authority.over(tunnel, "secure.test").unwrap();
    let (mut socket, _) = tungstenite::client(format!("ws://{to}/ws"), tls).unwrap();
    converse(&mut socket);
}

#[test]
fn a_websocket_to_a_blocked_host_is_refused() {
    let (site, origin) = lab(&["bet.test"]);
    let weir = site.start();
    assert_eq!(
        weir.ask(&handshake(&origin.url("bet.test", "/ws"))).status,
        403
    );
    assert_eq!(origin.accepted(), 0);
}

#[test]
fn other_protocols_than_websocket_are_not_offered_to_origins() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let request = Request::get(&origin.url("site.test", "/"))
        .field("Connection", "Upgrade, HTTP2-Settings")
        .field("Upgrade", "h2c")
        .field("HTTP2-Settings", "AAMAAABkAAQAAP__");
    assert_eq!(weir.ask(&request).status, 200);
    let head = origin.last().head;
    assert_eq!(
        (head.get("upgrade"), head.get("http2-settings")),
        (None, None)
    );
}

#[test]
fn bytes_after_a_refused_upgrade_are_a_request_of_their_own() {
    let (site, origin) = lab(&["site.test", "bet.test"]);
    let weir = site.start();
    let mut client = weir.client();
    let smuggled = Request::get(&origin.url("bet.test", "/smuggled")).bytes();
    client.send(
        [
            handshake(&origin.url("site.test", "/no-upgrade")).bytes(),
            smuggled,
        ]
        .concat(),
    );
    assert_eq!(client.response("GET").unwrap().status, 200);
    // Either the bytes are read as a request and decided on, or the connection ends.
    if let Ok(second) = client.response("GET") {
        assert_eq!(second.status, 403);
    }
    assert!(
        origin
            .requests()
            .iter()
            .all(|seen| seen.target() != "/smuggled")
    );
}

#[test]
fn an_origin_that_switches_protocols_unasked_is_cut_off() {
    let origin = Origin::http(own_ip(), |exchange| {
        exchange.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nraw")?;
        exchange.rest().map(drop)
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    let weir = site.start();
    let mut client: Client = weir.client();
    let response = client.get(&origin.url("site.test", "/"));
    assert_eq!(response.status, 502);
    assert!(!response.text().contains("raw"));
}
