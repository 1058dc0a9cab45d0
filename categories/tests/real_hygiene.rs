//! Hygiene and history on the whole real UT1 archive: what is held back, golden, with time and disk. Skipped, with a line
//! that says so, where the shared data is absent.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use weir_categories::history::{Act, History, How, Place};
use weir_categories::hygiene::{Filter, Review, Rules, Verdict, decide};
use weir_categories::import::{self, CategoryMap, Options};
use weir_categories::{MatchKind, Source, build, embedded};

fn archive() -> Option<PathBuf> {
    const UT1: &str = "lists/ut1/ut1.tar.zst";
    Some(common::shared(UT1)?.join(UT1))
}

fn import(path: &Path, lists: &Path, rules: &Rules) -> Review {
    let map = CategoryMap::default();
    let start = Instant::now();
    let options = Options {
        may_shrink: true,
        rules: Some(rules.clone()),
        ..Options::default()
    };
    let report = import::run_with(&options, path, "ut1", lists, &map, &mut |_| {}).unwrap();
    println!("import with review {:?}", start.elapsed());
    report.review
}

fn act(when: i64, how: How) -> Act<'static> {
    Act {
        who: "test",
        why: "",
        when,
        how,
    }
}

fn held(review: &Review) -> BTreeMap<&str, BTreeMap<&str, u64>> {
    let held = review.categories.iter().filter(|(_, one)| one.held() > 0);
    held.map(|(category, one)| {
        let mut counts = one.coming.clone();
        if one.going > 0 {
            counts.insert("loss", one.going);
        }
        (category.as_str(), counts)
    })
    .collect()
}

fn in_category<'a>(review: &'a Review, category: &str) -> Vec<(&'a str, u64)> {
    let counts = held(review).remove(category).unwrap_or_default();
    counts.into_iter().collect()
}

fn by_reason(review: &Review) -> Vec<(&str, u64)> {
    let mut sums = BTreeMap::new();
    for (word, count) in held(review).into_values().flatten() {
        *sums.entry(word).or_insert(0) += count;
    }
    sums.into_iter().collect()
}

/// Takes the names of malware out of job search, as it was before they came; and ten thousand out of adult, which is no more
/// than that list changes in a month.
fn as_it_was(unpacked: &Path) {
    let read = |path: &str| fs::read_to_string(unpacked.join("blacklists").join(path)).unwrap();
    let write = |path: &str, lines: Vec<&str>| {
        fs::write(
            unpacked.join("blacklists").join(path),
            lines.join("\n") + "\n",
        )
        .unwrap();
    };
    let jobs = read("jobsearch/domains");
    write("jobsearch/domains", jobs.lines().step_by(142).collect());
    let adult = read("adult/domains");
    let thinned = adult.lines().enumerate().filter(|(n, _)| n % 236 != 7);
    write("adult/domains", thinned.map(|(_, line)| line).collect());
}

#[test]
fn the_dirt_of_ut1_is_held_back_and_the_history_tells_what_changed() {
    let Some(archive) = archive() else { return };
    let lists = tempfile::tempdir().unwrap();
    let lists = lists.path();
    let rules = Rules::new().with_lists(&[embedded()]).unwrap();
    let history = History::at(lists);
    let place = Place {
        name: "ut1".to_owned(),
        directory: lists.join("ut1"),
    };
    let record = |when: i64, how: How| {
        let start = Instant::now();
        let turn = history.turn().unwrap();
        let version = turn.record(&place, &act(when, how)).unwrap().unwrap();
        let (bytes, contents) = history.size().unwrap();
        let took = start.elapsed();
        println!("record {took:?}; history {bytes} bytes in {contents} contents");
        version
    };

    let unpacked = tempfile::tempdir().unwrap();
    let decoder = zstd::Decoder::new(File::open(&archive).unwrap()).unwrap();
    tar::Archive::new(decoder).unpack(unpacked.path()).unwrap();
    as_it_was(unpacked.path());
    let review = import(unpacked.path(), lists, &rules);
    // What the README of the data names as dirt; job search has not grown yet.
    assert_eq!(
        in_category(&review, "dynamic-dns"),
        [("shared-hosting", 394)]
    );
    assert_eq!(
        in_category(&review, "liste_bu"),
        [
            ("contradiction", 3),
            ("public-suffix", 18),
            ("shared-hosting", 4)
        ]
    );
    assert_eq!(
        in_category(&review, "adult"),
        [("allow-set", 3), ("public-suffix", 5)]
    );
    assert_eq!(in_category(&review, "jobsearch"), []);
    assert_eq!(
        by_reason(&review),
        [
            ("allow-set", 56),
            ("contradiction", 6),
            ("public-suffix", 28),
            ("shared-hosting", 432),
            ("top-site", 38)
        ]
    );
    let first = record(1_000, How::Import);

    let review = import(&archive, lists, &rules);
    assert_eq!(in_category(&review, "jobsearch"), [("growth", 60_312)]);
    let second = record(2_000, How::Update);
    let changed: Vec<&str> = second.changes.keys().map(String::as_str).collect();
    assert_eq!(changed, ["adult/domains"], "job search stays as it was");

    let start = Instant::now();
    let mut differences = 0_u64;
    history
        .diff(&first, &second, |_| {
            differences += 1;
            Ok(())
        })
        .unwrap();
    println!("diff {:?}: {differences}", start.elapsed());
    let change = second.change();
    assert_eq!(differences, change.added + change.removed);

    let start = Instant::now();
    let since = |entry: &str| {
        let since = history.since_when("ut1", "adult", MatchKind::Domain, entry);
        since.unwrap().map(|since| since.version.number)
    };
    assert_eq!(since("nowhere-at-all.example"), None);
    println!("since when {:?}", start.elapsed());

    let start = Instant::now();
    let filter = Filter {
        category: Some("jobsearch"),
        entries: &[],
    };
    let dropped = decide(lists, "ut1", Verdict::Drop, &filter, &act(3_000, How::Drop)).unwrap();
    println!("drop {:?}: {:?}", start.elapsed(), dropped.categories);
    let start = Instant::now();
    let filter = Filter {
        category: Some("dynamic-dns"),
        entries: &[],
    };
    let accepted = decide(
        lists,
        "ut1",
        Verdict::Accept,
        &filter,
        &act(4_000, How::Accept),
    );
    println!(
        "accept {:?}: {:?}",
        start.elapsed(),
        accepted.unwrap().categories
    );
    let review = import(&archive, lists, &rules);
    assert_eq!(review.dropped(), 60_312);
    assert_eq!(in_category(&review, "jobsearch"), []);
    assert_eq!(in_category(&review, "dynamic-dns"), []);

    let start = Instant::now();
    history
        .rollback(&place, 1, &act(5_000, How::Rollback))
        .unwrap();
    println!("rollback {:?}", start.elapsed());
    let sources = Source::imported(lists).unwrap();
    build(&sources, &mut |_| {}).unwrap();
}
