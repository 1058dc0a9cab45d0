//! The verdict: the first rule that holds, what it means, and the limits that go with it.

use weir_categories::sealed::SlotId;
use weir_categories::{CategoryId, CategorySet};
use weir_config::Action as RuleAction;
use weir_host::Host;

use crate::matcher::Question;
use crate::schedule::PeriodSet;
use crate::subject::Subject;
use crate::{Policy, Rule, RuleIx};

/// How much is known when a decision is asked for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// CONNECT or a TLS server name: host and port. Rules that ask for more do not hold yet.
    Connect,
    /// A request: method and path as well.
    Request,
}

/// What a decision is made on. Everything is in the normal form of `weir-host`.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who asks.
    pub subject: &'a Subject,
    /// How much is known.
    pub stage: Stage,
    /// Which host.
    pub host: &'a Host,
    /// Which port.
    pub port: u16,
    /// As sent; `CONNECT` at [`Stage::Connect`].
    pub method: &'a str,
    /// In the form of [`weir_host::normal_path`], without query; none at [`Stage::Connect`].
    pub path: Option<&'a str>,
    /// What the lists say of it; [`Policy::categories`] is applied here in any case.
    pub categories: &'a CategorySet,
    /// From [`Policy::periods`] of the same policy.
    pub periods: PeriodSet,
    /// The mandatory list that has the target, if one does: then nothing else of these facts matters (AF-01).
    pub mandatory: Option<SlotId>,
}

impl<'a> Facts<'a> {
    fn with(&self, categories: &'a CategorySet) -> Facts<'a> {
        Facts {
            categories,
            ..*self
        }
    }
}

/// What the head of a response adds.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponseFacts<'a> {
    /// The value of `Content-Type`, parameters and all.
    pub content_type: Option<&'a str>,
}

/// What becomes of a request.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It passes.
    Allow,
    /// It is refused.
    Block,
    /// It passes after a click on a page.
    Warn,
}

impl Action {
    /// The label in records and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
            Self::Warn => "warn",
        }
    }
}

/// How much may be moved, and how fast: sizes in bytes, rates in bytes a second, none for no limit.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Largest response body, or bytes towards the client through one tunnel.
    pub download_size: Option<u64>,
    /// Largest request body, or bytes towards the origin through one tunnel.
    pub upload_size: Option<u64>,
    /// Bytes in both directions for the person on one local day ([`Policy::day`]).
    pub daily: Option<u64>,
    /// For all of the person's traffic.
    pub user_down: Option<u64>,
    /// For all of the person's traffic.
    pub user_up: Option<u64>,
    /// For the person's traffic under this rule.
    pub rule_down: Option<u64>,
    /// For the person's traffic under this rule.
    pub rule_up: Option<u64>,
    /// No cap applies, not even one of [`Policy::shares`] (AUP-11). The profile's sizes and daily allowance are left out of
    /// this value already; a size of the rule itself still holds.
    pub exempt: bool,
}

impl Limits {
    /// What holds for traffic that two verdicts are about, as that of a tunnel which its CONNECT and its TLS name put in
    /// two places: of each limit the narrower, and exempt only what both exempt. The rates of a rule are shared under the
    /// rule's name, so that those of two rules hold side by side: here stand `self`'s.
    #[must_use]
    pub fn and(&self, other: &Limits) -> Limits {
        let narrower = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Limits {
            download_size: narrower(self.download_size, other.download_size),
            upload_size: narrower(self.upload_size, other.upload_size),
            daily: narrower(self.daily, other.daily),
            user_down: narrower(self.user_down, other.user_down),
            user_up: narrower(self.user_up, other.user_up),
            rule_down: self.rule_down,
            rule_up: self.rule_up,
            exempt: self.exempt && other.exempt,
        }
    }
}

/// The answer, and what it rests on (AF-14).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What becomes of the request.
    pub action: Action,
    /// The rule that decided; none when no rule held and the policy's `otherwise` did.
    pub rule: Option<RuleIx>,
    /// The category by which the rule held: the first of its own that the target is in. None when the rule asks for none.
    pub category: Option<CategoryId>,
    /// What holds for the traffic if it passes.
    pub limits: Limits,
    /// The mandatory list that decided, before every rule (AF-01).
    pub mandatory: Option<SlotId>,
}

impl Verdict {
    /// What a mandatory list says: no rule, group, profile, period, exception or click is asked.
    fn of_mandatory(slot: SlotId) -> Verdict {
        Verdict {
            action: Action::Block,
            rule: None,
            category: None,
            limits: Limits::default(),
            mandatory: Some(slot),
        }
    }
}

