//! The monitoring record of Weir: what a row holds, and how rows reach the disk, are found again, leave, and expire.
//!
//! [`Record`] is one table of graded fields. Threads push records into a [`Lane`]; the [`Recorder`] numbers them, appends them
//! to a journal (an Arrow IPC stream) and seals journals to Parquet segments. [`query`] searches both, [`export`] writes what was
//! found with a statement of what it is, and [`retain`] removes whole periods. `docs/records.md` describes the files.
//!
//! What is recorded is decided by the proxy, what may be looked at by whoever calls; this crate keeps the promises in between:
//! no row is lost silently, none is altered, and content is kept only where it may be (LM-04, LM-33).

mod adapt;
pub mod asks;
pub mod basis;
mod belief;
mod beside;
pub mod bundle;
mod clock;
mod coded;
mod column;
mod content;
pub mod erase;
mod event;
pub mod export;
mod frame;
mod health;
mod hosts;
mod index;
mod journal;
mod keeper;
mod keys;
mod lane;
mod notes;
mod open;
mod paths;
pub mod proof;
mod purpose;
pub mod query;
mod record;
mod recorder;
#[cfg(test)]
mod recorder_tests;
mod recovery;
mod replay;
pub mod retain;
pub mod scrub;
mod seal;
mod segment;
mod settings;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod timing_tests;
mod token;
mod trouble;
mod words;
mod writer;

pub use adapt::Cells;
/// Rows in the columns of [`schema`].
pub use arrow::array::RecordBatch;
pub use basis::Basis;
pub use column::{Column, Grade};
pub use content::{Grounds, Kept, Permit};
pub use event::{EventId, EventIdError, EventIds};
pub use health::RecorderHealth;
pub use keys::{KekSource, KeyError, Rekeyed, rekey};
pub use lane::Lane;
pub use paths::Period;
pub use record::{Col, Record, columns, schema};
pub use recorder::Recorder;
pub use settings::{RecorderError, RecorderSettings, StopError};
pub use store::Store;
pub use words::{Confidence, End, Identity, Informed, Initiator, Kind, UnknownWord, Verdict};
