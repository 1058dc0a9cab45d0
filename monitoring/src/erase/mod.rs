//! Erasure, holds and expiry of rows (LM-14, LM-15): whose payload goes, that it goes whole, and that the log stays what it was.
//!
//! Decides that a row under a hold is neither erased nor expires, that every step can be interrupted and is finished by the next
//! start, and that whatever goes is told by a row first. How a segment is written anew is decided in `rewrite`, what a hold is in
//! `holds`, how a running Weir is asked in `work`.
//!
//! ```text
//! holds/<number>       a hold: case, filter, role, reason; wrapped under the key-encryption key
//! erasures/<number>    what is to go and is not gone yet: numbers of rows, never whose; wrapped too
//! work/<number>.ask    a request of a command to the running Weir, .answer its answer; wrapped too
//! ```

mod holds;
mod intent;
mod plan;
mod rewrite;
mod serve;
pub(crate) mod steps;
#[cfg(test)]
mod tests;
mod work;

use serde::{Deserialize, Serialize};

pub(crate) use holds::Held;
pub(crate) use holds::what as hold_what;
pub use holds::{Hold, holds};
pub(crate) use intent::Intent;
pub(crate) use intent::what as erasure_what;
pub(crate) use serve::{Clerk, Row, expire, expire_content, resume, serve};
pub use work::{AskError, ask};
pub(crate) use work::{answer, asked, clear};

use crate::query::Query;
use crate::scrub;
use crate::store::Store;
use crate::words::Kind;

/// Longest case, role or reason, in bytes.
const LONGEST: usize = 500;

/// Who asks for it, and why; all of it stands in the row that tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounds {
    /// Reference of the case.
    pub case: String,
    /// In which role, such as `DPO`.
    pub role: String,
    /// Why. Never whose rows: the row that tells of it stays.
    pub reason: String,
}

/// What can be asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Rows that match, also future ones, neither expire nor can be erased.
    Hold {
        /// Which rows.
        query: Box<Query>,
        /// On what grounds.
        grounds: Grounds,
    },
    /// Every hold of the case ends.
    Release {
        /// On what grounds.
        grounds: Grounds,
    },
    /// Rows that match are erased.
    Erase {
        /// Which rows.
        query: Box<Query>,
        /// On what grounds.
        grounds: Grounds,
    },
}

/// What came of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Event id of the row that tells of it; None when nothing was done.
    pub event: Option<String>,
    /// Rows erased, or holds that began or ended.
    pub count: u64,
    /// Periods whose segments were written anew.
    pub periods: Vec<String>,
}

impl Grounds {
    /// What is given, as it may stand in a row.
    ///
    /// # Errors
    /// When something is missing or too long: which.
    pub fn new(case: &str, role: &str, reason: &str) -> Result<Grounds, String> {
        let checked = |what: &str, text: &str| {
            let text = scrub::text(text.trim(), usize::MAX).into_owned();
            match text.len() {
                0 => Err(format!("a {what} is needed")),
                1..=LONGEST => Ok(text),
                _ => Err(format!("the {what} is longer than {LONGEST} bytes")),
            }
        };
        Ok(Grounds {
            case: checked("case", case)?,
            role: checked("role", role)?,
            reason: checked("reason", reason)?,
        })
    }
}

/// Whether an erasure or expiry is under way, or was interrupted and waits for the next start.
pub fn is_pending(store: &Store) -> bool {
    intent::Intent::is_waiting(store)
}

/// Whether rows of this kind tell of people, and can be erased; the others tell of recording itself.
pub(crate) fn is_erasable(kind: &str) -> bool {
    // A dispute repeats the person and the target of its event.
    let people = [
        Kind::Request,
        Kind::RequestOpen,
        Kind::TunnelOpen,
        Kind::TunnelClose,
        Kind::SignInFailure,
        Kind::Refusal,
        Kind::Notice,
        Kind::Dispute,
    ];
    people.iter().any(|own| own.as_str() == kind)
}
