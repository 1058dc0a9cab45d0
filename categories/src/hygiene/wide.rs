//! Decides whether an expression or a network covers so much that nobody can have meant it, or a site that schools rely on.
//!
//! What an expression fits cannot be told from its text. So it is tried: on addresses of nobody, which have the shapes that
//! addresses have, and on the front pages of the sites that names are held against.

use std::net::IpAddr;

use weir_host::address::Network;

use super::Reason;
use crate::expressions;

/// Addresses of nobody. An expression that fits more than a quarter of them is about no topic.
const PROBES: [&str; 16] = [
    "weir-asks.example/",
    "www.weir-asks.example/",
    "weir-asks.com/",
    "www.weir-asks.com/index.html",
    "weir-asks.co.uk/",
    "www.weir-asks.co.uk/about/us?page=2",
    "weir-asks.org/",
    "kd7-qv.weir-asks.net/9/xh.js?v=31",
    "cdn.weir-asks.io/u/4f1b",
    "weir-asks.sch.uk/year9/",
    "weir-asks.de/kd",
    "a.weir-asks.info/?q=kd+qv",
    "weir-asks.fr/kd/qv/xh/",
    "img2.weir-asks.eu/kd_qv.png",
    "192.0.2.77/",
    "[2001:db8::77]/kd",
];
const PROBES_MOST: usize = PROBES.len() / 4;
/// So many of the sites that schools rely on may be one topic's: more are many topics'.
const SITES_MOST: usize = 10;
/// Shortest prefixes that a registry gives to one holder, so that a wider network is of many.
const PREFIX_LEAST: (u8, u8) = (8, 16);

/// The front pages that expressions are tried on.
#[derive(Clone, Debug, Default)]
pub(super) struct Sites {
    top: Vec<Box<str>>,
    /// Category and name.
    allowed: Vec<(Box<str>, Box<str>)>,
}

impl Sites {
    pub(super) fn add_top(&mut self, name: &str) {
        self.top.push(name.into());
    }

    pub(super) fn add_allowed(&mut self, category: &str, name: &str) {
        self.allowed.push((category.into(), name.into()));
    }

    /// Why an expression is held back, if it is. Of a category that `opens`, a site that schools rely on is no accident.
    pub(super) fn of_expression(&self, text: &str, opens: bool) -> Option<Reason> {
        // What cannot be compiled never comes into force.
        let regex = expressions::compiled(text).ok()?;
        let fits = |address: &str| regex.is_match(address.as_bytes());
        if PROBES.iter().filter(|address| fits(address)).count() > PROBES_MOST {
            return Some(Reason::TooWide);
        }
        let fits_site = |name: &str| fits(&format!("{name}/")) || fits(&format!("www.{name}/"));
        let mut sites = self.top.iter().filter(|name| fits_site(name));
        let first = sites.next();
        if sites.take(SITES_MOST).count() == SITES_MOST {
            return Some(Reason::TooWide);
        }
        if opens {
            return None;
        }
        let mut allowed = self.allowed.iter();
        if let Some((category, name)) = allowed.find(|(_, name)| fits_site(name)) {
            return Some(Reason::AllowSet {
                category: category.to_string(),
                name: name.to_string(),
            });
        }
        first.map(|name| Reason::TopSite(name.to_string()))
    }
}

/// Why a network is held back, if it is.
pub(super) fn of_network(network: &Network) -> Option<Reason> {
    let least = match network.address() {
        IpAddr::V4(_) => PREFIX_LEAST.0,
        IpAddr::V6(_) => PREFIX_LEAST.1,
    };
    (network.prefix() < least).then_some(Reason::TooWide)
}
