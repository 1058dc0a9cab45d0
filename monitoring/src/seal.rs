//! Sealing: a journal becomes a Parquet segment, sorted by user and then time.
//!
//! Decides order, encodings, statistics and filters of a segment, and the order of steps: written beside, synced, renamed,
//! directory synced, and only then is the journal removed. Interrupted anywhere, doing it again gives the same segment.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, UInt64Type};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::compute_leaves;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use weir_evidence::Secret;

use crate::adapt::Cells;
use crate::coded::{self, Texts};
use crate::column::{Column, Grade};
use crate::hosts;
use crate::journal::key;
use crate::keys::{DataKey, KeyError};
use crate::paths::{FileName, Layout, Period, sync_directory};
use crate::proof::names::{Source, Tally};
use crate::proof::sidecar::{self, Gathered};
use crate::proof::{self, Leaves};
use crate::record::{Col, columns, schema};
use crate::replay::Replay;
use crate::segment::{self, Facts, fact};
use crate::store::{self, Store};
use crate::words::Kind;

/// A segment that is being written.
pub(crate) const UNFINISHED_SUFFIX: &str = ".tmp";
/// A period that is being removed.
pub(crate) const REMOVED_PREFIX: &str = ".removed-";
/// Texts that statistics tell of: the user, by whom rows are sorted, and columns that often are empty, which a search need not
/// open then. They pay the comparisons for the number of empty rows: Parquet's writer has no statistics with that alone.
const TOLD: [Col; 10] = [
    Col::user,
    Col::device,
    Col::network,
    Col::sni,
    Col::rule,
    Col::category,
    Col::list,
    Col::entry,
    Col::error,
    Col::note,
];
/// Rows of one page: few enough that one user's rows are found without decoding much else.
const PAGE_ROWS: usize = 8192;

/// A sealed segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    /// In which it lies.
    pub(crate) period: Period,
    /// Whether its rows are in the log: what an older Weir wrote is not.
    pub(crate) is_proven: bool,
}

