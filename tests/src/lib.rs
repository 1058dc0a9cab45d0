//! What an end-to-end test of Weir is made of: a real `weir` process on its own loopback address, origins
//! that record every byte they receive, clients that send any byte, a name server that says what a test
//! wants it to say, curl and Chromium.
//!
//! Everything here blocks on threads and plain sockets with a deadline on each wait, so that no test shares
//! a runtime, an HTTP parser or a TLS set-up with the product that it judges. What a test promises is
//! decided in `e2e/`, not here.

pub mod browser;
pub mod client;
pub mod curl;
pub mod dns;
pub mod origin;
pub mod process;
pub mod records;
pub mod share;
pub mod site;
pub mod standard;
pub mod tls;
pub mod wire;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The longest a test waits for something that should happen at once, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks `probe` every 20 ms until it answers, or panics with `what` after [`PATIENCE`].
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A file of the shared real lists: below `WEIR_SHARED_LISTS`, else beside the repository. Says so where it is absent.
pub fn shared(file: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/lists"));
    let folder = std::env::var_os("WEIR_SHARED_LISTS").map_or(beside, PathBuf::from);
    let path = folder.join(file);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {file} is not on this machine (WEIR_SHARED_LISTS)");
    None
}
