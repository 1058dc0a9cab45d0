//! Decides what the rules of AdBlock lists (Adblock Plus, uBlock Origin, AdGuard) are.
//!
//! `||name^` means the name and everything below it, and so does the entry; `@@||name^` is an exception. `||name/path^` is an
//! entry of `urls`, and `||name/path/` too. Bare names and lines of hosts files count as uBlock Origin and AdGuard read them.
//! Rules that mean less than a host or a path with everything below it are skipped: patterns (`||name/*/x`, and `||name`
//! without its `^`, which is `name.evil.example` as well), regular expressions, cosmetic rules, and rules with options that
//! narrow them ([`super::options`]).

use super::{Line, LineFault, Sink, Skip, domain_or_top_level, hosts, options, trimmed};
use crate::entry::{self, MatchKind};

/// Marks between the pages and the part of a page that a cosmetic rule is about.
const COSMETIC: [&str; 10] = [
    "##", "#@#", "#?#", "#@?#", "#$#", "#@$#", "#$?#", "#%#", "#@%#", "$$",
];

/// Reads rules, and keeps to the `!#if` that they stand in.
#[derive(Debug, Default)]
pub(crate) struct AdBlock {
    conditions: u32,
}

impl AdBlock {
    pub(super) fn line(&mut self, line: &str, sink: &mut Sink) -> Result<Line, LineFault> {
        let text = trimmed(line);
        if let Some(directive) = text.strip_prefix("!#") {
            return Ok(self.directive(directive));
        }
        if text.is_empty() || text.starts_with('!') || is_header(text) {
            return Ok(Line::Blank);
        }
        // Whether the condition holds is known to a browser only.
        if self.conditions > 0 {
            return Ok(Line::Skipped(Skip::Directive));
        }
        if COSMETIC.iter().any(|mark| text.contains(mark)) {
            return Ok(Line::Skipped(Skip::Cosmetic));
        }
        if text.starts_with('#') {
            return Ok(Line::Blank);
        }
        rule(text.split(" #").next().map_or(text, trimmed), sink)
    }

    fn directive(&mut self, text: &str) -> Line {
        let word = text.split([' ', '\t']).next().unwrap_or_default();
        match word {
            "if" => self.conditions = self.conditions.saturating_add(1),
            "endif" => self.conditions = self.conditions.saturating_sub(1),
            "else" | "include" => {}
            _ => return Line::Blank,
        }
        Line::Skipped(Skip::Directive)
    }
}

/// `[Adblock Plus 2.0]`, `[AdGuard]`, `[uBlock Origin]`.
fn is_header(text: &str) -> bool {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| {
        let inner = inner.trim_start().to_ascii_lowercase();
        ["adblock", "adguard", "ublock"]
            .iter()
            .any(|name| inner.starts_with(name))
    })
}

fn rule(text: &str, sink: &mut Sink) -> Result<Line, LineFault> {
    let exception = text.starts_with("@@");
    let rule = text.strip_prefix("@@").unwrap_or(text);
    if rule.starts_with('/') {
        return Ok(Line::Skipped(Skip::Pattern));
    }
    let (body, options) = options::split(rule);
    let Some(body) = body.strip_prefix("||") else {
        return bare(body, exception, options, sink);
    };
    // `^*` and `/*` at the end mean no more than `^` and `/`.
    let body = match body.strip_suffix('*') {
        Some(shorter) if shorter.ends_with(['^', '/']) => shorter,
        _ => body,
    };
    let end = body.find(['^', '/', '|', '?', '*']).unwrap_or(body.len());
    let (host, rest) = body.split_at_checked(end).unwrap_or((body, ""));
    let shape = match rest {
        "^" | "^|" | "/" if !host.ends_with('.') => Shape::Host,
        path if path.starts_with('/') => match closed_path(path) {
            Some(path) => Shape::Path(path),
            None => return Ok(Line::Skipped(Skip::Pattern)),
        },
        _ => return Ok(Line::Skipped(Skip::Pattern)),
    };
    let with_path = matches!(shape, Shape::Path(_));
    if options.is_some_and(|options| !options::whole(options, exception, with_path)) {
        return Ok(Line::Skipped(Skip::Options));
    }
    let has_port = host.contains(':') && !host.ends_with(']');
    match shape {
        Shape::Host if !has_port => {
            let kind = if exception {
                MatchKind::Exception
            } else {
                MatchKind::Domain
            };
            sink.domain(kind, &domain_or_top_level(host)?);
        }
        Shape::Host => sink.url(exception, host)?,
        Shape::Path(path) => sink.url(exception, &format!("{host}{path}"))?,
    }
    Ok(Line::Entries)
}

enum Shape<'a> {
    /// The whole host.
    Host,
    /// A path with everything below it.
    Path(&'a str),
}

/// The path of a rule that ends where an entry of `urls` would: at a separator, at a slash, or where a query is open.
fn closed_path(path: &str) -> Option<&str> {
    let (inner, separated) = match path.strip_suffix('^') {
        Some(inner) => (inner, true),
        None => (path, false),
    };
    if inner.contains(['^', '|', '*', '#', '\\']) {
        return None;
    }
    let closed = if inner.contains('?') {
        separated != inner.ends_with(['=', '&', ';', '?'])
    } else {
        separated != inner.ends_with('/')
    };
    closed.then_some(inner)
}

/// A rule without anchor: a name or address alone, or a line of a hosts file; anything else is a pattern.
fn bare(
    text: &str,
    exception: bool,
    options: Option<&str>,
    sink: &mut Sink,
) -> Result<Line, LineFault> {
    let pattern = Ok(Line::Skipped(Skip::Pattern));
    if exception || options.is_some() {
        return pattern;
    }
    let first = text.split([' ', '\t']).next().unwrap_or_default();
    if first.len() < text.len() && hosts::address(first).is_some() {
        return hosts::line(text, sink);
    }
    let is_name = text.contains('.') && !text.starts_with('.') && !text.ends_with('.');
    match entry::domain(text) {
        Ok(domain) if is_name => {
            sink.domain(MatchKind::Domain, &domain);
            Ok(Line::Entries)
        }
        _ => pattern,
    }
}
