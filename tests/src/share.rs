//! Endless downloads by several users at once, and what share of the line each got.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::client::{Client, Request};

/// Connections of one user that read all they are given until dropped.
pub struct Load {
    bytes: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Downloads `url` over `connections` connections, each with this request.
    pub fn down(proxy: SocketAddr, request: &Request, connections: usize) -> Load {
        Load::each(connections, |bytes, stop| {
            let request = request.clone();
            move || {
                let mut client = Client::connect(proxy);
                client.send(request.bytes());
                read_on(&mut client, &bytes, &stop);
            }
        })
    }

    /// Uploads without end over `connections` connections, each with this request's head.
    pub fn up(proxy: SocketAddr, request: &Request, connections: usize) -> Load {
        Load::each(connections, |bytes, stop| {
            let request = request.clone().field("Content-Length", "1000000000000");
            move || {
                let mut client = Client::connect(proxy);
                client.send(request.bytes());
                write_on(&mut client, &bytes, &stop);
            }
        })
    }

    /// Over tunnels that are open already and deliver without end.
    pub fn tunnels(tunnels: Vec<Client>) -> Load {
        let mut tunnels = tunnels.into_iter();
        Load::each(tunnels.len(), |bytes, stop| {
            let mut client = tunnels.next();
            move || {
                if let Some(client) = &mut client {
                    read_on(client, &bytes, &stop);
                }
            }
        })
    }

    fn each<F: FnOnce() + Send + 'static>(
        connections: usize,
        mut work: impl FnMut(Arc<AtomicU64>, Arc<AtomicBool>) -> F,
    ) -> Load {
        let (bytes, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let mut start = |_| std::thread::spawn(work(Arc::clone(&bytes), Arc::clone(&stop)));
        let threads = (0..connections).map(&mut start).collect();
        Load {
            bytes,
            stop,
            threads,
        }
    }

    /// Bytes moved so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn read_on(client: &mut Client, bytes: &AtomicU64, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        match client.some(16 * 1024) {
            Ok(part) if !part.is_empty() => {
                bytes.fetch_add(part.len() as u64, Ordering::Relaxed);
            }
            _ => return,
        }
    }
}

fn write_on(client: &mut Client, bytes: &AtomicU64, stop: &AtomicBool) {
    let part = [0; 4096];
    client.patience(Duration::from_millis(500));
    while !stop.load(Ordering::Relaxed) {
        use std::io::Write;
        match client.write(&part) {
            Ok(count) => {
                bytes.fetch_add(count as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// What each counter moved in one span, and how long the span was.
pub struct Measured {
    /// Bytes by counter.
    pub bytes: Vec<u64>,
    /// The span as the clock saw it.
    pub span: Duration,
}

impl Measured {
    /// Watches the counters for `span`.
    pub fn over(span: Duration, counters: &[&dyn Fn() -> u64]) -> Measured {
        let before: Vec<u64> = counters.iter().map(|count| count()).collect();
        let started = Instant::now();
        std::thread::sleep(span);
        let after: Vec<u64> = counters.iter().map(|count| count()).collect();
        let bytes = after.iter().zip(&before).map(|(a, b)| a - b).collect();
        Measured {
            bytes,
            span: started.elapsed(),
        }
    }

    /// What part of all bytes each counter moved.
    pub fn shares(&self) -> Vec<f64> {
        let all: u64 = self.bytes.iter().sum();
        self.bytes
            .iter()
            .map(|&part| part as f64 / all.max(1) as f64)
            .collect()
    }

    /// Bytes a second over all counters.
    pub fn rate(&self) -> f64 {
        self.bytes.iter().sum::<u64>() as f64 / self.span.as_secs_f64()
    }
}
