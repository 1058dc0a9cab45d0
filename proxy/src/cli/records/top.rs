//! `weir records top`: what there is most of, from event columns alone.
//!
//! Who ranks people looks at all of them at once, so that needs a case as any person's history does (LM-12).

use std::cmp::Reverse;
use std::io::Write;

use serde_json::json;
use weir_config::Loaded;
use weir_monitoring::query::{self, By, Order, Query, Ranked, Sum};

use super::super::{Answer, Failure, output};
use super::filter::Filter;
use super::reading::{Asked, Given, Reading};
use super::whole;

/// Names that are shown unless `--limit` says otherwise.
const SHOWN: u64 = 20;

/// Arguments of `weir records top`.
#[derive(Debug, clap::Args)]
pub(crate) struct Top {
    #[command(flatten)]
    reading: Reading,
    /// What is ranked: category, host, user, rule or device. A request counts in each of its categories.
    #[arg(long, value_name = "FIELD")]
    by: By,
    /// By what: requests or bytes.
    #[arg(long, default_value = "requests", value_name = "MEASURE")]
    measure: Measure,
    #[command(flatten)]
    filter: Filter,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// By what names are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Measure {
    /// Requests and tunnels.
    Requests,
    /// Bytes in both directions.
    Bytes,
}

impl Measure {
    fn of(self, sum: Sum) -> u64 {
        match self {
            Measure::Requests => sum.requests,
            Measure::Bytes => sum.bytes(),
        }
    }
}

impl Top {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let query = counted(self.filter.query(Order::Oldest, loaded)?)?;
        let mut asked = Asked::of("records top", &query);
        asked.query["by"] = self.by.as_str().into();
        if self.by.is_of_people() {
            asked.person = Some("--by user or device");
        }
        self.reading.around(loaded, &asked, |_| {
            let ranked = query::rank(&loaded.settings.records_directory(), &query, self.by);
            self.tell(&ranked.map_err(Failure::refused)?, &query, out)
        })
    }

    fn tell(
        &self,
        ranked: &Ranked,
        query: &Query,
        out: &mut dyn Write,
    ) -> Result<(Answer, Given), Failure> {
        let mut names: Vec<(&String, &Sum)> = ranked.names.iter().collect();
        names.sort_by_key(|(name, sum)| (Reverse(self.measure.of(**sum)), *name));
        let shown = usize::try_from(query.limit.unwrap_or(SHOWN)).unwrap_or(usize::MAX);
        let more = names.len().saturating_sub(shown);
        names.truncate(shown);
        if self.json {
            let row = |(name, sum): &(&String, &Sum)| json!({ "name": name, "requests": sum.requests, "bytes_up": sum.bytes_up, "bytes_down": sum.bytes_down });
            let value = json!({
                "by": self.by.as_str(),
                "names": names.iter().map(row).collect::<Vec<_>>(),
                "more": more,
                "without": ranked.none,
                "uncounted": ranked.others,
            });
            output::json(out, &value)?;
        } else {
            let row = |(name, sum): &(&String, &Sum)| {
                vec![
                    output::count(sum.requests),
                    output::size(sum.bytes_up),
                    output::size(sum.bytes_down),
                    output::safe(name),
                ]
            };
            let name = self.by.as_str().to_uppercase();
            let head = ["REQUESTS", "UP", "DOWN", &name];
            output::table(out, &head, &names.iter().map(row).collect::<Vec<_>>())?;
            if more > 0 {
                writeln!(
                    out,
                    "and {}.",
                    output::counted(more as u64, "more name", "more names")
                )?;
            }
            if ranked.none.requests > 0 {
                let requests = output::counted(ranked.none.requests, "request", "requests");
                writeln!(out, "{requests} had no {}.", self.by.as_str())?;
            }
        }
        let searched = &ranked.searched;
        let given = Given::rows(searched.rows)
            .with("names", names.len())
            .with("unreadable", searched.unreadable.len());
        Ok((whole(&searched.unreadable), given))
    }
}

/// A query that counts without looking at content.
pub(super) fn counted(query: Query) -> Result<Query, Failure> {
    let refused = [
        (query.text.is_some(), "--text is looked for in content"),
        (query.case.is_some(), "--of-case finds no traffic"),
        (
            !query.kinds.is_empty(),
            "--kind is always request and tunnel_close",
        ),
    ];
    match refused.into_iter().find(|(is_given, _)| *is_given) {
        Some((_, why)) => Err(Failure::Arguments(format!(
            "{why}: a count has no use for it"
        ))),
        None => Ok(query),
    }
}
