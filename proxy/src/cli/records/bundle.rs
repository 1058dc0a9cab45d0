//! `weir records export --bundle`: rows with everything that proves them, as one directory.
//!
//! Decides that a running Weir seals its rows first, so that the proof of completeness reaches up to now. What a bundle has is
//! decided in `weir-monitoring`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use weir_config::Loaded;
use weir_monitoring::Store;
use weir_monitoring::basis::History;
use weir_monitoring::bundle::{self, BundleError, Made, Request};
use weir_monitoring::proof::Group;
use weir_monitoring::query::Query;

use super::super::screen::Screen;
use super::super::{Answer, Failure, output};
use super::checkpoint::is_running;
use super::filter::unknown_user;
use super::reading::{Given, Read};
use super::retain::settings;

/// How long a running Weir may take to seal.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two lines that say how far it is.
const TOLD: Duration = Duration::from_secs(3);

/// Arguments of `weir records export` for a bundle.
#[derive(Debug, clap::Args)]
pub(super) struct Bundle {
    /// A new directory for rows in every form, a report, and what proves them, instead of one
    /// file: `weir-verify DIR` checks it.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["output", "format", "force"])]
    pub(super) bundle: Option<PathBuf>,
    /// Number of the exhibit.
    #[arg(long, value_name = "REF", requires = "bundle")]
    exhibit: Option<String>,
    /// Leaves a group of fields out of every row, with the reason: who, target or content.
    /// The rows still prove.
    #[arg(long, value_name = "GROUP=REASON", requires = "bundle")]
    withhold: Vec<Withheld>,
}

/// A group that is withheld, and why.
#[derive(Clone, Debug)]
struct Withheld {
    group: Group,
    reason: String,
}

impl FromStr for Withheld {
    type Err = String;

    fn from_str(text: &str) -> Result<Withheld, String> {
        let (word, reason) = text
            .split_once('=')
            .ok_or("write who=REASON, target=REASON or content=REASON")?;
        let mut groups = Group::ALL.into_iter().filter(|group| *group != Group::Row);
        let group = groups
            .find(|group| group.as_str() == word)
            .ok_or_else(|| format!("{word:?} is none of who, target and content"))?;
        match reason.trim() {
            "" => Err("a reason is some words".to_owned()),
            reason => Ok(Withheld {
                group,
                reason: reason.to_owned(),
            }),
        }
    }
}

impl Bundle {
    pub(super) fn run(
        &self,
        loaded: &Loaded,
        read: &Read,
        query: Query,
        to: &Path,
        json: bool,
        out: &mut dyn Write,
    ) -> Result<(Answer, Given), Failure> {
        let store = super::store(loaded)?;
        seal(&store, &settings(loaded)?.node)?;
        let mut withhold = BTreeMap::new();
        for Withheld { group, reason } in &self.withhold {
            if withhold.insert(*group, reason.clone()).is_some() {
                let told = format!("{} is withheld twice", group.as_str());
                return Err(Failure::Arguments(told));
            }
        }
        let screen = Screen::of(&loaded.settings);
        for reason in withhold.values_mut() {
            *reason = screen.text(reason).into_owned();
        }
        let exhibit = self.exhibit.as_deref();
        let exhibit = exhibit.map(|exhibit| screen.text(exhibit).into_owned());
        let [case, role, reason] = read.stated();
        let history = History::read(&loaded.settings.state).map_err(Failure::refused)?;
        let request = Request {
            basis: history.during(query.from, query.to),
            remarks: unknown_user(&query, 0, loaded)?.into_iter().collect(),
            query,
            purpose: read.purpose().as_str().to_owned(),
            case,
            exhibit,
            reader: Some(read.reader().to_owned()),
            role,
            reason,
            withhold,
        };
        let mut told = Instant::now();
        let made = bundle::make(&store, &request, to, &mut |done, total| {
            if told.elapsed() >= TOLD {
                told = Instant::now();
                eprintln!("weir: {done} of {total} rows looked at");
            }
        });
        let made = made.map_err(|error| match error {
            BundleError::Purpose(_) | BundleError::Asked(_) => {
                Failure::Arguments(error.to_string())
            }
            other => Failure::refused(other),
        })?;
        if json {
            output::json(out, &as_json(&made, to))?;
        } else {
            writeln!(out, "{}", words(&made, to))?;
        }
        for remark in &made.asked.remarks {
            eprintln!("weir: {remark}");
        }
        let given =
            Given::rows(made.asked.counts.rows).with("sha256", made.sha256.to_string().as_str());
        Ok((Answer::Yes, given))
    }
}

/// Rows that come while the bundle is made belong to the next one.
pub(super) fn bounded(query: Query) -> Query {
    Query {
        to: query.to.or_else(|| Some(Timestamp::now())),
        ..query
    }
}

/// Lets a running Weir seal what it has.
fn seal(store: &Store, node: &str) -> Result<(), Failure> {
    if !is_running(store.directory())? {
        return Ok(());
    }
    match bundle::seal(store, node, PATIENCE) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Refused(
            "Weir did not seal its rows in time; its health page and log say whether records can be written; no bundle \
             was made"
                .to_owned(),
        )),
        Err(error) => Err(Failure::refused(error)),
    }
}

fn words(made: &Made, to: &Path) -> String {
    let counts = &made.asked.counts;
    let rows = output::counted(counts.rows, "row", "rows");
    let segments = made.segments.map_or_else(
        || "No person was asked for, so it does not prove that no other row matches.".to_owned(),
        |(met, present)| {
            let met = output::counted(met, "segment meets", "segments meet");
            format!("{met} the period, {present} with rows of the person; the bundle proves that none is left out.")
        },
    );
    let mut text = format!(
        "Exported {rows} to {}, {} beside them and {} by number only. {segments}\nSHA-256 of SHA256SUMS {}, signed by",
        to.display(),
        output::count(counts.context),
        output::count(counts.outside + counts.narrower),
        made.sha256,
    );
    for key in &made.keys {
        text.push('\n');
        text.push_str(key);
    }
    text
}

fn as_json(made: &Made, to: &Path) -> serde_json::Value {
    json!({
        "bundle": to.display().to_string(),
        "query": made.asked,
        "segments": made.segments.map(|(met, _)| met),
        "segments_with_rows": made.segments.map(|(_, present)| present),
        "sha256": made.sha256,
        "keys": made.keys,
    })
}
