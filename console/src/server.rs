//! The console's listener: bounded in connections and in time.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::control::Control;
use crate::route::{Hosts, respond};

/// Connections at once; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 64;
/// For one request's head, and between two requests.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// For a whole connection; it also ends readers that take nothing.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(60);
/// For answers under way when the console stops.
const DRAIN_DEADLINE: Duration = Duration::from_secs(2);
/// Pause after a failed accept (descriptors used up), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const MAX_FIELDS: usize = 64;
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Serves the console on `listener` until `shutdown` is ready, then ends connections within
/// two seconds. Only requests for one of `hosts` are answered. Must run inside a tokio
/// runtime with time and network.
pub async fn serve<C: Control>(
    listener: TcpListener,
    hosts: Hosts,
    control: Arc<C>,
    shutdown: impl Future<Output = ()>,
) {
    let (stop, stopped) = watch::channel(());
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let hosts = Arc::new(hosts);
    let accepting = async {
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let connection = connection(stream, hosts.clone(), control.clone(), stopped.clone());
            tokio::spawn(async move {
                connection.await;
                drop(place);
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = shutdown => {}
    }
    drop(listener);
    drop(stopped);
    stop.send_replace(());
    // Cancelling here leaves connections to the end of the runtime.
    let _ = tokio::time::timeout(DRAIN_DEADLINE, stop.closed()).await;
}

async fn connection<C: Control>(
    stream: TcpStream,
    hosts: Arc<Hosts>,
    control: Arc<C>,
    mut stopped: watch::Receiver<()>,
) {
    let service = service_fn(move |request| {
        let answer = respond(&request, &hosts, &*control);
        async move { Ok::<_, std::convert::Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_headers(MAX_FIELDS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let served = tokio::time::timeout(CONNECTION_DEADLINE, async {
        tokio::select! {
            ended = connection.as_mut() => ended,
            _ = stopped.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    });
    // How a client left is of no interest here.
    let _ = served.await;
}

#[cfg(test)]
mod tests;
