//! Writes the configuration reference, `docs/configuration.md`, from the tables of keys. Decides only how it looks.

use std::fmt::Write;

use crate::keys::{Key, Kind, POLICY, SETTINGS};

const HEAD: &str = "# Configuration

Weir reads two files. `weir.toml` says how it runs, and names `policy.toml`, which says who may see what. Both are \
[TOML](https://toml.io). `weir check` tells every fault of both at once, with file, line and key; unknown keys are faults. \
`SIGHUP` (`systemctl reload weir`) reads both again and changes nothing when there is a fault.

`weir.toml` is the file of `--config`, else `config/weir.toml` in the working directory, else `/etc/weir/weir.toml`, else a \
copy inside the program, which brings its own policy and starter lists.

| written as | examples |
|---|---|
| duration | `\"50ms\"` `\"10s\"` `\"5m\"` `\"1h\"` `\"90d\"` |
| size | `\"64KiB\"` (binary) `\"500MB\"` (decimal) |
| rate | `\"20Mbit/s\"` (bits, decimal) `\"2MB/s\"` (bytes) |
| network | `\"10.0.0.0/8\"` `\"2001:db8::/32\"` or one address |
| name | up to 64 characters without commas |
| path | absolute, or relative to the directory of the file that says it |

This page is generated from the table that Weir itself reads by (`config/src/keys`).
";

const RESTART: &str = "
A reload takes up every key but these, for which Weir must be started again: `state`, `threads`, `[[listener]]`, \
`[console]`, `[log]`, and of `[records]` `flush`, `sync`, `segment_rows`, `seal_after`, `checkpoint`, `queue` and `[[records.witness]]`.
";

/// The text of `docs/configuration.md`.
pub fn text() -> String {
    let mut out = HEAD.to_owned();
    file(&mut out, "weir.toml", SETTINGS);
    out.push_str(RESTART);
    file(&mut out, "policy.toml", POLICY);
    out
}

fn file(out: &mut String, name: &str, keys: &[Key]) {
    line(out, format_args!("\n## {name}"));
    table(out, "", keys);
    for section in keys.iter().filter(|key| key.is_section()) {
        line(
            out,
            format_args!("\n### `{}`\n\n{}", section.heading(), section.doc),
        );
        if let Kind::Sections(max) = section.kind {
            line(out, format_args!("At most {max} of them."));
        }
        table(out, section.path, keys);
    }
}

fn table(out: &mut String, parent: &str, keys: &[Key]) {
    let of_parent = |key: &&Key| key.parent() == parent && !key.is_section();
    let mut rows = keys.iter().filter(of_parent).peekable();
    if rows.peek().is_none() {
        return;
    }
    line(
        out,
        format_args!("\n| key | written as | default | meaning |\n|---|---|---|---|"),
    );
    for key in rows {
        let default = if key.is_required() {
            "must be given".to_owned()
        } else {
            format!("`{}`", key.default)
        };
        let kind = key.kind.describe();
        line(
            out,
            format_args!("| `{}` | {kind} | {default} | {} |", key.leaf(), key.doc),
        );
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("invariant: writing to a String succeeds");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// `WEIR_BLESS=1 cargo nextest run -p weir-config` writes the page anew.
    #[test]
    fn the_reference_page_says_what_the_program_does() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        if std::env::var_os("WEIR_BLESS").is_some() {
            std::fs::write(path, text()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            page == text(),
            "docs/configuration.md is not what the keys say: WEIR_BLESS=1 writes it"
        );
    }

    #[test]
    fn every_key_stands_on_the_page_once() {
        let text = text();
        for key in SETTINGS.iter().chain(POLICY) {
            assert!(text.contains(key.doc), "{}", key.path);
            assert!(
                !key.doc.contains('|') && key.doc.ends_with('.'),
                "{}",
                key.path
            );
        }
        let rows = text
            .lines()
            .filter(|line| line.starts_with("| `") && line.ends_with("|"))
            .count();
        let keys = SETTINGS
            .iter()
            .chain(POLICY)
            .filter(|key| !key.is_section())
            .count();
        assert_eq!(rows, keys);
    }

    /// The sentence about reloads is written by hand; it names what [`crate::Settings::needs_restart`] compares.
    #[test]
    fn the_page_names_every_key_that_needs_a_restart() {
        for (key, _) in crate::settings::RESTART {
            let word = key.rsplit('.').next().unwrap();
            assert!(RESTART.contains(word), "{key}");
        }
    }
}
