//! Who gets how much of the line. Shares are measured against each other in one span, so that a busy
//! machine slows all sides alike. These tests run alone (`.config/nextest.toml`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use weir_tests::client::{Client, Request};
use weir_tests::eventually;
use weir_tests::origin::{Exchange, Origin};
use weir_tests::process::Weir;
use weir_tests::share::{Load, Measured};
use weir_tests::site::{Site, own_ip};
use weir_tests::tls;

const PASSWORD: &str = "correct horse";
/// 20 Mbit/s in bytes a second.
const LINE: f64 = 2_500_000.0;
/// After which every buffer on the way is full and every user is known to the scheduler.
const WARM_UP: Duration = Duration::from_secs(2);
const SPAN: Duration = Duration::from_secs(6);

/// Delivers without end, or takes an upload of any size.
fn endless(exchange: &mut Exchange<'_>) -> std::io::Result<()> {
    if exchange
        .head
        .get("content-length")
        .is_some_and(|length| length != "0")
    {
        let taken = exchange.swallow()?;
        return exchange.respond("200 OK", "", taken.to_string());
    }
    match exchange
        .path()
        .strip_prefix("/bytes/")
        .and_then(|size| size.parse().ok())
    {
        Some(size) => exchange.stream(size),
        None => exchange.stream(1 << 40),
    }
}

/// A line of 20 Mbit/s each way for four users: three pupils and one member of staff.
fn school() -> (Site, Origin) {
    let origin = Origin::http(own_ip(), endless);
    let mut site = Site::new();
    site.hosts(&["site.test", "games.test", "school.test"]);
    site.set("line.down", "\"20Mbit/s\"")
        .set("line.up", "\"20Mbit/s\"");
    for name in ["anna", "ben", "cleo"] {
        site.user(name, PASSWORD, &["pupils"]);
    }
    site.user("tom", PASSWORD, &["staff"]);
    (site, origin)
}

fn get(origin: &Origin, user: &str) -> Request {
    Request::get(&origin.url("site.test", "/endless")).user(user, PASSWORD)
}

fn downloads(weir: &Weir, origin: &Origin, user: &str, connections: usize) -> Load {
    Load::down(weir.proxy, &get(origin, user), connections)
}

/// Waits, then measures these loads against each other.
fn measured(loads: &[&Load]) -> Measured {
    std::thread::sleep(WARM_UP);
    let counters: Vec<Box<dyn Fn() -> u64>> = loads
        .iter()
        .map(|load| Box::new(|| load.bytes()) as Box<dyn Fn() -> u64>)
        .collect();
    let borrowed: Vec<&dyn Fn() -> u64> = counters.iter().map(|c| &**c).collect();
    Measured::over(SPAN, &borrowed)
}

/// Each has this part of the whole, give or take five in a hundred of it.
fn equal_within_5_percent(measured: &Measured) {
    let shares = measured.shares();
    let fair = 1.0 / shares.len() as f64;
    assert!(
        shares
            .iter()
            .all(|share| (share / fair - 1.0).abs() <= 0.05),
        "{shares:?}"
    );
}

/// The line is full, and no fuller than it may be. The lower bound leaves room for a busy machine.
fn fills_the_line(measured: &Measured, line: f64) {
    let part = measured.rate() / line;
    assert!(
        (0.85..=1.05).contains(&part),
        "{part:.3} of the line was used"
    );
}

#[test]
fn twenty_connections_get_no_more_than_one_and_a_third_user_gets_a_third() {
    // AUP-10.
    let (site, origin) = school();
    let weir = site.start();
    let many = downloads(&weir, &origin, "anna", 20);
    let one = downloads(&weir, &origin, "tom", 1);
    let two = measured(&[&many, &one]);
    equal_within_5_percent(&two);
    fills_the_line(&two, LINE);
    let third = downloads(&weir, &origin, "cleo", 3);
    let three = measured(&[&many, &one, &third]);
    equal_within_5_percent(&three);
    fills_the_line(&three, LINE);
    drop((many, third));
    let alone = measured(&[&one]);
    fills_the_line(&alone, LINE);
}

