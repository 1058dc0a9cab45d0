//! Idle connections to origins, one pool a thread.
//!
//! Decides which connection a request may reuse: only one to the same scheme, host and
//! port, dialled under the same egress rules, that is still open and whose last exchange
//! ended cleanly. Bounded in all, per origin and in time.

use crate::body::Body;
use hyper::client::conn::http1::SendRequest;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use weir_host::{Host, Scheme};

/// What two requests must have in common to share a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) scheme: Scheme,
    pub(crate) host: Host,
    pub(crate) port: u16,
    /// Version of the egress rules under which the address was checked.
    pub(crate) egress: u64,
}

/// A connection on which a request can be sent.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<Body>,
    /// The address that was checked and dialled.
    pub(crate) address: IpAddr,
    /// It has carried a request before, so that it may have died unnoticed.
    pub(crate) reused: bool,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// The idle connections of a thread.
pub(crate) struct Pool {
    idle: RefCell<Shelf>,
    most: usize,
    most_per_origin: usize,
    longest: Duration,
}

#[derive(Default)]
struct Shelf {
    by_origin: HashMap<Key, Vec<Idle>>,
    count: usize,
}

impl Pool {
    /// An empty pool of at most `most` connections, `most_per_origin` of them to one
    /// origin, each idle for at most `longest`.
    pub(crate) fn new(most: usize, most_per_origin: usize, longest: Duration) -> Pool {
        Pool {
            idle: RefCell::new(Shelf::default()),
            most,
            most_per_origin,
            longest,
        }
    }

    /// Takes the most recently used live connection.
    pub(crate) fn take(&self, key: &Key) -> Option<Connection> {
        let mut shelf = self.idle.borrow_mut();
        let shelf = &mut *shelf;
        let idle = shelf.by_origin.get_mut(key)?;
        let before = idle.len();
        idle.retain(|idle| !idle.connection.sender.is_closed());
        shelf.count -= before - idle.len();
        // One that is open but not ready is still finishing its last exchange.
        let ready = idle
            .iter()
            .rposition(|idle| idle.connection.sender.is_ready())?;
        shelf.count -= 1;
        Some(idle.swap_remove(ready).connection)
    }

    /// Keeps a connection whose exchange has ended, if there is room.
    pub(crate) fn put(&self, key: Key, mut connection: Connection, now: Instant) {
        let mut shelf = self.idle.borrow_mut();
        if shelf.count >= self.most || connection.sender.is_closed() {
            return;
        }
        let idle = shelf.by_origin.entry(key).or_default();
        if idle.len() >= self.most_per_origin {
            return;
        }
        connection.reused = true;
        idle.push(Idle {
            connection,
            since: now,
        });
        shelf.count += 1;
    }

    /// Closes what has been idle for too long or was closed by its origin.
    pub(crate) fn expire(&self, now: Instant) {
        let mut shelf = self.idle.borrow_mut();
        shelf.by_origin.retain(|_, idle| {
            idle.retain(|idle| {
                now.duration_since(idle.since) < self.longest && !idle.connection.sender.is_closed()
            });
            !idle.is_empty()
        });
        shelf.count = shelf.by_origin.values().map(Vec::len).sum();
    }
}
