//! That all forms of the rows say the same: JSON lines, CSV, Parquet, the report, and what is said of them in numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use weir_monitoring::bundle::{
    self, CONTEXT, IDENTITY, Identified, QUERY, REPORT, ROWS_CSV, ROWS_PARQUET, UNPROVED, VERSIONS,
    Versions, Why, cell_text, row_id,
};
use weir_monitoring::{Cells, Col, RecordBatch};

use super::rows::Rows;
use super::sums::Files;
use super::{Bundle, fault, json};
use crate::report::{Place, Report};

/// Compares every form with the rows that are proved.
pub(super) fn check(
    directory: &Path,
    files: &Files,
    bundle: &Bundle,
    rows: &Rows,
    report: &mut Report,
) {
    counts(bundle, rows, report);
    csv(files, &rows.rows, report);
    parquet(directory, &rows.rows, report);
    page(files, rows, report);
    if let Some(said) = json::<Vec<Identified>>(files, IDENTITY, report)
        && said != bundle::identified(&rows.rows)
    {
        fault(
            report,
            IDENTITY,
            "it does not say how the rows were identified",
        );
    }
    if let Some(said) = json::<Versions>(files, VERSIONS, report) {
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

fn parquet(directory: &Path, rows: &RecordBatch, report: &mut Report) {
    // The reader is made for files that are meant well.
    let read = || {
        let file = File::open(directory.join(ROWS_PARQUET)).map_err(|error| error.to_string())?;
        bundle::parquet(file).map_err(|error| error.to_string())
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

/// Every row that is proved has its line in the report, and no other has.
fn page(files: &Files, rows: &Rows, report: &mut Report) {
    let Some(page) = files.text(REPORT) else {
        return;
    };
    let mut ids: BTreeMap<&str, u64> = BTreeMap::new();
    for rest in page.split("<tr id=\"").skip(1) {
        let id = rest.split('"').next().unwrap_or_default();
        *ids.entry(id).or_default() += 1;
    }
    for batch in [&rows.rows, &rows.context] {
        let cells = Cells::new(batch);
        for row in 0..batch.num_rows() {
            let node = cells.str_at(Col::node, row).unwrap_or_default();
            let seq = cells.u64_at(Col::seq, row);
            if ids.remove(row_id(node, seq).as_str()) != Some(1) {
                let place = Place::rows(seq, seq).of_file(REPORT);
                report.fault(node, place, "the row does not stand in the report once");
            }
        }
    }
    if !ids.is_empty() {
        fault(
            report,
            REPORT,
            "it has a row that is in none of the other files",
        );
    }
}
