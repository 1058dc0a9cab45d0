//! What the entries of a log say, as they are read one after the other.
//!
//! Decides nothing: whether a log can be continued is decided in `open`, whether something may go in the keeper.

use std::collections::HashSet;
use std::time::Duration;

use weir_evidence::{Entry, KeptFile, Log, Retention, VerifierKey};

use super::chain::{self, CHECKPOINTS};
use crate::belief::Belief;
use crate::store::Store;

/// How long the log of a node says that records are kept, and what its moments make of the clock, as far as it can be read. Nothing
/// is checked: for a disk that takes nothing, so that nothing can be signed that says otherwise.
pub(crate) fn said(store: &Store, node: &str, settle: Duration) -> (Option<Retention>, Belief) {
    let mut found = Found::new(Belief::new(settle));
    let path = store.layout().log(node).join(CHECKPOINTS);
    // What cannot be read says nothing.
    let _ = chain::read(&path, &mut |at, bytes| {
        found.take(at, bytes);
        Ok(())
    });
    (found.log.retention, found.belief)
}

/// The entries of a file as they are read.
pub(super) struct Found {
    pub(super) log: Log,
    /// What the moments of the checkpoints make of the clock.
    pub(super) belief: Belief,
    /// What they say of files beside the records, in their order.
    pub(super) kept: Vec<KeptFile>,
    pub(super) named: HashSet<String>,
    /// The last entry and the key that is to have signed it.
    pub(super) last: Option<(Entry, VerifierKey)>,
    /// Bytes of the whole entries.
    pub(super) length: u64,
    /// The first place that is no entry, or does not continue the ones before.
    pub(super) fault: Option<(u64, String)>,
    /// Whether the file ends as an entry does.
    pub(super) is_ended: bool,
}

impl Found {
    pub(super) fn new(belief: Belief) -> Found {
        Found {
            log: Log::default(),
            belief,
            kept: Vec::new(),
            named: HashSet::new(),
            last: None,
            length: 0,
            fault: None,
            is_ended: false,
        }
    }

    pub(super) fn take(&mut self, at: u64, bytes: &[u8]) {
        self.is_ended = bytes.ends_with(b"\n\n");
        if self.fault.is_some() {
            return;
        }
        let entry = match std::str::from_utf8(bytes).map(Entry::parse) {
            Ok(Ok(entry)) => entry,
            Ok(Err(error)) => return self.fault = Some((at, error.to_string())),
            Err(error) => return self.fault = Some((at, error.to_string())),
        };
        let signer = self.log.key.clone().or(entry.checkpoint.key.clone());
        match (self.log.advance(&entry), signer) {
            (Ok(_), Some(signer)) => {
                let (time, every) = (entry.checkpoint.time, entry.checkpoint.every);
                self.belief.see(time, every);
                self.kept.extend(entry.checkpoint.kept.iter().cloned());
                let paths = entry.checkpoint.sealed.iter();
                self.named.extend(paths.map(|sealed| sealed.path.clone()));
                self.length = at + bytes.len() as u64;
                self.last = Some((entry, signer));
            }
            (Err(error), _) => self.fault = Some((at, error.to_string())),
            (Ok(_), None) => self.fault = Some((at, "it names no key".to_owned())),
        }
    }
}
