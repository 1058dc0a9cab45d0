//! What the first bytes of a tunnel say: whether they are a TLS ClientHello, which server
//! name it asks for and whether it hides another one (ECH).
//!
//! Decides nothing about the name: the policy does. It never answers a handshake, and reads
//! no further than the hello. Bytes that two readers could take differently are malformed,
//! never repaired (threat model, SNI tricks): a name given twice, any extension given
//! twice, lengths that do not add up, surplus bytes.

use std::borrow::Cow;

use weir_host::{Host, Name};

/// Longest hello read, in bytes on the wire, record headers included. Post-quantum hellos
/// are below 4 KiB.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// RFC 8446 §5.1: the longest plaintext record, in bytes.
const MAX_RECORD: usize = 1 << 14;
const RECORD_HANDSHAKE: u8 = 22;
const MESSAGE_CLIENT_HELLO: u8 = 1;
const EXTENSION_SERVER_NAME: u16 = 0;
/// ECH (RFC 9849) and the draft that preceded it, ESNI: either means that a name may be
/// hidden.
const EXTENSIONS_HIDING_A_NAME: [u16; 2] = [0xfe0d, 0xffce];
const NAME_TYPE_HOST: u8 = 0;

/// The first bytes of a tunnel, as far as they have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Peek {
    /// A beginning of a hello; ask again with more bytes.
    More,
    /// Not TLS from the first bytes on.
    NotTls,
    /// TLS records, yet not one well-formed ClientHello; the text says which rule is
    /// broken.
    Malformed(&'static str),
    /// A whole, well-formed hello.
    Hello(Hello),
}

/// What a ClientHello shows to the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The server name in its normal form (RFC 6066 §3); `None` when the client sent none.
    pub(crate) sni: Option<Name>,
    /// The hello carries ECH or ESNI. GREASE cannot be told from the real thing (RFC 9849
    /// §6.2).
    pub(crate) ech: bool,
}

/// Reads `bytes`, everything that a client has sent so far. At most [`MAX_BYTES`] are
/// looked at; calling again with a longer prefix of the same stream never contradicts an
/// earlier answer.
pub(crate) fn parse(bytes: &[u8]) -> Peek {
    match message(bytes).and_then(|message| read_hello(&message)) {
        Ok(hello) => Peek::Hello(hello),
        Err(peek) => peek,
    }
}

/// The whole handshake message, put together from its records.
fn message(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Peek> {
    let bytes = bytes.get(..MAX_BYTES).unwrap_or(bytes);
    let truncated = || {
        if bytes.len() == MAX_BYTES {
            Peek::Malformed("hello longer than 64 KiB")
        } else {
            Peek::More
        }
    };
    let mut rest = bytes;
    let mut message: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    loop {
        let length = record_length(rest, rest.len() == bytes.len())?.ok_or_else(truncated)?;
        let payload = rest.get(5..).unwrap_or_default();
        let fragment = payload.get(..length).unwrap_or(payload);
        append(&mut message, fragment);
        let missing = length - fragment.len();
        match message_length(&message)? {
            Some(whole) if message.len() + missing > whole => {
                return Err(Peek::Malformed("bytes after the ClientHello in its record"));
            }
            Some(whole) if message.len() == whole => return Ok(message),
            _ if missing > 0 => return Err(truncated()),
            _ => rest = payload.get(length..).unwrap_or_default(),
        }
    }
}

/// The length that a record's header states, `None` while the header is incomplete.
fn record_length(rest: &[u8], first: bool) -> Result<Option<usize>, Peek> {
    let foreign = if first {
        Peek::NotTls
    } else {
        Peek::Malformed("another record inside the ClientHello")
    };
    match *rest {
        [kind, ..] if kind != RECORD_HANDSHAKE => Err(foreign),
        // RFC 8446 §5.1: the minor version is to be ignored; no TLS ever had another major
        // one.
        [_, major, ..] if major != 3 => Err(foreign),
        [_, _, _, high, low, ..] => match usize::from(u16::from_be_bytes([high, low])) {
            0 => Err(Peek::Malformed("empty handshake record")),
            length if length > MAX_RECORD => Err(Peek::Malformed("record longer than 16 KiB")),
            length => Ok(Some(length)),
        },
        _ => Ok(None),
    }
}

fn append<'a>(message: &mut Cow<'a, [u8]>, fragment: &'a [u8]) {
    if message.is_empty() {
        *message = Cow::Borrowed(fragment);
    } else {
        message.to_mut().extend_from_slice(fragment);
    }
}

