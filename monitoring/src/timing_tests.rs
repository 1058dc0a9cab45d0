//! Quick measurements, run by hand: `cargo nextest run -p weir-monitoring --run-ignored only --no-capture timing`.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use weir_evidence::Span;

use crate::proof::Leaves;
use crate::proof::names::Source;
use crate::record::Rows;
use crate::testing::{Traffic, settings, stop, wait_until};
use crate::{Recorder, frame, paths};

const ROWS: usize = 262_144;

fn report(what: &str, rows: usize, took: Duration) {
    println!(
        "{what}: {:.0} ns a row",
        took.as_nanos() as f64 / rows as f64
    );
}

#[test]
#[ignore = "a measurement, not a promise"]
fn timing_of_push_encode_and_seal() {
    let directory = tempfile::tempdir().unwrap();
    let mut traffic = Traffic::new(1, 2_000, 30_000);
    let records: Vec<_> = (0..ROWS).map(|_| traffic.record()).collect();
    let begun = Instant::now();
    let copies = records.clone();
    report("clone", ROWS, begun.elapsed());
    println!("a record is {} bytes", size_of::<crate::Record>());

    let mut rows = Rows::default();
    for size in [256, 3_072] {
        let mut encoder =
            frame::Encoder::new(crate::keys::DataKey::random("journal".to_owned()).unwrap());
        let (mut append, mut finish, mut encode, mut bytes) =
            (Duration::ZERO, Duration::ZERO, Duration::ZERO, 0);
        let key = weir_evidence::TagKey::new([1; 32]);
        let secret = weir_evidence::Secret::random().unwrap();
        let (mut leaves, mut made) = (Leaves::new(secret, Source::Key(key)), Duration::ZERO);
        let (mut span, mut hashes, mut joined) = (Span::new(0), Vec::new(), Duration::ZERO);
        for chunk in records.chunks(size) {
            let begun = Instant::now();
            for record in chunk {
                rows.append(1, "weir", record);
            }
            append += begun.elapsed();
            let begun = Instant::now();
            let batch = rows.finish().unwrap();
            finish += begun.elapsed();
            let begun = Instant::now();
            bytes += encoder.batch(&batch).unwrap().len();
            encode += begun.elapsed();
            let begun = Instant::now();
            leaves
                .of(&batch, &mut |leaf| hashes.extend(leaf.hash))
                .unwrap();
            made += begun.elapsed();
            let begun = Instant::now();
            span.extend(&hashes);
            hashes.clear();
            joined += begun.elapsed();
        }
        println!("batches of {size}: {} bytes a row", bytes / ROWS);
        report("  append", ROWS, append);
        report("  finish", ROWS, finish);
        report("  encode", ROWS, encode);
        report("  leaves", ROWS, made);
        report("  tree", ROWS, joined);
    }

    let mut own = settings(directory.path());
    own.queue = 2 * ROWS;
    let recorder = Recorder::start(own).unwrap();
    let mut lane = recorder.lane();
    let begun = Instant::now();
    let mut pushing = Duration::ZERO;
    let mut copies = copies.into_iter();
    for _ in 0..ROWS / 1_024 {
        let begun = Instant::now();
        copies
            .by_ref()
            .take(1_024)
            .for_each(|record| lane.push(record));
        pushing += begun.elapsed();
        wait_until(&recorder, "nearly drained", |health| health.queued < 8_192);
    }
    lane.flush();
    report("push", ROWS, pushing);
    wait_until(&recorder, "written", |health| health.written > ROWS as u64);
    report("push to journal", ROWS, begun.elapsed());
    drop(lane);
    let begun = Instant::now();
    stop(&recorder);
    report("seal", ROWS, begun.elapsed());
    let layout = paths::Layout::new(directory.path());
    let bytes: u64 = layout
        .list_periods()
        .unwrap()
        .iter()
        .flat_map(|(_, period)| layout.list_segments(period).unwrap())
        .map(|(_, path)| path.metadata().unwrap().len())
        .sum();
    println!("at rest: {:.1} bytes a row", bytes as f64 / ROWS as f64);
}
