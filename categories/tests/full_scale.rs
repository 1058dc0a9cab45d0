//! The catalogue at full scale: every list of both UT1 archives, some 4.3 million names, imported, compiled into a file, and
//! opened from it. The figures of docs/catalogue.md, and agreement with a naive oracle over every entry, every entry with a
//! label added or cut, and every top site. Skipped, with a line that says so, where the shared data is absent.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::Oracle;
use weir_categories::{CategorySet, Index, Source, build, file, open};
use weir_host::{Host, parents};

/// The binary's allocator: the figures of memory are about it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ARCHIVES: [(&str, &str); 2] = [
    ("history", "lists/ut1/ut1-history.tar.zst"),
    ("ut1", "lists/ut1/ut1.tar.zst"),
];

/// Unpacks both archives as an import would leave them: every category under its own name, sorted, with a manifest.
fn imported(shared: &Path, to: &Path) -> Vec<Source> {
    use weir_categories::manifest::{FILE_NAME, Manifest, Written};
    for (name, archive) in ARCHIVES {
        let decoder = zstd::Decoder::new(File::open(shared.join(archive)).unwrap()).unwrap();
        let mut archive = tar::Archive::new(decoder);
        let mut manifest = Manifest::new(name, "archive", 0);
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let parts: Vec<&str> = path.split('/').collect();
            let [_, category, file @ ("domains" | "urls" | "expressions")] = &parts[..] else {
                continue;
            };
            if entry.size() == 0 {
                continue;
            }
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let file = format!("{category}/{file}");
            let path = to.join(name).join(&file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &text).unwrap();
            manifest.files.insert(file, Written::of(text.as_bytes()));
        }
        let path = to.join(name).join(FILE_NAME);
        std::fs::write(path, manifest.to_json().unwrap()).unwrap();
    }
    Source::imported(to).unwrap()
}

fn texts(sources: &Path) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for (name, _) in ARCHIVES {
        for directory in std::fs::read_dir(sources.join(name)).unwrap() {
            let path = directory.unwrap().path();
            if let Ok(text) = std::fs::read_to_string(path.join("domains")) {
                let category = path.file_name().unwrap().to_string_lossy().into_owned();
                texts.push((category, text));
            }
        }
    }
    texts
}

/// Every domain of every category that is a host: the archives have a line that is none.
fn oracle_of<'a>(texts: &'a [(String, String)], index: &Index) -> Oracle<'a> {
    let mut oracle = Oracle::with_room(5_000_000);
    for (category, text) in texts {
        let id = index.names().id(category).unwrap();
        let hosts = text
            .lines()
            .filter(|line| Host::parse(line.trim_start_matches('.')).is_ok());
        hosts.for_each(|line| oracle.add(line, id));
    }
    oracle
}

/// How many questions were asked about entries, entries with a label or letter more, and with a label less.
fn agrees_all(oracle: &Oracle<'_>, index: &Index, entries: &[&str]) -> usize {
    std::thread::scope(|scope| {
        let parts = entries.chunks(entries.len() / 4 + 1);
        let asked = |part: &[&str]| {
            part.iter()
                .for_each(|entry| oracle.agrees_beside(index, entry));
            4 * part.len()
        };
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || asked(part))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    })
}

fn top_sites(shared: &Path) -> impl Iterator<Item = String> {
    let folder = std::fs::read_dir(shared.join("lists/top-sites")).unwrap();
    let files = folder.map(|file| file.unwrap().path());
    let files: Vec<PathBuf> = files.filter(|path| path.is_file()).collect();
    files.into_iter().flat_map(|path| {
        let file = File::open(&path).unwrap();
        let zstd = path.extension().is_some_and(|ending| ending == "zst");
        let reader: Box<dyn Read> = match zstd {
            true => Box::new(zstd::Decoder::new(file).unwrap()),
            false => Box::new(file),
        };
        let lines = BufReader::new(reader).lines().map_while(Result::ok);
        // Ranked files have the name behind a comma.
        lines.map(|line| {
            line.rsplit(',')
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned()
        })
    })
}

