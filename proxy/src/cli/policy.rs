//! `weir policy`: policies that were in force, as they were written (LM-34).

use std::cmp::Reverse;
use std::io::Write;

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;
use weir_config::Loaded;

use super::{Answer, Failure, output};
use crate::provenance;

/// What to do with policies of the past.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Print a policy under the version that records name. Exit status 1: it is not kept, or its text is not what the
    /// version stands for.
    Show {
        /// The version, as in the records' field policy_version.
        version: String,
    },
    /// List the versions that are kept, the last in force first.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

impl PolicyCommand {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let state = &loaded.settings.state;
        match self {
            PolicyCommand::Show { version } => {
                let text = provenance::text(state, &version).map_err(Failure::refused)?;
                let Some(text) = text else {
                    return Err(Failure::Refused(format!(
                        "no policy of version {version:?} is kept: it was never in force here, or its time is over with that of the \
                         records that name it; `weir policy list` has those that are"
                    )));
                };
                out.write_all(text.as_bytes())?;
                if let Some(doubt) = provenance::doubt(&version, &text) {
                    eprintln!("weir: {doubt}");
                    return Ok(Answer::No);
                }
            }
            PolicyCommand::List { json } => {
                let mut kept = provenance::list(state).map_err(Failure::refused)?;
                kept.sort_by_key(|one| (Reverse(one.last), one.version.clone()));
                let last = |one: &provenance::Kept| {
                    Timestamp::try_from(one.last)
                        .map_or_else(|_| "-".to_owned(), |last| format!("{last:.0}"))
                };
                if json {
                    let one = |one: &provenance::Kept| json!({ "version": one.version, "last_in_force": last(one) });
                    output::json(out, &kept.iter().map(one).collect())?;
                } else {
                    let rows: Vec<Vec<String>> = kept
                        .iter()
                        .map(|one| vec![one.version.clone(), last(one)])
                        .collect();
                    output::table(out, &["VERSION", "LAST KNOWN IN FORCE"], &rows)?;
                }
            }
        }
        Ok(Answer::Yes)
    }
}
