#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::StringArray;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::paths::moment;
use crate::testing::{Traffic, all_rows, numbered, rows_of, settings, stop, store, wait_until};
use crate::{EventId, Record, Recorder, Verdict, clock};

const PURPOSE: &str = "unauthorised-use";

fn record_all(directory: &Path, records: Vec<Record>) -> Recorder {
    let recorder = Recorder::start(settings(directory)).unwrap();
    let mut lane = recorder.lane();
    records.into_iter().for_each(|record| lane.push(record));
    lane.flush();
    wait_until(&recorder, "drained", |health| health.queued == 0);
    recorder
}

fn exported(directory: &Path, query: &Query, format: Format) -> (Statement, Vec<u8>) {
    let mut out = Vec::new();
    let statement = run(&store(directory), query, format, PURPOSE, &mut out).unwrap();
    assert_eq!(statement.sha256, hex(&Sha256::digest(&out)));
    assert_eq!(statement.bytes, out.len() as u64);
    (statement, out)
}

/// RFC 4180, read by a second hand.
fn csv_rows(bytes: &[u8]) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut is_quoted) =
        (Vec::new(), Vec::new(), String::new(), false);
    let text = std::str::from_utf8(bytes).unwrap();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    assert!(row.is_empty() && cell.is_empty());
    rows
}

/// Users, event ids and paths of an export in any form.
fn read_back(format: Format, bytes: &[u8]) -> Vec<[String; 3]> {
    let names = ["user", "event", "path"];
    match format {
        Format::Csv => {
            let rows = csv_rows(bytes);
            let places = names.map(|name| rows[0].iter().position(|cell| cell == name).unwrap());
            rows[1..]
                .iter()
                .map(|row| places.map(|place| row[place].clone()))
                .collect()
        }
        Format::Jsonl => {
            let line = |line: &str| {
                let object: BTreeMap<String, serde_json::Value> =
                    serde_json::from_str(line).unwrap();
                names.map(|name| {
                    object
                        .get(name)
                        .and_then(|value| value.as_str())
                        .unwrap_or_default()
                        .to_owned()
                })
            };
            std::str::from_utf8(bytes)
                .unwrap()
                .lines()
                .map(line)
                .collect()
        }
        Format::Parquet => {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), bytes).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file.reopen().unwrap())
                .unwrap()
                .build()
                .unwrap();
            let mut rows = Vec::new();
            for batch in reader.map(Result::unwrap) {
                let columns = names.map(|name| batch.column_by_name(name).unwrap().clone());
                let texts = columns
                    .each_ref()
                    .map(|column| column.as_any().downcast_ref::<StringArray>().unwrap());
                let cell = |texts: &StringArray, row: usize| {
                    texts
                        .iter()
                        .nth(row)
                        .flatten()
                        .unwrap_or_default()
                        .to_owned()
                };
                rows.extend((0..batch.num_rows()).map(|row| texts.map(|texts| cell(texts, row))));
            }
            rows
        }
    }
}

const FORMATS: [Format; 3] = [Format::Csv, Format::Jsonl, Format::Parquet];

