//! What the values say together.

use super::{POLICY, assert_told, read};
use crate::{HostSelector, PolicyFile, Settings};

pub(super) fn settings(text: &str) -> Settings {
    read(text, POLICY).unwrap().settings
}

/// Messages of the warnings, with their keys.
pub(super) fn warned(settings: &str, policy: &str) -> Vec<String> {
    let warnings = read(settings, policy).unwrap().warnings;
    warnings
        .iter()
        .map(|warning| format!("{}: {}", warning.key, warning.message))
        .collect()
}

#[test]
fn two_listeners_never_share_an_address_nor_the_console_one_of_theirs() {
    let text = |a: &str, b: &str, console: &str| {
        format!(
            "[[listener]]\nname = 'a'\naddress = '{a}'\n[[listener]]\nname = 'b'\naddress = '{b}'\n[console]\naddress = '{console}'\n"
        )
    };
    let fine = [
        ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"),
        ("127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1"),
        ("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"),
        ("0.0.0.0:1", "[::]:1", "127.0.0.1:2"),
    ];
    for (a, b, console) in fine {
        assert_told(&text(a, b, console), POLICY, &[]);
    }
    let second = ["weir.toml:6: listener[2].address: "];
    assert_told(
        &text("127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:2"),
        POLICY,
        &second,
    );
    assert_told(
        &text("0.0.0.0:1", "10.0.0.1:1", "127.0.0.1:2"),
        POLICY,
        &second,
    );
    assert_told(&text("[::1]:1", "[::]:1", "127.0.0.1:2"), POLICY, &second);
    let console =
        ["weir.toml:8: console.address: 127.0.0.1:2 is already taken by listener[2].address"];
    assert_told(
        &text("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:2"),
        POLICY,
        &console,
    );
    let default =
        ["weir.toml:1: console.address: 127.0.0.1:3128 is already taken by listener[1].address"];
    assert_told("console.address = '127.0.0.1:3128'", POLICY, &default);
}

#[test]
fn names_are_unique() {
    let settings = "[[listener]]\n[[listener]]\naddress = '127.0.0.1:1'\n\
        [[network]]\nname = 'a'\naddresses = ['10.0.0.0/8']\n[[network]]\nname = 'a'\naddresses = ['10.0.0.0/16']\n\
        [[device]]\nname = 'a'\naddresses = ['10.0.0.1']\n[[device]]\nname = 'a'\naddresses = ['10.0.0.2']\n";
    let expected = [
        "weir.toml:2: listener[2].name: \"main\" is already the name",
        "weir.toml:8: network[2].name: \"a\" is already the name of the one in line 5",
        "weir.toml:14: device[2].name: \"a\" is already the name of the one in line 11",
    ];
    assert_told(settings, POLICY, &expected);
    let mut policy = POLICY.to_owned();
    for (section, rest) in [
        ("term", "first = 2026-01-01\nlast = 2026-01-01"),
        ("period", ""),
        ("group", ""),
        ("category", ""),
    ] {
        for day in 1..=2 {
            let rest = rest.replace("01-01", &format!("01-0{day}"));
            policy += &format!("[[{section}]]\nname = 'x'\n{rest}\n");
        }
    }
    let twice = |section| format!("{section}[2].name");
    let faults = read("", &policy).unwrap_err().0;
    let keys: Vec<_> = faults.into_iter().map(|fault| fault.key).collect();
    assert_eq!(keys, ["term", "period", "group", "category"].map(twice));
}

#[test]
fn a_client_address_is_of_one_network_and_one_device() {
    let text = "[[network]]\nname = 'a'\naddresses = ['10.0.0.0/8', '10.0.0.0/8']\n\
        [[network]]\nname = 'b'\naddresses = ['10.1.0.0/16', '10.0.0.0/8']\n\
        [[device]]\nname = 'c'\naddresses = ['10.0.0.0/8']\n[[device]]\nname = 'd'\naddresses = []\n";
    let expected = [
        "weir.toml:6: network[2].addresses: 10.0.0.0/8 is already of network[1]",
        "weir.toml:12: device[2].addresses: no address",
    ];
    assert_told(text, POLICY, &expected);
}

