//! That every line is counted once whatever it is, and how formats are told, on samples of real lists and on any bytes.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_no_list_or_could_be_several_is_not_guessed() {
    let table = [
        ("", Unknown::Empty),
        ("# only\n# comments\n", Unknown::Empty),
        ("<!DOCTYPE html>\n<html>", Unknown::WebPage),
        ("\n <HTML>not found", Unknown::WebPage),
        ("[\n\"a.example\",\n\"b.example\"\n]\n", Unknown::Unclear),
        (
            "Once upon a time\nthere was a list\nof no format\n",
            Unknown::Unclear,
        ),
        ("hello", Unknown::Unclear),
        (
            "||a.example^\naddress=/b.example/\n0.0.0.0 c.example\n",
            Unknown::Unclear,
        ),
    ];
    for (text, expected) in table {
        assert_eq!(detect(text.as_bytes(), "list"), Err(expected), "{text:?}");
    }
}

fn samples() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("WEIR_SHARED").map_or(beside, PathBuf::from);
    let samples = shared.join("lists/hosts/samples");
    if !samples.is_dir() {
        println!("skipped: no {} (WEIR_SHARED)", samples.display());
        return None;
    }
    Some(samples)
}

/// The samples with their formats and lines: entries, duplicates, blank, skipped, faulty.
const SAMPLES: [(&str, Format); 23] = [
    ("abp-antimalware.txt", Format::AdBlock),
    ("blp-adguard.txt", Format::AdBlock),
    ("blp-dnsmasq.txt", Format::Dnsmasq),
    ("blp-domains.txt", Format::Domains),
    ("blp-hosts.txt", Format::Hosts),
    ("blp-ip.txt", Format::Cidr),
    ("cidr-ipv4.txt", Format::Cidr),
    ("cidr-ipv6.txt", Format::Cidr),
    ("hagezi-adblock-allow.txt", Format::AdBlock),
    ("hagezi-adblock.txt", Format::AdBlock),
    ("hagezi-dnsmasq.txt", Format::Dnsmasq),
    ("hagezi-domains.txt", Format::Domains),
    ("hagezi-hosts-9-per-line.txt", Format::Hosts),
    ("hagezi-hosts.txt", Format::Hosts),
    ("hagezi-rpz.txt", Format::Rpz),
    ("hagezi-wildcard-onlydomains.txt", Format::Domains),
    ("hagezi-wildcard.txt", Format::Domains),
    ("ip-with-comment.txt", Format::Cidr),
    ("maltrail-ip-port-and-urls.txt", Format::Maltrail),
    ("stevenblack-hosts.txt", Format::Hosts),
    ("ubo-antimalware.txt", Format::AdBlock),
    ("urls-with-ports-and-comments.txt", Format::Urls),
    ("v2fly-category-anticensorship.txt", Format::V2fly),
];

#[test]
fn every_sample_is_told_and_its_numbers_add_up() {
    let Some(directory) = samples() else { return };
    let there = std::fs::read_dir(&directory).unwrap().count();
    assert_eq!(there, SAMPLES.len());
    for (name, format) in SAMPLES {
        let content = std::fs::read(directory.join(name)).unwrap();
        let detected = detect(&content, name).map(|detected| detected.format);
        assert_eq!(detected, Ok(format), "{name}");
        let read = read_bytes(format, &content).unwrap();
        let newlines = content.iter().filter(|byte| **byte == b'\n').count();
        let lines = newlines + usize::from(!content.ends_with(b"\n"));
        assert_eq!(read.tally.lines, lines as u64, "{name}");
        assert!(read.tally.adds_up(), "{name}: {:?}", read.tally);
        assert!(
            read.tally.entries * 10 >= read.tally.lines,
            "{name}: {:?}",
            read.tally
        );
        assert_eq!(read.tally.faulty, 0, "{name}: {:?}", read.faults);
    }
}

#[test]
fn no_sample_is_read_as_another_format_without_saying_so() {
    let Some(directory) = samples() else { return };
    for (name, _) in SAMPLES {
        let content = std::fs::read(directory.join(name)).unwrap();
        for format in Format::ALL {
            let read = read_bytes(format, &content).unwrap();
            assert!(read.tally.adds_up(), "{name} as {format}: {:?}", read.tally);
        }
    }
}

fn any_line() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "||",
        "@@||",
        "^",
        "$",
        "document",
        ",",
        "##",
        "!#if",
        "!#endif",
        "!",
        "#",
        "0.0.0.0 ",
        "::1 ",
        "127.0.0.1",
        "localhost",
        "a.example",
        "B.Example",
        ".",
        "*.",
        "*",
        "/",
        "address=/",
        "server=/",
        "local=",
        "CNAME ",
        "SOA ",
        "(",
        ")",
        ";",
        "$ORIGIN ",
        "$TTL",
        "@ ",
        " ",
        "\t",
        "rpz-passthru.",
        "rpz-ip",
        "full:",
        "regexp:",
        "keyword:",
        "include:",
        "@ads",
        "&x",
        "http://",
        "udp://",
        ":80",
        "?",
        "=",
        "[",
        "]",
        "\\",
        "192.0.2.0/24",
        "ü",
        "xn--",
        "\r",
        "-",
        "{",
        "|",
        "+",
    ]);
    prop::collection::vec(parts, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic_and_the_numbers_add_up(
        bytes in prop::collection::vec(1_u8.., 0..400),
        format in prop::sample::select(Format::ALL.to_vec()),
    ) {
        let read = read_bytes(format, &bytes).unwrap();
        prop_assert!(read.tally.adds_up(), "{:?}", read.tally);
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').count();
        prop_assert_eq!(read.tally.lines, lines as u64);
        _ = detect(&bytes, "list");
    }

    #[test]
    fn any_lines_give_entries_that_are_in_normal_form(
        lines in prop::collection::vec(any_line(), 0..12),
        format in prop::sample::select(Format::ALL.to_vec()),
    ) {
        let text = lines.join("\n");
        let read = read_bytes(format, text.as_bytes()).unwrap();
        prop_assert!(read.tally.adds_up(), "{:?}", read.tally);
        prop_assert_eq!(read.tally.distinct, read.entries.len() as u64);
        let giving = read.tally.entries + read.tally.duplicates;
        prop_assert!(giving >= read.tally.partly);
        for entry in &read.entries {
            let (kind, text) = match entry.split_once(':') {
                Some((file, text)) if MatchKind::of_file_name(file).is_some() => {
                    (MatchKind::of_file_name(file).unwrap(), text)
                }
                _ => (MatchKind::Domain, &**entry),
            };
            let again = entry::normal(kind, text);
            let plain = text.strip_prefix('.').unwrap_or(text);
            prop_assert!(again.as_deref() == Ok(text) || again.as_deref() == Ok(plain), "{:?}: {:?}", entry, again);
        }
    }
}
