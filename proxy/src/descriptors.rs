//! File descriptors: how many there may be, and how many clients may take.
//!
//! Decides how many connections are accepted where the system gives fewer descriptors than
//! the configuration would need. What answers and records must never wait for a descriptor
//! that a client holds (threats §5).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For the console (64 connections), standard streams, journal, segments, lists being read,
/// and what libraries open.
const RESERVE: usize = 128;
/// For each thread beside its listening sockets: its poller, its wakers, its name lookups.
const A_THREAD: usize = 8;
/// A client's own, and the one of its request or tunnel.
const A_CLIENT: usize = 2;
/// Most connections of one thread that belong to clients who signed in on them.
const MOST_BOUND: usize = 256;

/// Raises the limit of this process as far as the system lets it: soft limits are low for
/// the sake of programs that use `select`. Returns what holds then.
pub(crate) fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let highest = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let holds = match setrlimit(Resource::Nofile, highest) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised");
            limit.current
        }
    };
    holds.map_or(usize::MAX, |holds| {
        usize::try_from(holds).unwrap_or(usize::MAX)
    })
}

/// What the descriptors are shared between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uses {
    pub(crate) threads: usize,
    pub(crate) listeners: usize,
    /// Idle origin connections of one thread, as configured.
    pub(crate) idle: usize,
}

/// What fits into the descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ceiling {
    /// Client connections at one time.
    pub(crate) connections: usize,
    /// Idle origin connections of one thread.
    pub(crate) idle: usize,
    /// Origin connections of one thread that belong to a client beside the one at work.
    pub(crate) bound: usize,
}

impl Ceiling {
    /// Shares `limit` descriptors out. At least one client is served, whatever the limit.
    pub(crate) fn of(limit: usize, uses: Uses) -> Ceiling {
        let threads = uses.threads.max(1);
        let reserve = RESERVE + threads * (uses.listeners + A_THREAD);
        // Idle connections are a convenience: they get a small part and no more.
        let idle = uses.idle.min(limit / 32 / threads);
        let bound = (limit / 64 / threads).min(MOST_BOUND);
        let left = limit.saturating_sub(reserve + threads * (idle + bound));
        Ceiling {
            connections: (left / A_CLIENT).max(1),
            idle,
            bound,
        }
    }

    /// Connections to accept at one time, and of them from one address, where so many are
    /// configured. Where there are fewer than meant, one address has half of them
    /// at most, or the same part as was meant if that is more.
    pub(crate) fn lowered(self, connections: usize, per_address: usize) -> (usize, usize) {
        if connections <= self.connections {
            return (connections, per_address);
        }
        let part = (self.connections as u128 * per_address as u128) / connections.max(1) as u128;
        let part = usize::try_from(part).unwrap_or(usize::MAX);
        let least = per_address.min(self.connections.div_ceil(2));
        (self.connections, part.max(least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USES: Uses = Uses {
        threads: 4,
        listeners: 2,
        idle: 512,
    };

    #[test]
    fn everything_that_may_be_open_at_once_fits_into_the_limit() {
        for limit in [256, 1024, 4096, 65_536, 131_072, 1 << 20] {
            let ceiling = Ceiling::of(limit, USES);
            let of_a_thread = ceiling.idle + ceiling.bound;
            let most = ceiling.connections * A_CLIENT + USES.threads * of_a_thread;
            let own = RESERVE + USES.threads * USES.listeners;
            assert!(most + own <= limit, "{limit}: {ceiling:?}");
        }
    }

    #[test]
    fn a_limit_that_suffices_changes_nothing() {
        let ceiling = Ceiling::of(1 << 20, USES);
        assert_eq!(ceiling.lowered(20_000, 2000), (20_000, 2000));
        assert_eq!(ceiling.idle, 512);
    }

    #[test]
    fn under_a_low_limit_one_address_leaves_room_for_others() {
        let (connections, per_address) = Ceiling::of(1024, USES).lowered(20_000, 2000);
        assert!((300..512).contains(&connections), "{connections}");
        assert_eq!(per_address, connections.div_ceil(2));
        let (connections, one) = Ceiling::of(20_000, USES).lowered(30_000, 30_000);
        assert_eq!(one, connections, "one address was meant to have them all");
        assert!(connections > 9_000, "{connections}");
        assert_eq!(Ceiling::of(0, USES).lowered(20_000, 2000), (1, 1));
    }
}
