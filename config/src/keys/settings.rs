//! The keys of `weir.toml`.

use super::Kind::{
    Address, CategoryMap, Choice, Contact, Duration, FileName, Flag, Host, HostMap, Integer,
    KeySource, Language, List, ListName, MinisignKey, Name, Network, Optional, Path, Period, Place,
    Port, Ports, Rate, Section, Sections, Server, Sha256, Share, Size, Text,
};
use super::{Key, Kind, keys};
use crate::settings::{
    ListFormat, LogFormat, LogLevel, LoginMode, Missing, NoticeMode, UnknownNetwork,
};

const LINE: Kind = Optional(&Rate("64kbit/s", "1000Gbit/s"));
const NAMES: Kind = List(&Name);
const NETWORKS: Kind = List(&Network);

/// Every key of `weir.toml`, in the order of the reference.
pub const SETTINGS: &[Key] = keys! {
    "state", Optional(&Path), r#""""#,
        "Directory of everything that Weir writes: records, imported lists, users. Created when missing. None for \
         `/var/lib/weir` when that can be written to, else `var` in the working directory.";
    "policy", Path, r#""policy.toml""#,
        "The policy file.";
    "threads", Integer(0, 1024), "0",
        "Threads that move traffic; 0 for one a core.";
    "unknown_network", Choice(UnknownNetwork::WORDS), r#""strictest""#,
        "What becomes of a client whose address is in no `[[network]]` and of no `[[device]]`: the strictest profile, or \
         refusal (LM-05, AF-06).";
    "school", Text(100), r#""this school""#,
        "Name on the pages that Weir shows.";
    "review_contact", Optional(&Contact), r#""""#,
        "How to ask for a review of a block: printed on block pages. Without it they say to ask a member of staff.";

    "listener", Sections(64), "",
        "Where clients connect. Without any: one named `main` with the defaults.";
    "listener.name", Name, r#""main""#,
        "Stands in records.";
    "listener.address", Address, r#""127.0.0.1:3128""#,
        "Address and port to listen on; port 0 for any free one.";
    "listener.login", Choice(LoginMode::WORDS), r#""optional""#,
        "Whether people sign in with name and password: never, when their browser offers it, or always.";
    "listener.profile", Optional(&Name), r#""""#,
        "Profile of guests of this listener, in place of their network's.";

    "console", Section, "",
        "Web pages of Weir itself: health, metrics and the monitoring notice. Never reachable through the proxy.";
    "console.address", Address, r#""127.0.0.1:3180""#,
        "Address and port of the pages.";
    "console.hosts", List(&Host), r#"["localhost", "127.0.0.1", "[::1]"]"#,
        "Names and addresses by which browsers may call the pages; others are refused (DNS rebinding).";

    "network", Sections(4096), "",
        "A network that the school has registered (LM-05).";
    "network.name", Name, "",
        "Stands in records; rules name it.";
    "network.addresses", NETWORKS, "",
        "Its addresses. Of two networks that hold an address the narrowest one counts.";
    "network.profile", Optional(&Name), r#""""#,
        "Profile of people who are not signed in there; none for that of its groups, else the strictest.";
    "network.groups", NAMES, "[]",
        "Groups of people who are not signed in there.";

    "device", Sections(65536), "",
        "A machine whose user cannot sign in.";
    "device.name", Name, "",
        "Stands in records (AF-07); rules name it.";
    "device.addresses", NETWORKS, "",
        "Its addresses. Of two devices that hold an address the narrowest one counts.";
    "device.user", Optional(&Name), r#""""#,
        "The person who alone uses it.";
    "device.groups", NAMES, "[]",
        "Groups of whoever uses it.";
    "device.profile", Optional(&Name), r#""""#,
        "Profile of whoever uses it; none for that of its groups, else the strictest.";

    "lists", Section, "",
        "Category lists as plain text. Imported lists are kept apart, under the state directory.";
    "lists.directories", List(&Path), "[]",
        "Directories of lists, one directory a category; all are used. Without any: the starter lists inside the program.";
    "lists.require_reason", Flag, "false",
        "Whether commands that change lists (`weir lists add`, `remove`, `import`, `accept`, `drop`, `rollback`, `forget`, `seal`) \
         need `--reason`. Without one they warn, or, with `true`, change nothing and exit with status 2.";

    "lists.source", Sections(100), "",
        "A list from the network or from a path, kept up to date by itself. It is imported under its name, as \
         `weir lists import` does; see `docs/lists-sources.md`.";
    "lists.source.name", ListName, "",
        "What it is called in records and on pages.";
    "lists.source.from", Place, "",
        "Where it comes from: a file, a directory or an archive.";
    "lists.source.format", Choice(ListFormat::WORDS), r#""auto""#,
        "How it is written; `auto` tells by the first lines.";
    "lists.source.category", Optional(&ListName), r#""""#,
        "The school's category of a list that is one file.";
    "lists.source.categories", Optional(&CategoryMap), r#""""#,
        "Which category of the school's each of its categories becomes, before the map that is built in; `\"\"` leaves one out.";
    "lists.source.refresh", Period("10m", "365d"), r#""24h""#,
        "How often to look for a newer one; `never` (or `0s`) for only by `weir lists update`.";
    "lists.source.size_max", Size("1KiB", "2GiB"), r#""256MiB""#,
        "A larger one is refused.";
    "lists.source.sha256", Optional(&Sha256), r#""""#,
        "The SHA-256 that it must have: no other version is taken.";
    "lists.source.sha256_from", Optional(&Place), r#""""#,
        "A file with the SHA-256 that it must have, as `sha256sum` writes it.";
    "lists.source.public_key", Optional(&MinisignKey), r#""""#,
        "The key of minisign that must have signed it.";
    "lists.source.signature", Optional(&Place), r#""""#,
        "The signature of minisign; none for `from` with `.minisig` behind it.";
    "lists.source.stale_after", Optional(&Duration("10m", "3650d")), r#""""#,
        "Age of the last good look at which an alarm is raised; none for three times `refresh`.";
    "lists.source.shrink_max", Share, "0.5",
        "Largest share of its entries that an update may lose; one that loses more is refused with an alarm.";
    "lists.source.enabled", Flag, "true",
        "Without it nothing is looked for; what was imported stays in force.";

    "mandatory", Sections(16), "",
        "A list that comes by membership only and that nothing lifts; see `docs/lists-mandatory.md`. The slots `iwf` and \
         `ctiru` are there whatever stands here, and a slot that was filled once stays enforced.";
    "mandatory.name", ListName, "",
        "Which slot: `iwf`, `ctiru`, or a further one of this name. Stands in records, as list and as rule \
         `mandatory:<name>`.";
    "mandatory.title", Text(100), r#""""#,
        "The list in words, for pages; none for the built-in words, or the name.";
    "mandatory.from", Optional(&Path), r#""""#,
        "A file of plain text, one host or URL a line, that is taken up whenever it changes; none for only by \
         `weir lists seal`. Weir keeps nothing of the text: have it removed once it was taken.";
    "mandatory.stale_after", Duration("1h", "365d"), r#""7d""#,
        "Age at which the list no longer counts as protection. It stays enforced.";

    "line", Section, "",
        "The school's line to the Internet, shared fairly between those who use it at the moment.";
    "line.down", LINE, r#""""#,
        "Most that all traffic together may receive; none for no limit.";
    "line.up", LINE, r#""""#,
        "Most that all traffic together may send; none for no limit.";

    "resolver", Section, "",
        "How names are resolved.";
    "resolver.servers", List(&Server), "[]",
        "DNS servers; none for the system's.";
    "resolver.timeout", Duration("50ms", "1m"), r#""3s""#,
        "Wait for one server's answer.";
    "resolver.attempts", Integer(1, 10), "2",
        "Questions to ask before giving up.";
    "resolver.cache_entries", Integer(0, 1_000_000), "8192",
        "Names whose addresses each thread remembers.";
    "resolver.minimum_ttl", Duration("0s", "1h"), r#""5s""#,
        "Shortest time that an answer is remembered, whatever it says itself.";
    "resolver.maximum_ttl", Duration("1s", "7d"), r#""1h""#,
        "Longest time that an answer is remembered, whatever it says itself.";
    "resolver.hosts", HostMap, "",
        "Names with fixed addresses, asked of no server: `\"intranet.example\" = [\"10.0.0.5\"]`.";

    "egress", Section, "",
        "Where Weir may connect to.";
    "egress.allow", NETWORKS, "[]",
        "Networks that may be connected to although they are private, loopback or otherwise not on the public Internet. \
         Weir's own listeners are refused even so.";
    "egress.ports", List(&Ports), r#"["80", "443", "1024-65535"]"#,
        "Ports of plain requests.";

    "connect", Section, "",
        "Which tunnels clients may open with CONNECT.";
    "connect.tls_ports", List(&Port), "[443]",
        "Ports of tunnels that must carry TLS.";
    "connect.http_ports", List(&Port), "[80]",
        "Ports of tunnels that must carry plain HTTP; the requests are decided one by one.";
    "connect.opaque_ports", List(&Port), "[]",
        "Ports of tunnels that may carry anything, uninspected.";
    "connect.missing_sni", Choice(Missing::WORDS), r#""allow""#,
        "What becomes of TLS that names no server: allowed on the CONNECT host alone, or refused.";

    "origin", Section, "",
        "Connections to origin servers.";
    "origin.trusted_roots", List(&Path), "[]",
        "PEM files of further certificate authorities to trust beside the system's and Mozilla's.";
    "origin.idle_connections", Integer(0, 1_000_000), "512",
        "Idle connections that each thread keeps for the next request.";
    "origin.idle_per_host", Integer(0, 100_000), "64",
        "Idle connections that each thread keeps to one origin.";
    "origin.idle_timeout", Duration("100ms", "1h"), r#""30s""#,
        "How long an idle connection is kept.";

    "http", Section, "",
        "What of HTTP is passed on.";
    "http.trace", Flag, "false",
        "Pass TRACE requests on to origins.";

    "deadlines", Section, "",
        "Every wait ends.";
    "deadlines.head", Duration("50ms", "10m"), r#""15s""#,
        "A client's whole request head, from its first byte.";
    "deadlines.client_idle", Duration("50ms", "1h"), r#""60s""#,
        "A client's connection between two requests.";
    "deadlines.resolve", Duration("50ms", "5m"), r#""5s""#,
        "Resolving a name, all attempts together.";
    "deadlines.connect", Duration("50ms", "5m"), r#""10s""#,
        "Connecting to an origin, all its addresses together, with the TLS handshake of an `https` request.";
    "deadlines.origin_head", Duration("50ms", "1h"), r#""60s""#,
        "The origin's response head after the whole request was sent.";
    "deadlines.body_idle", Duration("50ms", "1h"), r#""60s""#,
        "A body that does not move, in either direction.";
    "deadlines.hello", Duration("50ms", "5m"), r#""10s""#,
        "The first bytes in a tunnel, up to the whole TLS ClientHello.";
    "deadlines.tunnel_idle", Duration("50ms", "7d"), r#""10m""#,
        "A tunnel or WebSocket on which nothing moves in either direction.";
    "deadlines.expect_continue", Duration("10ms", "1m"), r#""1s""#,
        "The origin's 100 (Continue) before the body is sent without it.";
    "deadlines.login", Duration("50ms", "5m"), r#""5s""#,
        "Checking a password, the wait for its turn included.";
    "deadlines.drain", Duration("0s", "1h"), r#""30s""#,
        "Open requests and tunnels after the order to stop; what still runs is cut.";

    "bounds", Section, "",
        "Every queue and size ends.";
    "bounds.connections", Integer(1, 10_000_000), "20000",
        "Client connections at one time; fewer where the system's limit of open files has no room for them, as the log says \
         then.";
    "bounds.connections_per_address", Integer(1, 10_000_000), "2000",
        "Client connections at one time from one address. One IPv6 /64 has as many, or half of `connections` if that is more.";
    "bounds.head_bytes", Size("1KiB", "1MiB"), r#""64KiB""#,
        "A head, of a request or response.";
    "bounds.fields", Integer(10, 10_000), "100",
        "Fields in a head.";
    "bounds.target_bytes", Size("256B", "64KiB"), r#""16KiB""#,
        "A request's target.";
    "bounds.drain_body", Size("0B", "100MiB"), r#""256KiB""#,
        "What is read and thrown away of a refused request's body to keep the connection; more closes it.";
    "bounds.minimum_rate", Rate("0B/s", "1MB/s"), r#""64B/s""#,
        "Slowest body of a request or response over one `body_idle`; slower ones are cut. `0B/s` for no limit.";

    "login", Section, "",
        "Names and passwords (HTTP Basic).";
    "login.realm", Text(64), r#""Weir""#,
        "What browsers show beside the question for the password.";
    "login.attempts", Integer(1, 10_000), "10",
        "Wrong passwords from one address in one window before further ones wait.";
    "login.window", Duration("1s", "1d"), r#""5m""#,
        "The window.";
    "login.cache_entries", Integer(1, 10_000_000), "10000",
        "Verified passwords to remember (as keyed hashes).";
    "login.cache_lifetime", Duration("1s", "1d"), r#""15m""#,
        "How long a verified password is remembered.";
    "login.verifiers", Integer(1, 256), "2",
        "Passwords to verify at one time; each takes some 20 MB and a core for a moment.";

    "warn", Section, "",
        "The page that lets someone through after a click.";
    "warn.lifetime", Duration("1s", "1d"), r#""30m""#,
        "How long the click holds.";
    "warn.entries", Integer(1, 10_000_000), "10000",
        "Clicks to remember. When there are more, others make room, and whoever made those is asked once more.";

    "notice", Section, "",
        "The notice that tells everybody what is recorded (LM-06); see `docs/lawful-monitoring.md`. Whoever was not given it has no \
         content in records; filtering does not wait for it.";
    "notice.version", Name, r#""1""#,
        "Changed whenever people must be told anew: everybody is given the notice once more.";
    "notice.mode", Choice(NoticeMode::WORDS), r#""first-use""#,
        "Whether browsers are sent to the notice before their first page of an `http` address, or only where somebody opens \
         `http://<notice.host>/`, or `/.well-known/weir/notice` on any such address.";
    "notice.host", Host, r#""notice.weir.internal""#,
        "Name of Weir's own, at which browsers read and acknowledge the notice through the proxy. It needs no entry in DNS and must be \
         the name of nothing else; with everything below it it is never asked of an origin.";
    "notice.language", Language, r#""en-GB""#,
        "Language of the school's own text, as it stands in the ledger.";
    "notice.text", Text(2000), r#""""#,
        "The school's own words, above what Weir says of what it records.";
    "notice.file", Optional(&Path), r#""""#,
        "A file of plain text with them instead, at most 64 KiB; blank lines part paragraphs.";
    "notice.guests", Duration("1m", "30d"), r#""12h""#,
        "How long the notice counts as given for somebody who is known by an address alone.";

    "records", Section, "",
        "Monitoring records, in `records` under the state directory.";
    "records.flush", Duration("1ms", "1m"), r#""50ms""#,
        "Longest time that a record waits before it is written to the journal.";
    "records.sync", Duration("10ms", "10m"), r#""1s""#,
        "Longest time that the journal waits before it is forced to the disk.";
    "records.segment_rows", Integer(1, 16_777_216), "262144",
        "Records after which a journal is sealed into a segment.";
    "records.seal_after", Duration("1s", "7d"), r#""1h""#,
        "Age after which a journal is sealed into a segment.";
    "records.checkpoint", Duration("1s", "1h"), r#""10m""#,
        "A checkpoint of the log over the records is signed at least this often, whether rows come or not (LM-29).";
    "records.retain", Duration("1d", "3650d"), r#""90d""#,
        "Age after which whole segments are removed, and the keys that they are encrypted under destroyed (LM-14).";
    "records.retain_content", Duration("1d", "3650d"), r#""30d""#,
        "Age after which the content of records, such as paths, is gone: the keys that it is encrypted under are destroyed (LM-14).";
    "records.kek", Optional(&KeySource), r#""""#,
        "Where the key is under which all keys of the records are wrapped (LM-16): 32 bytes, as they are, in base64 or as 64 \
         hexadecimal digits. None for `records.kek` in the state directory, which Weir makes: a copied disk then has the key with \
         the records, and `/healthz` says so.";
    "records.tenant", FileName, r#""default""#,
        "Whose records these are; each tenant has keys of its own (LM-16).";
    "records.queue", Integer(1024, 16_777_216), "65536",
        "Records that may wait for the disk; more are dropped, counted and stated in a gap record.";
    "records.long_request", Duration("100ms", "1h"), r#""10s""#,
        "A request that runs longer gets an opening record.";
    "records.strict", Flag, "false",
        "Whether the answer to a blocked or flagged request waits until its opening record is on the disk; it is refused where that takes over 5s.";
    "records.when_unwritable", Choice(Missing::WORDS), r#""allow""#,
        "What becomes of traffic while records cannot be written: allowed, counted and stated in a gap record, or refused.";

    "records.witness", Sections(8), "",
        "A place outside that gets every signed checkpoint of the log over the records (LM-30); whoever runs this machine should \
         not be able to write there. See `docs/records-proof.md`.";
    "records.witness.name", ListName, "",
        "What it is called in health and metrics.";
    "records.witness.to", Place, "",
        "A directory, such as a mount, that gets a file for each checkpoint; or an `http(s)` URL to which each is posted.";

    "log", Section, "",
        "What Weir says about itself, on standard error. Never names what people visit.";
    "log.format", Choice(LogFormat::WORDS), r#""text""#,
        "For people or for programs.";
    "log.level", Choice(LogLevel::WORDS), r#""info""#,
        "How much.";
};
