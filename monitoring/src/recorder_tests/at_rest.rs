//! What the records on a disk give away to somebody who lacks the key: nothing (LM-16).

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::keys::rekey;
use crate::query::Query;
use crate::testing::{all_rows, holds, kek, rows_of, settings, stop, store, wait_until};
use crate::{
    EventId, KekSource, Kind, Record, Recorder, RecorderError, RecorderSettings, Store, Verdict,
};

/// Texts that are nowhere but in the rows of these tests.
const SEEDS: [&str; 7] = [
    "zaphod.beeblebrox",
    "heart-of-gold",
    "xyzzy-plugh.example",
    "frobnicated-category",
    "/walled/garden/of/the/mind",
    "token-3141592653",
    "slartibartfast-rule",
];

fn seeded(number: u64) -> Record {
    let mut record = Record::new(
        Kind::Request,
        EventId(number),
        1_790_000_000_000_000 + number as i64,
    );
    record.user = Some(SEEDS[0].into());
    record.device = Some(SEEDS[1].into());
    record.host = Some(SEEDS[2].into());
    record.category = Some(SEEDS[3].into());
    record.verdict = Verdict::Block;
    record.path = Some(format!("{}?key={}", SEEDS[4], SEEDS[5]).into());
    record.rule = Some(SEEDS[6].into());
    record.client = Some(IpAddr::V4(Ipv4Addr::new(10, 66, 6, 66)));
    record.bytes_up = number;
    record
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Looks for every seed, and the secrets that a log has, in every byte of every file but the key itself.
fn search_bytes(directory: &Path, known: &[Vec<u8>]) -> usize {
    let mut all = Vec::new();
    files(directory, &mut all);
    all.retain(|path| path.file_name().unwrap() != "test.kek");
    for path in &all {
        let bytes = fs::read(path).unwrap();
        let lower = bytes.to_ascii_lowercase();
        for seed in SEEDS {
            assert!(
                !lower
                    .windows(seed.len())
                    .any(|window| window == seed.as_bytes()),
                "{seed} in {}",
                path.display()
            );
        }
        for secret in known {
            let is_there = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!is_there, "a secret in {}", path.display());
        }
        let name = path.display().to_string();
        assert!(!SEEDS.iter().any(|seed| name.contains(seed)), "{name}");
    }
    all.len()
}

/// The secrets of the log and of its files, as they are when they are opened.
fn secrets(directory: &Path) -> Vec<Vec<u8>> {
    let store = store(directory);
    let key = crate::proof::signing_key(&store, "weir").unwrap().unwrap();
    let key = key.to_text();
    // The base64 may have a plus of its own.
    let encoded = key.splitn(5, '+').last().unwrap().to_owned();
    let mut found = vec![key.into_bytes(), encoded.into_bytes()];
    for file in crate::proof::row_files(&store).unwrap() {
        let salts = file.salts(&store).unwrap().unwrap();
        let text = String::from_utf8(salts.to_bytes()).unwrap();
        found.push(text.split_whitespace().last().unwrap().as_bytes().to_vec());
    }
    for name in store.keys().unwrap().all().unwrap() {
        let key = store.keys().unwrap().open(&name.to_string()).unwrap();
        found.push(key.bytes().to_vec());
    }
    found
}

fn record(directory: &Path, count: u64) -> Recorder {
    let recorder = Recorder::start(settings(directory)).unwrap();
    let mut lane = recorder.lane();
    (0..count).for_each(|number| lane.push(seeded(number)));
    drop(lane);
    wait_until(&recorder, "written", |health| health.queued == 0);
    recorder
}

#[test]
fn without_the_key_no_byte_of_a_stolen_disk_says_who_where_or_what_lm_16() {
    let directory = tempfile::tempdir().unwrap();
    stop(&record(directory.path(), 300));
    let recorder = record(directory.path(), 300);
    wait_until(&recorder, "synced", |health| health.synced == 603);
    let known = secrets(directory.path());
    assert!(known.len() >= 6, "{}", known.len());
    let looked = search_bytes(directory.path(), &known);
    assert!(looked >= 12, "{looked} files");
    // With the key everything reads as before: journal and segment, by person, by host and by content.
    assert_eq!(all_rows(directory.path()).len(), 603);
    for query in [
        Query {
            user: Some(SEEDS[0].to_owned()),
            ..Query::default()
        },
        Query {
            host: Some(SEEDS[2].to_owned()),
            exact_host: true,
            ..Query::default()
        },
        Query {
            text: Some(SEEDS[4].to_owned()),
            ..Query::default()
        },
    ] {
        assert_eq!(rows_of(directory.path(), &query).len(), 600, "{query:?}");
    }
    stop(&recorder);
    search_bytes(directory.path(), &known);
    assert_eq!(holds(directory.path()).proved, 604);
}

