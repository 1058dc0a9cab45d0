//! What is blocked, warned about or let through, what the page says, and what is kept of it.

use weir_tests::client::{Client, Request, Response};
use weir_tests::eventually;
use weir_tests::origin::Origin;
use weir_tests::process::Weir;
use weir_tests::site::{Site, own_ip};

use crate::lab;

#[test]
fn a_block_page_says_what_why_by_which_rule_and_how_to_ask_for_a_review() {
    // AF-14, AF-26.
    let (site, origin) = lab(&["bet.test"]);
    let weir = site.start();
    let response = weir.get(&origin.url("bet.test", "/roulette"));
    assert_eq!(response.status, 403);
    assert!(response.field("content-type").starts_with("text/html"));
    assert_eq!(response.field("cache-control"), "no-store");
    let page = response.text();
    let event = response.field("weir-event");
    assert_eq!(event.len(), 16, "{event}");
    let words = "Gambling sites are not for use at school.";
    for part in [
        words,
        "gambling",
        "no-gambling",
        event,
        "review@school.test",
        "Test Academy",
        "bet.test",
    ] {
        assert!(page.contains(part), "{part} is missing: {page}");
    }
    assert_eq!(origin.accepted(), 0);
}

#[test]
fn a_block_is_recorded_with_its_reasons_under_the_id_on_the_page() {
    // AF-07, AF-08, LM-34.
    let (site, origin) = lab(&["bet.test"]);
    let weir = site.start();
    let response = weir.get(&origin.url("bet.test", "/roulette?stake=5"));
    let row = site.record(&[("event", response.field("weir-event"))]);
    let expected = [
        ("kind", "request"),
        ("verdict", "block"),
        ("rule", "no-gambling"),
        ("category", "gambling"),
        ("entry", "bet.test"),
        ("host", "bet.test"),
        ("method", "GET"),
        ("status", "403"),
        ("client", "127.0.0.1"),
        ("network", "lab"),
        ("listener", "main"),
        ("profile", "guest"),
    ];
    for (field, text) in expected {
        assert_eq!(row.text(field), text, "{field}: {row:?}");
    }
    assert!(
        row.text("path").contains("/roulette"),
        "a blocked event keeps its path: {row:?}"
    );
    for field in ["policy_version", "lists_version", "list", "time", "seq"] {
        assert!(!row.lacks(field), "{field}: {row:?}");
    }
}

#[test]
fn allowed_traffic_leaves_no_content_grade_field() {
    // LM-04, LM-07: content only for blocked or flagged events.
    let (site, origin) = lab(&["site.test", "bet.test"]);
    let weir = site.start();
    for number in 0..50 {
        weir.get(&origin.url("site.test", &format!("/private-{number}?q=secret-term")));
    }
    let rows = site.some_records(&[("host", "site.test")], 50);
    assert!(rows.iter().all(|row| row.lacks("path")));
    let everything = format!("{:?}", site.records(&[]));
    assert!(!everything.contains("private-") && !everything.contains("secret-term"));
    assert!(!weir.log().contains("private-") && !weir.log().contains("secret-term"));
    let metrics = weir.page("/metrics").text();
    assert!(
        !metrics.contains("site.test") && !metrics.contains("private-"),
        "{metrics}"
    );
}

#[test]
fn credentials_in_a_blocked_address_are_scrubbed() {
    // LM-10.
    let (site, origin) = lab(&["bet.test"]);
    let weir = site.start();
    for path in [
        "/login?user=anna&password=s3cr3t-word&token=s3cr3t-token&q=poker",
        "/account;jsessionid=s3cr3t/reset;token=s3cr3t",
        "/x/http://joe:s3cr3t@b.test/",
        "/x/http%3A%2F%2Fjoe%3As3cr3t%40b.test%2F%3Ftoken%3Ds3cr3t",
    ] {
        let response = weir.get(&origin.url("bet.test", path));
        site.record(&[("event", response.field("weir-event"))]);
    }
    let all = format!("{:?}{}", site.records(&[]), weir.log());
    assert!(!all.contains("s3cr3t"), "{all}");
}

#[test]
fn a_listed_name_covers_everything_below_it_and_nothing_beside_it() {
    let names = [
        "bet.test",
        "www.bet.test",
        "a.b.c.bet.test",
        "notbet.test",
        "bet.test.site.test",
        "et.test",
    ];
    let (site, origin) = lab(&names);
    let weir = site.start();
    for (name, status) in names.into_iter().zip([403, 403, 403, 200, 200, 200]) {
        assert_eq!(weir.get(&origin.url(name, "/")).status, status, "{name}");
    }
}

