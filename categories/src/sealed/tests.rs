#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;
use weir_host::{Host, normal_path};

use super::*;

mod spellings;
mod taking;

const DAY: u64 = 86_400;
const NOW: u64 = 1_800_000_000;

fn slot(name: &str) -> Slot {
    Slot {
        name: name.into(),
        title: format!("List {name}").into(),
        stale_after: Duration::from_secs(7 * DAY),
    }
}

fn fill(directory: &Path, text: &str, now: u64) -> Result<Filled, FillError> {
    Fill::prepare(directory, &slot("iwf"), text.as_bytes(), None, now)?.commit()
}

fn loaded(directory: &Path, last: Option<&Sealed>) -> Sealed {
    load(directory, &[slot("iwf"), slot("ctiru")], last)
}

fn sealed(text: &str) -> (TempDir, Sealed) {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path(), text, NOW).unwrap();
    let sealed = loaded(directory.path(), None);
    (directory, sealed)
}

/// As the proxy asks: `host`, `host:port`, or either with a path.
fn hits(sealed: &Sealed, address: &str) -> bool {
    let (authority, path) = match address.find('/') {
        Some(at) => (&address[..at], Some(&address[at..])),
        None => (address, None),
    };
    let (host, port) = weir_host::parse_authority(authority).unwrap();
    let port = port.unwrap_or(80);
    match path {
        Some(path) => {
            let (path, query) = path
                .split_once('?')
                .map_or((path, None), |(path, query)| (path, Some(query)));
            sealed
                .of_url(&host, port, &normal_path(path), query)
                .is_some()
        }
        None => sealed.of_host(&host, port).is_some(),
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("host-{number}.bad.example"))
        .collect()
}

fn text(names: &[String]) -> String {
    names.iter().map(|name| format!("{name}\n")).collect()
}

#[test]
fn af_01_every_spelling_of_a_listed_address_is_hit_and_what_is_beside_it_is_not() {
    let (_directory, sealed) = sealed(
        "# a comment\r\n\r\nbad.example\nHTTP://Pages.Example/Bad/Thing/ # why\nhttps://pages.example/view.php?id=25\n\
         ported.example:8443\nport-page.example:8080/x\n192.0.2.7\n[2001:db8::1]\nb\u{fc}cher.example\n::ffff:192.0.2.9\n\
         shop.example/?cat=\nhttp://plain.example:80/\nhttp://198.51.100.1/8\n",
    );
    let table = [
        ("bad.example", true),
        ("www.bad.example", true),
        ("a.b.c.bad.example", true),
        ("BAD.example.", true),
        ("bad.example:8080", true),
        ("bad.example/any/path?x=1", true),
        ("notbad.example", false),
        ("bad.example.com", false),
        ("example", false),
        ("d.example", false),
        ("pages.example", false),
        ("pages.example:443", false),
        ("pages.example/", false),
        ("pages.example/bad", false),
        ("pages.example/bad/thing", true),
        ("pages.example/BAD/%74hing/", true),
        ("pages.example//bad/./x/../thing/below?q=1", true),
        ("www.pages.example:9090/bad/thing", true),
        ("pages.example/bad/things", false),
        ("pages.example/bad/thin", false),
        ("pages.example/a/bad/thing", false),
        ("pages.example/view.php?id=25", true),
        ("pages.example/view.php/?id=25", true),
        ("pages.example/View.php?ID=25&x=1", true),
        ("pages.example/view.php?id=%32%35", true),
        ("pages.example/view.php?id=255", false),
        ("pages.example/view.php?id=2", false),
        ("pages.example/view.php", false),
        ("pages.example/view.php?", false),
        ("ported.example", false),
        ("ported.example:8443", true),
        ("x.ported.example:8443/y", true),
        ("port-page.example:8080", false),
        ("port-page.example:8080/x/y", true),
        ("port-page.example/x", false),
        ("192.0.2.7", true),
        ("192.0.2.8", false),
        ("[::ffff:192.0.2.7]", true),
        ("192.0.2.9", true),
        ("[2001:db8::1]/x", true),
        ("[2001:db8::2]", false),
        ("xn--bcher-kva.example", true),
        ("shop.example/?cat=7", true),
        ("shop.example/?dog=7", false),
        ("plain.example", true),
        ("plain.example:8443", true),
        ("198.51.100.1", false),
        ("198.51.100.1/8", true),
    ];
    for (address, expected) in table {
        assert_eq!(hits(&sealed, address), expected, "{address}");
    }
    let all = Host::parse("pages.example").unwrap();
    assert_eq!(sealed.of_url(&all, 80, "*", None), None);
}

