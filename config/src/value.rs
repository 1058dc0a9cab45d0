//! Decides how TOML values become checked ones. Knows neither files nor keys: a fault goes to the sink with its place in the
//! text, and a placeholder stands in until the load is refused.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;
use weir_host::Host;
use weir_host::address::Network;

use crate::keys::Kind;
use crate::settings::{CategoryChoice, Place, PortRange, Refresh};
use crate::{text, units};

/// A TOML value and how its key wants it written.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a, 'i> {
    pub(crate) value: &'a Spanned<DeValue<'i>>,
    pub(crate) kind: &'a Kind,
}

/// Takes faults: the place in the text and the message.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(Range<usize>, String);

/// A checked type that a key can have.
pub(crate) trait Value: Sized {
    /// Reads `node`; when that fails, tells `faults` and returns anything.
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> Self;
}

impl<'a, 'i> Node<'a, 'i> {
    fn text(&self) -> Result<&'a str, String> {
        self.value.get_ref().as_str().ok_or_else(|| self.expected())
    }

    fn expected(&self) -> String {
        format!(
            "expected {}, found {}",
            self.kind.describe(),
            found(self.value.get_ref())
        )
    }

    /// Takes the result, or tells the fault and takes `placeholder`.
    fn take<T>(&self, result: Result<T, String>, faults: Sink<'_>, placeholder: T) -> T {
        result.unwrap_or_else(|message| {
            faults(self.value.span(), message);
            placeholder
        })
    }
}

fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.is_empty() => "an empty text".to_owned(),
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a section".to_owned(),
    }
}

/// Reads a word of a closed set.
pub(crate) fn word<T>(
    node: Node<'_, '_>,
    faults: Sink<'_>,
    words: &'static [&'static str],
    parse: fn(&str) -> Option<T>,
) -> Option<T> {
    let result = node.text().and_then(|text| {
        parse(text).ok_or_else(|| match text::reserved(text, words) {
            Some(reason) => reason,
            None => format!(
                "{}{}",
                node.expected(),
                text::did_you_mean(text, words.iter().copied())
            ),
        })
    });
    node.take(result.map(Some), faults, None)
}

impl Value for bool {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> bool {
        let result = node
            .value
            .get_ref()
            .as_bool()
            .ok_or_else(|| node.expected());
        node.take(result, faults, false)
    }
}

/// Numbers, sizes and rates: the kind says which.
impl Value for u64 {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> u64 {
        let result = match *node.kind {
            Kind::Integer(min, max) => integer(node).and_then(|n| between(n, min, max, node)),
            Kind::Port => integer(node).and_then(|n| between(n, 1, 65535, node)),
            Kind::Size(min, max) => measure(node, units::size, min, max),
            Kind::Rate(min, max) => measure(node, units::rate, min, max),
            _ => Err(node.expected()),
        };
        node.take(result, faults, 1)
    }
}

impl Value for usize {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> usize {
        usize::try_from(u64::read(node, faults)).unwrap_or(usize::MAX)
    }
}

impl Value for u16 {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> u16 {
        u16::try_from(u64::read(node, faults)).unwrap_or(u16::MAX)
    }
}

impl Value for Duration {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> Duration {
        let result = match *node.kind {
            Kind::Duration(min, max) => measure(node, units::duration, min, max),
            _ => Err(node.expected()),
        };
        node.take(result, faults, Duration::from_secs(1))
    }
}

fn integer(node: Node<'_, '_>) -> Result<u64, String> {
    let number = node.value.get_ref().as_integer();
    let number = number.and_then(|n| u64::from_str_radix(n.as_str(), n.radix()).ok());
    number.ok_or_else(|| node.expected())
}

fn between<T: PartialOrd>(value: T, min: T, max: T, node: Node<'_, '_>) -> Result<T, String> {
    if value < min || value > max {
        return Err(node.expected());
    }
    Ok(value)
}

/// Reads an amount with a unit. The bounds are written in the same way as the value, and readable (a test holds them to it).
fn measure<T: PartialOrd>(
    node: Node<'_, '_>,
    parse: fn(&str) -> Result<T, String>,
    min: &str,
    max: &str,
) -> Result<T, String> {
    let value = parse(node.text()?)?;
    between(value, parse(min)?, parse(max)?, node)
}

/// One line of text; the kind says of what sort.
impl Value for String {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> String {
        let result = node.text().and_then(|text| text::check(text, node.kind));
        node.take(result, faults, String::new())
    }
}

impl Value for Arc<str> {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> Arc<str> {
        String::read(node, faults).into()
    }
}

impl Value for PathBuf {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> PathBuf {
        String::read(node, faults).into()
    }
}

