#![allow(clippy::unwrap_used)]

use clap::Parser;
use serde_json::Value;

use super::*;
use crate::cli::tests::{loaded, said_with};

fn explain(line: &[&str], loaded: Loaded) -> (Answer, String) {
    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        explain: Explain,
    }
    let line = [&["explain"], line].concat();
    let explain = Alone::try_parse_from(line).unwrap().explain;
    said_with(|out| explain.run(loaded, out))
}

fn json(line: &[&str]) -> (Answer, Value) {
    let (_directory, loaded) = loaded();
    let users = loaded.settings.users_file();
    Users::edit(&users, |users| {
        users.add("anna", &["pupils".to_owned()], b"a-password")
    })
    .unwrap();
    let (answer, text) = explain(&[line, &["--json"]].concat(), loaded);
    (answer, serde_json::from_str(&text).unwrap())
}

#[test]
fn a_block_names_rule_category_list_and_entry_and_answers_no() {
    let (answer, json) = json(&["http://www.bet.example/x"]);
    assert_eq!(answer, Answer::No);
    assert_eq!(json["verdict"], "block");
    assert_eq!(json["rule"], "no-gambling");
    assert_eq!(json["purpose"], "regulatory-compliance");
    assert_eq!(
        (&json["category"], &json["entry"]),
        (&"gambling".into(), &"bet.example".into())
    );
    assert_eq!(json["list"], "lists");
    assert_eq!(json["records_path"], false, "nothing is authorised yet");
}

#[test]
fn a_path_is_recorded_where_authorisation_and_notice_are_there_and_else_it_says_why_not_lm_02_lm_06()
 {
    let (_directory, loaded) = loaded();
    let state = loaded.settings.state.clone();
    let told = |url: &str| explain(&[url, "--at", "2026-09-14T10:00"], loaded.clone()).1;
    let bet = "http://bet.example/x";
    assert!(told(bet).contains("no authorisation"), "{}", told(bet));
    let basis = r#"{"act":"set","time":"2026-09-01T08:00:00Z","by":"root","basis":{"version":1,"role":"headteacher","authorised":"2026-09-01","review":"2027-08-31","scope":"all","sites":["main"],"purposes":["regulatory-compliance"],"instrument":"SI 2018/356"}}"#;
    crate::users::file::append(&state.join("basis.jsonl"), format!("{basis}\n").as_bytes())
        .unwrap();
    assert!(told(bet).contains("not given the notice"), "{}", told(bet));
    let line = r#"{"time":"2026-09-14T08:59:00Z","identity":"address:127.0.0.1","version":"1","language":"en","how":"page"}"#;
    crate::users::file::append(&state.join("notice.jsonl"), format!("{line}\n").as_bytes())
        .unwrap();
    assert!(told(bet).contains("with the path"), "{}", told(bet));
    let play = "http://play.example/x";
    assert!(
        told(play).contains("does not have the purpose"),
        "{}",
        told(play)
    );
    assert!(told("http://fine.example/x").contains("because it is allowed"));
}

#[test]
fn what_no_rule_holds_for_is_allowed_and_its_path_not_recorded() {
    let (answer, json) = json(&["http://fine.example/x"]);
    assert_eq!(answer, Answer::Yes);
    assert_eq!(json["verdict"], "allow");
    assert_eq!(json["rule"], "otherwise");
    assert_eq!(json["categories"][0], "unlisted");
    assert_eq!(json["records_path"], false);
}

#[test]
fn of_a_tunnel_only_the_host_is_decided_on() {
    let (_, request) = json(&["http://portal.example/games", "--at", "2026-09-14T10:00"]);
    assert_eq!(request["rule"], "no-games-in-lessons");
    let (_, tunnel) = json(&["https://portal.example/games", "--at", "2026-09-14T10:00"]);
    assert_eq!(tunnel["verdict"], "allow");
    assert_eq!(tunnel["method"], "CONNECT");
}

#[test]
fn periods_are_the_schools_and_a_warning_is_no_block() {
    for (at, verdict) in [
        ("2026-09-14T08:44:59", "allow"),
        ("2026-09-14T08:45", "block"),
    ] {
        let (_, json) = json(&["https://play.example", "--at", at]);
        assert_eq!(json["verdict"], verdict, "{at}");
    }
    let (answer, json) = json(&["http://warn.example/"]);
    assert_eq!((answer, &json["verdict"]), (Answer::Yes, &"warn".into()));
}