#[test]
fn a_long_path_or_query_costs_no_more_than_the_deepest_entry() {
    let (_directory, sealed) = sealed("pages.example/a/b?x=1&y=2\n");
    let long = format!("pages.example/{}", "a/".repeat(30_000));
    let query = format!("pages.example/a/b?{}", "x&".repeat(30_000));
    let began = std::time::Instant::now();
    for _ in 0..100 {
        assert!(!hits(&sealed, &query));
        let host = Host::parse("pages.example").unwrap();
        assert_eq!(
            sealed.of_url(&host, 80, &long["pages.example".len()..], None),
            None
        );
    }
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

fn label() -> impl Strategy<Value = String> {
    // `xn--` would have to be Punycode.
    "[a-z0-9](-?[a-z0-9]){0,7}-?"
}

/// Another spelling of the same text: letters in either case, some as triplets where that may be.
fn respelt(text: &str, choices: &[u8], triplets: bool) -> String {
    let choice = |at: usize| choices.get(at % choices.len()).copied().unwrap_or(0);
    text.char_indices()
        .map(|(at, c)| match choice(at) % 4 {
            1 => c.to_ascii_uppercase().to_string(),
            2 if triplets && c.is_ascii_alphanumeric() => format!("%{:02x}", c as u32),
            3 if triplets && c == '/' => "/./".to_owned(),
            _ => c.to_string(),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// AF-01: every spelling of what is listed is hit, with everything below it; its siblings are not.
    #[test]
    fn af_01_no_spelling_gets_past_a_list(
        labels in prop::collection::vec(label(), 1..4),
        segments in prop::collection::vec("[a-z0-9_~.-]{0,6}[a-z]", 1..4),
        choices in prop::collection::vec(any::<u8>(), 1..40),
        below in label(),
    ) {
        let host = format!("{}.org.example", labels.join("."));
        let page = format!("other.example/{}", segments.join("/"));
        let (_directory, sealed) = sealed(&format!("{host}\n{page}\n"));
        let spelt = respelt(&host, &choices, false);
        prop_assert!(hits(&sealed, &spelt));
        let (under, beside) = (format!("{below}.{spelt}"), format!("x{host}"));
        prop_assert!(hits(&sealed, &under));
        prop_assert!(!hits(&sealed, &beside));
        let above = "org.example";
        prop_assert!(!hits(&sealed, above));
        let path = page.strip_prefix("other.example").unwrap();
        let spelt = format!("OTHER.example{}", respelt(path, &choices, true));
        prop_assert!(hits(&sealed, &spelt), "{}", spelt);
        let (deeper, with_query) = (format!("{spelt}/{below}"), format!("{spelt}?{below}"));
        prop_assert!(hits(&sealed, &deeper));
        prop_assert!(hits(&sealed, &with_query));
        let longer = format!("{page}x");
        prop_assert!(!hits(&sealed, &longer));
        prop_assert!(!hits(&sealed, "other.example"));
    }
}

#[test]
fn af_03_no_entry_stands_in_any_file_nor_in_any_text_for_debugging() {
    let secret = ["very-secret-name", "hidden-path-here", "secret-query"];
    let text = format!(
        "{}.example\nfor-pages.example/{}?{}=1\n",
        secret[0], secret[1], secret[2]
    );
    let (directory, sealed) = sealed(&text);
    fill(directory.path(), &text, NOW + 60).unwrap();
    let files: Vec<_> = fs::read_dir(directory.path()).unwrap().flatten().collect();
    let mut kept: Vec<String> = files
        .iter()
        .map(|file| file.file_name().into_string().unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept, ["iwf.previous", "iwf.sealed", "key", "ledger.json"]);
    for file in files {
        let bytes = fs::read(file.path()).unwrap();
        for word in secret.iter().chain(&["for-pages", "example"]) {
            let found = memchr::memmem::find(&bytes, word.as_bytes());
            assert!(found.is_none(), "{:?} has {word}", file.path());
        }
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.path());
    }
    let prepared =
        Fill::prepare(directory.path(), &slot("iwf"), text.as_bytes(), None, NOW).unwrap();
    let shown = format!(
        "{sealed:?} {prepared:?} {:?}",
        sealed.slots().collect::<Vec<_>>()
    );
    let key = Key::open(directory.path()).unwrap().unwrap();
    let tag = prepared_tag(&key, secret[0]);
    for word in secret.iter().copied().chain(["for-pages", tag.as_str()]) {
        assert!(!shown.contains(word), "{shown}");
    }
}

fn prepared_tag(key: &Key, name: &str) -> String {
    let mut tagging = key.tag(b'h');
    tagging.add(format!("{name}.example").as_bytes());
    tagging.tag().to_string()
}

#[test]
fn af_03_the_same_list_on_another_machine_is_other_bytes() {
    let (one, _) = sealed("bad.example\n");
    let (other, _) = sealed("bad.example\n");
    let read = |directory: &TempDir| fs::read(directory.path().join("iwf.sealed")).unwrap();
    assert_ne!(read(&one), read(&other));
}

#[test]
fn a_file_damaged_at_any_byte_or_cut_anywhere_is_refused_and_the_one_before_stays() {
    let (directory, _) = sealed("first.example\npages.example/x\n");
    fill(
        directory.path(),
        "first.example\npages.example/x\nsecond.example\n",
        NOW + 60,
    )
    .unwrap();
    let file = directory.path().join("iwf.sealed");
    let whole = fs::read(&file).unwrap();
    let before = loaded(directory.path(), None);
    assert!(hits(&before, "second.example"));
    let key = Key::open(directory.path()).unwrap().unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        assert!(Generation::read(&bytes, "iwf", &key).is_err(), "byte {at}");
        assert!(
            Generation::read(&whole[..at], "iwf", &key).is_err(),
            "cut at {at}"
        );
    }
    assert_eq!(
        Generation::read(&whole, "ctiru", &key).unwrap_err(),
        FileError::Slot
    );
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        fs::write(&file, &bytes).unwrap();
        let after = loaded(directory.path(), None);
        assert!(
            hits(&after, "first.example") && hits(&after, "pages.example/x"),
            "{at}"
        );
        let state = after.slots().next().unwrap();
        assert!(state.fault.is_some() && state.protection(NOW) == Protection::Alarmed);
        // What a running Weir has in memory is newer than the file before.
        let kept = loaded(directory.path(), Some(&before));
        assert!(hits(&kept, "second.example"), "{at}");
    }
}