/// Every twentieth entry, beside it, and of the top sites: quick enough to run each time.
#[test]
fn no_answer_differs_from_a_naive_oracle_on_a_sample() {
    oracle(20);
}

/// Every entry, beside it, and all of top-sites: no answer differs from a naive map's.
#[test]
#[ignore = "takes half a minute of the processor; run it in release"]
fn no_answer_differs_from_a_naive_oracle() {
    oracle(1);
}

/// Asks about each `step`th.
fn oracle(step: usize) {
    let Some(shared) = common::shared("lists/ut1/ut1-history.tar.zst") else {
        return;
    };
    let state = tempfile::tempdir().unwrap();
    let sources = imported(&shared, state.path());
    let begin = Instant::now();
    let built = open(&state.path().join(".index"), &sources, None, &mut |_| {}).unwrap();
    assert_eq!(built.warning, None);
    let index = built.index;
    let texts = texts(state.path());
    let oracle = oracle_of(&texts, &index);
    let counts = index.counts();
    assert_eq!(oracle.sets.len(), counts.domains + counts.addresses);
    assert!(oracle.sets.len() > 4_000_000, "{}", oracle.sets.len());
    let entries: Vec<&str> = oracle.sets.keys().copied().step_by(step).collect();
    let mut asked = agrees_all(&oracle, &index, &entries);
    for site in top_sites(&shared).step_by(step) {
        oracle.agrees(&index, &site);
        asked += 1;
    }
    println!(
        "{asked} questions, {} names, {:?}",
        oracle.sets.len(),
        begin.elapsed()
    );
}

/// The figures of docs/catalogue.md: `cargo test --release -p weir-categories --test full_scale -- --ignored --nocapture`.
/// Each step runs in a process of its own, so that none is measured in what another left behind. Beside the time on the clock
/// it tells that of the processor, which a busy neighbour does not lengthen as much.
#[test]
#[ignore = "measures; run it in release, alone"]
fn measure() {
    let Some(shared) = common::shared("lists/ut1/ut1-history.tar.zst") else {
        return;
    };
    if let (Some(step), Some(state)) = (std::env::var_os(STEP), std::env::var_os(STATE)) {
        return one(&step.to_string_lossy(), &shared, Path::new(&state));
    }
    let state = tempfile::tempdir().unwrap();
    imported(&shared, state.path());
    for step in [
        "compile",
        "compile in memory",
        "open",
        "memory",
        "lookup",
        "edit",
        "swap",
    ] {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["measure", "--exact", "--ignored", "--nocapture", "--quiet"])
            .env(STEP, step)
            .env(STATE, state.path())
            .status()
            .unwrap();
        assert!(status.success(), "{step}");
    }
}

const STEP: &str = "WEIR_MEASURE_STEP";
const STATE: &str = "WEIR_MEASURE_STATE";

