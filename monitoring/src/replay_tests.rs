#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::*;
use crate::Store;
use crate::adapt::Cells;
use crate::journal::{Create, Journal, create_file};
use crate::open::OpenEvents;
use crate::paths::{FileName, Layout};
use crate::record::{Col, Rows};
use crate::testing::{Dice, Traffic, all_rows, new_store, of_kind, settings, stop, store};
use crate::{Kind, Recorder};

const BATCH: u64 = 20;

/// A journal of three batches, and where each begins and the last ends.
fn journal(layout: &Layout) -> (PathBuf, Vec<u64>) {
    fs::create_dir_all(layout.journals()).unwrap();
    let store = new_store(layout.root());
    let create: Create = Box::new(create_file);
    let name = FileName {
        node: "weir".into(),
        first: 1,
        last: None,
    };
    let path = layout.journals().join(name.to_string());
    let key = store.make_journal_key(&path).unwrap();
    let mut journal =
        Journal::create((path, key), &create, name, 7, &OpenEvents::default()).unwrap();
    let (mut traffic, mut rows) = (Traffic::new(5, 10, 30), Rows::default());
    let mut places = vec![journal.bytes()];
    for seq in 1..=3 * BATCH {
        rows.append(seq, "weir", &traffic.record());
        if seq % BATCH == 0 {
            journal.append(&rows.finish().unwrap()).unwrap();
            places.push(journal.bytes());
        }
    }
    (journal.path().to_owned(), places)
}

fn store_of(journal: &Path) -> Store {
    store(journal.parent().unwrap().parent().unwrap())
}

/// Numbers of the rows that can be read, and how much was torn and damaged.
fn read(path: &Path) -> (Vec<u64>, u64, u64) {
    let mut replay = Replay::open(&store_of(path), path).unwrap();
    let mut numbers = Vec::new();
    while let Some(batch) = replay.next().unwrap() {
        let cells = Cells::new(&batch);
        numbers.extend((0..batch.num_rows()).map(|row| cells.u64_at(Col::seq, row)));
    }
    (numbers, replay.torn(), replay.damaged())
}

#[test]
fn a_last_write_torn_at_any_byte_costs_that_batch_only_threats_6() {
    let directory = tempfile::tempdir().unwrap();
    let (path, places) = journal(&Layout::new(directory.path()));
    let file = File::options().write(true).open(&path).unwrap();
    assert_eq!(read(&path), ((1..=3 * BATCH).collect(), 0, 0));
    for length in (places[2]..places[3]).rev() {
        file.set_len(length).unwrap();
        assert_eq!(
            read(&path),
            ((1..=2 * BATCH).collect(), length - places[2], 0),
            "{length}"
        );
    }
}

#[test]
fn a_header_torn_at_any_byte_is_an_empty_journal() {
    let directory = tempfile::tempdir().unwrap();
    let (path, places) = journal(&Layout::new(directory.path()));
    let file = File::options().write(true).open(&path).unwrap();
    for length in (0..places[0]).rev() {
        file.set_len(length).unwrap();
        assert_eq!(read(&path), (Vec::new(), length, 0), "{length}");
    }
}

#[test]
fn one_flipped_bit_anywhere_costs_its_batch_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (path, places) = journal(&Layout::new(directory.path()));
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let all = fs::read(&path).unwrap();
    for at in places[1]..places[2] {
        let byte = all[at as usize];
        file.write_all_at(&[byte ^ (1 << (at % 8))], at).unwrap();
        let (numbers, torn, damaged) = read(&path);
        let kept: Vec<u64> = (1..=BATCH).chain(2 * BATCH + 1..=3 * BATCH).collect();
        assert_eq!(
            (numbers, torn, damaged),
            (kept, 0, places[2] - places[1]),
            "{at}"
        );
        file.write_all_at(&[byte], at).unwrap();
    }
}

#[test]
fn rows_behind_a_lost_header_are_still_read() {
    let directory = tempfile::tempdir().unwrap();
    let (path, places) = journal(&Layout::new(directory.path()));
    let mut file = File::options().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(places[0] / 2)).unwrap();
    file.write_all(&[0; 64]).unwrap();
    assert_eq!(read(&path), ((1..=3 * BATCH).collect(), 0, places[0]));
}

