//! The files of a bundle and what stands in them, for whoever makes one and whoever checks it.
//!
//! Decides names and forms only; `docs/records-bundle.md` describes every one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use weir_evidence::{Hash, Tag, UserEntry};

use crate::query::Query;

/// The form of the bundle; stands in `query.json` and in the signed note.
pub const FORM: &str = "weir-bundle-1";
/// The rows that were asked for, as JSON lines.
pub const ROWS_JSONL: &str = "rows.jsonl";
/// The same as CSV.
pub const ROWS_CSV: &str = "rows.csv";
/// The same as Parquet.
pub const ROWS_PARQUET: &str = "rows.parquet";
/// Rows that stand beside them whoever was asked for: gaps, starts, stops, clock steps, disputes.
pub const CONTEXT: &str = "context.jsonl";
/// Rows that were not sealed, which nothing in the bundle proves.
pub const UNPROVED: &str = "unproved.jsonl";
/// What proves each row.
pub const PROOF: &str = "proof.jsonl";
/// What proves that no row of the person is missing.
pub const SEGMENTS: &str = "segments.jsonl";
/// What was asked, for what, and what came of it.
pub const QUERY: &str = "query.json";
/// What is withheld, and why.
pub const REDACTIONS: &str = "redactions.json";
/// How the person was identified.
pub const IDENTITY: &str = "identity.json";
/// Versions of policy, lists and Weir.
pub const VERSIONS: &str = "versions.json";
/// Every field and word.
pub const GLOSSARY: &str = "glossary.txt";
/// For people.
pub const REPORT: &str = "report.html";
/// SHA-256 of every other file but the note, as `sha256sum -c` reads it.
pub const SUMS: &str = "SHA256SUMS";
/// The signature of that.
pub const NOTE: &str = "SHA256SUMS.note";
/// Under `log/<node>/`: the checkpoints of the log.
pub const CHECKPOINTS: &str = "checkpoints";
/// Under `log/<node>/`: the hashes that lead from rows to the subtrees of checkpoints.
pub const NODES: &str = "nodes";
/// Under `log/<node>/`: the public keys of the log.
pub const PUBLIC_KEYS: &str = "public-keys";
/// Every file that does not belong to a log, but [`SUMS`] and [`NOTE`].
pub const FILES: [&str; 13] = [
    CONTEXT,
    GLOSSARY,
    IDENTITY,
    PROOF,
    QUERY,
    REDACTIONS,
    REPORT,
    ROWS_CSV,
    ROWS_JSONL,
    ROWS_PARQUET,
    SEGMENTS,
    UNPROVED,
    VERSIONS,
];
/// Every file of a log.
pub const LOG_FILES: [&str; 3] = [CHECKPOINTS, NODES, PUBLIC_KEYS];

/// `query.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// [`FORM`].
    pub form: String,
    /// Version of Weir that made the bundle.
    pub weir: String,
    /// When.
    pub generated: Timestamp,
    /// Purpose code (LM-03).
    pub purpose: String,
    /// Case.
    pub case: Option<String>,
    /// Number of the exhibit.
    pub exhibit: Option<String>,
    /// Who asked, and as what.
    pub reader: Option<String>,
    /// The role in which.
    pub role: Option<String>,
    /// Why, in words.
    pub reason: Option<String>,
    /// The exact query; the end of its period is always a moment.
    pub query: Query,
    /// The person, when one was asked for.
    pub subject: Option<Subject>,
    /// What came of it.
    pub counts: Counts,
    /// The authorisations to monitor that were in force in the period, and their ends (LM-01, LM-02).
    pub basis: Vec<crate::basis::Entry>,
    /// What else is to be known.
    pub remarks: Vec<String>,
}

/// The person whose rows the bundle has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Name, as it was asked for.
    pub user: String,
    /// The blinded tag in each node's log.
    pub tags: BTreeMap<String, String>,
}

/// How many rows of which sort.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Rows in `rows.*`.
    pub rows: u64,
    /// Rows in `context.jsonl`.
    pub context: u64,
    /// Rows of the person outside the period, of which only number, time and tag are shown.
    pub outside: u64,
    /// Rows of the person inside the period that the narrower query does not ask for.
    pub narrower: u64,
    /// Rows of the person in segments that meet the period that were erased, or removed around rows under a hold: only number and
    /// tag are left.
    pub erased: u64,
    /// Rows in `unproved.jsonl`.
    pub unproved: u64,
    /// Rows in `rows.*` by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Rows in `rows.*` by verdict.
    pub verdicts: BTreeMap<String, u64>,
}

