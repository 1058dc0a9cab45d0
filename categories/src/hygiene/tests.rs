//! Hygiene: what is held, what goes live, what people decide; and that nothing is lost on the way.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::history::{Act, History, How, Place};

mod evasion;

type Files = BTreeMap<String, BTreeSet<String>>;

/// A directory of imported lists with one source, `ut1`.
struct Bench {
    lists: TempDir,
    rules: Rules,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            lists: tempfile::tempdir().unwrap(),
            rules: Rules::new(),
        }
    }

    fn root(&self) -> &Path {
        self.lists.path()
    }

    fn current(&self) -> PathBuf {
        self.root().join("ut1")
    }

    /// As an import does it: stage, review, put in force.
    fn import(&self, files: &Files) -> Review {
        let candidate = self.root().join(".importing-ut1");
        write_source(&candidate, files);
        let current = Some(self.current()).filter(|current| current.is_dir());
        let review = review(
            &candidate,
            current.as_deref(),
            self.root(),
            "ut1",
            &self.rules,
        );
        let review = review.unwrap();
        crate::swap::put_in_force(&candidate, &self.current()).unwrap();
        crate::swap::remove_if_there(&candidate).unwrap();
        self.check_manifest();
        review
    }

    fn check_manifest(&self) {
        let sources = [Source::directory("ut1", self.current())];
        crate::build(&sources, &mut |_| {}).unwrap();
    }

    fn live(&self) -> Files {
        let source = Source::directory("ut1", self.current());
        let files = Listing::of(&source).unwrap().files;
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        let lines = |path: &Path| read(path).lines().map(str::to_owned).collect();
        files
            .iter()
            .map(|file| (file.name(), lines(&file.path)))
            .collect()
    }

    /// `+adult/domains com`
    fn held(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        each_held(self.root(), "ut1", |held| {
            let sign = if held.comes { '+' } else { '-' };
            found.insert(format!(
                "{sign}{}/{} {}",
                held.category, held.kind, held.entry
            ));
            Ok(())
        })
        .unwrap();
        found
    }

    fn decide(&self, verdict: Verdict, category: Option<&str>, entries: &[&str]) -> Decision {
        let act = Act {
            who: "j.smith",
            why: "looked at them",
            when: 1_000,
            how: How::Command,
        };
        let filter = Filter { category, entries };
        let decision = decide(self.root(), "ut1", verdict, &filter, &act).unwrap();
        self.check_manifest();
        decision
    }
}

fn write_source(directory: &Path, files: &Files) {
    _ = fs::remove_dir_all(directory);
    fs::create_dir_all(directory).unwrap();
    let mut manifest = Manifest::new("ut1", "test", 0);
    for (path, entries) in files.iter().filter(|(_, entries)| !entries.is_empty()) {
        let mut lines: Vec<String> = entries.iter().map(|entry| format!("{entry}\n")).collect();
        lines.sort_unstable();
        let text = lines.concat();
        let file = directory.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, &text).unwrap();
        manifest
            .files
            .insert(path.clone(), Written::of(text.as_bytes()));
    }
    fs::write(
        directory.join(manifest::FILE_NAME),
        manifest.to_json().unwrap(),
    )
    .unwrap();
}

fn files(list: &[(&str, &[&str])]) -> Files {
    let set = |entries: &&[&str]| entries.iter().map(ToString::to_string).collect();
    list.iter()
        .map(|(path, entries)| ((*path).to_owned(), set(entries)))
        .collect()
}

fn numbered(count: usize, prefix: &str) -> BTreeSet<String> {
    (0..count).map(|n| format!("{prefix}{n}.example")).collect()
}

