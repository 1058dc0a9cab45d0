//! The checked types of `policy.toml`. Fields are named as the keys; `docs/configuration.md` says what each decides.
//!
//! Names of profiles, groups, periods, networks and devices are known to exist; names of categories are not: who compiles
//! the policy knows the lists.

pub(crate) mod read;
mod time;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::Date;
use weir_host::Name;
use weir_host::address::Network;

use crate::settings::PortRange;
use crate::words::words;

pub use time::{ClockTime, Day};

/// Everything that `policy.toml` says. Sizes are bytes, rates bytes a second.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyFile {
    /// As it is named in faults.
    pub file: PathBuf,
    /// The file as it was read, comments included: what stood in it when it was in force (LM-34).
    pub text: Arc<str>,
    /// A zone of the IANA database, known to exist.
    pub time_zone: String,
    /// Profile of people and networks that nothing else is known of; one of `profiles`.
    pub strictest: Arc<str>,
    /// Verdict when no rule matches.
    pub otherwise: Otherwise,
    /// At most 64, not overlapping.
    pub terms: Vec<Term>,
    /// At most 64.
    pub periods: Vec<Period>,
    /// 2 to 128 (AF-05).
    pub profiles: Vec<Profile>,
    /// At most 1,024.
    pub groups: Vec<Group>,
    /// At most 256.
    pub categories: Vec<CategoryLimit>,
    /// At most 16,384, in the order of the file.
    pub rules: Vec<RuleFile>,
}

words! {
    /// Verdict when no rule matches.
    Otherwise {
        /// Let through.
        Allow = "allow",
        /// Refuse.
        Block = "block",
    }
}

words! {
    /// What a rule does.
    Action {
        /// Let through.
        Allow = "allow",
        /// Refuse.
        Block = "block",
        /// Let through after a click on a page.
        Warn = "warn",
        /// Let through under the rule's own limits.
        Limit = "limit",
    }
}

words! {
    /// Why a rule, search or export exists: the closed purposes of LM-03 that a school has.
    Purpose {
        /// To establish the existence of facts.
        Facts = "facts",
        /// To ascertain compliance with regulatory or self-regulatory practices.
        RegulatoryCompliance = "regulatory-compliance",
        /// To ascertain or demonstrate standards achieved.
        Standards = "standards",
        /// To prevent or detect crime.
        CrimePrevention = "crime-prevention",
        /// To investigate or detect unauthorised use.
        UnauthorisedUse = "unauthorised-use",
        /// To secure the system's effective operation.
        EffectiveOperation = "effective-operation",
    }
}

/// `[[term]]`
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// In the policy file.
    pub line: usize,
    /// Unique.
    pub name: Arc<str>,
    /// Included.
    pub first: Date,
    /// Included; not before `first`.
    pub last: Date,
}

/// `[[period]]`
#[derive(Clone, Debug, PartialEq)]
pub struct Period {
    /// In the policy file.
    pub line: usize,
    /// Unique.
    pub name: Arc<str>,
    /// At least one.
    pub days: Vec<Day>,
    /// Included.
    pub from: ClockTime,
    /// Excluded; after `from`.
    pub to: ClockTime,
    /// Only on days of a term.
    pub term_only: bool,
}

/// `[[profile]]`
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// In the policy file.
    pub line: usize,
    /// Unique.
    pub name: Arc<str>,
    /// In no other profile.
    pub groups: Vec<Arc<str>>,
    /// For one person.
    pub down: Option<u64>,
    /// For one person.
    pub up: Option<u64>,
    /// Largest download.
    pub download_size: Option<u64>,
    /// Largest upload.
    pub upload_size: Option<u64>,
    /// Bytes in both directions, for one person and local day.
    pub daily: Option<u64>,
}

/// `[[group]]`
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// In the policy file.
    pub line: usize,
    /// Unique.
    pub name: Arc<str>,
    /// Shared by the group.
    pub down: Option<u64>,
    /// Shared by the group.
    pub up: Option<u64>,
}

/// `[[category]]`
#[derive(Clone, Debug, PartialEq)]
pub struct CategoryLimit {
    /// In the policy file.
    pub line: usize,
    /// Unique.
    pub name: Arc<str>,
    /// Shared by all traffic of the category.
    pub down: Option<u64>,
    /// Shared by all traffic of the category.
    pub up: Option<u64>,
}

/// `[[rule]]`; an empty selector matches everything.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleFile {
    /// In the policy file.
    pub line: usize,
    /// Unique.
    pub id: Arc<str>,
    /// Known profiles.
    pub profiles: Vec<Arc<str>>,
    /// Not checked: users change without the policy.
    pub users: Vec<Arc<str>>,
    /// Known groups.
    pub groups: Vec<Arc<str>>,
    /// Registered networks.
    pub networks: Vec<Arc<str>>,
    /// Known devices.
    pub devices: Vec<Arc<str>>,
    /// Not checked here.
    pub categories: Vec<Arc<str>>,
    /// Names with everything below, or networks.
    pub hosts: Vec<HostSelector>,
    /// In capitals.
    pub methods: Vec<String>,
    /// Of the target.
    pub ports: Vec<PortRange>,
    /// Lower case, without the dot.
    pub extensions: Vec<String>,
    /// Lower case; `type/*` for all of a type.
    pub content_types: Vec<String>,
    /// Known periods.
    pub periods: Vec<Arc<str>>,
    /// Known periods.
    pub not_periods: Vec<Arc<str>>,
    /// What the rule does.
    pub action: Action,
    /// LM-03.
    pub purpose: Purpose,
    /// For the block page; may be empty.
    pub words: String,
    /// Content of what the rule lets through is kept (LM-04); only with `allow` and `limit`.
    pub content: Option<ContentKeeping>,
    /// Only with `allow` and `warn`.
    pub exempt_limits: bool,
    /// Only with `limit`: for the rule's traffic of one person.
    pub down: Option<u64>,
    /// Only with `limit`: for the rule's traffic of one person.
    pub up: Option<u64>,
    /// In place of the profile's.
    pub download_size: Option<u64>,
    /// In place of the profile's.
    pub upload_size: Option<u64>,
}

impl RuleFile {
    /// True when the rule matches every request.
    pub fn matches_everything(&self) -> bool {
        let names = [
            &self.profiles,
            &self.users,
            &self.groups,
            &self.networks,
            &self.devices,
            &self.categories,
            &self.periods,
            &self.not_periods,
        ];
        names.iter().all(|selector| selector.is_empty())
            && self.hosts.is_empty()
            && self.methods.is_empty()
            && self.ports.is_empty()
            && self.extensions.is_empty()
            && self.content_types.is_empty()
    }
}

/// A named rule that keeps content of what it lets through, for a reason and a time (LM-04). The purpose is the rule's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentKeeping {
    /// The last day, in the policy's time zone; at most twelve months ahead.
    pub until: Date,
    /// Why, for the notice and for `weir check`.
    pub reason: String,
}

/// A value of `rule.hosts`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostSelector {
    /// The name and everything below it.
    Below(Name),
    /// Address literals of the network; a single address is a network of one.
    Within(Network),
}
