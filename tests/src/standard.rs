//! The answers of an origin that most tests need: by the path of the request.

use std::io;

use crate::origin::Exchange;

/// Answers by path: `/bytes/N`, `/chunked/N`, `/trailers`, `/early-hints`, `/close/N` (delimited by the
/// end), `/cut/N` (half of what it announces), `/silent`, `/range` (twenty bytes), `/ws`; anything else is
/// `200` with the method and path as text, or with the request's body where it has one.
///
/// # Errors
/// A failing connection.
pub fn standard(exchange: &mut Exchange<'_>) -> io::Result<()> {
    let path = exchange.path().to_owned();
    let mut parts = path.trim_start_matches('/').split(['/', '?']);
    let (name, size) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let size: u64 = size.parse().unwrap_or(0);
    match name {
        "ws" => exchange.websocket(),
        "bytes" => {
            exchange.body()?;
            exchange.stream(size)
        }
        "chunked" => {
            exchange.body()?;
            exchange.write(chunked(size, ""))
        }
        "trailers" => {
            exchange.body()?;
            exchange.write(chunked(9, "X-Checksum: abc\r\n"))
        }
        "early-hints" => {
            exchange.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")?;
            exchange.respond("200 OK", "", "after hints")
        }
        "close" => {
            exchange.body()?;
            exchange.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            exchange.write(vec![b'x'; size as usize])?;
            exchange.close();
            Ok(())
        }
        "cut" => {
            exchange.write(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                size * 2
            ))?;
            exchange.write(vec![b'x'; size as usize])?;
            exchange.close();
            Ok(())
        }
        "silent" => exchange.rest().map(drop),
        "range" => range(exchange),
        _ => plain(exchange),
    }
}

fn plain(exchange: &mut Exchange<'_>) -> io::Result<()> {
    let body = exchange.body()?;
    let words = format!("{} {}", exchange.head.part(0), exchange.head.part(1));
    let answer = if body.bytes.is_empty() {
        words.into_bytes()
    } else {
        body.bytes
    };
    exchange.respond("200 OK", "Content-Type: text/plain\r\n", answer)
}

fn range(exchange: &mut Exchange<'_>) -> io::Result<()> {
    let whole = b"0123456789abcdefghij";
    let asked = exchange
        .head
        .get("range")
        .and_then(|r| r.strip_prefix("bytes="));
    let ends = asked
        .and_then(|r| r.split_once('-'))
        .and_then(|(first, last)| {
            let first: usize = first.parse().ok()?;
            let last: usize = last.parse().ok()?;
            whole.get(first..=last).map(|part| (first, last, part))
        });
    match ends {
        None => exchange.respond("200 OK", "Accept-Ranges: bytes\r\n", whole),
        Some((first, last, part)) => {
            let field = format!("Content-Range: bytes {first}-{last}/20\r\n");
            exchange.respond("206 Partial Content", &field, part)
        }
    }
}

/// A chunked response of `size` bytes in chunks of at most 1,000.
fn chunked(size: u64, trailers: &str) -> Vec<u8> {
    let mut message = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n".to_vec();
    if !trailers.is_empty() {
        message.extend_from_slice(b"Trailer: X-Checksum\r\n");
    }
    message.extend_from_slice(b"\r\n");
    let mut left = size;
    while left > 0 {
        let part = left.min(1000);
        message.extend_from_slice(format!("{part:x}\r\n").as_bytes());
        message.extend(std::iter::repeat_n(b'c', part as usize));
        message.extend_from_slice(b"\r\n");
        left -= part;
    }
    message.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
    message
}
