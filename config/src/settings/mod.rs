//! The checked types of `weir.toml`. Fields are named as the keys; `docs/configuration.md` says what each decides.

pub(crate) mod mandatory;
pub(crate) mod read;
mod sources;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use weir_host::address::Network;
use weir_host::{Host, Name};

pub use mandatory::MandatoryList;
pub use sources::{CategoryChoice, ListFormat, ListSource, Place, Refresh};

use crate::words::words;

/// Everything that `weir.toml` says. Sizes are bytes, rates bytes a second; paths are absolute.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Directory of everything that Weir writes.
    pub state: PathBuf,
    /// The policy file; of no meaning when the embedded configuration is used.
    pub policy: PathBuf,
    /// 0 for one a core.
    pub threads: usize,
    /// Clients of no registered network and device.
    pub unknown_network: UnknownNetwork,
    /// Name on pages.
    pub school: String,
    /// Mail address or URL on block pages.
    pub review_contact: Option<String>,
    /// At least one.
    pub listeners: Vec<Listener>,
    /// `[console]`
    pub console: Console,
    /// `[[network]]`
    pub networks: Vec<RegisteredNetwork>,
    /// `[[device]]`
    pub devices: Vec<Device>,
    /// `[lists]`
    pub lists: Lists,
    /// `[[mandatory]]`, with the slots that are built in, which come first.
    pub mandatory: Vec<MandatoryList>,
    /// `[line]`
    pub line: Line,
    /// `[resolver]`
    pub resolver: Resolver,
    /// `[egress]`
    pub egress: Egress,
    /// `[connect]`
    pub connect: Connect,
    /// `[origin]`
    pub origin: Origin,
    /// `[http]`
    pub http: Http,
    /// `[deadlines]`
    pub deadlines: Deadlines,
    /// `[bounds]`
    pub bounds: Bounds,
    /// `[login]`
    pub login: Login,
    /// `[warn]`
    pub warn: Warn,
    /// `[notice]`
    pub notice: Notice,
    /// `[records]`
    pub records: Records,
    /// `[[records.witness]]`
    pub witnesses: Vec<Witness>,
    /// `[log]`
    pub log: Log,
}

words! {
    /// What becomes of a client of no registered network (LM-05, AF-06).
    UnknownNetwork {
        /// It gets the strictest profile.
        Strictest = "strictest",
        /// It is refused.
        Refuse = "refuse",
    }
}

words! {
    /// Whether a listener asks for name and password.
    LoginMode {
        /// Credentials are ignored.
        Off = "off",
        /// Credentials are checked when they come; without them the client is a guest.
        Optional = "optional",
        /// Without credentials: 407.
        Required = "required",
    }
}

words! {
    /// What becomes of traffic when something that should be there is missing.
    Missing {
        /// It passes, and that is recorded.
        Allow = "allow",
        /// It is refused.
        Refuse = "refuse",
    }
}

words! {
    /// Who is shown the monitoring notice.
    NoticeMode {
        /// Browsers, before their first page.
        FirstUse = "first-use",
        /// Whoever opens its address.
        OnRequest = "on-request",
    }
}

