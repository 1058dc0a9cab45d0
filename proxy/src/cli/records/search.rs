//! `weir records search`

use std::io::{self, Write};
use std::ops::ControlFlow;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use weir_config::Loaded;
use weir_monitoring::export::{Encoder, Format};
use weir_monitoring::query::{self, Order, Query};

use crate::recording;

use super::super::{Answer, Failure, output, when};
use super::filter::{Filter, WITHHELD, unknown_user};
use super::reading::{Asked, Given, Reading};
use super::whole;

/// Arguments of `weir records search`.
#[derive(Debug, clap::Args)]
pub(crate) struct Search {
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    filter: Filter,
    /// The latest first.
    #[arg(long)]
    newest: bool,
    /// As JSON, one object a line.
    #[arg(long)]
    json: bool,
}

impl Search {
    pub(super) fn run(
        self,
        loaded: &Loaded,
        out: &mut (dyn Write + Send),
    ) -> Result<Answer, Failure> {
        let zone = when::zone(&loaded.policy)?;
        let order = if self.newest {
            Order::Newest
        } else {
            Order::Oldest
        };
        let query = self.filter.query(order, loaded)?;
        let query = Query {
            withhold_people: !self.reading.has_case(),
            ..query
        };
        self.reading
            .around(loaded, &Asked::of("records search", &query), |_| {
                self.print(&query, &zone, loaded, out)
            })
    }

    fn print(
        &self,
        query: &Query,
        zone: &TimeZone,
        loaded: &Loaded,
        out: &mut (dyn Write + Send),
    ) -> Result<(Answer, Given), Failure> {
        let mut failed = None;
        let store = recording::store(&loaded.settings).map_err(Failure::refused)?;
        let searched = query::search(&store, query, &mut |batch| {
            let mut lines = Vec::new();
            let encoded = Encoder::new(Format::Jsonl, &mut lines).and_then(|mut encoder| {
                encoder.write(batch)?;
                encoder.finish()
            });
            let printed = encoded.and_then(|()| {
                if self.json {
                    out.write_all(&lines)
                } else {
                    print(&lines, zone, out)
                }
            });
            match printed {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        let searched = searched.map_err(Failure::refused)?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        if !self.json {
            writeln!(out, "{}.", output::counted(searched.rows, "row", "rows"))?;
        }
        if query.withhold_people {
            eprintln!("weir: {WITHHELD}");
        }
        if let Some(remark) = unknown_user(query, searched.rows, loaded)? {
            eprintln!("weir: {remark}");
        }
        let given = Given::rows(searched.rows).with("unreadable", searched.unreadable.len());
        Ok((whole(&searched.unreadable), given))
    }
}

/// A line for each row, with what an investigator looks at first.
fn print(lines: &[u8], zone: &TimeZone, out: &mut dyn Write) -> io::Result<()> {
    for line in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let row: Value = serde_json::from_slice(line).map_err(io::Error::other)?;
        writeln!(out, "{}", output::safe(&told(&row, zone)))?;
    }
    Ok(())
}

fn told(row: &Value, zone: &TimeZone) -> String {
    let text = |field: &str| row[field].as_str().unwrap_or("-");
    let time = row["time"]
        .as_str()
        .and_then(|time| time.parse::<Timestamp>().ok());
    let time = time.map_or_else(String::new, |time| {
        time.to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string()
    });
    let who = ["user", "device", "client", "node"]
        .iter()
        .find_map(|field| row[field].as_str());
    let (verdict, kind) = (text("verdict"), text("kind"));
    // LM-35: no bare name where it may be somebody else's.
    let who = match (who, row["user"].as_str(), row["confidence"].as_str()) {
        (Some(who), Some(_), Some(confidence @ ("stale" | "low"))) => {
            format!("{who} ({confidence})")
        }
        (who, ..) => who.unwrap_or("-").to_owned(),
    };
    let mut told = format!("{time}  {who:16} {verdict:5} {kind:13}");
    if let Some(host) = row["host"].as_str() {
        let path = row["path"].as_str().unwrap_or_default();
        told.push_str(&format!(" {} {host}:{}{path}", text("method"), row["port"]));
        let bytes = |field: &str| output::size(row[field].as_u64().unwrap_or(0));
        let (up, down) = (bytes("bytes_up"), bytes("bytes_down"));
        told.push_str(&format!("  {} ↑{up} ↓{down}", row["status"]));
    }
    for field in ["rule", "category", "term", "error", "note"] {
        if let Some(value) = row[field].as_str() {
            told.push_str(&format!("  {field}={value}"));
        }
    }
    format!("{told}  [{}]", text("event"))
}
