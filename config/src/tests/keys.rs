//! The table of keys: every key of it is read, and read as it says.

use super::{POLICY, read};
use crate::keys::{Key, Kind, POLICY as POLICY_KEYS, SETTINGS};
use crate::units;

/// The keys of both faults and files: of `policy.toml` when the key is in its table.
fn faulty_keys(key: &Key, value: &str) -> Vec<String> {
    let text = text(key, value);
    let of_policy = POLICY_KEYS.iter().any(|other| std::ptr::eq(other, key));
    let (settings, policy) = if of_policy {
        ("", &*text)
    } else {
        (&*text, POLICY)
    };
    let file = if of_policy {
        "policy.toml"
    } else {
        "weir.toml"
    };
    let faults = read(settings, policy)
        .map(|_| Vec::new())
        .unwrap_or_else(|faults| faults.0);
    let faults = faults
        .into_iter()
        .filter(|fault| fault.file.ends_with(file));
    faults.map(|fault| fault.key).collect()
}

/// A document that gives the key this value.
fn text(key: &Key, value: &str) -> String {
    let header = match key.parent() {
        "" => String::new(),
        parent => match keys().find(|key| key.path == parent).unwrap().kind {
            Kind::Sections(_) => format!("[[{parent}]]\n"),
            _ => format!("[{parent}]\n"),
        },
    };
    format!("{header}{} = {value}\n", key.leaf())
}

/// As faults name it, in a document with one of each section.
fn shown(key: &Key) -> String {
    match keys()
        .find(|other| other.path == key.parent())
        .map(|key| key.kind)
    {
        Some(Kind::Sections(_)) => format!("{}[1].{}", key.parent(), key.leaf()),
        _ => key.path.to_owned(),
    }
}

fn keys() -> impl Iterator<Item = &'static Key> {
    SETTINGS.iter().chain(POLICY_KEYS)
}

fn values() -> impl Iterator<Item = &'static Key> {
    keys().filter(|key| !key.is_section())
}

/// No key takes a table, so that a key that is read tells of one.
#[test]
fn every_key_of_the_table_is_read() {
    for key in values() {
        let faulty = faulty_keys(key, "{}");
        assert!(faulty.contains(&shown(key)), "{}: {faulty:?}", key.path);
    }
}

#[test]
fn every_section_of_the_table_is_read() {
    for key in keys().filter(|key| key.is_section()) {
        assert!(
            faulty_keys(key, "1").contains(&key.path.to_owned()),
            "{}",
            key.path
        );
        if matches!(key.kind, Kind::Sections(_)) {
            assert!(
                faulty_keys(key, "[1]").contains(&key.path.to_owned()),
                "{}",
                key.path
            );
        }
    }
}

#[test]
fn every_default_is_a_value_that_its_key_takes() {
    for key in values().filter(|key| !key.is_required()) {
        let faulty = faulty_keys(key, key.default);
        assert!(!faulty.contains(&shown(key)), "{}", key.path);
    }
}

#[test]
fn an_unknown_key_is_told_in_every_section() {
    for key in values() {
        let unknown = Key {
            path: Box::leak(format!("{}xyz", key.path).into_boxed_str()),
            ..*key
        };
        let text = text(&unknown, "1");
        let of_policy = POLICY_KEYS
            .iter()
            .any(|other| other.path == key.path && other.doc == key.doc);
        let (settings, policy) = if of_policy {
            ("", &*text)
        } else {
            (&*text, POLICY)
        };
        let faults = read(settings, policy).unwrap_err().0;
        let told = faults
            .iter()
            .any(|fault| fault.key == shown(&unknown) && fault.message.starts_with("unknown key"));
        assert!(told, "{}: {faults:?}", key.path);
    }
}

#[test]
fn every_bound_is_written_as_its_values_are() {
    for key in values() {
        let kind = match key.kind {
            Kind::Optional(kind) | Kind::List(kind) => *kind,
            kind => kind,
        };
        match kind {
            Kind::Integer(min, max) => assert!(min < max, "{}", key.path),
            Kind::Duration(min, max) | Kind::Period(min, max) => {
                assert!(units::duration(min).unwrap() < units::duration(max).unwrap())
            }
            Kind::Size(min, max) => assert!(units::size(min).unwrap() < units::size(max).unwrap()),
            Kind::Rate(min, max) => assert!(units::rate(min).unwrap() < units::rate(max).unwrap()),
            _ => {}
        }
    }
}

