//! Methods, targets, versions and address families, with curl as a second opinion.

use weir_tests::client::{Client, Request};
use weir_tests::curl::curl;
use weir_tests::origin::Origin;
use weir_tests::site::{Site, own_ip};
use weir_tests::tls::Authority;

use crate::lab;

#[test]
fn an_absolute_form_request_arrives_in_origin_form() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let response = weir.get(&origin.url("site.test", "/a/b?c=d"));
    assert_eq!(
        (response.status, response.text().as_str()),
        (200, "GET /a/b?c=d")
    );
    let seen = origin.last();
    assert_eq!(seen.head.line, "GET /a/b?c=d HTTP/1.1");
    assert_eq!(
        seen.head.all("host"),
        [format!("site.test:{}", origin.port())]
    );
}

#[test]
fn a_target_without_a_path_asks_for_the_root() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    weir.get(&origin.url("site.test", ""));
    assert_eq!(origin.last().target(), "/");
    weir.get(&origin.url("site.test", "?q=1"));
    assert_eq!(origin.last().target(), "/?q=1");
}

#[test]
fn the_path_reaches_the_origin_as_it_was_sent() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    for path in [
        "/%7Euser/a%2Fb",
        "/a//b",
        "/%zz",
        "/x;p=1?q=%41&r=a+b",
        "/a/./b/../c",
    ] {
        weir.get(&origin.url("site.test", path));
        assert_eq!(origin.last().target(), path);
    }
}

#[test]
fn curl_speaks_both_versions_of_http_through_weir() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    for version in ["--http1.0", "--http1.1"] {
        let told = curl(
            weir.proxy,
            &[version, &origin.url("site.test", "/chunked/5000")],
        );
        assert_eq!(
            (told.code, told.status, told.body.len()),
            (0, 200, 5000),
            "{version}"
        );
    }
}

#[test]
fn curl_uploads_and_asks_for_ranges_through_weir() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let file = site.path("upload");
    std::fs::write(&file, vec![b'u'; 300_000]).unwrap();
    let file = file.to_string_lossy().into_owned();
    let url = origin.url("site.test", "/put");
    let told = curl(weir.proxy, &["--upload-file", &file, &url]);
    assert_eq!((told.status, told.body.len()), (200, 300_000));
    let chunked = [
        "--upload-file",
        &file,
        "--header",
        "Transfer-Encoding: chunked",
        &url,
    ];
    assert_eq!(curl(weir.proxy, &chunked).body.len(), 300_000);
    assert_eq!(origin.last().head.get("transfer-encoding"), Some("chunked"));
    let told = curl(
        weir.proxy,
        &["--range", "3-6", &origin.url("site.test", "/range")],
    );
    assert_eq!(
        (told.status, told.body.as_slice()),
        (206, b"3456".as_slice())
    );
}

#[test]
fn curl_opens_tls_through_a_tunnel() {
    let authority = Authority::new().unwrap();
    let origin = Origin::tls(own_ip(), authority.server(&["secure.test"]).unwrap());
    let mut site = Site::new();
    site.hosts(&["secure.test"]);
    site.set("connect.tls_ports", &format!("[443, {}]", origin.port()));
    let root = site.path("root.pem");
    std::fs::write(&root, authority.pem()).unwrap();
    let weir = site.start();
    let url = origin.https("secure.test", "/hello");
    let told = curl(weir.proxy, &["--cacert", &root.to_string_lossy(), &url]);
    assert_eq!((told.code, told.connect_status, told.status), (0, 200, 200));
    assert_eq!(told.body, b"GET /hello");
}

#[test]
fn an_http_1_0_client_is_never_sent_chunks_nor_interim_responses() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    for path in ["/chunked/2500", "/early-hints", "/close/10", "/bytes/10"] {
        let mut client = weir.client();
        let response = client.ask(&Request::get(&origin.url("site.test", path)).old());
        assert_eq!(response.status, 200, "{path}");
        assert!(response.head.get("transfer-encoding").is_none(), "{path}");
        assert!(response.interim.is_empty(), "{path}");
        assert!(
            client.rest().unwrap().is_empty(),
            "{path}: closed after the answer"
        );
    }
}

#[test]
fn an_http_1_0_request_needs_no_host_field() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    client.send(format!(
        "GET {} HTTP/1.0\r\n\r\n",
        origin.url("site.test", "/old")
    ));
    assert_eq!(client.response("GET").unwrap().status, 200);
    let seen = origin.last();
    assert_eq!(
        seen.head.part(2),
        "HTTP/1.1",
        "the proxy speaks its own version"
    );
    assert_eq!(seen.head.all("host").len(), 1);
}

#[test]
fn an_origin_that_speaks_http_1_0_is_understood() {
    let origin = Origin::raw(own_ip(), |mut socket, _| {
        use std::io::{BufReader, Write};
        weir_tests::wire::read_head(&mut BufReader::new(&socket))?;
        socket.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold words")
    });
    let mut site = Site::new();
    site.hosts(&["old.test"]);
    let weir = site.start();
    let response = weir.get(&origin.url("old.test", "/"));
    assert_eq!(
        (response.status, response.text().as_str()),
        (200, "old words")
    );
    assert_eq!(response.head.part(0), "HTTP/1.1");
}