#[test]
fn tunnels_and_plain_requests_share_the_line_by_user() {
    let (mut site, origin) = school();
    let raw = Origin::raw(own_ip(), |mut socket, _| {
        use std::io::Write;
        loop {
            socket.write_all(&[0; 65536])?;
        }
    });
    site.set("connect.tls_ports", &format!("[{}]", raw.port()));
    let weir = site.start();
    let open = || {
        let to = format!("site.test:{}", raw.port());
        let mut tunnel = weir.client().tunnel(&to, Some(("ben", PASSWORD))).unwrap();
        tunnel.send(tls::hello(Some("site.test")).unwrap());
        tunnel
    };
    let tunnels = Load::tunnels((0..8).map(|_| open()).collect());
    let plain = downloads(&weir, &origin, "tom", 1);
    let measured = measured(&[&tunnels, &plain]);
    equal_within_5_percent(&measured);
    fills_the_line(&measured, LINE);
}

/// An origin that takes uploads and counts the bytes of each `X-Counter`; downloads of it never end.
fn counting() -> (Origin, [Arc<AtomicU64>; 2]) {
    let counters: [Arc<AtomicU64>; 2] = Default::default();
    let shared = counters.clone();
    let origin = Origin::http(own_ip(), move |exchange| {
        let index = exchange
            .head
            .get("x-counter")
            .and_then(|index| index.parse::<usize>().ok());
        match index.and_then(|index| shared.get(index)) {
            Some(counter) => exchange.swallow_into(counter).map(drop),
            None => exchange.stream(1 << 40),
        }
    });
    (origin, counters)
}

#[test]
fn uploads_are_shared_like_downloads_and_beside_them() {
    // Counted at the origin: what a client has written may still wait in sockets.
    let (site, _) = school();
    let (origin, counters) = counting();
    let weir = site.start();
    let put = |user: &str, counter: &str| {
        let request = Request::new("PUT", &origin.url("site.test", "/up"));
        request.user(user, PASSWORD).field("X-Counter", counter)
    };
    let many = Load::up(weir.proxy, &put("anna", "0"), 10);
    let one = Load::up(weir.proxy, &put("tom", "1"), 1);
    let down = downloads(&weir, &origin, "ben", 1);
    std::thread::sleep(WARM_UP);
    let at = |index: usize| counters[index].load(Ordering::Relaxed);
    let all = Measured::over(SPAN, &[&|| at(0), &|| at(1), &|| down.bytes()]);
    let up = Measured {
        bytes: all.bytes[..2].to_vec(),
        span: all.span,
    };
    equal_within_5_percent(&up);
    fills_the_line(&up, LINE);
    let down = Measured {
        bytes: all.bytes[2..].to_vec(),
        span: all.span,
    };
    fills_the_line(&down, LINE);
    drop((many, one));
}

#[test]
fn people_without_a_name_share_by_address() {
    let (site, origin) = school();
    let weir = site.start();
    let request = Request::get(&origin.url("site.test", "/endless"));
    let from = |source: &str| {
        let mut client = Client::from(source.parse().unwrap(), weir.proxy).unwrap();
        client.send(request.bytes());
        client
    };
    let many = Load::tunnels((0..10).map(|_| from("127.0.0.50")).collect());
    let one = Load::tunnels(vec![from("127.0.0.51")]);
    equal_within_5_percent(&measured(&[&many, &one]));
}

#[test]
fn a_user_never_gets_more_than_the_profile_allows_over_all_connections() {
    let (mut site, origin) = school();
    site.reword(
        "groups = [\"pupils\"]",
        "groups = [\"pupils\"]\ndown = \"4Mbit/s\"",
    );
    let weir = site.start();
    let capped = downloads(&weir, &origin, "anna", 12);
    let free = downloads(&weir, &origin, "tom", 1);
    let measured = measured(&[&capped, &free]);
    let part = measured.bytes[0] as f64 / measured.span.as_secs_f64() / 500_000.0;
    assert!((0.85..=1.05).contains(&part), "{part:.3} of the cap");
    fills_the_line(&measured, LINE);
}

