//! Decides what of a target may stand in a record at all: everything, or where a mandatory list has it nothing (LM-28).
//!
//! Asked as soon as a target is known and before anything else is, so that no row can be written in between. Which list has
//! it is decided in `weir_categories::sealed`; what becomes of it, later, in `decision`.

use std::sync::Arc;

use weir_categories::sealed::SlotId;
use weir_host::{Host, Name};

use crate::snapshot::Snapshot;
use crate::task::Task;

/// Notes what is asked for as soon as it is known: path and query in normal form, where they can be seen. What a mandatory
/// list has, which is given back, is not noted, now or later: no row that is written from here on holds it (LM-28), also
/// where the person is still to be asked for a password.
pub(crate) fn target(
    task: &Task,
    snapshot: &Snapshot,
    scheme: &'static str,
    (host, port): (&Host, u16),
    page: Option<(&str, Option<&str>)>,
) -> Option<SlotId> {
    let mandatory = mandatory(snapshot, (host, port), page);
    if mandatory.is_some() {
        task.conceal();
    }
    task.note(|record| {
        record.scheme = Some(scheme);
        if mandatory.is_none() {
            record.host = Some(host.shared());
            record.port = port;
        }
    });
    mandatory
}

/// [`target`] for the second name of a tunnel.
pub(crate) fn server_name(
    task: &Task,
    snapshot: &Snapshot,
    (name, port): (&Name, u16),
) -> Option<SlotId> {
    let mandatory = mandatory(snapshot, (&Host::Name(name.clone()), port), None);
    match mandatory {
        Some(_) => task.conceal(),
        None => task.note(|record| record.sni = Some(Arc::clone(name.as_arc()))),
    }
    mandatory
}

fn mandatory(
    snapshot: &Snapshot,
    (host, port): (&Host, u16),
    page: Option<(&str, Option<&str>)>,
) -> Option<SlotId> {
    match page {
        Some((path, query)) => snapshot.sealed.of_url(host, port, path, query),
        None => snapshot.sealed.of_host(host, port),
    }
}
