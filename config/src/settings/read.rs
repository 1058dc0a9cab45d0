//! Reads `weir.toml` into [`Settings`]. Checks of one value only; what several values say together is for `check`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use weir_host::{Host, Name};

use super::mandatory::with_built_in;
use super::{
    Bounds, CategoryChoice, Connect, Console, Deadlines, Device, Egress, Http, Line, ListSource,
    Listener, Lists, Log, Login, MandatoryList, Notice, Origin, Place, Records, RegisteredNetwork,
    Resolver, Settings, Warn, Witness,
};
use crate::document::Section;
use crate::keys::Kind;

/// Where relative paths are seen from.
pub(crate) enum Base {
    /// The directory of the file, absolute.
    Directory(PathBuf),
    /// There is no file, and the paths of the embedded one mean nothing.
    Embedded,
}

impl Base {
    fn path(&self, path: PathBuf) -> PathBuf {
        match self {
            Base::Directory(directory) => without_parents(&directory.join(path)),
            Base::Embedded => path,
        }
    }

    fn state(&self, path: Option<PathBuf>) -> PathBuf {
        match (self, path) {
            (Base::Directory(_), Some(path)) => self.path(path),
            _ => default_state(),
        }
    }
}

/// `/var/lib/weir` when it can be written to, else `var` in the working directory.
fn default_state() -> PathBuf {
    let system = Path::new("/var/lib/weir");
    let writable = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    if system.is_dir() && rustix::fs::access(system, writable).is_ok() {
        return system.to_owned();
    }
    std::path::absolute("var").unwrap_or_else(|_| PathBuf::from("var"))
}

