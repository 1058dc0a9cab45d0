//! Connections to origins that belong to one person.
//!
//! Decides which connections those are. NTLM and Negotiate authenticate a connection, not a
//! request (RFC 4559 §6): whoever sends on it later is taken for the person who signed in.
//! Such a connection is therefore never in the pool. It stays with the client connection it
//! was authenticated for, which is also what makes a login of several legs succeed at all.

use crate::conn::Conn;
use crate::identify::Who;
use crate::pool::{Connection, Key};
use crate::worker::Worker;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const PERSISTENT_AUTH: HeaderName = HeaderName::from_static("persistent-auth");
const PROXY_SUPPORT: HeaderName = HeaderName::from_static("proxy-support");
/// How long the end of the last exchange is waited for.
const LEFT_OVER: Duration = Duration::from_secs(1);
const SCHEMES: [&str; 2] = ["ntlm", "negotiate"];

/// A connection to an origin that only one client connection may use, and only for the
/// person who used it so far: a client that is itself a proxy serves several.
pub(crate) struct Bound {
    key: Key,
    who: Arc<str>,
    connection: Connection,
    _place: Place,
}

/// One of the places that a thread has for such connections: its descriptor comes on top of
/// the two that a client needs.
struct Place(Rc<Worker>);

impl Place {
    fn take(worker: &Rc<Worker>) -> Option<Place> {
        let taken = worker.bound.get();
        let free = taken < worker.shared.ceiling.bound;
        free.then(|| {
            worker.bound.set(taken + 1);
            Place(Rc::clone(worker))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.bound.set(self.0.bound.get().saturating_sub(1));
    }
}

/// Whether a request authenticates the connection that it is sent on.
pub(crate) fn by_request(fields: &HeaderMap) -> bool {
    names_scheme(fields, &header::AUTHORIZATION)
}

/// Whether a response begins, carries on or has ended such a login.
pub(crate) fn by_response(fields: &HeaderMap) -> bool {
    asks(fields) || fields.contains_key(PERSISTENT_AUTH)
}

fn asks(fields: &HeaderMap) -> bool {
    names_scheme(fields, &header::WWW_AUTHENTICATE)
}

/// Whether a challenge or credentials of these schemes are in any line, at any place of it.
fn names_scheme(fields: &HeaderMap, name: &HeaderName) -> bool {
    fields
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .filter_map(|part| {
            part.trim_ascii()
                .split(|b| b.is_ascii_whitespace() || *b == b'=')
                .next()
        })
        .any(|word| {
            SCHEMES
                .iter()
                .any(|scheme| word.eq_ignore_ascii_case(scheme.as_bytes()))
        })
}

/// Tells a client that asks first that it may sign in through this proxy (RFC 4559 §6):
/// some do not try otherwise. An older client does not understand the field.
pub(crate) fn announce(conn: &Conn, fields: &mut HeaderMap) {
    if asks(fields) && conn.speaks_1_1.get() {
        fields.insert(
            PROXY_SUPPORT,
            HeaderValue::from_static("Session-Based-Authentication"),
        );
        fields.insert(
            header::CONNECTION,
            HeaderValue::from_static("proxy-support"),
        );
    }
}

/// Takes the connection that belongs to this client connection, if it leads to `key`, was
/// last used by the same person and still lives. One that does not fit stays.
pub(crate) async fn take(conn: &Conn, key: &Key, who: &Who) -> Option<Connection> {
    let fits = |bound: &mut Bound| bound.key == *key && bound.who == who.key;
    let mut bound = conn.bound.borrow_mut().take_if(fits)?;
    // Its last exchange may be a moment from its end, or stuck.
    let ready = tokio::time::timeout(LEFT_OVER, bound.connection.sender.ready());
    ready.await.ok()?.ok()?;
    Some(bound.connection)
}

/// What becomes of a connection behind its response: it goes to the pool, or it `stays` with
/// its client.
pub(crate) fn next_place(
    conn: &Rc<Conn>,
    who: &Rc<Who>,
    key: Key,
    connection: Connection,
    stays: bool,
) -> impl FnOnce() + 'static {
    let (conn, who) = (Rc::clone(conn), Rc::clone(who));
    move || match stays {
        true => keep(&conn, key, &who, connection),
        false => {
            let worker = &conn.worker;
            worker.pool.put(key, connection, worker.sweep.coarse_now());
        }
    }
}

/// Keeps a connection for the next request of the same client connection. There is one:
/// people sign in to one site at a time, and a client must not hoard connections.
fn keep(conn: &Conn, key: Key, who: &Who, mut connection: Connection) {
    connection.reused = true;
    let mut bound = conn.bound.borrow_mut();
    *bound = None;
    *bound = Place::take(&conn.worker).map(|place| Bound {
        key,
        who: Arc::clone(&who.key),
        connection,
        _place: place,
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fields(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_login_of_a_connection_is_seen_on_either_side_in_any_spelling() {
        for value in ["NTLM", "ntlm TlRM", "Negotiate YIIabc", "NEGOTIATE"] {
            assert!(by_request(&fields(header::AUTHORIZATION, value)), "{value}");
        }
        for value in [
            "Negotiate",
            "Basic realm=\"a\", NTLM",
            "Basic realm=\"a\",Negotiate oRQw",
        ] {
            assert!(
                by_response(&fields(header::WWW_AUTHENTICATE, value)),
                "{value}"
            );
        }
        assert!(by_response(&fields(PERSISTENT_AUTH, "true")));
        for value in ["Basic YTpi", "Bearer ntlm", "Digest username=\"ntlm\""] {
            assert!(
                !by_request(&fields(header::AUTHORIZATION, value)),
                "{value}"
            );
        }
        assert!(!by_response(&fields(
            header::WWW_AUTHENTICATE,
            "Basic realm=\"a\""
        )));
    }
}
