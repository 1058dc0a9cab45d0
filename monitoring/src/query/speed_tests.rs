//! How fast records are found, measured: `docs/records.md` says what came of it and how it is run.
//!
//! ```text
//! WEIR_SPEED_DAYS=30 WEIR_SPEED_ROWS=1000000 cargo test --release -p weir-monitoring -- --ignored --nocapture how_fast
//! ```
//! `WEIR_SPEED_SEGMENT` is the number of rows of a segment, `WEIR_SPEED_LAST` that of rows of the last day, in segments of the default size: so
//! one day of full size is looked for among many smaller ones; `WEIR_SPEED_DIR` keeps what is made, and measures it again where it is
//! there. Days of rows are made directly through sealing: 2,000 people in school hours, 50,000 hosts of which the n-th is asked for in
//! proportion to 1/n. What is read is read from the disk: the system's cache is dropped before each search, where that is allowed.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::journal::{Create, Journal, create_file};
use crate::open::OpenEvents;
use crate::paths::{FileName, Layout};
use crate::record::Rows;
use crate::testing::{Dice, Traffic, new_store, store};

const DAY: i64 = 86_400_000_000;
/// Midnight of 1 September 2026, UTC.
const FIRST: i64 = 1_788_220_800_000_000;
/// Rows of a segment: the default of `records.segment_rows`.
const SEGMENT: u64 = 262_144;
const USERS: u64 = 2_000;
const HOSTS: f64 = 50_000.0;
/// A host that one request in ten million goes to at most.
const RARE: &str = "very-rare-name";
/// Bounds of the issue.
const USERS_DAY: Duration = Duration::from_millis(200);
const TERM: Duration = Duration::from_secs(5);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// One day of rows, sealed.
fn make_day(
    store: &Store,
    traffic: &mut Traffic,
    dice: &mut Dice,
    day: i64,
    rows: u64,
    per_segment: u64,
    next: &mut u64,
) {
    let create: Create = Box::new(create_file);
    let mut left = rows;
    let mut at = 0;
    while left > 0 {
        let count = left.min(per_segment);
        let name = FileName {
            node: "weir".to_owned(),
            first: *next,
            last: None,
        };
        let begun = FIRST + day * DAY;
        let path = store.layout().journals().join(name.to_string());
        let key = store.make_journal_key(&path).unwrap();
        let mut journal =
            Journal::create((path, key), &create, name, begun, &OpenEvents::default()).unwrap();
        let mut batch = Rows::default();
        for row in 0..count {
            let mut record = traffic.record();
            // From eight to four, evenly; the last rows end after they began.
            record.time = begun + DAY / 3 + (DAY / 3) / rows as i64 * at + dice.below(1_000) as i64;
            record.user = Some(format!("pupil{:04}", dice.below(USERS)).into());
            let uniform = (dice.below(1 << 30) as f64) / f64::from(1 << 30);
            let host = HOSTS.powf(uniform) as u64;
            record.host = Some(
                format!(
                    "{}.site{host}.example",
                    ["www", "cdn", "api"][host as usize % 3]
                )
                .into(),
            );
            if record.entry.is_some() {
                record.entry.clone_from(&record.host);
            }
            if row == count / 2 && day % 10 == 3 && at < per_segment as i64 {
                record.host = Some(format!("{RARE}.example").into());
            }
            batch.append(*next, "weir", &record);
            *next += 1;
            at += 1;
            if batch.count() == 8192 {
                journal.append(&batch.finish().unwrap()).unwrap();
            }
        }
        if batch.count() > 0 {
            journal.append(&batch.finish().unwrap()).unwrap();
        }
        journal.sync().unwrap();
        let path = journal.path().to_owned();
        drop(journal);
        let segment = crate::seal::seal(store, &path, None).unwrap().unwrap();
        crate::index::update(store, segment.period, None).unwrap();
        left -= count;
    }
}

/// Whether the next read comes from the disk.
fn drop_caches() -> bool {
    let synced = std::process::Command::new("sync")
        .status()
        .is_ok_and(|status| status.success());
    synced && std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

/// The middle of several cold runs, and rows of the last.
fn measure(directory: &Path, queries: &[Query]) -> (Duration, u64) {
    let mut rows = 0;
    let mut times: Vec<Duration> = queries
        .iter()
        .map(|query| {
            drop_caches();
            let begun = Instant::now();
            let searched =
                search(&store(directory), query, &mut |_| ControlFlow::Continue(())).unwrap();
            let time = begun.elapsed();
            assert_eq!(searched.unreadable, []);
            rows = searched.rows;
            time
        })
        .collect();
    times.sort();
    (times[times.len() / 2], rows)
}

fn size_of(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap());
    entries
        .map(|entry| match entry.metadata().unwrap() {
            directory if directory.is_dir() => size_of(&entry.path()),
            file => file.len(),
        })
        .sum()
}

