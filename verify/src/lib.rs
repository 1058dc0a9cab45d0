//! Does a log of records hold, does an export bundle? Reads a records directory, recomputes every leaf, tree and root, and says in plain words what
//! holds, what does not, where it breaks first, and what cannot be proved from the directory alone (LM-31, LM-32, LM-33, LM-37).
//!
//! Decides what counts as a fault. It writes nothing into the directory and uses no network. How bytes become hashes is
//! `weir-evidence`'s; how rows are read, `weir-monitoring`'s.

mod bundle;
mod files;
mod kept;
mod log;
mod order;
mod outside;
mod promise;
mod report;
mod rows;
mod stretch;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use weir_evidence::Hash;
use weir_monitoring::proof;

use log::Told;

pub use bundle::{BundleReport, check_bundle, is_bundle};
pub use outside::{Outside, OutsideError};
pub use weir_monitoring::{KekSource, Store};

pub use promise::Promise;
pub use report::{Fault, LogReport, Place, Report};

/// Takes the leaves of every row that is in the log: node, number, hash.
pub type TakeLeaf<'a> = &'a mut dyn FnMut(&str, u64, &Hash) -> io::Result<()>;

/// Checks every log and every row in a records directory.
///
/// # Errors
/// When the directory cannot be read at all, or a leaf not be handed over. Whatever is wrong inside is in the report.
pub fn check(store: &Store, outside: &Outside, take: TakeLeaf<'_>) -> io::Result<Report> {
    let directory = store.directory();
    std::fs::read_dir(directory)?;
    let mut report = Report::default();
    let mut nodes = BTreeSet::new();
    for name in proof::logs(directory)? {
        match name.split_once(proof::SET_ASIDE) {
            Some((node, _)) => report.faults.push(Fault {
                node: node.to_owned(),
                what: format!(
                    "a log could not be continued and was set aside as log/{name}; what it covered is not proved by the log that \
                     followed it. A gap row says why"
                ),
                place: Place::default(),
            }),
            None => {
                nodes.insert(name);
            }
        }
    }
    // The logs before the files: what a running Weir signs or seals in between is only more than what is looked for.
    let mut told: BTreeMap<String, Told> = nodes
        .into_iter()
        .map(|node| {
            let told = log::read(store, &node, &mut report);
            (node, told)
        })
        .collect();
    let files = proof::row_files(store)?;
    for file in &files {
        if !told.contains_key(&file.node) {
            // Says that there is none.
            let none = log::read(store, &file.node, &mut report);
            told.insert(file.node.clone(), none);
        }
    }
    if told.is_empty() {
        let what = "there is neither a log nor a record here";
        return Err(io::Error::new(io::ErrorKind::NotFound, what));
    }
    for (node, told) in &told {
        let own = files.iter().filter(|file| file.node == *node).cloned();
        outside.compare(told, node, &mut report);
        kept::check(told, node, outside.state(), &mut report);
        rows::walk((store, own.collect()), told, node, &mut report, take)?;
    }
    if !store.has_keys() {
        report.remarks.push(
            "no key was given, so rows could not be read: only the checkpoints, their signatures and the digests of sealed files \
             were checked"
                .to_owned(),
        );
    }
    outside.limits(&mut report);
    Ok(report)
}
