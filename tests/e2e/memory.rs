//! Bodies and tunnels of any length in the same memory. Runs alone (`.config/nextest.toml`).

use std::io::{Read, Write};

use weir_tests::client::{Client, Request};
use weir_tests::origin::Origin;
use weir_tests::process::Weir;
use weir_tests::site::{Site, own_ip};
use weir_tests::tls;
use weir_tests::{eventually, shared};

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

/// Bytes of the process's own for each name (the mapped text of the names apart), and what may come and go with a new version
/// beside the old one.
const EACH: u64 = 8;
const BESIDE: u64 = 400 << 20;
/// What the allocator may keep of that in half-used pages.
const LEFT: u64 = 40 << 20;

/// With `WEIR_FULL_SCALE` set, of all 4.3 million names and not of the 2.9 million of the first archive.
#[test]
fn millions_of_names_cost_eight_bytes_each_and_a_new_version_gives_back_what_it_took() {
    let Some(ut1) = shared("ut1/ut1.tar.zst") else {
        return;
    };
    let site = Site::new();
    let empty = site.start();
    let hello = |weir: &Weir| assert_eq!(weir.health().status, 200);
    hello(&empty);
    let without = at_rest(&empty, 64 << 20);
    empty.stop(std::time::Duration::from_secs(20));
    let import = |path: &std::path::Path, name: &str| {
        let path = path.to_string_lossy();
        let category = ["--category", "games"];
        let args = ["lists", "import", &path, "--name", name];
        match name {
            "hosts" => site.succeed(&[&args[..], &category].concat()),
            _ => site.succeed(&args),
        }
    };
    import(&ut1, "ut1");
    if let Some(history) =
        std::env::var_os("WEIR_FULL_SCALE").and_then(|_| shared("ut1/ut1-history.tar.zst"))
    {
        import(&history, "history");
    }
    // The first start compiles the lists; what a start costs that only opens them is what is promised.
    site.start().stop(std::time::Duration::from_secs(20));
    let weir = site.start();
    let names = weir.metric("weir_list_names") as u64;
    assert!(names > 2_800_000, "{names}");
    let held = at_rest(&weir, without + EACH * names);
    let grown = held.saturating_sub(without);
    println!(
        "{names} names: {:.2} bytes a name of memory",
        grown as f64 / names as f64
    );
    assert!(
        grown < EACH * names,
        "{without} grew to {held} by {names} names"
    );

    let running = weir.resident();
    let list = site.folder().join("more.txt");
    std::fs::write(&list, "new-version.example\n").unwrap();
    import(&list, "hosts");
    eventually("the new version is in force", || {
        (weir.metric("weir_list_names") as u64 > names).then_some(())
    });
    let above = weir.peak_memory().saturating_sub(running);
    println!(
        "peak {} MB above while a new version was made ",
        above >> 20
    );
    assert!(above < BESIDE, "{running} grew by {above}");
    let left = at_rest(&weir, held + LEFT).saturating_sub(held);
    println!("{} MB left of it", left >> 20);
}

/// Memory of its own once that is less than `bound`, for which a start has a minute: what it used goes back in steps.
fn at_rest(weir: &Weir, bound: u64) -> u64 {
    let begin = std::time::Instant::now();
    while weir.own_memory() > bound {
        let waited = begin.elapsed().as_secs();
        assert!(waited < 60, "{} of {bound}", weir.own_memory());
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    println!("within {:?}", begin.elapsed());
    std::thread::sleep(std::time::Duration::from_secs(3));
    weir.own_memory()
}