#[test]
fn a_group_shares_one_cap_among_its_members() {
    let (mut site, origin) = school();
    site.reword(
        "[[group]]\nname = \"pupils\"",
        "[[group]]\nname = \"pupils\"\ndown = \"8Mbit/s\"",
    );
    let weir = site.start();
    let one = downloads(&weir, &origin, "anna", 6);
    let other = downloads(&weir, &origin, "ben", 1);
    let staff = downloads(&weir, &origin, "tom", 1);
    std::thread::sleep(WARM_UP);
    let counters: [&dyn Fn() -> u64; 3] = [&|| one.bytes(), &|| other.bytes(), &|| staff.bytes()];
    let all = Measured::over(SPAN, &counters);
    let group = Measured {
        bytes: all.bytes[..2].to_vec(),
        span: all.span,
    };
    fills_the_line(&group, 1_000_000.0);
    equal_within_5_percent(&group);
    fills_the_line(&all, LINE);
}

#[test]
fn a_category_has_a_cap_over_everyone() {
    let (mut site, origin) = school();
    site.reword(
        "[[rule]]\nid = \"school-sites\"",
        "[[category]]\nname = \"education\"\ndown = \"4Mbit/s\"\n\n[[rule]]\nid = \"school-sites\"",
    );
    let weir = site.start();
    let request =
        |name: &str, user: &str| Request::get(&origin.url(name, "/endless")).user(user, PASSWORD);
    let one = Load::down(weir.proxy, &request("school.test", "anna"), 3);
    let other = Load::down(weir.proxy, &request("school.test", "tom"), 1);
    let beside = Load::down(weir.proxy, &request("site.test", "ben"), 1);
    std::thread::sleep(WARM_UP);
    let counters: [&dyn Fn() -> u64; 3] = [&|| one.bytes(), &|| other.bytes(), &|| beside.bytes()];
    let all = Measured::over(SPAN, &counters);
    let capped = Measured {
        bytes: all.bytes[..2].to_vec(),
        span: all.span,
    };
    fills_the_line(&capped, 500_000.0);
    fills_the_line(&all, LINE);
}

#[test]
fn a_limit_rule_slows_what_it_matches_and_blocks_nothing() {
    let (mut site, origin) = school();
    site.rule(
        "id = \"slow-site\"\nhosts = [\"site.test\"]\naction = \"limit\"\ndown = \"4Mbit/s\"\n\
         purpose = \"effective-operation\"\nwords = \"Shared fairly.\"",
    );
    let weir = site.start();
    let limited = downloads(&weir, &origin, "tom", 4);
    fills_the_line(&measured(&[&limited]), 500_000.0);
}

#[test]
fn a_change_of_the_line_takes_effect_on_reload_without_ending_a_transfer() {
    let (mut site, origin) = school();
    let weir = site.start();
    let load = downloads(&weir, &origin, "anna", 1);
    fills_the_line(&measured(&[&load]), LINE);
    site.set("line.down", "\"5Mbit/s\"");
    site.write();
    weir.reload();
    fills_the_line(&measured(&[&load]), LINE / 4.0);
}

#[test]
fn a_short_page_is_answered_at_once_while_the_line_is_saturated() {
    // AUP-10: a lesson and a safeguarding page stay responsive.
    let (site, origin) = school();
    let weir = site.start();
    let saturating = downloads(&weir, &origin, "anna", 20);
    std::thread::sleep(WARM_UP);
    let page = Request::get(&origin.url("site.test", "/bytes/20000")).user("tom", PASSWORD);
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        let started = Instant::now();
        assert_eq!(weir.ask(&page).body.len(), 20_000);
        slowest = slowest.max(started.elapsed());
    }
    assert!(saturating.bytes() > 0);
    // 20 kB at half the line are 16 ms; a second is far beyond any fair turn.
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

