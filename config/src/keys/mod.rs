//! The one table of configuration keys: what each is called, how it is written, its default and its meaning.
//!
//! Reading takes defaults and bounds from here and the reference in `docs/configuration.md` is generated from here, so that
//! neither can say what the other does not do.

mod policy;
mod settings;

pub use policy::POLICY;
pub use settings::SETTINGS;

/// One key of a file.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Dotted, without positions in lists: `listener.address`.
    pub path: &'static str,
    /// How the value is written and bounded.
    pub kind: Kind,
    /// TOML text of the value that a missing key has; empty for a key that must be given, and for sections.
    pub default: &'static str,
    /// What it decides, in a sentence or two.
    pub doc: &'static str,
}

/// How a value is written.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `[name]`
    Section,
    /// `[[name]]`, at most so many.
    Sections(usize),
    /// `[name]` whose keys are names of hosts.
    HostMap,
    /// `true` or `false`.
    Flag,
    /// A whole number between two bounds.
    Integer(u64, u64),
    /// See [`units::duration`](crate::units::duration); between two bounds.
    Duration(&'static str, &'static str),
    /// See [`units::size`](crate::units::size); between two bounds.
    Size(&'static str, &'static str),
    /// See [`units::rate`](crate::units::rate); between two bounds.
    Rate(&'static str, &'static str),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One line of at most so many characters.
    Text(usize),
    /// 1 to 64 characters without commas, control characters, and blanks at the ends.
    Name,
    /// A name that is a safe directory's too: lower-case letters, digits, `-` and `_`, at most 64.
    ListName,
    /// A path, or an `http(s)` URL.
    Place,
    /// A path of a map of categories, or the map itself as `{ theirs = "ours" }`.
    CategoryMap,
    /// A duration between two bounds, or `never`.
    Period(&'static str, &'static str),
    /// A part of a whole, 0 to 1.
    Share,
    /// 64 hexadecimal digits.
    Sha256,
    /// A public key of minisign, as one line of base64.
    MinisignKey,
    /// A mail address or an `http(s)` URL.
    Contact,
    /// A path; a relative one is seen from the file's own directory.
    Path,
    /// An address with a port.
    Address,
    /// An address, with a port when it is not 53.
    Server,
    /// An address.
    Ip,
    /// A name or address.
    Host,
    /// A network in CIDR notation or an address.
    Network,
    /// A number from 1 to 65535.
    Port,
    /// A port, or two with a hyphen.
    Ports,
    /// A name (with everything below it), an address or a network.
    Selector,
    /// A method of HTTP in capitals.
    Method,
    /// The end of a file name after its last dot, in lower case.
    Extension,
    /// A media type in lower case, its second part perhaps `*`.
    ContentType,
    /// A day as `2026-09-02`.
    Date,
    /// A time of day as `08:45`; `24:00` ends a day.
    Clock,
    /// A zone of the IANA time zone database.
    Zone,
    /// A tag of a language, as `en-GB`.
    Language,
    /// That, or an empty text for none.
    Optional(&'static Kind),
    /// Any number of those in brackets.
    List(&'static Kind),
}

impl Key {
    /// True when the file must give the key.
    pub fn is_required(&self) -> bool {
        self.default.is_empty() && !self.is_section()
    }

    /// True for tables and lists of tables.
    pub fn is_section(&self) -> bool {
        matches!(self.kind, Kind::Section | Kind::Sections(_) | Kind::HostMap)
    }

    /// As the file writes it: `[[listener]]`, `[console]`, or the path of a value.
    pub fn heading(&self) -> String {
        match self.kind {
            Kind::Sections(_) => format!("[[{}]]", self.path),
            Kind::Section | Kind::HostMap => format!("[{}]", self.path),
            _ => self.path.to_owned(),
        }
    }

    /// The last part of the path.
    pub fn leaf(&self) -> &'static str {
        self.split().1
    }

    /// The path without its last part; empty at the top of the file.
    pub fn parent(&self) -> &'static str {
        self.split().0
    }

    fn split(&self) -> (&'static str, &'static str) {
        self.path.rsplit_once('.').unwrap_or(("", self.path))
    }
}

impl Kind {
    /// How a value is written, for the reference and for messages.
    pub fn describe(&self) -> String {
        match self {
            Kind::Integer(min, max) => format!("number, {min} to {max}"),
            Kind::Duration(min, max) => format!("duration, {min} to {max}"),
            Kind::Period(min, max) => format!("duration, {min} to {max}, or `\"never\"`"),
            Kind::Size(min, max) => format!("size, {min} to {max}"),
            Kind::Rate(min, max) => format!("rate, {min} to {max}"),
            Kind::Choice(words) => one_of(words),
            Kind::Text(max) => format!("text of at most {max} characters"),
            Kind::Optional(kind) => format!("{}; `\"\"` for none", kind.describe()),
            Kind::List(kind) => format!("list: {}", kind.describe()),
            kind => kind.word().to_owned(),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Kind::Section | Kind::HostMap => "section",
            Kind::Sections(_) => "repeated section",
            Kind::Flag => "`true` or `false`",
            Kind::Name => "name",
            Kind::ListName => "name of lower-case letters, digits, `-` and `_`",
            Kind::Place => "path or `http(s)` URL",
            Kind::CategoryMap => "path of a map, or `{ theirs = \"ours\" }`",
            Kind::Share => "share, `0` to `1`",
            Kind::Sha256 => "64 hexadecimal digits",
            Kind::MinisignKey => "public key of minisign",
            Kind::Contact => "mail address or URL",
            Kind::Path => "path",
            Kind::Address => "address:port",
            Kind::Server => "address or address:port",
            Kind::Ip => "address",
            Kind::Host => "name or address of a host",
            Kind::Network => "network or address",
            Kind::Port => "port, 1 to 65535",
            Kind::Ports => "port or range such as `\"1024-65535\"`",
            Kind::Selector => "name of a host, address or network",
            Kind::Method => "method in capitals",
            Kind::Extension => "file extension without the dot",
            Kind::ContentType => "media type such as `video/*`",
            Kind::Date => "day such as `2026-09-02`",
            Kind::Clock => "time such as `08:45`",
            Kind::Zone => "IANA time zone",
            Kind::Language => "language tag such as `en-GB`",
            _ => "value",
        }
    }
}

fn one_of(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// Writes a table of keys one a line: path, kind, default, meaning.
macro_rules! keys {
    ($($path:literal, $kind:expr, $default:literal, $doc:literal;)*) => {
        &[$(crate::keys::Key { path: $path, kind: $kind, default: $default, doc: $doc }),*]
    };
}
pub(crate) use keys;
