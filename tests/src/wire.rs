//! HTTP/1.1 as bytes, read more strictly than RFC 9112 asks of a recipient: what is not valid in exactly
//! one way is an error here. Decides nothing about what a proxy should do with a message.

use std::io::{self, BufRead, Read};

/// A start line and its fields, as they came.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The request line or status line, without its CRLF.
    pub line: String,
    /// Names as sent, values without surrounding blanks.
    pub fields: Vec<(String, String)>,
    /// Every byte of the head, the empty line included.
    pub raw: Vec<u8>,
}

impl Head {
    /// The value of the first field of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// The values of every field of this name, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = |(field, _): &&(String, String)| field.eq_ignore_ascii_case(name);
        self.fields
            .iter()
            .filter(same)
            .map(|(_, v)| v.as_str())
            .collect()
    }

    /// Whether a comma-separated field holds this token.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        let tokens = |v: &&str| v.split(',').any(|t| t.trim().eq_ignore_ascii_case(token));
        self.all(name).iter().any(tokens)
    }

    /// One of the three parts of the start line: method, target, version or version, status, reason.
    pub fn part(&self, index: usize) -> &str {
        self.line.splitn(3, ' ').nth(index).unwrap_or("")
    }

    /// The status of a response head; 0 when there is none.
    pub fn status(&self) -> u16 {
        self.part(1).parse().unwrap_or(0)
    }

    /// The head as text, for messages of failed assertions and searches for leaked words.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

/// How a message's body is delimited (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// Exactly this many bytes.
    Length(u64),
    /// The chunked coding.
    Chunked,
    /// Until the connection closes (responses only).
    Close,
}

/// A body as it was decoded.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// The payload without any coding.
    pub bytes: Vec<u8>,
    /// Trailer fields of a chunked body.
    pub trailers: Vec<(String, String)>,
    /// False when the connection ended before the framing said so.
    pub complete: bool,
}

fn bad(words: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words.into())
}

/// One line that ends in CRLF, without it; `None` at the end of the stream.
///
/// # Errors
/// A bare LF, a bare CR, a NUL, more than 1 MiB, or an end in the middle of the line.
pub fn read_line(from: &mut impl BufRead, raw: &mut Vec<u8>) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    from.by_ref().take(1 << 20).read_until(b'\n', &mut line)?;
    raw.extend_from_slice(&line);
    if line.is_empty() {
        return Ok(None);
    }
    let Some(text) = line.strip_suffix(b"\r\n") else {
        return Err(bad(format!("a line without CRLF: {}", line.escape_ascii())));
    };
    if text.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
        return Err(bad(format!(
            "CR, LF or NUL inside a line: {}",
            text.escape_ascii()
        )));
    }
    Ok(Some(String::from_utf8_lossy(text).into_owned()))
}

/// The next head on the connection; `None` when the peer closed instead.
///
/// # Errors
/// Whatever is not a head in exactly one reading: see [`read_line`] and [`read_fields`].
pub fn read_head(from: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut head = Head::default();
    let Some(line) = read_line(from, &mut head.raw)? else {
        return Ok(None);
    };
    head.line = line;
    head.fields = read_fields(from, &mut head.raw)?;
    Ok(Some(head))
}

/// Field lines up to and including the empty line.
///
/// # Errors
/// Folded lines, blanks before the colon, names that are no tokens, an end before the empty line.
pub fn read_fields(
    from: &mut impl BufRead,
    raw: &mut Vec<u8>,
) -> io::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = read_line(from, raw)?.ok_or_else(|| bad("the head ends early"))?;
        if line.is_empty() {
            return Ok(fields);
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| bad(format!("no colon: {line}")))?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(bad(format!("not a field name: {line}")));
        }
        fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// How a request's body is framed.
///
/// # Errors
/// Anything that two recipients could read differently: two lengths, a length that is not digits only, a
/// length beside a transfer coding, a coding other than one `chunked`, a coding under HTTP/1.0.
pub fn request_framing(head: &Head) -> io::Result<Framing> {
    framing(head, head.part(2))
}

fn framing(head: &Head, version: &str) -> io::Result<Framing> {
    let (lengths, codings) = (head.all("content-length"), head.all("transfer-encoding"));
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(Framing::None),
        ([], [coding]) if *coding == "chunked" && version == "HTTP/1.1" => Ok(Framing::Chunked),
        ([length], []) => length_of(length).map(Framing::Length),
        _ => Err(bad(format!("ambiguous framing: {}", head.text()))),
    }
}

