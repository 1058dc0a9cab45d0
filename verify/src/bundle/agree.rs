//! That all forms of the rows say the same: JSON lines, CSV, Parquet, the report, and what is said of them in numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use weir_monitoring::bundle::{
    self, CONTEXT, Contents, IDENTITY, Identified, QUERY, REPORT, ROWS_CSV, ROWS_PARQUET, SEGMENTS,
    SegmentLine, UNPROVED, VERSIONS, Versions, Why, cell_text,
};
use weir_monitoring::{Cells, Col, RecordBatch};

use super::rows::Rows;
use super::sums::Files;
use super::{Bundle, fault, json, lines};
use crate::report::{Place, Report};

/// Compares every form with the rows that are proved.
pub(super) fn check(files: &Files, bundle: &Bundle, rows: &Rows, report: &mut Report) {
    counts(bundle, rows, report);
    csv(files, &rows.rows, report);
    parquet(files, &rows.rows, report);
    let identified = bundle::identified(&rows.rows);
    if let Some(said) = json::<Vec<Identified>>(files, IDENTITY, report)
        && said != identified
    {
        fault(
            report,
            IDENTITY,
            "it does not say how the rows were identified",
        );
    }
    if let Some(said) = json::<Versions>(files, VERSIONS, report) {
        page(files, bundle, rows, &identified, &said, report);
        let builds: BTreeSet<String> = said.builds.iter().cloned().collect();
        if said != bundle::versions(&rows.rows, &builds) {
            fault(
                report,
                VERSIONS,
                "these are not the versions that the rows name",
            );
        }
    }
}

fn counts(bundle: &Bundle, rows: &Rows, report: &mut Report) {
    let said = &bundle.asked.counts;
    let withheld = |why: Why| {
        let own = bundle.redactions.rows.iter().filter(|it| it.why == why);
        own.map(|it| it.rows).sum::<u64>()
    };
    let pairs = [
        (said.rows, rows.rows.num_rows() as u64, "rows"),
        (said.context, rows.context.num_rows() as u64, CONTEXT),
        (said.unproved, rows.unproved.num_rows() as u64, UNPROVED),
        (
            said.outside,
            withheld(Why::Outside),
            "rows outside the period",
        ),
        (said.narrower, withheld(Why::Narrower), "rows not asked for"),
        (said.erased, withheld(Why::Erased), "rows that were erased"),
    ];
    for (said, there, what) in pairs {
        if said != there {
            fault(
                report,
                QUERY,
                format!("it counts {said} of {what}, and there are {there}"),
            );
        }
    }
    for (col, said) in [(Col::kind, &said.kinds), (Col::verdict, &said.verdicts)] {
        let cells = Cells::new(&rows.rows);
        let mut there = BTreeMap::new();
        for row in 0..rows.rows.num_rows() {
            let word = cells.str_at(col, row).unwrap_or_default().to_owned();
            *there.entry(word).or_insert(0_u64) += 1;
        }
        if there != *said {
            fault(
                report,
                QUERY,
                format!("its rows by {} are others", col.name()),
            );
        }
    }
}

/// Names the first row of a form that differs.
fn differs(report: &mut Report, rows: &RecordBatch, row: usize, file: &str, col: Col) {
    let cells = Cells::new(rows);
    let node = cells.str_at(Col::node, row).unwrap_or_default();
    let seq = cells.u64_at(Col::seq, row);
    let place = Place::rows(seq, seq).of_file(file);
    report.fault(
        node,
        place,
        format!("{} is another than in rows.jsonl", col.name()),
    );
}

