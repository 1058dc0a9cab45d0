//! `weir lists sources`

use std::io::Write;

use jiff::Timestamp;
use serde_json::{Value, json};
use weir_config::{ListSource, Loaded};

use super::super::{Answer, Failure, output};
use crate::update::board::shown;
use crate::update::state::{State, directory};

/// Arguments of `weir lists sources`.
#[derive(Debug, clap::Args)]
pub(crate) struct Sources {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Sources {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let lists = weir_config::lists::imported(&loaded.settings);
        let now = Timestamp::now();
        let all: Vec<(&ListSource, State)> = loaded
            .settings
            .lists
            .sources
            .iter()
            .map(|source| (source, State::read(&directory(&lists, &source.name))))
            .collect();
        if self.json {
            let all = all
                .iter()
                .map(|(source, state)| as_json(source, state, now));
            output::json(out, &Value::Array(all.collect()))?;
            return Ok(Answer::Yes);
        }
        if all.is_empty() {
            writeln!(
                out,
                "The configuration names no list: see [[lists.source]]."
            )?;
            return Ok(Answer::Yes);
        }
        let rows = all.iter().map(|(source, state)| row(source, state, now));
        let head = [
            "NAME",
            "FORMAT",
            "ENTRIES",
            "LAST GOOD",
            "LAST TRY",
            "STATE",
            "FROM",
        ];
        output::table(out, &head, &rows.collect::<Vec<_>>())?;
        for (source, state) in &all {
            if let Some(fault) = &state.fault {
                let fault = output::safe(fault);
                writeln!(out, "{}: {fault}", source.name)?;
            }
        }
        Ok(Answer::Yes)
    }
}

/// One word for how a source is.
fn word(source: &ListSource, state: &State, now: Timestamp) -> &'static str {
    let stale = state.is_stale(source, now);
    match (source.enabled, stale, state.fault.is_some(), state.good) {
        (false, ..) => "off",
        (_, _, true, None) => "failed",
        (_, true, _, Some(_)) => "stale",
        (_, _, true, _) => "failed",
        (_, _, _, None) => "never fetched",
        _ => "good",
    }
}

fn row(source: &ListSource, state: &State, now: Timestamp) -> Vec<String> {
    let ago = |moment: Option<Timestamp>| match moment {
        Some(moment) => {
            let time = now.duration_since(moment);
            format!("{} ago", shown(time.try_into().unwrap_or_default()))
        }
        None => "-".to_owned(),
    };
    vec![
        source.name.to_string(),
        source.format.to_string(),
        output::count(state.entries),
        ago(state.good),
        ago(state.tried),
        word(source, state, now).to_owned(),
        output::safe(&source.from.shown()),
    ]
}

fn as_json(source: &ListSource, state: &State, now: Timestamp) -> Value {
    json!({
        "name": &*source.name,
        "from": source.from.shown(),
        "format": source.format.as_str(),
        "enabled": source.enabled,
        "refresh_seconds": source.refresh.0.map(|refresh| refresh.as_secs()),
        "entries": state.entries,
        "bytes": state.bytes,
        "sha256": state.sha256,
        "last_good": state.good.map(|moment| moment.to_string()),
        "age_seconds": state.age(now).map(|age| age.as_secs()),
        "last_change": state.changed.map(|moment| moment.to_string()),
        "last_try": state.tried.map(|moment| moment.to_string()),
        "next_try": state.due(source, now).filter(|_| source.enabled).map(|due| due.to_string()),
        "failures": state.failures,
        "fault": state.fault,
        "state": word(source, state, now),
        "stale": state.is_stale(source, now),
    })
}
