//! Random lists in every format, in several sources and both layers, with exceptions: every answer against a naive scan that
//! shares nothing with the readers or the index.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use proptest::prelude::*;
use weir_categories::formats::Format;
use weir_categories::import::{self, CategoryMap, Options};
use weir_categories::{Source, build, open};
use weir_host::{Host, normal_path};

const CATEGORIES: [&str; 3] = ["adult", "gambling", "education"];

/// Chance, from one seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((self.0 >> 33) as usize) % count
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    fn name(&mut self) -> String {
        // Few labels, so that names lie below each other; some as Unicode and as punycode.
        let labels = [
            "a",
            "b",
            "xn--bcher-kva",
            "bücher",
            "x_y",
            "com",
            "co",
            "uk",
            "9",
        ];
        let count = 1 + self.below(4);
        let mut all: Vec<&str> = (0..count).map(|_| self.of(&labels)).collect();
        all.push(self.of(&["com", "uk", "example"]));
        all.join(".")
    }

    fn address(&mut self) -> String {
        match self.below(3) {
            0 => format!("198.51.{}.{}", self.below(2), self.below(4)),
            1 => format!("2001:db8::{:x}", self.below(4)),
            _ => format!("::ffff:198.51.{}.{}", self.below(2), self.below(4)),
        }
    }

    fn path(&mut self) -> String {
        let parts = ["a", "B", "%7Eu", "c%2Fd", "index.html", "a", "b"];
        let count = 1 + self.below(3);
        (0..count)
            .map(|_| format!("/{}", self.of(&parts)))
            .collect()
    }

    fn region(&mut self) -> Region {
        match self.below(8) {
            0 => Region::Network(self.address(), None),
            1 => {
                let (address, prefix) = match self.below(7) {
                    0 => ("0.0.0.0", 0),
                    1 => ("198.51.0.0", 16),
                    2 => ("198.51.1.0", 24),
                    3 => ("198.51.0.2", 31),
                    4 => ("2001:db8::", 32),
                    5 => ("2001:db8::2", 127),
                    _ => ("198.51.0.3", 32),
                };
                Region::Network(address.to_owned(), Some(prefix))
            }
            2 | 3 => {
                let host = match self.below(4) {
                    0 => format!("198.51.0.{}", self.below(3)),
                    1 => format!("[2001:db8::{:x}]", self.below(3)),
                    _ => self.name(),
                };
                let port = (self.below(4) == 0).then_some(8080);
                Region::Url(host, port, self.path())
            }
            _ => Region::Name(self.name()),
        }
    }
}

#[derive(Clone, Debug)]
enum Region {
    Name(String),
    Network(String, Option<u8>),
    Url(String, Option<u16>, String),
}

/// A host in one form: an address, or a name in small letters and punycode.
#[derive(Clone, Debug, PartialEq)]
enum Plain {
    Name(String),
    Address(IpAddr),
}

fn plain(host: &str) -> Plain {
    let bare = host.trim_matches(['[', ']']);
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) => Plain::Address(match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => v6.into(),
        }),
        Ok(v4) => Plain::Address(v4),
        Err(_) => Plain::Name(host.to_lowercase().replace("bücher", "xn--bcher-kva")),
    }
}

fn is_below(host: &Plain, listed: &Plain) -> bool {
    match (host, listed) {
        (Plain::Name(host), Plain::Name(listed)) => {
            host == listed || host.ends_with(&format!(".{listed}"))
        }
        (host, listed) => host == listed,
    }
}

fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

/// Naive: small letters, unreserved escapes decoded. The random paths have no more in them.
fn naive_path(path: &str) -> String {
    path.to_lowercase().replace("%7e", "~")
}

struct Question<'a> {
    host: &'a str,
    port: u16,
    path: Option<&'a str>,
}

impl Region {
    fn holds(&self, asked: &Question<'_>) -> bool {
        let host = plain(asked.host);
        match self {
            Region::Name(name) => is_below(&host, &plain(name)),
            Region::Network(address, prefix) => {
                let (Plain::Address(host), Plain::Address(first)) = (host, plain(address)) else {
                    return false;
                };
                let ((host, wide), (first, other)) = (bits(host), bits(first));
                let prefix = u32::from(prefix.unwrap_or(wide));
                wide == other && (prefix == 0 || (host ^ first) >> (128 - prefix) == 0)
            }
            Region::Url(listed, port, path) => {
                let Some(sent) = asked.path else { return false };
                let (sent, path) = (naive_path(sent), naive_path(path));
                is_below(&host, &plain(listed))
                    && port.is_none_or(|port| port == asked.port)
                    && (sent == path || sent.starts_with(&format!("{path}/")))
            }
        }
    }

