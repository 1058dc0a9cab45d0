#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use clap::Parser;
use tempfile::TempDir;
use weir_monitoring::{EventIds, Kind, Record, Recorder, RecorderSettings, Verdict};

use super::*;
use crate::cli::tests::loaded;

/// Reads a command line as `weir records` gets it.
pub(super) fn records(line: &[&str]) -> Result<Records, clap::Error> {
    #[derive(Parser)]
    struct Alone {
        #[command(subcommand)]
        records: Records,
    }
    Alone::try_parse_from([&["records"], line].concat()).map(|alone| alone.records)
}

pub(super) fn said(line: &[&str], loaded: &Loaded) -> String {
    let mut out = Vec::new();
    let answer = records(line).unwrap().run(loaded, &mut out).unwrap();
    assert_eq!(answer, Answer::Yes);
    String::from_utf8(out).unwrap()
}

#[test]
fn records_are_verified_with_a_purpose_and_what_is_wrong_is_named_lm_31() {
    let (_directory, loaded) = recorded();
    let text = said(&["verify", "--purpose", "effective-operation"], &loaded);
    assert!(text.contains("5 rows proved"), "{text}");
    assert!(text.contains("The log holds"), "{text}");
    let again = said(&["verify", "--purpose", "effective-operation"], &loaded);
    assert!(
        again.contains("11 rows proved"),
        "the two rows of the first read, each with a start and a stop: {again}"
    );
    let refused = records(&["verify"]).unwrap().run(&loaded, &mut Vec::new());
    assert!(
        matches!(refused, Err(Failure::Arguments(_))),
        "no purpose, no check (LM-03)"
    );
    let log = loaded.settings.records_directory().join("log/weir");
    let checkpoint = said(&["checkpoint"], &loaded);
    assert_eq!(checkpoint, fs::read_to_string(log.join("latest")).unwrap());
    let key = said(&["checkpoint", "--key"], &loaded);
    let kept = loaded.settings.state.join("kept");
    fs::write(&kept, &key).unwrap();
    let with_key = [
        "verify",
        "--purpose",
        "effective-operation",
        "--key",
        kept.to_str().unwrap(),
    ];
    assert!(said(&with_key, &loaded).contains("The log holds"));
    // A new key follows the old one, and the kept one still fits.
    let told = said(&["rotate-key"], &loaded);
    let newer = said(&["checkpoint", "--key"], &loaded);
    assert!(newer != key && told.ends_with(&newer), "{told}");
    assert!(said(&with_key, &loaded).contains(newer.trim_end()));
    let path = log.join("checkpoints");
    let altered = fs::read_to_string(&path)
        .unwrap()
        .replacen("why stop", "why seal", 1);
    fs::write(&path, altered).unwrap();
    let mut out = Vec::new();
    let verify = records(&["verify", "--purpose", "effective-operation"]).unwrap();
    assert_eq!(verify.run(&loaded, &mut out).unwrap(), Answer::No);
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("FAULT  log/weir/checkpoints, checkpoint 2"),
        "{text}"
    );
    let reads = reads(&loaded);
    let last = &reads[reads.len() - 1];
    assert_eq!(
        (&last["command"], &last["holds"]),
        (&"records verify".into(), &false.into()),
        "{last}"
    );
}

/// A configuration whose records hold two requests of anna and one of tom.
pub(super) fn recorded() -> (TempDir, Loaded) {
    let (directory, loaded) = loaded();
    let settings = RecorderSettings::new(loaded.settings.records_directory());
    let recorder = Recorder::start(settings).unwrap();
    let events = EventIds::new();
    let mut lane = recorder.lane();
    for (second, (user, host)) in [
        ("anna", "a.example"),
        ("anna", "www.b.example"),
        ("tom", "b.example"),
    ]
    .into_iter()
    .enumerate()
    {
        // 14 September 2026, 09:00 in London.
        let time = 1_789_372_800_000_000 + i64::try_from(second).unwrap() * 1_000_000;
        let mut record = Record::new(Kind::Request, events.next(), time);
        record.user = Some(user.into());
        record.host = Some(host.into());
        record.port = 80;
        record.method = Some("GET".into());
        record.status = 200;
        record.verdict = Verdict::Allow;
        lane.push(record);
    }
    lane.flush();
    recorder.stop(Duration::from_secs(10)).unwrap();
    (directory, loaded)
}

