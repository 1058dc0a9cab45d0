#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use tokio::net::TcpListener;
use weir_host::Host;

use super::*;
use crate::resolve::Resolver;

fn settings(hosts: &[(&str, &[IpAddr])]) -> weir_config::Resolver {
    let hosts = hosts.iter().map(|(name, found)| {
        (
            Host::parse(name).unwrap().as_name().unwrap().clone(),
            found.to_vec(),
        )
    });
    crate::resolve::tests::settings("127.0.0.1:9".parse().unwrap(), hosts.collect())
}

fn names(hosts: &[(&str, &[IpAddr])]) -> Names {
    let control = tokio::runtime::Handle::current();
    Names::new(Resolver::new(&settings(hosts), control).unwrap(), 16)
}

fn loopback_allowed() -> Egress {
    let allow = ["127.0.0.0/8", "::1"].map(|network| network.parse().unwrap());
    Egress {
        allow: allow.into(),
        own: Vec::new(),
    }
}

async fn dialled(
    names: &Names,
    egress: &Egress,
    host: &str,
    port: u16,
) -> Result<SocketAddr, DialError> {
    let second = Duration::from_secs(1);
    let host = Host::parse(host).unwrap();
    dial(names, egress, &host, port, second, second)
        .await
        .map(|(_, address)| address)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_name_is_dialled_at_its_address_without_nagle() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = origin.local_addr().unwrap();
    let names = names(&[("origin.example", &[address.ip()])]);
    let host = Host::parse("origin.example").unwrap();
    let second = Duration::from_secs(1);
    let egress = loopback_allowed();
    let dialled = dial(&names, &egress, &host, address.port(), second, second).await;
    let (stream, to) = dialled.unwrap();
    assert_eq!(to, address);
    assert!(stream.nodelay().unwrap());
}

#[tokio::test]
async fn nothing_reaches_an_address_that_the_policy_refuses() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = origin.local_addr().unwrap().port();
    let names = names(&[("inside.example", &[ip("127.0.0.1"), ip("::1")])]);
    for host in [
        "inside.example",
        "127.0.0.1",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "10.0.0.1",
    ] {
        let refused = dialled(&names, &Egress::default(), host, port)
            .await
            .unwrap_err();
        assert_eq!(
            (refused.label(), refused.status()),
            ("destination_ip_prohibited", 403)
        );
    }
    let silence = tokio::time::timeout(Duration::from_millis(50), origin.accept()).await;
    assert!(silence.is_err(), "a refused address was connected to");
}

#[tokio::test]
async fn refused_addresses_are_left_out_and_the_others_used() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = origin.local_addr().unwrap();
    let names = names(&[("mixed.example", &[ip("10.9.9.9"), ip("::1"), address.ip()])]);
    let egress = Egress {
        allow: vec!["127.0.0.1".parse().unwrap()],
        own: Vec::new(),
    };
    assert_eq!(
        dialled(&names, &egress, "mixed.example", address.port())
            .await
            .unwrap(),
        address
    );
}

#[tokio::test]
async fn the_proxys_own_listeners_are_refused_even_where_their_network_is_allowed() {
    let own = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let egress = Egress {
        own: vec![own],
        ..loopback_allowed()
    };
    let refused = dialled(&names(&[]), &egress, "127.0.0.1", own.port())
        .await
        .unwrap_err();
    assert_eq!(refused.label(), "destination_ip_prohibited");
}

#[tokio::test]
async fn an_address_that_fails_gives_way_to_the_next_at_once() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = origin.local_addr().unwrap();
    // Nothing listens on the second loopback address.
    let names = names(&[("two.example", &[ip("127.0.0.2"), address.ip()])]);
    let began = std::time::Instant::now();
    let to = dialled(&names, &loopback_allowed(), "two.example", address.port())
        .await
        .unwrap();
    assert_eq!(to, address);
    assert!(
        began.elapsed() < ATTEMPT_DELAY,
        "waited for the attempt delay"
    );
}