#[test]
fn dirt_is_held_with_its_reason_and_everything_else_goes_live() {
    let bench = Bench::new();
    let review = bench.import(&files(&[
        (
            "adult/domains",
            &[".com", "bad.example", "google.com", "x.google.com"],
        ),
        ("adult/urls", &["bbc.co.uk/", "bbc.co.uk/bad"]),
        ("hosting/domains", &["blogspot.com"]),
    ]));
    let expected = files(&[
        ("adult/domains", &["bad.example", "x.google.com"]),
        ("adult/urls", &["bbc.co.uk/bad"]),
    ]);
    assert_eq!(bench.live(), expected);
    let adult = &review.categories["adult"];
    assert_eq!(
        adult.coming,
        BTreeMap::from([("public-suffix", 1), ("top-site", 2)])
    );
    assert_eq!((adult.live, adult.before, review.held()), (3, 0, 4));
    let text = fs::read_to_string(bench.root().join(".held/ut1/adult/domains")).unwrap();
    assert!(text.starts_with("# "), "{text}");
    assert!(
        text.ends_with("+\tpublic-suffix\t.com\n+\ttop-site google.com\tgoogle.com\n"),
        "{text}"
    );
    assert_eq!(sources_with_held(bench.root()).unwrap(), ["ut1"]);
}

#[test]
fn a_category_that_grows_beyond_the_bound_keeps_what_it_had() {
    let bench = Bench::new();
    let first = numbered(428, "job");
    let review = bench.import(&Files::from([("jobsearch/domains".into(), first.clone())]));
    assert_eq!(review.held(), 0, "a first import has grown from nothing");
    let mut grown = numbered(1_200, "malware");
    grown.extend(first.iter().skip(1).cloned());
    let mut other = files(&[("games/domains", &["a.example"])]);
    other.insert("jobsearch/domains".into(), grown);
    let review = bench.import(&other);
    let jobs = &review.categories["jobsearch"];
    assert_eq!(jobs.coming, BTreeMap::from([("growth", 1_200)]));
    assert_eq!((jobs.before, jobs.live), (428, 427));
    assert_eq!(bench.live()["jobsearch/domains"].len(), 427);
    assert_eq!(bench.live()["games/domains"].len(), 1);
    // The same next time, as nobody has decided.
    assert_eq!(bench.import(&other).held(), 1_200);
}

#[test]
fn a_category_that_loses_beyond_the_bound_keeps_what_would_go() {
    let bench = Bench::new();
    let first = numbered(400, "n");
    bench.import(&Files::from([("adult/domains".into(), first.clone())]));
    let mut rest: BTreeSet<String> = first.iter().take(250).cloned().collect();
    rest.insert("new.example".into());
    let review = bench.import(&Files::from([("adult/domains".into(), rest.clone())]));
    assert_eq!(
        (review.categories["adult"].going, review.held()),
        (150, 150)
    );
    assert_eq!(bench.live()["adult/domains"].len(), 401);
    // A category that is not there at all any more is a loss too.
    let review = bench.import(&files(&[("games/domains", &["a.example"])]));
    assert_eq!(review.categories["adult"].going, 401);
    let decision = bench.decide(Verdict::Accept, Some("adult"), &[]);
    assert_eq!(decision.categories["adult"], 401);
    assert_eq!(bench.live().keys().collect::<Vec<_>>(), ["games/domains"]);
    assert_eq!(bench.held(), BTreeSet::new());
}

#[test]
fn bounds_can_be_taken_away_for_a_change_that_is_wanted() {
    let mut bench = Bench::new();
    bench.import(&Files::from([("adult/domains".into(), numbered(400, "n"))]));
    bench.rules.bounds = None;
    let review = bench.import(&Files::from([(
        "adult/domains".into(),
        numbered(5_000, "m"),
    )]));
    assert_eq!((review.held(), review.categories["adult"].live), (0, 5_000));
}

#[test]
fn an_accepted_entry_goes_live_at_once_and_is_not_held_again() {
    let bench = Bench::new();
    let lists = files(&[("adult/domains", &[".com", "bad.example", "google.com"])]);
    bench.import(&lists);
    let decision = bench.decide(Verdict::Accept, None, &["Google.com", "other.example"]);
    assert_eq!(decision.unknown, ["other.example"]);
    assert_eq!(
        decision.categories,
        BTreeMap::from([("adult".to_owned(), 1)])
    );
    assert!(bench.live()["adult/domains"].contains("google.com"));
    assert_eq!(
        bench.held(),
        BTreeSet::from(["+adult/domains .com".to_owned()])
    );
    let review = bench.import(&lists);
    assert_eq!(review.held(), 1);
    assert!(bench.live()["adult/domains"].contains("google.com"));
}

