//! `weir explain`: what would become of a request, and why, by the very code that decides
//! on traffic.

mod question;
mod report;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use jiff::{Timestamp, Zoned};
use serde_json::json;
use weir_categories::sealed::{SlotId, State};
use weir_categories::{CategorySet, Match};
use weir_config::{Loaded, Settings};
use weir_host::{Host, Scheme};
use weir_policy::{Action, Facts, Stage, Verdict};

use self::question::Question;
use super::{Answer, Failure, audit, lists, output, when};
use crate::dial;
use crate::identify::{self, Unregistered, Who};
use crate::law;
use crate::snapshot::Snapshot;
use crate::users::Users;

/// Arguments of `weir explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// Address of a page; without a scheme https is meant. HOST:PORT asks for a tunnel.
    url: String,
    /// Who asks; without it whoever has not logged in.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Where from.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// When; without it now. RFC 3339, or a date and time at the school.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Method of the request.
    #[arg(long, default_value = "GET")]
    method: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Everything that is told.
struct Explained {
    question: Question,
    at: Zoned,
    /// Why nothing is decided at all: an unknown network, a port that is not served.
    refused: Option<String>,
    who: Option<Who>,
    verdict: Option<Verdict>,
    categories: CategorySet,
    matches: Vec<Match>,
    mandatory: Option<SlotId>,
    snapshot: Snapshot,
}

impl Explain {
    pub(super) fn run(self, loaded: Loaded, out: &mut dyn Write) -> Result<Answer, Failure> {
        let question = Question::read(&self.url, &self.method)?;
        let zone = when::zone(&loaded.policy)?;
        let at = match &self.at {
            Some(text) => when::from(text, &zone)?,
            None => Timestamp::now(),
        };
        let snapshot = snapshot(loaded)?;
        let state = snapshot.settings.state.clone();
        let explained = self.explain(question, at.to_zoned(zone), snapshot)?;
        if let Some(list) = explained.mandatory_list() {
            // Whoever asks what is on such a list leaves a trace of asking, and none of the address (AF-03).
            audit::note(
                &state,
                "explain",
                json!({ "mandatory_list": &*list.slot.name }),
            )?;
        }
        if self.json {
            output::json(out, &report::as_json(&explained))?;
        } else {
            report::tell(&explained, out)?;
        }
        Ok(if explained.is_blocked() {
            Answer::No
        } else {
            Answer::Yes
        })
    }

    fn explain(
        &self,
        question: Question,
        at: Zoned,
        snapshot: Snapshot,
    ) -> Result<Explained, Failure> {
        let user = match &self.user {
            Some(name) => Some(known_user(&snapshot.users, name)?),
            None => None,
        };
        let user = user.as_deref().map(|user| (user, None));
        let who = identify::who(&snapshot, user, self.address, None);
        let unserved = port_refusal(&snapshot.settings, &question)
            .or_else(|| address_refusal(&snapshot, &question));
        let refused = match &who {
            Err(Unregistered) => Some(format!(
                "{} is in no registered network and no registered device, and \
                 unknown_network = \"refuse\"",
                self.address
            )),
            Ok(_) => unserved,
        };
        let mandatory = question.mandatory(&snapshot.sealed);
        // As in the record of such a request, nothing but the list is told (LM-28).
        let (categories, matches) = match mandatory {
            Some(_) => (CategorySet::EMPTY, Vec::new()),
            None => (
                question.categories(&snapshot.index, &snapshot.policy),
                question.matches(&snapshot.index),
            ),
        };
        let mut explained = Explained {
            refused,
            who: who.ok(),
            verdict: None,
            categories,
            matches,
            mandatory,
            question,
            at,
            snapshot,
        };
        explained.verdict = explained.decide();
        Ok(explained)
    }
}

impl Explained {
    fn decide(&self) -> Option<Verdict> {
        let who = self.who.as_ref()?;
        let policy = &self.snapshot.policy;
        let question = &self.question;
        Some(policy.decide(&Facts {
            subject: &who.subject,
            stage: if question.path.is_some() {
                Stage::Request
            } else {
                Stage::Connect
            },
            host: &question.host,
            port: question.port,
            method: &question.method,
            path: question.path.as_deref(),
            categories: &self.categories,
            periods: policy.periods(self.at.timestamp()),
            mandatory: self.mandatory,
        }))
    }

    fn mandatory_list(&self) -> Option<&State> {
        self.snapshot.sealed.slot(self.mandatory?)
    }