#[test]
fn who_asks_decides_profile_and_limits() {
    let (_, guest) = json(&["http://fine.example/", "--address", "203.0.113.9"]);
    assert_eq!(guest["profile"], "guest");
    assert_eq!(guest["limits"]["download_size"], 100_000_000);
    let (_, pupil) = json(&["http://fine.example/", "--user", "Anna"]);
    assert_eq!(
        (&pupil["profile"], &pupil["user"]),
        (&"pupil".into(), &"anna".into())
    );
    assert_eq!(pupil["limits"]["daily"], 2_000_000_000_u64);
}

#[test]
fn a_port_that_is_not_served_is_refused_before_the_policy() {
    let (answer, json) = json(&["fine.example:22"]);
    assert_eq!((answer, &json["verdict"]), (Answer::No, &"block".into()));
    assert!(
        json["refused"].as_str().unwrap().contains("port 22"),
        "{json}"
    );
}

#[test]
fn an_unregistered_network_is_refused_where_the_configuration_says_so() {
    let (_directory, mut loaded) = loaded();
    loaded.settings.unknown_network = weir_config::UnknownNetwork::Refuse;
    let (answer, text) = explain(
        &["http://fine.example/", "--address", "203.0.113.9"],
        loaded,
    );
    assert_eq!(answer, Answer::No);
    assert!(text.contains("no registered network"), "{text}");
}

#[test]
fn an_unknown_user_is_an_unusable_argument() {
    let (_directory, loaded) = loaded();
    let explain = Explain {
        url: "example.com".into(),
        user: Some("nobody".into()),
        address: Ipv4Addr::LOCALHOST.into(),
        at: None,
        method: "GET".into(),
        json: false,
    };
    assert!(matches!(
        explain.run(loaded, &mut Vec::new()),
        Err(Failure::Arguments(_))
    ));
}

#[test]
fn the_text_for_people_has_what_the_json_has() {
    let (_directory, loaded) = loaded();
    let (_, text) = explain(
        &["http://www.bet.example/x", "--at", "2026-09-14T10:00"],
        loaded,
    );
    let expected = [
        "block: GET http://www.bet.example/x",
        "no-gambling",
        "Gambling is not for school.",
        "bet.example in gambling of lists",
        "network school",
        "Monday 14 September 2026 10:00:00 BST",
        "100 MB a download",
        "without the path, because no authorisation",
    ];
    for expected in expected {
        assert!(text.contains(expected), "{expected} is missing:\n{text}");
    }
}

#[test]
fn aup_22_an_address_that_the_dial_refuses_is_refused_here_too() {
    for url in [
        "http://169.254.169.254/",
        "http://10.1.1.1/",
        "https://192.168.0.1/",
        "http://localhost/",
        "http://[::1]/",
    ] {
        let (answer, json) = json(&[url]);
        assert_eq!(answer, Answer::No, "{url}");
        let refused = json["refused"].as_str().unwrap();
        assert!(
            refused.contains("must not be connected to"),
            "{url}: {refused}"
        );
    }
    let (answer, _) = json(&["http://93.184.215.14/"]);
    assert_eq!(answer, Answer::Yes);
}

#[test]
fn a_tunnel_that_is_not_opened_is_recorded_as_one_row() {
    let (_directory, loaded) = loaded();
    let (_, blocked) = explain(&["https://bet.example/"], loaded);
    assert!(blocked.contains("one row for the request"), "{blocked}");
}

#[test]
fn the_periods_in_force_are_named() {
    let (_, json) = json(&["http://fine.example/", "--at", "2026-09-14T10:00"]);
    assert_eq!(json["periods"][0], "lessons");
    let (_directory, loaded) = loaded();
    let (_, text) = explain(
        &["http://fine.example/", "--at", "2026-09-13T10:00"],
        loaded,
    );
    assert!(text.contains("; no period of the policy"), "{text}");
}

#[test]
fn af_09_what_a_host_counts_as_is_shown_beside_the_lists_that_have_it() {
    let (directory, loaded) = loaded();
    let hacking = directory.path().join("lists/hacking");
    std::fs::create_dir(&hacking).unwrap();
    std::fs::write(hacking.join("domains"), "new-proxy.example\n").unwrap();
    let (_, text) = explain(&["http://new-proxy.example/"], loaded);
    assert!(text.contains("in hacking of lists"), "{text}");
    let counts = text
        .lines()
        .find(|line| line.contains("counts as"))
        .unwrap();
    assert!(
        counts.contains("unlisted") && counts.contains("hacking"),
        "{text}"
    );
}