/// Why a journal was not sealed. It stays, and is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error("{0}")]
    File(#[from] io::Error),
    #[error("{0}")]
    Arrow(#[from] ArrowError),
    #[error("{0}")]
    Parquet(#[from] ParquetError),
    #[error("{0}")]
    Key(#[from] KeyError),
}

/// Seals one journal and removes it; gives the segment, None when the journal held no whole row. The journal's secret, hints and
/// users (the writer's when they fit, else made again) lie beside the segment before it has its name.
///
/// # Errors
/// When it cannot be read or the segment not be written; the journal is still there then.
pub(crate) fn seal(
    store: &Store,
    journal: &Path,
    gathered: Option<&Gathered>,
) -> Result<Option<Segment>, SealError> {
    let layout = store.layout();
    let mut replay = Replay::open(store, journal)?;
    let mut batches = Vec::new();
    while let Some(batch) = replay.next_coded()? {
        batches.push(batch);
    }
    let node = journal
        .file_name()
        .and_then(|name| FileName::parse(name.to_str()?))
        .map(|name| name.node);
    let facts = Facts::of(
        &batches,
        node.unwrap_or_default(),
        replay.header(key::VERSION),
    );
    let secret = sidecar::read_secret(store, journal)?;
    let is_proven = secret.is_some();
    let segment = match facts.rows {
        0 => None,
        _ => {
            let path = place(layout, &facts)?;
            if !is_sealed(store, &path) {
                let keys = store.segment_keys(Period::of(facts.latest))?;
                if let Some(secret) = secret {
                    sidecar::write_secret(store, &keys[0], &path, &secret)?;
                    match gathered.filter(|gathered| gathered.is_of(facts.rows)) {
                        Some(gathered) => gathered.write(&path)?,
                        None => gather(store, &facts.node, &batches, secret)?.write(&path)?,
                    }
                }
                hosts::write(store, &keys[0], &path, &batches)?;
                write(layout, &path, &facts, &keys, batches)?;
            }
            Some(path)
        }
    };
    retire(
        layout,
        journal,
        segment.as_deref(),
        replay.damaged() > 0 || !replay.has_header(),
    )?;
    let period = Period::of(facts.latest);
    Ok(segment.map(|path| Segment {
        path,
        period,
        is_proven,
    }))
}

/// Whether a kill came after the segment had its name and before its journal was gone. It stays byte for byte what it is then,
/// whatever became of the journal and of its own rows since: a checkpoint may name it already, and if it were written anew, a
/// second kill could come before the next checkpoint says so.
fn is_sealed(store: &Store, path: &Path) -> bool {
    path.exists() && Facts::read(store, path).is_ok()
}

/// What a writer that is gone had gathered; the order of the batches is that of `seq`.
fn gather(
    store: &Store,
    node: &str,
    batches: &[RecordBatch],
    secret: Secret,
) -> io::Result<Gathered> {
    let key = proof::tag_key(store, node)?;
    let key = key.ok_or_else(|| io::Error::other("the key of the log's tags is not there"))?;
    let mut leaves = Leaves::new(secret, Source::Key(key));
    let (mut hints, mut users, mut contents) = (Vec::new(), Tally::default(), Vec::new());
    for batch in batches {
        let made = leaves.of(batch, &mut |leaf| {
            if let (Some(of), Some(hash)) = (leaf.of, leaf.hash) {
                hints.push(sidecar::hint(&hash));
                users.push(of, leaf.seq, &hash);
                contents.extend(leaf.content());
            }
        });
        made.map_err(io::Error::other)?;
    }
    Ok(Gathered {
        hints,
        users: users.finish(),
        contents,
    })
}

/// Where the segment will lie; makes the directory of its period.
fn place(layout: &Layout, facts: &Facts) -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let directory = layout.period(Period::of(facts.latest));
    std::fs::DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(&directory)?;
    let name = FileName {
        node: facts.node.clone(),
        first: facts.first,
        last: Some(facts.last),
    };
    Ok(directory.join(name.to_string()))
}

/// Writes the segment beside, syncs and renames it.
pub(crate) fn write(
    layout: &Layout,
    path: &Path,
    facts: &Facts,
    keys: &[Arc<DataKey>; 2],
    batches: Vec<RecordBatch>,
) -> Result<(), SealError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut beside = path.as_os_str().to_owned();
    beside.push(UNFINISHED_SUFFIX);
    let beside = PathBuf::from(beside);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    let written = encode(&file, facts, keys, batches).and_then(|()| Ok(file.sync_all()?));
    if let Err(error) = written {
        // Best effort: the next start clears it away as well.
        let _ = std::fs::remove_file(&beside);
        return Err(error);
    }
    std::fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), sync_directory)?;
    sync_directory(&layout.segments())?;
    Ok(())
}

/// Removes a sealed journal; one with damage is kept beside its segment, for as long as the period is kept.
fn retire(
    layout: &Layout,
    journal: &Path,
    segment: Option<&Path>,
    is_damaged: bool,
) -> io::Result<()> {
    match segment.and_then(Path::parent) {
        Some(period) if is_damaged => {
            let name = journal
                .file_name()
                .map(|name| name.display().to_string())
                .unwrap_or_default();
            let kept = period.join(format!("{name}.damaged"));
            let key = store::journal_key_path(journal);
            if key.exists() {
                // On the disk before the other one is destroyed.
                sidecar::write(&store::journal_key_path(&kept), &std::fs::read(&key)?)?;
            }
            std::fs::rename(journal, kept)?;
            sync_directory(period)?;
        }
        _ => std::fs::remove_file(journal)?,
    }
    sidecar::remove_beside(journal)?;
    sync_directory(&layout.journals())
}