#[test]
fn a_dropped_entry_stays_out_is_counted_and_its_going_can_be_dropped_too() {
    let bench = Bench::new();
    let lists = files(&[("adult/domains", &[".com", "bad.example", "google.com"])]);
    bench.import(&lists);
    bench.decide(Verdict::Drop, None, &[]);
    assert_eq!(bench.held(), BTreeSet::new());
    let review = bench.import(&lists);
    assert_eq!((review.held(), review.dropped()), (0, 2));
    assert_eq!(bench.live(), files(&[("adult/domains", &["bad.example"])]));

    let many = numbered(300, "n");
    bench.import(&Files::from([("chat/domains".into(), many.clone())]));
    let few: BTreeSet<String> = many.iter().take(100).cloned().collect();
    bench.import(&Files::from([("chat/domains".into(), few.clone())]));
    bench.decide(Verdict::Drop, Some("chat"), &[]);
    let review = bench.import(&Files::from([("chat/domains".into(), few)]));
    assert_eq!((review.held(), review.categories["chat"].kept), (0, 200));
    assert_eq!(bench.live()["chat/domains"].len(), 300);
}

#[test]
fn decisions_are_versions_and_a_rollback_brings_back_what_was_held() {
    let bench = Bench::new();
    bench.import(&files(&[("adult/domains", &["bad.example", "google.com"])]));
    let decision = bench.decide(Verdict::Accept, None, &["google.com"]);
    let version = decision.version.unwrap();
    assert_eq!(
        (version.number, version.how, version.who.as_str()),
        (2, How::Accept, "j.smith")
    );
    assert_eq!(version.change().added, 1);
    let history = History::at(bench.root());
    let place = Place {
        name: "ut1".into(),
        directory: bench.current(),
    };
    let act = Act {
        who: "a",
        why: "",
        when: 2_000,
        how: How::Rollback,
    };
    history.rollback(&place, 1, &act).unwrap();
    assert_eq!(bench.held().len(), 1);
    assert_eq!(bench.live(), files(&[("adult/domains", &["bad.example"])]));
    // The decision is undone as well: the next import asks again.
    let review = bench.import(&files(&[("adult/domains", &["google.com"])]));
    assert_eq!(review.held(), 1);
    assert_eq!(
        bench
            .decide(Verdict::Drop, None, &["nobody.example"])
            .version,
        None
    );
}

#[test]
fn what_a_kill_between_the_steps_of_a_decision_left_is_finished_by_the_same_decision() {
    let bench = Bench::new();
    let lists = files(&[("adult/domains", &["bad.example", "google.com"])]);
    bench.import(&lists);
    let before = bench.root().join("before");
    let copy = std::process::Command::new("cp")
        .arg("-a")
        .arg(bench.root().join(".held"))
        .arg(&before)
        .status();
    assert!(copy.unwrap().success());
    bench.decide(Verdict::Accept, None, &[]);
    let after = bench.live();
    // Killed after the lists took effect, before the entries left what is held.
    fs::remove_dir_all(bench.root().join(".held")).unwrap();
    fs::rename(&before, bench.root().join(".held")).unwrap();
    fs::create_dir_all(bench.root().join(".held/.new-ut1/adult")).unwrap();
    fs::create_dir_all(bench.root().join(".importing-ut1/adult")).unwrap();
    fs::write(bench.root().join(".importing-ut1/adult/domains"), "half").unwrap();
    assert_eq!(bench.held().len(), 1);
    bench.decide(Verdict::Accept, None, &[]);
    assert_eq!((bench.live(), bench.held().len()), (after, 0));
}

#[test]
fn a_candidate_that_cannot_be_compared_leaves_the_old_in_force() {
    let bench = Bench::new();
    bench.import(&files(&[("adult/domains", &["bad.example"])]));
    let candidate = bench.root().join(".importing-ut1");
    write_source(
        &candidate,
        &files(&[("adult/domains", &["a.example", "b.example"])]),
    );
    fs::write(candidate.join("adult/domains"), "b.example\na.example\n").unwrap();
    let refused = review(
        &candidate,
        Some(&bench.current()),
        bench.root(),
        "ut1",
        &bench.rules,
    );
    assert!(refused.unwrap_err().to_string().contains("not in order"));
    assert_eq!(bench.live(), files(&[("adult/domains", &["bad.example"])]));
}

