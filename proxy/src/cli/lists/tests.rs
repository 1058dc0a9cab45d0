#![allow(clippy::unwrap_used)]

use std::fs;

use clap::Parser;

use super::*;
use crate::cli::tests::{loaded, said, said_with};

/// Reads a command line as `weir lists` gets it.
pub(super) fn lists(line: &[&str]) -> Lists {
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
    let (answer, text) = said_with(|out| lists(&remove).run(&loaded, out));
    assert_eq!(answer, Answer::Yes, "an exception took it out");
    assert!(
        text.contains("casino.example is listed by theirs as casino.example"),
        "{text}"
    );
    assert!(
        text.contains("Excepted: casino.example is not gambling any more"),
        "{text}"
    );
    let text = said(|out| lists(&["show", "gambling"]).run(&loaded, out));
    assert_eq!(text, "bet.example\nexcept casino.example\ncasino.example\n");
    let json = said(|out| lists(&["stats", "--json"]).run(&loaded, out));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["categories"]["gambling"]["theirs"]["names"], 1);
    assert_eq!(json["domains"], 3);
}

/// A directory of lists to import, with so many names in one category.
fn theirs(directory: &std::path::Path, category: &str, names: usize) -> String {
    let theirs = directory.join(format!("theirs{names}"));
    fs::create_dir_all(theirs.join(category)).unwrap();
    let text: String = (0..names).map(|at| format!("s{at}.example\n")).collect();
    fs::write(theirs.join(category).join("domains"), text).unwrap();
    theirs.to_str().unwrap().to_owned()
}

#[test]
fn an_import_cannot_take_the_name_of_lists_that_are_there_already() {
    let (directory, loaded) = loaded();
    let path = theirs(directory.path(), "gambling", 3);
    for name in ["lists", "starter", "local"] {
        let refused = lists(&["import", &path, "--name", name]).run(&loaded, &mut Vec::new());
        assert!(matches!(refused, Err(Failure::Arguments(_))), "{name}");
    }
    assert!(build(&loaded.settings).is_ok());
}

#[test]
fn threats_7_half_an_import_is_refused_unless_it_is_meant() {
    let (directory, loaded) = loaded();
    let import = |names: usize, more: &[&str]| {
        let path = theirs(directory.path(), "gambling", names);
        let line = [&["import", &path, "--name", "theirs"], more].concat();
        lists(&line).run(&loaded, &mut Vec::new())
    };
    import(100, &[]).unwrap();
    import(60, &[]).unwrap();
    let refused = import(20, &[]).unwrap_err().to_string();
    assert!(
        refused.contains("20 entries") && refused.contains("--force"),
        "{refused}"
    );
    let there = || build(&loaded.settings).unwrap().index.counts().domains;
    assert_eq!(there(), 62);
    import(20, &["--force"]).unwrap();
    assert_eq!(there(), 22);
}

#[test]
fn an_import_can_be_forgotten_and_leaves_a_line() {
    let (directory, loaded) = loaded();
    let path = theirs(directory.path(), "gamblng", 3);
    let text = said(|out| lists(&["import", &path, "--name", "theirs"]).run(&loaded, out));
    assert!(
        text.contains("No rule of the policy names these categories") && text.contains("gamblng"),
        "{text}"
    );
    said(|out| lists(&["forget", "theirs", "--reason", "a slip"]).run(&loaded, out));
    assert_eq!(build(&loaded.settings).unwrap().index.counts().domains, 2);
    let again = lists(&["forget", "theirs"]).run(&loaded, &mut Vec::new());
    assert!(matches!(again, Err(Failure::Refused(_))));
    let audit = fs::read_to_string(loaded.settings.state.join("audit.jsonl")).unwrap();
    assert!(
        audit.contains("lists forget") && audit.contains("a slip"),
        "{audit}"
    );
}

#[test]
fn several_additions_at_once_all_arrive() {
    let (directory, loaded) = loaded();
    std::thread::scope(|scope| {
        for at in 0..12 {
            let loaded = &loaded;
            scope.spawn(move || {
                let name = format!("new{at}.example");
                lists(&["add", "gambling", &name])
                    .run(loaded, &mut Vec::new())
                    .unwrap();
            });
        }
    });
    let text = fs::read_to_string(directory.path().join("lists/gambling/domains")).unwrap();
    assert_eq!(text.matches("new").count(), 12, "{text}");
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
        require_reason: false,
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
        text.starts_with("CATEGORY  LIST   NAMES  URLS  EXPRESSIONS  KEYWORDS  NOT USED\n"),
        "{text}"
    );
    assert!(text.contains("2 distinct names"), "{text}");
}

