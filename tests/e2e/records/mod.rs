//! What is written about traffic, and that it is still there after whatever happened.

mod aside;
mod bundle;
mod crash;
mod disk;
mod readers;
mod rows;
mod strict;
mod time;

use weir_tests::records::Row;

/// Sequence numbers rise by one from row to row, whatever happened between.
fn in_unbroken_order(rows: &[Row]) {
    let mut numbers: Vec<u64> = rows.iter().map(|row| row.number("seq")).collect();
    numbers.sort_unstable();
    let breaks = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1);
    assert_eq!(breaks, None, "of {} rows", numbers.len());
}
