//! What must hold for any bytes: the properties behind the fuzz targets. The plain tests run them over the
//! committed corpora (`tests/corpus`), so that a finding, once added to a corpus, stays found.
//!
//! The ClientHello parser lives in the binary and is included by the target alone; its corpus is replayed
//! through a running Weir.

use std::path::Path;

use weir_categories::MatchKind;
use weir_categories::formats::Format;
use weir_host::{Host, Target, normal_path, normal_query, parents, parse_authority, search_terms};

/// A host has one normal form, whatever the spelling, and every reader of it agrees.
pub fn host(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(people) = Host::parse_text(text) {
        assert_eq!(Host::parse_text(&people.to_string()).as_ref(), Ok(&people));
    }
    let Ok(host) = Host::parse(text) else { return };
    assert!(text.is_ascii(), "{text:?}");
    assert_eq!(
        Host::parse(&host.bracketed().to_string()).as_ref(),
        Ok(&host)
    );
    assert_eq!(
        Host::parse(&text.to_ascii_uppercase()).as_ref(),
        Ok(&host),
        "{text:?}"
    );
    assert_eq!(Host::parse_text(text).as_ref(), Ok(&host), "{text:?}");
    assert_eq!(
        parse_authority(text).ok().map(|(host, _)| host).as_ref(),
        Some(&host)
    );
    let Some(name) = host.as_name() else { return };
    let name = name.as_str();
    assert!(
        name.len() <= 253 && !name.ends_with('.') && !name.starts_with('.'),
        "{name:?}"
    );
    assert!(
        name.split('.').all(|label| (1..=63).contains(&label.len())),
        "{name:?}"
    );
    assert!(!name.bytes().any(|b| b.is_ascii_uppercase()), "{name:?}");
    assert_eq!(parents(name).count(), name.split('.').count());
}

/// A target that is accepted is written and read back as the same target; its decision path is stable.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(target) = Target::parse_absolute(text) else {
        return;
    };
    assert!(
        !text.contains(['\\', '#', ' ', '\t', '\r', '\n', '\0']),
        "{text:?}"
    );
    let path = target.path_and_query();
    let again = format!("{}://{}{path}", target.scheme.as_str(), target.authority());
    if let Ok(again) = Target::parse_absolute(&again) {
        assert_eq!(
            (&again.host, again.port),
            (&target.host, target.port),
            "{text:?}"
        );
        assert_eq!(again.path_and_query(), path, "{text:?}");
    } else {
        assert_eq!(path, "*", "{text:?} is not read back");
    }
    let once = normal_path(target.path()).into_owned();
    assert_eq!(normal_path(&once), once, "{text:?}");
}

/// An entry of a list is stored in a form that is its own normal form.
pub fn list_line(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for kind in MatchKind::ALL {
        if let Ok(normal) = weir_categories::entry::normal(kind, text) {
            let again = weir_categories::entry::normal(kind, &normal);
            assert_eq!(
                again.as_deref().ok(),
                Some(normal.as_str()),
                "{kind:?} {text:?}"
            );
        }
    }
}

/// A list of any format (the first byte says which) is read line by line, each counted once; telling its format never fails
/// but with a reason.
pub fn list_format(data: &[u8]) {
    let Some((selector, list)) = data.split_first() else {
        return;
    };
    let format = Format::ALL[usize::from(*selector) % Format::ALL.len()];
    if let Err(reason) = weir_categories::formats::detect(list, "list.txt") {
        assert!(!reason.to_string().is_empty());
    }
    let counted = weir_categories::formats::count(format, list);
    assert_eq!(counted.is_err(), list.contains(&0), "{format}");
    let Ok((tally, faults)) = counted else { return };
    assert!(tally.adds_up(), "{format}: {tally:?}");
    let lines = list.split_inclusive(|byte| *byte == b'\n').count();
    assert_eq!(tally.lines, lines as u64, "{format}");
    assert_eq!(faults.count(), tally.faulty + tally.partly, "{format}");
    assert!(tally.distinct >= tally.entries, "{format}: {tally:?}");
}

