//! A log to attack: written by the recorder, copied for each test, and tools to alter it as somebody with the disk could, or
//! somebody with the key.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arrow::array::{
    Array, ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::compute::{concat_batches, take_record_batch};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use weir_evidence::{
    Checkpoint, Entry, Hash, Log, Note, SealedFile, SigningKey, Span, entries, users_to_bytes,
};
use weir_monitoring::proof::{self, RowFile};
use weir_monitoring::{
    EventId, KekSource, KeyError, Kind, Record, Recorder, RecorderSettings, Store, Verdict,
};
use weir_verify::{Fault, Outside, Report, check};

/// Rows of a segment.
const SEGMENT: usize = 40;

/// A records directory of its own.
pub(crate) struct Lab {
    _folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl Lab {
    /// A copy of the log that every test begins with: two runs, stopped in good order, of several segments each.
    pub(crate) fn new() -> Lab {
        static FIRST: OnceLock<Lab> = OnceLock::new();
        FIRST.get_or_init(Lab::write).copy()
    }

    /// Another log with as many rows of other people.
    pub(crate) fn other() -> Lab {
        let lab = Lab::empty();
        lab.record_of(["dan", "eva", "fay"], 100);
        lab.record_of(["dan", "eva", "fay"], 60);
        lab
    }

    /// A log of these people.
    pub(crate) fn of(people: [&str; 3]) -> Lab {
        let lab = Lab::empty();
        lab.record_of(people, 100);
        lab
    }

    /// Records one row between a start and a stop.
    pub(crate) fn put(&self, record: Record) {
        let recorder = Recorder::start(self.settings()).unwrap();
        let mut lane = recorder.lane();
        lane.push(record);
        drop(lane);
        recorder.stop(Duration::from_secs(30)).unwrap();
    }

    /// A log with one request of each of these people, in this order, and segments of so many rows.
    pub(crate) fn random(people: &[u8], segment: usize) -> Lab {
        let lab = Lab::empty();
        let recorder = Recorder::start(RecorderSettings {
            segment_rows: segment,
            ..lab.settings()
        });
        let recorder = recorder.unwrap();
        let mut lane = recorder.lane();
        for (number, person) in people.iter().enumerate() {
            let time = 1_790_000_000_000_000 + number as i64 * 1_000;
            let mut record = Record::new(Kind::Request, EventId(number as u64), time);
            record.user = Some(format!("person-{person}").into());
            lane.push(record);
            if number % 7 == 6 {
                lane.flush();
                wait(|| recorder.health().queued == 0);
            }
        }
        drop(lane);
        recorder.stop(Duration::from_secs(30)).unwrap();
        lab
    }

    fn write() -> Lab {
        let lab = Lab::empty();
        lab.record(100);
        lab.record(60);
        lab
    }

    fn empty() -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        Lab {
            _folder: folder,
            path,
        }
    }

    /// As it is now.
    pub(crate) fn copy(&self) -> Lab {
        let copy = Lab::empty();
        copy_directory(&self.path, &copy.path);
        fs::copy(self.kek_file(), copy.kek_file()).unwrap();
        copy
    }

    /// The key that everything is encrypted under, in its place beside the records.
    pub(crate) fn kek_file(&self) -> PathBuf {
        self.path.with_extension("kek")
    }

    /// The records with their key.
    pub(crate) fn store(&self) -> Store {
        Store::open(&self.path, &KekSource::beside(&self.path), "default").unwrap()
    }

    pub(crate) fn settings(&self) -> RecorderSettings {
        RecorderSettings {
            segment_rows: SEGMENT,
            // Its requests are of a fixed day, whenever the tests run.
            retain: Duration::from_secs(10_000 * 86_400),
            retain_content: Duration::from_secs(10_000 * 86_400),
            sync: Duration::from_millis(10),
            ..RecorderSettings::new(&self.path)
        }
    }

    /// Records so many requests between a start and a stop.
    pub(crate) fn record(&self, count: u64) {
        self.record_of(["ann", "bob", "cal"], count);
    }

    fn record_of(&self, people: [&str; 3], count: u64) {
        let recorder = Recorder::start(self.settings()).unwrap();
        let mut lane = recorder.lane();
        for number in 0..count {
            let time = 1_790_000_000_000_000 + number as i64 * 1_000;
            let mut record = Record::new(Kind::Request, EventId(number), time);
            record.user = Some(Arc::from(people[number as usize % 3]));
            record.host = Some(Arc::from(format!("host{}.example", number % 7)));
            record.bytes_down = number;
            if number % 10 == 0 {
                record.verdict = Verdict::Block;
                record.path = Some(kept("/bad/page"));
            }
            lane.push(record);
            if number % 20 == 19 {
                lane.flush();
                wait(|| recorder.health().queued == 0);
            }
        }
        drop(lane);
        recorder.stop(Duration::from_secs(30)).unwrap();
    }

