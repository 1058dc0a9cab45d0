//! What `weir.toml` must say by itself, and of the policy.

use std::net::SocketAddr;
use std::path::PathBuf;

use weir_host::Scheme;
use weir_host::address::{self, Kind, Network};

use super::{groups, profiles, unique};
use crate::document::Report;
use crate::{CategoryChoice, Place, PolicyFile, Settings, UnknownNetwork};

pub(super) fn check(settings: &Settings, report: &mut Report) {
    unique(
        "listener",
        "name",
        settings.listeners.iter().map(|item| &item.name),
        report,
    );
    unique(
        "network",
        "name",
        settings.networks.iter().map(|item| &item.name),
        report,
    );
    unique(
        "device",
        "name",
        settings.devices.iter().map(|item| &item.name),
        report,
    );
    sources(settings, report);
    witnesses(settings, report);
    own_addresses(settings, report);
    client_addresses(settings, report);
    tunnel_ports(settings, report);
    bounds(settings, report);
    realm(settings, report);
    files(settings, report);
    warnings(settings, report);
}

/// References to the policy.
pub(super) fn refer(settings: &Settings, policy: &PolicyFile, report: &mut Report) {
    let (profiles, groups) = (profiles(policy), groups(policy));
    for (index, listener) in settings.listeners.iter().enumerate() {
        profiles.check(
            &format!("listener[{}].profile", index + 1),
            &listener.profile,
            report,
        );
    }
    for (index, network) in settings.networks.iter().enumerate() {
        profiles.check(
            &format!("network[{}].profile", index + 1),
            &network.profile,
            report,
        );
        groups.check(
            &format!("network[{}].groups", index + 1),
            &network.groups,
            report,
        );
    }
    for (index, device) in settings.devices.iter().enumerate() {
        profiles.check(
            &format!("device[{}].profile", index + 1),
            &device.profile,
            report,
        );
        groups.check(
            &format!("device[{}].groups", index + 1),
            &device.groups,
            report,
        );
    }
}

/// The source of entries that people add by command while no directory is configured.
const LOCAL: &str = "local";

/// Lists that are kept up to date: each has a name of its own, and says no two things of one.
fn sources(settings: &Settings, report: &mut Report) {
    let sources = &settings.lists.sources;
    let names = sources.iter().map(|source| &source.name);
    unique("lists.source", "name", names, report);
    for (index, source) in sources.iter().enumerate() {
        let key = |leaf: &str| format!("lists.source[{}].{leaf}", index + 1);
        if &*source.name == LOCAL {
            let message = "\"local\" is where entries go that people add: choose another name";
            report.fault(&key("name"), message.to_owned());
        }
        if settings
            .mandatory
            .iter()
            .any(|list| list.name == source.name)
        {
            let message = format!(
                "{:?} is the name of a mandatory list: choose another name",
                source.name
            );
            report.fault(&key("name"), message);
        }
        if source.category.is_some() && source.categories.is_some() {
            let message = "category is given too: a list has either one category or a map of them";
            report.fault(&key("categories"), message.to_owned());
        }
        if source.sha256.is_some() && source.sha256_from.is_some() {
            report.fault(&key("sha256_from"), "sha256 is given too".to_owned());
        }
        if source.signature.is_some() && source.public_key.is_none() {
            let message = "a signature is checked with a public_key, which is not given";
            report.fault(&key("signature"), message.to_owned());
        }
        match &source.from {
            Place::File(path) if !path.exists() => {
                let message = format!("there is no {} at present", path.display());
                report.warn(&key("from"), message);
            }
            Place::Url(url) if url.scheme == Scheme::Http && !source.is_verified() => {
                let message = "anyone on the way can change what comes over http: use https, public_key or sha256";
                report.warn(&key("from"), message.to_owned());
            }
            _ => {}
        }
        if let Some(CategoryChoice::File(path)) = &source.categories
            && !path.is_file()
        {
            let message = format!("there is no file {}", path.display());
            report.fault(&key("categories"), message);
        }
    }
}

/// Witnesses have a name each, and are there.
fn witnesses(settings: &Settings, report: &mut Report) {
    let names = settings.witnesses.iter().map(|witness| &witness.name);
    unique("records.witness", "name", names, report);
    for (index, witness) in settings.witnesses.iter().enumerate() {
        let key = format!("records.witness[{}].to", index + 1);
        let ports = &settings.egress.ports;
        if let Place::Url(url) = &witness.to
            && !ports.iter().any(|range| range.contains(url.port))
        {
            let message = format!(
                "port {} is not one of egress.ports, so no checkpoint gets there: add it to egress.ports",
                url.port
            );
            report.warn(&key, message);
        }
        match &witness.to {
            Place::File(path) if path.starts_with(&settings.state) => {
                let message =
                    "it lies in Weir's own state: a copy beside the records proves nothing";
                report.fault(&key, message.to_owned());
            }
            Place::File(path) if !path.is_dir() => {
                let message = format!("there is no directory {} at present", path.display());
                report.warn(&key, message);
            }
            Place::Url(url) if url.scheme == Scheme::Http => {
                let message =
                    "anyone on the way can keep checkpoints from a witness over http: use https";
                report.warn(&key, message.to_owned());
            }
            _ => {}
        }
    }
}

/// No two listeners, the console's included, on one address.
fn own_addresses(settings: &Settings, report: &mut Report) {
    let listeners = settings.listeners.iter().enumerate();
    let listeners = listeners
        .map(|(index, listener)| (format!("listener[{}].address", index + 1), listener.address));
    let console = ("console.address".to_owned(), settings.console.address);
    let mut seen: Vec<(String, SocketAddr)> = Vec::new();
    for (key, address) in listeners.chain([console]) {
        match seen.iter().find(|(_, other)| clash(*other, address)) {
            Some((other, _)) => {
                report.fault(&key, format!("{address} is already taken by {other}"))
            }
            None => seen.push((key, address)),
        }
    }
}

fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    let one = |a: SocketAddr, b: SocketAddr| a.ip().is_unspecified() && a.is_ipv4() == b.is_ipv4();
    a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || one(a, b) || one(b, a))
}

/// Each registered network and device has addresses, and none is of two.
fn client_addresses(settings: &Settings, report: &mut Report) {
    let networks = settings.networks.iter().map(|item| &item.addresses);
    distinct("network", networks, report);
    let devices = settings.devices.iter().map(|item| &item.addresses);
    distinct("device", devices, report);
}

fn distinct<'a>(section: &str, items: impl Iterator<Item = &'a Vec<Network>>, report: &mut Report) {
    let mut seen: std::collections::HashMap<Network, usize> = std::collections::HashMap::new();
    for (index, addresses) in items.enumerate() {
        let key = format!("{section}[{}].addresses", index + 1);
        if report.has_fault(&key) {
            continue;
        }
        if addresses.is_empty() {
            report.fault(&key, "no address".to_owned());
        }
        for network in addresses {
            match seen.insert(*network, index + 1) {
                Some(other) if other != index + 1 => {
                    report.fault(&key, format!("{network} is already of {section}[{other}]"));
                }
                _ => {}
            }
        }
    }
}

fn tunnel_ports(settings: &Settings, report: &mut Report) {
    let connect = &settings.connect;
    let lists = [
        ("connect.tls_ports", &connect.tls_ports),
        ("connect.http_ports", &connect.http_ports),
        ("connect.opaque_ports", &connect.opaque_ports),
    ];
    for (index, (key, ports)) in lists.iter().enumerate() {
        for (other, earlier) in lists.iter().take(index) {
            if let Some(port) = ports.iter().find(|port| earlier.contains(port)) {
                report.fault(key, format!("port {port} is already in {other}"));
            }
        }
    }
}

fn bounds(settings: &Settings, report: &mut Report) {
    let (bounds, resolver) = (&settings.bounds, &settings.resolver);
    let mut not_above = |below: &str, above: &str, holds: bool| {
        if !holds && !report.has_fault(above) {
            report.fault(below, format!("above {above}"));
        }
    };
    not_above(
        "bounds.connections_per_address",
        "bounds.connections",
        bounds.connections_per_address <= bounds.connections,
    );
    not_above(
        "bounds.target_bytes",
        "bounds.head_bytes",
        bounds.target_bytes <= bounds.head_bytes,
    );
    not_above(
        "resolver.minimum_ttl",
        "resolver.maximum_ttl",
        resolver.minimum_ttl <= resolver.maximum_ttl,
    );
}

/// The realm stands in a quoted string of a response field (RFC 9110 §11.5).
fn realm(settings: &Settings, report: &mut Report) {
    let plain = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    if !settings.login.realm.chars().all(plain) {
        let message = "plain ASCII without quotation marks and backslashes, because it stands in a field of HTTP";
        report.fault("login.realm", message.to_owned());
    }
}

/// Whatever must be there before Weir starts.
fn files(settings: &Settings, report: &mut Report) {
    let mut each = |key: &str, paths: &[PathBuf], what: &str, there: fn(&PathBuf) -> bool| {
        for path in paths.iter().filter(|path| !there(path)) {
            report.fault(key, format!("there is no {what} {}", path.display()));
        }
    };
    each(
        "lists.directories",
        &settings.lists.directories,
        "directory",
        |path| path.is_dir(),
    );
    each(
        "origin.trusted_roots",
        &settings.origin.trusted_roots,
        "file",
        |path| path.is_file(),
    );
}

fn warnings(settings: &Settings, report: &mut Report) {
    if let Some(outdated) = crate::law::outdated(&settings.notice.text) {
        let leaf = settings.notice.file.as_ref().map_or("text", |_| "file");
        report.warn(&format!("notice.{leaf}"), outdated);
    }
    let everything = |network: &Network| network.prefix() == 0;
    for (index, network) in settings.networks.iter().enumerate() {
        if network.addresses.iter().any(everything) {
            let message = "every address in the world is registered as the school's own (LM-05)";
            report.warn(
                &format!("network[{}].addresses", index + 1),
                message.to_owned(),
            );
        }
    }
    if settings.egress.allow.iter().any(everything) {
        let message =
            "every address is exempt: clients reach this machine and its neighbours through Weir";
        report.warn("egress.allow", message.to_owned());
    }
    if address::kind(settings.console.address.ip()) != Kind::Loopback {
        let message = "the console's pages are open to other machines";
        report.warn("console.address", message.to_owned());
    }
    unregistered(settings, report);
}

/// Listeners for other machines, none of which is registered.
fn unregistered(settings: &Settings, report: &mut Report) {
    let networks = settings.networks.iter().flat_map(|item| &item.addresses);
    let mut registered = networks.chain(settings.devices.iter().flat_map(|item| &item.addresses));
    let local = |network: &Network| address::kind(network.address()) == Kind::Loopback;
    if !registered.all(local) {
        return;
    }
    let outcome = match settings.unknown_network {
        UnknownNetwork::Strictest => "gets the strictest profile",
        UnknownNetwork::Refuse => "is refused",
    };
    for (index, listener) in settings.listeners.iter().enumerate() {
        if address::kind(listener.address.ip()) != Kind::Loopback {
            let message = format!(
                "no [[network]] of other machines is registered: each of them {outcome} (LM-05, AF-06)"
            );
            report.warn(&format!("listener[{}].address", index + 1), message);
        }
    }
}
