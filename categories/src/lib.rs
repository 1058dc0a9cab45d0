//! Category lists: readers, the compiled index, matching, imports and edits.
//!
//! Decides in which categories a host or an address is, by which entry of which list. Bytes in, index out: no network, no
//! clock but for an import's date, and no opinion on what a category means for anyone (`weir-policy`).
//!
//! - [`build()`] makes an [`Index`] of [`Source`]s: directories of plain text in the squidGuard layout that people edit,
//!   imported sources, and the starter lists inside the program ([`embedded`]).
//! - [`open()`] does the same with what seldom changes in a file ([`mod@file`]), so that a start takes milliseconds and millions of
//!   names a few bytes each.
//! - [`Index::host_categories`] and [`Index::url_categories`] are what each request asks; [`Index::find`] tells the exact
//!   entry for records and pages.
//! - [`import`] turns an archive of lists into a source; [`edit`] changes the plain text.
//! - [`sealed`] are the mandatory lists, apart from all the others: kept as keyed hashes, lifted by nothing.
//! - [`hygiene`] holds back what a new version should not bring unseen; [`history`] keeps every version.
//!
//! What a line means is in [`entry`], what one of another format does in [`formats`], what an expression may be in [`expressions`], what a keyword
//! means in [`keywords`], what is refused as half-written in
//! [`source`].

mod addresses;
pub mod build;
mod bytes;
pub mod category;
pub mod edit;
pub mod entry;
pub mod exceptions;
pub mod expressions;
pub mod file;
pub mod formats;
mod hash;
pub mod history;
pub mod hygiene;
pub mod import;
mod index;
pub mod keywords;
mod layer;
pub mod lock;
pub mod manifest;
pub mod report;
pub mod sealed;
pub mod source;
mod store;
mod swap;
mod table;
mod urls;

pub use build::{BuildError, Built, build, look, open};
pub use category::{CategoryId, CategorySet, Names};
pub use entry::MatchKind;
pub use exceptions::Voided;
pub use index::{Counts, Index, Match};
pub use report::{Fault, Faults, FileReport, Phase, Progress, Report};
pub use source::{Root, Source, embedded};