#[test]
fn a_value_at_its_bound_is_taken_and_one_beyond_is_not() {
    let find = |path| SETTINGS.iter().find(|key| key.path == path).unwrap();
    let cases = [
        ("resolver.attempts", "1", true),
        ("resolver.attempts", "10", true),
        ("resolver.attempts", "0", false),
        ("resolver.attempts", "11", false),
        ("resolver.attempts", "-1", false),
        ("resolver.attempts", "1.0", false),
        ("resolver.attempts", "99999999999999999999999", false),
        ("resolver.attempts", "0x0a", true),
        ("deadlines.head", "'50ms'", true),
        ("deadlines.head", "'10m'", true),
        ("deadlines.head", "'49ms'", false),
        ("deadlines.head", "'601s'", false),
        ("deadlines.head", "15", false),
        ("bounds.head_bytes", "'1KiB'", true),
        ("bounds.head_bytes", "'1MiB'", true),
        ("bounds.head_bytes", "'1023B'", false),
        ("bounds.head_bytes", "'1048577B'", false),
        ("line.down", "''", true),
        ("line.down", "'64kbit/s'", true),
        ("line.down", "'63kbit/s'", false),
        ("connect.opaque_ports", "[65535]", true),
        ("connect.opaque_ports", "[65536]", false),
        ("connect.opaque_ports", "[0]", false),
        ("connect.opaque_ports", "8443", false),
        ("egress.ports", "[80, '443', '1024-65535']", true),
        ("egress.ports", "[0]", false),
        ("egress.ports", "['1024-80']", false),
        ("egress.ports", "['+80']", false),
        (
            "resolver.servers",
            "['192.0.2.1', '[2001:db8::1]:5353', '2001:db8::1', '[2001:db8::1]']",
            true,
        ),
        ("resolver.servers", "['dns.example']", false),
        ("review_contact", "'office@school.example'", true),
        (
            "review_contact",
            "'https://school.example/review?from=weir'",
            true,
        ),
        ("review_contact", "'javascript:alert(1)'", false),
        ("review_contact", "'the office'", false),
        ("review_contact", "'a@b@c'", false),
        ("school", "'a\\u0007'", true),
        ("school", "\"a\\u0007\"", false),
        ("school", "\"a\\nb\"", false),
        ("listener.name", "'a,b'", false),
        ("listener.name", "' a'", false),
        ("listener.name", "''", false),
        ("network.addresses", "['::ffff:10.0.0.0/104']", false),
        ("login.realm", "'a\"b'", false),
        ("http.trace", "'true'", false),
        ("lists.source.name", "'ut1'", true),
        ("lists.source.name", "'UT1'", false),
        ("lists.source.name", "'../x'", false),
        ("lists.source.name", "'unlisted'", false),
        ("lists.source.from", "'lists/ut1.tar.gz'", true),
        (
            "lists.source.from",
            "'https://lists.example/ut1.tar.gz'",
            true,
        ),
        (
            "lists.source.from",
            "'https://me:word@lists.example/'",
            false,
        ),
        ("lists.source.from", "'ftp://lists.example/x'", false),
        ("lists.source.format", "'hosts'", true),
        ("lists.source.format", "'host'", false),
        ("lists.source.refresh", "'10m'", true),
        ("lists.source.refresh", "'9m'", false),
        ("lists.source.refresh", "'never'", true),
        ("lists.source.refresh", "'0s'", true),
        ("lists.source.refresh", "'seldom'", false),
        ("lists.source.shrink_max", "0.25", true),
        ("lists.source.shrink_max", "1", true),
        ("lists.source.shrink_max", "1.5", false),
        ("lists.source.shrink_max", "-0.5", false),
        ("lists.source.shrink_max", "nan", false),
        ("lists.source.sha256", "'abc'", false),
        ("lists.source.public_key", "'abc'", false),
        (
            "lists.source.categories",
            "{ publicite = 'ads', press = '' }",
            true,
        ),
        (
            "lists.source.categories",
            "{ publicite = ['ads', 'adult'] }",
            true,
        ),
        (
            "lists.source.categories",
            "{ publicite = 'Not A Name' }",
            false,
        ),
        ("lists.source.categories", "{ publicite = 1 }", false),
    ];
    for (path, value, taken) in cases {
        let key = find(path);
        assert_eq!(
            !faulty_keys(key, value).contains(&shown(key)),
            taken,
            "{path} = {value}"
        );
    }
}

#[test]
fn values_of_the_policy_are_checked_one_by_one() {
    let find = |path| POLICY_KEYS.iter().find(|key| key.path == path).unwrap();
    let cases = [
        ("term.first", "2026-09-02", true),
        ("term.first", "'2026-09-02'", true),
        ("term.first", "'2026-02-30'", false),
        ("term.first", "2026-09-02T08:00:00", false),
        ("term.first", "'2 September'", false),
        ("period.from", "'08:45'", true),
        ("period.from", "08:45:00", true),
        ("period.from", "08:45:30", false),
        ("period.from", "'8:45'", false),
        ("period.from", "'24:01'", false),
        ("period.from", "'23:60'", false),
        ("period.to", "'24:00'", true),
        ("rule.methods", "['POST', 'VERSION-CONTROL']", true),
        ("rule.methods", "['post']", false),
        ("rule.extensions", "['exe', '7z']", true),
        ("rule.extensions", "['.exe']", false),
        ("rule.extensions", "['EXE']", false),
        (
            "rule.content_types",
            "['video/*', 'application/dns-message']",
            true,
        ),
        ("rule.content_types", "['*/*']", false),
        ("rule.content_types", "['video']", false),
        ("rule.content_types", "['Video/mp4']", false),
        (
            "rule.hosts",
            "['example.com', 'BÜCHER.example', '10.0.0.1', '[2001:db8::1]', '10.0.0.0/8', '2001:db8::/32']",
            true,
        ),
        ("rule.hosts", "['*.example.com']", false),
        ("rule.hosts", "['http://example.com/']", false),
        ("rule.hosts", "['example.com/path']", false),
        ("rule.hosts", "['1.2.3']", false),
        ("rule.ports", "[25, '1-1023']", true),
        ("rule.purpose", "'effective-operation'", true),
        ("rule.purpose", "'curiosity'", false),
        ("profile.daily", "'2GB'", true),
        ("profile.daily", "2000000000", false),
    ];
    for (path, value, taken) in cases {
        let key = find(path);
        assert_eq!(
            !faulty_keys(key, value).contains(&shown(key)),
            taken,
            "{path} = {value}"
        );
    }
}

#[test]
fn a_single_table_where_a_list_of_tables_belongs_is_explained() {
    let faults = read("[listener]\nname = \"a\"\n", POLICY).unwrap_err().0;
    assert_eq!(faults.len(), 1);
    assert_eq!(
        faults[0].message,
        "expected a repeated section: write [[listener]]"
    );
}
