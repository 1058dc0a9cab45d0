use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::clock::SystemClock;
use crate::journal::{Create, Storage, create_file};
use crate::testing::{all_rows, holds, numbered, of_kind, settings, stop, wait_until};
use crate::{Kind, Recorder};

/// Set for the child that runs with a bound on the size of a file.
const CHILD: &str = "WEIR_DISK_CHILD";
/// Rows that fill several files of that size.
const CHILD_ROWS: u64 = 3_000;

/// A small file system of its own, gone with the value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, size: &str) -> Option<SmallDisk> {
        let options = format!("size={size},mode=700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "weir-test"])
            .arg(at)
            .output();
        mounted
            .is_ok_and(|done| done.status.success())
            .then(|| SmallDisk(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_holds_nobody_up_is_stated_and_is_overcome_lm_33() {
    let directory = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(directory.path(), "4m") else {
        eprintln!(
            "no right to mount a small file system: a bound on the size of files is used instead"
        );
        return write_with_bounded_files();
    };
    let filler = disk.0.join("filler");
    std::fs::write(&filler, vec![0; 3 << 20]).unwrap();
    let root = disk.0.join("records");
    let mut own = settings(&root);
    own.queue = 600;
    let recorder = Recorder::start(own).unwrap();
    let mut lane = recorder.lane();
    let (mut pushed, mut longest) = (0, Duration::ZERO);
    let health = loop {
        let begun = Instant::now();
        (0..50).for_each(|at| lane.push(numbered("ann", pushed + at)));
        lane.flush();
        longest = longest.max(begun.elapsed());
        pushed += 50;
        std::thread::sleep(Duration::from_micros(500));
        let health = recorder.health();
        if !health.writable && health.dropped >= 1_000 {
            break health;
        }
        assert!(pushed < 500_000, "the disk never filled: {health:?}");
    };
    assert!(
        longest < Duration::from_millis(500),
        "a push took {longest:?}"
    );
    assert!(health.since.is_some() && health.queued <= 600, "{health:?}");
    let error = health.last_error.unwrap();
    assert!(error.contains("No space left on device"), "{error}");
    // What was written before the disk filled is there and whole.
    assert!(all_rows(&root).len() as u64 >= health.written);

    std::fs::remove_file(&filler).unwrap();
    let health = wait_until(&recorder, "overcome", |health| {
        health.writable && health.queued == 0 && health.since.is_none()
    });
    drop(lane);
    stop(&recorder);
    let rows = all_rows(&root);
    assert_eq!(holds(&root).proved, rows.len() as u64);
    let gaps = of_kind(&rows, Kind::Gap);
    let told: u64 = gaps.iter().map(|gap| dropped_in(&gap.note)).sum();
    assert_eq!(told, health.dropped);
    assert_eq!(of_kind(&rows, Kind::Request).len() as u64 + told, pushed);
    let gap = gaps
        .iter()
        .find(|gap| gap.note.contains("No space left on device"));
    assert!(gap.unwrap().duration > 0);
}

/// The number before "records were dropped".
fn dropped_in(note: &str) -> u64 {
    let before = note.split(" records were dropped").next().unwrap();
    before.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_file_that_takes_no_more_is_followed_by_another_and_loses_nothing_threats_6() {
    if let Ok(root) = std::env::var(CHILD) {
        return record_with_bounded_files(Path::new(&root));
    }
    write_with_bounded_files();
}

/// Runs the child with files bounded to 512 KiB, so that writes end in the middle of a batch.
fn write_with_bounded_files() {
    let this_test = "recorder_tests::disk::a_file_that_takes_no_more_is_followed_by_another_and_loses_nothing_threats_6";
    let directory = tempfile::tempdir().unwrap();
    // The shell counts in 512 bytes; without the trap the kernel would kill the process instead of refusing the write.
    let script =
        format!("trap '' XFSZ; ulimit -f 1024; exec \"$0\" --exact {this_test} --nocapture");
    let child = Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, directory.path())
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stderr)
    );
    let rows = all_rows(directory.path());
    let requests = of_kind(&rows, Kind::Request);
    assert_eq!(
        requests.iter().map(|row| row.bytes_up).collect::<Vec<_>>(),
        (0..CHILD_ROWS).collect::<Vec<_>>()
    );
    let gaps = of_kind(&rows, Kind::Gap);
    assert!(!gaps.is_empty());
    for gap in gaps {
        assert!(gap.note.contains("File too large"), "{}", gap.note);
        assert!(gap.note.contains("0 records were dropped"), "{}", gap.note);
    }
}

fn record_with_bounded_files(root: &Path) {
    let recorder = Recorder::start(settings(root)).unwrap();
    let mut lane = recorder.lane();
    for number in 0..CHILD_ROWS {
        let mut record = numbered("ann", number);
        record.entry = Some("x".repeat(300).into());
        lane.push(record);
        if number % 100 == 99 {
            lane.flush();
            // One batch must fit into an empty file.
            wait_until(&recorder, "written", |health| health.queued < 300);
        }
    }
    drop(lane);
    stop(&recorder);
}

/// Faults that a test turns on.
#[derive(Clone, Default)]
pub(super) struct Faults {
    pub(super) create: Arc<AtomicBool>,
    pub(super) sync: Arc<AtomicBool>,
    /// The next write stops after so many bytes; 0: none does.
    pub(super) write: Arc<AtomicUsize>,
    pub(super) cut: Arc<AtomicBool>,
}

struct Faulty {
    file: Box<dyn Storage>,
    faults: Faults,
}

fn is_on(fault: &AtomicBool, what: &str) -> io::Result<()> {
    if fault.load(Ordering::Relaxed) {
        Err(io::Error::other(format!("broken {what}")))
    } else {
        Ok(())
    }
}

impl Storage for Faulty {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.faults.write.swap(0, Ordering::Relaxed) {
            0 => self.file.write_all(bytes),
            some => {
                self.file.write_all(&bytes[..some])?;
                Err(io::Error::other("broken write"))
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        is_on(&self.faults.sync, "sync")?;
        self.file.sync()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        is_on(&self.faults.cut, "cut")?;
        self.file.cut(length)
    }
}

pub(super) fn start_faulty(directory: &Path, faults: &Faults) -> Recorder {
    let faults = faults.clone();
    let create: Create = Box::new(move |path: &Path| {
        is_on(&faults.create, "create")?;
        Ok(Box::new(Faulty {
            file: create_file(path)?,
            faults: faults.clone(),
        }))
    });
    Recorder::start_with(settings(directory), Box::new(SystemClock::new()), create).unwrap()
}

#[test]
fn a_failed_sync_is_final_for_its_file_and_its_rows_are_named_threats_6() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let recorder = start_faulty(directory.path(), &faults);
    let mut lane = recorder.lane();
    wait_until(&recorder, "synced", |health| health.synced == 1);
    faults.sync.store(true, Ordering::Relaxed);
    (0..10).for_each(|number| lane.push(numbered("ann", number)));
    lane.flush();
    wait_until(&recorder, "in trouble", |health| !health.writable);
    assert!(!lane.is_writable() && !recorder.is_writable());
    faults.sync.store(false, Ordering::Relaxed);
    wait_until(&recorder, "overcome", |health| {
        health.writable && health.synced >= 12
    });
    drop(lane);
    stop(&recorder);
    let rows = all_rows(directory.path());
    // Nothing was signed on faith: the rows were read back first.
    assert_eq!(holds(directory.path()).proved, rows.len() as u64);
    let gap = of_kind(&rows, Kind::Gap)[0];
    assert!(gap.note.contains("broken sync"), "{}", gap.note);
    assert!(
        gap.note
            .contains("rows 2 to 11 were handed over before but may not have reached the disk"),
        "{}",
        gap.note
    );
    let layout = crate::paths::Layout::new(directory.path());
    let period = layout.list_periods().unwrap().pop().unwrap().1;
    let segments = layout.list_segments(&period).unwrap();
    let first: Vec<u64> = segments.iter().map(|(name, _)| name.first).collect();
    assert_eq!(first, [1, 12], "rows after the failure are in another file");
}

#[test]
fn a_half_written_batch_harms_nothing_before_it_even_when_it_cannot_be_cut_off() {
    for cannot_cut in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let faults = Faults::default();
        let recorder = start_faulty(directory.path(), &faults);
        let mut lane = recorder.lane();
        (0..10).for_each(|number| lane.push(numbered("ann", number)));
        lane.flush();
        wait_until(&recorder, "written", |health| health.written == 11);
        faults.cut.store(cannot_cut, Ordering::Relaxed);
        faults.write.store(1_000, Ordering::Relaxed);
        (10..20).for_each(|number| lane.push(numbered("ann", number)));
        lane.flush();
        wait_until(&recorder, "in trouble", |health| !health.writable);
        assert_eq!(all_rows(directory.path()).len(), 11);
        wait_until(&recorder, "overcome", |health| {
            health.writable && health.queued == 0
        });
        drop(lane);
        stop(&recorder);
        let rows = all_rows(directory.path());
        let counts: Vec<u64> = of_kind(&rows, Kind::Request)
            .iter()
            .map(|row| row.bytes_up)
            .collect();
        assert_eq!(counts, (0..20).collect::<Vec<_>>());
        assert_eq!(of_kind(&rows, Kind::Gap).len(), 1);
        assert_eq!(holds(directory.path()).proved, rows.len() as u64);
    }
}