#[test]
fn an_export_of_one_user_holds_all_their_rows_and_no_one_elses_lm_36() {
    let directory = tempfile::tempdir().unwrap();
    let mut traffic = Traffic::new(8, 30, 100);
    let records: Vec<Record> = (0..2_000).map(|_| traffic.record()).collect();
    let (sealed, unsealed) = records.split_at(1_500);
    stop(&record_all(directory.path(), sealed.to_vec()));
    let recorder = record_all(directory.path(), unsealed.to_vec());
    let query = Query {
        user: Some("pupil0007".to_owned()),
        ..Query::default()
    };
    let theirs: Vec<&Record> = records
        .iter()
        .filter(|record| record.user.as_deref() == Some("pupil0007"))
        .collect();
    let mut expected: Vec<(i64, String)> = theirs
        .iter()
        .map(|record| (record.time, record.event.to_string()))
        .collect();
    expected.sort();
    for format in FORMATS {
        let (statement, bytes) = exported(directory.path(), &query, format);
        let rows = read_back(format, &bytes);
        assert!(rows.iter().all(|[user, ..]| user == "pupil0007"));
        let events: Vec<&String> = rows.iter().map(|[_, event, _]| event).collect();
        assert_eq!(
            events,
            expected.iter().map(|(_, event)| event).collect::<Vec<_>>()
        );
        assert_eq!(statement.rows as usize, theirs.len());
        assert_eq!(statement.kinds.values().sum::<u64>(), statement.rows);
        assert_eq!(statement.verdicts.values().sum::<u64>(), statement.rows);
        let blocked = theirs
            .iter()
            .filter(|record| record.verdict == Verdict::Block)
            .count() as u64;
        assert_eq!(
            statement.verdicts.get("block").copied().unwrap_or(0),
            blocked
        );
        assert_eq!(statement.first, Some(moment(expected[0].0)));
        assert_eq!(statement.last, Some(moment(expected[expected.len() - 1].0)));
        let in_journal = unsealed
            .iter()
            .filter(|record| record.user.as_deref() == Some("pupil0007"))
            .count() as u64;
        assert_eq!(statement.unsealed_rows, in_journal);
        assert_eq!(statement.policy_versions.len(), 1);
        assert_eq!(statement.purpose, PURPOSE);
        let text = serde_json::to_string(&statement).unwrap();
        assert_eq!(serde_json::from_str::<Statement>(&text).unwrap(), statement);
    }
    stop(&recorder);
}

#[test]
fn no_purpose_no_export_and_national_security_is_not_offered_lm_03() {
    let directory = tempfile::tempdir().unwrap();
    stop(&record_all(directory.path(), vec![numbered("ann", 1)]));
    for (code, expected) in [
        ("", "records leave for a stated purpose only"),
        ("national-security", "regulation 4(1)(d) reserves it"),
        ("curiosity", "\"curiosity\" is no purpose"),
        ("Facts", "is no purpose"),
    ] {
        let mut out = Vec::new();
        let refused = run(
            &store(directory.path()),
            &Query::default(),
            Format::Csv,
            code,
            &mut out,
        );
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
        assert!(out.is_empty(), "{code}");
    }
    for code in weir_config::Purpose::WORDS {
        let mut out = Vec::new();
        run(
            &store(directory.path()),
            &Query::default(),
            Format::Csv,
            code,
            &mut out,
        )
        .unwrap();
    }
}

#[test]
fn no_export_hides_a_gap_that_touches_its_time_lm_33() {
    let directory = tempfile::tempdir().unwrap();
    drop(record_all(directory.path(), vec![numbered("ann", 1)]));
    std::thread::sleep(std::time::Duration::from_millis(300));
    let inside_the_gap = clock::now() - 100_000;
    std::thread::sleep(std::time::Duration::from_millis(50));
    stop(&record_all(directory.path(), vec![numbered("ann", 2)]));
    let gap = all_rows(directory.path())
        .into_iter()
        .find(|row| row.kind == Kind::Gap)
        .unwrap();
    assert!(gap.time < inside_the_gap && gap.time + gap.duration as i64 > inside_the_gap);
    let time = |from: i64, to: i64| Query {
        user: Some("ann".to_owned()),
        from: Some(moment(from)),
        to: Some(moment(to)),
        ..Query::default()
    };
    // Neither its begin nor its end lies in the time asked for, and nobody's rows do.
    let (statement, _) = exported(
        directory.path(),
        &time(inside_the_gap, inside_the_gap + 1),
        Format::Csv,
    );
    assert_eq!((statement.rows, statement.gaps), (0, 1));
    assert_eq!(statement.happenings[0].note, gap.note);
    let (statement, _) = exported(
        directory.path(),
        &time(0, gap.time - 1_000_000),
        Format::Csv,
    );
    assert_eq!(statement.gaps, 0);
    let everything = Query {
        user: Some("ann".to_owned()),
        ..Query::default()
    };
    let (statement, bytes) = exported(directory.path(), &everything, Format::Jsonl);
    let kinds: Vec<&str> = statement
        .happenings
        .iter()
        .map(|happening| happening.kind.as_str())
        .collect();
    assert_eq!(kinds, ["start", "gap", "start", "stop"]);
    assert_eq!(
        read_back(Format::Jsonl, &bytes).len(),
        2,
        "the rows themselves are only the user's"
    );
}

