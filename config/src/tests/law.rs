//! What the configuration promises of lawful recording: reasons and ends of what is kept, the notice, the records' key, witnesses.

use super::checks::{settings, warned};
use super::{POLICY, assert_told, read, told};

/// The policy of the tests with one rule more, which has these lines.
fn with_rule(lines: &str) -> String {
    format!(
        "{POLICY}\n[[rule]]\nid = 'kept'\nhosts = ['kept.example']\npurpose = 'facts'\n{lines}\n"
    )
}

fn day(months: i64) -> String {
    use jiff::ToSpan;
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    today
        .date()
        .checked_add(months.months())
        .unwrap()
        .to_string()
}

#[test]
fn lm_04_content_of_what_is_let_through_needs_a_reason_and_an_end_within_twelve_months() {
    let line = with_rule("").lines().count();
    let told = |lines: &str, key: &str, at: usize| {
        let expected = format!("policy.toml:{at}: {key}: ");
        assert_told("", &with_rule(lines), &[&expected]);
    };
    let (until, reason) = (
        format!("content_until = '{}'", day(6)),
        "content_reason = 'a trial'",
    );
    let key = |leaf: &str, policy: &str| {
        let number = policy.matches("[[rule]]").count();
        format!("rule[{number}].{leaf}")
    };
    let (until_key, reason_key) = (
        key("content_until", &with_rule("")),
        key("content_reason", &with_rule("")),
    );
    assert_told(
        "",
        &with_rule(&format!("action = 'allow'\n{until}\n{reason}")),
        &[],
    );
    // Both or none; the fault is told at the rule.
    told(&format!("action = 'allow'\n{until}"), &reason_key, line - 4);
    told(&format!("action = 'allow'\n{reason}"), &until_key, line - 4);
    let late = format!("content_until = '{}'", day(13));
    told(
        &format!("action = 'allow'\n{late}\n{reason}"),
        &until_key,
        line + 1,
    );
    for action in ["block", "warn"] {
        told(
            &format!("action = '{action}'\n{until}\n{reason}"),
            &until_key,
            line + 1,
        );
    }
    let over = with_rule(&format!(
        "action = 'allow'\ncontent_until = '{}'\n{reason}",
        day(-1)
    ));
    let warned = warned("", &over);
    assert!(
        warned.iter().any(|one| one.contains("kept no more")),
        "{warned:?}"
    );
}

#[test]
fn lm_01_notice_and_rules_that_cite_the_2000_regulations_are_warned_about() {
    let policy =
        with_rule("action = 'allow'\nwords = 'see the Lawful Business Practice Regulations 2000'");
    let warned = warned("[notice]\ntext = 'under SI 2000/2699'\n", &policy);
    let cited: Vec<_> = warned
        .iter()
        .filter(|one| one.contains("SI 2018/356"))
        .collect();
    assert_eq!(cited.len(), 2, "{warned:?}");
    assert!(cited[0].starts_with("notice.text: ") && cited[1].contains(".words: "));
}

#[test]
fn lm_06_the_notices_own_text_is_read_from_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let read = |text: &str| crate::parse(text, POLICY, directory.path());
    let line = "[notice]\nfile = 'notice.txt'\nlanguage = 'cy'\n";
    let told = read(line).unwrap_err().to_string();
    assert!(
        told.contains("notice.file") && told.contains("notice.txt"),
        "{told}"
    );
    std::fs::write(
        directory.path().join("notice.txt"),
        "Croeso\n\nEverything is filtered.",
    )
    .unwrap();
    assert!(read(line).unwrap().settings.notice.text.contains("Croeso"));
    assert!(read(&format!("{line}text = 'x'")).is_err());
    assert!(read("[notice]\nlanguage = 'en_GB'\n").is_err());
}

#[test]
fn the_key_of_the_records_is_named_in_a_known_way_or_told_lm_16() {
    for fine in ["file:/etc/weir/kek", "env:WEIR_KEK", "credential:kek"] {
        let read = settings(&format!("[records]\nkek = '{fine}'"));
        assert_eq!(read.records.kek.as_deref(), Some(fine));
    }
    let relative = settings("[records]\nkek = 'file:keys/kek'").records.kek;
    assert!(relative.is_some_and(|kek| kek.ends_with("/keys/kek")));
    assert_eq!(settings("").records.kek, None);
    for bad in ["/etc/kek", "vault:x", "env:", "credential:../x"] {
        let text = format!("[records]\nkek = '{bad}'");
        assert_told(&text, POLICY, &["weir.toml:2: records.kek: "]);
    }
    let text = "[records]\ntenant = '../north'";
    assert_told(text, POLICY, &["weir.toml:2: records.tenant: "]);
}

#[test]
fn the_notice_has_a_name_of_weirs_own_and_never_an_address_lm_06() {
    let host = settings("").notice.host;
    assert_eq!(host.to_string(), "notice.weir.internal");
    let host = settings("[notice]\nhost = 'Filter.School.Example'\n")
        .notice
        .host;
    assert_eq!(host.to_string(), "filter.school.example");
    for host in ["192.0.2.1", "[2001:db8::1]", "filter"] {
        let text = format!("[notice]\nhost = '{host}'\n");
        assert_told(
            &text,
            POLICY,
            &["weir.toml:1: notice.host: a name with a dot"],
        );
    }
    let told = told("[notice]\nhost = 'a b'\n", POLICY);
    assert_eq!(told.len(), 1, "{told:?}");
}

/// A witness at this URL.
fn witness(url: &str) -> String {
    format!("[[records.witness]]\nname = 'trust'\nto = '{url}'\n")
}

#[test]
fn a_witness_at_a_port_that_nothing_goes_out_to_is_warned_about_lm_30() {
    assert!(warned(&witness("https://trust.example:8443/weir"), POLICY).is_empty());
    let closed = format!(
        "[egress]\nports = [80, 443]\n{}",
        witness("https://trust.example:8443/weir")
    );
    let told = warned(&closed, POLICY);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("records.witness[1].to: port 8443 is not one of egress.ports"),
        "{told:?}"
    );
}

#[test]
fn no_token_in_the_address_of_a_witness_is_told_whatever_is_wrong_with_it_lm_10() {
    for url in [
        "https://joe:hunter2@trust.example/a",
        "https://trust.example:0/hooks/hunter2?token=hunter2",
        "https://trust.example/a?token=hunter2#hunter2",
        "https://trust.example/hunter2 x",
        "ftp://trust.example/hunter2?token=hunter2",
        "https://?token=hunter2",
        "https:\\\\trust.example\\hunter2",
        "http://trust.example:8/hunter2?token=hunter2",
    ] {
        let text = format!("[egress]\nports = [80, 443]\n{}", witness(url));
        let mut all = told(&text, POLICY);
        if let Ok(loaded) = read(&text, POLICY) {
            all.extend(loaded.warnings.iter().map(ToString::to_string));
            all.push(format!("{:?}", loaded.settings.witnesses[0].to.shown()));
        }
        assert!(!all.is_empty(), "{url}");
        assert!(all.iter().all(|line| !line.contains("hunter2")), "{all:?}");
    }
}
