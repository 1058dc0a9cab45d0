#![allow(clippy::unwrap_used)]

use arrow::array::Array;

use super::*;
use crate::adapt::Cells;
use crate::column::Grade;

#[test]
fn every_field_of_the_schema_says_its_grade_unit_and_meaning_lm_07() {
    for field in schema().fields() {
        let grade = field.metadata().get("grade").map(String::as_str);
        assert!(
            matches!(grade, Some("event" | "content")),
            "{}",
            field.name()
        );
        for key in ["unit", "doc"] {
            let text = field.metadata().get(key).map(String::as_str).unwrap();
            assert!(!text.is_empty() && text.trim() == text, "{}", field.name());
        }
    }
    assert_eq!(schema().fields().len(), Col::ALL.len());
    for (index, col) in Col::ALL.iter().enumerate() {
        assert_eq!(
            (col.index(), schema().field(index).name().as_str()),
            (index, col.name())
        );
    }
}

#[test]
fn only_the_path_is_content_lm_04() {
    let content: Vec<&str> = columns()
        .iter()
        .filter(|column| column.grade == Grade::Content)
        .map(|column| column.name)
        .collect();
    assert_eq!(content, ["path"]);
}

#[test]
fn content_stays_only_with_blocked_and_warned_events_lm_04() {
    let mut rows = Rows::default();
    for verdict in Verdict::ALL {
        let mut record = Record::new(Kind::Request, EventId(1), 0);
        record.verdict = *verdict;
        record.path = Some("/secret/page".into());
        rows.append(1, "weir", &record);
    }
    let batch = rows.finish().unwrap();
    let kept: Vec<Option<&str>> = (0..Verdict::ALL.len())
        .map(|row| Cells::new(&batch).str_at(Col::path, row))
        .collect();
    assert_eq!(
        kept,
        [None, Some("/secret/page"), Some("/secret/page"), None]
    );
}

#[test]
fn debug_output_never_shows_content_lm_10() {
    let mut record = Record::new(Kind::Request, EventId(1), 0);
    record.path = Some("/secret/page".into());
    record.host = Some("example.com".into());
    let shown = format!("{record:?}");
    assert!(
        shown.contains("example.com") && !shown.contains("secret"),
        "{shown}"
    );
}

#[test]
fn hostile_text_is_stored_on_one_line_and_bounded_threats_6() {
    let mut record = Record::new(Kind::Request, EventId(1), 0);
    record.verdict = Verdict::Block;
    record.user = Some("eve\n2026,allow\u{202e}".into());
    record.path = Some(format!("/{}", "x".repeat(10_000)).into_boxed_str());
    let mut rows = Rows::default();
    rows.append(1, "weir", &record);
    let batch = rows.finish().unwrap();
    let cells = Cells::new(&batch);
    assert_eq!(
        cells.str_at(Col::user, 0),
        Some("eve\\u{a}2026,allow\\u{202e}")
    );
    let path = cells.str_at(Col::path, 0).unwrap();
    assert!(
        path.len() <= 2048 && path.ends_with("\\u{+7979}"),
        "{}",
        path.len()
    );
}

#[test]
fn an_address_is_stored_in_one_spelling() {
    let mut rows = Rows::default();
    for client in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"] {
        let mut record = Record::new(Kind::Request, EventId(1), 0);
        record.client = Some(client.parse().unwrap());
        rows.append(1, "weir", &record);
    }
    let batch = rows.finish().unwrap();
    let column = Cells::new(&batch).text(Col::client).unwrap();
    assert_eq!(
        column.iter().flatten().collect::<Vec<_>>(),
        ["192.0.2.1", "192.0.2.1", "2001:db8::1"]
    );
    assert_eq!(column.null_count(), 0);
}
