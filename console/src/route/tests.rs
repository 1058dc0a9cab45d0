#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;
use crate::control::{Check, Health, Notice};

/// A proxy in the given state.
pub(crate) struct Fixed(pub(crate) State);

impl Control for Fixed {
    fn health(&self) -> Health {
        let detail = "disk \"full\"".to_owned();
        let checks = vec![Check {
            name: "records",
            state: self.0,
            detail,
        }];
        Health {
            version: "1.2.3".into(),
            uptime_seconds: 61,
            checks,
        }
    }

    fn metrics(&self) -> String {
        "# EOF\n".into()
    }

    fn notice(&self) -> Notice {
        Notice {
            school: "Weir Academy".into(),
            contact: String::new(),
            own: Vec::new(),
            language: "en".into(),
            notice_version: "1".into(),
            kept_by_rules: Vec::new(),
            basis: String::new(),
            always: Vec::new(),
            when_blocked: Vec::new(),
            purposes: Vec::new(),
            identification: Vec::new(),
            retention: Duration::from_secs(86_400),
            content_retention: Duration::from_secs(86_400),
            version: "abc".into(),
        }
    }
}

fn ask(method: &str, path: &str, hosts: &[&str], state: State) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for host in hosts {
        request = request.header("host", *host);
    }
    let allowed = Hosts::new(["localhost", "127.0.0.1", "[::1]"]);
    respond(&request.body(()).unwrap(), &allowed, &Fixed(state))
}

fn get(path: &str) -> Answer {
    ask("GET", path, &["localhost:3180"], State::Ok)
}

async fn body(answer: Answer) -> String {
    use http_body_util::BodyExt;
    String::from_utf8(
        answer
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .into(),
    )
    .unwrap()
}

#[test]
fn every_page_is_there_in_its_kind() {
    let cases = [
        ("/", HTML),
        ("/healthz", "application/json"),
        ("/metrics", METRICS),
        ("/notice", HTML),
        ("/notice?lang=en", HTML),
        ("/style.css", CSS),
    ];
    for (path, kind) in cases {
        let answer = get(path);
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], kind);
    }
    for path in ["/nothing", "/healthz/", "//", "/../notice"] {
        assert_eq!(get(path).status(), 404, "{path}");
    }
}

#[test]
fn only_requests_for_a_configured_host_are_answered() {
    for host in [
        "localhost",
        "LOCALHOST:3180",
        "127.0.0.1:3180",
        "[::1]:3180",
        "[::1]",
    ] {
        assert_eq!(
            ask("GET", "/healthz", &[host], State::Ok).status(),
            200,
            "{host}"
        );
    }
    let cases: [&[&str]; 8] = [
        &[],
        &[""],
        &["evil.example"],
        &["localhost.evil.example"],
        &["localhost", "localhost"],
        &["localhost:3180:80"],
        &["user@localhost"],
        &["127.0.0.1.evil.example:3180"],
    ];
    for hosts in cases {
        assert_eq!(
            ask("GET", "/healthz", hosts, State::Ok).status(),
            421,
            "{hosts:?}"
        );
    }
}

#[test]
fn an_absolute_target_gets_no_page_so_that_the_console_is_no_proxy() {
    let target = "http://localhost:3180/healthz";
    assert_eq!(
        ask("GET", target, &["localhost:3180"], State::Ok).status(),
        421
    );
}

#[test]
fn other_methods_are_refused_and_told_which_are_not() {
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let answer = ask(method, "/metrics", &["localhost"], State::Ok);
        assert_eq!(answer.status(), 405, "{method}");
        assert_eq!(answer.headers()["allow"], "GET, HEAD");
    }
    assert_eq!(
        ask("HEAD", "/metrics", &["localhost"], State::Ok).status(),
        200
    );
}

#[test]
fn every_answer_forbids_foreign_content_and_scripts() {
    let answers = [get("/"), get("/nothing"), ask("GET", "/", &[], State::Ok)];
    for answer in answers {
        let policy = answer.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self';"),
            "{policy}"
        );
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn the_pages_need_no_inline_style_or_script() {
    for path in ["/", "/notice", "/nothing"] {
        let page = body(get(path)).await;
        for inline in ["<script", "<style", "style=", "onclick", "javascript:"] {
            assert!(!page.contains(inline), "{path} has {inline}");
        }
    }
}

#[tokio::test]
async fn health_is_json_with_the_worst_state_and_says_503_when_something_fails() {
    for (state, status) in [
        (State::Ok, 200),
        (State::Warning, 200),
        (State::Failing, 503),
    ] {
        let answer = ask("GET", "/healthz", &["localhost"], state);
        assert_eq!(answer.status(), status);
        let json: serde_json::Value = serde_json::from_str(&body(answer).await).unwrap();
        assert_eq!(json["status"], state.as_str());
        assert_eq!(json["checks"][0]["name"], "records");
        assert_eq!(json["checks"][0]["state"], state.as_str());
        assert_eq!(json["checks"][0]["detail"], "disk \"full\"");
        assert_eq!(json["uptime_seconds"], 61);
    }
}