    fn weight(&self) -> (usize, usize) {
        let of_host = |host: &str| match plain(host) {
            Plain::Name(name) => name.len(),
            Plain::Address(address) => usize::from(bits(address).1),
        };
        match self {
            Region::Name(name) => (of_host(name), 0),
            Region::Network(address, prefix) => {
                (prefix.map_or_else(|| of_host(address), usize::from), 0)
            }
            Region::Url(host, _, path) => (of_host(host), naive_path(path).len()),
        }
    }

    /// As people write it, odd or not.
    fn text(&self, dice: &mut Dice) -> String {
        match self {
            Region::Name(name) => {
                let name = if dice.below(4) == 0 {
                    name.to_uppercase()
                } else {
                    name.clone()
                };
                let dot = if dice.below(4) == 0 { "." } else { "" };
                format!("{name}{dot}")
            }
            Region::Network(address, None) => address.clone(),
            Region::Network(address, Some(prefix)) => format!("{address}/{prefix}"),
            Region::Url(host, port, path) => {
                let port = port.map_or(String::new(), |port| format!(":{port}"));
                format!("{host}{port}{path}")
            }
        }
    }
}

#[derive(Debug)]
struct List {
    category: &'static str,
    source: usize,
    local: bool,
    entries: Vec<Region>,
    exceptions: Vec<Region>,
}

