//! Decides which parts of an address are what somebody searched for: the *search terms*. The table of sites that are known is in
//! `engines.rs`; on every other site parameters with the usual names are taken for terms.
//!
//! What becomes of a term is not decided here: lists look for keywords in it, records may keep it where something was blocked.

mod engines;
#[cfg(test)]
mod tests;

use crate::Host;
use crate::path::triplet;

use self::engines::{ENGINES, Engine, USUAL};

/// A search term of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchTerm<'a> {
    /// The site, where it is one that Weir knows: then the value is a search term for sure, else by its parameter's name.
    pub engine: Option<&'static str>,
    /// The parameter's name as it stands in the query.
    pub parameter: &'a str,
    /// Its value as it stands in the query: [`decoded_term`] makes it readable. Never empty.
    pub value: &'a str,
}

/// Which parameters of a page's query are search terms.
#[derive(Clone, Copy, Debug)]
pub struct SearchPage {
    /// The site's rows of the table, if it has any, and whether one of them is for this page.
    known: Option<Option<&'static Engine>>,
}

impl SearchPage {
    /// Looks `host` and `path` up; `path` is in the form of [`crate::normal_path`].
    pub fn of(host: &Host, path: &str) -> SearchPage {
        let Host::Name(name) = host else {
            return SearchPage { known: None };
        };
        let name = name.as_str();
        let brand = brand(name);
        let mut known = None;
        for engine in ENGINES.iter().filter(|engine| engine.has(name, brand)) {
            let page = Some(engine).filter(|engine| engine.has_page(path));
            known = Some(page);
            if page.is_some() {
                break;
            }
        }
        SearchPage { known }
    }

    /// The name of the site, where it is one that Weir knows and the page one on which it searches.
    pub fn engine(&self) -> Option<&'static str> {
        self.known.flatten().map(|engine| engine.name)
    }

    /// True when the parameter of this name holds a term. On a site that is known only its own count.
    pub fn is_term(&self, parameter: &str) -> bool {
        let names = match self.known {
            None => USUAL,
            Some(None) => return false,
            Some(Some(engine)) => engine.parameters,
        };
        names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(parameter))
    }
}

/// The search terms of an address, in the order in which they stand. `path` is in the form of [`crate::normal_path`], `query`
/// without its `?`. Allocates nothing.
pub fn search_terms<'a>(
    host: &Host,
    path: &str,
    query: Option<&'a str>,
) -> impl Iterator<Item = SearchTerm<'a>> + use<'a> {
    let page = SearchPage::of(host, path);
    let query = query.unwrap_or_default();
    query.split('&').filter_map(move |pair| {
        let (parameter, value) = pair.split_once('=')?;
        let is_term = !value.is_empty() && page.is_term(parameter);
        is_term.then_some(SearchTerm {
            engine: page.engine(),
            parameter,
            value,
        })
    })
}

/// A term as whoever searched typed it: `+` is a blank, triplets are decoded once, what is no UTF-8 becomes `U+FFFD`.
pub fn decoded_term(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    for (number, piece) in value.split('+').enumerate() {
        if number > 0 {
            bytes.push(b' ');
        }
        percent_decode(piece.as_bytes(), &mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Adds `text` to `out` with each triplet (`%41`) decoded once; an invalid one stays as it is.
pub fn percent_decode(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match triplet(tail).filter(|_| byte == b'%') {
            Some(value) => {
                rest = tail.get(2..).unwrap_or_default();
                out.push(value);
            }
            None => out.push(byte),
        }
    }
}

/// The part of a name before the top-level domain under which a site of many countries lies (`com`, `co.uk`): `www.google` of
/// `www.google.co.uk`.
fn brand(name: &str) -> &str {
    let Some((before, _)) = name.rsplit_once('.') else {
        return name;
    };
    match before.rsplit_once('.') {
        Some((site, "co" | "com" | "org" | "net")) => site,
        _ => before,
    }
}

/// True when `name` is `suffix` or below it.
fn below(name: &str, suffix: &str) -> bool {
    let before = name.strip_suffix(suffix);
    before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

impl Engine {
    fn has(&self, name: &str, of: &str) -> bool {
        self.brands.iter().any(|brand| below(of, brand))
            || self.hosts.iter().any(|host| below(name, host))
    }

    fn has_page(&self, path: &str) -> bool {
        let on = |page: &&str| {
            let rest = path.strip_prefix(*page);
            rest.is_some_and(|rest| rest.is_empty() || page.ends_with('/') || rest.starts_with('/'))
        };
        self.pages.iter().any(on)
    }
}
