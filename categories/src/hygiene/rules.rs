//! Decides about one entry: whether a list that names it most likely does so by accident.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use foldhash::{HashMap, HashMapExt, HashSet};
use weir_host::address::Network;
use weir_host::parents;

use super::reason::Reason;
use super::wide::{self, Sites};
use crate::entry::MatchKind;
use crate::history::lines::{Lines, Sorted};
use crate::source::{Listing, Source, Unreadable};

const TOP_SITES: &str = include_str!("top-sites.txt");
/// Categories that rules of schools allow whatever else lists a name.
const ALLOW_SETS: [&str; 3] = ["education", "health-and-helplines", "security-updates"];
/// Allow lists of publishers under names of their own: UT1's, of a French library.
const ALLOW_LISTS: [&str; 2] = ["liste_blanche", "liste_bu"];

/// True when a category is one that rules allow whatever else lists a name, by its name.
pub(crate) fn opens(category: &str) -> bool {
    ALLOW_SETS.contains(&category) || ALLOW_LISTS.contains(&category)
}

/// Most names taken from a ranked file.
pub const RANKED_MAX: usize = 1000;
/// Most bytes read of a ranked file.
const RANKED_BYTES_MAX: u64 = 1 << 20;

/// How much a category may change at once before a person has to look. A change is beyond a bound when it exceeds both
/// numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Entries that may come, in per cent of those there.
    pub growth_percent: u64,
    /// Entries that may come whatever the share.
    pub growth_entries: u64,
    /// Entries that may go, in per cent of those there.
    pub loss_percent: u64,
    /// Entries that may go whatever the share.
    pub loss_entries: u64,
}

/// Half as much again, and a thousand: between two monthly states of UT1 no category grows by a quarter unless something
/// went wrong (job search: 140-fold), while small lists double by a few names, which a person can read in the history. Loss
/// is tighter, since what is lost is open: a quarter, and a hundred.
impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            growth_percent: 50,
            growth_entries: 1000,
            loss_percent: 25,
            loss_entries: 100,
        }
    }
}

impl Bounds {
    pub(super) fn growth(&self, there: u64, came: u64) -> bool {
        beyond(there, came, self.growth_percent, self.growth_entries)
    }

    pub(super) fn loss(&self, there: u64, gone: u64) -> bool {
        beyond(there, gone, self.loss_percent, self.loss_entries)
    }
}

fn beyond(there: u64, change: u64, percent: u64, entries: u64) -> bool {
    change > entries && change.saturating_mul(100) > there.saturating_mul(percent)
}

/// What a new version is held against.
#[derive(Clone, Debug)]
pub struct Rules {
    /// `None`: whatever a category gains or loses is wanted.
    pub bounds: Option<Bounds>,
    /// Categories that allow: of those, names are no accident that would block something.
    pub allow_sets: BTreeSet<String>,
    top: HashMap<Box<str>, Box<str>>,
    allowed: HashMap<Box<str>, (Box<str>, Box<str>)>,
    sites: Sites,
    /// What the school's own lists say, by category: a publisher who says the same is no accident.
    own: HashMap<String, HashSet<Box<str>>>,
}

impl Rules {
    /// The rules that need no list of the school's.
    pub fn new() -> Rules {
        let sets = ALLOW_SETS.into_iter().chain(ALLOW_LISTS);
        let mut rules = Rules {
            bounds: Some(Bounds::default()),
            allow_sets: sets.map(str::to_owned).collect(),
            top: HashMap::new(),
            allowed: HashMap::new(),
            sites: Sites::default(),
            own: HashMap::new(),
        };
        for name in TOP_SITES.lines().filter(|line| !line.starts_with('#')) {
            rules.add_top_site(name);
        }
        rules
    }

    /// With the names of the lists that people edit and of the starter lists.
    ///
    /// # Errors
    /// The list that cannot be read.
    pub fn with_lists(mut self, own: &[Source]) -> Result<Rules, crate::edit::EditError> {
        for source in own {
            self.add_lists(source)?;
        }
        Ok(self)
    }

