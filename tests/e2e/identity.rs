//! Who asks: logins, wrong passwords, machines that cannot log in, networks, and each person's own records.

use std::time::Duration;

use weir_tests::client::{Client, Request, Response};
use weir_tests::curl::curl;
use weir_tests::eventually;
use weir_tests::origin::Origin;
use weir_tests::process::Weir;
use weir_tests::records::rows;
use weir_tests::site::Site;

use crate::lab;

const PASSWORD: &str = "correct horse";

/// A site with a pupil and a member of staff, on which a login is required.
fn school() -> (Site, Origin) {
    let (mut site, origin) = lab(&["site.test", "social.test", "bet.test"]);
    site.listener("login", "\"required\"");
    site.user("anna", PASSWORD, &["pupils"]);
    site.user("tom", PASSWORD, &["staff"]);
    (site, origin)
}

fn as_user(weir: &Weir, user: &str, password: &str, url: &str) -> Response {
    weir.ask(&Request::get(url).user(user, password))
}

#[test]
fn curl_logs_in_and_the_record_says_who_and_how() {
    let (site, origin) = school();
    let weir = site.start();
    let login = format!("anna:{PASSWORD}");
    let told = curl(
        weir.proxy,
        &["--proxy-user", &login, &origin.url("site.test", "/in")],
    );
    assert_eq!(
        (told.code, told.status, told.body.as_slice()),
        (0, 200, b"GET /in".as_slice())
    );
    // LM-35: the binding's kind and age; AF-07: the address beside the person.
    let row = site.record(&[("host", "site.test"), ("user", "anna")]);
    assert_eq!(row.text("identity"), "password");
    assert_eq!(row.text("client"), "127.0.0.1");
    assert_eq!(
        (row.text("groups"), row.text("profile")),
        ("pupils".to_owned(), "pupil".to_owned())
    );
    assert!(!row.lacks("identity_age"));
}

#[test]
fn without_a_login_a_required_listener_answers_407_and_no_origin_is_touched() {
    let (site, origin) = school();
    let weir = site.start();
    let response = weir.get(&origin.url("site.test", "/"));
    assert_eq!(response.status, 407);
    assert!(
        response
            .field("proxy-authenticate")
            .starts_with("Basic realm=\"Weir\"")
    );
    let refused = weir.client().tunnel("site.test:443", None).err().unwrap();
    assert_eq!(refused.status, 407);
    assert_eq!(origin.accepted(), 0);
}

#[test]
fn wrong_credentials_never_reach_an_origin_even_where_guests_may() {
    let (mut site, origin) = school();
    site.listener("login", "\"optional\"");
    let weir = site.start();
    let url = origin.url("site.test", "/");
    for (user, password) in [
        ("anna", "wrong"),
        ("nobody", PASSWORD),
        ("", ""),
        ("anna", ""),
    ] {
        assert_eq!(
            as_user(&weir, user, password, &url).status,
            407,
            "{user}:{password}"
        );
        let tunnel = weir
            .client()
            .tunnel("site.test:443", Some((user, password)));
        assert_eq!(tunnel.err().unwrap().status, 407, "{user}:{password}");
    }
    let told = curl(weir.proxy, &["--proxy-user", "anna:wrong", &url]);
    assert_eq!(told.status, 407);
    assert_eq!(origin.accepted(), 0);
    assert_eq!(weir.get(&url).status, 200, "a guest needs no login here");
}

#[test]
fn credentials_that_cannot_be_read_are_refused() {
    let (mut site, origin) = school();
    site.listener("login", "\"optional\"");
    let weir = site.start();
    let url = origin.url("site.test", "/");
    for value in [
        "Basic",
        "Basic !!!",
        "Basic YW5uYQ==",
        "Bearer abc",
        "Negotiate YII",
        "basic=",
        "\u{ff}",
    ] {
        let request = Request::get(&url).field("Proxy-Authorization", value);
        let status = weir.ask(&request).status;
        assert!(matches!(status, 400 | 407), "{value}: {status}");
    }
    let twice = Request::get(&url)
        .user("anna", PASSWORD)
        .user("tom", PASSWORD);
    assert!(
        matches!(weir.ask(&twice).status, 400 | 407),
        "two identities in one request"
    );
    assert_eq!(origin.accepted(), 0);
}