#[test]
fn bounds_that_contradict_each_other_are_faults() {
    let text = "[bounds]\nconnections = 10\nconnections_per_address = 11\nhead_bytes = '1KiB'\ntarget_bytes = '2KiB'\n\
        [resolver]\nminimum_ttl = '1h'\nmaximum_ttl = '1m'\n";
    let expected = [
        "weir.toml:3: bounds.connections_per_address: above bounds.connections",
        "weir.toml:5: bounds.target_bytes: above bounds.head_bytes",
        "weir.toml:7: resolver.minimum_ttl: above resolver.maximum_ttl",
    ];
    assert_told(text, POLICY, &expected);
    // A bound lowered below the default of another one is told too, at the section.
    assert_told(
        "[bounds]\nconnections = 10\n",
        POLICY,
        &["weir.toml:1: bounds.connections_per_address: above"],
    );
}

#[test]
fn a_tunnel_port_is_in_one_list_only() {
    assert_told(
        "[connect]\ntls_ports = [443, 8443]\nhttp_ports = [80, 443]\nopaque_ports = [22, 80]\n",
        POLICY,
        &[
            "weir.toml:3: connect.http_ports: port 443 is already in connect.tls_ports",
            "weir.toml:4: connect.opaque_ports: port 80 is already in connect.http_ports",
        ],
    );
    assert_told(
        "[connect]\nopaque_ports = [443]\n",
        POLICY,
        &["weir.toml:2: connect.opaque_ports: port 443"],
    );
}

#[test]
fn a_resolver_host_is_a_name_given_once_with_addresses() {
    let text = "[resolver.hosts]\n'a.example' = ['10.0.0.1', '::1']\n'A.example.' = ['10.0.0.2']\n'b' = []\n";
    let expected = [
        "weir.toml:2: resolver.hosts.a.example: the name is given twice",
        "weir.toml:4: resolver.hosts.b: no address",
    ];
    assert_told(text, POLICY, &expected);
    let hosts = settings("[resolver.hosts]\n'Bücher.example' = ['10.0.0.1', '::1']\n")
        .resolver
        .hosts;
    assert_eq!(hosts["xn--bcher-kva.example"].len(), 2);
}

/// AF-05
#[test]
fn one_profile_for_all_is_refused() {
    assert_told(
        "",
        "strictest = 'a'\n[[profile]]\nname = 'a'\n",
        &["policy.toml:2: profile: one profile for everyone"],
    );
    let none = [
        "policy.toml: profile: one profile",
        "policy.toml:1: strictest: there is no profile \"a\"",
    ];
    assert_told("", "strictest = 'a'\n", &none);
    assert_told("", POLICY, &[]);
}

#[test]
fn the_strictest_profile_exists() {
    let policy = POLICY.replace("strictest = \"guest\"", "strictest = \"gest\"");
    let expected =
        ["policy.toml:2: strictest: there is no profile \"gest\"; did you mean \"guest\"?"];
    assert_told("", &policy, &expected);
}

#[test]
fn a_group_has_one_profile() {
    let policy = format!("{POLICY}[[profile]]\nname = 'other'\ngroups = ['staff']\n");
    assert_told(
        "",
        &policy,
        &["policy.toml:10: profile[3].groups: \"staff\" already has a profile"],
    );
}

/// LM-03
#[test]
fn a_rule_without_a_purpose_is_refused_and_national_security_is_not_offered() {
    let rule = |purpose: &str| format!("{POLICY}[[rule]]\nid = 'a'\naction = 'block'\n{purpose}\n");
    assert_told(
        "",
        &rule(""),
        &["policy.toml:8: rule[1].purpose: must be given: `facts`, "],
    );
    for purpose in crate::Purpose::WORDS {
        assert_told("", &rule(&format!("purpose = '{purpose}'")), &[]);
    }
    let expected = ["policy.toml:11: rule[1].purpose: national security is no purpose of a school"];
    assert_told("", &rule("purpose = 'national-security'"), &expected);
    assert!(!crate::Purpose::WORDS.contains(&"national-security"));
}

