//! `weir records hold`, `release`, `holds` and `erase`: what stays for a case, and what goes.
//!
//! Decides how it is asked for. A running Weir carries it out, else the command does; each leaves lines in the audit file, and a
//! row in the records that says why, and never whose rows.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};
use weir_config::Loaded;
use weir_monitoring::EventId;
use weir_monitoring::erase::{self, Done, Grounds, Hold, Request};
use weir_monitoring::query::Query;

use crate::recording;

use super::super::screen::Screen;
use super::super::{Answer, Failure, audit, output, when};
use super::retain::settings;

/// Months of records are written anew in this time.
const DEADLINE: Duration = Duration::from_secs(3600);

/// Which rows: everything that is given must hold, and something must be given.
#[derive(Debug, clap::Args)]
struct Which {
    /// Name of the person; its case does not matter.
    #[arg(long)]
    user: Option<String>,
    /// Registered device.
    #[arg(long)]
    device: Option<String>,
    /// Host, with everything below it.
    #[arg(long)]
    host: Option<String>,
    /// Category, among all of the target's.
    #[arg(long)]
    category: Option<String>,
    /// Event id, as on the block page.
    #[arg(long, value_name = "ID")]
    event: Option<EventId>,
    /// From this moment on: RFC 3339, or a date (and time) at the school.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before this moment; a date alone is included as a whole.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
}

/// On what grounds.
#[derive(Debug, clap::Args)]
struct Why {
    /// Reference of the case.
    #[arg(long, value_name = "REF")]
    case: String,
    /// In which role, such as DPO.
    #[arg(long)]
    role: String,
    /// Why. It stands in the records for good: name nobody.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Arguments of `weir records hold`.
#[derive(Debug, clap::Args)]
pub(crate) struct HoldRows {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    why: Why,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `weir records release`.
#[derive(Debug, clap::Args)]
pub(crate) struct Release {
    #[command(flatten)]
    why: Why,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `weir records holds`.
#[derive(Debug, clap::Args)]
pub(crate) struct Holds {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `weir records erase`.
#[derive(Debug, clap::Args)]
pub(crate) struct Erase {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    why: Why,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Which {
    fn query(&self, loaded: &Loaded) -> Result<Box<Query>, Failure> {
        let zone = &when::zone(&loaded.policy)?;
        let from = self.from.as_deref().map(|text| when::from(text, zone));
        let to = self.to.as_deref().map(|text| when::to(text, zone));
        let query = Query {
            user: self.user.clone(),
            device: self.device.clone(),
            host: self.host.clone(),
            category: self.category.clone(),
            event: self.event,
            from: from.transpose()?,
            to: to.transpose()?,
            ..Query::default()
        };
        let is_empty = query == Query::default();
        let is_backward = matches!((query.from, query.to), (Some(from), Some(to)) if from >= to);
        match (is_empty, is_backward) {
            (true, _) => Err(Failure::Arguments(
                "which rows? give --user, --device, --host, --category, --event, --from or --to"
                    .to_owned(),
            )),
            (_, true) => Err(Failure::Arguments("--from is not before --to".to_owned())),
            _ => Ok(Box::new(query)),
        }
    }
}

impl Why {
    /// As rows may hold them: without an address that a mandatory list has (LM-28).
    fn grounds(&self, loaded: &Loaded) -> Result<Grounds, Failure> {
        let screen = Screen::of(&loaded.settings);
        let [case, role, reason] =
            [&self.case, &self.role, &self.reason].map(|text| screen.text(text));
        if *reason != *self.reason {
            eprintln!(
                "weir: an address that a mandatory list has is left out: no record holds one (LM-28)"
            );
        }
        Grounds::new(&case, &role, &reason).map_err(Failure::Arguments)
    }
}

impl HoldRows {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let request = Request::Hold {
            query: self.which.query(loaded)?,
            grounds: self.why.grounds(loaded)?,
        };
        let done = carry_out(loaded, "records hold", &request)?;
        let case = &self.why.case;
        tell(
            out,
            self.json,
            &done,
            &format!("Case {case} holds these rows from now on."),
        )
    }
}

impl Release {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let request = Request::Release {
            grounds: self.why.grounds(loaded)?,
        };
        let done = carry_out(loaded, "records release", &request)?;
        let holds = output::counted(done.count, "hold", "holds");
        tell(
            out,
            self.json,
            &done,
            &format!("{holds} ended; what is due goes within the hour."),
        )
    }
}

impl Erase {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let request = Request::Erase {
            query: self.which.query(loaded)?,
            grounds: self.why.grounds(loaded)?,
        };
        let done = carry_out(loaded, "records erase", &request)?;
        let words = match done.count {
            0 => "No row matches; nothing was erased.".to_owned(),
            count => format!(
                "Erased {} in {}; the keys that they were encrypted under are destroyed.",
                output::counted(count, "row", "rows"),
                output::counted(done.periods.len() as u64, "day", "days"),
            ),
        };
        tell(out, self.json, &done, &words)
    }
}

impl Holds {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        audit::note(&loaded.settings.state, "records holds", Value::Null)?;
        let store = recording::store(&loaded.settings).map_err(Failure::refused)?;
        let holds = match store.has_keys() {
            true => erase::holds(&store).map_err(Failure::refused)?,
            false => Vec::new(),
        };
        if self.json {
            output::json(out, &json!(holds))?;
            return Ok(Answer::Yes);
        }
        for hold in &holds {
            writeln!(out, "{}", shown(hold))?;
        }
        if holds.is_empty() {
            writeln!(out, "No case holds anything.")?;
        }
        Ok(Answer::Yes)
    }
}

fn shown(hold: &Hold) -> String {
    let Grounds { case, role, reason } = &hold.grounds;
    let query = serde_json::to_value(&hold.query).unwrap_or_default();
    let filters = query.as_object().into_iter().flatten();
    let filters = filters.filter(|(name, _)| *name != "order");
    let filters: Vec<String> = filters
        .map(|(name, value)| {
            format!(
                "{name} {}",
                output::safe(value.as_str().unwrap_or_default())
            )
        })
        .collect();
    format!(
        "{}  since {:.0}  {}  role {}, reason: {}",
        output::safe(case),
        hold.since,
        filters.join(", "),
        output::safe(role),
        output::safe(reason)
    )
}

fn carry_out(loaded: &Loaded, command: &str, request: &Request) -> Result<Done, Failure> {
    let settings = settings(loaded)?;
    audit::around(
        &loaded.settings.state,
        command,
        about(request),
        || erase::ask(settings, request, DEADLINE).map_err(Failure::refused),
        |done| json!(done),
    )
}

/// For the audit file, which is not encrypted and stays: on what grounds and by which filters, but not whose rows.
fn about(request: &Request) -> Value {
    let (query, grounds) = match request {
        Request::Hold { query, grounds } | Request::Erase { query, grounds } => {
            (Some(query), grounds)
        }
        Request::Release { grounds } => (None, grounds),
    };
    let query = query.and_then(|query| serde_json::to_value(query).ok());
    let names = query.iter().filter_map(Value::as_object).flatten();
    let names: Vec<&String> = names
        .map(|(name, _)| name)
        .filter(|name| *name != "order")
        .collect();
    json!({ "grounds": grounds, "filters": names })
}

fn tell(out: &mut dyn Write, json: bool, done: &Done, words: &str) -> Result<Answer, Failure> {
    if json {
        output::json(out, &json!(done))?;
    } else {
        writeln!(out, "{words}")?;
    }
    Ok(Answer::Yes)
}
