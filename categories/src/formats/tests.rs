//! What each line of each format means.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::lines::{self, Told};
use super::*;
use crate::report::Faults;

/// What a text comes to: its numbers, its entries (`urls:x.example/a`, and without a kind those of `domains`), its faults.
struct Read {
    tally: Tally,
    entries: Vec<String>,
    faults: Vec<String>,
}

fn read_bytes(format: Format, text: &[u8]) -> Option<Read> {
    let mut faults = Faults::default();
    let mut sink = Sink::default();
    let mut told = Told {
        list: "test",
        file: Path::new("list"),
        faults: &mut faults,
        most: u64::MAX,
        tick: &mut || {},
    };
    let mut tally = lines::read(text, &mut format.reader(), &mut sink, &mut told).ok()?;
    let mut entries = Vec::new();
    sink.finish(&mut tally, &mut |kind, _, lines| {
        for line in lines {
            let line = std::str::from_utf8(line).unwrap().trim_end();
            entries.push(match kind {
                MatchKind::Domain => line.to_owned(),
                kind => format!("{kind}:{line}"),
            });
        }
        Ok(())
    })
    .unwrap();
    Some(Read {
        tally,
        entries,
        faults: faults.iter().map(ToString::to_string).collect(),
    })
}

fn read(format: Format, text: &str) -> Read {
    let read = read_bytes(format, text.as_bytes()).unwrap();
    assert!(read.tally.adds_up(), "{format}: {:?}", read.tally);
    read
}

/// What one line is, in a word: its entries, `blank`, `skipped <reason>`, or `faulty`.
fn meaning(format: Format, line: &str) -> String {
    let read = read(format, &format!("{line}\n"));
    assert_eq!(read.tally.lines, 1, "{line:?}");
    let Tally { blank, faulty, .. } = read.tally;
    match (read.tally.skipped.keys().next(), blank, faulty) {
        (Some(reason), ..) => format!("skipped {reason}"),
        (None, 1, _) => "blank".to_owned(),
        (None, _, 1) => "faulty".to_owned(),
        _ => read.entries.join(" "),
    }
}

fn check(format: Format, table: &[(&str, &str)]) {
    for (line, expected) in table {
        assert_eq!(meaning(format, line), *expected, "{format}: {line:?}");
    }
}

#[test]
fn plain_and_wildcard_lists_give_names_addresses_and_networks() {
    check(
        Format::Domains,
        &[
            ("Ads.example.com", "ads.example.com"),
            ("*.ads.example.com", "ads.example.com"),
            (".ads.example.com", "ads.example.com"),
            ("ads.example.com # why", "ads.example.com"),
            ("ads.example.com\r", "ads.example.com"),
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("2001:db8::1", "2001:db8::1"),
            ("bücher.example", "xn--bcher-kva.example"),
            (".zip", ".zip"),
            ("*.zip", ".zip"),
            ("zip", "faulty"),
            ("a.*.example", "faulty"),
            ("ads..example", "faulty"),
            ("two names.example", "faulty"),
            ("# comment", "blank"),
            ("! comment", "blank"),
            ("", "blank"),
        ],
    );
}

#[test]
fn hosts_lines_list_each_name_and_leave_the_machine_itself_out() {
    check(
        Format::Hosts,
        &[
            ("0.0.0.0 ads.example.com", "ads.example.com"),
            (
                "127.0.0.1\tads.example.com\tb.example",
                "ads.example.com b.example",
            ),
            ("  0.0.0.0   ads.example.com  # why", "ads.example.com"),
            ("0.0.0.0 ads.example.com#why", "ads.example.com"),
            (":: ads.example.com", "ads.example.com"),
            ("::1 ads.example.com", "ads.example.com"),
            ("0.0.0.0 ADS.example.com ", "ads.example.com"),
            ("127.0.0.1 localhost", "skipped local"),
            ("::1 localhost ip6-loopback", "skipped local"),
            ("fe80::1%lo0 localhost", "skipped local"),
            ("255.255.255.255 broadcasthost", "skipped local"),
            ("0.0.0.0 0.0.0.0", "skipped local"),
            ("127.0.0.1 localhost ads.example.com", "ads.example.com"),
            // Safe search: another answer, no block.
            ("216.239.38.120 www.google.com", "skipped rewrite"),
            ("0.0.0.0", "faulty"),
            ("ads.example.com", "faulty"),
            ("0.0.0.0 ads", "faulty"),
            ("  # only a comment", "blank"),
        ],
    );
    let read = read(Format::Hosts, "0.0.0.0 a.example bad..name b.example\n");
    assert_eq!(read.entries, ["a.example", "b.example"]);
    assert_eq!((read.tally.entries, read.tally.partly), (1, 1));
    assert!(read.faults[0].starts_with("list:1: "), "{:?}", read.faults);
}

