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
fn path_and_search_term_are_content_and_nothing_else_lm_04() {
    let content: Vec<&str> = columns()
        .iter()
        .filter(|column| column.grade == Grade::Content)
        .map(|column| column.name)
        .collect();
    assert_eq!(content, ["path", "term"]);
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
fn no_path_is_stored_with_its_secrets_whoever_filled_the_record_lm_10() {
    let mut record = Record::new(Kind::Request, EventId(1), 0);
    record.verdict = Verdict::Block;
    record.path = Some("/a;jsessionid=s3cr3t/x/http://joe:s3cr3t@b/?token=s3cr3t".into());
    let mut rows = Rows::default();
    rows.append(1, "weir", &record);
    let batch = rows.finish().unwrap();
    let stored = Cells::new(&batch).str_at(Col::path, 0).map(str::to_owned);
    assert_eq!(
        stored.as_deref(),
        Some("/a;jsessionid=\u{2026}/x/http://\u{2026}@b/")
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
    record.path = Some(format!("/{}", "x".repeat(10_000)).into());
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

#[test]
fn lm_28_a_concealed_row_names_list_rule_and_event_and_nothing_of_the_address() {
    let mut record = Record::new(Kind::TunnelClose, EventId(7), 5);
    let secret = || Some(Arc::from("secret.example"));
    (record.host, record.sni, record.entry) = (secret(), secret(), secret());
    (record.category, record.categories) = (secret(), secret());
    record.path = Some("/secret".into());
    (record.origin, record.port) = (Some("192.0.2.77".parse().unwrap()), 4_443);
    (record.list, record.rule) = (Some("iwf".into()), Some("mandatory:iwf".into()));
    record.user = Some("anna".into());
    record.verdict = Verdict::Block;
    record.conceal_address();
    let shown = format!("{record:?}");
    for word in ["secret", "192.0.2.77", "4443", "(content)"] {
        assert!(!shown.contains(word), "{word}: {shown}");
    }
    for word in ["iwf", "mandatory:iwf", "anna"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert_eq!((record.event, record.time), (EventId(7), 5));
}

/// The table of `docs/records.md`.
fn field_table() -> String {
    let mut table =
        "| field | type | grade | unit or form | meaning |\n|---|---|---|---|---|\n".to_owned();
    for column in columns() {
        let kind = match column.data_type.to_string().as_str() {
            "Utf8" => "text".to_owned(),
            "Boolean" => "boolean".to_owned(),
            time if time.starts_with("Timestamp") => "timestamp".to_owned(),
            number => number.to_lowercase(),
        };
        let empty = if column.nullable {
            ", may be empty"
        } else {
            ""
        };
        let grade = column.grade.as_str();
        table += &format!(
            "| `{}` | {kind}{empty} | {grade} | {} | {} |\n",
            column.name, column.unit, column.doc
        );
    }
    table
}

#[test]
fn the_field_table_of_the_documentation_is_the_records_own_lm_07() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/records.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once("<!-- fields -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /fields -->").unwrap();
    let expected = format!(
        "{before}<!-- fields -->\n{}<!-- /fields -->{after}",
        field_table()
    );
    if std::env::var_os("WEIR_BLESS").is_some() {
        std::fs::write(path, &expected).unwrap();
    } else {
        assert_eq!(text, expected, "WEIR_BLESS=1 writes the table anew");
    }
}
