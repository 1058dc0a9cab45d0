//! Bodies and tunnels of any length in the same memory. Runs alone (`.config/nextest.toml`).

use std::io::{Read, Write};

use weir_tests::client::{Client, Request};
use weir_tests::eventually;
use weir_tests::origin::Origin;
use weir_tests::process::Weir;
use weir_tests::site::{Site, own_ip};
use weir_tests::tls;

/// Long enough that any part of it that stayed behind would show: 2 GB.
const LONG: u64 = 2_000_000_000;
/// What may be added by buffers, whatever the length.
const GROWTH: u64 = 16 << 20;

/// Reads `length` bytes and gives the most memory that Weir held meanwhile.
fn drained(client: &mut impl Read, length: u64, weir: &Weir) -> u64 {
    let (mut buffer, mut left, mut peak, mut step) = (vec![0; 1 << 18], length, 0, 0);
    while left > 0 {
        let count = client.read(&mut buffer).unwrap() as u64;
        assert!(count > 0, "cut with {left} bytes left");
        left -= count.min(left);
        step += count;
        if step > 50_000_000 {
            step = 0;
            peak = peak.max(weir.resident());
        }
    }
    peak
}

fn warm(weir: &Weir, origin: &Origin) -> u64 {
    for _ in 0..4 {
        assert_eq!(
            weir.get(&origin.url("site.test", "/bytes/10000000"))
                .body
                .len(),
            10_000_000
        );
    }
    weir.resident()
}

fn site() -> (Site, Origin) {
    let origin = Origin::http(own_ip(), |exchange| {
        if exchange.head.get("content-length").is_some() {
            let taken = exchange.swallow()?;
            return exchange.respond("200 OK", "", taken.to_string());
        }
        weir_tests::standard::standard(exchange)
    });
    let mut site = Site::new();
    site.hosts(&["site.test"]);
    (site, origin)
}

#[test]
fn a_long_download_uses_no_more_memory_than_a_short_one() {
    let (site, origin) = site();
    let weir = site.start();
    let before = warm(&weir, &origin);
    let mut client = weir.client();
    client.send(Request::get(&origin.url("site.test", &format!("/bytes/{LONG}"))).bytes());
    client.head().unwrap();
    let peak = drained(&mut client, LONG, &weir);
    assert!(peak < before + GROWTH, "{before} grew to {peak}");
    let row = site.record(&[("bytes_down", &LONG.to_string())]);
    assert_eq!(row.text("end"), "complete");
}

#[test]
fn a_long_upload_uses_no_more_memory_than_a_short_one() {
    let (site, origin) = site();
    let weir = site.start();
    let before = warm(&weir, &origin);
    let mut client = weir.client();
    let url = origin.url("site.test", "/up");
    client.send(
        Request::new("PUT", &url)
            .field("Content-Length", &LONG.to_string())
            .bytes(),
    );
    let (part, mut left, mut peak) = (vec![0; 1_000_000], LONG, 0);
    while left > 0 {
        client.write_all(&part).unwrap();
        left -= part.len() as u64;
        if left.is_multiple_of(50_000_000) {
            peak = peak.max(weir.resident());
        }
    }
    assert_eq!(client.response("PUT").unwrap().text(), LONG.to_string());
    assert!(peak < before + GROWTH, "{before} grew to {peak}");
}

#[test]
fn a_long_tunnel_uses_no_more_memory_than_a_short_one() {
    let (mut site, origin) = site();
    let raw = Origin::raw(own_ip(), |mut socket, _| {
        loop {
            socket.write_all(&[0; 65536])?;
        }
    });
    site.set("connect.tls_ports", &format!("[{}]", raw.port()));
    let weir = site.start();
    let before = warm(&weir, &origin);
    let mut tunnel = weir
        .client()
        .tunnel(&format!("site.test:{}", raw.port()), None)
        .unwrap();
    tunnel.send(tls::hello(Some("site.test")).unwrap());
    let peak = drained(&mut tunnel, LONG, &weir);
    assert!(peak < before + GROWTH, "{before} grew to {peak}");
}

#[test]
fn many_requests_and_connections_leave_nothing_behind() {
    let (site, origin) = site();
    let weir = site.start();
    let url = origin.url("site.test", "/page");
    let rounds = |count: usize| {
        for _ in 0..count {
            let mut clients: Vec<Client> = (0..20).map(|_| weir.client()).collect();
            clients
                .iter_mut()
                .for_each(|client| assert_eq!(client.get(&url).status, 200));
        }
    };
    rounds(50);
    let (memory, descriptors) = (weir.resident(), weir.descriptors());
    rounds(150);
    assert!(
        weir.resident() < memory + GROWTH / 2,
        "{memory} grew to {}",
        weir.resident()
    );
    eventually("descriptors are given back", || {
        (weir.descriptors() <= descriptors + 40).then_some(())
    });
}
