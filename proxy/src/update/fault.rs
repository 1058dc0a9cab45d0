//! Why an update was not taken. Every word of it is for people: in the log, in health, in records and in
//! `weir lists sources`.

use crate::dial::DialError;
use crate::tls::HandshakeError;

/// Why the last good version stays in force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Dial(#[from] DialError),
    #[error("{0}")]
    Tls(#[from] HandshakeError),
    #[error("port {0} is not one of egress.ports")]
    Port(u16),
    #[error("the connection broke: {0}")]
    Broken(hyper::Error),
    #[error("no answer came in time")]
    Silent,
    #[error("the answer stopped coming before it was whole")]
    Stalled,
    #[error("the answer came more slowly than {0} bytes a second (bounds.minimum_rate)")]
    Slow(u64),
    #[error("it took longer than {0} minutes")]
    Overall(u64),
    #[error("the answer is status {0}")]
    Status(u16),
    #[error("the answer says 304, although nothing was asked about an older version")]
    Unasked,
    #[error("{0} redirects and no end")]
    Redirects(usize),
    #[error("a redirect leads to {0:?}, which is no address that can be asked")]
    Location(String),
    #[error("a redirect leads from https to http")]
    Downgrade,
    #[error("the answer says in more than one way where it ends")]
    Unclear,
    #[error("the answer is cut off: {0}")]
    Truncated(hyper::Error),
    #[error(
        "the answer does not say how long it is, so that nobody can tell whether it is whole; a digest or signature could"
    )]
    Endless,
    #[error("it is empty")]
    Empty,
    #[error("it is larger than {0} bytes (size_max)")]
    TooLarge(u64),
    #[error("it is an HTML page, not a list")]
    Html,
    #[error("{0}: {1}")]
    File(String, std::io::Error),
    #[error("it changed while it was read")]
    Changing,
    #[error("a directory has no digest and no signature: name an archive")]
    Directory,
    #[error("its SHA-256 is {found}, and must be {expected}")]
    Digest { found: String, expected: String },
    #[error("the file of its SHA-256 cannot be had: {0}")]
    DigestFile(Box<Fault>),
    #[error("the file of its SHA-256 has no line for it")]
    NoDigest,
    #[error("its signature cannot be had: {0}")]
    SignatureFile(Box<Fault>),
    #[error("its signature is not right: {0}")]
    Signature(minisign_verify::Error),
    #[error(
        "it was signed before the one in force ({signed}, {before}, in seconds since 1970): somebody may be bringing back an old list; --force takes it all the same"
    )]
    Older { signed: u64, before: u64 },
    #[error("{found} entries, {before} before: more than shrink_max of them are gone")]
    Shrunken { found: u64, before: u64 },
    #[error("{0}")]
    Import(String),
    #[error("the disk did not take it: {0}")]
    Disk(#[from] std::io::Error),
}
