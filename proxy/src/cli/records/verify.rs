//! `weir records verify`: what `weir-verify` does, on this Weir's own records, as a read that is recorded.

use std::io::Write;
use std::path::PathBuf;

use serde_json::Value;
use weir_config::Loaded;
use weir_verify::{Outside, Report};

use crate::recording;

use super::super::{Answer, Failure, output};
use super::reading::{Asked, Given, Reading};

/// Arguments of `weir records verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    reading: Reading,
    /// Public keys that were kept outside, one a line.
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// A checkpoint that was kept outside, or a directory of them: a witness's copy.
    #[arg(long, value_name = "PATH")]
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
        outside.add_state(&loaded.settings.state);
        let directory = loaded.settings.records_directory();
        // Before the read is recorded and shown after it: to record it where no Weir runs, the log is opened, and one that cannot be
        // continued is set aside by that.
        let store = recording::store(&loaded.settings).map_err(Failure::refused)?;
        let report = weir_verify::check(&store, &outside, &mut |_, _, _| Ok(()));
        let asked = Asked {
            command: "records verify",
            query: Value::Null,
            person: None,
            narrowed: None,
        };
        self.reading.around(loaded, &asked, |_| {
            let report = report
                .map_err(|error| Failure::Refused(format!("{}: {error}", directory.display())))?;
            self.show(&report, out)
        })
    }

    fn show(&self, report: &Report, out: &mut dyn Write) -> Result<(Answer, Given), Failure> {
        if self.json {
            output::json(out, &report.to_json())?;
        } else {
            write!(out, "{}", report.to_text())?;
        }
        let answer = if report.holds() {
            Answer::Yes
        } else {
            Answer::No
        };
        let faults = report.faults.len();
        let given = Given::default()
            .with("holds", report.holds())
            .with("faults", faults);
        Ok((answer, given))
    }
}
