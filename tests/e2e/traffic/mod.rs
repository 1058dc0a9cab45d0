//! The traffic that Weir carries: what must arrive, how, and what must not.

mod failures;
mod fields;
mod leaving;
mod messages;
mod reuse;
mod signing_in;
mod streaming;
mod upgrades;
