//! Where Weir itself may connect: checked after resolution, at the one place that dials.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use weir_tests::client::Response;
use weir_tests::dns::{Answer, NameServer};
use weir_tests::origin::Origin;
use weir_tests::site::{Site, own_address, own_ip};

fn prohibited(response: &Response, what: &str) {
    let cause = (response.status, response.proxy_error());
    assert_eq!(
        cause,
        (403, "destination_ip_prohibited".to_owned()),
        "{what}"
    );
}

#[test]
fn names_that_lead_inside_are_refused_and_never_dialled() {
    // AUP-22.
    let origin = Origin::standard(own_ip());
    let mut site = Site::new();
    site.set("egress.allow", "[]");
    let inside = [
        ("loopback.test", own_address().to_string()),
        ("loopback6.test", "::1".to_owned()),
        ("private.test", "10.1.2.3".to_owned()),
        ("private2.test", "172.31.255.1".to_owned()),
        ("private3.test", "192.168.0.1".to_owned()),
        ("linklocal.test", "169.254.1.1".to_owned()),
        ("metadata.test", "169.254.169.254".to_owned()),
        ("cgnat.test", "100.64.0.1".to_owned()),
        ("multicast.test", "224.0.0.1".to_owned()),
        ("broadcast.test", "255.255.255.255".to_owned()),
        ("zero.test", "0.0.0.0".to_owned()),
        ("ula.test", "fd00:ec2::254".to_owned()),
        ("linklocal6.test", "fe80::1".to_owned()),
        ("mapped.test", "::ffff:10.0.0.1".to_owned()),
        ("nat64.test", "64:ff9b::a00:1".to_owned()),
        ("six-to-four.test", "2002:7f00:1::".to_owned()),
    ];
    for (name, address) in &inside {
        site.host(name, &[address]);
    }
    let weir = site.start();
    for (name, _) in &inside {
        prohibited(&weir.get(&origin.url(name, "/")), name);
        let refused = weir
            .client()
            .tunnel(&format!("{name}:443"), None)
            .err()
            .unwrap();
        prohibited(&refused, &format!("CONNECT {name}"));
    }
    assert_eq!(origin.accepted(), 0);
    let row = site.record(&[
        ("host", "metadata.test"),
        ("error", "destination_ip_prohibited"),
    ]);
    assert!(row.lacks("origin"), "nothing was dialled: {row:?}");
}

#[test]
fn literal_addresses_inside_are_refused_in_every_form_that_is_accepted() {
    let origin = Origin::standard(own_ip());
    let mut site = Site::new();
    site.set("egress.allow", "[]");
    let weir = site.start();
    let [a, b, c, d] = own_address().octets();
    let hosts = [
        own_address().to_string(),
        format!("[::ffff:{}]", own_address()),
        format!("[::ffff:{a:02x}{b:02x}:{c:02x}{d:02x}]"),
        format!("[64:ff9b::{a:02x}{b:02x}:{c:02x}{d:02x}]"),
        format!("[2002:{a:02x}{b:02x}:{c:02x}{d:02x}::]"),
        "[::1]".to_owned(),
        "[fe80::1]".to_owned(),
    ];
    for host in hosts {
        let response = weir.get(&format!("http://{host}:{}/", origin.port()));
        prohibited(&response, &host);
    }
    assert_eq!(origin.accepted(), 0);
}

#[test]
fn spellings_of_addresses_that_readers_disagree_on_are_invalid() {
    let origin = Origin::standard(own_ip());
    let site = Site::new();
    let weir = site.start();
    let number = u32::from(own_address());
    let [a, b, c, d] = own_address().octets();
    let hosts = [
        number.to_string(),
        format!("{number:#x}"),
        format!("0{a:o}.{b}.{c}.{d}"),
        format!("{a:#x}.{b}.{c}.{d}"),
        "127.1".to_owned(),
        "127.0.1".to_owned(),
        "127.0.0.1.1".to_owned(),
        "127.0.0.256".to_owned(),
        "[::1%25lo]".to_owned(),
        "[::1".to_owned(),
        "::1".to_owned(),
        "[127.0.0.1]".to_owned(),
        "%31%32%37.0.0.1".to_owned(),
    ];
    for host in hosts {
        let response = weir.get(&format!("http://{host}:{}/", origin.port()));
        assert_eq!(response.status, 400, "{host}");
    }
    assert_eq!(origin.accepted(), 0);
}

