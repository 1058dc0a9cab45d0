//! The notice: before a browser's first page, once a version, and for nobody who does not read it (LM-06).

use weir_tests::browser::Browser;
use weir_tests::client::Request;
use weir_tests::eventually;
use weir_tests::origin::{Exchange, Origin};
use weir_tests::process::Weir;
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

    // One that looks like a browser is led to the page, and fails at it without showing it.
    let page = shown(&weir, &url);
    let (to, token) = (quoted(&page, TO), quoted(&page, TOKEN));
    assert_eq!(to, url);
    let forged = match token.strip_suffix('0') {
        Some(start) => format!("{start}1"),
        None => format!("{}0", &token[..token.len() - 1]),
    };
    let status = |to: &str, token: &str, from: &str| weir.ask(&click(to, token, from)).status;
    assert_eq!(
        status(to, token, OWN),
        403,
        "its style sheet was not fetched"
    );
    assert_eq!(weir.get(quoted(&page, STYLE)).status, 200);
    assert_eq!(
        status(to, &forged, OWN),
        403,
        "a token that Weir did not make"
    );
    assert_eq!(
        status("http://elsewhere.test/", token, OWN),
        403,
        "leads elsewhere"
    );
    let site_itself = origin.url("site.test", "").trim_end_matches('/').to_owned();
    for from in [&*site_itself, "http://elsewhere.test", "null"] {
        assert_eq!(
            status(to, token, from),
            403,
            "a form of another page: {from}"
        );
    }
    let script = click(to, token, OWN).field("Sec-Fetch-Site", "cross-site");
    assert_eq!(
        weir.ask(&script).status,
        403,
        "a script that a browser tells of"
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
    let led = weir.get(&origin.url("site.test", "/.well-known/weir/notice"));
    assert_eq!(
        (led.status, led.field("location")),
        (303, "http://notice.weir.internal/")
    );
    let page = weir.get(OWN);
    assert!(
        page.status == 200 && page.text().contains("I have read this"),
        "{page:?}"
    );
}

/// Weir's own name, and what stands before the values of its page.
const OWN: &str = "http://notice.weir.internal";
const TO: &str = "name=\"to\" value=\"";
const TOKEN: &str = "name=\"token\" value=\"";
const STYLE: &str = "rel=\"stylesheet\" href=\"";

/// The notice that a browser is given in place of an address.
fn shown(weir: &Weir, url: &str) -> String {
    let sent = weir.ask(&typed(url));
    assert_eq!(sent.status, 303, "{sent:?}");
    assert!(sent.text().is_empty() && sent.field("cache-control") == "no-store");
    let page = weir.ask(&typed(sent.field("location")));
    assert_eq!(page.status, 511, "{page:?}");
    assert_eq!(page.field("x-frame-options"), "DENY");
    page.text()
}

/// The form of the page, from a page of an origin.
fn click(to: &str, token: &str, from: &str) -> Request {
    let body = format!(
        "to={}&token={token}",
        to.replace(':', "%3A").replace('/', "%2F")
    );
    Request::new("POST", &format!("{OWN}/"))
        .field("Content-Type", "application/x-www-form-urlencoded")
        .field("Origin", from)
        .body(body)
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
    let first = shown(&weir, &origin.url("site.test", "/"));
    assert_eq!(weir.get(quoted(&first, STYLE)).status, 200);
    let other = shown(&weir, &origin.url("other.test", "/"));
    let to = quoted(&other, TO).to_owned();
    let form = click(&to, quoted(&other, TOKEN), OWN);
    for _ in 0..5 {
        let clicked = weir.ask(&form);
        assert_eq!((clicked.status, clicked.field("location")), (303, &*to));
    }
    let ledger = std::fs::read_to_string(site.path("state/notice.jsonl")).unwrap();
    assert_eq!(ledger.lines().count(), 1, "{ledger}");
    let rows = site.records(&["--kind", "notice"]);
    assert_eq!(rows.len(), 1, "a token counts once: {rows:?}");
}

#[test]
fn clicks_at_once_all_count_and_so_does_one_whose_browser_goes_away_lm_06() {
    let (mut site, origin) = lab(&["site.test"]);
    site.uninformed();
    let weir = site.start();
    // A longer address than is taken along is no page with status 200 for a programme either.
    let long = origin.url("site.test", &format!("/{}", "a".repeat(3000)));
    let page = shown(&weir, &long);
    assert_eq!(quoted(&page, TO), format!("{OWN}/"));
    assert_eq!(weir.get(quoted(&page, STYLE)).status, 200);
    let form = click(quoted(&page, TO), quoted(&page, TOKEN), OWN);
    let mut gone = weir.client();
    gone.send(form.bytes());
    drop(gone);
    let row = site.record(&[("kind", "notice")]);
    assert_eq!(row.text("notice"), "given", "{row:?}");
    std::thread::scope(|scope| {
        let clicks: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| weir.ask(&form).status))
            .collect();
        for clicked in clicks {
            assert_eq!(clicked.join().unwrap(), 303);
        }
    });
    assert_eq!(site.records(&["--kind", "notice"]).len(), 1);
    eventually("the ledger has it", || {
        let ledger = std::fs::read_to_string(site.path("state/notice.jsonl")).unwrap_or_default();
        (ledger.lines().count() == 1).then_some(())
    });
}