#[test]
fn head_gives_the_length_without_a_body_and_the_connection_goes_on() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    let response = client.ask(&Request::new("HEAD", &origin.url("site.test", "/twelve")));
    assert_eq!(
        (response.status, response.field("content-length")),
        (200, "12")
    );
    assert_eq!(
        client.get(&origin.url("site.test", "/next")).text(),
        "GET /next"
    );
}

#[test]
fn options_for_a_whole_server_arrives_as_an_asterisk() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    weir.ask(&Request::new("OPTIONS", &origin.url("site.test", "")));
    assert_eq!(origin.last().head.line, "OPTIONS * HTTP/1.1");
    weir.ask(&Request::new("OPTIONS", &origin.url("site.test", "/page")));
    assert_eq!(origin.last().head.line, "OPTIONS /page HTTP/1.1");
}

#[test]
fn options_for_the_proxy_itself_is_answered_by_it() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let star = Request::new("OPTIONS", "*").field("Host", "site.test");
    assert!(matches!(weir.ask(&star).status, 200 | 204));
    let last = Request::new("OPTIONS", &origin.url("site.test", "")).field("Max-Forwards", "0");
    assert!(matches!(weir.ask(&last).status, 200 | 204));
    assert_eq!(origin.accepted(), 0);
}

#[test]
fn max_forwards_counts_down_where_it_has_a_meaning() {
    let (mut site, origin) = lab(&["site.test"]);
    site.set("http.trace", "true");
    let weir = site.start();
    for method in ["OPTIONS", "TRACE"] {
        let url = origin.url("site.test", "/");
        weir.ask(&Request::new(method, &url).field("Max-Forwards", "3"));
        assert_eq!(origin.last().head.all("max-forwards"), ["2"], "{method}");
    }
}

#[test]
fn trace_is_refused_unless_it_is_configured() {
    let (mut site, origin) = lab(&["site.test"]);
    let trace = Request::new("TRACE", &origin.url("site.test", "/"));
    assert_eq!(site.start().ask(&trace).status, 405);
    assert_eq!(origin.accepted(), 0);
    site.set("http.trace", "true");
    let weir = site.start();
    let request = trace.field("Max-Forwards", "0").user("anna", "secret");
    let answer = weir.ask(&request.field("Cookie", "c=secret"));
    assert!(
        answer.status == 407 || !answer.text().contains("secret"),
        "{}",
        answer.text()
    );
    assert_eq!(origin.accepted(), 0, "the last hop answers TRACE itself");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    let one = Request::get(&origin.url("site.test", "/one")).bytes();
    let two = Request::get(&origin.url("site.test", "/two")).bytes();
    client.send([one, two].concat());
    assert_eq!(client.response("GET").unwrap().text(), "GET /one");
    assert_eq!(client.response("GET").unwrap().text(), "GET /two");
}

#[test]
fn clients_and_origins_may_use_ipv6() {
    let origin = Origin::standard("::1".parse().unwrap());
    let mut site = Site::new();
    site.host("six.test", &["::1"]);
    let probe = std::net::TcpListener::bind("[::1]:0").unwrap();
    let listener = probe.local_addr().unwrap();
    drop(probe);
    let login = "login = \"optional\"";
    site.table(&format!(
        "[[listener]]\nname = \"six\"\naddress = \"{listener}\"\n{login}"
    ));
    let weir = site.start();
    let told = curl(listener, &[&origin.url("six.test", "/name")]);
    assert_eq!(
        (told.status, told.body.as_slice()),
        (200, b"GET /name".as_slice())
    );
    let literal = format!("http://{}/literal", origin.address);
    assert_eq!(
        Client::connect(listener).get(&literal).text(),
        "GET /literal"
    );
    assert_eq!(origin.last().head.all("host"), [origin.address.to_string()]);
    site.record(&[("host", "::1"), ("client", "::1"), ("status", "200")]);
    drop(weir);
}

#[test]
fn a_name_with_a_dead_address_is_reached_by_its_living_one() {
    let (mut site, origin) = lab(&[]);
    let (dead, living) = ("::1".to_owned(), origin.address.ip().to_string());
    site.host("both.test", &[&dead, &living]);
    let weir = site.start();
    let (response, took) =
        weir_tests::client::timed(|| weir.get(&origin.url("both.test", "/reached")));
    assert_eq!(
        (response.status, response.text().as_str()),
        (200, "GET /reached")
    );
    assert!(took.as_secs() < 3, "{took:?}");
}

#[test]
fn an_https_target_in_absolute_form_is_fetched_over_verified_tls() {
    let authority = Authority::new().unwrap();
    let origin = Origin::tls(own_ip(), authority.server(&["secure.test"]).unwrap());
    let mut site = Site::new();
    site.hosts(&["secure.test", "other.test"]);
    std::fs::write(site.path("root.pem"), authority.pem()).unwrap();
    let untrusting = site.start();
    let refused = untrusting.get(&origin.https("secure.test", "/"));
    assert_eq!(
        (refused.status, refused.proxy_error().as_str()),
        (502, "tls_certificate_error")
    );
    drop(untrusting);
    site.set("origin.trusted_roots", "[\"root.pem\"]");
    let weir = site.start();
    assert_eq!(
        weir.get(&origin.https("secure.test", "/in")).text(),
        "GET /in"
    );
    let wrong = weir.get(&origin.https("other.test", "/"));
    assert_eq!(
        (wrong.status, wrong.proxy_error().as_str()),
        (502, "tls_certificate_error")
    );
    assert_eq!(
        origin.requests().len(),
        1,
        "nothing is asked of an origin that is not who it should be"
    );
}