/// Column by column, so that only one column is held twice: those that are coded under one dictionary, others by `concat` and
/// then `take`, which is several times faster than interleaving rows of many batches.
fn encode(
    file: &File,
    facts: &Facts,
    keys: &[Arc<DataKey>; 2],
    batches: Vec<RecordBatch>,
) -> Result<(), SealError> {
    let order = order(&batches)?;
    let writer = ArrowWriter::try_new(file, schema(), Some(properties(facts, keys)?))?;
    let (mut file, factory) = writer.into_serialized_writer()?;
    if order.is_empty() {
        // Every row was erased; what the footer says of them stays.
        file.close()?;
        return Ok(());
    }
    let columns = factory.create_column_writers(0)?;
    let mut group = file.next_row_group()?;
    for ((index, field), mut writer) in schema().fields().iter().enumerate().zip(columns) {
        let sorted = sorted(&batches, index, &order)?;
        for leaf in compute_leaves(field, &sorted)? {
            writer.write(&leaf)?;
        }
        writer.close()?.append_to_row_group(&mut group)?;
    }
    group.close()?;
    file.close()?;
    Ok(())
}

/// One column of all batches in this order, in full or coded, whatever they are.
fn sorted(
    batches: &[RecordBatch],
    index: usize,
    order: &UInt32Array,
) -> Result<ArrayRef, ArrowError> {
    let parts: Vec<&dyn Array> = batches
        .iter()
        .map(|batch| batch.column(index).as_ref())
        .collect();
    match batches {
        [only] => take(only.column(index), order, None),
        [first, ..] if first.column(index).data_type() == &coded::data_type() => {
            Ok(Arc::new(coded::gather(&parts, order)?))
        }
        _ => take(&concat(&parts)?, order, None),
    }
}

/// Rows by user (none first), time and number. Users are ranked once, so that the sort compares integers.
fn order(batches: &[RecordBatch]) -> Result<UInt32Array, SealError> {
    let unfit = || ArrowError::SchemaError("user or time has another type".to_owned());
    let columns = batches.iter().map(|batch| {
        let cells = Cells::new(batch);
        cells.texts(Col::user).zip(cells.times()).ok_or_else(unfit)
    });
    let columns: Vec<_> = columns.collect::<Result<_, _>>()?;
    let mut ranks: HashMap<&str, u32> = HashMap::new();
    for (users, _) in &columns {
        ranks.extend(users.each().map(|user| (user, 0)));
    }
    let mut users: Vec<&str> = ranks.keys().copied().collect();
    users.sort_unstable();
    ranks.extend(users.into_iter().zip(1..));
    let rank = |user: Option<&str>| user.and_then(|user| ranks.get(user)).copied().unwrap_or(0);
    let mut keys = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for (users, times) in columns {
        let known: Vec<u32> = match users {
            Texts::Coded(_, texts) => texts.iter().map(rank).collect(),
            Texts::Plain(_) => Vec::new(),
        };
        for (row, time) in times.values().iter().enumerate() {
            let rank = match users {
                Texts::Coded(..) => users
                    .code(row)
                    .and_then(|code| known.get(usize::from(code)))
                    .map_or(0, |rank| *rank),
                Texts::Plain(_) => rank(users.get(row)),
            };
            let at = u32::try_from(keys.len())
                .map_err(|_| ParquetError::General("too many rows".to_owned()))?;
            keys.push((rank, *time, at));
        }
    }
    // The place in the journal is the order of seq, and makes every key different.
    keys.sort_unstable();
    Ok(UInt32Array::from_iter_values(
        keys.into_iter().map(|(_, _, at)| at),
    ))
}