#[test]
fn af_01_a_file_or_key_that_goes_missing_opens_nothing_while_weir_runs_and_is_told() {
    let (directory, before) = sealed("bad.example\n");
    for name in ["iwf.sealed", "key", "ledger.json"] {
        fs::remove_file(directory.path().join(name)).unwrap();
        let after = loaded(directory.path(), Some(&before));
        assert!(hits(&after, "bad.example"), "{name}");
        let state = after.slots().next().unwrap();
        assert!(state.fault.is_some(), "{name}");
    }
    // And over one more reload, and with the slot's name gone from the configuration.
    let after = loaded(directory.path(), Some(&before));
    let later = load(directory.path(), &[], Some(&after));
    assert!(hits(&later, "bad.example"));
}

#[test]
fn af_02_a_slot_is_never_well_without_a_fresh_list() {
    let (directory, sealed) = sealed("bad.example\n");
    let states: Vec<_> = sealed.slots().collect();
    assert_eq!(states[0].protection(NOW + DAY), Protection::Protected);
    assert_eq!(states[0].protection(NOW + 7 * DAY), Protection::Stale);
    assert!(!states[0].is_protected(NOW + 7 * DAY));
    assert_eq!(states[1].protection(NOW), Protection::Empty);
    assert!(!states[1].is_protected(NOW));
    for name in ["iwf.sealed", "key"] {
        fs::remove_file(directory.path().join(name)).unwrap();
        let lost = loaded(directory.path(), None);
        let state = lost.slots().next().unwrap();
        assert_eq!(state.protection(NOW), Protection::Lost, "{name}");
    }
}

#[test]
fn af_01_a_slot_that_was_filled_stays_enforced_when_no_configuration_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let own = slot("county");
    Fill::prepare(directory.path(), &own, b"bad.example\n", None, NOW)
        .unwrap()
        .commit()
        .unwrap();
    let sealed = loaded(directory.path(), None);
    let id = sealed
        .of_host(&Host::parse("bad.example").unwrap(), 443)
        .unwrap();
    let state = sealed.slot(id).unwrap();
    assert_eq!(
        (&*state.slot.name, &*state.slot.title),
        ("county", "List county")
    );
}

#[test]
fn of_two_lists_that_have_a_host_the_first_is_named_and_both_are_enforced() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("ctiru", "both.example\npages.example/x\n"),
        ("iwf", "both.example\nown.example\n"),
    ] {
        Fill::prepare(directory.path(), &slot(name), text.as_bytes(), None, NOW)
            .unwrap()
            .commit()
            .unwrap();
    }
    let sealed = loaded(directory.path(), None);
    let list = |host: &str| {
        let id = sealed.of_host(&Host::parse(host).unwrap(), 80)?;
        Some(sealed.slot(id)?.slot.name.to_string())
    };
    assert_eq!(list("both.example").as_deref(), Some("iwf"));
    assert_eq!(list("own.example").as_deref(), Some("iwf"));
    assert_eq!(list("pages.example"), None);
    assert!(hits(&sealed, "pages.example/x"));
}

