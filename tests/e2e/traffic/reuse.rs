//! Connections that live on: between requests, in the pool, after failures.

use std::time::Duration;

use weir_tests::client::Request;
use weir_tests::eventually;
use weir_tests::origin::{Exchange, Origin};
use weir_tests::site::{Site, own_ip};

use crate::lab;

#[test]
fn one_client_connection_carries_many_requests_over_one_origin_connection() {
    let (site, origin) = lab(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    for number in 0..20 {
        let path = format!("/{number}");
        assert_eq!(
            client.get(&origin.url("site.test", &path)).text(),
            format!("GET {path}")
        );
    }
    assert_eq!(origin.accepted(), 1);
}

#[test]
fn one_client_connection_reaches_several_origins() {
    let (mut site, one) = lab(&["one.test", "two.test"]);
    let two = Origin::standard(own_ip());
    site.set("threads", "1");
    let weir = site.start();
    let mut client = weir.client();
    for _ in 0..3 {
        client.get(&one.url("one.test", "/1"));
        client.get(&two.url("two.test", "/2"));
        client.get(&one.url("two.test", "/3"));
    }
    assert!(two.requests().iter().all(|seen| seen.target() == "/2"));
    let hosts = |n: usize| one.requests()[n].head.get("host").unwrap().to_owned();
    assert!(hosts(0).starts_with("one.test") && hosts(1).starts_with("two.test"));
}

#[test]
fn the_pool_keeps_no_more_idle_connections_than_configured() {
    let (mut site, origin) = lab(&["site.test"]);
    site.set("threads", "1").set("origin.idle_per_host", "2");
    let weir = site.start();
    let url = origin.url("site.test", "/bytes/2000000");
    let mut clients: Vec<_> = (0..8).map(|_| weir.client()).collect();
    for client in &mut clients {
        client.send(Request::get(&url).bytes());
    }
    eventually("eight origin connections at once", || {
        (origin.accepted() == 8).then_some(())
    });
    for client in &mut clients {
        assert_eq!(client.response("GET").unwrap().body.len(), 2_000_000);
    }
    eventually("all but two are closed", || {
        (origin.open() <= 2).then_some(())
    });
}

#[test]
fn idle_origin_connections_are_closed_after_their_time() {
    let (mut site, origin) = lab(&["site.test"]);
    site.set("origin.idle_timeout", "\"1s\"");
    let weir = site.start();
    weir.get(&origin.url("site.test", "/"));
    assert_eq!(origin.open(), 1);
    eventually("the pool lets go", || (origin.open() == 0).then_some(()));
}

/// Answers the first request of the first connection, then closes on the next one without a word.
fn dies_on_reuse(exchange: &mut Exchange<'_>) -> std::io::Result<()> {
    exchange.body()?;
    if exchange.connection == 0 && exchange.path() != "/first" {
        exchange.close();
        return Ok(());
    }
    exchange.respond("200 OK", "", "alive")
}

#[test]
fn a_get_on_a_pooled_connection_that_died_is_tried_once_more() {
    let origin = Origin::http(own_ip(), dies_on_reuse);
    let mut site = Site::new();
    site.hosts(&["site.test"]).set("threads", "1");
    let weir = site.start();
    let mut client = weir.client();
    client.get(&origin.url("site.test", "/first"));
    assert_eq!(
        client.get(&origin.url("site.test", "/second")).text(),
        "alive"
    );
    assert_eq!(origin.accepted(), 2);
}

#[test]
fn a_request_with_a_body_is_never_sent_twice() {
    let origin = Origin::http(own_ip(), dies_on_reuse);
    let mut site = Site::new();
    site.hosts(&["site.test"]).set("threads", "1");
    let weir = site.start();
    let mut client = weir.client();
    client.get(&origin.url("site.test", "/first"));
    let response =
        client.ask(&Request::new("POST", &origin.url("site.test", "/pay")).body("money"));
    assert_eq!(response.status, 502);
    std::thread::sleep(Duration::from_millis(300));
    let posts = origin
        .requests()
        .into_iter()
        .filter(|seen| seen.method() == "POST");
    assert_eq!(posts.count(), 1);
}

#[test]
fn a_connection_with_an_unread_answer_is_not_used_again() {
    let origin = Origin::http(own_ip(), |exchange| {
        let path = exchange.path().to_owned();
        // Surplus bytes that would be taken for the next answer; in one write, since what comes only after the next
        // request has left cannot be told from its answer.
        exchange.write(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned",
            path.len()
        ))
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]).set("threads", "1");
    let weir = site.start();
    let mut client = weir.client();
    for path in ["/one", "/two", "/three"] {
        assert_eq!(client.get(&origin.url("site.test", path)).text(), path);
    }
}

#[test]
fn an_answer_before_the_whole_upload_reaches_the_client() {
    let origin = Origin::http(own_ip(), |exchange| {
        exchange.write(
            "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig",
        )?;
        std::thread::sleep(Duration::from_millis(500));
        exchange.close();
        Ok(())
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    client.send(format!(
        "POST {} HTTP/1.1\r\nHost: site.test:{}\r\nContent-Length: 100000000\r\n\r\n",
        origin.url("site.test", "/up"),
        origin.port()
    ));
    client.send(vec![b'x'; 100_000]);
    let response = client.response("POST").unwrap();
    assert_eq!((response.status, response.text().as_str()), (413, "big"));
    assert!(
        client.closes_within(Duration::from_secs(5)),
        "99.9 MB are not drained for reuse"
    );
}

#[test]
fn a_reset_from_the_origin_ends_one_request_and_not_the_client_connection() {
    let origin = Origin::http(own_ip(), |exchange| {
        if exchange.path() == "/reset" {
            exchange.reset();
            return Ok(());
        }
        exchange.respond("200 OK", "", "fine")
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    let weir = site.start();
    let mut client = weir.client();
    assert_eq!(client.get(&origin.url("site.test", "/reset")).status, 502);
    assert_eq!(
        client.get(&origin.url("site.test", "/after")).text(),
        "fine"
    );
}
