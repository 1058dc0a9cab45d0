//! Who changes lists by command, and why.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use weir_categories::history::{Act, How, Version};

use super::super::{audit, output};

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
            .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
    }

    /// What the history keeps, now.
    pub(super) fn act<'a>(&'a self, who: &'a str, how: How) -> Act<'a> {
        Act {
            who,
            why: self.reason.as_deref().unwrap_or_default().trim(),
            when: Timestamp::now().as_second(),
            how,
        }
    }

    /// Says that a change without a reason will be a riddle to whoever reads the history.
    pub(super) fn warn(&self) {
        if self.reason.as_deref().unwrap_or_default().trim().is_empty() {
            eprintln!("weir: without --reason the history will not say why");
        }
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