/// `/a/b/../c` as `/a/c`, for people. The base directory has no symbolic links left, so that this is the same place.
fn without_parents(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

pub(crate) fn settings(root: &Section<'_, '_>, base: &Base) -> Settings {
    Settings {
        state: base.state(root.get("state")),
        policy: base.path(root.get("policy")),
        threads: root.get("threads"),
        unknown_network: root.get("unknown_network"),
        school: root.get("school"),
        review_contact: root.get("review_contact"),
        listeners: listeners(root),
        console: console(&root.section("console")),
        networks: root.sections("network").iter().map(network).collect(),
        devices: root.sections("device").iter().map(device).collect(),
        lists: lists(&root.section("lists"), base),
        mandatory: mandatory(root, base),
        line: line(&root.section("line")),
        resolver: resolver(&root.section("resolver")),
        egress: egress(&root.section("egress")),
        connect: connect(&root.section("connect")),
        origin: origin(&root.section("origin"), base),
        http: Http {
            trace: root.section("http").get("trace"),
        },
        deadlines: deadlines(&root.section("deadlines")),
        bounds: bounds(&root.section("bounds")),
        login: login(&root.section("login")),
        warn: warn(&root.section("warn")),
        notice: notice(&root.section("notice"), base),
        records: records(&root.section("records"), base),
        witnesses: witnesses(&root.section("records"), base),
        log: log(&root.section("log")),
    }
}

fn listeners(root: &Section<'_, '_>) -> Vec<Listener> {
    let sections = root.sections("listener");
    if sections.is_empty() {
        return vec![listener(&root.absent("listener"))];
    }
    sections.iter().map(listener).collect()
}

fn listener(section: &Section<'_, '_>) -> Listener {
    Listener {
        name: section.get("name"),
        address: section.get("address"),
        login: section.get("login"),
        profile: section.get("profile"),
    }
}

fn console(section: &Section<'_, '_>) -> Console {
    Console {
        address: section.get("address"),
        hosts: section.get("hosts"),
    }
}

fn network(section: &Section<'_, '_>) -> RegisteredNetwork {
    RegisteredNetwork {
        name: section.get("name"),
        addresses: section.get("addresses"),
        profile: section.get("profile"),
        groups: section.get("groups"),
    }
}

fn device(section: &Section<'_, '_>) -> Device {
    Device {
        name: section.get("name"),
        addresses: section.get("addresses"),
        user: section.get("user"),
        groups: section.get("groups"),
        profile: section.get("profile"),
    }
}

fn lists(section: &Section<'_, '_>, base: &Base) -> Lists {
    let directories: Vec<PathBuf> = section.get("directories");
    let directories: Vec<PathBuf> = match base {
        Base::Directory(_) => directories
            .into_iter()
            .map(|path| base.path(path))
            .collect(),
        Base::Embedded => Vec::new(),
    };
    let sources = section.sections("source");
    Lists {
        embedded: directories.is_empty(),
        directories,
        require_reason: section.get("require_reason"),
        sources: sources
            .iter()
            .map(|section| source(section, base))
            .collect(),
    }
}

fn source(section: &Section<'_, '_>, base: &Base) -> ListSource {
    let place = |place| match place {
        Place::File(path) => Place::File(base.path(path)),
        url => url,
    };
    let optional = |leaf| section.get::<Option<Place>>(leaf).map(place);
    let categories = section.get::<Option<CategoryChoice>>("categories");
    ListSource {
        name: section.get("name"),
        from: place(section.get("from")),
        format: section.get("format"),
        category: section.get("category"),
        categories: categories.map(|categories| match categories {
            CategoryChoice::File(path) => CategoryChoice::File(base.path(path)),
            map => map,
        }),
        refresh: section.get("refresh"),
        size_max: section.get("size_max"),
        sha256: section
            .get::<Option<String>>("sha256")
            .map(|digest| digest.to_ascii_lowercase()),
        sha256_from: optional("sha256_from"),
        public_key: section.get("public_key"),
        signature: optional("signature"),
        stale: section.get("stale_after"),
        shrink_max: section.get("shrink_max"),
        enabled: section.get("enabled"),
    }
}

fn mandatory(root: &Section<'_, '_>, base: &Base) -> Vec<MandatoryList> {
    let sections = root.sections("mandatory");
    let mut named: Vec<MandatoryList> = Vec::new();
    for section in &sections {
        let from: Option<PathBuf> = section.get("from");
        let list = MandatoryList {
            name: section.get("name"),
            title: section.get("title"),
            from: from.map(|path| base.path(path)),
            stale_after: section.get("stale_after"),
        };
        if named.iter().any(|other| other.name == list.name) {
            let message = format!(
                "{:?} is named twice: put all that is said of it in one place",
                list.name
            );
            section.fault_at(section.line(), "name", message);
        }
        // One without a name has a fault already.
        if !list.name.is_empty() {
            named.push(list);
        }
    }
    with_built_in(named)
}

fn line(section: &Section<'_, '_>) -> Line {
    Line {
        down: section.get("down"),
        up: section.get("up"),
    }
}

fn resolver(section: &Section<'_, '_>) -> Resolver {
    Resolver {
        servers: section.get("servers"),
        timeout: section.get("timeout"),
        attempts: section.get("attempts"),
        cache_entries: section.get("cache_entries"),
        minimum_ttl: section.get("minimum_ttl"),
        maximum_ttl: section.get("maximum_ttl"),
        hosts: hosts(section),
    }
}

fn hosts(section: &Section<'_, '_>) -> BTreeMap<Name, Vec<IpAddr>> {
    let mut hosts = BTreeMap::new();
    let addresses = Kind::List(&Kind::Ip);
    for (name, line, addresses) in section.entries::<Vec<IpAddr>>("hosts", &addresses) {
        let leaf = format!("hosts.{name}");
        match weir_host::Host::parse_text(&name) {
            Ok(weir_host::Host::Name(name)) => {
                if addresses.is_empty() {
                    section.fault_at(line, &leaf, "no address".to_owned());
                }
                if hosts.insert(name, addresses).is_some() {
                    section.fault_at(line, &leaf, "the name is given twice".to_owned());
                }
            }
            Ok(_) => section.fault_at(line, &leaf, "an address where a name is needed".to_owned()),
            Err(error) => section.fault_at(line, &leaf, error.to_string()),
        }
    }
    hosts
}

fn egress(section: &Section<'_, '_>) -> Egress {
    Egress {
        allow: section.get("allow"),
        ports: section.get("ports"),
    }
}

fn connect(section: &Section<'_, '_>) -> Connect {
    Connect {
        tls_ports: section.get("tls_ports"),
        http_ports: section.get("http_ports"),
        opaque_ports: section.get("opaque_ports"),
        missing_sni: section.get("missing_sni"),
    }
}

fn origin(section: &Section<'_, '_>, base: &Base) -> Origin {
    let roots: Vec<PathBuf> = section.get("trusted_roots");
    Origin {
        trusted_roots: roots.into_iter().map(|path| base.path(path)).collect(),
        idle_connections: section.get("idle_connections"),
        idle_per_host: section.get("idle_per_host"),
        idle_timeout: section.get("idle_timeout"),
    }
}

fn deadlines(section: &Section<'_, '_>) -> Deadlines {
    Deadlines {
        head: section.get("head"),
        client_idle: section.get("client_idle"),
        resolve: section.get("resolve"),
        connect: section.get("connect"),
        origin_head: section.get("origin_head"),
        body_idle: section.get("body_idle"),
        hello: section.get("hello"),
        tunnel_idle: section.get("tunnel_idle"),
        expect_continue: section.get("expect_continue"),
        login: section.get("login"),
        drain: section.get("drain"),
    }
}

fn bounds(section: &Section<'_, '_>) -> Bounds {
    Bounds {
        connections: section.get("connections"),
        connections_per_address: section.get("connections_per_address"),
        head_bytes: section.get("head_bytes"),
        fields: section.get("fields"),
        target_bytes: section.get("target_bytes"),
        drain_body: section.get("drain_body"),
        minimum_rate: section.get("minimum_rate"),
    }
}

fn login(section: &Section<'_, '_>) -> Login {
    Login {
        realm: section.get("realm"),
        attempts: section.get("attempts"),
        window: section.get("window"),
        cache_entries: section.get("cache_entries"),
        cache_lifetime: section.get("cache_lifetime"),
        verifiers: section.get("verifiers"),
    }
}

fn warn(section: &Section<'_, '_>) -> Warn {
    Warn {
        lifetime: section.get("lifetime"),
        entries: section.get("entries"),
    }
}

/// Most bytes of the notice's own text.
const NOTICE_BYTES: u64 = 64 * 1024;

fn notice(section: &Section<'_, '_>, base: &Base) -> Notice {
    let mut text: String = section.get("text");
    let file: Option<PathBuf> = section.get("file");
    let file = file.map(|path| base.path(path));
    if let Some(path) = &file {
        let given = !text.is_empty();
        match notice_text(path) {
            _ if given => section.fault_at(section.line(), "file", "text is given too".to_owned()),
            Ok(read) => text = read,
            Err(error) => {
                let message = format!("{}: {error}", path.display());
                section.fault_at(section.line(), "file", message);
            }
        }
    }
    let host: Host = section.get("host");
    let is_faulty = host
        .as_address()
        .is_some_and(|address| address.is_unspecified());
    if !is_faulty
        && host
            .as_name()
            .is_none_or(|name| !name.as_str().contains('.'))
    {
        let message = "a name with a dot is needed: browsers ask no proxy for addresses and plain names of their own network".to_owned();
        section.fault_at(section.line(), "host", message);
    }
    Notice {
        version: section.get("version"),
        mode: section.get("mode"),
        language: section.get("language"),
        text,
        file,
        guests: section.get("guests"),
        host,
    }
}

fn notice_text(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    if file.take(NOTICE_BYTES + 1).read_to_string(&mut text)? as u64 > NOTICE_BYTES {
        return Err(std::io::Error::other("more than 64 KiB"));
    }
    Ok(text)
}

fn records(section: &Section<'_, '_>, base: &Base) -> Records {
    let kek = section.get::<Option<String>>("kek");
    // A path in it is seen from the file's own directory, like every path.
    let kek = kek.map(|source| match source.strip_prefix("file:") {
        Some(path) => format!("file:{}", base.path(PathBuf::from(path)).display()),
        None => source,
    });
    Records {
        kek,
        tenant: section.get("tenant"),
        retain_content: section.get("retain_content"),
        flush: section.get("flush"),
        sync: section.get("sync"),
        segment_rows: section.get("segment_rows"),
        seal_after: section.get("seal_after"),
        checkpoint: section.get("checkpoint"),
        retain: section.get("retain"),
        queue: section.get("queue"),
        long_request: section.get("long_request"),
        strict: section.get("strict"),
        when_unwritable: section.get("when_unwritable"),
    }
}

fn witnesses(section: &Section<'_, '_>, base: &Base) -> Vec<Witness> {
    let sections = section.sections("witness");
    let witness = |section: &Section<'_, '_>| Witness {
        name: section.get("name"),
        to: match section.get("to") {
            Place::File(path) => Place::File(base.path(path)),
            url => url,
        },
    };
    sections.iter().map(witness).collect()
}

fn log(section: &Section<'_, '_>) -> Log {
    Log {
        format: section.get("format"),
        level: section.get("level"),
    }
}
