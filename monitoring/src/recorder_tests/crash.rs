use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::testing::{Dice, Row, all_rows, holds, numbered, of_kind, settings, stop};
use crate::{EventId, Kind, Record, Recorder, RecorderSettings};

/// Set for the child: the directory it records to, and its number.
const CHILD: &str = "WEIR_CRASH_CHILD";
const LANES: usize = 3;
const ROUNDS: usize = 12;
/// How often those rounds are played, each time in a new directory; once when it is not set.
const REPEATS: &str = "WEIR_CRASH_REPEATS";

fn crash_settings(directory: &Path) -> RecorderSettings {
    let mut own = settings(directory);
    // Small, so that kills also meet the change of journals and the sealing.
    own.segment_rows = 6_000;
    own.checkpoint = Duration::from_millis(100);
    own
}

/// Records under load until it is killed, and tells what has reached the journal.
fn record_until_killed(place: &str) -> ! {
    let (directory, round) = place.rsplit_once(':').unwrap();
    let recorder = Recorder::start(crash_settings(Path::new(directory))).unwrap();
    std::thread::scope(|scope| {
        for number in 0..LANES {
            let mut lane = recorder.lane();
            let user = format!("lane{number}-{round}");
            let recorder = &recorder;
            scope.spawn(move || {
                let opened = EventId(number as u64);
                lane.push(Record::new(Kind::TunnelOpen, opened, 1_790_000_000_000_000));
                for count in 0.. {
                    lane.push(numbered(&user, count));
                    if count % 100 == 99 {
                        lane.flush();
                        std::thread::sleep(Duration::from_millis(1));
                        // What the queue of a busy machine drops is another test's subject.
                        while recorder.health().queued > 20_000 {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                    }
                }
            });
        }
        loop {
            println!("written {}", recorder.health().written);
            std::thread::sleep(Duration::from_millis(1));
        }
    })
}

fn spawn_child(directory: &Path, round: usize) -> (Child, Arc<AtomicU64>) {
    let this_test =
        "recorder_tests::crash::kill_9_under_load_loses_nothing_that_reached_the_journal_lm_33";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this_test, "--nocapture"])
        .env(CHILD, format!("{}:{round}", directory.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let written = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&written);
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("written ") {
                told.store(number.parse().unwrap(), Ordering::Release);
            }
        }
    });
    (child, written)
}

/// Rows of each lane count 0, 1, 2 … without a hole: what a lane pushed earlier was not lost while later rows were kept.
fn check_lanes(rows: &[Row], round: usize) -> usize {
    let mut found = 0;
    for number in 0..LANES {
        let user = format!("lane{number}-{round}");
        let counts: Vec<u64> = rows
            .iter()
            .filter(|row| row.user.as_deref() == Some(&user))
            .map(|row| row.bytes_up)
            .collect();
        assert_eq!(
            counts,
            (0..counts.len() as u64).collect::<Vec<_>>(),
            "{user}"
        );
        found += counts.len();
    }
    found
}

#[test]
fn kill_9_under_load_loses_nothing_that_reached_the_journal_lm_33() {
    if let Ok(place) = std::env::var(CHILD) {
        record_until_killed(&place);
    }
    let repeats = std::env::var(REPEATS).map_or(1, |text| text.parse().unwrap());
    let mut dice = Dice::new(9);
    let mut rows = 0;
    for repeat in 1..=repeats {
        rows += kill_again_and_again(&mut dice);
        println!("{} kills: {rows} rows, none lost", repeat * ROUNDS);
    }
}

/// Kills a recorder under load so many times; the rows that came through.
fn kill_again_and_again(dice: &mut Dice) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let mut least = 0;
    let mut opened = Vec::new();
    for round in 0..ROUNDS {
        let (mut child, written) = spawn_child(directory.path(), round);
        while written.load(Ordering::Acquire) <= least + 20 {
            std::thread::sleep(Duration::from_millis(1));
            assert!(child.try_wait().unwrap().is_none(), "the child ended");
        }
        std::thread::sleep(Duration::from_millis(dice.below(200)));
        let told = written.load(Ordering::Acquire);
        child.kill().unwrap();
        child.wait().unwrap();
        // Before anything is recovered, a search sees what had reached the journal.
        let rows = all_rows(directory.path());
        assert!(rows.len() as u64 >= told, "{} of {told}", rows.len());
        assert!(check_lanes(&rows, round) > 0);
        let of_this_round = rows.iter().filter(|row| row.seq > least);
        opened.push(
            of_this_round
                .filter(|row| row.kind == Kind::TunnelOpen)
                .count(),
        );
        least = rows.len() as u64;
        // What was signed before the kill is all there; what was written later is there and not proved yet.
        let log = holds(directory.path());
        assert_eq!(log.proved + log.after, least);
    }
    stop(&Recorder::start(crash_settings(directory.path())).unwrap());
    let rows = all_rows(directory.path());
    (0..ROUNDS).for_each(|round| assert!(check_lanes(&rows, round) > 0));
    let log = holds(directory.path());
    assert_eq!((log.proved, log.after), (rows.len() as u64, 0));
    assert_eq!((log.starts, log.gaps), (ROUNDS as u64 + 1, ROUNDS as u64));
    let gaps = of_kind(&rows, Kind::Gap);
    assert_eq!(gaps.len(), ROUNDS, "one gap for each kill");
    for (gap, opened) in gaps.iter().zip(opened) {
        let open = format!("still open were 0 requests and {opened} tunnels");
        assert!(
            opened > 0 && gap.note.contains(&open),
            "{opened}: {}",
            gap.note
        );
    }
    rows.len()
}