/// What the lists say, one after the other.
fn oracle(lists: &[List], asked: &Question<'_>) -> BTreeSet<&'static str> {
    let voids = |x: &List, region: &Region, e: &List, entry: &Region| {
        x.category == e.category
            && region.holds(asked)
            && match (x.local, e.local) {
                (false, _) => x.source == e.source,
                (true, false) => true,
                (true, true) => region.weight() > entry.weight(),
            }
    };
    let mut found = BTreeSet::new();
    for list in lists {
        for entry in list.entries.iter().filter(|entry| entry.holds(asked)) {
            let mut exceptions = lists
                .iter()
                .flat_map(|x| x.exceptions.iter().map(move |r| (x, r)));
            if !exceptions.any(|(x, region)| voids(x, region, list, entry)) {
                found.insert(list.category);
            }
        }
    }
    found
}

/// A line of a foreign format, when the format can say it.
fn line(format: Format, region: &Region, exception: bool, dice: &mut Dice) -> Option<String> {
    let text = region.text(dice);
    Some(match (format, region, exception) {
        (Format::Domains, Region::Name(_), false) => {
            format!("{}{text}", dice.of(&["", "*.", "."]))
        }
        (Format::Domains | Format::Cidr | Format::Maltrail, Region::Network(..), false) => text,
        (Format::Hosts, Region::Name(_), false) => format!("0.0.0.0 {text} # x"),
        (Format::AdBlock, Region::Name(_) | Region::Network(_, None), _) => {
            let text = if text.contains(':') {
                format!("[{text}]")
            } else {
                text
            };
            // A trailing dot there is a pattern.
            let text = text.trim_end_matches('.');
            format!("{}||{text}^", if exception { "@@" } else { "" })
        }
        (Format::AdBlock, Region::Url(..), _) => {
            format!("{}||{text}^", if exception { "@@" } else { "" })
        }
        (Format::Dnsmasq, Region::Name(_), false) => {
            format!("{}/{text}/", dice.of(&["address=", "server=", "local="]))
        }
        (Format::Rpz, Region::Name(_), _) => {
            let text = text.trim_end_matches('.');
            let action = if exception { "rpz-passthru." } else { "." };
            format!("{}{text} CNAME {action}", dice.of(&["", "*."]))
        }
        (Format::Urls, Region::Url(..), false) => {
            format!("{}{text}", dice.of(&["http://", "https://", "HTTP://"]))
        }
        (Format::Urls | Format::Maltrail, Region::Name(_), false) => text,
        (Format::Maltrail, Region::Url(..), false) => text,
        (Format::V2fly, Region::Name(_), false) => {
            format!("{}{text}", dice.of(&["", "full:", "domain:"]))
        }
        _ => return None,
    })
}

const FORMATS: [Format; 9] = [
    Format::Domains,
    Format::Hosts,
    Format::AdBlock,
    Format::Dnsmasq,
    Format::Rpz,
    Format::Urls,
    Format::V2fly,
    Format::Cidr,
    Format::Maltrail,
];

/// Writes an import of one list; nothing when chance gave it no entry.
fn imported(number: usize, root: &Path, dice: &mut Dice) -> Option<List> {
    let format = FORMATS[dice.below(FORMATS.len())];
    let category = dice.of(&CATEGORIES);
    let mut list = List {
        category,
        source: number,
        local: false,
        entries: Vec::new(),
        exceptions: Vec::new(),
    };
    let mut text = String::new();
    for _ in 0..1 + dice.below(12) {
        let region = dice.region();
        let exception = dice.below(4) == 0;
        if let Some(line) = line(format, &region, exception, dice) {
            text.push_str(&line);
            text.push_str(dice.of(&["\n", "\r\n"]));
            match exception {
                true => list.exceptions.push(region),
                false => list.entries.push(region),
            }
        }
    }
    if list.entries.is_empty() && list.exceptions.is_empty() {
        return None;
    }
    let file = root.join("list.txt");
    fs::write(&file, &text).unwrap();
    let options = Options {
        category: Some(category.to_owned()),
        format: Some(format),
        ..Options::default()
    };
    let name = format!("s{number}");
    let lists = root.join("lists");
    let map = CategoryMap::default();
    let report = import::run_with(&options, &file, &name, &lists, &map, &mut |_| {}).unwrap();
    assert!(report.faults.is_empty(), "{text}: {:?}", report.faults);
    Some(list)
}

/// Writes lists that people edit.
fn edited(number: usize, root: &Path, dice: &mut Dice) -> Vec<List> {
    let mut lists = Vec::new();
    for category in CATEGORIES {
        let mut list = List {
            category,
            source: number,
            local: true,
            entries: Vec::new(),
            exceptions: Vec::new(),
        };
        let mut files = [String::new(), String::new(), String::new()];
        for _ in 0..dice.below(8) {
            let region = dice.region();
            let file = match (dice.below(3), &region) {
                (0, _) => 2,
                (_, Region::Url(..)) => 1,
                _ => 0,
            };
            files[file].push_str(&region.text(dice));
            files[file].push('\n');
            match file {
                2 => list.exceptions.push(region),
                _ => list.entries.push(region),
            }
        }
        let directory = root.join("school").join(category);
        fs::create_dir_all(&directory).unwrap();
        for (name, text) in ["domains", "urls", "exceptions"].into_iter().zip(files) {
            fs::write(directory.join(name), text).unwrap();
        }
        lists.push(list);
    }
    lists
}

fn no_answer_differs(seed: u64) {
    let root = tempfile::tempdir().unwrap();
    let mut dice = Dice(seed);
    let mut lists: Vec<List> = (0..1 + dice.below(5))
        .filter_map(|number| imported(number, root.path(), &mut dice))
        .collect();
    lists.extend(edited(9, root.path(), &mut dice));
    let mut sources = Source::imported(&root.path().join("lists")).unwrap();
    sources.push(Source::directory("school", root.path().join("school")));
    let in_memory = build(&sources, &mut |_| {}).unwrap();
    assert!(
        in_memory.report.faults.is_empty(),
        "{:?}",
        in_memory.report.faults
    );
    let place = root.path().join("index");
    let written = open(&place, &sources, None, &mut |_| {}).unwrap();
    assert_eq!(written.warning, None);
    let read = open(&place, &sources, None, &mut |_| {}).unwrap();
    for _ in 0..60 {
        let host = match dice.below(3) {
            0 => dice.address(),
            _ => dice.name().replace("bücher", "xn--bcher-kva"),
        };
        let path = dice.path();
        let port = *dice.of(&[&80, &8080]);
        let asked = Host::parse_text(&host).unwrap();
        for path in [None, Some(&*path)] {
            let expected = oracle(
                &lists,
                &Question {
                    host: &host,
                    port,
                    path,
                },
            );
            for built in [&in_memory, &written, &read] {
                let index = &built.index;
                let set = match path {
                    None => index.host_categories(&asked),
                    Some(path) => index.url_categories(&asked, port, &normal_path(path), None),
                };
                let names = set.iter().map(|id| index.names().name(id).to_string());
                let found: BTreeSet<String> =
                    names.filter(|name| CATEGORIES.contains(&&**name)).collect();
                let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
                assert_eq!(found, expected, "{host}:{port}{path:?} in {lists:#?}");
                // `all` and `find` must say the same as the sets.
                let normal = path.map(|path| normal_path(path).into_owned());
                let told: BTreeSet<String> = index
                    .all(&asked, port, normal.as_deref(), None)
                    .into_iter()
                    .filter(|found| found.voided.is_none())
                    .map(|found| index.names().name(found.category).to_string())
                    .collect();
                assert_eq!(told, expected, "all: {host}:{port}{path:?} in {lists:#?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_answer_differs_from_a_naive_scan_whatever_the_formats_layers_and_exceptions(seed in any::<u64>()) {
        no_answer_differs(seed);
    }
}
