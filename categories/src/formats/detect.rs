//! Decides which format a file has, by its first lines and its name, or that it cannot be told.
//!
//! Each line that is neither blank nor comment is held against the marks of each format. A format is told when it has the
//! marks that only it has, and nearly all lines fit it. Guessing wrong would turn a list of harmless names into a block of
//! them or read nothing, so that what remains unclear is left to who imports.

use std::net::IpAddr;
use std::path::Path;

use thiserror::Error;
use weir_host::Host;

use super::{Format, hosts, trimmed};
use crate::entry::{self, MatchKind};

/// Bytes that are enough to tell.
pub const ENOUGH: usize = 64 << 10;
/// Lines that are looked at.
const LINES: usize = 400;
/// Of a hundred lines so many must fit.
const FIT: usize = 90;

/// A format, and on what ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detected {
    /// The format.
    pub format: Format,
    /// Lines that were looked at, without blank ones and comments.
    pub lines: usize,
    /// How many of them are lines of this format.
    pub fitting: usize,
}

/// Why no format was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unknown {
    /// Nothing but blank lines and comments.
    #[error("it is empty")]
    Empty,
    /// What a server sends in place of a list that is not there.
    #[error("it is a web page, not a list")]
    WebPage,
    /// No format, or several, fit it.
    #[error("its format cannot be told: name it (`--format`, or `format` of the source)")]
    Unclear,
}

/// Tells the format of a list by its first bytes ([`ENOUGH`] of them) and its file name.
///
/// # Errors
/// [`Unknown`] when it is better not to guess.
pub fn detect(first: &[u8], name: &str) -> Result<Detected, Unknown> {
    let first = first.get(..ENOUGH).unwrap_or(first);
    let text = String::from_utf8_lossy(first);
    let text = text.trim_start_matches('\u{feff}');
    if is_web_page(text) {
        return Err(Unknown::WebPage);
    }
    let mut marks = Marks::default();
    let whole = first.len() < ENOUGH || text.ends_with('\n');
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        // The last line may have been cut.
        if lines.peek().is_none() && !whole {
            break;
        }
        marks.line(line);
        if marks.lines == LINES {
            break;
        }
    }
    marks.format(name)
}

fn is_web_page(text: &str) -> bool {
    let start: String = text.trim_start().chars().take(15).collect();
    let start = start.to_ascii_lowercase();
    ["<!doctype", "<html", "<?xml", "<head", "<body"]
        .iter()
        .any(|tag| start.starts_with(tag))
}

/// How many lines look like what.
#[derive(Debug, Default)]
struct Marks {
    lines: usize,
    comments: usize,
    adblock: usize,
    adblock_header: bool,
    dnsmasq: usize,
    hosts: usize,
    rpz: usize,
    rpz_header: bool,
    v2fly: usize,
    names: usize,
    addresses: usize,
    urls: usize,
    ports: usize,
    paths: usize,
    maltrail_header: bool,
}

impl Marks {
    fn line(&mut self, line: &str) {
        let line_start = line;
        let line = trimmed(line);
        if line.is_empty() {
            return;
        }
        if self.comment(line) {
            self.comments += 1;
            return;
        }
        self.lines += 1;
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let first = words.first().copied().unwrap_or_default();
        let second = words.get(1).copied().unwrap_or_default();
        if line.starts_with("||") || line.starts_with("@@") || is_cosmetic(line) {
            self.adblock += 1;
        } else if ["address=/", "server=/", "local=/"]
            .iter()
            .any(|key| line.starts_with(key))
        {
            self.dnsmasq += 1;
        } else if is_zone(line_start, &words) {
            self.rpz += 1;
            self.rpz_header |= words.iter().any(|word| word.eq_ignore_ascii_case("SOA"));
        } else if hosts::address(first).is_some() {
            if second.is_empty() || second.starts_with(['#', ';']) {
                self.addresses += 1;
            } else {
                self.hosts += 1;
            }
        } else if is_v2fly(first, &words) {
            self.v2fly += 1;
        } else if first.starts_with('/') {
            self.paths += 1;
        } else {
            self.entry(first, second);
        }
    }