/// The length of the handshake message with its four-byte header, `None` while that is
/// incomplete.
fn message_length(message: &[u8]) -> Result<Option<usize>, Peek> {
    match *message {
        [kind, ..] if kind != MESSAGE_CLIENT_HELLO => Err(Peek::Malformed("not a ClientHello")),
        [_, a, b, c, ..] => match u32::from_be_bytes([0, a, b, c]) as usize + 4 {
            length if length > MAX_BYTES => Err(Peek::Malformed("hello longer than 64 KiB")),
            length => Ok(Some(length)),
        },
        _ => Ok(None),
    }
}

/// RFC 8446 §4.1.2 and RFC 5246 §7.4.1.2.
fn read_hello(message: &[u8]) -> Result<Hello, Peek> {
    let mut body = Reader(message.get(4..).unwrap_or_default());
    let extensions = body
        .up_to_extensions()
        .ok_or(Peek::Malformed("ClientHello of wrong lengths"))?;
    read_extensions(extensions).map_err(Peek::Malformed)
}

fn read_extensions(mut extensions: Reader<'_>) -> Result<Hello, &'static str> {
    let mut hello = Hello {
        sni: None,
        ech: false,
    };
    let mut seen = Vec::with_capacity(24);
    while !extensions.is_empty() {
        let (kind, data) = extensions.extension().ok_or("extension of wrong length")?;
        seen.push(kind);
        if kind == EXTENSION_SERVER_NAME {
            hello.sni = Some(server_name(data)?);
        }
        hello.ech |= EXTENSIONS_HIDING_A_NAME.contains(&kind);
    }
    seen.sort_unstable();
    if seen.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        return Err("extension given twice");
    }
    Ok(hello)
}

/// RFC 6066 §3: exactly one entry, a host name; an address is not permitted.
fn server_name(data: &[u8]) -> Result<Name, &'static str> {
    const WRONG: &str = "server name list of wrong length";
    let mut data = Reader(data);
    let mut list = data.vector16().ok_or(WRONG)?;
    if !data.is_empty() {
        return Err(WRONG);
    }
    if list.u8().ok_or(WRONG)? != NAME_TYPE_HOST {
        return Err("server name of unknown type");
    }
    let name = list.vector16().ok_or(WRONG)?;
    if !list.is_empty() {
        return Err("more than one server name");
    }
    let text = std::str::from_utf8(name.0).map_err(|_| "server name is not a host name")?;
    match Host::parse(text) {
        Ok(Host::Name(name)) => Ok(name),
        Ok(_) => Err("server name is an address"),
        Err(_) => Err("server name is not a host name"),
    }
}

/// A cursor that never reads past its end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn u16(&mut self) -> Option<u16> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*head))
    }

    fn vector8(&mut self) -> Option<Reader<'a>> {
        let length = self.u8()?;
        self.take(usize::from(length)).map(Reader)
    }

    fn vector16(&mut self) -> Option<Reader<'a>> {
        let length = self.u16()?;
        self.take(usize::from(length)).map(Reader)
    }

    fn extension(&mut self) -> Option<(u16, &'a [u8])> {
        Some((self.u16()?, self.vector16()?.0))
    }

    /// Steps over everything before the extensions and yields them; a hello of TLS 1.2 may
    /// have none.
    fn up_to_extensions(&mut self) -> Option<Reader<'a>> {
        let version_and_random = self.take(2 + 32)?;
        let session = self.vector8()?;
        let suites = self.vector16()?.0.len();
        let compressions = self.vector8()?;
        let sound = version_and_random.first() == Some(&3)
            && session.0.len() <= 32
            && suites >= 2
            && suites % 2 == 0
            && !compressions.is_empty();
        let extensions = if self.is_empty() {
            Reader(&[])
        } else {
            self.vector16()?
        };
        (sound && self.is_empty()).then_some(extensions)
    }
}

#[cfg(test)]
mod tests;