#[test]
fn url_lists_and_expressions_block_paths_of_hosts_that_stay_open() {
    let (mut site, origin) = lab(&["site.test"]);
    site.list("gambling", "urls", "site.test/casino\nsite.test/a/b\n");
    site.list(
        "gambling",
        "expressions",
        "(^|[./-])(poker|blackjack)[0-9]+\n",
    );
    let weir = site.start();
    let blocked = [
        "/casino",
        "/casino/",
        "/casino/x?y=1",
        "/a/b",
        "/poker42",
        "/x-blackjack7",
    ];
    let open = [
        "/",
        "/casinos",
        "/cas",
        "/a/bc",
        "/a",
        "/poker",
        "/apoker42",
    ];
    for path in blocked {
        assert_eq!(
            weir.get(&origin.url("site.test", path)).status,
            403,
            "{path}"
        );
    }
    for path in open {
        assert_eq!(
            weir.get(&origin.url("site.test", path)).status,
            200,
            "{path}"
        );
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let (mut site, origin) = lab(&["bet.test", "www.bet.test"]);
    site.rule(
        "id = \"maths-lesson\"\nhosts = [\"www.bet.test\"]\naction = \"allow\"\n\
         purpose = \"effective-operation\"\nwords = \"Odds, for the maths lesson.\"",
    );
    let weir = site.start();
    assert_eq!(weir.get(&origin.url("www.bet.test", "/")).status, 200);
    assert_eq!(weir.get(&origin.url("bet.test", "/")).status, 403);
    site.record(&[
        ("host", "www.bet.test"),
        ("rule", "maths-lesson"),
        ("verdict", "allow"),
    ]);
}

#[test]
fn names_that_no_list_knows_have_their_own_rule() {
    let (mut site, origin) = lab(&["site.test", "www.school.test"]);
    site.reword("otherwise = \"allow\"", "otherwise = \"block\"");
    let weir = site.start();
    assert_eq!(weir.get(&origin.url("site.test", "/")).status, 403);
    assert_eq!(weir.get(&origin.url("www.school.test", "/")).status, 200);
    drop(weir);
    site.reword("otherwise = \"block\"", "otherwise = \"allow\"");
    site.rule(
        "id = \"unlisted\"\ncategories = [\"unlisted\"]\naction = \"block\"\npurpose = \"standards\"\n\
         words = \"Nobody has looked at this site yet.\"",
    );
    let weir = site.start();
    let response = weir.get(&origin.url("site.test", "/"));
    assert_eq!(
        (response.status, response.field("weir-category")),
        (403, "unlisted")
    );
}

#[test]
fn literal_addresses_are_a_category_of_their_own() {
    let (mut site, origin) = lab(&[]);
    site.rule(
        "id = \"no-addresses\"\ncategories = [\"address\"]\naction = \"block\"\npurpose = \"standards\"\n\
         words = \"Please use the site's name.\"",
    );
    let weir = site.start();
    let response = weir.get(&format!("http://{}/", origin.address));
    assert_eq!(
        (response.status, response.field("weir-rule")),
        (403, "no-addresses")
    );
    assert_eq!(origin.accepted(), 0);
}

#[test]
fn methods_ports_and_extensions_are_selectors() {
    // AUP-13 installers by extension; AUP-20 view-only social media by method.
    let (mut site, origin) = lab(&["site.test", "social.test"]);
    let closed = Origin::standard(own_ip());
    let rule = |id: &str, selector: &str| {
        format!(
            "id = \"{id}\"\n{selector}\naction = \"block\"\npurpose = \"standards\"\nwords = \"No.\""
        )
    };
    site.reword(
        "profiles = [\"pupil\", \"guest\"]",
        "methods = [\"POST\", \"PUT\"]",
    );
    site.rule(&rule("installers", "extensions = [\"exe\", \"msi\"]"));
    site.rule(&rule("port", &format!("ports = [{}]", closed.port())));
    let weir = site.start();
    let social = origin.url("social.test", "/wall");
    assert_eq!(weir.get(&social).status, 200);
    assert_eq!(
        weir.ask(&Request::new("POST", &social).body("hello"))
            .status,
        403
    );
    for (path, status) in [
        ("/setup.exe", 403),
        ("/Setup.EXE?v=2", 403),
        ("/setup.exe.txt", 200),
        ("/exe", 200),
    ] {
        assert_eq!(
            weir.get(&origin.url("site.test", path)).status,
            status,
            "{path}"
        );
    }
    assert_eq!(weir.get(&closed.url("site.test", "/")).status, 403);
}

#[test]
fn a_content_type_is_decided_when_the_response_names_it() {
    let origin = Origin::http(own_ip(), |exchange| {
        let kind = if exchange.path() == "/tool" {
            "application/x-msdownload"
        } else {
            "text/html"
        };
        exchange.respond(
            "200 OK",
            &format!("Content-Type: {kind}; x=y\r\n"),
            "MZ payload",
        )
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    site.rule(
        "id = \"programs\"\ncontent_types = [\"application/x-msdownload\"]\naction = \"block\"\n\
         purpose = \"standards\"\nwords = \"Programs are installed by the office.\"",
    );
    let weir = site.start();
    let mut client = weir.client();
    let response = client.get(&origin.url("site.test", "/tool"));
    assert_eq!(
        (response.status, response.field("weir-rule")),
        (403, "programs")
    );
    assert!(!response.text().contains("MZ payload"));
    assert_eq!(
        client.get(&origin.url("site.test", "/page")).text(),
        "MZ payload"
    );
}

/// The form of a warning page as the request that its button sends.
fn click(page: &Response) -> Request {
    let html = page.text();
    let between = |after: &str, text: &str| {
        text.split(after)
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or("")
            .replace("&amp;", "&")
    };
    assert!(html.contains("method=\"post\""), "{html}");
    let inputs = html.split("<input ").skip(1);
    let pairs = inputs.map(|input| (between("name=\"", input), between("value=\"", input)));
    let encode = |text: &str| -> String { text.bytes().map(|b| format!("%{b:02X}")).collect() };
    let body: Vec<String> = pairs
        .map(|(n, v)| format!("{}={}", encode(&n), encode(&v)))
        .collect();
    Request::new("POST", &between("action=\"", &html))
        .field("Content-Type", "application/x-www-form-urlencoded")
        .body(body.join("&"))
}

/// Clicks "continue" and follows to where the answer leads.
fn go_on(client: &mut Client, page: &Response) -> String {
    let answer = client.ask(&click(page));
    assert!(
        matches!(answer.status, 302 | 303),
        "{} {}",
        answer.status,
        answer.text()
    );
    answer.field("location").to_owned()
}

fn games() -> (Site, Origin, Weir, String) {
    let (site, origin) = lab(&["games.test", "www.games.test"]);
    let weir = site.start();
    let url = origin.url("games.test", "/chess?x=1&y=2");
    (site, origin, weir, url)
}

#[test]
fn a_warning_lets_through_after_a_click_and_both_are_recorded() {
    let (site, origin, weir, url) = games();
    let mut client = weir.client();
    let page = client.get(&url);
    assert_eq!(page.status, 403);
    assert!(
        page.text().contains("Games are for breaks."),
        "{}",
        page.text()
    );
    assert_eq!(origin.accepted(), 0);
    assert_eq!(go_on(&mut client, &page), url);
    assert_eq!(client.get(&url).text(), "GET /chess?x=1&y=2");
    assert_eq!(
        client.get(&origin.url("games.test", "/next")).status,
        200,
        "not once a page"
    );
    site.record(&[("verdict", "warn"), ("event", page.field("weir-event"))]);
    let after = site.record(&[("host", "games.test"), ("status", "200")]);
    assert_eq!(after.text("rule"), "games-warning", "{after:?}");
}

#[test]
fn a_click_counts_for_the_one_who_clicked() {
    let (_site, _origin, weir, url) = games();
    let from = |source: &str| Client::from(source.parse().unwrap(), weir.proxy).unwrap();
    let page = from("127.0.0.50").get(&url);
    go_on(&mut from("127.0.0.50"), &page);
    assert_eq!(from("127.0.0.50").get(&url).status, 200);
    assert_eq!(from("127.0.0.51").get(&url).status, 403);
}

#[test]
fn a_click_cannot_be_forged_by_a_page_elsewhere() {
    let (_site, origin, weir, url) = games();
    let page = weir.get(&url);
    let genuine = String::from_utf8(click(&page).bytes()).unwrap();
    let (head, body) = genuine.split_once("\r\n\r\n").unwrap();
    let forged = body.chars().rev().collect::<String>();
    let mut client = weir.client();
    client.send(format!("{head}\r\n\r\n{forged}"));
    let _ = client.response("POST");
    assert_eq!(
        weir.get(&url).status,
        403,
        "a token of one's own making is worth nothing"
    );
    assert_eq!(origin.accepted(), 0);
}

#[test]
fn a_click_is_forgotten_after_its_time() {
    let (mut site, origin) = lab(&["games.test"]);
    site.set("warn.lifetime", "\"2s\"");
    let weir = site.start();
    let url = origin.url("games.test", "/");
    let mut client = weir.client();
    let page = client.get(&url);
    go_on(&mut client, &page);
    assert_eq!(client.get(&url).status, 200);
    eventually("the warning comes back", || {
        (client.get(&url).status == 403).then_some(())
    });
}

/// A site whose staff may use social media, but nobody may during lessons.
fn timetable() -> Site {
    let mut site = Site::new();
    site.reword(
        "[[rule]]\nid = \"school-sites\"",
        "[[term]]\nname = \"autumn\"\nfirst = \"2026-09-02\"\nlast = \"2026-10-23\"\n\n\
         [[period]]\nname = \"lessons\"\ndays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]\n\
         from = \"08:45\"\nto = \"15:15\"\nterm_only = true\n\n[[rule]]\nid = \"school-sites\"",
    );
    site.rule(
        "id = \"lessons-only\"\ncategories = [\"games\"]\nperiods = [\"lessons\"]\naction = \"block\"\n\
         purpose = \"standards\"\nwords = \"Not during lessons.\"",
    );
    site
}

#[test]
fn periods_follow_the_schools_clock_and_terms() {
    let site = timetable();
    let verdict = |at: &str| {
        let output = site.weir(&["explain", "http://games.test/", "--json", "--at", at]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        json["rule"].as_str().unwrap_or("").to_owned()
    };
    let cases = [
        ("2026-09-14T08:44:59", "games-warning"),
        ("2026-09-14T08:45:00", "lessons-only"),
        ("2026-09-14T15:14:59", "lessons-only"),
        ("2026-09-14T15:15:00", "games-warning"),
        ("2026-09-12T10:00:00", "games-warning"), // Saturday
        ("2026-08-31T10:00:00", "games-warning"), // holidays
        ("2026-10-23T10:00:00", "lessons-only"),  // the last day of term
        ("2026-10-24T10:00:00", "games-warning"),
    ];
    for (at, rule) in cases {
        assert_eq!(verdict(at), rule, "{at}");
    }
}

#[test]
fn explain_says_what_traffic_would_meet() {
    let (site, _origin) = lab(&[]);
    site.user("tom", "correct horse", &["staff"]);
    let explain = |args: &[&str]| {
        let output = site.weir(&[&["explain", "--json"], args].concat());
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code().unwrap(), json)
    };
    let (code, blocked) = explain(&["http://www.bet.test/x"]);
    assert_eq!(code, 1, "a negative answer");
    assert_eq!(blocked["rule"], "no-gambling", "{blocked}");
    assert!(
        blocked.to_string().contains("bet.test"),
        "the entry: {blocked}"
    );
    assert_eq!(explain(&["http://social.test/"]).0, 1);
    assert_eq!(explain(&["http://social.test/", "--user", "tom"]).0, 0);
    let invalid = site.weir(&["explain", "http://exa mple/"]);
    assert_eq!(invalid.status.code(), Some(2), "not an address");
}

#[test]
fn text_of_the_request_cannot_become_markup_of_the_page() {
    let (mut site, origin) = lab(&["bet.test"]);
    site.set("school", "\"St <b>Bold</b>\"");
    let weir = site.start();
    let path = "/%3Cscript%3Ealert(1)%3C/script%3E?\"><img/src=x>";
    let mut client = weir.client();
    client.send(format!(
        "GET {} HTTP/1.1\r\nHost: x\r\n\r\n",
        origin.url("bet.test", path)
    ));
    if let Ok(response) = client.response("GET") {
        let page = response.text();
        assert!(
            !page.contains("<img") && !page.contains("<script") && !page.contains("<b>"),
            "{page}"
        );
    }
    let page = weir.get(&origin.url("bet.test", "/"));
    assert!(
        page.field("content-security-policy")
            .contains("default-src 'none'")
    );
    assert!(page.text().contains("St &lt;b&gt;"));
}
