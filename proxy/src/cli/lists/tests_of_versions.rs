//! What people see of versions and of entries held back.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::tests::lists;
use super::*;
use crate::cli::tests::{loaded, said, said_with};

fn run(loaded: &Loaded, line: &[&str]) -> String {
    said(|out| lists(line).run(loaded, out))
}

fn lines(text: &str) -> Vec<Value> {
    let read = |line: &str| serde_json::from_str(line).unwrap();
    text.lines().map(read).collect()
}

fn import(directory: &Path, loaded: &Loaded, files: &[(&str, &str)], more: &[&str]) -> String {
    let root = directory.join("theirs");
    _ = fs::remove_dir_all(&root);
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let line = ["import", root.to_str().unwrap(), "--name", "theirs"];
    run(loaded, &[&line, more].concat())
}

fn numbered(count: usize) -> String {
    (0..count).map(|n| format!("n{n}.example\n")).collect()
}

#[test]
fn each_change_is_in_the_history_with_who_how_and_why() {
    let (_directory, loaded) = loaded();
    let line = [
        "add",
        "gambling",
        "new-bet.example",
        "--reason",
        "seen in class",
        "--by",
        "j.smith",
    ];
    run(&loaded, &line);
    let text = run(&loaded, &["history", "lists"]);
    assert!(text.starts_with("LIST   VERSION  WHEN "), "{text}");
    assert!(text.contains("j.smith"), "{text}");
    let versions = lines(&run(&loaded, &["history", "lists", "--json"]));
    // What was there before is a version of its own.
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[0]["how"], "found");
    assert_eq!(versions[1]["how"], "command");
    assert_eq!(versions[1]["why"], "seen in class");
    assert_eq!(versions[1]["added"], 1);
    let text = run(&loaded, &["diff", "lists", "1"]);
    assert!(
        text.starts_with("+ gambling/domains new-bet.example\n"),
        "{text}"
    );
    let (answer, text) = said_with(|out| lists(&["history", "nobody"]).run(&loaded, out));
    assert_eq!(
        (answer, text.as_str()),
        (Answer::No, "No version of any such list is known yet.\n")
    );
}

#[test]
fn an_edit_by_hand_is_a_version_once_it_is_in_force() {
    let (directory, loaded) = loaded();
    crate::versions::note(&loaded.settings, true);
    let file = directory.path().join("lists/gambling/domains");
    fs::write(&file, "bet.example\nby-hand.example\n").unwrap();
    crate::versions::note(&loaded.settings, false);
    crate::versions::note(&loaded.settings, false);
    let versions = lines(&run(&loaded, &["history", "--json"]));
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[1]["how"], "hand");
    assert!(!versions[1]["who"].as_str().unwrap().is_empty());
    // A command's version has the command's changes only, also when nobody watched.
    fs::write(&file, "bet.example\n").unwrap();
    run(
        &loaded,
        &["add", "gambling", "new.example", "--reason", "x"],
    );
    let versions = lines(&run(&loaded, &["history", "--json"]));
    assert_eq!(versions[2]["how"], "hand");
    assert_eq!(
        (&versions[3]["added"], &versions[3]["removed"]),
        (&1.into(), &0.into())
    );
}

#[test]
fn a_rollback_brings_a_version_back_and_is_one_itself() {
    let (directory, loaded) = loaded();
    let file = directory.path().join("lists/gambling/domains");
    let before = fs::read_to_string(&file).unwrap();
    run(
        &loaded,
        &["add", "gambling", "wrong.example", "--reason", "x"],
    );
    let text = run(
        &loaded,
        &["rollback", "lists", "1", "--reason", "it was a charity"],
    );
    assert!(
        text.contains("lists is again what it was in version 1"),
        "{text}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    let versions = lines(&run(&loaded, &["history", "lists", "--json"]));
    assert_eq!(
        (&versions[2]["how"], &versions[2]["back_to"]),
        (&"rollback".into(), &1.into())
    );
    let refused = lists(&["rollback", "lists", "9", "--reason", "x"]).run(&loaded, &mut Vec::new());
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("lists has no version 9")
    );
    let audit = fs::read_to_string(loaded.settings.state.join("audit.jsonl")).unwrap();
    assert!(audit.contains("lists rollback"), "{audit}");
}