words! {
    /// Form of log lines.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

words! {
    /// The least that is logged.
    LogLevel {
        /// What needs someone.
        Error = "error",
        /// What may need someone.
        Warn = "warn",
        /// Starts, stops, reloads.
        Info = "info",
        /// Single connections.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

/// `[[listener]]`
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Unique.
    pub name: Arc<str>,
    /// Port 0 for any free one.
    pub address: SocketAddr,
    /// How people are identified.
    pub login: LoginMode,
    /// Profile of guests, in place of their network's.
    pub profile: Option<Arc<str>>,
}

/// `[console]`
#[derive(Clone, Debug, PartialEq)]
pub struct Console {
    /// Port 0 for any free one.
    pub address: SocketAddr,
    /// Hosts by which the pages may be called.
    pub hosts: Vec<Host>,
}

/// `[[network]]`
#[derive(Clone, Debug, PartialEq)]
pub struct RegisteredNetwork {
    /// Unique.
    pub name: Arc<str>,
    /// At least one.
    pub addresses: Vec<Network>,
    /// Profile of guests there.
    pub profile: Option<Arc<str>>,
    /// Groups of guests there.
    pub groups: Vec<Arc<str>>,
}

/// `[[device]]`
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Unique.
    pub name: Arc<str>,
    /// At least one.
    pub addresses: Vec<Network>,
    /// Who alone uses it.
    pub user: Option<Arc<str>>,
    /// Groups of whoever uses it.
    pub groups: Vec<Arc<str>>,
    /// Profile of whoever uses it.
    pub profile: Option<Arc<str>>,
}

/// `[lists]`
#[derive(Clone, Debug, PartialEq)]
pub struct Lists {
    /// Later ones add to earlier ones.
    pub directories: Vec<PathBuf>,
    /// No directory is configured: the starter lists inside the program are used.
    pub embedded: bool,
    /// Commands that change lists need a reason.
    pub require_reason: bool,
    /// `[[lists.source]]`
    pub sources: Vec<ListSource>,
}

/// `[line]`, bytes a second; `None` for no limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Towards clients.
    pub down: Option<u64>,
    /// Towards origins.
    pub up: Option<u64>,
}

/// `[resolver]`
#[derive(Clone, Debug, PartialEq)]
pub struct Resolver {
    /// Empty for the system's.
    pub servers: Vec<SocketAddr>,
    /// For one question.
    pub timeout: Duration,
    /// 1 to 10.
    pub attempts: usize,
    /// Names, for each thread.
    pub cache_entries: usize,
    /// Not above `maximum_ttl`.
    pub minimum_ttl: Duration,
    /// Not below `minimum_ttl`.
    pub maximum_ttl: Duration,
    /// Fixed addresses, at least one a name.
    pub hosts: BTreeMap<Name, Vec<IpAddr>>,
}

/// `[egress]`
#[derive(Clone, Debug, PartialEq)]
pub struct Egress {
    /// Exempt from the refusal of addresses outside the public Internet.
    pub allow: Vec<Network>,
    /// Ports of plain requests.
    pub ports: Vec<PortRange>,
}

/// Ports from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// At least 1.
    pub first: u16,
    /// At least `first`.
    pub last: u16,
}

impl PortRange {
    /// True when `port` is one of them.
    pub fn contains(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

/// `[connect]`: no port is in two of the lists.
#[derive(Clone, Debug, PartialEq)]
pub struct Connect {
    /// Must carry TLS.
    pub tls_ports: Vec<u16>,
    /// Must carry TLS or HTTP.
    pub http_ports: Vec<u16>,
    /// May carry anything.
    pub opaque_ports: Vec<u16>,
    /// TLS that names no server.
    pub missing_sni: Missing,
}

/// `[origin]`
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// PEM files.
    pub trusted_roots: Vec<PathBuf>,
    /// For each thread.
    pub idle_connections: usize,
    /// For each thread.
    pub idle_per_host: usize,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
}

/// `[http]`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Http {
    /// TRACE is passed on.
    pub trace: bool,
}

/// `[deadlines]`
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "the keys' own sentences in the reference say what each waits for"
)]
pub struct Deadlines {
    pub head: Duration,
    pub client_idle: Duration,
    pub resolve: Duration,
    pub connect: Duration,
    pub origin_head: Duration,
    pub body_idle: Duration,
    pub hello: Duration,
    pub tunnel_idle: Duration,
    pub expect_continue: Duration,
    pub login: Duration,
    pub drain: Duration,
}

/// `[bounds]`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// At one time.
    pub connections: usize,
    /// At one time; not above `connections`.
    pub connections_per_address: usize,
    /// Bytes.
    pub head_bytes: usize,
    /// Number.
    pub fields: usize,
    /// Bytes; not above `head_bytes`.
    pub target_bytes: usize,
    /// Bytes.
    pub drain_body: u64,
    /// Bytes a second; 0 for no limit.
    pub minimum_rate: u64,
}

