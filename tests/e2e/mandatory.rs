//! Mandatory lists: nothing lifts them, and nothing that Weir writes or shows holds an address of theirs.

use std::path::Path;
use std::time::Duration;

use weir_tests::client::Request;
use weir_tests::eventually;
use weir_tests::origin::Origin;
use weir_tests::process::Weir;
use weir_tests::site::{Site, own_ip};
use weir_tests::tls;

use crate::lab;

/// Words of the list that must be found nowhere.
const SECRETS: [&str; 4] = [
    "zealous-host",
    "zealous-pages",
    "zealous-path",
    "zealous-query",
];
const LIST: &str = "# of the members\nzealous-host.test\nhttp://zealous-pages.test/zealous-path/deep\n\
                    zealous-pages.test/view?zealous-query=1\n";

fn seal(site: &Site, slot: &str, list: &str) -> String {
    let output = site.weir_with(&["lists", "seal", slot, "-", "--reason", "test"], list);
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{told}");
    told
}

fn mandatory(weir: &Weir) -> (String, String) {
    let json: serde_json::Value = serde_json::from_str(&weir.health().text()).unwrap();
    let checks = json["checks"].as_array().unwrap();
    let check = checks
        .iter()
        .find(|check| check["name"] == "mandatory-lists")
        .unwrap();
    let text = |key: &str| check[key].as_str().unwrap().to_owned();
    (text("state"), text("detail"))
}

