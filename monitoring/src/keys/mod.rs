//! The keys of records at rest (LM-16): one key-encryption key from outside, and under it a random key for each tenant, grade
//! and period, for each journal, and for the secrets of the log.
//!
//! ```text
//! keys/kek                                    which key-encryption key is in force, by its number
//! keys/<tenant>/<period>.<grade>.<number>     a wrapped data key
//! journal/<node>-<first>.key                  the wrapped key of one journal
//! ```
//! Decides how keys are made, found, wrapped and destroyed. What is encrypted under which is decided where it is written. A
//! data key that is destroyed takes with it whatever was encrypted under it, in every copy of the records (LM-14, LM-15).

mod data;
mod error;
mod kek;
mod rekey;
mod seal;

#[cfg(test)]
pub(crate) use data::KeyName;
pub(crate) use data::{DataKey, Keys, destroy_file, key_bytes};
pub use error::KeyError;
pub use kek::KekSource;
pub(crate) use kek::{Kek, is_wrapped};
pub use rekey::{Rekeyed, rekey};
pub(crate) use seal::{is_sealed, open, seal};
