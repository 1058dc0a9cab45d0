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

mod slots;

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
