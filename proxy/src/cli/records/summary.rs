//! `weir records summary`: verdicts, bytes, navigations and the blind spot of a time.
//!
//! What is said is measured: no time is derived from connections that were open, and navigations are counted only where the
//! initiator is known (LM-13).

use std::io::Write;

use serde_json::{Value, json};
use weir_config::Loaded;
use weir_monitoring::query::{self, Order, Sum, Summary as Found};

use super::super::{Answer, Failure, output};
use super::filter::Filter;
use super::reading::{Asked, Given, Reading};
use super::top::counted;
use super::whole;

/// Arguments of `weir records summary`.
#[derive(Debug, clap::Args)]
pub(crate) struct Summary {
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    filter: Filter,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Summary {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let query = counted(self.filter.query(Order::Oldest, loaded)?)?;
        self.reading
            .around(loaded, &Asked::of("records summary", &query), |_| {
                let found = query::summarise(&loaded.settings.records_directory(), &query);
                let found = found.map_err(Failure::refused)?;
                if self.json {
                    output::json(out, &as_json(&found))?;
                } else {
                    tell(&found, out)?;
                }
                let given = Given::rows(found.searched.rows)
                    .with("unreadable", found.searched.unreadable.len());
                Ok((whole(&found.searched.unreadable), given))
            })
    }
}

fn as_json(found: &Found) -> Value {
    json!({
        "all": found.all,
        "verdicts": found.verdicts,
        "opaque": found.opaque,
        "opaque_share_of_requests": share(found.opaque.requests, found.all.requests),
        "opaque_share_of_bytes": share(found.opaque.bytes(), found.all.bytes()),
        "navigations": found.navigations,
        "unknown_initiator": found.unknown_initiator,
    })
}

/// A part of a whole, 0 to 1; nothing of nothing is none.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

fn tell(found: &Found, out: &mut dyn Write) -> Result<(), Failure> {
    let row = |name: &str, sum: &Sum| {
        vec![
            name.to_owned(),
            output::count(sum.requests),
            output::size(sum.bytes_up),
            output::size(sum.bytes_down),
        ]
    };
    let mut rows: Vec<Vec<String>> = found
        .verdicts
        .iter()
        .map(|(name, sum)| row(&output::safe(name), sum))
        .collect();
    rows.push(row("all", &found.all));
    rows.push(row("opaque tunnels", &found.opaque));
    output::table(out, &["", "REQUESTS", "UP", "DOWN"], &rows)?;
    let percent = |part, whole| format!("{:.1} %", share(part, whole) * 100.0);
    writeln!(
        out,
        "Blind spot: {} of requests and {} of bytes went through tunnels that nobody can look into.",
        percent(found.opaque.requests, found.all.requests),
        percent(found.opaque.bytes(), found.all.bytes()),
    )?;
    writeln!(
        out,
        "Navigations: {} are known; what made {} is not known, and is not counted as any.",
        output::count(found.navigations),
        output::counted(found.unknown_initiator, "request", "requests"),
    )?;
    Ok(())
}