#[test]
fn adblock_rules_count_where_they_mean_a_host_or_a_path_with_all_below() {
    check(
        Format::AdBlock,
        &[
            ("||ads.example.com^", "ads.example.com"),
            ("||ads.example.com^|", "ads.example.com"),
            ("||ads.example.com^*", "ads.example.com"),
            ("||ads.example.com/", "ads.example.com"),
            ("||ads.example.com/*", "ads.example.com"),
            ("||ADS.example.com^ # why", "ads.example.com"),
            ("||192.0.2.1^", "192.0.2.1"),
            ("||[2001:db8::1]^", "2001:db8::1"),
            ("||192.0.2.1:8080^", "urls:192.0.2.1:8080/"),
            ("||zip^", ".zip"),
            ("||täst.example^", "xn--tst-qla.example"),
            ("@@||good.example^", "exceptions:good.example"),
            ("@@||good.example/free/", "exceptions:good.example/free"),
            ("||x.example/a^", "urls:x.example/a"),
            ("||x.example/a/", "urls:x.example/a"),
            ("||x.example/a/b.exe^$all", "urls:x.example/a/b.exe"),
            ("||x.example/w?v=1^", "urls:x.example/w?v=1"),
            ("||x.example/w?v=", "urls:x.example/w?v="),
            ("ads.example.com", "ads.example.com"),
            ("192.0.2.1", "192.0.2.1"),
            ("0.0.0.0 ads.example.com", "ads.example.com"),
            // Open at the end: `example.community` and `/abc` as well.
            ("||example.com", "skipped pattern"),
            ("||magiskcn.", "skipped pattern"),
            ("||magiskcn.^", "skipped pattern"),
            ("||x.example/a", "skipped pattern"),
            ("||x.example/w?v=1", "skipped pattern"),
            ("||x.example/a|", "skipped pattern"),
            ("||x.example/*/a^", "skipped pattern"),
            ("||*.x.example^", "skipped pattern"),
            ("||x.example^path", "skipped pattern"),
            ("|https://x.example/", "skipped pattern"),
            ("://confirm.*.top^$document", "skipped pattern"),
            ("/wp-admin/Install.exe|$document", "skipped pattern"),
            (r"/^https?:\/\/x[0-9]\.top\//$document", "skipped pattern"),
            ("banner", "skipped pattern"),
            ("@@banner.example", "skipped pattern"),
            ("-ad-300x250.", "skipped pattern"),
            ("x.example##.ad", "skipped cosmetic"),
            ("##.ad", "skipped cosmetic"),
            ("x.example#@#.ad", "skipped cosmetic"),
            ("x.example#?#.ad:has(b)", "skipped cosmetic"),
            ("x.example$$script[src]", "skipped cosmetic"),
            ("[$path=/a]x.example##.ad", "skipped cosmetic"),
            ("! comment", "blank"),
            ("!! ||x.example^$document - see there", "blank"),
            ("[Adblock Plus 2.0]", "blank"),
            ("# comment", "blank"),
            ("!#include other.txt", "skipped directive"),
            ("||bad..name^", "faulty"),
        ],
    );
}

