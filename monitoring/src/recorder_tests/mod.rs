//! What a recorder promises, seen from outside.

#![allow(clippy::unwrap_used)]

mod asks;
mod crash;
mod disk;
mod life;
mod proof;
mod retention;
mod strict;