#[test]
fn every_reference_of_a_rule_is_checked() {
    let policy = format!(
        "{POLICY}[[group]]\nname = 'year-7'\n[[period]]\nname = 'lessons'\n[[rule]]\nid = 'a'\naction = 'block'\npurpose = 'facts'\n\
         profiles = ['guest', 'pupil']\ngroups = ['staff', 'year-7', 'year-8']\nperiods = ['lessons', 'lunch']\n\
         not_periods = ['lesson']\nnetworks = ['labs', 'hall']\ndevices = ['kiosk', 'pc']\nusers = ['anyone']\ncategories = ['anything']\n"
    );
    let settings = "[[network]]\nname = 'labs'\naddresses = ['10.0.0.0/8']\n[[device]]\nname = 'kiosk'\naddresses = ['10.0.0.1']\n";
    let expected = [
        "policy.toml:16: rule[1].profiles: there is no profile \"pupil\"",
        "policy.toml:17: rule[1].groups: there is no group \"year-8\"; did you mean \"year-7\"?",
        "policy.toml:18: rule[1].periods: there is no period \"lunch\"",
        "policy.toml:19: rule[1].not_periods: there is no period \"lesson\"; did you mean \"lessons\"?",
        "policy.toml:20: rule[1].networks: there is no network \"hall\"",
        "policy.toml:21: rule[1].devices: there is no device \"pc\"",
    ];
    assert_told(settings, &policy, &expected);
}

#[test]
fn the_settings_name_profiles_and_groups_of_the_policy() {
    let settings = "[[listener]]\nprofile = 'stuff'\n[[network]]\nname = 'a'\naddresses = ['10.0.0.0/8']\nprofile = 'pupil'\n\
        groups = ['staff', 'pupils']\n[[device]]\nname = 'a'\naddresses = ['10.0.0.1']\nprofile = 'pupil'\ngroups = ['pupils']\n";
    let expected = [
        "weir.toml:2: listener[1].profile: there is no profile \"stuff\"; did you mean \"staff\"?",
        "weir.toml:6: network[1].profile: there is no profile \"pupil\"",
        "weir.toml:7: network[1].groups: there is no group \"pupils\"",
        "weir.toml:11: device[1].profile: there is no profile \"pupil\"",
        "weir.toml:12: device[1].groups: there is no group \"pupils\"",
    ];
    assert_told(settings, POLICY, &expected);
}

#[test]
fn terms_and_periods_go_forwards() {
    let policy = format!(
        "{POLICY}[[term]]\nname = 'a'\nfirst = 2026-09-02\nlast = 2026-10-23\n[[term]]\nname = 'b'\nfirst = 2026-10-23\nlast = 2026-12-18\n\
         [[term]]\nname = 'c'\nfirst = 2027-03-01\nlast = 2027-02-01\n[[period]]\nname = 'night'\nfrom = '22:00'\nto = '06:00'\n\
         [[period]]\nname = 'never'\ndays = []\nfrom = '08:00'\nto = '08:00'\n"
    );
    let expected = [
        "policy.toml:14: term[2].first: the term overlaps \"a\"",
        "policy.toml:19: term[3].last: 2027-02-01 is before 2027-03-01",
        "policy.toml:23: period[1].to: 06:00 is not after 22:00: a time over midnight is two periods",
        "policy.toml:26: period[2].days: no day",
        "policy.toml:28: period[2].to: 08:00 is not after 08:00",
    ];
    assert_told("", &policy, &expected);
}

#[test]
fn limits_stand_where_they_mean_something() {
    let rule = |rest: &str| format!("{POLICY}[[rule]]\nid = 'a'\npurpose = 'facts'\n{rest}");
    let fine = [
        "action = 'limit'\ndown = '1Mbit/s'\n",
        "action = 'limit'\nupload_size = '1MB'\n",
        "action = 'allow'\ndownload_size = '1GB'\nexempt_limits = true\n",
        "action = 'warn'\nupload_size = '1GB'\n",
    ];
    for rest in fine {
        assert_told("", &rule(rest), &[]);
    }
    assert_told(
        "",
        &rule("action = 'limit'\n"),
        &["policy.toml:11: rule[1].action: a limit needs"],
    );
    assert_told(
        "",
        &rule("action = 'allow'\nup = '1MB/s'\n"),
        &["policy.toml:12: rule[1].up: only with"],
    );
    let block = "action = 'block'\ndown = '1MB/s'\ndownload_size = '1MB'\nexempt_limits = true\n";
    let expected = [
        "policy.toml:12: rule[1].down: nothing is left to limit",
        "policy.toml:13: rule[1].download_size: nothing is left to limit",
        "policy.toml:14: rule[1].exempt_limits: means nothing with action = \"block\"",
    ];
    assert_told("", &rule(block), &expected);
}