impl Policy {
    /// Decides on a target or a request: a mandatory list first, which nothing lifts (AF-01), then the first rule that holds
    /// (AF-14). Does not allocate.
    ///
    /// At [`Stage::Connect`] rules that need a path, a media type or a method other than `CONNECT` do not hold: they are
    /// asked again for each request that becomes visible. Rules with media types wait for
    /// [`Policy::decide_response`].
    #[must_use]
    pub fn decide(&self, facts: &Facts<'_>) -> Verdict {
        if let Some(slot) = facts.mandatory {
            return Verdict::of_mandatory(slot);
        }
        let categories = self.categories(facts.host, facts.categories);
        let facts = &facts.with(&categories);
        let rule = self.first(facts, Some(facts.stage), None);
        self.verdict(facts, rule)
    }

    /// What a target counts as: the lists' categories, and where no rule names one of them, `unlisted` too. A list that is
    /// imported for its names must not open those that it files under a category nobody has decided on. An address literal
    /// is an `address` whatever a list says of it: it hides a name all the same.
    #[must_use]
    pub fn categories(&self, host: &Host, listed: &CategorySet) -> CategorySet {
        let mut categories = *listed;
        match host {
            Host::V4(_) | Host::V6(_) => categories.insert(CategoryId::ADDRESS),
            Host::Name(_) if !listed.intersects(&self.candidates.ruled) => {
                categories.insert(CategoryId::UNLISTED);
            }
            Host::Name(_) => {}
        }
        categories
    }

    /// Whether any rule names this category.
    #[must_use]
    pub fn rules_on(&self, category: CategoryId) -> bool {
        self.candidates.ruled.contains(category)
    }

    /// Decides again when the response's head is known. None: what [`Policy::decide`] said of the same facts stands.
    #[must_use]
    pub fn decide_response(
        &self,
        facts: &Facts<'_>,
        response: &ResponseFacts<'_>,
    ) -> Option<Verdict> {
        // What a mandatory list decided has no response; whoever asks all the same is told the same.
        if let Some(slot) = facts.mandatory {
            return Some(Verdict::of_mandatory(slot));
        }
        if !self.candidates.at_response {
            return None;
        }
        let categories = self.categories(facts.host, facts.categories);
        let facts = &facts.with(&categories);
        let rule = self.first(facts, None, Some(response))?;
        let waited = self
            .matchers
            .get(rule)
            .is_some_and(|matcher| !matcher.content_types.is_empty());
        waited.then(|| self.verdict(facts, Some(rule)))
    }

    fn first(
        &self,
        facts: &Facts<'_>,
        stage: Option<Stage>,
        response: Option<&ResponseFacts<'_>>,
    ) -> Option<usize> {
        let subject = facts.subject.current_in(self);
        let question = Question::new(&subject, facts, response);
        let (profile, categories) = (subject.profile, facts.categories);
        self.candidates.first(profile, categories, stage, |rule| {
            let matcher = self.matchers.get(rule);
            matcher.is_some_and(|matcher| matcher.holds(&question))
        })
    }

    fn verdict(&self, facts: &Facts<'_>, rule: Option<usize>) -> Verdict {
        let profile = self.profile_at(facts.subject.current_in(self).profile);
        let found =
            rule.and_then(|at| Some((RuleIx(u16::try_from(at).ok()?), self.rules.get(at)?)));
        let Some((ix, rule)) = found else {
            return Verdict {
                action: self.otherwise,
                rule: None,
                category: None,
                limits: profile.limits,
                mandatory: None,
            };
        };
        Verdict {
            action: match rule.action {
                RuleAction::Allow | RuleAction::Limit => Action::Allow,
                RuleAction::Block => Action::Block,
                RuleAction::Warn => Action::Warn,
            },
            rule: Some(ix),
            category: rule
                .categories
                .iter()
                .copied()
                .find(|id| facts.categories.contains(*id)),
            limits: rule.limits(&profile.limits),
            mandatory: None,
        }
    }
}

impl Rule {
    /// The profile's limits with this rule's own in their place.
    fn limits(&self, profile: &Limits) -> Limits {
        let base = if self.exempt {
            Limits {
                exempt: true,
                ..Limits::default()
            }
        } else {
            *profile
        };
        Limits {
            download_size: self.download_size.or(base.download_size),
            upload_size: self.upload_size.or(base.upload_size),
            rule_down: self.down,
            rule_up: self.up,
            ..base
        }
    }
}