/// How a response's body is framed, knowing the method of its request.
///
/// # Errors
/// As [`request_framing`].
pub fn response_framing(head: &Head, method: &str) -> io::Result<Framing> {
    let status = head.status();
    let tunnel = method == "CONNECT" && (200..300).contains(&status);
    if method == "HEAD" || tunnel || matches!(status, 100..=199 | 204 | 304) {
        return Ok(Framing::None);
    }
    match framing(head, head.part(0))? {
        Framing::None => Ok(Framing::Close),
        framing => Ok(framing),
    }
}

fn length_of(text: &str) -> io::Result<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad(format!("not a length: {text}")));
    }
    text.parse()
        .map_err(|_| bad(format!("not a length: {text}")))
}

/// The body that follows a head. A body that is cut off is returned with `complete` false.
///
/// # Errors
/// Chunk lines that are not strictly valid, and failures of the connection other than its end.
pub fn read_body(from: &mut impl BufRead, framing: Framing) -> io::Result<Body> {
    let mut body = Body::default();
    body.complete = match framing {
        Framing::None => true,
        Framing::Close => ended(from.read_to_end(&mut body.bytes))?,
        Framing::Length(length) => {
            ended(from.by_ref().take(length).read_to_end(&mut body.bytes))?;
            body.bytes.len() as u64 == length
        }
        Framing::Chunked => read_chunks(from, &mut body)?,
    };
    Ok(body)
}

/// A reset counts as a cut, not as the end that delimits a body.
fn ended(outcome: io::Result<usize>) -> io::Result<bool> {
    match outcome {
        Ok(_) => Ok(true),
        Err(error) if is_cut(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the peer or the path ended the connection, rather than a deadline or bad bytes.
pub fn is_cut(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    )
}

fn read_chunks(from: &mut impl BufRead, body: &mut Body) -> io::Result<bool> {
    loop {
        let line = match read_line(from, &mut Vec::new()) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(false),
            Err(error) if is_cut(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        let size = chunk_size(&line)?;
        if size == 0 {
            body.trailers = read_fields(from, &mut Vec::new())?;
            return Ok(true);
        }
        let before = body.bytes.len() as u64;
        ended(from.by_ref().take(size).read_to_end(&mut body.bytes))?;
        if body.bytes.len() as u64 - before < size {
            return Ok(false);
        }
        let mut end = [0; 2];
        match from.read_exact(&mut end) {
            Ok(()) if end == *b"\r\n" => {}
            Ok(()) => return Err(bad("a chunk does not end in CRLF")),
            Err(error) if is_cut(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

fn chunk_size(line: &str) -> io::Result<u64> {
    let hex = !line.is_empty() && line.len() <= 15 && line.bytes().all(|b| b.is_ascii_hexdigit());
    if !hex {
        return Err(bad(format!("not a bare chunk size: {line}")));
    }
    u64::from_str_radix(line, 16).map_err(|_| bad(format!("not a chunk size: {line}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn head(text: &str) -> io::Result<Option<Head>> {
        read_head(&mut text.as_bytes())
    }

    #[test]
    fn heads_that_two_readers_could_split_differently_are_refused() {
        for text in [
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n",
        ] {
            assert!(head(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn framings_that_disagree_are_refused() {
        for fields in [
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: +1",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
        ] {
            let head = head(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n"))
                .unwrap()
                .unwrap();
            assert!(request_framing(&head).is_err(), "{fields}");
        }
    }

    #[test]
    fn a_cut_body_is_never_called_complete() {
        for (bytes, framing) in [
            ("abc", Framing::Length(4)),
            ("3\r\nabc\r\n", Framing::Chunked),
            ("4\r\nabc", Framing::Chunked),
        ] {
            let body = read_body(&mut bytes.as_bytes(), framing).unwrap();
            assert!(!body.complete, "{bytes:?}");
        }
        let whole = read_body(
            &mut "3\r\nabc\r\n0\r\nx: y\r\n\r\n".as_bytes(),
            Framing::Chunked,
        )
        .unwrap();
        assert!(whole.complete && whole.bytes == b"abc" && whole.trailers.len() == 1);
    }
}