    fn add_lists(&mut self, source: &Source) -> Result<(), Unreadable> {
        for file in Listing::of(source)?.files {
            if file.kind != MatchKind::Domain {
                continue;
            }
            let protects = ALLOW_SETS.contains(&&*file.category);
            let mut lines = Sorted::of(&file.read()?, file.kind);
            let mut line = Vec::new();
            // Reading from memory does not fail.
            while lines.next(&mut line).unwrap_or(false) {
                let name = String::from_utf8_lossy(&line);
                let name = name.trim_end().trim_start_matches('.');
                if protects {
                    self.add_allowed(name, &file.category);
                }
                let own = self.own.entry(file.category.clone()).or_default();
                own.insert(name.into());
            }
        }
        Ok(())
    }

    fn add_allowed(&mut self, name: &str, category: &str) {
        self.sites.add_allowed(category, name);
        for covering in covering(name) {
            let protected = || (Box::from(category), Box::from(name));
            self.allowed.entry(covering).or_insert_with(protected);
        }
    }

    fn add_top_site(&mut self, name: &str) {
        self.sites.add_top(name);
        for covering in covering(name) {
            self.top.entry(covering).or_insert_with(|| name.into());
        }
    }

    /// Adds the first [`RANKED_MAX`] names of a file of lines `name` or `rank,name`, such as Tranco's.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn add_ranked(&mut self, file: &Path) -> io::Result<()> {
        let text = BufReader::new(File::open(file)?.take(RANKED_BYTES_MAX));
        for line in text.lines().take(RANKED_MAX) {
            let line = line?;
            let name = line.rsplit(',').next().unwrap_or(&line).trim();
            if let Ok(name) = weir_host::Name::parse(name) {
                self.add_top_site(name.as_str());
            }
        }
        Ok(())
    }

    /// Why an entry of a category is held back, if it is. `line` is in normal form, without its newline.
    pub(super) fn verdict(&self, category: &str, kind: MatchKind, line: &str) -> Option<Reason> {
        let opens = self.allow_sets.contains(category);
        if kind == MatchKind::Expression {
            return self.sites.of_expression(line, opens);
        }
        if kind == MatchKind::Keyword {
            return self.sites.of_keyword(line, opens);
        }
        if let Some(network) = network(kind, line) {
            return wide::of_network(&network);
        }
        let name = whole_host(line)?;
        if self.says_the_same(category, name) {
            return None;
        }
        if let Some(reason) = public_suffix(name) {
            return Some(reason);
        }
        if kind == MatchKind::Exception {
            return None;
        }
        if opens {
            return self.contradiction(name);
        }
        if let Some((set, known)) = self.allowed.get(name) {
            return Some(Reason::AllowSet {
                category: set.to_string(),
                name: known.to_string(),
            });
        }
        let site = self.top.get(name)?;
        Some(Reason::TopSite(site.to_string()))
    }

    /// A name of the school's in a category that does not allow, or below one.
    fn contradiction(&self, name: &str) -> Option<Reason> {
        let mut found: Option<(&String, &str)> = None;
        for (category, own) in &self.own {
            let known = |above: &&str| own.contains(*above);
            if !self.allow_sets.contains(category)
                && found.is_none_or(|(before, _)| category < before)
            {
                found = parents(name)
                    .find(known)
                    .map(|above| (category, above))
                    .or(found);
            }
        }
        found.map(|(category, name)| Reason::Contradiction {
            category: category.clone(),
            name: name.to_owned(),
        })
    }

    fn says_the_same(&self, category: &str, name: &str) -> bool {
        let own = self.own.get(category);
        own.is_some_and(|own| parents(name).any(|name| own.contains(name)))
    }
}

impl Default for Rules {
    fn default() -> Rules {
        Rules::new()
    }
}

/// The names whose listing would take `name` with them: its parents, and the name that everybody visits it under.
fn covering(name: &str) -> impl Iterator<Item = Box<str>> {
    let www = Some(format!("www.{name}").into()).filter(|_| !name.starts_with("www."));
    parents(name).map(Box::from).chain(www)
}