    /// Lets the log change its key.
    pub(crate) fn rotate(&self) {
        let recorder = Recorder::start(self.settings()).unwrap();
        wait(|| recorder.health().checkpoint_rows > 0);
        let before = self.points().len();
        proof::ask(&self.path, "weir", proof::Asked::Rotation).unwrap();
        wait(|| self.points().len() >= before + 2);
        recorder.stop(Duration::from_secs(30)).unwrap();
    }

    /// The same, when the keys themselves may not open.
    pub(crate) fn try_check(&self) -> Result<Report, KeyError> {
        let store = Store::open(&self.path, &KekSource::beside(&self.path), "default")?;
        Ok(check(&store, &Outside::default(), &mut |_, _, _| Ok(())).unwrap())
    }

    pub(crate) fn check(&self) -> Report {
        check(&self.store(), &Outside::default(), &mut |_, _, _| Ok(())).unwrap()
    }

    /// Checks, and expects the log not to hold; the faults.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let report = self.check();
        assert!(!report.holds(), "{}", report.to_text());
        report.faults
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        proof::log_directory(&self.path, "weir").join(name)
    }

    pub(crate) fn files(&self) -> Vec<RowFile> {
        proof::row_files(&self.store()).unwrap()
    }

    /// The file that has a row.
    pub(crate) fn file_of(&self, seq: u64) -> RowFile {
        let has = |file: &RowFile| file.first <= seq && file.last.is_none_or(|last| last >= seq);
        self.files().into_iter().find(has).unwrap()
    }

    /// The entries of the log.
    pub(crate) fn points(&self) -> Vec<Entry> {
        let text = fs::read(self.log("checkpoints")).unwrap_or_default();
        let mut found = Vec::new();
        entries(&mut text.as_slice(), &mut |_, bytes| {
            found.extend(Entry::parse(std::str::from_utf8(bytes).unwrap()));
            Ok(())
        })
        .unwrap();
        found
    }

    /// Puts these entries in the place of the log's, and the last one into `latest`.
    pub(crate) fn put_points(&self, entries: &[Entry]) {
        let text: String = entries.iter().map(Entry::to_text).collect();
        fs::write(self.log("checkpoints"), text).unwrap();
        let latest = entries.last().unwrap().note.to_string();
        fs::write(self.log("latest"), latest).unwrap();
    }

    pub(crate) fn key(&self) -> SigningKey {
        proof::signing_key(&self.store(), "weir").unwrap().unwrap()
    }

    /// Alters the rows of a segment, whose name stays.
    pub(crate) fn alter(&self, file: &RowFile, change: impl FnOnce(RecordBatch) -> RecordBatch) {
        write_segment(&file.path, &change(read_segment(&self.store(), &file.path)));
    }

    /// Removes a segment with its secret and hints.
    pub(crate) fn remove(&self, file: &RowFile) {
        for path in with_sidecars(&file.path) {
            fs::remove_file(path).unwrap();
        }
    }

    /// Signs the whole log anew over the rows as they are now, as somebody with the key and much patience could: every root,
    /// digest and signature fits. `change` may alter each checkpoint before it is signed.
    pub(crate) fn sign_anew(&self, key: &SigningKey, change: impl Fn(&mut Checkpoint)) {
        let mut leaves: Vec<(u64, Hash)> = Vec::new();
        for file in self.files() {
            let rows = file.rows(&self.store()).unwrap().rows;
            leaves.extend(rows.iter().map(|row| (row.seq, row.leaf.unwrap())));
            let hints = rows.iter().map(|row| proof::hint(&row.leaf.unwrap()));
            let hints: Vec<u8> = hints.flatten().collect();
            fs::write(file.path.with_extension("hints"), hints).unwrap();
        }
        let sealed: Vec<SealedFile> = self
            .files()
            .iter()
            .map(|file| sealed_anew(&self.store(), file))
            .collect();
        let mut log = Log::default();
        let mut anew = Vec::new();
        for entry in self.points() {
            let mut checkpoint = entry.checkpoint;
            let after = log.last.as_ref().map_or(0, |last| last.last);
            let mut stretch = Span::new(log.tree.end());
            let own = leaves
                .iter()
                .filter(|(seq, _)| *seq > after && *seq <= checkpoint.last);
            own.for_each(|(_, leaf)| stretch.push(*leaf));
            let mut tree = log.tree.clone();
            tree.join(&stretch).unwrap();
            checkpoint.size = tree.end();
            checkpoint.root = tree.root().unwrap();
            checkpoint.previous = log.previous;
            if checkpoint.key.is_some() {
                checkpoint.key = Some(key.verifier().clone());
            }
            for named in &mut checkpoint.sealed {
                let now = sealed.iter().find(|now| now.path == named.path);
                *named = now.unwrap_or(named).clone();
            }
            change(&mut checkpoint);
            let entry = Entry {
                note: Note::sign(checkpoint.to_text(), &[key]),
                checkpoint,
                subtrees: stretch.nodes().to_vec(),
            };
            log.follow(&entry).unwrap();
            anew.push(entry);
        }
        self.put_points(&anew);
        proof::put_signing_key(&self.store(), "weir", key).unwrap();
    }
}