#[test]
#[ignore = "makes gigabytes of records and measures"]
fn how_fast_a_persons_day_and_a_term_are_found_by_number_of_days() {
    let (days, rows) = (
        number("WEIR_SPEED_DAYS", 30),
        number("WEIR_SPEED_ROWS", 1_000_000),
    );
    let per_segment = number("WEIR_SPEED_SEGMENT", SEGMENT);
    let made_before = std::env::var_os("WEIR_SPEED_DIR").map(std::path::PathBuf::from);
    let temporary = tempfile::tempdir().unwrap();
    let directory = made_before.as_deref().unwrap_or(temporary.path());
    let layout = Layout::new(directory);
    let is_there = layout.segments().exists();
    std::fs::create_dir_all(layout.journals()).unwrap();
    std::fs::create_dir_all(layout.segments()).unwrap();
    let writing = new_store(directory);
    let (mut traffic, mut dice, mut next) = (Traffic::new(5, 100, 100), Dice::new(7), 1);
    println!(
        "{rows} rows a day, {per_segment} a segment; caches are dropped: {}",
        drop_caches()
    );
    println!(
        "days  rows         MB     a person's day  rows   rare term  rows  absent term  top hosts  summary"
    );
    let last_day = number("WEIR_SPEED_LAST", rows);
    let mut last = (Duration::ZERO, Duration::ZERO);
    let mut all = 0;
    for day in 0..days {
        let (rows, per_segment) = match day + 1 == days && number("WEIR_SPEED_LAST", 0) > 0 {
            true => (last_day, SEGMENT),
            false => (rows, per_segment),
        };
        all += rows;
        let begun = Instant::now();
        if !is_there {
            make_day(
                &writing,
                &mut traffic,
                &mut dice,
                day as i64,
                rows,
                per_segment,
                &mut next,
            );
        }
        let making = begun.elapsed();
        let made = day + 1;
        if (is_there || ![1, 3, 10, 30, 100, 365].contains(&made)) && made != days {
            continue;
        }
        let users_day = |at: u64| {
            // The days that are far apart; where one is of full size, that one.
            let day = match number("WEIR_SPEED_LAST", 0) == 0 {
                true => (made - 1) * at / 4,
                false => made - 1,
            };
            let from = FIRST + day as i64 * DAY;
            Query {
                user: Some(format!("pupil{:04}", 401 * (at + 1) % USERS)),
                from: Some(crate::paths::moment(from)),
                to: Some(crate::paths::moment(from + DAY)),
                ..Query::default()
            }
        };
        let (person, found) = measure(directory, &[0, 1, 2, 3, 4].map(users_day));
        assert!(found > 0);
        let term = |text: &str| Query {
            text: Some(text.to_owned()),
            ..Query::default()
        };
        let (rare, hits) = measure(directory, &[term(&RARE.to_uppercase())]);
        assert_eq!(hits, (0..made).filter(|day| day % 10 == 3).count() as u64);
        let (absent, none) = measure(directory, &[term("no-such-name")]);
        assert_eq!(none, 0);
        drop_caches();
        let begun = Instant::now();
        let ranked = rank(&store(directory), &Query::default(), By::Host).unwrap();
        let top = begun.elapsed();
        assert_eq!(ranked.searched.rows, all);
        let begun = Instant::now();
        let summary = summarise(&store(directory), &Query::default()).unwrap();
        assert_eq!(summary.all.requests, all);
        println!(
            "{made:4}  {:11}  {:5}  {:11.1} ms  {found:5}  {:6.2} s  {hits:4}  {:8.2} s  {:6.2} s  {:6.2} s, made in {:.2} µs a row",
            all,
            size_of(directory) / 1_000_000,
            person.as_secs_f64() * 1e3,
            rare.as_secs_f64(),
            absent.as_secs_f64(),
            top.as_secs_f64(),
            begun.elapsed().as_secs_f64(),
            making.as_secs_f64() * 1e6 / rows as f64,
        );
        last = (person, rare.max(absent));
    }
    assert!(last.0 < USERS_DAY, "a person's day took {:?}", last.0);
    assert!(last.1 < TERM, "a term took {:?}", last.1);
}
