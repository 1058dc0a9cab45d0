//! What a row costs in SQLite: batches of 1,000 in a transaction each, write-ahead log, synced at checkpoints, indices on user and
//! time and on host. Beside `cargo bench -p weir-benches --bench sustained`, from the same rows.
//!
//!     cargo run --release --manifest-path benches/peers/Cargo.toml -- [ROWS]

use std::time::Duration;

use rusqlite::{Connection, params};
use rustix::time::{ClockId, clock_gettime};
use weir_benches::{Traffic, shared, top_sites};
use weir_monitoring::Record;

const BATCH: u64 = 1_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u64 = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 500_000,
    };
    let found = match shared() {
        Some(shared) => top_sites(&shared, 50_000)?,
        None => Vec::new(),
    };
    let hosts: Vec<_> = found.iter().map(|host| host.shared()).collect();
    let mut traffic = Traffic::new(1, hosts.clone());
    let before = processor();
    for _ in 0..count {
        std::hint::black_box(traffic.record());
    }
    let making = processor() - before;

    let directory = tempfile::tempdir()?;
    let path = directory.path().join("records.sqlite");
    let mut traffic = Traffic::new(1, hosts);
    let before = processor();
    let mut database = Connection::open(&path)?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         CREATE TABLE records (seq INTEGER PRIMARY KEY, kind TEXT, event INTEGER, time INTEGER, duration INTEGER, user TEXT,
            groups TEXT, network TEXT, profile TEXT, identity TEXT, identity_age INTEGER, client TEXT, client_port INTEGER,
            listener TEXT, method TEXT, scheme TEXT, host TEXT, port INTEGER, path TEXT, origin TEXT, verdict TEXT, rule TEXT,
            category TEXT, list TEXT, entry TEXT, policy_version TEXT, lists_version TEXT, status INTEGER, bytes_up INTEGER,
            bytes_down INTEGER, initiator TEXT);
         CREATE INDEX by_user ON records (user, time); CREATE INDEX by_host ON records (host);",
    )?;
    let mut left = count;
    while left > 0 {
        let transaction = database.transaction()?;
        for _ in 0..BATCH.min(left) {
            insert(&transaction, &traffic.record())?;
        }
        transaction.commit()?;
        left = left.saturating_sub(BATCH);
    }
    database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?;
    drop(database);
    let cost = (processor() - before).saturating_sub(making);
    let bytes = path.metadata()?.len();
    println!(
        "| sqlite | {} | {:.1} | | |",
        cost.as_nanos() / u128::from(count),
        bytes as f64 / count as f64
    );
    Ok(())
}

fn processor() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn insert(database: &Connection, row: &Record) -> rusqlite::Result<()> {
    let mut statement = database.prepare_cached(
        "INSERT INTO records VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
            ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30)",
    )?;
    let address = |address: Option<std::net::IpAddr>| address.map(|address| address.to_string());
    statement.execute(params![
        row.kind.as_str(),
        row.event.0 as i64,
        row.time,
        row.duration as i64,
        row.user.as_deref(),
        row.groups.as_deref(),
        row.network.as_deref(),
        row.profile.as_deref(),
        row.identity.as_str(),
        row.identity_age,
        address(row.client),
        row.client_port,
        row.listener.as_deref(),
        row.method.as_deref(),
        row.scheme,
        row.host.as_deref(),
        row.port,
        row.path.as_deref(),
        address(row.origin),
        row.verdict.as_str(),
        row.rule.as_deref(),
        row.category.as_deref(),
        row.list.as_deref(),
        row.entry.as_deref(),
        row.policy_version.as_deref(),
        row.lists_version.as_deref(),
        row.status,
        row.bytes_up as i64,
        row.bytes_down as i64,
        row.initiator.as_str(),
    ])?;
    Ok(())
}
