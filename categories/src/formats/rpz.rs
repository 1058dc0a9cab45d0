//! Decides what the records of a response policy zone are.
//!
//! `name CNAME .` (no such name), `name CNAME *.` (no data) and `name CNAME rpz-drop.` (no answer) list the name, with
//! everything below it whether `*.name` is there or not; so do `A` and `AAAA` records that lead nowhere. `rpz-passthru.` is an
//! exception. Records that answer with something else rewrite and are skipped, and so are triggers about addresses and name
//! servers, which no name is.

use std::net::IpAddr;

use super::{Line, LineFault, Sink, Skip, domain_or_top_level, is_nowhere, trimmed};
use crate::entry::MatchKind;

/// Where in its zone a file is.
#[derive(Debug, Default)]
pub(crate) struct Zone {
    /// `$ORIGIN`, without root dot; nothing while the file says none.
    origin: Option<String>,
    /// The zone itself: what absolute owners end with.
    apex: Option<String>,
    /// Owner of the record before, for lines that begin with a blank.
    owner: String,
    /// Parentheses that are open.
    open: u32,
}

impl Zone {
    pub(super) fn line(&mut self, line: &str, sink: &mut Sink) -> Result<Line, LineFault> {
        let text = trimmed(line.split(';').next().unwrap_or_default());
        if text.is_empty() {
            return Ok(Line::Blank);
        }
        if self.open > 0 {
            self.count_parentheses(text);
            return Ok(Line::Skipped(Skip::Zone));
        }
        let mut words = text.split([' ', '\t', '(']).filter(|word| !word.is_empty());
        if text.starts_with('$') {
            return Ok(self.directive(words.next().unwrap_or_default(), words.next()));
        }
        if !line.starts_with([' ', '\t']) {
            words.next().unwrap_or_default().clone_into(&mut self.owner);
        }
        let mut kind = words.next();
        while kind.is_some_and(is_class_or_time) {
            kind = words.next();
        }
        let kind = kind.ok_or(LineFault::Form("a record without a type"))?;
        let data = words.next().unwrap_or_default();
        self.record(&kind.to_ascii_uppercase(), data, text, sink)
    }

    fn count_parentheses(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                b'(' => self.open = self.open.saturating_add(1),
                b')' => self.open = self.open.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn directive(&mut self, word: &str, value: Option<&str>) -> Line {
        if word.eq_ignore_ascii_case("$ORIGIN") {
            self.origin = value.map(bare);
        }
        let include = word.eq_ignore_ascii_case("$INCLUDE");
        Line::Skipped(if include { Skip::Include } else { Skip::Zone })
    }

    fn record(
        &mut self,
        kind: &str,
        data: &str,
        text: &str,
        sink: &mut Sink,
    ) -> Result<Line, LineFault> {
        match kind {
            "SOA" => {
                self.apex = self.apex.take().or_else(|| Some(self.absolute()));
                self.count_parentheses(text);
                return Ok(Line::Skipped(Skip::Zone));
            }
            "NS" | "DNSKEY" | "RRSIG" | "NSEC" | "NSEC3" | "NSEC3PARAM" | "DS" | "CAA" => {
                return Ok(Line::Skipped(Skip::Zone));
            }
            "CNAME" | "A" | "AAAA" => {}
            "TXT" | "MX" | "DNAME" | "SRV" | "PTR" | "HTTPS" | "SVCB" | "NAPTR" => {
                self.count_parentheses(text);
                return Ok(Line::Skipped(Skip::Rewrite));
            }
            _ => return Err(LineFault::Form("no record of a response policy zone")),
        }
        let owner = self.relative()?;
        if is_trigger(&owner) {
            return Ok(Line::Skipped(Skip::Trigger));
        }
        let name = owner.strip_prefix("*.").unwrap_or(&owner);
        let Some(kind) = action(kind, data, name) else {
            return Ok(Line::Skipped(Skip::Rewrite));
        };
        if matches!(name, "*" | "" | "@") {
            return Ok(Line::Skipped(Skip::Everything));
        }
        if name.contains('*') {
            return Ok(Line::Skipped(Skip::Pattern));
        }
        sink.domain(kind, &domain_or_top_level(name)?);
        Ok(Line::Entries)
    }

    /// The owner with the origin that the file gives, without root dot.
    fn absolute(&self) -> String {
        let origin = self.origin.as_deref().unwrap_or_default();
        match self.owner.strip_suffix('.') {
            Some(name) => name.to_ascii_lowercase(),
            None if self.owner == "@" => origin.to_owned(),
            None if origin.is_empty() => self.owner.to_ascii_lowercase(),
            None => format!("{}.{origin}", self.owner.to_ascii_lowercase()),
        }
    }

    /// The owner within the zone: the name that the record is about.
    fn relative(&self) -> Result<String, LineFault> {
        if self.owner.is_empty() {
            return Err(LineFault::Form("a record without a name"));
        }
        let apex = self
            .apex
            .as_deref()
            .or(self.origin.as_deref())
            .unwrap_or_default();
        if apex.is_empty() {
            // The zone's name is in the name server's settings then, and owners are relative to it.
            return Ok(self
                .owner
                .strip_suffix('.')
                .unwrap_or(&self.owner)
                .to_owned());
        }
        let full = self.absolute();
        let name = match full.strip_suffix(apex) {
            Some("") => "",
            Some(name) => name.strip_suffix('.').ok_or(OUTSIDE)?,
            None => return Err(OUTSIDE),
        };
        Ok(name.to_owned())
    }
}

const OUTSIDE: LineFault = LineFault::Form("a name outside of the zone");

fn bare(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn is_class_or_time(word: &str) -> bool {
    let class = ["IN", "CH", "HS"]
        .iter()
        .any(|class| word.eq_ignore_ascii_case(class));
    let units = |c: char| {
        c.is_ascii_digit() || matches!(c.to_ascii_lowercase(), 's' | 'm' | 'h' | 'd' | 'w')
    };
    class || (word.starts_with(|c: char| c.is_ascii_digit()) && word.chars().all(units))
}

fn is_trigger(owner: &str) -> bool {
    let last = owner.rsplit('.').next().unwrap_or_default();
    ["rpz-ip", "rpz-client-ip", "rpz-nsip", "rpz-nsdname"]
        .iter()
        .any(|trigger| last.eq_ignore_ascii_case(trigger))
}

/// What the record does to its name; nothing when it answers with something.
fn action(kind: &str, data: &str, name: &str) -> Option<MatchKind> {
    if kind != "CNAME" {
        let address: IpAddr = data.parse().ok()?;
        return is_nowhere(address).then_some(MatchKind::Domain);
    }
    match &*data.to_ascii_lowercase() {
        "." | "*." | "rpz-drop." | "rpz-drop" => Some(MatchKind::Domain),
        "rpz-passthru." | "rpz-passthru" => Some(MatchKind::Exception),
        // The spelling of before there was `rpz-passthru.`: a name that is answered with itself.
        itself if bare(itself) == bare(name) => Some(MatchKind::Exception),
        _ => None,
    }
}
