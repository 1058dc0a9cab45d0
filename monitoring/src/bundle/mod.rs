//! Export bundles: one directory with rows, what they mean, and what proves them whole and unaltered to somebody who has neither
//! Weir nor a key (LM-36, LM-38).
//!
//! Decides the order of steps: everything is gathered and proved first, written beside under another name, signed, and only then
//! given its name. What is missing fails the whole; there is no bundle in part. Whether somebody may have one, and that it is
//! recorded, is the caller's (LM-12, LM-18). `docs/records-bundle.md` has every file and byte; `weir-verify` checks it.

mod collect;
mod facts;
mod forms;
mod log;
mod parse;
mod report;
mod seal;
mod tree;
mod write;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use arrow::error::ArrowError;
use jiff::Timestamp;

pub use facts::{identified, versions};
pub use forms::{
    Asked, CHECKPOINTS, CONTEXT, Counts, EntryLine, FILES, FORM, GLOSSARY, GroupRedaction,
    IDENTITY, Identified, LOG_FILES, NODES, NOTE, PROOF, PUBLIC_KEYS, ProofLine, QUERY, REDACTIONS,
    REPORT, ROWS_CSV, ROWS_JSONL, ROWS_PARQUET, Redactions, RowRedaction, SEGMENTS, SUMS,
    SegmentLine, Subject, UNPROVED, VERSIONS, Versions, Why,
};
pub use log::period_of;
pub use parse::{ParseError, cell_text, csv, parquet, rows};
pub use report::{Contents, page};
pub use seal::seal;
pub use tree::{At, Part, holds};

use collect::{Collected, Wanted};
use log::NodeLog;

use crate::export::PurposeError;
use crate::proof::{self, Group, RowFile, SET_ASIDE};
use crate::query::{Order, Query, SearchError};
use crate::store::Store;

/// Attempts, when a running Weir moves files meanwhile.
const ATTEMPTS: u32 = 3;

/// What a bundle is to have.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Which rows. Without an end of the period it ends now.
    pub query: Query,
    /// Purpose code (LM-03).
    pub purpose: String,
    /// Case.
    pub case: Option<String>,
    /// Number of the exhibit.
    pub exhibit: Option<String>,
    /// Who asks.
    pub reader: Option<String>,
    /// In which role.
    pub role: Option<String>,
    /// Why, in words.
    pub reason: Option<String>,
    /// Groups of fields that are withheld in every row, each with the reason.
    pub withhold: BTreeMap<Group, String>,
    /// Authorisations to monitor that were in force in the period.
    pub basis: Vec<crate::basis::Entry>,
    /// What else a reader must know, such as that nobody of the name asked for is known.
    pub remarks: Vec<String>,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// As it stands in the bundle.
    pub asked: Asked,
    /// Segments that meet the period, and in how many of them the person has rows; None when no person was asked for.
    pub segments: Option<(u64, u64)>,
    /// SHA-256 of the list of sums, in hexadecimal digits.
    pub sha256: String,
    /// Public keys that signed.
    pub keys: Vec<String>,
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// No purpose that allows it.
    #[error(transparent)]
    Purpose(#[from] PurposeError),
    /// What was asked for is no bundle.
    #[error("{0}")]
    Asked(String),
    /// Something that the bundle must have is missing or does not hold.
    #[error("{0}; no bundle was made")]
    Refused(String),
    /// The records could not be searched.
    #[error("{0}; no bundle was made")]
    Search(#[from] SearchError),
    /// Rows could not be put together.
    #[error("{0}; no bundle was made")]
    Rows(#[from] ArrowError),
    /// It could not be read or written.
    #[error("{0}; no bundle was made")]
    File(#[from] io::Error),
    /// Files were moved by a running Weir, again and again.
    #[error("the records were being sealed meanwhile; try again; no bundle was made")]
    Moved,
}

/// Whether a query asks for less than all rows of its person and period.
pub fn is_narrow(query: &Query) -> bool {
    let rest = Query {
        user: None,
        from: None,
        to: None,
        order: Order::default(),
        ..query.clone()
    };
    rest != Query::default()
}

/// Makes a bundle under the name `to`, which must not be there yet. `progress` is told of rows read and of how many in all.
///
/// # Errors
/// When the purpose is none, something is missing or does not hold, or it cannot be written: then nothing is left behind.
pub fn make(
    store: &Store,
    request: &Request,
    to: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Made, BundleError> {
    crate::export::purpose(&request.purpose)?;
    if request.query.limit.is_some() {
        let why = "a bundle has all rows that match: --limit is not for it";
        return Err(BundleError::Asked(why.to_owned()));
    }
    if request.withhold.contains_key(&Group::Row) {
        let why =
            "who, target and content can be withheld; what is left says that something happened";
        return Err(BundleError::Asked(why.to_owned()));
    }
    if let Some(reason) = request.withhold.values().find(|it| it.trim().is_empty()) {
        let why = format!("a reason for withholding is some words, not {reason:?}");
        return Err(BundleError::Asked(why));
    }
    if to.symlink_metadata().is_ok() {
        let why = format!(
            "{}: it is there already; nothing was exported",
            to.display()
        );
        return Err(BundleError::Asked(why));
    }
    let query = Query {
        order: Order::Oldest,
        to: request.query.to.or_else(|| Some(Timestamp::now())),
        ..request.query.clone()
    };
    for _ in 0..ATTEMPTS {
        match attempt(store, request, &query, to, progress) {
            Err(BundleError::Moved) => {}
            other => return other,
        }
    }
    Err(BundleError::Moved)
}

fn attempt(
    store: &Store,
    request: &Request,
    query: &Query,
    to: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Made, BundleError> {
    let mut logs = Vec::new();
    let mut collected = Collected::default();
    collected.remarks.clone_from(&request.remarks);
    for name in proof::logs(store.directory())? {
        if name.contains(SET_ASIDE) {
            collected.remarks.push(format!(
                "a log could not be continued and was set aside as {name}: what it covered is not proved by this bundle"
            ));
        } else {
            logs.push(NodeLog::read(store, &name)?);
        }
    }
    // After the logs: what is sealed in between is only more than what is looked for.
    let files = proof::row_files(store)?;
    let stray = files
        .iter()
        .find(|file| !logs.iter().any(|log| log.node == file.node));
    if let Some(file) = stray {
        let why = format!(
            "{}: there is no log of it, so nothing proves it",
            file.shown
        );
        return Err(BundleError::Refused(why));
    }
    if logs.is_empty() {
        let why = "there is no log of records";
        return Err(BundleError::Refused(why.to_owned()));
    }
    let mut wanted = Wanted {
        store,
        query,
        files: &files,
        progress,
    };
    for log in &logs {
        collected.node(log, &mut wanted)?;
    }
    let mut nodes = BTreeMap::new();
    for log in &logs {
        let own: Vec<RowFile> = files
            .iter()
            .filter(|file| file.node == log.node)
            .cloned()
            .collect();
        let mut none = Vec::new();
        let rows = collected.proofs.get_mut(&log.node).unwrap_or(&mut none);
        nodes.insert(log.node.clone(), log.prove(store, &own, rows)?);
    }
    write::write(request, query, &logs, collected, &nodes, to)
}

fn unreadable(file: &RowFile, error: &io::Error) -> BundleError {
    if error.kind() == io::ErrorKind::NotFound && file.last.is_none() {
        return BundleError::Moved;
    }
    BundleError::Refused(format!("{}: {error}", file.shown))
}
