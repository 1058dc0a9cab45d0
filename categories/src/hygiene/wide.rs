//! Decides whether an expression, a keyword or a network covers so much that nobody can have meant it, or a site that schools rely on.
//!
//! What an expression fits cannot be told from its text. So it is tried: on addresses of nobody, which have the shapes that
//! addresses have, and on the front pages of the sites that names are held against. A keyword is tried on paths, queries and
//! searches as anybody has them, and on those sites' addresses as other addresses carry them.

use std::net::IpAddr;

use weir_host::address::Network;

use super::Reason;
use crate::expressions;
use crate::keywords::{Keyword, Probe};

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
/// Paths, queries and searches about nothing. A keyword that is in more than [`SPEECH_MOST`] of them is about no topic.
const SPEECH: [&str; 24] = [
    "/index.html",
    "/index.php?id=31&page=2&lang=en",
    "/images/logo.png?v=31",
    "/assets/css/main.css",
    "/static/js/app.min.js?v=31",
    "/wp-content/uploads/2024/09/image.jpg",
    "/wp-content/themes/site/index.php?page=home",
    "/api/v2/users/31?format=json",
    "/search?q=what+is+the+time+in+the+morning&hl=en&source=web",
    "/search?q=how+to+find+the+name+of+an+image&client=web",
    "/search?q=where+is+the+nearest+train+to+you+and+me&page=2",
    "/results?search_query=how+to+draw+for+you+and+your+friends",
    "/search?q=why+are+there+so+many+things+with+that+name&source=web",
    "/login?return=https%3A%2F%2Fwww.weir-asks.com%2Fhome.html",
    "/news/2024/this-is-what-people-are-saying-about-the-year.html",
    "/news/story/and-for-the-second-year-it-was-all-about-learning.htm",
    "/about/us.html?ref=home",
    "/en/home/page/2?utm_source=web&utm_medium=email&utm_campaign=site",
    "/media/image/31.jpg?utm_source=web&utm_medium=site",
    "/go?url=https://www.weir-asks.org/index.html&ref=search",
    "/go?url=http://www.weir-asks.co.uk/news/page.html",
    "/user/login.php?next=/user/home.php&lang=en",
    "/content/images/reading-and-writing-for-year-9.pdf",
    "/how-to-use-this-site-with-your-class-and-you.html",
];
const SPEECH_MOST: usize = 2;
/// So many of the sites that schools rely on may be one topic's: more are many topics'.
const SITES_MOST: usize = 10;
/// Shortest prefixes that a registry gives to one holder, so that a wider network is of many.
const PREFIX_LEAST: (u8, u8) = (8, 16);

/// The front pages that expressions are tried on.
#[derive(Clone, Debug)]
pub(super) struct Sites {
    top: Vec<Box<str>>,
    /// Of the same sites: their addresses, as others carry them.
    carried: Vec<Probe>,
    speech: Vec<Probe>,
    /// Category and name.
    allowed: Vec<(Box<str>, Box<str>)>,
}

impl Default for Sites {
    fn default() -> Sites {
        Sites {
            top: Vec::new(),
            carried: Vec::new(),
            speech: SPEECH.map(speech).into(),
            allowed: Vec::new(),
        }
    }
}

fn speech(address: &str) -> Probe {
    let mut decoded = Vec::new();
    weir_host::percent_decode(address.as_bytes(), &mut decoded);
    Probe::new(&String::from_utf8_lossy(&decoded))
}

impl Sites {
    pub(super) fn add_top(&mut self, name: &str) {
        self.carried
            .push(Probe::new(&format!("https://www.{name}/")));
        self.top.push(name.into());
    }

    pub(super) fn add_allowed(&mut self, category: &str, name: &str) {
        self.allowed.push((category.into(), name.into()));
    }

    /// Why a keyword is held back, if it is: in a category that `opens` always, since whoever types it would have any site open.
    pub(super) fn of_keyword(&self, text: &str, opens: bool) -> Option<Reason> {
        if opens {
            return Some(Reason::TooWide);
        }
        // What is no keyword never comes into force.
        let keyword = Keyword::read(text).ok()?;
        let more = |probes: &[Probe], most: usize| {
            let mut having = probes.iter().filter(|probe| probe.has(&keyword));
            having.nth(most).is_some()
        };
        let wide = more(&self.speech, SPEECH_MOST) || more(&self.carried, SITES_MOST);
        wide.then_some(Reason::TooWide)
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