#[test]
fn adblock_options_are_taken_only_where_the_whole_host_is_meant() {
    for options in [
        "document",
        "doc",
        "all",
        "document,popup",
        "popup,doc",
        "match-case",
        "_,all",
        "image,all",
    ] {
        let line = format!("||x.example^${options}");
        assert_eq!(meaning(Format::AdBlock, &line), "x.example", "{line}");
    }
    for options in [
        "third-party",
        "3p",
        "~third-party",
        "first-party",
        "1p",
        "script",
        "image",
        "popup",
        "domain=a.example",
        "domain=a.example|~b.example",
        "from=a.example",
        "to=a.example",
        "denyallow=a.example",
        "badfilter",
        "important",
        "document,domain=top",
        "all,important",
        "~document",
        "removeparam=source",
        "removeparam=/a,b/",
        "csp=script-src 'none'",
        "redirect=noop.js",
        "dnsrewrite=1.2.3.4",
        "dnstype=AAAA",
        "client=10.0.0.1",
        "ctag=user_child",
        "app=com.example",
        "method=post",
        "header=x:y",
        "cookie",
        "replace=/a/b/",
        "permissions=x",
        "generichide",
        "elemhide",
        "genericblock",
        "inline-script",
        "network",
        "xhr",
        "websocket",
        "unheard-of",
    ] {
        let line = format!("||x.example^${options}");
        assert_eq!(meaning(Format::AdBlock, &line), "skipped options", "{line}");
    }
    // An exception loosens, so nothing may be read into it.
    for options in ["document", "all", "important", "elemhide", "third-party"] {
        let line = format!("@@||x.example^${options}");
        assert_eq!(meaning(Format::AdBlock, &line), "skipped options", "{line}");
    }
    assert_eq!(
        meaning(Format::AdBlock, "||x.example/a^$match-case"),
        "skipped options"
    );
    assert_eq!(
        meaning(Format::AdBlock, "||x.example/a$b^"),
        "urls:x.example/a$b"
    );
}

#[test]
fn rules_under_a_condition_that_only_a_browser_knows_are_skipped() {
    let text = "||a.example^\n!#if env_firefox\n||b.example^\n!#else\n||c.example^\n!#endif\n||d.example^\n";
    let read = read(Format::AdBlock, text);
    assert_eq!(read.entries, ["a.example", "d.example"]);
    assert_eq!(read.tally.skipped[&Skip::Directive], 5);
}

#[test]
fn an_exception_tells_how_many_entries_of_its_file_it_voids() {
    let text = "||a.example^\n||b.a.example^\n||c.example^\n||192.0.2.7^\n@@||a.example^\n@@||192.0.2.7^\n";
    let read = read(Format::AdBlock, text);
    assert_eq!((read.tally.exceptions, read.tally.excepted), (2, 3));
    assert_eq!(
        (
            read.tally.entries,
            read.tally.distinct,
            read.tally.redundant
        ),
        (6, 6, 1)
    );
}

#[test]
fn dnsmasq_lines_list_names_that_do_not_resolve() {
    check(
        Format::Dnsmasq,
        &[
            ("address=/ads.example.com/", "ads.example.com"),
            ("address=/ads.example.com/0.0.0.0", "ads.example.com"),
            ("address=/ads.example.com/#", "ads.example.com"),
            ("address=/ads.example.com/::", "ads.example.com"),
            ("address=/ads.example.com/127.0.0.1", "ads.example.com"),
            ("server=/ads.example.com/", "ads.example.com"),
            ("local=/ads.example.com/ # why", "ads.example.com"),
            ("local=/a.example/b.example/", "a.example b.example"),
            ("address=/.a.example/", "a.example"),
            ("address=/*.a.example/", "a.example"),
            ("address=/zip/", ".zip"),
            ("address=/www.google.com/216.239.38.120", "skipped rewrite"),
            ("server=/corp.example/10.0.0.1", "skipped forward"),
            ("server=/corp.example/#", "skipped forward"),
            ("address=/#/", "skipped everything"),
            ("address=/ad*.example/", "skipped pattern"),
            ("server=1.1.1.1", "skipped setting"),
            ("cache-size=1000", "skipped setting"),
            ("no-resolv", "skipped setting"),
            ("address=/ads.example.com", "faulty"),
            ("address=/bad..name/", "faulty"),
            ("ads.example.com", "faulty"),
            ("# comment", "blank"),
        ],
    );
}

