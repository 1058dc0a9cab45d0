//! Decides what the lines of v2fly's domain lists are, and what a file with its includes comes to.
//!
//! `name` and `domain:name` are the name with everything below it. `full:name` means the one name there; here it is taken
//! like the others: an entry for one name alone could be an expression only, and expressions are not asked about a tunnel, so
//! that the name would stay open over HTTPS, which is how it is visited. `keyword:` and `regexp:` are expressions over the
//! host name and hold where the whole address is known.
//!
//! `include:file @a @-b` brings the rules of another file that have the attribute `a` and not `b`. A line that includes is a
//! line of entries (or of duplicates) like any other.

mod resolve;

pub(crate) use self::resolve::Files;
use super::{Line, LineFault, Sink, Skip, domain_or_top_level, pattern, trimmed};
use crate::entry::{Domain, MatchKind};
use crate::expressions;

/// Most attributes of a line. Upstream has 2.
const ATTRIBUTES_MAX: usize = 32;

/// What a line says.
#[derive(Debug)]
enum Rule<'a> {
    Domain(Domain),
    Expression(String),
    Include(&'a str),
    Affiliated,
}

/// Words after the rule that begin with `@`.
type Attributes<'a> = Vec<&'a str>;

/// Reads a line of a file that came alone.
pub(super) fn line(line: &str, sink: &mut Sink) -> Result<Line, LineFault> {
    let Some((rule, _)) = parse(line)? else {
        return Ok(Line::Blank);
    };
    match rule {
        Rule::Domain(domain) => sink.domain(MatchKind::Domain, &domain),
        Rule::Expression(text) => sink.normal(MatchKind::Expression, &text),
        Rule::Include(_) => return Ok(Line::Skipped(Skip::Include)),
        Rule::Affiliated => return Ok(Line::Skipped(Skip::Affiliation)),
    }
    Ok(Line::Entries)
}

fn parse(line: &str) -> Result<Option<(Rule<'_>, Attributes<'_>)>, LineFault> {
    let text = trimmed(line.split('#').next().unwrap_or_default());
    let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    let Some(first) = words.next() else {
        return Ok(None);
    };
    let mut attributes = Attributes::new();
    let mut affiliated = false;
    for word in words {
        match word.strip_prefix('@') {
            Some(attribute) if !attribute.is_empty() => attributes.push(attribute),
            _ if word.starts_with('&') => affiliated = true,
            _ => return Err(LineFault::Form("a word that is no attribute (\"@…\")")),
        }
        if attributes.len() > ATTRIBUTES_MAX {
            return Err(LineFault::Form("more attributes than any list has"));
        }
    }
    let rule = match first.split_once(':') {
        _ if affiliated => Rule::Affiliated,
        None => Rule::Domain(domain_or_top_level(first)?),
        Some(("domain" | "full", name)) => Rule::Domain(domain_or_top_level(name)?),
        Some(("keyword", word)) if !word.is_empty() && !word.contains('/') => {
            expression(pattern::containing(&word.to_ascii_lowercase()))?
        }
        Some(("regexp", text)) => {
            expression(pattern::over_address(text).map_err(LineFault::Form)?)?
        }
        Some(("include", file)) if !file.is_empty() => Rule::Include(file),
        Some(_) => {
            return Err(LineFault::Form(
                "no rule: full:, domain:, regexp:, keyword: and include: are known",
            ));
        }
    };
    Ok(Some((rule, attributes)))
}

fn expression(text: String) -> Result<Rule<'static>, LineFault> {
    expressions::check(&text).map_err(crate::entry::EntryError::from)?;
    Ok(Rule::Expression(text))
}
