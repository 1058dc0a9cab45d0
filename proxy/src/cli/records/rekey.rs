//! `weir records rekey`: a new key-encryption key for the records.

use std::io::Write;

use serde_json::json;
use weir_config::Loaded;
use weir_monitoring::{KekSource, KeyError, RecorderError, rekey};

use crate::recording;

use super::super::{Answer, Failure, audit, output};

/// Arguments of `weir records rekey`.
#[derive(Debug, clap::Args)]
pub(crate) struct Rekey {
    /// Where the new key is: file:PATH, env:NAME or credential:NAME. Without it a new key file takes the place of the one that
    /// Weir made.
    #[arg(long, value_name = "SOURCE", value_parser = source)]
    to: Option<KekSource>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

fn source(text: &str) -> Result<KekSource, KeyError> {
    text.parse()
}

impl Rekey {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let settings = &loaded.settings;
        let old = recording::kek(settings).map_err(Failure::refused)?;
        let about =
            json!({ "from": old.to_string(), "to": self.to.as_ref().map(ToString::to_string) });
        let done = audit::around(
            &settings.state,
            "records rekey",
            about,
            || {
                rekey(&settings.records_directory(), &old, self.to.as_ref()).map_err(|error| {
                    match error {
                        RecorderError::Locked { .. } => Failure::Refused(
                            "a Weir is running and makes keys under the present key: stop it first"
                                .to_owned(),
                        ),
                        other => Failure::refused(other),
                    }
                })
            },
            |done| json!({ "keys": done.wrapped + done.before, "number": done.number }),
        )?;
        if self.json {
            let value = json!({
                "keys": done.wrapped + done.before,
                "number": done.number,
                "source": done.source,
            });
            output::json(out, &value)?;
            return Ok(Answer::Yes);
        }
        let keys = output::counted(done.wrapped + done.before, "key", "keys");
        writeln!(
            out,
            "{keys} wrapped in the key with number {}, {}.",
            done.number, done.source
        )?;
        if let Some(to) = &self.to {
            writeln!(
                out,
                "Now write kek = \"{to}\" under [records] before Weir starts."
            )?;
        }
        Ok(Answer::Yes)
    }
}
