//! Files: found, missing, half-written, in odd encodings; and every fault at once.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{POLICY, assert_told, read, told};
use crate::{Fault, Loaded, embedded, load};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A directory with `conf/weir.toml` and `conf/policy.toml`.
fn directory(settings: &[u8], policy: &[u8]) -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let conf = directory.path().join("conf");
    fs::create_dir(&conf).unwrap();
    fs::write(conf.join("weir.toml"), settings).unwrap();
    fs::write(conf.join("policy.toml"), policy).unwrap();
    (directory, conf.join("weir.toml"))
}

fn only_fault(path: &Path) -> Fault {
    let mut faults = load(Some(path)).unwrap_err().0;
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.remove(0)
}

#[test]
fn the_embedded_configuration_has_no_fault() {
    let loaded = embedded().unwrap();
    assert!(loaded.settings.lists.embedded && loaded.settings.lists.directories.is_empty());
    assert!(loaded.settings.state.is_absolute());
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.path, None);
}

#[test]
fn the_shipped_file_has_no_fault_and_is_short() {
    let path = shipped("weir.toml");
    let Loaded {
        settings, warnings, ..
    } = load(Some(&path)).unwrap();
    assert_eq!(warnings, []);
    assert!(!settings.lists.embedded);
    let state = shipped("")
        .canonicalize()
        .unwrap()
        .parent()
        .unwrap()
        .join("var");
    assert_eq!(settings.state, state);
    assert!(fs::read_to_string(path).unwrap().lines().count() <= 40);
}

/// What the comments of the shipped file offer works when it is uncommented.
#[test]
fn the_examples_in_the_shipped_file_are_right() {
    let text = fs::read_to_string(shipped("weir.toml")).unwrap();
    let (prose, example) = text.split_once("# [[network]]").unwrap();
    let example = example.replace("\n# ", "\n");
    let text = format!("{prose}[[network]]{example}").replace("../categories/lists", "/");
    let policy = fs::read_to_string(shipped("policy.toml")).unwrap();
    let loaded = read(&text, &policy).unwrap();
    assert_eq!(loaded.settings.networks.len(), 2);
    assert_eq!(
        loaded.settings.networks[1].profile.as_deref(),
        Some("pupil")
    );
    let iwf = &loaded.settings.mandatory[0];
    assert_eq!(iwf.from.as_deref(), Some(Path::new("/run/weir/iwf.txt")));
}

#[test]
fn an_empty_file_has_every_default() {
    let loaded = read("", POLICY).unwrap();
    let expected = embedded().unwrap().settings;
    let mut settings = loaded.settings;
    assert_eq!(settings.policy, Path::new("/nowhere/policy.toml"));
    // The embedded file registers this machine; otherwise it says what the defaults say.
    settings.policy.clone_from(&expected.policy);
    settings.networks.clone_from(&expected.networks);
    assert_eq!(settings, expected);
}