/// Replaces the pupils' profile by one with this line added.
fn limited(line: &str) -> (Site, Origin) {
    let (mut site, origin) = school();
    site.set("line.down", "\"\"").set("line.up", "\"\"");
    site.reword(
        "groups = [\"pupils\"]",
        &format!("groups = [\"pupils\"]\n{line}"),
    );
    (site, origin)
}

#[test]
fn a_download_over_the_size_limit_is_refused_by_its_length() {
    let (site, origin) = limited("download_size = \"1MB\"");
    let weir = site.start();
    let ask = |user: &str, size: u64| {
        let url = origin.url("site.test", &format!("/bytes/{size}"));
        weir.ask(&Request::get(&url).user(user, PASSWORD))
    };
    assert_eq!(ask("anna", 1_000_000).body.len(), 1_000_000);
    let refused = ask("anna", 1_000_001);
    assert_eq!(refused.status, 403);
    assert!(refused.text().len() < 10_000, "a page, not the file");
    assert_eq!(ask("tom", 1_000_001).body.len(), 1_000_001);
    let row = site.record(&[("user", "anna"), ("end", "size_limit")]);
    assert_eq!(row.number("bytes_down"), 0, "{row:?}");
}

#[test]
fn a_download_of_unknown_length_is_ended_at_the_size_limit() {
    let (mut site, _) = limited("download_size = \"1MB\"");
    let origin = Origin::standard(own_ip());
    site.hosts(&["site.test"]);
    let weir = site.start();
    for path in ["/chunked/3000000", "/close/3000000"] {
        let url = origin.url("site.test", path);
        let response = weir.ask(&Request::get(&url).user("anna", PASSWORD));
        assert!(
            response.body.len() <= 1_000_000,
            "{path}: {}",
            response.body.len()
        );
        assert!(
            response.body.len() > 900_000,
            "{path}: {}",
            response.body.len()
        );
        assert!(
            !response.complete || path.starts_with("/close"),
            "{path} must look cut"
        );
    }
    let rows = site.some_records(&[("user", "anna"), ("end", "size_limit")], 2);
    assert!(
        rows.iter().all(|row| row.number("bytes_down") <= 1_000_000),
        "{rows:?}"
    );
}

#[test]
fn an_upload_over_the_size_limit_is_refused_by_length_and_by_count() {
    let (site, origin) = limited("upload_size = \"1MB\"");
    let reading = Origin::standard(own_ip());
    let weir = site.start();
    let put = |size: usize| {
        let url = origin.url("site.test", "/up");
        Request::new("PUT", &url)
            .user("anna", PASSWORD)
            .body(vec![b'u'; size])
    };
    assert_eq!(weir.ask(&put(1_000_000)).text(), "1000000");
    let mut client = weir.client();
    let _ = client.try_send(put(1_000_001).bytes());
    assert_eq!(client.response("PUT").unwrap().status, 413);
    let mut client = weir.client();
    let head = Request::new("PUT", &reading.url("site.test", "/chunked")).user("anna", PASSWORD);
    client.send(head.field("Transfer-Encoding", "chunked").bytes());
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let sent = (0..64)
        .take_while(|_| client.try_send(&chunk).is_ok())
        .count();
    if let Ok(response) = client.response("PUT") {
        assert_eq!(response.status, 413, "after {sent} chunks");
    }
    assert!(
        reading
            .requests()
            .iter()
            .all(|seen| seen.body.bytes.len() <= 1_000_000)
    );
    site.record(&[("user", "anna"), ("end", "size_limit")]);
}