/// Why a row has a line in `proof.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// It was asked for: it is in `rows.*`.
    Row,
    /// It is in `context.jsonl`.
    Context,
    /// It is of the person, and began outside the period.
    Outside,
    /// It is of the person, and the query asks for less than all of their rows.
    Narrower,
    /// It is of the person, and was erased: nothing but its leaf is left.
    Erased,
}

/// One line of `proof.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofLine {
    /// Machine that wrote the row.
    pub node: String,
    /// Number of the row.
    pub seq: u64,
    /// When it began, µs since the epoch; 0 of erased rows, of which it is not known any more.
    pub time: i64,
    /// Blinded tag, 32 hexadecimal digits.
    pub tag: String,
    /// Place among the leaves of the log, from 0.
    pub index: u64,
    /// Why it is here.
    pub why: Why,
    /// The leaf hash, base64.
    pub leaf: String,
    /// Of an erased row, the event of the row that tells of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Salt of each group that is shown, 32 hexadecimal digits, by the group's word.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub salts: BTreeMap<String, String>,
    /// Commitment of each group that is withheld, base64, by the group's word. A group in neither has no field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commitments: BTreeMap<String, String>,
}

/// An entry of a users tree with the way to its root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryLine {
    /// Whose.
    pub tag: String,
    /// Rows.
    pub rows: u64,
    /// Number of the first.
    pub first: u64,
    /// Number of the last.
    pub last: u64,
    /// SHA-256 over their leaves, base64.
    pub digest: String,
    /// Place in the tree.
    pub index: u64,
    /// Rows below and hash of each node beside the way, from below.
    pub path: Vec<(u64, String)>,
}

impl EntryLine {
    pub(super) fn new(entry: &UserEntry, index: u64, path: &[(u64, Hash)]) -> EntryLine {
        EntryLine {
            tag: entry.tag.to_string(),
            rows: entry.rows,
            first: entry.first,
            last: entry.last,
            digest: entry.digest.to_string(),
            index,
            path: path
                .iter()
                .map(|(rows, hash)| (*rows, hash.to_string()))
                .collect(),
        }
    }

    /// The entry and its way; None when a hash or tag is none.
    pub fn read(&self) -> Option<(UserEntry, Vec<(u64, Hash)>)> {
        let entry = UserEntry {
            tag: self.tag.parse::<Tag>().ok()?,
            rows: self.rows,
            first: self.first,
            last: self.last,
            digest: self.digest.parse().ok()?,
        };
        let path = self.path.iter();
        let path = path.map(|(rows, hash)| Some((*rows, hash.parse().ok()?)));
        Some((entry, path.collect::<Option<_>>()?))
    }
}

/// One line of `segments.jsonl`: what a segment that meets the period has of the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentLine {
    /// Machine that wrote it.
    pub node: String,
    /// Path, as checkpoints name it.
    pub path: String,
    /// The person's entry, when they have rows there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<EntryLine>,
    /// When they have none: the entry before where theirs would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<EntryLine>,
    /// The entry after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<EntryLine>,
}

/// `redactions.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redactions {
    /// Groups of fields that are withheld in every row.
    pub groups: Vec<GroupRedaction>,
    /// Rows of the person of which only number, time and tag are shown.
    pub rows: Vec<RowRedaction>,
}

/// A group of fields that is withheld.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRedaction {
    /// The group's word.
    pub group: String,
    /// Why.
    pub reason: String,
    /// Rows of `rows.*` and `context.jsonl` that have a field of it.
    pub rows: u64,
}

/// Rows that are withheld.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowRedaction {
    /// Which sort.
    pub why: Why,
    /// Why, in words.
    pub reason: String,
    /// How many.
    pub rows: u64,
}

/// One way in which the person was identified; `identity.json` is a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identified {
    /// How.
    pub identity: String,
    /// Name as recorded.
    pub user: Option<String>,
    /// Device.
    pub device: Option<String>,
    /// Network.
    pub network: Option<String>,
    /// Address of the client.
    pub client: Option<String>,
    /// Rows.
    pub rows: u64,
    /// When the first of them began.
    pub first: Timestamp,
    /// When the last of them began.
    pub last: Timestamp,
    /// The greatest age of an identification among them, s.
    pub oldest_identification: Option<u64>,
}

/// `versions.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// Of the policies that decided.
    pub policies: Vec<String>,
    /// Of the lists that decided.
    pub lists: Vec<String>,
    /// Of Weir, that wrote the segments with rows of the bundle.
    pub builds: Vec<String>,
}