#[test]
fn a_dozen_faults_are_told_at_once_with_file_line_and_key() {
    let settings = r#"shcool = "St Weir's"
threads = "four"
unknown_network = "strict"
retain = "90d"
[[listener]]
address = "127.0.0.1"
[console]
address = "127.0.0.1:3180"
hosts = ["localhost", "bad host", 7]
[[network]]
name = "labs"
addresses = ["10.0.0.5/8", "10.0.0.0/33"]
profile = "gest"
[resolver]
attempts = 0
[resolver.hosts]
"1.2.3.4" = ["1.2.3.4"]
"intranet.example" = ["10.0.0.5", "ten"]
[connect]
tls_ports = [443, 8443]
opaque_ports = [8443, 0]
http_ports = [443]
[deadlines]
head = "15"
hello = "10h"
[bounds]
head_bytes = "64kb"
[line]
down = "20Mb/s"
[log]
level = "verbose"
"#;
    let policy = r#"time_zone = "Europe/Londn"
strictest = "guest"
[[profile]]
name = "guest"
[[period]]
name = "lessons"
days = ["mon", "tues"]
from = "15:15"
to = "25:00"
[[rule]]
id = "a"
periods = ["lesson"]
purpose = "national-security"
hosts = ["example.com", "exam ple.com", "10.0.0.1/8"]
[[rule]]
id = "a"
action = "blok"
purpose = "facts"
down = "5Mbit/s"
"#;
    let expected = [
        r#"weir.toml:1: shcool: unknown key; did you mean "school"?"#,
        r#"weir.toml:2: threads: expected number, 0 to 1024, found "four""#,
        r#"weir.toml:3: unknown_network: expected `strictest` or `refuse`, found "strict""#,
        r#"weir.toml:4: retain: unknown key; "retain" belongs to [records]"#,
        r#"weir.toml:6: listener[1].address: "127.0.0.1" is no address with a port"#,
        r#"weir.toml:9: console.hosts: "bad host": ' ' cannot stand in a host name"#,
        "weir.toml:9: console.hosts: expected name or address of a host, found 7",
        r#"weir.toml:12: network[1].addresses: "10.0.0.5/8": bits beyond the prefix are set: write 10.0.0.0/8"#,
        r#"weir.toml:12: network[1].addresses: "10.0.0.0/33": the prefix is not a number from 0 to 32"#,
        r#"weir.toml:13: network[1].profile: there is no profile "gest"; did you mean "guest"?"#,
        "weir.toml:15: resolver.attempts: expected number, 1 to 10, found 0",
        "weir.toml:17: resolver.hosts.1.2.3.4: an address where a name is needed",
        r#"weir.toml:18: resolver.hosts.intranet.example: "ten" is no address"#,
        "weir.toml:21: connect.opaque_ports: expected port, 1 to 65535, found 0",
        "weir.toml:22: connect.http_ports: port 443 is already in connect.tls_ports",
        r#"weir.toml:24: deadlines.head: "15" is no duration"#,
        r#"weir.toml:25: deadlines.hello: expected duration, 50ms to 5m, found "10h""#,
        r#"weir.toml:27: bounds.head_bytes: "64kb" is no size"#,
        r#"weir.toml:29: line.down: "20Mb/s" is no rate"#,
        "weir.toml:31: log.level: expected `error`, `warn`, `info`, `debug` or `trace`, found \"verbose\"",
        r#"policy.toml:1: time_zone: "Europe/Londn" is no time zone"#,
        "policy.toml:3: profile: one profile for everyone is not enough",
        r#"policy.toml:7: period[1].days: expected `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`, found "tues"; did you mean "tue"?"#,
        r#"policy.toml:9: period[1].to: "25:00" is no time of day"#,
        "policy.toml:10: rule[1].action: must be given: `allow`",
        r#"policy.toml:12: rule[1].periods: there is no period "lesson"; did you mean "lessons"?"#,
        "policy.toml:13: rule[1].purpose: national security is no purpose of a school",
        r#"policy.toml:14: rule[1].hosts: "exam ple.com": ' ' cannot stand in a host name"#,
        r#"policy.toml:14: rule[1].hosts: "10.0.0.1/8": bits beyond the prefix are set"#,
        r#"policy.toml:16: rule[2].id: "a" is already the id of the one in line 11"#,
        r#"policy.toml:17: rule[2].action: expected `allow`, `block`, `warn` or `limit`, found "blok"; did you mean "block"?"#,
    ];
    assert_told(settings, policy, &expected);
}

#[test]
fn a_syntax_error_is_a_fault_with_its_line_beside_the_others() {
    let settings =
        "threads = 2000\nschool = \n[[listener]]\naddress = 127.0.0.1:3128\n[line]\ndwon = \"\"\n";
    let expected = [
        "weir.toml:1: threads: expected number",
        "weir.toml:2: not TOML: string values must be quoted",
        "weir.toml:4: not TOML: ",
        "weir.toml:6: line.dwon: unknown key; did you mean \"down\"?",
    ];
    assert_told(settings, POLICY, &expected);
    for (text, line) in [
        ("x = [1,\n2", 2),
        ("\n[network\nname = \"a\"\n", 2),
        ("school = \"a\"\nschool = \"b\"\n", 2),
        ("[line]\n[line]\n", 2),
        ("school = 'a\nthreads = 1\n", 1),
        ("\n\nschool = \"\\q\"", 3),
        ("= 1", 1),
    ] {
        let told = told(text, POLICY);
        let start = format!("weir.toml:{line}: not TOML: ");
        assert!(
            told.iter().any(|fault| fault.starts_with(&start)),
            "{text:?}: {told:?}"
        );
    }
}

/// A broken file must not be blamed for what only seems to be missing.
#[test]
fn after_a_syntax_error_nothing_is_said_to_be_missing() {
    assert_told("", "strictest = guest\n", &["policy.toml:1: not TOML: "]);
    let policy = format!("{POLICY}\n[[profile]\nname = \"pupil\"\n");
    let settings = "[[listener]]\nprofile = \"pupil\"\n";
    let told = told(settings, &policy);
    assert!(
        told.iter().all(|fault| fault.contains("not TOML")),
        "{told:?}"
    );
}

#[test]
fn a_missing_policy_file_is_a_fault_of_the_key_that_names_it() {
    let (_guard, path) = directory(b"school = \"x\"\npolicy = \"polcy.toml\"\n", b"");
    let fault = only_fault(&path);
    assert_eq!(
        (fault.file.as_path(), fault.line, fault.key.as_str()),
        (path.as_path(), Some(2), "policy")
    );
    assert!(fault.message.contains("polcy.toml") && fault.message.contains("cannot be read"));
}

