//! Allow, block or warn, and why: facts in, verdict with its rule, category and limits out.
//!
//! Pure: no clock, no file, no network. [`compile`] turns the checked policy file into a [`Policy`]; [`Policy::decide`] and
//! [`Policy::decide_response`] answer for one request, [`Policy::shares`] says which caps its traffic counts against,
//! [`egress`] which addresses may be dialled at all. Traffic, `weir explain` and the tests ask the same functions.
//!
//! It does not know what is listed (`weir-categories`), who somebody is (the proxy tells it what was seen), nor how bytes
//! are held back (`weir-bandwidth`).

mod candidates;
mod compile;
mod decide;
pub mod egress;
mod groups;
mod matcher;
mod schedule;
mod subject;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;
use weir_categories::{CategoryId, CategorySet};
use weir_config::{Action as RuleAction, Fault, Purpose};

use candidates::Candidates;
use groups::GroupTable;
use matcher::Matcher;
use schedule::Calendar;

pub use compile::{compile, version};
pub use decide::{Action, Facts, Limits, ResponseFacts, Stage, Verdict};
pub use groups::GroupSet;
pub use schedule::PeriodSet;
pub use subject::{Seen, Subject};

/// A profile of one [`Policy`], numbered in the order of its file.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileId(pub u8);

/// A rule of one [`Policy`], numbered in the order of its file.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIx(pub u16);

/// What people may know of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Stands in records and on block pages.
    pub id: Arc<str>,
    /// For the person who meets the rule; may be empty.
    pub words: Arc<str>,
    /// Why it exists (LM-03).
    pub purpose: Purpose,
    /// What the file says it does; a `limit` lets through.
    pub action: RuleAction,
    /// Where it stands in the policy file.
    pub line: usize,
    /// Until when content of what it lets through is kept (LM-04): µs since the epoch, UTC. None: not at all.
    pub content_until: Option<i64>,
    /// In the order of the file: the first that a target is in is the one that a verdict names.
    categories: Box<[CategoryId]>,
    exempt: bool,
    down: Option<u64>,
    up: Option<u64>,
    download_size: Option<u64>,
    upload_size: Option<u64>,
}

/// What a profile allows one person.
#[derive(Clone, Debug)]
struct Profile {
    name: Arc<str>,
    groups: Vec<Arc<str>>,
    limits: Limits,
}

/// A cap that traffic shares: its key and bytes a second, down and up.
type Share<'a> = (&'a Arc<str>, Option<u64>, Option<u64>);

#[derive(Debug)]
struct CategoryCap {
    category: CategoryId,
    key: Arc<str>,
    down: Option<u64>,
    up: Option<u64>,
}

/// A category that the policy names and no list has. What it stood in decides nothing by it: a rule of no other category
/// holds for nothing, a `[[category]]` limits nothing, and hosts that were in it count as `unlisted`.
#[derive(Clone, Debug, PartialEq)]
pub struct Missing {
    /// Its name.
    pub category: Arc<str>,
    /// Where it is named, and a suggestion.
    pub fault: Fault,
}

/// A compiled policy. Immutable: a change is a new one, and whoever decides keeps one for the whole of a request.
#[derive(Debug)]
pub struct Policy {
    /// Tells subjects of this compilation from those of another.
    stamp: u64,
    version: String,
    calendar: Calendar,
    profiles: Box<[Profile]>,
    strictest: ProfileId,
    otherwise: Action,
    groups: GroupTable,
    category_caps: Box<[CategoryCap]>,
    rules: Box<[Rule]>,
    matchers: Box<[Matcher]>,
    candidates: Candidates,
    missing: Box<[Missing]>,
}

impl Policy {
    /// 16 hexadecimal digits that change when anything the policy says does (LM-34).
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The profile of a name.
    #[must_use]
    pub fn profile(&self, name: &str) -> Option<ProfileId> {
        let at = self
            .profiles
            .iter()
            .position(|profile| *profile.name == *name)?;
        u8::try_from(at).ok().map(ProfileId)
    }

    /// The profile of people and networks that nothing else is known of (AF-06).
    #[must_use]
    pub fn strictest(&self) -> ProfileId {
        self.strictest
    }

    /// A profile's name. A number of another policy that this one does not have reads as the strictest.
    #[must_use]
    pub fn profile_name(&self, id: ProfileId) -> &Arc<str> {
        &self.profile_at(id).name
    }

    /// A person's profile: the first in the order of the file that names one of their groups, else the strictest.
    #[must_use]
    pub fn profile_of(&self, groups: &[Arc<str>]) -> ProfileId {
        let names_one =
            |profile: &Profile| profile.groups.iter().any(|group| groups.contains(group));
        let found = self.profiles.iter().position(names_one);
        found
            .and_then(|at| u8::try_from(at).ok())
            .map_or(self.strictest, ProfileId)
    }

    /// The periods that hold at `now`, by the clock on the school's wall. Worth keeping for a second.
    #[must_use]
    pub fn periods(&self, now: Timestamp) -> PeriodSet {
        self.calendar.periods(now)
    }

    /// The local day at `now`, in days since 1970-01-01: what daily allowances are counted by.
    #[must_use]
    pub fn day(&self, now: Timestamp) -> i64 {
        self.calendar.day(now)
    }

    /// A rule of a verdict.
    #[must_use]
    pub fn rule(&self, ix: RuleIx) -> Option<&Rule> {
        self.rules.get(usize::from(ix.0))
    }

    /// Every rule in the order of the file.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The categories that are named and that no list has, in the order of the file, as often as they are named.
    #[must_use]
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// The caps that traffic of `subject` in `categories` shares with others: those of its groups (`group:<name>`) and of
    /// the categories (`category:<name>`), with bytes a second down and up, at least one of them given. Those of the
    /// person and of the rule are in [`Verdict::limits`].
    pub fn shares<'a>(
        &'a self,
        subject: &'a Subject,
        categories: &CategorySet,
    ) -> impl Iterator<Item = Share<'a>> + use<'a> {
        let categories = *categories;
        let shared = self
            .category_caps
            .iter()
            .filter(move |cap| categories.contains(cap.category));
        self.groups
            .caps(subject.groups_in(self))
            .chain(shared.map(|cap| (&cap.key, cap.down, cap.up)))
    }

    fn profile_at(&self, id: ProfileId) -> &Profile {
        let strictest = usize::from(self.strictest.0);
        let found = self.profiles.get(usize::from(id.0));
        found.unwrap_or_else(|| {
            self.profiles
                .get(strictest)
                .expect("invariant: the strictest profile is one of them")
        })
    }
}
