//! Decides how an expression over host names becomes one over whole addresses (`host/path?query`) that means the same.
//!
//! Weir's expressions see the path as well, so every part must be kept from matching a slash, and the end of the name is the
//! first slash. What cannot be kept so is refused with its reason rather than taken to mean more.

/// An expression for names that contain `text`.
pub(super) fn containing(text: &str) -> String {
    let mut expression = String::from("^[^/]*");
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() {
            expression.push('\\');
        }
        expression.push(c);
    }
    expression
}

/// The same for an address as `expression` for its host name.
pub(super) fn over_address(expression: &str) -> Result<String, &'static str> {
    let mut out = String::from("^[^/]*(");
    let mut rest = expression.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '.' => out.push_str("[^/]"),
            '$' => {
                if !matches!(rest.peek(), None | Some(')' | '|')) {
                    return Err("\"$\" inside an expression");
                }
                out.push_str("(/|$)");
            }
            '^' if !out.ends_with(['(', '|']) => return Err("\"^\" inside an expression"),
            '(' if rest.peek() == Some(&'?') => return Err("groups with \"(?\""),
            '[' => class(&mut rest, &mut out)?,
            '\\' => match rest.next() {
                // No name has a blank in it.
                Some('S') => out.push_str("[^/]"),
                Some('D') => out.push_str("[^/0-9]"),
                Some(c @ ('d' | 'w')) => out.extend(['\\', c]),
                Some(c) if c.is_ascii_punctuation() && c != '/' => out.extend(['\\', c]),
                _ => return Err("a class of characters that a slash may be in"),
            },
            '/' => return Err("a slash, which no name has"),
            c => out.push(c),
        }
    }
    out.push(')');
    // With `^` in front nothing may stand before.
    if expression.starts_with('^') && !expression.contains('|') {
        let anchored = out
            .strip_prefix("^[^/]*(^")
            .and_then(|rest| rest.strip_suffix(')'));
        out = format!("^{}", anchored.unwrap_or_default());
    }
    Ok(out)
}

/// Copies a bracket expression, and shuts slashes out of it.
fn class(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    out: &mut String,
) -> Result<(), &'static str> {
    out.push('[');
    if rest.next_if_eq(&'^').is_some() {
        out.push_str("^/");
    }
    let mut before = None;
    let mut first = true;
    while let Some(c) = rest.next() {
        match c {
            ']' if !first => {
                out.push(']');
                return Ok(());
            }
            '\\' => match rest.next() {
                Some(c @ ('d' | 'w')) => out.extend(['\\', c]),
                Some(c) if c.is_ascii_punctuation() && c != '/' => out.extend(['\\', c]),
                _ => return Err("a class of characters that a slash may be in"),
            },
            '-' => {
                out.push('-');
                if let (Some(low), Some(high)) = (before, rest.peek().copied())
                    && low <= '/'
                    && '/' <= high
                    && high != ']'
                {
                    return Err("a class of characters that a slash may be in");
                }
            }
            '/' | '[' => return Err("a slash or bracket inside brackets"),
            c => out.push(c),
        }
        before = Some(c);
        first = false;
    }
    Err("an open bracket")
}
