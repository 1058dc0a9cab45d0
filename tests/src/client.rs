//! A client that sends exactly the bytes a test gives it, and reads answers strictly.

use std::io::{self, BufReader, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use socket2::{Domain, Socket, Type};

use crate::PATIENCE;
use crate::wire::{self, Head};

/// A final response with whatever came before it.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Status line and fields.
    pub head: Head,
    /// Decoded body.
    pub body: Vec<u8>,
    /// Trailer fields.
    pub trailers: Vec<(String, String)>,
    /// False when the body was cut.
    pub complete: bool,
    /// Heads of the 1xx responses before it.
    pub interim: Vec<Head>,
}

impl Response {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first value of a field, or "".
    pub fn field(&self, name: &str) -> &str {
        self.head.get(name).unwrap_or("")
    }

    /// The RFC 9209 error type of the nearest `Proxy-Status` member, or "".
    pub fn proxy_error(&self) -> String {
        let status = self.field("proxy-status");
        let error = status.split("error=").nth(1).unwrap_or("");
        error
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect()
    }
}

/// One connection to the proxy.
pub struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    /// Connects, with [`PATIENCE`] on each later read and write.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn connect(to: SocketAddr) -> Client {
        let stream = TcpStream::connect_timeout(&to, PATIENCE).expect("Weir accepts connections");
        Client::on(stream)
    }

    /// Connects from a loopback address of the test's choice: another machine, to Weir.
    ///
    /// # Errors
    /// What connecting gives; a proxy may refuse an address.
    pub fn from(source: IpAddr, to: SocketAddr) -> io::Result<Client> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket.connect_timeout(&to.into(), PATIENCE)?;
        Ok(Client::on(socket.into()))
    }

    /// Over a connection that exists.
    pub fn on(stream: TcpStream) -> Client {
        let _ = stream.set_nodelay(true);
        let client = Client {
            reader: BufReader::new(stream),
        };
        client.patience(PATIENCE);
        client
    }

    /// Sets how long each read and write may wait.
    pub fn patience(&self, longest: Duration) {
        let _ = self.socket().set_read_timeout(Some(longest));
        let _ = self.socket().set_write_timeout(Some(longest));
    }

    /// The socket below.
    pub fn socket(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// When the connection fails: see [`Client::try_send`].
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("Weir reads what is sent");
    }

    /// Sends bytes to a proxy that may close meanwhile.
    ///
    /// # Errors
    /// What the socket gives.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())
    }

    /// Ends the sending direction only.
    pub fn finish(&self) {
        let _ = self.socket().shutdown(Shutdown::Write);
    }

    /// The final response to a request of this method.
    ///
    /// # Errors
    /// A closed connection (`UnexpectedEof`), a deadline, or bytes that are no valid response.
    pub fn response(&mut self, method: &str) -> io::Result<Response> {
        let mut interim = Vec::new();
        let head = loop {
            let head = self.head()?;
            if head.status() >= 200 || head.status() == 101 {
                break head;
            }
            interim.push(head);
        };
        let framing = wire::response_framing(&head, method)?;
        let body = wire::read_body(&mut self.reader, framing)?;
        Ok(Response {
            status: head.status(),
            head,
            body: body.bytes,
            trailers: body.trailers,
            complete: body.complete,
            interim,
        })
    }

    /// The next head alone, 1xx or final.
    ///
    /// # Errors
    /// As [`Client::response`].
    pub fn head(&mut self) -> io::Result<Head> {
        wire::read_head(&mut self.reader)?
            .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "closed without an answer"))
    }

    /// Sends a request and reads its answer.
    ///
    /// # Panics
    /// When there is no valid answer.
    pub fn ask(&mut self, request: &Request) -> Response {
        self.send(request.bytes());
        match self.response(&request.method) {
            Ok(response) => response,
            Err(error) => panic!(
                "no answer to {} {}: {error}",
                request.method, request.target
            ),
        }
    }

    /// A GET and its answer.
    ///
    /// # Panics
    /// As [`Client::ask`].
    pub fn get(&mut self, url: &str) -> Response {
        self.ask(&Request::get(url))
    }

    /// Up to `most` bytes that have come, at least one; empty at the end of the stream.
    ///
    /// # Errors
    /// A deadline or a reset.
    pub fn some(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; most];
        let count = self.reader.read(&mut bytes)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Everything until the proxy closes; a reset counts as closing.
    ///
    /// # Errors
    /// A deadline: the proxy kept the connection.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        crate::tls::read_rest(&mut self.reader)
    }

    /// Whether the proxy closes within `wait`, without sending anything more.
    pub fn closes_within(&mut self, wait: Duration) -> bool {
        self.patience(wait);
        let closed = matches!(self.rest().as_deref(), Ok([]));
        self.patience(PATIENCE);
        closed
    }

    /// Opens a tunnel to `authority`.
    ///
    /// # Errors
    /// The refusal as a response.
    pub fn tunnel(
        mut self,
        authority: &str,
        user: Option<(&str, &str)>,
    ) -> Result<Client, Response> {
        let mut request = Request::new("CONNECT", authority);
        if let Some((name, password)) = user {
            request = request.user(name, password);
        }
        let response = self.ask(&request);
        if response.status == 200 {
            Ok(self)
        } else {
            Err(response)
        }
    }
}

impl Read for Client {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.reader.read(into)
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.reader.get_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A request that says what it is told to; Host follows the target unless a field `Host` is given.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// Its target as sent.
    pub target: String,
    version: &'static str,
    fields: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// `method target HTTP/1.1`.
    pub fn new(method: &str, target: &str) -> Request {
        Request {
            method: method.to_owned(),
            target: target.to_owned(),
            version: "HTTP/1.1",
            fields: Vec::new(),
            body: None,
        }
    }

    /// `GET target HTTP/1.1`.
    pub fn get(target: &str) -> Request {
        Request::new("GET", target)
    }

    /// Under HTTP/1.0.
    pub fn old(mut self) -> Request {
        self.version = "HTTP/1.0";
        self
    }

    /// With one more field.
    pub fn field(mut self, name: &str, value: &str) -> Request {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a login (RFC 7617).
    pub fn user(self, name: &str, password: &str) -> Request {
        let token = STANDARD.encode(format!("{name}:{password}"));
        self.field("Proxy-Authorization", &format!("Basic {token}"))
    }

    /// With a body and its Content-Length.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = Some(body.into());
        self
    }

    /// As sent.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} {}\r\n", self.method, self.target, self.version);
        if !self
            .fields
            .iter()
            .any(|(n, _)| n.eq_ignore_ascii_case("host"))
        {
            let rest = self
                .target
                .split_once("://")
                .map_or(self.target.as_str(), |(_, rest)| rest);
            let authority = rest.split(['/', '?']).next().unwrap_or(rest);
            head.push_str(&format!("Host: {authority}\r\n"));
        }
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let mut bytes = format!("{head}\r\n").into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

/// How long `work` took, beside what it gave.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let outcome = work();
    (outcome, started.elapsed())
}