#[test]
fn search_tells_since_when_and_what_decides() {
    let (directory, loaded) = loaded();
    import(
        directory.path(),
        &loaded,
        &[("gambling/domains", "casino.example\n")],
        &[],
    );
    let later = "casino.example\nlate.example\n";
    import(
        directory.path(),
        &loaded,
        &[("gambling/domains", later)],
        &["--reason", "September"],
    );
    let text = run(&loaded, &["search", "www.late.example"]);
    assert!(
        text.contains(
            "www.late.example is in gambling: entry late.example of theirs, since version 2 ("
        ),
        "{text}"
    );
    assert!(text.contains(": September)"), "{text}");
    assert!(text.contains("What decides: gambling."), "{text}");
    run(
        &loaded,
        &[
            "remove",
            "gambling",
            "www.late.example",
            "--reason",
            "a charity",
        ],
    );
    let text = run(&loaded, &["search", "www.late.example"]);
    assert!(
        text.contains(
            "www.late.example is excepted from gambling: exception www.late.example of lists"
        ),
        "{text}"
    );
    let json = run(&loaded, &["search", "www.late.example", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["exceptions"][0]["category"], "gambling");
    let text = run(
        &loaded,
        &[
            "add",
            "gambling",
            "www.late.example",
            "--reason",
            "it is none",
        ],
    );
    assert!(
        text.contains("No longer excepted: www.late.example"),
        "{text}"
    );
}

#[test]
fn what_an_import_holds_back_waits_until_a_person_decides() {
    let (directory, loaded) = loaded();
    let files = [("gambling/domains", "casino.example\nroyalmail.com\nco.uk\n")];
    let text = import(directory.path(), &loaded, &files, &[]);
    assert!(
        text.contains("held back in gambling: 1 public-suffix, 1 top-site"),
        "{text}"
    );
    assert!(text.contains("2 entries wait for a person"), "{text}");
    assert!(text.contains("`weir lists held theirs`"), "{text}");
    let (answer, text) = said_with(|out| lists(&["held"]).run(&loaded, out));
    assert_eq!(answer, Answer::No);
    assert!(
        text.contains(
            "theirs  gambling  royalmail.com  would come; held: schools rely on royalmail.com"
        ),
        "{text}"
    );
    assert_eq!(
        run(&loaded, &["show", "gambling"]),
        "bet.example\ncasino.example\n"
    );

    let line = [
        "accept",
        "theirs",
        "royalmail.com",
        "--reason",
        "for the test week",
    ];
    let text = run(&loaded, &line);
    assert!(text.contains("Accepted: 1 entry of gambling"), "{text}");
    let shown = run(&loaded, &["show", "gambling"]);
    assert_eq!(shown, "bet.example\ncasino.example\nroyalmail.com\n");
    let text = run(&loaded, &["drop", "theirs", "--all", "--reason", "dirt"]);
    assert!(text.contains("Dropped: 1 entry of gambling"), "{text}");
    assert_eq!(run(&loaded, &["held"]), "Nothing is held back.\n");
    let text = import(directory.path(), &loaded, &files, &[]);
    assert!(
        text.contains("Left out as dropped before: 1 entry."),
        "{text}"
    );
    assert!(!text.contains("held back"), "{text}");
    let versions = lines(&run(&loaded, &["history", "theirs", "--json"]));
    let how: Vec<&Value> = versions.iter().map(|version| &version["how"]).collect();
    assert_eq!(how, ["import", "accept", "drop"]);
}

#[test]
fn growth_beyond_the_bound_is_held_unless_it_is_wanted() {
    let (directory, loaded) = loaded();
    let root = directory.path();
    import(root, &loaded, &[("jobsearch/domains", &numbered(400))], &[]);
    let grown = numbered(5_000);
    let text = import(root, &loaded, &[("jobsearch/domains", &grown)], &[]);
    assert!(
        text.contains("held back in jobsearch: 4,600 growth"),
        "{text}"
    );
    let (_, text) = said_with(|out| lists(&["held", "theirs"]).run(&loaded, out));
    assert!(
        text.contains("and 4,580 more (growth); --json shows all"),
        "{text}"
    );
    let text = import(
        root,
        &loaded,
        &[("jobsearch/domains", &grown)],
        &["--any-size"],
    );
    assert!(!text.contains("held back"), "{text}");
    assert_eq!(run(&loaded, &["held"]), "Nothing is held back.\n");
}

#[test]
fn what_cannot_be_decided_says_why() {
    let (directory, loaded) = loaded();
    let refused = lists(&["accept", "nobody", "--all"]).run(&loaded, &mut Vec::new());
    assert!(matches!(refused, Err(Failure::Arguments(_))));
    import(
        directory.path(),
        &loaded,
        &[("gambling/domains", "co.uk\na.example\n")],
        &[],
    );
    let line = ["drop", "theirs", "other.example", "--reason", "x"];
    let (answer, text) = said_with(|out| lists(&line).run(&loaded, out));
    assert_eq!(answer, Answer::No);
    assert!(text.contains("Not held back: other.example"), "{text}");
}
