//! What rows say of content, initiators and identities.

use std::time::Duration;

use weir_tests::browser::Browser;
use weir_tests::client::Request;
use weir_tests::origin::{Exchange, Origin};
use weir_tests::site::{Site, own_ip};
use weir_tests::tls::Authority;

use super::typed;
use crate::lab;

/// The policy that Weir ships with.
const SHIPPED: &str = include_str!("../../../config/policy.toml");

#[test]
fn a_thousand_allowed_page_loads_under_the_shipped_policy_leave_no_content_at_rest_lm_04() {
    let (mut site, origin) = lab(&["site.test", "www.google.com"]);
    site.policy(SHIPPED);
    site.set("records.segment_rows", "400");
    let weir = site.start();
    let mut client = weir.client();
    for number in 0..1000 {
        let url = match number % 2 {
            0 => origin.url("site.test", &format!("/hidden-page-{number}?q=hidden-term")),
            _ => origin.url("www.google.com", &format!("/search?q=hidden-term+{number}")),
        };
        assert_eq!(client.ask(&typed(&url)).status, 200, "{url}");
    }
    drop(client);
    weir.stop(Duration::from_secs(20));
    let rows = site.records(&["--kind", "request"]);
    assert_eq!(rows.len(), 1000);
    assert!(
        rows.iter()
            .all(|row| row.lacks("path") && row.lacks("term"))
    );
    assert!(rows.iter().all(|row| row.text("verdict") == "allow"));
    super::secrets::nowhere(&site, &["hidden-page", "hidden-term"]);
}

#[test]
fn the_search_term_of_a_blocked_event_is_kept_and_all_else_of_its_query_is_dropped_af_08() {
    let (mut site, origin) = lab(&["www.google.co.uk", "unknown.test"]);
    site.list("gambling", "keywords", "online casino*\n");
    let weir = site.start();
    let term = |host: &str, target: &str| {
        let response = weir.get(&origin.url(host, target));
        assert_eq!(response.status, 403, "{target}");
        site.record(&[("event", response.field("weir-event"))])
    };
    let row = term(
        "www.google.co.uk",
        "/search?sid=other-value&q=Best+online%20casino&x=other-value",
    );
    assert!(
        row.is(&[
            ("term", "Best online casino"),
            ("path", "/search"),
            ("verdict", "block")
        ]),
        "{row:?}"
    );
    assert!(!row.0.to_string().contains("other-value"), "{row:?}");
    let row = term("unknown.test", "/find?q=online+casino");
    assert!(
        row.lacks("term"),
        "on engines that Weir knows only: {row:?}"
    );
}

#[test]
fn a_named_rule_keeps_content_of_what_it_lets_through_until_its_day_and_no_longer_lm_04() {
    use jiff::ToSpan;
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let until = today.checked_add(3.days()).unwrap();
    let (mut site, origin) = lab(&["trial.test", "site.test"]);
    site.rule(&format!(
        "id = \"trial\"\nhosts = [\"trial.test\"]\naction = \"allow\"\npurpose = \"facts\"\n\
         content_until = \"{until}\"\ncontent_reason = \"a trial of the new platform\""
    ));
    site.wall_clock("+0d");
    let weir = site.start();
    let row = |site: &Site, host: &str| {
        let path = format!("/page-of-{host}");
        assert_eq!(weir.get(&origin.url(host, &path)).status, 200);
        let rows = site.some_records(&[("host", host), ("verdict", "allow")], 1);
        rows.last().unwrap().clone()
    };
    let kept = row(&site, "trial.test");
    assert!(
        kept.is(&[("rule", "trial"), ("path", "/page-of-trial.test")]),
        "{kept:?}"
    );
    assert!(row(&site, "site.test").lacks("path"));
    let check = site.succeed(&["check"]);
    let notice = weir.page("/notice").text();
    for text in [&check, &notice] {
        assert!(
            text.contains("a trial of the new platform") && text.contains(&until.to_string()),
            "{text}"
        );
    }
    site.step_clock("+5d");
    weir_tests::eventually("its time is over", || {
        std::thread::sleep(Duration::from_millis(300));
        row(&site, "trial.test").lacks("path").then_some(())
    });
}

/// A page that pulls sixty pictures and asks a script's question now and then.
fn website(exchange: &mut Exchange<'_>) -> std::io::Result<()> {
    if exchange.path() != "/" {
        return exchange.respond(
            "200 OK",
            "Content-Type: image/svg+xml\r\n",
            "<svg xmlns='http://www.w3.org/2000/svg'/>",
        );
    }
    let pictures: String = (0..60)
        .map(|number| format!("<img src=/{number}.svg>"))
        .collect();
    let page = format!(
        "<!doctype html><title>Gallery</title>{pictures}<script>let n = 0; const ask = () => fetch('/poll/' + n).then(() => n++); \
         setInterval(ask, 50)</script>"
    );
    exchange.respond("200 OK", "Content-Type: text/html\r\n", page)
}

#[test]
fn a_page_that_pulls_sixty_parts_is_one_navigation_and_its_polling_none_lm_13() {
    let authority = Authority::new().unwrap();
    let origin = Origin::http(own_ip(), website);
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    site.user("anna", "correct horse", &["pupils"]);
    let weir = site.start();
    let mut browser =
        Browser::start(weir.proxy, "anna", "correct horse", &authority.pem()).unwrap();
    assert_eq!(
        browser.visit(&origin.url("site.test", "/")).unwrap().title,
        "Gallery"
    );
    // Long enough for ten questions; what a page asks for goes on only while the browser is spoken to.
    let wait = "new Promise(done => { const look = () => n >= 10 ? done('asked') : setTimeout(look, 50); look() })";
    assert_eq!(browser.evaluate(wait).unwrap(), "asked");
    drop(browser);
    let rows = site.some_records(&[("host", "site.test"), ("kind", "request")], 71);
    let navigations = rows
        .iter()
        .filter(|row| row.text("initiator") == "navigation");
    assert_eq!(navigations.count(), 1, "{} rows", rows.len());
}

#[test]
fn an_identity_that_is_older_than_it_holds_is_stale_and_never_a_bare_name_lm_35() {
    let (mut site, origin) = lab(&["site.test"]);
    site.set("login.cache_lifetime", "\"1s\"");
    site.set("connect.http_ports", &format!("[{}]", origin.port()));
    site.user("anna", "correct horse", &["pupils"]);
    let weir = site.start();
    let to = format!("site.test:{}", origin.port());
    let mut inside = weir
        .client()
        .tunnel(&to, Some(("anna", "correct horse")))
        .unwrap();
    let ask = Request::get("/fresh").field("Host", &to);
    inside.ask(&ask);
    std::thread::sleep(Duration::from_millis(1300));
    inside.ask(&Request::get("/later").field("Host", &to));
    let rows = site.some_records(&[("host", "site.test"), ("kind", "request")], 2);
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.text("user"), row.text("confidence")))
        .collect();
    let anna = |confidence: &str| ("anna".to_owned(), confidence.to_owned());
    assert_eq!(told, [anna("high"), anna("stale")]);
    assert_eq!(rows[1].number("identity_expires"), 1);
    assert!(rows[1].number("identity_age") >= 1);
    let shown = site.succeed(&[
        "records",
        "search",
        "--purpose",
        "facts",
        "--case",
        "tests",
        "--user",
        "anna",
    ]);
    assert!(shown.contains("anna (stale)"), "{shown}");
    weir.get(&origin.url("site.test", "/"));
    let guest = site.record(&[("host", "site.test"), ("user", "")]);
    assert_eq!(guest.text("confidence"), "none", "{guest:?}");
}
