//! What it costs to find the categories of a host: Weir's index, opened from its file, beside a map of the standard library
//! and sorted names, on the starter lists and on a real collection; and what it costs to compile and to open that file.
//!
//! `hit` asks for names below listed ones, `miss` for names that no list has, `visited` for the most visited sites.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use weir_benches::{
    Naive, Sorted, checkout, is_smoke, listed, shared, spread, top_sites, unlisted,
};
use weir_categories::import::{self, CategoryMap};
use weir_categories::{CategoryId, CategorySet, Index, Source, embedded, file, open};
use weir_host::Host;

/// Names of one kind that are asked in turn: more than the caches near a core hold tables for.
const ASKED: usize = 1 << 16;
const VISITED: usize = 50_000;

/// Lists with both engines over them.
struct Engines {
    name: &'static str,
    index: Index,
    naive: Naive,
    sorted: Sorted,
    asked: Vec<(&'static str, Vec<Host>)>,
}

impl Engines {
    fn of(name: &'static str, lists: &Path, shared: Option<&Path>) -> Engines {
        let place = tempfile::tempdir().expect("invariant: there is room for temporary files");
        let source = match name {
            "starter" => embedded(),
            _ => Source::directory(name, lists),
        };
        let begin = Instant::now();
        let index = open(place.path(), &[source], None, &mut |_| {})
            .expect("invariant: the lists are whole")
            .index;
        let (took, names) = (begin.elapsed(), index.counts().domains);
        println!(
            "{name}: {names} names, index compiled and written in {:.2} s, {:.1} bytes a name beside the mapped file",
            took.as_secs_f64(),
            index.bytes() as f64 / names as f64
        );
        let naive = Naive::read(lists, index.names()).expect("invariant: the lists were just read");
        let sorted = Sorted::of(&naive);
        println!(
            "{name}: sorted names {:.1} bytes a name",
            sorted.bytes() as f64 / naive.len().max(1) as f64
        );
        let asked = asked(lists, shared);
        let engines = Engines {
            name,
            index,
            naive,
            sorted,
            asked,
        };
        engines.compare();
        engines
    }

    /// A fast wrong answer is worth nothing.
    fn compare(&self) {
        for host in self.asked.iter().flat_map(|(_, hosts)| hosts) {
            let expected = match self.naive.categories(host) {
                CategorySet::EMPTY => [CategoryId::UNLISTED].into_iter().collect(),
                found => found,
            };
            assert_eq!(self.index.host_categories(host), expected, "{host}");
            assert_eq!(
                self.sorted.categories(host),
                self.naive.categories(host),
                "{host}"
            );
        }
    }
}

fn asked(lists: &Path, shared: Option<&Path>) -> Vec<(&'static str, Vec<Host>)> {
    let listed = listed(lists).expect("invariant: the lists were just read");
    let below = |(_, host): &(_, Host)| Host::parse(&format!("www.{}", host.as_name()?)).ok();
    let hits: Vec<Host> = listed.iter().filter_map(below).collect();
    let hits = spread(&hits, ASKED);
    let mut asked = vec![("miss", unlisted_of(&listed)), ("hit", hits)];
    if let Some(shared) = shared {
        let sites = top_sites(shared, VISITED).expect("invariant: the shared folder is whole");
        asked.push(("visited", spread(&sites, ASKED)));
    }
    asked
}

/// Under other registered names, so that no parent is listed either.
fn unlisted_of(listed: &[(String, Host)]) -> Vec<Host> {
    let names: Vec<Host> = listed.iter().map(|(_, host)| host.clone()).collect();
    let two_labels = |host: &Host| {
        host.as_name()
            .is_some_and(|n| n.as_str().matches('.').count() == 1)
    };
    let names: Vec<Host> = names.into_iter().filter(two_labels).collect();
    spread(&unlisted(&names), ASKED)
}

/// The real collection, imported as an administrator would.
fn real(shared: &Path) -> Option<(tempfile::TempDir, PathBuf)> {
    let archive = shared.join("lists/ut1/ut1.tar.zst");
    let place = tempfile::tempdir().ok()?;
    let map = CategoryMap::default();
    let begin = Instant::now();
    let report = import::run(&archive, "ut1", place.path(), &map, &mut |_| {});
    let report = report
        .inspect_err(|error| eprintln!("ut1: {error}: skipped"))
        .ok()?;
    println!("ut1: imported in {:.2} s", begin.elapsed().as_secs_f64());
    Some((place, report.directory))
}

fn bench(criterion: &mut Criterion, engines: &Engines) {
    for (kind, hosts) in &engines.asked {
        let mut group = criterion.benchmark_group(format!("lookup/{}", engines.name));
        let mut next = hosts.iter().cycle();
        group.bench_function(BenchmarkId::new("index", kind), |bencher| {
            bencher.iter(|| {
                let host = next.next().expect("invariant: some are asked");
                engines.index.host_categories(black_box(host))
            });
        });
        let mut next = hosts.iter().cycle();
        group.bench_function(BenchmarkId::new("map", kind), |bencher| {
            bencher.iter(|| {
                let host = next.next().expect("invariant: some are asked");
                engines.naive.categories(black_box(host))
            });
        });
        let mut next = hosts.iter().cycle();
        group.bench_function(BenchmarkId::new("sorted", kind), |bencher| {
            bencher.iter(|| {
                let host = next.next().expect("invariant: some are asked");
                engines.sorted.categories(black_box(host))
            });
        });
        group.finish();
    }
}

/// Compiling a source into a file, and opening that.
fn make(criterion: &mut Criterion, name: &str, source: Source) {
    let place = tempfile::tempdir().expect("invariant: there is room for temporary files");
    let sources = [source];
    let base = place.path().join("base");
    let mut group = criterion.benchmark_group(format!("catalogue/{name}"));
    group.sample_size(10);
    group.bench_function("compile", |bencher| {
        bencher.iter(|| {
            // Without the file nothing is known to be current.
            _ = std::fs::remove_file(&base);
            open(place.path(), &sources, None, &mut |_| {}).expect("invariant: the lists are whole")
        });
    });
    if !base.is_file() {
        // Another bench was asked for.
        let made = open(place.path(), &sources, None, &mut |_| {});
        made.expect("invariant: the lists are whole");
    }
    group.bench_function("open", |bencher| {
        bencher.iter(|| file::open_alone(&base).expect("invariant: it was just written"));
    });
    group.finish();
}

fn lookup(criterion: &mut Criterion) {
    let shared = shared().filter(|_| !is_smoke());
    let starter = checkout().join("categories/lists");
    bench(
        criterion,
        &Engines::of("starter", &starter, shared.as_deref()),
    );
    make(criterion, "starter", embedded());
    if let Some(shared) = shared
        && let Some((_place, lists)) = real(&shared)
    {
        bench(criterion, &Engines::of("ut1", &lists, Some(&shared)));
        make(criterion, "ut1", Source::directory("ut1", lists));
    }
}

criterion_group!(benches, lookup);
criterion_main!(benches);