/// The notes of every read, oldest first, with the row's `end`, `user` and `event` beside what it says.
pub(super) fn reads(loaded: &Loaded) -> Vec<serde_json::Value> {
    let query = weir_monitoring::query::Query {
        kinds: vec![Kind::Read],
        ..Default::default()
    };
    let mut found = Vec::new();
    weir_monitoring::query::search(
        &crate::recording::store(&loaded.settings).unwrap(),
        &query,
        &mut |batch| {
            let cells = weir_monitoring::Cells::new(batch);
            for row in 0..batch.num_rows() {
                let text = |col| cells.str_at(col, row).unwrap_or_default();
                let mut note: serde_json::Value =
                    serde_json::from_str(text(weir_monitoring::Col::note)).unwrap();
                note["end"] = text(weir_monitoring::Col::end).into();
                note["user"] = text(weir_monitoring::Col::user).into();
                note["event"] = cells.u64_at(weir_monitoring::Col::event, row).into();
                found.push(note);
            }
            std::ops::ControlFlow::Continue(())
        },
    )
    .unwrap();
    found
}

#[test]
fn a_search_finds_one_persons_rows_and_those_below_a_host() {
    let (_directory, loaded) = recorded();
    let line = [
        "search",
        "--purpose",
        "facts",
        "--case",
        "C-1",
        "--user",
        "anna",
        "--json",
    ];
    let text = said(&line, &loaded);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.lines().all(|line| line.contains("\"user\":\"anna\"")),
        "{text}"
    );
    let line = [
        "search",
        "--purpose",
        "facts",
        "--case",
        "C-1",
        "--host",
        "B.example",
    ];
    let text = said(&line, &loaded);
    assert!(
        text.contains("GET www.b.example:80") && text.contains("GET b.example:80"),
        "{text}"
    );
    assert!(text.ends_with("2 rows.\n"), "{text}");
    assert!(
        text.contains("2026-09-14 09:00:01"),
        "the school's own time: {text}"
    );
}

#[test]
fn a_person_is_found_in_any_letter_case_as_at_sign_in() {
    let (_directory, loaded) = recorded();
    for user in ["ANNA", "Anna", "anna"] {
        let line = [
            "export",
            "--purpose",
            "facts",
            "--case",
            "C-1",
            "--user",
            user,
            "--format",
            "jsonl",
        ];
        assert_eq!(said(&line, &loaded).lines().count(), 2, "{user}");
        let line = [
            "search",
            "--purpose",
            "facts",
            "--case",
            "C-1",
            "--user",
            user,
            "--json",
        ];
        assert_eq!(said(&line, &loaded).lines().count(), 2, "{user}");
    }
}

#[test]
fn a_range_includes_its_last_day_and_must_not_be_empty() {
    let (_directory, loaded) = recorded();
    let search = |from: &str, to: &str| {
        let line = [
            "search",
            "--purpose",
            "facts",
            "--case",
            "C-1",
            "--user",
            "anna",
            "--json",
            "--from",
            from,
            "--to",
            to,
        ];
        let mut out = Vec::new();
        let answer = records(&line).unwrap().run(&loaded, &mut out);
        answer.map(|_| String::from_utf8(out).unwrap().lines().count())
    };
    assert_eq!(search("2026-09-14", "2026-09-14").unwrap(), 2);
    assert_eq!(search("2026-09-15", "2026-09-16").unwrap(), 0);
    assert_eq!(
        search("2026-09-14T09:00:01", "2026-09-14T09:00:02").unwrap(),
        1
    );
    assert!(matches!(
        search("2026-09-15", "2026-09-14"),
        Err(Failure::Arguments(_))
    ));
}

#[test]
fn lm_14_what_is_due_is_removed_and_nothing_else() {
    let (_directory, mut loaded) = recorded();
    assert_eq!(said(&["retain", "--dry-run"], &loaded), "Nothing is due.\n");
    loaded.settings.records.retain = Duration::ZERO;
    let text = said(&["retain"], &loaded);
    assert!(
        text.contains("Removed: ") || text.contains("Nothing is due."),
        "{text}"
    );
}

