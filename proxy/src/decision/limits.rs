//! What a request that was let through may move: its flow, the day's allowance, the size limits.
//!
//! Decides nothing itself: the policy says how much, `weir-bandwidth` when.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use weir_bandwidth::{Cap, FlowSpec};
use weir_monitoring::End;

use super::{Decided, rule_name};
use crate::conn::Conn;
use crate::identify::Who;
use crate::reply::Answer;
use crate::snapshot::Snapshot;
use crate::task::Task;
use crate::transfer::Transfer;

/// The flow, allowance and size limits of a request that was let through; for a tunnel with
/// a `second` verdict the stricter of both.
pub(crate) fn transfer(
    conn: &Rc<Conn>,
    snapshot: &Arc<Snapshot>,
    task: &Rc<Task>,
    who: &Rc<Who>,
    decided: &Decided,
    second: Option<&Decided>,
) -> Result<Rc<Transfer>, Answer> {
    let shared = &conn.worker.shared;
    if snapshot.refuses_unrecorded && !conn.worker.can_record() {
        task.ended(End::Refused);
        return Err(Answer::unrecorded());
    }
    let limits = match second {
        Some(second) => decided.verdict.limits.and(&second.verdict.limits),
        None => decided.verdict.limits,
    };
    let mut caps = caps(snapshot, who, decided);
    for cap in second.map_or_else(Vec::new, |second| self::caps(snapshot, who, second)) {
        if caps.iter().all(|known| known.key != cap.key) {
            caps.push(cap);
        }
    }
    let daily = match limits.daily {
        Some(allowed) if !limits.exempt => Some(shared.allowance.of(&who.key, allowed)),
        _ => None,
    };
    if daily.as_ref().is_some_and(crate::transfer::Daily::is_spent) {
        task.ended(End::Allowance);
        return Err(allowance_spent());
    }
    let flow = shared.shaper.flow(
        FlowSpec {
            user: &who.key,
            caps: &caps,
            exempt: limits.exempt,
        },
        Instant::now(),
    );
    Ok(Transfer::new(
        Rc::clone(task),
        flow,
        daily,
        limits.download_size,
        limits.upload_size,
    ))
}

fn caps(snapshot: &Snapshot, who: &Who, decided: &Decided) -> Vec<Cap> {
    let limits = &decided.verdict.limits;
    let mut caps = Vec::new();
    if limits.exempt {
        return caps;
    }
    if limits.user_down.is_some() || limits.user_up.is_some() {
        caps.push(Cap {
            key: Arc::clone(&who.key),
            down: limits.user_down,
            up: limits.user_up,
        });
    }
    if limits.rule_down.is_some() || limits.rule_up.is_some() {
        let rule = rule_name(snapshot, &decided.verdict);
        caps.push(Cap {
            key: format!("rule:{rule}:{}", who.key).into(),
            down: limits.rule_down,
            up: limits.rule_up,
        });
    }
    caps.extend(
        snapshot
            .policy
            .shares(&who.subject, &decided.categories)
            .map(|(key, down, up)| Cap {
                key: Arc::clone(key),
                down,
                up,
            }),
    );
    caps
}

/// The page for a day's allowance that is used up.
pub(crate) fn allowance_spent() -> Answer {
    Answer::new(
        StatusCode::FORBIDDEN,
        Some("http_request_denied"),
        "Today's allowance is used up",
        "You have used all the data you may use today. It starts again at midnight. If you need more for your work, ask a member of staff.",
    )
}

/// The page for a transfer larger than the policy allows (AUP-10).
pub(crate) fn too_large(task: &Task, upload: bool, limit: u64) -> Answer {
    task.ended(End::SizeLimit);
    task.note(|record| record.verdict = weir_monitoring::Verdict::Block);
    let (status, label, what) = if upload {
        (
            StatusCode::PAYLOAD_TOO_LARGE,
            "http_request_denied",
            "upload",
        )
    } else {
        (StatusCode::FORBIDDEN, "http_response_body_size", "download")
    };
    Answer::new(
        status,
        Some(label),
        "This file is too large",
        format!(
            "One {what} may be {} MB here, and this one is larger. If you need it for your work, ask a member of staff.",
            limit / 1_000_000
        ),
    )
}
