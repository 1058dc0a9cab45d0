//! The notice: before a browser's first page, once a version, and for nobody who does not read it (LM-06).

use weir_tests::browser::Browser;
use weir_tests::client::Request;
use weir_tests::eventually;
use weir_tests::origin::{Exchange, Origin};
use weir_tests::site::{Site, own_ip};
use weir_tests::tls::Authority;

use super::typed;
use crate::lab;

const PASSWORD: &str = "correct horse battery";

fn website(exchange: &mut Exchange<'_>) -> std::io::Result<()> {
    let html = "Content-Type: text/html; charset=utf-8\r\n";
    exchange.respond(
        "200 OK",
        html,
        "<!doctype html><title>Front</title><p>Front page",
    )
}

/// Presses the page's button and waits for what comes.
fn press(browser: &mut Browser, title: &str) {
    browser
        .evaluate("document.querySelector('button').click()")
        .unwrap();
    eventually("the page that was asked for", || {
        let now = browser.evaluate("document.title").ok()?;
        (now == title).then_some(())
    });
    // Until it has loaded, so that the next visit does not take its end for its own.
    let wait = "new Promise(done => { const look = () => document.readyState == 'complete' ? setTimeout(() => \
                done('loaded'), 300) : setTimeout(look, 50); look() })";
    assert_eq!(browser.evaluate(wait).unwrap(), "loaded");
}

#[test]
fn a_browser_is_given_the_notice_before_its_first_page_and_once_more_for_a_new_version_lm_06() {
    let authority = Authority::new().unwrap();
    let origin = Origin::http(own_ip(), website);
    let mut site = Site::new();
    site.uninformed().hosts(&["site.test", "bet.test"]);
    site.listener("login", "\"required\"");
    site.set("notice.text", "\"Ask Ms Office about this.\"");
    site.user("anna", PASSWORD, &["pupils"])
        .user("ben", PASSWORD, &["pupils"]);
    let weir = site.start();
    let mut browser = Browser::start(weir.proxy, "anna", PASSWORD, &authority.pem()).unwrap();

    let bet = origin.url("bet.test", "/roulette");
    let before = weir.ask(&Request::get(&bet).user("anna", PASSWORD));
    let before = site.record(&[("event", before.field("weir-event"))]);
    assert!(
        before.is(&[("verdict", "block"), ("notice", "none")]) && before.lacks("path"),
        "{before:?}"
    );

    let page = browser
        .visit(&origin.url("site.test", "/first?page=1"))
        .unwrap();
    assert_eq!(page.status, 511, "{page:?}");
    for words in [
        "Ask Ms Office about this.",
        "I have read this",
        "path",
        "90 days",
        "SI 2018/356",
    ] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    assert!(
        origin
            .requests()
            .iter()
            .all(|seen| seen.target() != "/first?page=1")
    );
    press(&mut browser, "Front");
    assert_eq!(browser.evaluate("location.search").unwrap(), "?page=1");
    let row = site.record(&[("kind", "notice"), ("user", "anna")]);
    assert!(
        row.text("note").contains("version \"1\"") || row.text("note").contains("\"1\""),
        "{row:?}"
    );
    let after = weir.ask(&Request::get(&bet).user("anna", PASSWORD));
    let after = site.record(&[("event", after.field("weir-event"))]);
    assert!(
        after.is(&[("notice", "given"), ("path", "/roulette")]),
        "{after:?}"
    );
    assert_eq!(
        browser.visit(&origin.url("site.test", "/")).unwrap().title,
        "Front",
        "once"
    );

    // Nobody else is informed by that.
    let other = weir.ask(&Request::get(&bet).user("ben", PASSWORD));
    let other = site.record(&[("event", other.field("weir-event"))]);
    assert!(
        other.text("notice") == "none" && other.lacks("path"),
        "{other:?}"
    );
    let coverage = site.weir(&["notice", "coverage", "--purpose", "regulatory-compliance"]);
    let told = String::from_utf8_lossy(&coverage.stdout).into_owned();
    assert!(
        told.contains("user:ben") && !told.contains("user:anna"),
        "{told}"
    );

    site.set("notice.version", "\"2\"");
    site.write();
    weir.reload();
    site.record(&[("kind", "reload")]);
    let again = browser.visit(&origin.url("site.test", "/")).unwrap();
    assert_eq!(again.status, 511, "a new version asks again: {again:?}");
    press(&mut browser, "Front");
    assert_eq!(
        browser.visit(&origin.url("site.test", "/")).unwrap().title,
        "Front",
        "and once"
    );
    drop(browser);
    drop(weir);
    // What was given is known after a restart.
    let weir = site.start();
    let kept = weir.ask(&Request::get(&bet).user("anna", PASSWORD));
    let kept = site.record(&[("event", kept.field("weir-event"))]);
    assert_eq!(kept.text("notice"), "given", "{kept:?}");
}

