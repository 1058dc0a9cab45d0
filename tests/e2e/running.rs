//! Running Weir: checking, starting, reloading, draining, watching.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use weir_tests::client::{Client, Request, timed};
use weir_tests::eventually;
use weir_tests::origin::Origin;
use weir_tests::process;
use weir_tests::site::{Site, own_ip};
use weir_tests::tls;

use crate::lab;

#[test]
fn check_reports_every_fault_at_once_with_file_line_and_key() {
    let mut site = Site::new();
    site.set("deadlines.head", "\"soon\"")
        .set("bounds.conections", "5")
        .set("threads", "\"many\"");
    site.reword("action = \"block\"", "action = \"blok\"");
    site.rule("id = \"no-gambling\"\naction = \"block\"\npurpose = \"national-security\"\nwords = \"x\"\ncategories = [\"gamblin\"]");
    let output = site.weir(&["check"]);
    assert_eq!(
        output.status.code(),
        Some(1),
        "faults are a negative answer"
    );
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    let line_of = |key: &str| {
        let config = site.text();
        config
            .lines()
            .position(|line| line.starts_with(key))
            .unwrap()
            + 1
    };
    let reported = |parts: &[&str]| {
        let fits = |line: &&str| parts.iter().all(|part| line.contains(part));
        assert!(
            text.lines().any(|line| fits(&line)),
            "{parts:?} in:\n{text}"
        );
    };
    reported(&[
        &format!("weir.toml:{}", line_of("head =")),
        "deadlines.head",
    ]);
    reported(&[
        &format!("weir.toml:{}", line_of("conections")),
        "bounds.conections",
        "connections",
    ]);
    reported(&[&format!("weir.toml:{}", line_of("threads")), "threads"]);
    reported(&["policy.toml:", "blok"]);
    reported(&["policy.toml:", "purpose", "national security"]);
    reported(&["policy.toml:", "\"gamblin\""]);
    reported(&["policy.toml:", "no-gambling"]);
}