/// Imports a hosts file as `ads` and gives what was said.
fn with_hosts(directory: &std::path::Path, loaded: &Loaded, more: &[&str]) -> String {
    let path = directory.join("ads.txt");
    let text = "# ads\n127.0.0.1 localhost\n0.0.0.0 ads.example a.ads.example\n0.0.0.0 ads.example\n\
        0.0.0.0 bad..name\n216.239.38.120 www.google.com\n";
    fs::write(&path, text).unwrap();
    let import = [
        "import",
        path.to_str().unwrap(),
        "--name",
        "hosts",
        "--category",
        "ads",
    ];
    said(|out| lists(&[&import, more].concat()).run(loaded, out))
}

#[test]
fn a_file_alone_is_imported_in_the_format_that_its_lines_show() {
    let (directory, loaded) = loaded();
    let text = with_hosts(directory.path(), &loaded, &[]);
    for part in [
        "Format: hosts, as 5 of the first 5 lines show.",
        "Imported hosts: 2 entries in 1 category",
        "6 lines = 1 with entries + 1 duplicate + 1 blank + 2 skipped + 1 not used.",
        "skipped: 1 line that name the machine itself (local)",
        "not used: ads.txt:5: \"0.0.0.0 bad..name\": ",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let text = with_hosts(directory.path(), &loaded, &["--format", "hosts", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&json["format"], &json["detected"]),
        (&"hosts".into(), &false.into())
    );
    assert_eq!(json["files"][0]["tally"]["lines"], 6);
}

#[test]
fn a_file_alone_without_its_category_is_refused_with_what_to_do() {
    let (directory, loaded) = loaded();
    let path = directory.path().join("ads.txt");
    fs::write(&path, "0.0.0.0 ads.example\n").unwrap();
    let import = ["import", path.to_str().unwrap(), "--name", "hosts"];
    let refused = lists(&import).run(&loaded, &mut Vec::new()).unwrap_err();
    assert!(refused.to_string().contains("--category"), "{refused}");
}

#[test]
fn statistics_say_what_became_of_the_lines_of_each_source_and_they_add_up() {
    let (directory, loaded) = loaded();
    with_hosts(directory.path(), &loaded, &[]);
    let text = said(|out| lists(&["stats"]).run(&loaded, out));
    let line = text
        .lines()
        .find(|line| line.starts_with("hosts "))
        .unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[1..3], ["hosts", "ads.txt"]);
    assert_eq!(
        words[words.len() - 7..],
        ["6", "1", "1", "1", "1", "2", "1"]
    );
    let json = said(|out| lists(&["stats", "--json"]).run(&loaded, out));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["sources"].as_object().unwrap().len() > 1);
    for (name, source) in json["sources"].as_object().unwrap() {
        let number = |key: &str| source[key].as_u64().unwrap();
        let sum = ["entries", "duplicates", "blank", "skipped", "faulty"].map(number);
        assert_eq!(number("lines"), sum.iter().sum::<u64>(), "{name}: {source}");
    }
    assert_eq!(json["sources"]["hosts"]["redundant"], 1);
}

#[test]
fn statistics_of_one_source_tell_its_files_and_reasons() {
    let (directory, loaded) = loaded();
    with_hosts(directory.path(), &loaded, &[]);
    let text = said(|out| lists(&["stats", "hosts"]).run(&loaded, out));
    for part in [
        "hosts: ads.txt, format hosts, imported 20",
        "2 entries: 1 below another name of its file, 0 exceptions, 0 void by exception.",
        "(rewrite)",
        "FILE     CATEGORY  LINES",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let json = said(|out| lists(&["stats", "hosts", "--json"]).run(&loaded, out));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["hosts"]["files"][0]["tally"]["skipped"]["rewrite"], 1);
    let refused = lists(&["stats", "none"]).run(&loaded, &mut Vec::new());
    assert!(matches!(refused, Err(Failure::Refused(_))));
}

/// A pipe to somebody who has had enough after some lines.
struct Head(usize);

impl Write for Head {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.0.checked_sub(1) {
            Some(left) => self.0 = left,
            None => return Err(std::io::ErrorKind::BrokenPipe.into()),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_category_is_printed_as_it_is_read_and_no_further_than_somebody_reads() {
    let (directory, loaded) = loaded();
    let file = directory.path().join("lists/gambling/domains");
    // What cannot be read stands after what is wanted: it is never met.
    let text: String = (0..5000).map(|at| format!("n{at}.example\n")).collect();
    fs::write(&file, text).unwrap();
    fs::create_dir(file.with_file_name("urls")).unwrap();
    let show = || lists(&["show", "gambling"]);
    assert!(matches!(
        show().run(&loaded, &mut Head(usize::MAX)),
        Err(Failure::Refused(_))
    ));
    fs::remove_dir(file.with_file_name("urls")).unwrap();
    fs::write(file.with_file_name("urls"), b"\xff\xfea\0").unwrap();
    let ended = show().run(&loaded, &mut Head(20));
    assert!(
        matches!(&ended, Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe),
        "{ended:?}"
    );
    let whole = show().run(&loaded, &mut Head(usize::MAX));
    assert!(matches!(whole, Err(Failure::Refused(_))), "UTF-16 is told");
}