#[test]
fn policy_zones_list_names_and_pass_through_exceptions() {
    check(
        Format::Rpz,
        &[
            ("ads.example.com CNAME .", "ads.example.com"),
            ("*.ads.example.com CNAME .", "ads.example.com"),
            ("ads.example.com 300 IN CNAME *.", "ads.example.com"),
            (
                "ads.example.com\tIN\t1h\tCNAME\trpz-drop.",
                "ads.example.com",
            ),
            ("ads.example.com. CNAME . ; why", "ads.example.com"),
            ("ads.example.com A 0.0.0.0", "ads.example.com"),
            ("ads.example.com AAAA ::", "ads.example.com"),
            ("zip CNAME .", ".zip"),
            (
                "good.example CNAME rpz-passthru.",
                "exceptions:good.example",
            ),
            (
                "good.example CNAME good.example.",
                "exceptions:good.example",
            ),
            ("x.example CNAME rpz-tcp-only.", "skipped rewrite"),
            (
                "www.google.com CNAME forcesafesearch.google.com.",
                "skipped rewrite",
            ),
            ("x.example A 192.0.2.1", "skipped rewrite"),
            ("x.example TXT \"seen\"", "skipped rewrite"),
            ("32.1.2.0.192.rpz-ip CNAME .", "skipped trigger"),
            (
                "24.0.2.0.192.rpz-client-ip CNAME rpz-drop.",
                "skipped trigger",
            ),
            ("ns.example.rpz-nsdname CNAME .", "skipped trigger"),
            ("* CNAME .", "skipped everything"),
            ("a.*.example CNAME .", "skipped pattern"),
            ("$TTL 300", "skipped zone"),
            ("@ SOA localhost. root.localhost. 1 2 3 4 5", "skipped zone"),
            ("  NS localhost.", "skipped zone"),
            ("$INCLUDE other", "skipped include"),
            ("; comment", "blank"),
            ("bad..name CNAME .", "faulty"),
            ("ads.example.com", "faulty"),
            ("ads.example.com GIBBERISH .", "faulty"),
        ],
    );
}

#[test]
fn names_of_a_zone_are_relative_to_it_however_it_says_so() {
    let zone = "$ORIGIN rpz.school.example.\n@ IN SOA ns. root. (\n 1 ; serial\n 2 3\n 4 5 )\n  IN NS ns.\n\
        a.example CNAME .\nb.example.rpz.school.example. CNAME .\n  CNAME .\n\
        elsewhere.example. CNAME .\n$ORIGIN com.rpz.school.example.\nc CNAME .\n";
    let read = read(Format::Rpz, zone);
    assert_eq!(read.entries, ["a.example", "b.example", "c.com"]);
    assert_eq!(read.tally.faulty, 1, "{:?}", read.faults);
    assert_eq!(read.tally.skipped[&Skip::Zone], 7);
    assert_eq!(read.tally.duplicates, 1);
}

#[test]
fn url_lists_give_paths_hosts_and_ports() {
    check(
        Format::Urls,
        &[
            ("http://x.example/a", "urls:x.example/a"),
            (
                "https://x.example:443/announce # dead",
                "urls:x.example:443/announce",
            ),
            ("wss://x.example/a", "urls:x.example/a"),
            ("x.example/a/b", "urls:x.example/a/b"),
            ("https://x.example/", "x.example"),
            ("http://192.0.2.1", "192.0.2.1"),
            ("x.example", "x.example"),
            ("x.example:8080", "urls:x.example:8080/"),
            ("udp://x.example:1337/announce", "skipped scheme"),
            ("ftp://x.example/a", "skipped scheme"),
            ("/a", "faulty"),
            ("http://*.x.example/a", "faulty"),
            ("http://x.example:0/", "faulty"),
            ("", "blank"),
        ],
    );
}

#[test]
fn trails_of_maltrail_give_everything_but_paths_on_any_host() {
    check(
        Format::Maltrail,
        &[
            ("x.example", "x.example"),
            ("192.0.2.1:4444", "urls:192.0.2.1:4444/"),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("http://192.0.2.1", "192.0.2.1"),
            ("http://192.0.2.1:81/a.sh", "urls:192.0.2.1:81/a.sh"),
            ("x.example/gate.php ", "urls:x.example/gate.php"),
            (".onion", ".onion"),
            ("/izuku.mips", "skipped path"),
            ("# Reference: https://x.example", "blank"),
            ("no such thing", "faulty"),
        ],
    );
}

#[test]
fn lists_of_addresses_take_nothing_else() {
    check(
        Format::Cidr,
        &[
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.0/24 ; SBL1", "192.0.2.0/24"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("192.0.2.1             # a.example, b.example", "192.0.2.1"),
            ("192.0.2.1/24", "faulty"),
            ("192.0.2.0/33", "faulty"),
            ("x.example", "faulty"),
            ("", "blank"),
        ],
    );
}

