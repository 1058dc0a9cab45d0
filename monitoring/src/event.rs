//! Event ids: what a block page prints and every row of the same request or tunnel carries.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The id of one request, tunnel or happening. Written as sixteen hexadecimal digits everywhere that people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub u64);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text that is not sixteen hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event id has 16 hexadecimal digits")]
pub struct EventIdError;

impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<EventId, EventIdError> {
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(EventIdError);
        }
        u64::from_str_radix(text, 16)
            .map(EventId)
            .map_err(|_| EventIdError)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<EventId, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Gives out event ids, from any thread and without a lock.
///
/// A process begins at a random 64-bit number and counts from there. Two processes of `n` ids each meet with a
/// chance of about `n / 2^63`, less than any fixed prefix of the same width would give, and neighbouring ids keep
/// compressing well at rest.
#[derive(Debug)]
pub struct EventIds(AtomicU64);

impl EventIds {
    /// A new sequence at a random place.
    pub fn new() -> EventIds {
        // The standard hasher is seeded by the operating system; an id is a name, not a secret.
        EventIds(AtomicU64::new(
            RandomState::new().hash_one(std::process::id()),
        ))
    }

    /// The next id. Lock-free.
    pub fn next(&self) -> EventId {
        EventId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl Default for EventIds {
    fn default() -> EventIds {
        EventIds::new()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_event_id_reads_back_from_the_block_page() {
        for id in [
            EventId(0),
            EventId(0xdead_beef),
            EventId(u64::MAX),
            EventIds::new().next(),
        ] {
            assert_eq!(id.to_string().len(), 16);
            assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
        }
        for bad in [
            "",
            "1",
            "00000000000000001",
            "+00000000000000f",
            "000000000000000g",
        ] {
            assert_eq!(bad.parse::<EventId>(), Err(EventIdError), "{bad}");
        }
    }

    #[test]
    fn threads_never_share_an_event_id() {
        let ids = EventIds::new();
        let mut all: Vec<EventId> = std::thread::scope(|scope| {
            let take = || (0..1000).map(|_| ids.next()).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4000);
    }
}
