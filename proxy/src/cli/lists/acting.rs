//! Who changes lists by command, and why; that it is asked for and what came of it is audited.
//!
//! Decides whether a change without a reason is made (`lists.require_reason`).

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use weir_categories::history::{Act, How, Version};
use weir_config::Settings;

use super::super::{Failure, audit, output};
use crate::versions;

/// Arguments of every command that changes lists.
#[derive(Debug, clap::Args)]
pub(super) struct Acting {
    /// Why; kept in the history of the lists and in the audit file, beside who and when.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// Who, if not the account that runs this.
    #[arg(long, value_name = "NAME")]
    pub(super) by: Option<String>,
}

impl Acting {
    /// Who acts: as given, else the person behind `sudo`, as far as the environment tells.
    pub(super) fn who(&self) -> String {
        let given = self.by.as_deref().map(output::safe);
        given
            .or_else(audit::account)
            .unwrap_or_else(|| versions::account_of(rustix::process::getuid().as_raw()))
    }

    /// What the history keeps, now.
    pub(super) fn act<'a>(&'a self, who: &'a str, how: How) -> Act<'a> {
        Act {
            who,
            why: self.why(),
            when: Timestamp::now().as_second(),
            how,
        }
    }

    /// May be empty.
    fn why(&self) -> &str {
        self.reason.as_deref().unwrap_or_default().trim()
    }

    /// Makes a change of lists by `command`, with a line in the audit file before it and one with its `outcome` after it.
    /// A change without a reason will be a riddle to whoever reads the history: it is warned of, or refused where the
    /// configuration says so.
    ///
    /// # Errors
    /// [`Failure::Arguments`] for a reason that is missing; what `make` and the audit file say.
    pub(super) fn audited<T>(
        &self,
        settings: &Settings,
        command: &str,
        mut about: Value,
        make: impl FnOnce() -> Result<T, Failure>,
        outcome: impl FnOnce(&T) -> Value,
    ) -> Result<T, Failure> {
        if self.why().is_empty() && settings.lists.require_reason {
            let told =
                "say why with --reason: lists.require_reason asks for it, and nothing was changed";
            return Err(Failure::Arguments(told.to_owned()));
        }
        if let Some(about) = about.as_object_mut() {
            about.insert("reason".to_owned(), json!(self.reason));
            about.insert("by".to_owned(), json!(self.by.as_deref().map(output::safe)));
        }
        let made = audit::around(&settings.state, command, about, make, outcome)?;
        if self.why().is_empty() {
            eprintln!("weir: without --reason the history does not say why");
        }
        Ok(made)
    }
}

/// A moment of the history on the school's clock.
pub(super) fn moment(when: i64, zone: &TimeZone) -> String {
    match Timestamp::from_second(when) {
        Ok(moment) => moment
            .to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M")
            .to_string(),
        Err(_) => "?".to_owned(),
    }
}

/// `version 7 (2026-09-10 08:45, update by j.smith: why)`
pub(super) fn told(version: &Version, zone: &TimeZone) -> String {
    let mut text = format!(
        "version {} ({}, {}",
        version.number,
        moment(version.when, zone),
        version.how.words()
    );
    if !version.who.is_empty() {
        text.push_str(" by ");
        text.push_str(&output::safe(&version.who));
    }
    if !version.why.is_empty() {
        text.push_str(": ");
        text.push_str(&output::safe(&version.why));
    }
    text.push(')');
    text
}
