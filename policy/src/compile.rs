//! From the checked file to what decides: names become numbers, selectors become bits. Categories that no list has are told
//! of ([`Policy::missing`]) and match nothing: a list that lost one must not take the web from a school. Does not decide on
//! any request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::ToSpan;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use weir_categories::{CategoryId, Names};
use weir_config::{Action as RuleAction, Fault, HostSelector, Otherwise, PolicyFile, RuleFile};

use crate::candidates::{Candidates, Selectors};
use crate::decide::{Action, Limits};
use crate::groups::GroupTable;
use crate::matcher::{Hosts, Matcher};
use crate::schedule::{Calendar, Period, PeriodSet};
use crate::{CategoryCap, Missing, Policy, Profile, ProfileId, Rule};

static STAMPS: AtomicU64 = AtomicU64::new(1);

/// Compiles a policy file for the categories that the lists have.
///
/// A category that no list has is no error, as lists change without the policy: see [`Policy::missing`].
///
/// # Errors
/// A time zone that is not known.
pub fn compile(file: &PolicyFile, names: &Names) -> Result<Policy, Vec<Fault>> {
    let mut compiler = Compiler {
        file,
        names,
        faults: Vec::new(),
        missing: Vec::new(),
    };
    let calendar = compiler.calendar();
    let category_caps = compiler.category_caps();
    let categories: Vec<_> = (1..)
        .zip(&file.rules)
        .map(|(number, rule)| compiler.categories_of(number, rule))
        .collect();
    let groups = compiler.groups();
    let selectors: Vec<_> = file
        .rules
        .iter()
        .zip(&categories)
        .map(|(rule, known)| compiler.selectors(rule, known))
        .collect();
    let matchers = file
        .rules
        .iter()
        .map(|rule| compiler.matcher(rule, &groups))
        .collect();
    let (Some(calendar), true) = (calendar, compiler.faults.is_empty()) else {
        return Err(compiler.faults);
    };
    let zone = TimeZone::get(&file.time_zone).unwrap_or(TimeZone::UTC);
    Ok(Policy {
        stamp: STAMPS.fetch_add(1, Ordering::Relaxed),
        version: version(file),
        calendar,
        strictest: compiler.profile(&file.strictest).unwrap_or(ProfileId(0)),
        profiles: file.profiles.iter().map(profile).collect(),
        otherwise: match file.otherwise {
            Otherwise::Allow => Action::Allow,
            Otherwise::Block => Action::Block,
        },
        groups,
        category_caps,
        candidates: Candidates::new(&selectors, file.profiles.len(), names.len()),
        rules: file
            .rules
            .iter()
            .zip(categories)
            .map(|(from, known)| rule(from, known, &zone))
            .collect(),
        matchers,
        missing: compiler.missing.into(),
    })
}

struct Compiler<'a> {
    file: &'a PolicyFile,
    names: &'a Names,
    faults: Vec<Fault>,
    missing: Vec<Missing>,
}

