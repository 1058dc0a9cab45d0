//! Edits: what people give, what stands in the file afterwards.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::build;
use tempfile::TempDir;

fn lists(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn text(directory: &TempDir, file: &str) -> String {
    fs::read_to_string(directory.path().join(file)).unwrap()
}

#[test]
fn entries_go_where_they_belong_however_they_are_spelled() {
    let directory = lists(&[]);
    let given = [
        " Example.COM ",
        "https://www.bücher.example/",
        "http://site.example/games/#top",
        "site.example:8080/",
        "192.0.2.0/24",
        "2001:db8::1",
        ".zip",
    ];
    let report = add(directory.path(), "games", &given).unwrap();
    assert_eq!(report.refused, []);
    assert_eq!(report.changed.len(), given.len());
    assert_eq!(
        text(&directory, "games/domains"),
        ".zip\n192.0.2.0/24\n2001:db8::1\nexample.com\nwww.xn--bcher-kva.example\n"
    );
    assert_eq!(
        text(&directory, "games/urls"),
        "site.example/games\nsite.example:8080/\n"
    );
    let again = add(directory.path(), "games", &given).unwrap();
    assert_eq!(again.unchanged, report.changed);
    assert_eq!(again.changed, [""; 0]);
}

#[test]
fn bad_entries_are_refused_with_their_reason_and_the_rest_is_added() {
    let directory = lists(&[]);
    let given = [
        "com",
        "*.example.com",
        "exa mple.com",
        "a..b",
        "10.1.0.0/8",
        "good.example",
    ];
    let report = add(directory.path(), "games", &given).unwrap();
    assert_eq!(report.changed, ["good.example"]);
    let refused: Vec<&str> = report
        .refused
        .iter()
        .map(|(text, _)| text.as_str())
        .collect();
    assert_eq!(refused, &given[..5]);
    assert_eq!(text(&directory, "games/domains"), "good.example\n");
}

#[test]
fn what_people_wrote_stays_as_it_was() {
    let before = "\u{feff}# Games\r\nB.example # why\r\n\r\na.example\n\nbad..line";
    let directory = lists(&[("games/domains", before)]);
    let report = add(directory.path(), "games", &["c.example", "b.example"]).unwrap();
    assert_eq!(report.unchanged, ["b.example"]);
    assert_eq!(
        text(&directory, "games/domains"),
        format!("{before}\nc.example\n")
    );
    let report = remove(
        directory.path(),
        "games",
        &["https://B.example/", "x.example"],
        &[],
    )
    .unwrap();
    assert_eq!((report.changed.len(), report.unchanged.len()), (1, 1));
    assert_eq!(
        text(&directory, "games/domains"),
        "\u{feff}# Games\r\n\r\na.example\n\nbad..line\nc.example\n"
    );
}

#[test]
fn a_file_that_nothing_changes_in_is_not_written() {
    let directory = lists(&[("games/domains", "a.example")]);
    add(directory.path(), "games", &["a.example"]).unwrap();
    remove(directory.path(), "games", &["b.example"], &[]).unwrap();
    assert_eq!(text(&directory, "games/domains"), "a.example");
    assert!(!directory.path().join("games/urls").exists());
}

#[test]
fn an_edit_that_cannot_be_made_says_why_and_changes_nothing() {
    let directory = lists(&[("games/domains", "a.example\n"), ("chat/domains", "a\0b")]);
    let root = directory.path();
    let add = |category| add(root, category, &["b.example"]);
    assert!(matches!(add("../games"), Err(EditError::Name(_))));
    assert!(matches!(add("unlisted"), Err(EditError::Name(_))));
    assert!(matches!(add("chat"), Err(EditError::Read { .. })));
    let unknown = remove(root, "adult", &["b.example"], &[]);
    assert!(matches!(unknown, Err(EditError::Unknown { .. })));
    fs::write(root.join(manifest::FILE_NAME), "{}").unwrap();
    assert!(matches!(add("games"), Err(EditError::Imported(_))));
    assert_eq!(text(&directory, "games/domains"), "a.example\n");
}

#[test]
fn lists_are_shown_and_searched_with_file_and_line() {
    let directory = lists(&[
        ("games/domains", "# c\nChess.example\n"),
        ("games/urls", "\u{feff}x.example/chess\n"),
        ("chat/domains", "talk.example\n"),
    ]);
    let source = Source::directory("local", directory.path());
    let mut shown = Vec::new();
    let known = show(&source, "games", |listed| {
        shown.push((listed.entry.clone(), listed.line));
        Ok::<(), EditError>(())
    });
    assert!(known.unwrap());
    let expected = [("Chess.example", 2), ("x.example/chess", 1)];
    assert_eq!(
        shown,
        expected.map(|(entry, line)| (entry.to_owned(), line))
    );
    let found = search(std::slice::from_ref(&source), "CHESS").unwrap();
    assert_eq!(found.len(), 2);
    assert!(found[0].file.ends_with("games/domains"));
    assert!(!show(&source, "adult", |_| Ok::<(), EditError>(())).unwrap());
}

#[test]
fn an_edit_is_in_the_next_build() {
    let directory = lists(&[]);
    add(directory.path(), "games", &["chess.example"]).unwrap();
    let sources = [Source::directory("local", directory.path())];
    let index = build(&sources, &mut |_| {}).unwrap().index;
    assert_eq!(index.counts().domains, 1);
    remove(directory.path(), "games", &["chess.example"], &[]).unwrap();
    let index = build(&sources, &mut |_| {}).unwrap().index;
    assert_eq!(index.counts().domains, 0);
    assert!(index.names().id("games").is_some());
}

#[test]
fn a_sorted_list_stays_sorted_and_comments_stay_with_their_entries() {
    let before = "# Games\n.aaa\nb.example\n# About d\nd.example\n";
    let directory = lists(&[("games/domains", before)]);
    add(
        directory.path(),
        "games",
        &["c.example", "e.example", "a.example"],
    )
    .unwrap();
    assert_eq!(
        text(&directory, "games/domains"),
        "# Games\n.aaa\na.example\nb.example\nc.example\n# About d\nd.example\ne.example\n"
    );
    let directory = lists(&[
        ("games/domains", "# Games\nb.example\n"),
        ("chat/domains", "# C\n"),
    ]);
    add(directory.path(), "games", &["a.example"]).unwrap();
    assert_eq!(
        text(&directory, "games/domains"),
        "# Games\na.example\nb.example\n"
    );
    add(directory.path(), "chat", &["a.example"]).unwrap();
    assert_eq!(text(&directory, "chat/domains"), "# C\na.example\n");
}

#[test]
fn an_edit_waits_for_whoever_has_the_directory() {
    let directory = lists(&[("games/domains", "a.example\n")]);
    let root = directory.path().to_owned();
    let reading = crate::lock::Reading::wait(&root).unwrap();
    let edit = std::thread::spawn({
        let root = root.clone();
        move || add(&root, "games", &["b.example"]).unwrap()
    });
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(text(&directory, "games/domains"), "a.example\n");
    drop(reading);
    assert_eq!(edit.join().unwrap().changed, ["b.example"]);
}

#[test]
fn removing_what_lists_of_others_have_writes_an_exception_and_adding_it_takes_it_away() {
    let directory = lists(&[("games/domains", "local.example\nboth.example\n")]);
    let theirs = lists(&[
        (
            "games/domains",
            "both.example\ntheirs.example\n.zip\n10.0.0.0/8\n",
        ),
        ("games/urls", "x.example/games\nwhole.example/\n"),
        ("chat/domains", "chat.example\n"),
    ]);
    let others = [Source::directory("theirs", theirs.path())];
    let remove = |entries: &[&str]| remove(directory.path(), "games", entries, &others).unwrap();
    let report = remove(&[
        "local.example",
        "both.example",
        "www.Theirs.example",
        "a.zip",
        "10.1.2.3",
        "x.example/games/chess",
        "x.example/other",
        "sub.whole.example",
        "chat.example",
    ]);
    assert_eq!(report.changed, ["local.example", "both.example"]);
    assert_eq!(report.unchanged, ["x.example/other", "chat.example"]);
    let by: Vec<(&str, &str)> = report
        .excepted
        .iter()
        .map(|(entry, listed)| (entry.as_str(), listed[0].entry.as_str()))
        .collect();
    assert_eq!(
        by,
        [
            ("both.example", "both.example"),
            ("www.theirs.example", "theirs.example"),
            ("a.zip", "zip"),
            ("10.1.2.3", "10.0.0.0/8"),
            ("x.example/games/chess", "x.example/games"),
            ("sub.whole.example", "whole.example/"),
        ]
    );
    assert_eq!(
        text(&directory, "games/exceptions"),
        "10.1.2.3\na.zip\nboth.example\nsub.whole.example\nwww.theirs.example\nx.example/games/chess\n"
    );
    // An empty file would be taken for an accident.
    assert!(!directory.path().join("games/domains").exists());
    // A second time there is nothing left to do.
    assert_eq!(remove(&["both.example"]).unchanged, ["both.example"]);
    let report = add(directory.path(), "games", &["Both.example", "a.zip"]).unwrap();
    assert_eq!(report.no_longer_excepted, ["both.example", "a.zip"]);
    assert_eq!(report.changed, ["both.example", "a.zip"]);
    assert!(!text(&directory, "games/exceptions").contains("both.example"));
    let local = [Source::directory("local", directory.path())];
    let found = |text| exceptions(&local, text).unwrap();
    assert_eq!(
        found("https://a.www.theirs.example/x")[0].entry,
        "www.theirs.example"
    );
    assert_eq!(found("theirs.example"), []);
    assert_eq!(found("not a name"), []);
}

#[test]
fn a_category_that_only_others_have_gets_a_directory_for_its_exception() {
    let directory = lists(&[]);
    let theirs = lists(&[("games/domains", "theirs.example\n")]);
    let others = [Source::directory("theirs", theirs.path())];
    let report = remove(directory.path(), "games", &["theirs.example"], &others).unwrap();
    assert_eq!(report.excepted.len(), 1);
    assert_eq!(text(&directory, "games/exceptions"), "theirs.example\n");
    let unknown = remove(directory.path(), "adult", &["theirs.example"], &others);
    assert!(matches!(unknown, Err(EditError::Unknown { .. })));
}

#[test]
fn keywords_are_edited_apart_from_names_and_keep_how_they_are_written() {
    let before = "# Words\nCafé Noir # why\nzebra\n";
    let directory = lists(&[
        ("games/keywords", before),
        ("games/domains", "zebra.example\n"),
    ]);
    let given = ["Café  Noir", "knife.example", "kn", "lucky roulette*"];
    let report = add_keywords(directory.path(), "games", &given).unwrap();
    assert_eq!(report.unchanged, ["Café Noir"]);
    assert_eq!(report.changed, ["knife.example", "lucky roulette*"]);
    assert_eq!(report.refused[0].0, "kn");
    assert_eq!(
        text(&directory, "games/keywords"),
        "# Words\nCafé Noir # why\nknife.example\nlucky roulette*\nzebra\n"
    );
    assert_eq!(text(&directory, "games/domains"), "zebra.example\n");
    // Without saying so a word is a name, and a name is not looked for among keywords.
    let report = remove(directory.path(), "games", &["knife.example"], &[]).unwrap();
    assert_eq!(report.unchanged, ["knife.example"]);
    let report = remove_keywords(directory.path(), "games", &["knife.example"], &[]).unwrap();
    assert_eq!(report.changed, ["knife.example"]);
}

#[test]
fn a_keyword_of_an_imported_list_has_no_exception() {
    let (directory, other) = (lists(&[]), lists(&[("games/keywords", "roulette\n")]));
    let others = [Source::directory("other", other.path())];
    let report = remove_keywords(directory.path(), "games", &["roulette"], &others).unwrap();
    assert_eq!(
        (report.unchanged, report.excepted),
        (vec!["roulette".to_owned()], vec![])
    );
    assert!(!directory.path().join("games").exists());
}

#[test]
fn a_keyword_is_not_added_where_it_would_open_but_can_be_removed_there() {
    let directory = lists(&[("education/keywords", "maths\n")]);
    let report = add_keywords(directory.path(), "education", &["physics"]).unwrap();
    assert_eq!(report.changed, [""; 0]);
    assert_eq!(report.refused.len(), 1);
    assert_eq!(text(&directory, "education/keywords"), "maths\n");
    let report = remove_keywords(directory.path(), "education", &["maths"], &[]).unwrap();
    assert_eq!(report.changed, ["maths"]);
}