#[test]
fn mandatory_rules_come_first() {
    let rule = |id: &str| {
        format!("[[rule]]\nid = '{id}'\naction = 'block'\npurpose = 'facts'\ncategories = ['x']\n")
    };
    let policy = format!(
        "{POLICY}{}{}{}",
        rule("mandatory-a"),
        rule("b"),
        rule("mandatory-c")
    );
    assert_told(
        "",
        &policy,
        &["policy.toml:19: rule[3].id: mandatory rules come before all others, and \"b\""],
    );
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let open = "[[listener]]\naddress = '0.0.0.0:3128'\n[console]\naddress = '0.0.0.0:3180'\n[egress]\nallow = ['0.0.0.0/0']\n";
    let told = warned(open, POLICY);
    let starts = [
        "egress.allow: every address is exempt",
        "console.address: the console's pages are open",
        "listener[1].address: no [[network]] of other machines is registered: each of them gets the strictest",
    ];
    assert_eq!(told.len(), starts.len(), "{told:?}");
    assert!(
        told.iter()
            .zip(starts)
            .all(|(told, start)| told.starts_with(start)),
        "{told:?}"
    );
    let world = "[[network]]\nname = 'all'\naddresses = ['::/0']\n";
    assert!(
        warned(world, POLICY)[0].starts_with("network[1].addresses: every address in the world")
    );
    let rule = |id: &str| format!("[[rule]]\nid = '{id}'\naction = 'block'\npurpose = 'facts'\n");
    let policy = format!(
        "{POLICY}{}{}[[period]]\nname = 'p'\nterm_only = true\n",
        rule("all"),
        rule("dead")
    );
    let told = warned("", &policy);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("period[1].term_only: never holds"));
    assert!(told[1].starts_with("rule[2].id: never decides: \"all\" further up"));
}

#[test]
fn only_what_is_bound_at_the_start_needs_a_restart() {
    let old = settings("");
    let changes = [
        ("state = '/other'", vec!["state"]),
        ("threads = 3", vec!["threads"]),
        ("[[listener]]\nlogin = 'required'", vec!["listener"]),
        ("[console]\nhosts = []", vec!["console"]),
        (
            "[records]\nflush = '1s'\nqueue = 2048",
            vec!["records.flush", "records.queue"],
        ),
        (
            "[records]\nkek = 'env:WEIR_KEK'\ntenant = 'north'",
            vec!["records.kek", "records.tenant"],
        ),
        (
            "[records]\nsync = '2s'\nsegment_rows = 5000\nseal_after = '2h'\ncheckpoint = '1m'",
            vec![
                "records.sync",
                "records.segment_rows",
                "records.seal_after",
                "records.checkpoint",
            ],
        ),
        (
            "[[records.witness]]\nname = 'trust'\nto = 'https://trust.example/weir'",
            vec!["records.witness"],
        ),
        ("[log]\nlevel = 'debug'", vec!["log"]),
        (
            "school = 'x'\n[line]\ndown = '1Gbit/s'\n[records]\nretain = '1d'\nlong_request = '5s'",
            vec![],
        ),
        (
            "[[network]]\nname = 'a'\naddresses = ['10.0.0.0/8']\n[deadlines]\nhead = '1s'",
            vec![],
        ),
        ("", vec![]),
    ];
    for (text, expected) in changes {
        assert_eq!(old.needs_restart(&settings(text)), expected, "{text}");
    }
}

