//! `weir records dispute`: what somebody says against an event, beside it (LM-22).
//!
//! Decides what the row says. It has the event's id, time and person and what was decided, so that every search and export that
//! finds the event finds the dispute beside it; the event itself is not touched. Nothing of the event is shown.

use std::io::Write;
use std::ops::ControlFlow;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use weir_config::Loaded;
use weir_monitoring::asks::{self, About, OwnRow};
use weir_monitoring::query::{self, Order, Query};
use weir_monitoring::{Cells, Col, End, EventId, Kind};

use super::super::screen::Screen;
use super::super::{Answer, Failure, audit, output};
use super::retain::settings;

/// How long a running Weir may take to record it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest text, and longest role and case, in characters.
const TEXT: usize = 2000;
const WORD: usize = 120;

/// Arguments of `weir records dispute`.
#[derive(Debug, clap::Args)]
pub(crate) struct Dispute {
    /// Event id, as on the block page.
    #[arg(long, value_name = "ID")]
    event: EventId,
    /// What is said against it.
    #[arg(long, value_name = "TEXT")]
    text: String,
    /// In which role it is entered, such as pupil, parent or dpo.
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// Reference of the case.
    #[arg(long, value_name = "REF")]
    case: Option<String>,
    /// Who enters it, where the account does not say it.
    #[arg(long = "as", value_name = "NAME")]
    by: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Dispute {
    pub(super) fn run(self, loaded: &Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let case = self.case.as_deref().unwrap_or("-");
        let by = self.by.as_deref().unwrap_or("-");
        for (name, value, most) in [
            ("--text", &*self.text, TEXT),
            ("--role", &self.role, WORD),
            ("--case", case, WORD),
            ("--as", by, WORD),
        ] {
            if value.trim().is_empty() || value.chars().count() > most {
                return Err(Failure::Arguments(format!(
                    "{name} has 1 to {most} characters"
                )));
            }
        }
        let (time, user, about) = self.disputed(loaded)?.ok_or_else(|| {
            Failure::Refused(format!(
                "no record of event {} is kept, so there is nothing to dispute",
                self.event
            ))
        })?;
        let account = audit::account();
        let note = json!({
            "text": self.text,
            "role": self.role,
            "case": self.case,
            "by": self.by.as_ref().or(account.as_ref()),
            "account": account,
            "uid": rustix::process::getuid().as_raw(),
            "entered": Timestamp::now().to_string(),
        });
        let screen = Screen::of(&loaded.settings);
        let kept = screen.value(note.clone());
        if kept != note {
            eprintln!(
                "weir: an address that a mandatory list has is left out: no record holds one (LM-28)"
            );
        }
        let row = OwnRow {
            kind: Kind::Dispute,
            event: self.event,
            time: Some(time),
            end: End::Complete,
            user,
            note: asks::note(&kept),
            about: Some(About {
                host: screen.host(about.host),
                sni: screen.host(about.sni),
                ..about
            }),
        };
        audit::note(
            &loaded.settings.state,
            "records dispute",
            json!({ "event": self.event, "role": screen.text(&self.role) }),
        )?;
        asks::write(&settings(loaded)?, &row, PATIENCE).map_err(|error| match error {
            asks::AskError::Note(_) => Failure::Arguments(error.to_string()),
            other => Failure::refused(other),
        })?;
        if self.json {
            output::json(out, &json!({ "event": self.event, "disputed": true }))?;
        } else {
            writeln!(
                out,
                "Event {} is disputed. Searches and exports show that beside it; nothing of it was altered.",
                self.event
            )?;
        }
        Ok(Answer::Yes)
    }

    /// When the event began, whose it is, and what a row about it repeats: of its last row, which knows most.
    fn disputed(&self, loaded: &Loaded) -> Result<Option<(i64, Option<String>, About)>, Failure> {
        let query = Query {
            event: Some(self.event),
            order: Order::Oldest,
            ..Query::default()
        };
        let mut found = None;
        let searched = query::search(&super::store(loaded)?, &query, &mut |batch| {
            let cells = Cells::new(batch);
            for row in 0..batch.num_rows() {
                let text = |col| cells.str_at(col, row).map(str::to_owned);
                // Reads and earlier disputes are no events of a person.
                let kind = cells
                    .str_at(Col::kind, row)
                    .and_then(|kind| kind.parse().ok());
                if matches!(kind, None | Some(Kind::Read | Kind::Dispute)) {
                    continue;
                }
                let about = About::of(cells, row);
                found = Some((cells.time_at(row), text(Col::user), about));
            }
            ControlFlow::Continue(())
        });
        searched.map_err(Failure::refused)?;
        Ok(found)
    }
}
