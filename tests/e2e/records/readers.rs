//! An exported period in the hands of other tools: DuckDB, and ClickHouse where its library is at hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use weir_tests::client::Request;
use weir_tests::records::{Row, rows};

use crate::lab;

/// What is asked of both, in the words of docs/records.md.
const QUESTIONS: &str = include_str!("readers.py");

/// The Python that has these libraries: `test.sh` makes it and names it.
fn python() -> Option<PathBuf> {
    let folder = std::env::var_os("WEIR_READERS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/readers"),
        PathBuf::from,
    );
    let python = folder.join("bin/python");
    python.exists().then_some(python)
}

fn ask(python: &Path, engine: &str, file: &Path) -> Option<Value> {
    let asked = Command::new(python)
        .args(["-c", QUESTIONS, engine])
        .arg(file)
        .output()
        .unwrap();
    if asked.status.code() == Some(3) {
        eprintln!("skipped: no library for {engine}");
        return None;
    }
    let error = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.success(), "{engine}: {error}");
    Some(serde_json::from_slice(&asked.stdout).unwrap())
}

/// The same answers, worked out from the rows as JSON lines.
fn expected(rows: &[Row]) -> Value {
    let mut by_verdict: BTreeMap<String, u64> = BTreeMap::new();
    let mut by_host: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows {
        *by_verdict.entry(row.text("verdict")).or_default() += 1;
        if row.text("kind") == "request" {
            *by_host.entry(row.text("host")).or_default() += row.number("bytes_down");
        }
    }
    let mut events: Vec<String> = rows.iter().map(|row| row.text("event")).collect();
    events.sort();
    let mut times: Vec<String> = rows.iter().map(|row| row.text("time")).collect();
    times.sort();
    let blocked: Vec<String> = rows
        .iter()
        .filter(|row| row.is(&[("kind", "request"), ("verdict", "block")]))
        .map(|row| format!("{}{}", row.text("host"), row.text("path")))
        .collect();
    serde_json::json!({
        "rows": rows.len(),
        "verdicts": by_verdict,
        "bytes_by_host": by_host,
        "first_event": events.first(),
        "last_event": events.last(),
        "first_microsecond": micros(times.first()),
        "last_microsecond": micros(times.last()),
        "blocked": blocked,
    })
}

fn micros(time: Option<&String>) -> i64 {
    let time = time.expect("there are rows");
    time.parse::<jiff::Timestamp>().unwrap().as_microsecond()
}

#[test]
fn an_exported_period_reads_the_same_in_duckdb_and_clickhouse_lm_36() {
    let Some(python) = python() else {
        eprintln!("skipped: no Python with duckdb; ./test.sh makes one");
        return;
    };
    let (site, origin) = lab(&["site.test", "www.site.test", "games.test"]);
    let weir = site.start();
    for path in ["/up", "/a", "/a?q=1", "/%E2%82%AC", "/x'y\"z"] {
        weir.get(&origin.url("site.test", path));
        weir.get(&origin.url("games.test", path));
        weir.get(&format!("http://bet.test{path}"));
    }
    let post = Request::new("POST", &origin.url("www.site.test", "/up")).body("x".repeat(70_000));
    weir.ask(&post);
    site.some_records(&[("host", "bet.test")], 5);
    site.record(&[("host", "www.site.test")]);
    let export = |format: &str| {
        let file = site.path(&format!("period.{format}"));
        site.export(
            &[
                "--purpose",
                "effective-operation",
                "--kind",
                "request",
                "--format",
                format,
            ],
            &file,
        );
        file
    };
    let parquet = export("parquet");
    let lines = std::fs::read_to_string(export("jsonl")).unwrap();
    let rows = rows(&lines);
    assert_eq!(rows.len(), 16);
    let expected = expected(&rows);
    let mut asked = 0;
    for engine in ["duckdb", "clickhouse"] {
        if let Some(answers) = ask(&python, engine, &parquet) {
            assert_eq!(answers, expected, "{engine}");
            asked += 1;
        }
    }
    assert!(asked > 0, "neither library is there");
}
