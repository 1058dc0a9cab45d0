//! Threats §5, descriptors: what clients hold never stops the console, the records or other clients.

use weir_tests::client::{Client, Request};
use weir_tests::eventually;

use super::{range, unharmed};

#[test]
fn under_a_flood_the_console_answers_records_are_written_and_others_are_served() {
    let (mut site, origin) = range();
    site.open_files(512);
    let weir = site.start();
    assert!(
        weir.log().contains("bounds.connections is 20000"),
        "the start says that fewer are accepted: {}",
        weir.log()
    );
    let mut held = Vec::new();
    for _ in 0..400 {
        let mut client = weir.client();
        let _ = client.try_send(b"G");
        held.push(client);
    }
    eventually("the flood has all it can get", || {
        (weir.metric("weir_connections_shed") > 0.0).then_some(())
    });
    assert_eq!(weir.health().status, 200);
    assert!(weir.descriptors() < 400, "{}", weir.descriptors());
    for number in 0..20 {
        let another = Client::from("127.0.0.40".parse().unwrap(), weir.proxy);
        let path = format!("/{number}");
        let answer = another.unwrap().get(&origin.url("site.test", &path));
        assert_eq!(answer.text(), format!("GET {path}"));
    }
    site.some_records(&[("client", "127.0.0.40"), ("status", "200")], 20);
    assert_eq!(weir.health().status, 200);
    drop(held);
    eventually("the flood is gone", || {
        (weir.metric("weir_connections_open") < 5.0).then_some(())
    });
    unharmed(&weir, &origin);
}

#[test]
fn a_flood_from_everywhere_leaves_the_console_and_the_records_alone() {
    let (mut site, origin) = range();
    site.open_files(512);
    let weir = site.start();
    assert_eq!(weir.get(&origin.url("site.test", "/before")).status, 200);
    let mut held = Vec::new();
    for number in 0..700_u32 {
        let source = std::net::Ipv4Addr::new(127, 0, 1, (number % 200) as u8 + 1);
        let mut client = Client::from(source.into(), weir.proxy).unwrap();
        let _ = client.try_send(b"G");
        held.push(client);
    }
    let before = weir.metric("weir_connections_open");
    assert!(before > 50.0, "{before} are held");
    assert_eq!(weir.health().status, 200);
    site.record(&[("status", "200")]);
    // Whoever was accepted can also be connected to an origin.
    let mut accepted = held.swap_remove(0);
    let rest = Request::get(&origin.url("site.test", "/late")).bytes();
    accepted.send(&rest[1..]);
    assert_eq!(accepted.response("GET").unwrap().text(), "GET /late");
    drop(held);
    eventually("the flood is gone", || {
        (weir.metric("weir_connections_open") < 5.0).then_some(())
    });
    unharmed(&weir, &origin);
}

#[test]
fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let (mut site, _) = range();
    site.open_files_soft(256);
    let weir = site.start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", weir.pid())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "{line}");
    assert_ne!(words[3], "256");
}
