//! Monitoring records as an administrator reads them: through `weir records`.

use std::path::Path;

use serde_json::Value;

use crate::eventually;
use crate::site::Site;

/// One record as printed in JSON.
#[derive(Clone, Debug)]
pub struct Row(pub Value);

impl Row {
    /// A field as text: "" when it is empty or absent, numbers in decimal.
    pub fn text(&self, field: &str) -> String {
        match self.0.get(field) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// A field as a number: 0 when it is empty.
    pub fn number(&self, field: &str) -> u64 {
        let value = self.0.get(field);
        value
            .and_then(Value::as_u64)
            .or_else(|| self.text(field).parse().ok())
            .unwrap_or(0)
    }

    /// Whether the field is absent, null or empty.
    pub fn lacks(&self, field: &str) -> bool {
        self.text(field).is_empty()
    }

    /// Whether every one of these fields reads so.
    pub fn is(&self, expected: &[(&str, &str)]) -> bool {
        expected
            .iter()
            .all(|(field, text)| self.text(field) == *text)
    }
}

/// JSON lines, or one JSON array, as rows.
///
/// # Panics
/// When a line is no JSON.
pub fn rows(text: &str) -> Vec<Row> {
    if text.trim_start().starts_with('[') {
        let all: Vec<Value> = serde_json::from_str(text).expect("an array of records");
        return all.into_iter().map(Row).collect();
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| Row(serde_json::from_str(line).expect("a record a line")))
        .collect()
}

impl Site {
    /// Every record that `weir records search` finds with these arguments.
    ///
    /// # Panics
    /// When the command fails.
    pub fn records(&self, args: &[&str]) -> Vec<Row> {
        let mut all = vec![
            "records",
            "search",
            "--json",
            "--purpose",
            "effective-operation",
            "--case",
            "tests",
        ];
        all.extend_from_slice(args);
        rows(&self.succeed(&all))
    }

    /// Waits for a record whose fields read so, and gives it.
    ///
    /// # Panics
    /// When none comes.
    pub fn record(&self, expected: &[(&str, &str)]) -> Row {
        self.some_records(expected, 1).remove(0)
    }

    /// Waits until at least `count` records have fields that read so.
    ///
    /// # Panics
    /// When they do not come; lists those that did.
    pub fn some_records(&self, expected: &[(&str, &str)], count: usize) -> Vec<Row> {
        self.some_found(&[], expected, count)
    }

    /// The same among what `weir records search` finds with these arguments: for a journal of many rows.
    ///
    /// # Panics
    /// As [`Site::some_records`].
    pub fn some_found(&self, args: &[&str], expected: &[(&str, &str)], count: usize) -> Vec<Row> {
        let last = std::cell::RefCell::new(Vec::new());
        let guard = Shown(&last);
        let found = eventually(&format!("{count} records with {expected:?}"), || {
            let all = self.records(args);
            let found: Vec<Row> = all.iter().filter(|row| row.is(expected)).cloned().collect();
            last.replace(all);
            (found.len() >= count).then_some(found)
        });
        drop(guard);
        found
    }

    /// `weir records export` into `file`; gives the statement it prints.
    ///
    /// # Panics
    /// When the command fails.
    pub fn export(&self, args: &[&str], file: &Path) -> String {
        let file = file.to_string_lossy();
        let mut all = vec!["records", "export", "--case", "tests", "--output", &file];
        all.extend_from_slice(args);
        self.succeed(&all)
    }
}

/// Prints the records there were when a test waits in vain.
struct Shown<'a>(&'a std::cell::RefCell<Vec<Row>>);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let rows = self.0.borrow();
            eprintln!("--- the last of {} records ---", rows.len());
            rows.iter()
                .rev()
                .take(12)
                .for_each(|row| eprintln!("{}", row.0));
        }
    }
}
