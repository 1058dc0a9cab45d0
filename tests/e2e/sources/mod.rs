//! Lists from the network, before a running Weir: a newer version is live by itself, and whatever comes instead of one
//! leaves the old one in force and raises an alarm.

mod refused;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use weir_tests::eventually;
use weir_tests::origin::{Exchange, Origin};
use weir_tests::process::Weir;
use weir_tests::site::{Site, own_ip};
use weir_tests::tls::Authority;

/// What a list server answers at the moment.
type Answer = dyn Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync;

/// A server of lists whose answer a test exchanges while Weir runs.
#[derive(Clone)]
struct Maker {
    origin: Origin,
    /// Another server, for the names on the list.
    web: Origin,
    answer: Arc<Mutex<Arc<Answer>>>,
}

impl Maker {
    fn new(text: &str) -> Maker {
        let answer: Arc<Mutex<Arc<Answer>>> = Arc::new(Mutex::new(list(text, "\"1\"")));
        let current = Arc::clone(&answer);
        let origin = Origin::http(own_ip(), move |exchange| {
            let answer = Arc::clone(&current.lock().unwrap());
            answer(exchange)
        });
        let web = Origin::standard(own_ip());
        Maker {
            origin,
            web,
            answer,
        }
    }

    fn answers(&self, answer: Arc<Answer>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn gives(&self, text: &str, tag: &str) {
        self.answers(list(text, tag));
    }

    /// `If-None-Match` of each request so far.
    fn validators(&self) -> Vec<Option<String>> {
        let requests = self.origin.requests();
        let tag = |head: &weir_tests::wire::Head| head.get("if-none-match").map(str::to_owned);
        requests.iter().map(|seen| tag(&seen.head)).collect()
    }
}

/// Gives the list, or 304 to whoever has it.
fn list(text: &str, tag: &str) -> Arc<Answer> {
    let (text, tag) = (text.to_owned(), tag.to_owned());
    Arc::new(move |exchange| {
        if exchange.head.get("if-none-match") == Some(&*tag) {
            return exchange.respond("304 Not Modified", "", "");
        }
        exchange.respond("200 OK", &format!("ETag: {tag}\r\n"), &text)
    })
}

/// A site with one source `far` of gambling names at `lists.test`, and the names that the tests ask for.
fn site(maker: &Maker, lines: &str) -> Site {
    let mut site = Site::new();
    site.hosts(&["lists.test", "one.test", "two.test", "three.test"]);
    site.set("deadlines.body_idle", "\"1s\"")
        .set("deadlines.origin_head", "\"2s\"");
    let from = maker.origin.url("lists.test", "/gambling.txt");
    site.table(&format!(
        "[[lists.source]]\nname = \"far\"\nfrom = \"{from}\"\ncategory = \"gambling\"\n{lines}\n"
    ));
    site
}

fn status(weir: &Weir, maker: &Maker, name: &str) -> u16 {
    weir.get(&maker.web.url(name, "/")).status
}

fn blocks(weir: &Weir, maker: &Maker, name: &str) {
    eventually(&format!("{name} is blocked"), || {
        (status(weir, maker, name) == 403).then_some(())
    });
}

/// The part of health that tells of lists.
fn lists_health(weir: &Weir) -> (String, String) {
    let health: Value = serde_json::from_str(&weir.health().text()).expect("health is JSON");
    let checks = health["checks"].as_array().expect("checks").clone();
    let lists = checks.iter().find(|check| check["name"] == "lists");
    let text = |field: &str| lists.unwrap()[field].as_str().unwrap().to_owned();
    (text("state"), text("detail"))
}

/// `weir lists sources --json` of the one source.
fn told(site: &Site) -> Value {
    let all: Value = serde_json::from_str(&site.succeed(&["lists", "sources", "--json"])).unwrap();
    all[0].clone()
}

#[test]
fn a_newer_list_is_live_within_seconds_and_an_older_one_is_not_sent_again() {
    let maker = Maker::new("one.test\n");
    let site = site(&maker, "");
    let weir = site.start();
    blocks(&weir, &maker, "one.test");
    assert_eq!(status(&weir, &maker, "two.test"), 200);
    maker.gives("one.test\ntwo.test\n", "\"2\"");
    let begun = Instant::now();
    let said = site.succeed(&["lists", "update"]);
    assert!(
        said.contains("far: updated, 2 entries (1 before)"),
        "{said}"
    );
    blocks(&weir, &maker, "two.test");
    assert!(begun.elapsed() < Duration::from_secs(10));
    let said = site.succeed(&["lists", "update", "far"]);
    assert!(said.contains("far: unchanged, 2 entries"), "{said}");
    let validators = maker.validators();
    let fetched: Vec<_> = validators
        .iter()
        .filter(|tag| tag.is_some())
        .flatten()
        .collect();
    assert_eq!(fetched, ["\"1\"", "\"2\""]);
    // Every look has a row, whoever made it.
    let row = site.record(&[("kind", "reload"), ("list", "far"), ("end", "complete")]);
    assert!(row.text("note").contains("list far "), "{row:?}");
    eventually("the update of the command has a row", || {
        let rows = site.records(&["--kind", "reload"]);
        rows.iter()
            .any(|row| row.text("note").contains("unchanged"))
            .then_some(())
    });
    assert_eq!(lists_health(&weir).0, "ok");
    assert_eq!(weir.metric("weir_list_entries{source=\"far\"}"), 2.0);
    assert!(weir.metric("weir_list_age_seconds{source=\"far\"}") < 60.0);
    assert_eq!(weir.metric("weir_list_alarm{source=\"far\"}"), 0.0);
    let far = told(&site);
    assert_eq!(
        (&far["state"], &far["entries"]),
        (&"good".into(), &2.into())
    );
    assert!(far["sha256"].as_str().unwrap().len() == 64);
    assert!(site.path("state/audit.jsonl").exists());
}

#[test]
fn a_source_that_a_reload_brings_is_fetched_without_a_restart() {
    let maker = Maker::new("one.test\n");
    let mut site = Site::new();
    site.hosts(&["lists.test", "one.test"]);
    let weir = site.start();
    assert_eq!(status(&weir, &maker, "one.test"), 200);
    let from = maker.origin.url("lists.test", "/x.txt");
    site.table(&format!(
        "[[lists.source]]\nname = \"far\"\nfrom = \"{from}\"\ncategory = \"gambling\"\n"
    ));
    site.write();
    weir.reload();
    blocks(&weir, &maker, "one.test");
}

#[test]
fn a_list_comes_over_tls_and_only_from_whom_the_school_trusts() {
    let authority = Authority::new().unwrap();
    let server = authority.server(&["lists.test"]).unwrap();
    let origin = Origin::tls(own_ip(), server);
    let mut site = Site::new();
    site.hosts(&["lists.test"]);
    let from = origin.https("lists.test", "/get");
    site.table(&format!(
        "[[lists.source]]\nname = \"far\"\nfrom = \"{from}\"\ncategory = \"gambling\"\n"
    ));
    let refused = site.weir(&["lists", "update"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(said.contains("certificate is not valid"), "{said}");
    std::fs::write(site.path("root.pem"), authority.pem()).unwrap();
    site.set("origin.trusted_roots", "[\"root.pem\"]");
    // The standard answer is the method and the path: no list, but it came over TLS.
    let came = site.weir(&["lists", "update"]);
    let said = String::from_utf8_lossy(&came.stdout).into_owned();
    assert!(
        said.contains("no entry") || said.contains("updated"),
        "{said}"
    );
}

#[test]
fn every_request_is_answered_while_updates_go_live() {
    // Many names, so that import and build take their time; the load's own are not among them. No version grows so much that
    // it would be held back.
    let names = |round: u32| -> String {
        let many = (0..40_000 + 4_000 * round).map(|n| format!("n{n}.example\n"));
        std::iter::once("one.test\n".to_owned())
            .chain(many)
            .collect()
    };
    let maker = Maker::new(&names(0));
    let site = site(&maker, "");
    let weir = site.start();
    blocks(&weir, &maker, "one.test");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let loads: Vec<_> = (0..4)
        .map(|_| {
            let (stop, proxy) = (Arc::clone(&stop), weir.proxy);
            let blocked = maker.web.url("one.test", "/");
            let open = maker.web.url("three.test", "/");
            std::thread::spawn(move || {
                let mut count = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let mut client = weir_tests::client::Client::connect(proxy);
                    assert_eq!(client.get(&blocked).status, 403);
                    assert_eq!(client.get(&open).status, 200);
                    count += 2;
                }
                count
            })
        })
        .collect();
    for round in 2..5 {
        maker.gives(&names(round), &format!("\"{round}\""));
        let said = site.succeed(&["lists", "update"]);
        assert!(said.contains("updated"), "{said}");
        let entries = f64::from(40_000 + 4_000 * round);
        eventually("it is in force", || {
            (weir.metric("weir_list_names") > entries).then_some(())
        });
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let answered: u64 = loads.into_iter().map(|load| load.join().unwrap()).sum();
    assert!(answered > 20, "{answered}");
}

#[test]
fn the_most_visited_names_that_no_list_knows_are_counted_without_saying_by_whom() {
    let maker = Maker::new("x.test\n");
    let mut site = Site::new();
    site.hosts(&["www.odd.co.uk", "odd.co.uk", "rare.test", "bet.test"]);
    site.user("ann", "secret-of-ann", &["pupils"]);
    let weir = site.start();
    for name in [
        "www.odd.co.uk",
        "www.odd.co.uk",
        "odd.co.uk",
        "rare.test",
        "bet.test",
    ] {
        weir.get(&maker.web.url(name, "/"));
    }
    site.some_records(&[("kind", "request")], 5);
    let without = site.weir(&["lists", "unlisted"]);
    assert_eq!(without.status.code(), Some(2), "a look states its purpose");
    let args = [
        "lists",
        "unlisted",
        "--since",
        "7d",
        "--purpose",
        "effective-operation",
        "--json",
    ];
    let found: Value = serde_json::from_str(&site.succeed(&args)).unwrap();
    let names = found["names"].as_array().unwrap();
    let first: Vec<_> = names.iter().map(|n| n["name"].as_str().unwrap()).collect();
    assert_eq!(first, ["odd.co.uk", "rare.test"], "{found}");
    assert_eq!(
        (&names[0]["visits"], &names[0]["users"]),
        (&3.into(), &1.into())
    );
    assert_eq!(names[0]["hosts"][0]["host"], "www.odd.co.uk");
    let audit = std::fs::read_to_string(site.path("state/audit.jsonl")).unwrap();
    assert!(audit.contains("lists unlisted") && audit.contains("effective-operation"));
    let text = site.succeed(&args[..6]);
    assert!(
        text.contains("VISITS") && text.contains("odd.co.uk"),
        "{text}"
    );
}
