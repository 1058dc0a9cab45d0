//! From facts to a verdict and its consequences, the same for requests and tunnels: asks
//! the lists, asks the policy, notes the outcome in the record, and builds the answer for
//! whatever is not allowed.
//!
//! Decides nothing itself: `weir-policy` does.

mod limits;

pub(crate) use limits::{allowance_spent, too_large, transfer};

use crate::conn::Conn;
use crate::dial::DialError;
use crate::identify::Who;
use crate::reply::Answer;
use crate::sealed;
use crate::snapshot::Snapshot;
use crate::task::Task;
use crate::warn::{CONTINUE_PATH, Warned};
use http::header::{self, HeaderMap};
use http::{StatusCode, Version};
use std::rc::Rc;
use std::sync::Arc;
use weir_categories::sealed::{SlotId, State};
use weir_categories::{CategoryId, CategorySet};
use weir_host::{Host, parse_authority};
use weir_monitoring::{End, Identity, Kind};
use weir_policy::{Action, Facts, Stage, Verdict};

/// What the page says of a mandatory list.
const MANDATORY: &str = "This address is on a list that is in force for everybody here and that nobody in this school can change. If you did \
     not mean to go there, tell a member of staff and show them the event number.";

/// What is asked of the policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) host: &'a Host,
    pub(crate) port: u16,
    pub(crate) method: &'a str,
    /// In the form of [`weir_host::normal_path`]; absent where it cannot be seen.
    pub(crate) path: Option<&'a str>,
    pub(crate) query: Option<&'a str>,
    /// From [`crate::conceal`].
    pub(crate) mandatory: Option<SlotId>,
}

/// A verdict that lets the request through, with what it was based on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided {
    pub(crate) verdict: Verdict,
    pub(crate) categories: CategorySet,
}

/// Begins the task of a request, with what is known before it is understood.
pub(crate) fn begin(conn: &Rc<Conn>, snapshot: &Snapshot, method: &str) -> Rc<Task> {
    let task = Task::begin(&conn.worker, Kind::Request);
    task.note(|record| {
        record.client = Some(conn.peer.ip());
        record.client_port = conn.peer.port();
        record.listener = Some(Arc::clone(&conn.entrance.name));
        record.method = Some(snapshot.method_name(method));
        record.policy_version = Some(Arc::clone(&snapshot.policy_version));
        record.lists_version = Some(Arc::clone(&snapshot.lists_version));
    });
    task
}

/// Notes who asks.
pub(crate) fn note_who(task: &Task, snapshot: &Snapshot, who: &Who) {
    let (settings, ledger) = (&snapshot.settings, &task.worker().shared.law.ledger);
    task.note(|record| {
        record.confidence = who.confidence(&settings.login);
        record.identity_expires = who.expires(&settings.login);
        record.notice = ledger.state(&who.key, &settings.notice, record.time);
        record.user = who.subject.user.clone();
        record.groups = who.groups.clone();
        record.device = who.subject.device.clone();
        record.network = who.subject.network.clone();
        record.profile = Some(Arc::clone(&who.profile));
        record.identity = who.identity;
        record.identity_age = who.age();
    });
}

/// Asks lists and policy. A block or a warning not yet clicked through is an [`Answer`].
pub(crate) fn decide(
    conn: &Rc<Conn>,
    snapshot: &Arc<Snapshot>,
    task: &Rc<Task>,
    who: &Rc<Who>,
    asked: &Asked<'_>,
) -> Result<Decided, Answer> {
    let categories = categories(snapshot, asked);
    let verdict = snapshot
        .policy
        .decide(&facts(conn, snapshot, who, asked, &categories));
    let text = snapshot.categories_text(&categories);
    task.note(|record| record.categories = Some(text));
    note_verdict(task, snapshot, &verdict, asked);
    match verdict.action {
        Action::Allow => Ok(Decided {
            verdict,
            categories,
        }),
        Action::Block => Err(blocked(snapshot, &verdict, asked)),
        Action::Warn => {
            let rule = rule_name(snapshot, &verdict);
            let host = asked.host.shared();
            let warned = Warned {
                who: &who.key,
                host: &host,
                rule: &rule,
            };
            if conn.worker.shared.warnings.holds(warned) {
                Ok(Decided {
                    verdict,
                    categories,
                })
            } else {
                Err(warning(conn, snapshot, &verdict, asked, warned))
            }
        }
    }
}

