//! Keywords: words that people search for, in lists that are edited while Weir runs.

use weir_tests::eventually;

use crate::lab;

#[test]
fn a_keyword_added_live_blocks_searches_for_it_and_nothing_else_af_11() {
    let (site, origin) = lab(&["search.test"]);
    let weir = site.start();
    let ask = |target: &str| weir.get(&origin.url("search.test", target));
    assert_eq!(ask("/find?q=lucky+roulette").status, 200);
    let told = site.succeed(&["lists", "add", "gambling", "Lucky  Roulette", "--keyword"]);
    assert!(told.contains("Added: Lucky Roulette"), "{told}");
    eventually("searches for it are blocked", || {
        (ask("/find?q=lucky+roulette").status == 403).then_some(())
    });
    for target in [
        "/find?q=LUCKY+r0ulette&page=2",
        "/find?page=2&q=play%20lucky%20r%C3%B6ul%D0%B5tte%21",
        "/tips/lucky-roulette.html",
        "/find?q=lucky%2Broulette",
    ] {
        assert_eq!(ask(target).status, 403, "{target}");
    }
    for target in [
        "/find?q=lucky+roulettes",
        "/find?q=lucky&r=roulette",
        "/find?q=unlucky+roulette",
        "/find?q=lucky+number+4",
        "/",
    ] {
        assert_eq!(ask(target).status, 200, "{target}");
    }
}

#[test]
fn a_block_by_a_keyword_names_category_list_and_keyword_af_08_af_14() {
    let (mut site, origin) = lab(&["search.test"]);
    site.list("gambling", "keywords", "# Terms\nonline casino* # why\n");
    let weir = site.start();
    let url = origin.url("search.test", "/find?q=online+casinos");
    let response = weir.get(&url);
    assert_eq!(response.status, 403);
    assert_eq!(response.field("weir-category"), "gambling");
    assert!(response.text().contains("gambling"));
    let row = site.record(&[("event", response.field("weir-event"))]);
    for (field, text) in [
        ("verdict", "block"),
        ("category", "gambling"),
        ("entry", "online casino*"),
        ("path", "/find"),
    ] {
        assert_eq!(row.text(field), text, "{field}: {row:?}");
    }
    let explained = site.weir(&["explain", &url, "--json"]);
    let explained: serde_json::Value = serde_json::from_slice(&explained.stdout).expect("JSON");
    for (field, text) in [
        ("verdict", "block"),
        ("category", "gambling"),
        ("entry", "online casino*"),
    ] {
        assert_eq!(explained[field], text, "{field}: {explained}");
    }
    assert_eq!(explained["list"], row.text("list"), "{explained}");
    let found = site.succeed(&["lists", "search", "online casino"]);
    assert!(
        found.contains("keywords:2") && found.contains("keyword in gambling"),
        "{found}"
    );
    let stats = site.succeed(&["lists", "stats", "--json"]);
    let stats: serde_json::Value = serde_json::from_str(&stats).expect("JSON");
    assert_eq!(stats["keywords"], 1, "{stats}");
}

#[test]
fn an_allowed_search_leaves_no_term_anywhere_lm_04_lm_10() {
    let (mut site, origin) = lab(&["search.test"]);
    site.list("gambling", "keywords", "online casino\n");
    let weir = site.start();
    let ask = |target: &str| weir.get(&origin.url("search.test", target));
    assert_eq!(ask("/find?q=secret-term+casino").status, 200);
    assert_eq!(ask("/find/hidden-word?q=offline+casino").status, 200);
    let rows = site.some_records(&[("host", "search.test")], 2);
    assert!(
        rows.iter()
            .all(|row| row.lacks("path") && row.lacks("entry")),
        "{rows:?}"
    );
    let everything = format!(
        "{:?}{}{}",
        site.records(&[]),
        weir.log(),
        weir.page("/metrics").text()
    );
    for word in ["secret-term", "hidden-word", "offline"] {
        assert!(!everything.contains(word), "{word}: {everything}");
    }
}

#[test]
fn a_keyword_comes_and_goes_by_command_with_history_and_rollback() {
    let (site, origin) = lab(&["search.test"]);
    let weir = site.start();
    let blocked = |word: &str| {
        weir.get(&origin.url("search.test", &format!("/?q={word}")))
            .status
            == 403
    };
    site.succeed(&[
        "lists",
        "add",
        "gambling",
        "roulette",
        "poker*",
        "--keyword",
        "--reason",
        "asked for",
    ]);
    eventually("both are in force", || {
        (blocked("roulette") && blocked("pokers")).then_some(())
    });
    site.succeed(&["lists", "remove", "gambling", "roulette", "--keyword"]);
    eventually("one is gone", || (!blocked("roulette")).then_some(()));
    assert!(blocked("poker"));
    let again = site.weir(&["lists", "remove", "gambling", "roulette", "--keyword"]);
    assert_eq!(again.status.code(), Some(1));
    let history = site.succeed(&["lists", "history"]);
    assert!(history.contains("asked for"), "{history}");
    let shown = site.succeed(&["lists", "show", "gambling"]);
    assert!(
        shown.contains("poker*") && !shown.contains("roulette"),
        "{shown}"
    );
    let refused = site.weir(&["lists", "add", "gambling", "ab", "kni*fe", "--keyword"]);
    let text = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text.contains("too few") && text.contains("at the beginning"),
        "{text}"
    );
}
