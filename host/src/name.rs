//! Decides what a domain name is: its characters, lengths, internationalised labels, and when it is an address instead.

use std::borrow::Borrow;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use crate::{Host, HostError};

/// Octets of a whole name without the root dot (RFC 1035 §2.3.4, less length octets).
const NAME_MAX: usize = 253;
/// Octets of one label (RFC 1035 §2.3.4).
const LABEL_MAX: usize = 63;
/// Octets of Unicode text that are given to UTS 46. Far more than any name that fits [`NAME_MAX`] needs; a bound so that
/// a file of one endless line costs nothing.
const TEXT_MAX: usize = 4096;
const UTS46: Uts46 = Uts46::new();

/// A domain name: lower-case A-labels without the root dot, 1 to 253 octets, labels of 1 to 63 letters, digits, hyphens
/// and underscores, the last one no number. Cloning shares the text.
///
/// Hyphens may stand anywhere (`r3---sn.example` and `-x.example` resolve), as browsers have it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// Reads a name in wire form; see [`Host::parse`].
    ///
    /// # Errors
    /// As [`Host::parse`], and [`HostError::NotAName`] for an address.
    pub fn parse(text: &str) -> Result<Name, HostError> {
        match Host::parse(text)? {
            Host::Name(name) => Ok(name),
            Host::V4(_) | Host::V6(_) => Err(HostError::NotAName),
        }
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name's text for sharing.
    pub fn as_arc(&self) -> &Arc<str> {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// The name and everything it is below, longest first: `a.b.c` gives `a.b.c`, `b.c`, `c`. Whole labels only.
///
/// Takes text in normal form ([`Name::as_str`]); an empty text has no parents.
pub fn parents(name: &str) -> impl Iterator<Item = &str> {
    let first = (!name.is_empty()).then_some(name);
    std::iter::successors(first, |rest| rest.split_once('.').map(|(_, above)| above))
}

/// [`Host::parse`] without the bracketed form.
pub(crate) fn wire(text: &str) -> Result<Host, HostError> {
    let bare = text.strip_suffix('.').unwrap_or(text);
    if bare.is_empty() {
        return Err(HostError::Empty);
    }
    let shape = examine(bare)?;
    if shape.numeric {
        // With a root dot a resolver reads a name and a browser an address: refused, like every other odd spelling.
        return text
            .parse::<Ipv4Addr>()
            .map(Host::V4)
            .map_err(|_| HostError::OddAddress);
    }
    if bare.len() > NAME_MAX {
        return Err(HostError::TooLong);
    }
    if !shape.upper && !shape.punycode {
        return Ok(Host::Name(Name(Arc::from(bare))));
    }
    let mut buffer = [0_u8; NAME_MAX];
    let lower = lower_cased(bare, &mut buffer)?;
    if shape.punycode && !is_uts46_output(lower) {
        return Err(HostError::Idna);
    }
    Ok(Host::Name(Name(Arc::from(lower))))
}

/// [`Host::parse_text`] without the IPv6 forms.
pub(crate) fn text(text: &str) -> Result<Host, HostError> {
    if text.is_ascii() {
        return wire(text);
    }
    if text.len() > TEXT_MAX {
        return Err(HostError::TooLong);
    }
    let ascii = to_ascii(text).ok_or(HostError::Idna)?;
    // Mapping may yield dots, digits and blanks (full-width forms), so the result is judged like any other text.
    wire(&ascii)
}

/// What one pass over the labels found.
#[derive(Default)]
struct Shape {
    upper: bool,
    punycode: bool,
    /// The last label reads as a number: an address or nothing (WHATWG URL, "ends in a number").
    numeric: bool,
}

fn examine(name: &str) -> Result<Shape, HostError> {
    let mut shape = Shape::default();
    for label in name.split('.') {
        let mut digits = true;
        for byte in label.bytes() {
            match byte {
                b'0'..=b'9' => {}
                b'a'..=b'z' | b'-' | b'_' => digits = false,
                b'A'..=b'Z' => {
                    digits = false;
                    shape.upper = true;
                }
                _ => return Err(HostError::Character(odd_character(label))),
            }
        }
        match label.len() {
            0 => return Err(HostError::EmptyLabel),
            1..=LABEL_MAX => {}
            _ => return Err(HostError::LabelTooLong),
        }
        shape.punycode |= has_prefix(label, b"xn--");
        shape.numeric = digits || is_hexadecimal(label);
    }
    Ok(shape)
}

fn odd_character(label: &str) -> char {
    label
        .chars()
        .find(|c| !matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_'))
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn has_prefix(label: &str, prefix: &[u8]) -> bool {
    label
        .as_bytes()
        .get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// `0x7f`, and a mere `0x`, which browsers and `inet_aton` read as zero.
fn is_hexadecimal(label: &str) -> bool {
    has_prefix(label, b"0x") && label.bytes().skip(2).all(|b| b.is_ascii_hexdigit())
}

fn lower_cased<'a>(name: &str, buffer: &'a mut [u8; NAME_MAX]) -> Result<&'a str, HostError> {
    let copy = buffer.get_mut(..name.len()).ok_or(HostError::TooLong)?;
    copy.copy_from_slice(name.as_bytes());
    copy.make_ascii_lowercase();
    std::str::from_utf8(copy).map_err(|_| HostError::Idna)
}

fn to_ascii(text: &str) -> Option<std::borrow::Cow<'_, str>> {
    UTS46
        .to_ascii(
            text.as_bytes(),
            AsciiDenyList::URL,
            Hyphens::Allow,
            DnsLength::Ignore,
        )
        .ok()
}

/// True when UTS 46 leaves the name as it is: every `xn--` label decodes, decodes to something that needed encoding,
/// and encodes back to itself.
fn is_uts46_output(name: &str) -> bool {
    to_ascii(name).is_some_and(|ascii| ascii == name)
}
