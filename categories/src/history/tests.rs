//! The history: what it tells, brings back and survives, against a model that keeps everything.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::manifest::{self, Manifest, Written};

type Files = BTreeMap<String, BTreeSet<String>>;

struct Bench {
    state: TempDir,
    history: History,
    clock: i64,
}

impl Bench {
    fn new() -> Bench {
        let state = tempfile::tempdir().unwrap();
        let history = History::at(state.path());
        Bench {
            state,
            history,
            clock: 1_000,
        }
    }

    fn place(&self, name: &str) -> Place {
        Place {
            name: name.to_owned(),
            directory: self.state.path().join(name),
        }
    }

    /// As an import leaves it.
    fn import(&self, name: &str, files: &Files) {
        let directory = self.state.path().join(name);
        _ = fs::remove_dir_all(&directory);
        let mut manifest = Manifest::new(name, "test", 0);
        for (path, entries) in files.iter().filter(|(_, entries)| !entries.is_empty()) {
            let text: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
            write(&directory.join(path), &text);
            let written = Written::of(text.as_bytes());
            manifest.files.insert(path.clone(), written);
        }
        let text = String::from_utf8(manifest.to_json().unwrap()).unwrap();
        write(&directory.join(manifest::FILE_NAME), &text);
    }

    fn record(&mut self, name: &str, how: How) -> Option<Version> {
        self.clock += 10;
        let act = act(self.clock, how);
        let turn = self.history.turn().unwrap();
        turn.record(&self.place(name), &act).unwrap()
    }

    fn rollback(&mut self, name: &str, number: u64) -> Version {
        self.clock += 10;
        let act = act(self.clock, How::Rollback);
        self.history
            .rollback(&self.place(name), number, &act)
            .unwrap()
    }

    fn diff(&self, name: &str, from: u64, to: u64) -> BTreeSet<String> {
        let from = self.history.version(name, from).unwrap();
        let to = self.history.version(name, to).unwrap();
        let mut found = BTreeSet::new();
        self.history
            .diff(&from, &to, |d| {
                let sign = if d.added { '+' } else { '-' };
                found.insert(format!("{sign}{}/{} {}", d.category, d.kind, d.entry));
                Ok(())
            })
            .unwrap();
        found
    }

    fn since(&self, name: &str, entry: &str) -> Option<(u64, bool)> {
        let since = self
            .history
            .since_when(name, "games", MatchKind::Domain, entry);
        since
            .unwrap()
            .map(|since| (since.version.number, since.or_before))
    }
}