fn one(step: &str, shared: &Path, state: &Path) {
    let sources = Source::imported(state).unwrap();
    let place = state.join(".index");
    let path = place.join("base");
    match step {
        "compile" => {
            let (built, took) = timed(|| open(&place, &sources, None, &mut |_| {}).unwrap());
            let lines: u64 = built.report.files.iter().map(|file| file.lines).sum();
            println!(
                "compile and write {lines} lines: {took}, peak {} MB",
                peak() >> 10
            );
            println!("file: {} bytes", std::fs::metadata(&path).unwrap().len());
            settle();
            println!(
                "afterwards: {} MB resident, {} MB of it mapped",
                memory().0 >> 10,
                memory().2 >> 10
            );
        }
        "compile in memory" => {
            for _ in 0..3 {
                let (_, took) = timed(|| build(&sources, &mut |_| {}).unwrap());
                println!("compile in memory: {took}");
            }
        }
        "open" => {
            const TIMES: u32 = 50;
            let mut opened: Vec<Duration> = Vec::new();
            let before = cpu();
            for _ in 0..TIMES {
                let (index, took) = timed(|| file::open_alone(&path).unwrap());
                drop(index);
                opened.push(took.wall);
            }
            let cpu = (cpu() - before) / TIMES;
            opened.sort();
            println!(
                "open: median {:?}, fastest {:?}, slowest {:?}, processor {cpu:?} each",
                opened[25], opened[0], opened[49]
            );
            let (_, took) = timed(|| open(&place, &sources, None, &mut |_| {}).unwrap());
            println!("start with a current file, sources looked at: {took}");
        }
        "memory" => {
            // The questions come one by one, so that they take little memory themselves, and once before anything is
            // measured, so that what reading them takes is there already.
            let ask = |index: Option<&Index>| {
                for text in top_sites(shared) {
                    for before in ["", "www."] {
                        let host = Host::parse(&format!("{before}{text}"));
                        if let (Ok(host), Some(index)) = (host, index) {
                            index.host_categories(&host);
                            index.url_categories(&host, 443, "/some/page.html", Some("id=1234"));
                        }
                    }
                }
                settle();
                memory()
            };
            let begin = ask(None);
            let index = file::open_alone(&path).unwrap();
            ask(Some(&index));
            let after = memory();
            let names = index.counts().domains + index.counts().addresses;
            let each = |kib: u64| (kib << 10) as f64 / names as f64;
            println!(
                "{names} names and addresses, {} URLs: {:.2} bytes a name of process memory ({:.2} are the index's tables), and {:.2} mapped, of the index and the program",
                index.counts().urls,
                each(after.1.saturating_sub(begin.1)),
                index.bytes() as f64 / names as f64,
                each(after.2.saturating_sub(begin.2)),
            );
        }
        "lookup" => {
            let hosts = hosts(shared, state);
            let index = file::open_alone(&path).unwrap();
            lookups(&hosts, &index);
            map_lookups(&hosts, state, &index);
        }
        "edit" => {
            let index = open(&place, &sources, None, &mut |_| {}).unwrap().index;
            edits(&place, &sources, &index, state);
        }
        _ => swap(&place, &sources, state),
    }
}

/// A new version beside the one in force, which goes when it is there.
fn swap(place: &Path, sources: &[Source], state: &Path) {
    use weir_categories::manifest::{FILE_NAME, Manifest, Written};
    let index = open(place, sources, None, &mut |_| {}).unwrap().index;
    let list = state.join("ut1/adult/domains");
    let text = std::fs::read_to_string(&list).unwrap();
    let (_, text) = text.split_once('\n').unwrap();
    std::fs::write(&list, text).unwrap();
    let manifest = state.join("ut1").join(FILE_NAME);
    let mut told: Manifest = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    told.files
        .insert("adult/domains".to_owned(), Written::of(text.as_bytes()));
    std::fs::write(&manifest, told.to_json().unwrap()).unwrap();
    settle();
    let before = memory();
    let (next, took) = timed(|| open(place, sources, Some(&index), &mut |_| {}).unwrap());
    let peak = peak().saturating_sub(before.0) >> 10;
    drop(index);
    settle();
    let left = (memory().0 as i64 - before.0 as i64) >> 10;
    println!(
        "new version beside the old: {took}, running {} MB, peak {peak} MB above, after the swap {left} MB above",
        before.0 >> 10
    );
    assert!(next.index.counts().domains > 4_000_000);
}

/// The same questions to a map of the standard library with every name.
fn map_lookups(hosts: &[Host], state: &Path, index: &Index) {
    let texts = texts(state);
    let mut map: std::collections::HashMap<String, CategorySet> = std::collections::HashMap::new();
    for (category, text) in &texts {
        let id = index.names().id(category).unwrap();
        for line in text.lines() {
            map.entry(line.to_owned()).or_default().insert(id);
        }
    }
    drop(texts);
    tell("HashMap, host", hosts, &|host| {
        let name = host.as_name().map_or("", |name| name.as_str());
        let mut found = CategorySet::EMPTY;
        for set in parents(name)
            .filter(|name| name.contains('.'))
            .filter_map(|name| map.get(name))
        {
            found = found.union(set);
        }
        found.len()
    });
}

