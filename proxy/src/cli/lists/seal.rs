//! `weir lists seal`
//!
//! Nothing of the list is printed, logged or audited but numbers: of a faulty line the number of the line (AF-03).

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::json;
use weir_categories::sealed::{FAULTS_SHOWN, Fill, FillError, Filled};
use weir_config::Loaded;

use super::super::{Answer, Failure, output, will_be_noticed};
use super::acting::Acting;
use crate::sealed;

/// Arguments of `weir lists seal`.
#[derive(Debug, clap::Args)]
pub(crate) struct Seal {
    /// The slot: iwf, ctiru, or one that the configuration adds (`mandatory`).
    slot: String,
    /// The plain text of the list, one host or URL a line; `-` for standard input, so that
    /// it need not be on any disk.
    file: PathBuf,
    #[command(flatten)]
    acting: Acting,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Seal {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        sealed::no_core_dumps();
        let settings = &loaded.settings;
        let slots = &settings.mandatory;
        let list = slots.iter().find(|list| *list.name == *self.slot);
        let list = list.ok_or_else(|| {
            let known: Vec<&str> = slots.iter().map(|list| &*list.name).collect();
            Failure::Arguments(format!(
                "there is no mandatory list {:?}; there are {}, and [[mandatory]] in the configuration adds others",
                self.slot,
                known.join(", ")
            ))
        })?;
        let about = json!({ "list": self.slot });
        let fill = || {
            let text = match self.file.as_os_str() == "-" {
                true => sealed::read(io::stdin().lock()),
                false => File::open(&self.file).and_then(sealed::read),
            };
            let text = text.map_err(|error| {
                Failure::Refused(format!(
                    "{}: {error}",
                    output::safe(&self.file.display().to_string())
                ))
            })?;
            let directory = weir_config::lists::sealed(settings);
            Fill::prepare(&directory, &sealed::slot(list), &text, None, sealed::now())
                .and_then(Fill::commit)
                .map_err(|error| refused(&self.slot, &error))
        };
        let outcome = |filled: &Filled| sealed::numbers(&self.slot, filled);
        let filled = self
            .acting
            .audited(settings, "lists seal", about, fill, outcome)?;
        self.tell(&filled, out)?;
        Ok(Answer::Yes)
    }

    fn tell(&self, filled: &Filled, out: &mut dyn Write) -> Result<(), Failure> {
        if self.json {
            let mut told = sealed::numbers(&self.slot, filled);
            told["faulty_lines"] = json!(filled.faulty_lines);
            output::json(out, &told)?;
            return Ok(());
        }
        writeln!(
            out,
            "Sealed {}: {}.",
            self.slot,
            output::counted(filled.entries, "entry", "entries"),
        )?;
        if filled.pages > 0 {
            writeln!(
                out,
                "{} of them are single pages: inside encrypted tunnels (https) they cannot be seen and so not be enforced.",
                output::count(filled.pages)
            )?;
        }
        if filled.faults > 0 {
            let lines: Vec<String> = filled.faulty_lines.iter().map(u64::to_string).collect();
            let more = if filled.faults > FAULTS_SHOWN as u64 {
                ", …"
            } else {
                ""
            };
            writeln!(
                out,
                "{} no entries and were left out: lines {}{more}",
                output::counted(filled.faults, "line is", "lines are"),
                lines.join(", ")
            )?;
        }
        writeln!(out, "Remove the plain text now: Weir keeps nothing of it.")?;
        will_be_noticed(out)?;
        Ok(())
    }
}

fn refused(slot: &str, error: &FillError) -> Failure {
    Failure::Refused(format!("the list for {slot} is not taken: {error}"))
}