#[test]
fn hostile_text_forges_nothing_in_any_form_threats_6() {
    let directory = tempfile::tempdir().unwrap();
    let users = [
        "=HYPERLINK(\"http://x\")",
        "+1",
        "-1",
        "@sum",
        "'quoted",
        "a,b",
        "say \"hi\"",
        "line\nbreak",
        "\u{202e}evil",
        "</script>",
        "back\\slash",
    ];
    let record = |(at, user): (usize, &&str)| {
        let mut record = numbered(user, at as u64);
        record.verdict = Verdict::Block;
        record.path = Some(format!("/{user}").into());
        record
    };
    stop(&record_all(
        directory.path(),
        users.iter().enumerate().map(record).collect(),
    ));
    let query = Query {
        kinds: vec![Kind::Request],
        ..Query::default()
    };
    for format in FORMATS {
        let (_, bytes) = exported(directory.path(), &query, format);
        let rows = read_back(format, &bytes);
        assert_eq!(rows.len(), users.len());
        for ([shown, _, path], user) in rows.iter().zip(users) {
            let stored = crate::scrub::text(user, 256).into_owned();
            assert_eq!(*path, format!("/{stored}"));
            if format == Format::Csv {
                assert!(!shown.starts_with(['=', '+', '-', '@']), "{shown}");
                assert_eq!(shown.strip_prefix('\'').unwrap_or(shown), stored);
            } else {
                assert_eq!(*shown, stored);
            }
        }
        if format != Format::Parquet {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(lines, users.len() + usize::from(format == Format::Csv));
        }
    }
}

#[test]
fn what_still_runs_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let row = |kind, event| Record::new(kind, EventId(event), 1_790_000_000_000_000);
    let rows = [
        row(Kind::TunnelOpen, 1),
        row(Kind::TunnelOpen, 2),
        row(Kind::RequestOpen, 3),
        row(Kind::TunnelClose, 2),
    ];
    let recorder = record_all(directory.path(), rows.into());
    let (statement, _) = exported(directory.path(), &Query::default(), Format::Jsonl);
    assert_eq!(statement.still_open, 2);
    stop(&recorder);
}

#[test]
fn an_unreadable_segment_stands_in_the_statement_lm_33() {
    let directory = tempfile::tempdir().unwrap();
    stop(&record_all(directory.path(), vec![numbered("ann", 1)]));
    let layout = crate::paths::Layout::new(directory.path());
    let period = layout.list_periods().unwrap().pop().unwrap().1;
    let (name, path) = layout.list_segments(&period).unwrap().pop().unwrap();
    std::fs::write(path, b"overwritten").unwrap();
    let (statement, _) = exported(directory.path(), &Query::default(), Format::Csv);
    assert_eq!(statement.rows, 0);
    assert!(statement.unreadable[0].name.ends_with(&name.to_string()));
}

#[test]
fn an_output_that_fails_is_an_error() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let directory = tempfile::tempdir().unwrap();
    stop(&record_all(directory.path(), vec![numbered("ann", 1)]));
    for format in FORMATS {
        let failed = run(
            &store(directory.path()),
            &Query::default(),
            format,
            PURPOSE,
            &mut Full,
        );
        assert!(matches!(failed, Err(ExportError::Output(_))), "{format:?}");
    }
}

#[test]
fn a_search_by_people_prints_the_same_rows() {
    let directory = tempfile::tempdir().unwrap();
    stop(&record_all(directory.path(), vec![numbered("ann", 1)]));
    let (_, exported) = exported(directory.path(), &Query::default(), Format::Csv);
    let mut printed = Vec::new();
    let mut encoder = Encoder::new(Format::Csv, &mut printed).unwrap();
    query::search(&store(directory.path()), &Query::default(), &mut |batch| {
        encoder.write(batch).unwrap();
        ControlFlow::Continue(())
    })
    .unwrap();
    encoder.finish().unwrap();
    assert_eq!(printed, exported);
    assert_eq!(rows_of(directory.path(), &Query::default()).len(), 3);
}
