//! `weir lists add` and `weir lists remove`

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;
use weir_categories::edit::{self, EditError, EditReport, Listed};
use weir_categories::lock::LockError;
use weir_config::Loaded;

use super::super::{Answer, Failure, audit, output, will_be_noticed};
use super::{edited, shown, sources};

/// How long an edit waits for others: an import holds the lists for longer, and says so.
const PATIENCE: Duration = Duration::from_secs(10);

/// Arguments of `weir lists add` and `weir lists remove`.
#[derive(Debug, clap::Args)]
pub(crate) struct Edit {
    /// Category; adding to one that is not there makes it.
    category: String,
    /// Names, addresses, networks or URLs; a name means everything below it too.
    #[arg(required = true)]
    entries: Vec<String>,
    /// Why; kept in the audit file beside who and when.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Edit {
    pub(super) fn add(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        self.note(loaded, "lists add")?;
        let directory = edited(&loaded.settings);
        let report =
            waiting(|| edit::add(&directory, &self.category, &self.texts())).map_err(failure)?;
        self.tell(loaded, &report, ["Added", "Already there"], &[], out)
    }

    pub(super) fn remove(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        self.note(loaded, "lists remove")?;
        let directory = edited(&loaded.settings);
        let removed = waiting(|| edit::remove(&directory, &self.category, &self.texts()));
        let report = match removed {
            // Of an imported or built-in category there may be nothing here to remove from.
            Err(EditError::Unknown { .. }) => EditReport {
                unchanged: self.entries.clone(),
                ..EditReport::default()
            },
            report => report.map_err(failure)?,
        };
        let elsewhere = self.elsewhere(loaded, &report)?;
        let told = self.tell(loaded, &report, ["Removed", "Not there"], &elsewhere, out)?;
        Ok(if report.changed.is_empty() {
            Answer::No
        } else {
            told
        })
    }

    fn note(&self, loaded: &Loaded, command: &str) -> Result<(), Failure> {
        let (category, entries, reason) = (&self.category, &self.entries, &self.reason);
        let about = json!({ "category": category, "entries": entries, "reason": reason });
        audit::note(&loaded.settings.state, command, about)
    }

    fn texts(&self) -> Vec<&str> {
        self.entries.iter().map(String::as_str).collect()
    }

    /// Where else the entries still stand in this category: those lists a removal here does
    /// not touch.
    fn elsewhere(&self, loaded: &Loaded, report: &EditReport) -> Result<Vec<Listed>, Failure> {
        let all = sources(&loaded.settings)?;
        let mut found = Vec::new();
        for entry in report.changed.iter().chain(&report.unchanged) {
            let listed = edit::search(&all, entry).map_err(failure)?;
            found.extend(
                listed
                    .into_iter()
                    .filter(|listed| listed.category == self.category && listed.entry == *entry),
            );
        }
        Ok(found)
    }

    fn tell(
        &self,
        loaded: &Loaded,
        report: &EditReport,
        [changed, unchanged]: [&str; 2],
        elsewhere: &[Listed],
        out: &mut dyn Write,
    ) -> Result<Answer, Failure> {
        let refused = report.refused.iter();
        let answer = if report.refused.is_empty() {
            Answer::Yes
        } else {
            Answer::No
        };
        if self.json {
            let place = |listed: &Listed| json!({ "list": listed.list, "entry": listed.entry });
            let refused =
                refused.map(|(entry, why)| json!({ "entry": entry, "reason": why.to_string() }));
            let value = json!({
                "category": self.category,
                "changed": report.changed,
                "unchanged": report.unchanged,
                "refused": refused.collect::<Vec<_>>(),
                "still_listed": elsewhere.iter().map(place).collect::<Vec<_>>(),
            });
            output::json(out, &value)?;
            return Ok(answer);
        }
        for (word, entries) in [(changed, &report.changed), (unchanged, &report.unchanged)] {
            if !entries.is_empty() {
                writeln!(out, "{word}: {}", entries.join(", "))?;
            }
        }
        for (entry, why) in refused {
            writeln!(out, "Refused: {}: {why}", output::safe(entry))?;
        }
        for listed in elsewhere {
            let (entry, list, file) = (&listed.entry, &listed.list, shown(&listed.file));
            writeln!(
                out,
                "{entry} is still listed by {list} ({file}:{}).",
                listed.line
            )?;
        }
        if !report.changed.is_empty() {
            writeln!(out, "The list is in {}.", shown(&edited(&loaded.settings)))?;
            will_be_noticed(out)?;
        }
        Ok(answer)
    }
}

/// Waits while another command changes the same lists, so that scripts which run several at once lose none.
fn waiting(
    mut edit: impl FnMut() -> Result<EditReport, EditError>,
) -> Result<EditReport, EditError> {
    let began = Instant::now();
    loop {
        match edit() {
            Err(EditError::Lock(LockError::Busy)) if began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

fn failure(error: EditError) -> Failure {
    match error {
        EditError::Name(_) => Failure::Arguments(error.to_string()),
        other => Failure::refused(other),
    }
}
