//! Decides how the lines of a file are counted, so that the numbers add up to its lines.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a line without fault is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Skip {
    /// A rule for some requests to a host only (AdBlock options).
    Options,
    /// A rule for addresses of a shape that is no name and no path with everything below it.
    Pattern,
    /// A rule that hides parts of pages.
    Cosmetic,
    /// An instruction to the program that reads the list, or a line that hangs on one.
    Directive,
    /// A name of the machine itself, such as `localhost`.
    Local,
    /// An answer with another address or name, which is no block.
    Rewrite,
    /// Names that another resolver is to answer.
    Forward,
    /// A setting of the program that the list is for.
    Setting,
    /// What a zone says about itself.
    Zone,
    /// A rule about addresses of answers, clients or name servers.
    Trigger,
    /// A rule for every name there is.
    Everything,
    /// A reference to a file that was not given.
    Include,
    /// A path on any host.
    Path,
    /// A URL of a protocol that does not pass a web proxy.
    Scheme,
    /// A rule that belongs to further lists as well.
    Affiliation,
}

impl Skip {
    /// One lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Skip::Options => "options",
            Skip::Pattern => "pattern",
            Skip::Cosmetic => "cosmetic",
            Skip::Directive => "directive",
            Skip::Local => "local",
            Skip::Rewrite => "rewrite",
            Skip::Forward => "forward",
            Skip::Setting => "setting",
            Skip::Zone => "zone",
            Skip::Trigger => "trigger",
            Skip::Everything => "everything",
            Skip::Include => "include",
            Skip::Path => "path",
            Skip::Scheme => "scheme",
            Skip::Affiliation => "affiliation",
        }
    }

    /// What such lines are, for people.
    pub fn reason(self) -> &'static str {
        match self {
            Skip::Options => "hold for some requests to a host only",
            Skip::Pattern => "are patterns for parts of addresses",
            Skip::Cosmetic => "hide parts of pages",
            Skip::Directive => "are instructions to an ad blocker",
            Skip::Local => "name the machine itself",
            Skip::Rewrite => "give another address instead of blocking",
            Skip::Forward => "name another resolver instead of blocking",
            Skip::Setting => "are settings of another program",
            Skip::Zone => "describe the zone itself",
            Skip::Trigger => "are about addresses of answers, clients or name servers",
            Skip::Everything => "mean every name there is",
            Skip::Include => "refer to files that were not given",
            Skip::Path => "are paths on any host",
            Skip::Scheme => "are of protocols that no web proxy sees",
            Skip::Affiliation => "belong to further lists as well",
        }
    }
}

/// The word.
impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What became of the lines of a file: `lines = entries + duplicates + blank + skipped + faulty`, always.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tally {
    /// Lines of the file; a last line without its newline counts.
    pub lines: u64,
    /// Lines with at least one entry that no line before had.
    pub entries: u64,
    /// Lines whose entries all stand further up in the file.
    #[serde(skip_serializing_if = "is_zero")]
    pub duplicates: u64,
    /// Empty lines and comments.
    #[serde(skip_serializing_if = "is_zero")]
    pub blank: u64,
    /// Lines that mean nothing to a proxy, or not what an entry would mean, by reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<Skip, u64>,
    /// Lines that cannot be read.
    #[serde(skip_serializing_if = "is_zero")]
    pub faulty: u64,
    /// Of `entries` and `duplicates`: lines of which one name could not be read and the others are used.
    #[serde(skip_serializing_if = "is_zero")]
    pub partly: u64,
    /// Distinct entries of all kinds that the lines gave, exceptions included: a line may give several.
    pub distinct: u64,
    /// Of `distinct`: names below another name of the same file, which change nothing.
    #[serde(skip_serializing_if = "is_zero")]
    pub redundant: u64,
    /// Of `distinct`: exceptions.
    #[serde(skip_serializing_if = "is_zero")]
    pub exceptions: u64,
    /// Of `distinct`: names that an exception of the same file makes void.
    #[serde(skip_serializing_if = "is_zero")]
    pub excepted: u64,
}

// serde wants a reference.
#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Tally {
    /// Skipped lines of all reasons.
    pub fn skipped(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// True when every line is counted exactly once.
    pub fn adds_up(&self) -> bool {
        self.lines == self.entries + self.duplicates + self.blank + self.skipped() + self.faulty
    }

    /// Adds the numbers of another file.
    pub fn add(&mut self, other: &Tally) {
        self.lines += other.lines;
        self.entries += other.entries;
        self.duplicates += other.duplicates;
        self.blank += other.blank;
        for (reason, count) in &other.skipped {
            *self.skipped.entry(*reason).or_default() += count;
        }
        self.faulty += other.faulty;
        self.partly += other.partly;
        self.distinct += other.distinct;
        self.redundant += other.redundant;
        self.exceptions += other.exceptions;
        self.excepted += other.excepted;
    }

    /// Counts a skipped line.
    pub(crate) fn skip(&mut self, reason: Skip) {
        *self.skipped.entry(reason).or_default() += 1;
    }
}