/// `[login]`
#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    /// Printable ASCII without quotation marks.
    pub realm: String,
    /// In one window, from one address.
    pub attempts: usize,
    /// The window.
    pub window: Duration,
    /// At least 1.
    pub cache_entries: usize,
    /// How long a verified password is remembered.
    pub cache_lifetime: Duration,
    /// At one time.
    pub verifiers: usize,
}

/// `[warn]`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warn {
    /// How long a click holds.
    pub lifetime: Duration,
    /// Clicks to remember.
    pub entries: usize,
}

/// `[notice]`
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Changed when people must be told anew.
    pub version: Arc<str>,
    /// Who is shown it.
    pub mode: NoticeMode,
    /// A tag of letters, digits and hyphens.
    pub language: Arc<str>,
    /// The school's own words, from `text` or from `file`.
    pub text: String,
    /// The file, where it is one.
    pub file: Option<PathBuf>,
    /// How long it counts for somebody who is known by an address alone.
    pub guests: Duration,
    /// Weir's own name, at which the notice is read and acknowledged; never an address.
    pub host: Host,
}

/// `[records]`
#[derive(Clone, Debug, PartialEq)]
pub struct Records {
    /// Longest wait of a record before it is in the journal.
    pub flush: Duration,
    /// Longest wait of the journal before it is forced to the disk.
    pub sync: Duration,
    /// Rows of a segment.
    pub segment_rows: usize,
    /// Age of a journal.
    pub seal_after: Duration,
    /// Longest time between two checkpoints of the log.
    pub checkpoint: Duration,
    /// Age of a segment.
    pub retain: Duration,
    /// Age of content.
    pub retain_content: Duration,
    /// Where the key-encryption key is; None for a key file of Weir's own.
    pub kek: Option<String>,
    /// Whose records these are.
    pub tenant: String,
    /// Records that may wait.
    pub queue: usize,
    /// A request that runs longer gets an opening record.
    pub long_request: Duration,
    /// Whether blocked and flagged answers wait until their record is on the disk.
    pub strict: bool,
    /// Traffic while records cannot be written.
    pub when_unwritable: Missing,
}

/// `[[records.witness]]`
#[derive(Clone, Debug, PartialEq)]
pub struct Witness {
    /// Unique; part of file names.
    pub name: Arc<str>,
    /// A directory, or where checkpoints are posted to.
    pub to: Place,
}

/// `[log]`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Log {
    /// Form of lines.
    pub format: LogFormat,
    /// The least that is logged.
    pub level: LogLevel,
}

impl Settings {
    /// Directory of the monitoring records.
    pub fn records_directory(&self) -> PathBuf {
        self.state.join("records")
    }

    /// File of the local users.
    pub fn users_file(&self) -> PathBuf {
        self.state.join("users.toml")
    }

    /// The keys in which `new` differs and that a running Weir cannot change: it must be started again.
    pub fn needs_restart(&self, new: &Settings) -> Vec<&'static str> {
        let changed = RESTART.iter().filter(|(_, same)| !same(self, new));
        changed.map(|(key, _)| *key).collect()
    }
}

/// True when two settings say the same of one key.
type Same = fn(&Settings, &Settings) -> bool;

/// What is bound, opened or started once.
pub(crate) const RESTART: &[(&str, Same)] = &[
    ("state", |a, b| a.state == b.state),
    ("threads", |a, b| a.threads == b.threads),
    ("listener", |a, b| a.listeners == b.listeners),
    ("console", |a, b| a.console == b.console),
    ("records.flush", |a, b| a.records.flush == b.records.flush),
    ("records.sync", |a, b| a.records.sync == b.records.sync),
    ("records.segment_rows", |a, b| {
        a.records.segment_rows == b.records.segment_rows
    }),
    ("records.seal_after", |a, b| {
        a.records.seal_after == b.records.seal_after
    }),
    ("records.checkpoint", |a, b| {
        a.records.checkpoint == b.records.checkpoint
    }),
    ("records.kek", |a, b| a.records.kek == b.records.kek),
    ("records.tenant", |a, b| {
        a.records.tenant == b.records.tenant
    }),
    ("records.queue", |a, b| a.records.queue == b.records.queue),
    ("records.witness", |a, b| a.witnesses == b.witnesses),
    ("log", |a, b| a.log == b.log),
];
