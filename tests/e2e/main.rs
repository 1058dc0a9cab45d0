//! Weir as its users meet it: a real process, real sockets, real clients. Each test starts its own Weir on
//! its own loopback address. The toolkit is in `tests/src`.
#![allow(clippy::unwrap_used)]

mod bandwidth;
mod browser;
mod connect;
mod egress;
mod identity;
mod keywords;
mod lawful;
mod lists;
mod mandatory;
mod memory;
mod policy;
mod records;
mod running;
mod sources;
mod starting;
mod threats;
mod traffic;
mod tunnels;
mod versions;

use weir_tests::origin::Origin;
use weir_tests::site::{Site, own_ip};

/// A site on which these names lead to one standard origin.
fn lab(names: &[&str]) -> (Site, Origin) {
    let origin = Origin::standard(own_ip());
    let mut site = Site::new();
    site.hosts(names);
    (site, origin)
}
