//! Which fields cross the proxy.

use weir_tests::client::Request;
use weir_tests::origin::Origin;
use weir_tests::site::{Site, own_ip};

use crate::lab;

#[test]
fn fields_named_on_any_connection_line_stay_behind() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let request = Request::get(&origin.url("site.test", "/"))
        .field("Connection", "keep-alive, X-One")
        .field("X-One", "1")
        .field("Connection", " X-Two ,,x-three")
        .field("X-Two", "2")
        .field("X-Three", "3")
        .field("X-Four", "4");
    assert_eq!(weir.ask(&request).status, 200);
    let head = origin.last().head;
    for gone in ["x-one", "x-two", "x-three"] {
        assert_eq!(head.get(gone), None, "{}", head.text());
    }
    assert_eq!(head.get("x-four"), Some("4"));
}

#[test]
fn hop_by_hop_fields_stay_behind_in_both_directions() {
    let names = [
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "Upgrade",
        "Proxy-Authorization",
    ];
    let origin = Origin::http(own_ip(), |exchange| {
        let fields = "Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic realm=x\r\nX-Kept: yes\r\n\
                      Connection: X-Dropped\r\nX-Dropped: yes\r\nUpgrade: h2c\r\n";
        exchange.respond("200 OK", fields, "x")
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    site.user("anna", "correct horse", &["staff"]);
    let weir = site.start();
    let mut request = Request::get(&origin.url("site.test", "/")).user("anna", "correct horse");
    for name in &names[..4] {
        request = request.field(name, "h2c");
    }
    let response = weir.ask(&request);
    assert_eq!((response.status, response.field("x-kept")), (200, "yes"));
    for gone in ["keep-alive", "proxy-authenticate", "x-dropped", "upgrade"] {
        assert_eq!(response.head.get(gone), None, "{gone}");
    }
    let head = origin.last().head;
    for gone in names {
        assert_eq!(head.get(gone), None, "{gone}: {}", head.text());
    }
}

#[test]
fn connection_cannot_remove_what_frames_or_identifies_a_message() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let request = Request::new("POST", &origin.url("site.test", "/"))
        .field(
            "Connection",
            "Host, Content-Length, Authorization, Cookie, Via, Connection, close",
        )
        .field("Authorization", "Basic b3JpZ2luOnB3")
        .field("Cookie", "a=b")
        .body("hello");
    assert_eq!(weir.ask(&request).text(), "hello");
    let head = origin.last().head;
    for kept in ["host", "content-length", "authorization", "cookie", "via"] {
        assert!(head.get(kept).is_some(), "{kept} went: {}", head.text());
    }
}

#[test]
fn via_is_added_to_messages_in_both_directions() {
    let origin = Origin::http(own_ip(), |exchange| {
        exchange.respond("200 OK", "Via: 1.0 inner\r\n", "x")
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    let weir = site.start();
    let request = Request::get(&origin.url("site.test", "/")).field("Via", "1.1 outer");
    let response = weir.ask(&request);
    let (out, back) = (
        origin.last().head.all("via").join(", "),
        response.head.all("via").join(", "),
    );
    assert!(out.starts_with("1.1 outer, 1.1 "), "{out}");
    assert!(back.starts_with("1.0 inner, 1.1 "), "{back}");
}

#[test]
fn a_request_that_passed_this_proxy_before_is_a_loop() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    weir.get(&origin.url("site.test", "/"));
    let via = origin.last().head.get("via").unwrap().to_owned();
    let again = Request::get(&origin.url("site.test", "/again")).field("Via", &via);
    let response = weir.ask(&again);
    assert_eq!(response.proxy_error(), "proxy_loop_detected");
    assert!(matches!(response.status, 502 | 508), "{}", response.status);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn nothing_about_the_client_leaks_to_origins() {
    let (site, origin) = lab(&["site.test"]);
    site.user("anna", "correct horse", &["staff"]);
    let weir = site.start();
    let source = "127.0.0.77".parse().unwrap();
    let mut client = weir_tests::client::Client::from(source, weir.proxy).unwrap();
    let url = origin.url("site.test", "/");
    assert_eq!(
        client
            .ask(&Request::get(&url).user("anna", "correct horse"))
            .status,
        200
    );
    let text = origin.last().head.text().to_ascii_lowercase();
    for leak in [
        "127.0.0.77",
        "anna",
        "horse",
        "forwarded",
        "x-real",
        "client",
        "authorization",
        "staff",
    ] {
        assert!(!text.contains(leak), "{leak}: {text}");
    }
}

#[test]
fn fields_by_which_a_client_describes_itself_as_another_are_inert() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let names = [
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Real-IP",
    ];
    let mut request = Request::get(&origin.url("site.test", "/"));
    for name in names {
        request = request.field(name, "127.0.0.9");
    }
    assert_eq!(weir.ask(&request).status, 200);
    for name in names {
        assert_eq!(origin.last().head.get(name), None, "{name}");
    }
    site.record(&[("host", "site.test"), ("client", "127.0.0.1")]);
}

#[test]
fn end_to_end_fields_arrive_unchanged_and_in_order() {
    let origin = Origin::http(own_ip(), |exchange| {
        exchange.respond(
            "200 OK",
            "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nETag: \"x\"\r\n",
            "x",
        )
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    let weir = site.start();
    let request = Request::get(&origin.url("site.test", "/"))
        .field("Accept", "a/b")
        .field("Accept", "c/d;q=0.5")
        .field("User-Agent", "Tester (a; b)  c")
        .field("X-Latin", "caf\u{e9}");
    let response = weir.ask(&request);
    assert_eq!(response.head.all("set-cookie"), ["a=1", "b=2"]);
    let head = origin.last().head;
    assert_eq!(head.all("accept"), ["a/b", "c/d;q=0.5"]);
    assert_eq!(head.get("user-agent"), Some("Tester (a; b)  c"));
    assert_eq!(head.get("x-latin"), Some("caf\u{e9}"));
}

#[test]
fn offers_of_http_3_do_not_reach_the_client() {
    let origin = Origin::http(own_ip(), |exchange| {
        exchange.respond("200 OK", "Alt-Svc: h3=\":443\"; ma=86400\r\n", "x")
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    let weir = site.start();
    assert_eq!(
        weir.get(&origin.url("site.test", "/")).head.get("alt-svc"),
        None
    );
}
