//! Who may move how many bytes now: fair sharing of the line, caps, daily allowances.
//!
//! Decides when a flow (one body, or one direction of a tunnel) may move its next chunk, so that the line and every cap
//! hold their rates, users share evenly however many connections each opens, and nothing that could move stands still
//! (AUP-10). It reads no clock and starts no task: the caller passes the time in, and one timer task calls
//! [`Shaper::pump`]. It does not know what a group, a category or a rule is, nor who is exempt: policy says that.
//!
//! # How sharing works
//!
//! Each limit (the line, and every [`Cap`]) is a *gate*: a token bucket with a fair queue of users in front of it. A
//! request for bytes passes the gates of its flow one after the other, narrowest first and the line last, and is charged
//! at each. The two directions have separate gates and separate locks.
//!
//! The fair queue is deficit round robin with a memory: it counts the bytes each user has been served and serves whoever
//! has had least (start-time fair queueing, Goyal et al. 1996). Plain deficit round robin forgets a user's deficit
//! whenever their queue runs empty, which for a single connection is after every chunk, so that one with twenty
//! connections would gain on them; here a pause costs nothing up to [`CREDIT_CHUNKS`] chunks. Within a user, flows take
//! turns.
//!
//! # Bounds
//!
//! With `chunk` = 5 ms of a gate's rate (within 2 KiB to 256 KiB) and `burst` = 40 ms of it (at least 16 KiB):
//!
//! - over any time `t` the line grants at most `rate * t + burst + chunk`; a cap at most one chunk more for each flow
//!   that has passed it and still waits for a wider gate;
//! - somebody who asks after a pause waits for the chunk now being paid off (5 ms at ordinary rates) and for others who
//!   came back from a pause as well (at most `CREDIT_CHUNKS` chunks each), however long the queue is;
//! - somebody who asks all the time waits for at most one chunk of each other such user, plus the same;
//! - the wait grows by what the timer task is late.
//!
//! State is kept for live flows, and for those who left only until what they had taken has been paid back, so that
//! reconnecting gains nothing and nothing accumulates.

mod allowance;
mod bucket;
mod fair;
mod flow;
mod shaper;
mod side;
mod slab;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use allowance::{Allowances, Meter, Usage};
pub use flow::Flow;
pub use shaper::{Gauges, Shaper};

/// How many chunks ahead of the others a user may be after a pause.
pub const CREDIT_CHUNKS: u64 = 4;

/// Which way bytes move, seen from the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the origin to the user.
    Down,
    /// From the user to the origin.
    Up,
}

impl Direction {
    /// Both directions.
    pub const BOTH: [Self; 2] = [Self::Down, Self::Up];
}

/// A rate shared by all flows that name the same key: a group's, a category's, a rule's, a user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cap {
    /// What is shared; the namespace is the caller's, e.g. `group:pupils`.
    pub key: Arc<str>,
    /// Bytes a second towards the user; `None` is unlimited, 0 counts as 1.
    pub down: Option<u64>,
    /// Bytes a second towards the origin; `None` is unlimited, 0 counts as 1.
    pub up: Option<u64>,
}

/// What a new flow belongs to.
#[derive(Clone, Copy, Debug)]
pub struct FlowSpec<'a> {
    /// The fairness key: the user, else the device, else the address. One key has one share over IPv4, IPv6 and all
    /// connections.
    pub user: &'a Arc<str>,
    /// The caps this flow counts against. A key seen with a new rate changes it for every flow under that key.
    pub caps: &'a [Cap],
    /// No cap applies (AUP-11: updates are never capped to failure). The line is still shared: it is no wider for them.
    pub exempt: bool,
}