    fn entry(&mut self, first: &str, second: &str) {
        if !second.is_empty() && !second.starts_with('#') {
            return;
        }
        let name = first.strip_prefix("*.").unwrap_or(first);
        if let Ok(normal) = entry::normal(MatchKind::Domain, name) {
            if normal.contains('/') || normal.parse::<IpAddr>().is_ok() {
                self.addresses += 1;
            } else {
                self.names += 1;
            }
        } else if first.contains("://") {
            self.urls += 1;
        } else if first
            .rsplit_once(':')
            .is_some_and(|(host, port)| is_port(host, port))
        {
            self.ports += 1;
        } else if first.contains('/') && entry::normal(MatchKind::Url, first).is_ok() {
            self.urls += 1;
        }
    }

    /// True for a comment in any format; notes the formats that say their name in one.
    fn comment(&mut self, line: &str) -> bool {
        if line.starts_with('[') && line.ends_with(']') {
            let lower = line.to_ascii_lowercase();
            let known = ["[adblock", "[adguard", "[ublock"]
                .iter()
                .any(|name| lower.starts_with(name));
            self.adblock_header |= known;
            return known;
        }
        if line.starts_with('#') && !is_cosmetic(line) {
            self.maltrail_header |= line.contains("Maltrail developers");
            return true;
        }
        line.starts_with(['!', ';'])
    }

    fn format(&self, name: &str) -> Result<Detected, Unknown> {
        if self.lines == 0 {
            return Err(Unknown::Empty);
        }
        let plain = self.names + self.addresses;
        let trail = plain + self.urls + self.ports + self.paths;
        let adblock = self.adblock + plain + self.paths + self.hosts;
        // Marks that only one format has, then how many lines fit it. Narrow formats come first.
        let table = [
            (
                Format::AdBlock,
                self.adblock_header && adblock * 2 > self.lines,
                self.lines,
            ),
            (Format::AdBlock, self.adblock > 0, adblock),
            (Format::Dnsmasq, self.dnsmasq > 0, self.dnsmasq),
            (Format::Rpz, self.rpz_header || self.rpz > 0, self.rpz),
            (Format::Hosts, self.hosts > 0, self.hosts),
            (Format::V2fly, self.v2fly > 0, self.v2fly + self.names),
            (
                Format::Maltrail,
                self.maltrail_header || (self.paths > 0 && trail > self.paths),
                trail,
            ),
            (
                Format::Cidr,
                self.addresses > 0 && self.names == 0,
                self.addresses,
            ),
            (
                Format::Urls,
                self.urls + self.ports > 0 && self.paths == 0,
                trail,
            ),
            (Format::Domains, self.names > 0, plain),
        ];
        let fits = |fitting: &usize| fitting * 100 >= self.lines * FIT;
        let found = table
            .into_iter()
            .find(|(_, marked, fitting)| *marked && fits(fitting));
        let (format, _, fitting) = found.ok_or(Unknown::Unclear)?;
        // A word on each of one or two lines is a name to every reader and a list to none.
        let is_list = Path::new(name).extension().is_some_and(|e| e != "json") || fitting > 2;
        if format == Format::Domains && !is_list && self.comments == 0 {
            return Err(Unknown::Unclear);
        }
        Ok(Detected {
            format,
            lines: self.lines,
            fitting,
        })
    }
}

fn is_cosmetic(line: &str) -> bool {
    ["##", "#@#", "#?#", "#$#", "#%#"].iter().any(|mark| {
        line.find(mark).is_some_and(|at| {
            !line
                .get(at + 2..)
                .unwrap_or_default()
                .starts_with(['#', ' '])
        })
    })
}

fn is_zone(line: &str, words: &[&str]) -> bool {
    let types = ["SOA", "NS", "CNAME"];
    let is_type = |word: &&str| types.iter().any(|known| word.eq_ignore_ascii_case(known));
    let blank_first = line.starts_with([' ', '\t']);
    let at = usize::from(!blank_first);
    words.first().is_some_and(|word| {
        ["$TTL", "$ORIGIN"]
            .iter()
            .any(|d| word.eq_ignore_ascii_case(d))
    }) || words.iter().skip(at).take(3).any(is_type)
}

fn is_v2fly(first: &str, words: &[&str]) -> bool {
    let keys = ["full:", "domain:", "regexp:", "keyword:", "include:"];
    keys.iter().any(|key| first.starts_with(key))
        || words
            .iter()
            .skip(1)
            .take_while(|word| !word.starts_with('#'))
            .any(|word| word.starts_with('@'))
}

fn is_port(host: &str, port: &str) -> bool {
    port.parse::<u16>().is_ok() && Host::parse_text(host).is_ok()
}