#[test]
fn a_click_counts_once_so_that_whoever_sits_there_next_is_told_too_lm_06() {
    let (mut site, origin) = lab(&["site.test"]);
    site.uninformed().set("notice.guests", "\"1m\"");
    site.wall_clock("+0d");
    let weir = site.start();
    let page = shown(&weir, &origin.url("site.test", "/"));
    assert_eq!(weir.get(quoted(&page, STYLE)).status, 200);
    let form = click(quoted(&page, TO), quoted(&page, TOKEN), OWN);
    assert_eq!(weir.ask(&form).status, 303);
    site.step_clock("+2m");
    eventually("the guest's notice is over", || {
        (weir.ask(&typed(&origin.url("site.test", "/"))).status == 303).then_some(())
    });
    assert_eq!(weir.ask(&form).status, 403, "the same click again");
}

/// What a hostile page tries: to read the notice in whatever way a script may ask for it, to send its form, with a token or
/// blindly, to show it in a frame. Gives a line for each.
const ATTACK: &str = r#"(async () => {
  const told = [], own = 'http://notice.weir.internal', here = location.origin;
  const shown = { Accept: 'text/html', 'Upgrade-Insecure-Requests': '1' };
  const post = (to, fields) => fetch(to, { method: 'POST', mode: 'no-cors', body: new URLSearchParams(fields) }).catch(() => 0);
  const tries = [
    [here + '/.well-known/weir/notice', {}], [here + '/.well-known/weir/notice', { redirect: 'manual' }],
    [here + '/next', { headers: shown }], [here + '/next', { headers: shown, redirect: 'manual' }],
    [own + '/', {}], [own + '/', { mode: 'no-cors' }], [own + '/', { credentials: 'include' }], [own + ':8080/', {}],
    ['http://below.notice.weir.internal/', {}], ['https://notice.weir.internal/', {}],
  ];
  for (const [url, how] of tries) {
    let read = '';
    try {
      const answer = await fetch(url, how);
      read = answer.url + ' ' + (answer.headers.get('location') || '') + ' ' + await answer.text();
    } catch (error) {}
    const part = mark => (read.split(mark)[1] || '').split('"')[0];
    const token = part('name="token" value="'), style = part('rel="stylesheet" href="');
    if (token) {
      await fetch(style, { mode: 'no-cors' }).catch(() => 0);
      for (const to of [part('action="'), here + '/.well-known/weir/notice', own + '/']) {
        await post(to, { to: part('name="to" value="'), token });
      }
    }
    told.push((token || read.includes('way=') ? 'READ ' : 'blind ') + url);
  }
  for (const token of ['', '0.00', 'ffffffff.' + '0'.repeat(64)]) await post(own + '/', { to: own + '/', token });
  const frame = document.createElement('iframe');
  frame.src = own + '/';
  const loaded = new Promise(done => { frame.onload = done; setTimeout(done, 3000) });
  document.body.append(frame);
  await loaded;
  let inside = '';
  try { inside = frame.contentDocument.body.innerText } catch (error) {}
  told.push((inside ? 'READ ' : 'blind ') + 'frame');
  return told.join('\n');
})()"#;

#[test]
fn a_script_of_an_http_page_cannot_acknowledge_the_notice_for_whoever_opened_it_lm_06() {
    let authority = Authority::new().unwrap();
    let origin = Origin::http(own_ip(), website);
    let mut site = Site::new();
    site.uninformed().hosts(&["site.test", "bet.test"]);
    site.listener("login", "\"required\"");
    site.user("anna", PASSWORD, &["pupils"]);
    let weir = site.start();
    let mut browser = Browser::start(weir.proxy, "anna", PASSWORD, &authority.pem()).unwrap();
    assert_eq!(
        browser.visit(&origin.url("site.test", "/")).unwrap().status,
        511
    );
    press(&mut browser, "Front");
    // The page stays open while the notice changes: its script acts for somebody who was not told.
    site.set("notice.version", "\"2\"");
    site.write();
    weir.reload();
    site.record(&[("kind", "reload")]);
    let ledger = || std::fs::read_to_string(site.path("state/notice.jsonl")).unwrap();
    let before = ledger();
    let told = browser.evaluate(ATTACK).unwrap();
    assert_eq!(told.lines().count(), 11, "every way was tried: {told}");
    assert_eq!(ledger(), before, "{told}");
    assert!(!told.contains("READ"), "{told}");
    let bet = origin.url("bet.test", "/roulette");
    let blocked = weir.ask(&Request::get(&bet).user("anna", PASSWORD));
    let row = site.record(&[("event", blocked.field("weir-event"))]);
    assert!(
        row.text("notice") == "outdated" && row.lacks("path"),
        "{row:?}"
    );
    assert_eq!(site.records(&["--kind", "notice"]).len(), 1);
    // Nothing but Weir ever answers under its name.
    for url in [
        "http://below.notice.weir.internal/",
        "http://notice.weir.internal:8080/",
        "http://notice.weir.internal/other",
    ] {
        assert_eq!(
            weir.ask(&Request::get(url).user("anna", PASSWORD)).status,
            404,
            "{url}"
        );
    }
    let tunnel = Request::new("CONNECT", "notice.weir.internal:443").user("anna", PASSWORD);
    assert_eq!(weir.ask(&tunnel).status, 403);
    // The person's own click counts.
    assert_eq!(
        browser.visit(&origin.url("site.test", "/")).unwrap().status,
        511
    );
    press(&mut browser, "Front");
    assert_eq!(ledger().lines().count(), 2);
}