fn csv(files: &Files, rows: &RecordBatch, report: &mut Report) {
    let Some(text) = files.text(ROWS_CSV) else {
        return;
    };
    let lines = match bundle::csv(text) {
        Ok(lines) => lines,
        Err(error) => return fault(report, ROWS_CSV, error.to_string()),
    };
    let Some((names, lines)) = lines.split_first() else {
        return fault(report, ROWS_CSV, "it has no line of names");
    };
    let known: BTreeSet<&str> = Col::ALL.iter().map(|col| col.name()).collect();
    let own: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    if own.len() != names.len() || !own.is_subset(&known) {
        return fault(report, ROWS_CSV, "its columns are not those of rows");
    }
    if lines.len() != rows.num_rows() || lines.iter().any(|line| line.len() != names.len()) {
        let what = format!(
            "it has {} rows, and rows.jsonl {}",
            lines.len(),
            rows.num_rows()
        );
        return fault(report, ROWS_CSV, what);
    }
    for (row, line) in lines.iter().enumerate() {
        for col in Col::ALL {
            let expected = cell_text(rows, *col, row);
            let place = names.iter().position(|name| name == col.name());
            let is_same = match place.and_then(|place| line.get(place)) {
                Some(cell) => *cell == expected,
                None => matches!(expected.as_str(), "" | "0" | "false"),
            };
            if !is_same {
                return differs(report, rows, row, ROWS_CSV, *col);
            }
        }
    }
}

fn parquet(files: &Files, rows: &RecordBatch, report: &mut Report) {
    let Some(bytes) = files.bytes(ROWS_PARQUET) else {
        return;
    };
    // The reader is made for files that are meant well.
    let read = || {
        let found = bundle::parquet(bytes.to_vec(), rows.num_rows());
        found.map_err(|error| error.to_string())
    };
    let found = match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return fault(report, ROWS_PARQUET, error),
        Err(_) => return fault(report, ROWS_PARQUET, "its bytes are damaged"),
    };
    if found.num_rows() != rows.num_rows() {
        let (there, expected) = (found.num_rows(), rows.num_rows());
        let what = format!("it has {there} rows, and rows.jsonl {expected}");
        return fault(report, ROWS_PARQUET, what);
    }
    for col in Col::ALL {
        for row in 0..rows.num_rows() {
            if cell_text(&found, *col, row) != cell_text(rows, *col, row) {
                return differs(report, rows, row, ROWS_PARQUET, *col);
            }
        }
    }
}

/// The report is what people read: it must be, byte for byte, the page that is made of the rows and statements that were checked.
/// Of a page that another version of Weir laid out that cannot be seen, and is said.
fn page(
    files: &Files,
    bundle: &Bundle,
    rows: &Rows,
    identified: &[Identified],
    versions: &Versions,
    report: &mut Report,
) {
    let Some(said) = files.text(REPORT) else {
        return;
    };
    let asked = &bundle.asked;
    if asked.weir != env!("CARGO_PKG_VERSION") {
        report.remarks.push(format!(
            "{REPORT} was laid out by Weir {}, and this program is of {}: what it shows was not compared with the rows; use the \
             weir-verify of that version, or read the rows",
            asked.weir,
            env!("CARGO_PKG_VERSION")
        ));
        return;
    }
    let keys = bundle.logs.iter().flat_map(|(node, told)| {
        let keys = told.keys.iter();
        keys.map(move |key| (node.clone(), key.to_string()))
    });
    let segments: Vec<SegmentLine> = lines(files, SEGMENTS, report);
    let present = segments.iter().filter(|it| it.present.is_some());
    let subject = asked.subject.as_ref();
    let expected = bundle::page(&Contents {
        asked,
        rows: &rows.rows,
        context: &rows.context,
        unproved: &rows.unproved,
        redactions: &bundle.redactions,
        identified,
        versions,
        keys: &keys.collect::<Vec<_>>(),
        segments: subject.map(|_| (segments.len() as u64, present.count() as u64)),
        last: bundle
            .logs
            .values()
            .filter_map(|told| told.last().map(|last| &last.checkpoint))
            .collect(),
    });
    if said != expected {
        let mut pairs = (1..).zip(said.lines().zip(expected.lines()));
        let line = pairs.find(|(_, (said, expected))| said != expected);
        let line = line.map_or_else(|| "its end".to_owned(), |(line, _)| format!("line {line}"));
        let what =
            format!("it is not the page that these rows and statements make: {line} differs");
        fault(report, REPORT, what);
    }
}