/// Asks about a second name of the same tunnel: the stricter answer wins. Nothing comes back
/// for a block, which is noted.
pub(crate) fn decide_again(
    conn: &Rc<Conn>,
    snapshot: &Arc<Snapshot>,
    task: &Rc<Task>,
    who: &Rc<Who>,
    asked: &Asked<'_>,
    first: &Decided,
) -> Option<Decided> {
    let categories = categories(snapshot, asked);
    let verdict = snapshot
        .policy
        .decide(&facts(conn, snapshot, who, asked, &categories));
    let rule = rule_name(snapshot, &verdict);
    let host = asked.host.shared();
    let allowed = match verdict.action {
        Action::Allow => true,
        Action::Block => false,
        Action::Warn => conn.worker.shared.warnings.holds(Warned {
            who: &who.key,
            host: &host,
            rule: &rule,
        }),
    };
    // What passes is traffic of both names; what is blocked is so for the second one alone.
    let shown = match allowed {
        true => categories.union(&first.categories),
        false => categories,
    };
    let text = snapshot.categories_text(&shown);
    task.note(|record| record.categories = Some(text));
    if !allowed {
        note_verdict(task, snapshot, &verdict, asked);
    }
    allowed.then_some(Decided {
        verdict,
        categories,
    })
}

/// Asks about what the response fields tell.
pub(crate) fn decide_response(
    conn: &Rc<Conn>,
    snapshot: &Arc<Snapshot>,
    task: &Rc<Task>,
    who: &Rc<Who>,
    asked: &Asked<'_>,
    decided: &Decided,
    fields: &weir_policy::ResponseFacts<'_>,
) -> Result<(), Answer> {
    let facts = facts(conn, snapshot, who, asked, &decided.categories);
    match snapshot.policy.decide_response(&facts, fields) {
        Some(verdict) if verdict.action != Action::Allow => {
            note_verdict(task, snapshot, &verdict, asked);
            Err(blocked(snapshot, &verdict, asked))
        }
        _ => Ok(()),
    }
}

fn categories(snapshot: &Snapshot, asked: &Asked<'_>) -> CategorySet {
    if asked.mandatory.is_some() {
        return CategorySet::EMPTY;
    }
    let listed = match asked.path {
        Some(path) => snapshot
            .index
            .url_categories(asked.host, asked.port, path, asked.query),
        None => snapshot.index.host_categories(asked.host),
    };
    snapshot.policy.categories(asked.host, &listed)
}

fn facts<'a>(
    conn: &Conn,
    snapshot: &Snapshot,
    who: &'a Who,
    asked: &Asked<'a>,
    categories: &'a CategorySet,
) -> Facts<'a> {
    Facts {
        subject: &who.subject,
        stage: match asked.path {
            Some(_) => Stage::Request,
            None => Stage::Connect,
        },
        host: asked.host,
        port: asked.port,
        method: asked.method,
        path: asked.path,
        categories,
        periods: conn.worker.periods(snapshot),
        mandatory: asked.mandatory,
    }
}

fn list<'a>(snapshot: &'a Snapshot, verdict: &Verdict) -> Option<&'a State> {
    snapshot.sealed.slot(verdict.mandatory?)
}

fn rule_name(snapshot: &Snapshot, verdict: &Verdict) -> Arc<str> {
    if let Some(list) = list(snapshot, verdict) {
        return sealed::rule(list);
    }
    match verdict.rule.and_then(|rule| snapshot.policy.rule(rule)) {
        Some(rule) => Arc::clone(&rule.id),
        None => Arc::clone(&snapshot.otherwise),
    }
}

/// What was searched for, on a site that is known as a search engine; nothing else of a query is looked at (AF-08, LM-10).
fn term(asked: &Asked<'_>, path: &str) -> Option<String> {
    let mut terms = weir_host::search_terms(asked.host, path, asked.query);
    let term = terms.find(|term| term.engine.is_some())?;
    Some(weir_host::decoded_term(term.value))
}

/// Puts the verdict and its grounds into the record. Path and term are content: kept only where the gate lets them in (LM-04).
fn note_verdict(task: &Task, snapshot: &Snapshot, verdict: &Verdict, asked: &Asked<'_>) {
    let rule_name = rule_name(snapshot, verdict);
    let rule = verdict.rule.and_then(|rule| snapshot.policy.rule(rule));
    let stopped = verdict.action != Action::Allow;
    // The exact entry costs a second look-up: only where somebody will ask for it.
    let found = match verdict.category {
        Some(category) if stopped => find(snapshot, category, asked),
        _ => None,
    };
    task.note(|record| {
        record.verdict = match verdict.action {
            Action::Allow => weir_monitoring::Verdict::Allow,
            Action::Block => weir_monitoring::Verdict::Block,
            Action::Warn => weir_monitoring::Verdict::Warn,
        };
        record.rule = Some(rule_name);
        record.category = verdict.category.map(|id| snapshot.category_name(id));
        if let Some(list) = list(snapshot, verdict) {
            record.list = Some(Arc::clone(&list.slot.name));
            return;
        }
        if let Some(found) = found {
            record.list = Some(found.list);
            record.entry = Some(found.entry.into());
        }
        if (stopped || rule.is_some_and(|rule| rule.content_until.is_some()))
            && let Some(path) = asked.path
            && let Some(permit) = task.worker().shared.law.permit(record, rule)
        {
            record.path = Some(permit.keep(path));
            record.term = term(asked, path).map(|term| permit.keep(&term));
        }
    });
}

