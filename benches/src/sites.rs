//! The names that benches ask for: what lists have, what people visit, and what nobody has listed.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use weir_host::Host;

/// Every entry of every `<category>/domains` below `source` with its category, in order of category and line. Lines that
/// are no host are left out.
///
/// # Errors
/// When the directory or a file cannot be read.
pub fn listed(source: &Path) -> io::Result<Vec<(String, Host)>> {
    let mut found = Vec::new();
    let mut directories: Vec<_> = fs::read_dir(source)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    directories.sort_unstable();
    for directory in directories {
        let Ok(text) = fs::read_to_string(directory.join("domains")) else {
            continue;
        };
        let category = directory.file_name().unwrap_or_default().to_string_lossy();
        let hosts = text.lines().filter_map(host);
        found.extend(hosts.map(|host| (category.clone().into_owned(), host)));
    }
    Ok(found)
}

/// The host of a line in a list of names.
fn host(line: &str) -> Option<Host> {
    let entry = line.split_whitespace().next()?;
    Host::parse_text(entry.trim_start_matches('.')).ok()
}

/// The most visited names, by rank, as browsers ask for them: every second with `www.` in front.
///
/// # Errors
/// When the list cannot be read.
pub fn top_sites(shared: &Path, count: usize) -> io::Result<Vec<Host>> {
    let list = shared.join("lists/top-sites/tranco-top100k-ranked.csv.zst");
    let lines = BufReader::new(zstd::Decoder::new(File::open(list)?)?).lines();
    let mut hosts = Vec::with_capacity(count);
    for (rank, line) in lines.enumerate().take(count) {
        let line = line?;
        let name = line.split(',').nth(1).unwrap_or_default();
        let prefix = if rank % 2 == 0 { "" } else { "www." };
        hosts.extend(Host::parse(&format!("{prefix}{name}")));
    }
    Ok(hosts)
}

/// Names that look like `hosts` and that no list has: the first label is another one.
pub fn unlisted(hosts: &[Host]) -> Vec<Host> {
    let other = |host: &Host| {
        let name = host.as_name()?.as_str();
        let (label, rest) = name.split_once('.')?;
        let turned: String = label.chars().rev().collect();
        Host::parse(&format!("q{turned}z.{rest}")).ok()
    };
    hosts.iter().filter_map(other).collect()
}

/// At most `count` of `items`, evenly from the whole, in an order that no prefetcher can guess.
pub fn spread<T: Clone>(items: &[T], count: usize) -> Vec<T> {
    let count = count.min(items.len());
    let step = items.len().checked_div(count).unwrap_or(1).max(1);
    let mut taken: Vec<T> = items.iter().step_by(step).take(count).cloned().collect();
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    for at in (1..taken.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        taken.swap(at, usize::try_from(state % (at as u64 + 1)).unwrap_or(0));
    }
    taken
}
