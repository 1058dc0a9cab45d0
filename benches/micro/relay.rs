//! What Weir adds to one small request: the real binary with everything on, between a client and an origin in this process,
//! beside the same without a proxy.
//!
//! One connection, one request at a time: latency, not throughput (that is the load comparison's, `benches/load`).

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use criterion::{Criterion, criterion_group, criterion_main};
use weir_benches::{Running, find};

/// Of a response's body, bytes.
const BODY: usize = 1024;
/// Longest head that either side of the bench reads, bytes.
const HEAD: usize = 8192;

/// Serves until the process ends: every request of every connection gets the same 1 KiB.
fn origin() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let at = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that hangs up ends its thread; nobody waits for it.
            thread::spawn(move || answer(stream));
        }
    });
    Ok(at)
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {BODY}\r\n\r\n");
    let response = [head.as_bytes(), &[b'x'; BODY]].concat();
    let mut buffer = [0; HEAD];
    loop {
        read_head(&mut stream, &mut buffer)?;
        stream.write_all(&response)?;
    }
}

/// Reads until a head is whole; returns where it ends and how much was read in all.
fn read_head(stream: &mut TcpStream, buffer: &mut [u8; HEAD]) -> io::Result<(usize, usize)> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        let end = buffer[..filled].windows(4).position(|w| w == b"\r\n\r\n");
        if let Some(end) = end {
            return Ok((end + 4, filled));
        }
    }
}

/// A client with one connection.
struct Client {
    stream: TcpStream,
    request: Vec<u8>,
}

impl Client {
    fn new(to: SocketAddr, target: &str, origin: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        let request = format!("GET {target} HTTP/1.1\r\nHost: {origin}\r\nAccept: */*\r\n\r\n");
        Ok(Client {
            stream,
            request: request.into_bytes(),
        })
    }

    fn tunnelled(proxy: SocketAddr, origin: SocketAddr) -> io::Result<Client> {
        let mut client = Client::new(proxy, "/1k", origin)?;
        let connect = format!("CONNECT {origin} HTTP/1.1\r\nHost: {origin}\r\n\r\n");
        client.stream.write_all(connect.as_bytes())?;
        let mut buffer = [0; HEAD];
        read_head(&mut client.stream, &mut buffer)?;
        assert!(buffer.starts_with(b"HTTP/1.1 200 "), "{:?}", shown(&buffer));
        Ok(client)
    }

    /// One request and the whole of its response.
    fn get(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.request)?;
        let mut buffer = [0; HEAD];
        let (head, mut filled) = read_head(&mut self.stream, &mut buffer)?;
        assert!(buffer.starts_with(b"HTTP/1.1 200 "), "{:?}", shown(&buffer));
        while filled < head + BODY {
            match self.stream.read(&mut buffer[filled..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
        Ok(())
    }
}

/// The beginning of an answer that nobody expected.
fn shown(buffer: &[u8]) -> String {
    String::from_utf8_lossy(&buffer[..256]).into_owned()
}

fn bench(criterion: &mut Criterion, name: &str, mut client: Client) {
    criterion.bench_function(&format!("relay/{name}"), |bencher| {
        bencher.iter(|| client.get().expect("the response is whole"));
    });
}

fn relay(criterion: &mut Criterion) {
    let origin = origin().expect("the origin listens");
    let direct = Client::new(origin, "/1k", origin).expect("the origin answers");
    bench(criterion, "direct", direct);
    let Some(binary) = find() else {
        println!(
            "no weir binary: only the way without it (cargo build --release, or set WEIR_BIN)"
        );
        return;
    };
    println!("relay: {}", binary.display());
    let weir = Running::start(&binary, origin).expect("weir serves");
    let target = format!("http://{origin}/1k");
    let plain = Client::new(weir.proxy, &target, origin).expect("weir takes a connection");
    bench(criterion, "plain", plain);
    let tunnelled = Client::tunnelled(weir.proxy, origin).expect("weir opens a tunnel");
    bench(criterion, "tunnel", tunnelled);
}

criterion_group!(benches, relay);
criterion_main!(benches);