#[test]
fn a_start_on_a_disk_that_takes_nothing_filters_on_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    faults.create.store(true, Ordering::Relaxed);
    let recorder = start_faulty(directory.path(), &faults);
    let mut lane = recorder.lane();
    lane.push(numbered("ann", 1));
    lane.flush();
    let health = wait_until(&recorder, "in trouble", |health| !health.writable);
    assert!(
        health
            .last_error
            .unwrap()
            .contains("cannot create a journal: broken create")
    );
    faults.create.store(false, Ordering::Relaxed);
    wait_until(&recorder, "overcome", |health| {
        health.writable && health.queued == 0
    });
    drop(lane);
    stop(&recorder);
    let kinds: Vec<Kind> = all_rows(directory.path())
        .iter()
        .map(|row| row.kind)
        .collect();
    assert_eq!(kinds, [Kind::Start, Kind::Request, Kind::Gap, Kind::Stop]);
}

#[test]
fn a_stop_on_a_disk_that_takes_nothing_is_not_in_good_order() {
    let directory = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let recorder = start_faulty(directory.path(), &faults);
    wait_until(&recorder, "started", |health| health.synced == 1);
    let mut lane = recorder.lane();
    faults.write.store(100, Ordering::Relaxed);
    faults.create.store(true, Ordering::Relaxed);
    lane.push(numbered("ann", 1));
    drop(lane);
    let stopped = recorder
        .stop(Duration::from_secs(20))
        .unwrap_err()
        .to_string();
    assert!(stopped.contains("broken"), "{stopped}");
    assert_eq!(recorder.health().dropped, 1);
    stop(&Recorder::start(settings(directory.path())).unwrap());
    let rows = all_rows(directory.path());
    assert_eq!(of_kind(&rows, Kind::Gap).len(), 1);
}
