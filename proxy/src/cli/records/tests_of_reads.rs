//! Reads: who may look, that it is recorded before anything is shown, disputes and counts.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use weir_monitoring::{Recorder, RecorderSettings};

use super::tests::{reads, recorded, records, said};
use super::*;

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
fn lm_12_filters_that_leave_few_people_need_a_case_whatever_they_are_called_and_the_refusal_is_recorded()
 {
    let (_directory, loaded) = recorded();
    let commands: [&[&str]; 4] = [
        &["search", "--purpose", "facts"],
        &["export", "--purpose", "facts"],
        &["summary", "--purpose", "facts"],
        &["top", "--purpose", "facts", "--by", "host"],
    ];
    let filters = [["--host", "a.example"], ["--from", "2026-09-14T08:00:02Z"]];
    for (command, filter) in commands.into_iter().zip(filters.into_iter().cycle()) {
        let line = [command, &filter[..]].concat();
        let told = refused(&line, &loaded);
        assert!(
            told.contains("fewer than 3 people") && told.contains("--case"),
            "{told}"
        );
        said(&[&line[..], &["--case", "C-1"]].concat(), &loaded);
        // Whoever asks about everybody singles nobody out.
        said(command, &loaded);
    }
    // Filters that leave nobody hide nobody.
    said(&[commands[0], &["--group", "nobody"][..]].concat(), &loaded);
    let reads = reads(&loaded);
    let denied = reads.iter().filter(|read| read["end"] == "refused");
    assert!(denied.clone().all(|read| read["denied"].is_string()));
    assert_eq!(denied.count(), commands.len());
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
