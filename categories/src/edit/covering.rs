//! Decides which entries of lists that cannot be edited put a name into a category, so that an exception is written where one
//! is needed and nowhere else.

use std::collections::{HashMap, HashSet};

use weir_host::address::Network;
use weir_host::{Host, parents};

use super::{EditError, Listed, Wanted, each_line};
use crate::entry::{self, Domain, MatchKind};
use crate::source::{Listing, Source};

/// For each of `wanted` the entries of `category` in `sources` that cover it: itself, a parent, a network around it, a path
/// above it. What expressions match is not looked for.
pub(super) fn covering(
    sources: &[Source],
    category: &str,
    wanted: &[Wanted],
) -> Result<Vec<Vec<Listed>>, EditError> {
    let mut forms: HashMap<(MatchKind, String), Vec<usize>> = HashMap::new();
    for (at, wanted) in wanted.iter().enumerate() {
        for form in covering_forms(wanted) {
            forms.entry(form).or_default().push(at);
        }
    }
    let mut found = vec![Vec::new(); wanted.len()];
    for source in sources {
        for file in Listing::of(source)?.files {
            if file.category != category || !matches!(file.kind, MatchKind::Domain | MatchKind::Url)
            {
                continue;
            }
            let content = file.read()?;
            let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
            for (line, text) in (1..).zip(content.split(|byte| *byte == b'\n')) {
                let text = String::from_utf8_lossy(text);
                let Some(text) = entry::content(&text, file.kind) else {
                    continue;
                };
                let Ok(normal) = entry::normal(file.kind, text) else {
                    continue;
                };
                let key = (file.kind, normal);
                for at in forms.get(&key).into_iter().flatten() {
                    if let Some(found) = found.get_mut(*at) {
                        found.push(Listed {
                            list: source.name.clone(),
                            category: category.to_owned(),
                            kind: file.kind,
                            file: file.path.clone(),
                            line,
                            entry: key.1.clone(),
                        });
                    }
                }
            }
        }
    }
    Ok(found)
}

/// The entries of `exceptions` that cover `wanted`, whatever their category.
pub(super) fn exceptions(sources: &[Source], wanted: &Wanted) -> Result<Vec<Listed>, EditError> {
    let forms: HashSet<String> = covering_forms(wanted)
        .into_iter()
        .map(|form| form.1)
        .collect();
    let mut found = Vec::new();
    for source in sources {
        each_line(source, Some(MatchKind::Exception), |listed| {
            let normal = entry::normal(listed.kind, &listed.entry);
            if normal.is_ok_and(|normal| forms.contains(&normal)) {
                found.push(listed);
            }
            true
        })?;
    }
    Ok(found)
}

/// Every entry that would cover this one, in normal form.
fn covering_forms(wanted: &Wanted) -> Vec<(MatchKind, String)> {
    let mut forms = Vec::new();
    if wanted.kind == MatchKind::Keyword {
        return forms;
    }
    if wanted.kind == MatchKind::Url {
        let Ok(url) = entry::url(&wanted.normal) else {
            return forms;
        };
        for host in covering_hosts(&url.host) {
            let port = url.port.map(|port| format!("{}:{port}", bracketed(&host)));
            for path in paths(&url.path) {
                forms.push((MatchKind::Url, format!("{}{path}", bracketed(&host))));
                if let Some(with_port) = &port {
                    forms.push((MatchKind::Url, format!("{with_port}{path}")));
                }
            }
            forms.push((MatchKind::Domain, host));
        }
        forms.push((MatchKind::Url, wanted.normal.clone()));
    } else if let Ok(domain) = entry::domain(&crate::history::lines::written(
        &wanted.normal,
        MatchKind::Domain,
    )) {
        let hosts: Vec<String> = match &domain {
            Domain::Name(name) => parents(name.as_str()).map(str::to_owned).collect(),
            Domain::Network(network) => around(network),
        };
        for host in hosts {
            forms.push((MatchKind::Url, format!("{}/", bracketed(&host))));
            forms.push((MatchKind::Domain, host));
        }
    }
    forms
}

fn covering_hosts(host: &Host) -> Vec<String> {
    match host {
        Host::Name(name) => parents(name.as_str()).map(str::to_owned).collect(),
        Host::V4(_) | Host::V6(_) => match host.to_string().parse() {
            Ok(network) => around(&network),
            Err(_) => Vec::new(),
        },
    }
}

/// The network and every one around it.
fn around(network: &Network) -> Vec<String> {
    let wider = (0..=network.prefix()).map(|bits| Network::around(network.address(), bits));
    wider.map(|network| network.to_string()).collect()
}

/// As the host of a URL.
fn bracketed(host: &str) -> String {
    match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}

/// The path and every one above it: `/a/b`, `/a`, `/`.
fn paths(path: &str) -> Vec<&str> {
    let mut found = vec!["/"];
    let ends = path
        .match_indices('/')
        .map(|(at, _)| at)
        .chain([path.len()]);
    found.extend(ends.filter(|at| *at > 0).filter_map(|at| path.get(..at)));
    found.dedup();
    found
}