/// The bytes of every file below a path, with the file's name.
fn files(path: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(path) else {
        let bytes = std::fs::read(path).unwrap_or_default();
        return vec![(path.display().to_string(), bytes)];
    };
    entries
        .flatten()
        .flat_map(|entry| files(&entry.path()))
        .collect()
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

/// A site that opens the listed host by every means it has.
fn opened() -> (Site, Origin) {
    let (mut site, origin) = lab(&[
        "zealous-host.test",
        "www.zealous-host.test",
        "zealous-pages.test",
        "front.test",
    ]);
    for (number, host) in ["zealous-host.test", "zealous-pages.test"]
        .into_iter()
        .enumerate()
    {
        site.rule(&format!(
            "id = \"open-{number}\"\nhosts = [{host:?}]\naction = \"allow\"\nexempt_limits = true\npurpose = \"effective-operation\"\nwords = \"Open.\""
        ));
    }
    site.list(
        "gambling",
        "exceptions",
        "zealous-host.test\nzealous-pages.test\n",
    );
    site.list(
        "education",
        "domains",
        "zealous-host.test\nzealous-pages.test\nschool.test\n",
    );
    site.set("connect.tls_ports", &format!("[{}]", origin.port()));
    site.set("records.long_request", "\"100ms\"");
    (site, origin)
}

#[test]
fn af_01_lm_28_nothing_lifts_a_mandatory_list_and_no_byte_keeps_the_address() {
    let (mut site, origin) = opened();
    let plain = Origin::standard(own_ip());
    site.set("connect.http_ports", &format!("[{}]", plain.port()));
    site.user("anna", "a-password", &["staff"]);
    let told = seal(&site, "iwf", LIST);
    assert!(
        told.contains("3 entries") && told.contains("2 of them are single pages"),
        "{told}"
    );
    let weir = site.start();

    // A request, whoever asks and however it is spelt.
    let mut events = Vec::new();
    for url in [
        origin.url("zealous-host.test", "/"),
        origin.url("WWW.Zealous-Host.test", "/some/page?x=1"),
        origin.url("zealous-pages.test", "/zealous-path/deep"),
        origin.url("zealous-pages.test", "/Zealous%2Dpath//x/../deep/below?y=1"),
        origin.url("zealous-pages.test", "/view?zealous-query=1&z=2"),
    ] {
        let response = weir.ask(&Request::get(&url).user("anna", "a-password"));
        assert_eq!(response.status, 403, "{url}");
        assert_eq!(response.field("weir-rule"), "mandatory:iwf", "{url}");
        let page = response.text();
        let event = response.field("weir-event").to_owned();
        assert!(
            page.contains("Internet Watch Foundation") && page.contains(&event),
            "{page}"
        );
        let fields = format!("{:?}", response);
        for word in SECRETS {
            assert!(
                !holds(page.as_bytes(), word) && !holds(fields.as_bytes(), word),
                "{word}: {fields}"
            );
        }
        events.push(event);
    }
    assert_eq!(origin.accepted(), 0, "nothing was fetched");

    // What is beside a page is open.
    for path in [
        "/",
        "/zealous-pat",
        "/other",
        "/view?zealous-query=11",
        "/view",
    ] {
        assert_eq!(
            weir.get(&origin.url("zealous-pages.test", path)).status,
            200,
            "{path}"
        );
    }

    // A tunnel by its CONNECT; of a host with listed pages it opens.
    let to = |host: &str| format!("{host}:{}", origin.port());
    let refused = weir
        .client()
        .tunnel(&to("zealous-host.test"), Some(("anna", "a-password")));
    let Err(refused) = refused else {
        panic!("the tunnel opened")
    };
    assert_eq!(
        (refused.status, refused.field("weir-rule")),
        (403, "mandatory:iwf")
    );
    events.push(refused.field("weir-event").to_owned());
    let before = origin.accepted();
    let mut open = weir
        .client()
        .tunnel(&to("zealous-pages.test"), None)
        .unwrap();
    open.send(tls::hello(Some("zealous-pages.test")).unwrap());
    // Its connection is counted before the next ones are.
    eventually("the origin has it", || {
        (origin.accepted() > before).then_some(())
    });
    drop(open);

    // A tunnel by its TLS server name, also when that comes after the time of an opening row.
    let accepted = origin.accepted();
    let mut fronted = weir.client().tunnel(&to("front.test"), None).unwrap();
    std::thread::sleep(Duration::from_millis(1200));
    fronted.send(tls::hello(Some("www.zealous-host.test")).unwrap());
    assert!(fronted.closes_within(Duration::from_secs(5)));
    let row = site.record(&[
        ("list", "iwf"),
        ("scheme", "connect"),
        ("note", "the TLS server name is blocked"),
    ]);
    events.push(row.text("event"));
    assert!(origin.accepted() <= accepted + 1);

    // A request inside a tunnel of plain HTTP.
    let mut inside = weir
        .client()
        .tunnel(&format!("zealous-pages.test:{}", plain.port()), None)
        .unwrap();
    let authority = format!("zealous-pages.test:{}", plain.port());
    let response = inside.ask(&Request::new("GET", "/zealous-path/deep").field("Host", &authority));
    assert_eq!(
        (response.status, response.field("weir-rule")),
        (403, "mandatory:iwf")
    );
    events.push(response.field("weir-event").to_owned());
    drop(inside);

    // An upgrade, and a click on a warning that was never shown.
    let upgrade = Request::get(&origin.url("zealous-host.test", "/chat"))
        .field("Upgrade", "websocket")
        .field("Connection", "upgrade")
        .field("Sec-WebSocket-Version", "13")
        .field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(weir.ask(&upgrade).status, 403);

    // A request that would be answered without a decision, and ports that are not open.
    let trace =
        Request::new("TRACE", &origin.url("zealous-host.test", "/")).field("Max-Forwards", "0");
    let closed = Request::get("http://zealous-host.test:22/");
    for request in [
        trace,
        closed,
        Request::new("CONNECT", "zealous-host.test:22"),
    ] {
        let response = weir.ask(&request);
        assert_eq!(
            (response.status, response.field("weir-rule")),
            (403, "mandatory:iwf")
        );
        assert!(
            !holds(response.text().as_bytes(), "zealous"),
            "{response:?}"
        );
        events.push(response.field("weir-event").to_owned());
    }

    // Somebody whose password is wrong is no hit, and leaves no address either.
    let wrong = Request::get(&origin.url("zealous-host.test", "/")).user("anna", "wrong-password");
    assert_eq!(weir.ask(&wrong).status, 407);
    site.record(&[("kind", "sign_in_failure")]);

    for event in &events {
        for row in site.some_records(&[("event", event)], 1) {
            for (field, text) in [
                ("verdict", "block"),
                ("list", "iwf"),
                ("rule", "mandatory:iwf"),
            ] {
                assert_eq!(row.text(field), text, "{field}: {row:?}");
            }
            for field in [
                "host",
                "path",
                "sni",
                "origin",
                "entry",
                "category",
                "categories",
            ] {
                assert!(row.lacks(field), "{field}: {row:?}");
            }
            assert_eq!(row.number("port"), 0, "{row:?}");
            assert!(!row.lacks("time") && !row.lacks("client"), "{row:?}");
        }
    }
    let anna = site.record(&[("event", &events[0])]);
    assert_eq!(anna.text("user"), "anna");

    // Rows of what was open hold its host as ever: they are left out of the search below.
    let of_list = |row: &&weir_tests::records::Row| row.text("host") != "zealous-pages.test";
    let rows = site.records(&[]);
    let rows = format!("{:?}", rows.iter().filter(of_list).collect::<Vec<_>>());
    let metrics = weir.page("/metrics").text();
    let (_, health) = mandatory(&weir);
    for word in SECRETS {
        for (what, text) in [
            ("rows", &rows),
            ("metrics", &metrics),
            ("health", &health),
            ("log", &weir.log()),
        ] {
            assert!(!holds(text.as_bytes(), word), "{word} is in {what}: {text}");
        }
    }
    // Nor does asking the records for it leave it there (LM-28).
    site.records(&["--host", "zealous-host.test"]);
    let search = |place: &str, words: &[&str]| {
        for (name, bytes) in files(&site.path("state").join(place)) {
            for word in words {
                assert!(!holds(&bytes, word), "{word} is in {name}");
            }
        }
    };
    search("lists/.sealed", &SECRETS);
    search("audit.jsonl", &SECRETS);
    // What lies there is encrypted, so the export below says more; but nothing lies beside it in the clear either.
    search(
        "records",
        &[
            "zealous-host",
            "zealous-path",
            "zealous-query",
            "front.test",
        ],
    );
    let (status, _) = weir.stop(Duration::from_secs(20));
    assert!(status.success());
    let export = site.path("out.jsonl");
    let out = export.to_string_lossy();
    site.succeed(&[
        "records",
        "export",
        "--purpose",
        "effective-operation",
        "--case",
        "K-1",
        "--format",
        "jsonl",
        "--output",
        &out,
    ]);
    let export = std::fs::read(&export).unwrap();
    assert!(
        holds(&export, "zealous-pages.test"),
        "what may stand in the records can be read there"
    );
    assert!(holds(&export, "mandatory:iwf"));
    for word in [
        "zealous-host",
        "zealous-path",
        "zealous-query",
        "front.test",
    ] {
        assert!(!holds(&export, word), "{word} is in the export");
    }
}

#[test]
fn af_02_a_slot_reads_not_protected_until_a_list_is_sealed_which_is_live_at_once() {
    let (site, origin) = lab(&["zealous-host.test"]);
    let weir = site.start();
    let (state, detail) = mandatory(&weir);
    assert_eq!(state, "warning");
    for slot in ["iwf (Internet Watch Foundation", "ctiru (Counter-Terrorism"] {
        assert!(detail.contains(slot), "{detail}");
    }
    assert_eq!(
        detail
            .matches("not protected: no list is installed")
            .count(),
        2,
        "{detail}"
    );
    let check = site.succeed(&["check"]);
    assert_eq!(check.matches("not protected").count(), 2, "{check}");
    let url = origin.url("zealous-host.test", "/");
    let explained = site.succeed(&["explain", &url]);
    assert_eq!(explained.matches("not protected").count(), 2, "{explained}");
    assert_eq!(weir.get(&url).status, 200);
    assert_eq!(
        weir.metric("weir_mandatory_list_protected{list=\"iwf\"}"),
        0.0
    );

    seal(&site, "iwf", LIST);
    let began = std::time::Instant::now();
    eventually("the list is in force", || {
        (weir.get(&url).status == 403).then_some(())
    });
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    let row = site.record(&[("kind", "reload"), ("list", "iwf")]);
    let note = row.text("note");
    assert!(
        note.contains("3 entries") && note.contains("digest"),
        "{note}"
    );
    let (state, detail) = mandatory(&weir);
    assert_eq!(state, "warning", "the other slot has none: {detail}");
    assert_eq!(detail.matches("not protected").count(), 1, "{detail}");
    assert!(
        detail.contains("2 of them are single pages"),
        "AF-15: {detail}"
    );
    assert_eq!(
        weir.metric("weir_mandatory_list_entries{list=\"iwf\"}"),
        3.0
    );

    // One address at a time can be asked about, and that leaves a trace without the address.
    let output = site.weir(&["explain", &url, "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        (&json["rule"], &json["list"]),
        (&"mandatory:iwf".into(), &"iwf".into()),
        "{json}"
    );
    assert!(
        json["entry"].is_null() && json["records_path"] == false,
        "{json}"
    );
    let audit = std::fs::read_to_string(site.path("state/audit.jsonl")).unwrap();
    assert!(
        audit.contains("\"mandatory_list\":\"iwf\"") && !audit.contains("zealous"),
        "{audit}"
    );

    seal(&site, "ctiru", "other-list.test\n");
    eventually("both are there", || {
        (mandatory(&weir).0 == "ok").then_some(())
    });
}

#[test]
fn af_01_a_list_that_is_none_or_shrank_is_refused_with_an_alarm_and_no_line_of_it_is_told() {
    let (site, origin) = lab(&["zealous-host.test"]);
    let many: String = (0..50)
        .map(|number| format!("zealous-{number}.test\n"))
        .collect();
    let whole = format!("{LIST}{many}");
    seal(&site, "iwf", &whole);
    let weir = site.start();
    let url = origin.url("zealous-host.test", "/");
    for (text, why) in [
        ("", "no entry"),
        ("<html>zealous-host.test\n", "HTML"),
        ("zealous-host.test\n\0\0\0", "NUL"),
        (LIST, "would go at once"),
        (&whole[..whole.len() - 3], "cut off"),
        (
            &format!("{whole}no such zealous-line\nnor that\\one\nnor:this:one\n"),
            "lines 55, 56, 57",
        ),
    ] {
        let output = site.weir_with(&["lists", "seal", "iwf", "-"], text);
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(
            told.contains(why) && !told.contains("zealous"),
            "{why}: {told}"
        );
    }
    for force in ["--force", "--any-size"] {
        let output = site.weir(&["lists", "seal", "iwf", "-", force]);
        assert_eq!(output.status.code(), Some(2), "there is no {force}");
    }
    eventually("the alarm is told", || {
        mandatory(&weir).1.contains("was refused").then_some(())
    });
    assert!(site.succeed(&["check"]).contains("was refused"));
    assert_eq!(weir.get(&url).status, 403);
    let audit = std::fs::read_to_string(site.path("state/audit.jsonl")).unwrap();
    assert!(
        audit.contains("lists seal failed") && !audit.contains("zealous"),
        "{audit}"
    );
    seal(&site, "iwf", &whole);
    eventually("the alarm ends", || {
        (!mandatory(&weir).1.contains("was refused")).then_some(())
    });
}

#[test]
fn af_01_no_command_and_no_file_that_goes_lifts_a_list_or_shows_it() {
    let (site, origin) = lab(&["zealous-host.test"]);
    seal(&site, "iwf", LIST);
    let weir = site.start();
    let url = origin.url("zealous-host.test", "/");
    assert_eq!(weir.get(&url).status, 403);
    for args in [
        &["lists", "forget", "iwf"][..],
        &["lists", "remove", "iwf", "zealous-host.test"],
        &["lists", "add", "iwf", "harmless.test"],
        &["lists", "show", "iwf"],
        &["lists", "rollback", "iwf", "1"],
        &["lists", "diff", "iwf"],
        &["lists", "history", "iwf"],
        &["lists", "accept", "iwf", "--all"],
        &["lists", "import", "lists", "--name", "iwf"],
    ] {
        site.weir(args);
        assert_eq!(weir.get(&url).status, 403, "{args:?}");
    }
    let search = site.weir(&["lists", "search", "zealous-host"]);
    let stats = site.succeed(&["lists", "stats"]);
    assert!(
        stats.contains("iwf") && stats.contains("3 entries"),
        "{stats}"
    );
    for text in [String::from_utf8_lossy(&search.stdout).as_ref(), &stats] {
        assert!(!text.contains("zealous-host.test"), "{text}");
    }
    // The configuration names other slots only, and the files go, one after the other.
    weir.reload();
    for name in ["iwf.sealed", "key", "ledger.json"] {
        std::fs::remove_file(site.path("state/lists/.sealed").join(name)).unwrap();
        eventually("it is told", || {
            mandatory(&weir).1.contains("in memory").then_some(())
        });
        weir.reload();
        assert_eq!(weir.get(&url).status, 403, "{name}");
    }
    drop(weir);
}

#[test]
fn af_01_a_damaged_file_falls_back_to_the_one_before_and_one_that_is_lost_fails_health() {
    let (site, origin) = lab(&["zealous-host.test"]);
    seal(&site, "iwf", LIST);
    seal(&site, "iwf", LIST);
    let file = site.path("state/lists/.sealed/iwf.sealed");
    std::fs::write(&file, "cut off").unwrap();
    let url = origin.url("zealous-host.test", "/");
    let weir = site.start();
    assert_eq!(weir.get(&url).status, 403);
    let (state, detail) = mandatory(&weir);
    assert!(
        state == "warning" && detail.contains("the list before it is in force"),
        "{detail}"
    );
    weir.kill();
    std::fs::write(site.path("state/lists/.sealed/iwf.previous"), "").unwrap();
    let weir = site.start();
    let (state, detail) = mandatory(&weir);
    assert!(
        state == "failing" && detail.contains("not protected"),
        "{detail}"
    );
    assert_eq!(weir.health().status, 503);
    seal(&site, "iwf", LIST);
    eventually("it is in force again", || {
        (weir.get(&url).status == 403).then_some(())
    });
}

#[test]
fn af_01_a_plain_text_at_the_configured_place_is_taken_up_and_a_slot_once_filled_stays() {
    let (mut site, origin) = lab(&["zealous-host.test"]);
    let before = site.text();
    let text = site.path("county.txt");
    site.table(&format!(
        "[[mandatory]]\nname = \"county\"\ntitle = \"The county's list\"\nfrom = {:?}\nstale_after = \"1d\"\n",
        text.display().to_string()
    ));
    let weir = site.start();
    let url = origin.url("zealous-host.test", "/");
    assert_eq!(weir.get(&url).status, 200);
    std::fs::write(&text, LIST).unwrap();
    eventually("it is taken up", || {
        (weir.get(&url).status == 403).then_some(())
    });
    assert!(
        weir.get(&url).text().contains("The county&#39;s list")
            || weir.get(&url).text().contains("The county's list")
    );
    std::fs::remove_file(&text).unwrap();
    // The configuration forgets the slot.
    std::fs::write(site.path("weir.toml"), before).unwrap();
    weir.reload();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(weir.get(&url).status, 403);
    weir.kill();
    site.no_tables();
    site.table("[[network]]\nname = \"lab\"\naddresses = [\"127.0.0.0/8\", \"::1/128\"]\n");
    let weir = site.start();
    assert_eq!(weir.get(&url).status, 403);
    assert_eq!(weir.get(&url).field("weir-rule"), "mandatory:county");
    let log = weir.log();
    assert!(!log.contains("zealous"), "{log}");
}