#[test]
fn with_another_key_nothing_starts_nothing_is_lost_and_it_is_said_which_is_needed_lm_16() {
    let directory = tempfile::tempdir().unwrap();
    stop(&record(directory.path(), 10));
    let other = directory.path().join("other");
    fs::write(&other, [9; 32]).unwrap();
    let source = KekSource::File(other);
    let refused = Recorder::start(RecorderSettings {
        kek: source.clone(),
        ..settings(directory.path())
    });
    let refused = refused.unwrap_err().to_string();
    let opened = Store::open(directory.path(), &source, "default").unwrap_err();
    for told in [refused, opened.to_string()] {
        assert!(
            told.contains("encrypted under the key with number"),
            "{told}"
        );
        assert!(told.contains(&source.to_string()), "{told}");
    }
    // The key of Weir's own gone: a start refuses, says where it belongs, and makes no other.
    let own = directory.path().join("test.kek");
    let aside = directory.path().join("aside");
    fs::rename(&own, &aside).unwrap();
    let refused = Recorder::start(settings(directory.path())).unwrap_err();
    assert!(matches!(refused, RecorderError::Key(_)));
    let told = refused.to_string();
    assert!(told.contains(&own.display().to_string()), "{told}");
    assert!(!own.exists());
    let gone = KekSource::File(own.clone());
    let told = Store::open(directory.path(), &gone, "default").unwrap_err();
    assert!(told.to_string().contains("cannot be read"), "{told}");
    // Put back, everything is as it was.
    fs::rename(&aside, &own).unwrap();
    stop(&Recorder::start(settings(directory.path())).unwrap());
    assert_eq!(all_rows(directory.path()).len(), 14);
    assert_eq!(holds(directory.path()).proved, 14);
}

#[test]
fn a_new_key_encryption_key_opens_everything_and_the_old_one_nothing_lm_16() {
    let directory = tempfile::tempdir().unwrap();
    stop(&record(directory.path(), 10));
    // Not in good order, so that a journal is left as well.
    drop(record(directory.path(), 10));
    let old = fs::read(directory.path().join("test.kek")).unwrap();
    let own = kek(directory.path());
    let before = all_rows(directory.path());
    let done = rekey(directory.path(), &own, None).unwrap();
    assert!(done.wrapped >= 4 && done.before == 0, "{done:?}");
    assert_ne!(fs::read(directory.path().join("test.kek")).unwrap(), old);
    assert_eq!(all_rows(directory.path()), before);
    let kept = directory.path().join("kept");
    fs::write(&kept, &old).unwrap();
    let told = Store::open(directory.path(), &KekSource::File(kept), "default").unwrap_err();
    assert!(told.to_string().contains(&done.number), "{told}");
    stop(&Recorder::start(settings(directory.path())).unwrap());
    assert!(holds(directory.path()).proved >= 23);
    // While Weir runs, it would make keys under the old one.
    let recorder = record(directory.path(), 1);
    let refused = rekey(directory.path(), &own, None).unwrap_err();
    assert!(matches!(refused, RecorderError::Locked { .. }));
    stop(&recorder);
}

#[test]
fn a_change_of_the_key_that_was_interrupted_anywhere_is_done_again_lm_16() {
    let origin = tempfile::tempdir().unwrap();
    stop(&record(origin.path(), 10));
    let new = origin.path().join("new");
    fs::write(&new, [5; 32]).unwrap();
    let new = KekSource::File(new);
    let mut wrapped = Vec::new();
    files(origin.path(), &mut wrapped);
    let before: Vec<(PathBuf, Vec<u8>)> = wrapped
        .into_iter()
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .filter(|(_, bytes)| {
            bytes.starts_with(b"weir-wrapped-1") || bytes.starts_with(b"weir-kek-1")
        })
        .collect();
    assert!(before.len() >= 4);
    let own = kek(origin.path());
    let first = rekey(origin.path(), &own, Some(&new)).unwrap();
    let with_new = RecorderSettings {
        kek: new.clone(),
        ..settings(origin.path())
    };
    // As if it had stopped before the last so many files: they are as they were, and so is the number.
    for count in 1..=before.len() {
        let (number, keys): (Vec<_>, Vec<_>) = before
            .iter()
            .partition(|(path, _)| path.ends_with("keys/kek"));
        for (path, bytes) in number.iter().chain(keys.iter().take(count - 1)) {
            fs::write(path, bytes).unwrap();
        }
        let again = rekey(origin.path(), &own, Some(&new)).unwrap();
        assert_eq!(
            (again.wrapped, again.before),
            (count as u64 - 1, first.wrapped - (count as u64 - 1))
        );
        let store = Store::open(origin.path(), &new, "default").unwrap();
        let mut rows = 0;
        crate::query::search(&store, &Query::default(), &mut |batch| {
            rows += batch.num_rows();
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(rows, 12);
    }
    let recorder = Recorder::start(with_new).unwrap();
    recorder.stop(Duration::from_secs(20)).unwrap();
}