#[test]
fn a_missing_policy_file_hides_no_other_fault() {
    let (_guard, path) = directory(b"policy = \"polcy.toml\"\nthreads = -1\n", b"");
    let faults = load(Some(&path)).unwrap_err().0;
    let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["policy", "threads"]);
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault() {
    let directory = TempDir::new().unwrap();
    for path in [
        directory.path().join("weir.toml"),
        directory.path().to_owned(),
    ] {
        let fault = only_fault(&path);
        assert_eq!((fault.file, fault.line), (path, None));
        assert!(fault.message.contains("cannot be read"));
    }
    let (_guard, path) = self::directory(b"school = \"a\"\n# \xff\n", POLICY.as_bytes());
    let fault = only_fault(&path);
    assert_eq!((fault.line, fault.message.as_str()), (Some(2), "not UTF-8"));
}

#[test]
fn line_ends_of_other_systems_and_byte_order_marks_are_read() {
    let text = "\u{feff}school = \"Größe\"\r\n[[listener]]\r\naddress = \"127.0.0.1:1\"\r\n";
    let (_guard, path) = directory(text.as_bytes(), POLICY.replace('\n', "\r\n").as_bytes());
    let loaded = load(Some(&path)).unwrap();
    assert_eq!(loaded.settings.school, "Größe");
    assert_eq!(loaded.settings.listeners[0].address.port(), 1);
    assert_eq!(loaded.path.as_deref(), Some(path.as_path()));
    assert_eq!(loaded.policy.profiles.len(), 2);
    let (_guard, path) = directory("\u{feff}a = 1\r\nb = 2\r\n".as_bytes(), POLICY.as_bytes());
    let lines: Vec<_> = load(Some(&path))
        .unwrap_err()
        .0
        .iter()
        .map(|fault| fault.line)
        .collect();
    assert_eq!(lines, [Some(1), Some(2)]);
}

#[test]
fn relative_paths_are_seen_from_the_file_that_says_them() {
    let settings = "state = \"../var\"\n[lists]\ndirectories = [\".\", \"../conf\"]\n[origin]\ntrusted_roots = [\"policy.toml\"]\n";
    let (guard, path) = directory(settings.as_bytes(), POLICY.as_bytes());
    let root = guard.path().canonicalize().unwrap();
    let settings = load(Some(&path)).unwrap().settings;
    assert_eq!(settings.state, root.join("var"));
    assert_eq!(
        settings.lists.directories,
        [root.join("conf"), root.join("conf")]
    );
    assert_eq!(
        settings.origin.trusted_roots,
        [root.join("conf/policy.toml")]
    );
    assert_eq!(settings.records_directory(), root.join("var/records"));
    assert_eq!(settings.users_file(), root.join("var/users.toml"));
    assert_eq!(crate::lists::imported(&settings), root.join("var/lists"));
}

#[test]
fn lists_and_roots_that_are_not_there_are_faults() {
    let settings = "[lists]\ndirectories = [\"/\", \"lsts\"]\n[origin]\ntrusted_roots = [\"/\"]\n";
    let expected = [
        "weir.toml:2: lists.directories: there is no directory /nowhere/lsts"
            .replace("/nowhere/", ""),
        "weir.toml:4: origin.trusted_roots: there is no file /".to_owned(),
    ];
    assert_eq!(told(settings, POLICY), expected);
}

/// A reload must see the same thing when nothing has changed.
#[test]
fn loading_twice_gives_the_same() {
    let path = shipped("weir.toml");
    let (a, b) = (load(Some(&path)).unwrap(), load(Some(&path)).unwrap());
    assert_eq!((a.settings, a.policy), (b.settings, b.policy));
}

/// A file cut off while it is being written is refused or means what its whole keys say; it never stops the program.
#[test]
fn no_beginning_of_the_shipped_files_is_a_panic() {
    // The policy is long: cut at every 101st character only.
    for (name, stride) in [("weir.toml", 1), ("policy.toml", 101)] {
        let text = fs::read_to_string(shipped(name)).unwrap();
        for (end, _) in text.char_indices().filter(|(at, _)| at % stride == 0) {
            let _ = read(&text[..end], POLICY);
            let _ = read("", &text[..end]);
        }
    }
}

proptest! {
    #[test]
    fn reading_never_panics(text in any::<String>(), toml in "([a-z_]{1,8} = |\\[\\[?(listener|rule|network|resolver\\.hosts)\\]?\\]|\"[^\"]{0,9}\"|[0-9:.-]{1,9}|true|\\[|\\]|\\{|\\}|,|\n|=){0,40}") {
        for text in [text, toml] {
            let _ = read(&text, POLICY);
            let _ = read("", &text);
        }
    }

    #[test]
    fn a_changed_byte_is_a_fault_or_harmless(at in any::<prop::sample::Index>(), byte in 0_u8..128) {
        for name in ["weir.toml", "policy.toml"] {
            let mut text = fs::read(shipped(name)).unwrap();
            let at = at.index(text.len());
            text[at] = byte;
            if let Ok(text) = String::from_utf8(text) {
                let _ = read(&text, POLICY);
                let _ = read("", &text);
            }
        }
    }
}
