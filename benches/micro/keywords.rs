//! What 100,000 keywords in many languages cost: compiling them, opening them from the file, memory, and each question, beside
//! the same lists without keywords.

use std::hint::black_box;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use weir_benches::is_smoke;
use weir_benches::keywords::{PAGES, keywords};
use weir_categories::manifest::{FILE_NAME, Manifest, Written};
use weir_categories::{Index, Source, file, open};
use weir_host::Host;

const COUNT: usize = 100_000;

/// An imported source of a name and `count` keywords.
fn source(place: &Path, count: usize) -> std::io::Result<Source> {
    let lists = place.join(format!("k{count}"));
    let mut manifest = Manifest::new("k", "made up", 0);
    std::fs::create_dir_all(lists.join("weapons"))?;
    let mut text = keywords(count).join("\n");
    text.push('\n');
    let files = [
        ("weapons/domains", "listed.example\n"),
        ("weapons/keywords", &*text),
    ];
    for (name, text) in files {
        std::fs::write(lists.join(name), text)?;
        manifest
            .files
            .insert(name.to_owned(), Written::of(text.as_bytes()));
    }
    let manifest = manifest.to_json().map_err(std::io::Error::other)?;
    std::fs::write(lists.join(FILE_NAME), manifest)?;
    Ok(Source::directory("k", lists))
}

fn question(criterion: &mut Criterion, name: &str, index: &Index) {
    let mut group = criterion.benchmark_group(format!("keywords/{name}"));
    for (kind, pages) in PAGES {
        let pages: Vec<(Host, &str, Option<&str>)> = pages
            .iter()
            .filter_map(|(host, path, query)| Some((Host::parse(host).ok()?, *path, *query)))
            .collect();
        let mut next = pages.iter().cycle();
        group.bench_function(BenchmarkId::new("question", kind), |bencher| {
            bencher.iter(|| {
                let (host, path, query) = next.next().expect("invariant: some are asked");
                index.url_categories(black_box(host), 80, path, *query)
            });
        });
    }
    group.finish();
}

fn bench(criterion: &mut Criterion) {
    let place = tempfile::tempdir().expect("invariant: there is room for temporary files");
    let count = if is_smoke() { 1000 } else { COUNT };
    for (name, count) in [("none", 0), ("all", count)] {
        let state = place.path().join(name);
        let source = source(place.path(), count).expect("invariant: there is room for lists");
        let made = open(&state, &[source], None, &mut |_| {});
        let index = made.expect("invariant: the lists are whole").index;
        let bytes = index.bytes() as f64;
        println!("{count} keywords: {:.2} MB of memory", bytes / 1e6);
        question(criterion, name, &index);
        let base = state.join("base");
        let mut group = criterion.benchmark_group(format!("keywords/{name}"));
        group.sample_size(10);
        group.bench_function("open", |bencher| {
            bencher.iter(|| file::open_alone(&base).expect("invariant: it was just written"));
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
