//! What it costs to decide with the shipped policy: the first rule that holds, for the hosts and people that meet an early
//! rule, a late one and none.
//!
//! `connect` knows host and port, `request` method and path as well, `whole` begins at the text of a request's target:
//! parse, categories, verdict.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use weir_categories::{CategorySet, Index, build, embedded};
use weir_host::{Host, Target, normal_path};
use weir_policy::{Action, Facts, PeriodSet, Policy, Seen, Stage, Subject, compile};

/// What is asked for, and what the shipped policy says to a pupil outside the school day.
const CASES: [(&str, &str, Action); 4] = [
    (
        "security-updates",
        "http://download.windowsupdate.com/d/x.cab",
        Action::Allow,
    ),
    ("gambling", "http://www.bet365.com/", Action::Block),
    (
        "streaming",
        "http://www.youtube.com/watch?v=x",
        Action::Allow,
    ),
    (
        "unlisted",
        "http://www.nobody-has-listed-this.co.uk/a/b.html?c=d",
        Action::Allow,
    ),
];

/// Everything that a decision is made with.
struct School {
    index: Index,
    policy: Policy,
    pupil: Subject,
    periods: PeriodSet,
}

impl School {
    fn shipped() -> School {
        let loaded = weir_config::embedded().expect("invariant: the shipped files have no fault");
        let index = build(&[embedded()], &mut |_| {})
            .expect("invariant: the starter lists are whole")
            .index;
        let policy =
            compile(&loaded.policy, index.names()).expect("invariant: the shipped policy compiles");
        let pupil = pupil(&policy, &loaded);
        // A Sunday: rules of the school day are asked and do not hold.
        let sunday: Timestamp = "2026-11-22T12:00:00Z".parse().expect("invariant: a date");
        let periods = policy.periods(sunday);
        School {
            index,
            policy,
            pupil,
            periods,
        }
    }

    fn facts<'a>(&'a self, asked: &'a Asked, stage: Stage) -> Facts<'a> {
        Facts {
            subject: &self.pupil,
            stage,
            host: &asked.target.host,
            port: asked.target.port,
            method: match stage {
                Stage::Connect => "CONNECT",
                Stage::Request => "GET",
            },
            path: (stage == Stage::Request).then(|| asked.target.path()),
            categories: &asked.categories,
            periods: self.periods,
            mandatory: None,
        }
    }

    /// From the text of a target to the verdict, as the proxy does it.
    fn whole(&self, text: &str) -> Action {
        let target = Target::parse_absolute(text).expect("invariant: the cases are targets");
        let path = normal_path(target.path());
        let (host, port) = (&target.host, target.port);
        let categories = self.index.url_categories(host, port, &path, target.query());
        let facts = Facts {
            subject: &self.pupil,
            stage: Stage::Request,
            host,
            port,
            method: "GET",
            path: Some(&path),
            categories: &categories,
            periods: self.periods,
            mandatory: None,
        };
        self.policy.decide(&facts).action
    }
}

/// Somebody who has logged in on a registered network.
fn pupil(policy: &Policy, loaded: &weir_config::Loaded) -> Subject {
    let (name, groups): (Arc<str>, [Arc<str>; 1]) = ("pupil".into(), ["pupils".into()]);
    policy.subject(&Seen {
        person: Some((&name, &groups)),
        network: loaded.settings.networks.first(),
        ..Seen::default()
    })
}

/// A target with its categories.
struct Asked {
    target: Target,
    categories: CategorySet,
}

impl Asked {
    fn of(index: &Index, text: &str) -> Asked {
        let target = Target::parse_absolute(text).expect("invariant: the cases are targets");
        let host: &Host = &target.host;
        let categories = index.host_categories(host);
        Asked { target, categories }
    }
}

fn decide(criterion: &mut Criterion) {
    let school = School::shipped();
    for (category, text, expected) in CASES {
        let asked = Asked::of(&school.index, text);
        let id = school
            .index
            .names()
            .id(category)
            .expect("invariant: the starter lists have it");
        assert!(asked.categories.contains(id), "{text} is not {category}");
        assert_eq!(school.whole(text), expected, "{text}");
        for (stage, name) in [(Stage::Connect, "connect"), (Stage::Request, "request")] {
            let facts = school.facts(&asked, stage);
            criterion.bench_function(&format!("decide/{name}/{category}"), |bencher| {
                bencher.iter(|| school.policy.decide(black_box(&facts)));
            });
        }
        criterion.bench_function(&format!("decide/whole/{category}"), |bencher| {
            bencher.iter(|| school.whole(black_box(text)));
        });
    }
    criterion.bench_function("decide/periods", |bencher| {
        let now = Timestamp::now();
        bencher.iter(|| school.policy.periods(black_box(now)));
    });
}

criterion_group!(benches, decide);
criterion_main!(benches);
