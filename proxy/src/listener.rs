//! Accepting client connections on one worker thread.
//!
//! Decides whether a connection is taken: a permit comes before the accept, a seat for its
//! address right after it (threats §5).

use crate::conn::Entrance;
use crate::connection;
use crate::seats::Seats;
use crate::worker::Worker;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

/// How long to wait when the process is full or the system out of descriptors.
const BACK_OFF: Duration = Duration::from_millis(50);
/// How far apart two complaints about the same trouble are, at least.
const COMPLAINTS: Duration = Duration::from_secs(10);
/// Connections that may wait in the kernel.
const BACKLOG: i32 = 4096;

/// Opens a listening socket that threads may share by `SO_REUSEPORT`.
///
/// # Errors
/// What the system says, e.g. that the address is in use.
pub(crate) fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether somebody listens there already: `SO_REUSEPORT` would let two processes share a
/// port, and half of the school would meet the other one's policy.
///
/// # Errors
/// What the system says.
pub(crate) fn is_free(address: SocketAddr) -> io::Result<()> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())
}

/// Why nothing listens at an address, with what to do about it. `what` listens there, by the configuration's `key`.
pub(crate) fn told(what: &str, key: &str, address: SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another program listens there, perhaps another Weir that still runs or drains; `ss -ltnp 'sport = :{port}'`, as root, \
             names it. End that one, or choose another address"
        ),
        io::ErrorKind::AddrNotAvailable => {
            "no interface of this machine has this address; `ip address` shows those there are"
                .to_owned()
        }
        io::ErrorKind::PermissionDenied => format!(
            "port {port} needs the capability CAP_NET_BIND_SERVICE; choose one above 1023, or grant it"
        ),
        _ => return format!("{what} cannot listen at {address} ({key}): {error}"),
    };
    format!("{what} cannot listen at {address} ({key}): {error}: {hint}")
}

/// Accepts until the process drains.
pub(crate) async fn accept(worker: Rc<Worker>, listener: TcpListener, entrance: Rc<Entrance>) {
    let shared = std::sync::Arc::clone(&worker.shared);
    let mut complained: Option<Instant> = None;
    loop {
        let seats = shared.seats(&worker.snapshot().settings.bounds);
        if !shared.has_room(seats) {
            tokio::select! {
                () = shared.drain.cancelled() => return,
                () = tokio::time::sleep(BACK_OFF) => continue,
            }
        }
        let accepted = tokio::select! {
            biased;
            () = shared.drain.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => take(&worker, &entrance, stream, peer, seats),
            Err(error) => {
                // EMFILE and its like last: spinning on them would take the processor too.
                if complained.is_none_or(|then| then.elapsed() >= COMPLAINTS) {
                    complained = Some(Instant::now());
                    tracing::warn!(%error, listener = %entrance.name, "cannot accept");
                }
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

fn take(
    worker: &Rc<Worker>,
    entrance: &Rc<Entrance>,
    stream: TcpStream,
    peer: SocketAddr,
    seats: Seats,
) {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let Some(seat) = worker.shared.seat(peer.ip(), seats) else {
        return;
    };
    let _ = stream.set_nodelay(true);
    let open = Open::new(worker);
    let serving = connection::serve(Rc::clone(worker), Rc::clone(entrance), stream, peer);
    tokio::task::spawn_local(async move {
        let _open = open;
        let _seat = seat;
        serving.await;
    });
}

/// Counts a connection as open on its thread, and a panic that ended it.
struct Open(Rc<Worker>);

impl Open {
    fn new(worker: &Rc<Worker>) -> Open {
        worker.open.set(worker.open.get() + 1);
        Open(Rc::clone(worker))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
        if std::thread::panicking() {
            self.0.shared.metrics.panics.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_hinders_a_listener_is_told_with_its_key_and_what_to_do() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = is_free(address).unwrap_err();
        let text = told("listener \"main\"", "listener[1].address", address, &error);
        let port = address.port();
        for part in [
            "listener \"main\"",
            &*format!("{address} (listener[1].address)"),
            "another Weir",
            &*format!("ss -ltnp 'sport = :{port}'"),
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        // Of the documentation: no machine has it.
        let nobody = "192.0.2.1:3128".parse().unwrap();
        let text = told(
            "console",
            "console.address",
            nobody,
            &bind(nobody).unwrap_err(),
        );
        assert!(
            text.contains("no interface") && text.contains("console.address"),
            "{text}"
        );
    }
}
