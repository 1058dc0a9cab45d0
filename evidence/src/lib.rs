//! What makes records provable: hashes, commitments, the tree over them, its proofs, and checkpoints signed by a key (LM-29).
//!
//! This crate knows bytes and numbers. Which fields a record has, which file it lies in and when a checkpoint is due is decided
//! in `monitoring`; whether a log holds, in `verify`. `docs/records-proof.md` gives every byte, so that somebody who has only
//! that page can check a log without this code.

mod buffer;
mod checkpoint;
mod commit;
mod entry;
mod hash;
mod kept;
mod key;
mod lanes;
mod maker;
mod note;
mod proof;
mod salts;
mod span;
mod tag;
mod users;

pub use checkpoint::{Checkpoint, CheckpointError, Retention, SealedFile, Why};
pub use commit::{
    GROUPS, NO_FIELDS, Opening, Salt, Secret, SecretError, TooLong, leaf_of, put_field,
};
pub use entry::{Entry, EntryError, Log, entries};
pub use hash::{Hash, HashError, leaf_hash, node_hash};
pub use kept::{KeptFile, digests_of_beginnings};
pub use key::{KeyError, SigningKey, VerifierKey};
pub use maker::LeafMaker;
pub use note::{Note, NoteError, Signature};
pub use proof::{consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};
pub use salts::Salts;
pub use span::{Span, SpanError};
pub use tag::{Tag, TagError, TagKey, TagKeyError};
pub use users::{
    UserDigest, UserEntry, users_from_bytes, users_proof, users_root, users_to_bytes, verify_users,
};
