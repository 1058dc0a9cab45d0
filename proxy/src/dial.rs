//! The one place that connects to origins.
//!
//! Decides which of a name's addresses is used, in what order and how fast (RFC 8305), and
//! asks the policy about every one of them first: what is connected to is exactly what was
//! checked, whatever the name resolves to a moment later.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use weir_host::Host;
use weir_host::address::Network;
use weir_policy::egress::{self, Refusal};

use crate::resolve::{Names, ResolveError};

/// RFC 8305 §5, Connection Attempt Delay: the start that one attempt has over the next.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Where the proxy may connect to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Egress {
    /// Networks exempt from the refusal of private and similar addresses.
    pub(crate) allow: Vec<Network>,
    /// The proxy's own listeners, refused always.
    pub(crate) own: Vec<SocketAddr>,
}

/// Why no connection to an origin came about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// The name has no address.
    #[error("{0}")]
    Resolve(#[from] ResolveError),
    /// Every address is one that the proxy must not connect to; the first of them.
    #[error("{address} must not be connected to: {refusal}")]
    Prohibited {
        /// The address.
        address: IpAddr,
        /// What it belongs to.
        refusal: Refusal,
    },
    /// Nothing listens there.
    #[error("the connection was refused")]
    Refused,
    /// No address answered in time.
    #[error("the connection was not answered in time")]
    Timeout,
    /// There is no way to the address.
    #[error("there is no route to the address")]
    Unroutable,
    /// The connection failed for another reason, perhaps one on this machine.
    #[error("the connection failed: {0}")]
    Unavailable(io::Error),
}

impl DialError {
    /// The error type for `Proxy-Status`, logs and metrics (RFC 9209 §2.3).
    pub(crate) fn label(&self) -> &'static str {
        match self {
            DialError::Resolve(ResolveError::Timeout) => "dns_timeout",
            DialError::Resolve(_) => "dns_error",
            DialError::Prohibited { .. } => "destination_ip_prohibited",
            DialError::Refused => "connection_refused",
            DialError::Timeout => "connection_timeout",
            DialError::Unroutable => "destination_ip_unroutable",
            DialError::Unavailable(_) => "destination_unavailable",
        }
    }

    /// The status code that tells a client.
    pub(crate) fn status(&self) -> u16 {
        match self {
            DialError::Prohibited { .. } => 403,
            DialError::Resolve(ResolveError::Timeout) | DialError::Timeout => 504,
            _ => 502,
        }
    }

    /// Of the failures of several addresses the one that tells most about the origin.
    fn rank(&self) -> u8 {
        match self {
            DialError::Refused => 4,
            DialError::Timeout => 3,
            DialError::Unavailable(_) => 2,
            DialError::Unroutable => 1,
            DialError::Resolve(_) => 0,
            DialError::Prohibited { .. } => 5,
        }
    }
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => DialError::Refused,
            io::ErrorKind::TimedOut => DialError::Timeout,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable => DialError::Unroutable,
            _ => DialError::Unavailable(error),
        }
    }
}

/// Connects to `host`: at most `resolve` for its addresses, then at most `connect` for all
/// of them together. Yields the connection, without Nagle's delay, and the address it goes
/// to.
///
/// # Errors
/// Why there is no connection; nothing was sent to any address that the policy refuses.
pub(crate) async fn dial(
    names: &Names,
    egress: &Egress,
    host: &Host,
    port: u16,
    resolve: Duration,
    connect: Duration,
) -> Result<(TcpStream, SocketAddr), DialError> {
    let addresses = names.lookup(host, resolve).await?;
    let permitted = permitted(&addresses, port, egress)?;
    let ordered = interleave(&permitted);
    match tokio::time::timeout(connect, race(&ordered, &egress.own)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(DialError::Timeout),
    }
}

/// The addresses that may be dialled; an error when that is none of them. Also `weir explain` asks here.
pub(crate) fn permitted(
    addresses: &[IpAddr],
    port: u16,
    egress: &Egress,
) -> Result<Vec<SocketAddr>, DialError> {
    let mut refused = None;
    let mut permitted = Vec::with_capacity(addresses.len());
    for &address in addresses {
        match egress::permitted(address, port, &egress.allow, &egress.own) {
            Ok(()) => permitted.push(SocketAddr::new(address, port)),
            Err(refusal) => {
                refused.get_or_insert(DialError::Prohibited { address, refusal });
            }
        }
    }
    match refused {
        Some(refused) if permitted.is_empty() => Err(refused),
        _ if permitted.is_empty() => Err(ResolveError::NoAddress.into()),
        _ => Ok(permitted),
    }
}

/// RFC 8305 §4: the families in turn, beginning with the first address's.
fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else {
        return Vec::new();
    };
    let (mut preferred, mut other): (Vec<SocketAddr>, Vec<SocketAddr>) = addresses
        .iter()
        .copied()
        .partition(|address| address.is_ipv6() == first.is_ipv6());
    preferred.reverse();
    other.reverse();
    let mut ordered = Vec::with_capacity(addresses.len());
    while !(preferred.is_empty() && other.is_empty()) {
        ordered.extend(preferred.pop());
        ordered.extend(other.pop());
    }
    ordered
}

/// RFC 8305 §5: the next attempt starts when one has failed or 250 ms have passed; the
/// first connection made wins, and the others are dropped.
async fn race(
    addresses: &[SocketAddr],
    own: &[SocketAddr],
) -> Result<(TcpStream, SocketAddr), DialError> {
    let connect = |address| connect(address, own);
    let mut waiting = addresses.iter().copied();
    let mut attempts = FuturesUnordered::new();
    let mut worst = DialError::Resolve(ResolveError::NoAddress);
    attempts.extend(waiting.next().map(connect));
    loop {
        let next = tokio::time::sleep(ATTEMPT_DELAY);
        let more = waiting.len() > 0;
        tokio::select! {
            biased;
            finished = attempts.next() => match finished {
                Some(Ok(connection)) => return Ok(connection),
                Some(Err(error)) => {
                    if error.rank() > worst.rank() {
                        worst = error;
                    }
                    attempts.extend(waiting.next().map(connect));
                }
                None => return Err(worst),
            },
            () = next, if more => attempts.extend(waiting.next().map(connect)),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that connects to origins"
)]
async fn connect(
    address: SocketAddr,
    own: &[SocketAddr],
) -> Result<(TcpStream, SocketAddr), DialError> {
    let stream = TcpStream::connect(address).await?;
    if egress::leads_back(stream.local_addr()?.ip(), address, own) {
        let address = address.ip();
        let kind = weir_host::address::kind(address);
        let refusal = Refusal { kind, own: true };
        return Err(DialError::Prohibited { address, refusal });
    }
    stream.set_nodelay(true)?;
    Ok((stream, address))
}

#[cfg(test)]
mod tests;