#[test]
fn a_wrong_password_is_recorded_without_the_password() {
    let (site, origin) = school();
    let weir = site.start();
    as_user(
        &weir,
        "anna",
        "hunter2hunter2",
        &origin.url("site.test", "/"),
    );
    let row = site.record(&[("kind", "sign_in_failure")]);
    assert_eq!(row.text("client"), "127.0.0.1");
    let all = format!("{:?}", site.records(&[]));
    assert!(!all.contains("hunter2"), "LM-10: {all}");
    assert!(!weir.log().contains("hunter2"), "LM-10: {}", weir.log());
}

#[test]
fn a_name_that_nobody_has_is_not_recorded_lm_10() {
    // People type their password into the box for the name.
    let (site, origin) = school();
    let weir = site.start();
    as_user(&weir, "hunter2hunter2", "x", &origin.url("site.test", "/"));
    let row = site.record(&[("kind", "sign_in_failure")]);
    assert!(row.text("note").contains("somebody unknown"), "{row:?}");
    let all = format!("{:?}{}", site.records(&[]), weir.log());
    assert!(!all.contains("hunter2"), "{all}");
}

#[test]
fn an_address_that_guesses_is_slowed_down_and_others_are_not() {
    let (mut site, origin) = school();
    site.set("login.attempts", "3")
        .set("login.window", "\"60s\"");
    let weir = site.start();
    let url = origin.url("site.test", "/");
    let from = |source: &str, password: &str| {
        let mut client = Client::from(source.parse().unwrap(), weir.proxy).unwrap();
        client.ask(&Request::get(&url).user("anna", password))
    };
    for guess in ["a", "b", "c"] {
        assert_eq!(from("127.0.0.66", guess).status, 407);
    }
    let slowed = from("127.0.0.66", "d");
    assert_eq!(slowed.status, 429);
    let wait: u64 = slowed
        .field("retry-after")
        .parse()
        .expect("seconds to wait");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(
        from("127.0.0.66", PASSWORD).status,
        429,
        "even the right one, or guessing goes on"
    );
    assert_eq!(from("127.0.0.67", PASSWORD).status, 200);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_throttled_address_may_try_again_after_the_window() {
    let (mut site, origin) = school();
    site.set("login.attempts", "2")
        .set("login.window", "\"2s\"");
    let weir = site.start();
    let url = origin.url("site.test", "/");
    while as_user(&weir, "anna", "wrong", &url).status != 429 {}
    eventually("the window passes", || {
        std::thread::sleep(Duration::from_millis(300));
        (as_user(&weir, "anna", PASSWORD, &url).status == 200).then_some(())
    });
}

#[test]
fn verification_does_not_cost_an_argon2_for_every_request() {
    let (site, origin) = school();
    let weir = site.start();
    let url = origin.url("site.test", "/");
    let before = weir.processor_time();
    as_user(&weir, "anna", PASSWORD, &url);
    let first = weir.processor_time() - before;
    let before = weir.processor_time();
    let mut client = weir.client();
    for _ in 0..200 {
        assert_eq!(
            client
                .ask(&Request::get(&url).user("anna", PASSWORD))
                .status,
            200
        );
    }
    let later = weir.processor_time() - before;
    // 200 verifications would cost 200 times the first; 20 times leaves room for the requests.
    let most = (first * 20).max(Duration::from_millis(600));
    assert!(
        later < most,
        "200 requests cost {later:?}, the first alone {first:?}"
    );
}

#[test]
fn a_changed_password_takes_effect_at_once() {
    let (site, origin) = school();
    let weir = site.start();
    let url = origin.url("site.test", "/");
    assert_eq!(as_user(&weir, "anna", PASSWORD, &url).status, 200);
    site.password("anna", "battery staple");
    weir.reload();
    eventually("the new password works", || {
        (as_user(&weir, "anna", "battery staple", &url).status == 200).then_some(())
    });
    assert_eq!(
        as_user(&weir, "anna", PASSWORD, &url).status,
        407,
        "the old one is not cached"
    );
    site.succeed(&["users", "remove", "anna"]);
    weir.reload();
    eventually("a removed user is unknown", || {
        (as_user(&weir, "anna", "battery staple", &url).status == 407).then_some(())
    });
}

#[test]
fn the_users_file_holds_no_password_and_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (site, _origin) = school();
    let file = site.path("state").join("users.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("$argon2id$") && !text.contains(PASSWORD),
        "{text}"
    );
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o077,
        0
    );
    let listed = site.succeed(&["users", "list"]);
    assert!(
        listed.contains("anna") && listed.contains("tom") && !listed.contains("argon2"),
        "{listed}"
    );
}