fn act(when: i64, how: How) -> Act<'static> {
    Act {
        who: "j.smith",
        why: "asked by the head of year",
        when,
        how,
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn files(list: &[(&str, &[&str])]) -> Files {
    let set = |entries: &&[&str]| entries.iter().map(ToString::to_string).collect();
    list.iter()
        .map(|(path, entries)| ((*path).to_owned(), set(entries)))
        .collect()
}

/// What stands in a source's directory.
fn there(directory: &Path) -> Files {
    let mut found = Files::new();
    let source = crate::Source::directory("x", directory);
    for file in crate::source::Listing::of(&source).unwrap().files {
        let text = fs::read_to_string(&file.path).unwrap();
        found.insert(file.name(), text.lines().map(str::to_owned).collect());
    }
    found
}

fn model_diff(old: &Files, new: &Files) -> BTreeSet<String> {
    let flat = |files: &Files| -> BTreeSet<String> {
        let entries = files
            .iter()
            .flat_map(|(path, set)| set.iter().map(move |e| format!("{path} {e}")));
        entries.collect()
    };
    let (old, new) = (flat(old), flat(new));
    let gone = old.difference(&new).map(|entry| format!("-{entry}"));
    let came = new.difference(&old).map(|entry| format!("+{entry}"));
    gone.chain(came).collect()
}

#[test]
fn each_change_is_a_version_that_says_who_when_why_and_what() {
    let mut bench = Bench::new();
    let file = bench.state.path().join("local/games/domains");
    write(&file, "# Games\nb.example\n");
    assert_eq!(bench.record("local", How::Found).unwrap().number, 1);
    assert_eq!(bench.record("local", How::Hand), None);
    write(
        &file,
        "# Games, with another remark\nB.example # the same\na.example\nnot a name\n",
    );
    write(
        &bench.state.path().join("local/chat/exceptions"),
        "x.example/path\n",
    );
    let version = bench.record("local", How::Command).unwrap();
    assert_eq!(version.number, 2);
    assert_eq!(
        version.change(),
        Change {
            added: 2,
            removed: 0
        }
    );
    assert_eq!(version.changes["games/domains"].added, 1);
    assert_eq!((version.who.as_str(), version.when), ("j.smith", 1_030));
    assert_eq!(version.why, "asked by the head of year");
    let expected = [
        "+chat/exceptions x.example/path",
        "+games/domains a.example",
    ];
    assert_eq!(bench.diff("local", 1, 2), expected.map(String::from).into());
    fs::remove_dir_all(bench.state.path().join("local/games")).unwrap();
    let version = bench.record("local", How::Hand).unwrap();
    assert_eq!(
        version.change(),
        Change {
            added: 0,
            removed: 2
        }
    );
    let all = bench.history.versions(None).unwrap();
    assert_eq!((all.versions.len(), all.damaged.len()), (3, 0));
}

#[test]
fn a_text_that_people_edit_comes_back_with_their_remarks_and_other_files_stay() {
    let mut bench = Bench::new();
    let root = bench.state.path().join("local");
    write(&root.join("README.md"), "not a list");
    write(&root.join("games/domains"), "# why\nb.example\n\na.example");
    bench.record("local", How::Found);
    write(&root.join("games/domains"), "c.example\n");
    write(&root.join("chat/urls"), "x.example/a\n");
    // Nobody has recorded this yet: the rollback does, first.
    let version = bench.rollback("local", 1);
    assert_eq!(
        (version.number, version.back_to, version.how),
        (3, Some(1), How::Rollback)
    );
    let text = fs::read_to_string(root.join("games/domains")).unwrap();
    assert_eq!(text, "# why\nb.example\n\na.example");
    assert!(!root.join("chat/urls").exists());
    assert!(root.join("README.md").exists());
    bench.rollback("local", 2);
    assert!(root.join("chat/urls").exists());
    assert_eq!(bench.diff("local", 2, 4), BTreeSet::new());
}

#[test]
fn an_entry_is_listed_since_the_version_with_which_it_last_came() {
    let mut bench = Bench::new();
    let mut names: BTreeSet<String> = (0..200).map(|n| format!("n{n}.example")).collect();
    let import = |bench: &mut Bench, names: &BTreeSet<String>| {
        let files = Files::from([("games/domains".to_owned(), names.clone())]);
        bench.import("ut1", &files);
        bench.record("ut1", How::Import).unwrap()
    };
    import(&mut bench, &names);
    names.insert("late.example".to_owned());
    import(&mut bench, &names);
    names.remove("n7.example");
    import(&mut bench, &names);
    names.insert("n7.example".to_owned());
    let last = import(&mut bench, &names);
    assert_eq!(last.number, 4);
    assert_eq!(bench.since("ut1", "n3.example"), Some((1, false)));
    assert_eq!(bench.since("ut1", "late.example"), Some((2, false)));
    assert_eq!(bench.since("ut1", "n7.example"), Some((4, false)));
    assert_eq!(bench.since("ut1", "nobody.example"), None);
    assert_eq!(bench.since("nobody", "n3.example"), None);
    let keep = Keep {
        versions: 2,
        seconds: 0,
        at_most: 10,
    };
    bench.history.turn().unwrap().prune(&keep, 99_999).unwrap();
    assert_eq!(bench.since("ut1", "n3.example"), Some((3, true)));
}

#[test]
fn a_line_that_a_crash_cut_off_costs_its_version_and_nothing_else() {
    let mut bench = Bench::new();
    let file = bench.state.path().join("local/games/domains");
    write(&file, "a.example\n");
    bench.record("local", How::Found);
    write(&file, "b.example\n");
    bench.record("local", How::Command);
    let path = bench.history.root.join(VERSIONS);
    let text = fs::read(&path).unwrap();
    let first = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in first..text.len() {
        fs::write(&path, &text[..cut]).unwrap();
        let found = bench.history.versions(None).unwrap();
        let whole = cut + 1 >= text.len();
        assert_eq!(found.versions.len(), 1 + usize::from(whole), "cut at {cut}");
        assert_eq!(
            found.damaged.is_empty(),
            whole || cut == first,
            "cut at {cut}"
        );
    }
    fs::write(&path, &text[..text.len() - 20]).unwrap();
    let version = bench.record("local", How::Hand).unwrap();
    assert_eq!(version.number, 2);
    let found = bench.history.versions(None).unwrap();
    assert_eq!((found.versions.len(), found.damaged), (2, vec![2]));
}

#[test]
fn pruning_keeps_the_last_the_young_and_what_they_need() {
    let mut bench = Bench::new();
    let mut names: BTreeSet<String> = (0..500).map(|n| format!("n{n}.example")).collect();
    for round in 0..40 {
        names.insert(format!("late{round}.example"));
        names.remove(&format!("n{round}.example"));
        bench.import(
            "ut1",
            &Files::from([("games/domains".to_owned(), names.clone())]),
        );
        bench.record("ut1", How::Update).unwrap();
    }
    let (_, before) = bench.history.size().unwrap();
    let turn = bench.history.turn().unwrap();
    let keep = |versions, seconds| Keep {
        versions,
        seconds,
        at_most: 1000,
    };
    assert_eq!(turn.prune(&keep(40, 0), bench.clock).unwrap(), 0);
    assert_eq!(turn.prune(&keep(5, 100_000), bench.clock).unwrap(), 0);
    assert_eq!(turn.prune(&keep(5, 0), bench.clock).unwrap(), 35);
    drop(turn);
    let (_, after) = bench.history.size().unwrap();
    assert!(after < before, "{after} of {before}");
    // What is left can still be read although it is kept as changes to what went.
    assert_eq!(bench.diff("ut1", 36, 40).len(), 8);
    let version = bench.rollback("ut1", 36);
    assert_eq!(version.number, 41);
    let turn = bench.history.turn().unwrap();
    assert_eq!(turn.prune(&keep(0, 0), 1 << 40).unwrap(), 5);
    drop(turn);
    assert_eq!(bench.history.versions(None).unwrap().versions, [version]);
}

#[test]
fn a_large_list_that_changes_little_is_kept_as_its_changes() {
    let mut bench = Bench::new();
    let mut names: BTreeSet<String> = (0..20_000)
        .map(|n| format!("n{}.example", n * 7919 % 65_536))
        .collect();
    bench.import(
        "ut1",
        &Files::from([("games/domains".to_owned(), names.clone())]),
    );
    bench.record("ut1", How::Import);
    let (whole, _) = bench.history.size().unwrap();
    for round in 0..10 {
        names.insert(format!("late{round}.example"));
        bench.import(
            "ut1",
            &Files::from([("games/domains".to_owned(), names.clone())]),
        );
        bench.record("ut1", How::Update);
    }
    let (all, _) = bench.history.size().unwrap();
    assert!(all < whole + whole / 4, "{all} after {whole}");
}

#[test]
fn a_damaged_content_is_refused_and_what_is_in_force_stays() {
    let mut bench = Bench::new();
    bench.import("ut1", &files(&[("games/domains", &["a.example"])]));
    bench.record("ut1", How::Import);
    bench.import("ut1", &files(&[("games/domains", &["b.example"])]));
    bench.record("ut1", How::Update);
    let version = bench.history.version("ut1", 1).unwrap();
    let tree = bench.history.tree(&version).unwrap();
    let sha256 = tree.sha256("games/domains").unwrap();
    let other = bench.history.store.put(b"c.example\n").unwrap();
    let path = |sha256: &str| {
        bench
            .history
            .root
            .join(CONTENTS)
            .join(&sha256[..2])
            .join(format!("{sha256}.zst"))
    };
    fs::copy(path(&other), path(sha256)).unwrap();
    let refused = bench
        .history
        .rollback(&bench.place("ut1"), 1, &act(5, How::Rollback));
    assert!(matches!(refused, Err(HistoryError::Io { .. })));
    assert_eq!(
        there(&bench.place("ut1").directory),
        files(&[("games/domains", &["b.example"])])
    );
}

/// Removes a content of the history, as a failing disk or half a restore does.
fn lose(bench: &Bench, sha256: &str) {
    let shelf = bench.history.root.join(CONTENTS).join(&sha256[..2]);
    for file in fs::read_dir(shelf).unwrap() {
        let path = file.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with(sha256)
        {
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_damaged_version_keeps_nobody_from_changing_lists_and_is_followed_by_a_whole_one() {
    for is_import in [true, false] {
        for what in ["the version's files", "a list"] {
            let mut bench = Bench::new();
            let place = bench.place("x");
            let list = |names: &[&str]| files(&[("games/domains", names)]);
            let states = [
                list(&["a.example"]),
                list(&["a.example", "b.example"]),
                list(&["c.example"]),
            ];
            let make = |bench: &Bench, state: &Files| {
                if is_import {
                    return bench.import("x", state);
                }
                let text = state["games/domains"]
                    .iter()
                    .fold(String::new(), |text, name| text + name + "\n");
                write(&place.directory.join("games/domains"), &text);
            };
            make(&bench, &states[0]);
            bench.record("x", How::Command).unwrap();
            make(&bench, &states[1]);
            let damaged = bench.record("x", How::Command).unwrap();
            let tree = bench.history.tree(&damaged).unwrap();
            lose(
                &bench,
                match what {
                    "a list" => tree.sha256("games/domains").unwrap(),
                    _ => &damaged.files,
                },
            );
            make(&bench, &states[2]);
            let after = bench.record("x", How::Command).unwrap();
            assert_eq!(after.number, 3, "{what}");
            // What came is told as far as it can be; what is there is kept whole and comes back.
            assert_eq!(after.change().added, 1);
            assert_eq!(bench.diff("x", 1, 3).len(), 2);
            let keep = Keep {
                versions: 1,
                seconds: 0,
                at_most: 2,
            };
            let refused = bench.history.rollback(&place, 2, &act(6, How::Rollback));
            assert!(
                matches!(refused, Err(HistoryError::Io { .. })),
                "{what}: {refused:?}"
            );
            bench.rollback("x", 1);
            assert_eq!(there(&place.directory), states[0]);
            bench.rollback("x", 3);
            assert_eq!(there(&place.directory), states[2]);
            let pruned = bench.history.turn().unwrap().prune(&keep, bench.clock);
            assert_eq!(pruned.unwrap(), 4);
            assert_eq!(bench.record("x", How::Hand), None);
        }
    }
}

#[test]
fn what_a_killed_rollback_left_is_swept_away_by_the_next() {
    let mut bench = Bench::new();
    let first = files(&[("games/domains", &["a.example"])]);
    bench.import("ut1", &first);
    bench.record("ut1", How::Import);
    bench.import("ut1", &files(&[("games/domains", &["b.example"])]));
    bench.record("ut1", How::Update);
    // Killed before the lists took their place: written beside, half.
    write(
        &bench.state.path().join(".importing-ut1/chat/domains"),
        "half",
    );
    write(
        &bench.history.root.join(CONTENTS).join(".new.whole"),
        "half",
    );
    bench.rollback("ut1", 1);
    assert_eq!(there(&bench.place("ut1").directory), first);
    // Killed between the two renames of a file system that cannot exchange: aside, and nothing in force.
    let ut1 = bench.place("ut1").directory;
    fs::rename(&ut1, ut1.with_file_name(".old-ut1")).unwrap();
    bench.rollback("ut1", 2);
    assert_eq!(there(&ut1), files(&[("games/domains", &["b.example"])]));
    assert!(!ut1.with_file_name(".old-ut1").exists());
}

#[test]
fn an_index_that_was_tampered_with_leads_nowhere() {
    let bench = Bench::new();
    let evil = br#"{"files":{"../../etc/x":{"sha256":"00","bytes":1}}}"#;
    let digest = bench.history.store.put(evil).unwrap();
    let version: Version = serde_json::from_str(&format!(
        r#"{{"source":"ut1","number":1,"when":0,"who":"","why":"","how":"import","files":"{digest}"}}"#
    ))
    .unwrap();
    assert!(bench.history.tree(&version).is_err());
}

fn some_files() -> impl Strategy<Value = Files> {
    let path = prop::sample::select(vec![
        "games/domains",
        "games/urls",
        "chat/domains",
        "chat/exceptions",
    ]);
    let entries = prop::collection::btree_set(
        prop::sample::select(
            (0..60)
                .map(|n| format!("n{n}.example/"))
                .collect::<Vec<_>>(),
        ),
        0..40,
    );
    prop::collection::btree_map(path.prop_map(str::to_owned), entries, 0..4).prop_map(|files| {
        let normal = |(path, entries): (String, BTreeSet<String>)| {
            let cut = |e: String| {
                if path.ends_with("urls") {
                    e
                } else {
                    e.trim_end_matches('/').to_owned()
                }
            };
            (path.clone(), entries.into_iter().map(cut).collect())
        };
        files
            .into_iter()
            .map(normal)
            .filter(|(_, e): &(_, BTreeSet<String>)| !e.is_empty())
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_two_versions_differ_and_any_one_comes_back_as_in_a_model_that_keeps_all(
        states in prop::collection::vec(some_files(), 1..8),
        is_import in any::<bool>(),
        pairs in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..5),
    ) {
        let mut bench = Bench::new();
        let place = bench.place("x");
        let mut model: Vec<Files> = Vec::new();
        for state in states {
            if is_import {
                bench.import("x", &state);
            } else {
                _ = fs::remove_dir_all(&place.directory);
                fs::create_dir_all(&place.directory).unwrap();
                for (path, entries) in &state {
                    // People do not sort.
                    let text: String = entries.iter().rev().map(|entry| format!("{entry} # x\n")).collect();
                    write(&place.directory.join(path), &text);
                }
            }
            if bench.record("x", How::Update).is_some() {
                model.push(state);
            }
        }
        if model.is_empty() {
            return Ok(());
        }
        for (a, b) in pairs {
            let (a, b) = (a.index(model.len()), b.index(model.len()));
            prop_assert_eq!(bench.diff("x", a as u64 + 1, b as u64 + 1), model_diff(&model[a], &model[b]));
            if model[a].is_empty() {
                continue;
            }
            let version = bench.rollback("x", a as u64 + 1);
            prop_assert_eq!(version.number as usize, model.len() + 1);
            let back: Files = there(&place.directory).into_iter()
                .map(|(path, set)| (path, set.into_iter().map(|e| e.trim_end_matches(" # x").to_owned()).collect()))
                .collect();
            prop_assert_eq!(&back, &model[a]);
            let now = model[a].clone();
            model.push(now);
        }
    }
}