#[test]
fn only_addresses_that_are_permitted_are_dialled_when_a_name_has_several() {
    let origin = Origin::standard(own_ip());
    let mut site = Site::new();
    let own = own_address().to_string();
    site.host("mixed.test", &["10.0.0.1", "::1", &own, "169.254.169.254"]);
    site.set("egress.allow", &format!("[\"{own}\"]"));
    let weir = site.start();
    assert_eq!(weir.get(&origin.url("mixed.test", "/")).status, 200);
    let row = site.record(&[("host", "mixed.test")]);
    assert_eq!(row.text("origin"), own);
}

#[test]
fn weirs_own_listeners_are_out_of_reach_under_every_name() {
    // Threats §7: the console is never reachable through the data plane.
    let mut site = Site::new();
    site.hosts(&["innocent.test"]);
    site.host("six.test", &[&format!("::ffff:{}", own_address())]);
    site.set(
        "connect.tls_ports",
        &format!("[{}, {}]", site.proxy.port(), site.console.port()),
    );
    let weir = site.start();
    for listener in [weir.proxy, weir.console] {
        for host in [
            "innocent.test".to_owned(),
            "six.test".to_owned(),
            listener.ip().to_string(),
        ] {
            let url = format!("http://{host}:{}/healthz", listener.port());
            prohibited(&weir.get(&url), &url);
            let to = format!("{host}:{}", listener.port());
            prohibited(&weir.client().tunnel(&to, None).err().unwrap(), &to);
        }
    }
}

#[test]
fn a_listener_on_every_address_is_out_of_reach_on_each_of_them() {
    let mut site = Site::new();
    let port = site.proxy.port() + 1000;
    site.table(&format!(
        "[[listener]]\nname = \"wide\"\naddress = \"0.0.0.0:{port}\"\nlogin = \"off\""
    ));
    let weir = site.start();
    for host in ["127.0.0.1", "127.3.2.1"] {
        prohibited(&weir.get(&format!("http://{host}:{port}/")), host);
    }
}

/// A listener that counts who connects.
fn trap(address: &str, port: u16) -> Arc<AtomicUsize> {
    let listener = TcpListener::bind((address, port)).unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    std::thread::spawn(move || {
        while listener.accept().is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    count
}

#[test]
fn a_name_that_changes_its_address_never_leads_inside() {
    // DNS rebinding: what was checked is what is dialled.
    let origin = Origin::standard(own_ip());
    let caught = trap("::1", origin.port());
    let outside = own_address().to_string();
    let names = NameServer::start(own_ip(), move |query| {
        if query.earlier % 2 == 0 {
            Answer::of(&[&outside])
        } else {
            Answer::of(&["::1", "10.0.0.1"])
        }
    });
    let mut site = Site::new();
    site.set("egress.allow", &format!("[\"{}\"]", own_address()));
    site.set("resolver.servers", &format!("[\"{}\"]", names.address));
    site.set("resolver.minimum_ttl", "\"0s\"")
        .set("resolver.cache_entries", "0");
    let weir = site.start();
    for number in 0..12 {
        let response = weir.get(&origin.url("rebinding.test", &format!("/{number}")));
        if response.status != 200 {
            prohibited(&response, "rebinding.test");
        }
    }
    assert_eq!(caught.load(Ordering::SeqCst), 0);
    assert!(origin.accepted() > 0, "the permitted answers were used");
}

#[test]
fn an_alias_to_the_inside_is_refused_like_an_address() {
    let origin = Origin::standard(own_ip());
    let own = own_address().to_string();
    let names = NameServer::start(own_ip(), move |_| Answer {
        alias: Some("intranet.test".to_owned()),
        ..Answer::of(&[&own, "::1"])
    });
    let mut site = Site::new();
    site.set("egress.allow", "[]");
    site.set("resolver.servers", &format!("[\"{}\"]", names.address));
    let weir = site.start();
    prohibited(&weir.get(&origin.url("alias.test", "/")), "alias.test");
    assert_eq!(origin.accepted(), 0);
}

#[test]
fn plain_requests_go_only_to_configured_ports() {
    let origin = Origin::standard(own_ip());
    let mut site = Site::new();
    site.hosts(&["site.test"]).set("egress.ports", "[\"80\"]");
    let weir = site.start();
    for port in [origin.port(), 25, 22, 6379] {
        let response = weir.get(&format!("http://site.test:{port}/"));
        assert_eq!(
            (response.status, response.proxy_error().as_str()),
            (403, "http_request_denied"),
            "{port}"
        );
    }
    assert_eq!(origin.accepted(), 0);
}
