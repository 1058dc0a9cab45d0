//! `weir records retain`

use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use weir_config::Loaded;
use weir_monitoring::retain::{self, Due, Removed, RetainError};
use weir_monitoring::{RecorderError, RecorderSettings};

use crate::recording;

use super::super::{Answer, Failure, audit, output};

/// For sealing what a Weir that was killed left behind, before anything is removed.
const DEADLINE: Duration = Duration::from_secs(60);

/// Arguments of `weir records retain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Retain {
    /// Only say what is due.
    #[arg(long)]
    dry_run: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Retain {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let Removed { due, held_back } = if self.dry_run {
            Removed {
                due: due(loaded)?,
                ..Removed::default()
            }
        } else {
            remove(loaded)?
        };
        if let Some(why) = held_back {
            return Err(Failure::Refused(format!("nothing was removed: {why}")));
        }
        if self.json {
            output::json(out, &due.iter().map(as_json).collect())?;
            return Ok(Answer::Yes);
        }
        let word = if self.dry_run { "Due" } else { "Removed" };
        for due in &due {
            let rows = output::counted(due.rows, "row", "rows");
            let segments = output::counted(due.segments as u64, "segment", "segments");
            writeln!(out, "{word}: {}, {rows} in {segments}", due.period)?;
        }
        if due.is_empty() {
            writeln!(out, "Nothing is due.")?;
        }
        Ok(Answer::Yes)
    }
}

fn due(loaded: &Loaded) -> Result<Vec<Due>, Failure> {
    let store = recording::store(&loaded.settings).map_err(Failure::refused)?;
    let now = Timestamp::now().as_microsecond();
    retain::due(&store, loaded.settings.records.retain, now).map_err(Failure::refused)
}

fn remove(loaded: &Loaded) -> Result<Removed, Failure> {
    audit::note(&loaded.settings.state, "records retain", Value::Null)?;
    retain::run(settings(loaded)?, DEADLINE).map_err(|error| match error {
        RetainError::Start(RecorderError::Locked { .. }) => Failure::Refused(
            "a Weir is running and removes what is due by itself every hour; --dry-run says what \
             that is"
                .to_owned(),
        ),
        other => Failure::refused(other),
    })
}

pub(super) fn settings(loaded: &Loaded) -> Result<RecorderSettings, Failure> {
    recording::settings(&loaded.settings).map_err(Failure::refused)
}

fn as_json(due: &Due) -> Value {
    json!({ "period": due.period.to_string(), "segments": due.segments, "rows": due.rows })
}