#[test]
fn a_programme_is_filtered_without_the_notice_and_cannot_become_informed_lm_06() {
    let (mut site, origin) = lab(&["site.test", "bet.test"]);
    site.uninformed();
    let weir = site.start();
    let url = origin.url("site.test", "/data");
    assert_eq!(weir.get(&url).status, 200, "filtering waits for nobody");
    let row = site.record(&[("host", "site.test"), ("status", "200")]);
    assert_eq!(row.text("notice"), "none");

    // One that looks like a browser is shown the page, and fails at it without showing it.
    let page = weir.ask(&typed(&url));
    assert_eq!(page.status, 511);
    let html = page.text();
    let field = |name: &str| {
        let rest = html
            .split_once(&format!("name=\"{name}\" value=\""))
            .unwrap()
            .1;
        rest.split_once('"').unwrap().0.to_owned()
    };
    let (to, token) = (field("to"), field("token"));
    let notice = origin.url("site.test", "/.well-known/weir/notice");
    let origin_field = origin.url("site.test", "").trim_end_matches('/').to_owned();
    let click = |token: &str, from: &str| {
        let body = format!(
            "to={}&token={token}",
            to.replace(':', "%3A").replace('/', "%2F")
        );
        let form = Request::new("POST", &notice)
            .field("Content-Type", "application/x-www-form-urlencoded")
            .field("Origin", from)
            .body(body);
        weir.ask(&form).status
    };
    assert_eq!(
        click(&token, &origin_field),
        403,
        "its style sheet was not fetched"
    );
    let style = html.split_once("rel=\"stylesheet\" href=\"").unwrap().1;
    let style = style.split_once('"').unwrap().0;
    assert_eq!(weir.get(style).status, 200);
    let forged = format!("{}0", &token[..token.len() - 1]);
    let forged = if forged == token {
        format!("{}1", &token[..token.len() - 1])
    } else {
        forged
    };
    assert_eq!(
        click(&forged, &origin_field),
        403,
        "a token that Weir did not make"
    );
    assert_eq!(
        click(&token, "http://elsewhere.test"),
        403,
        "a form of another site"
    );
    let row = weir.get(&origin.url("bet.test", "/x"));
    let row = site.record(&[("event", row.field("weir-event"))]);
    assert!(row.text("notice") == "none" && row.lacks("path"), "{row:?}");
    assert!(site.records(&["--kind", "notice"]).is_empty());
    assert!(!site.path("state/notice.jsonl").exists());

    // By other means: an administrator says so, a running Weir takes it up, and the records have it.
    site.user("cara", PASSWORD, &[]);
    site.succeed(&["notice", "given", "cara", "--how", "signed at enrolment"]);
    let row = site.record(&[("kind", "notice"), ("user", "cara")]);
    assert!(row.text("note").contains("signed at enrolment"), "{row:?}");
    eventually("cara counts as informed", || {
        let blocked = weir.ask(&Request::get(&origin.url("bet.test", "/y")).user("cara", PASSWORD));
        let row = site.record(&[("event", blocked.field("weir-event"))]);
        (row.text("notice") == "given" && row.text("path") == "/y").then_some(())
    });
}

#[test]
fn the_notice_is_shown_on_request_only_where_the_school_chose_so_lm_06() {
    let (mut site, origin) = lab(&["site.test"]);
    site.uninformed().set("notice.mode", "\"on-request\"");
    let weir = site.start();
    assert_eq!(weir.ask(&typed(&origin.url("site.test", "/"))).status, 200);
    let page = weir.get(&origin.url("site.test", "/.well-known/weir/notice"));
    assert!(
        page.status == 200 && page.text().contains("I have read this"),
        "{page:?}"
    );
}

/// What stands between `before` and the next quotation mark.
fn quoted<'a>(html: &'a str, before: &str) -> &'a str {
    let behind = html.split_once(before).unwrap().1;
    behind.split_once('"').unwrap().0
}

#[test]
fn whoever_clicks_again_and_again_makes_the_ledger_no_longer_and_one_style_sheet_does_for_every_host_lm_06()
 {
    let (mut site, origin) = lab(&["site.test", "other.test"]);
    site.uninformed();
    let weir = site.start();
    let page = |host: &str| {
        let page = weir.ask(&typed(&origin.url(host, "/")));
        assert_eq!(page.status, 511);
        page.text()
    };
    let first = page("site.test");
    assert_eq!(
        weir.get(quoted(&first, "rel=\"stylesheet\" href=\""))
            .status,
        200
    );
    let other = page("other.test");
    let to = quoted(&other, "name=\"to\" value=\"").to_owned();
    let body = format!(
        "to={}&token={}",
        to.replace(':', "%3A").replace('/', "%2F"),
        quoted(&other, "name=\"token\" value=\"")
    );
    let form = Request::new(
        "POST",
        &origin.url("other.test", "/.well-known/weir/notice"),
    )
    .field("Content-Type", "application/x-www-form-urlencoded")
    .field("Origin", to.trim_end_matches('/'))
    .body(body);
    for _ in 0..5 {
        let clicked = weir.ask(&form);
        assert_eq!((clicked.status, clicked.field("location")), (303, &*to));
    }
    let ledger = std::fs::read_to_string(site.path("state/notice.jsonl")).unwrap();
    assert_eq!(ledger.lines().count(), 1, "{ledger}");
}
