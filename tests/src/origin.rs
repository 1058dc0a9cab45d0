//! Origin servers on loopback that record every byte of every request and answer as scripted.
//!
//! The HTTP origin reads requests with [`crate::wire`], stricter than the RFC: a request that could be read
//! in two ways is kept as a fault and fails the test that asks for [`Origin::requests`]. What most tests need
//! as answers is in [`crate::standard`].

use std::io::{self, BufReader, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::standard::standard;
use crate::wire::{self, Body, Framing, Head};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which connection of this origin carried it, counted from 0.
    pub connection: usize,
    /// Its head, byte for byte.
    pub head: Head,
    /// Its body, as far as the script read it.
    pub body: Body,
}

impl Seen {
    /// The request's method.
    pub fn method(&self) -> &str {
        self.head.part(0)
    }

    /// The request's target as sent.
    pub fn target(&self) -> &str {
        self.head.part(1)
    }
}

/// What every connection of an origin shares with the test.
#[derive(Default)]
struct Ledger {
    accepted: AtomicUsize,
    open: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
    faults: Mutex<Vec<String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A listening origin; its threads end with the test process.
#[derive(Clone)]
pub struct Origin {
    /// Where it listens.
    pub address: SocketAddr,
    ledger: Arc<Ledger>,
}

/// Any byte stream that an origin can serve on.
pub trait Wire: Read + Write + Send {
    /// The socket below, to shut down or to set deadlines on.
    fn socket(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Wire for StreamOwned<ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

type Script = dyn Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync;

impl Origin {
    /// An HTTP origin at `ip`, each request answered by `script`.
    ///
    /// # Panics
    /// When `ip` cannot be bound.
    pub fn http(
        ip: IpAddr,
        script: impl Fn(&mut Exchange<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Origin {
        Origin::start(ip, None, Arc::new(script))
    }

    /// An HTTP origin with the answers of [`standard`].
    pub fn standard(ip: IpAddr) -> Origin {
        Origin::http(ip, standard)
    }

    /// The same over TLS.
    pub fn tls(ip: IpAddr, config: Arc<ServerConfig>) -> Origin {
        Origin::start(ip, Some(config), Arc::new(standard))
    }

    fn start(ip: IpAddr, config: Option<Arc<ServerConfig>>, script: Arc<Script>) -> Origin {
        let ledger = Arc::new(Ledger::default());
        let shared = Arc::clone(&ledger);
        let address = accept(ip, move |socket| {
            let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
            shared.open.fetch_add(1, Ordering::SeqCst);
            let outcome = match &config {
                None => serve(Box::new(socket), number, &shared, &*script),
                Some(config) => match ServerConnection::new(Arc::clone(config)) {
                    Ok(tls) => {
                        let stream = StreamOwned::new(tls, socket);
                        serve(Box::new(stream), number, &shared, &*script)
                    }
                    Err(error) => Err(io::Error::other(error)),
                },
            };
            shared.open.fetch_sub(1, Ordering::SeqCst);
            if let Err(error) = outcome {
                note(&shared, error);
            }
        });
        Origin { address, ledger }
    }

    /// An origin that hands each raw connection and its number to `script`.
    ///
    /// # Panics
    /// When `ip` cannot be bound.
    pub fn raw(
        ip: IpAddr,
        script: impl Fn(TcpStream, usize) -> io::Result<()> + Send + Sync + 'static,
    ) -> Origin {
        let ledger = Arc::new(Ledger::default());
        let shared = Arc::clone(&ledger);
        let address = accept(ip, move |socket| {
            let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
            shared.open.fetch_add(1, Ordering::SeqCst);
            let _ = script(socket, number);
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
        Origin { address, ledger }
    }

    /// Every request so far, in order of arrival.
    ///
    /// # Panics
    /// When bytes arrived that are no strictly valid request.
    pub fn requests(&self) -> Vec<Seen> {
        let faults = locked(&self.ledger.faults);
        assert!(
            faults.is_empty(),
            "an invalid request reached the origin: {faults:?}"
        );
        locked(&self.ledger.seen).clone()
    }

    /// The latest request.
    ///
    /// # Panics
    /// When there is none, or as [`Origin::requests`].
    pub fn last(&self) -> Seen {
        self.requests().pop().expect("a request reached the origin")
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.ledger.accepted.load(Ordering::SeqCst)
    }

    /// Connections that have not ended.
    pub fn open(&self) -> usize {
        self.ledger.open.load(Ordering::SeqCst)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `http://name:port` followed by `path`.
    pub fn url(&self, name: &str, path: &str) -> String {
        format!("http://{name}:{}{path}", self.port())
    }

    /// `https://name:port` followed by `path`.
    pub fn https(&self, name: &str, path: &str) -> String {
        format!("https://{name}:{}{path}", self.port())
    }
}

/// Only bytes that are no HTTP count: a proxy may close an idle or failed connection whenever it likes, and
/// refuse a certificate.
fn note(ledger: &Ledger, error: io::Error) {
    let of_tls = error
        .get_ref()
        .is_some_and(|inner| inner.is::<rustls::Error>());
    if error.kind() == io::ErrorKind::InvalidData && !of_tls {
        locked(&ledger.faults).push(error.to_string());
    }
}

fn accept(ip: IpAddr, each: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((ip, 0)).expect("the test's address is free");
    let address = listener
        .local_addr()
        .expect("a bound listener has an address");
    let each = Arc::new(each);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let each = Arc::clone(&each);
            let _ = socket.set_nodelay(true);
            let _ = socket.set_read_timeout(Some(Duration::from_secs(120)));
            std::thread::spawn(move || each(socket));
        }
    });
    address
}

fn serve(wire: Box<dyn Wire>, number: usize, ledger: &Ledger, script: &Script) -> io::Result<()> {
    let mut reader = BufReader::new(wire);
    while let Some(head) = wire::read_head(&mut reader)? {
        let framing = wire::request_framing(&head)?;
        let index = {
            let mut seen = locked(&ledger.seen);
            let (head, body) = (head.clone(), Body::default());
            seen.push(Seen {
                connection: number,
                head,
                body,
            });
            seen.len() - 1
        };
        let mut exchange = Exchange {
            head,
            connection: number,
            reader: &mut reader,
            framing,
            ledger,
            index,
            body_read: false,
            keep: true,
        };
        script(&mut exchange)?;
        if !exchange.keep {
            return Ok(());
        }
        exchange.body()?;
    }
    Ok(())
}

/// One request being answered.
pub struct Exchange<'a> {
    /// The request's head.
    pub head: Head,
    /// Which connection of the origin it is on, counted from 0.
    pub connection: usize,
    reader: &'a mut BufReader<Box<dyn Wire>>,
    framing: Framing,
    ledger: &'a Ledger,
    index: usize,
    body_read: bool,
    keep: bool,
}

impl Exchange<'_> {
    /// Reads the body and records it.
    ///
    /// # Errors
    /// Bytes that break the framing, or a failing connection.
    pub fn body(&mut self) -> io::Result<Body> {
        if self.body_read {
            return Ok(Body::default());
        }
        self.body_read = true;
        let body = wire::read_body(self.reader, self.framing)?;
        if let Some(seen) = locked(&self.ledger.seen).get_mut(self.index) {
            seen.body = body.clone();
        }
        Ok(body)
    }

    /// Reads the body without keeping it; returns its length.
    ///
    /// # Errors
    /// A failing connection; bodies other than those with a Content-Length.
    pub fn swallow(&mut self) -> io::Result<u64> {
        self.swallow_into(&AtomicU64::new(0))
    }

    /// The same, adding to a counter as bytes arrive.
    ///
    /// # Errors
    /// As [`Exchange::swallow`].
    pub fn swallow_into(&mut self, counter: &AtomicU64) -> io::Result<u64> {
        let Framing::Length(length) = self.framing else {
            return Err(io::Error::other(
                "only bodies of known length are swallowed",
            ));
        };
        self.body_read = true;
        let (mut buffer, mut left) = (vec![0; 64 * 1024], length);
        while left > 0 {
            let most = left.min(buffer.len() as u64) as usize;
            let count = self.reader.read(&mut buffer[..most])? as u64;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            counter.fetch_add(count, Ordering::Relaxed);
            left -= count;
        }
        Ok(length)
    }

    /// The path and query of the target.
    pub fn path(&self) -> &str {
        self.head.part(1)
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// A failing connection.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())?;
        self.reader.get_mut().flush()
    }

    /// A whole response with a Content-Length; reads the request's body first.
    ///
    /// # Errors
    /// As [`Exchange::body`] and [`Exchange::write`].
    pub fn respond(
        &mut self,
        status: &str,
        fields: &str,
        body: impl AsRef<[u8]>,
    ) -> io::Result<()> {
        self.body()?;
        let body = body.as_ref();
        let mut message = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{fields}\r\n",
            body.len()
        )
        .into_bytes();
        if self.head.part(0) != "HEAD" {
            message.extend_from_slice(body);
        }
        self.write(message)
    }

    /// A response of `length` zero bytes that are made as they are sent.
    ///
    /// # Errors
    /// A failing connection, as when the client leaves.
    pub fn stream(&mut self, length: u64) -> io::Result<()> {
        self.write(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
        ))?;
        let zeros = vec![0; 64 * 1024];
        let mut left = length;
        while left > 0 {
            let part = left.min(zeros.len() as u64);
            self.reader.get_mut().write_all(&zeros[..part as usize])?;
            left -= part;
        }
        self.reader.get_mut().flush()
    }

