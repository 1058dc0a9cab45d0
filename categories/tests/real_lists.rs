//! The whole real UT1 archive: counts, and agreement with a naive oracle over every entry, every entry with a label added or
//! cut, and every top site. Skipped, with a line that says so, where the shared data is absent.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Instant;

use common::Oracle;
use weir_categories::import::{self, CategoryMap, ImportReport};
use weir_categories::{Counts, Index, MatchKind, Source, build};
use weir_host::{Host, Target, normal_path};

fn zstd_lines(path: &Path) -> impl Iterator<Item = String> {
    let decoder = zstd::Decoder::new(File::open(path).unwrap()).unwrap();
    BufReader::new(decoder).lines().map(Result::unwrap)
}

/// The files of the archive by category and name, read without Weir's import.
fn raw_files(archive: &Path) -> Vec<(String, String, Vec<u8>)> {
    let decoder = zstd::Decoder::new(File::open(archive).unwrap()).unwrap();
    let mut archive = tar::Archive::new(decoder);
    let mut files = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let parts: Vec<&str> = path.split('/').collect();
        if let ([_, category, file], true) = (&parts[..], entry.size() > 0) {
            let (category, file) = (category.to_string(), file.to_string());
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.push((category, file, content));
        }
    }
    files
}

fn lines(content: &[u8]) -> impl Iterator<Item = &str> {
    std::str::from_utf8(content)
        .unwrap()
        .lines()
        .filter(|line| !line.is_empty())
}

struct Imported {
    _directory: tempfile::TempDir,
    report: ImportReport,
    index: Index,
}

fn imported(archive: &Path, map: &CategoryMap) -> Imported {
    let directory = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let report = import::run(archive, "ut1", directory.path(), map, &mut |_| {}).unwrap();
    let read = start.elapsed();
    let sources = Source::imported(directory.path()).unwrap();
    let built = build(&sources, &mut |_| {}).unwrap();
    println!("import {read:?}, build {:?}", start.elapsed() - read);
    assert!(
        built.report.faults.is_empty(),
        "an import leaves nothing to report"
    );
    Imported {
        _directory: directory,
        report,
        index: built.index,
    }
}

fn oracle_of<'a>(
    files: &'a [(String, String, Vec<u8>)],
    map: &CategoryMap,
    index: &Index,
) -> Oracle<'a> {
    let mut oracle = Oracle::with_room(3_000_000);
    for (category, _, content) in files.iter().filter(|(_, file, _)| file == "domains") {
        for target in map.targets(category).unwrap() {
            let id = index.names().id(&target).unwrap();
            lines(content).for_each(|line| oracle.add(line, id));
        }
    }
    oracle
}

#[test]
fn the_real_list_has_its_counts_and_answers_as_a_naive_scan_does() {
    let Some(shared) = common::shared("lists/ut1/ut1.tar.zst") else {
        return;
    };
    let archive = shared.join("lists/ut1/ut1.tar.zst");
    let map = CategoryMap::default();
    let Imported { report, index, .. } = imported(&archive, &map);
    assert_counts(&report, &index);
    let files = raw_files(&archive);
    let oracle = oracle_of(&files, &map, &index);
    assert_eq!(
        oracle.sets.len(),
        index.counts().domains + index.counts().addresses
    );
    let entries: Vec<&str> = oracle.sets.keys().copied().collect();
    std::thread::scope(|scope| {
        for part in entries.chunks(entries.len() / 4 + 1) {
            scope.spawn(|| {
                part.iter()
                    .for_each(|entry| oracle.agrees_beside(&index, entry))
            });
        }
    });
    let sites = shared.join("lists/top-sites/tranco-1m-unranked.txt.zst");
    let passed = zstd_lines(&sites)
        .filter(|site| oracle.agrees(&index, site))
        .count();
    assert_eq!(passed, 948_938, "of a million top sites no list knows");
}

fn assert_counts(report: &ImportReport, index: &Index) {
    let table = [
        ("adult", 2_361_421, 1_096, 0),
        ("bypass", 140_032, 297, 2),
        ("gambling", 32_259, 5, 0),
        ("hate", 360, 36, 0),
        ("violence", 395, 55, 0),
        ("malware", 231_102, 18_211, 1),
        ("phishing", 218_382, 18_411, 0),
    ];
    for (category, domains, urls, expressions) in table {
        let found = &report.categories[category];
        let counts = (found.domains, found.urls, found.expressions);
        assert_eq!(counts, (domains, urls, expressions), "{category}");
    }
    let told: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("onionimp") && told[0].contains("backslash"),
        "{told:?}"
    );
    assert_eq!(report.left_out, [("download".to_owned(), 4_035)].into());
    assert_eq!(report.aliases.len(), 7);
    assert_eq!(report.duplicates, 268_694);
    let counts = Counts {
        domains: 2_879_770,
        addresses: 32_613,
        urls: 41_221,
        expressions: 5,
        keywords: 0,
        categories: 53,
        lists: 1,
    };
    assert_eq!(index.counts(), counts);
}

