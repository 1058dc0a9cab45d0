//! One client connection: what its requests share.

use crate::body::Body;
use crate::bound::Bound;
use crate::deadline::{Phase, Watch, WatchLimits};
use crate::identify::Who;
use crate::snapshot::Snapshot;
use crate::stream::Interim;
use crate::tap::Tap;
use crate::task::Task;
use crate::transfer::Transfer;
use crate::worker::Worker;
use bytes::Bytes;
use http::HeaderValue;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use tokio::net::TcpStream;
use weir_config::LoginMode;
use weir_host::Host;
use weir_monitoring::End;

/// Where a connection came in.
#[derive(Debug)]
pub(crate) struct Entrance {
    pub(crate) name: Arc<str>,
    pub(crate) login: LoginMode,
    /// Profile of people who are not signed in here; none: by network.
    pub(crate) profile: Option<Arc<str>>,
}

/// The authority of a CONNECT whose tunnel carries plain HTTP: every request in it must be
/// for this authority.
#[derive(Clone, Debug)]
pub(crate) struct Inner {
    pub(crate) host: Host,
    pub(crate) port: u16,
    /// Who opened the tunnel, and so who asks inside it.
    pub(crate) who: Rc<Who>,
}

/// What becomes of the socket once hyper has let go of it.
pub(crate) enum Takeover {
    /// A WebSocket whose origin has said 101.
    Upgraded {
        origin: TcpStream,
        /// What the origin sent behind its 101.
        early: Bytes,
        transfer: Rc<Transfer>,
    },
    /// A CONNECT that was answered 200.
    Tunnel(Box<crate::connect::Opened>),
}

/// What the requests of one client connection share.
pub(crate) struct Conn {
    pub(crate) worker: Rc<Worker>,
    pub(crate) entrance: Rc<Entrance>,
    pub(crate) peer: SocketAddr,
    pub(crate) watch: Rc<Watch>,
    pub(crate) interim: Rc<Interim>,
    pub(crate) tap: Tap,
    pub(crate) inner: Option<Inner>,
    pub(crate) takeover: RefCell<Option<Takeover>>,
    /// The origin connection that somebody signed in on over this client connection.
    pub(crate) bound: RefCell<Option<Bound>>,
    /// The request at work is HTTP/1.1, so that its client understands interim responses.
    pub(crate) speaks_1_1: Cell<bool>,
    /// The response to the request at work has begun.
    pub(crate) answering: Cell<bool>,
    current: RefCell<Weak<Task>>,
    /// The request whose response has been handed to hyper whole and has not left yet.
    leaving: RefCell<Option<Rc<Task>>>,
    known: RefCell<Option<Known>>,
}

/// The last identification, good for the same credentials under the same snapshot.
struct Known {
    credentials: Option<HeaderValue>,
    snapshot: Arc<Snapshot>,
    who: Rc<Who>,
}

impl Conn {
    /// A fresh connection.
    pub(crate) fn new(
        worker: &Rc<Worker>,
        entrance: &Rc<Entrance>,
        peer: SocketAddr,
        inner: Option<Inner>,
    ) -> Rc<Conn> {
        let snapshot = worker.snapshot();
        let deadlines = &snapshot.settings.deadlines;
        let watch = worker.sweep.watch(WatchLimits {
            idle: deadlines.client_idle,
            head: deadlines.head,
            body: deadlines.body_idle,
            minimum_rate: snapshot.settings.bounds.minimum_rate,
        });
        Rc::new(Conn {
            worker: Rc::clone(worker),
            entrance: Rc::clone(entrance),
            peer,
            watch,
            interim: Rc::default(),
            tap: Tap::default(),
            inner,
            takeover: RefCell::new(None),
            bound: RefCell::new(None),
            speaks_1_1: Cell::new(false),
            answering: Cell::new(false),
            current: RefCell::new(Weak::new()),
            leaving: RefCell::new(None),
            known: RefCell::new(None),
        })
    }

    /// The request at work, for whoever ends the connection under it.
    pub(crate) fn at_work(&self, task: &Rc<Task>) {
        *self.current.borrow_mut() = Rc::downgrade(task);
    }

    /// The response is whole in hyper's hands; its request ends when it has left. Without a
    /// task, with a short answer of Weir's own, only the deadline changes.
    pub(crate) fn response_leaves(&self, task: Option<&Rc<Task>>) {
        *self.leaving.borrow_mut() = task.map(Rc::clone);
        self.watch.enter(Phase::Leaving);
    }

    /// The client's system has taken the whole response.
    pub(crate) fn response_has_left(&self) {
        if let Some(task) = self.leaving.take() {
            task.ended(End::Complete);
        }
        self.watch.enter(Phase::Idle);
    }

    /// Says why the connection is being cut.
    pub(crate) fn cut(&self, end: End) {
        if let Some(task) = self.current.borrow().upgrade() {
            task.ended(end);
        }
    }

    /// Who was identified last, if the credentials and the snapshot are the same.
    pub(crate) fn known(
        &self,
        snapshot: &Arc<Snapshot>,
        credentials: Option<&HeaderValue>,
    ) -> Option<Rc<Who>> {
        let known = self.known.borrow();
        let known = known.as_ref()?;
        let same = Arc::ptr_eq(&known.snapshot, snapshot)
            && known.credentials.as_ref() == credentials
            && known.who.is_fresh(&snapshot.settings.login);
        same.then(|| Rc::clone(&known.who))
    }

    /// Remembers who asks on this connection.
    pub(crate) fn remember(
        &self,
        snapshot: &Arc<Snapshot>,
        credentials: Option<&HeaderValue>,
        who: &Rc<Who>,
    ) {
        *self.known.borrow_mut() = Some(Known {
            credentials: credentials.cloned(),
            snapshot: Arc::clone(snapshot),
            who: Rc::clone(who),
        });
    }
}

/// The response type of every service.
pub(crate) type Response = http::Response<Body>;