#[test]
fn groups_decide_which_profile_a_person_has() {
    let (site, origin) = school();
    let weir = site.start();
    let url = origin.url("social.test", "/");
    assert_eq!(as_user(&weir, "anna", PASSWORD, &url).status, 403);
    assert_eq!(as_user(&weir, "tom", PASSWORD, &url).status, 200);
}

#[test]
fn a_machine_that_cannot_log_in_is_known_by_its_address() {
    let (mut site, origin) = school();
    site.listener("login", "\"optional\"");
    site.table(
        "[[device]]\nname = \"library-3\"\naddresses = [\"127.0.0.33\"]\ngroups = [\"pupils\"]",
    );
    site.table(
        "[[device]]\nname = \"desk-of-tom\"\naddresses = [\"127.0.0.34/31\"]\nuser = \"tom\"",
    );
    let weir = site.start();
    let url = origin.url("social.test", "/");
    let from = |source: &str| {
        Client::from(source.parse().unwrap(), weir.proxy)
            .unwrap()
            .get(&url)
    };
    assert_eq!(from("127.0.0.33").status, 403);
    assert_eq!(from("127.0.0.35").status, 200, "tom's groups are staff");
    let library = site.record(&[("device", "library-3")]);
    assert_eq!(
        (library.text("identity"), library.text("profile")),
        ("device".to_owned(), "pupil".to_owned())
    );
    assert!(library.lacks("user"), "a shared machine names nobody");
    let desk = site.record(&[("device", "desk-of-tom")]);
    assert_eq!(
        (desk.text("user"), desk.text("identity")),
        ("tom".to_owned(), "device".to_owned())
    );
}

#[test]
fn a_device_satisfies_a_listener_that_requires_a_login() {
    let (mut site, origin) = school();
    site.table(
        "[[device]]\nname = \"library-3\"\naddresses = [\"127.0.0.33\"]\ngroups = [\"pupils\"]",
    );
    let weir = site.start();
    let mut client = Client::from("127.0.0.33".parse().unwrap(), weir.proxy).unwrap();
    assert_eq!(client.get(&origin.url("site.test", "/")).status, 200);
}

#[test]
fn a_guest_of_a_registered_network_gets_its_profile() {
    let (mut site, origin) = lab(&["social.test"]);
    site.no_tables();
    site.table(
        "[[network]]\nname = \"staff-room\"\naddresses = [\"127.0.0.8/29\"]\nprofile = \"staff\"",
    );
    site.table("[[network]]\nname = \"lab\"\naddresses = [\"127.0.0.0/8\"]");
    let weir = site.start();
    let url = origin.url("social.test", "/");
    let from = |source: &str| {
        Client::from(source.parse().unwrap(), weir.proxy)
            .unwrap()
            .get(&url)
    };
    assert_eq!(from("127.0.0.9").status, 200);
    assert_eq!(
        from("127.0.0.1").status,
        403,
        "the strictest profile elsewhere"
    );
    let row = site.record(&[("network", "staff-room")]);
    assert_eq!(row.text("profile"), "staff");
    assert!(
        matches!(row.text("identity").as_str(), "network" | "guest"),
        "{row:?}"
    );
}