#[test]
fn v2fly_rules_are_names_or_expressions_over_the_host() {
    check(
        Format::V2fly,
        &[
            ("x.example", "x.example"),
            ("domain:x.example @ads @-cn", "x.example"),
            ("full:x.example # why", "x.example"),
            ("cn", ".cn"),
            ("keyword:porn", "expressions:^[^/]*porn"),
            ("keyword:a.b", r"expressions:^[^/]*a\.b"),
            (
                r"regexp:^nis.+\.10010\.com$",
                r"expressions:^nis[^/]+\.10010\.com(/|$)",
            ),
            (
                r"regexp:(^|\.)a[1-5]\.com$",
                r"expressions:^[^/]*((^|\.)a[1-5]\.com(/|$))",
            ),
            (
                r"regexp:.+\.ecr\.[^\.]+\.com$",
                r"expressions:^[^/]*([^/]+\.ecr\.[^/\.]+\.com(/|$))",
            ),
            (r"regexp:^a-\S+-\d$", r"expressions:^a-[^/]+-\d(/|$)"),
            (r"regexp:a\W+b", "faulty"),
            (r"regexp:a$b", "faulty"),
            (r"regexp:[+-9]", "faulty"),
            ("regexp:(?i)a", "faulty"),
            ("include:other", "skipped include"),
            ("x.example &other", "skipped affiliation"),
            ("x.example what", "faulty"),
            ("geoip:cn", "faulty"),
            ("bad..name", "faulty"),
            ("# comment", "blank"),
        ],
    );
}

#[test]
fn an_expression_over_the_host_never_looks_at_the_path() {
    let over = |text| {
        let text = pattern::over_address(text).unwrap();
        regex::Regex::new(&format!("(?i){text}")).unwrap()
    };
    let anchored = over(r"(^|\.)a[1-5]\.com$");
    for hit in ["a1.com/", "www.a1.com/x", "A1.com"] {
        assert!(anchored.is_match(hit), "{hit}");
    }
    for miss in [
        "ba1.com/",
        "a1.com.evil.example/",
        "evil.example/a1.com",
        "evil.example/.a1.com/",
    ] {
        assert!(!anchored.is_match(miss), "{miss}");
    }
    let loose = over(r"awsdns-[0-9]+\.");
    assert!(loose.is_match("ns.awsdns-12.com/"));
    assert!(!loose.is_match("x.example/awsdns-12.com"));
    let first = over(r"^a.c$");
    assert!(first.is_match("abc/") && !first.is_match("a/c") && !first.is_match("x.abc/"));
}

#[test]
fn what_is_below_another_name_is_redundant_but_an_entry() {
    let read = read(
        Format::Domains,
        "b.a.example\na.example\nA.example\nxa.example\nc.b.a.example\n",
    );
    assert_eq!(
        (
            read.tally.entries,
            read.tally.duplicates,
            read.tally.redundant
        ),
        (4, 1, 2)
    );
    let read = self::read(Format::Domains, ".zip\na.zip\n192.0.2.1\n");
    assert_eq!(read.tally.redundant, 1);
}

#[test]
fn a_line_is_a_duplicate_when_all_its_names_stand_above() {
    let text =
        "0.0.0.0 a.example b.example\n0.0.0.0 b.example a.example\n0.0.0.0 b.example c.example\n";
    let read = read(Format::Hosts, text);
    assert_eq!(
        (
            read.tally.entries,
            read.tally.duplicates,
            read.tally.distinct
        ),
        (2, 1, 3)
    );
}

#[test]
fn a_byte_order_mark_and_a_missing_last_newline_change_nothing() {
    let read = read(Format::Domains, "\u{feff}a.example\nb.example");
    assert_eq!(read.entries, ["a.example", "b.example"]);
    assert_eq!(read.tally.lines, 2);
}

#[test]
fn an_endless_line_is_one_fault_and_a_hole_refuses_the_file() {
    let text = format!("{}\nx.example\n", "a".repeat(1 << 20));
    let read = read(Format::Domains, &text);
    assert_eq!((read.tally.lines, read.tally.faulty), (2, 1));
    assert!(read_bytes(Format::Domains, b"a.example\n\0\n").is_none());
}

#[test]
fn formats_have_names_and_the_names_of_people() {
    for format in Format::ALL {
        assert_eq!(format.as_str().parse(), Ok(format));
    }
    assert_eq!("wildcard".parse(), Ok(Format::Domains));
    assert_eq!("AdGuard".parse(), Ok(Format::AdBlock));
    let error = "csv".parse::<Format>().unwrap_err().to_string();
    assert!(error.contains("adblock, dnsmasq"), "{error}");
}

mod whole;