fn properties(facts: &Facts, keys: &[Arc<DataKey>; 2]) -> Result<WriterProperties, ParquetError> {
    let rows = usize::try_from(facts.rows).unwrap_or(usize::MAX);
    let sorting =
        [(Col::user, true), (Col::time, false), (Col::seq, false)].map(|(col, nulls_first)| {
            SortingColumn {
                column_idx: i32::try_from(col.index()).unwrap_or(i32::MAX),
                descending: false,
                nulls_first,
            }
        });
    let mut builder = WriterProperties::builder()
        .with_file_encryption_properties(segment::encryption(keys)?)
        .set_created_by(format!("weir {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(Some(rows.max(1)))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_sorting_columns(Some(sorting.to_vec()))
        .set_key_value_metadata(Some(facts.to_metadata(&keys[0].name)));
    for col in [Col::user, Col::time, Col::seq, Col::event] {
        builder = builder.set_column_statistics_enabled(path(col), EnabledStatistics::Page);
    }
    // Numbers that hardly repeat: a dictionary would be built and thrown away.
    let varied = [
        Col::seq,
        Col::event,
        Col::time,
        Col::duration,
        Col::client_port,
        Col::bytes_up,
        Col::bytes_down,
    ];
    for col in varied {
        builder = builder
            .set_column_dictionary_enabled(path(col), false)
            .set_column_encoding(path(col), Encoding::DELTA_BINARY_PACKED);
    }
    let is_without = |(col, column): &(&Col, &Column)| {
        // Statistics would repeat content outside its column.
        column.grade == Grade::Content
            // The least and the greatest text cost two comparisons a row and rule nothing out where rows are sorted by user.
            || (column.data_type == DataType::Utf8 && !TOLD.contains(col))
    };
    for (_, column) in Col::ALL.iter().zip(columns()).filter(is_without) {
        builder = builder
            .set_column_statistics_enabled(ColumnPath::from(column.name), EnabledStatistics::None);
    }
    Ok(builder.build())
}

fn path(col: Col) -> ColumnPath {
    ColumnPath::from(col.name())
}

impl Facts {
    /// The facts of what is about to be sealed.
    pub(crate) fn of(batches: &[RecordBatch], node: String, version: Option<&str>) -> Facts {
        let mut facts = Facts {
            node,
            first: u64::MAX,
            earliest: i64::MAX,
            latest: i64::MIN,
            ..Facts::default()
        };
        facts.version = version.unwrap_or_default().to_owned();
        for batch in batches {
            facts.add(Cells::new(batch));
        }
        facts
    }

    fn add(&mut self, cells: Cells<'_>) {
        let numbers = cells
            .numbers::<UInt64Type>(Col::seq)
            .map(|column| column.values());
        let times = cells.times().map(|column| column.values());
        let rows = numbers
            .into_iter()
            .flatten()
            .zip(times.into_iter().flatten());
        for (&seq, &time) in rows {
            self.first = self.first.min(seq);
            self.last = self.last.max(seq);
            self.earliest = self.earliest.min(time);
            self.latest = self.latest.max(time);
            self.rows += 1;
        }
        for kind in cells.texts(Col::kind).into_iter().flat_map(Texts::each) {
            if !self.kinds.contains(kind) {
                self.kinds.insert(kind.to_owned());
            }
        }
        // Batches come in the order of their numbers, so the last one that is added decides.
        let last = numbers.and_then(|numbers| numbers.len().checked_sub(1));
        let last = last.and_then(|row| cells.str_at(Col::kind, row));
        self.has_stopped = last == Some(Kind::Stop.as_str());
    }

    fn to_metadata(&self, key: &str) -> Vec<KeyValue> {
        let pairs = [
            (fact::NODE, self.node.clone()),
            (fact::FIRST, self.first.to_string()),
            (fact::LAST, self.last.to_string()),
            (fact::ROWS, self.rows.to_string()),
            (fact::EARLIEST, self.earliest.to_string()),
            (fact::LATEST, self.latest.to_string()),
            (fact::STOPPED, self.has_stopped.to_string()),
            (fact::KEY, key.to_owned()),
            (fact::VERSION, self.version.clone()),
            (
                fact::KINDS,
                self.kinds
                    .iter()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(" "),
            ),
        ];
        pairs
            .into_iter()
            .map(|(key, value)| KeyValue::new(key.to_owned(), value))
            .collect()
    }
}
