//! The console: health, metrics and the notice that says what is recorded, on a listener of
//! its own.
//!
//! Decides how these are shown and who may ask for them: only requests for a configured
//! host (threat model §7, DNS rebinding). Decides none of the facts: [`Control`] gives
//! them, and the proxy implements it. Nothing here changes anything.

mod control;
mod pages;
mod route;
mod server;

pub use control::{Check, Control, Health, Notice, Recorded, State};
pub use pages::{NoticeForm, notice_page};
pub use route::{Hosts, STYLE};
pub use server::serve;