#[test]
fn a_journal_under_another_key_is_refused_and_left_as_it_is_lm_16() {
    let directory = tempfile::tempdir().unwrap();
    let (path, _) = journal(&Layout::new(directory.path()));
    let before = fs::read(&path).unwrap();
    store_of(&path).make_journal_key(&path).unwrap();
    let error = Replay::open(&store_of(&path), &path).unwrap_err();
    assert!(error.to_string().contains("another key"), "{error}");
    fs::remove_file(path.with_extension("key")).unwrap();
    let error = Replay::open(&store_of(&path), &path).unwrap_err();
    assert!(error.to_string().contains("is not there"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn no_frame_can_be_put_in_the_place_of_another_lm_16() {
    let directory = tempfile::tempdir().unwrap();
    let (path, places) = journal(&Layout::new(directory.path()));
    let mut bytes = fs::read(&path).unwrap();
    // The number of the second batch becomes that of the third, with a sum that fits.
    let at = places[1] as usize;
    bytes[at + 20] += 1;
    let end = places[2] as usize;
    let sum = crc32fast::hash(&[&bytes[at..at + 28], &bytes[at + 32..end]].concat());
    bytes[at + 28..at + 32].copy_from_slice(&sum.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let kept: Vec<u64> = (1..=BATCH).chain(2 * BATCH + 1..=3 * BATCH).collect();
    assert_eq!(read(&path), (kept, 0, places[2] - places[1]));
}

#[test]
fn a_start_after_a_torn_write_goes_on_behind_the_last_whole_row_lm_33() {
    for missing in [1, 64, 700] {
        let directory = tempfile::tempdir().unwrap();
        let (path, places) = journal(&Layout::new(directory.path()));
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(places[3] - missing).unwrap();
        let recorder = Recorder::start(settings(directory.path())).unwrap();
        stop(&recorder);
        let rows = all_rows(directory.path());
        assert_eq!(rows.len() as u64, 2 * BATCH + 3);
        let gap = of_kind(&rows, Kind::Gap)[0];
        let torn = places[3] - places[2] - missing;
        assert_eq!(gap.seq, 2 * BATCH + 1);
        assert!(
            gap.note.contains(&format!("a torn write of {torn} bytes")),
            "{}",
            gap.note
        );
    }
}

#[test]
fn a_damaged_journal_is_sealed_as_far_as_it_goes_and_kept_for_its_period() {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::new(directory.path());
    let (path, places) = journal(&layout);
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"damage", places[1] + 100).unwrap();
    let recorder = Recorder::start(settings(directory.path())).unwrap();
    stop(&recorder);
    let rows = crate::testing::rows_of(directory.path(), &crate::query::Query::default());
    assert_eq!(rows.len() as u64, 2 * BATCH + 3);
    let gap = of_kind(&rows, Kind::Gap)[0];
    assert!(
        gap.note.contains("damaged bytes among the rows"),
        "{}",
        gap.note
    );
    assert!(!path.exists());
    let kept = layout
        .list_periods()
        .unwrap()
        .iter()
        .any(|(_, period)| period.join("weir-000000000001.arrows.damaged").exists());
    assert!(kept);
}

#[test]
fn a_mangled_journal_yields_whole_batches_only_whatever_was_done_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let (path, _) = journal(&Layout::new(directory.path()));
    let whole = fs::read(&path).unwrap();
    let mut dice = Dice::new(77);
    let mut survived = 0;
    for _ in 0..600 {
        let mut bytes = whole.clone();
        for _ in 0..=dice.below(4) {
            mangle(&mut bytes, &mut dice);
        }
        fs::write(&path, &bytes).unwrap();
        let (numbers, ..) = read(&path);
        assert_eq!(numbers.len() as u64 % BATCH, 0);
        for batch in numbers.chunks(BATCH as usize) {
            let first = batch[0];
            assert_eq!(first % BATCH, 1);
            assert_eq!(batch, (first..first + BATCH).collect::<Vec<_>>());
        }
        survived += numbers.len();
    }
    assert!(survived > 0);
}

/// Overwrites, removes, doubles or exchanges some bytes.
fn mangle(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let length = bytes.len() as u64;
    let from = dice.below(length) as usize;
    let to = (from + 1 + dice.below(5_000) as usize).min(bytes.len());
    match dice.below(5) {
        0 => bytes[from..to]
            .iter_mut()
            .for_each(|byte| *byte ^= dice.roll() as u8),
        1 => bytes[from..to].fill(0),
        2 => drop(bytes.drain(from..to)),
        3 => {
            let copy = bytes[from..to].to_vec();
            let at = dice.below(length) as usize;
            bytes.splice(at..at, copy);
        }
        _ => bytes.truncate(from.max(1)),
    }
}

/// A journal as builds wrote it that had every text in full.
fn uncoded(layout: &Layout) -> (PathBuf, usize) {
    fs::create_dir_all(layout.journals()).unwrap();
    let store = new_store(layout.root());
    let path = layout.journals().join("weir-000000000001.arrows");
    let mut encoder = frame::Encoder::new(store.make_journal_key(&path).unwrap());
    let mut bytes = encoder.schema(&schema()).unwrap().to_vec();
    let header = bytes.len();
    let (mut traffic, mut rows) = (Traffic::new(5, 10, 30), Rows::default());
    for seq in 1..=3 * BATCH {
        rows.append(seq, "weir", &traffic.record());
        if seq % BATCH == 0 {
            let batch = adapt(&rows.finish().unwrap()).unwrap();
            bytes.extend_from_slice(encoder.batch(&batch).unwrap());
        }
    }
    fs::write(&path, bytes).unwrap();
    (path, header)
}

#[test]
fn a_journal_of_an_earlier_build_is_read_also_without_its_header() {
    let directory = tempfile::tempdir().unwrap();
    let (path, header) = uncoded(&Layout::new(directory.path()));
    let all: Vec<u64> = (1..=3 * BATCH).collect();
    assert_eq!(read(&path), (all.clone(), 0, 0));
    let coded = |path: &Path| {
        let mut replay = Replay::open(&store_of(path), path).unwrap();
        let mut texts = Vec::new();
        while let Some(batch) = replay.next_coded().unwrap() {
            assert_eq!(batch.schema(), journal_schema());
            let cells = Cells::new(&batch);
            texts.extend(
                (0..batch.num_rows()).map(|row| cells.str_at(Col::kind, row).map(str::to_owned)),
            );
        }
        texts
    };
    let before = coded(&path);
    assert_eq!(before.len(), all.len());
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[0; 64], header as u64 / 128 * 64)
        .unwrap();
    assert_eq!(read(&path), (all, 0, header as u64));
    assert_eq!(coded(&path), before);
}