#[test]
fn the_real_list_of_urls_blocks_each_of_its_own_entries() {
    let Some(shared) = common::shared("lists/ut1/ut1.tar.zst") else {
        return;
    };
    let archive = shared.join("lists/ut1/ut1.tar.zst");
    let files = raw_files(&archive);
    let directory = tempfile::tempdir().unwrap();
    for (category, file, content) in &files {
        if matches!(file.as_str(), "urls" | "expressions") {
            let path = directory.path().join(category);
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join(file), content).unwrap();
        }
    }
    let index = build(&[Source::directory("ut1", directory.path())], &mut |_| {})
        .unwrap()
        .index;
    let mut asked = 0;
    for (category, _, content) in files.iter().filter(|(_, file, _)| file == "urls") {
        let id = index.names().id(category).unwrap();
        for line in lines(content).filter(|line| !line.contains('\\')) {
            let sent = line.split('#').next().unwrap();
            let target = Target::parse_absolute(&format!("http://{sent}")).unwrap();
            let path = normal_path(target.path());
            let found = index.all(&target.host, target.port, Some(&path), target.query());
            let hit = found
                .iter()
                .any(|m| m.category == id && m.kind == MatchKind::Url);
            assert!(hit, "{category}: {line}: {found:?}");
            asked += 1;
        }
    }
    assert_eq!(asked, 43_340);
    assert_eq!(index.counts().expressions, 5);
}

/// Not a test: the figures of `Index` on the real list, for `cargo test --release -- --ignored --nocapture`.
#[test]
#[ignore = "measures; run it in release"]
fn measure_the_real_list() {
    let Some(shared) = common::shared("lists/ut1/ut1.tar.zst") else {
        return;
    };
    let archive = shared.join("lists/ut1/ut1.tar.zst");
    let directory = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let map = CategoryMap::default();
    import::run(&archive, "ut1", directory.path(), &map, &mut |_| {}).unwrap();
    println!("import: {:?}", start.elapsed());
    let sources = Source::imported(directory.path()).unwrap();
    let before = resident_kib();
    let index = timed_build(&sources);
    println!(
        "resident: {} KiB more, {} KiB at most",
        resident_kib() - before,
        peak_kib()
    );
    let names = index.counts().domains + index.counts().addresses;
    println!(
        "names: {names}, held: {} bytes a name",
        index.bytes() as f64 / names as f64
    );
    for _ in 0..3 {
        drop(timed_build(&sources));
    }
    let hosts = mixed_hosts(&shared, &directory);
    for _ in 0..3 {
        measure_lookups(&hosts, |host| index.host_categories(host).len());
    }
    println!("with path and query:");
    measure_lookups(&hosts, |host| {
        index
            .url_categories(host, 443, "/some/usual/path.html", Some("id=1234"))
            .len()
    });
}

fn timed_build(sources: &[Source]) -> Index {
    let mut phases = Vec::new();
    let start = Instant::now();
    let built = build(sources, &mut |progress| {
        if progress.done == progress.total {
            phases.push((progress.phase.as_str(), start.elapsed()));
        }
    });
    println!("build: {:?}, phases ended {phases:?}", start.elapsed());
    built.unwrap().index
}

/// 500,000 distinct hosts, a tenth of them listed, in no order.
fn mixed_hosts(shared: &Path, directory: &tempfile::TempDir) -> Vec<Host> {
    let sites = shared.join("lists/top-sites/tranco-1m-unranked.txt.zst");
    let adult = std::fs::read_to_string(directory.path().join("ut1/adult/domains")).unwrap();
    let listed: Vec<&str> = adult.lines().collect();
    let sites: Vec<String> = zstd_lines(&sites).collect();
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut hosts = Vec::new();
    while hosts.len() < 500_000 {
        let text = if random(10) == 0 {
            listed[random(listed.len())]
        } else {
            &sites[random(sites.len())]
        };
        let text = if random(2) == 0 {
            format!("www.{text}")
        } else {
            text.to_owned()
        };
        hosts.extend(Host::parse(&text));
    }
    hosts
}

fn measure_lookups(hosts: &[Host], ask: impl Fn(&Host) -> usize) {
    let start = Instant::now();
    let found: usize = hosts.iter().map(&ask).sum();
    let mean = start.elapsed().as_nanos() / hosts.len() as u128;
    let empty = |_: &Host| Instant::now().elapsed().as_nanos();
    let mut overhead: Vec<u128> = hosts.iter().map(empty).collect();
    overhead.sort_unstable();
    let mut each: Vec<u128> = hosts
        .iter()
        .map(|host| {
            let start = Instant::now();
            std::hint::black_box(ask(host));
            start.elapsed().as_nanos()
        })
        .collect();
    each.sort_unstable();
    let at =
        |part: usize| each[each.len() * part / 1000].saturating_sub(overhead[overhead.len() / 2]);
    println!(
        "lookup: mean {mean} ns in a row; one by one median {} ns, p99 {} ns, p99.9 {} ns ({found} found)",
        at(500),
        at(990),
        at(999),
    );
}

fn resident_kib() -> u64 {
    status("VmRSS:")
}

fn peak_kib() -> u64 {
    status("VmHWM:")
}

fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}