#[test]
fn a_policy_is_read_as_it_is_written() {
    let policy = PolicyFile::parse(
        "strictest = 'a'\notherwise = 'block'\n[[profile]]\nname = 'a'\n[[profile]]\nname = 'b'\ndown = '8Mbit/s'\n\
         [[rule]]\nid = 'r'\naction = 'block'\npurpose = 'facts'\nhosts = ['Example.com.', '10.0.0.0/8', '::1']\nports = [1, '5-9']\n",
    );
    let policy = policy.unwrap();
    assert_eq!(policy.otherwise, crate::Otherwise::Block);
    assert_eq!(policy.profiles[1].down, Some(1_000_000));
    let rule = &policy.rules[0];
    assert_eq!((rule.line, policy.profiles[1].line), (8, 5));
    assert!(matches!(&rule.hosts[0], HostSelector::Below(name) if name.as_str() == "example.com"));
    assert!(matches!(&rule.hosts[1], HostSelector::Within(network) if network.prefix() == 8));
    assert!(matches!(&rule.hosts[2], HostSelector::Within(network) if network.prefix() == 128));
    assert!(rule.ports[1].contains(5) && rule.ports[1].contains(9) && !rule.ports[1].contains(10));
    assert!(!rule.matches_everything());
    assert!(PolicyFile::parse("").is_err());
}

#[test]
fn times_of_day_and_days_are_as_the_calendar_has_them() {
    let policy = format!("{POLICY}[[period]]\nname = 'p'\ndays = ['mon', 'sun']\nfrom = '08:05'\n");
    let period = PolicyFile::parse(&policy).unwrap().periods.remove(0);
    assert_eq!((period.from.minutes(), period.to.minutes()), (485, 1440));
    assert_eq!(
        (period.from.to_string(), period.to.to_string()),
        ("08:05".into(), "24:00".into())
    );
    let days = crate::Day::ALL
        .iter()
        .map(|day| day.weekday().to_monday_zero_offset());
    assert!(days.eq(0..7));
    assert_eq!(period.days, [crate::Day::Monday, crate::Day::Sunday]);
}

#[test]
fn a_list_source_says_one_thing_of_each_and_has_a_name_of_its_own() {
    let text = "[[lists.source]]\nname = 'a'\nfrom = 'https://lists.example/a'\ncategory = 'ads'\ncategories = { x = 'ads' }\n\
        [[lists.source]]\nname = 'a'\nfrom = 'https://lists.example/b'\n\
        sha256 = '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'\nsha256_from = 'sums'\n\
        [[lists.source]]\nname = 'local'\nfrom = 'https://lists.example/c'\nsignature = 'c.sig'\ncategories = 'no-such.toml'\n";
    let expected = [
        "weir.toml:5: lists.source[1].categories: category is given too",
        "weir.toml:7: lists.source[2].name: \"a\" is already the name of the one in line 2",
        "weir.toml:10: lists.source[2].sha256_from: sha256 is given too",
        "weir.toml:12: lists.source[3].name: \"local\" is where",
        "weir.toml:14: lists.source[3].signature: a signature is checked with a public_key",
        "weir.toml:15: lists.source[3].categories: there is no file",
    ];
    assert_told(text, POLICY, &expected);
}

#[test]
fn a_list_source_over_http_that_nothing_checks_is_warned_about() {
    let source = |rest: &str| format!("[[lists.source]]\nname = 'a'\n{rest}");
    let open = warned(&source("from = 'http://lists.example/a'\n"), POLICY);
    assert_eq!(open.len(), 1);
    assert!(open[0].starts_with("lists.source[1].from: anyone on the way"));
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let signed = format!("from = 'http://lists.example/a'\npublic_key = '{key}'\n");
    assert_eq!(warned(&source(&signed), POLICY), [""; 0]);
    let absent = warned(&source("from = 'no/such/file'\n"), POLICY);
    assert!(absent[0].contains("there is no "), "{absent:?}");
}

#[test]
fn a_list_source_is_stale_after_three_refreshes_unless_it_says_so() {
    use std::time::Duration;
    let source = |rest: &str| {
        let text = format!("[[lists.source]]\nname = 'a'\nfrom = 'lists/a'\n{rest}");
        settings(&text).lists.sources.remove(0)
    };
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
    assert_eq!(source("").stale_after(), hours(72));
    assert_eq!(source("refresh = '1h'\n").stale_after(), hours(3));
    assert_eq!(source("refresh = 'never'\n").stale_after(), None);
    let both = source("refresh = 'never'\nstale_after = '5h'\n");
    assert_eq!((both.refresh.0, both.stale_after()), (None, hours(5)));
    assert!(matches!(both.from, crate::Place::File(path) if path.is_absolute()));
}