#[test]
fn an_unknown_network_gets_the_strictest_profile() {
    // AF-06.
    let (mut site, origin) = lab(&["social.test", "site.test"]);
    site.no_tables()
        .table("[[network]]\nname = \"lab\"\naddresses = [\"10.0.0.0/8\"]\nprofile = \"staff\"");
    let weir = site.start();
    assert_eq!(weir.get(&origin.url("social.test", "/")).status, 403);
    assert_eq!(weir.get(&origin.url("site.test", "/")).status, 200);
    let row = site.record(&[("host", "site.test")]);
    assert_eq!(row.text("profile"), "guest");
    assert!(row.lacks("network"));
}

#[test]
fn an_unknown_network_is_refused_where_the_school_says_so() {
    // LM-05: refused, and not attributed.
    let (mut site, origin) = school();
    site.set("unknown_network", "\"refuse\"");
    site.no_tables()
        .table("[[network]]\nname = \"lab\"\naddresses = [\"10.0.0.0/8\"]");
    let weir = site.start();
    let mut client = weir.client();
    client.send(
        Request::get(&origin.url("site.test", "/"))
            .user("anna", PASSWORD)
            .bytes(),
    );
    // Refused with an answer or by closing; never served.
    if let Ok(response) = client.response("GET") {
        assert_eq!(response.status, 403);
    }
    assert_eq!(origin.accepted(), 0);
    assert!(site.records(&["--user", "anna"]).is_empty());
}

#[test]
fn an_export_holds_one_persons_records_and_states_purpose_and_count() {
    // LM-03, LM-12, LM-33: closed purposes, one person, stated counts.
    let (site, origin) = school();
    let weir = site.start();
    for path in ["/1", "/2", "/3"] {
        as_user(&weir, "anna", PASSWORD, &origin.url("site.test", path));
        as_user(&weir, "tom", PASSWORD, &origin.url("site.test", path));
    }
    as_user(
        &weir,
        "anna",
        PASSWORD,
        &origin.url("bet.test", "/roulette?stake=5"),
    );
    site.some_records(&[("user", "anna")], 4);
    site.some_records(&[("user", "tom")], 3);
    let file = site.path("export.jsonl");
    let args = [
        "--user",
        "anna",
        "--format",
        "jsonl",
        "--purpose",
        "unauthorised-use",
    ];
    let statement = site.export(&args, &file);
    assert!(statement.contains("unauthorised-use"), "{statement}");
    assert!(statement.contains('4'), "{statement}");
    let rows = rows(&std::fs::read_to_string(&file).unwrap());
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.text("user") == "anna"));
    let refused = site.weir(&["records", "export", "--user", "anna", "--format", "jsonl"]);
    assert!(!refused.status.success(), "LM-03: no purpose, no export");
    let args = [
        "records",
        "export",
        "--user",
        "anna",
        "--format",
        "jsonl",
        "--purpose",
        "national-security",
    ];
    assert!(!site.weir(&args).status.success(), "LM-03: reserved");
}

#[test]
fn exports_come_in_every_format_with_the_same_rows() {
    let (site, origin) = school();
    let weir = site.start();
    for path in ["/1", "/2"] {
        as_user(&weir, "anna", PASSWORD, &origin.url("site.test", path));
    }
    site.some_records(&[("user", "anna")], 2);
    let export = |format: &str| {
        let file = site.path(format);
        site.export(
            &["--user", "anna", "--purpose", "facts", "--format", format],
            &file,
        );
        std::fs::read(&file).unwrap()
    };
    let csv = String::from_utf8(export("csv")).unwrap();
    assert_eq!(csv.lines().count(), 3, "a header and two rows: {csv}");
    assert!(
        csv.lines()
            .next()
            .unwrap()
            .split(',')
            .any(|column| column == "user")
    );
    let parquet = export("parquet");
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    assert_eq!(rows(&String::from_utf8(export("jsonl")).unwrap()).len(), 2);
}

#[test]
fn an_export_is_bounded_by_the_times_given() {
    let (site, origin) = school();
    let weir = site.start();
    as_user(&weir, "anna", PASSWORD, &origin.url("site.test", "/"));
    site.record(&[("user", "anna")]);
    let between = |from: &str, to: &str| {
        site.records(&["--user", "anna", "--from", from, "--to", to])
            .len()
    };
    assert_eq!(between("2001-01-01", "2002-01-01"), 0);
    assert_eq!(between("2001-01-01", "2999-01-01"), 1);
}