    fn is_blocked(&self) -> bool {
        self.refused.is_some()
            || self
                .verdict
                .is_some_and(|verdict| verdict.action == Action::Block)
    }

    /// `allow`, `block` or `warn`.
    fn verdict_word(&self) -> &'static str {
        match (&self.refused, self.verdict) {
            (None, Some(verdict)) => verdict.action.as_str(),
            _ => Action::Block.as_str(),
        }
    }

    fn category_name(&self) -> Option<&Arc<str>> {
        Some(self.snapshot.index.names().name(self.verdict?.category?))
    }

    /// The entry that put the host into the category that decided.
    fn deciding_match(&self) -> Option<&Match> {
        let category = self.verdict?.category?;
        self.matches
            .iter()
            .find(|found| found.category == category && found.voided.is_none())
    }

    fn category_names(&self) -> Vec<&str> {
        let names = self.snapshot.index.names();
        self.categories
            .iter()
            .map(|category| &**names.name(category))
            .collect()
    }

    /// Whether the record would keep the path, and else why not (LM-04).
    fn keeps_path(&self) -> Result<(), String> {
        let hidden = self.question.path.is_none() || self.mandatory.is_some();
        let (Some(who), Some(verdict), false) = (&self.who, self.verdict, hidden) else {
            return Err("nothing of it is decided on".to_owned());
        };
        let word = match verdict.action {
            Action::Allow => weir_monitoring::Verdict::Allow,
            Action::Block => weir_monitoring::Verdict::Block,
            Action::Warn => weir_monitoring::Verdict::Warn,
        };
        let rule = verdict
            .rule
            .and_then(|rule| self.snapshot.policy.rule(rule));
        let at = self.at.timestamp().as_microsecond();
        law::keeps_content(&self.snapshot.settings, &who.key, (word, rule), at)
    }
}

fn snapshot(loaded: Loaded) -> Result<Snapshot, Failure> {
    let built = lists::build(&loaded.settings)?;
    let users = Users::load(&loaded.settings.users_file()).map_err(Failure::Configuration)?;
    let mandatory = crate::sealed::load(&loaded.settings, None);
    let built = Snapshot::build(loaded, Arc::new(built.index), Arc::new(users), mandatory);
    built.map_err(Failure::Configuration)
}

fn known_user(users: &Users, name: &str) -> Result<Arc<crate::users::User>, Failure> {
    users.get(name).cloned().ok_or_else(|| {
        Failure::Arguments(format!(
            "there is no user {name:?}; `weir users list` shows all"
        ))
    })
}

/// Ports are decided before the policy: `[connect]` for tunnels, `[egress]` for plain
/// requests.
fn port_refusal(settings: &Settings, question: &Question) -> Option<String> {
    let port = question.port;
    let (open, key) = match question.scheme {
        Scheme::Http => (
            settings
                .egress
                .ports
                .iter()
                .any(|range| range.contains(port)),
            "egress.ports",
        ),
        Scheme::Https => {
            let connect = &settings.connect;
            let lists = [
                &connect.tls_ports,
                &connect.http_ports,
                &connect.opaque_ports,
            ];
            (
                lists.iter().any(|ports| ports.contains(&port)),
                "connect.tls_ports",
            )
        }
    };
    (!open).then(|| format!("port {port} is not one of {key}"))
}

/// Addresses that must not be dialled, by the question that the dial asks. Names are resolved at the dial only, but for those
/// whose addresses the configuration gives and `localhost` (RFC 6761 §6.3).
fn address_refusal(snapshot: &Snapshot, question: &Question) -> Option<String> {
    let host = &question.host;
    let given = match host {
        Host::Name(name) => snapshot.settings.resolver.hosts.get(name),
        Host::V4(_) | Host::V6(_) => None,
    };
    let here = match host {
        Host::Name(name) => name.as_str() == "localhost" || name.as_str().ends_with(".localhost"),
        Host::V4(_) | Host::V6(_) => false,
    };
    let loopback = here.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let addresses: Vec<IpAddr> = match given {
        Some(given) => given.clone(),
        None => host.as_address().or(loopback).into_iter().collect(),
    };
    if addresses.is_empty() {
        return None;
    }
    let refused = dial::permitted(&addresses, question.port, &snapshot.egress).err()?;
    Some(refused.to_string())
}

#[cfg(test)]
mod tests;