#[test]
fn a_tunnel_is_ended_at_the_size_limit() {
    let (mut site, _) = limited("download_size = \"1MB\"");
    let raw = Origin::raw(own_ip(), |mut socket, _| {
        use std::io::Write;
        loop {
            socket.write_all(&[0; 65536])?;
        }
    });
    site.set("connect.tls_ports", &format!("[{}]", raw.port()));
    let weir = site.start();
    let to = format!("site.test:{}", raw.port());
    let mut tunnel = weir.client().tunnel(&to, Some(("anna", PASSWORD))).unwrap();
    tunnel.send(tls::hello(Some("site.test")).unwrap());
    let got = tunnel.rest().unwrap().len();
    assert!((900_000..=1_000_000).contains(&got), "{got}");
    let row = site.record(&[("user", "anna"), ("kind", "tunnel_close")]);
    assert_eq!(row.text("end"), "size_limit");
}

#[test]
fn a_daily_allowance_is_used_up_over_all_connections_and_survives_a_restart() {
    let (site, origin) = limited("daily = \"3MB\"");
    let weir = site.start();
    let ask = |weir: &Weir, user: &str| {
        let url = origin.url("site.test", "/bytes/1000000");
        weir.ask(&Request::get(&url).user(user, PASSWORD))
    };
    assert_eq!(ask(&weir, "anna").body.len(), 1_000_000);
    assert_eq!(ask(&weir, "anna").body.len(), 1_000_000);
    site.some_records(&[("user", "anna"), ("end", "complete")], 2);
    weir.stop(Duration::from_secs(10));
    let weir = site.start();
    let used = eventually("the allowance is used up", || {
        let response = ask(&weir, "anna");
        (response.status == 403 || !response.complete).then_some(response)
    });
    assert!(used.body.len() < 1_000_000);
    let after = ask(&weir, "anna");
    assert_eq!(after.status, 403);
    assert!(
        after.text().to_lowercase().contains("allowance"),
        "{}",
        after.text()
    );
    assert_eq!(
        ask(&weir, "ben").body.len(),
        1_000_000,
        "each person has their own"
    );
    assert_eq!(ask(&weir, "tom").body.len(), 1_000_000, "staff have none");
    let whole: u64 = site
        .records(&["--user", "anna"])
        .iter()
        .map(|row| row.number("bytes_down"))
        .sum();
    assert!((2_000_000..=3_200_000).contains(&whole), "{whole}");
    site.record(&[("user", "anna"), ("end", "allowance")]);
}

#[test]
fn a_daily_allowance_survives_a_crash_but_for_its_last_moments() {
    let (site, origin) = limited("daily = \"3MB\"");
    let url = origin.url("site.test", "/bytes/1000000");
    let ask = |weir: &Weir| weir.ask(&Request::get(&url).user("anna", PASSWORD));
    let weir = site.start();
    (0..3).for_each(|_| drop(ask(&weir)));
    site.some_records(&[("user", "anna")], 3);
    // Longer than any sensible pause between writes of the allowances.
    std::thread::sleep(Duration::from_secs(12));
    weir.kill();
    let weir = site.start();
    let response = ask(&weir);
    assert!(
        response.status == 403 || response.body.len() < 500_000,
        "{}",
        response.body.len()
    );
}

#[test]
fn a_daily_allowance_begins_anew_at_the_schools_midnight() {
    let (mut site, origin) = limited("daily = \"1MB\"");
    // British Summer Time: the school's midnight is at 23:00 UTC.
    site.environment("TZ", "UTC")
        .wall_clock("@2026-06-10 22:30:00");
    let url = origin.url("site.test", "/bytes/900000");
    let weir = site.start();
    let ask = || weir.ask(&Request::get(&url).user("anna", PASSWORD));
    assert_eq!(ask().body.len(), 900_000);
    eventually("the day's allowance is used up", || {
        (ask().status == 403).then_some(())
    });
    site.step_clock("@2026-06-10 23:00:30");
    eventually("a new day", || (ask().body.len() == 900_000).then_some(()));
}
