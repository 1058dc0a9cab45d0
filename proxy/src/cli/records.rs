//! `weir records`: looking at monitoring records, handing them over, holding and erasing them, removing what is due.
//!
//! Decides how an investigator asks. Every look goes through `reading`: it states a purpose (LM-03) and is a row of the records
//! itself before anything is read (LM-18).

mod bundle;
mod checkpoint;
mod dispute;
mod erase;
mod export;
mod filter;
mod people;
mod provenance;
pub(super) mod reading;
mod rekey;
mod retain;
mod search;
mod summary;
mod top;
mod verify;

use std::io::Write;

use clap::Subcommand;
use weir_config::Loaded;
use weir_monitoring::Store;
use weir_monitoring::query::Unreadable;

use super::{Answer, Failure};
use crate::recording;

/// What to do with records.
#[derive(Debug, Subcommand)]
pub(crate) enum Records {
    /// Print the records that match.
    Search(search::Search),
    /// Write the records that match to a file, with a statement of what it holds.
    Export(export::Export),
    /// Rank categories, hosts, rules, users or devices by requests or bytes, without looking at content.
    Top(top::Top),
    /// Sum up a time: verdicts, bytes, navigations, and the share that nobody could look into.
    Summary(summary::Summary),
    /// Put a dispute beside an event: what somebody says against it. Nothing is altered.
    Dispute(dispute::Dispute),
    /// Remove the records whose time is over. A running Weir does so itself every hour.
    Retain(retain::Retain),
    /// Check that no record was altered, left out or put in: the log, its signatures and every row.
    Verify(verify::Verify),
    /// Say what an event was decided by: policy, rule, lists, entry, authorisation and build.
    Provenance(provenance::Provenance),
    /// Print the last checkpoint of the log; a running Weir signs a new one first. To be kept outside.
    Checkpoint(checkpoint::CheckpointCommand),
    /// Let a new key sign the log from now on, introduced by the present one.
    RotateKey(checkpoint::RotateKey),
    /// Wrap the keys that records are encrypted under in a new key-encryption key.
    Rekey(rekey::Rekey),
    /// Keep the rows that match, also future ones, from expiry and erasure for a case.
    Hold(erase::HoldRows),
    /// End every hold of a case.
    Release(erase::Release),
    /// Print the holds in force.
    Holds(erase::Holds),
    /// Erase the rows that match, and destroy the keys that they are encrypted under.
    Erase(erase::Erase),
}

impl Records {
    pub(super) fn run(
        self,
        loaded: &Loaded,
        out: &mut (dyn Write + Send),
    ) -> Result<Answer, Failure> {
        match self {
            Records::Search(search) => search.run(loaded, out),
            Records::Export(export) => export.run(loaded, out),
            Records::Top(top) => top.run(loaded, out),
            Records::Summary(summary) => summary.run(loaded, out),
            Records::Dispute(dispute) => dispute.run(loaded, out),
            Records::Retain(retain) => retain.run(loaded, out),
            Records::Verify(verify) => verify.run(loaded, out),
            Records::Provenance(provenance) => provenance.run(loaded, out),
            Records::Checkpoint(checkpoint) => checkpoint.run(loaded, out),
            Records::RotateKey(rotate) => rotate.run(loaded, out),
            Records::Rekey(rekey) => rekey.run(loaded, out),
            Records::Hold(hold) => hold.run(loaded, out),
            Records::Release(release) => release.run(loaded, out),
            Records::Holds(holds) => holds.run(loaded, out),
            Records::Erase(erase) => erase.run(loaded, out),
        }
    }
}

/// The records, opened for reading.
pub(super) fn store(loaded: &Loaded) -> Result<Store, Failure> {
    recording::store(&loaded.settings).map_err(Failure::refused)
}

/// Says which files could not be read. What is missing some of its rows is no whole answer.
pub(super) fn whole(unreadable: &[Unreadable]) -> Answer {
    for file in unreadable {
        eprintln!("weir: {}: {}; rows may be missing", file.name, file.error);
    }
    if unreadable.is_empty() {
        Answer::Yes
    } else {
        Answer::No
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_exports;
#[cfg(test)]
mod tests_of_reads;
