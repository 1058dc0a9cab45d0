//! Reads `policy.toml` into [`PolicyFile`]. Checks of one value only; what several values say together is for `check`.

use std::path::PathBuf;

use jiff::civil::Date;
use weir_host::Host;

use super::{
    CategoryLimit, ContentKeeping, Group, HostSelector, Period, PolicyFile, Profile, RuleFile, Term,
};
use crate::document::Section;
use crate::value::{Node, Sink, Value};

pub(crate) fn policy(root: &Section<'_, '_>, file: PathBuf, text: &str) -> PolicyFile {
    PolicyFile {
        file,
        text: text.into(),
        time_zone: root.get("time_zone"),
        strictest: root.get("strictest"),
        otherwise: root.get("otherwise"),
        terms: root.sections("term").iter().map(term).collect(),
        periods: root.sections("period").iter().map(period).collect(),
        profiles: root.sections("profile").iter().map(profile).collect(),
        groups: root.sections("group").iter().map(group).collect(),
        categories: root.sections("category").iter().map(category).collect(),
        rules: root.sections("rule").iter().map(rule).collect(),
    }
}

fn term(section: &Section<'_, '_>) -> Term {
    Term {
        line: section.line(),
        name: section.get("name"),
        first: section.get("first"),
        last: section.get("last"),
    }
}

fn period(section: &Section<'_, '_>) -> Period {
    Period {
        line: section.line(),
        name: section.get("name"),
        days: section.get("days"),
        from: section.get("from"),
        to: section.get("to"),
        term_only: section.get("term_only"),
    }
}

fn profile(section: &Section<'_, '_>) -> Profile {
    Profile {
        line: section.line(),
        name: section.get("name"),
        groups: section.get("groups"),
        down: section.get("down"),
        up: section.get("up"),
        download_size: section.get("download_size"),
        upload_size: section.get("upload_size"),
        daily: section.get("daily"),
    }
}

fn group(section: &Section<'_, '_>) -> Group {
    Group {
        line: section.line(),
        name: section.get("name"),
        down: section.get("down"),
        up: section.get("up"),
    }
}

fn category(section: &Section<'_, '_>) -> CategoryLimit {
    CategoryLimit {
        line: section.line(),
        name: section.get("name"),
        down: section.get("down"),
        up: section.get("up"),
    }
}

fn rule(section: &Section<'_, '_>) -> RuleFile {
    RuleFile {
        line: section.line(),
        id: section.get("id"),
        profiles: section.get("profiles"),
        users: section.get("users"),
        groups: section.get("groups"),
        networks: section.get("networks"),
        devices: section.get("devices"),
        categories: section.get("categories"),
        hosts: section.get("hosts"),
        methods: section.get("methods"),
        ports: section.get("ports"),
        extensions: section.get("extensions"),
        content_types: section.get("content_types"),
        periods: section.get("periods"),
        not_periods: section.get("not_periods"),
        action: section.get("action"),
        purpose: section.get("purpose"),
        words: section.get("words"),
        content: content(section),
        exempt_limits: section.get("exempt_limits"),
        down: section.get("down"),
        up: section.get("up"),
        download_size: section.get("download_size"),
        upload_size: section.get("upload_size"),
    }
}

/// Both keys or none.
fn content(section: &Section<'_, '_>) -> Option<ContentKeeping> {
    let until: Option<Date> = section.get("content_until");
    let reason: String = section.get("content_reason");
    match (until, reason.is_empty()) {
        (Some(until), false) => Some(ContentKeeping { until, reason }),
        (None, true) => None,
        (Some(_), true) => {
            let message =
                "content is kept for a stated reason only (LM-04): say in content_reason why";
            section.fault_at(section.line(), "content_reason", message.to_owned());
            None
        }
        (None, false) => {
            let message = "content is kept for a limited time only (LM-04): give the last day in content_until";
            section.fault_at(section.line(), "content_until", message.to_owned());
            None
        }
    }
}

/// A network when it reads as one, else a host.
impl Value for HostSelector {
    fn read(node: Node<'_, '_>, faults: Sink<'_>) -> HostSelector {
        let text = node.value.get_ref().as_str().unwrap_or_default();
        let address = text.contains(['/', ':']) || text.parse::<std::net::IpAddr>().is_ok();
        if address {
            return HostSelector::Within(Value::read(node, faults));
        }
        match Host::read(node, faults) {
            Host::Name(name) => HostSelector::Below(name),
            Host::V4(address) => {
                HostSelector::Within(weir_host::address::Network::around(address.into(), 32))
            }
            Host::V6(address) => {
                HostSelector::Within(weir_host::address::Network::around(address.into(), 128))
            }
        }
    }
}