#[test]
fn the_numbers_of_a_slot_say_how_many_entries_a_tunnel_hides() {
    let (_directory, sealed) =
        sealed("bad.example\nbad.example\npages.example/a\npages.example/b\nported.example:8080\n");
    let held = sealed.slots().next().unwrap().held.clone().unwrap();
    assert_eq!((held.entries, held.pages, held.made), (4, 2, NOW));
    assert_eq!(held.digest.len(), 32);
}

#[test]
fn a_change_of_any_file_is_seen_without_reading_it() {
    let (directory, _) = sealed("bad.example\n");
    let before = stamps(directory.path());
    assert_eq!(before.len(), 3);
    fs::write(directory.path().join("iwf.sealed.new"), "half").unwrap();
    assert_eq!(stamps(directory.path()), before);
    fill(directory.path(), "bad.example\nworse.example\n", NOW + 1).unwrap();
    assert_ne!(stamps(directory.path()), before);
}

/// What a look-up costs; run with `--release --ignored --nocapture` for figures.
#[test]
#[ignore = "a measurement"]
fn what_a_look_up_costs() {
    let mut text = text(&names(20_000));
    for number in 0..20_000 {
        text.push_str(&format!(
            "pages-{}.example/a/{number}/image.jpg\n",
            number % 500
        ));
    }
    let (_directory, sealed) = sealed(&text);
    let hosts = [
        "www.bbc.co.uk",
        "a.b.c.d.nobody.example",
        "pages-7.example",
        "host-9.bad.example",
    ];
    let hosts: Vec<Arc<Host>> = hosts
        .iter()
        .map(|host| Arc::new(Host::parse(host).unwrap()))
        .collect();
    for host in &hosts {
        for path in [None, Some("/a/b/c/d/e.html")] {
            let began = std::time::Instant::now();
            const TIMES: u32 = 1_000_000;
            let mut found = 0;
            for _ in 0..TIMES {
                let host = std::hint::black_box(&**host);
                let hit = match path {
                    Some(path) => sealed.of_url(host, 80, path, None),
                    None => sealed.of_host(host, 443),
                };
                found += u32::from(hit.is_some());
            }
            println!(
                "{host} {path:?}: {:?} (hits {found})",
                began.elapsed() / TIMES
            );
        }
    }
}

/// Writes what fuzzing begins with: `WEIR_SEEDS=$PWD/fuzz/corpus/sealed_file cargo test -p weir-categories --lib -- --ignored seeds`.
#[test]
#[ignore = "writes fuzz/corpus/sealed_file"]
fn sealed_seeds_for_fuzzing() {
    let Some(corpus) = std::env::var_os("WEIR_SEEDS") else {
        return;
    };
    let corpus = Path::new(&corpus);
    fs::create_dir_all(corpus).unwrap();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("key"), [7; KEY_BYTES]).unwrap();
    let pages = "pages.example/a/b\npages.example/v?x=1&y=2\nported.example:8080\n192.0.2.9\n";
    fill(
        directory.path(),
        &format!("bad.example\n{pages}worse.example\n"),
        NOW,
    )
    .unwrap();
    let whole = fs::read(directory.path().join("iwf.sealed")).unwrap();
    fill(directory.path(), &format!("bad.example\n{pages}"), NOW + 60).unwrap();
    let with_gone = fs::read(directory.path().join("iwf.sealed")).unwrap();
    let changed = |at: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let count = 8 + 4 + 65 + 24 + 8;
    let seeds: [(&str, Vec<u8>); 13] = [
        ("empty", Vec::new()),
        ("head-alone", whole[..count + 8].to_vec()),
        ("whole", whole.clone()),
        ("with-gone", with_gone),
        ("cut-in-a-row", whole[..whole.len() - 40].to_vec()),
        ("other-magic", changed(0, b"WEIRSEAM")),
        ("other-version", changed(8, &3_u32.to_le_bytes())),
        ("name-too-long", changed(12, &[255])),
        ("other-slot", changed(13, b"xyz")),
        ("too-many-rows", changed(count, &u64::MAX.to_le_bytes())),
        ("no-rows", changed(count, &0_u64.to_le_bytes())),
        ("deep", changed(count - 8, &[255; 8])),
        ("odd-kind", changed(count + 8 + 16, &[9])),
    ];
    for (name, bytes) in seeds {
        fs::write(corpus.join(name), bytes).unwrap();
    }
}
