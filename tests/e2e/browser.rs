//! A real Chromium browses as a named person.

use weir_tests::browser::Browser;
use weir_tests::origin::{Exchange, Origin};
use weir_tests::records::rows;
use weir_tests::site::{Site, own_ip};
use weir_tests::tls::Authority;

const PASSWORD: &str = "correct horse battery";

/// A small website: two pages, a style sheet, a script's request and a form.
fn website(exchange: &mut Exchange<'_>) -> std::io::Result<()> {
    let html = "Content-Type: text/html; charset=utf-8\r\n";
    match exchange.path() {
        "/" => exchange.respond(
            "200 OK",
            html,
            "<!doctype html><title>Front</title><link rel=stylesheet href=/style.css>\
             <h1>Front page</h1><a href=/second>second</a>",
        ),
        "/second" => exchange.respond(
            "200 OK",
            html,
            "<!doctype html><title>Second</title><p>Second page",
        ),
        "/style.css" => exchange.respond("200 OK", "Content-Type: text/css\r\n", "h1{color:green}"),
        "/ws" => exchange.websocket(),
        "/echo" => {
            let body = exchange.body()?.bytes;
            exchange.respond("200 OK", "Content-Type: text/plain\r\n", body)
        }
        _ => exchange.respond("404 Not Found", html, "<title>Missing</title>"),
    }
}

#[test]
fn chromium_browses_as_a_named_user_meets_a_block_page_and_the_export_shows_it() {
    let authority = Authority::new().unwrap();
    let plain = Origin::http(own_ip(), website);
    let secure = Origin::tls(own_ip(), authority.server(&["secure.test"]).unwrap());
    let mut site = Site::new();
    site.hosts(&["site.test", "secure.test", "bet.test"]);
    site.listener("login", "\"required\"");
    site.set("connect.tls_ports", &format!("[443, {}]", secure.port()));
    site.set("connect.http_ports", &format!("[{}]", plain.port()));
    site.user("anna", PASSWORD, &["pupils"])
        .user("tom", PASSWORD, &["staff"]);
    let weir = site.start();
    let mut browser = Browser::start(weir.proxy, "anna", PASSWORD, &authority.pem()).unwrap();

    let front = browser.visit(&plain.url("site.test", "/")).unwrap();
    assert_eq!(
        (front.status, front.title.as_str()),
        (200, "Front"),
        "{front:?}"
    );
    assert!(front.text.contains("Front page"));
    let colour = browser
        .evaluate("getComputedStyle(document.querySelector('h1')).color")
        .unwrap();
    assert_eq!(colour, "rgb(0, 128, 0)", "the style sheet came through too");
    let echoed = "fetch('/echo', {method: 'POST', body: 'x'.repeat(100000)}).then(r => r.text()).then(t => t.length + '')";
    assert_eq!(browser.evaluate(echoed).unwrap(), "100000");
    let port = plain.port();
    let socket = |scheme: &str, host: &str, port: u16| {
        format!(
            "new Promise((done, fail) => {{ const s = new WebSocket('{scheme}://{host}:{port}/ws'); \
             s.onopen = () => s.send('over {scheme}'); s.onmessage = e => {{ done(e.data); s.close() }}; \
             s.onerror = () => fail('failed') }})"
        )
    };
    assert_eq!(
        browser.evaluate(&socket("ws", "site.test", port)).unwrap(),
        "over ws"
    );
    let second = browser.visit(&plain.url("site.test", "/second")).unwrap();
    assert_eq!(second.title, "Second");

    let inside = browser
        .visit(&secure.https("secure.test", "/inside"))
        .unwrap();
    assert_eq!(
        (inside.status, inside.text.as_str()),
        (200, "GET /inside"),
        "{inside:?}"
    );
    assert_eq!(browser.evaluate("location.protocol").unwrap(), "https:");
    assert_eq!(
        browser
            .evaluate(&socket("wss", "secure.test", secure.port()))
            .unwrap(),
        "over wss"
    );

    let blocked = browser.visit(&plain.url("bet.test", "/roulette")).unwrap();
    assert_eq!(blocked.status, 403);
    for words in [
        "Gambling sites are not for use at school.",
        "gambling",
        "review@school.test",
    ] {
        assert!(blocked.text.contains(words), "{words}: {}", blocked.text);
    }
    let tunnel = browser.visit(&secure.https("bet.test", "/")).unwrap();
    assert_eq!(
        tunnel.error, "net::ERR_TUNNEL_CONNECTION_FAILED",
        "{tunnel:?}"
    );
    assert!(browser.logins() >= 1, "the proxy asked who it was");
    drop(browser);

    let other =
        weir_tests::client::Request::get(&plain.url("site.test", "/tom")).user("tom", PASSWORD);
    assert_eq!(weir.ask(&other).status, 404);
    site.record(&[("user", "tom")]);
    site.record(&[
        ("user", "anna"),
        ("kind", "tunnel_close"),
        ("host", "secure.test"),
    ]);
    let file = site.path("anna.jsonl");
    site.export(
        &[
            "--user",
            "anna",
            "--purpose",
            "unauthorised-use",
            "--format",
            "jsonl",
        ],
        &file,
    );
    let rows = rows(&std::fs::read_to_string(&file).unwrap());
    assert!(
        rows.iter()
            .all(|row| row.is(&[("user", "anna"), ("identity", "password")])),
        "{rows:?}"
    );
    let find = |fields: &[(&str, &str)]| rows.iter().filter(|row| row.is(fields)).count();
    // Front, its style sheet, the posted form and the second page; then the WebSocket.
    assert_eq!(
        find(&[
            ("host", "site.test"),
            ("kind", "request"),
            ("status", "200")
        ]),
        4,
        "{rows:?}"
    );
    assert_eq!(
        find(&[
            ("host", "site.test"),
            ("kind", "tunnel_close"),
            ("status", "101")
        ]),
        1,
        "{rows:?}"
    );
    // LM-13: a page view is one navigation at most, whatever the page pulls.
    assert!(
        find(&[("host", "site.test"), ("initiator", "navigation")]) <= 2,
        "{rows:?}"
    );
    assert!(find(&[("host", "secure.test"), ("kind", "tunnel_close")]) >= 1);
    assert_eq!(
        find(&[
            ("host", "bet.test"),
            ("verdict", "block"),
            ("method", "GET")
        ]),
        1
    );
    assert!(
        find(&[
            ("host", "bet.test"),
            ("verdict", "block"),
            ("method", "CONNECT")
        ]) >= 1
    );
    let hosts = ["site.test", "secure.test", "bet.test"];
    assert!(
        rows.iter()
            .all(|row| hosts.contains(&row.text("host").as_str())),
        "nothing in the background: {rows:?}"
    );
    assert!(
        rows.iter()
            .all(|row| row.text("verdict") == "block" || row.lacks("path")),
        "LM-04"
    );
}