/// A compiled index is refused or answers; whatever it holds, nothing panics or stalls. An input is taken as it is and with
/// its check sums put right, so that fuzzing gets past them.
pub fn index_file(data: &[u8]) {
    use weir_categories::file::{open_alone, with_right_sums};
    for bytes in [data.to_vec(), with_right_sums(data)] {
        // A file of its own each time: one that is mapped is never written to.
        let Ok(file) = tempfile::NamedTempFile::new() else {
            return;
        };
        if std::fs::write(file.path(), &bytes).is_err() {
            return;
        }
        let Ok(index) = open_alone(file.path()) else {
            continue;
        };
        let hosts = [
            "a.example",
            "x.b.example",
            "192.0.2.9",
            "[2001:db8::1]",
            "com",
        ];
        for host in hosts.into_iter().filter_map(|host| Host::parse(host).ok()) {
            assert!(!index.host_categories(&host).is_empty());
            let found = index.url_categories(&host, 80, "/x/needle7", Some("z=1"));
            assert!(!found.is_empty());
            for found in index.all(&host, 80, Some("/x/needle7"), None) {
                assert!(index.names().iter().any(|(id, _)| id == found.category));
            }
        }
    }
}

/// Keywords, one a line, then a NUL, then what is asked for behind the host: whatever both are, only keywords that were given
/// are found, and one that was searched for is.
pub fn keywords(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (list, address) = text.split_once('\0').unwrap_or((text, ""));
    let list: Vec<&str> = list.lines().take(50).collect();
    let normal = |text: &&&str| weir_categories::entry::normal(MatchKind::Keyword, text).ok();
    let known: Vec<String> = list.iter().filter_map(|text| normal(&text)).collect();
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let (path, query) = (normal_path(path), normal_query(query));
    for host in ["www.google.com", "x.example"] {
        let Ok(host) = Host::parse(host) else { return };
        let found = weir_categories::keywords::found(&list, &host, &path, Some(&query));
        assert!(
            found.iter().all(|text| known.contains(text)),
            "{found:?} {known:?}"
        );
        for term in search_terms(&host, &path, Some(&query)) {
            assert!(query.contains(term.value));
        }
        for keyword in known.iter().filter(|keyword| !keyword.contains('%')) {
            let bare = keyword.trim_matches('*').bytes();
            let term: String = bare.map(|byte| format!("%{byte:02X}")).collect();
            let query = format!("q={term}");
            let found = weir_categories::keywords::found(&list, &host, "/search", Some(&query));
            assert!(found.contains(keyword), "{keyword:?} {found:?}");
        }
    }
}

/// The file of a mandatory list is refused or answers; whatever it holds, nothing panics or stalls, and what is read has the
/// numbers that it says. An input is taken as it is and with its check sum put right.
pub fn sealed_file(data: &[u8]) {
    use weir_categories::sealed::{KEY_BYTES, Key, Slot, open_alone, with_right_sum};
    let key = || Key::new(&[7; KEY_BYTES]);
    let slot = Slot {
        name: "iwf".into(),
        title: "list".into(),
        stale_after: std::time::Duration::from_secs(86_400),
    };
    let right = with_right_sum(data, &key());
    for bytes in [data, &right] {
        let Ok(sealed) = open_alone(bytes, &slot, key()) else {
            continue;
        };
        let other = Key::new(&[8; KEY_BYTES]);
        assert!(
            open_alone(bytes, &slot, other).is_err(),
            "another key opens it"
        );
        let held = sealed.slots().find_map(|state| state.held.clone());
        assert!(held.is_some_and(|held| held.pages <= held.entries));
        for host in [
            "a.bad.example",
            "pages.example",
            "192.0.2.9",
            "[2001:db8::1]",
        ] {
            let Ok(host) = Host::parse(host) else {
                continue;
            };
            let whole = sealed.of_host(&host, 443);
            let page = sealed.of_url(&host, 443, "/a/b/c", Some("x=1&y=2"));
            assert!(
                whole.is_none() || page.is_some(),
                "a page of a listed host is open"
            );
        }
    }
}

/// Settings and a policy, parted by a NUL, are read or every fault says what is wrong.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (settings, policy) = text.split_once('\0').unwrap_or((text, ""));
    if let Err(faults) = weir_config::parse(settings, policy, Path::new("school")) {
        assert!(!faults.0.is_empty());
        assert!(faults.0.iter().all(|fault| !fault.message.is_empty()));
    }
}
