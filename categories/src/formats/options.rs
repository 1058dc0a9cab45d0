//! Decides which options of an AdBlock rule leave its meaning "this host, whatever asks for it".
//!
//! A proxy sees who asks for which address, not from which page and for what: a rule that holds only for images, for third
//! parties or on some pages cannot be kept by it, and blocking the whole host for it would block what its author let pass.
//! So an option is taken only when the rule covers the page itself (`$document`, `$doc`, `$all`: someone who opens the host
//! is stopped) and nothing narrows it. What is not known narrows.
//!
//! `$important` is not taken either: such a rule beats exceptions, and an entry of Weir's would lose against them;
//! `$badfilter` takes back another rule.

/// True when the rule holds for the whole host. `exception` is that it begins with `@@`, `with_path` that it has a path.
pub(super) fn whole(options: &str, exception: bool, with_path: bool) -> bool {
    let mut page = false;
    let mut kinds = false;
    for option in options.split(',') {
        let option = option.trim().to_ascii_lowercase();
        match &*option {
            // Names are compared without regard to case anyway, and so are paths here.
            "match-case" if !with_path => {}
            // `$document` on an exception lifts the blocking on pages of the host, not of the host.
            "document" | "doc" | "all" if !exception => page = true,
            "popup" | "script" | "image" | "stylesheet" | "css" | "subdocument" | "frame"
            | "xmlhttprequest" | "xhr" | "object" | "media" | "font" | "ping" | "websocket"
            | "other"
                if !exception =>
            {
                kinds = true;
            }
            // Made of underscores: a place holder without meaning.
            other if !other.is_empty() && other.bytes().all(|b| b == b'_') => {}
            _ => return false,
        }
    }
    page || !kinds
}

/// Parts a rule from its options: at the first `$` that an option's name follows.
pub(super) fn split(rule: &str) -> (&str, Option<&str>) {
    for (at, _) in rule.match_indices('$') {
        let Some((rule, options)) = rule.split_at_checked(at) else {
            continue;
        };
        let options = options.get(1..).unwrap_or_default();
        if options.split(',').all(is_option) || options.split(',').next().is_some_and(has_value) {
            return (rule, Some(options));
        }
    }
    (rule, None)
}

fn is_option(text: &str) -> bool {
    let (name, _) = text.split_once('=').unwrap_or((text, ""));
    let name = name.strip_prefix('~').unwrap_or(name);
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Values may have commas in them (`$removeparam=/a,b/`).
fn has_value(text: &str) -> bool {
    text.contains('=') && is_option(text)
}