/// The network that a line is, if it is one; a single address is none.
fn network(kind: MatchKind, line: &str) -> Option<Network> {
    let may_be = kind != MatchKind::Url && memchr::memchr(b'/', line.as_bytes()).is_some();
    may_be.then(|| line.parse().ok()).flatten()
}

/// The name that a line means the whole of; nothing for a part of a site, and for an address.
fn whole_host(line: &str) -> Option<&str> {
    let name = line.strip_prefix('.').unwrap_or(line);
    // A URL without a path means the whole host, and one with a port of the web all that browsers ask of it.
    let name = name.strip_suffix('/').unwrap_or(name);
    let name = [":80", ":443"]
        .iter()
        .find_map(|port| name.strip_suffix(port))
        .unwrap_or(name);
    memchr::memchr3(b'/', b':', b'?', name.as_bytes())
        .is_none()
        .then_some(name)
}

fn public_suffix(name: &str) -> Option<Reason> {
    let suffix = psl::suffix(name.as_bytes())?;
    if suffix.as_bytes() != name.as_bytes() {
        return None;
    }
    match suffix.typ()? {
        psl::Type::Icann => Some(Reason::PublicSuffix),
        // Where every name below another is a suffix (`*.compute-1.amazonaws.com`), each is one customer's.
        psl::Type::Private if is_one_of_all(name) => None,
        psl::Type::Private => Some(Reason::SharedHosting),
    }
}

