//! What holds for a tunnel that its CONNECT and its TLS server name put in two places, and what its record
//! can tell.

use std::time::{Duration, Instant};

use weir_tests::client::{Client, Request};
use weir_tests::origin::Origin;
use weir_tests::process::Weir;
use weir_tests::site::{Site, own_ip};
use weir_tests::tls;

/// Sends without end whatever a tunnel sends it first.
fn endless() -> Origin {
    Origin::raw(own_ip(), |mut socket, _| {
        use std::io::{Read, Write};
        let _ = socket.read(&mut [0; 4096])?;
        let zeros = vec![0; 64 * 1024];
        loop {
            socket.write_all(&zeros)?;
        }
    })
}

/// Two open names of one address, the second one under `limit`.
fn limited(limit: &str) -> (Site, Origin) {
    let origin = endless();
    let mut site = Site::new();
    site.hosts(&["open.test", "slow.test", "free.test"])
        .set("connect.tls_ports", &format!("[{}]", origin.port()));
    site.rule(&format!(
        "id = \"slow\"\nhosts = [\"slow.test\"]\naction = \"limit\"\n{limit}\npurpose = \"effective-operation\"\n\
         words = \"Slow.\""
    ));
    site.rule(
        "id = \"free\"\nhosts = [\"free.test\"]\naction = \"allow\"\nexempt_limits = true\n\
         purpose = \"effective-operation\"\nwords = \"Free.\"",
    );
    (site, origin)
}

fn tunnel(weir: &Weir, origin: &Origin, host: &str, sni: &str) -> Client {
    let to = format!("{host}:{}", origin.port());
    let mut client = weir.client().tunnel(&to, None).unwrap();
    client.send(tls::hello(Some(sni)).unwrap());
    client
}

/// Bytes that come within `span`, or until the tunnel ends.
fn comes(client: &mut Client, span: Duration) -> usize {
    let started = Instant::now();
    let mut count = 0;
    client.patience(span);
    while started.elapsed() < span {
        match client.some(1 << 16) {
            Ok(bytes) if !bytes.is_empty() => count += bytes.len(),
            _ => break,
        }
    }
    count
}

const WAYS: [(&str, &str); 4] = [
    ("slow.test", "slow.test"),
    ("open.test", "slow.test"),
    ("free.test", "slow.test"),
    ("slow.test", "free.test"),
];

#[test]
fn a_size_limit_holds_whichever_name_of_a_tunnel_it_is_for() {
    // Threats §2, limit evasion: any open or exempt name of the same machine would do.
    let (site, origin) = limited("download_size = \"1MB\"");
    let weir = site.start();
    for (host, sni) in WAYS {
        let mut client = tunnel(&weir, &origin, host, sni);
        let came = comes(&mut client, Duration::from_secs(10));
        assert!(came <= 1_000_000, "{host}, {sni}: {came}");
    }
    let mut open = tunnel(&weir, &origin, "open.test", "free.test");
    assert!(comes(&mut open, Duration::from_secs(1)) > 1_000_000);
}

#[test]
fn a_rate_holds_whichever_name_of_a_tunnel_it_is_for() {
    let (site, origin) = limited("down = \"4Mbit/s\"");
    let weir = site.start();
    for (host, sni) in WAYS {
        let mut client = tunnel(&weir, &origin, host, sni);
        let came = comes(&mut client, Duration::from_secs(2));
        // 1 MB in two seconds, and what a bucket holds at the start.
        assert!(came < 1_500_000, "{host}, {sni}: {came}");
        assert!(came > 100_000, "{host}, {sni}: {came}");
    }
}

#[test]
fn a_daily_allowance_is_not_escaped_by_naming_an_exempt_host() {
    let (mut site, origin) = limited("down = \"800Mbit/s\"");
    site.reword(
        "name = \"guest\"\ngroups = []",
        "name = \"guest\"\ngroups = []\ndaily = \"1MB\"",
    );
    let weir = site.start();
    let mut client = tunnel(&weir, &origin, "free.test", "open.test");
    // The allowance is asked before each chunk, of which the last one still passes.
    assert!(comes(&mut client, Duration::from_secs(10)) < 1_600_000);
    let mut again = tunnel(&weir, &origin, "free.test", "open.test");
    assert_eq!(comes(&mut again, Duration::from_secs(5)), 0);
    site.record(&[("host", "free.test"), ("end", "allowance")]);
}

#[test]
fn the_record_of_a_tunnel_shows_the_categories_of_both_its_names() {
    let (mut site, origin) = limited("down = \"4Mbit/s\"");
    site.hosts(&["school.test"]);
    let weir = site.start();
    let mut client = tunnel(&weir, &origin, "open.test", "school.test");
    comes(&mut client, Duration::from_millis(500));
    drop(client);
    let row = site.record(&[("sni", "school.test"), ("kind", "tunnel_close")]);
    assert!(row.text("categories").contains("education"), "{row:?}");
}

#[test]
fn a_hello_that_may_hide_a_name_is_marked_in_the_record() {
    // Threats §2, ECH: flag in the record.
    let (site, origin) = limited("down = \"4Mbit/s\"");
    let weir = site.start();
    for (name, hello) in [
        ("open.test", tls::hello(Some("open.test")).unwrap()),
        (
            "free.test",
            tls::with_extension(&tls::hello(Some("free.test")).unwrap(), 0xfe0d, b"sealed"),
        ),
    ] {
        let to = format!("{name}:{}", origin.port());
        let mut client = weir.client().tunnel(&to, None).unwrap();
        client.send(hello);
        comes(&mut client, Duration::from_millis(300));
    }
    for (name, ech) in [("open.test", "false"), ("free.test", "true")] {
        for kind in ["tunnel_open", "tunnel_close"] {
            let row = site.record(&[("host", name), ("kind", kind)]);
            assert_eq!(row.text("ech"), ech, "{row:?}");
        }
    }
}

#[test]
fn an_https_address_inside_a_tunnel_of_plain_http_is_refused() {
    let origin = Origin::standard(own_ip());
    let mut site = Site::new();
    site.hosts(&["site.test"])
        .set("connect.http_ports", &format!("[{}]", origin.port()));
    let weir = site.start();
    let to = format!("site.test:{}", origin.port());
    let mut client = weir.client().tunnel(&to, None).unwrap();
    let answer = client.ask(&Request::get(&origin.url("site.test", "/plain")));
    assert_eq!(answer.status, 200, "an absolute http address is the same");
    let answer = client.ask(&Request::get(&origin.https("site.test", "/secret")));
    assert_eq!(answer.status, 400);
    let reached = origin.requests();
    assert!(reached.iter().all(|seen| seen.target() == "/plain"));
}