fn find(
    snapshot: &Snapshot,
    category: CategoryId,
    asked: &Asked<'_>,
) -> Option<weir_categories::Match> {
    snapshot
        .index
        .find(category, asked.host, asked.port, asked.path, asked.query)
}

/// The page for a block (AF-14: category, rule, reason, appeal route; AF-26).
fn blocked(snapshot: &Snapshot, verdict: &Verdict, asked: &Asked<'_>) -> Answer {
    let rule = verdict.rule.and_then(|rule| snapshot.policy.rule(rule));
    let words = match rule {
        _ if verdict.mandatory.is_some() => MANDATORY.to_owned(),
        Some(rule) if !rule.words.is_empty() => rule.words.to_string(),
        _ => "This site is not open here.".to_owned(),
    };
    named(
        Answer::new(
            StatusCode::FORBIDDEN,
            Some("http_request_denied"),
            "This page is blocked",
            words,
        ),
        snapshot,
        verdict,
        asked,
    )
}

fn named(mut answer: Answer, snapshot: &Snapshot, verdict: &Verdict, asked: &Asked<'_>) -> Answer {
    let rule = rule_name(snapshot, verdict);
    // Neither the address nor a link to it (LM-28).
    answer = match list(snapshot, verdict) {
        Some(list) => answer.fact("List", list.slot.title.to_string()),
        None => answer.fact("Site", asked.host.to_string()),
    };
    if let Some(category) = verdict.category {
        let name = snapshot.category_name(category);
        answer = answer.fact("Category", snapshot.category_title(&name));
        answer.category = Some(name.to_string());
    }
    answer = answer.fact("Rule", rule.to_string());
    answer.rule = Some(rule.to_string());
    answer
}

fn warning(
    conn: &Conn,
    snapshot: &Snapshot,
    verdict: &Verdict,
    asked: &Asked<'_>,
    warned: Warned<'_>,
) -> Answer {
    let mut answer = blocked(snapshot, verdict, asked);
    answer.title = "Please think before you go on";
    let host = asked.host.bracketed();
    let port = if asked.port == 80 {
        String::new()
    } else {
        format!(":{}", asked.port)
    };
    if asked.method == "CONNECT" {
        answer.words.push_str(&format!(
            " To go on, open http://{host}/ and choose to continue there."
        ));
        return answer;
    }
    let query = asked
        .query
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let to = format!("http://{host}{port}{}{query}", asked.path.unwrap_or("/"));
    let token = conn.worker.shared.warnings.token(warned, &to);
    let action = format!("http://{host}{port}{CONTINUE_PATH}");
    answer.form = Some((
        action,
        vec![
            ("to", to),
            ("rule", warned.rule.to_owned()),
            ("token", token),
        ],
    ));
    answer
}

/// What Weir itself answered goes into the record.
pub(crate) fn answered(task: &Task, answer: &Answer) {
    task.note(|record| {
        record.status = answer.status.as_u16();
        if record.error.is_none() {
            record.error = answer.label;
        }
        // Who signs in, and who failed to, is not a visit.
        if record.identity == Identity::None
            && answer.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED
        {
            record.inspected = true;
        }
    });
    task.ended(End::Refused);
}

/// The answer to a failure of the dial.
pub(crate) fn dial_failed(error: &DialError) -> Answer {
    Answer::origin(error.status(), error.label(), &format!("{error}."))
}

/// A message that has passed this very process before (RFC 9110 §7.6.3).
pub(crate) fn not_a_loop(conn: &Conn, fields: &HeaderMap) -> Result<(), Answer> {
    let own = conn.worker.shared.via.as_bytes();
    let own = own.split(|b| *b == b' ').next_back().unwrap_or(own);
    let looped = fields
        .get_all(header::VIA)
        .iter()
        .any(|via| memchr::memmem::find(via.as_bytes(), own).is_some());
    if looped {
        let mut answer = Answer::origin(
            502,
            "proxy_loop_detected",
            "The request came back to the proxy it had left.",
        );
        answer.close = true;
        return Err(answer);
    }
    Ok(())
}

/// RFC 9112 §3.2: HTTP/1.1 needs one Host field, no version may have two, and it must be valid.
pub(crate) fn one_host_field(fields: &HeaderMap, version: Version) -> Result<(), &'static str> {
    let mut lines = fields.get_all(header::HOST).iter();
    match (lines.next(), lines.next()) {
        (_, Some(_)) => Err("The request has more than one Host field."),
        (None, None) if version == Version::HTTP_11 => Err("The request has no Host field."),
        (None, None) => Ok(()),
        (Some(host), None) => {
            let valid = host
                .to_str()
                .is_ok_and(|host| host.is_empty() || parse_authority(host).is_ok());
            valid.then_some(()).ok_or("The Host field is not valid.")
        }
    }
}