fn pool() -> Vec<String> {
    let plain = (0..30).map(|n| format!("n{n}.example"));
    let dirt = [".com", "co.uk", "google.com", "bbc.co.uk", "blogspot.com"].map(str::to_owned);
    plain.chain(dirt).collect()
}

fn some_files() -> impl Strategy<Value = Files> {
    let path = prop::sample::select(vec![
        "adult/domains",
        "adult/exceptions",
        "games/domains",
        "education/domains",
    ]);
    let entries = prop::collection::btree_set(prop::sample::select(pool()), 1..35);
    prop::collection::btree_map(path.prop_map(str::to_owned), entries, 1..4)
}

fn flat(files: &Files) -> BTreeSet<String> {
    files
        .iter()
        .flat_map(|(path, set)| set.iter().map(move |e| format!("{path} {e}")))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_entry_is_lost_and_none_appears(
        rounds in prop::collection::vec((some_files(), prop::option::of((any::<bool>(), prop::sample::select(pool())))), 1..6),
    ) {
        let mut bench = Bench::new();
        // Small numbers, so that bounds bite.
        bench.rules.bounds = Some(Bounds { growth_percent: 50, growth_entries: 3, loss_percent: 25, loss_entries: 3 });
        let mut dropped: BTreeSet<String> = BTreeSet::new();
        for (candidate, decision) in rounds {
            let before = if bench.current().is_dir() { flat(&bench.live()) } else { BTreeSet::new() };
            let review = bench.import(&candidate);
            let (candidate, live, held) = (flat(&candidate), flat(&bench.live()), bench.held());
            let signed = |sign: char| held.iter().filter_map(|h| h.strip_prefix(sign)).map(str::to_owned).collect::<BTreeSet<_>>();
            let (coming, going) = (signed('+'), signed('-'));
            let out: BTreeSet<String> = candidate.iter().filter(|e| dropped.contains(&format!("+{e}"))).cloned().collect();
            let kept: BTreeSet<String> = before.iter().filter(|e| !candidate.contains(*e) && dropped.contains(&format!("-{e}"))).cloned().collect();

            // Each entry of the candidate is in exactly one place, and so is what stays of the old.
            let stays: BTreeSet<String> = going.union(&kept).cloned().collect();
            let live_new: BTreeSet<String> = live.difference(&stays).cloned().collect();
            let all: BTreeSet<String> = live_new.iter().chain(&coming).chain(&out).cloned().collect();
            prop_assert_eq!(live_new.len() + coming.len() + out.len(), all.len());
            prop_assert_eq!(&all, &candidate);
            prop_assert!(stays.is_subset(&before) && stays.is_disjoint(&candidate) && stays.is_subset(&live));
            prop_assert_eq!(review.held() as usize, held.len());
            prop_assert_eq!(review.dropped() as usize, out.len());
            prop_assert_eq!(review.categories.values().map(|c| c.live).sum::<u64>() as usize, live.len());

            if let Some((accept, entry)) = decision {
                let verdict = if accept { Verdict::Accept } else { Verdict::Drop };
                let held = bench.held();
                bench.decide(verdict, None, &[&entry]);
                let meant: BTreeSet<String> = held.iter().filter(|h| h.ends_with(&format!(" {entry}"))).cloned().collect();
                let now = flat(&bench.live());
                for one in &meant {
                    let (sign, path) = one.split_at(1);
                    let is_live = (sign == "+") == accept;
                    prop_assert_eq!(now.contains(path), is_live, "{} {}", one, accept);
                    if accept { dropped.remove(one); } else { dropped.insert(one.clone()); }
                }
                prop_assert_eq!(bench.held(), held.difference(&meant).cloned().collect::<BTreeSet<_>>());
            }
        }
    }
}
