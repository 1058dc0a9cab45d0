//! `weir records verify`: what `weir-verify` does, on this Weir's own records, with a purpose and a line in the audit file.

use std::io::Write;
use std::path::PathBuf;

use weir_config::{Loaded, Purpose};
use weir_verify::Outside;

use crate::recording;

use super::super::{Answer, Failure, audit, output};
use super::purpose;

/// Arguments of `weir records verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// Why: a purpose code, such as unauthorised-use.
    #[arg(long, value_name = "CODE", value_parser = purpose)]
    purpose: Purpose,
    /// Public keys that were kept outside, one a line.
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// A checkpoint that was kept outside.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let mut outside = Outside::default();
        let unusable = |error: weir_verify::OutsideError| Failure::Arguments(error.to_string());
        for path in &self.key {
            outside.add_keys(path).map_err(unusable)?;
        }
        for path in &self.checkpoint {
            outside.add_checkpoint(path).map_err(unusable)?;
        }
        let about = serde_json::json!({ "purpose": self.purpose.as_str() });
        audit::note(&loaded.settings.state, "records verify", about)?;
        let directory = loaded.settings.records_directory();
        let store = recording::store(&loaded.settings).map_err(Failure::refused)?;
        let checked = weir_verify::check(&store, &outside, &mut |_, _, _| Ok(()));
        let report = checked
            .map_err(|error| Failure::Refused(format!("{}: {error}", directory.display())))?;
        let about = serde_json::json!({ "holds": report.holds(), "faults": report.faults.len() });
        audit::note(&loaded.settings.state, "records verify done", about)?;
        if self.json {
            output::json(out, &report.to_json())?;
        } else {
            write!(out, "{}", report.to_text())?;
        }
        Ok(if report.holds() {
            Answer::Yes
        } else {
            Answer::No
        })
    }
}
