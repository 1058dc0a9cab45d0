#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use clap::Parser;
use tempfile::TempDir;
use weir_monitoring::{EventIds, Kind, Record, Recorder, RecorderSettings, Verdict};

use super::*;
use crate::cli::tests::loaded;

/// Reads a command line as `weir records` gets it.
fn records(line: &[&str]) -> Result<Records, clap::Error> {
    #[derive(Parser)]
    struct Alone {
        #[command(subcommand)]
        records: Records,
    }
    Alone::try_parse_from([&["records"], line].concat()).map(|alone| alone.records)
}

fn said(line: &[&str], loaded: &Loaded) -> String {
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
fn recorded() -> (TempDir, Loaded) {
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
fn reads(loaded: &Loaded) -> Vec<serde_json::Value> {
    let query = weir_monitoring::query::Query {
        kinds: vec![Kind::Read],
        ..Default::default()
    };
    let mut found = Vec::new();
    weir_monitoring::query::search(&loaded.settings.records_directory(), &query, &mut |batch| {
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
    })
    .unwrap();
    found
}

fn refused(line: &[&str], loaded: &Loaded) -> String {
    let mut out = Vec::new();
    let failure = records(line).unwrap().run(loaded, &mut out).unwrap_err();
    assert!(
        matches!(failure, Failure::Arguments(_)),
        "exit status 2: {failure}"
    );
    assert!(out.is_empty(), "something was shown");
    failure.to_string()
}

#[test]
fn lm_03_no_purpose_and_no_other_than_the_closed_ones_and_each_refusal_is_recorded() {
    let (_directory, loaded) = recorded();
    for line in [
        &["search"][..],
        &["search", "--purpose", "curiosity"],
        &["search", "--purpose", "national-security"],
        &["export", "--case", "C-1", "--user", "anna"],
        &["top", "--by", "host"],
        &["summary", "--purpose", ""],
        &["verify"],
    ] {
        let told = refused(line, &loaded);
        let is_named = told.contains("unauthorised-use") || told.contains("2018/356");
        assert!(
            is_named,
            "the allowed codes, or the reservation, are named: {told}"
        );
    }
    let reads = reads(&loaded);
    assert_eq!(reads.len(), 7, "{reads:?}");
    assert!(
        reads
            .iter()
            .all(|read| read["end"] == "refused" && read["denied"].is_string()),
        "{reads:?}"
    );
    assert_eq!(reads[2]["purpose"], "national-security");
}

#[test]
fn lm_12_a_persons_history_without_a_case_is_refused_and_recorded() {
    let (_directory, loaded) = recorded();
    for filter in [
        ["--user", "anna"],
        ["--device", "pc-1"],
        ["--client", "10.0.0.1"],
        ["--event", "0000000000000001"],
        ["--text", "anna"],
    ] {
        for command in ["search", "export"] {
            let told = refused(
                &[&[command, "--purpose", "facts"], &filter[..]].concat(),
                &loaded,
            );
            assert!(
                told.contains(filter[0]) && told.contains("--case"),
                "{told}"
            );
        }
    }
    let told = refused(&["top", "--purpose", "facts", "--by", "user"], &loaded);
    assert!(told.contains("--case"), "{told}");
    let reads = reads(&loaded);
    assert_eq!(reads.len(), 11);
    assert!(reads.iter().all(|read| read["end"] == "refused"));
    assert_eq!(reads[0]["query"]["user"], "anna");
}

#[test]
fn lm_12_a_look_at_many_shows_nobody_unless_a_case_is_named() {
    let (directory, loaded) = recorded();
    let text = said(
        &[
            "search",
            "--purpose",
            "facts",
            "--kind",
            "request",
            "--json",
        ],
        &loaded,
    );
    assert_eq!(text.lines().count(), 3);
    assert!(!text.contains("anna") && !text.contains("tom"), "{text}");
    // Neither do the rows of reads, which name who was asked for.
    said(
        &[
            "search",
            "--purpose",
            "facts",
            "--case",
            "C-1",
            "--user",
            "anna",
        ],
        &loaded,
    );
    let all = said(&["search", "--purpose", "facts", "--json"], &loaded);
    assert!(
        all.contains("\"kind\":\"read\"") && !all.contains("anna"),
        "{all}"
    );
    let file = directory.path().join("all.jsonl");
    let line = [
        "export",
        "--purpose",
        "facts",
        "--format",
        "jsonl",
        "--output",
        file.to_str().unwrap(),
    ];
    said(&line, &loaded);
    let (rows, statement) = (
        fs::read_to_string(&file).unwrap(),
        format!("{}.statement.json", file.display()),
    );
    assert!(
        rows.contains("b.example") && !rows.contains("anna"),
        "{rows}"
    );
    assert!(fs::read_to_string(statement).unwrap().contains("withheld"));
    let line = [
        "search",
        "--purpose",
        "facts",
        "--case",
        "C-1",
        "--kind",
        "request",
        "--json",
    ];
    assert!(said(&line, &loaded).contains("anna"));
}

#[test]
fn lm_18_a_read_that_cannot_be_recorded_does_not_happen() {
    let (_directory, loaded) = recorded();
    let line = ["search", "--purpose", "facts", "--kind", "request"];
    let run = || {
        let mut out = Vec::new();
        let done = records(&line).unwrap().run(&loaded, &mut out);
        assert!(matches!(done, Err(Failure::Refused(_))), "{done:?}");
        assert!(out.is_empty(), "rows were shown");
        done.unwrap_err().to_string()
    };
    // The recorder cannot write: a file where the journal's directory should be.
    let directory = loaded.settings.records_directory();
    fs::remove_dir_all(directory.join("journal")).unwrap();
    fs::write(directory.join("journal"), "").unwrap();
    assert!(run().contains("does not happen"));
    fs::remove_file(directory.join("journal")).unwrap();
    // The audit file cannot be written.
    let audit = loaded.settings.state.join("audit.jsonl");
    fs::remove_file(&audit).unwrap_or_default();
    fs::create_dir(&audit).unwrap();
    run();
    fs::remove_dir(&audit).unwrap();
    assert!(said(&line, &loaded).contains("3 rows"));
}

#[test]
fn lm_22_a_dispute_stands_beside_its_event_in_searches_and_exports_and_alters_nothing() {
    let (directory, loaded) = recorded();
    let find = [
        "search",
        "--purpose",
        "facts",
        "--case",
        "C-1",
        "--user",
        "anna",
        "--host",
        "a.example",
        "--json",
    ];
    let before = said(&find, &loaded);
    let event: serde_json::Value = serde_json::from_str(before.lines().next().unwrap()).unwrap();
    let event = event["event"].as_str().unwrap();
    let dispute = [
        "dispute",
        "--event",
        event,
        "--text",
        "it was my brother",
        "--role",
        "pupil",
        "--case",
        "C-9",
    ];
    assert!(said(&dispute, &loaded).contains("is disputed"));
    let after = said(&find, &loaded);
    let (first, second) = after.trim_end().split_once('\n').unwrap();
    assert_eq!(first, before.trim_end(), "the event is as it was");
    let row: serde_json::Value = serde_json::from_str(second).unwrap();
    assert_eq!(
        (&row["kind"], &row["event"], &row["user"]),
        (&"dispute".into(), &event.into(), &"anna".into())
    );
    assert!(
        row["note"].as_str().unwrap().contains("it was my brother"),
        "{row}"
    );
    // In an export of the event's minute, of its verdict, and by its case.
    let file = directory.path().join("anna.csv");
    let line = [
        "export",
        "--purpose",
        "facts",
        "--case",
        "C-1",
        "--user",
        "anna",
        "--verdict",
        "allow",
        "--from",
        "2026-09-14T09:00",
        "--to",
        "2026-09-14T09:01",
        "--output",
        file.to_str().unwrap(),
    ];
    said(&line, &loaded);
    let rows = fs::read_to_string(&file).unwrap();
    assert!(
        rows.lines().nth(2).unwrap().contains("it was my brother"),
        "beside the event: {rows}"
    );
    let statement = fs::read_to_string(format!("{}.statement.json", file.display())).unwrap();
    let statement: serde_json::Value = serde_json::from_str(&statement).unwrap();
    assert_eq!(
        statement["verdicts"]["allow"], 2,
        "a dispute is no further request"
    );
    let by_case = said(
        &[
            "search",
            "--purpose",
            "facts",
            "--case",
            "C-9",
            "--of-case",
            "C-9",
            "--json",
        ],
        &loaded,
    );
    assert!(by_case.contains("it was my brother"), "{by_case}");
    assert!(
        by_case.contains("\"kind\":\"read\""),
        "and the reads of that case: {by_case}"
    );
    // What no record has cannot be disputed.
    let unknown = [
        "dispute",
        "--event",
        "00000000000000ff",
        "--text",
        "x",
        "--role",
        "pupil",
    ];
    let failure = records(&unknown).unwrap().run(&loaded, &mut Vec::new());
    assert!(matches!(failure, Err(Failure::Refused(_))));
    let verify = said(&["verify", "--purpose", "facts"], &loaded);
    assert!(verify.contains("The log holds"), "{verify}");
}

#[test]
fn counts_come_without_content_and_say_what_is_not_known_lm_13() {
    let (_directory, loaded) = recorded();
    let top = |by: &str, more: &[&str]| {
        let line = [
            &["top", "--purpose", "standards", "--by", by, "--json"],
            more,
        ]
        .concat();
        let value: serde_json::Value = serde_json::from_str(&said(&line, &loaded)).unwrap();
        value["names"].clone()
    };
    let hosts = top("host", &["--limit", "2"]);
    assert_eq!(hosts.as_array().unwrap().len(), 2);
    assert_eq!(hosts[0]["requests"], 1);
    assert_eq!(top("user", &["--case", "C-1"])[0]["name"], "anna");
    assert_eq!(top("user", &["--case", "C-1"])[0]["requests"], 2);
    let told = said(
        &["top", "--purpose", "standards", "--by", "category"],
        &loaded,
    );
    assert!(told.contains("3 requests had no category"), "{told}");
    let summary = said(&["summary", "--purpose", "standards", "--json"], &loaded);
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["verdicts"]["allow"]["requests"], 3);
    assert_eq!(
        (&summary["navigations"], &summary["unknown_initiator"]),
        (&0.into(), &3.into())
    );
    assert_eq!(summary["opaque_share_of_requests"], 1.0);
    let told = said(&["summary", "--purpose", "standards"], &loaded);
    assert!(told.contains("Blind spot: 100.0 % of requests"), "{told}");
    for line in [
        &[
            "top",
            "--by",
            "host",
            "--purpose",
            "facts",
            "--case",
            "c",
            "--text",
            "x",
        ][..],
        &["summary", "--purpose", "facts", "--kind", "request"],
    ] {
        refused(line, &loaded);
    }
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
    let line = ["search", "--purpose", "facts", "--host", "B.example"];
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
fn an_empty_export_says_whether_the_person_is_known_at_all() {
    let (directory, loaded) = recorded();
    let remarks = |user: &str, from: &str| {
        let path = directory.path().join(format!("{user}.csv"));
        let file = path.to_str().unwrap();
        let line = [
            "export",
            "--purpose",
            "facts",
            "--case",
            "C-1",
            "--user",
            user,
            "--from",
            from,
            "--output",
            file,
        ];
        let text = said(&line, &loaded);
        assert!(text.starts_with("Exported 0 rows"), "{text}");
        let statement = fs::read_to_string(format!("{file}.statement.json")).unwrap();
        let statement: serde_json::Value = serde_json::from_str(&statement).unwrap();
        statement["remarks"].to_string()
    };
    let unknown = remarks("ana", "2026-01-01");
    assert!(
        unknown.contains("no user of that name is known"),
        "{unknown}"
    );
    assert_eq!(remarks("Anna", "2030-01-01"), "null");
}

#[test]
fn an_export_writes_over_nothing_by_itself_and_never_over_what_is_no_file() {
    let (directory, loaded) = recorded();
    let export = |path: &std::path::Path, force: bool| {
        let mut line = vec!["export", "--purpose", "facts", "--output"];
        line.push(path.to_str().unwrap());
        line.extend(force.then_some("--force"));
        records(&line).unwrap().run(&loaded, &mut Vec::new())
    };
    let path = directory.path().join("evidence.csv");
    fs::write(&path, "of another case").unwrap();
    assert!(matches!(export(&path, false), Err(Failure::Arguments(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), "of another case");
    export(&path, true).unwrap();
    assert!(fs::read_to_string(&path).unwrap().contains("a.example"));
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for force in [false, true] {
        assert!(matches!(export(&link, force), Err(Failure::Arguments(_))));
        let refused = export(directory.path(), force);
        assert!(matches!(refused, Err(Failure::Arguments(_))));
    }
    assert!(link.is_symlink());
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
fn an_export_comes_with_its_statement_and_only_for_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, loaded) = recorded();
    let path = directory.path().join("anna.jsonl");
    let file = path.to_str().unwrap();
    let line = [
        "export",
        "--purpose",
        "unauthorised-use",
        "--case",
        "C-1",
        "--user",
        "anna",
        "--format",
        "jsonl",
        "--output",
        file,
    ];
    let text = said(&line, &loaded);
    assert!(
        text.starts_with("Exported 2 rows for unauthorised-use"),
        "{text}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    let statement = fs::read_to_string(format!("{file}.statement.json")).unwrap();
    let statement: serde_json::Value = serde_json::from_str(&statement).unwrap();
    assert_eq!(
        (&statement["rows"], &statement["purpose"]),
        (&2.into(), &"unauthorised-use".into())
    );
    for name in ["anna.jsonl", "anna.jsonl.statement.json"] {
        let mode = fs::metadata(directory.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
    assert!(!directory.path().join("anna.jsonl.part").exists());
}

#[test]
fn an_export_without_a_file_goes_to_the_output_but_not_as_parquet() {
    let (_directory, loaded) = recorded();
    let line = [
        "export",
        "--purpose",
        "facts",
        "--case",
        "C-1",
        "--user",
        "tom",
        "--format",
        "csv",
    ];
    let text = said(&line, &loaded);
    assert_eq!(text.lines().count(), 2, "{text}");
    let parquet = ["export", "--purpose", "facts", "--format", "parquet"];
    let refused = records(&parquet).unwrap().run(&loaded, &mut Vec::new());
    assert!(matches!(refused, Err(Failure::Arguments(_))));
}

#[test]
fn lm_18_every_look_is_a_record_with_who_why_query_and_count() {
    let (directory, loaded) = recorded();
    let line = [
        "search",
        "--purpose",
        "facts",
        "--case",
        "C-1",
        "--reason",
        "a parent asked",
        "--role",
        "dsl",
        "--as",
        "Ms Smith",
        "--user",
        "anna",
        "--json",
    ];
    said(&line, &loaded);
    let path = directory.path().join("all.csv");
    said(
        &[
            "export",
            "--purpose",
            "standards",
            "--output",
            path.to_str().unwrap(),
        ],
        &loaded,
    );
    let reads = reads(&loaded);
    assert_eq!(reads.len(), 4, "{reads:?}");
    let first = &reads[0];
    for (name, value) in [
        ("command", "records search"),
        ("purpose", "facts"),
        ("case", "C-1"),
        ("reason", "a parent asked"),
        ("role", "dsl"),
        ("user", "Ms Smith"),
        ("end", "open"),
    ] {
        assert_eq!(first[name], value, "{first}");
    }
    assert_eq!(first["query"]["user"], "anna");
    assert!(first["uid"].is_u64());
    assert_eq!(
        (&reads[1]["rows"], &reads[1]["end"]),
        (&2.into(), &"complete".into())
    );
    assert_eq!(
        reads[1]["event"], first["event"],
        "both rows are of one read"
    );
    assert_eq!(
        reads[3]["rows"].as_u64().unwrap(),
        fs::read_to_string(&path).unwrap().lines().count() as u64 - 1
    );
    assert_eq!(reads[3]["sha256"].as_str().unwrap().len(), 64);
    let audit = fs::read_to_string(loaded.settings.state.join("audit.jsonl")).unwrap();
    assert!(
        audit.contains("records export") && !audit.contains("anna"),
        "{audit}"
    );
}

#[test]
fn lm_18_a_running_weir_records_the_read_before_the_command_shows_anything() {
    let (_directory, loaded) = recorded();
    let recorder =
        Recorder::start(RecorderSettings::new(loaded.settings.records_directory())).unwrap();
    let line = ["search", "--purpose", "facts", "--kind", "request"];
    assert!(said(&line, &loaded).contains("3 rows"));
    let reads = reads(&loaded);
    assert_eq!(reads.len(), 2, "{reads:?}");
    recorder.stop(Duration::from_secs(10)).unwrap();
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