    /// Ends the connection after this answer, the whole of it at once.
    pub fn close(&mut self) {
        self.keep = false;
        let _ = self.reader.get_ref().socket().shutdown(Shutdown::Both);
    }

    /// Ends the connection with a reset.
    pub fn reset(&mut self) {
        self.keep = false;
        let socket = socket2::SockRef::from(self.reader.get_ref().socket());
        let _ = socket.set_linger(Some(Duration::ZERO));
    }

    /// Whatever the client sends from here on, until it ends.
    ///
    /// # Errors
    /// A failing connection.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        self.keep = false;
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Accepts a WebSocket and returns every message to its sender until the client closes.
    ///
    /// # Errors
    /// A failing connection, or a request without a key.
    pub fn websocket(&mut self) -> io::Result<()> {
        let key = self
            .head
            .get("sec-websocket-key")
            .unwrap_or_default()
            .to_owned();
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        self.write(format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        ))?;
        self.keep = false;
        let stream = Buffered(self.reader);
        let role = tungstenite::protocol::Role::Server;
        let mut socket = tungstenite::WebSocket::from_raw_socket(stream, role, None);
        loop {
            match socket.read() {
                Ok(message) if message.is_text() || message.is_binary() => {
                    socket.send(message).map_err(io::Error::other)?;
                }
                Ok(_) => {}
                Err(_) => return Ok(()),
            }
        }
    }
}

/// Reads through the buffer that already holds early bytes, writes past it.
struct Buffered<'a>(&'a mut BufReader<Box<dyn Wire>>);

impl Read for Buffered<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Buffered<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.get_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.get_mut().flush()
    }
}