/// How long a local edit takes with everything else there.
fn edits(place: &Path, sources: &[Source], index: &Index, state: &Path) {
    let local = state.join("local");
    std::fs::create_dir_all(local.join("games")).unwrap();
    let mut sources = sources.to_vec();
    sources.push(Source::directory("local", &local));
    let mut took: Vec<Duration> = (0..9)
        .map(|n| {
            let text: String = (0..1000 + n).map(|n| format!("n{n}.example\n")).collect();
            std::fs::write(local.join("games/domains"), text).unwrap();
            timed(|| open(place, &sources, Some(index), &mut |_| {}).unwrap())
                .1
                .wall
        })
        .collect();
    took.sort();
    println!(
        "local edit of a list of 1000: median {:?}, slowest {:?}",
        took[4], took[8]
    );
    std::fs::remove_dir_all(local).unwrap();
}

fn lookups(hosts: &[Host], index: &Index) {
    let path = "/some/usual/path/of-a-page.html";
    tell("host", hosts, &|host| index.host_categories(host).len());
    tell("url", hosts, &|host| {
        index
            .url_categories(host, 443, path, Some("id=1234&page=2"))
            .len()
    });
}

fn tell(what: &str, hosts: &[Host], ask: &dyn Fn(&Host) -> usize) {
    for _ in 0..5 {
        let before = cpu();
        let found: usize = (0..4).flat_map(|_| hosts.iter().map(ask)).sum();
        let mean = (cpu() - before).as_nanos() / (4 * hosts.len() as u128);
        // Whoever asks has just parsed the name, so it is read before the clock starts.
        let read = |host: &Host| {
            let name = host.as_name().map_or("", |name| name.as_str());
            name.bytes().map(usize::from).sum::<usize>()
        };
        let mut each: Vec<u128> = hosts
            .iter()
            .map(|host| {
                std::hint::black_box(read(host));
                timed_wall(|| std::hint::black_box(ask(host)))
            })
            .collect();
        let mut empty: Vec<u128> = hosts.iter().map(|_| timed_wall(|| 0)).collect();
        each.sort_unstable();
        empty.sort_unstable();
        let less = empty[empty.len() / 2];
        let at = |part: usize| each[each.len() * part / 1000].saturating_sub(less);
        println!(
            "{what}: in a row {mean} ns of the processor each; one by one median {} ns, p99 {} ns ({found} found)",
            at(500),
            at(990),
        );
    }
}

fn timed_wall(work: impl FnOnce() -> usize) -> u128 {
    let begin = Instant::now();
    std::hint::black_box(work());
    begin.elapsed().as_nanos()
}

/// 500,000 hosts in no order, a tenth of them listed, half of them with a label before.
fn hosts(shared: &Path, sources: &Path) -> Vec<Host> {
    let texts = texts(sources);
    let listed: Vec<&str> = texts.iter().flat_map(|(_, text)| text.lines()).collect();
    let sites: Vec<String> = top_sites(shared).collect();
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut hosts = Vec::new();
    while hosts.len() < 500_000 {
        let text = match random(10) {
            0 => listed[random(listed.len())],
            _ => &sites[random(sites.len())],
        };
        let www = random(2) == 0;
        let text = if www {
            format!("www.{text}")
        } else {
            text.to_owned()
        };
        hosts.extend(
            Host::parse(&text)
                .ok()
                .filter(|host| host.as_name().is_some()),
        );
    }
    hosts
}

struct Took {
    wall: Duration,
    cpu: Duration,
}

impl std::fmt::Display for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} ({:?} of the processor)", self.wall, self.cpu)
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Took) {
    let (begin, before) = (Instant::now(), cpu());
    let done = work();
    let (wall, cpu) = (begin.elapsed(), cpu() - before);
    (done, Took { wall, cpu })
}

/// What all threads of the process have used, in steps of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    Duration::from_millis(
        10 * ticks
            .filter_map(|ticks| ticks.parse::<u64>().ok())
            .sum::<u64>(),
    )
}

/// Lets the allocator give back what it keeps for a moment.
fn settle() {
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(100));
        drop(std::hint::black_box(vec![0_u8; 1 << 16]));
    }
}

/// KiB: all, of its own, of mapped files.
fn memory() -> (u64, u64, u64) {
    (status("VmRSS:"), status("RssAnon:"), status("RssFile:"))
}

fn peak() -> u64 {
    status("VmHWM:")
}

fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}
