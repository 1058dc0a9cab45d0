//! How answers look: columns for people, numbers with units.

use std::io::{self, Write};

/// Rows in columns as wide as their widest cell, two blanks apart.
pub(super) fn table(out: &mut dyn Write, head: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = std::iter::once(&head)
                .chain(rows)
                .filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for row in std::iter::once(&head).chain(rows) {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// One object or array on a line.
pub(super) fn json(out: &mut dyn Write, value: &serde_json::Value) -> io::Result<()> {
    writeln!(out, "{value}")
}

/// A whole number with its thousands apart: `2,913,501`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of something: `1 list`, `2 lists`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Bytes in the largest decimal unit that leaves at least one.
pub(super) fn size(bytes: u64) -> String {
    scaled(bytes, &["B", "kB", "MB", "GB", "TB"])
}

/// Bytes a second as the bits a second that people buy lines by.
pub(super) fn rate(bytes: u64) -> String {
    scaled(
        bytes.saturating_mul(8),
        &["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"],
    )
}

fn scaled(number: u64, units: &[&str]) -> String {
    let mut scale = 1_u64;
    let mut chosen = 0;
    while chosen + 1 < units.len() && number / scale >= 1000 {
        scale *= 1000;
        chosen += 1;
    }
    let tenths = u128::from(number) * 10 / u128::from(scale);
    let unit = units.get(chosen).copied().unwrap_or_default();
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {unit}"),
        (whole, tenth) => format!("{whole}.{tenth} {unit}"),
    }
}

/// What makes a match void, in words behind it.
pub(super) fn voided(found: &weir_categories::Match) -> String {
    match &found.voided {
        Some(by) => format!(", but {} excepts {}", by.list, safe(&by.entry)),
        None => String::new(),
    }
}

/// Text of others without what could move a terminal's cursor or turn text around.
pub(super) fn safe(text: &str) -> String {
    let clean = |c: char| {
        if c.is_control() || crate::users::is_deceptive(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().map(clean).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_blanks_at_their_ends() {
        let mut out = Vec::new();
        let rows = [
            vec!["café".into(), "1".into()],
            vec!["b".into(), String::new()],
        ];
        table(&mut out, &["name", "n"], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "name  n\ncafé  1\nb\n");
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (2_913_501, "2,913,501"),
        ];
        for (number, told) in cases {
            assert_eq!(count(number), told);
        }
        let cases = [
            (999, "999 B"),
            (1000, "1 kB"),
            (1550, "1.5 kB"),
            (500_000_000, "500 MB"),
        ];
        for (bytes, told) in cases {
            assert_eq!(size(bytes), told);
        }
        assert_eq!(counted(1, "entry", "entries"), "1 entry");
        assert_eq!(counted(0, "entry", "entries"), "0 entries");
        assert_eq!(rate(2_500_000), "20 Mbit/s");
        assert_eq!(rate(u64::MAX), "18446744 Tbit/s");
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(safe("a\u{1b}[31m\u{202e}b"), "a\u{fffd}[31m\u{fffd}b");
    }
}