#[tokio::test]
async fn a_refused_connection_says_so() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let refused = dialled(&names(&[]), &loopback_allowed(), "127.0.0.1", closed.port()).await;
    let refused = refused.unwrap_err();
    assert_eq!(
        (refused.label(), refused.status()),
        ("connection_refused", 502)
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_first_address_does_not_hold_up_the_second() {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = origin.local_addr().unwrap();
    let silent = Silent::new().await;
    let began = tokio::time::Instant::now();
    let (_, to) = race(&[silent.address, address], &[]).await.unwrap();
    assert_eq!(to, address);
    assert!(began.elapsed() >= ATTEMPT_DELAY);
}

#[tokio::test]
async fn a_connection_that_nobody_answers_times_out() {
    let silent = Silent::new().await;
    let host = Host::parse("127.0.0.1").unwrap();
    let (second, short) = (Duration::from_secs(1), Duration::from_millis(50));
    let egress = loopback_allowed();
    let port = silent.address.port();
    let late = dial(&names(&[]), &egress, &host, port, second, short)
        .await
        .unwrap_err();
    assert_eq!((late.label(), late.status()), ("connection_timeout", 504));
}

/// A listener whose queue is full: further connections are neither taken nor refused.
struct Silent {
    address: SocketAddr,
    _kept: (socket2::Socket, Vec<socket2::Socket>),
}

impl Silent {
    async fn new() -> Silent {
        use socket2::{Domain, Socket, Type};
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut filling = Vec::new();
        for _ in 0..4 {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            // Begun, not finished: the queue is what matters.
            let _ = socket.connect(&address);
            filling.push(socket);
        }
        Silent {
            address: address.as_socket().unwrap(),
            _kept: (listener, filling),
        }
    }
}

#[test]
fn families_take_turns_beginning_with_the_first() {
    let addresses = |list: &[&str]| -> Vec<SocketAddr> {
        list.iter()
            .map(|address| SocketAddr::new(ip(address), 443))
            .collect()
    };
    let cases = [
        (
            vec!["2001:db8::1", "2001:db8::2", "192.0.2.1"],
            vec!["2001:db8::1", "192.0.2.1", "2001:db8::2"],
        ),
        (
            vec!["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"],
            vec!["192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3"],
        ),
        (vec!["192.0.2.1"], vec!["192.0.2.1"]),
        (vec![], vec![]),
    ];
    for (given, expected) in cases {
        assert_eq!(interleave(&addresses(&given)), addresses(&expected));
    }
}

#[test]
fn every_cause_has_its_label_and_status() {
    let cases: BTreeMap<&str, (DialError, u16)> = BTreeMap::from([
        ("dns_timeout", (ResolveError::Timeout.into(), 504)),
        ("dns_error", (ResolveError::NoSuchName.into(), 502)),
        (
            "connection_refused",
            (
                io::Error::from(io::ErrorKind::ConnectionRefused).into(),
                502,
            ),
        ),
        (
            "connection_timeout",
            (io::Error::from(io::ErrorKind::TimedOut).into(), 504),
        ),
        (
            "destination_ip_unroutable",
            (
                io::Error::from(io::ErrorKind::NetworkUnreachable).into(),
                502,
            ),
        ),
        (
            "destination_unavailable",
            (io::Error::from(io::ErrorKind::Other).into(), 502),
        ),
    ]);
    for (label, (error, status)) in cases {
        assert_eq!((error.label(), error.status()), (label, status));
    }
}

#[tokio::test]
async fn a_connection_that_leads_back_to_a_listener_on_all_addresses_is_given_up() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let own = [SocketAddr::new(ip("0.0.0.0"), port)];
    // Behind the check of the address, which a public address of this machine passes.
    let to = [SocketAddr::new(ip("127.0.0.1"), port)];
    let refused = race(&to, &own).await.unwrap_err();
    assert_eq!(
        (refused.label(), refused.status()),
        ("destination_ip_prohibited", 403)
    );
    let elsewhere = [SocketAddr::new(ip("0.0.0.0"), port ^ 1)];
    assert!(race(&to, &elsewhere).await.is_ok());
}
