//! Follows the bytes of a client connection on their way to hyper, from head to head.
//!
//! Decides where each request's head and body begin and end in the raw bytes, so that every
//! head can be looked at as it was sent, pipelined ones included. It refuses nothing: hyper
//! refuses what is malformed, and `framing` what could be read in two ways. Where this and
//! hyper part, the follower is lost and says so, and the request is refused.

use crate::framing::{RawHead, Scan};
use std::cell::RefCell;
use std::collections::VecDeque;

/// Bytes of one line that are kept while its end is awaited; more than a head may have.
const LINE_BOUND: usize = 1 << 20;

/// Where in the stream the next byte belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Head,
    /// So many bytes of a body are to come.
    Body(u64),
    /// The line with the size of a chunk.
    Size,
    /// So many bytes of a chunk are to come.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// The trailer section.
    Trailers,
    /// Nothing is known any more.
    Lost,
}

/// The heads of one client connection as they were sent.
#[derive(Debug, Default)]
pub(crate) struct Tap(RefCell<State>);

#[derive(Debug, Default)]
struct State {
    at: At,
    scan: Scan,
    /// The begun line; empty almost always, since a head arrives in one read.
    line: Vec<u8>,
    /// Heads not taken yet: no more than fit into what hyper reads ahead.
    heads: VecDeque<RawHead>,
}

impl Tap {
    /// What the head of the request that hyper hands out now showed; none where the
    /// follower lost its way.
    pub(crate) fn take(&self) -> Option<RawHead> {
        self.0.borrow_mut().heads.pop_front()
    }

    /// Whether the next byte belongs to a request's body.
    pub(crate) fn in_body(&self) -> bool {
        !matches!(self.0.borrow().at, At::Head | At::Lost)
    }

    /// Looks at bytes that hyper is about to get.
    pub(crate) fn see(&self, bytes: &[u8]) {
        let mut state = self.0.borrow_mut();
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match state.at {
                At::Lost => return,
                At::Body(left) | At::Chunk(left) => state.skip(left, rest),
                At::Head | At::Size | At::ChunkEnd | At::Trailers => state.line(rest),
            };
        }
    }
}

impl State {
    fn skip<'a>(&mut self, left: u64, bytes: &'a [u8]) -> &'a [u8] {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left - here as u64;
        self.at = match self.at {
            At::Chunk(_) if left == 0 => At::ChunkEnd,
            At::Chunk(_) => At::Chunk(left),
            _ if left == 0 => At::Head,
            _ => At::Body(left),
        };
        bytes.get(here..).unwrap_or_default()
    }

    fn line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            if self.line.len() + bytes.len() > LINE_BOUND {
                self.at = At::Lost;
                self.line = Vec::new();
            } else {
                self.line.extend_from_slice(bytes);
            }
            return &[];
        };
        let (line, rest) = bytes.split_at(end + 1);
        if self.line.is_empty() {
            self.whole(line);
        } else {
            let mut begun = std::mem::take(&mut self.line);
            begun.extend_from_slice(line);
            self.whole(&begun);
        }
        rest
    }

    fn whole(&mut self, line: &[u8]) {
        let empty = matches!(line, b"\r\n" | b"\n");
        self.at = match self.at {
            At::Head => {
                if !self.scan.line(line) {
                    return;
                }
                let (head, body) = std::mem::take(&mut self.scan).finish();
                self.heads.push_back(head);
                match body {
                    Some(0) => At::Head,
                    Some(length) => At::Body(length),
                    None => At::Size,
                }
            }
            At::Size => match chunk_size(line) {
                Some(0) => At::Trailers,
                Some(size) => At::Chunk(size),
                None => At::Lost,
            },
            At::ChunkEnd if empty => At::Size,
            At::ChunkEnd => At::Lost,
            At::Trailers if empty => At::Head,
            at => at,
        };
    }
}

/// The size that a chunk's first line tells (RFC 9112 §7.1).
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line
        .iter()
        .position(|b| !b.is_ascii_hexdigit())
        .and_then(|end| line.get(..end))?;
    let digits = std::str::from_utf8(digits).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PLAIN: &str = "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n";
    const LENGTH: &str = "POST http://a/ HTTP/1.1\r\nContent-Length: 4\r\n\r\n\r\n\n\n";
    const CHUNKED: &str = "POST http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
        4;x=\"y\"\r\nGET \r\n0\r\nA: b\r\n\r\n";
    const BARE: &str = "GET http://a/ HTTP/1.1\nHost: a\r\n\r\n";

    fn taken(tap: &Tap) -> Vec<bool> {
        std::iter::from_fn(|| tap.take())
            .map(|head| head.bare_lf)
            .collect()
    }

    #[test]
    fn every_head_of_a_pipeline_is_seen_however_the_bytes_are_cut() {
        let text = format!("\r\n{PLAIN}{LENGTH}{CHUNKED}{PLAIN}{BARE}{LENGTH}{PLAIN}");
        for size in [1, 2, 3, 7, 64, text.len()] {
            let tap = Tap::default();
            for piece in text.as_bytes().chunks(size) {
                tap.see(piece);
            }
            let seen = taken(&tap);
            assert_eq!(
                seen,
                [false, false, false, false, true, false, false],
                "pieces of {size}"
            );
            assert!(!tap.in_body());
        }
    }

    #[test]
    fn inside_a_body_no_line_is_a_head() {
        let tap = Tap::default();
        tap.see(b"POST http://a/ HTTP/1.1\r\nContent-Length: 1000\r\n\r\nGET / HTTP/1.1\n\n");
        assert_eq!(taken(&tap), [false]);
        assert!(tap.in_body());
        tap.see(&[b'\n'; 1000 - 16]);
        assert!(!tap.in_body());
        assert!(taken(&tap).is_empty());
    }

    #[test]
    fn a_chunk_that_cannot_be_read_loses_the_way_for_good() {
        for bad in ["x\r\n", "4\r\nabcdef\r\n", "fffffffffffffffff\r\n", "\r\n"] {
            let tap = Tap::default();
            tap.see(b"POST http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
            tap.see(bad.as_bytes());
            tap.see(PLAIN.as_bytes());
            assert_eq!(taken(&tap).len(), 1, "{bad:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept_for_ever() {
        let tap = Tap::default();
        for _ in 0..100 {
            tap.see(&[b'x'; 1 << 16]);
        }
        let state = tap.0.borrow();
        assert!(state.line.capacity() == 0 && state.at == At::Lost);
    }
}
