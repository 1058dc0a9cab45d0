#![allow(clippy::unwrap_used)]

use std::fs;

use clap::Parser;

use super::*;
use crate::cli::tests::{loaded, said, said_with};

/// Reads a command line as `weir lists` gets it.
fn lists(line: &[&str]) -> Lists {
    #[derive(Parser)]
    struct Alone {
        #[command(subcommand)]
        lists: Lists,
    }
    Alone::try_parse_from([&["lists"], line].concat())
        .unwrap()
        .lists
}

#[test]
fn an_added_name_is_in_the_file_that_people_edit_and_found_at_once() {
    let (directory, loaded) = loaded();
    let add = [
        "add",
        "gambling",
        "New-Bet.example",
        "bet.example",
        "--reason",
        "seen in class",
    ];
    let text = said(|out| lists(&add).run(&loaded, out));
    assert!(text.contains("Added: new-bet.example"), "{text}");
    assert!(text.contains("Already there: bet.example"), "{text}");
    let file = fs::read_to_string(directory.path().join("lists/gambling/domains")).unwrap();
    assert_eq!(file, "# a comment stays\nbet.example\nnew-bet.example\n");
    let text = said(|out| lists(&["search", "www.new-bet.example"]).run(&loaded, out));
    assert!(
        text.contains("www.new-bet.example is in gambling: entry new-bet.example"),
        "{text}"
    );
}

#[test]
fn a_removed_name_is_gone_and_both_changes_are_audited_with_their_reasons() {
    let (_directory, loaded) = loaded();
    let remove = [
        "remove",
        "gambling",
        "bet.example",
        "--reason",
        "it is a charity",
    ];
    let text = said(|out| lists(&remove).run(&loaded, out));
    assert!(text.contains("Removed: bet.example"), "{text}");
    let (answer, _) = said_with(|out| lists(&["search", "bet.example"]).run(&loaded, out));
    assert_eq!(answer, Answer::No);
    let audit = fs::read_to_string(loaded.settings.state.join("audit.jsonl")).unwrap();
    assert!(audit.contains("it is a charity"), "{audit}");
}

#[test]
fn an_entry_that_is_none_is_refused_with_its_reason() {
    let (_directory, loaded) = loaded();
    let add = ["add", "gambling", "not a name", "--reason", "x"];
    let (answer, text) = said_with(|out| lists(&add).run(&loaded, out));
    assert_eq!(answer, Answer::No);
    assert!(text.contains("Refused: not a name:"), "{text}");
}

#[test]
fn an_import_is_taken_in_searched_and_told_from_what_people_edit() {
    let (directory, loaded) = loaded();
    let archive = directory.path().join("theirs/gambling");
    fs::create_dir_all(&archive).unwrap();
    fs::write(archive.join("domains"), "casino.example\nnot a name\n").unwrap();
    let path = directory.path().join("theirs");
    let import = ["import", path.to_str().unwrap(), "--name", "theirs"];
    let text = said(|out| lists(&import).run(&loaded, out));
    assert!(
        text.contains("Imported theirs: 1 entry in 1 category"),
        "{text}"
    );
    assert!(text.contains("not used:"), "{text}");
    let remove = ["remove", "gambling", "casino.example", "--reason", "x"];
    let text = said(|out| lists(&remove).run(&loaded, out));
    assert!(
        text.contains("casino.example is still listed by theirs"),
        "{text}"
    );
    let text = said(|out| lists(&["show", "gambling"]).run(&loaded, out));
    assert_eq!(text, "bet.example\ncasino.example\n");
    let json = said(|out| lists(&["stats", "--json"]).run(&loaded, out));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["categories"]["gambling"]["theirs"]["names"], 1);
    assert_eq!(json["domains"], 3);
}

#[test]
fn a_failed_import_is_a_negative_answer_and_changes_nothing() {
    let (directory, loaded) = loaded();
    let path = directory.path().join("none.tar.zst");
    let import = ["import", path.to_str().unwrap(), "--name", "theirs"];
    let refused = lists(&import).run(&loaded, &mut Vec::new());
    assert!(matches!(refused, Err(Failure::Refused(_))));
    assert!(
        Source::imported(&weir_config::lists::imported(&loaded.settings))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn an_unknown_category_cannot_be_shown() {
    let (_directory, loaded) = loaded();
    let refused = lists(&["show", "gamblin"]).run(&loaded, &mut Vec::new());
    assert!(matches!(refused, Err(Failure::Refused(_))));
}

#[test]
fn without_a_directory_of_lists_entries_go_beside_the_imports() {
    let (directory, mut loaded) = loaded();
    loaded.settings.lists = weir_config::Lists {
        directories: Vec::new(),
        embedded: true,
        sources: Vec::new(),
    };
    let add = ["add", "gambling", "new-bet.example", "--reason", "x"];
    said(|out| lists(&add).run(&loaded, out));
    assert!(
        directory
            .path()
            .join("var/lists/local/gambling/domains")
            .exists()
    );
    let text = said(|out| lists(&["search", "new-bet.example"]).run(&loaded, out));
    assert!(text.contains("of local"), "{text}");
}

#[test]
fn statistics_are_columns_for_people() {
    let (_directory, loaded) = loaded();
    let text = said(|out| lists(&["stats"]).run(&loaded, out));
    assert!(
        text.starts_with("CATEGORY  LIST   NAMES  URLS  EXPRESSIONS  NOT USED\n"),
        "{text}"
    );
    assert!(text.contains("2 distinct names"), "{text}");
}