#[test]
fn check_names_categories_that_no_list_has() {
    let mut site = Site::new();
    site.reword("categories = [\"games\"]", "categories = [\"gamez\"]");
    let output = site.weir(&["check"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(
        text.contains("policy.toml:") && text.contains("gamez"),
        "{text}"
    );
}

#[test]
fn a_good_configuration_passes_the_check() {
    let output = Site::new().weir(&["check"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn weir_does_not_start_with_a_faulty_configuration() {
    let mut site = Site::new();
    site.set("deadlines.head", "\"soon\"");
    let output = site.weir(&["run"]);
    assert_eq!(output.status.code(), Some(2), "unusable configuration");
    assert!(String::from_utf8_lossy(&output.stderr).contains("deadlines.head"));
}

#[test]
fn one_profile_for_everyone_is_refused() {
    // AF-05.
    let mut site = Site::new();
    site.policy(
        "time_zone = \"Europe/London\"\nstrictest = \"all\"\notherwise = \"allow\"\n\n\
         [[profile]]\nname = \"all\"\ngroups = []\n",
    );
    assert_eq!(site.weir(&["check"]).status.code(), Some(1));
}

#[test]
fn a_bare_run_needs_no_file_and_prints_a_curl_line_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("out");
    let file = std::fs::File::create(&log).unwrap();
    let mut child = Command::new(process::binary())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    let told = eventually("it says where it listens and what to try", || {
        let text = std::fs::read_to_string(&log).ok()?;
        (text.contains("curl ") && TcpStream::connect("127.0.0.1:3128").is_ok()).then_some(text)
    });
    assert!(
        told.contains("127.0.0.1:3128") && told.contains("127.0.0.1:3180"),
        "{told}"
    );
    let line = told
        .lines()
        .find_map(|line| line.find("curl ").map(|at| &line[at..]))
        .unwrap();
    let words: Vec<&str> = line
        .split_whitespace()
        .take_while(|w| !w.starts_with(['#', '(']))
        .collect();
    let command = words.join(" ").trim_end_matches(['`', '.']).to_owned();
    let answer = Command::new("sh")
        .args(["-c", &format!("{command} -s -i")])
        .output()
        .unwrap();
    let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
    let _ = child.kill();
    let _ = child.wait();
    assert!(answer.starts_with("HTTP/1.1 403"), "{command}: {answer}");
    assert!(
        answer.to_lowercase().contains("weir-category: gambling"),
        "{command}: {answer}"
    );
}

#[test]
fn a_reload_swaps_the_policy_under_a_live_connection() {
    // Threats §2: stale decisions.
    let (mut site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    assert_eq!(client.get(&origin.url("site.test", "/")).status, 200);
    site.list("gambling", "domains", "bet.test\nsite.test\n");
    site.write();
    weir.reload();
    eventually("the next request on the same connection is blocked", || {
        (client.get(&origin.url("site.test", "/")).status == 403).then_some(())
    });
    site.list("gambling", "domains", "bet.test\n");
    weir.reload();
    eventually("and open again", || {
        (weir.get(&origin.url("site.test", "/")).status == 200).then_some(())
    });
}

#[test]
fn a_reload_keeps_transfers_and_tunnels() {
    let (mut site, origin) = lab(&["site.test"]);
    let echo = Origin::raw(own_ip(), |mut socket, _| {
        let mut out = socket.try_clone()?;
        std::io::copy(&mut socket, &mut out).map(drop)
    });
    site.set("connect.tls_ports", &format!("[{}]", echo.port()));
    let weir = site.start();
    let mut client = weir.client();
    client.send(Request::get(&origin.url("site.test", "/bytes/300000000")).bytes());
    client.head().unwrap();
    let mut tunnel = weir
        .client()
        .tunnel(&format!("site.test:{}", echo.port()), None)
        .unwrap();
    let hello = tls::hello(Some("site.test")).unwrap();
    tunnel.send(&hello);
    for _ in 0..5 {
        weir.reload();
        std::thread::sleep(Duration::from_millis(100));
    }
    site.some_records(&[("kind", "reload")], 1);
    let mut left = 300_000_000;
    while left > 0 {
        let part = client.some(1 << 20).unwrap().len();
        assert!(part > 0, "cut with {left} bytes left");
        left -= part;
    }
    tunnel.send("still here");
    let mut seen = Vec::new();
    while seen.len() < hello.len() + 10 {
        seen.extend(tunnel.some(4096).unwrap());
    }
    assert!(seen.ends_with(b"still here"));
}

#[test]
fn reloads_under_load_fail_no_request() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let url = origin.url("site.test", "/x");
    let proxy = weir.proxy;
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let url = url.clone();
            std::thread::spawn(move || {
                let mut client = Client::connect(proxy);
                (0..400).filter(|_| client.get(&url).status == 200).count()
            })
        })
        .collect();
    for _ in 0..20 {
        weir.reload();
        std::thread::sleep(Duration::from_millis(100));
    }
    let served: usize = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    assert_eq!(served, 1200);
    site.some_records(&[("host", "site.test")], 1200);
}

#[test]
fn a_faulty_reload_keeps_what_is_in_force_and_says_so() {
    let (mut site, origin) = lab(&["bet.test", "site.test"]);
    let weir = site.start();
    let faults: [fn(&mut Site); 3] = [
        |site| {
            site.set("deadlines.head", "\"soon\"");
        },
        |site| {
            site.set("deadlines.head", "\"15s\"")
                .policy("this is = not [ toml");
        },
        |site| {
            site.policy(weir_tests::site::POLICY)
                .reword("\"gambling\"", "\"gamblin\"");
        },
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        fault(&mut site);
        site.write();
        weir.reload();
        eventually("the failure is counted", || {
            let page = weir.page("/metrics").text();
            let failed: f64 = page
                .lines()
                .filter(|line| line.starts_with("weir_reloads_total") && line.contains("refused"))
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum();
            (failed as usize > number).then_some(())
        });
        assert_eq!(
            weir.get(&origin.url("bet.test", "/")).status,
            403,
            "fault {number}"
        );
        assert_eq!(
            weir.get(&origin.url("site.test", "/")).status,
            200,
            "fault {number}"
        );
    }
    assert!(
        weir.log().contains("deadlines.head"),
        "the log names the fault: {}",
        weir.log()
    );
}

#[test]
fn keys_that_need_a_restart_are_named_when_they_change() {
    let (mut site, origin) = lab(&["site.test"]);
    let weir = site.start();
    site.set("threads", "1");
    site.write();
    weir.reload();
    eventually("the log names the key", || {
        let log = weir.log();
        (log.contains("threads") && log.contains("restart")).then_some(())
    });
    assert_eq!(weir.get(&origin.url("site.test", "/")).status, 200);
}

#[test]
fn sigterm_finishes_what_is_under_way_and_accepts_nothing_new() {
    let (mut site, _) = lab(&[]);
    let origin = Origin::http(own_ip(), |exchange| {
        exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")?;
        std::thread::sleep(Duration::from_secs(2));
        exchange.write("67890")
    });
    site.hosts(&["site.test"]).set("deadlines.drain", "\"20s\"");
    let weir = site.start();
    let mut idle = weir.client();
    let mut client = weir.client();
    client.send(Request::get(&origin.url("site.test", "/slow")).bytes());
    eventually("the request is under way", || {
        (origin.accepted() == 1).then_some(())
    });
    let proxy = weir.proxy;
    let stopping = std::thread::spawn(move || weir.stop(Duration::from_secs(15)));
    std::thread::sleep(Duration::from_millis(500));
    assert!(TcpStream::connect(proxy).is_err(), "no new connections");
    assert!(
        idle.closes_within(Duration::from_secs(2)),
        "idle connections are let go"
    );
    assert_eq!(client.response("GET").unwrap().text(), "1234567890");
    let (status, took) = stopping.join().unwrap();
    assert!(status.success());
    assert!(
        took < Duration::from_secs(8),
        "nothing was left to wait for: {took:?}"
    );
    site.record(&[("host", "site.test"), ("end", "complete")]);
    site.record(&[("kind", "stop")]);
}

#[test]
fn sigterm_cuts_what_does_not_end_at_the_drain_deadline() {
    let (mut site, origin) = lab(&["site.test"]);
    site.set("deadlines.drain", "\"1s\"");
    let weir = site.start();
    let mut client = weir.client();
    client.send(Request::get(&origin.url("site.test", "/silent")).bytes());
    eventually("the request is under way", || {
        (origin.accepted() == 1).then_some(())
    });
    let ((status, took), _) = timed(|| weir.stop(Duration::from_secs(10)));
    assert!(status.success());
    assert!(
        (Duration::from_millis(800)..Duration::from_secs(5)).contains(&took),
        "{took:?}"
    );
    site.record(&[("host", "site.test"), ("end", "drained")]);
    site.record(&[("kind", "stop")]);
}

#[test]
fn a_restart_serves_again_within_seconds() {
    // Threats §8.
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    weir.get(&origin.url("site.test", "/"));
    weir.kill();
    let (weir, took) = timed(|| site.start());
    assert_eq!(weir.get(&origin.url("site.test", "/")).status, 200);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn health_is_json_with_a_status_and_metrics_are_prometheus_text() {
    let (site, origin) = lab(&["site.test", "bet.test"]);
    let weir = site.start();
    let health = weir.health();
    assert_eq!(health.status, 200);
    let json: serde_json::Value = serde_json::from_str(&health.text()).expect("JSON");
    let checks = json["checks"].as_array().expect("checks");
    let mandatory = checks.iter().find(|c| c["name"] == "mandatory-lists");
    let state = mandatory.map(|check| check["state"].as_str());
    assert_eq!(state, Some(Some("warning")), "AF-02, never green: {json}");
    weir.get(&origin.url("site.test", "/bytes/1000"));
    weir.get(&origin.url("bet.test", "/"));
    eventually("the counters move", || {
        let blocked = weir.metric("weir_decisions_total{outcome=\"block\"}");
        let down = weir.metric("weir_payload_bytes_total{outcome=\"down\"}");
        (blocked >= 1.0 && down >= 1000.0).then_some(())
    });
    assert!(weir.metric("weir_list_names") >= 5.0);
    let page = weir.page("/metrics");
    assert!(
        page.field("content-type").contains("openmetrics-text")
            || page.field("content-type").starts_with("text/plain")
    );
    assert!(!page.text().contains("bet.test"), "no label is a host");
}

#[test]
fn the_console_answers_only_to_its_own_names() {
    // Threats §7: a name rebound to the console's address is refused.
    let site = Site::new();
    let weir = site.start();
    for host in ["evil.test", "evil.test:3180", "127.0.0.1.evil.test", ""] {
        let response =
            Client::connect(weir.console).ask(&Request::get("/healthz").field("Host", host));
        assert!(
            matches!(response.status, 400 | 403 | 421),
            "{host}: {}",
            response.status
        );
    }
    let notice = weir.page("/notice");
    assert_eq!(notice.status, 200);
    assert!(
        notice.text().contains("Test Academy"),
        "LM-06: {}",
        notice.text()
    );
    assert!(!notice.field("content-security-policy").is_empty());
}

#[test]
fn logs_in_json_are_lines_of_json_without_content() {
    let (mut site, origin) = lab(&["bet.test", "site.test"]);
    site.set("log.format", "\"json\"")
        .set("log.level", "\"debug\"");
    let weir = site.start();
    weir.get(&origin.url("bet.test", "/private-path?q=private-term"));
    weir.get(&origin.url("site.test", "/private-path?q=private-term"));
    let mut client = weir.client();
    client.send(format!(
        "GET {} HTTP/1.1\r\n\r\n",
        origin.url("site.test", "/private-path")
    ));
    let _ = client.response("GET");
    weir.stop(Duration::from_secs(10));
    let log = std::fs::read_to_string(site.path("log")).unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| line.starts_with('{')).collect();
    assert!(!lines.is_empty(), "{log}");
    for line in lines {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    }
    assert!(!log.contains("private-"), "LM-10: {log}");
}

#[test]
fn connections_beyond_the_bound_are_turned_away_and_counted() {
    // Threats §5.
    let (mut site, origin) = lab(&["site.test"]);
    site.set("bounds.connections_per_address", "10");
    let weir = site.start();
    // One of them may be turned away for the connection that looked whether Weir serves.
    let mut held: Vec<Client> = (0..9).map(|_| weir.client()).collect();
    eventually("ten are open", || {
        held.push(weir.client());
        (weir.metric("weir_connections_open") >= 10.0).then_some(())
    });
    let mut eleventh = weir.client();
    let _ = eleventh.try_send(Request::get(&origin.url("site.test", "/")).bytes());
    let turned_away = !matches!(eleventh.response("GET"), Ok(response) if response.status == 200);
    assert!(turned_away, "the eleventh was served");
    assert!(weir.metric("weir_connections_shed") >= 1.0);
    let other = Client::from("127.0.0.40".parse().unwrap(), weir.proxy)
        .unwrap()
        .get(&origin.url("site.test", "/"));
    assert_eq!(other.status, 200, "other addresses are not affected");
    drop(held);
    eventually("there is room again", || {
        let mut client = weir.client();
        client
            .try_send(Request::get(&origin.url("site.test", "/")).bytes())
            .ok()?;
        (client.response("GET").ok()?.status == 200).then_some(())
    });
}

#[test]
fn a_pause_of_the_process_storms_no_timer() {
    // Threats §8: pause and resume.
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    client.get(&origin.url("site.test", "/"));
    weir.signal(rustix::process::Signal::STOP);
    std::thread::sleep(Duration::from_secs(3));
    weir.signal(rustix::process::Signal::CONT);
    assert_eq!(
        client.get(&origin.url("site.test", "/")).status,
        200,
        "nothing expired wrongly"
    );
    let before = weir.processor_time();
    std::thread::sleep(Duration::from_secs(2));
    let used = weir.processor_time() - before;
    assert!(
        used < Duration::from_millis(400),
        "an idle proxy used {used:?} in two seconds"
    );
}