impl Value for SocketAddr {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> SocketAddr {
        let result = node.text().and_then(|text| match node.kind {
            Kind::Server => text::server(text),
            _ => text.parse().map_err(|_| {
                format!("{text:?} is no address with a port, such as \"127.0.0.1:3128\" or \"[::1]:3128\"")
            }),
        });
        node.take(result, faults, SocketAddr::from(([0, 0, 0, 0], 0)))
    }
}

impl Value for IpAddr {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> IpAddr {
        let result = node
            .text()
            .and_then(|text| text.parse().map_err(|_| format!("{text:?} is no address")));
        node.take(result, faults, IpAddr::from([0, 0, 0, 0]))
    }
}

impl Value for Host {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> Host {
        let result = node
            .text()
            .and_then(|text| Host::parse_text(text).map_err(|error| format!("{text:?}: {error}")));
        node.take(result, faults, Host::V4([0, 0, 0, 0].into()))
    }
}

impl Value for Network {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> Network {
        let result = node.text().and_then(|text| {
            text.parse::<Network>()
                .map_err(|error| format!("{text:?}: {error}"))
        });
        node.take(result, faults, Network::around([0, 0, 0, 0].into(), 32))
    }
}

impl Value for Place {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> Place {
        let result = node.text().and_then(text::place);
        node.take(result, faults, Place::File(PathBuf::new()))
    }
}

/// `never` and no time at all are the same.
impl Value for Refresh {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> Refresh {
        let result = match (*node.kind, node.text()) {
            (Kind::Period(..), Ok("never")) => Ok(None),
            (Kind::Period(..), Ok(text)) if units::duration(text) == Ok(Duration::ZERO) => Ok(None),
            (Kind::Period(min, max), _) => measure(node, units::duration, min, max).map(Some),
            _ => Err(node.expected()),
        };
        Refresh(node.take(result, faults, None))
    }
}

/// A part of a whole.
impl Value for f64 {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> f64 {
        let number = match node.value.get_ref() {
            DeValue::Float(number) => number.as_str().replace('_', "").parse().ok(),
            DeValue::Integer(_) => integer(node)
                .ok()
                .map(|n| if n == 0 { 0.0 } else { n as f64 }),
            _ => None,
        };
        let result = number
            .filter(|share: &f64| (0.0..=1.0).contains(share))
            .ok_or_else(|| node.expected());
        node.take(result, faults, 0.0)
    }
}

/// The path of a map, or a map of names to a name or to several.
impl Value for CategoryChoice {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> CategoryChoice {
        let name = |value: &Spanned<DeValue<'_>>, faults: Sink<'_>| {
            let kind = &Kind::ListName;
            String::read(Node { value, kind }, faults)
        };
        let table = match node.value.get_ref() {
            DeValue::Table(table) => table,
            _ => {
                let path = node.text().and_then(|text| text::check(text, &Kind::Path));
                return CategoryChoice::File(node.take(path, faults, String::new()).into());
            }
        };
        if table.is_empty() {
            faults(node.value.span(), "the map has no line".to_owned());
        }
        let lines = table.iter().map(|(theirs, ours)| {
            let ours = match ours.get_ref() {
                DeValue::String(text) if text.is_empty() => Vec::new(),
                DeValue::Array(many) => many.iter().map(|one| name(one, faults)).collect(),
                _ => vec![name(ours, faults)],
            };
            (theirs.get_ref().to_string(), ours)
        });
        CategoryChoice::Map(lines.collect())
    }
}

/// A number, or a text of one or two numbers.
impl Value for PortRange {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> PortRange {
        let result = match node.value.get_ref() {
            DeValue::Integer(_) => integer(node)
                .ok()
                .and_then(|n| u16::try_from(n).ok())
                .filter(|port| *port > 0)
                .map(|port| PortRange {
                    first: port,
                    last: port,
                })
                .ok_or_else(|| node.expected()),
            _ => node.text().and_then(text::ports),
        };
        node.take(result, faults, PortRange { first: 1, last: 1 })
    }
}

/// An empty text is none.
impl<T: Value> Value for Option<T> {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> Option<T> {
        let kind = match node.kind {
            Kind::Optional(kind) => kind,
            kind => kind,
        };
        if node.value.get_ref().as_str() == Some("") {
            return None;
        }
        Some(T::read(
            Node {
                value: node.value,
                kind,
            },
            faults,
        ))
    }
}

/// Every member is read and every faulty one told.
impl<T: Value> Value for Vec<T> {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> Vec<T> {
        let kind = match node.kind {
            Kind::List(kind) => kind,
            kind => kind,
        };
        let Some(members) = node.value.get_ref().as_array() else {
            faults(
                node.value.span(),
                format!("{}: write it in brackets", node.expected()),
            );
            return Vec::new();
        };
        let members = members.iter();
        members
            .map(|value| T::read(Node { value, kind }, faults))
            .collect()
    }
}