#[test]
fn while_weir_runs_it_removes_what_is_due_itself() {
    let (_directory, loaded) = loaded();
    let settings = RecorderSettings::new(loaded.settings.records_directory());
    let recorder = Recorder::start(settings).unwrap();
    let refused = records(&["retain"])
        .unwrap()
        .run(&loaded, &mut Vec::new())
        .unwrap_err();
    assert!(
        refused.to_string().contains("a Weir is running"),
        "{refused}"
    );
    recorder.stop(Duration::from_secs(10)).unwrap();
}

#[test]
fn a_new_key_encryption_key_takes_over_and_without_it_nothing_is_shown_lm_16() {
    let (directory, mut loaded) = recorded();
    let told = said(&["rekey"], &loaded);
    assert!(told.contains("wrapped in the key with number"), "{told}");
    let search = [
        "search",
        "--purpose",
        "facts",
        "--case",
        "K-1",
        "--user",
        "anna",
        "--json",
    ];
    assert_eq!(said(&search, &loaded).lines().count(), 2);
    let new = directory.path().join("new-kek");
    fs::write(&new, [3; 32]).unwrap();
    let source = format!("file:{}", new.display());
    let told = said(&["rekey", "--to", &source], &loaded);
    assert!(told.contains(&format!("kek = \"{source}\"")), "{told}");
    let refused = records(&search)
        .unwrap()
        .run(&loaded, &mut Vec::new())
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("encrypted under the key with number"),
        "{refused}"
    );
    loaded.settings.records.kek = Some(source);
    assert_eq!(said(&search, &loaded).lines().count(), 2);
    assert_eq!(
        records(&["rekey", "--to", "vault:x"])
            .unwrap_err()
            .exit_code(),
        2
    );
    // A key of somebody else's is not exchanged without being told for which.
    assert!(matches!(
        records(&["rekey"]).unwrap().run(&loaded, &mut Vec::new()),
        Err(Failure::Refused(_))
    ));
}

#[test]
fn rows_are_held_for_a_case_and_erased_on_grounds_and_the_log_holds_lm_15() {
    let (_directory, loaded) = recorded();
    let grounds = |case: &'static str| ["--case", case, "--role", "DPO", "--reason", "art 17"];
    let line = |words: &[&'static str], case| [words, &grounds(case)].concat();
    let told = said(&line(&["hold", "--user", "anna"], "H-1"), &loaded);
    assert_eq!(told, "Case H-1 holds these rows from now on.\n");
    let told = said(&["holds"], &loaded);
    assert!(
        told.starts_with("H-1  since ") && told.contains("user anna"),
        "{told}"
    );
    let refused = records(&line(&["erase", "--user", "Anna"], "E-1"))
        .unwrap()
        .run(&loaded, &mut Vec::new())
        .unwrap_err();
    assert!(
        refused.to_string().contains("held by case H-1"),
        "{refused}"
    );
    let told = said(&line(&["release"], "H-1"), &loaded);
    assert!(told.starts_with("1 hold ended"), "{told}");
    assert_eq!(said(&["holds"], &loaded), "No case holds anything.\n");
    let told = said(&line(&["erase", "--user", "Anna"], "E-1"), &loaded);
    assert!(told.starts_with("Erased 2 rows in 1 day;"), "{told}");
    let search = ["search", "--purpose", "facts", "--case", "E-1", "--json"];
    let left = said(&search, &loaded);
    assert!(
        !left.contains("anna") && left.contains("\"user\":\"tom\""),
        "{left}"
    );
    assert!(
        left.contains("case E-1, role DPO, reason: art 17"),
        "{left}"
    );
    let told = said(&["verify", "--purpose", "effective-operation"], &loaded);
    assert!(
        told.contains("2 rows were erased") && told.contains("The log holds"),
        "{told}"
    );
    let audit = fs::read_to_string(loaded.settings.state.join("audit.jsonl")).unwrap();
    let erased = audit.lines().filter(|line| line.contains("records erase"));
    assert!(erased.clone().count() > 1);
    assert!(
        erased
            .clone()
            .all(|line| !line.to_lowercase().contains("anna")),
        "{audit}"
    );
    let without = ["erase", "--case", "E", "--role", "DPO", "--reason", "x"];
    assert!(matches!(
        records(&without).unwrap().run(&loaded, &mut Vec::new()),
        Err(Failure::Arguments(_))
    ));
    assert!(
        records(&["erase", "--user", "tom"]).is_err(),
        "no grounds, no erasure"
    );
}