impl Compiler<'_> {
    fn fault(&self, line: Option<usize>, key: String, message: String) -> Fault {
        Fault {
            file: self.file.file.clone(),
            line,
            key,
            message,
        }
    }

    fn calendar(&mut self) -> Option<Calendar> {
        let periods = self.file.periods.iter().map(|period| Period {
            days: period.days.iter().map(|day| day.weekday()).collect(),
            from: period.from.minutes(),
            to: period.to.minutes(),
            term_only: period.term_only,
        });
        let terms = self
            .file
            .terms
            .iter()
            .map(|term| (term.first, term.last))
            .collect();
        match TimeZone::get(&self.file.time_zone) {
            Ok(zone) => Some(Calendar::new(zone, terms, periods.collect())),
            Err(error) => {
                let fault = self.fault(None, "time_zone".into(), error.to_string());
                self.faults.push(fault);
                None
            }
        }
    }

    fn category(&mut self, name: &str, line: usize, key: String) -> Option<CategoryId> {
        let found = self.names.id(name);
        if found.is_none() {
            let known = self.names.iter().map(|(_, known)| &**known);
            let hint = weir_config::did_you_mean(name, known);
            let message = format!("no list has the category {name:?}{hint}");
            self.missing.push(Missing {
                category: name.into(),
                fault: self.fault(Some(line), key, message),
            });
        }
        found
    }

    fn category_caps(&mut self) -> Box<[CategoryCap]> {
        let found = (1..)
            .zip(&self.file.categories)
            .filter_map(|(number, limit)| {
                let category =
                    self.category(&limit.name, limit.line, format!("category[{number}].name"))?;
                let key = format!("category:{}", limit.name).into();
                Some(CategoryCap {
                    category,
                    key,
                    down: limit.down,
                    up: limit.up,
                })
            });
        found.filter(|cap| cap.down.or(cap.up).is_some()).collect()
    }

    fn categories_of(&mut self, number: usize, rule: &RuleFile) -> Box<[CategoryId]> {
        let key = || format!("rule[{number}].categories");
        rule.categories
            .iter()
            .filter_map(|name| self.category(name, rule.line, key()))
            .collect()
    }

    fn groups(&self) -> GroupTable {
        let sections = self.file.groups.iter().map(|group| &group.name);
        let profiles = self
            .file
            .profiles
            .iter()
            .flat_map(|profile| &profile.groups);
        let rules = self.file.rules.iter().flat_map(|rule| &rule.groups);
        let all = sections.chain(profiles).chain(rules).cloned().collect();
        GroupTable::new(all, |name| {
            let section = self.file.groups.iter().find(|group| *group.name == *name);
            section.map_or((None, None), |group| (group.down, group.up))
        })
    }

    fn profile(&self, name: &str) -> Option<ProfileId> {
        let at = self
            .file
            .profiles
            .iter()
            .position(|profile| *profile.name == *name)?;
        u8::try_from(at).ok().map(ProfileId)
    }

    fn periods(&self, names: &[Arc<str>]) -> PeriodSet {
        let number = |name: &Arc<str>| {
            self.file
                .periods
                .iter()
                .position(|period| period.name == *name)
        };
        names
            .iter()
            .filter_map(number)
            .fold(PeriodSet::EMPTY, |all, at| all.union(PeriodSet::only(at)))
    }

    fn selectors(&self, rule: &RuleFile, categories: &[CategoryId]) -> Selectors {
        let connects =
            rule.methods.is_empty() || rule.methods.iter().any(|method| method == "CONNECT");
        let at_response = !rule.content_types.is_empty();
        Selectors {
            profiles: rule
                .profiles
                .iter()
                .filter_map(|name| self.profile(name))
                .collect(),
            // Not what is known of them: a rule whose categories are all missing holds for nothing.
            categories: (!rule.categories.is_empty()).then(|| categories.to_vec()),
            at_connect: connects && rule.extensions.is_empty() && !at_response,
            at_response,
        }
    }

    fn matcher(&self, rule: &RuleFile, groups: &GroupTable) -> Matcher {
        Matcher {
            during: self.periods(&rule.periods),
            outside: self.periods(&rule.not_periods),
            users: sorted(&rule.users),
            groups: (!rule.groups.is_empty()).then(|| groups.set(&rule.groups)),
            networks: sorted(&rule.networks),
            devices: sorted(&rule.devices),
            hosts: (!rule.hosts.is_empty()).then(|| hosts(&rule.hosts)),
            ports: rule.ports.clone().into(),
            methods: boxed(&rule.methods),
            extensions: boxed(&rule.extensions),
            content_types: boxed(&rule.content_types),
        }
    }
}

fn profile(from: &weir_config::Profile) -> Profile {
    Profile {
        name: Arc::clone(&from.name),
        groups: from.groups.clone(),
        limits: Limits {
            download_size: from.download_size,
            upload_size: from.upload_size,
            daily: from.daily,
            user_down: from.down,
            user_up: from.up,
            ..Limits::default()
        },
    }
}

fn rule(from: &RuleFile, categories: Box<[CategoryId]>, zone: &TimeZone) -> Rule {
    let limited = from.action == RuleAction::Limit;
    Rule {
        id: Arc::clone(&from.id),
        words: from.words.as_str().into(),
        purpose: from.purpose,
        action: from.action,
        line: from.line,
        content_until: from.content.as_ref().map(|content| {
            let end = content.until.checked_add(1.day());
            let end = end.and_then(|day| day.to_zoned(zone.clone()));
            end.map_or(i64::MIN, |end| end.timestamp().as_microsecond())
        }),
        categories,
        exempt: from.exempt_limits,
        down: from.down.filter(|_| limited),
        up: from.up.filter(|_| limited),
        download_size: from.download_size,
        upload_size: from.upload_size,
    }
}

fn hosts(selectors: &[HostSelector]) -> Hosts {
    let names = selectors.iter().filter_map(|selector| match selector {
        HostSelector::Below(name) => Some(Box::from(name.as_str())),
        HostSelector::Within(_) => None,
    });
    let networks = selectors.iter().filter_map(|selector| match selector {
        HostSelector::Below(_) => None,
        HostSelector::Within(network) => Some(*network),
    });
    Hosts {
        names: names.collect(),
        networks: networks.collect(),
    }
}

fn sorted(names: &[Arc<str>]) -> Box<[Arc<str>]> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names.into()
}

fn boxed(texts: &[String]) -> Box<[Box<str>]> {
    texts.iter().map(|text| text.as_str().into()).collect()
}

/// A digest of all that the file says, 16 hexadecimal digits; where the file lies, and its comments, are no part of it. Another
/// build of Weir may derive another one from the same text.
pub fn version(file: &PolicyFile) -> String {
    let said = PolicyFile {
        file: std::path::PathBuf::new(),
        text: "".into(),
        ..file.clone()
    };
    let digest = Sha256::digest(format!("{said:?}"));
    digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