/// True when any name in the place of this one would be a suffix as well.
fn is_one_of_all(name: &str) -> bool {
    let other = name
        .split_once('.')
        .map(|(_, above)| format!("weir-asks.{above}"));
    other.is_some_and(|other| {
        psl::suffix(other.as_bytes()).is_some_and(|suffix| suffix.as_bytes() == other.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn told(rules: &Rules, category: &str, kind: MatchKind, line: &str) -> String {
        let verdict = rules.verdict(category, kind, line);
        verdict.map_or(String::new(), |reason| reason.to_string())
    }

    #[test]
    fn only_what_covers_more_than_its_publisher_can_mean_is_held() {
        let rules = Rules::new();
        let table = [
            (".com", "public-suffix"),
            ("co.uk", "public-suffix"),
            ("gov.uk", "public-suffix"),
            ("blogspot.com", "shared-hosting"),
            ("someone.blogspot.com", ""),
            ("ec2-192-0-2-1.compute-1.amazonaws.com", ""),
            ("hackney.sch.uk", "public-suffix"),
            ("google.com", "top-site google.com"),
            ("maths.org", "top-site nrich.maths.org"),
            ("badgoogle.com", ""),
            ("ads.google.com", ""),
            ("192.0.2.0/24", ""),
            ("2001:db8::1", ""),
            ("8.8.8.8", ""),
        ];
        for (line, expected) in table {
            assert_eq!(
                told(&rules, "adult", MatchKind::Domain, line),
                expected,
                "{line}"
            );
        }
    }

    #[test]
    fn a_url_is_held_only_when_it_means_the_whole_host() {
        let rules = Rules::new();
        let url = |line| told(&rules, "adult", MatchKind::Url, line);
        assert_eq!(url("google.com/"), "top-site google.com");
        assert_eq!(url("sites.google.com/x"), "");
        assert_eq!(url("google.com/x"), "");
        assert_eq!(url("google.com:8080/"), "");
        assert_eq!(url("google.com/?q=x"), "");
        let expression = |text| told(&rules, "adult", MatchKind::Expression, text);
        assert_eq!(expression("google"), "too-wide");
        assert_eq!(expression("gambl(e|ing)[0-9]"), "");
    }

    #[test]
    fn a_keyword_that_is_in_addresses_of_any_kind_or_would_open_is_held() {
        let rules = Rules::new();
        let adult = |text| told(&rules, "adult", MatchKind::Keyword, text);
        for text in [
            "*com*", "com", "*www*", "www", "https", "http*", "*htm*", "html", "the", "and",
            "*ing*", "*ear*", "search", "*index*", "image*", "page", "how to", "*the*",
        ] {
            assert_eq!(adult(text), "too-wide", "{text}");
        }
        for text in [
            "knife",
            "*knife*",
            "buy a knife",
            "porn*",
            "*porn*",
            "sex",
            "suicide",
            "how to make a bomb",
            "оружие",
            "武器",
            "casino",
            "roulette",
            "vpn",
            "proxy",
            "unblocked games",
            "gun",
            "drugs",
        ] {
            assert_eq!(adult(text), "", "{text}");
        }
        for category in [
            "education",
            "health-and-helplines",
            "security-updates",
            "liste_bu",
        ] {
            assert_eq!(
                told(&rules, category, MatchKind::Keyword, "maths"),
                "too-wide",
                "{category}"
            );
        }
    }

    #[test]
    fn exceptions_and_allow_sets_are_held_only_where_they_would_open_everything() {
        let rules = Rules::new();
        let exception = |line| told(&rules, "adult", MatchKind::Exception, line);
        assert_eq!(exception("google.com"), "");
        assert_eq!(exception("co.uk"), "public-suffix");
        let education = |line| told(&rules, "education", MatchKind::Domain, line);
        assert_eq!(education("bbc.co.uk"), "");
        assert_eq!(education("co.uk"), "public-suffix");
    }

    #[test]
    fn what_the_schools_own_lists_say_counts_more() {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("education/domains", "# ours\nChess.Club.Example # why\n");
        write("streaming/domains", "youtube.com\nblogspot.com\n");
        let own = [Source::directory("local", directory.path())];
        let rules = Rules::new().with_lists(&own).unwrap();
        let adult = |line| told(&rules, "adult", MatchKind::Domain, line);
        assert_eq!(
            adult("chess.club.example"),
            "allow-set education chess.club.example"
        );
        assert_eq!(
            adult("club.example"),
            "allow-set education chess.club.example"
        );
        assert_eq!(adult("x.chess.club.example"), "");
        assert_eq!(adult("youtube.com"), "top-site youtube.com");
        let streaming = |line| told(&rules, "streaming", MatchKind::Domain, line);
        assert_eq!(streaming("youtube.com"), "");
        assert_eq!(streaming("blogspot.com"), "");
    }

    #[test]
    fn a_ranked_file_adds_its_first_thousand() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tranco.csv");
        let lines: String = (1..=2000)
            .map(|n| format!("{n},site{n}.example\r\n"))
            .collect();
        std::fs::write(&file, lines).unwrap();
        let mut rules = Rules::new();
        rules.add_ranked(&file).unwrap();
        let adult = |line| told(&rules, "adult", MatchKind::Domain, line);
        assert_eq!(adult("site1000.example"), "top-site site1000.example");
        assert_eq!(adult("site1001.example"), "");
        assert!(rules.add_ranked(&directory.path().join("none")).is_err());
    }

    #[test]
    fn a_reason_is_read_as_it_is_written() {
        let reasons = [
            Reason::PublicSuffix,
            Reason::SharedHosting,
            Reason::TopSite("bbc.co.uk".into()),
            Reason::AllowSet {
                category: "education".into(),
                name: "x.example".into(),
            },
            Reason::Growth,
            Reason::Loss,
        ];
        for reason in reasons {
            assert_eq!(Reason::read(&reason.to_string()), Some(reason));
        }
        assert_eq!(Reason::read("because"), None);
    }

    #[test]
    fn bounds_are_exceeded_only_by_share_and_number_together() {
        let bounds = Bounds::default();
        let table = [
            (428, 60_312, true),
            (428, 1000, false),
            (2_000_000, 999_000, false),
            (2_000, 1001, true),
            (0, 1001, true),
        ];
        for (there, came, expected) in table {
            assert_eq!(bounds.growth(there, came), expected, "{there} {came}");
        }
        assert!(bounds.loss(400, 101));
        assert!(!bounds.loss(400, 100));
        assert!(!bounds.loss(1000, 250));
    }
}