/// A segment as a checkpoint would name it now; its users are written anew.
fn sealed_anew(store: &Store, file: &RowFile) -> SealedFile {
    let rows = file.rows(store).unwrap();
    let users = users_to_bytes(&rows.users);
    fs::write(file.path.with_extension("users"), users).unwrap();
    let times = rows.rows.iter().map(|row| row.time);
    let times = (times.clone().min().unwrap(), times.max().unwrap());
    let digest = file.digest().unwrap();
    SealedFile::new(file.sealed_name().to_owned(), digest, times, &rows.users)
}

/// A segment and what lies beside it.
pub(crate) fn with_sidecars(segment: &Path) -> [PathBuf; 5] {
    [
        segment.to_owned(),
        segment.with_extension("hosts"),
        segment.with_extension("secret"),
        segment.with_extension("hints"),
        segment.with_extension("users"),
    ]
}

/// Waits until it is so.
pub(crate) fn wait(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn read_segment(store: &Store, path: &Path) -> RecordBatch {
    let options =
        ArrowReaderOptions::new().with_file_decryption_properties(store.decryption().unwrap());
    let file = File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options);
    let reader = reader.unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn write_segment(path: &Path, batch: &RecordBatch) {
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn replaced(batch: &RecordBatch, column: &str, values: ArrayRef) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    columns[batch.schema().index_of(column).unwrap()] = values;
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

/// The numbers of the rows, in the order of the segment.
pub(crate) fn numbers(batch: &RecordBatch) -> Vec<u64> {
    let column = batch.column_by_name("seq").unwrap();
    let column = column.as_any().downcast_ref::<UInt64Array>().unwrap();
    column.values().to_vec()
}

/// The rows with other numbers.
pub(crate) fn renumbered(batch: &RecordBatch, change: impl Fn(u64) -> u64) -> RecordBatch {
    let numbers = numbers(batch).into_iter().map(change);
    replaced(
        batch,
        "seq",
        Arc::new(UInt64Array::from_iter_values(numbers)),
    )
}

/// The rows at these places.
pub(crate) fn picked(batch: &RecordBatch, places: &[usize]) -> RecordBatch {
    let places = UInt64Array::from_iter_values(places.iter().map(|at| *at as u64));
    take_record_batch(batch, &places).unwrap()
}

/// The place of a row.
pub(crate) fn place_of(batch: &RecordBatch, seq: u64) -> usize {
    numbers(batch)
        .iter()
        .position(|number| *number == seq)
        .unwrap()
}

/// The rows with another text in one of them.
pub(crate) fn with_text(batch: &RecordBatch, column: &str, seq: u64, text: &str) -> RecordBatch {
    let place = place_of(batch, seq);
    let old = batch.column_by_name(column).unwrap();
    let old = old.as_any().downcast_ref::<StringArray>().unwrap();
    let values = (0..old.len()).map(|at| {
        if at == place {
            Some(text)
        } else {
            old.is_valid(at).then(|| old.value(at))
        }
    });
    replaced(batch, column, Arc::new(StringArray::from_iter(values)))
}

/// The rows with other times.
pub(crate) fn with_times(batch: &RecordBatch, change: impl Fn(i64) -> i64) -> RecordBatch {
    let old = batch.column_by_name("time").unwrap();
    let old = old
        .as_any()
        .downcast_ref::<TimestampMicrosecondArray>()
        .unwrap();
    let values =
        TimestampMicrosecondArray::from_iter_values(old.values().iter().map(|at| change(*at)));
    replaced(batch, "time", Arc::new(values.with_timezone("UTC")))
}

/// Content as the gate lets it in: with an authorisation, after the notice, of something blocked (LM-04).
fn kept(text: &str) -> weir_monitoring::Kept {
    let basis = weir_monitoring::Basis {
        version: 1,
        role: "headteacher".to_owned(),
        authorised: "2026-01-01".parse().unwrap(),
        review: "2026-12-31".parse().unwrap(),
        scope: "tests".to_owned(),
        sites: Vec::new(),
        purposes: Vec::new(),
        instrument: weir_monitoring::basis::INSTRUMENT.to_owned(),
    };
    let grounds = weir_monitoring::Grounds {
        basis: Some(&basis),
        notice: weir_monitoring::Informed::Given,
        verdict: Verdict::Block,
        purpose: None,
        rule_keeps_until: None,
        now: basis.from_micros(),
    };
    weir_monitoring::Permit::on(&grounds).unwrap().keep(text)
}
