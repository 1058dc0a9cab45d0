//! A name server on loopback that answers over UDP and TCP what a test's closure says, each time anew.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What a query is about.
#[derive(Clone, Debug)]
pub struct Query {
    /// Lower-case name without the root dot.
    pub name: String,
    /// Record type: 1 is A, 28 is AAAA.
    pub kind: u16,
    /// How many queries for this type came before.
    pub earlier: usize,
}

/// What is answered.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Addresses; only those of the asked type are sent.
    pub addresses: Vec<IpAddr>,
    /// An alias sent before the addresses.
    pub alias: Option<String>,
    /// Seconds for which the answer may be cached.
    pub ttl: u32,
    /// Response code: 0 none, 2 server failure, 3 no such name.
    pub code: u8,
    /// Waits before answering.
    pub delay: Duration,
    /// Never answers.
    pub silent: bool,
}

impl Answer {
    /// These addresses, not to be cached.
    pub fn of(addresses: &[&str]) -> Answer {
        let addresses = addresses.iter().filter_map(|a| a.parse().ok()).collect();
        Answer {
            addresses,
            ..Answer::default()
        }
    }
}

/// The running server.
pub struct NameServer {
    /// Where it listens, on both transports.
    pub address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl NameServer {
    /// Starts at `ip`.
    ///
    /// # Panics
    /// When no port of `ip` is free on both transports.
    pub fn start(
        ip: IpAddr,
        answer: impl Fn(&Query) -> Answer + Send + Sync + 'static,
    ) -> NameServer {
        let listener = TcpListener::bind((ip, 0)).expect("the test's address is free");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let socket = UdpSocket::bind(address).expect("the same port is free for UDP");
        let asked = Arc::new(AtomicUsize::new(0));
        let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let answer = Arc::new(answer);
        let reply = {
            let asked = Arc::clone(&asked);
            Arc::new(move |message: &[u8]| {
                asked.fetch_add(1, Ordering::SeqCst);
                reply(message, &counts, &*answer)
            })
        };
        let over_tcp = Arc::clone(&reply);
        std::thread::spawn(move || serve_udp(&socket, &reply));
        std::thread::spawn(move || serve_tcp(&listener, &over_tcp));
        NameServer { address, asked }
    }

    /// Queries received so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

type Reply = dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync;

fn serve_udp(
    socket: &UdpSocket,
    reply: &Arc<impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static>,
) {
    let mut buffer = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let Ok(socket) = socket.try_clone() else {
            return;
        };
        let (message, reply) = (buffer[..length].to_vec(), Arc::clone(reply));
        std::thread::spawn(move || {
            if let Some(answer) = reply(&message) {
                let _ = socket.send_to(&answer, from);
            }
        });
    }
}

fn serve_tcp(
    listener: &TcpListener,
    reply: &Arc<impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static>,
) {
    for mut stream in listener.incoming().flatten() {
        let reply: Arc<Reply> = reply.clone();
        std::thread::spawn(move || {
            let mut length = [0; 2];
            while stream.read_exact(&mut length).is_ok() {
                let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
                if stream.read_exact(&mut message).is_err() {
                    return;
                }
                let Some(answer) = reply(&message) else {
                    return;
                };
                let framed = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
                let _ = stream.write_all(&framed);
            }
        });
    }
}

/// The response message (RFC 1035 §4), or `None` to stay silent.
fn reply(
    message: &[u8],
    counts: &[AtomicUsize; 2],
    answer: &(impl Fn(&Query) -> Answer + ?Sized),
) -> Option<Vec<u8>> {
    let (name, end) = question(message)?;
    let kind = u16::from_be_bytes([*message.get(end)?, *message.get(end + 1)?]);
    let earlier = counts[usize::from(kind == 28)].fetch_add(1, Ordering::SeqCst);
    let answer = answer(&Query {
        name,
        kind,
        earlier,
    });
    if answer.silent {
        return None;
    }
    std::thread::sleep(answer.delay);
    let (records, count) = records(&answer, kind);
    let mut out = message[..2].to_vec();
    out.extend_from_slice(&[0x81, 0x80 | answer.code, 0, 1]);
    out.extend_from_slice(&(count as u16).to_be_bytes());
    out.extend_from_slice(&[0, 0, 0, 0]);
    out.extend_from_slice(message.get(12..end + 4)?);
    out.extend_from_slice(&records);
    Some(out)
}

/// The asked name and where its type begins.
fn question(message: &[u8]) -> Option<(String, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = message.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
}

fn records(answer: &Answer, kind: u16) -> (Vec<u8>, usize) {
    let (mut out, mut count) = (Vec::new(), 0);
    let mut owner = vec![0xc0, 12];
    if let Some(alias) = &answer.alias {
        let target = encoded(alias);
        record(&mut out, &owner, 5, answer.ttl, &target);
        owner = target;
        count += 1;
    }
    for address in &answer.addresses {
        let data = match (address, kind) {
            (IpAddr::V4(v4), 1) => v4.octets().to_vec(),
            (IpAddr::V6(v6), 28) => v6.octets().to_vec(),
            _ => continue,
        };
        record(&mut out, &owner, kind, answer.ttl, &data);
        count += 1;
    }
    (out, count)
}

fn record(out: &mut Vec<u8>, owner: &[u8], kind: u16, ttl: u32, data: &[u8]) {
    out.extend_from_slice(owner);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 1]);
    out.extend_from_slice(&ttl.to_be_bytes());
    out.extend_from_slice(&(data.len() as u16).to_be_bytes());
    out.extend_from_slice(data);
}

fn encoded(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out
}
