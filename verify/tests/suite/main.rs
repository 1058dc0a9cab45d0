//! What `weir-verify` promises: the attack suite of LM-31, an independent implementation beside it, and the binary itself.

#![allow(clippy::unwrap_used)]

mod attacks;
mod bits;
mod bundle;
mod gone;
mod independent;
mod kept;
mod log;
mod outside;
mod promised;
mod rewritten;
